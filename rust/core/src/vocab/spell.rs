//! The tokens that spell a text, as a byte-pair tokenizer whose ids are in the order of its merges would choose them. Part of **vocab**.
//!
//! Invariant: the tokens are text and join to the text; a stretch of text without tokens is no spelling at all.
//! Must not know: how a tokenizer cuts text up before it merges, but for the one cut that all usual ones make and that matters most in indented text:
//! of several blanks before something else, the last belongs to what follows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Vocabulary;

/// What merging begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Bytes, as in byte-level vocabularies.
    Bytes,
    /// Characters, and bytes only where a character has no token, as in sentencepiece models. There a byte may have two tokens; the later id is
    /// the character's.
    Characters,
}

/// Are the bytes before and after `at` never in one token?
fn is_cut(text: &[u8], at: usize) -> bool {
    at > 0 && text[at - 1] == b' ' && matches!(text.get(at..at + 2), Some(&[b' ', next]) if !next.is_ascii_whitespace())
}

/// A stretch of the text with its token.
#[derive(Clone, Copy)]
struct Piece {
    end: usize,
    token: u32,
    /// Where the piece before begins; `usize::MAX`: nowhere.
    before: usize,
}

impl Vocabulary {
    /// The tokens of a text: the pair with the lowest id is merged first, as often as one can be. `None` if a byte has no token.
    pub fn spell(&self, text: &[u8], spelling: Spelling) -> Option<Vec<u32>> {
        // By the offset at which they begin; `None` within a piece.
        let mut pieces: Vec<Option<Piece>> = vec![None; text.len()];
        let (mut start, mut before) = (0, usize::MAX);
        while start < text.len() {
            let (end, token) = self.first_piece(text, start, spelling)?;
            pieces[start] = Some(Piece { end, token, before });
            before = start;
            start = end;
        }
        // The merges that are possible, lowest id first, then leftmost. One whose pieces have changed since is passed over: its end is another.
        let mut merges = BinaryHeap::new();
        let offer = |pieces: &[Option<Piece>], merges: &mut BinaryHeap<_>, left: usize| -> Option<()> {
            let middle = pieces.get(left).copied().flatten()?.end;
            if is_cut(text, middle) {
                return None;
            }
            let end = pieces.get(middle).copied().flatten()?.end;
            let token = self.token_of(&text[left..end], spelling)?;
            merges.push(Reverse((token, left, middle, end)));
            Some(())
        };
        for left in 0..text.len() {
            offer(&pieces, &mut merges, left);
        }
        while let Some(Reverse((token, left, middle, end))) = merges.pop() {
            let Some(piece) = pieces[left] else { continue };
            if piece.end != middle || pieces[middle].is_none_or(|next| next.end != end) {
                continue;
            }
            pieces[left] = Some(Piece { end, token, ..piece });
            pieces[middle] = None;
            if let Some(Some(next)) = pieces.get_mut(end) {
                next.before = left;
            }
            offer(&pieces, &mut merges, left);
            offer(&pieces, &mut merges, piece.before);
        }
        Some(pieces.into_iter().flatten().map(|piece| piece.token).collect())
    }

    fn first_piece(&self, text: &[u8], start: usize, spelling: Spelling) -> Option<(usize, u32)> {
        if spelling == Spelling::Characters {
            let length = match text[start] {
                0xC2..=0xDF => 2,
                0xE0..=0xEF => 3,
                0xF0..=0xF4 => 4,
                _ => 1,
            };
            let end = text.len().min(start + length);
            if let Some(token) = self.token_of(&text[start..end], spelling) {
                return Some((end, token));
            }
        }
        Some((start + 1, self.token_of(&text[start..=start], spelling)?))
    }

    fn token_of(&self, bytes: &[u8], spelling: Spelling) -> Option<u32> {
        let node = self.trie().find(bytes)?;
        let tokens = &self.trie().tokens()[self.trie().places_at(node)];
        match spelling {
            Spelling::Bytes => tokens.first().copied(),
            Spelling::Characters => tokens.last().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The textbook: look at every pair, merge the best, begin again.
    fn naive(vocabulary: &Vocabulary, text: &[u8]) -> Vec<u32> {
        let find =
            |bytes: &[u8]| (0..vocabulary.vocab_size() as u32).find(|&id| vocabulary.is_text(id) && vocabulary.token_bytes(id) == bytes);
        let mut pieces: Vec<Vec<u8>> = text.iter().map(|&b| vec![b]).collect();
        while let Some((_, i)) = (1..pieces.len()).filter_map(|i| Some((find(&pieces[i - 1..=i].concat())?, i))).min() {
            let right = pieces.remove(i);
            pieces[i - 1].extend(right);
        }
        pieces.iter().map(|piece| find(piece).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn the_same_as_the_textbook(
            tokens in prop::collection::vec(prop::collection::vec(prop::sample::select(b"aab".to_vec()), 2..6), 0..20),
            text in prop::collection::vec(prop::sample::select(b"aab".to_vec()), 0..40),
        ) {
            let mut all: Vec<Vec<u8>> = vec![b"</s>".to_vec(), b"a".to_vec(), b"b".to_vec()];
            all.extend(tokens);
            let vocabulary = Vocabulary::new(&all, all.len(), &[0], &[]).unwrap();
            let found = vocabulary.spell(&text, Spelling::Bytes).unwrap();
            prop_assert_eq!(&found, &naive(&vocabulary, &text));
            prop_assert_eq!(found.iter().flat_map(|&id| vocabulary.token_bytes(id)).copied().collect::<Vec<u8>>(), text);
        }
    }

    #[test]
    fn characters_come_before_bytes() {
        let tokens: [&[u8]; 7] = [b"</s>", b"a", b"\xC3", b"\xA9", b"a\xC3\xA9", b"\xC3\xA9", b"a"];
        let vocabulary = Vocabulary::new(&tokens, 7, &[0], &[]).unwrap();
        assert_eq!(vocabulary.spell("aé".as_bytes(), Spelling::Characters), Some(vec![4]));
        assert_eq!(vocabulary.spell(b"aa\xC3", Spelling::Characters), Some(vec![6, 6, 2]));
        assert_eq!(vocabulary.spell("éé".as_bytes(), Spelling::Bytes), Some(vec![5, 5]));
        assert_eq!(vocabulary.spell(b"ab", Spelling::Bytes), None);
        assert_eq!(vocabulary.spell(b"", Spelling::Bytes), Some(vec![]));
    }

    #[test]
    fn the_last_blank_belongs_to_what_follows() {
        let tokens: [&[u8]; 6] = [b"</s>", b" ", b"  ", b"    ", b"a", b" a"];
        let vocabulary = Vocabulary::new(&tokens, 6, &[0], &[]).unwrap();
        let spelled = |text: &[u8]| vocabulary.spell(text, Spelling::Bytes).unwrap();
        assert_eq!(spelled(b"a  "), [4, 2]);
        assert_eq!(spelled(b" a  a"), [5, 1, 5]);
        assert_eq!(spelled(b"     a"), [3, 5]);
    }
}
