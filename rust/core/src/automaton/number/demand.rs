//! Demands on a number, and what is left of them while it is being written. Used by the number automaton.
//!
//! Invariant: content decides. Sizes, sets and demands are kept once each, so that what is left of equal demands is equal.
//! Must not know: outcomes, states, the text of a number but digits and the point.

use std::cmp::Ordering;

use dashmap::DashMap;
use std::sync::Arc;

use super::decimal::Decimal;
use super::progress::{Candidates, Comparison, Size, Spellings};
use crate::error::EngineError;
use crate::identity::Identity;
use crate::limits::Limits;

/// One demand on a number.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum NumberAtom {
    /// It has no fraction (`1.0` has none).
    Integer,
    /// It is at least, or (exclusive) above, the bound.
    AtLeast {
        /// The bound.
        bound: Decimal,
        /// The bound itself is not allowed.
        exclusive: bool,
    },
    /// It is at most, or (exclusive) below, the bound.
    AtMost {
        /// The bound.
        bound: Decimal,
        /// The bound itself is not allowed.
        exclusive: bool,
    },
    /// It equals one of these.
    OneOf(Vec<Decimal>),
}

impl NumberAtom {
    /// Does the number meet the demand?
    pub fn holds(&self, number: &Decimal) -> bool {
        match self {
            Self::Integer => number.is_integer(),
            Self::AtLeast { bound, exclusive } => number > bound || (!exclusive && number == bound),
            Self::AtMost { bound, exclusive } => number < bound || (!exclusive && number == bound),
            Self::OneOf(numbers) => numbers.contains(number),
        }
    }
}

const LESS: u8 = 1;
const EQUAL: u8 = 2;
const GREATER: u8 = 4;

fn bit(ordering: Ordering) -> u8 {
    match ordering {
        Ordering::Less => LESS,
        Ordering::Equal => EQUAL,
        Ordering::Greater => GREATER,
    }
}

/// What is left of a demand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Demand {
    /// Nothing was read yet; the number of the atom.
    Unread(u32),
    /// No digit but zero stands after the point.
    Integer,
    /// The size compares with that of number `size` in one of the `allowed` ways.
    Size { size: u32, allowed: u8, progress: Comparison },
    /// The digits have decided the comparison but for how many there are before the point.
    Counted {
        /// So many more make it as long as the size.
        left: u32,
        /// The verdict if there are fewer.
        shorter: bool,
        /// The verdict if there are as many.
        same: bool,
        /// The verdict if there are more.
        longer: bool,
    },
    /// The number without sign is one of the set.
    OneOf { set: u32, left: Candidates },
}

/// A demand, or its verdict once that is known.
pub(super) type Left = Result<Demand, bool>;

/// A decided comparison, or its verdict if the number of digits makes no difference.
fn counted(left: u32, shorter: bool, same: bool, longer: bool) -> Left {
    // Fewer digits are no longer possible once there are as many.
    let shorter = if left == 0 { same } else { shorter };
    if shorter == same && same == longer { Err(same) } else { Ok(Demand::Counted { left, shorter, same, longer }) }
}

/// The content behind the numbers of demands.
#[derive(Default)]
pub(super) struct Demands {
    atoms: Table<NumberAtom>,
    sizes: Table<Size>,
    sets: Table<Spellings>,
}

/// Things kept once each, numbered.
struct Table<T> {
    items: boxcar::Vec<Arc<T>>,
    by_content: DashMap<Arc<T>, u32>,
}

impl<T: std::hash::Hash + Eq> Default for Table<T> {
    fn default() -> Self {
        Self { items: boxcar::Vec::new(), by_content: DashMap::new() }
    }
}

impl<T: std::hash::Hash + Eq> Table<T> {
    fn intern(&self, item: T) -> u32 {
        let item = Arc::new(item);
        *self.by_content.entry(Arc::clone(&item)).or_insert_with(|| self.items.push(item) as u32)
    }

    fn get(&self, number: u32) -> &T {
        &self.items[number as usize]
    }
}

impl Demands {
    /// A demand of which nothing was read.
    pub(super) fn unread(&self, atom: &NumberAtom, limits: &Limits) -> Result<Demand, EngineError> {
        let check = |number: &Decimal| {
            let digits = usize::try_from(number.written_digits()).unwrap_or(usize::MAX);
            Limits::check("max_number_digits", digits, limits.max_number_digits)
        };
        let mut atom = atom.clone();
        match &mut atom {
            NumberAtom::Integer => {}
            NumberAtom::AtLeast { bound, .. } | NumberAtom::AtMost { bound, .. } => check(bound)?,
            NumberAtom::OneOf(numbers) => {
                numbers.iter().try_for_each(check)?;
                // Written plainly, short texts such as 1e4000 take many zeros; a set may take as many as some such numbers do.
                let zeros: u64 = numbers.iter().map(|n| n.written_digits() - n.parts().0.len() as u64).sum();
                Limits::check("max_number_digits", usize::try_from(zeros / 64).unwrap_or(usize::MAX), limits.max_number_digits)?;
                numbers.sort_unstable();
                numbers.dedup();
            }
        }
        Ok(Demand::Unread(self.atoms.intern(atom)))
    }

    /// Once the sign is known.
    pub(super) fn signed(&self, demand: Demand, negative: bool) -> Left {
        let Demand::Unread(atom) = demand else { return Ok(demand) };
        match self.atoms.get(atom) {
            NumberAtom::Integer => Ok(Demand::Integer),
            NumberAtom::AtLeast { bound, exclusive } => self.bound(bound, *exclusive, bound.is_negative(), negative),
            // At most b is at least -b of the opposite.
            NumberAtom::AtMost { bound, exclusive } => self.bound(bound, *exclusive, !bound.is_negative() && !bound.is_zero(), !negative),
            NumberAtom::OneOf(numbers) => {
                let same_sign = numbers.iter().filter(|n| n.is_zero() || n.is_negative() == negative);
                let set = Spellings::of(same_sign.map(Decimal::abs));
                if set.0.is_empty() {
                    return Err(false);
                }
                let left = Candidates::all(&set);
                Ok(Demand::OneOf { set: self.sets.intern(set), left })
            }
        }
    }

    /// "At least `bound`" for a number of known sign, where both signs may have been turned around.
    fn bound(&self, bound: &Decimal, exclusive: bool, bound_below: bool, number_below: bool) -> Left {
        let equal = if exclusive { 0 } else { EQUAL };
        let allowed = match (number_below, bound_below || bound.is_zero()) {
            // Not below zero, bound not above zero.
            (false, true) if bound_below => return Err(true),
            (false, _) => GREATER | equal,
            (true, true) => LESS | equal,
            (true, false) => return Err(false),
        };
        // No size is below zero.
        let allowed = if bound.is_zero() { allowed & !LESS } else { allowed };
        match allowed {
            0 => Err(false),
            a if bound.is_zero() && a == EQUAL | GREATER => Err(true),
            allowed => Ok(Demand::Size { size: self.sizes.intern(Size::of(bound)), allowed, progress: Comparison::Begin }),
        }
    }

    /// After one more digit, in the fraction or before it.
    pub(super) fn digit(&self, demand: Demand, digit: u8, fraction: bool) -> Left {
        match demand {
            Demand::Integer if fraction && digit != 0 => Err(false),
            Demand::Unread(_) | Demand::Integer => Ok(demand),
            Demand::Size { size, allowed, progress } => {
                let content = self.sizes.get(size);
                match progress.digit(content, digit) {
                    Comparison::Known(known) => Err(allowed & bit(known) != 0),
                    Comparison::Whole(read, decided) if decided.is_ne() => {
                        let verdict = |ordering| allowed & bit(ordering) != 0;
                        let (shorter, same, longer) = (verdict(Ordering::Less), verdict(decided), verdict(Ordering::Greater));
                        counted(content.whole() - read, shorter, same, longer)
                    }
                    progress => Ok(Demand::Size { size, allowed, progress }),
                }
            }
            Demand::Counted { left: 0, longer, .. } => Err(longer),
            Demand::Counted { left, shorter, same, longer } => counted(left - 1, shorter, same, longer),
            Demand::OneOf { set, left } => match left.step(self.sets.get(set), b'0' + digit) {
                Some(left) => Ok(Demand::OneOf { set, left }),
                None => Err(false),
            },
        }
    }

    /// After the decimal point.
    pub(super) fn point(&self, demand: Demand) -> Left {
        match demand {
            Demand::Unread(_) | Demand::Integer => Ok(demand),
            Demand::Size { size, allowed, progress } => match progress.point(self.sizes.get(size)) {
                Comparison::Known(known) => Err(allowed & bit(known) != 0),
                progress => Ok(Demand::Size { size, allowed, progress }),
            },
            Demand::Counted { left, shorter, same, .. } => Err(if left == 0 { same } else { shorter }),
            Demand::OneOf { set, left } => match left.step(self.sets.get(set), b'.') {
                Some(left) => Ok(Demand::OneOf { set, left }),
                None => Err(false),
            },
        }
    }

    /// The verdict if the number ends here.
    pub(super) fn now(&self, demand: Demand) -> bool {
        match demand {
            Demand::Unread(_) => false,
            Demand::Integer => true,
            Demand::Size { size, allowed, progress } => allowed & bit(progress.now(self.sizes.get(size))) != 0,
            Demand::Counted { left, shorter, same, .. } => {
                if left == 0 {
                    same
                } else {
                    shorter
                }
            }
            Demand::OneOf { set, left } => left.now(self.sets.get(set)),
        }
    }

    pub(super) fn write_identity(&self, demand: Demand, identity: &mut Identity) {
        match demand {
            Demand::Unread(atom) => match self.atoms.get(atom) {
                NumberAtom::Integer => {
                    identity.u64(0);
                }
                NumberAtom::AtLeast { bound, exclusive } => bound.write_identity(identity.u64(1).u64(u64::from(*exclusive))),
                NumberAtom::AtMost { bound, exclusive } => bound.write_identity(identity.u64(2).u64(u64::from(*exclusive))),
                NumberAtom::OneOf(numbers) => {
                    identity.u64(3).u64(numbers.len() as u64);
                    for number in numbers {
                        number.write_identity(identity);
                    }
                }
            },
            Demand::Integer => {
                identity.u64(4);
            }
            Demand::Size { size, allowed, progress } => {
                identity.u64(5).u64(u64::from(allowed));
                self.sizes.get(size).write_identity(identity);
                progress.write_identity(identity);
            }
            Demand::Counted { left, shorter, same, longer } => {
                identity.u64(7).u32(left).u64(u64::from(shorter)).u64(u64::from(same)).u64(u64::from(longer));
            }
            Demand::OneOf { set, left } => {
                identity.u64(6);
                left.write_identity(self.sets.get(set), identity);
            }
        }
    }
}
