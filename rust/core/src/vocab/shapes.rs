//! The text tokens by their shape: what a token is when each lower-case letter is as good as any other, and each upper-case letter, digit
//! and character beyond ASCII. Part of **vocab**.
//!
//! A pattern such as `[A-Za-z]+(-[0-9]+)*` does not tell letters apart: a walk over the vocabulary's trie goes over every word, a walk over shapes over
//! every length of a word.
//!
//! Invariant: a token has a shape if it is whole characters; among the shapes of strings of JSON, if these stand for themselves there. Of the others,
//! those that have a control character before any quotation mark or backslash, or bytes that are no part of a character, are nowhere there: no string has
//! them.
//! Must not know: states.

use std::ops::RangeInclusive;

use hashbrown::HashMap;

use super::beyond::{BeyondIndex, Partial};
use super::trie::Trie;
use crate::bitmask;
use crate::characters::{self, Kinds};

/// Characters that a shape does not tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// `a` to `z`.
    Lower,
    /// `A` to `Z`.
    Upper,
    /// `0` to `9`.
    Digit,
    /// [`characters::OTHER`].
    Beyond,
    /// [`characters::SEPARATORS`].
    Separator,
    /// [`characters::SPACES`].
    Space,
    /// This byte alone.
    Byte(u8),
}

impl Class {
    /// The letters or digits of the class.
    pub fn of_ascii(self) -> Option<RangeInclusive<u8>> {
        match self {
            Self::Lower => Some(b'a'..=b'z'),
            Self::Upper => Some(b'A'..=b'Z'),
            Self::Digit => Some(b'0'..=b'9'),
            _ => None,
        }
    }
}

/// The letter of [`Class::Beyond`].
pub const BEYOND: u8 = 0x80;
/// The letter of [`Class::Separator`].
pub const SEPARATOR: u8 = 0x81;
/// The letter of [`Class::Space`].
pub const SPACE: u8 = 0x82;

/// The byte that stands for the class of a character.
fn letter(character: char) -> u8 {
    match character {
        'a'..='z' => b'a',
        'A'..='Z' => b'A',
        '0'..='9' => b'0',
        '\0'..='\x7F' => character as u8,
        _ => match characters::kind_of(character) {
            characters::SEPARATORS => SEPARATOR,
            characters::SPACES => SPACE,
            _ => BEYOND,
        },
    }
}

/// One character on the way to a shape.
///
/// PERF: 16 bytes, because a walk on cold caches waits for them.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    letter: u8,
    /// Number of the kinds of all characters below.
    below: u16,
    /// Characters from the root, this one included.
    pub depth: u16,
    /// The depth of the deepest below.
    pub deepest: u16,
    /// The first after all that lie below this one.
    pub end: u32,
    /// The first token at or below this one.
    tokens: u32,
}

const _: () = assert!(size_of::<Shape>() == 16);

impl Shape {
    /// What stands for its last character: that itself, or the byte of its class.
    #[inline]
    pub fn letter(&self) -> u8 {
        self.letter
    }

    /// The kinds of the characters that its last one may be.
    #[inline]
    pub fn kinds(&self) -> Kinds {
        kinds(self.letter)
    }

    /// The class of its last character.
    #[inline]
    pub fn class(&self) -> Class {
        match self.letter {
            b'a' => Class::Lower,
            b'A' => Class::Upper,
            b'0' => Class::Digit,
            BEYOND => Class::Beyond,
            SEPARATOR => Class::Separator,
            SPACE => Class::Space,
            byte => Class::Byte(byte),
        }
    }
}

/// Tokens by shape.
#[derive(Default)]
pub struct Shapes {
    /// In preorder.
    nodes: Vec<Shape>,
    /// Kinds by number.
    kinds: Vec<Kinds>,
    /// In the order of their shapes.
    tokens: Vec<u32>,
    /// The same as a mask.
    all: Box<[u32]>,
}

impl Shapes {
    fn new(mut nodes: Vec<Shape>, below: Vec<Kinds>, tokens: Vec<u32>, all: Box<[u32]>) -> Self {
        // The last number stands for all kinds, for those that would have a higher one.
        let mut kinds: Vec<Kinds> = Vec::new();
        let mut numbers: HashMap<Kinds, u16, foldhash::fast::RandomState> = HashMap::default();
        for (node, below) in nodes.iter_mut().zip(below) {
            node.below = *numbers.entry(below).or_insert_with(|| {
                if kinds.len() < usize::from(u16::MAX) {
                    kinds.push(below);
                } else {
                    kinds.resize(usize::from(u16::MAX) + 1, Kinds::MAX);
                }
                (kinds.len() - 1) as u16
            });
        }
        Self { nodes, kinds, tokens, all }
    }

    /// The kinds of all characters below a shape; of these and more if shapes differ very much.
    #[inline]
    pub fn below(&self, shape: &Shape) -> Kinds {
        self.kinds[usize::from(shape.below)]
    }

    /// All in preorder; the empty one is not among them.
    pub fn shapes(&self) -> &[Shape] {
        &self.nodes
    }

    /// The tokens in the order of their shapes.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Those of a run of places.
    pub fn tokens_at(&self, (start, end): (u32, u32)) -> &[u32] {
        &self.tokens[start as usize..end as usize]
    }

    /// The same as a mask.
    pub fn all(&self) -> &[u32] {
        &self.all
    }

    fn token_start(&self, shape: usize) -> u32 {
        self.nodes.get(shape).map_or(self.tokens.len() as u32, |shape| shape.tokens)
    }

    /// The places of the tokens of shape `i`.
    pub fn places_at(&self, i: usize) -> (u32, u32) {
        (self.nodes[i].tokens, self.token_start(i + 1))
    }

    /// Where the places of all tokens of shapes before the `i`-th end.
    pub fn places_before(&self, i: usize) -> u32 {
        self.token_start(i)
    }

    /// The places of the tokens of shape `i` and of all below it.
    pub fn places_below(&self, i: usize) -> (u32, u32) {
        (self.nodes[i].tokens, self.token_start(self.nodes[i].end as usize))
    }

    /// The shape of these characters of ASCII, each of which stands for itself alone.
    pub fn find(&self, characters: &[u8]) -> Option<usize> {
        let (mut found, mut at, mut end) = (None, 0, self.nodes.len());
        for &character in characters {
            while at < end && self.nodes[at].letter != character {
                at = self.nodes[at].end as usize;
            }
            if at >= end {
                return None;
            }
            found = Some(at);
            (at, end) = (at + 1, self.nodes[at].end as usize);
        }
        found
    }

    fn memory_bytes(&self) -> usize {
        self.nodes.len() * size_of::<Shape>() + self.kinds.len() * 8 + (self.tokens.len() + self.all.len()) * 4
    }
}

/// A set of shapes.
pub struct ShapeSet(Vec<u64>);

impl ShapeSet {
    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.0.len() * 8
    }

    /// The first in a range.
    #[inline]
    pub fn first(&self, range: std::ops::Range<usize>) -> Option<usize> {
        let mut word = range.start / 64;
        let mut bits = self.0.get(word)? & (u64::MAX << (range.start % 64));
        while bits == 0 {
            word += 1;
            if word * 64 >= range.end {
                return None;
            }
            bits = *self.0.get(word)?;
        }
        let found = word * 64 + bits.trailing_zeros() as usize;
        (found < range.end).then_some(found)
    }
}

/// All text tokens: by shape those that are whole characters, and the others.
#[derive(Default)]
pub struct TextShapes {
    /// Those that are whole characters, of any kind.
    pub shapes: Shapes,
    /// The lengths of their tokens in bytes, in the same order.
    lengths: Vec<u16>,
    /// By shape, the one that it goes on from.
    parents: Vec<u32>,
    /// By letter, the shapes that end with it.
    by_letter: Vec<(u8, Vec<u32>)>,
    /// Those with a part of a character.
    pub broken: Trie,
}

/// The tokens that may be in a string of JSON.
#[derive(Default)]
pub struct ShapeIndex {
    string: Shapes,
    /// Those with a quotation mark or a backslash that may be in a string.
    rest: Trie,
    /// Those without that end within a character.
    partial: Vec<Partial>,
    /// The same as a trie.
    partial_trie: Trie,
    /// Those that have a shape, in a string or not, by their characters beyond ASCII.
    beyond: BeyondIndex,
    /// By node of these: the node of the vocabulary's trie with the same bytes, if all that lies below that is here as well.
    whole: Vec<u32>,
}

/// In the place of a node: there is none.
const NONE: u32 = u32::MAX;

/// Not alone in a string.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Both indexes, from the text tokens, the words of a mask, and the trie of all of them.
pub fn index<'a>(tokens: impl Iterator<Item = (u32, &'a [u8])>, words: usize, trie: &Trie) -> (TextShapes, ShapeIndex) {
    let mut all = vec![0; words].into_boxed_slice();
    let mut numbers: HashMap<Vec<u8>, u32, foldhash::fast::RandomState> = HashMap::default();
    let mut of_token: Vec<(u32, u32, u16)> = Vec::new();
    let mut rest: Vec<(u32, &[u8])> = Vec::new();
    let mut broken: Vec<(u32, &[u8])> = Vec::new();
    let mut partial: Vec<(Partial, &[u8])> = Vec::new();
    let mut beyond: Vec<u64> = Vec::new();
    let mut shape = Vec::new();
    for (id, bytes) in tokens {
        let special = bytes.iter().find(|&&byte| is_special(byte));
        let text = std::str::from_utf8(bytes);
        match special {
            Some(0..0x20) => {}
            Some(_) => rest.push((id, bytes)),
            None => partial.extend(Partial::of(id, bytes).map(|partial| (partial, bytes))),
        }
        let Ok(text) = text else {
            broken.push((id, bytes));
            continue;
        };
        shape.clear();
        shape.extend(text.chars().map(letter));
        if shape.iter().any(|&letter| letter >= BEYOND) {
            beyond.extend(text.char_indices().filter_map(|(at, character)| BeyondIndex::entry(id, character, at == 0)));
        }
        let number = if let Some(&number) = numbers.get(shape.as_slice()) {
            number
        } else {
            let number = numbers.len() as u32;
            numbers.insert(shape.clone(), number);
            number
        };
        of_token.push((number, id, bytes.len() as u16));
        bitmask::set(&mut all, id);
    }
    let mut sorted: Vec<(&[u8], u32)> = numbers.iter().map(|(shape, &number)| (shape.as_slice(), number)).collect();
    sorted.sort_unstable();
    let mut rank = vec![0_u32; sorted.len()];
    for (place, &(_, number)) in sorted.iter().enumerate() {
        rank[number as usize] = place as u32;
    }
    let mut starts = vec![0_u32; sorted.len() + 1];
    for &(number, ..) in &of_token {
        starts[rank[number as usize] as usize + 1] += 1;
    }
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
    let mut next = starts.clone();
    let mut tokens = vec![0; of_token.len()];
    let mut lengths = vec![0; of_token.len()];
    for (number, id, length) in of_token {
        let place = &mut next[rank[number as usize] as usize];
        tokens[*place as usize] = id;
        lengths[*place as usize] = length;
        *place += 1;
    }
    // Of strings of JSON.
    let mut in_strings: Vec<(&[u8], u32)> = Vec::new();
    let mut string_tokens: Vec<u32> = Vec::new();
    for (&(shape, _), ends) in sorted.iter().zip(starts.windows(2)) {
        if !shape.iter().any(|&letter| is_special(letter)) {
            in_strings.push((shape, string_tokens.len() as u32));
            string_tokens.extend_from_slice(&tokens[ends[0] as usize..ends[1] as usize]);
        }
    }
    let mut string_all = vec![0; words].into_boxed_slice();
    bitmask::set_all(&mut string_all, &string_tokens);
    let (nodes, below) = preorder(in_strings.into_iter(), string_tokens.len() as u32);
    let string = Shapes::new(nodes, below, string_tokens, string_all);
    let (nodes, below) = preorder(sorted.iter().zip(&starts).map(|(&(shape, _), &start)| (shape, start)), tokens.len() as u32);
    let shapes = Shapes::new(nodes, below, tokens, all);
    let rest = Trie::build(rest);
    let whole = whole(&rest, trie);
    let texts = TextShapes::new(shapes, lengths, Trie::build(broken));
    let partial_trie = Trie::build(partial.iter().map(|(partial, bytes)| (partial.token, *bytes)).collect());
    let partial = partial.into_iter().map(|(partial, _)| partial).collect();
    let beyond = BeyondIndex::new(beyond);
    (texts, ShapeIndex { string, rest, partial, partial_trie, beyond, whole })
}

impl TextShapes {
    fn new(shapes: Shapes, lengths: Vec<u16>, broken: Trie) -> Self {
        let mut parents = Vec::with_capacity(shapes.nodes.len());
        let mut path: Vec<u32> = Vec::new();
        let mut by_letter: Vec<(u8, Vec<u32>)> = (0..=u8::MAX).map(|letter| (letter, Vec::new())).collect();
        for (i, node) in shapes.nodes.iter().enumerate() {
            path.truncate(usize::from(node.depth) - 1);
            parents.push(path.last().copied().unwrap_or(NONE));
            path.push(i as u32);
            by_letter[usize::from(node.letter)].1.push(i as u32);
        }
        by_letter.retain(|(_, shapes)| !shapes.is_empty());
        Self { shapes, lengths, parents, by_letter, broken }
    }

    /// The lengths in bytes of the tokens of a run of places.
    pub fn lengths_at(&self, (start, end): (u32, u32)) -> &[u16] {
        &self.lengths[start as usize..end as usize]
    }

    /// The shape that one of more than one character goes on from.
    pub fn parent(&self, i: usize) -> usize {
        self.parents[i] as usize
    }

    /// The shapes whose last character may be of another kind than these.
    pub fn of_others(&self, kinds: Kinds) -> ShapeSet {
        let mut words = vec![0; self.shapes.nodes.len().div_ceil(64)];
        for (_, shapes) in self.by_letter.iter().filter(|&&(letter, _)| self::kinds(letter) & !kinds != 0) {
            for &i in shapes {
                words[i as usize / 64] |= 1 << (i % 64);
            }
        }
        ShapeSet(words)
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.shapes.memory_bytes() + self.parents.len() * 8 + self.lengths.len() * 2 + self.broken.memory_bytes()
    }
}

impl ShapeIndex {
    /// Those that have a shape.
    pub fn strings(&self) -> &Shapes {
        &self.string
    }

    /// The tokens that may be in a string, but for those that stand for themselves there: with a quotation mark or a backslash.
    pub fn rest(&self) -> &Trie {
        &self.rest
    }

    /// The tokens that stand for themselves in a string, and end within a character.
    pub fn partial(&self) -> (&[Partial], &Trie) {
        (&self.partial, &self.partial_trie)
    }

    /// All tokens that have a shape, by their characters beyond ASCII.
    pub fn beyond(&self) -> &BeyondIndex {
        &self.beyond
    }

    /// The node of the vocabulary's trie below which lies just what lies below this node of the rest.
    pub fn whole(&self, node: usize) -> Option<u32> {
        Some(self.whole[node]).filter(|&node| node != NONE)
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        let partial = self.partial.len() * size_of::<Partial>() + self.partial_trie.memory_bytes();
        self.string.memory_bytes() + self.whole.len() * 4 + self.rest.memory_bytes() + partial + self.beyond.memory_bytes()
    }
}

/// Shapes with where their tokens begin, ascending, as a trie, and the kinds below each; `end` is where the last one's tokens end.
fn preorder<'a>(sorted: impl Iterator<Item = (&'a [u8], u32)>, end: u32) -> (Vec<Shape>, Vec<Kinds>) {
    let (mut shapes, mut below): (Vec<Shape>, Vec<Kinds>) = (Vec::new(), Vec::new());
    let mut open: Vec<usize> = Vec::new();
    let mut last: &[u8] = &[];
    for (letters, tokens) in sorted {
        let common = last.iter().zip(letters).take_while(|(a, b)| a == b).count();
        close(&mut shapes, &mut below, &mut open, common);
        for (depth, &letter) in letters.iter().enumerate().skip(common) {
            open.push(shapes.len());
            let depth = depth as u16 + 1;
            shapes.push(Shape { letter, depth, deepest: depth, end: 0, tokens, below: 0 });
            below.push(0);
        }
        last = letters;
    }
    close(&mut shapes, &mut below, &mut open, 0);
    debug_assert!(shapes.last().is_none_or(|shape| shape.tokens < end));
    (shapes, below)
}

/// All shapes on the path beyond a depth are complete: sum them up.
fn close(shapes: &mut [Shape], below: &mut [Kinds], open: &mut Vec<usize>, depth: usize) {
    let end = shapes.len() as u32;
    while open.len() > depth {
        let Some(i) = open.pop() else { return };
        shapes[i].end = end;
        let Shape { letter, deepest, .. } = shapes[i];
        if let Some(&parent) = open.last() {
            shapes[parent].deepest = shapes[parent].deepest.max(deepest);
            below[parent] |= below[i] | kinds(letter);
        }
    }
}

/// The kinds of the characters that a letter stands for.
#[inline]
fn kinds(letter: u8) -> Kinds {
    const OF: [Kinds; 3] = [class(b'a', b'z'), class(b'A', b'Z'), class(b'0', b'9')];
    match letter {
        b'a' => OF[0],
        b'A' => OF[1],
        b'0' => OF[2],
        BEYOND => characters::OTHER,
        SEPARATOR => characters::SEPARATORS,
        SPACE => characters::SPACES,
        byte => characters::kind(byte),
    }
}

const fn class(low: u8, high: u8) -> Kinds {
    let (mut kinds, mut byte) = (0, low);
    while byte <= high {
        kinds |= characters::kind(byte);
        byte += 1;
    }
    kinds
}

/// By node of `part`, whose entries are some of those of `all`.
fn whole(part: &Trie, all: &Trie) -> Vec<u32> {
    // The nodes on the path, in `all`.
    let mut path: Vec<usize> = Vec::new();
    let mut whole = Vec::with_capacity(part.nodes().len());
    for (i, node) in part.nodes().iter().enumerate() {
        path.truncate(usize::from(node.depth) - 1);
        let below = path.last().map_or(0..all.nodes().len(), |&up| up + 1..all.nodes()[up].end as usize);
        let Some(child) = all.child(&below, node.byte) else {
            // An entry that is not among them: nothing is said.
            return vec![NONE; part.nodes().len()];
        };
        path.push(child);
        let same = part.places_below(i).len() == all.places_below(child).len();
        whole.push(if same { child as u32 } else { NONE });
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&[u8]; 17] = [
        b"ab",
        b"xy",
        b"Ab",
        b"a1",
        b"a9",
        b"a-",
        "a\u{e9}".as_bytes(),
        "z\u{1f600}".as_bytes(),
        "z\u{2028}".as_bytes(),
        b"a\"b",
        b"\"",
        b"\"\n",
        b"a\n\"",
        b"\\n",
        b"a\xC3",
        b"a\"",
        "z\u{3000}".as_bytes(),
    ];

    fn index() -> (ShapeIndex, Trie) {
        let words = || WORDS.iter().enumerate().map(|(id, word)| (id as u32, *word));
        let trie = Trie::build(words().collect());
        (super::index(words(), 1, &trie).1, trie)
    }

    #[test]
    fn tokens_of_a_shape_stand_together() {
        let (index, _) = index();
        let mut spelled = String::new();
        let mut found = Vec::new();
        for (i, shape) in index.string.shapes().iter().enumerate() {
            spelled.truncate(usize::from(shape.depth) - 1);
            spelled.push(match shape.class() {
                Class::Lower => 'a',
                Class::Upper => 'A',
                Class::Digit => '0',
                Class::Beyond => '?',
                Class::Separator => '_',
                Class::Space => '~',
                Class::Byte(byte) => char::from(byte),
            });
            let tokens = |(start, end): (u32, u32)| {
                let mut tokens = index.string.tokens()[start as usize..end as usize].to_vec();
                tokens.sort_unstable();
                tokens
            };
            found.push((spelled.clone(), tokens(index.string.places_at(i)), tokens(index.string.places_below(i)).len(), shape.deepest));
        }
        let expected: [(&str, &[u32], usize, u16); 10] = [
            ("A", &[], 1, 2),
            ("Aa", &[2], 1, 2),
            ("a", &[], 9, 2),
            ("a-", &[5], 1, 2),
            ("a0", &[3, 4], 2, 2),
            ("aa", &[0, 1], 2, 2),
            ("a?", &[6, 7], 2, 2),
            ("a_", &[8], 1, 2),
            ("a~", &[16], 1, 2),
            ("", &[], 0, 0),
        ];
        let expected = expected.iter().filter(|(shape, ..)| !shape.is_empty());
        assert_eq!(found, expected.map(|&(shape, at, below, deepest)| (shape.to_owned(), at.to_vec(), below, deepest)).collect::<Vec<_>>());
        assert_eq!(index.string.all(), [0b1_0000_0001_1111_1111]);
    }

    #[test]
    fn below_a_shape_are_the_kinds_of_all_its_tokens() {
        let (index, _) = index();
        let lower = index.string.shapes().iter().find(|shape| shape.class() == Class::Lower && shape.depth == 1).unwrap();
        let expected =
            (b'a'..=b'z').chain(b'0'..=b'9').chain([b'-']).fold(characters::BEYOND, |kinds, byte| kinds | characters::kind(byte));
        assert_eq!(index.string.below(lower), expected);
    }

    #[test]
    fn the_rest_stands_where_it_stands_in_the_vocabulary() {
        let (index, trie) = index();
        let mut rest = index.rest().tokens().to_vec();
        rest.sort_unstable();
        assert_eq!(rest, [9, 10, 11, 13, 15]);
        let (partial, partial_trie) = index.partial();
        assert_eq!(partial, [Partial { token: 14, whole: 1, low: 0xC0, high: 0xFF }]);
        assert_eq!(partial_trie.tokens(), [14]);
        for (bytes, whole) in [(&b"\""[..], true), (b"a\"", true), (b"\\", true), (b"a", false)] {
            let node = index.rest().find(bytes).unwrap();
            assert_eq!(index.whole(node), whole.then(|| trie.find(bytes).unwrap() as u32), "{bytes:?}");
        }
    }
}
