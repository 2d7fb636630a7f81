//! Automata that make their states when first visited.

pub mod number;
pub mod text;
