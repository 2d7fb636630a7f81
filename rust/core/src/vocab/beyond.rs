//! The text tokens by their characters beyond ASCII, for states that tell such characters apart. Part of **vocab**.
//!
//! Of a pattern such as `[\p{L} ]+` a shape says little, since it does not tell letters beyond ASCII from other characters there. What it says is right
//! of all tokens without the few characters that are refused.
//!
//! Invariant: each token that is whole characters is listed once or twice for each of its characters beyond ASCII: once if that is its first, once if it
//! has it further on.
//! Must not know: states.

use crate::bitmask;

/// Marks a token's first character.
const FIRST: u32 = 1 << 31;

/// A token that ends within a character.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partial {
    /// The token.
    pub token: u32,
    /// So many bytes of it are whole characters.
    pub whole: u16,
    /// Its last character is at least this,
    pub low: u32,
    /// and at most this.
    pub high: u32,
}

impl Partial {
    /// What begins with these bytes; `None` if they are no part of a character.
    pub fn of(token: u32, bytes: &[u8]) -> Option<Self> {
        let error = std::str::from_utf8(bytes).err().filter(|error| error.error_len().is_none())?;
        let whole = error.valid_up_to();
        let (&lead, more) = bytes[whole..].split_first()?;
        // A character has no other spelling than its shortest.
        let (length, bits, least) = match lead {
            0xC2..=0xDF => (2, lead & 0x1F, 0x80),
            0xE0..=0xEF => (3, lead & 0x0F, 0x800),
            _ => (4, lead & 0x07, 0x1_0000),
        };
        let read = more.iter().fold(u32::from(bits), |read, &byte| read << 6 | u32::from(byte & 0x3F));
        let open = 6 * (length - 1 - more.len());
        Some(Self { token, whole: whole as u16, low: (read << open).max(least), high: ((read + 1) << open) - 1 })
    }
}

/// Tokens by character.
#[derive(Default)]
pub struct BeyondIndex {
    /// Ascending.
    characters: Vec<u32>,
    /// By character, where its tokens begin, and an end.
    starts: Vec<u32>,
    /// Tokens, marked where the character is their first.
    entries: Vec<u32>,
}

/// Characters, by their places in the index: from the first to before the second, ascending.
pub type Runs = Vec<(u32, u32)>;

impl BeyondIndex {
    /// From pairs of a character and a token, marked by [`Self::entry`].
    pub fn new(mut pairs: Vec<u64>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let (mut characters, mut starts) = (Vec::new(), Vec::new());
        for (place, &pair) in (0..).zip(&pairs) {
            let character = (pair >> 32) as u32;
            if characters.last() != Some(&character) {
                characters.push(character);
                starts.push(place);
            }
        }
        starts.push(pairs.len() as u32);
        Self { characters, starts, entries: pairs.into_iter().map(|pair| pair as u32).collect() }
    }

    /// A pair to build the index from, if the character is one of it.
    pub fn entry(token: u32, character: char, first: bool) -> Option<u64> {
        (!character.is_ascii()).then(|| u64::from(u32::from(character)) << 32 | u64::from(token | if first { FIRST } else { 0 }))
    }

    /// The characters from `low` to `high`.
    pub fn range(&self, low: u32, high: u32) -> (u32, u32) {
        let start = self.characters.partition_point(|&character| character < low);
        let more = self.characters[start..].partition_point(|&character| character <= high);
        (start as u32, (start + more) as u32)
    }

    /// How many tokens a run has, each counted for each of its characters.
    pub fn count(&self, (start, end): (u32, u32)) -> usize {
        (self.starts[end as usize] - self.starts[start as usize]) as usize
    }

    /// The tokens that begin with a character of a run, or have one further on.
    pub fn tokens(&self, (start, end): (u32, u32), first: bool) -> impl Iterator<Item = u32> {
        let entries = &self.entries[self.starts[start as usize] as usize..self.starts[end as usize] as usize];
        entries.iter().filter(move |&&entry| (entry & FIRST != 0) == first).map(|entry| entry & !FIRST)
    }

    /// What is in all of some sets of characters, and what is only in some.
    pub fn parted(&self, sets: &[impl AsRef<Runs>]) -> (Runs, Runs) {
        if let [set] = sets {
            return (set.as_ref().clone(), Vec::new());
        }
        // By character: how many sets have it but not the one before, and the other way round.
        let mut changes = vec![[0, 0]; self.characters.len() + 1];
        for &(start, end) in sets.iter().flat_map(AsRef::as_ref) {
            changes[start as usize][0] += 1;
            changes[end as usize][1] += 1;
        }
        let (mut everywhere, mut somewhere) = (Vec::new(), Vec::new());
        let (mut count, mut since) = (0, 0);
        for (place, [more, less]) in (0..).zip(changes).filter(|(_, change)| change[0] != change[1]) {
            if count > 0 {
                let runs = if count == sets.len() { &mut everywhere } else { &mut somewhere };
                runs.push((since, place));
            }
            (count, since) = (count + more - less, place);
        }
        (everywhere, somewhere)
    }

    /// Set the bits of these.
    pub fn set(&self, bits: &mut [u32], runs: &[(u32, u32)], first: bool) {
        for &run in runs {
            self.tokens(run, first).for_each(|token| bitmask::set(bits, token));
        }
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        (self.characters.len() + self.starts.len() + self.entries.len()) * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_by_their_characters() {
        let words = ["\u{e9}a\u{e9}", "a\u{e9}", "\u{e8}", "\u{2028}\u{a0}", "ab", "\u{1f600}\u{e9}\u{e9}"];
        let pairs =
            (0..).zip(words).flat_map(|(id, word)| word.char_indices().filter_map(move |(at, c)| BeyondIndex::entry(id, c, at == 0)));
        let index = BeyondIndex::new(pairs.collect());
        assert_eq!((index.range(0x80, 0x10_FFFF), index.range(0xE9, 0xE9), index.range(0xEA, 0x2028)), ((0, 5), (2, 3), (3, 4)));
        let tokens = |run, first| index.tokens(run, first).collect::<Vec<_>>();
        assert_eq!((tokens((2, 3), true), tokens((2, 3), false)), (vec![0], vec![0, 1, 5]));
        assert_eq!((tokens((0, 5), true), index.count((0, 5))), (vec![2, 0, 3, 5], 8));
        let mut bits = [0];
        index.set(&mut bits, &[(1, 2), (2, 3)], false);
        assert_eq!(bits, [0b10_0011]);
        let parted = |sets: &[Runs]| index.parted(&sets.iter().cloned().map(std::rc::Rc::new).collect::<Vec<_>>());
        assert_eq!(parted(&[]), (vec![], vec![]));
        assert_eq!(parted(&[vec![(0, 2)]]), (vec![(0, 2)], vec![]));
        assert_eq!(parted(&[vec![(0, 2)], vec![(1, 3)], vec![(0, 3)]]), (vec![(1, 2)], vec![(0, 1), (2, 3)]));
        assert_eq!(parted(&[vec![(0, 1)], vec![]]), (vec![], vec![(0, 1)]));
    }

    #[test]
    fn what_a_partial_character_may_be() {
        for character in ['\u{80}', '\u{7ff}', '\u{800}', '\u{d7ff}', '\u{e000}', '\u{ffff}', '\u{10000}', '\u{10ffff}'] {
            let text = format!("a{character}");
            for end in 2..text.len() {
                let partial = Partial::of(7, &text.as_bytes()[..end]).unwrap();
                assert_eq!((partial.token, partial.whole), (7, 1));
                for other in [character, '\u{80}', '\u{ff}', '\u{2028}', '\u{10fff}'] {
                    let begins = other.to_string().as_bytes().starts_with(&text.as_bytes()[1..end]);
                    assert_eq!((partial.low..=partial.high).contains(&u32::from(other)), begins, "{character:?} cut at {end}, {other:?}");
                }
            }
            assert_eq!(Partial::of(7, text.as_bytes()), None);
        }
        assert_eq!(Partial::of(7, b"\x80"), None);
        assert_eq!(Partial::of(7, b"\xC3a"), None);
    }
}
