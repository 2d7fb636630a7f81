//! Which texts are too short to tell a state that counts from one that does not. Part of **provider**.
//!
//! Invariant: what is said of a text holds for all that it begins with.
//! Must not know: automata.

use crate::characters::{self, BEYOND, Kinds, MALFORMED};

/// How many bytes the widest character takes.
const WIDEST: usize = 4;

/// Which texts fare alike from two states: they go on, end, and are refused at the same places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// By how many bytes their widest character takes, less one: those of at most so many characters, of which at most so many are marks. Wider ones
    /// allow no more.
    pub bounds: [Bound; WIDEST],
    /// The kinds of ASCII that are marks.
    pub marks: Kinds,
    /// The marks beyond ASCII.
    pub wide_marks: &'static [char],
    /// A byte of these kinds may begin any character, spelled otherwise.
    pub escapes: Kinds,
}

/// How many characters and how many marks a text may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Characters, marks included.
    pub length: u64,
    /// Marks.
    pub marks: u64,
}

impl Bound {
    /// Both bounds.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { length: self.length.min(other.length), marks: self.marks.min(other.marks) }
    }
}

/// What counts of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    length: u64,
    marks: u64,
    /// How many bytes its widest character takes.
    widest: u8,
    /// The last character, as far as it was read.
    last: u32,
}

impl Extent {
    /// Of no text.
    pub const NONE: Self = Self { length: 0, marks: 0, widest: 1, last: 0 };
}

impl Reach {
    /// Of texts that are covered by both, the latter after at least one character.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        self.and(Self { bounds: next.bounds.map(|bound| Bound { length: bound.length.saturating_add(1), ..bound }), ..next })
    }

    /// Of texts that are covered by both, of which one has the marks of the other or none.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut bounds = self.bounds;
        for (bound, &other) in bounds.iter_mut().zip(&other.bounds) {
            *bound = bound.and(other);
        }
        let wide_marks = if self.wide_marks.is_empty() { other.wide_marks } else { self.wide_marks };
        Self { bounds, marks: self.marks | other.marks, wide_marks, escapes: self.escapes | other.escapes }
    }

    /// Of a text with one more byte.
    #[must_use]
    pub fn after(&self, text: Extent, byte: u8) -> Extent {
        let mut text = text;
        let kind = characters::kind(byte);
        if let 0x80..=0xBF = byte {
            text.last = text.last << 6 | u32::from(byte & 0x3F);
        } else {
            let (width, bits) = match byte {
                0..=0x7F if kind & self.escapes != 0 => (WIDEST as u8, 0x7F),
                0..=0x7F => (1, 0x7F),
                0x80..=0xDF => (2, 0x1F),
                0xE0..=0xEF => (3, 0x0F),
                _ => (4, 0x07),
            };
            text.length += 1;
            text.widest = text.widest.max(width);
            text.last = u32::from(byte & bits);
        }
        let is_mark =
            if byte < 0x80 { kind & (self.marks | self.escapes) != 0 } else { self.wide_marks.iter().any(|&c| u32::from(c) == text.last) };
        text.marks += u64::from(is_mark);
        text
    }

    /// Is a text covered?
    pub fn covers(&self, text: Extent) -> bool {
        let bound = self.bounds[usize::from(text.widest) - 1];
        text.length <= bound.length && text.marks <= bound.marks
    }

    /// Is a text covered with whatever of these kinds, in at most so many more bytes?
    pub fn covers_with(&self, text: Extent, kinds: Kinds, bytes: u64) -> bool {
        let is_wide = kinds & (BEYOND | MALFORMED | self.escapes) != 0;
        let length = if kinds & !(BEYOND | MALFORMED) == 0 { bytes / 2 } else { bytes };
        let marks = match kinds & (self.marks | self.escapes | MALFORMED) {
            0 if !is_wide || self.wide_marks.is_empty() => 0,
            // Each takes three bytes; the first may have been begun.
            0 => bytes.div_ceil(3),
            _ => bytes,
        };
        self.covers(Extent {
            length: text.length + length,
            marks: text.marks + marks,
            widest: if is_wide { WIDEST as u8 } else { text.widest },
            ..text
        })
    }
}
