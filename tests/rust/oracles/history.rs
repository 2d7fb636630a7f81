//! Rollback is replay, forks are independent: random operations against a model.

use maskwright::testing::source::Source;
use maskwright::testing::{operations, oracle};

use crate::{grammars, property, schemas};

fn on_grammars(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let shape = grammars::shape(&mut source);
    let (grammar, vocabulary) = grammars::case(&mut source, &shape);
    let Ok(compiled) = oracle::compile(&grammar, &vocabulary) else { return Ok(()) };
    let fresh = oracle::compile(&grammar, &vocabulary).map_err(|e| format!("compiled once, then: {e}"))?;
    operations::run(&mut source, &compiled, &fresh, &vocabulary, 40).map_err(|e| format!("{e}\n{grammar}"))
}

property!(
    /// On random grammars.
    operations_on_grammars,
    120,
    700,
    on_grammars
);

fn on_schemas(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let Some(case) = schemas::case(&mut source)? else { return Ok(()) };
    let fresh = oracle::compile(&case.grammar, &case.vocabulary).map_err(|e| format!("compiled once, then: {e}"))?;
    operations::run(&mut source, &case.compiled, &fresh, &case.vocabulary, 40).map_err(|e| format!("{e}\n{}", case.schema))
}

property!(
    /// On random schemas.
    operations_on_schemas,
    80,
    900,
    on_schemas
);
