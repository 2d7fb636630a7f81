//! A tokenizer's vocabulary as bytes. Pipeline: automaton + **vocab** -> mask.
//!
//! Invariant: the trie holds exactly the tokens that are text: not empty, not special, not a stop token, below `vocab_size`.
//! Must not know: grammars, or any tokenizer library.

mod beyond;
mod items;
mod lengths;
mod quotes;
mod shapes;
mod spell;
pub mod trie;

pub use beyond::{BeyondIndex, Partial, Runs};
pub use items::{InString, Inside, ItemIndex};
pub use lengths::LengthIndex;
pub use quotes::QuoteIndex;
pub use shapes::{BEYOND, Class, SEPARATOR, SPACE, Shape, ShapeIndex, ShapeSet, Shapes, TextShapes};
pub use spell::Spelling;

use std::any::Any;
use std::hash::Hasher;
use std::sync::{Arc, OnceLock};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::bitmask;
use crate::error::VocabError;
use crate::provider::ByteSet;
use trie::Trie;

/// The longest token taken, in bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// The tokens of a model: their bytes, and which of them end the output or are never text.
pub struct Vocabulary {
    bytes: Vec<u8>,
    /// Token `i` is `bytes[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    vocab_size: usize,
    stop: Vec<u32>,
    special: Vec<u32>,
    text: Vec<bool>,
    /// The text tokens as a mask.
    texts: Box<[u32]>,
    trie: Trie,
    single_bytes: ByteSet,
    identity: u128,
    longest: usize,
    quotes: QuoteIndex,
    lengths: LengthIndex,
    shapes: ShapeIndex,
    text_shapes: TextShapes,
    items: ItemIndex,
    learned: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Vocabulary {
    /// Build from the bytes of each token, in the order of ids; an empty token is not text. Ids from `tokens.len()` to `vocab_size`
    /// are padding and never allowed. `stop` end the output; `special` (and `stop`) are never text.
    pub fn new(tokens: &[impl AsRef<[u8]>], vocab_size: usize, stop: &[u32], special: &[u32]) -> Result<Self, VocabError> {
        if tokens.len() > vocab_size {
            return Err(VocabError::TooManyTokens { tokens: tokens.len(), vocab_size });
        }
        if stop.is_empty() {
            return Err(VocabError::NoStopToken);
        }
        if let Some(&id) = stop.iter().chain(special).find(|&&id| id as usize >= vocab_size) {
            return Err(VocabError::IdOutOfRange { id, vocab_size });
        }
        let mut text = vec![false; vocab_size];
        let mut bytes = Vec::with_capacity(tokens.iter().map(|t| t.as_ref().len()).sum());
        let mut starts = Vec::with_capacity(vocab_size + 1);
        let mut longest = 0;
        for (id, token) in tokens.iter().enumerate() {
            let token = token.as_ref();
            if token.len() > MAX_TOKEN_BYTES {
                return Err(VocabError::TokenTooLong { id: id as u32, length: token.len(), bound: MAX_TOKEN_BYTES });
            }
            starts.push(bytes.len() as u32);
            bytes.extend_from_slice(token);
            text[id] = !token.is_empty();
        }
        starts.resize(vocab_size + 1, bytes.len() as u32);
        for &id in stop.iter().chain(special) {
            text[id as usize] = false;
        }
        let mut single_bytes = ByteSet::default();
        let mut hasher = SipHasher13::new_with_keys(0x6d61_736b_7772_6967, 0x766f_6361_6275_6c61);
        // Written out, so that it is the same on every machine.
        hasher.write(&(vocab_size as u64).to_le_bytes());
        for (id, &is_text) in text.iter().enumerate() {
            let token = &bytes[starts[id] as usize..starts[id + 1] as usize];
            hasher.write(&if is_text { token.len() as u32 } else { u32::MAX }.to_le_bytes());
            if is_text {
                hasher.write(token);
                longest = longest.max(token.len());
                if let [one] = token {
                    single_bytes.insert(*one);
                }
            }
        }
        let hash = hasher.finish128();
        let slice = |id: u32| &bytes[starts[id as usize] as usize..starts[id as usize + 1] as usize];
        let ids = (0..vocab_size as u32).filter(|&id| text[id as usize]);
        let mut texts = vec![0; vocab_size.div_ceil(32)].into_boxed_slice();
        ids.clone().for_each(|id| bitmask::set(&mut texts, id));
        let trie = Trie::build(ids.clone().map(|id| (id, slice(id))).collect());
        let lengths = LengthIndex::new(ids.clone().map(|id| (id, slice(id))), texts.len());
        let (text_shapes, shapes) = shapes::index(ids.clone().map(|id| (id, slice(id))), texts.len(), &trie);
        let quotes = QuoteIndex::new(ids.map(|id| (id, slice(id))));
        // One look through all bytes, and none at most tokens.
        let token_at = |place: usize| starts.partition_point(|&start| start as usize <= place) - 1;
        let mut marked: Vec<u32> =
            memchr::memchr2_iter(b',', b'\\', &bytes).map(token_at).filter(|&id| text[id]).map(|id| id as u32).collect();
        marked.dedup();
        let items =
            ItemIndex::new(marked.into_iter().map(|id| (id, slice(id))), items::indented(&trie).into_iter().map(|id| (id, slice(id))));
        let sorted = |ids: &[u32]| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let (stop, special) = (sorted(stop), sorted(special));
        Ok(Self {
            vocab_size,
            stop,
            special,
            text,
            texts,
            trie,
            single_bytes,
            identity: u128::from(hash.h1) << 64 | u128::from(hash.h2),
            longest,
            quotes,
            lengths,
            shapes,
            text_shapes,
            items,
            learned: OnceLock::new(),
            bytes,
            starts,
        })
    }

    /// How many ids there are: the width of a mask in bits.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Words of 32 bits in a mask.
    pub fn words(&self) -> usize {
        self.vocab_size.div_ceil(32)
    }

    /// The ids that end the output, ascending.
    pub fn stop_token_ids(&self) -> &[u32] {
        &self.stop
    }

    /// The ids that are never text besides the stop tokens, ascending.
    pub fn special_token_ids(&self) -> &[u32] {
        &self.special
    }

    /// The bytes of a token as given; empty beyond the vocabulary.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        match self.starts.get(id as usize..id as usize + 2) {
            Some(&[start, end]) => &self.bytes[start as usize..end as usize],
            _ => &[],
        }
    }

    /// Is the token text (neither empty nor special nor a stop token)?
    pub fn is_text(&self, id: u32) -> bool {
        self.text.get(id as usize).copied().unwrap_or(false)
    }

    /// All text tokens, as a mask.
    pub fn texts(&self) -> &[u32] {
        &self.texts
    }

    /// The bytes that some token spells alone.
    pub fn single_bytes(&self) -> &ByteSet {
        &self.single_bytes
    }

    /// All text tokens by their bytes.
    pub fn trie(&self) -> &Trie {
        &self.trie
    }

    /// The tokens with quotation marks.
    pub fn quotes(&self) -> &QuoteIndex {
        &self.quotes
    }

    /// The tokens by how many characters they are.
    pub fn lengths(&self) -> &LengthIndex {
        &self.lengths
    }

    /// The tokens of strings of JSON by their shapes.
    pub fn shapes(&self) -> &ShapeIndex {
        &self.shapes
    }

    /// All text tokens by their shapes.
    pub fn text_shapes(&self) -> &TextShapes {
        &self.text_shapes
    }

    /// The tokens that may begin an item of an array.
    pub fn items(&self) -> &ItemIndex {
        &self.items
    }

    /// Bytes of the longest text token.
    pub fn longest_token(&self) -> usize {
        self.longest
    }

    /// A keyed hash of ids and bytes of all text tokens.
    pub fn identity(&self) -> u128 {
        self.identity
    }

    /// A place for what a later step learns of the vocabulary whatever the grammar; made once, and shared by all who hold the vocabulary.
    pub fn learned<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> Option<Arc<T>> {
        Arc::clone(self.learned.get_or_init(|| Arc::new(make()))).downcast().ok()
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        let indexes = self.lengths.memory_bytes() + self.shapes.memory_bytes() + self.text_shapes.memory_bytes();
        self.bytes.len() + self.starts.len() * 5 + self.trie.memory_bytes() + indexes
    }
}
