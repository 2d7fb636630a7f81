//! Grammars and character automata as states made on demand. Pipeline: optimize -> **automaton** -> mask, matcher.
//!
//! Invariant: every state keeps the contract of [`crate::provider`]; nothing is determinised before it is asked for.
//! Must not know: front-end syntax, tokens, the matcher's stack.

mod absorb;
mod attach;
mod components;
mod content;
mod context;
mod count;
mod describe;
mod determinize;
mod dump;
mod fixpoint;
mod follow;
mod left_corner;
mod lower;
mod nfa;
mod nullable;
pub mod number;
mod productive;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
pub mod text;
mod utf8;

pub use attach::attach_grammar;
pub use dump::dump_dot;
