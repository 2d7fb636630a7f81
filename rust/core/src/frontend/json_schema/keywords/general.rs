//! Keywords for values of any type. Pipeline: json -> resolve + **keywords** -> obligation.
//!
//! Invariant: each row says since when and until when the keyword is in force.
//! Must not know: how it is enforced.

use super::{Draft, Keyword, Loss, Role, Shape, row};

/// The rows of this family.
pub(super) const ROWS: &[Keyword] = &[
    row("type", Shape::Types, Role::Assertion).loses(&[Loss::IntegerExponents]),
    row("enum", Shape::Values, Role::Assertion).loses(&[Loss::ListedKeys, Loss::ListedExponents]),
    row("const", Shape::Any, Role::Assertion).since(Draft::Draft6).loses(&[Loss::ListedKeys, Loss::ListedExponents]),
];
