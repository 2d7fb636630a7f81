//! Keywords for arrays. Pipeline: json -> resolve + **keywords** -> obligation.
//!
//! Invariant: each row says since when and until when the keyword is in force.
//! Must not know: how it is enforced.

use super::{Draft, Keyword, Role, Shape, row};

/// The rows of this family.
pub(super) const ROWS: &[Keyword] = &[
    row("items", Shape::SchemaOrSchemas, Role::Child),
    row("prefixItems", Shape::Schemas, Role::Child).since(Draft::Draft202012),
    row("additionalItems", Shape::Schema, Role::Child).until(Draft::Draft201909),
    row("minItems", Shape::Count, Role::Assertion),
    row("maxItems", Shape::Count, Role::Assertion),
    row("uniqueItems", Shape::Bool, Role::Assertion),
    row("contains", Shape::Schema, Role::Child).since(Draft::Draft6),
    // These two mean nothing without `contains`.
    row("minContains", Shape::Count, Role::Assertion).since(Draft::Draft201909),
    row("maxContains", Shape::Count, Role::Assertion).since(Draft::Draft201909),
    row("unevaluatedItems", Shape::Schema, Role::Child).since(Draft::Draft201909),
];
