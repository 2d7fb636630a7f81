//! Masks of places in rules of a grammar and in plain text, frames and all, from the shapes of tokens. Part of **mask**.
//!
//! Names, words, blanks, punctuation: nearly all of the vocabulary is of some ten thousand shapes, and a rule seldom tells letters apart. So a walk over
//! shapes steps a configuration by classes of characters. Where some letters fare otherwise than most of their class, as where a keyword begins, the
//! walk goes on with what most do; the tokens with those letters are compared with that along the vocabulary's trie, or are read one by one.
//!
//! Invariant: finds just what a walk over the vocabulary would, or nothing at all.
//! Must not know: who called a rule, and what a matcher is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::Mask;
use super::classed::Classed;
use super::local::{Local, LocalTable};
use super::path::{Skip, loops, skipped};
use super::residual::{Leaving, Leftover};
use super::steps::{Place, Stepping, Steps, Way};
use super::store::{FROZEN, MaskStore, PART_DEPTH};
use crate::bitmask;
use crate::characters::{Kinds, MALFORMED};
use crate::ids::StateId;
use crate::loops;
use crate::provider::{Arena, ByteSet};
use crate::vocab::trie::{Node, Trie};
use crate::vocab::{BEYOND, SEPARATOR, SPACE, Shapes, Vocabulary};

/// So many steps of configurations a walk may compute.
const FUEL: usize = 1 << 12;
/// So many tokens may be read one by one.
const SINGLES: usize = 1 << 10;
/// More than this are looked for along the vocabulary's trie, at so many nodes at most.
const FEW_SINGLES: usize = if cfg!(test) { 2 } else { 1 << 7 };
const NODES: usize = 1 << 12;
/// A walk that has looked at so many shapes looks further ahead, at so many states at most.
const LONG: usize = 1024;
const AHEAD: usize = 1024;
/// Of so few shapes it is not asked whether all of them are accepted.
const FEW: usize = 8;
/// What called rules allow below shapes with at least so many below them is kept for others that call them, for so many items at most.
const PART: usize = if cfg!(test) { 2 } else { 64 };
const ITEMS: usize = 16;
/// To pass over fewer shapes takes no less than to look at them.
const PASSED: usize = if cfg!(test) { 2 } else { 16 };
/// More tokens than this that leave at one place leave as all that lies below it.
const MANY: usize = 64;

impl MaskStore {
    /// The mask of a place in a rule; `None` if it must be walked.
    pub(super) fn by_classes(&self, arena: &Arena, state: StateId, register: u64, framed: bool) -> Option<Mask> {
        if !arena.facts(state).of_rule {
            return None;
        }
        let frozen = register == FROZEN;
        let start = Local::One { state, register: if frozen { 0 } else { register }, parents: 0 };
        let found = self.with_locals(|table| self.classed(arena, table, start, None, (framed, frozen), 0))?;
        Some(self.mask_of(found))
    }

    /// The mask of what was found.
    fn mask_of(&self, found: Classed) -> Mask {
        let accepted = found.accepted(self);
        let mut leaving = found.leaving;
        if !found.masks.is_empty() {
            leaving.leftovers.retain(|leftover| !accepted.contains(leftover.token));
        }
        Mask::new(accepted, self.residual(leaving, None))
    }

    /// What a configuration allows strictly below a node of the vocabulary's trie, or of all; `None` if it must be walked.
    pub(super) fn classed(
        &self,
        arena: &Arena,
        table: &mut LocalTable,
        start: Local,
        below: Option<u32>,
        (keep, frozen): (bool, bool),
        depth: usize,
    ) -> Option<Classed> {
        #[cfg(test)]
        if self.walks_only() {
            return None;
        }
        let vocabulary = &*self.vocabulary;
        let texts = vocabulary.text_shapes();
        let (mut shapes, mut broken) = (0..texts.shapes.shapes().len(), 0..texts.broken.nodes().len());
        let mut path: Vec<u8> = Vec::new();
        if let Some(node) = below {
            let trie = vocabulary.trie();
            let token = trie.tokens()[trie.places_below(node as usize).start];
            path.extend_from_slice(&vocabulary.token_bytes(token)[..usize::from(trie.nodes()[node as usize].depth)]);
            if !path.iter().all(|&byte| is_plain(byte)) {
                return None;
            }
            shapes = texts.shapes.find(&path).map_or(0..0, |at| at + 1..texts.shapes.shapes()[at].end as usize);
            broken = texts.broken.find(&path).map_or(0..0, |at| at + 1..texts.broken.nodes()[at].end as usize);
        }
        // With a register that stays, steps are not those that others may use.
        let steps = if frozen { Steps::default() } else { table.take_tables() };
        let stepping = Stepping { arena, table, steps, frozen, fuel: FUEL };
        let mut walk = ClassWalk::new(self, stepping, path, keep, depth);
        let done = walk.run(&texts.shapes, shapes, &texts.broken, broken, below, start);
        let ClassWalk { stepping, found, visited, .. } = walk;
        if visited * 10 > vocabulary.trie().nodes().len() {
            self.counters.full_walks.fetch_add(1, Ordering::Relaxed);
        }
        let Stepping { table, steps, .. } = stepping;
        if !frozen {
            table.keep_tables(steps);
        }
        done?;
        Some(found)
    }
}

/// A character of ASCII that is alone in its class.
pub(super) fn is_plain(byte: u8) -> bool {
    byte < 0x80 && !byte.is_ascii_alphanumeric()
}

/// A place on the path where the bottom rule returned.
#[derive(Clone)]
struct Exit {
    /// Letters, or bytes, of the path before it.
    depth: u16,
    value: u32,
    follow: ByteSet,
    /// How many tokens have left here.
    left: usize,
}

type Exits = SmallVec<[Exit; 8]>;

struct ClassWalk<'a> {
    store: &'a MaskStore,
    vocabulary: &'a Vocabulary,
    stepping: Stepping<'a>,
    /// Whether tokens that leave are wanted.
    keep: bool,
    /// The letters, or bytes, that lead to the node.
    path: Vec<u8>,
    /// Open on the path.
    exits: Exits,
    /// What is found; of what leaves, that which goes by classes.
    found: Classed,
    /// What leaves else.
    own: Leaving,
    /// How many tokens may still be read one by one.
    singles: usize,
    /// How many nodes of the vocabulary's trie may still be looked at to find those that fare otherwise.
    nodes: usize,
    /// Nodes of the vocabulary's trie that were looked at.
    visited: usize,
    /// How many states may still be looked at to see over what others stay alive.
    ahead: usize,
    /// How many walks this one is part of.
    depth: usize,
}

impl<'a> ClassWalk<'a> {
    fn new(store: &'a MaskStore, stepping: Stepping<'a>, path: Vec<u8>, keep: bool, depth: usize) -> Self {
        Self {
            store,
            vocabulary: &store.vocabulary,
            stepping,
            keep,
            path,
            exits: Exits::new(),
            found: Classed::default(),
            own: Leaving::default(),
            singles: SINGLES,
            nodes: NODES,
            visited: 0,
            ahead: AHEAD,
            depth,
        }
    }

    /// `None`: something does not go by classes.
    fn run(
        &mut self,
        shapes: &Shapes,
        range: std::ops::Range<usize>,
        broken: &Trie,
        broken_range: std::ops::Range<usize>,
        below: Option<u32>,
        start: Local,
    ) -> Option<()> {
        let start = self.stepping.place(start)?;
        let base = self.path.len();
        if self.walk_shapes(shapes, range, start, base).is_none() {
            // Too much does not go by classes.
            self.stepping.fuel.checked_sub(1)?;
            (self.found, self.own) = (Classed::default(), Leaving::default());
            self.path.truncate(base);
            self.exits.clear();
            let trie = self.vocabulary.trie();
            let all = below.map_or(0..trie.nodes().len(), |node| node as usize + 1..trie.nodes()[node as usize].end as usize);
            self.walk_bytes(trie, all, start, base)?;
            self.found.leaving = std::mem::take(&mut self.own);
            return Some(());
        }
        self.forget_touched();
        self.path.truncate(base);
        self.exits.clear();
        self.walk_bytes(broken, broken_range, start, base)?;
        self.join_own();
        Some(())
    }

    /// What was touched leaves only as it was read by itself.
    fn forget_touched(&mut self) {
        let Classed { touched, leaving, .. } = &mut self.found;
        if !touched.is_empty() {
            leaving.leftovers.retain(|leftover| !bitmask::get(touched, leftover.token));
        }
    }

    fn join_own(&mut self) {
        self.found.leaving.leftovers.append(&mut self.own.leftovers);
        self.found.leaving.subtrees.append(&mut self.own.subtrees);
    }

    /// If the place at shape `i` is in called rules, what these allow below it, and what what called them makes of the rest.
    fn add_parts(&mut self, shapes: &Shapes, i: usize, place: Place) -> Option<bool> {
        let frames = match self.stepping.local(place) {
            Local::One { parents, .. } => parents != 0,
            Local::Full(_) => true,
        };
        let size = shapes.shapes()[i].end as usize - i;
        if !frames || size < PART || self.stepping.frozen || self.depth >= PART_DEPTH || !self.exits.is_empty() {
            return Some(false);
        }
        let items = self.stepping.table.configuration(self.stepping.local(place)).items;
        let arena = self.stepping.arena;
        if items.len() > ITEMS || items.iter().any(|item| arena.facts(item.state).counting) {
            // Where something is counted, few callers come with the same count.
            return Some(false);
        }
        let parts: Option<SmallVec<[Arc<Mask>; 2]>> = items.iter().map(|item| self.part_of(shapes, i, item.state, item.register)).collect();
        let Some(parts) = parts else { return Some(false) };
        let store = self.store;
        // Whoever is asked about the rest may need the tables.
        self.stepping.table.keep_tables(std::mem::take(&mut self.stepping.steps));
        let Classed { masks, leaving, .. } = &mut self.found;
        let left = items.iter().zip(parts).try_for_each(|(item, part)| {
            let rest = part.residual.clone();
            masks.push(part);
            store.leave(arena, self.stepping.table, rest.as_ref(), &item.parents, self.depth + 1, leaving, |mask| masks.push(mask))
        });
        self.stepping.steps = self.stepping.table.take_tables();
        left.ok()?;
        if !self.keep {
            self.found.leaving = Leaving::default();
        }
        Some(true)
    }

    /// What a state allows strictly below a shape, whatever called its rule; `None` if that does not go by classes.
    fn part_of(&mut self, shapes: &Shapes, i: usize, state: StateId, register: u64) -> Option<Arc<Mask>> {
        let (store, arena) = (self.store, self.stepping.arena);
        let key = (i as u32, state, arena.view(state, register, self.vocabulary.longest_token() as u64));
        if let Some(known) = store.shape_parts.get(&key) {
            return known.clone();
        }
        let Stepping { table, steps, .. } = &mut self.stepping;
        let stepping = Stepping { arena, table, steps: std::mem::take(steps), frozen: false, fuel: FUEL };
        let mut walk = ClassWalk::new(store, stepping, self.path.clone(), true, self.depth + 1);
        let done = walk.below(shapes, i, Local::One { state, register, parents: 0 });
        let ClassWalk { stepping: Stepping { steps, .. }, found, .. } = walk;
        self.stepping.steps = steps;
        let mask = done.map(|()| Arc::new(store.mask_of(found)));
        if let Some(mask) = &mask {
            store.count_bytes(mask);
        }
        store.shape_parts.insert(key, mask.clone());
        mask
    }

    /// Walk what lies strictly below a shape, where the path leads.
    fn below(&mut self, shapes: &Shapes, i: usize, start: Local) -> Option<()> {
        let start = self.stepping.place(start)?;
        let base = self.path.len();
        self.walk_shapes(shapes, i + 1..shapes.shapes()[i].end as usize, start, base)?;
        self.forget_touched();
        self.join_own();
        Some(())
    }

    fn accept(&mut self, (start, end): (u32, u32)) {
        let places = &mut self.found.places;
        match places.last_mut() {
            _ if start == end => {}
            Some(last) if last.1 == start => last.1 = end,
            _ => places.push((start, end)),
        }
    }

    fn open(&mut self, way: Way, depth: usize) {
        if !self.keep {
            return;
        }
        let led = self.stepping.led(way);
        let exits = led.returned.iter().map(|&value| Exit { depth: depth as u16, value, follow: led.follow, left: 0 });
        self.exits.extend(exits);
    }

    fn shut(&mut self, depth: usize) {
        while self.exits.last().is_some_and(|exit| usize::from(exit.depth) >= depth) {
            self.exits.pop();
        }
    }

    fn walk_shapes(&mut self, shapes: &Shapes, range: std::ops::Range<usize>, start: Place, base: usize) -> Option<()> {
        // By depth: where the walk is, and where what lies below that ends.
        let mut levels = vec![(start, range.end); base + 1];
        let (mut visited, mut i) = (0, range.start);
        while i < range.end {
            let passed = self.pass(shapes, i, &mut levels);
            if passed != i {
                i = passed;
                continue;
            }
            let shape = &shapes.shapes()[i];
            let end = shape.end as usize;
            let depth = usize::from(shape.depth);
            visited += 1;
            self.shut(depth);
            self.path.truncate(depth - 1);
            self.path.push(shape.letter());
            let from = levels[depth - 1].0;
            let way = if let Some(way) = self.stepping.glance(from, shape.letter()) {
                way
            } else {
                let (way, apart) = self.stepping.class(from, shape.letter())?;
                if apart != ByteSet::default() {
                    self.part(shapes, i, from, way, &apart)?;
                }
                way
            };
            let Some(next) = self.stepping.led(way).next else {
                if way == Way::DEAD {
                    self.leave(shapes, shapes.places_below(i))?;
                } else {
                    self.accept(shapes.places_at(i));
                    self.open(way, depth);
                    self.leave_below(shapes, i)?;
                }
                i = end;
                continue;
            };
            if self.accepts_all(next, shapes.below(shape), shape.deepest - shape.depth, end - i, visited > LONG)? {
                self.accept(shapes.places_below(i));
                i = end;
                continue;
            }
            self.accept(shapes.places_at(i));
            self.open(way, depth);
            if self.add_parts(shapes, i, next)? {
                i = end;
                continue;
            }
            levels.truncate(depth);
            levels.push((next, end));
            i += 1;
        }
        Some(())
    }

    /// If characters of many kinds change nothing where shape `i` begins, accept all shapes up to the first that ends with another: gives that,
    /// with the levels above it set, or where nothing is left.
    #[inline]
    fn pass(&mut self, shapes: &Shapes, i: usize, levels: &mut Vec<(Place, usize)>) -> usize {
        let shape = &shapes.shapes()[i];
        let depth = usize::from(shape.depth);
        let (from, end) = levels[depth - 1];
        let passing = self.stepping.passing(from);
        if passing == 0 || end - i < PASSED || shape.kinds() & !passing != 0 {
            return i;
        }
        let texts = self.vocabulary.text_shapes();
        self.shut(depth);
        let mut first = i;
        let to = loop {
            let to = self.stepping.others_than(texts, passing).first(first..end);
            self.accept((shapes.places_before(first), shapes.places_before(to.unwrap_or(end))));
            let Some(other) = to else { break None };
            let shape = &shapes.shapes()[other];
            // PERF: what is refused at once, as line breaks in strings, is only passed over as well.
            if !self.exits.is_empty() || self.stepping.glance(from, shape.letter()) != Some(Way::DEAD) {
                break Some(other);
            }
            first = shape.end as usize;
        };
        let upto = to.unwrap_or(end);
        self.path.truncate(depth - 1);
        levels.truncate(depth);
        if let Some(to) = to {
            let deep = usize::from(shapes.shapes()[to].depth) - 1;
            self.path.resize(deep, 0);
            levels.resize(deep + 1, (from, 0));
            let mut up = to;
            for level in (depth..=deep).rev() {
                up = texts.parent(up);
                let shape = &shapes.shapes()[up];
                self.path[level - 1] = shape.letter();
                levels[level].1 = shape.end as usize;
            }
        }
        upto
    }

    /// Are all tokens alive from a configuration that go on with characters of these kinds, at most so many?
    fn accepts_all(&mut self, at: Place, kinds: Kinds, reach: u16, size: usize, long: bool) -> Option<bool> {
        if kinds & MALFORMED != 0 {
            return Some(false);
        }
        if let Some(known) = self.stepping.is_alive(at, kinds, long) {
            return Some(known);
        }
        let arena = self.stepping.arena;
        let mut number = 0;
        let mut alive = false;
        while let Some((state, register)) = self.stepping.item(at, number) {
            number += 1;
            // Of a few, to go on takes less than to ask what the state has not been asked.
            alive = kinds & !arena.loops(state).known() == 0 && !arena.facts(state).counting
                || (size > FEW || arena.facts(state).counting) && loops(arena, state, register, self.stepping.frozen, kinds, reach).ok()?
                || long && arena.facts(state).is_simple() && loops::stays_alive(arena, state, kinds, &mut self.ahead).ok()?;
            if alive {
                break;
            }
        }
        self.stepping.note_alive(at, long).ok()?;
        Some(alive)
    }

    /// The tokens strictly below a shape leave.
    fn leave_below(&mut self, shapes: &Shapes, i: usize) -> Option<()> {
        let end = shapes.shapes()[i].end;
        let (first, last) = (shapes.places_at(i).1, shapes.places_below(i).1);
        if self.exits.is_empty() || (last - first) as usize > MANY {
            return self.leave(shapes, (first, last));
        }
        // Child by child, it is known what they go on with.
        let mut child = i + 1;
        while child < end as usize {
            let shape = &shapes.shapes()[child];
            self.path.push(shape.letter());
            self.leave(shapes, shapes.places_below(child))?;
            self.path.pop();
            child = shape.end as usize;
        }
        Some(())
    }

    /// The tokens at these places leave: the path has died.
    fn leave(&mut self, shapes: &Shapes, (start, end): (u32, u32)) -> Option<()> {
        if start == end {
            return Some(());
        }
        for number in 0..self.exits.len() {
            let Exit { depth, value, follow, left } = self.exits[number].clone();
            let depth = usize::from(depth);
            if self.path.get(depth).is_some_and(|&letter| !may_follow(&follow, letter)) {
                continue;
            }
            self.exits[number].left += (end - start) as usize;
            if self.exits[number].left > MANY && self.path[..depth].iter().all(|&letter| is_plain(letter)) && depth > 0 {
                if left <= MANY {
                    let node = self.vocabulary.trie().find(&self.path[..depth])?;
                    self.found.leaving.subtrees.push((value, node as u32));
                }
                continue;
            }
            let ascii = !self.path[..depth].iter().any(|&letter| letter >= BEYOND);
            let tokens = &shapes.tokens()[start as usize..end as usize];
            if ascii && self.path.get(depth).is_some_and(|&letter| is_plain(letter)) {
                // PERF: the token's bytes are elsewhere, and say no more.
                let lengths = self.vocabulary.text_shapes().lengths_at((start, end));
                let leftovers =
                    tokens.iter().zip(lengths).map(|(&token, &length)| Leftover { value, token, length: length - depth as u16 });
                self.found.leaving.leftovers.extend(leftovers);
                continue;
            }
            for &token in tokens {
                let bytes = self.vocabulary.token_bytes(token);
                let offset = if ascii { depth } else { offset(bytes, depth) };
                if follow.contains(bytes[offset]) {
                    self.found.leaving.leftovers.push(Leftover { value, token, length: (bytes.len() - offset) as u16 });
                }
            }
        }
        Some(())
    }

    /// At shape `i`, after these bytes it is not as `way` says.
    fn part(&mut self, shapes: &Shapes, i: usize, from: Place, way: Way, apart: &ByteSet) -> Option<()> {
        let depth = self.path.len();
        let plain = self.path[..depth - 1].iter().all(|&letter| is_plain(letter));
        let beyond = self.path[depth - 1] >= BEYOND;
        if plain && !beyond {
            let trie = self.vocabulary.trie();
            let below = if depth == 1 {
                0..trie.nodes().len()
            } else {
                let node = trie.find(&self.path[..depth - 1])?;
                node + 1..trie.nodes()[node].end as usize
            };
            for byte in apart.iter() {
                if let Some(node) = trie.child(&below, byte) {
                    self.differ(node, from, way)?;
                }
            }
            return Some(());
        }
        let (start, end) = shapes.places_below(i);
        let ascii = !self.path[..depth - 1].iter().any(|&letter| letter >= BEYOND);
        if (end - start) as usize > FEW_SINGLES && ascii && !beyond && self.exits.is_empty() {
            return self.part_along(from, way, apart);
        }
        self.singles = self.singles.checked_sub((end - start) as usize)?;
        for &token in shapes.tokens_at((start, end)) {
            let bytes = self.vocabulary.token_bytes(token);
            let at = if ascii { depth - 1 } else { offset(bytes, depth - 1) };
            if apart.contains(bytes[at]) && !self.is_touched(token) {
                self.touch(token);
                self.single(token, from, at)?;
            }
        }
        Some(())
    }

    /// The same along the vocabulary's trie, from all nodes that the path may stand for.
    fn part_along(&mut self, from: Place, way: Way, apart: &ByteSet) -> Option<()> {
        let trie = self.vocabulary.trie();
        let letters = self.path.clone();
        let Some((_, before)) = letters.split_last() else { return Some(()) };
        // Children still to look at, by depth.
        let mut open: Vec<SmallVec<[usize; 32]>> = vec![SmallVec::new(); before.len() + 1];
        let children = |below: std::ops::Range<usize>, bytes: &ByteSet| bytes.iter().filter_map(|byte| trie.child(&below, byte)).collect();
        let bytes = |depth: usize| before.get(depth).map_or(*apart, |&letter| bytes_of(letter));
        open[0] = children(0..trie.nodes().len(), &bytes(0));
        let mut depth = 0;
        loop {
            let Some(node) = open[depth].pop() else {
                if depth == 0 {
                    break;
                }
                depth -= 1;
                continue;
            };
            self.nodes = self.nodes.checked_sub(1)?;
            self.path.truncate(depth);
            self.path.push(trie.nodes()[node].byte);
            if depth < before.len() {
                depth += 1;
                open[depth] = children(node + 1..trie.nodes()[node].end as usize, &bytes(depth));
                continue;
            }
            let tokens = &trie.tokens()[trie.places_below(node)];
            match tokens.iter().filter(|&&token| self.is_touched(token)).count() {
                0 => self.differ(node, from, way)?,
                touched if touched == tokens.len() => {}
                _ => return None,
            }
        }
        self.path = letters;
        Some(())
    }

    fn touch(&mut self, token: u32) {
        if self.found.touched.is_empty() {
            self.found.touched = vec![0; self.vocabulary.words()].into();
        }
        bitmask::set(&mut self.found.touched, token);
    }

    fn is_touched(&self, token: u32) -> bool {
        !self.found.touched.is_empty() && bitmask::get(&self.found.touched, token)
    }

    /// Read the rest of a token.
    fn single(&mut self, token: u32, from: Place, at: usize) -> Option<()> {
        let bytes = self.vocabulary.token_bytes(token);
        let mut exits: SmallVec<[(usize, u32, ByteSet); 4]> = self
            .exits
            .iter()
            .map(|exit| {
                let depth = usize::from(exit.depth);
                let ascii = !self.path[..depth].iter().any(|&letter| letter >= BEYOND);
                (if ascii { depth } else { offset(bytes, depth) }, exit.value, exit.follow)
            })
            .collect();
        let mut place = from;
        for (read, &byte) in bytes.iter().enumerate().skip(at) {
            let way = self.stepping.byte(place, byte)?;
            let led = self.stepping.led(way);
            let last = read + 1 == bytes.len();
            if last && way != Way::DEAD {
                break;
            }
            if self.keep {
                exits.extend(led.returned.iter().map(|&value| (read + 1, value, led.follow)));
            }
            let Some(next) = led.next else {
                let leaves = exits.iter().filter(|(at, _, follow)| bytes.get(*at).is_some_and(|&next| follow.contains(next)));
                self.own.leftovers.extend(leaves.map(|&(at, value, _)| Leftover { value, token, length: (bytes.len() - at) as u16 }));
                return Some(());
            };
            place = next;
        }
        self.found.tokens.push(token);
        Some(())
    }

    /// The tokens at and below a node of the vocabulary's trie, from where `from` stands before it, as far as they fare otherwise than `way` says.
    fn differ(&mut self, node: usize, from: Place, way: Way) -> Option<()> {
        let vocabulary = self.vocabulary;
        let trie = vocabulary.trie();
        let (first, end) = (usize::from(trie.nodes()[node].depth), trie.nodes()[node].end as usize);
        let letter = self.path[first - 1];
        // Behind each node of the path: where it is, and where most are.
        let mut levels: Vec<(Place, Place)> = Vec::new();
        let mut i = node;
        while i < end {
            let Node { byte, depth, end: next, below, deepest, .. } = trie.nodes()[i];
            let reach = deepest - depth;
            let depth = usize::from(depth);
            self.shut(depth);
            self.path.truncate(depth - 1);
            self.path.push(byte);
            let (own, most) = match (depth - first).checked_sub(1) {
                None => (from, way),
                Some(level) => (levels[level].0, self.stepping.byte(levels[level].1, byte)?),
            };
            let led = self.stepping.byte(own, byte)?;
            let next = next as usize;
            if led == most {
                i = next;
                continue;
            }
            let (a, b) = (self.stepping.led(led), self.stepping.led(most));
            if let (Some(to), Some(other), true, true) = (a.next, b.next, a.returned == b.returned, a.follow == b.follow) {
                if self.accepts_all(to, below, reach, next - i, false)? && self.accepts_all(other, below, reach, next - i, false)? {
                    i = next;
                    continue;
                }
                self.open(led, depth);
                levels.truncate(depth - first);
                levels.push((to, other));
                i += 1;
                continue;
            }
            // Where most died, and could not leave, nothing was said of these.
            if most != Way::DEAD || !self.exits.is_empty() {
                trie.places_below(i).for_each(|place| self.touch(trie.tokens()[place]));
            }
            self.path.truncate(depth - 1);
            self.walk_bytes(trie, i..next, own, depth - 1)?;
            i = next;
        }
        self.shut(first);
        self.path.truncate(first - 1);
        self.path.push(letter);
        Some(())
    }

    /// Tokens as they are.
    fn walk_bytes(&mut self, trie: &Trie, range: std::ops::Range<usize>, start: Place, base: usize) -> Option<()> {
        let mut levels = vec![start; base + 1];
        let mut i = range.start;
        let mut skips: SmallVec<[Skip<'_>; 4]> = SmallVec::new();
        // All children of a node, or one of them.
        skips.extend(self.skip(trie, i, start, base).filter(|skip| skip.children.end == range.end));
        while i < range.end {
            let node = &trie.nodes()[i];
            if let Some(next) = skipped(&mut skips, node) {
                i = next;
                continue;
            }
            self.visited += 1;
            let Node { byte, depth, end, below, deepest, .. } = *node;
            let reach = deepest - depth;
            let (depth, end) = (usize::from(depth), end as usize);
            self.shut(depth);
            self.path.truncate(depth - 1);
            self.path.push(byte);
            let way = self.stepping.byte(levels[depth - 1], byte)?;
            let Some(next) = self.stepping.led(way).next else {
                if way == Way::DEAD {
                    self.leave_bytes(trie, trie.places_below(i))?;
                } else {
                    self.found.tokens.extend_from_slice(&trie.tokens()[trie.places_at(i)]);
                    self.open(way, depth);
                    self.leave_bytes(trie, trie.places_strictly_below(i))?;
                }
                i = end;
                continue;
            };
            if self.accepts_all(next, below, reach, end - i, false)? {
                self.found.tokens.extend_from_slice(&trie.tokens()[trie.places_below(i)]);
                i = end;
                continue;
            }
            self.found.tokens.extend_from_slice(&trie.tokens()[trie.places_at(i)]);
            self.open(way, depth);
            levels.truncate(depth);
            levels.push(next);
            i += 1;
            skips.extend(self.skip(trie, i, next, depth));
        }
        Some(())
    }

    /// What may be skipped of many children, of which `first` is the first, of a node of this depth that led here: what is refused, unless it leaves.
    fn skip<'t>(&mut self, trie: &'t Trie, first: usize, at: Place, depth: usize) -> Option<Skip<'t>> {
        if !self.exits.is_empty() {
            return None;
        }
        let children = trie.children_from(first)?;
        let hopeful = self.stepping.hopeful(at)?;
        Some(Skip { depth: depth as u16 + 1, children, hopeful })
    }

    /// The tokens at these places leave, of a path that is spelled in bytes.
    fn leave_bytes(&mut self, trie: &Trie, places: std::ops::Range<usize>) -> Option<()> {
        for number in 0..self.exits.len() {
            let Exit { depth, value, follow, left } = self.exits[number].clone();
            let at = usize::from(depth);
            if self.path.get(at).is_some_and(|&byte| !follow.contains(byte)) {
                continue;
            }
            self.exits[number].left += places.len();
            if self.exits[number].left > MANY && at > 0 {
                if left <= MANY {
                    let node = self.vocabulary.trie().find(&self.path[..at])?;
                    self.own.subtrees.push((value, node as u32));
                }
                continue;
            }
            for place in places.clone() {
                let token = trie.tokens()[place];
                if follow.contains(self.vocabulary.token_bytes(token)[at]) {
                    self.own.leftovers.push(Leftover { value, token, length: trie.length(place) - depth });
                }
            }
        }
        Some(())
    }
}

/// The bytes of ASCII that a letter stands for.
fn bytes_of(letter: u8) -> ByteSet {
    match letter {
        b'a' => ByteSet::range(b'a', b'z'),
        b'A' => ByteSet::range(b'A', b'Z'),
        b'0' => ByteSet::range(b'0', b'9'),
        byte => ByteSet::one(byte),
    }
}

/// May a character that a letter stands for follow?
fn may_follow(follow: &ByteSet, letter: u8) -> bool {
    match letter {
        b'a' => (b'a'..=b'z').any(|byte| follow.contains(byte)),
        b'A' => (b'A'..=b'Z').any(|byte| follow.contains(byte)),
        b'0' => (b'0'..=b'9').any(|byte| follow.contains(byte)),
        BEYOND | SEPARATOR | SPACE => follow.0[2] | follow.0[3] != 0,
        byte => follow.contains(byte),
    }
}

/// Where the character with this number begins in a text.
pub(super) fn offset(bytes: &[u8], characters: usize) -> usize {
    let begins = bytes.iter().enumerate().filter(|(_, byte)| **byte & 0xC0 != 0x80);
    begins.map(|(at, _)| at).nth(characters).unwrap_or(bytes.len())
}
