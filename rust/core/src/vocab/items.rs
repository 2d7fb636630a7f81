//! The text tokens that may begin or end an item of an array: those in which a comma is followed by a value, by how deep inside the item they may
//! begin, those that open an array, those that spell the end of a string with escapes, and those that begin with whitespace. Part of **vocab**.
//!
//! Invariant: a token that is not listed for a place reads no comma of an array, with the beginning of another item behind it, from there.
//! Must not know: why items matter.

use hashbrown::HashMap;

use super::trie::Trie;
use crate::escapes::decode;

/// Where a token begins, as far as its brackets and quotation marks go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Inside {
    /// In a string, or in one after a backslash that escapes what comes next.
    pub string: InString,
    /// So many brackets of the item are open.
    pub depth: usize,
}

/// See [`Inside`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum InString {
    /// Outside of strings.
    No,
    /// In a string.
    Yes,
    /// In a string, behind a backslash that escapes what comes next.
    Escaped,
}

impl Inside {
    /// Between the items of an array.
    pub const BETWEEN: Self = Self { string: InString::No, depth: 0 };
}

/// See the module.
#[derive(Default)]
pub struct ItemIndex {
    crossing: HashMap<Inside, Trie>,
    commas: HashMap<Inside, Trie>,
    opening: Vec<(Box<[u8]>, Vec<u32>)>,
    most: usize,
    /// (characters before the quotation mark that ends a string, token), sorted; some are spelled with a backslash.
    escaped: Vec<(Box<[u8]>, u32)>,
    /// Likewise of tokens that begin with the quotation mark before them, or with whitespace and it.
    quoted: Vec<(Box<[u8]>, u32)>,
    indented: Trie,
    blank: Vec<u32>,
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn begins_value(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
}

/// Does a value begin here, after whitespace?
fn begins(bytes: &[u8]) -> bool {
    bytes.iter().find(|&&byte| !blank(byte)).is_some_and(|&byte| begins_value(byte))
}

/// The tokens of a trie that begin with whitespace, but for those that go on with what no text of JSON has there.
pub(super) fn indented(trie: &Trie) -> Vec<u32> {
    let mut tokens = Vec::new();
    // The children of a node: from the first to the end of its subtree.
    let mut open = vec![(0, trie.nodes().len())];
    while let Some((first, last)) = open.pop() {
        let mut child = first;
        while child < last {
            let node = trie.nodes()[child];
            let end = node.end as usize;
            if blank(node.byte) {
                tokens.extend_from_slice(&trie.tokens()[trie.places_at(child)]);
                open.push((child + 1, end));
            } else if node.depth > 1 && goes_on(&[node.byte]) {
                tokens.extend_from_slice(&trie.tokens()[trie.places_below(child)]);
            }
            child = end;
        }
    }
    tokens
}

/// May a text of JSON go on so behind the whitespace of a gap?
fn goes_on(bytes: &[u8]) -> bool {
    let word = |word: &[u8]| bytes.starts_with(word) || word.starts_with(bytes);
    match bytes.first() {
        Some(b't') => word(b"true"),
        Some(b'f') => word(b"false"),
        Some(b'n') => word(b"null"),
        Some(&byte) => begins_value(byte) || matches!(byte, b',' | b':' | b'}' | b']'),
        None => false,
    }
}

/// The commas outside of strings, each with how many more brackets were closed than opened before it; none where more are open.
fn commas(bytes: &[u8], string: InString) -> impl Iterator<Item = (usize, usize)> {
    let (mut string, mut closed) = (string, 0_isize);
    bytes.iter().enumerate().filter_map(move |(i, &byte)| {
        match (string, byte) {
            (InString::Escaped, _) | (InString::No, b'"') => string = InString::Yes,
            (InString::Yes, b'"') => string = InString::No,
            (InString::Yes, b'\\') => string = InString::Escaped,
            (InString::No, b'{' | b'[') => closed -= 1,
            (InString::No, b'}' | b']') => closed += 1,
            (InString::No, b',') => return Some((i, usize::try_from(closed).ok()?)),
            _ => {}
        }
        None
    })
}

/// The first quotation mark that ends a string which the bytes go on with.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    let mut escaped = false;
    bytes.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// The characters of a string that ends in the bytes, if some of them are spelled with a backslash.
fn with_escapes(bytes: &[u8]) -> Option<Box<[u8]>> {
    let mark = end_of_string(bytes).filter(|&mark| bytes[..mark].contains(&b'\\'))?;
    let (characters, left) = decode(&bytes[..mark]);
    (left == 0).then(|| characters.into())
}

fn spelled<'a>(sorted: &'a [(Box<[u8]>, u32)], characters: &[u8]) -> impl Iterator<Item = u32> + use<'a> {
    let low = sorted.partition_point(|(c, _)| **c < *characters);
    let high = sorted.partition_point(|(c, _)| **c <= *characters);
    sorted[low..high].iter().map(|&(_, id)| id)
}

type Lists<'a> = HashMap<Inside, Vec<(u32, &'a [u8])>>;

impl ItemIndex {
    /// From the text tokens, of which the ones with a comma or a backslash, and the ones that begin with whitespace, are all that is looked at.
    pub fn new<'a>(marked: impl Iterator<Item = (u32, &'a [u8])>, indented: impl Iterator<Item = (u32, &'a [u8])>) -> Self {
        let mut index = Self::default();
        let (mut crossing, mut with_comma) = (Lists::new(), Lists::new());
        for (id, bytes) in marked {
            index.add(id, bytes);
            for string in [InString::No, InString::Yes, InString::Escaped] {
                for (comma, depth) in commas(bytes, string) {
                    let inside = Inside { string, depth };
                    with_comma.entry(inside).or_default().push((id, bytes));
                    // Separators of an exact layout may hold a comma amid other characters, but there is always one.
                    if begins(&bytes[comma + 1..]) {
                        crossing.entry(inside).or_default().push((id, bytes));
                    }
                }
            }
        }
        let tries = |lists: Lists<'a>| lists.into_iter().map(|(inside, tokens)| (inside, Trie::build(tokens))).collect();
        (index.crossing, index.commas) = (tries(crossing), tries(with_comma));
        index.escaped.sort_unstable();
        index.quoted.sort_unstable();
        let mut behind = Vec::new();
        for (id, bytes) in indented {
            let spaces = bytes.iter().take_while(|&&byte| blank(byte)).count();
            match spaces {
                0 => {}
                all if all == bytes.len() => index.blank.push(id),
                some if goes_on(&bytes[some..]) => behind.push((id, &bytes[some..])),
                _ => {}
            }
        }
        index.indented = Trie::build(behind);
        index
    }

    fn add(&mut self, id: u32, bytes: &[u8]) {
        if let Some(last) = memchr::memrchr(b',', bytes) {
            let ends = 1 + memchr::memchr_iter(b',', bytes).filter(|&comma| begins(&bytes[comma + 1..])).count();
            self.most = self.most.max(ends);
            for bracket in memchr::memchr_iter(b'[', &bytes[..last]) {
                let prefix = &bytes[..=bracket];
                match self.opening.iter_mut().find(|(known, _)| **known == *prefix) {
                    Some((_, tokens)) => tokens.push(id),
                    None => self.opening.push((prefix.into(), vec![id])),
                }
            }
        }
        self.escaped.extend(with_escapes(bytes).map(|characters| (characters, id)));
        let spaces = bytes.iter().take_while(|&&byte| blank(byte)).count();
        if let Some(string) = bytes[spaces..].strip_prefix(b"\"") {
            self.quoted.extend(with_escapes(string).map(|characters| (characters, id)));
        }
    }

    /// Tokens that, read from such a place inside an item, end it and begin another behind a comma.
    pub fn crossing(&self, inside: Inside) -> Option<&Trie> {
        self.crossing.get(&inside)
    }

    /// Tokens that, read from such a place inside an item, end it and go on with a comma.
    pub fn commas(&self, inside: Inside) -> Option<&Trie> {
        self.commas.get(&inside)
    }

    /// What tokens begin with up to an opening bracket, and the tokens in which a comma stands behind it.
    pub fn opening(&self) -> &[(Box<[u8]>, Vec<u32>)] {
        &self.opening
    }

    /// No token ends more items of an array.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Tokens that complete a string by these characters, some of which they spell with a backslash, and its end.
    pub fn escaped(&self, characters: &[u8]) -> impl Iterator<Item = u32> + use<'_> {
        spelled(&self.escaped, characters)
    }

    /// Tokens that spell a whole string of these characters, some of them with a backslash; whitespace may come before it.
    pub fn quoted(&self, characters: &[u8]) -> impl Iterator<Item = u32> + use<'_> {
        spelled(&self.quoted, characters)
    }

    /// Tokens of whitespace and what may come behind it in a text of JSON, by that.
    pub fn indented(&self) -> &Trie {
        &self.indented
    }

    /// Tokens of whitespace alone.
    pub fn blank(&self) -> &[u32] {
        &self.blank
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_listed_by_where_they_cross_from() {
        let tokens: [&[u8]; 13] =
            [b",1", b"\",\"", b"\"},{\"", b"a\",[", b"]],[", b", ", b"[1,", b" {", b"  ", b"\\n\"", b"\",", b"x,1", b" \"\\n\"]"];
        let all = || tokens.iter().enumerate().map(|(i, bytes)| (i as u32, *bytes));
        let trie = Trie::build(all().collect());
        let mut blank_first = indented(&trie);
        blank_first.sort_unstable();
        assert_eq!(blank_first, [7, 8, 12]);
        let index = ItemIndex::new(all(), all());
        let at = |string, depth| Inside { string, depth };
        let ids = |trie: Option<&Trie>| {
            let mut ids = trie.map_or(Vec::new(), |trie| trie.tokens().to_vec());
            ids.sort_unstable();
            ids
        };
        assert_eq!(ids(index.crossing(at(InString::No, 0))), [0, 11]);
        assert_eq!(ids(index.crossing(at(InString::Yes, 0))), [1, 3]);
        assert_eq!(ids(index.crossing(at(InString::Yes, 1))), [2]);
        assert_eq!(ids(index.crossing(at(InString::Escaped, 0))), [3]);
        assert_eq!(ids(index.crossing(at(InString::No, 2))), [4]);
        assert_eq!(ids(index.commas(at(InString::No, 0))), [0, 5, 11]);
        assert_eq!(ids(index.commas(at(InString::Yes, 0))), [1, 3, 10]);
        assert_eq!(index.opening().iter().map(|(prefix, ids)| (&**prefix, &**ids)).collect::<Vec<_>>(), [(&b"["[..], &[6][..])]);
        assert_eq!(index.escaped(b"\n").collect::<Vec<_>>(), [9]);
        assert_eq!(index.quoted(b"\n").collect::<Vec<_>>(), [12]);
        assert_eq!((index.blank(), index.indented().tokens()), (&[8][..], &[12, 7][..]));
        assert_eq!(index.most(), 2);
    }
}
