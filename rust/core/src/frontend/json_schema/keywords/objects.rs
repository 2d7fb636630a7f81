//! Keywords for objects. Pipeline: json -> resolve + **keywords** -> obligation.
//!
//! Invariant: each row says since when and until when the keyword is in force.
//! Must not know: how it is enforced.

use super::{Draft, Keyword, Loss, Role, Shape, row};

/// The rows of this family.
pub(super) const ROWS: &[Keyword] = &[
    row("properties", Shape::SchemasByName, Role::Child).loses(&[Loss::KeyOrder, Loss::UndeclaredKeys]),
    row("patternProperties", Shape::SchemasByName, Role::Child).loses(&[Loss::UndeclaredKeys]),
    row("additionalProperties", Shape::Schema, Role::Child).loses(&[Loss::UndeclaredKeys]),
    row("propertyNames", Shape::Schema, Role::Child).since(Draft::Draft6),
    row("required", Shape::Names, Role::Assertion).loses(&[Loss::RequiredKeys]),
    row("dependentRequired", Shape::NamesByName, Role::Assertion).since(Draft::Draft201909).loses(&[Loss::RequiredKeys]),
    row("minProperties", Shape::Count, Role::Assertion),
    row("maxProperties", Shape::Count, Role::Assertion),
    row("unevaluatedProperties", Shape::Schema, Role::Child).since(Draft::Draft201909).loses(&[Loss::UndeclaredKeys]),
];
