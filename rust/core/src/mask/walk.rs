//! Walking a trie from a configuration: which tokens stay inside, which leave.
//!
//! PERF: while one item moves inside its rule a node costs one table read; wherever more is alive the steps of whole configurations are
//! memoised (`local.rs`). What lies on the path is kept in one array per field: a record written field by field and read whole
//! stalls the processor's store forwarding, which made this loop three times slower.

use smallvec::SmallVec;

use super::local::{Local, LocalTable};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::mask::residual::Leftover;
use crate::provider::{Arena, ByteSet, Cell, Glance, Row};
use crate::stack::{Configuration, Item};
use crate::vocab::trie::Trie;

/// Marks a level that is a configuration of the table: its place is in `registers`.
const FULL: u32 = u32::MAX;

/// The configurations along the path from the root to a node, by depth; what lies deeper than the current node is stale.
struct Path<'a> {
    arena: &'a Arena,
    table: &'a mut LocalTable,
    rows: Vec<Option<&'a Row>>,
    states: Vec<StateId>,
    parents: Vec<u32>,
    registers: Vec<u64>,
}

/// The outcome of a byte that is more than moving to a plain state.
enum Next {
    Dead,
    Alive(Local),
    /// The rule returned these values, which those bytes may follow; with a level if it may also go on.
    Left(Option<Local>, SmallVec<[u32; 1]>, ByteSet),
}

impl<'a> Path<'a> {
    fn new(arena: &'a Arena, table: &'a mut LocalTable, depth: usize) -> Self {
        let length = depth + 1;
        Self {
            arena,
            table,
            rows: vec![None; length],
            states: vec![StateId(0); length],
            parents: vec![0; length],
            registers: vec![0; length],
        }
    }

    fn set(&mut self, depth: usize, local: Local) {
        match local {
            Local::One { state, register, parents } => {
                self.rows[depth] = self.arena.row(state);
                self.states[depth] = state;
                self.parents[depth] = parents;
                self.registers[depth] = register;
            }
            Local::Full(place) => {
                self.rows[depth] = None;
                self.parents[depth] = FULL;
                self.registers[depth] = u64::from(place);
            }
        }
    }

    /// The plain state that `byte` leads to from level `depth`, put into level `depth + 1`; `Some(false)` if it is refused, `None` if there is
    /// more to it.
    #[inline(always)]
    #[allow(clippy::inline_always)] // the inner loop
    fn glance(&mut self, depth: usize, byte: u8) -> Option<bool> {
        let row = self.rows[depth]?;
        match row.glance(byte) {
            Glance::Dead => Some(false),
            Glance::Plain(state) => {
                self.rows[depth + 1] = if state == self.states[depth] { Some(row) } else { self.arena.row(state) };
                self.states[depth + 1] = state;
                self.parents[depth + 1] = self.parents[depth];
                self.registers[depth + 1] = 0;
                Some(true)
            }
            Glance::Other => None,
        }
    }

    /// The state of level `depth` if it is a single item over the bottom.
    fn alone(&self, depth: usize) -> Option<StateId> {
        (self.parents[depth] == 0).then_some(self.states[depth])
    }

    /// What `byte` does at level `depth`.
    fn step(&mut self, depth: usize, byte: u8) -> Result<Next, EngineError> {
        let parents = self.parents[depth];
        let local = if parents == FULL {
            Local::Full(self.registers[depth] as u32)
        } else {
            let (state, register) = (self.states[depth], self.registers[depth]);
            match self.arena.step(state, byte)? {
                Cell::Dead => return Ok(Next::Dead),
                Cell::Simple(target, increment) => {
                    let register = register + u64::from(increment);
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
            (next, false) => Next::Left(next, outcome.returned.clone(), ByteSet::ALL),
        })
    }
}

/// A place on the current path where the rule returned.
struct Exit {
    depth: u16,
    value: u32,
    follow: ByteSet,
}

/// The exits of the current path, and the bytes of the path.
struct Exits {
    open: Vec<Exit>,
    bytes: Vec<u8>,
}

impl Exits {
    fn new(depth: usize, returned: &[u32]) -> Self {
        let open = returned.iter().map(|&value| Exit { depth: 0, value, follow: ByteSet::ALL }).collect();
        Self { open, bytes: vec![0; depth + 1] }
    }

    #[inline]
    fn enter(&mut self, depth: u16, byte: u8) {
        self.bytes[usize::from(depth) - 1] = byte;
        while self.open.last().is_some_and(|exit| exit.depth >= depth) {
            self.open.pop();
        }
    }

    fn push(&mut self, depth: u16, values: SmallVec<[u32; 1]>, follow: ByteSet) {
        self.open.extend(values.into_iter().map(|value| Exit { depth, value, follow }));
    }

    /// The tokens at and below node `i`, at which the path has died, leave by every exit that their next byte may follow.
    fn leave(&self, trie: &Trie, i: usize, leftovers: &mut Vec<Leftover>) {
        for exit in &self.open {
            if exit.follow.contains(self.bytes[usize::from(exit.depth)]) {
                for place in trie.places_below(i) {
                    leftovers.push(Leftover { value: exit.value, token: trie.tokens()[place], length: trie.length(place) - exit.depth });
                }
            }
        }
    }

    /// The same for the tokens strictly below node `i`.
    fn leave_below(&mut self, trie: &Trie, i: usize, leftovers: &mut Vec<Leftover>) {
        let node = trie.nodes()[i];
        let mut child = i + 1;
        while child < node.end as usize {
            let below = trie.nodes()[child];
            self.bytes[usize::from(node.depth)] = below.byte;
            self.leave(trie, child, leftovers);
            child = below.end as usize;
        }
    }
}

/// Where a walk goes, and what it may use.
pub struct Walk<'a> {
    /// The states.
    pub arena: &'a Arena,
    /// What is walked.
    pub trie: &'a Trie,
    /// The part of the trie: nodes from the first to before the second.
    pub nodes: std::ops::Range<usize>,
    /// Masks of parts of this trie, if they are kept: asked when a configuration with frames, or of several items, enters a large subtree.
    pub parts: Option<&'a dyn Parts>,
}

/// Keeps what single items allow in subtrees of the vocabulary.
pub trait Parts {
    /// Add what `item` allows strictly below node `i`, frames included.
    fn add(&self, table: &mut LocalTable, i: usize, item: &Item, into: &mut Gathered) -> Result<(), EngineError>;
}

/// What is found for several items.
#[derive(Default)]
pub struct Gathered {
    /// Tokens accepted.
    pub accepted: Vec<u32>,
    /// Tokens that leave at the bottom.
    pub leftovers: Vec<Leftover>,
}

/// Subtrees of at least so many nodes are worth being kept as parts.
const PART_NODES: usize = 64;

impl Walk<'_> {
    /// Walk from `start`; `accept` gets the tokens that stay inside the rule or end exactly where it returns, `leftovers` those that leave
    /// it and may not have been accepted. Exits before the first byte: `returned`. Gives the nodes looked at.
    pub fn run(
        &self,
        table: &mut LocalTable,
        start: Local,
        returned: &[u32],
        mut accept: impl FnMut(&[u32]),
        leftovers: &mut Vec<Leftover>,
    ) -> Result<usize, EngineError> {
        let Self { arena, trie, .. } = *self;
        let nodes = &trie.nodes()[..self.nodes.end];
        let mut exits = Exits::new(trie.depth(), returned);
        let mut path = Path::new(arena, table, trie.depth());
        let Some(first) = nodes.get(self.nodes.start) else { return Ok(0) };
        path.set(usize::from(first.depth) - 1, start);
        let (mut visited, mut i) = (0, self.nodes.start);
        while let Some(node) = nodes.get(i) {
            visited += 1;
            let depth = usize::from(node.depth);
            exits.enter(node.depth, node.byte);
            let next = match path.glance(depth - 1, node.byte) {
                Some(true) => {
                    accept(trie.tokens_at(i));
                    i += 1;
                    continue;
                }
                Some(false) => Next::Dead,
                None => path.step(depth - 1, node.byte)?,
            };
            match next {
                Next::Dead => {
                    exits.leave(trie, i, leftovers);
                    i = node.end as usize;
                }
                Next::Alive(level) => {
                    accept(trie.tokens_at(i));
                    if let Some(parts) = self.parts
                        && !matches!(level, Local::One { parents: 0, .. })
                        && node.end as usize - i > PART_NODES
                        && exits.open.is_empty()
                    {
                        let mut gathered = Gathered::default();
                        for item in path.table.configuration(level).items {
                            parts.add(path.table, i, &item, &mut gathered)?;
                        }
                        accept(&gathered.accepted);
                        leftovers.append(&mut gathered.leftovers);
                        i = node.end as usize;
                        continue;
                    }
                    path.set(depth, level);
                    i += 1;
                }
                Next::Left(level, values, follow) => {
                    accept(trie.tokens_at(i));
                    exits.push(node.depth, values, follow);
                    if let Some(level) = level {
                        path.set(depth, level);
                        i += 1;
                    } else {
                        exits.leave_below(trie, i, leftovers);
                        i = node.end as usize;
                    }
                }
            }
        }
        Ok(visited)
    }

    /// Walk from a configuration; if it has returned already, its values count as exits before the first byte.
    pub fn run_from(
        &self,
        table: &mut LocalTable,
        start: Configuration,
        accept: impl FnMut(&[u32]),
        leftovers: &mut Vec<Leftover>,
    ) -> Result<usize, EngineError> {
        let returned = start.returned.clone();
        if let Some(start) = table.intern(start) {
            return self.run(table, start, &returned, accept, leftovers);
        }
        let mut exits = Exits::new(self.trie.depth(), &returned);
        let mut i = self.nodes.start;
        while let Some(node) = self.trie.nodes().get(i) {
            exits.bytes[0] = node.byte;
            exits.leave(self.trie, i, leftovers);
            i = node.end as usize;
        }
        Ok(0)
    }
}

/// What a differential walk found.
pub struct Difference {
    /// The tokens whose fate was decided anew, ascending; all others fare as from the base.
    pub touched: Vec<u32>,
    /// Of those, the accepted ones, in the order met.
    pub accepted: Vec<u32>,
    /// Of those, the ones that leave.
    pub leftovers: Vec<Leftover>,
}

/// Walk `trie` from two states at once and keep only what differs: a subtree is skipped as soon as both are in the same state.
/// `None` if more than `bound` tokens differ: then the base is no help.
pub fn difference(
    arena: &Arena,
    table: &mut LocalTable,
    trie: &Trie,
    start: StateId,
    base: StateId,
    bound: usize,
) -> Result<Option<Difference>, EngineError> {
    let mut found = Difference { touched: Vec::new(), accepted: Vec::new(), leftovers: Vec::new() };
    let mut exits = Exits::new(trie.depth(), &[]);
    let nodes = trie.nodes();
    let mut path = Path::new(arena, table, trie.depth());
    path.set(0, Local::One { state: start, register: 0, parents: 0 });
    // The base on the same path, while it is one plain item inside its rule.
    let mut bases: Vec<Option<StateId>> = vec![None; trie.depth() + 1];
    bases[0] = Some(base);
    let mut i = 0;
    while let Some(node) = nodes.get(i) {
        let depth = usize::from(node.depth);
        exits.enter(node.depth, node.byte);
        if found.touched.len() > bound {
            return Ok(None);
        }
        let base_cell = match bases[depth - 1] {
            Some(state) => Some(arena.step(state, node.byte)?),
            None => None,
        };
        if exits.open.is_empty()
            && let (Some(state), Some(base_cell)) = (path.alone(depth - 1), base_cell)
            && match (arena.step(state, node.byte)?, base_cell) {
                (Cell::Dead, Cell::Dead) => true,
                (Cell::Simple(a, false), Cell::Simple(b, false)) => a == b && !arena.facts(a).counting,
                _ => false,
            }
        {
            i = node.end as usize;
            continue;
        }
        let tokens = |range: std::ops::Range<usize>| range.map(|place| trie.tokens()[place]);
        match path.step(depth - 1, node.byte)? {
            Next::Dead => {
                found.touched.extend(tokens(trie.places_below(i)));
                exits.leave(trie, i, &mut found.leftovers);
                i = node.end as usize;
            }
            next => {
                found.touched.extend_from_slice(trie.tokens_at(i));
                found.accepted.extend_from_slice(trie.tokens_at(i));
                let level = match next {
                    Next::Alive(level) => Some(level),
                    Next::Left(level, values, follow) => {
                        exits.push(node.depth, values, follow);
                        level
                    }
                    Next::Dead => None,
                };
                if let Some(level) = level {
                    path.set(depth, level);
                    // A base that counts or returns here goes ways that this walk does not follow.
                    bases[depth] = match base_cell {
                        Some(Cell::Simple(target, false)) => {
                            let facts = arena.facts(target);
                            (facts.returns.is_none() && !facts.counting).then_some(target)
                        }
                        _ => None,
                    };
                    i += 1;
                } else {
                    found.touched.extend(tokens(trie.places_strictly_below(i)));
                    exits.leave_below(trie, i, &mut found.leftovers);
                    i = node.end as usize;
                }
            }
        }
    }
    found.touched.sort_unstable();
    found.touched.dedup();
    Ok(Some(found))
}
