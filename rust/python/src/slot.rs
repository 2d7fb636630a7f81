//! The place of a matcher: it lies there, and whoever uses it says so.
//!
//! Invariant: a matcher is used by one at a time, a call or a batch; a second one is told so at once. One that failed inside is not used again.
//! Must not know: what a matcher is used for.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use maskwright::matcher::Matcher;

const FREE: u8 = 0;
const IN_USE: u8 = 1;
const LOST: u8 = 2;

/// Why a matcher cannot be used.
pub enum Unavailable {
    /// Another call, or a batch, uses it.
    Busy,
    /// An earlier use failed inside.
    Lost,
}

/// A matcher, and whether it is in use.
///
/// PERF: the matcher has memory of its own, so that a batch can hold many without fetching what other cores work with.
pub struct Slot {
    state: AtomicU8,
    matcher: Box<UnsafeCell<Matcher>>,
}

// SAFETY: the matcher, which may be sent from thread to thread, is reached only by the one who made the state `IN_USE`.
unsafe impl Sync for Slot {}

const _: () = {
    const fn may_move<T: Send>() {}
    may_move::<Matcher>();
};

impl Slot {
    pub fn new(matcher: Matcher) -> Arc<Self> {
        Arc::new(Self { state: AtomicU8::new(FREE), matcher: Box::new(UnsafeCell::new(matcher)) })
    }

    #[inline]
    fn enter(&self) -> Result<(), Unavailable> {
        match self.state.compare_exchange(FREE, IN_USE, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(LOST) => Err(Unavailable::Lost),
            Err(_) => Err(Unavailable::Busy),
        }
    }

    #[inline]
    fn leave(&self, state: u8) {
        self.state.store(state, Ordering::Release);
    }

    /// Use the matcher.
    #[inline]
    pub fn open(&self) -> Result<Open<'_>, Unavailable> {
        self.enter().map(|()| Open(self))
    }
}

/// A matcher in use.
pub struct Open<'a>(&'a Slot);

impl Deref for Open<'_> {
    type Target = Matcher;

    #[inline]
    fn deref(&self) -> &Matcher {
        // SAFETY: this is the one that the state names.
        unsafe { &*self.0.matcher.get() }
    }
}

impl DerefMut for Open<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Matcher {
        // SAFETY: as above, and it is borrowed mutably.
        unsafe { &mut *self.0.matcher.get() }
    }
}

impl Drop for Open<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.leave(if std::thread::panicking() { LOST } else { FREE });
    }
}

/// Matchers in use together, until this is dropped.
pub struct Together<S: Deref<Target = Slot>>(Vec<S>);

impl<S: Deref<Target = Slot>> Together<S> {
    /// All of them, or none: then the place of one that cannot be had.
    pub fn open(slots: impl ExactSizeIterator<Item = S>) -> Result<Self, (usize, Unavailable)> {
        let mut held = Self(Vec::with_capacity(slots.len()));
        for (place, slot) in slots.enumerate() {
            slot.enter().map_err(|why| (place, why))?;
            held.0.push(slot);
        }
        Ok(held)
    }

    /// Each of them.
    pub fn members(&mut self) -> impl Iterator<Item = Member<'_>> {
        self.0.iter().map(|slot| Member(slot))
    }
}

impl<S: Deref<Target = Slot>> Drop for Together<S> {
    fn drop(&mut self) {
        for slot in &self.0 {
            if slot.state.load(Ordering::Relaxed) == IN_USE {
                slot.leave(FREE);
            }
        }
    }
}

/// One of several matchers in use.
pub struct Member<'a>(&'a Slot);

impl Member<'_> {
    /// The matcher, if it has not failed.
    pub fn matcher(&mut self) -> Option<&mut Matcher> {
        let lost = self.0.state.load(Ordering::Relaxed) == LOST;
        // SAFETY: what it is one of is borrowed mutably and has it once, since nobody enters twice.
        (!lost).then(|| unsafe { &mut *self.0.matcher.get() })
    }

    /// It failed.
    pub fn lose(&mut self) {
        self.0.leave(LOST);
    }
}
