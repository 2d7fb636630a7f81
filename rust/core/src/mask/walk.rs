//! Walking a trie from a configuration: which tokens stay inside, which leave.
//!
//! PERF: while one item moves inside its rule a node costs one table read; wherever more is alive the steps of whole configurations are
//! memoised (`local.rs`).

use std::sync::Arc;

use smallvec::SmallVec;

use super::Mask;
use super::exits::Exits;
use super::local::{Local, LocalTable};
use super::path::{Next, Path, Skip, skipped};
use crate::error::EngineError;
use crate::mask::residual::Leaving;
use crate::provider::{Arena, ByteSet};
use crate::stack::{Configuration, Item};
use crate::vocab::ShapeIndex;
use crate::vocab::trie::Trie;

/// Where a walk goes, and what it may use.
pub struct Walk<'a> {
    /// The states.
    pub arena: &'a Arena,
    /// What is walked.
    pub trie: &'a Trie,
    /// The part of the trie: nodes from the first to before the second.
    pub nodes: std::ops::Range<usize>,
    /// The register of the rule where the walk begins stays as it is: what would be allowed if no limit of it were near.
    pub frozen: bool,
    /// Whether tokens that leave are wanted: with nothing below the item they are refused.
    pub keep: bool,
    /// Where the trie stands in the vocabulary's: tokens may leave as all that lies below a node of that.
    pub whole: Whole<'a>,
    /// Masks of parts of this trie, if they are kept: asked when a configuration with frames, or of several items, enters a large subtree.
    pub parts: Option<&'a dyn Parts>,
}

/// Which nodes of a trie have all that lies below a node of the vocabulary's.
#[derive(Clone, Copy)]
pub enum Whole<'a> {
    /// None is known to.
    Nowhere,
    /// It is the vocabulary's.
    All,
    /// It is that of the tokens without a shape.
    Shapeless(&'a ShapeIndex),
}

impl Whole<'_> {
    /// That node.
    #[inline]
    pub fn node(self, i: usize) -> Option<u32> {
        match self {
            Self::Nowhere => None,
            Self::All => Some(i as u32),
            Self::Shapeless(shapes) => shapes.whole(i),
        }
    }
}

/// Keeps what single items allow in subtrees of the vocabulary.
pub trait Parts {
    /// Add what `item` allows strictly below node `i`, frames included.
    fn add(&self, table: &mut LocalTable, i: usize, item: &Item, into: &mut Found) -> Result<(), EngineError>;
}

/// What a walk finds.
#[derive(Default)]
pub struct Found {
    /// Accepted tokens, as runs of places in the trie.
    pub places: Vec<(u32, u32)>,
    /// More accepted tokens.
    pub tokens: Vec<u32>,
    /// All that these accept is accepted as well.
    pub sets: Vec<Arc<Mask>>,
    /// Tokens that leave at the bottom, and may have been accepted too.
    pub leaving: Leaving,
}

impl Found {
    #[inline]
    pub(super) fn accept(&mut self, places: std::ops::Range<usize>) {
        let (start, end) = (places.start as u32, places.end as u32);
        match self.places.last_mut() {
            _ if start == end => {}
            Some(last) if last.1 == start => last.1 = end,
            _ => self.places.push((start, end)),
        }
    }

    /// All accepted tokens, in no order and possibly more than once.
    pub fn accepted(&self, trie: &Trie) -> Vec<u32> {
        let mut tokens = Vec::new();
        self.accepted_into(trie, &mut tokens);
        tokens
    }

    /// Add these.
    pub fn accepted_into(&self, trie: &Trie, tokens: &mut Vec<u32>) {
        let count = self.places.iter().map(|&(start, end)| (end - start) as usize).sum::<usize>();
        tokens.reserve(count + self.tokens.len());
        tokens.extend_from_slice(&self.tokens);
        for &(start, end) in &self.places {
            tokens.extend_from_slice(&trie.tokens()[start as usize..end as usize]);
        }
        for set in &self.sets {
            set.accepted.list_into(tokens);
        }
    }
}

/// A walk that has looked at so many nodes looks further ahead.
const LONG: usize = 4096;
/// At so many states at most.
const AHEAD: usize = 1024;

/// Subtrees of at least so many nodes are worth being kept as parts.
pub(super) const PART_NODES: usize = 64;

impl<'a> Walk<'a> {
    /// Over all of a trie of leftovers.
    pub fn over(arena: &'a Arena, trie: &'a Trie) -> Self {
        Self { arena, trie, nodes: 0..trie.nodes().len(), frozen: false, keep: true, whole: Whole::Nowhere, parts: None }
    }

    /// Over all of the vocabulary's trie.
    pub fn over_vocabulary(arena: &'a Arena, trie: &'a Trie, parts: Option<&'a dyn Parts>) -> Self {
        Self { whole: Whole::All, parts, ..Self::over(arena, trie) }
    }

    /// If the level at node `i` is worth it, take what its items allow below the node from the parts. All that may leave by an open exit is
    /// listed then, accepted or not.
    fn add_parts(&self, path: &mut Path<'_>, level: Local, i: usize, exits: &mut Exits, found: &mut Found) -> Result<bool, EngineError> {
        let Some(parts) = self.parts else { return Ok(false) };
        let nodes = self.trie.nodes()[i].end as usize - i;
        let worth_it = match level {
            Local::One { parents: 0, .. } => false,
            // Spelling names costs less than asking their states.
            Local::One { state, .. } if self.arena.facts(state).named => nodes > 1,
            _ => nodes > PART_NODES,
        };
        if !worth_it {
            return Ok(false);
        }
        exits.leave_below(self.trie, i, &mut found.leaving);
        for item in path.table.configuration(level).items {
            parts.add(path.table, i, &item, found)?;
        }
        Ok(true)
    }

    /// No node of the walk is deeper.
    fn deepest(&self) -> usize {
        let (nodes, start) = (self.trie.nodes(), self.nodes.start);
        let around = [start.checked_sub(1), Some(start)].into_iter().flatten().map(|i| &nodes[i]);
        let deepest = around.filter(|node| node.end as usize >= self.nodes.end).map(|node| usize::from(node.deepest)).min();
        deepest.unwrap_or(self.trie.depth())
    }

    /// Walk from `start`: finds the tokens that stay inside the rule or end exactly where it returns, and those that leave it. Exits before
    /// the first byte: `returned`, which bytes of `follow` may come after. Gives the nodes looked at.
    fn run_returned(
        &self,
        table: &mut LocalTable,
        start: Local,
        (returned, follow): (&[u32], ByteSet),
        found: &mut Found,
    ) -> Result<usize, EngineError> {
        let (arena, trie) = (self.arena, self.trie);
        let nodes = &trie.nodes()[..self.nodes.end];
        let Some(first) = nodes.get(self.nodes.start) else { return Ok(0) };
        let deepest = self.deepest();
        let mut exits = Exits::new(deepest, first.depth - 1, returned, follow, self.keep);
        let mut path = Path::new(arena, table, deepest);
        path.frozen = self.frozen;
        path.reach(usize::from(first.depth) - 1);
        path.set(usize::from(first.depth) - 1, start);
        let (mut visited, mut i) = (0, self.nodes.start);
        let mut skips: SmallVec<[Skip<'_>; 4]> = SmallVec::new();
        skips.extend(path.skip(trie, i, usize::from(first.depth) - 1, &exits)?);
        while let Some(node) = nodes.get(i) {
            if let Some(next) = skipped(&mut skips, node) {
                i = next;
                continue;
            }
            visited += 1;
            if visited == LONG {
                path.look_ahead(AHEAD);
            }
            let depth = usize::from(node.depth);
            path.reach(depth);
            exits.enter(node.depth, node.byte);
            let moved = match path.glance(depth - 1, node.byte) {
                None => path.space(depth - 1, node.byte),
                known => known,
            };
            let next = match moved {
                Some(true) => {
                    if path.accepts_all(depth, node)? {
                        found.accept(trie.places_below(i));
                        i = node.end as usize;
                    } else {
                        found.accept(trie.places_at(i));
                        i += 1;
                        if node.has_many_children() {
                            skips.extend(path.skip(trie, i, depth, &exits)?);
                        }
                    }
                    continue;
                }
                Some(false) => Next::Dead,
                None => path.step(depth - 1, node.byte)?,
            };
            let (level, left) = match next {
                Next::Alive(level) => (level, None),
                Next::Left(Some(level), values, follow) => (level, Some((values, follow))),
                Next::Dead => {
                    exits.leave(trie, i, &mut found.leaving);
                    i = node.end as usize;
                    continue;
                }
                Next::Left(None, values, follow) => {
                    found.accept(trie.places_at(i));
                    if !self.keep {
                        // Nothing below goes on.
                    } else if let Some(whole) = self.whole.node(i).filter(|_| node.end as usize - i > PART_NODES) {
                        // The usual end of a string: what is left is the same whatever string it was.
                        found.leaving.subtrees.extend(values.into_iter().map(|value| (value, whole)));
                        exits.leave_below(trie, i, &mut found.leaving);
                    } else {
                        exits.push(node.depth, values, follow, None);
                        exits.leave_below(trie, i, &mut found.leaving);
                    }
                    i = node.end as usize;
                    continue;
                }
            };
            path.set(depth, level);
            if path.accepts_all(depth, node)? {
                // What leaves as well is accepted anyway.
                found.accept(trie.places_below(i));
                i = node.end as usize;
                continue;
            }
            found.accept(trie.places_at(i));
            if let Some((values, follow)) = left {
                exits.push(node.depth, values, follow, self.whole.node(i));
            }
            if self.add_parts(&mut path, level, i, &mut exits, found)? {
                i = node.end as usize;
            } else {
                i += 1;
                if node.has_many_children() {
                    skips.extend(path.skip(trie, i, depth, &exits)?);
                }
            }
        }
        path.finish();
        Ok(visited)
    }

    /// Walk from an item.
    pub fn run(&self, table: &mut LocalTable, start: Local, found: &mut Found) -> Result<usize, EngineError> {
        self.run_returned(table, start, (&[], ByteSet::ALL), found)
    }

    /// Walk from a configuration; if it has returned already, its values count as exits before the first byte, which bytes of `follow` may
    /// come after.
    pub fn run_from(&self, table: &mut LocalTable, start: Configuration, follow: ByteSet, found: &mut Found) -> Result<usize, EngineError> {
        let returned = start.returned.clone();
        if let Some(start) = table.intern(start) {
            return self.run_returned(table, start, (&returned, follow), found);
        }
        let nodes = &self.trie.nodes()[..self.nodes.end];
        let Some(first) = nodes.get(self.nodes.start) else { return Ok(0) };
        let mut exits = Exits::new(self.trie.depth(), first.depth - 1, &returned, follow, true);
        let mut i = self.nodes.start;
        while let Some(node) = nodes.get(i) {
            exits.enter(first.depth, node.byte);
            exits.leave(self.trie, i, &mut found.leaving);
            i = node.end as usize;
        }
        Ok(0)
    }
}
