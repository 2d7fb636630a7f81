//! What may be going on at one place of a text, and the byte step.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::frames::{Frame, Parents};
use super::keys::{Memory, Partial};
use super::seen::Seen;
use super::text::Text;
use super::unused::{self, Fate};
use super::value::Beginning;
use crate::error::EngineError;
use crate::ids::StateId;
use crate::limits::Limits;
use crate::provider::{Alternative, Arena, ByteSet, Cell};

/// One way to read the text so far: a state that waits for a byte, its register, and where to return.
#[derive(Clone, Debug)]
pub struct Item {
    /// The state.
    pub state: StateId,
    /// Its register; zero if it does not count.
    pub register: u64,
    /// The keys its object has used, or the key being read.
    pub memory: Memory,
    /// The items its array has had.
    pub seen: Seen,
    /// The frames below.
    pub parents: Parents,
}

/// All ways to read the text so far.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The items: no two agree in state, register and memory.
    pub items: SmallVec<[Item; 1]>,
    /// The values that the bottom rule returns if the text ends here.
    pub returned: SmallVec<[u32; 1]>,
    /// What was read; kept only while an item is being read that must not, or must, repeat another.
    text: Text,
    /// Such items are watched. Where they are not, as in masks, every item counts as one that repeats none.
    watching: bool,
}

impl Configuration {
    /// One item over the bottom, not closed under returns: for a start state (which never returns) or for asking about a state alone.
    pub fn at(state: StateId, register: u64) -> Self {
        let mut items = SmallVec::new();
        items.push(Item { state, register, memory: Memory::NONE, seen: Seen::NONE, parents: Parents::Bottom });
        Self { items, ..Self::default() }
    }

    /// The same, watching for items that repeat others.
    #[must_use]
    pub fn watching(self) -> Self {
        Self { watching: true, ..self }
    }

    /// Does it watch for items that repeat others?
    pub fn watches(&self) -> bool {
        self.watching
    }

    /// The same with only this item, which must be one of its items or above the same frames.
    #[must_use]
    pub fn alone(&self, item: Item) -> Self {
        Self { items: SmallVec::from_iter([item]), returned: SmallVec::new(), text: self.text.clone(), watching: self.watching }
    }

    /// The offset after the last byte; only differences to those of frames that watch matter.
    pub fn offset(&self) -> u64 {
        self.text.end()
    }

    /// What was read from an offset on that some frame names.
    pub fn read_since(&self, offset: u64) -> Beginning {
        Beginning::of(&self.text.since(offset))
    }

    /// One item over the bottom, closed: if the state may return, the value is among `returned`.
    /// With it, the bytes that may follow a return at the bottom.
    pub fn closed(arena: &Arena, state: StateId, register: u64) -> Result<(Self, ByteSet), EngineError> {
        let mut builder = Builder::new(arena, Text::default(), false);
        builder.add(state, register, Memory::NONE, Seen::NONE, Parents::Bottom)?;
        let (closed, follow, _) = builder.finish()?;
        Ok((closed, follow))
    }

    /// Where an alternative leads from an item over the bottom whose register is zero; nothing is remembered.
    pub fn entered(arena: &Arena, alternative: &Alternative) -> Result<Self, EngineError> {
        let mut builder = Builder::new(arena, Text::default(), false);
        let from = Item { state: alternative.target, register: 0, memory: Memory::NONE, seen: Seen::NONE, parents: Parents::Bottom };
        builder.go(&from, alternative, 0)?;
        Ok(builder.finish()?.0)
    }

    /// Like [`Self::step`]; gives the bytes that may follow a return at the bottom, and what it took, in frames.
    pub fn step_following(&mut self, arena: &Arena, byte: u8) -> Result<(ByteSet, usize), EngineError> {
        self.step_items(arena, byte)
    }

    /// Can the text go on, or end?
    #[inline]
    pub fn is_alive(&self) -> bool {
        !self.items.is_empty() || !self.returned.is_empty()
    }

    /// Read one byte. Afterwards the configuration is dead if the byte is refused.
    #[inline]
    pub fn step(&mut self, arena: &Arena, byte: u8) -> Result<(), EngineError> {
        // PERF: the usual byte of a string or a number moves one item inside its rule; nothing is allocated then.
        if let [item] = self.items.as_mut_slice() {
            match arena.step(item.state, byte)? {
                Cell::Dead => {
                    self.items.clear();
                    self.returned.clear();
                    return Ok(());
                }
                Cell::Simple(target, increment) if item.memory.is_none() => {
                    let register = item.register + u64::from(increment);
                    let Some(state) = arena.settled(target, register)? else {
                        self.items.clear();
                        self.returned.clear();
                        return Ok(());
                    };
                    let facts = arena.facts(state);
                    if facts.returns.is_none() {
                        item.state = state;
                        item.register = if facts.counting { register } else { 0 };
                        if self.watching {
                            if item.parents.tracked() {
                                self.text.push(byte);
                            }
                            if !facts.tracks_items {
                                item.seen = Seen::NONE;
                            }
                        }
                        self.returned.clear();
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        self.step_items(arena, byte)?;
        Ok(())
    }

    /// Read bytes until one is refused; false if one is, and the configuration is dead then.
    pub fn step_all(&mut self, arena: &Arena, bytes: &[u8]) -> Result<bool, EngineError> {
        let mut left = bytes;
        while let [byte, rest @ ..] = left {
            left = if let Some(read) = self.step_along(arena, left)? {
                &left[read..]
            } else {
                self.step(arena, *byte)?;
                rest
            };
            if !self.is_alive() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Read at once as many bytes as is possible, if there is a way to; how many.
    fn step_along(&mut self, arena: &Arena, bytes: &[u8]) -> Result<Option<usize>, EngineError> {
        let [item] = self.items.as_mut_slice() else { return Ok(None) };
        if bytes.len() < 2 || self.watching && item.parents.tracked() {
            return Ok(None);
        }
        let Some((state, read)) = arena.along(item.state, bytes)? else { return Ok(None) };
        item.state = state;
        self.returned.clear();
        if !item.memory.is_none() {
            for &byte in &bytes[..read] {
                item.memory = item.memory.after(byte);
            }
            match unused::fate(arena, item)? {
                Fate::New => item.memory = item.memory.as_new(),
                Fate::Open => {}
                Fate::Dead => self.items.clear(),
            }
        }
        Ok(Some(read))
    }

    fn step_items(&mut self, arena: &Arena, byte: u8) -> Result<(ByteSet, usize), EngineError> {
        let watching = self.watching && arena.tracks_items();
        let mut text = std::mem::take(&mut self.text);
        if watching {
            if !self.items.iter().any(|item| item.parents.tracked()) {
                text.forget();
            }
            text.push(byte);
        }
        let mut builder = Builder::new(arena, text, watching);
        for item in &self.items {
            match arena.step(item.state, byte)? {
                Cell::Dead => {}
                Cell::Simple(target, increment) => {
                    let register = item.register + u64::from(increment);
                    builder.add(target, register, item.memory.after(byte), item.seen.clone(), item.parents.clone())?;
                }
                Cell::Many(alternatives) => {
                    for alternative in alternatives {
                        builder.go(item, alternative, byte)?;
                    }
                }
            }
        }
        let (follow, cost);
        let watching = self.watching;
        (*self, follow, cost) = builder.finish()?;
        self.watching = watching;
        Ok((follow, cost))
    }
}

/// A configuration being closed under returns.
struct Builder<'a> {
    arena: &'a Arena,
    items: SmallVec<[Item; 1]>,
    returned: SmallVec<[u32; 1]>,
    /// Returns still to be carried out: the state that returns, what its item remembers, and where to.
    pending: SmallVec<[(StateId, Memory, Parents); 2]>,
    text: Text,
    watching: bool,
    /// Frames made in this step, so that equal ones are made once.
    made: SmallVec<[Arc<Frame>; 4]>,
    popped: usize,
    /// Frames looked at while sets of them were joined.
    joined: usize,
    index: Index,
}

/// Joining sets may look at so many frames for each that a step may reach: the frames that are reached do not bound how many lie below them.
const LOOKS_PER_FRAME: usize = 256;

/// Looking at so many takes as long as making one.
const LOOKS_AS_A_FRAME: usize = 16;

/// So many items or frames are searched one by one, more by their index.
const FEW: usize = 32;

/// Where items and frames of a builder are, once there are many: grammars of thousands of rules that begin with each other make as many in one step.
#[derive(Default)]
struct Index {
    items: HashMap<StateId, SmallVec<[u32; 2]>>,
    items_known: usize,
    /// By return state, register, and what tells most sets of parents apart.
    frames: HashMap<(StateId, u64, u64), SmallVec<[u32; 1]>>,
    frames_known: usize,
}

impl<'a> Builder<'a> {
    fn new(arena: &'a Arena, text: Text, watching: bool) -> Self {
        let (items, returned, pending, made) = (SmallVec::new(), SmallVec::new(), SmallVec::new(), SmallVec::new());
        Self { arena, items, returned, pending, text, watching, made, popped: 0, joined: 0, index: Index::default() }
    }

    fn go(&mut self, item: &Item, alternative: &Alternative, byte: u8) -> Result<(), EngineError> {
        if alternative.push.is_empty() {
            return self.add(
                alternative.target,
                item.register + u64::from(alternative.increment),
                item.memory.after(byte),
                item.seen.clone(),
                item.parents.clone(),
            );
        }
        let mut parents = item.parents.clone();
        let (mut register, mut memory, mut seen) = (item.register, item.memory.clone(), item.seen.clone());
        let mut tracked = false;
        for push in &alternative.push {
            let facts = self.arena.facts(push.return_to);
            if facts.repeats && seen.is_empty() {
                return Ok(());
            }
            tracked = facts.tracks_keys;
            let saved = if facts.counting { register + u64::from(push.increment) } else { 0 };
            parents = Parents::One(self.frame(push.return_to, saved, memory, seen, parents)?);
            (register, memory, seen) = (0, Memory::NONE, Seen::NONE);
        }
        let memory = if tracked { Memory::opened() } else { Memory::NONE };
        self.add(alternative.target, u64::from(alternative.increment), memory, Seen::NONE, parents)
    }

    fn frame(
        &mut self,
        return_to: StateId,
        register: u64,
        memory: Memory,
        seen: Seen,
        parents: Parents,
    ) -> Result<Arc<Frame>, EngineError> {
        let same = |f: &&Arc<Frame>| {
            f.return_to == return_to && f.register == register && f.memory.same(&memory) && f.seen.same(&seen) && f.parents.same(&parents)
        };
        let known = if self.made.len() < FEW {
            self.made.iter().rev().find(same)
        } else {
            let (made, index) = (&self.made, &mut self.index);
            for (at, frame) in made.iter().enumerate().skip(index.frames_known) {
                index.frames.entry((frame.return_to, frame.register, frame.parents.fingerprint())).or_default().push(at as u32);
            }
            index.frames_known = made.len();
            let alike = index.frames.get(&(return_to, register, parents.fingerprint()));
            alike.into_iter().flatten().filter_map(|&at| made.get(at as usize)).find(same)
        };
        if let Some(frame) = known {
            return Ok(frame.clone());
        }
        let bound = self.arena.limits().max_step_frames;
        Limits::check("max_step_frames", self.made.len() + 1, bound)?;
        let facts = self.arena.facts(return_to);
        let tracked = self.watching && facts.tracks_items || parents.tracked();
        let free = !facts.repeats && parents.free();
        // The byte that is being read is the first of the called rule.
        let since = self.text.end().saturating_sub(1);
        let frame = Arc::new(Frame { return_to, register, memory, seen, since, tracked, free, parents });
        self.made.push(frame.clone());
        Ok(frame)
    }

    fn add(&mut self, state: StateId, register: u64, memory: Memory, seen: Seen, parents: Parents) -> Result<(), EngineError> {
        let Some(state) = self.arena.settled(state, register)? else { return Ok(()) };
        let facts = self.arena.facts(state);
        let seen = if facts.tracks_items { seen } else { Seen::NONE };
        let register = if facts.counting { register } else { 0 };
        let alike = (self.items.len() >= FEW).then(|| self.items_in(state));
        for place in 0..alike.as_ref().map_or(self.items.len(), SmallVec::len) {
            let i = alike.as_ref().map_or(place, |alike| alike[place] as usize);
            let item = &mut self.items[i];
            if item.state != state || !item.memory.same(&memory) || !item.seen.same(&seen) {
                continue;
            }
            if item.register == register {
                let (new, bottom) = parents.beyond(&item.parents);
                if new.is_empty() && !bottom {
                    return Ok(());
                }
                let grown = Parents::union([&item.parents, &parents].into_iter());
                let looked = grown.frames().len();
                item.parents = grown;
                if facts.returns.is_some() {
                    let fresh = Parents::union(
                        new.into_iter().map(Parents::One).chain(bottom.then_some(Parents::Bottom)).collect::<SmallVec<[_; 2]>>().iter(),
                    );
                    self.pending.push((state, memory, fresh));
                }
                return self.look_at(looked);
            }
            if facts.smallest_wins {
                if item.register < register && item.parents.contains(&parents) {
                    return Ok(());
                }
                if item.register > register && parents.contains(&item.parents) {
                    self.items.swap_remove(i);
                    self.index.items.clear();
                    self.index.items_known = 0;
                    break;
                }
            }
        }
        let bound = self.arena.limits().max_items;
        Limits::check("max_items", self.items.len() + 1, bound)?;
        if facts.returns.is_some() {
            self.pending.push((state, memory.clone(), parents.clone()));
        }
        self.items.push(Item { state, register, memory, seen, parents });
        Ok(())
    }

    /// Sets of so many frames are joined.
    fn look_at(&mut self, frames: usize) -> Result<(), EngineError> {
        self.joined += frames;
        Limits::check("max_step_frames", self.joined / LOOKS_PER_FRAME, self.arena.limits().max_step_frames)
    }

    /// The places of the items in a state.
    fn items_in(&mut self, state: StateId) -> SmallVec<[u32; 2]> {
        for (at, item) in self.items.iter().enumerate().skip(self.index.items_known) {
            self.index.items.entry(item.state).or_default().push(at as u32);
        }
        self.index.items_known = self.items.len();
        self.index.items.get(&state).cloned().unwrap_or_default()
    }

    fn finish(mut self) -> Result<(Configuration, ByteSet, usize), EngineError> {
        let mut follow = ByteSet::default();
        // An item that gains parents after it returned has put the new ones into `pending` again, so this is a fixpoint.
        while let Some((state, memory, parents)) = self.pending.pop() {
            let facts = self.arena.facts(state);
            let Some(value) = facts.returns else { continue };
            if parents.has_bottom() {
                follow.extend(&facts.follow);
                if !self.returned.contains(&value) {
                    self.returned.push(value);
                }
            }
            match parents.frames() {
                [] => {}
                [frame] => self.pop(value, &memory, &[frame])?,
                frames => {
                    let mut frames: SmallVec<[&Frame; 8]> = frames.iter().map(|frame| &**frame).collect();
                    frames.sort_by_key(|f| (f.return_to, f.register, f.since));
                    let alike = |a: &Frame, b: &Frame| {
                        a.return_to == b.return_to
                            && a.register == b.register
                            && a.memory.same(&b.memory)
                            && a.seen.same(&b.seen)
                            && (a.since == b.since || !a.tracked)
                    };
                    for group in frames.chunk_by(|a, b| alike(a, b)) {
                        self.pop(value, &memory, group)?;
                    }
                }
            }
        }
        let arena = self.arena;
        self.items.retain(|item| arena.facts(item.state).has_edges);
        for i in (0..self.items.len()).rev() {
            if !self.items[i].memory.is_none() && !self.remembers(i)? {
                self.items.remove(i);
            }
        }
        let cost = self.items.len() + self.made.len() + self.popped + self.joined / LOOKS_AS_A_FRAME;
        Ok((Configuration { items: self.items, returned: self.returned, text: self.text, watching: self.watching }, follow, cost))
    }

    /// May an item that remembers keys still come to its end, for all that it remembers?
    fn remembers(&mut self, i: usize) -> Result<bool, EngineError> {
        let item = &mut self.items[i];
        if let Some(used) = item.memory.used() {
            return match self.arena.facts(item.state).awaits {
                Some(key) => unused::can_be_new(self.arena, (key.body, 0), &Partial::default(), used, key.return_to),
                None => Ok(true),
            };
        }
        let fate = unused::fate(self.arena, item)?;
        if fate == Fate::New {
            item.memory = item.memory.as_new();
        }
        Ok(fate != Fate::Dead)
    }

    /// Return `value` into frames that agree in all but their parents.
    fn pop(&mut self, value: u32, memory: &Memory, group: &[&Frame]) -> Result<(), EngineError> {
        let bound = self.arena.limits().max_step_frames;
        self.popped += group.len();
        Limits::check("max_step_frames", self.popped, bound)?;
        let [frame, ..] = group else { return Ok(()) };
        let Some(target) = self.arena.on_return(frame.return_to, value)? else { return Ok(()) };
        let mut kept = frame.memory.clone();
        if self.arena.facts(frame.return_to).tracks_keys
            && self.arena.key_is_undeclared(frame.return_to, value)
            && let Some(mut key) = memory.reading()
        {
            key.text.pop(); // the closing quotation mark
            if kept.used().is_some_and(|used| used.contains(&key.text)) {
                return Ok(());
            }
            kept = kept.with(&key.text);
        }
        let mut seen = frame.seen.clone();
        let facts = self.arena.facts(frame.return_to);
        if self.watching
            && facts.tracks_items
            && let Some(item) = Beginning::of(&self.text.since(frame.since)).whole()
        {
            let repeats = seen.contains(&item);
            if repeats != facts.repeats {
                return Ok(());
            }
            if !repeats && self.arena.facts(target).tracks_items {
                seen = seen.with(item);
            }
        }
        let parents = if group.len() == 1 {
            frame.parents.clone()
        } else {
            self.look_at(group.iter().map(|f| f.parents.frames().len()).sum())?;
            Parents::union(group.iter().map(|f| &f.parents))
        };
        self.add(target, frame.register, kept, seen, parents)
    }
}
