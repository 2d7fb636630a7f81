//! A flat trie of byte strings with tokens at their ends, in preorder. Pipeline: automaton + **vocab** -> mask.
//!
//! Invariant: node `i`'s subtree is nodes `i..end(i)`, and the tokens below it are one contiguous run, those ending at `i` first.
//! Must not know: what a token is for, or what walks the trie.

use std::cmp::Ordering;

use crate::characters::{Kinds, MALFORMED, Utf8, kind};
use crate::provider::ByteSet;

/// One byte on the way to a token.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The byte.
    pub byte: u8,
    /// Bytes from the root, this one included.
    pub depth: u16,
    /// The first node after this one's subtree.
    pub end: u32,
    /// The first token at or below this node.
    pub tokens: u32,
    /// The depth of the deepest node in the subtree.
    pub deepest: u16,
    /// The kinds of all characters below, none for a leaf; with [`MALFORMED`] if not all that lies below is UTF-8 when it is read from here.
    pub below: Kinds,
    /// The table of its children, if there are many.
    wide: u16,
}

impl Node {
    /// Does [`Trie::children_from`] know its children?
    #[inline]
    pub fn has_many_children(&self) -> bool {
        self.wide != 0
    }
}

/// Children by byte, of a node that has many.
#[derive(Clone, Copy, Debug)]
pub struct Children<'t> {
    table: &'t [u32; 256],
    /// The first node behind the last child's subtree.
    pub end: usize,
}

impl Children<'_> {
    /// The first child from `byte` on whose byte is in the set; `None`: there is none.
    pub fn next(&self, byte: u8, of: &ByteSet) -> Option<usize> {
        of.from(byte).map(|byte| self.table[usize::from(byte)]).find(|&child| child != NO_CHILD).map(|child| child as usize)
    }
}

const NO_CHILD: u32 = u32::MAX;
/// Fewer children are not many.
const MANY_CHILDREN: u16 = 32;
/// As many tables are made.
const MOST_WIDE: usize = 4096;

/// Byte strings with a token id each; several tokens may have the same bytes, and a token may stand in several places.
#[derive(Debug, Default)]
pub struct Trie {
    nodes: Vec<Node>,
    tokens: Vec<u32>,
    /// By place in `tokens`: length of the byte string that leads there.
    lengths: Vec<u16>,
    depth: usize,
    /// By number less one.
    wide: Vec<[u32; 256]>,
    /// The number of the root's.
    root: u16,
}

impl Trie {
    /// From (token, bytes) pairs, in any order; bytes must not be empty.
    pub fn build(entries: Vec<(u32, &[u8])>) -> Self {
        let entries: Vec<Entry<'_>> = entries.into_iter().map(|(token, bytes)| Entry::new(token, bytes)).collect();
        // By the first bytes as numbers, and where these are the same by the rest: to move and to compare less.
        let mut order: Vec<u128> = entries.iter().enumerate().map(|(place, entry)| u128::from(entry.first) << 64 | place as u128).collect();
        order.sort_unstable();
        let mut sorted: Vec<Entry<'_>> = order.into_iter().map(|key| entries[key as usize]).collect();
        for alike in sorted.chunk_by_mut(|a, b| a.first == b.first) {
            if !alike.is_sorted() {
                alike.sort_unstable();
            }
        }
        sorted.dedup();
        Self::of_sorted(sorted.into_iter())
    }

    /// From entries that ascend.
    pub fn of_sorted<'a>(entries: impl ExactSizeIterator<Item = Entry<'a>>) -> Self {
        let mut trie = Self { tokens: Vec::with_capacity(entries.len()), lengths: Vec::with_capacity(entries.len()), ..Self::default() };
        let mut open: Vec<usize> = Vec::new();
        let (mut before, mut last): (u64, &[u8]) = (0, &[]);
        for Entry { first, bytes, token } in entries {
            debug_assert!(!bytes.is_empty());
            if first != before || bytes != last {
                let common = last.iter().zip(bytes).take_while(|(a, b)| a == b).count();
                let end = trie.nodes.len() as u32;
                for node in open.drain(common..) {
                    trie.nodes[node].end = end;
                }
                for (depth, &byte) in bytes.iter().enumerate().skip(common) {
                    open.push(trie.nodes.len());
                    trie.nodes.push(Node {
                        byte,
                        depth: depth as u16 + 1,
                        end: 0,
                        tokens: trie.tokens.len() as u32,
                        deepest: 0,
                        below: 0,
                        wide: 0,
                    });
                }
                trie.depth = trie.depth.max(bytes.len());
                (before, last) = (first, bytes);
            }
            trie.tokens.push(token);
            trie.lengths.push(bytes.len() as u16);
        }
        let end = trie.nodes.len() as u32;
        for node in open {
            trie.nodes[node].end = end;
        }
        trie.sum_up();
        trie
    }

    /// What is known of subtrees.
    fn sum_up(&mut self) {
        let mut within: Vec<(Utf8, Kinds)> = Vec::with_capacity(self.nodes.len());
        let mut path = vec![Utf8::Start; self.depth + 1];
        for node in &self.nodes {
            let depth = usize::from(node.depth);
            if node.byte < 0x80 && path[depth - 1] == Utf8::Start {
                path[depth] = Utf8::Start;
                within.push((Utf8::Start, kind(node.byte)));
                continue;
            }
            path[depth] = path[depth - 1].after(node.byte);
            within.push((path[depth], path[depth - 1].kind(node.byte)));
        }
        // Backwards, children come before their parent: by depth, what the children seen so far of the node to come have.
        let mut deepest = vec![0_u16; self.depth + 2];
        let mut below: Vec<Kinds> = vec![0; self.depth + 2];
        let mut children = vec![0_u16; self.depth + 2];
        let mut many = Vec::new();
        for (i, (node, (within, kind))) in self.nodes.iter_mut().zip(within).enumerate().rev() {
            let depth = usize::from(node.depth);
            children[depth] += 1;
            if std::mem::take(&mut children[depth + 1]) >= MANY_CHILDREN && many.len() < MOST_WIDE {
                many.push(i);
            }
            let kinds = std::mem::take(&mut below[depth + 1]);
            node.deepest = std::mem::take(&mut deepest[depth + 1]).max(node.depth);
            node.below = if within == Utf8::Start || kinds == 0 { kinds } else { kinds | MALFORMED };
            deepest[depth] = deepest[depth].max(node.deepest);
            below[depth] |= kinds | kind;
        }
        for i in many {
            self.nodes[i].wide = self.list_children(i + 1, self.nodes[i].end as usize);
        }
        if children.get(1).is_some_and(|&count| count >= MANY_CHILDREN) {
            self.root = self.list_children(0, self.nodes.len());
        }
    }

    fn list_children(&mut self, first: usize, end: usize) -> u16 {
        let mut table = [NO_CHILD; 256];
        let mut child = first;
        while child < end {
            table[usize::from(self.nodes[child].byte)] = child as u32;
            child = self.nodes[child].end as usize;
        }
        self.wide.push(table);
        self.wide.len() as u16
    }

    /// The children of the node whose first child `first` would be, the root for 0; `None`: they are few.
    #[inline]
    pub fn children_from(&self, first: usize) -> Option<Children<'_>> {
        let (wide, end) = match first.checked_sub(1) {
            None => (self.root, self.nodes.len()),
            Some(node) => (self.nodes[node].wide, self.nodes[node].end as usize),
        };
        Some(Children { table: self.wide.get(usize::from(wide).checked_sub(1)?)?, end })
    }

    /// All nodes in preorder; the root (no byte) is not among them.
    #[inline]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    #[inline]
    fn token_start(&self, node: usize) -> usize {
        self.nodes.get(node).map_or(self.tokens.len(), |n| n.tokens as usize)
    }

    /// The places of the tokens whose bytes end at node `i`.
    #[inline]
    pub fn places_at(&self, i: usize) -> std::ops::Range<usize> {
        // Preorder: the first child, if any, is node i + 1 and its tokens follow; otherwise the next node's tokens do.
        self.nodes[i].tokens as usize..self.token_start(i + 1)
    }

    /// The places of the tokens at or below node `i`.
    #[inline]
    pub fn places_below(&self, i: usize) -> std::ops::Range<usize> {
        self.nodes[i].tokens as usize..self.token_start(self.nodes[i].end as usize)
    }

    /// The places of the tokens below node `i`, not those at it.
    #[inline]
    pub fn places_strictly_below(&self, i: usize) -> std::ops::Range<usize> {
        self.token_start(i + 1)..self.token_start(self.nodes[i].end as usize)
    }

    /// The node that `bytes` lead to.
    pub fn find(&self, bytes: &[u8]) -> Option<usize> {
        let (mut found, mut first) = (None, 0);
        for (depth, &byte) in bytes.iter().enumerate() {
            let mut at = first;
            // Siblings in the order of their bytes, each behind the subtree of the one before.
            loop {
                let node = self.nodes.get(at)?;
                if usize::from(node.depth) != depth + 1 || node.byte > byte {
                    return None;
                }
                if node.byte == byte {
                    break;
                }
                at = node.end as usize;
            }
            found = Some(at);
            first = at + 1;
        }
        found
    }

    /// The child with this byte, of those that begin a range of nodes: all below some node.
    pub fn child(&self, nodes: &std::ops::Range<usize>, byte: u8) -> Option<usize> {
        if let Some(children) = self.children_from(nodes.start) {
            let child = children.table[usize::from(byte)];
            return (child != NO_CHILD).then_some(child as usize);
        }
        let mut child = nodes.start;
        while child < nodes.end {
            let node = &self.nodes[child];
            if node.byte >= byte {
                return (node.byte == byte).then_some(child);
            }
            child = node.end as usize;
        }
        None
    }

    /// The tokens by place; places follow the order of bytes.
    #[inline]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The length of the byte string at a place.
    #[inline]
    pub fn length(&self, place: usize) -> u16 {
        self.lengths[place]
    }

    /// The length of the longest byte string.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.nodes.len() * size_of::<Node>() + self.tokens.len() * 6 + self.wide.len() * 1024
    }
}

/// A token and a string of bytes that leads to it.
///
/// PERF: mostly the first bytes tell two apart, and comparing numbers is a fifth of comparing slices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// The first eight bytes as a number that orders as they do.
    first: u64,
    /// The string.
    pub bytes: &'a [u8],
    /// The token.
    pub token: u32,
}

impl<'a> Entry<'a> {
    /// With its bytes looked at.
    pub fn new(token: u32, bytes: &'a [u8]) -> Self {
        let mut first = [0; 8];
        let known = bytes.len().min(8);
        first[..known].copy_from_slice(&bytes[..known]);
        Self { first: u64::from_be_bytes(first), bytes, token }
    }
}

impl Ord for Entry<'_> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        // Of strings whose first eight bytes are the same, a missing one counted as zero, a short one begins the other.
        let behind = || match (self.bytes.get(8..), other.bytes.get(8..)) {
            (Some(a), Some(b)) => a.cmp(b),
            _ => self.bytes.len().cmp(&other.bytes.len()),
        };
        self.first.cmp(&other.first).then_with(behind).then(self.token.cmp(&other.token))
    }
}

impl PartialOrd for Entry<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preorder_ranges_cover_exactly_the_tokens_below() {
        let words: [&[u8]; 7] = [b"a", b"ab", b"abc", b"b", b"ab", b"ba", b"xyz"];
        let trie = Trie::build(words.iter().enumerate().map(|(i, w)| (i as u32, *w)).collect());
        for (i, node) in trie.nodes().iter().enumerate() {
            let mut spelled = vec![node.byte];
            let mut depth = node.depth;
            for before in trie.nodes()[..i].iter().rev() {
                if before.depth < depth {
                    spelled.insert(0, before.byte);
                    depth = before.depth;
                }
            }
            assert_eq!(trie.find(&spelled), Some(i));
            for other in [b'!', b'~'] {
                assert_eq!(trie.find(&[spelled.as_slice(), &[other]].concat()), None);
            }
            let mut at: Vec<u32> = trie.tokens()[trie.places_at(i)].to_vec();
            at.sort_unstable();
            let expect = |exact: bool| {
                (0..7u32)
                    .filter(|&t| if exact { words[t as usize] == spelled } else { words[t as usize].starts_with(&spelled) })
                    .collect::<Vec<_>>()
            };
            assert_eq!(at, expect(true));
            let mut below: Vec<u32> = trie.places_below(i).map(|p| trie.tokens()[p]).collect();
            below.sort_unstable();
            assert_eq!(below, expect(false));
            let longest = below.iter().map(|&t| words[t as usize].len()).max().unwrap();
            assert_eq!(usize::from(node.deepest), longest);
            assert_eq!(trie.places_strictly_below(i).len() + at.len(), below.len());
        }
    }

    #[test]
    fn many_children_are_found_by_their_bytes() {
        let words: Vec<Vec<u8>> = (0..=255u8).flat_map(|b| [vec![b], vec![b'q', b & 0xBF], vec![b'r', b & 7]]).collect();
        let trie = Trie::build(words.iter().enumerate().map(|(i, w)| (i as u32, w.as_slice())).collect());
        let mut wide = 0;
        for first in 0..=trie.nodes().len() {
            let Some(children) = trie.children_from(first) else { continue };
            wide += 1;
            let depth = trie.nodes()[first].depth;
            let expected: Vec<usize> = (first..children.end).filter(|&i| trie.nodes()[i].depth == depth).collect();
            for (at, odd) in [(0, false), (0x41, false), (0x41, true)] {
                let mut of = ByteSet::default();
                (0..=255u8).filter(|b| !odd || b % 2 == 1).for_each(|b| of.insert(b));
                let next = expected.iter().copied().find(|&i| trie.nodes()[i].byte >= at && of.contains(trie.nodes()[i].byte));
                assert_eq!(children.next(at, &of), next);
            }
        }
        assert_eq!(wide, 2, "the root and q");
    }

    #[test]
    fn kinds_are_those_of_the_characters_below() {
        use crate::characters;

        let words: [&[u8]; 12] = [
            "a\u{2028}".as_bytes(),
            "b\u{2027}c".as_bytes(),
            "\u{2029}!".as_bytes(),
            b"a",
            b"ab",
            b"a1\"",
            "a\u{e9}x".as_bytes(),
            b"a\xC3",
            b"b\xFFc",
            b"b!",
            b"\x80z",
            b"\xC3\xA9?",
        ];
        let trie = Trie::build(words.iter().enumerate().map(|(i, w)| (i as u32, *w)).collect());
        let mut path = Vec::new();
        for node in trie.nodes() {
            path.truncate(usize::from(node.depth) - 1);
            path.push(node.byte);
            let mut expected = 0;
            for rest in words.iter().filter_map(|word| word.strip_prefix(path.as_slice())).filter(|rest| !rest.is_empty()) {
                let (valid, malformed) = match std::str::from_utf8(rest) {
                    Ok(text) => (text.len(), false),
                    Err(error) => (error.valid_up_to(), error.error_len().is_some()),
                };
                let text = std::str::from_utf8(&rest[..valid]).unwrap();
                expected |= rest[..valid].iter().fold(0, |kinds, &byte| kinds | characters::kind(byte));
                expected |= text.chars().fold(0, |kinds, character| kinds | characters::kind_of(character));
                if malformed {
                    expected |= MALFORMED;
                } else if valid < rest.len() {
                    expected |= characters::OTHER;
                }
            }
            // Below a node that is malformed, or within a character, nothing more is said.
            let found = node.below;
            if (expected & MALFORMED != 0 || std::str::from_utf8(&path).is_err()) && expected != 0 {
                assert_ne!(found & MALFORMED, 0, "{path:?}");
            } else {
                assert_eq!(found, expected, "{path:?}");
            }
        }
    }
}
