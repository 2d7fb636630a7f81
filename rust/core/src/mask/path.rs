//! The way from the root of a trie to the node that a walk is at: what is alive at each depth. Part of **mask**.
//!
//! PERF: what lies on the path is kept in one array per field: a record written field by field and read whole stalls the processor's store
//! forwarding, which made walks three times slower.
//! Invariant: what lies deeper than the current node is stale.
//! Must not know: which tokens are wanted.

use smallvec::SmallVec;

use super::exits::Exits;
use super::local::{Local, LocalTable};
use crate::characters::{BEYOND, Kinds, MALFORMED};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::loops;
use crate::provider::{Arena, ByteSet, Cell, Glance, Row};
use crate::spacing::Spacing;
use crate::vocab::trie::{Children, Node, Trie};

/// Marks a level that is a configuration of the table: its place is in `registers`.
pub(super) const FULL: u32 = u32::MAX;

/// The configurations along the path from the root to a node, by depth; what lies deeper than the current node is stale.
pub(super) struct Path<'a> {
    arena: &'a Arena,
    pub(super) table: &'a mut LocalTable,
    rows: Vec<Option<&'a Row>>,
    states: Vec<StateId>,
    parents: Vec<u32>,
    registers: Vec<u64>,
    /// Of states that count and may be left at any time: where. Else 0.
    limits: Vec<u64>,
    /// The kinds of characters over which the states are known to lead back to themselves, or to stay alive; none if their registers could matter.
    loops: Vec<Kinds>,
    /// Those over which they are known neither to lead back nor to stay alive: one of them below a node is enough.
    hopeless: Vec<Kinds>,
    /// In a gap, where its state is that of the gap's beginning: how far it has come.
    gaps: Vec<Option<(&'a Spacing, u32)>>,
    pub(super) frozen: bool,
    /// How many states the walk, having become long, may still look at to see over what others stay alive.
    ahead: usize,
}

/// What a path was kept in, for the next.
#[derive(Default)]
pub(super) struct Buffers {
    rows: Vec<Option<&'static Row>>,
    gaps: Vec<Option<(&'static Spacing, u32)>>,
    states: Vec<StateId>,
    parents: Vec<u32>,
    registers: Vec<u64>,
    limits: Vec<u64>,
    loops: Vec<Kinds>,
    hopeless: Vec<Kinds>,
}

/// The room of a vector, for as long as is needed.
fn emptied<T, U>(mut vector: Vec<T>) -> Vec<U> {
    vector.clear();
    // Collected in place.
    vector.into_iter().filter_map(|_| None).collect()
}

/// Walks begin with room for so many levels.
const SHALLOW: usize = 23;

/// Children of a node that has many, at this depth, of which only some need be looked at.
pub(super) struct Skip<'t> {
    pub(super) depth: u16,
    pub(super) children: Children<'t>,
    pub(super) hopeful: ByteSet,
}

/// Ask a state about few bytes: one answer often speaks for many.
pub(super) fn ask_widely(arena: &Arena, state: StateId) -> Result<(), EngineError> {
    for byte in [b'a', 0, 0xC3] {
        arena.step(state, byte)?;
    }
    Ok(())
}

/// The outcome of a byte that is more than moving to a plain state.
pub(super) enum Next {
    Dead,
    Alive(Local),
    /// The rule returned these values, which those bytes may follow; with a level if it may also go on.
    Left(Option<Local>, SmallVec<[u32; 1]>, ByteSet),
}

impl<'a> Path<'a> {
    pub(super) fn new(arena: &'a Arena, table: &'a mut LocalTable, depth: usize) -> Self {
        let Buffers { rows, gaps, states, parents, registers, limits, loops, hopeless } = table.take_buffers();
        let (rows, gaps) = (emptied(rows), emptied(gaps));
        let mut path = Self { arena, table, rows, states, parents, registers, limits, loops, hopeless, gaps, frozen: false, ahead: 0 };
        path.grow(depth.min(SHALLOW).max(path.states.len().saturating_sub(1)));
        path
    }

    /// At the end of a walk: what it used serves the next.
    pub(super) fn finish(self) {
        let Self { table, rows, gaps, states, parents, registers, limits, loops, hopeless, .. } = self;
        table.keep_buffers(Buffers { rows: emptied(rows), gaps: emptied(gaps), states, parents, registers, limits, loops, hopeless });
    }

    /// Make room for levels up to `depth`: few walks go deep.
    fn grow(&mut self, depth: usize) {
        let length = depth + 1;
        self.rows.resize(length, None);
        self.states.resize(length, StateId(0));
        self.parents.resize(length, 0);
        self.registers.resize(length, 0);
        self.limits.resize(length, 0);
        self.loops.resize(length, 0);
        self.hopeless.resize(length, 0);
        self.gaps.resize(length, None);
    }

    /// From here on look so far ahead.
    pub(super) fn look_ahead(&mut self, states: usize) {
        self.ahead = states;
        self.hopeless.fill(0);
    }

    /// See to it that a level can be set.
    #[inline]
    pub(super) fn reach(&mut self, depth: usize) {
        if depth >= self.rows.len() {
            self.grow(depth * 2);
        }
    }

    pub(super) fn set(&mut self, depth: usize, local: Local) {
        match local {
            Local::One { state, register, parents } => {
                let kept = self.arena.at(state);
                let facts = kept.facts();
                let gap = facts.gap.as_ref();
                self.gaps[depth] = gap.map(|gap| (&*gap.spacing, gap.progress));
                let state = gap.and_then(|gap| gap.start).unwrap_or(state);
                self.rows[depth] = if gap.is_some() { None } else { kept.row() };
                self.states[depth] = state;
                self.parents[depth] = parents;
                self.registers[depth] = register;
                self.limits[depth] = if !facts.counting || facts.returns.is_some() { 0 } else { facts.settled_from() };
                self.loops[depth] = if facts.counting || gap.is_some() { 0 } else { kept.loops().known() };
                self.hopeless[depth] = 0;
            }
            Local::Full(place) => {
                self.rows[depth] = None;
                self.parents[depth] = FULL;
                self.registers[depth] = u64::from(place);
                self.loops[depth] = 0;
                self.hopeless[depth] = 0;
                self.gaps[depth] = None;
            }
        }
    }

    /// Are all the tokens below a node accepted from level `depth`, which stands at that node, because the state leads back to itself over
    /// whatever they are made of?
    #[inline]
    pub(super) fn accepts_all(&mut self, depth: usize, node: &Node) -> Result<bool, EngineError> {
        let (kinds, reach) = (node.below, node.deepest - node.depth);
        if kinds & !self.loops[depth] == 0 {
            return Ok(true);
        }
        if kinds & (MALFORMED | self.hopeless[depth]) != 0 || self.gaps[depth].is_some() {
            return Ok(false);
        }
        if self.parents[depth] == FULL {
            let place = self.registers[depth] as u32;
            let mut number = 0;
            while let Some((state, register)) = self.table.item(place, number) {
                number += 1;
                if loops(self.arena, state, register, false, kinds, reach)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let state = self.states[depth];
        let kept = self.arena.at(state);
        let alive = kept.loops().known_alive();
        let covered = kinds & !alive == 0 || loops(self.arena, state, self.registers[depth], self.stays(depth), kinds, reach)?;
        if !kept.facts().counting {
            // Over kinds of either alone: what one of these leads to may refuse one of those.
            let known = kept.loops().known();
            self.loops[depth] = if known & !alive == 0 { alive } else { known };
            self.hopeless[depth] = kept.loops().hopeless(self.ahead > 0);
        }
        // The first answers may have made the row.
        self.rows[depth] = kept.row();
        let ahead = !covered && self.ahead > 0 && kept.facts().is_simple();
        Ok(covered || ahead && loops::stays_alive(self.arena, state, kinds, &mut self.ahead)?)
    }

    /// Does the register stay as it is? That of a rule which is called on the way is not that of the walk's beginning.
    #[inline]
    fn stays(&self, depth: usize) -> bool {
        self.frozen && self.parents[depth] == 0
    }

    #[inline]
    fn register_after(&self, depth: usize, increment: bool) -> u64 {
        self.registers[depth] + u64::from(increment && !self.stays(depth))
    }

    /// The plain state that `byte` leads to from level `depth`, put into level `depth + 1`; `Some(false)` if it is refused, `None` if there is
    /// more to it.
    #[inline(always)]
    #[allow(clippy::inline_always)] // the inner loop
    pub(super) fn glance(&mut self, depth: usize, byte: u8) -> Option<bool> {
        let row = self.rows[depth]?;
        match row.glance(self.states[depth], byte) {
            Glance::Dead => Some(false),
            Glance::Plain(state) => {
                if state == self.states[depth] {
                    self.rows[depth + 1] = Some(row);
                    self.loops[depth + 1] = self.loops[depth];
                    self.hopeless[depth + 1] = self.hopeless[depth];
                } else {
                    let kept = self.arena.at(state);
                    self.rows[depth + 1] = kept.row();
                    self.loops[depth + 1] = kept.loops().known();
                    self.hopeless[depth + 1] = kept.loops().hopeless(self.ahead > 0);
                }
                self.states[depth + 1] = state;
                self.parents[depth + 1] = self.parents[depth];
                self.registers[depth + 1] = 0;
                self.gaps[depth + 1] = None;
                Some(true)
            }
            // A state that counts may lead back to itself.
            Glance::Same(increment) if self.register_after(depth, increment) < self.limits[depth] => {
                self.rows[depth + 1] = Some(row);
                self.states[depth + 1] = self.states[depth];
                self.parents[depth + 1] = self.parents[depth];
                self.registers[depth + 1] = self.register_after(depth, increment);
                self.limits[depth + 1] = self.limits[depth];
                self.gaps[depth + 1] = None;
                self.loops[depth + 1] = 0;
                self.hopeless[depth + 1] = 0;
                Some(true)
            }
            Glance::Same(_) | Glance::Other => None,
        }
    }

    /// What a byte of whitespace does at level `depth`, if that is in a gap: does the gap go on at level `depth + 1`? Of another byte: `Some(false)`
    /// if it is refused, since the gap may not end here. `None`: ask the state.
    pub(super) fn space(&mut self, depth: usize, byte: u8) -> Option<bool> {
        let (spacing, progress) = self.gaps[depth]?;
        let Some(after) = spacing.after(progress, byte) else { return (!spacing.leaves(progress)).then_some(false) };
        let Some(after) = after else { return Some(false) };
        self.rows[depth + 1] = None;
        self.states[depth + 1] = self.states[depth];
        self.parents[depth + 1] = self.parents[depth];
        self.registers[depth + 1] = self.registers[depth];
        self.loops[depth + 1] = 0;
        self.hopeless[depth + 1] = 0;
        self.gaps[depth + 1] = Some((spacing, after));
        Some(true)
    }

    /// What may be skipped of many children, of which `first` is the first, from level `depth`: all that the state is known to refuse, unless what
    /// it refuses leaves.
    pub(super) fn skip<'t>(&mut self, trie: &'t Trie, first: usize, depth: usize, exits: &Exits) -> Result<Option<Skip<'t>>, EngineError> {
        let Some(children) = trie.children_from(first) else { return Ok(None) };
        if self.parents[depth] == FULL || !exits.none_open() {
            return Ok(None);
        }
        let state = self.states[depth];
        ask_widely(self.arena, state)?;
        let mut hopeful = self.arena.hopeful(state);
        match self.gaps[depth] {
            // What was not known of the row is now.
            None => self.rows[depth] = self.arena.row(state),
            Some((spacing, progress)) => {
                if !spacing.leaves(progress) {
                    hopeful = ByteSet::default();
                }
                spacing.goes_on(progress, &mut hopeful);
            }
        }
        Ok(Some(Skip { depth: depth as u16 + 1, children, hopeful }))
    }

    /// What `byte` does at level `depth`.
    pub(super) fn step(&mut self, depth: usize, byte: u8) -> Result<Next, EngineError> {
        let parents = self.parents[depth];
        let local = if parents == FULL {
            Local::Full(self.registers[depth] as u32)
        } else {
            let (state, register) = (self.states[depth], self.registers[depth]);
            match self.arena.step(state, byte)? {
                Cell::Dead => return Ok(Next::Dead),
                Cell::Simple(target, increment) => {
                    let register = register + u64::from(increment && !self.stays(depth));
                    let Some(state) = self.arena.settled(target, register)? else { return Ok(Next::Dead) };
                    let facts = self.arena.facts(state);
                    let next = Local::One { state, register: if facts.counting { register } else { 0 }, parents };
                    match facts.returns {
                        None => return Ok(Next::Alive(next)),
                        Some(value) if parents == 0 => {
                            return Ok(Next::Left(facts.has_edges.then_some(next), smallvec::smallvec![value], facts.follow));
                        }
                        Some(_) => {}
                    }
                }
                Cell::Many(_) => {}
            }
            Local::One { state, register, parents }
        };
        let outcome = self.table.step(self.arena, local, byte)?;
        Ok(match (outcome.next, outcome.returned.is_empty()) {
            (None, true) => Next::Dead,
            (Some(next), true) => Next::Alive(next),
            (next, false) => Next::Left(next, outcome.returned.clone(), outcome.follow),
        })
    }
}

/// Is an item alive after any text of characters of these kinds, at most `reach` bytes long, and its rule not left before: since its state
/// leads back to itself, and so does the state that takes over where a limit is in reach?
pub(super) fn loops(arena: &Arena, state: StateId, register: u64, frozen: bool, kinds: Kinds, reach: u16) -> Result<bool, EngineError> {
    let facts = arena.facts(state);
    let most = register.saturating_add(u64::from(reach));
    if facts.counting && !frozen && facts.settled_from() <= most {
        // A character of several bytes may be counted before its end, where another state takes over than between characters.
        if facts.settled_from() < facts.limit || kinds & BEYOND != 0 {
            return Ok(false);
        }
        let Some(next) = arena.settled(state, facts.limit)? else { return Ok(false) };
        let beyond = arena.facts(next);
        if next == state || beyond.settled_from() <= most || !loops::cover(arena, next, kinds)? {
            return Ok(false);
        }
    }
    loops::cover(arena, state, kinds)
}

/// Where to go on instead of at `node`, if that is one of those that need not be looked at.
#[inline]
pub(super) fn skipped(skips: &mut SmallVec<[Skip<'_>; 4]>, node: &Node) -> Option<usize> {
    while let Some(skip) = skips.last() {
        if node.depth > skip.depth || node.depth == skip.depth && skip.hopeful.contains(node.byte) {
            return None;
        }
        if node.depth == skip.depth {
            return Some(skip.children.next(node.byte, &skip.hopeful).unwrap_or(skip.children.end));
        }
        skips.pop();
    }
    None
}
