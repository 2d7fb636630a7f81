//! Schemas in a random layout over a vocabulary of pieces: a walk on which each mask is compared with forks. Used by **keys** and **counts**.
//!
//! Invariant: a pure function of the source and what is given; an `Err` tells a person what went wrong, with the schema.
//! Must not know: what the schemas are about.

use serde_json::Value;

use crate::error::CompileError;
use crate::frontend::json_schema::{self, Options};
use crate::limits::Limits;
use crate::provider::ByteSet;
use crate::testing::document::Document;
use crate::testing::oracle;
use crate::testing::source::Source;
use crate::testing::validate::is_valid;
use crate::testing::vocabulary::TinyVocabulary;

/// Walk so many tokens; mostly pieces, else mostly bytes that are `liked`. Masks are what forks accept, something may always come, and what is
/// read to its end is valid. Nothing is said of a schema that nothing satisfies.
pub(super) fn walk(
    source: &mut Source,
    schema: &Value,
    options: &Options,
    pieces: Vec<Vec<u8>>,
    (steps, liked): (usize, fn(u8) -> bool),
) -> Result<(), String> {
    let vocabulary = TinyVocabulary::new(&ByteSet::ALL, pieces);
    let described = |message: String| format!("{message}\nunder {schema}, {options:?}");
    let grammar = json_schema::grammar(&schema.to_string(), options, &Limits::default());
    let compiled = match grammar.and_then(|grammar| oracle::compile(&grammar, &vocabulary)) {
        Err(CompileError::UnsatisfiableSchema { .. }) => return Ok(()),
        compiled => compiled.map_err(|e| described(e.to_string()))?,
    };
    let mut matcher = oracle::matcher(&compiled);
    let mut read: Vec<u8> = Vec::new();
    for _ in 0..steps {
        if matcher.is_terminated() {
            break;
        }
        let row = oracle::check_mask(&mut matcher, &vocabulary).map_err(|e| described(format!("after {}: {e}", read.escape_ascii())))?;
        let allowed = oracle::allowed(&row);
        let preferred: Vec<u32> = allowed.iter().copied().filter(|&id| id >= 256 || liked(id as u8)).collect();
        let long: Vec<u32> = preferred.iter().copied().filter(|&id| id >= 256).collect();
        let from = match source.below(8) {
            0 => &allowed,
            1 | 2 => &preferred,
            _ => &long,
        };
        let Some(&id) = [from, &preferred, &allowed].into_iter().find(|ids| !ids.is_empty()).map(|ids| source.pick(ids)) else {
            return Err(described(format!("nothing may come after {}", read.escape_ascii())));
        };
        if matcher.accept_token(id) != Ok(true) {
            return Err(described(format!("after {} token {id} is allowed and refused", read.escape_ascii())));
        }
        read.extend(vocabulary.text_of(id).unwrap_or_default());
    }
    if matcher.is_terminated() && !Document::read(&read).is_some_and(|document| is_valid(schema, &document) == Ok(true)) {
        return Err(described(format!("{} is accepted, and not valid", read.escape_ascii())));
    }
    Ok(())
}
