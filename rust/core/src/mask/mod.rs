//! Which tokens a state allows, learned when first asked. Pipeline: stack + vocab -> **mask** -> matcher.
//!
//! For one item the vocabulary splits in three by what happens *inside its rule*: tokens accepted whatever is below, refused whatever is
//! below, and tokens that leave the rule before they end. The third kind is the [`residual::Residual`], asked again of each return state.
//!
//! Invariant: a mask depends on (state, view) alone, a resolved residual on (residual, return state, view) alone; so both are shared by
//! all matchers of a grammar, whatever order they were learned in.
//! Must not know: grammar syntax, tokenizer libraries, one matcher's stack.

mod classes;
mod difference;
mod exits;
mod file;
mod learn;
mod lengths;
mod local;
mod models;
mod named;
mod parts;
mod path;
pub mod recent;
pub mod residual;
mod resolve;
mod rows;
mod shapes;
mod shared;
pub mod statistics;
pub mod store;
pub mod token_set;
mod walk;

#[cfg(any(test, feature = "testing"))]
pub use file::mend;
pub use shared::SharedMasks;
pub use statistics::Statistics;
pub use store::MaskStore;
pub use token_set::TokenSet;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What one item (or one return state, for a residual) allows.
#[derive(Debug)]
pub struct Mask {
    /// Allowed whatever is below.
    pub accepted: TokenSet,
    /// Tokens that leave the rule, if any.
    pub residual: Option<Arc<residual::Residual>>,
    /// Nanoseconds it took to learn, all that had to be learned for it included.
    pub cost: u32,
    /// Asked for since the store last looked for what to give up.
    used: AtomicBool,
}

impl Mask {
    /// Just learned, at no cost so far.
    pub fn new(accepted: TokenSet, residual: Option<Arc<residual::Residual>>) -> Self {
        Self { accepted, residual, cost: 0, used: AtomicBool::new(true) }
    }

    /// Bytes held, bases not counted.
    pub fn memory_bytes(&self) -> usize {
        self.accepted.memory_bytes() + self.residual.as_ref().map_or(0, |residual| residual.memory_bytes()) + 160
    }

    /// Somebody asks for it.
    #[inline]
    fn touch(&self) {
        // PERF: a line that all read stays with all of them as long as nobody writes it.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Was it asked for since this was asked last?
    fn was_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }
}
