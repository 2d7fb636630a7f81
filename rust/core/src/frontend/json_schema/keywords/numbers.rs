//! Keywords for numbers. Pipeline: json -> resolve + **keywords** -> obligation.
//!
//! Invariant: each row says since when and until when the keyword is in force.
//! Must not know: how it is enforced.

use super::{Keyword, Loss, Role, Shape, row};

/// The rows of this family.
pub(super) const ROWS: &[Keyword] = &[
    row("minimum", Shape::Number, Role::Assertion).loses(&[Loss::Exponents]),
    row("maximum", Shape::Number, Role::Assertion).loses(&[Loss::Exponents]),
    row("exclusiveMinimum", Shape::Exclusive, Role::Assertion).loses(&[Loss::Exponents]),
    row("exclusiveMaximum", Shape::Exclusive, Role::Assertion).loses(&[Loss::Exponents]),
    row("multipleOf", Shape::Divisor, Role::Assertion).loses(&[Loss::Exponents]),
];
