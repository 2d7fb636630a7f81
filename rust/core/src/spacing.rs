//! What may stand between the parts of a text: blanks and line breaks, as far as one gap may hold. Below the **provider**s that have gaps.
//!
//! Invariant: every gap is bounded, and what a gap holds so far is one number, the progress; 0 is nothing.
//! Must not know: which parts stand around a gap.

use std::sync::Arc;

use crate::provider::ByteSet;

/// The bytes of whitespace.
const WHITESPACE: [u8; 4] = [b' ', b'\t', b'\n', b'\r'];

/// What a byte of whitespace makes of each progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spacing {
    after: Box<[[Option<u32>; 4]]>,
    leaves: Box<[bool]>,
}

impl Spacing {
    /// `after` says what a byte of whitespace makes of the progress (`None`: it is refused), `leaves` whether the gap may end there. No progress
    /// is as large as `count`.
    pub fn new(count: u32, after: impl Fn(u32, u8) -> Option<u32>, leaves: impl Fn(u32) -> bool) -> Self {
        let row = |progress| WHITESPACE.map(|byte| after(progress, byte).filter(|&next| next < count));
        Self { after: (0..count).map(row).collect(), leaves: (0..count).map(leaves).collect() }
    }

    /// Where a byte leads inside the gap. `None`: it is no whitespace; `Some(None)`: it is refused.
    #[inline]
    pub fn after(&self, progress: u32, byte: u8) -> Option<Option<u32>> {
        let column = WHITESPACE.iter().position(|&space| space == byte)?;
        Some(self.after.get(progress as usize).and_then(|row| row[column]))
    }

    /// Put right for whitespace a set of bytes that may come.
    pub fn goes_on(&self, progress: u32, bytes: &mut ByteSet) {
        for byte in WHITESPACE {
            bytes.remove(&ByteSet::one(byte));
            if let Some(Some(_)) = self.after(progress, byte) {
                bytes.insert(byte);
            }
        }
    }

    /// May the gap end here?
    #[inline]
    pub fn leaves(&self, progress: u32) -> bool {
        self.leaves.get(progress as usize).is_some_and(|&leaves| leaves)
    }
}

/// A state in a gap. Its progress decides on whitespace, and on that alone: any other byte is refused if the gap may not end here, and else
/// does what it does where the gap begins.
#[derive(Clone, Debug)]
pub struct Gap {
    /// How the gap goes on.
    pub spacing: Arc<Spacing>,
    /// How far it has come.
    pub progress: u32,
    /// The state where it begins; `None`: this one.
    pub start: Option<crate::ids::StateId>,
}
