//! The text tokens that may begin or end an item of an array: the few in which a comma is followed by a value, those that begin with one, and
//! those that end a string. Part of **vocab**.
//!
//! Invariant: a token that is not listed reads no comma of an array with the beginning of another item behind it; one not in the trie does not
//! begin, after whitespace, with a value.
//! Must not know: why items matter.

use super::trie::Trie;

/// See the module.
#[derive(Default)]
pub struct ItemIndex {
    crossing: Vec<u32>,
    opening: Vec<u32>,
    most: usize,
    beginning: Trie,
    /// (bytes before the first quotation mark, token), sorted; none of the bytes is a backslash.
    before: Vec<(Box<[u8]>, u32)>,
    /// Tokens with a backslash before their first quotation mark.
    escaped: Vec<u32>,
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Does a value begin here, after whitespace?
fn begins(bytes: &[u8]) -> bool {
    let at = bytes.iter().position(|&byte| !blank(byte));
    at.is_some_and(|at| matches!(bytes[at], b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'))
}

impl ItemIndex {
    /// From the text tokens.
    pub fn new<'a>(tokens: impl Iterator<Item = (u32, &'a [u8])>) -> Self {
        let mut index = Self::default();
        let mut entries = Vec::new();
        for (id, bytes) in tokens {
            // Separators of an exact layout may hold a comma amid other characters, but there is always one.
            let commas = memchr::memchr_iter(b',', bytes);
            let (mut crossing, mut opening, mut ends) = (false, false, 1);
            for comma in commas {
                if begins(&bytes[comma + 1..]) {
                    crossing = true;
                    ends += 1;
                }
                opening |= bytes[..comma].contains(&b'[');
            }
            index.crossing.extend(crossing.then_some(id));
            index.most = index.most.max(ends);
            index.opening.extend(opening.then_some(id));
            if let Some(mark) = memchr::memchr(b'"', bytes) {
                if bytes[..mark].contains(&b'\\') {
                    index.escaped.push(id);
                } else {
                    index.before.push((bytes[..mark].into(), id));
                }
            }
            if begins(bytes) || bytes.first() == Some(&b',') {
                entries.push((id, bytes));
            }
        }
        index.before.sort_unstable();
        index.beginning = Trie::build(entries);
        index
    }

    /// Tokens in which a value begins behind a comma.
    pub fn crossing(&self) -> &[u32] {
        &self.crossing
    }

    /// Tokens with an opening bracket and a comma behind it.
    pub fn opening(&self) -> &[u32] {
        &self.opening
    }

    /// No token ends more items of an array.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Tokens that are `bytes`, a quotation mark, and anything; no backslash before the mark.
    pub fn completing(&self, bytes: &[u8]) -> impl Iterator<Item = u32> + use<'_> {
        let low = self.before.partition_point(|(b, _)| **b < *bytes);
        let high = self.before.partition_point(|(b, _)| **b <= *bytes);
        self.before[low..high].iter().map(|&(_, id)| id)
    }

    /// Tokens with a backslash before their first quotation mark.
    pub fn escaped(&self) -> &[u32] {
        &self.escaped
    }

    /// Tokens that begin, after whitespace, with a value.
    pub fn beginning(&self) -> &Trie {
        &self.beginning
    }
}
