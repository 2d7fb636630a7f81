//! The formats of JSON Schema, one table. Pipeline: json -> keywords + **formats** -> obligation.
//!
//! Invariant: every string that a format's automaton accepts is valid by the standard that the row names; what valid strings it
//! cannot write is said in the row.
//! Must not know: JSON escapes, masks, what a schema combines a format with.

mod addresses;
mod dates;
mod hosts;
mod idn;
mod idn_characters;
mod machine;
mod mail;
mod others;
mod pointers;
mod regex;
#[cfg(test)]
mod tests;
mod uris;
#[cfg(test)]
mod uris_tests;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use crate::characters::Kinds;
use crate::error::EngineError;
use crate::frontend::regex::PatternAutomaton;
use crate::identity::Identity;
use crate::limits::Limits;
use crate::provider::{CodepointAutomaton, CodepointEdge, Reach};

/// One row of the table of formats.
pub struct Format {
    /// The value of `format`.
    pub name: &'static str,
    /// What defines it.
    pub standard: &'static str,
    /// What a string must be.
    pub meaning: &'static str,
    /// Which valid strings cannot be written; `None`: all can.
    pub narrowed: Option<&'static str>,
    build: Build,
    automaton: OnceLock<Arc<dyn CodepointAutomaton>>,
    build_widest: Option<Build>,
    widest: OnceLock<Arc<dyn CodepointAutomaton>>,
    always_ends: bool,
    lengths: Option<(u64, Option<u64>)>,
}

type Build = fn() -> Result<Arc<dyn CodepointAutomaton>, EngineError>;

impl Format {
    const fn exact(name: &'static str, standard: &'static str, meaning: &'static str, build: Build) -> Self {
        Self {
            name,
            standard,
            meaning,
            narrowed: None,
            build,
            automaton: OnceLock::new(),
            build_widest: None,
            widest: OnceLock::new(),
            always_ends: false,
            lengths: None,
        }
    }

    /// How many characters the strings have, at least and at most, where the automaton does not say it.
    const fn of_lengths(mut self, least: u64, most: Option<u64>) -> Self {
        self.lengths = Some((least, most));
        self
    }

    /// From every state of the automaton some text is accepted.
    const fn without_traps(mut self) -> Self {
        self.always_ends = true;
        self
    }

    /// What is left out, and a language that has all valid strings, also under a liberal reading of the standard.
    const fn but_not(mut self, narrowed: &'static str, widest: Build) -> Self {
        self.narrowed = Some(narrowed);
        self.build_widest = Some(widest);
        self
    }

    /// Exact by the letter of the standard, which is read more liberally, too: a language that has all strings that anybody takes as valid.
    const fn or_liberally(mut self, widest: Build) -> Self {
        self.build_widest = Some(widest);
        self
    }

    /// The language, made when first asked for and shared by all schemas.
    pub(crate) fn automaton(&self) -> Result<Arc<dyn CodepointAutomaton>, EngineError> {
        if let Some(known) = self.automaton.get() {
            return Ok(known.clone());
        }
        let made = Arc::new(Shared { automaton: (self.build)()?, always_ends: self.always_ends, lengths: self.lengths, settles: false });
        Ok(self.automaton.get_or_init(|| made).clone())
    }

    /// Are there strings that are, or may be, valid and yet not in the language?
    pub(super) fn is_narrower(&self) -> bool {
        self.build_widest.is_some()
    }

    /// A language outside of which no string is valid.
    pub(super) fn widest(&self) -> Result<Arc<dyn CodepointAutomaton>, EngineError> {
        let Some(build) = self.build_widest else { return self.automaton() };
        if let Some(known) = self.widest.get() {
            return Ok(known.clone());
        }
        let made = Arc::new(Shared { automaton: build()?, always_ends: false, lengths: None, settles: true });
        Ok(self.widest.get_or_init(|| made).clone())
    }
}

/// An automaton of which there is but one in a process: the numbers of its states mean the same everywhere.
struct Shared {
    automaton: Arc<dyn CodepointAutomaton>,
    always_ends: bool,
    lengths: Option<(u64, Option<u64>)>,
    /// A format refuses something wherever one is; what anybody takes as valid may be anything.
    settles: bool,
}

impl CodepointAutomaton for Shared {
    fn start(&self) -> Result<Option<u32>, EngineError> {
        self.automaton.start()
    }

    fn accepts(&self, state: u32) -> Result<bool, EngineError> {
        self.automaton.accepts(state)
    }

    fn edges(&self, state: u32) -> Result<Arc<[CodepointEdge]>, EngineError> {
        self.automaton.edges(state)
    }

    fn after(&self, state: u32, c: u32) -> Result<Option<u32>, EngineError> {
        self.automaton.after(state, c)
    }

    fn identity(&self) -> u128 {
        Identity::new("format").u128(self.automaton.identity()).finish()
    }

    fn state_identity(&self, state: u32) -> Option<u128> {
        // States are numbered as this process visits them.
        Some(Identity::new("format state").u64(process_number()).u128(self.automaton.identity()).u32(state).finish())
    }

    fn plainly_accepts(&self) -> bool {
        true
    }

    fn always_ends(&self) -> bool {
        self.always_ends || self.automaton.always_ends()
    }

    fn settles(&self) -> bool {
        self.settles
    }

    fn ends_within(&self, state: u32) -> Option<u64> {
        self.automaton.ends_within(state)
    }

    fn always_ends_within(&self) -> Option<u64> {
        self.automaton.always_ends_within()
    }

    fn stays_within(&self, state: u32) -> Option<u64> {
        self.automaton.stays_within(state)
    }

    fn stays_alive_over(&self, state: u32) -> Kinds {
        self.automaton.stays_alive_over(state)
    }

    fn goes_on_until(&self) -> u64 {
        self.automaton.goes_on_until()
    }

    fn loosened(&self, state: u32) -> Option<(u32, Reach)> {
        self.automaton.loosened(state)
    }

    fn is_loose(&self, state: u32) -> bool {
        self.automaton.is_loose(state)
    }

    fn ends_exactly_within(&self) -> bool {
        self.automaton.ends_exactly_within()
    }

    fn lengths(&self) -> (u64, Option<u64>) {
        self.lengths.unwrap_or_else(|| self.automaton.lengths())
    }

    fn is_trie(&self) -> bool {
        self.automaton.is_trie()
    }
}

/// A random number of this process; a fork has its own.
fn process_number() -> u64 {
    static NUMBER: Mutex<(u32, u64)> = Mutex::new((0, 0));
    let mut held = NUMBER.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if held.0 != process {
        *held = (process, RandomState::new().hash_one((process, Instant::now())));
    }
    held.1
}

/// Every format of the specification, family by family.
static FORMATS: &[&[Format]] =
    &[&dates::ROWS, &mail::ROWS, &hosts::ROWS, &idn::ROWS, &addresses::ROWS, &uris::ROWS, &pointers::ROWS, &regex::ROWS, &others::ROWS];

/// The values of `contentEncoding` that are enforced.
static ENCODINGS: &[Format] = &others::ENCODINGS;

/// The rows of all formats.
pub fn formats() -> impl Iterator<Item = &'static Format> {
    FORMATS.iter().copied().flatten()
}

/// The rows of all encodings of content that are enforced.
pub fn encodings() -> impl Iterator<Item = &'static Format> {
    ENCODINGS.iter()
}

/// The row of a format; others are annotations.
pub(super) fn format(name: &str) -> Option<&'static Format> {
    formats().find(|row| row.name == name)
}

/// The row of a content encoding; others are annotations.
pub(super) fn encoding(name: &str) -> Option<&'static Format> {
    encodings().find(|row| row.name == name)
}

/// The strings that a pattern of ours matches as a whole.
fn pattern(text: &str) -> Result<Arc<dyn CodepointAutomaton>, EngineError> {
    let automaton = PatternAutomaton::whole(text, &Limits::default());
    automaton.map(|a| Arc::new(a) as Arc<dyn CodepointAutomaton>).map_err(|_| EngineError::Internal("a format with a malformed pattern"))
}
