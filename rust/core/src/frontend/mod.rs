//! Text to grammars, one folder per language. Pipeline: text -> **frontend** -> grammar.
//!
//! Invariant: nothing below imports a front-end; a text either becomes a grammar with its exact language or a typed error.
//! Must not know: vocabularies, masks, matchers.

use std::sync::Arc;

use crate::error::CompileError;
use crate::limits::Limits;
use crate::provider::Embedded;

pub mod ebnf;
pub mod json_schema;
pub mod regex;

/// The value of an argument of a call in EBNF, such as the schema in `json_schema("…")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MacroValue {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
}

/// An argument of a call in EBNF: `"…"` or `name="…"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacroArgument {
    /// Its name, if it was given by name.
    pub name: Option<String>,
    /// Its value.
    pub value: MacroValue,
}

/// Makes the node that a call in EBNF stands for. Errors are reported at the call.
pub type EmbeddedParser = fn(&[MacroArgument], &Limits) -> Result<Arc<dyn Embedded>, CompileError>;

/// The calls of the EBNF dialect that make an embedded node; `regex(…)` and `bytes(…)`, which make plain expressions where they can, are
/// part of the dialect itself. The names of all are in `grammar::CALLS` as well.
pub const EMBEDDED: &[(&str, EmbeddedParser)] = &[("json_schema", json_schema::embedded)];
