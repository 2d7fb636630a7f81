//! Single numbers that are judged apart from all others: those of enumerations. Used by the number automaton.
//!
//! Invariant: progress is the range of spellings that begin with what was read; a number of the set may be followed by a point and zeros.
//! Must not know: why a number is judged as it is.

use super::decimal::{self, Decimal};
use crate::identity::Identity;

/// Numbers of one sign with what each is worth (0: refused, v + 1: the value v), written plainly without the sign, sorted, to find by prefix.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Spellings(Box<[(Box<[u8]>, u32)]>);

impl Spellings {
    pub(super) fn of(numbers: impl Iterator<Item = (Decimal, u32)>) -> Self {
        let mut spellings: Vec<(Box<[u8]>, u32)> = numbers.map(|(number, leaf)| (plain(&number), leaf)).collect();
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
    /// One of the set, worth this, was read, and since then only a point and zeros.
    read: Option<u32>,
    /// The point was read.
    point: bool,
}

impl Candidates {
    /// `None`: there are none.
    pub(super) fn all(set: &Spellings) -> Option<Self> {
        let high = set.0.len() as u32;
        (high > 0).then_some(Self { offset: 0, low: 0, high, read: None, point: false })
    }

    fn left<'s>(&self, set: &'s Spellings) -> &'s [(Box<[u8]>, u32)] {
        set.0.get(self.low as usize..self.high as usize).unwrap_or_default()
    }

    /// `None`: none of the set can come any more.
    pub(super) fn step(self, set: &Spellings, byte: u8) -> Option<Self> {
        let (offset, range) = (self.offset as usize, self.left(set));
        let first = range.partition_point(|(s, _)| s.get(offset).copied() < Some(byte));
        let count = range[first..].partition_point(|(s, _)| s.get(offset).copied() == Some(byte));
        let read = self.now(set).filter(|_| byte == b'.' || (byte == b'0' && self.point));
        let point = self.point || byte == b'.';
        if count == 0 {
            return read.map(|_| Self { offset: 0, low: 0, high: 0, read, point });
        }
        let low = self.low + first as u32;
        Some(Self { offset: self.offset + 1, low, high: low + count as u32, read, point })
    }

    /// If what was read is one of the set: what it is worth.
    pub(super) fn now(self, set: &Spellings) -> Option<u32> {
        self.read.or_else(|| self.left(set).first().filter(|(s, _)| s.len() == self.offset as usize).map(|&(_, leaf)| leaf))
    }

    /// Is one that is not refused among those to come?
    pub(super) fn hopeful(self, set: &Spellings) -> bool {
        self.read.is_some_and(|leaf| leaf != 0) || self.left(set).iter().any(|&(_, leaf)| leaf != 0)
    }

    /// How each goes on: so many digits before the point, then those after it.
    pub(super) fn ahead(self, set: &Spellings) -> impl Iterator<Item = (u32, Vec<u8>)> {
        let rest = self.left(set).iter().map(move |(spelling, _)| {
            let rest = &spelling[self.offset as usize..];
            let whole = if self.point { 0 } else { rest.iter().position(|&b| b == b'.').unwrap_or(rest.len()) };
            (whole as u32, rest.iter().filter(|&&b| b != b'.').map(|b| b - b'0').collect())
        });
        rest.chain(self.read.map(|_| (0, Vec::new())))
    }

    /// The spellings still possible, from where they go on.
    pub(super) fn write_identity(self, set: &Spellings, identity: &mut Identity) {
        identity.u64(self.read.map_or(0, |leaf| u64::from(leaf) + 1)).u64(u64::from(self.point)).u64(u64::from(self.high - self.low));
        for (spelling, leaf) in self.left(set) {
            identity.bytes(&spelling[self.offset as usize..]).u32(*leaf);
        }
    }
}
