//! States made on demand: sets of positions in their contexts. Pipeline: part of **automaton**.
//!
//! A state is a sorted set of items (context, position), each waiting to read something. For a step it is expanded: calls that are seen
//! through lead to the starts of what they call, in a context that remembers where to go on; other calls are grouped by what they
//! call, so that one frame covers all places that go on after it.
//!
//! Invariant: equal sets are one state; every item can still end; nothing is expanded before a byte is asked.
//! Must not know: front-ends, tokens, the matcher's stack.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use hashbrown::{HashMap, HashSet};
use smallvec::{SmallVec, smallvec};

use super::context::{Context, Contexts, Follow};
use super::count::{Counts, Mode, Segment};
use super::left_corner::LeftCorner;
use super::nfa::{END, EmbeddedIndex, Kind, Node, Position, Symbol};
use crate::characters::Kinds;
use crate::error::EngineError;
use crate::ids::{ProviderId, StateId};
use crate::limits::Limits;
use crate::loops::Beyond;
use crate::maps::{self, Concurrent};
use crate::provider::{Alternative, Arena, ByteSet, Cell, Facts, Provider, Push, Step};

/// A position in a context.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Item {
    pub(super) context: Context,
    pub(super) position: Position,
}

/// What a state is.
#[derive(PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub(super) mode: Mode,
    /// Whether the state returns, and what may follow then.
    pub(super) returns: Option<Follow>,
    pub(super) items: Box<[Item]>,
}

/// Something whose call pushes a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Callee {
    Symbol(Symbol),
    Embedded(EmbeddedIndex),
}

/// A call of a state: what is entered, and all places that go on after it.
pub(super) struct Call {
    pub(super) callee: Callee,
    returns: Vec<Item>,
    /// States to return to, each with whether that ends an iteration. None: the state returns as soon as the call does.
    frames: OnceLock<SmallVec<[Push; 2]>>,
}

/// What a state waits for, calls seen through.
pub(super) struct Expansion {
    /// Items at bytes and classes.
    pub(super) edges: Box<[Item]>,
    /// By callee.
    pub(super) calls: Box<[Call]>,
}

struct StateData {
    key: Arc<Key>,
    id: OnceLock<StateId>,
    expansion: OnceLock<Expansion>,
}

type Alternatives = SmallVec<[Alternative; 1]>;

/// What a state does on some bytes.
#[derive(Clone)]
struct Answer {
    bytes: ByteSet,
    alternatives: Arc<Alternatives>,
}

/// The grammar as a provider of states.
pub(super) struct GrammarProvider {
    pub(super) automaton: LeftCorner,
    /// By symbol: whether its calls push.
    pub(super) pushes: Vec<bool>,
    /// By symbol: what may follow it.
    pub(super) follows: Vec<Follow>,
    pub(super) follow_sets: Vec<ByteSet>,
    pub(super) contexts: Contexts,
    /// Of all that says what a position means, once it is asked for.
    pub(super) content: OnceLock<u128>,
    id: OnceLock<ProviderId>,
    states: boxcar::Vec<StateData>,
    known: Concurrent<Arc<Key>, StateId>,
    /// By symbol: the state that a call enters.
    entries: Vec<OnceLock<StateId>>,
    /// What entered states do, by local number: callers ask again and again.
    answers: Concurrent<u32, Vec<Answer>>,
    bytes: AtomicUsize,
}

impl GrammarProvider {
    /// No state yet. By symbol: whether its calls push, and what may follow it.
    pub(super) fn new(automaton: LeftCorner, pushes: Vec<bool>, follow: &[ByteSet]) -> Self {
        let bytes = automaton.nfa.memory_bytes() + follow.len() * 4;
        let mut follow_sets: Vec<ByteSet> = Vec::new();
        let mut numbers: HashMap<ByteSet, Follow> = HashMap::new();
        let follows = follow.iter().map(|&set| {
            *numbers.entry(set).or_insert_with(|| {
                follow_sets.push(set);
                Follow(follow_sets.len() as u32 - 1)
            })
        });
        let follows = follows.collect();
        Self {
            entries: (0..pushes.len()).map(|_| OnceLock::new()).collect(),
            automaton,
            pushes,
            follows,
            follow_sets,
            contexts: Contexts::new(),
            content: OnceLock::new(),
            id: OnceLock::new(),
            states: boxcar::Vec::new(),
            known: maps::few(),
            answers: maps::few(),
            bytes: AtomicUsize::new(bytes),
        }
    }

    /// Tell the provider who it is; before any state is made.
    pub(super) fn registered(&self, id: ProviderId) {
        let _ = self.id.set(id);
    }

    /// The state that a call of `symbol` enters: it never returns, since the empty text is the caller's.
    pub(super) fn entry(&self, arena: &Arena, symbol: Symbol) -> Result<StateId, EngineError> {
        let entry = &self.entries[symbol.index()];
        if let Some(&state) = entry.get() {
            return Ok(state);
        }
        let state = match self.counts(symbol) {
            Some(counts) => self.head(arena, symbol, counts.first(), false)?,
            None => self.state(arena, Mode::Plain, None, self.starting(symbol))?,
        };
        Ok(*entry.get_or_init(|| state))
    }

    fn starting(&self, symbol: Symbol) -> Vec<Item> {
        let context = self.contexts.bottom(self.goal(symbol), self.follows[symbol.index()]);
        self.automaton.starts(symbol).iter().map(|&position| Item { context, position }).collect()
    }

    fn goal(&self, symbol: Symbol) -> Option<Symbol> {
        self.automaton.component[symbol.index()].map(|_| symbol)
    }

    fn counts(&self, symbol: Symbol) -> Option<Counts> {
        let data = self.automaton.nfa.symbol(symbol);
        match data.kind {
            Kind::Rule => None,
            // Iterations that read nothing are left out, so none is needed.
            Kind::Loop { min, max } => Some(Counts { min: if self.automaton.nullable.at(data.start) { 0 } else { min }, max }),
        }
    }

    fn head(&self, arena: &Arena, symbol: Symbol, segment: Segment, returns: bool) -> Result<StateId, EngineError> {
        let returns = returns.then(|| self.follows[symbol.index()]);
        self.state(arena, Mode::Head(symbol, segment), returns, self.starting(symbol))
    }

    /// The state of a sorted set.
    fn state(&self, arena: &Arena, mode: Mode, returns: Option<Follow>, items: Vec<Item>) -> Result<StateId, EngineError> {
        let key = Arc::new(Key { mode, returns, items: items.into() });
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let Some(&provider) = self.id.get() else {
            return Err(EngineError::Internal("a grammar made a state before it was registered"));
        };
        let facts = match mode.counted().and_then(|(symbol, segment)| Some((self.counts(symbol)?, segment))) {
            Some((counts, segment)) => counts.facts(segment, returns.is_some()),
            None => Facts { returns: returns.map(|_| 0), has_edges: !key.items.is_empty(), ..Facts::default() },
        };
        let facts = Facts { follow: returns.map_or(ByteSet::ALL, |follow| self.follow_sets[follow.index()]), bare: true, ..facts };
        match self.known.entry(key.clone()) {
            dashmap::Entry::Occupied(entry) => Ok(*entry.get()),
            dashmap::Entry::Vacant(entry) => {
                self.bytes.fetch_add(key.items.len() * size_of::<Item>() + 160, Ordering::Relaxed);
                let local = self.states.push(StateData { key, id: OnceLock::new(), expansion: OnceLock::new() }) as u32;
                let id = arena.add_state(provider, local, facts)?;
                let _ = self.states[local as usize].id.set(id);
                entry.insert(id);
                Ok(id)
            }
        }
    }

    /// The context inside a call at an item that goes on at `next`.
    fn inside(&self, context: Context, next: Position, goal: Option<Symbol>) -> Context {
        let last = match self.automaton.nfa.node(next) {
            Node::End => true,
            Node::Accept(symbol) => self.automaton.component[symbol.index()].is_none(),
            _ => false,
        };
        if last { self.contexts.instead(context, goal) } else { self.contexts.inside(context, next, goal) }
    }

    /// Follow everything that reads nothing. Whether the bottom is reached (all seeds have the same), and the items that wait, sorted.
    fn closure(&self, limits: &Limits, seeds: Vec<Item>) -> Result<(Option<Follow>, Vec<Item>), EngineError> {
        let mut seen: HashSet<Item> = seeds.iter().copied().collect();
        let mut work = seeds;
        let mut waiting = Vec::new();
        let mut returns = None;
        while let Some(item) = work.pop() {
            let node = self.automaton.nfa.node(item.position);
            let mut go = |context: Context, position: Position| {
                let next = Item { context, position };
                if seen.insert(next) {
                    work.push(next);
                }
            };
            let mut ends = false;
            match node {
                Node::Dead => {}
                Node::End => ends = true,
                Node::Accept(symbol) => {
                    ends = true;
                    if self.automaton.component[symbol.index()].is_some() {
                        ends = self.contexts.place(item.context).goal() == Some(symbol);
                        for &corner in &self.automaton.corners[symbol.index()] {
                            go(item.context, corner);
                        }
                    }
                }
                Node::Union(start, len) => {
                    for &part in self.automaton.nfa.union_of(start, len) {
                        go(item.context, part);
                    }
                }
                Node::Byte(..) | Node::Class(..) | Node::Call(..) | Node::Embedded(..) => {
                    if self.automaton.live(item.position) {
                        waiting.push(item);
                    }
                    if self.automaton.skips(node) {
                        for &next in self.automaton.nfa.successors(item.position) {
                            go(item.context, next);
                        }
                    }
                }
            }
            if ends {
                match self.contexts.place(item.context).outer() {
                    Ok((context, position)) => go(context, position),
                    Err(follow) => returns = Some(follow),
                }
            }
            Limits::check("max_subset_positions", seen.len(), limits.max_subset_positions)?;
        }
        waiting.sort_unstable();
        waiting.dedup();
        Ok((returns, waiting))
    }

    /// See calls through, down to what waits for a byte or pushes.
    pub(super) fn expansion(&self, limits: &Limits, local: u32) -> Result<&Expansion, EngineError> {
        let data = &self.states[local as usize];
        if let Some(known) = data.expansion.get() {
            return Ok(known);
        }
        let mut seen: HashSet<Item> = data.key.items.iter().copied().collect();
        let mut work: Vec<Item> = data.key.items.to_vec();
        let mut edges = Vec::new();
        let mut calls: Vec<Call> = Vec::new();
        let mut known: HashMap<Callee, usize> = HashMap::new();
        while let Some(item) = work.pop() {
            let (callee, next) = match self.automaton.nfa.node(item.position) {
                Node::Call(symbol, next) if !self.pushes[symbol.index()] => {
                    let context = self.inside(item.context, next, self.goal(symbol));
                    for &position in self.automaton.starts(symbol) {
                        let start = Item { context, position };
                        if seen.insert(start) {
                            work.push(start);
                        }
                    }
                    Limits::check("max_subset_positions", seen.len(), limits.max_subset_positions)?;
                    continue;
                }
                Node::Call(symbol, next) => (Callee::Symbol(symbol), next),
                Node::Embedded(index, next) => (Callee::Embedded(index), next),
                _ => {
                    edges.push(item);
                    continue;
                }
            };
            let index = *known.entry(callee).or_insert_with(|| {
                calls.push(Call { callee, returns: Vec::new(), frames: OnceLock::new() });
                calls.len() - 1
            });
            calls[index].returns.push(Item { context: item.context, position: next });
        }
        self.bytes.fetch_add(edges.len() * size_of::<Item>() + calls.len() * size_of::<Call>(), Ordering::Relaxed);
        Ok(data.expansion.get_or_init(|| Expansion { edges: edges.into(), calls: calls.into() }))
    }

    /// The states to be in when a closure was reached, and whether that ends an iteration: an iteration that may end here or go on
    /// is two states.
    fn destinations(
        &self,
        arena: &Arena,
        mode: Mode,
        returns: Option<Follow>,
        items: Vec<Item>,
    ) -> Result<SmallVec<[Push; 2]>, EngineError> {
        let Some((symbol, segment)) = mode.counted() else {
            return Ok(smallvec![Push { return_to: self.state(arena, Mode::Plain, returns, items)?, increment: false }]);
        };
        let mut found = SmallVec::new();
        if !items.is_empty() {
            found.push(Push { return_to: self.state(arena, Mode::Inner(symbol, segment), None, items)?, increment: false });
        }
        if returns.is_some() {
            let increment = self.counts(symbol).is_some_and(|counts| counts.limit(segment).is_some());
            found.push(Push { return_to: self.head(arena, symbol, segment, segment == Segment::Within)?, increment });
        }
        Ok(found)
    }

    fn frames<'a>(&self, arena: &Arena, mode: Mode, call: &'a Call) -> Result<&'a SmallVec<[Push; 2]>, EngineError> {
        if let Some(known) = call.frames.get() {
            return Ok(known);
        }
        let (returns, items) = self.closure(arena.limits(), call.returns.clone())?;
        let frames = if mode == Mode::Plain && returns.is_some() && items.is_empty() {
            SmallVec::new()
        } else {
            self.destinations(arena, mode, returns, items)?
        };
        Ok(call.frames.get_or_init(|| frames))
    }

    fn known_answer(&self, local: u32, byte: u8) -> Option<Answer> {
        self.answers.get(&local)?.iter().find(|answer| answer.bytes.contains(byte)).cloned()
    }

    /// The entered states of a state's calls that have not answered for the byte.
    fn unanswered(&self, arena: &Arena, local: u32, byte: u8) -> Result<Option<u32>, EngineError> {
        for call in &self.expansion(arena.limits(), local)?.calls {
            if let Callee::Symbol(symbol) = call.callee {
                let entered = arena.local(self.entry(arena, symbol)?);
                if self.known_answer(entered, byte).is_none() {
                    return Ok(Some(entered));
                }
            }
        }
        Ok(None)
    }

    /// What a state does on a byte. What it enters is asked first, on a stack of our own: rules may enter each other thousands deep.
    fn answer(&self, arena: &Arena, local: u32, byte: u8) -> Result<Answer, EngineError> {
        let mut stack = vec![local];
        let mut cost = 0;
        loop {
            let Some(&top) = stack.last() else {
                return Err(EngineError::Internal("a step had no answer"));
            };
            if let Some(first) = self.unanswered(arena, top, byte)? {
                stack.push(first);
                continue;
            }
            let answer = self.combine(arena, top, byte)?;
            cost += answer.alternatives.iter().map(|alternative| alternative.push.len() + 1).sum::<usize>();
            Limits::check("max_step_frames", cost, arena.limits().max_step_frames)?;
            stack.pop();
            if stack.is_empty() {
                return Ok(answer);
            }
            self.bytes.fetch_add(size_of::<Answer>() + 64, Ordering::Relaxed);
            self.answers.entry(top).or_default().push(answer);
        }
    }

    fn combine(&self, arena: &Arena, local: u32, byte: u8) -> Result<Answer, EngineError> {
        let mode = self.states[local as usize].key.mode;
        let expansion = self.expansion(arena.limits(), local)?;
        let mut bytes = ByteSet::ALL;
        let mut targets = Vec::new();
        for item in &expansion.edges {
            self.read(*item, byte, &mut bytes, &mut targets);
        }
        let mut alternatives = Alternatives::new();
        for call in &expansion.calls {
            let inner = match call.callee {
                Callee::Symbol(symbol) => {
                    let entered = arena.local(self.entry(arena, symbol)?);
                    self.known_answer(entered, byte).ok_or(EngineError::Internal("a call had no answer"))?
                }
                Callee::Embedded(index) => self.embedded_answer(arena, index, byte)?,
            };
            keep(&mut bytes, inner.bytes, true);
            for alternative in inner.alternatives.iter() {
                let facts = arena.facts(alternative.target);
                if alternative.push.is_empty() && facts.returns.is_some() && !facts.has_edges {
                    // Entered and left with one byte: no frame, and no second item.
                    targets.extend_from_slice(&call.returns);
                    continue;
                }
                let frames = self.frames(arena, mode, call)?;
                if frames.is_empty() {
                    alternatives.push(alternative.clone());
                }
                for &frame in frames {
                    let mut longer = alternative.clone();
                    longer.push.insert(0, frame);
                    alternatives.push(longer);
                }
            }
        }
        if !targets.is_empty() {
            let (returns, items) = self.closure(arena.limits(), targets)?;
            for found in self.destinations(arena, mode, returns, items)? {
                alternatives.push(Alternative { push: SmallVec::new(), target: found.return_to, increment: found.increment });
            }
        }
        if alternatives.len() > 1 {
            Limits::check("max_items", alternatives.len(), arena.limits().max_items)?;
            let mut seen = HashSet::new();
            alternatives.retain(|alternative| seen.insert(alternative.clone()));
        }
        Ok(Answer { bytes, alternatives: Arc::new(alternatives) })
    }

    /// Where an item goes on a byte; `bytes` keeps those on which it does the same.
    fn read(&self, item: Item, byte: u8, bytes: &mut ByteSet, targets: &mut Vec<Item>) {
        match self.automaton.nfa.node(item.position) {
            Node::Byte(low, high, next) => {
                let reads = (low..=high).contains(&byte);
                keep(bytes, range(low, high), reads);
                if reads {
                    targets.push(Item { context: item.context, position: next });
                }
            }
            Node::Class(class, next) => {
                let class = &self.automaton.nfa.classes[class.index()];
                let Some(&(group, rest)) = class.groups.iter().find(|(group, _)| group.contains(byte)) else {
                    keep(bytes, class.first, false);
                    return;
                };
                keep(bytes, group, true);
                targets.push(if rest == END {
                    Item { context: item.context, position: next }
                } else {
                    Item { context: self.inside(item.context, next, None), position: rest }
                });
            }
            _ => {}
        }
    }

    fn embedded_answer(&self, arena: &Arena, index: EmbeddedIndex, byte: u8) -> Result<Answer, EngineError> {
        let mut alternatives = Alternatives::new();
        if let Some(start) = self.automaton.nfa.embedded[index.index()].start {
            match arena.step(start, byte)? {
                Cell::Dead => {}
                Cell::Simple(target, increment) => alternatives.push(Alternative { push: SmallVec::new(), target, increment }),
                Cell::Many(many) => alternatives.extend(many.iter().cloned()),
            }
        }
        Ok(Answer { bytes: ByteSet::one(byte), alternatives: Arc::new(alternatives) })
    }

    /// What a state is.
    pub(super) fn key(&self, local: u32) -> &Key {
        &self.states[local as usize].key
    }
}

/// The bytes from `low` to `high`.
fn range(low: u8, high: u8) -> ByteSet {
    let mut set = ByteSet::default();
    for (index, word) in set.0.iter_mut().enumerate() {
        let first = index * 64;
        let (low, high) = (usize::from(low).max(first), usize::from(high).min(first + 63));
        if low <= high {
            *word = (u64::MAX >> (63 - (high - low))) << (low - first);
        }
    }
    set
}

/// Keep the bytes that are in `set`, or those that are not.
fn keep(bytes: &mut ByteSet, set: ByteSet, inside: bool) {
    for (word, other) in bytes.0.iter_mut().zip(set.0) {
        *word &= if inside { other } else { !other };
    }
}

impl Provider for GrammarProvider {
    fn step(&self, arena: &Arena, local: u32, byte: u8) -> Result<Step, EngineError> {
        let Answer { bytes, alternatives } = self.answer(arena, local, byte)?;
        Ok(Step::of(Arc::unwrap_or_clone(alternatives), bytes))
    }

    fn on_return(&self, _arena: &Arena, local: u32, _value: u32) -> Result<Option<StateId>, EngineError> {
        // Nothing depends on the value: rules of a grammar have one way to match.
        let state = self.states[local as usize].id.get().copied();
        state.map(Some).ok_or(EngineError::Internal("a return to a state that was never made"))
    }

    fn settle(&self, arena: &Arena, local: u32, _register: u64) -> Result<Option<StateId>, EngineError> {
        let counted = self.key(local).mode.counted();
        let Some((symbol, segment, counts)) = counted.and_then(|(symbol, segment)| Some((symbol, segment, self.counts(symbol)?))) else {
            return Err(EngineError::Internal("a state that does not count was settled"));
        };
        match counts.after(segment) {
            Some(next) => self.head(arena, symbol, next, true).map(Some),
            None => self.state(arena, Mode::Plain, Some(self.follows[symbol.index()]), Vec::new()).map(Some),
        }
    }

    fn beyond_ascii(&self, arena: &Arena, local: u32, kind: Kinds) -> Result<Option<Beyond>, EngineError> {
        let expansion = self.expansion(arena.limits(), local)?;
        if !expansion.calls.is_empty() {
            return Ok(None);
        }
        let mode = self.key(local).mode;
        let mut targets = Vec::new();
        for item in &expansion.edges {
            match self.automaton.nfa.node(item.position) {
                Node::Byte(_, high, _) if high < 0x80 => {}
                Node::Class(class, next) => {
                    let class = &self.automaton.nfa.classes[class.index()];
                    if class.whole & kind != 0 {
                        targets.push(Item { context: item.context, position: next });
                    } else if class.some & kind != 0 {
                        return Ok(None);
                    }
                }
                _ => return Ok(None),
            }
        }
        if targets.is_empty() {
            return Ok(Some(Beyond::Dead));
        }
        let (returns, items) = self.closure(arena.limits(), targets)?;
        match self.destinations(arena, mode, returns, items)?.as_slice() {
            [found] => Ok(Some(Beyond::To(found.return_to))),
            _ => Ok(None),
        }
    }

    fn identity(&self, arena: &Arena, local: u32) -> Option<u128> {
        Some(self.state_identity(arena.limits(), local))
    }

    fn describe(&self, local: u32) -> String {
        super::describe::describe(self, local)
    }

    fn memory_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed) + self.contexts.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_sets() {
        for (low, high) in [(0, 255), (0, 0), (255, 255), (63, 64), (10, 200), (64, 127), (130, 131)] {
            assert_eq!(range(low, high), ByteSet::range(low, high));
        }
    }
}
