//! Characters beyond ASCII that do not all fare alike, on a walk over shapes. Part of **mask**.
//!
//! Most of those that the vocabulary has lead to one state, as letters do, and the walk goes on there. The tokens with others are refused, or read by
//! themselves.
//!
//! Invariant: of each place on the walk it is kept which characters are refused there; where that is not the same everywhere, the tokens with characters that
//! are refused in some places only are read.
//! Must not know: what is done with letters of ASCII.

use std::rc::Rc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::{After, MOST_WAYS, Most, ShapeWalk, after, beyond};
use crate::bitmask;
use crate::characters::{self, BEYOND, EACH_BEYOND, Kinds};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::Ranges;
use crate::vocab::{Class, Runs};

type ByState<T> = HashMap<StateId, T, foldhash::fast::RandomState>;

/// What a walk knows of characters beyond ASCII.
#[derive(Default)]
pub(super) struct Characters {
    /// May they be told apart?
    told_apart: bool,
    /// They may not: too many fare in some states as they do not in others.
    pub(super) disagreed: bool,
    /// By kind: the characters that are refused where the walk begins, and further on: by some states these, by others those.
    refused: [[Vec<Rc<Runs>>; 2]; EACH_BEYOND.len()],
    /// The kinds of which all are taken somewhere.
    taken: [Kinds; 2],
    others: HashMap<(StateId, usize), Option<Others>, foldhash::fast::RandomState>,
    each: ByState<Option<Rc<Ranges>>>,
}

impl Characters {
    pub(super) fn new(told_apart: bool) -> Self {
        Self { told_apart, ..Self::default() }
    }

    /// Are some refused where others of their kind are taken?
    pub(super) fn are_apart(&self) -> bool {
        self.refused.iter().flatten().flatten().any(|refused| !refused.is_empty())
    }
}

/// Characters of a kind that do not fare as most of a vocabulary's.
struct Others {
    most: After,
    /// Refused.
    refused: Rc<Runs>,
    /// Neither.
    elsewhere: Runs,
    /// Was that counted where the walk begins, and further on?
    asked: [bool; 2],
}

impl ShapeWalk<'_> {
    /// All characters of these kinds are taken, as the first or further on.
    pub(super) fn take(&mut self, first: bool, kinds: Kinds) {
        let new = kinds & BEYOND & !self.characters.taken[usize::from(!first)];
        if new == 0 {
            return;
        }
        self.characters.taken[usize::from(!first)] |= new;
        for (number, kind) in EACH_BEYOND.into_iter().enumerate() {
            if new & kind != 0 {
                self.refuse(number, first, &Rc::default());
            }
        }
    }

    /// These characters of a kind are refused, and no others.
    fn refuse(&mut self, kind: usize, first: bool, refused: &Rc<Runs>) {
        let known = &mut self.characters.refused[kind][usize::from(!first)];
        if !known.contains(refused) {
            known.push(Rc::clone(refused));
            // What is refused here and taken there is read token by token.
            let beyond = self.shapes.beyond();
            self.characters.disagreed |=
                known.len() > 1 && beyond.parted(known).1.iter().map(|&run| beyond.count(run)).sum::<usize>() > self.singles;
        }
    }

    /// After a character of a kind beyond ASCII, which is a class.
    pub(super) fn after_beyond(&mut self, state: StateId, class: Class, kind: Kinds, first: bool) -> Result<Most, EngineError> {
        if self.characters.told_apart {
            match beyond(self.arena, state, kind)? {
                After::Apart => {}
                to => {
                    if to != After::Dead {
                        self.take(first, kind);
                    }
                    return Ok(Most::all(to));
                }
            }
            if let Some(most) = self.most_others(state, kind, first)? {
                return Ok(Most::all(most));
            }
        }
        self.after_class(state, class)
    }

    /// Where most characters of a kind lead of those that the vocabulary has; the others are refused, or their tokens are read by themselves.
    fn most_others(&mut self, state: StateId, kind: Kinds, first: bool) -> Result<Option<After>, EngineError> {
        let Some(number) = EACH_BEYOND.iter().position(|&each| each == kind) else { return Ok(None) };
        let key = (state, number);
        if !self.characters.others.contains_key(&key) {
            let others = self.find_others(state, kind)?;
            self.characters.others.insert(key, others);
        }
        let Some(others) = self.characters.others.get_mut(&key).and_then(Option::as_mut) else { return Ok(None) };
        let most = others.most;
        if std::mem::replace(&mut others.asked[usize::from(!first)], true) {
            return Ok(Some(most));
        }
        let refused = Rc::clone(&others.refused);
        self.refuse(number, first, &refused);
        let others = self.characters.others.get(&key).and_then(Option::as_ref);
        let elsewhere = others.map(|others| others.elsewhere.clone()).unwrap_or_default();
        self.characters.disagreed |= !self.read(&elsewhere, first)?;
        Ok(Some(most))
    }

    /// Read by themselves the tokens with such characters; false if there were too many.
    fn read(&mut self, characters: &[(u32, u32)], first: bool) -> Result<bool, EngineError> {
        for &run in characters {
            for token in self.shapes.beyond().tokens(run, first) {
                // Some are not in strings.
                if bitmask::get(self.shapes.strings().all(), token) && !self.single(token, 0, self.start)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The tokens with characters that are refused by some states; false if there are too many of those that others take.
    pub(super) fn refused_somewhere(&mut self) -> Result<bool, EngineError> {
        let beyond = self.shapes.beyond();
        for of_kind in std::mem::take(&mut self.characters.refused) {
            for (first, refused) in [true, false].into_iter().zip(of_kind) {
                let (everywhere, somewhere) = beyond.parted(&refused);
                if !self.read(&somewhere, first)? {
                    return Ok(false);
                }
                beyond.set(self.touched_mut(), &everywhere, first);
            }
        }
        Ok(true)
    }

    fn find_others(&mut self, state: StateId, kind: Kinds) -> Result<Option<Others>, EngineError> {
        let Some(each) = self.each(state)? else { return Ok(None) };
        let beyond = self.shapes.beyond();
        let (mut taken, mut refused) = (Vec::new(), Runs::new());
        for &(first, last) in characters::ranges_of(kind) {
            let (mut next, end) = beyond.range(first, last);
            for &(low, high, to) in &each[each.partition_point(|range| range.1 < first)..] {
                if low > last {
                    break;
                }
                let run = beyond.range(low.max(first), high.min(last));
                if run.0 < run.1 {
                    refused.extend((next < run.0).then_some((next, run.0)));
                    taken.push((run, to));
                    next = run.1;
                }
            }
            refused.extend((next < end).then_some((next, end)));
        }
        let mut counts: SmallVec<[(StateId, usize); 4]> = SmallVec::new();
        for &(run, to) in &taken {
            match counts.iter().position(|known| known.0 == to) {
                Some(at) => counts[at].1 += beyond.count(run),
                None if counts.len() < MOST_WAYS => counts.push((to, beyond.count(run))),
                None => return Ok(None),
            }
        }
        let most = counts.iter().max_by_key(|known| known.1).map(|known| known.0);
        if counts.iter().filter(|known| Some(known.0) != most).map(|known| known.1).sum::<usize>() > self.singles {
            return Ok(None);
        }
        let elsewhere = taken.iter().filter(|&&(_, to)| Some(to) != most).map(|&(run, _)| run).collect();
        let most = most.map_or(After::Dead, |to| After::To(to, self.arena.facts(to).counting));
        Ok(Some(Others { most, refused: Rc::new(refused), elsewhere, asked: [false; 2] }))
    }

    /// Where each character beyond ASCII leads, if that is known.
    fn each(&mut self, state: StateId) -> Result<Option<Rc<Ranges>>, EngineError> {
        if let Some(each) = self.characters.each.get(&state) {
            return Ok(each.clone());
        }
        let each = self.arena.beyond_each(state)?.map(Rc::new);
        self.characters.each.insert(state, each.clone());
        Ok(each)
    }

    /// Read the tokens that end within a character; false if that cannot be done.
    pub(super) fn partial(&mut self) -> Result<bool, EngineError> {
        let (vocabulary, shapes) = (self.vocabulary, self.shapes);
        for partial in shapes.partial().0 {
            let whole = &vocabulary.token_bytes(partial.token)[..usize::from(partial.whole)];
            let mut at = Some(self.start);
            for character in std::str::from_utf8(whole).unwrap_or_default().chars() {
                let Some((state, register)) = at else { break };
                let way = if character.is_ascii() {
                    after(self.arena, state, character as u8)?
                } else {
                    let Some(each) = self.each(state)? else { return Ok(false) };
                    let number = u32::from(character);
                    let to = each.get(each.partition_point(|range| range.1 < number)).filter(|range| range.0 <= number);
                    to.map_or(After::Dead, |&(_, _, to)| After::To(to, self.arena.facts(to).counting))
                };
                at = match way {
                    After::Dead => None,
                    After::To(to, increment) => self.settled(to, register, increment)?,
                    After::Apart => return Ok(false),
                };
            }
            let Some((state, register)) = at else { continue };
            let Some(each) = self.each(state)? else { return Ok(false) };
            let mut last = None;
            for &(_, _, to) in
                each[each.partition_point(|range| range.1 < partial.low)..].iter().take_while(|range| range.0 <= partial.high)
            {
                if last == Some(to) {
                    continue;
                }
                last = Some(to);
                if self.settled(to, register, self.arena.facts(to).counting)?.is_some() {
                    self.accepted.push(partial.token);
                    break;
                }
            }
        }
        Ok(true)
    }

    /// The state that a target is once its count has come to what it is, and that count.
    fn settled(&self, to: StateId, register: u64, increment: bool) -> Result<Option<(StateId, u64)>, EngineError> {
        let register = register + u64::from(increment && !self.frozen);
        let Some(state) = self.arena.settled(to, register)? else { return Ok(None) };
        Ok(Some((state, if self.arena.facts(state).counting { register } else { 0 })))
    }
}
