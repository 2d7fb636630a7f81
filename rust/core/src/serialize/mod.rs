//! Grammars and tokenizers as bytes or as JSON, and back. Beside the pipeline: grammar, vocabulary -> **serialize** -> another process.
//!
//! Written is the recipe, and it is read as any grammar is: rules as canonical EBNF, in which schemas and their documents are calls, and of a
//! compiled grammar what its masks need of the tokenizer. Automata and masks are made again.
//!
//! Invariant: whatever is read, it ends in a typed error, or in a grammar or vocabulary made and checked as a new one is, within the limits given;
//! nothing is allocated that the text does not pay for; what was read is written as it was.
//! Must not know: files, or what compiling means.

mod bytes;
mod fields;
mod json;
mod record;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "testing"))]
pub use bytes::framed;
pub use record::TokenizerParts;

use crate::error::DeserializeError;
use crate::grammar::Grammar;
use crate::limits::Limits;
use crate::vocab::Vocabulary;
use fields::{Sink, Source};
use record::{Fingerprint, Recipe};

/// Changed whenever what is written changes. Only this version is read.
const FORMAT: u32 = 1;

/// The version of what is written: what JSON says in `__VERSION__`.
pub fn version() -> String {
    version_of(FORMAT)
}

fn version_of(format: u32) -> String {
    format!("maskwright-{format}")
}

/// What something is the text of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A grammar.
    Grammar = 1,
    /// A grammar, and which tokenizer it was compiled for.
    CompiledGrammar = 2,
    /// A tokenizer.
    Tokenizer = 3,
}

impl Kind {
    /// The name that JSON has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grammar => "Grammar",
            Self::CompiledGrammar => "CompiledGrammar",
            Self::Tokenizer => "TokenizerInfo",
        }
    }

    /// It is not that, since …
    fn refuse(self, message: impl Into<String>) -> DeserializeError {
        DeserializeError::Format { kind: self.name(), message: message.into() }
    }
}

/// What can be written.
#[derive(Clone, Copy)]
pub enum Object<'a> {
    /// A grammar.
    Grammar(&'a Grammar),
    /// A grammar, and what it was compiled for.
    CompiledGrammar(&'a Grammar, &'a Vocabulary),
    /// A tokenizer: its vocabulary, how tokens spelled bytes (a number that only the caller knows), and whether a space is put before a text.
    Tokenizer(&'a Vocabulary, u8, bool),
}

impl Object<'_> {
    fn kind(&self) -> Kind {
        match self {
            Self::Grammar(_) => Kind::Grammar,
            Self::CompiledGrammar(..) => Kind::CompiledGrammar,
            Self::Tokenizer(..) => Kind::Tokenizer,
        }
    }

    fn put(&self, sink: &mut dyn Sink) {
        match *self {
            Self::Grammar(grammar) => Recipe::of(grammar).put(sink),
            Self::CompiledGrammar(grammar, vocabulary) => {
                Recipe::of(grammar).put(sink);
                Fingerprint::of(vocabulary).put(sink);
            }
            Self::Tokenizer(vocabulary, vocab_type, add_prefix_space) => {
                record::put_tokenizer(sink, vocabulary, vocab_type, add_prefix_space);
            }
        }
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = bytes::Writer::default();
        self.put(&mut writer);
        writer.finish(self.kind())
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        let mut writer = json::Writer::new(self.kind());
        self.put(&mut writer);
        writer.finish()
    }
}

/// What can be read.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// JSON.
    Json(&'a str),
}

impl Data<'_> {
    fn take<T>(self, kind: Kind, take: impl FnOnce(&mut dyn Source) -> Result<T, DeserializeError>) -> Result<T, DeserializeError> {
        match self {
            Self::Bytes(bytes) => {
                let mut reader = bytes::Reader::open(bytes, kind)?;
                let value = take(&mut reader)?;
                reader.close()?;
                Ok(value)
            }
            Self::Json(text) => {
                let mut reader = json::Reader::open(text, kind)?;
                let value = take(&mut reader)?;
                reader.close()?;
                Ok(value)
            }
        }
    }

    /// Read a grammar.
    pub fn grammar(self, limits: &Limits) -> Result<Grammar, DeserializeError> {
        self.take(Kind::Grammar, |source| Recipe::take(source))?.grammar(limits)
    }

    /// Read what a compiled grammar was compiled from, if that was for this vocabulary.
    pub fn compiled_grammar(self, vocabulary: &Vocabulary, limits: &Limits) -> Result<Grammar, DeserializeError> {
        let take = |source: &mut dyn Source| Ok((Recipe::take(source)?, Fingerprint::take(source)?));
        let (recipe, fingerprint) = self.take(Kind::CompiledGrammar, take)?;
        fingerprint.check(vocabulary)?;
        recipe.grammar(limits)
    }

    /// Read a tokenizer.
    pub fn tokenizer(self) -> Result<TokenizerParts, DeserializeError> {
        self.take(Kind::Tokenizer, |source| record::take_tokenizer(source))
    }
}

/// These limits without those that a grammar may pass by being printed: what may be read of one who is trusted.
#[must_use]
pub fn trusting(limits: &Limits) -> Limits {
    Limits {
        max_text_bytes: usize::MAX,
        max_nesting: usize::MAX,
        max_rules: usize::MAX,
        max_expression_nodes: usize::MAX,
        ..limits.clone()
    }
}
