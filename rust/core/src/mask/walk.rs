//! Walking a trie from a configuration: which tokens stay inside, which leave.
//!
//! PERF: while one item moves inside its rule a node costs one table read; wherever more is alive the steps of whole configurations are
//! memoised (`local.rs`). What lies on the path is kept in one array per field: a record written field by field and read whole
//! stalls the processor's store forwarding, which made this loop three times slower.

use smallvec::SmallVec;

use super::local::{Local, LocalTable};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::mask::residual::{Leaving, Leftover};
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
    frozen: bool,
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
            frozen: false,
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
                    let register = register + u64::from(increment && !self.frozen);
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
    /// Registers stay as they are: what would be allowed if no limit were near.
    pub frozen: bool,
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
    pub leaving: Leaving,
}

/// Subtrees of at least so many nodes are worth being kept as parts.
const PART_NODES: usize = 64;

impl<'a> Walk<'a> {
    /// Over all of a trie.
    pub fn over(arena: &'a Arena, trie: &'a Trie, parts: Option<&'a dyn Parts>) -> Self {
        Self { arena, trie, nodes: 0..trie.nodes().len(), frozen: false, parts }
    }

    /// Walk from `start`; `accept` gets the tokens that stay inside the rule or end exactly where it returns, `leaving` those that leave
    /// it and may not have been accepted. Exits before the first byte: `returned`. Gives the nodes looked at.
    pub fn run(
        &self,
        table: &mut LocalTable,
        start: Local,
        returned: &[u32],
        mut accept: impl FnMut(&[u32]),
        leaving: &mut Leaving,
    ) -> Result<usize, EngineError> {
        let (arena, trie) = (self.arena, self.trie);
        let nodes = &trie.nodes()[..self.nodes.end];
        let mut exits = Exits::new(trie.depth(), returned);
        let mut path = Path::new(arena, table, trie.depth());
        let Some(first) = nodes.get(self.nodes.start) else { return Ok(0) };
        path.frozen = self.frozen;
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
                    exits.leave(trie, i, &mut leaving.leftovers);
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
                        leaving.leftovers.append(&mut gathered.leaving.leftovers);
                        leaving.subtrees.append(&mut gathered.leaving.subtrees);
                        i = node.end as usize;
                        continue;
                    }
                    path.set(depth, level);
                    i += 1;
                }
                Next::Left(Some(level), values, follow) => {
                    accept(trie.tokens_at(i));
                    exits.push(node.depth, values, follow);
                    path.set(depth, level);
                    i += 1;
                }
                Next::Left(None, values, follow) => {
                    accept(trie.tokens_at(i));
                    if self.parts.is_some() && exits.open.is_empty() && node.end as usize - i > PART_NODES {
                        // The usual end of a string: what is left is the same whatever string it was.
                        leaving.subtrees.extend(values.into_iter().map(|value| (value, i as u32)));
                    } else {
                        exits.push(node.depth, values, follow);
                        exits.leave_below(trie, i, &mut leaving.leftovers);
                    }
                    i = node.end as usize;
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
        leaving: &mut Leaving,
    ) -> Result<usize, EngineError> {
        let returned = start.returned.clone();
        if let Some(start) = table.intern(start) {
            return self.run(table, start, &returned, accept, leaving);
        }
        let mut exits = Exits::new(self.trie.depth(), &returned);
        let mut i = self.nodes.start;
        while let Some(node) = self.trie.nodes().get(i) {
            exits.bytes[0] = node.byte;
            exits.leave(self.trie, i, &mut leaving.leftovers);
            i = node.end as usize;
        }
        Ok(0)
    }
}

/// What a differential walk found.
#[derive(Default)]
pub struct Difference {
    /// The tokens whose fate was decided anew; all others fare as from the base.
    pub touched: Vec<u32>,
    /// Of those, the accepted ones, in the order met.
    pub accepted: Vec<u32>,
    /// Of those, the ones that leave.
    pub leaving: Leaving,
}

/// Walk `trie` from two items at once and keep only what differs: a subtree is skipped as soon as both are in the same state with the same
/// register. `None` if more than `bound` tokens differ: then the base is no help.
pub fn difference(
    walk: &Walk<'_>,
    table: &mut LocalTable,
    start: (StateId, u64),
    base: (StateId, u64),
    bound: usize,
) -> Result<Option<Difference>, EngineError> {
    let (arena, trie) = (walk.arena, walk.trie);
    let mut found = Difference::default();
    let nodes = trie.nodes();
    // Both items on the path to the current node, while both move inside their rule.
    let mut pairs = vec![(start, base); trie.depth() + 1];
    let mut i = 0;
    while let Some(node) = nodes.get(i) {
        let depth = usize::from(node.depth);
        if found.touched.len() > bound {
            return Ok(None);
        }
        let (own, other) = pairs[depth - 1];
        match (moved(arena, own, node.byte)?, moved(arena, other, node.byte)?) {
            (Moved::Dead, Moved::Dead) => {}
            (Moved::To(a), Moved::To(b)) if a == b => {}
            (Moved::To(a), Moved::To(b)) if arena.facts(a.0).returns.is_none() && arena.facts(b.0).returns.is_none() => {
                // Alive on both sides: the tokens that end here fare alike.
                pairs[depth] = (a, b);
                i += 1;
                continue;
            }
            _ => found.subtree(walk, table, i, own)?,
        }
        i = node.end as usize;
    }
    Ok(Some(found))
}

/// Walk `trie` from an item whose register nears its limit, and keep only what differs from the same item far from it: subtrees in which the
/// limit is out of reach are skipped. `None` if more than `bound` tokens differ.
pub fn near(walk: &Walk<'_>, table: &mut LocalTable, start: (StateId, u64), bound: usize) -> Result<Option<Difference>, EngineError> {
    let (arena, trie) = (walk.arena, walk.trie);
    let mut found = Difference::default();
    let nodes = trie.nodes();
    let mut items = vec![start; trie.depth() + 1];
    let mut i = 0;
    while let Some(node) = nodes.get(i) {
        let depth = usize::from(node.depth);
        if found.touched.len() > bound {
            return Ok(None);
        }
        let (state, register) = items[depth - 1];
        // A character takes a byte at least, so the limit is out of reach below a node that is not deep enough.
        let within = u64::from(trie.deepest(i) - node.depth + 1);
        if within < arena.facts(state).limit.saturating_sub(register) {
            i = node.end as usize;
            continue;
        }
        match arena.step(state, node.byte)? {
            Cell::Dead => {}
            Cell::Simple(target, increment) => {
                let facts = arena.facts(target);
                let register = register + u64::from(increment);
                if !facts.counting {
                    // Nothing counts any more.
                } else if register >= facts.limit || facts.returns.is_some() {
                    found.subtree(walk, table, i, (state, register - u64::from(increment)))?;
                } else {
                    items[depth] = (target, register);
                    i += 1;
                    continue;
                }
            }
            Cell::Many(_) => found.subtree(walk, table, i, (state, register))?,
        }
        i = node.end as usize;
    }
    Ok(Some(found))
}

enum Moved {
    Dead,
    To((StateId, u64)),
    Other,
}

/// Where an item moves inside its rule.
fn moved(arena: &Arena, (state, register): (StateId, u64), byte: u8) -> Result<Moved, EngineError> {
    Ok(match arena.step(state, byte)? {
        Cell::Dead => Moved::Dead,
        Cell::Simple(target, increment) => {
            let register = register + u64::from(increment);
            match arena.settled(target, register)? {
                None => Moved::Dead,
                Some(state) => Moved::To((state, if arena.facts(state).counting { register } else { 0 })),
            }
        }
        Cell::Many(_) => Moved::Other,
    })
}

impl Difference {
    /// Decide node `i` and all below anew, from the item that stands before it.
    fn subtree(&mut self, walk: &Walk<'_>, table: &mut LocalTable, i: usize, item: (StateId, u64)) -> Result<(), EngineError> {
        let trie = walk.trie;
        self.touched.extend(trie.places_below(i).map(|place| trie.tokens()[place]));
        let inner = Walk { arena: walk.arena, trie, nodes: i..trie.nodes()[i].end as usize, frozen: false, parts: walk.parts };
        let start = Local::One { state: item.0, register: item.1, parents: 0 };
        inner.run(table, start, &[], |tokens| self.accepted.extend_from_slice(tokens), &mut self.leaving)?;
        Ok(())
    }
}
