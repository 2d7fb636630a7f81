//! maskwright makes a language model's output obey a grammar: at each decoding step it says which tokens may come next.
//!
//! The folders follow the flow of data: [`frontend`] turns text into a [`grammar`], [`optimize`] rewrites it, [`automaton`]
//! runs it as a byte-level pushdown automaton whose states are made when first visited, [`vocab`] holds a tokenizer's
//! bytes as a trie, [`mask`] learns which tokens each state allows, and [`matcher`] walks one text at a time.
//!
//! Invariant: pure computation; no I/O, no Python, no tensors.

pub mod automaton;
pub mod bitmask;
pub mod characters;
pub mod error;
pub mod escapes;
pub mod formula;
pub mod frontend;
pub mod grammar;
pub mod identity;
pub mod ids;
mod json_text;
pub mod limits;
pub mod loops;
mod maps;
pub mod mask;
pub mod matcher;
pub mod optimize;
mod prime;
pub mod provider;
pub mod report;
pub mod serialize;
pub mod spacing;
pub mod stack;
#[cfg(feature = "testing")]
pub mod testing;
pub mod vocab;

pub use self::prime::prime;
