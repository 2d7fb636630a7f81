//! Tiny random vocabularies whose tokens cross every boundary.
//!
//! Invariant: a pure function of the source; every byte asked for has a token of its own.
//! Must not know: how a vocabulary is searched.

use crate::error::VocabError;
use crate::provider::ByteSet;
use crate::testing::source::Source;
use crate::vocab::Vocabulary;

/// The parts of a vocabulary, before it is built.
#[derive(Clone, Debug)]
pub struct TinyVocabulary {
    /// Bytes by id; empty: not text.
    pub tokens: Vec<Vec<u8>>,
    /// Ids there are; the ones past `tokens` are never allowed.
    pub vocab_size: usize,
    /// Ids that end the output.
    pub stop: Vec<u32>,
    /// Ids that are never text, stop tokens among them.
    pub special: Vec<u32>,
}

impl TinyVocabulary {
    /// One token for each given byte, then `tokens`, then one stop token.
    pub fn new(bytes: &ByteSet, tokens: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut all: Vec<Vec<u8>> = bytes.iter().map(|b| vec![b]).chain(tokens).collect();
        let stop = all.len() as u32;
        all.push(b"</s>".to_vec());
        Self { vocab_size: all.len(), tokens: all, stop: vec![stop], special: vec![stop] }
    }

    /// The vocabulary.
    pub fn build(&self) -> Result<Vocabulary, VocabError> {
        Vocabulary::new(&self.tokens, self.vocab_size, &self.stop, &self.special)
    }

    /// What a token adds to the text; `None`: it is none.
    pub fn text_of(&self, id: u32) -> Option<&[u8]> {
        let bytes = self.tokens.get(id as usize)?;
        (!bytes.is_empty() && !self.special.contains(&id) && !self.stop.contains(&id)).then_some(bytes)
    }
}

/// A random vocabulary that spells each of `bytes`. Its longer tokens are cut from `samples` and from one another: duplicates, prefixes of
/// each other, halves of characters, pieces across structure. Some ids are special with bytes that look like text, or no text at all.
pub fn vocabulary(source: &mut Source, bytes: &ByteSet, samples: &[Vec<u8>]) -> TinyVocabulary {
    let mut tokens: Vec<Vec<u8>> = bytes.iter().map(|b| vec![b]).collect();
    let singles = tokens.len().max(1);
    for _ in 0..source.below(40) {
        let piece = |source: &mut Source, from: &[u8]| {
            let at = source.below(from.len());
            let end = (at + 1 + source.below(8)).min(from.len());
            from[at..end].to_vec()
        };
        let token = match source.below(6) {
            0..=2 if !samples.is_empty() => {
                let from = source.pick(samples);
                piece(source, from)
            }
            3 if tokens.len() > singles => {
                let from = source.pick(&tokens).clone();
                piece(source, &from)
            }
            4 if !tokens.is_empty() => {
                let (mut a, b) = (source.pick(&tokens).clone(), source.pick(&tokens).clone());
                a.extend(b);
                a.truncate(12);
                a
            }
            5 => source
                .pick(&[&b"\":{\""[..], b"}}", b"\",\"", b"\": \"", b"\xA9a", b"a\xC3", b"\xFF", b"\\u00", b"]]", b"  ", b""])
                .to_vec(),
            _ if !tokens.is_empty() => {
                let letters: Vec<Vec<u8>> =
                    (0..=source.below(4)).map(|_| source.pick(&tokens[..singles.min(tokens.len())]).clone()).collect();
                letters.concat()
            }
            _ => Vec::new(),
        };
        tokens.push(token);
    }
    let mut stop = Vec::new();
    let mut special = Vec::new();
    for _ in 0..=source.below(2) {
        let id = source.below(tokens.len() + 1);
        tokens.insert(id, source.pick(&[&b"</s>"[..], b"", b"a"]).to_vec());
        for other in stop.iter_mut().chain(special.iter_mut()) {
            *other += u32::from(*other >= id as u32);
        }
        stop.push(id as u32);
        special.push(id as u32);
    }
    if source.chance(30) {
        special.push(tokens.len() as u32);
        tokens.push(source.pick(&[&b"a"[..], b"<|x|>", b"\""]).to_vec());
    }
    let vocab_size = tokens.len() + source.below(40);
    TinyVocabulary { tokens, vocab_size, stop, special }
}
