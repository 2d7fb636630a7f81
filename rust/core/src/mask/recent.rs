//! The masks that a thread was given last. Part of **mask**.
//!
//! A look-up in a map that threads share, and a count of who holds what is found there, are writes to memory that every core then waits for: on two cores,
//! filling a batch took the time of one. What a thread was given it finds again without any.
//!
//! Invariant: a store's number is never another's; what is found is what that store gave, and a thread keeps at most [`KEPT`] masks.
//! Must not know: how masks are learned.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::Mask;
use crate::ids::StateId;

/// So many masks a thread keeps, each in the one place that its key leads to.
const KEPT: usize = 128;

/// A mask that this thread holds, counted by this thread alone.
pub type Held = Rc<Arc<Mask>>;

/// What is asked of a store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) store: u64,
    /// The residual that is asked about, or that the state stands above a frame (1), or that it does not (0).
    pub(super) about: u128,
    pub(super) state: StateId,
    pub(super) view: u64,
}

impl Key {
    fn place(&self) -> usize {
        // Odd numbers with no pattern; the upper bits of the product are mixed best.
        let mixed = self.about as u64 ^ self.view.rotate_left(32) ^ self.store.rotate_left(48) ^ u64::from(self.state.0);
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 57) as usize % KEPT
    }
}

thread_local! {
    static RECENT: RefCell<Vec<Option<(Key, Held)>>> = const { RefCell::new(Vec::new()) };
}

/// What was given for a key, if this thread still has it.
#[inline]
pub(super) fn get(key: &Key) -> Option<Held> {
    RECENT.with_borrow(|recent| match recent.get(key.place()) {
        Some(Some((known, mask))) if known == key => Some(Rc::clone(mask)),
        _ => None,
    })
}

/// Keep what was given.
pub(super) fn put(key: Key, mask: Arc<Mask>) -> Held {
    let held = Rc::new(mask);
    let gone = RECENT.with_borrow_mut(|recent| {
        if recent.is_empty() {
            recent.resize(KEPT, None);
        }
        recent[key.place()].replace((key, Rc::clone(&held)))
    });
    // Dropped when nothing is borrowed.
    drop(gone);
    held
}
