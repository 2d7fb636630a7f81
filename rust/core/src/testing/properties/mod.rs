//! The engine's invariants as functions of bytes: proptest shrinks the bytes, a fuzzer mutates them, a regression test keeps them.
//!
//! Invariant: a property is a pure function of the bytes that steer it; an `Err` tells a person what went wrong.
//! Must not know: whether proptest or a fuzzer calls it.

pub mod cache;
pub mod cache_file;
pub mod counts;
pub mod front_ends;
pub mod grammars;
pub mod history;
pub mod keys;
mod laid_out;
pub mod schemas;
pub mod serialize;
pub mod unique;

/// A property of maskwright that some bytes may break.
pub type Property = fn(&[u8]) -> Result<(), String>;

/// Every fuzz target by its name; `fuzz/regressions/<name>/` holds inputs that once broke it.
pub const TARGETS: [(&str, Property); 8] = [
    ("ebnf", front_ends::ebnf),
    ("regex", front_ends::regex),
    ("json_schema", front_ends::json_schema),
    ("matcher_vs_recogniser", matcher_vs_recogniser),
    ("schemas_vs_validator", schemas_vs_validator),
    ("operations", operations),
    ("deserialize", serialize::deserialize),
    ("cache_file", cache_file::any),
];

/// Masks and texts of a random grammar against the recogniser. The first byte chooses.
pub fn matcher_vs_recogniser(bytes: &[u8]) -> Result<(), String> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(()) };
    match first % 4 {
        0 => grammars::texts(rest),
        1 => grammars::walks(rest),
        2 => grammars::printing(rest),
        _ => grammars::masks(rest),
    }
}

/// Documents and walks of a random schema against the validator. The first byte chooses.
pub fn schemas_vs_validator(bytes: &[u8]) -> Result<(), String> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(()) };
    match first % 3 {
        0 => schemas::documents(rest),
        1 => schemas::damaged(rest),
        _ => schemas::walks(rest),
    }
}

/// Operation sequences on a random grammar or schema against replays. The first byte chooses.
pub fn operations(bytes: &[u8]) -> Result<(), String> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(()) };
    if first % 2 == 0 { history::on_grammars(rest) } else { history::on_schemas(rest) }
}
