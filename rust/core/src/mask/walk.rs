//! Walking a trie from a configuration: which tokens stay inside, which leave.
//!
//! PERF: while one item moves inside its rule a node costs one table read; wherever more is alive the steps of whole configurations are
//! memoised (`local.rs`). What lies on the path is kept in one array per field: a record written field by field and read whole
//! stalls the processor's store forwarding, which made this loop three times slower.

use smallvec::SmallVec;

use super::exits::Exits;
use super::local::{Local, LocalTable};
use crate::characters::{Kinds, MALFORMED, OTHER};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::loops;
use crate::mask::residual::Leaving;
use crate::provider::{Arena, ByteSet, Cell, Glance, Row};
use crate::spacing::Spacing;
use crate::stack::{Configuration, Item};
use crate::vocab::trie::{Children, Node, Trie};

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
    /// Of states that count and may be left at any time: where. Else 0.
    limits: Vec<u64>,
    /// The kinds of characters over which the states are known to lead back to themselves; none if their registers could matter.
    loops: Vec<Kinds>,
    /// In a gap, where its state is that of the gap's beginning: how far it has come.
    gaps: Vec<Option<(&'a Spacing, u32)>>,
    frozen: bool,
    /// How many states the walk, having become long, may still look at to see over what others stay alive.
    ahead: usize,
}

/// Children of a node that has many, at this depth, of which only some need be looked at.
struct Skip<'t> {
    depth: u16,
    children: Children<'t>,
    hopeful: ByteSet,
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
            limits: vec![0; length],
            loops: vec![0; length],
            gaps: vec![None; length],
            frozen: false,
            ahead: 0,
        }
    }

    fn set(&mut self, depth: usize, local: Local) {
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
                self.limits[depth] = if !facts.counting || facts.guarded || facts.returns.is_some() { 0 } else { facts.limit };
                self.loops[depth] = if facts.counting || gap.is_some() { 0 } else { kept.loops().known() };
            }
            Local::Full(place) => {
                self.rows[depth] = None;
                self.parents[depth] = FULL;
                self.registers[depth] = u64::from(place);
                self.loops[depth] = 0;
                self.gaps[depth] = None;
            }
        }
    }

    /// Are all the tokens below a node accepted from level `depth`, which stands at that node, because the state leads back to itself over
    /// whatever they are made of?
    #[inline]
    fn accepts_all(&mut self, depth: usize, node: &Node) -> Result<bool, EngineError> {
        let (kinds, reach) = (node.below, node.deepest - node.depth);
        if kinds & !self.loops[depth] == 0 {
            return Ok(true);
        }
        if kinds & MALFORMED != 0 || self.gaps[depth].is_some() {
            return Ok(false);
        }
        if self.parents[depth] == FULL {
            let place = self.registers[depth] as u32;
            let mut number = 0;
            while let Some((state, register)) = self.table.item(place, number) {
                number += 1;
                if loops(self.arena, state, register, self.frozen, kinds, reach)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let state = self.states[depth];
        let covered = loops(self.arena, state, self.registers[depth], self.frozen, kinds, reach)?;
        let kept = self.arena.at(state);
        if !kept.facts().counting {
            self.loops[depth] = kept.loops().known();
        }
        // The first answers may have made the row.
        self.rows[depth] = kept.row();
        let ahead = !covered && self.ahead > 0 && kept.facts().is_simple();
        Ok(covered || ahead && loops::stays_alive(self.arena, state, kinds, &mut self.ahead)?)
    }

    /// The plain state that `byte` leads to from level `depth`, put into level `depth + 1`; `Some(false)` if it is refused, `None` if there is
    /// more to it.
    #[inline(always)]
    #[allow(clippy::inline_always)] // the inner loop
    fn glance(&mut self, depth: usize, byte: u8) -> Option<bool> {
        let row = self.rows[depth]?;
        match row.glance(self.states[depth], byte) {
            Glance::Dead => Some(false),
            Glance::Plain(state) => {
                if state == self.states[depth] {
                    self.rows[depth + 1] = Some(row);
                    self.loops[depth + 1] = self.loops[depth];
                } else {
                    let kept = self.arena.at(state);
                    self.rows[depth + 1] = kept.row();
                    self.loops[depth + 1] = kept.loops().known();
                }
                self.states[depth + 1] = state;
                self.parents[depth + 1] = self.parents[depth];
                self.registers[depth + 1] = 0;
                self.gaps[depth + 1] = None;
                Some(true)
            }
            // A state that counts may lead back to itself.
            Glance::Same(increment) if register_after(self.registers[depth], increment, self.frozen) < self.limits[depth] => {
                self.rows[depth + 1] = Some(row);
                self.states[depth + 1] = self.states[depth];
                self.parents[depth + 1] = self.parents[depth];
                self.registers[depth + 1] = register_after(self.registers[depth], increment, self.frozen);
                self.limits[depth + 1] = self.limits[depth];
                self.gaps[depth + 1] = None;
                self.loops[depth + 1] = 0;
                Some(true)
            }
            Glance::Same(_) | Glance::Other => None,
        }
    }

    /// What a byte of whitespace does at level `depth`, if that is in a gap: does the gap go on at level `depth + 1`? Of another byte: `Some(false)`
    /// if it is refused, since the gap may not end here. `None`: ask the state.
    fn space(&mut self, depth: usize, byte: u8) -> Option<bool> {
        let (spacing, progress) = self.gaps[depth]?;
        let Some(after) = spacing.after(progress, byte) else { return (!spacing.leaves(progress)).then_some(false) };
        let Some(after) = after else { return Some(false) };
        self.rows[depth + 1] = None;
        self.states[depth + 1] = self.states[depth];
        self.parents[depth + 1] = self.parents[depth];
        self.registers[depth + 1] = self.registers[depth];
        self.loops[depth + 1] = 0;
        self.gaps[depth + 1] = Some((spacing, after));
        Some(true)
    }

    /// What may be skipped of many children, of which `first` is the first, from level `depth`: all that the state is known to refuse, unless what
    /// it refuses leaves.
    fn skip<'t>(&mut self, trie: &'t Trie, first: usize, depth: usize, exits: &Exits) -> Result<Option<Skip<'t>>, EngineError> {
        let Some(children) = trie.children_from(first) else { return Ok(None) };
        if self.parents[depth] == FULL || !exits.none_open() {
            return Ok(None);
        }
        let state = self.states[depth];
        // One answer often speaks for many bytes.
        for byte in [b'a', 0, 0xC3] {
            self.arena.step(state, byte)?;
        }
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
            (next, false) => Next::Left(next, outcome.returned.clone(), outcome.follow),
        })
    }
}

#[inline]
fn register_after(register: u64, increment: bool, frozen: bool) -> u64 {
    register + u64::from(increment && !frozen)
}

/// Is an item alive after any text of characters of these kinds, at most `reach` bytes long, and its rule not left before: since its state
/// leads back to itself, and so does the state that takes over where a limit is in reach?
fn loops(arena: &Arena, state: StateId, register: u64, frozen: bool, kinds: Kinds, reach: u16) -> Result<bool, EngineError> {
    let facts = arena.facts(state);
    let most = register.saturating_add(u64::from(reach));
    if facts.counting && !frozen && facts.limit <= most {
        // A character of several bytes may be counted before its end, where another state takes over than between characters.
        if facts.guarded || kinds & OTHER != 0 {
            return Ok(false);
        }
        let Some(next) = arena.settled(state, facts.limit)? else { return Ok(false) };
        let beyond = arena.facts(next);
        if next == state || beyond.guarded || beyond.limit <= most || !loops::cover(arena, next, kinds)? {
            return Ok(false);
        }
    }
    loops::cover(arena, state, kinds)
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
    /// Whether tokens that leave are wanted: with nothing below the item they are refused.
    pub keep: bool,
    /// Whether the trie is the vocabulary's: then tokens may leave as all that lies below a node.
    pub whole: bool,
    /// Masks of parts of this trie, if they are kept: asked when a configuration with frames, or of several items, enters a large subtree.
    pub parts: Option<&'a dyn Parts>,
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
    /// Tokens that leave at the bottom, and may have been accepted too.
    pub leaving: Leaving,
}

impl Found {
    #[inline]
    fn accept(&mut self, places: std::ops::Range<usize>) {
        let (start, end) = (places.start as u32, places.end as u32);
        match self.places.last_mut() {
            _ if start == end => {}
            Some(last) if last.1 == start => last.1 = end,
            _ => self.places.push((start, end)),
        }
    }

    /// All accepted tokens, in no order and possibly more than once.
    pub fn accepted(&self, trie: &Trie) -> Vec<u32> {
        let mut tokens = self.tokens.clone();
        for &(start, end) in &self.places {
            tokens.extend_from_slice(&trie.tokens()[start as usize..end as usize]);
        }
        tokens
    }
}

/// A walk that has looked at so many nodes looks further ahead.
const LONG: usize = 1024;
/// At so many states at most.
const AHEAD: usize = 1024;

/// Subtrees of at least so many nodes are worth being kept as parts.
const PART_NODES: usize = 64;

impl<'a> Walk<'a> {
    /// Over all of a trie of leftovers.
    pub fn over(arena: &'a Arena, trie: &'a Trie) -> Self {
        Self { arena, trie, nodes: 0..trie.nodes().len(), frozen: false, keep: true, whole: false, parts: None }
    }

    /// Over all of the vocabulary's trie.
    pub fn over_vocabulary(arena: &'a Arena, trie: &'a Trie, parts: Option<&'a dyn Parts>) -> Self {
        Self { whole: true, parts, ..Self::over(arena, trie) }
    }

    /// If the level at node `i` is worth it, take what its items allow below the node from the parts. All that may leave by an open exit is
    /// listed then, accepted or not.
    fn add_parts(&self, path: &mut Path<'_>, level: Local, i: usize, exits: &mut Exits, found: &mut Found) -> Result<bool, EngineError> {
        let Some(parts) = self.parts else { return Ok(false) };
        if matches!(level, Local::One { parents: 0, .. }) || self.trie.nodes()[i].end as usize - i <= PART_NODES {
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
                path.ahead = AHEAD;
            }
            let depth = usize::from(node.depth);
            exits.enter(node.depth, node.byte);
            let next = match path.glance(depth - 1, node.byte) {
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
                None => match path.space(depth - 1, node.byte) {
                    Some(true) => {
                        found.accept(trie.places_at(i));
                        i += 1;
                        if node.has_many_children() {
                            skips.extend(path.skip(trie, i, depth, &exits)?);
                        }
                        continue;
                    }
                    Some(false) => Next::Dead,
                    None => path.step(depth - 1, node.byte)?,
                },
            };
            match next {
                Next::Dead => {
                    exits.leave(trie, i, &mut found.leaving);
                    i = node.end as usize;
                }
                Next::Alive(level) => {
                    path.set(depth, level);
                    if path.accepts_all(depth, node)? {
                        found.accept(trie.places_below(i));
                        i = node.end as usize;
                        continue;
                    }
                    found.accept(trie.places_at(i));
                    if self.add_parts(&mut path, level, i, &mut exits, found)? {
                        i = node.end as usize;
                    } else {
                        i += 1;
                        if node.has_many_children() {
                            skips.extend(path.skip(trie, i, depth, &exits)?);
                        }
                    }
                }
                Next::Left(Some(level), values, follow) => {
                    path.set(depth, level);
                    if path.accepts_all(depth, node)? {
                        // What leaves as well is accepted anyway.
                        found.accept(trie.places_below(i));
                        i = node.end as usize;
                        continue;
                    }
                    found.accept(trie.places_at(i));
                    exits.push(node.depth, values, follow, self.whole.then_some(i as u32));
                    if self.add_parts(&mut path, level, i, &mut exits, found)? {
                        i = node.end as usize;
                    } else {
                        i += 1;
                    }
                }
                Next::Left(None, values, follow) => {
                    found.accept(trie.places_at(i));
                    if !self.keep {
                        // Nothing below goes on.
                    } else if self.whole && node.end as usize - i > PART_NODES {
                        // The usual end of a string: what is left is the same whatever string it was.
                        found.leaving.subtrees.extend(values.into_iter().map(|value| (value, i as u32)));
                        exits.leave_below(trie, i, &mut found.leaving);
                    } else {
                        exits.push(node.depth, values, follow, None);
                        exits.leave_below(trie, i, &mut found.leaving);
                    }
                    i = node.end as usize;
                }
            }
        }
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

type Pair = ((StateId, u64), (StateId, u64));

/// Where to go on instead of at `node`, if that is one of those that need not be looked at.
#[inline]
fn skipped(skips: &mut SmallVec<[Skip<'_>; 4]>, node: &Node) -> Option<usize> {
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

/// What a differential walk found.
#[derive(Default)]
pub struct Difference {
    /// The tokens whose fate was decided anew; all others fare as from the base.
    pub touched: Vec<u32>,
    /// Of those, the ones that are accepted or leave.
    pub found: Found,
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
    let mut skips: SmallVec<[Skip<'_>; 4]> = SmallVec::new();
    skips.extend(differing(arena, trie, 0, 0, pairs[0])?);
    let mut i = 0;
    while let Some(node) = nodes.get(i) {
        if let Some(next) = skipped(&mut skips, node) {
            i = next;
            continue;
        }
        let depth = usize::from(node.depth);
        if found.touched.len() > bound {
            return Ok(None);
        }
        let (own, other) = pairs[depth - 1];
        if own.1 == other.1 && arena.same_step(own.0, other.0, node.byte) {
            i = node.end as usize;
            continue;
        }
        match (moved(arena, own, node.byte)?, moved(arena, other, node.byte)?) {
            (Moved::Dead, Moved::Dead) => {}
            (Moved::To(a), Moved::To(b)) if a == b => {}
            (Moved::To(a), Moved::To(b)) if both_accept_all(walk, a, b, i)? => {}
            (Moved::To(a), Moved::To(b)) if arena.facts(a.0).returns.is_none() && arena.facts(b.0).returns.is_none() => {
                // Alive on both sides: the tokens that end here fare alike.
                pairs[depth] = (a, b);
                i += 1;
                if node.has_many_children() {
                    skips.extend(differing(arena, trie, i, depth, pairs[depth])?);
                }
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
        let within = u64::from(node.deepest - node.depth + 1);
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

/// Of many children, of which `first` is the first, those before which two items differ.
fn differing<'t>(arena: &Arena, trie: &'t Trie, first: usize, depth: usize, pair: Pair) -> Result<Option<Skip<'t>>, EngineError> {
    let Some(children) = trie.children_from(first) else { return Ok(None) };
    let ((own, register), (other, beyond)) = pair;
    if register != beyond {
        return Ok(None);
    }
    // One answer often speaks for many bytes.
    for byte in [b'a', 0, 0xC3] {
        arena.step(own, byte)?;
        arena.step(other, byte)?;
    }
    let mut hopeful = ByteSet::ALL;
    for byte in 0..=255 {
        if arena.same_step(own, other, byte) {
            hopeful.remove(&ByteSet::one(byte));
        }
    }
    Ok(Some(Skip { depth: depth as u16 + 1, children, hopeful }))
}

/// Are the tokens below node `i` accepted from both items, since both lead back to themselves?
fn both_accept_all(walk: &Walk<'_>, a: (StateId, u64), b: (StateId, u64), i: usize) -> Result<bool, EngineError> {
    let node = &walk.trie.nodes()[i];
    let (kinds, reach) = (node.below, node.deepest - node.depth);
    let all = |(state, register)| loops(walk.arena, state, register, false, kinds, reach);
    Ok(kinds & MALFORMED == 0 && all(a)? && all(b)?)
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
        let inner = Walk { nodes: i..trie.nodes()[i].end as usize, frozen: false, ..*walk };
        let start = Local::One { state: item.0, register: item.1, parents: 0 };
        inner.run(table, start, &mut self.found)?;
        Ok(())
    }
}
