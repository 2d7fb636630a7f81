//! The grammar IR: rules over bytes, characters and embedded automata. Pipeline: frontend -> **grammar** -> optimize.
//!
//! Invariant: every rule id in an expression exists; a [`Grammar`] is made by the builder and passes `validate`.
//! Must not know: any front-end's syntax but the canonical EBNF that it prints, or how it will be run.

mod builder;
mod combine;
mod display;
mod expr;
mod identity;
#[cfg(test)]
pub(crate) mod naive;
mod validate;

pub use builder::GrammarBuilder;
pub use display::quote;
pub use expr::{CharClass, Expr, Grammar, Rule};
pub use identity::ContentHasher;
pub use validate::is_rule_name;
pub(crate) use validate::{CALLS, name_length};
