//! Which tokens a state allows, learned when first asked. Pipeline: stack + vocab -> **mask** -> matcher.
//!
//! For one item the vocabulary splits in three by what happens *inside its rule*: tokens accepted whatever is below, refused whatever is
//! below, and tokens that leave the rule before they end. The third kind is the [`residual::Residual`], asked again of each return state.
//!
//! Invariant: a mask depends on (state, view) alone, a resolved residual on (residual, return state, view) alone; so both are shared by
//! all matchers of a grammar, whatever order they were learned in.
//! Must not know: grammar syntax, tokenizer libraries, one matcher's stack.

mod difference;
mod exits;
mod local;
mod path;
pub mod residual;
mod shared;
pub mod store;
pub mod token_set;
mod walk;

pub use store::{MaskStore, SharedMasks, Statistics};
pub use token_set::TokenSet;

use std::sync::Arc;

/// What one item (or one return state, for a residual) allows.
#[derive(Debug)]
pub struct Mask {
    /// Allowed whatever is below.
    pub accepted: TokenSet,
    /// Tokens that leave the rule, if any.
    pub residual: Option<Arc<residual::Residual>>,
}

impl Mask {
    /// Bytes held, bases not counted.
    pub fn memory_bytes(&self) -> usize {
        self.accepted.memory_bytes() + self.residual.as_ref().map_or(0, |residual| residual.memory_bytes()) + 96
    }
}
