//! What a compiled grammar says of how it enforces what it embeds. From the front-ends, beside the flow, to whoever asks.
//!
//! Invariant: nothing is enforced less strictly than reported.
//! Must not know: what any keyword means.

use std::fmt;

/// How strictly a keyword is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Enforcement {
    /// What is accepted is just what the keyword allows.
    Exact,
    /// What is accepted is allowed, but not all that is allowed can be written.
    Narrowed,
    /// It says nothing about which values are valid.
    Annotation,
}

impl Enforcement {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Narrowed => "narrowed",
            Self::Annotation => "annotation",
        }
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One keyword of an embedded schema.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeywordReport {
    /// Which of the grammar's schemas it stands in, from 0 in the order of its text.
    pub schema: usize,
    /// Its JSON pointer.
    pub pointer: String,
    /// The keyword; in parentheses what is no keyword: an option, or the search for completions.
    pub keyword: String,
    /// How it is enforced.
    pub status: Enforcement,
    /// What is lost, or why it is an annotation; empty if there is nothing to say.
    pub detail: String,
}

/// Parts of an embedded schema where a search for a completion was given up, so that what lies there is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// The identity of the embedded schema.
    pub source: u128,
    /// JSON pointers of the parts.
    pub pointers: Vec<String>,
}
