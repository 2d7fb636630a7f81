//! Every way a request can fail. Used by every step; each variant says when it happens and carries its data.

use thiserror::Error;

/// A place in a text: byte offset, and line and column counted from one (columns in characters).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Bytes before the place.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The position of byte `offset` of `text` (clamped to a character boundary at or before it).
    pub fn of(text: &str, offset: usize) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        Self { offset, line: before.matches('\n').count() + 1, column: before[start..].chars().count() + 1 }
    }

    /// The line of `text` at this position with a caret under the column; long lines are cut around it.
    pub fn excerpt(&self, text: &str) -> String {
        let line = text.split('\n').nth(self.line - 1).unwrap_or("");
        let skip = self.column.saturating_sub(60);
        let shown: String = line.chars().skip(skip).take(100).map(|c| if c == '\t' { ' ' } else { c }).collect();
        format!("{shown}\n{}^", " ".repeat(self.column - 1 - skip))
    }
}

/// Why a grammar text was refused. Happens while compiling, before any mask is computed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CompileError {
    /// The EBNF text is malformed.
    #[error("EBNF error at line {}, column {}: {message}\n{excerpt}", .position.line, .position.column)]
    Ebnf {
        /// Where.
        position: Position,
        /// What is wrong, and what to do.
        message: String,
        /// The line with a caret.
        excerpt: String,
    },
    /// The regular expression is malformed, or needs a feature that no automaton has (a backreference).
    #[error("regular expression error at character {}: {message}\n{excerpt}", .position.column)]
    Regex {
        /// Where in the pattern.
        position: Position,
        /// What is wrong, and what to do.
        message: String,
        /// The pattern with a caret.
        excerpt: String,
    },
    /// The schema is not JSON.
    #[error("the schema is not valid JSON: line {}, column {}: {message}", .position.line, .position.column)]
    Json {
        /// Where.
        position: Position,
        /// What is wrong.
        message: String,
    },
    /// A keyword of a JSON Schema has a malformed value, or cannot be enforced.
    #[error("JSON Schema error at {}: {message}", if .pointer.is_empty() { "the root" } else { .pointer.as_str() })]
    Schema {
        /// JSON pointer of the keyword.
        pointer: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The schema can accept no value at all.
    #[error("no JSON value can satisfy the schema: {message}")]
    UnsatisfiableSchema {
        /// JSON pointer of the part that cannot be satisfied.
        pointer: String,
        /// In words.
        message: String,
        /// JSON pointers of keywords that no value satisfies together, each needed for that; empty where they are too many to find out.
        conflicts: Vec<String>,
    },
    /// A rule of the grammar is missing, repeated, or can never end.
    #[error("grammar error in rule `{rule}`: {message}")]
    Grammar {
        /// The rule.
        rule: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The vocabulary cannot spell a byte that the grammar needs.
    #[error("the tokenizer has no token for the single byte 0x{byte:02X}, which this grammar may need: output could get stuck")]
    UnspellableByte {
        /// The byte.
        byte: u8,
    },
    /// A bound was passed, or the work was stopped.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Why a step of the engine failed. It fails the request; it never turns into a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    /// A bound of [`crate::limits::Limits`] was passed.
    #[error("the grammar needs more than the limit `{name}` allows ({bound}); raise it in Limits(...) if you trust the grammar")]
    Limit {
        /// The field of `Limits`.
        name: &'static str,
        /// Its value.
        bound: usize,
    },
    /// The work was stopped from outside.
    #[error("interrupted")]
    Interrupted,
    /// The deadline passed.
    #[error("timed out")]
    TimedOut,
    /// A schema part without a decidable end; names the reason.
    #[error("internal error: {0}; please report it with the grammar")]
    Internal(&'static str),
}

/// Why a vocabulary was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VocabError {
    /// More tokens than `vocab_size` ids.
    #[error("the vocabulary has {tokens} tokens, more than vocab_size = {vocab_size}")]
    TooManyTokens {
        /// Tokens given.
        tokens: usize,
        /// Ids there are.
        vocab_size: usize,
    },
    /// A stop or special token id outside the vocabulary.
    #[error("token id {id} is outside the vocabulary of {vocab_size} ids")]
    IdOutOfRange {
        /// The id.
        id: u32,
        /// Ids there are.
        vocab_size: usize,
    },
    /// No stop token: no output could ever end.
    #[error("no stop token: pass stop_token_ids, the ids that end the model's output")]
    NoStopToken,
    /// A token longer than the trie takes.
    #[error("token {id} has {length} bytes, more than the {bound} supported")]
    TokenTooLong {
        /// The id.
        id: u32,
        /// Its bytes.
        length: usize,
        /// The bound.
        bound: usize,
    },
}

/// Why saved masks were not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CacheError {
    /// It does not begin as such a file does.
    #[error("this is no file of saved masks")]
    NotACache,
    /// Written by another version of this library.
    #[error("the masks were saved by version {found:?} of the library; this is {expected:?}")]
    OtherVersion {
        /// Its version.
        found: String,
        /// This one.
        expected: String,
    },
    /// Written for another tokenizer.
    #[error("the masks were saved for another tokenizer")]
    OtherVocabulary,
    /// Cut off or changed.
    #[error("the file of saved masks is damaged in its {section}")]
    Damaged {
        /// Which part of it.
        section: &'static str,
    },
}

/// Why a serialised grammar or tokenizer was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeserializeError {
    /// The text is not JSON.
    #[error("this is not JSON: line {}, column {}: {message}", .position.line, .position.column)]
    NotJson {
        /// Where.
        position: Position,
        /// What is wrong.
        message: String,
    },
    /// It is something else, cut off, damaged, or has a field that is missing, malformed or unknown.
    #[error("this is no serialised {kind}: {message}")]
    Format {
        /// What it should be.
        kind: &'static str,
        /// What is wrong.
        message: String,
    },
    /// Written in another version of the format.
    #[error("this was serialised {}; this library reads {expected:?}", match .found {
        Some(found) => format!("in version {found:?} of the format"),
        None => "without a version of the format".to_owned(),
    })]
    OtherVersion {
        /// Its version, if it says one.
        found: Option<String>,
        /// This one.
        expected: String,
    },
    /// Compiled for another tokenizer.
    #[error("the grammar was compiled for another tokenizer: {}", .differences.join("; "))]
    OtherTokenizer {
        /// What is different, each in words.
        differences: Vec<String>,
    },
    /// The grammar in it is refused.
    #[error("the grammar in it is refused: {0}")]
    Grammar(CompileError),
    /// The tokenizer in it is refused.
    #[error("the tokenizer in it is refused: {0}")]
    Vocabulary(VocabError),
}
