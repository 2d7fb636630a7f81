//! Masks of places in rules of a grammar and in plain text, frames and all, from the shapes of tokens. Part of **mask**.
//!
//! Names, words, blanks, punctuation: nearly all of the vocabulary is of some ten thousand shapes, and a rule seldom tells letters apart. So a walk over
//! shapes steps a configuration by classes of characters. Where some letters fare otherwise than most of their class, as where a keyword begins, the
//! walk goes on with what most do; the tokens with those letters are compared with that along the vocabulary's trie, or are read one by one.
//!
//! Invariant: finds just what a walk over the vocabulary would, or nothing at all.
//! Must not know: who called a rule, and what a matcher is.

mod apart;
mod bytes;
mod classed;
mod parts;
mod steps;

pub(super) use steps::Steps;

use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use self::classed::Classed;
use self::steps::{Place, Stepping, Way};
use super::Mask;
use super::local::{Local, LocalTable};
use super::path::loops;
use super::residual::{Leaving, Leftover};
use super::store::{FROZEN, MaskStore};
use crate::bitmask;
use crate::characters::{Kinds, MALFORMED};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::loops;
use crate::provider::{Arena, ByteSet};
use crate::vocab::trie::Trie;
use crate::vocab::{BEYOND, SEPARATOR, SPACE, Shapes, Vocabulary};

/// So many steps of configurations a walk may compute.
const FUEL: usize = 1 << 12;
/// So many tokens may be read one by one.
const SINGLES: usize = 1 << 10;
/// So many nodes of the vocabulary's trie may be looked at to find tokens with some bytes.
const NODES: usize = 1 << 12;
/// A walk that has looked at so many shapes looks further ahead, at so many states at most.
const LONG: usize = 1024;
const AHEAD: usize = 1024;
/// Of so few shapes it is not asked whether all of them are accepted.
const FEW: usize = 8;
/// To pass over fewer shapes takes no less than to look at them.
const PASSED: usize = if cfg!(test) { 2 } else { 16 };
/// More tokens than this that leave at one place leave as all that lies below it.
const MANY: usize = 64;

impl MaskStore {
    /// The mask of a place in a rule; `None` if it must be walked.
    pub(super) fn by_classes(&self, arena: &Arena, state: StateId, register: u64, framed: bool) -> Result<Option<Mask>, EngineError> {
        if !arena.facts(state).bare {
            return Ok(None);
        }
        let frozen = register == FROZEN;
        let start = Local::One { state, register: if frozen { 0 } else { register }, parents: 0 };
        let found = self.with_locals(|table| self.classed(arena, table, start, None, (framed, frozen), 0))?;
        Ok(found.map(|found| self.mask_of(found)))
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
    ) -> Result<Option<Classed>, EngineError> {
        #[cfg(test)]
        if self.walks_only() {
            return Ok(None);
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
                return Ok(None);
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
        if done.is_none() {
            // It may have ended at a limit.
            table.spend(arena, 0)?;
        }
        Ok(done.map(|()| found))
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
                || (size > FEW || arena.facts(state).counting)
                    && loops(arena, state, register, self.stepping.stays(at), kinds, reach).ok()?
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
