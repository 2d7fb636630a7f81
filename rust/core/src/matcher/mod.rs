//! One text against one grammar, token by token. Pipeline: mask -> **matcher** -> bitmask.
//!
//! Invariant: bit `i` of a filled mask is set exactly when a fork accepts token `i`; a refused call leaves the state unchanged; rollback is
//! replay. Must not know: how masks are learned, how states are made.

#[cfg(test)]
mod classes_tests;
mod compiled;
mod crossing;
mod drafts;
mod fill;
mod forced;
mod history;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod models_tests;
mod precompute;
mod repeats;
mod rests;
#[cfg(test)]
mod saved_tests;
mod shelf;
mod suspects;
#[cfg(test)]
mod tests;
mod text;
mod unique;
mod watch;

pub use compiled::{CompiledGrammar, Statistics};
pub use drafts::{DraftError, DraftTree};
pub use precompute::Precompute;
pub use shelf::{Shelf, ShelfStatistics};

use std::sync::Arc;

use thiserror::Error;

use crate::error::EngineError;
use crate::mask::statistics::Tally;
use crate::stack::Configuration;
use history::History;
use unique::viable;

/// Why a matcher could not be made or moved.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MatcherError {
    /// `override_stop_tokens` is empty.
    #[error("override_stop_tokens is empty: give at least one token id, or None for those of the tokenizer")]
    NoStopToken,
    /// A stop token outside the vocabulary.
    #[error("stop token {id} is outside the vocabulary of {vocab_size} ids")]
    StopTokenOutOfRange {
        /// The id.
        id: u32,
        /// Ids there are.
        vocab_size: usize,
    },
    /// More steps than are remembered.
    #[error("cannot roll back {steps} steps: only {remembered} are remembered")]
    TooFarBack {
        /// Asked for.
        steps: usize,
        /// Possible.
        remembered: usize,
    },
}

/// How a matcher ends and how far it remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatcherOptions {
    /// Ids that end the output, instead of the vocabulary's.
    pub override_stop_tokens: Option<Vec<u32>>,
    /// Count as terminated as soon as the text is complete, without a stop token.
    pub terminate_without_stop_token: bool,
    /// Remember at most so many steps; `None`: all.
    pub max_rollback_tokens: Option<usize>,
}

/// The state of one text. Cheap to fork; not shared between threads while it is used.
pub struct Matcher {
    compiled: Arc<CompiledGrammar>,
    stop: Arc<[u32]>,
    options: MatcherOptions,
    history: History,
    tally: Tally,
}

impl Drop for Matcher {
    fn drop(&mut self) {
        self.tally.tell(self.compiled.store().counters());
    }
}

impl Clone for Matcher {
    fn clone(&self) -> Self {
        self.fork()
    }
}

impl Matcher {
    /// At the beginning of a text.
    pub fn new(compiled: Arc<CompiledGrammar>, options: MatcherOptions) -> Result<Self, MatcherError> {
        let vocabulary = compiled.vocabulary();
        let vocab_size = vocabulary.vocab_size();
        let mut stop = options.override_stop_tokens.clone().unwrap_or_else(|| vocabulary.stop_token_ids().to_vec());
        stop.sort_unstable();
        stop.dedup();
        if stop.is_empty() {
            return Err(MatcherError::NoStopToken);
        }
        if let Some(&id) = stop.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(MatcherError::StopTokenOutOfRange { id, vocab_size });
        }
        let history = History::new(compiled.start().clone());
        Ok(Self { compiled, stop: stop.into(), options, history, tally: Tally::default() })
    }

    /// The grammar.
    pub fn compiled(&self) -> &Arc<CompiledGrammar> {
        &self.compiled
    }

    /// The ids that end the output, ascending.
    pub fn stop_token_ids(&self) -> &[u32] {
        &self.stop
    }

    /// How far it remembers, and how it ends.
    pub fn options(&self) -> &MatcherOptions {
        &self.options
    }

    /// Steps that can be rolled back.
    pub fn steps(&self) -> usize {
        // The history forgets in bulk, so it may still hold more than was asked for.
        self.options.max_rollback_tokens.map_or(self.history.steps(), |bound| bound.min(self.history.steps()))
    }

    /// Bytes of what it remembers to roll back to, what its forks share included; the frames that are open, or were, are not counted.
    pub fn history_bytes(&self) -> usize {
        self.history.memory_bytes()
    }

    /// May the text end here?
    pub fn is_completed(&self) -> bool {
        !self.configuration().returned.is_empty()
    }

    /// Has a stop token been accepted (or, with `terminate_without_stop_token`, is the text complete)?
    pub fn is_terminated(&self) -> bool {
        self.history.stopped() || self.options.terminate_without_stop_token && self.is_completed()
    }

    pub(crate) fn configuration(&self) -> &Configuration {
        self.history.configuration()
    }

    /// Go on with a token. False if it is refused; then nothing has changed. After a stop token, stop tokens are accepted and change nothing (each
    /// is a step that can be rolled back), others are refused.
    pub fn accept_token(&mut self, id: u32) -> Result<bool, EngineError> {
        if self.stop.binary_search(&id).is_ok() {
            if !self.history.stopped() && !self.is_completed() {
                return Ok(false);
            }
            self.history.stop(self.options.max_rollback_tokens);
            return Ok(true);
        }
        if self.history.stopped() || !self.compiled.vocabulary().is_text(id) {
            return Ok(false);
        }
        let compiled = Arc::clone(&self.compiled);
        self.advance(compiled.vocabulary().token_bytes(id))
    }

    /// Go on with a text, as one step. False if it is refused; then nothing has changed.
    pub fn accept_bytes(&mut self, bytes: &[u8]) -> Result<bool, EngineError> {
        if self.history.stopped() {
            if bytes.is_empty() {
                // Like a stop token it changes nothing and is a step.
                self.history.stop(self.options.max_rollback_tokens);
            }
            return Ok(bytes.is_empty());
        }
        self.advance(bytes)
    }

    fn advance(&mut self, bytes: &[u8]) -> Result<bool, EngineError> {
        let mut configuration = self.configuration().clone();
        let arena = self.compiled.arena();
        if !configuration.step_all(arena, bytes)? || !viable(arena, &configuration)? {
            return Ok(false);
        }
        self.history.push(configuration, self.options.max_rollback_tokens);
        Ok(true)
    }

    /// How many of the bytes could be read from here; the state is unchanged.
    pub fn matched_prefix(&self, bytes: &[u8]) -> Result<usize, EngineError> {
        let mut configuration = self.configuration().clone();
        for (i, &byte) in bytes.iter().enumerate() {
            configuration.step(self.compiled.arena(), byte)?;
            if !viable(self.compiled.arena(), &configuration)? {
                return Ok(i);
            }
        }
        Ok(bytes.len())
    }

    /// Take back the last `steps` accepted tokens or texts.
    pub fn rollback(&mut self, steps: usize) -> Result<(), MatcherError> {
        let remembered = self.steps();
        if steps > remembered {
            return Err(MatcherError::TooFarBack { steps, remembered });
        }
        self.history.back(steps);
        Ok(())
    }

    /// Back to the beginning; nothing is remembered.
    pub fn reset(&mut self) {
        self.history = History::new(self.compiled.start().clone());
    }

    /// An independent copy; costs the same however long the text is.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            compiled: Arc::clone(&self.compiled),
            stop: Arc::clone(&self.stop),
            options: self.options.clone(),
            history: self.history.clone(),
            tally: Tally::default(),
        }
    }
}
