//! The grammar IR: rules over bytes, characters and embedded automata. Pipeline: frontend -> **grammar** -> optimize.
//!
//! Invariant: every rule id in an expression exists; a [`Grammar`] is made by the builder and passes `validate`.
//! Must not know: any front-end's syntax but the canonical EBNF that it prints, or how it will be run.

mod expr;

pub use expr::{CharClass, Expr, Grammar, Rule};
