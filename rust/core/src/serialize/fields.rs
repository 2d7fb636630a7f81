//! What both formats can write and read: fields of a few types. Part of **serialize**.
//!
//! Invariant: a record puts and takes the same fields in the same order, so that one description serves both formats.
//! Must not know: which fields there are, or how either format spells them.

use crate::error::DeserializeError;
use crate::vocab::Vocabulary;

/// Where fields are written.
pub trait Sink {
    fn text(&mut self, name: &'static str, text: &str);
    fn number(&mut self, name: &'static str, number: u64);
    fn flag(&mut self, name: &'static str, flag: bool);
    fn hash(&mut self, name: &'static str, hash: u128);
    fn numbers(&mut self, name: &'static str, numbers: &[u32]);
    /// The bytes of every id.
    fn tokens(&mut self, name: &'static str, vocabulary: &Vocabulary);
}

/// Where fields are read from.
pub trait Source {
    fn text(&mut self, name: &'static str) -> Result<String, DeserializeError>;
    fn number(&mut self, name: &'static str) -> Result<u64, DeserializeError>;
    fn flag(&mut self, name: &'static str) -> Result<bool, DeserializeError>;
    fn hash(&mut self, name: &'static str) -> Result<u128, DeserializeError>;
    fn numbers(&mut self, name: &'static str) -> Result<Vec<u32>, DeserializeError>;
    fn tokens(&mut self, name: &'static str) -> Result<Tokens, DeserializeError>;
}

/// Tokens in one stretch of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Tokens {
    /// Add a token.
    pub fn push(&mut self, bytes: impl IntoIterator<Item = u8>) {
        self.bytes.extend(bytes);
        self.ends.push(self.bytes.len());
    }

    /// The bytes of each.
    pub fn slices(&self) -> Vec<&[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end]).collect()
    }

    /// The bytes of all.
    pub fn total_bytes(&self) -> usize {
        self.bytes.len()
    }
}
