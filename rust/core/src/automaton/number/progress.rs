//! How far the digits of a number have come against one demand. Used by the number automaton.
//!
//! The sign is settled first: from then on a bound compares sizes only. Digits are compared as they are written, so a comparison is
//! three-valued and remembers no digits.
//!
//! Invariant: progress holds nothing of the text but what decides the verdict.
//! Must not know: outcomes, other demands, bytes other than digits and the point.

use std::cmp::Ordering;

use super::decimal::{self, Decimal};
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

/// A sorted set of numbers written plainly without signs, to find by prefix.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Spellings(pub(super) Box<[Box<[u8]>]>);

impl Spellings {
    pub(super) fn of(numbers: impl Iterator<Item = Decimal>) -> Self {
        let mut spellings: Vec<Box<[u8]>> = numbers.map(|n| plain(&n)).collect();
        spellings.sort_unstable();
        spellings.dedup();
        Self(spellings.into())
    }
}

/// Digits and point, without an exponent. The caller bounds the digits.
fn plain(number: &Decimal) -> Box<[u8]> {
    let (digits, point) = number.parts();
    let mut text = Vec::new();
    let whole = decimal::whole(point);
    text.extend((0..whole).map(|i| b'0' + digits.get(i).copied().unwrap_or(0)));
    if whole == 0 {
        text.push(b'0');
    }
    if digits.len() > whole {
        text.push(b'.');
        text.extend(std::iter::repeat_n(b'0', if point < 0 { point.unsigned_abs() as usize } else { 0 }));
        text.extend(digits[whole..].iter().map(|d| b'0' + d));
    }
    text.into()
}

/// The numbers of a set that begin with what was read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Candidates {
    offset: u32,
    low: u32,
    high: u32,
    /// One of the set was read, and since then only a point and zeros.
    complete: bool,
    /// The point was read.
    point: bool,
}

impl Candidates {
    pub(super) fn all(set: &Spellings) -> Self {
        Self { offset: 0, low: 0, high: set.0.len() as u32, complete: false, point: false }
    }

    /// `None`: none of the set can come any more.
    pub(super) fn step(self, set: &Spellings, byte: u8) -> Option<Self> {
        let (offset, range) = (self.offset as usize, &set.0[self.low as usize..self.high as usize]);
        let first = range.partition_point(|s| s.get(offset).copied() < Some(byte));
        let count = range[first..].partition_point(|s| s.get(offset).copied() == Some(byte));
        let found = self.now(set);
        let complete = found && (byte == b'.' || (byte == b'0' && self.point));
        let point = self.point || byte == b'.';
        if count == 0 {
            return complete.then_some(Self { offset: 0, low: 0, high: 0, complete, point });
        }
        let low = self.low + first as u32;
        Some(Self { offset: self.offset + 1, low, high: low + count as u32, complete, point })
    }

    /// Is what was read one of the set?
    pub(super) fn now(self, set: &Spellings) -> bool {
        self.complete || (self.low < self.high && set.0[self.low as usize].len() == self.offset as usize)
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

impl Candidates {
    /// The spellings still possible, from where they go on.
    pub(super) fn write_identity(self, set: &Spellings, identity: &mut Identity) {
        identity.u64(u64::from(self.complete)).u64(u64::from(self.point)).u64(u64::from(self.high - self.low));
        for spelling in &set.0[self.low as usize..self.high as usize] {
            identity.bytes(&spelling[self.offset as usize..]);
        }
    }
}
