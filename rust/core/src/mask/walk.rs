//! Walking a trie from a configuration: which tokens stay inside, which leave.
//!
//! PERF: while one item moves inside its rule a node costs one table read; only where rules are called or several items live is a
//! configuration carried along. `cargo bench -p maskwright --bench engine` times a full walk.

use crate::error::EngineError;
use crate::ids::StateId;
use crate::mask::residual::Leftover;
use crate::provider::{Arena, Cell, Glance, Row};
use crate::stack::{Configuration, Parents};
use crate::vocab::trie::Trie;
use smallvec::SmallVec;

/// One level of the path from the root: a single item that remembers nothing, or the place of a configuration.
#[derive(Clone, Copy)]
struct Level<'a> {
    state: StateId,
    /// The place of the item's parents in [`Path::parents`]; `FULL`: `register` is the place of a configuration in [`Path::full`].
    parents: u32,
    register: u64,
    row: Option<&'a Row>,
}

const FULL: u32 = u32::MAX;

/// The configurations along the path from the root to a node.
struct Path<'a> {
    arena: &'a Arena,
    /// By depth; what lies deeper than the current node is stale.
    levels: Vec<Level<'a>>,
    /// Parents of single items, by place; the first is the bottom. Sharing a place costs nothing, which a reference count would.
    parents: Vec<Parents>,
    full: Vec<Configuration>,
}

/// The outcome of a byte at one level.
enum Next<'a> {
    Dead,
    Alive(Level<'a>),
    /// The rule returned these values; with a level if it may also go on.
    Left(Option<Level<'a>>, SmallVec<[u32; 1]>),
}

impl<'a> Path<'a> {
    fn new(arena: &'a Arena, start: Configuration) -> Self {
        let mut path = Self { arena, levels: Vec::with_capacity(64), parents: vec![Parents::Bottom], full: Vec::new() };
        let level = path.level(start);
        path.levels.push(level);
        path
    }

    /// Make `level` the one after `depth` bytes.
    #[inline]
    fn set(&mut self, depth: usize, level: Level<'a>) {
        if let Some(slot) = self.levels.get_mut(depth) {
            *slot = level;
        } else {
            self.levels.push(level);
        }
    }

    fn level(&mut self, mut configuration: Configuration) -> Level<'a> {
        if let [item] = configuration.items.as_mut_slice()
            && item.memory.is_none()
        {
            let parents = std::mem::replace(&mut item.parents, Parents::Bottom);
            let place = match parents {
                Parents::Bottom => 0,
                parents if self.parents.last().is_some_and(|last| last.same(&parents)) => self.parents.len() as u32 - 1,
                parents => {
                    self.parents.push(parents);
                    self.parents.len() as u32 - 1
                }
            };
            return Level { state: item.state, register: item.register, parents: place, row: self.arena.row(item.state) };
        }
        configuration.returned.clear();
        self.full.push(configuration);
        Level { state: StateId(0), register: self.full.len() as u64 - 1, parents: FULL, row: None }
    }

    /// The state of level `depth` if it is a single item over the bottom.
    fn alone(&self, depth: usize) -> Option<StateId> {
        Some(self.levels[depth]).filter(|level| level.parents == 0).map(|level| level.state)
    }

    /// What `byte` does at level `depth`, if that is no more than moving to a plain state.
    #[inline]
    fn glance(&self, depth: usize, byte: u8) -> Option<Next<'a>> {
        let level = self.levels[depth];
        match level.row?.glance(byte) {
            Glance::Dead => Some(Next::Dead),
            Glance::Plain(state) => {
                let row = if state == level.state { level.row } else { self.arena.row(state) };
                Some(Next::Alive(Level { state, register: 0, parents: level.parents, row }))
            }
            Glance::Other => None,
        }
    }

    /// What `byte` does at level `depth`.
    fn step(&mut self, depth: usize, byte: u8) -> Result<Next<'a>, EngineError> {
        if let Some(next) = self.glance(depth, byte) {
            return Ok(next);
        }
        let Level { state, register, parents, .. } = self.levels[depth];
        let mut configuration = if parents == FULL {
            self.full[register as usize].clone()
        } else {
            match self.arena.step(state, byte)? {
                Cell::Dead => return Ok(Next::Dead),
                Cell::Simple(target, increment) => {
                    let register = register + u64::from(increment);
                    let Some(state) = self.arena.settled(target, register)? else { return Ok(Next::Dead) };
                    let facts = self.arena.facts(state);
                    let register = if facts.counting { register } else { 0 };
                    let level = Level { state, register, parents, row: self.arena.row(state) };
                    match facts.returns {
                        None => return Ok(Next::Alive(level)),
                        Some(value) if parents == 0 => {
                            return Ok(Next::Left(facts.has_edges.then_some(level), smallvec::smallvec![value]));
                        }
                        Some(_) => {}
                    }
                }
                Cell::Many(_) => {}
            }
            let mut configuration = Configuration::at(state, register);
            configuration.items[0].parents = self.parents[parents as usize].clone();
            configuration
        };
        configuration.step(self.arena, byte)?;
        let returned = std::mem::take(&mut configuration.returned);
        let level = if configuration.items.is_empty() { None } else { Some(self.level(configuration)) };
        Ok(match (level, returned.is_empty()) {
            (None, true) => Next::Dead,
            (Some(level), true) => Next::Alive(level),
            (level, false) => Next::Left(level, returned),
        })
    }
}

/// A place on the current path where the rule returned.
struct Exit {
    depth: u16,
    value: u32,
}

/// Walk `trie` from `start`; `accept` gets the tokens that stay inside the rule or end exactly where it returns, `leftovers` those that leave
/// it and were not accepted. If `start` has returned already, its values count as exits before the first byte. Gives the nodes looked at.
pub fn walk(
    arena: &Arena,
    trie: &Trie,
    start: Configuration,
    mut accept: impl FnMut(&[u32]),
    leftovers: &mut Vec<Leftover>,
) -> Result<usize, EngineError> {
    let mut visited = 0;
    let mut exits: Vec<Exit> = start.returned.iter().map(|&value| Exit { depth: 0, value }).collect();
    let nodes = trie.nodes();
    if start.items.is_empty() {
        leave(trie, 0..trie.tokens().len(), &exits, leftovers);
        return Ok(0);
    }
    let mut path = Path::new(arena, start);
    let mut i = 0;
    while let Some(node) = nodes.get(i) {
        visited += 1;
        while exits.last().is_some_and(|exit| exit.depth >= node.depth) {
            exits.pop();
        }
        let next = path.step(usize::from(node.depth) - 1, node.byte)?;
        match next {
            Next::Dead => {
                if !exits.is_empty() {
                    leave(trie, trie.places_below(i), &exits, leftovers);
                }
                i = node.end as usize;
            }
            Next::Alive(level) => {
                accept(trie.tokens_at(i));
                path.set(usize::from(node.depth), level);
                i += 1;
            }
            Next::Left(level, values) => {
                accept(trie.tokens_at(i));
                exits.extend(values.into_iter().map(|value| Exit { depth: node.depth, value }));
                if let Some(level) = level {
                    path.set(usize::from(node.depth), level);
                    i += 1;
                } else {
                    leave(trie, trie.places_strictly_below(i), &exits, leftovers);
                    i = node.end as usize;
                }
            }
        }
    }
    Ok(visited)
}

fn leave(trie: &Trie, places: std::ops::Range<usize>, exits: &[Exit], leftovers: &mut Vec<Leftover>) {
    for place in places {
        for exit in exits {
            leftovers.push(Leftover { value: exit.value, token: trie.tokens()[place], length: trie.length(place) - exit.depth });
        }
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
    /// Nodes looked at.
    pub visited: usize,
}

/// Walk `trie` from two states at once and keep only what differs: a subtree is skipped as soon as both are in the same state.
/// `None` if more than `bound` tokens differ: then the base is no help.
pub fn difference(arena: &Arena, trie: &Trie, start: StateId, base: StateId, bound: usize) -> Result<Option<Difference>, EngineError> {
    let mut found = Difference { touched: Vec::new(), accepted: Vec::new(), leftovers: Vec::new(), visited: 0 };
    let mut exits: Vec<Exit> = Vec::new();
    let nodes = trie.nodes();
    let mut path = Path::new(arena, Configuration::at(start, 0));
    // The base on the same path, while it is one item inside its rule.
    let mut bases: Vec<Option<StateId>> = vec![Some(base)];
    let mut i = 0;
    while let Some(node) = nodes.get(i) {
        found.visited += 1;
        while exits.last().is_some_and(|exit| exit.depth >= node.depth) {
            exits.pop();
        }
        let depth = usize::from(node.depth);
        bases.truncate(depth);
        if found.touched.len() > bound {
            return Ok(None);
        }
        let base_cell = match bases[depth - 1] {
            Some(state) => Some(arena.step(state, node.byte)?),
            None => None,
        };
        let base_next = match base_cell {
            Some(Cell::Simple(target, false)) => Some(target),
            _ => None,
        };
        if exits.is_empty() {
            let same = match (path.alone(depth - 1), base_cell) {
                (Some(state), Some(base_cell)) => match (arena.step(state, node.byte)?, base_cell) {
                    (Cell::Dead, Cell::Dead) => true,
                    (Cell::Simple(a, false), Cell::Simple(b, false)) => a == b && !arena.facts(a).counting,
                    _ => false,
                },
                _ => false,
            };
            if same {
                i = node.end as usize;
                continue;
            }
        }
        let places = |range: std::ops::Range<usize>| range.map(|place| trie.tokens()[place]);
        match path.step(depth - 1, node.byte)? {
            Next::Dead => {
                found.touched.extend(places(trie.places_below(i)));
                if !exits.is_empty() {
                    leave(trie, trie.places_below(i), &exits, &mut found.leftovers);
                }
                i = node.end as usize;
            }
            next => {
                found.touched.extend_from_slice(trie.tokens_at(i));
                found.accepted.extend_from_slice(trie.tokens_at(i));
                let level = match next {
                    Next::Alive(level) => Some(level),
                    Next::Left(level, values) => {
                        exits.extend(values.into_iter().map(|value| Exit { depth: node.depth, value }));
                        level
                    }
                    Next::Dead => None,
                };
                if let Some(level) = level {
                    path.set(depth, level);
                    // A base that returns here has exits that this walk does not follow.
                    bases.push(base_next.filter(|&state| arena.facts(state).returns.is_none() && bases[depth - 1].is_some()));
                    i += 1;
                } else {
                    found.touched.extend(places(trie.places_strictly_below(i)));
                    leave(trie, trie.places_strictly_below(i), &exits, &mut found.leftovers);
                    i = node.end as usize;
                }
            }
        }
    }
    found.touched.sort_unstable();
    found.touched.dedup();
    Ok(Some(found))
}
