//! Over which kinds of characters a state leads back to itself, or at least stays alive. Between the **provider** and the walks over a vocabulary.
//!
//! Invariant: what is found of a state holds for every text made of those kinds of characters, whole or cut off within the last
//! character: the state is still alive after it, and back at itself after each whole character, whatever its count.
//! Must not know: tokens, tries.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use hashbrown::HashSet;
use smallvec::{SmallVec, smallvec};

use crate::characters::{self, BEYOND, EACH_BEYOND, Kinds, MALFORMED, Utf8};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::{Arena, Cell};

/// What is known of one state: kind by kind, as walks ask.
#[derive(Default)]
pub struct Loops {
    asked: AtomicU64,
    found: AtomicU64,
    alive: Once,
    /// Kinds of which some character is refused.
    refused: Once,
    /// Of the kinds beyond ASCII: where they lead. 0: not known; 1: to several states; 2: nowhere; else three more than the state's number.
    beyond: [AtomicU32; 3],
}

/// Where the characters of a kind beyond ASCII lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beyond {
    /// Each within a character or behind it is refused.
    Dead,
    /// All to this state, and nothing returns within one.
    To(StateId),
    /// Neither.
    Apart,
}

/// Kinds that are found once: [`MALFORMED`], which is never among them, says that they are known. There is one of these for every state.
#[derive(Default)]
struct Once(AtomicU64);

impl Once {
    #[inline]
    fn get(&self) -> Option<Kinds> {
        let kinds = self.0.load(Ordering::Acquire);
        (kinds & MALFORMED != 0).then_some(kinds & !MALFORMED)
    }

    /// What was found first stays.
    fn set(&self, kinds: Kinds) -> Kinds {
        match self.0.compare_exchange(0, kinds | MALFORMED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => kinds,
            Err(first) => first & !MALFORMED,
        }
    }
}

impl Loops {
    /// Of a state of which these kinds are known to be all, unless there are none: over which it leads back, and over which it stays alive.
    pub fn born(kinds: Kinds, alive: Kinds) -> Self {
        let asked = if kinds == 0 { 0 } else { u64::MAX };
        let known = Self { asked: AtomicU64::new(asked), found: AtomicU64::new(kinds), ..Self::default() };
        if alive != 0 {
            known.alive.set(alive);
        }
        known
    }

    /// The kinds over which the state is known to lead back to itself.
    #[inline]
    pub fn known(&self) -> Kinds {
        self.found.load(Ordering::Relaxed)
    }

    /// The kinds over which the state is known to stay alive: see [`stays_alive`].
    #[inline]
    pub fn known_alive(&self) -> Kinds {
        self.alive.get().unwrap_or(0)
    }

    /// The kinds over which the state is known not to lead back to itself, nor, where one has looked, to stay alive; if one looks `ahead`, only these
    /// are known.
    #[inline]
    pub fn hopeless(&self, ahead: bool) -> Kinds {
        let asked = self.asked.load(Ordering::Acquire);
        let not_back = asked & !self.known();
        if !ahead {
            return not_back;
        }
        match (self.alive.get(), self.refused.get()) {
            (Some(alive), _) => not_back & !alive,
            (None, Some(refused)) => not_back & refused,
            (None, None) => 0,
        }
    }
}

/// Does every text of characters of these kinds lead from `state` back to it, while its register has not come to where it is settled? Asks one kind after the other, until one does not.
pub fn cover(arena: &Arena, state: StateId, kinds: Kinds) -> Result<bool, EngineError> {
    let loops = arena.loops(state);
    let found = loops.known();
    if kinds & !found == 0 {
        return Ok(true);
    }
    // What was found is stored before what was asked, so a kind that is asked and not found is none.
    let asked = loops.asked.load(Ordering::Acquire);
    if kinds & !loops.known() & (asked | MALFORMED) != 0 || arena.facts(state).named {
        return Ok(false);
    }
    let mut open = kinds & !found;
    while open != 0 {
        let number = open.trailing_zeros();
        open &= open - 1;
        let kind = 1 << number;
        let looping = if kind & BEYOND == 0 {
            leads_back(arena, state, characters::bytes_of(number))?
        } else {
            beyond_ascii(arena, state, kind)? == Beyond::To(state)
        };
        if looping {
            loops.found.fetch_or(kind, Ordering::Release);
        }
        loops.asked.fetch_or(kind, Ordering::Release);
        if !looping {
            return Ok(false);
        }
    }
    Ok(true)
}

/// All kinds over which a state leads back to itself.
pub fn all_kinds(arena: &Arena, state: StateId) -> Result<Kinds, EngineError> {
    let mut kinds = 0;
    for number in 0..Kinds::BITS - 1 {
        if cover(arena, state, 1 << number)? {
            kinds |= 1 << number;
        }
    }
    Ok(kinds)
}

fn leads_back(arena: &Arena, state: StateId, mut bytes: impl Iterator<Item = u8>) -> Result<bool, EngineError> {
    loop {
        let Some(byte) = bytes.next() else { return Ok(true) };
        if !matches!(arena.step(state, byte)?, Cell::Simple(target, _) if target == state) {
            return Ok(false);
        }
    }
}

/// Where the characters of one of the kinds beyond ASCII lead.
pub fn beyond_ascii(arena: &Arena, state: StateId, kind: Kinds) -> Result<Beyond, EngineError> {
    let Some(number) = EACH_BEYOND.iter().position(|&each| each == kind) else { return Ok(Beyond::Apart) };
    let cell = &arena.loops(state).beyond[number];
    match cell.load(Ordering::Acquire) {
        0 => {}
        1 => return Ok(Beyond::Apart),
        2 => return Ok(Beyond::Dead),
        more => return Ok(Beyond::To(StateId(more - 3))),
    }
    let to = match arena.beyond_ascii(state, kind)? {
        Some(to) => to,
        None => follow(arena, state, kind)?,
    };
    // Whoever else finds out finds the same.
    let known = match to {
        Beyond::Apart => 1,
        Beyond::Dead => 2,
        Beyond::To(to) => to.0 + 3,
    };
    cell.store(known, Ordering::Release);
    Ok(to)
}

/// Follow every well-formed character of a kind beyond ASCII.
fn follow(arena: &Arena, state: StateId, kind: Kinds) -> Result<Beyond, EngineError> {
    // Within a character there are few states: as many as there are places in characters, for any usual class.
    const MOST: usize = 64;
    let own = arena.facts(state);
    let mut seen: SmallVec<[(StateId, Utf8); 16]> = smallvec![(state, Utf8::Start)];
    let mut to = None;
    let mut meets = |way: Beyond| *to.get_or_insert(way) == way;
    let mut done = 0;
    while let Some(&(at, within)) = seen.get(done) {
        done += 1;
        for byte in 0x80..=0xFF {
            if !within.is_of(byte, kind) {
                continue;
            }
            let then = within.after(byte);
            let target = match arena.step(at, byte)? {
                Cell::Simple(target, _) => target,
                Cell::Dead if meets(Beyond::Dead) => continue,
                _ => return Ok(Beyond::Apart),
            };
            if then == Utf8::Start {
                if !meets(Beyond::To(target)) {
                    return Ok(Beyond::Apart);
                }
                continue;
            }
            let facts = arena.facts(target);
            if facts.guarded || facts.returns.is_some() || facts.counting != own.counting || facts.limit < own.limit {
                return Ok(Beyond::Apart);
            }
            if !seen.contains(&(target, then)) {
                if seen.len() == MOST {
                    return Ok(Beyond::Apart);
                }
                seen.push((target, then));
            }
        }
    }
    Ok(to.unwrap_or(Beyond::Apart))
}

/// All that stands for itself in a string of JSON.
pub const CHARACTERS: Kinds = characters::all_of(0x20, *b"\"\\");

/// Is no character taken that stands for itself in a string of JSON?
pub fn refuses_characters(arena: &Arena, state: StateId) -> Result<bool, EngineError> {
    for byte in (0x20..=0xFF).filter(|byte| !b"\"\\".contains(byte)) {
        if !matches!(arena.step(state, byte)?, Cell::Dead) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// More places than this are not looked at: where few kinds are refused, as in a search, and elsewhere.
const MOST_PLACES: [usize; 2] = [256, 12];
/// A search that finds nothing counts for so many more.
const IN_VAIN: usize = 64;
/// So often a search begins anew with fewer kinds.
const ROUNDS: usize = 8;

/// Is the state alive after every text of characters of these kinds, whole or cut off, wherever in its rule that leads? Looks further than
/// [`cover`], once for each state: for walks that have become long. Of the states, `places` are looked at, at most; it is left with those not used.
pub fn stays_alive(arena: &Arena, state: StateId, kinds: Kinds, places: &mut usize) -> Result<bool, EngineError> {
    let loops = arena.loops(state);
    let alive = if let Some(alive) = loops.alive.get() {
        alive
    } else if *places == 0 || kinds & refused(arena, state)? != 0 {
        return Ok(false);
    } else {
        // Where there is a greatest length no text goes on for ever.
        let (found, seen) = if arena.is_bounded(state) { (0, HashSet::new()) } else { find_alive(arena, state, places)? };
        if found == 0 {
            // Where one search finds nothing, the next is likely to.
            *places = places.saturating_sub(IN_VAIN);
        }
        if found.count_ones() >= MANY {
            // So are all that were reached.
            for other in seen {
                arena.loops(other).alive.set(found);
            }
        }
        loops.alive.set(found)
    };
    Ok(kinds & !alive == 0)
}

/// The kinds of which some character is refused, or leads to more than one state.
fn refused(arena: &Arena, state: StateId) -> Result<Kinds, EngineError> {
    let cell = &arena.loops(state).refused;
    if let Some(known) = cell.get() {
        return Ok(known);
    }
    let mut refused = 0;
    for byte in 0..0x80 {
        if !matches!(arena.step(state, byte)?, Cell::Simple(..)) {
            refused |= characters::kind(byte);
        }
    }
    for kind in EACH_BEYOND {
        if !matches!(beyond_ascii(arena, state, kind)?, Beyond::To(_)) {
            refused |= kind;
        }
    }
    Ok(cell.set(refused))
}

/// Of so many kinds, what a state stays alive over is likely to be all that others on the way stay alive over.
const MANY: u32 = 32;

/// Kinds over which everything that can be reached by them stays alive, and what that is. Not always the most there are, since what one kind leads to may cost
/// another that would do alone.
fn find_alive(arena: &Arena, state: StateId, places: &mut usize) -> Result<(Kinds, HashSet<StateId>), EngineError> {
    let nothing = (0, HashSet::new());
    let mut kinds = !(MALFORMED | refused(arena, state)?);
    let most = MOST_PLACES[usize::from(kinds.count_ones() < MANY)];
    for _ in 0..ROUNDS {
        let before = kinds;
        let mut seen: HashSet<StateId> = HashSet::from_iter([state]);
        // States, and the kinds that lead to each.
        let mut open = vec![(state, 0)];
        while let Some((at, by)) = open.pop() {
            if by & !kinds != 0 {
                continue;
            }
            let Some(left) = places.checked_sub(1) else { return Ok(nothing) };
            *places = left;
            let known = open.len();
            let mut refused = 0;
            let mut last = (StateId(u32::MAX), 0);
            for byte in 0..0x80 {
                let kind = characters::kind(byte);
                if kinds & kind == 0 {
                    continue;
                }
                match arena.step(at, byte)? {
                    Cell::Simple(target, false) if (target, kind) == last => {}
                    Cell::Simple(target, false) if arena.facts(target).is_simple() => {
                        last = (target, kind);
                        if seen.insert(target) {
                            open.push((target, kind));
                        }
                    }
                    _ => refused |= kind,
                }
            }
            for kind in EACH_BEYOND.into_iter().filter(|kind| kinds & kind != 0) {
                match beyond_ascii(arena, at, kind)? {
                    Beyond::To(target) if arena.facts(target).is_simple() => {
                        if seen.insert(target) {
                            open.push((target, kind));
                        }
                    }
                    _ => refused |= kind,
                }
            }
            // Where much is refused, as after a backslash, it costs less not to go there.
            if by != 0 && refused.count_ones() > 1 {
                kinds &= !by;
                open.truncate(known);
            } else {
                kinds &= !refused;
            }
            if seen.len() > most {
                return Ok(nothing);
            }
        }
        if kinds == before {
            return Ok((kinds, seen));
        }
    }
    Ok(nothing)
}
