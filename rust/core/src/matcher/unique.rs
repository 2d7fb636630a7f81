//! Items that repeat others: can a text still be completed for all that its arrays remember? Part of **matcher**.
//!
//! States know nothing of the items a text has had; to them, whatever is being read is new. That holds as soon as what was read can no longer
//! become one of those items, and from there on every state can be completed. So only beginnings that still agree with an item are followed,
//! through continuations that agree with it, until one is found that no longer does, or that ends and is taken; there are no more of
//! them than the items are long.
//!
//! Invariant: what is said to be viable can be completed. What was not decided within the limit is not viable.
//! Must not know: tokens, schemas.

use std::sync::{Arc, OnceLock};

use hashbrown::HashSet;
use smallvec::SmallVec;

use crate::error::EngineError;
use crate::ids::StateId;
use crate::limits::Limits;
use crate::provider::{Arena, Cell};
use crate::stack::{Beginning, Configuration, Frame, Item, Parents, Value};

/// Steps of one search, whatever `max_search_steps` says: it is made for each token that is tried.
const MOST_STEPS: usize = 100_000;

/// Can the configuration come to an end?
pub(super) fn viable(arena: &Arena, configuration: &Configuration) -> Result<bool, EngineError> {
    if !configuration.returned.is_empty() {
        return Ok(true);
    }
    if !arena.tracks_items() {
        return Ok(configuration.is_alive());
    }
    let mut search = Search { arena, steps: 0 };
    for item in &configuration.items {
        if search.item(configuration, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Are there endlessly many ways to go on inside the rule, whatever lies below? No if in doubt.
pub(super) fn endless(arena: &Arena, state: StateId) -> Result<bool, EngineError> {
    for byte in *b"a1" {
        // A byte that changes nothing may come any number of times, and each time the value is another.
        if matches!(arena.step(state, byte)?, Cell::Simple(target, false) if target == state) {
            return Ok(true);
        }
    }
    arena.is_endless(state, false)
}

/// An item with one way down to the bottom, and the frames on it in which an item is being read, outermost first.
struct Chain {
    item: Item,
    levels: SmallVec<[Arc<Frame>; 2]>,
}

/// All ways down from an item.
fn chains(arena: &Arena, item: &Item) -> Result<SmallVec<[Chain; 1]>, EngineError> {
    let mut found: SmallVec<[Chain; 1]> = SmallVec::new();
    let mut open: Vec<(Parents, Vec<Arc<Frame>>)> = vec![(item.parents.clone(), Vec::new())];
    while let Some((parents, path)) = open.pop() {
        if !parents.tracked() {
            Limits::check("max_items", found.len() + 1, arena.limits().max_items)?;
            found.push(chain(arena, item, path, parents));
            continue;
        }
        for frame in parents.frames() {
            let mut path = path.clone();
            path.push(frame.clone());
            open.push((frame.parents.clone(), path));
        }
        if parents.has_bottom() {
            open.push((Parents::Bottom, path));
        }
    }
    Ok(found)
}

fn chain(arena: &Arena, item: &Item, path: Vec<Arc<Frame>>, bottom: Parents) -> Chain {
    let mut parents = bottom;
    let mut levels = SmallVec::new();
    for frame in path.into_iter().rev() {
        let frame = if frame.parents.same(&parents) { frame } else { Arc::new(frame.above(parents)) };
        if arena.facts(frame.return_to).tracks_items {
            levels.push(frame.clone());
        }
        parents = Parents::One(frame);
    }
    Chain { item: Item { parents, ..item.clone() }, levels }
}

fn on(chain: &Chain, frame: &Arc<Frame>) -> bool {
    chain.levels.iter().any(|level| Arc::ptr_eq(level, frame))
}

struct Search<'a> {
    arena: &'a Arena,
    steps: usize,
}

/// A place in a search: what is being read, and with which items it agrees.
struct Node {
    at: Configuration,
    beginning: Beginning,
    agreeing: Vec<Arc<Value>>,
}

impl Search<'_> {
    fn item(&mut self, configuration: &Configuration, item: &Item) -> Result<bool, EngineError> {
        if item.seen.is_empty() && !item.parents.tracked() {
            return Ok(true);
        }
        // Endless ways on are more than the items that any array has had.
        if item.parents.free() && endless(self.arena, item.state)? {
            return Ok(true);
        }
        for chain in chains(self.arena, item)? {
            self.steps = MOST_STEPS.min(self.arena.limits().max_search_steps);
            if self.chain(configuration, &chain)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn chain(&mut self, configuration: &Configuration, chain: &Chain) -> Result<bool, EngineError> {
        for level in &chain.levels {
            if level.seen.is_empty() {
                continue;
            }
            let beginning = configuration.read_since(level.since);
            let agreeing: Vec<Arc<Value>> = level.seen.iter().filter(|value| beginning.agrees(value)).cloned().collect();
            let must_repeat = self.arena.facts(level.return_to).repeats;
            if agreeing.is_empty() {
                if must_repeat {
                    return Ok(false);
                }
                continue;
            }
            return self.way_out(Node { at: configuration.alone(chain.item.clone()), beginning, agreeing }, level, must_repeat);
        }
        let facts = self.arena.facts(chain.item.state);
        if facts.tracks_items && chain.item.seen.len() as u64 >= facts.values {
            return self.next_item(configuration.alone(chain.item.clone()), chain);
        }
        Ok(true)
    }

    fn step(&mut self, at: &Configuration, byte: u8) -> Result<Option<Configuration>, EngineError> {
        let [item] = at.items.as_slice() else { return Err(EngineError::Internal("a search from several items")) };
        if self.steps == 0 || matches!(self.arena.step(item.state, byte)?, Cell::Dead) {
            return Ok(None);
        }
        self.steps -= 1;
        let mut next = at.clone();
        next.step(self.arena, byte)?;
        Ok(next.is_alive().then_some(next))
    }

    /// Is there a continuation on which the item that `level` reads ends and is taken, or becomes another than those it agrees with?
    fn way_out(&mut self, start: Node, level: &Arc<Frame>, must_repeat: bool) -> Result<bool, EngineError> {
        let mut visited: HashSet<Vec<u8>> = HashSet::new();
        let mut open = vec![start];
        while let Some(node) = open.pop() {
            let first = open.len();
            for &byte in most_hopeful_first() {
                let Some(next) = self.step(&node.at, byte)? else { continue };
                if !next.returned.is_empty() {
                    return Ok(true);
                }
                let mut beginning = node.beginning.clone();
                beginning.read(byte);
                let agreeing: Vec<Arc<Value>> = node.agreeing.iter().filter(|value| beginning.agrees(value)).cloned().collect();
                for item in &next.items {
                    for chain in chains(self.arena, item)? {
                        if !on(&chain, level) || agreeing.is_empty() && !must_repeat {
                            if self.chain(&next, &chain)? {
                                return Ok(true);
                            }
                        } else if !agreeing.is_empty() && visited.insert(signature(&chain, level, &beginning, &agreeing)) {
                            let (at, agreeing) = (next.alone(chain.item), agreeing.clone());
                            open.push(Node { at, beginning: beginning.clone(), agreeing });
                        }
                    }
                }
            }
            open[first..].reverse();
        }
        Ok(false)
    }

    /// Between the items of an array whose values may have run out: may it be closed, or is there another item?
    fn next_item(&mut self, start: Configuration, from: &Chain) -> Result<bool, EngineError> {
        let mut visited: HashSet<StateId> = HashSet::new();
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            for &byte in most_hopeful_first() {
                let Some(next) = self.step(&at, byte)? else { continue };
                if !next.returned.is_empty() {
                    return Ok(true);
                }
                for item in &next.items {
                    // Still between the same items?
                    if item.seen.same(&from.item.seen) && item.parents.same(&from.item.parents) {
                        if visited.insert(item.state) {
                            open.push(next.alone(item.clone()));
                        }
                        continue;
                    }
                    for chain in chains(self.arena, item)? {
                        if self.chain(&next, &chain)? {
                            return Ok(true);
                        }
                    }
                }
            }
        }
        Ok(false)
    }
}

/// By which places of a search are told apart.
fn signature(chain: &Chain, level: &Arc<Frame>, beginning: &Beginning, agreeing: &[Arc<Value>]) -> Vec<u8> {
    let reach = agreeing.iter().map(|value| value.reach()).max().unwrap_or(0);
    let mut out = beginning.signature(reach);
    let mut add = |state: StateId, register: u64, address: usize| {
        out.extend_from_slice(&state.0.to_le_bytes());
        out.extend_from_slice(&register.to_le_bytes());
        out.extend_from_slice(&address.to_le_bytes());
    };
    add(chain.item.state, chain.item.register, chain.item.seen.len());
    let mut parents = &chain.item.parents;
    while let [frame] = parents.frames() {
        if Arc::ptr_eq(frame, level) {
            break;
        }
        add(frame.return_to, frame.register, frame.seen.len());
        parents = &frame.parents;
    }
    out
}

/// All bytes: first those that are likely to make a value another, or to end it; escapes and whitespace last.
fn most_hopeful_first() -> &'static [u8; 256] {
    static ORDER: OnceLock<[u8; 256]> = OnceLock::new();
    ORDER.get_or_init(|| {
        let mut bytes: [u8; 256] = std::array::from_fn(|i| i as u8);
        bytes.sort_by_key(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'1'..=b'9' => 0,
            b'"' | b']' | b'}' => 1,
            b'0' | b'-' | b'.' => 2,
            b'\\' => 4,
            b' ' | b'\t' | b'\n' | b'\r' => 5,
            _ => 3,
        });
        bytes
    })
}
