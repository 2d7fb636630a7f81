//! Items being read of which it matters whether they repeat earlier ones, and with which earlier ones they still agree. Part of **matcher**.
//!
//! Invariant: an earlier item that is not among those that agree cannot be what is being read.
//! Must not know: tokens, schemas.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::provider::Arena;
use crate::stack::{Agreeing, Beginning, Configuration, Frame, Parents};

/// An item being read, and the earlier ones with which it agrees.
#[derive(Clone)]
pub(super) struct Watch {
    pub frame: Arc<Frame>,
    /// What was read of it; out of date once it agrees with none.
    pub beginning: Beginning,
    pub agreeing: Agreeing,
}

pub(super) type Watches = SmallVec<[Watch; 2]>;

impl Watch {
    /// Of a frame of the configuration.
    pub fn new(frame: &Arc<Frame>, configuration: &Configuration) -> Self {
        let beginning = configuration.read_since(frame.since);
        let agreeing = Agreeing::within(&frame.seen, &beginning);
        Self { frame: frame.clone(), beginning, agreeing }
    }

    /// Is it, with one more digit, a number that agrees with no earlier item?
    pub fn is_another_number(&self, digit: u8) -> bool {
        self.agreeing.is_empty()
            || self.beginning.in_number() && {
                let mut after = self.clone();
                after.read(digit);
                after.agreeing.is_empty()
            }
    }

    /// One more byte of it was read.
    pub fn read(&mut self, byte: u8) {
        if !self.agreeing.is_empty() {
            let changed = self.beginning.read(byte);
            self.agreeing.read(&self.beginning, changed);
        }
    }
}

/// The frames in which an item is being read.
pub(super) fn reading<'c>(arena: &Arena, configuration: &'c Configuration) -> SmallVec<[&'c Arc<Frame>; 2]> {
    let mut found: SmallVec<[&Arc<Frame>; 2]> = SmallVec::new();
    let mut known: SmallVec<[*const Frame; 8]> = SmallVec::new();
    let mut open: SmallVec<[&Parents; 4]> =
        configuration.items.iter().map(|item| &item.parents).filter(|parents| parents.tracked()).collect();
    while let Some(parents) = open.pop() {
        for frame in parents.frames().iter().filter(|frame| frame.tracked) {
            // Where there is one way down, no frame is met again.
            if configuration.items.len() > 1 || parents.frames().len() > 1 || !known.is_empty() {
                if known.contains(&Arc::as_ptr(frame)) {
                    continue;
                }
                known.push(Arc::as_ptr(frame));
            }
            if arena.facts(frame.return_to).tracks_items {
                found.push(frame);
            }
            open.push(&frame.parents);
        }
    }
    found
}
