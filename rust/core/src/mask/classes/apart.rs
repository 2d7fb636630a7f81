//! Tokens with characters that fare otherwise than most of their class: compared along the vocabulary's trie, or read one by one. Part of **mask**.

use smallvec::SmallVec;

use super::steps::{Place, Way};
use super::{ClassWalk, is_plain, offset};
use crate::bitmask;
use crate::mask::residual::Leftover;
use crate::provider::ByteSet;
use crate::vocab::trie::Node;
use crate::vocab::{BEYOND, Shapes};

/// More tokens than this are looked for along the vocabulary's trie.
const FEW_SINGLES: usize = if cfg!(test) { 2 } else { 1 << 7 };

impl ClassWalk<'_> {
    /// At shape `i`, after these bytes it is not as `way` says.
    pub(super) fn part(&mut self, shapes: &Shapes, i: usize, from: Place, way: Way, apart: &ByteSet) -> Option<()> {
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
