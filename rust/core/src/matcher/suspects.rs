//! Deciding anew the tokens whose fate the items of a text may change. Part of **matcher**.
//!
//! Masks are for texts in which no item repeats another. A token fares otherwise only if it goes on with an item that is being read as an earlier
//! one does, or if it begins another item: behind a comma in the token, or where an item must come next. The first kind is found along the trie,
//! which is followed only as far as what is spelled agrees with an earlier item; the others are few, and tried.
//!
//! Invariant: every other token fares as the mask says.
//! Must not know: how masks are learned, schemas.

use std::sync::Arc;

use hashbrown::HashSet;

use super::Matcher;
use super::unique::{Verdict, WHITESPACE, Way, search, viable};
use super::watch::{Watch, Watches, reading};
use crate::bitmask;
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::{Arena, ByteSet, Cell};
use crate::stack::{Agreeing, Beginning, Configuration, Item};
use crate::vocab::trie::Trie;
use crate::vocab::{InString, Inside};

/// A place in the trie, and what is known there.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools)] // each is about another thing
pub(super) struct Node {
    pub at: Configuration,
    pub watches: Watches,
    /// An item that repeats another was taken on the way: nothing is known from the mask.
    changed: bool,
    /// An item that repeats another was not taken here: what the mask says of its end is void.
    dropped: bool,
    /// The next item of an array that has had some must come here.
    pub before_item: bool,
    /// It is known to be viable, and maybe by which way.
    viable: bool,
    way: Option<Way>,
}

impl Node {
    /// What the earlier items change behind it is no more than that tokens are refused.
    fn only_refuses(&self) -> bool {
        !self.changed && self.at.items.iter().all(|item| item.parents.free())
    }
}

/// Which tokens a trie has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tokens {
    Whole,
    /// Of the whole tokens those that do not begin with whitespace.
    NotIndented,
    /// Few, which are followed whatever they agree with: they may begin another item.
    Crossing,
    /// Likewise, and there may be no other item.
    Ending,
    /// Tokens without the whitespace that they begin with, of which the mask knows whether it may come.
    Indented,
}

impl Matcher {
    /// Put right the bits of the tokens that may repeat an item, or leave none that would not.
    pub(super) fn decide_repeated_items(&self, row: &mut [u32]) -> Result<(), EngineError> {
        let arena = self.compiled().arena();
        let configuration = self.configuration();
        let vocabulary = self.compiled().vocabulary();
        let items = vocabulary.items();
        let mut trials: Vec<u32> = Vec::new();
        for (prefix, tokens) in items.opening() {
            if opens_tracked(arena, configuration, prefix)? {
                trials.extend_from_slice(tokens);
            }
        }
        // So many items may end within a token, after which there may be no other.
        let may_run_out = |state: StateId, had: usize| {
            let enough = had.saturating_add(items.most()) as u64 >= arena.facts(state).values;
            Ok::<_, EngineError>(enough && !arena.never_runs_out(state)?)
        };
        let mut crossed: HashSet<(Inside, bool)> = HashSet::new();
        let mut watches = Watches::new();
        for frame in reading(arena, configuration) {
            let watch = Watch::new(frame, configuration);
            crossed.insert((inside(&watch.beginning), may_run_out(frame.return_to, frame.seen.len())?));
            watches.push(watch);
        }
        for item in configuration.items.iter().filter(|item| arena.facts(item.state).tracks_items) {
            crossed.insert((Inside::BETWEEN, may_run_out(item.state, item.seen.len())?));
        }
        let runs_out = crossed.iter().any(|&(_, run_out)| run_out);
        if arena.has_spaced() && runs_out {
            trials.extend_from_slice(vocabulary.quotes().spaced());
        }
        let from_one = crossed.len() == 1;
        for (inside, run_out) in crossed {
            let (trie, of) = if run_out { (items.commas(inside), Tokens::Ending) } else { (items.crossing(inside), Tokens::Crossing) };
            let Some(trie) = trie else { continue };
            let watch = watches.first().filter(|_| watches.len() == 1);
            let few =
                if from_one && !run_out { self.compiled().crossings.undecided(arena, configuration, watch, inside, trie)? } else { None };
            match few {
                Some(few) => trials.extend_from_slice(&few),
                None => self.walk(trie, 0..trie.nodes().len(), self.start(watches.clone())?, of, row)?,
            }
        }
        let before_item = before_item(arena, configuration)?;
        let agrees = watches.iter().any(|watch| !watch.agreeing.is_empty());
        let decided = if before_item {
            !runs_out && self.decide_next_strings(row, &mut trials)?
        } else {
            !agrees || self.decide_rests(&watches, row, &mut trials)?
        };
        if !decided {
            self.decide_all(watches, row)?;
        }
        trials.sort_unstable();
        trials.dedup();
        for token in trials {
            self.try_token(token, row)?;
        }
        Ok(())
    }

    fn try_token(&self, token: u32, row: &mut [u32]) -> Result<(), EngineError> {
        let arena = self.compiled().arena();
        let bytes = self.compiled().vocabulary().token_bytes(token);
        if !begins_with(arena, self.configuration(), bytes)? {
            return Ok(());
        }
        let mut at = self.configuration().clone();
        let holds = at.step_all(arena, bytes)? && viable(arena, &at)?;
        write(row, token, holds);
        Ok(())
    }

    pub(super) fn start(&self, watches: Watches) -> Result<Node, EngineError> {
        let at = self.configuration().clone();
        let before_item = before_item(self.compiled().arena(), &at)?;
        Ok(Node { at, watches, changed: false, dropped: false, before_item, viable: true, way: None })
    }

    /// Decide all tokens as far as they agree with earlier items.
    fn decide_all(&self, watches: Watches, row: &mut [u32]) -> Result<(), EngineError> {
        let vocabulary = self.compiled().vocabulary();
        let (trie, items) = (vocabulary.trie(), vocabulary.items());
        let start = self.start(watches)?;
        // Of what is read only if it repeats an item the mask knows nothing, whitespace in it included.
        let gap = if start.only_refuses() { behind_whitespace(self.compiled().arena(), &start)? } else { None };
        let Some(mut gap) = gap else { return self.walk(trie, 0..trie.nodes().len(), start, Tokens::Whole, row) };
        self.walk(trie, 0..trie.nodes().len(), start, Tokens::NotIndented, row)?;
        if !self.is_viable(&mut gap)? {
            items.blank().iter().for_each(|&token| write(row, token, false));
        }
        self.walk(items.indented(), 0..items.indented().nodes().len(), gap, Tokens::Indented, row)
    }

    /// Is it viable? Notes what is found.
    fn is_viable(&self, node: &mut Node) -> Result<bool, EngineError> {
        if !node.viable
            && let Verdict::Yes(way) = search(self.compiled().arena(), &node.at, &node.watches)?
        {
            (node.viable, node.way) = (true, way);
        }
        Ok(node.viable)
    }

    /// Walk a part of a trie, from the first child of a node on, as far as it agrees with earlier items.
    pub(super) fn walk(
        &self,
        trie: &Trie,
        below: std::ops::Range<usize>,
        start: Node,
        of: Tokens,
        row: &mut [u32],
    ) -> Result<(), EngineError> {
        let arena = self.compiled().arena();
        let nodes = trie.nodes();
        let mut open = vec![(below.clone(), start)];
        while let Some((range, node)) = open.pop() {
            let follows_all = matches!(of, Tokens::Crossing | Tokens::Ending);
            let mut like = if follows_all { ByteSet::ALL } else { node.bytes_like(arena)? };
            // A digit after which a number is another changes nothing.
            let settles = !follows_all && !node.changed && !node.dropped && !node.before_item;
            if of == Tokens::NotIndented && range == below {
                like.remove(&WHITESPACE);
            }
            let children = trie.children_from(range.start).filter(|children| children.end == range.end);
            let mut child = range.start;
            while child < range.end {
                let (i, byte) = (child, nodes[child].byte);
                let end = nodes[child].end as usize;
                if !like.contains(byte) {
                    child = children.map_or(end, |children| children.next(byte, &like).unwrap_or(range.end));
                    continue;
                }
                child = end;
                if !begins_with(arena, &node.at, &[byte])? {
                    // A dead end that the mask knows, unless it reckons with an end that was not taken, or was taken as another.
                    if node.dropped || node.changed {
                        trie.places_below(i).for_each(|place| write(row, trie.tokens()[place], false));
                    }
                    continue;
                }
                if settles && byte.is_ascii_digit() && node.watches.iter().all(|watch| watch.is_another_number(byte)) {
                    continue;
                }
                let mut at = node.at.clone();
                at.step(arena, byte)?;
                if !at.is_alive() {
                    trie.places_below(i).for_each(|place| write(row, trie.tokens()[place], false));
                    continue;
                }
                let (watches, [repeated, dropped]) = follow(arena, &node, &at, byte);
                let changed = node.changed || repeated;
                let before_item = before_item(arena, &at)?;
                let undecided = changed || before_item || of == Tokens::Ending || watches.iter().any(|watch| !watch.agreeing.is_empty());
                if !undecided && !follows_all {
                    continue;
                }
                let mut next = Node { at, watches, changed, dropped, before_item, viable: false, way: None };
                if WHITESPACE.contains(byte) && node.at.items.iter().all(|item| may_leave_gap(arena, item.state)) {
                    // Whitespace in a gap changes nothing.
                    (next.viable, next.way) = (node.viable, node.way.clone());
                } else if let Some(way) = node.way.as_ref().and_then(|way| way.after(byte)) {
                    (next.viable, next.way) = (true, Some(way));
                }
                if undecided && !trie.places_at(i).is_empty() {
                    let holds = self.is_viable(&mut next)?;
                    let only_refuses = next.only_refuses();
                    for place in trie.places_at(i) {
                        let token = trie.tokens()[place];
                        match of {
                            Tokens::Indented if holds && only_refuses => {}
                            Tokens::Indented if holds => self.try_token(token, row)?,
                            _ => write(row, token, holds),
                        }
                    }
                }
                open.push((i + 1..end, next));
            }
        }
        Ok(())
    }
}

fn write(row: &mut [u32], token: u32, holds: bool) {
    if holds { bitmask::set(row, token) } else { bitmask::clear(row, token) }
}

/// Does an item of the configuration take the first of the bytes?
fn begins_with(arena: &Arena, configuration: &Configuration, bytes: &[u8]) -> Result<bool, EngineError> {
    let Some(&first) = bytes.first() else { return Ok(true) };
    for item in &configuration.items {
        if !matches!(arena.step(item.state, first)?, Cell::Dead) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Is an array open behind these bytes whose items are compared?
fn opens_tracked(arena: &Arena, configuration: &Configuration, bytes: &[u8]) -> Result<bool, EngineError> {
    if !begins_with(arena, configuration, bytes)? {
        return Ok(false);
    }
    let mut at = configuration.clone();
    Ok(at.step_all(arena, bytes)? && at.items.iter().any(|item| arena.facts(item.state).tracks_items))
}

fn inside(beginning: &Beginning) -> Inside {
    let string = match beginning.in_string() {
        None => InString::No,
        Some(false) => InString::Yes,
        Some(true) => InString::Escaped,
    };
    Inside { string, depth: beginning.depth() }
}

/// Must the next item of an array that has had some come here (if only after whitespace)?
pub(super) fn must_begin(arena: &Arena, item: &Item) -> Result<bool, EngineError> {
    let refuses = |byte| Ok::<bool, EngineError>(matches!(arena.step(item.state, byte)?, Cell::Dead));
    Ok(!item.seen.is_empty() && refuses(b',')? && refuses(b']')?)
}

fn before_item(arena: &Arena, configuration: &Configuration) -> Result<bool, EngineError> {
    for item in &configuration.items {
        if must_begin(arena, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Is it a state in a gap that may end here, so that whitespace adds nothing to what may come?
fn may_leave_gap(arena: &Arena, state: StateId) -> bool {
    arena.facts(state).gap.as_ref().is_some_and(|gap| gap.spacing.leaves(gap.progress))
}

/// What is left after whitespace, but for how much of it there was, if whitespace may come and whatever takes it is a gap.
pub(super) fn behind_whitespace(arena: &Arena, node: &Node) -> Result<Option<Node>, EngineError> {
    let mut at = node.at.clone();
    at.items.retain(|item| may_leave_gap(arena, item.state));
    if at.items.is_empty() {
        return Ok(None);
    }
    let all = at.items.len() == node.at.items.len();
    for item in node.at.items.iter().filter(|item| !may_leave_gap(arena, item.state)) {
        for byte in WHITESPACE {
            if !matches!(arena.step(item.state, byte)?, Cell::Dead) {
                return Ok(None);
            }
        }
    }
    at.returned.clear();
    let mut watches = node.watches.clone();
    watches.retain(|watch| reading(arena, &at).iter().any(|frame| Arc::ptr_eq(frame, &watch.frame)));
    watches.iter_mut().for_each(|watch| watch.read(b' '));
    let before_item = before_item(arena, &at)?;
    Ok(Some(Node { at, watches, changed: node.changed, dropped: false, before_item, viable: all && node.viable, way: None }))
}

impl Node {
    /// The bytes behind which the earlier items may change something.
    fn bytes_like(&self, arena: &Arena) -> Result<ByteSet, EngineError> {
        if self.changed || self.dropped {
            return Ok(ByteSet::ALL);
        }
        let mut like = ByteSet::default();
        for watch in &self.watches {
            like.extend(watch.agreeing.bytes_like());
        }
        for item in self.at.items.iter().filter(|_| self.before_item) {
            if must_begin(arena, item)? {
                like.extend(Agreeing::within(&item.seen, &Beginning::default()).bytes_like());
            }
        }
        Ok(like)
    }
}

/// What is being read after a byte, and whether an item that repeats another was taken, or was not.
fn follow(arena: &Arena, node: &Node, at: &Configuration, byte: u8) -> (Watches, [bool; 2]) {
    let mut watches = Watches::new();
    // An item ends where its value may end, which may be before its frame is left for good.
    let mut ended = [false; 2];
    let mut ends = |watch: &Watch| {
        if !watch.agreeing.is_empty() && watch.beginning.whole().is_some_and(|value| watch.frame.seen.contains(&value)) {
            ended[usize::from(!arena.facts(watch.frame.return_to).repeats)] = true;
        }
    };
    for frame in reading(arena, at) {
        let watch = if let Some(before) = node.watches.iter().find(|watch| Arc::ptr_eq(&watch.frame, frame)) {
            let mut watch = before.clone();
            watch.read(byte);
            watch
        } else {
            // It has just been pushed.
            Watch::new(frame, at)
        };
        ends(&watch);
        watches.push(watch);
    }
    for left in node.watches.iter().filter(|watch| !watches.iter().any(|new| Arc::ptr_eq(&new.frame, &watch.frame))) {
        let mut watch = left.clone();
        watch.read(byte);
        ends(&watch);
    }
    (watches, ended)
}
