//! Generators and oracles: random grammars, schemas, texts and vocabularies, and slow, obviously right answers to compare with.
//! Beside the pipeline; used by the tests and the fuzz targets only (feature `testing`).
//!
//! Invariant: an oracle shares no code with what it checks beyond the grammar IR and the public API.
//! Must not know: how states, masks or stacks are represented.

// Oracles are written to be read: one arm per case, conditions as the specification states them.
#![allow(
    clippy::match_same_arms,
    clippy::collapsible_if,
    clippy::nonminimal_bool,
    clippy::needless_for_each,
    clippy::manual_is_multiple_of,
    clippy::cast_possible_wrap,
    clippy::format_push_string,
    clippy::unused_self,
    clippy::type_complexity,
    clippy::doc_markdown
)]

pub mod decimal;
pub mod document;
pub mod drafts;
pub mod generate;
pub mod operations;
pub mod oracle;
#[allow(missing_docs)] // each is what its name says
pub mod properties;
pub mod recogniser;
pub mod schema;
pub mod source;
pub mod validate;
pub mod vocabulary;
pub mod walk;
