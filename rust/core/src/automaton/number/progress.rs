//! How far the digits of a number have come against one demand. Used by the number automaton.
//!
//! The sign is settled first: from then on a bound compares sizes only. Digits are compared as they are written, so a comparison is
//! three-valued and remembers no digits.
//!
//! Invariant: progress holds nothing of the text but what decides the verdict.
//! Must not know: outcomes, other demands, bytes other than digits and the point.

use std::cmp::Ordering;

use super::decimal::Decimal;
use crate::identity::Identity;

/// A size (no sign) to compare with.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Size {
    digits: Box<[u8]>,
    point: i64,
}

impl Size {
    pub(super) fn of(number: &Decimal) -> Self {
        let (digits, point) = number.parts();
        Self { digits: digits.into(), point }
    }

    /// Digits before the point.
    pub(super) fn whole(&self) -> u32 {
        u32::try_from(self.point.max(0)).unwrap_or(u32::MAX)
    }

    /// The digit at a place, counted from the first one before the point (0), or from the point (`whole()`).
    fn digit(&self, place: u32) -> u8 {
        // With zeros after the point before the first digit, those places come first.
        let skip = if self.point < 0 { self.point.unsigned_abs() } else { 0 };
        u64::from(place).checked_sub(skip).and_then(|i| self.digits.get(i as usize)).copied().unwrap_or(0)
    }

    /// The first place from which all digits are zero.
    fn end(&self) -> u32 {
        let skip = if self.point < 0 { self.point.unsigned_abs() } else { 0 };
        (self.digits.len() as u64 + skip).min(u64::from(u32::MAX)) as u32
    }
}

/// A comparison under way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Comparison {
    /// Before the first digit.
    Begin,
    /// So many digits before the point were read, none too many, and compare so with the first ones of the size.
    Whole(u32, Ordering),
    /// After the point, equal so far; the next digit is at this place.
    Fraction(u32),
    /// Whatever follows.
    Known(Ordering),
}

impl Comparison {
    /// After one more digit.
    pub(super) fn digit(self, size: &Size, digit: u8) -> Self {
        match self {
            Self::Begin if digit == 0 => match size.whole() {
                // Before the point there is just the zero.
                0 => Self::Whole(0, Ordering::Equal),
                _ => Self::Known(Ordering::Less),
            },
            Self::Begin => Self::Whole(0, Ordering::Equal).digit(size, digit),
            Self::Whole(read, so_far) => {
                if read >= size.whole() {
                    return Self::Known(Ordering::Greater);
                }
                Self::Whole(read + 1, so_far.then(digit.cmp(&size.digit(read))))
            }
            Self::Fraction(place) => match digit.cmp(&size.digit(place)) {
                // Past the last digit all places are alike.
                Ordering::Equal => Self::Fraction((place + 1).min(size.end().max(size.whole()))),
                other => Self::Known(other),
            },
            Self::Known(_) => self,
        }
    }

    /// After the decimal point.
    pub(super) fn point(self, size: &Size) -> Self {
        match self {
            Self::Whole(read, Ordering::Equal) if read == size.whole() => Self::Fraction(read),
            Self::Whole(..) => Self::Known(self.now(size)),
            _ => self,
        }
    }

    /// So many more digits before the point make the number as long as the size, and then it goes on like this: the rest of the size's digits,
    /// without zeros at the end. `None`: decided, or nothing was read.
    pub(super) fn ahead(self, size: &Size) -> Option<(u32, Vec<u8>)> {
        let (place, length) = match self {
            Self::Whole(read, Ordering::Equal) => (read, size.whole().saturating_sub(read)),
            Self::Fraction(place) => (place, 0),
            _ => return None,
        };
        Some((length, (place..size.end().max(place)).map(|place| size.digit(place)).collect()))
    }

    /// How the number compares if it ends here.
    pub(super) fn now(self, size: &Size) -> Ordering {
        let place = match self {
            Self::Known(known) => return known,
            Self::Whole(read, _) if read < size.whole() => return Ordering::Less,
            Self::Whole(_, Ordering::Equal) => size.whole(),
            Self::Whole(_, other) => return other,
            Self::Fraction(place) => place,
            Self::Begin => 0,
        };
        if place < size.end() { Ordering::Less } else { Ordering::Equal }
    }
}

impl Size {
    pub(super) fn write_identity(&self, identity: &mut Identity) {
        identity.bytes(&self.digits).u64(self.point.cast_unsigned());
    }
}

impl Comparison {
    pub(super) fn write_identity(self, identity: &mut Identity) {
        match self {
            Self::Begin => identity.u64(0),
            Self::Whole(read, so_far) => identity.u64(1).u32(read).u64(so_far as u64),
            Self::Fraction(place) => identity.u64(2).u32(place),
            Self::Known(known) => identity.u64(3).u64(known as u64),
        };
    }
}
