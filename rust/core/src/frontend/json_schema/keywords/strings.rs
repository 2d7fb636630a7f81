//! Keywords for strings. Pipeline: json -> resolve + **keywords** -> obligation.
//!
//! Invariant: each row says since when and until when the keyword is in force.
//! Must not know: how it is enforced.

use super::{Keyword, Loss, Role, Shape, row};

/// The rows of this family.
pub(super) const ROWS: &[Keyword] = &[
    row("minLength", Shape::Count, Role::Assertion),
    row("maxLength", Shape::Count, Role::Assertion),
    row("pattern", Shape::Text, Role::Assertion),
    // Refused for the formats of the specification unless formats are annotations.
    row("format", Shape::Any, Role::Assertion).loses(&[Loss::Format]),
];
