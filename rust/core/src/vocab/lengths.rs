//! The text tokens by how many characters they are, for strings of JSON that may be only so long. Part of **vocab**.
//!
//! Invariant: a token is counted if it is whole characters that stand for themselves in a string; every other token is among the rest.
//! Must not know: states, limits.

use super::trie::Trie;
use crate::bitmask;

/// Longer tokens are few.
const LONGEST: usize = 32;

/// Tokens by length.
#[derive(Default)]
pub struct LengthIndex {
    /// By a number of characters: the tokens of as many or fewer, as a mask. The last is of all tokens that are counted.
    at_most: Vec<Box<[u32]>>,
    /// The tokens that are not counted: with a quotation mark, a backslash, a control character, or a part of a character.
    rest: Trie,
}

impl LengthIndex {
    /// From the text tokens, and the words of a mask.
    pub fn new<'a>(tokens: impl Iterator<Item = (u32, &'a [u8])>, words: usize) -> Self {
        let mut by_length: Vec<Vec<u32>> = vec![Vec::new(); LONGEST + 2];
        let mut rest = Vec::new();
        for (id, bytes) in tokens {
            match characters(bytes) {
                Some(count) => by_length[count.min(LONGEST + 1)].push(id),
                None => rest.push((id, bytes)),
            }
        }
        let mut all = vec![0; words].into_boxed_slice();
        let at_most = by_length.into_iter().map(|ids| {
            for id in ids {
                bitmask::set(&mut all, id);
            }
            all.clone()
        });
        let at_most = at_most.collect();
        Self { at_most, rest: Trie::build(rest) }
    }

    /// The tokens of at most so many characters; `None`: too many to tell apart.
    pub fn at_most(&self, characters: u64) -> Option<&[u32]> {
        let characters = usize::try_from(characters).ok().filter(|&count| count <= LONGEST)?;
        self.at_most.get(characters).map(|mask| &**mask)
    }

    /// The tokens that are counted, as a mask.
    pub fn counted(&self) -> &[u32] {
        self.at_most.last().map_or(&[], |mask| mask)
    }

    /// The tokens that are not counted.
    pub fn rest(&self) -> &Trie {
        &self.rest
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.at_most.iter().map(|mask| mask.len() * 4).sum::<usize>() + self.rest.memory_bytes()
    }
}

/// How many characters the bytes are, if each stands for itself in a string of JSON.
fn characters(bytes: &[u8]) -> Option<usize> {
    if bytes.iter().any(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        return None;
    }
    std::str::from_utf8(bytes).ok().map(|text| text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_in_characters() {
        let tokens: [&[u8]; 8] = [b"a", "\u{e9}\u{e9}".as_bytes(), b"\xC3", b"a\"", b"\\n", b"\t", "abc\u{1f600}".as_bytes(), &[b'x'; 40]];
        let index = LengthIndex::new(tokens.iter().enumerate().map(|(id, bytes)| (id as u32, *bytes)), 1);
        let counts: Vec<u32> = (0..5).map(|n| index.at_most(n).unwrap()[0]).collect();
        assert_eq!(counts, [0, 1, 0b11, 0b11, 0b100_0011]);
        assert_eq!(index.at_most(LONGEST as u64), Some(&[0b100_0011][..]));
        assert_eq!(index.at_most(LONGEST as u64 + 1), None);
        let mut rest = index.rest().tokens().to_vec();
        rest.sort_unstable();
        assert_eq!(rest, [2, 3, 4, 5]);
    }
}
