//! What is written of a grammar, a compiled grammar, a tokenizer. Part of **serialize**.
//!
//! Invariant: what is taken passes the front-end, or the vocabulary's constructor, like anything new; text that was read is put as it was.
//! Must not know: how fields are spelled.

use super::fields::{Sink, Source};
use super::{Kind, trusting};
use crate::error::DeserializeError;
use crate::frontend::ebnf;
use crate::grammar::Grammar;
use crate::limits::Limits;
use crate::vocab::Vocabulary;

/// A grammar as text.
pub struct Recipe {
    ebnf: String,
    root: String,
}

impl Recipe {
    pub fn of(grammar: &Grammar) -> Self {
        let root = grammar.rules().get(grammar.root().index()).map_or_else(String::new, |rule| rule.name.clone());
        let ebnf = grammar.to_string();
        if grammar.rules().iter().all(|rule| rule.body.height() <= ebnf::LIFT_HEIGHT) {
            return Self { ebnf, root };
        }
        // Reading makes rules of what is nested deeper. Written is what reading makes, so that it is the same when it is written again.
        let again = ebnf::parse(&ebnf, &root, &trusting(&Limits::default()));
        Self { ebnf: again.map_or(ebnf, |grammar| grammar.to_string()), root }
    }

    pub fn put(&self, sink: &mut dyn Sink) {
        sink.text("ebnf", &self.ebnf);
        sink.text("root_rule_name", &self.root);
    }

    pub fn take(source: &mut dyn Source) -> Result<Self, DeserializeError> {
        Ok(Self { ebnf: source.text("ebnf")?, root: source.text("root_rule_name")? })
    }

    pub fn grammar(&self, limits: &Limits) -> Result<Grammar, DeserializeError> {
        ebnf::parse(&self.ebnf, &self.root, limits).map_err(DeserializeError::Grammar)
    }
}

/// What masks depend on, and enough beside it to say what is different.
pub struct Fingerprint {
    vocab_size: u64,
    stop: Vec<u32>,
    text_tokens: u64,
    identity: u128,
}

impl Fingerprint {
    pub fn of(vocabulary: &Vocabulary) -> Self {
        Self {
            vocab_size: vocabulary.vocab_size() as u64,
            stop: vocabulary.stop_token_ids().to_vec(),
            text_tokens: vocabulary.texts().iter().map(|word| u64::from(word.count_ones())).sum(),
            identity: vocabulary.identity(),
        }
    }

    pub fn put(&self, sink: &mut dyn Sink) {
        sink.number("vocab_size", self.vocab_size);
        sink.numbers("stop_token_ids", &self.stop);
        sink.number("text_tokens", self.text_tokens);
        sink.hash("vocabulary", self.identity);
    }

    pub fn take(source: &mut dyn Source) -> Result<Self, DeserializeError> {
        Ok(Self {
            vocab_size: source.number("vocab_size")?,
            stop: source.numbers("stop_token_ids")?,
            text_tokens: source.number("text_tokens")?,
            identity: source.hash("vocabulary")?,
        })
    }

    /// Is it the vocabulary's?
    pub fn check(&self, vocabulary: &Vocabulary) -> Result<(), DeserializeError> {
        let here = Self::of(vocabulary);
        let mut differences = Vec::new();
        if self.vocab_size != here.vocab_size {
            differences.push(format!("vocab_size is {}, here {}", self.vocab_size, here.vocab_size));
        }
        if self.stop != here.stop {
            differences.push(format!("stop_token_ids are {}, here {}", some(&self.stop), some(&here.stop)));
        }
        if self.text_tokens != here.text_tokens {
            differences.push(format!("{} tokens are text, here {}", self.text_tokens, here.text_tokens));
        }
        if self.identity != here.identity && differences.is_empty() {
            differences.push("which tokens are text, or their bytes, differ".to_owned());
        }
        if differences.is_empty() { Ok(()) } else { Err(DeserializeError::OtherTokenizer { differences }) }
    }
}

/// A few ids, for a message.
fn some(ids: &[u32]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = ids.iter().take(SHOWN).map(u32::to_string).collect();
    format!("[{}{}]", shown.join(", "), if ids.len() > SHOWN { ", …" } else { "" })
}

/// A tokenizer that was read.
pub struct TokenizerParts {
    /// The tokens.
    pub vocabulary: Vocabulary,
    /// As it was written; what it means is the caller's to say.
    pub vocab_type: u64,
    /// As it was written.
    pub add_prefix_space: bool,
}

pub fn put_tokenizer(sink: &mut dyn Sink, vocabulary: &Vocabulary, vocab_type: u8, add_prefix_space: bool) {
    sink.number("vocab_type", u64::from(vocab_type));
    sink.flag("add_prefix_space", add_prefix_space);
    sink.numbers("stop_token_ids", vocabulary.stop_token_ids());
    sink.numbers("special_token_ids", vocabulary.special_token_ids());
    sink.tokens("decoded_vocab", vocabulary);
}

pub fn take_tokenizer(source: &mut dyn Source) -> Result<TokenizerParts, DeserializeError> {
    let (vocab_type, add_prefix_space) = (source.number("vocab_type")?, source.flag("add_prefix_space")?);
    let (stop, special) = (source.numbers("stop_token_ids")?, source.numbers("special_token_ids")?);
    let tokens = source.tokens("decoded_vocab")?;
    // Places of tokens are of 32 bits.
    if u32::try_from(tokens.total_bytes()).is_err() {
        return Err(Kind::Tokenizer.refuse("the tokens have more than 4 GiB"));
    }
    // Every id is there, padding too: the text pays for what a large vocabulary takes.
    let slices = tokens.slices();
    let vocabulary = Vocabulary::new(&slices, slices.len(), &stop, &special).map_err(DeserializeError::Vocabulary)?;
    Ok(TokenizerParts { vocabulary, vocab_type, add_prefix_space })
}
