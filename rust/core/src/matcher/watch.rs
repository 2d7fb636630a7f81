//! Items being read of which it matters whether they repeat earlier ones, and with which earlier ones they still agree. Part of **matcher**.
//!
//! Invariant: an earlier item that is not among those that agree cannot be what is being read.
//! Must not know: tokens, schemas.

use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::provider::{Arena, ByteSet};
use crate::stack::{Beginning, Configuration, Frame, Parents, Value};

/// The earlier items that what is being read may still become.
#[derive(Clone)]
pub(super) struct Agreeing(Rc<[Arc<Value>]>);

impl Agreeing {
    /// Of all that the array had.
    pub fn of(frame: &Frame, beginning: &Beginning) -> Self {
        Self(frame.seen.iter().filter(|value| beginning.agrees(value)).cloned().collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.0.iter()
    }

    /// Those that agree with a beginning that goes on from the one they were found by.
    #[must_use]
    pub fn with(&self, longer: &Beginning) -> Self {
        // Mostly all of them do, or one.
        match self.0.iter().position(|value| !longer.agrees(value)) {
            None => self.clone(),
            Some(first) => {
                let rest = self.0[first + 1..].iter().filter(|value| longer.agrees(value));
                Self(self.0[..first].iter().chain(rest).cloned().collect())
            }
        }
    }

    /// The bytes through which what is being read may go on agreeing with one of them.
    pub fn bytes_like(&self, beginning: &Beginning) -> ByteSet {
        let mut bytes = ByteSet::default();
        self.0.iter().for_each(|value| beginning.add_bytes_like(value, &mut bytes));
        bytes
    }
}

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
        let agreeing = Agreeing::of(frame, &beginning);
        Self { frame: frame.clone(), beginning, agreeing }
    }

    /// One more byte of it was read.
    pub fn read(&mut self, byte: u8) {
        if !self.agreeing.is_empty() {
            self.beginning.read(byte);
            self.agreeing = self.agreeing.with(&self.beginning);
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
