//! Keywords that name schemas, and annotations. Pipeline: json -> resolve + **keywords** -> obligation.
//!
//! Invariant: each row says since when and until when the keyword is in force.
//! Must not know: how it is enforced.

use super::{Draft, Keyword, Role, Shape, row};

/// The rows of this family.
pub(super) const ROWS: &[Keyword] = &[
    row("$schema", Shape::Text, Role::Identifier),
    row("$id", Shape::Text, Role::Identifier).since(Draft::Draft6),
    row("id", Shape::Any, Role::Identifier).until(Draft::Draft4),
    row("$anchor", Shape::Text, Role::Identifier).since(Draft::Draft201909),
    row("$dynamicAnchor", Shape::Text, Role::Identifier).since(Draft::Draft202012),
    row("$recursiveAnchor", Shape::Bool, Role::Identifier).since(Draft::Draft201909).until(Draft::Draft201909),
    row("$vocabulary", Shape::Any, Role::Annotation).since(Draft::Draft201909),
    row("$defs", Shape::SchemasByName, Role::Definitions).since(Draft::Draft201909),
    row("definitions", Shape::SchemasByName, Role::Definitions),
    row("$comment", Shape::Any, Role::Annotation),
    row("title", Shape::Any, Role::Annotation),
    row("description", Shape::Any, Role::Annotation),
    row("default", Shape::Any, Role::Annotation),
    row("examples", Shape::Any, Role::Annotation),
    row("deprecated", Shape::Any, Role::Annotation),
    row("readOnly", Shape::Any, Role::Annotation),
    row("writeOnly", Shape::Any, Role::Annotation),
    row("contentMediaType", Shape::Any, Role::Annotation),
    row("contentSchema", Shape::Any, Role::Annotation),
];
