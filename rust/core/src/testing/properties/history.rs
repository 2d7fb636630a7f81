//! Rollback is replay, forks are independent: random operations against a model.
//!
//! Invariant: a property is a pure function of the bytes that steer it.
//! Must not know: whether proptest or a fuzzer calls it.

use crate::limits::Limits;
use crate::testing::properties::{grammars, schemas};
use crate::testing::source::Source;
use crate::testing::{operations, oracle};

/// On random grammars.
pub fn on_grammars(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let shape = grammars::shape(&mut source);
    let (grammar, vocabulary) = grammars::case(&mut source, &shape);
    // Some grammars have more parses with every byte; what is asked here is asked of those that stay within moderate limits.
    let limits = Limits { max_items: 1_000, max_step_frames: 4_000, ..Limits::default() };
    let Ok(compiled) = oracle::compile_within(&grammar, &vocabulary, &limits) else { return Ok(()) };
    let fresh = oracle::compile_within(&grammar, &vocabulary, &limits).map_err(|e| format!("compiled once, then: {e}"))?;
    match operations::run(&mut source, &compiled, &fresh, &vocabulary, 40) {
        Err(e) if ["max_items", "max_step_frames", "max_mask_frames"].iter().any(|limit| e.contains(limit)) => Ok(()),
        other => other.map_err(|e| format!("{e}\n{grammar}")),
    }
}

/// On random schemas.
pub fn on_schemas(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let Some(case) = schemas::case(&mut source)? else { return Ok(()) };
    let fresh = oracle::compile(&case.grammar, &case.vocabulary).map_err(|e| format!("compiled once, then: {e}"))?;
    operations::run(&mut source, &case.compiled, &fresh, &case.vocabulary, 40).map_err(|e| format!("{e}\n{}", case.schema))
}
