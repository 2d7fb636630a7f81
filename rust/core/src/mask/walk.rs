//! Walking a trie from a configuration: which tokens stay inside, which leave.
//!
//! PERF: while one item moves inside its rule a node costs one table read; only where rules are called or several items live is a
//! configuration carried along. `cargo bench -p maskwright --bench engine` times a full walk.

use crate::error::EngineError;
use crate::ids::StateId;
use crate::mask::residual::Leftover;
use crate::provider::{Arena, Cell};
use crate::stack::{Configuration, Parents};
use crate::vocab::trie::Trie;
use smallvec::SmallVec;

/// One level of the path from the root.
#[derive(Clone)]
enum Level {
    /// One item that remembers nothing; its parents by their place in [`Path::parents`].
    One { state: StateId, register: u64, parents: u32 },
    /// Anything else.
    Full(Box<Configuration>),
}

/// The configurations along the path from the root to a node.
struct Path<'a> {
    arena: &'a Arena,
    levels: Vec<Level>,
    /// Parents of single items, by place; the first is the bottom. Sharing a place costs nothing, which a reference count would.
    parents: Vec<Parents>,
}

/// The outcome of a byte at one level.
enum Next {
    Dead,
    Alive(Level),
    /// The rule returned these values; with a level if it may also go on.
    Left(Option<Level>, SmallVec<[u32; 1]>),
}

impl<'a> Path<'a> {
    fn new(arena: &'a Arena, start: Configuration) -> Self {
        let mut path = Self { arena, levels: Vec::with_capacity(64), parents: vec![Parents::Bottom] };
        let level = path.level(start);
        path.levels.push(level);
        path
    }

    fn level(&mut self, mut configuration: Configuration) -> Level {
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
            return Level::One { state: item.state, register: item.register, parents: place };
        }
        configuration.returned.clear();
        Level::Full(Box::new(configuration))
    }

    /// What `byte` does at level `depth`.
    fn step(&mut self, depth: usize, byte: u8) -> Result<Next, EngineError> {
        let mut configuration = match &self.levels[depth] {
            &Level::One { state, register, parents } => {
                match self.arena.step(state, byte)? {
                    Cell::Dead => return Ok(Next::Dead),
                    Cell::Simple(target, increment) => {
                        let register = register + u64::from(increment);
                        let Some(state) = self.arena.settled(target, register)? else { return Ok(Next::Dead) };
                        let facts = self.arena.facts(state);
                        let level = Level::One { state, register: if facts.counting { register } else { 0 }, parents };
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
            }
            Level::Full(configuration) => (**configuration).clone(),
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
        path.levels.truncate(usize::from(node.depth));
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
                path.levels.push(level);
                i += 1;
            }
            Next::Left(level, values) => {
                accept(trie.tokens_at(i));
                exits.extend(values.into_iter().map(|value| Exit { depth: node.depth, value }));
                if let Some(level) = level {
                    path.levels.push(level);
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
        path.levels.truncate(depth);
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
            let same = match (&path.levels[depth - 1], base_cell) {
                (Level::One { state, parents: 0, .. }, Some(base_cell)) => match (arena.step(*state, node.byte)?, base_cell) {
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
                    path.levels.push(level);
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
