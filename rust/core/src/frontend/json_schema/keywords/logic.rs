//! Keywords that apply schemas to the same value. Pipeline: json -> resolve + **keywords** -> obligation.
//!
//! Invariant: each row says since when and until when the keyword is in force.
//! Must not know: how it is enforced.

use super::{Draft, Keyword, Loss, Role, Shape, row};

/// The rows of this family.
pub(super) const ROWS: &[Keyword] = &[
    row("$ref", Shape::Text, Role::InPlace),
    row("$dynamicRef", Shape::Text, Role::InPlace).since(Draft::Draft202012),
    row("$recursiveRef", Shape::Text, Role::InPlace).since(Draft::Draft201909).until(Draft::Draft201909),
    row("allOf", Shape::Schemas, Role::InPlace),
    row("anyOf", Shape::Schemas, Role::InPlace),
    row("oneOf", Shape::Schemas, Role::InPlace),
    row("not", Shape::Schema, Role::InPlace),
    row("if", Shape::Schema, Role::InPlace).since(Draft::Draft7),
    row("then", Shape::Schema, Role::InPlace).since(Draft::Draft7),
    row("else", Shape::Schema, Role::InPlace).since(Draft::Draft7),
    row("dependentSchemas", Shape::SchemasByName, Role::InPlace).since(Draft::Draft201909),
    // No keyword since 2019-09, but the specification lets implementations go on enforcing it, and schemas go on using it.
    row("dependencies", Shape::SchemaOrNamesByName, Role::InPlace).loses(&[Loss::RequiredKeys]),
];
