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
    // Annotations unless they name a row of `FORMATS` or `ENCODINGS`, and formats are asserted.
    row("format", Shape::Any, Role::Assertion).loses(&[Loss::Format]),
    row("contentEncoding", Shape::Any, Role::Assertion).loses(&[Loss::Format]),
];
