//! Demands on a number, and what is left of them while it is being written. Used by the number automaton.
//!
//! Invariant: content decides. Sizes, sets and demands are kept once each, so that what is left of equal demands is equal.
//! Must not know: outcomes, states, the text of a number but digits and the point.

use std::cmp::Ordering;

use std::sync::Arc;

use num_bigint::BigUint;

use super::decimal::Decimal;
use super::multiple::{self, Unit};
use super::points::{Candidates, Spellings};
use super::progress::{Comparison, Size};
use crate::error::EngineError;
use crate::identity::Identity;
use crate::limits::Limits;
use crate::maps::{self, Concurrent};

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
    /// It is this, which is not zero, times an integer.
    MultipleOf(Decimal),
}

impl NumberAtom {
    /// Does the number meet the demand?
    pub fn holds(&self, number: &Decimal) -> bool {
        match self {
            Self::Integer => number.is_integer(),
            Self::AtLeast { bound, exclusive } => number > bound || (!exclusive && number == bound),
            Self::AtMost { bound, exclusive } => number < bound || (!exclusive && number == bound),
            Self::OneOf(numbers) => numbers.contains(number),
            Self::MultipleOf(divisor) => multiple::is_multiple(number, divisor),
        }
    }
}

const LESS: u8 = 1;
const EQUAL: u8 = 2;
const GREATER: u8 = 4;

pub(super) fn bit(ordering: Ordering) -> u8 {
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
    /// It is a multiple: the residue of what was read, in that unit. Large residues are kept in a table.
    Multiple { unit: u32, residue: u64 },
}

/// A demand, or its verdict once that is known.
pub(super) type Left = Result<Demand, bool>;

/// A decided comparison, or its verdict if the number of digits makes no difference.
fn counted(left: u32, shorter: bool, same: bool, longer: bool) -> Left {
    // Fewer digits are no longer possible once there are as many.
    let shorter = if left == 0 { same } else { shorter };
    if shorter == same && same == longer { Err(same) } else { Ok(Demand::Counted { left, shorter, same, longer }) }
}

/// Numbers that are judged by themselves: what was read of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Points {
    /// Nothing was read yet; the numbers with what each is worth.
    Unread(u32),
    /// The sign was read.
    Left { set: u32, left: Candidates },
}

/// A demand at a place from which so many digits before the point follow.
pub(super) enum Ahead {
    /// Its verdict, whatever the digits are.
    Known(bool),
    /// The rest, compared with these digits, must be in one of these ways.
    Compared(Vec<u8>, u8),
    /// It is a multiple.
    Multiple,
}

/// The content behind the numbers of demands.
pub(super) struct Demands {
    atoms: Table<NumberAtom>,
    sizes: Table<Size>,
    /// Of both signs, with what each is worth.
    points: Table<Box<[(Decimal, u32)]>>,
    sets: Table<Spellings>,
    /// By numbers of both signs and a sign: the set and what may come of it.
    signed_sets: Concurrent<(u32, bool), Option<Points>>,
    units: Table<Unit>,
    /// By unit: the one after a digit of the fraction.
    next_units: Concurrent<u32, Option<u32>>,
    residues: Table<BigUint>,
}

impl Default for Demands {
    fn default() -> Self {
        let this = Self {
            atoms: Table::default(),
            sizes: Table::default(),
            points: Table::default(),
            sets: Table::default(),
            signed_sets: maps::few(),
            units: Table::default(),
            next_units: maps::few(),
            residues: Table::default(),
        };
        // The first of each: one, and zero.
        this.units.intern(Unit::of(&Decimal::from(1)));
        this.residues.intern(BigUint::ZERO);
        this
    }
}

/// Once the point was read: only zeros may follow.
const ZEROS: Demand = Demand::Multiple { unit: 0, residue: 0 };

/// Things kept once each, numbered.
struct Table<T> {
    items: boxcar::Vec<Arc<T>>,
    by_content: Concurrent<Arc<T>, u32>,
}

impl<T: std::hash::Hash + Eq> Default for Table<T> {
    fn default() -> Self {
        Self { items: boxcar::Vec::new(), by_content: maps::few() }
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
            NumberAtom::Integer | NumberAtom::OneOf(_) => {}
            NumberAtom::AtLeast { bound, .. } | NumberAtom::AtMost { bound, .. } => check(bound)?,
            NumberAtom::MultipleOf(divisor) => {
                check(divisor)?;
                *divisor = divisor.abs();
            }
        }
        Ok(Demand::Unread(self.atoms.intern(atom)))
    }

    /// Numbers that are judged by themselves, of which nothing was read.
    pub(super) fn unread_points(&self, points: Vec<(Decimal, u32)>, limits: &Limits) -> Result<Option<Points>, EngineError> {
        // Written plainly, short texts such as 1e4000 take many zeros; a set may take as many as some such numbers do.
        let mut zeros = 0u64;
        for (number, _) in &points {
            let written = number.written_digits();
            Limits::check("max_number_digits", usize::try_from(written).unwrap_or(usize::MAX), limits.max_number_digits)?;
            zeros += written - number.parts().0.len() as u64;
        }
        Limits::check("max_number_digits", usize::try_from(zeros / 64).unwrap_or(usize::MAX), limits.max_number_digits)?;
        Ok((!points.is_empty()).then(|| Points::Unread(self.points.intern(points.into()))))
    }

    /// Once the sign is known.
    pub(super) fn signed_points(&self, points: Points, negative: bool) -> Option<Points> {
        let Points::Unread(points) = points else { return Some(points) };
        // PERF: every first digit asks.
        *self.signed_sets.entry((points, negative)).or_insert_with(|| {
            let same_sign = self.points.get(points).iter().filter(|(n, _)| n.is_zero() || n.is_negative() == negative);
            let set = Spellings::of(same_sign.map(|(n, leaf)| (n.abs(), *leaf)));
            let left = Candidates::all(&set)?;
            Some(Points::Left { set: self.sets.intern(set), left })
        })
    }

    /// After one more digit or the point; `None`: from here on nothing is judged by itself.
    pub(super) fn step_points(&self, points: Points, byte: u8) -> Option<Points> {
        let Points::Left { set, left } = points else { return Some(points) };
        left.step(self.sets.get(set), byte).map(|left| Points::Left { set, left })
    }

    /// If the number read so far is judged by itself: what it is worth.
    pub(super) fn points_now(&self, points: Points) -> Option<u32> {
        let Points::Left { set, left } = points else { return None };
        left.now(self.sets.get(set))
    }

    /// Is one that is accepted among those to come?
    pub(super) fn points_hopeful(&self, points: Points) -> bool {
        match points {
            Points::Unread(points) => self.points.get(points).iter().any(|&(_, leaf)| leaf != 0),
            Points::Left { set, left } => left.hopeful(self.sets.get(set)),
        }
    }

    /// How they go on.
    pub(super) fn points_ahead(&self, points: Points) -> Vec<(u32, Vec<u8>)> {
        let Points::Left { set, left } = points else { return Vec::new() };
        left.ahead(self.sets.get(set)).collect()
    }

    /// Once the sign is known.
    pub(super) fn signed(&self, demand: Demand, negative: bool) -> Left {
        let Demand::Unread(atom) = demand else { return Ok(demand) };
        match self.atoms.get(atom) {
            NumberAtom::Integer => Ok(ZEROS),
            NumberAtom::AtLeast { bound, exclusive } => self.bound(bound, *exclusive, bound.is_negative(), negative),
            // At most b is at least -b of the opposite.
            NumberAtom::AtMost { bound, exclusive } => self.bound(bound, *exclusive, !bound.is_negative() && !bound.is_zero(), !negative),
            NumberAtom::MultipleOf(divisor) => Ok(Demand::Multiple { unit: self.units.intern(Unit::of(divisor)), residue: 0 }),
            // Judged by itself.
            NumberAtom::OneOf(_) => Err(false),
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
            ZEROS if fraction && digit != 0 => Err(false),
            Demand::Unread(_) | ZEROS => Ok(demand),
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
            Demand::Multiple { unit, residue } if fraction => match self.next_unit(unit) {
                Some(next) => self.without_whole(next, self.residue_after(unit, residue, digit, next)),
                // Without places it was settled at the point.
                None => Err(false),
            },
            Demand::Multiple { unit, residue } => Ok(Demand::Multiple { unit, residue: self.residue_after(unit, residue, digit, unit) }),
        }
    }

    fn next_unit(&self, unit: u32) -> Option<u32> {
        if let Some(known) = self.next_units.get(&unit) {
            return *known;
        }
        let next = self.units.get(unit).next().map(|next| self.units.intern(next));
        self.next_units.insert(unit, next);
        next
    }

    /// What is known of a residue, in the unit that the digit leads to.
    fn residue_after(&self, unit: u32, residue: u64, digit: u8, next: u32) -> u64 {
        let next = self.units.get(next);
        match (self.units.get(unit).small(), next.small()) {
            (Some(_), Some(kept)) => (residue * 10 + u64::from(digit)) % kept,
            (_, small) => {
                let after = (self.residue(unit, residue) * 10u32 + digit) % next.kept();
                match small {
                    Some(_) => u64::try_from(&after).unwrap_or(0),
                    None => u64::from(self.residues.intern(after)),
                }
            }
        }
    }

    /// The residue itself.
    pub(super) fn residue(&self, unit: u32, residue: u64) -> BigUint {
        if self.units.get(unit).small().is_some() { BigUint::from(residue) } else { self.residues.get(residue as u32).clone() }
    }

    /// The unit behind its number.
    pub(super) fn unit(&self, unit: u32) -> &Unit {
        self.units.get(unit)
    }

    /// A multiple, once no digit before the point follows.
    fn without_whole(&self, unit: u32, residue: u64) -> Left {
        let content = self.units.get(unit);
        if !content.ends(&self.residue(unit, residue)) {
            Err(false)
        } else if content.places() == 0 {
            Ok(ZEROS)
        } else {
            Ok(Demand::Multiple { unit, residue })
        }
    }

    /// After the decimal point.
    pub(super) fn point(&self, demand: Demand) -> Left {
        match demand {
            Demand::Unread(_) => Ok(demand),
            Demand::Size { size, allowed, progress } => match progress.point(self.sizes.get(size)) {
                Comparison::Known(known) => Err(allowed & bit(known) != 0),
                progress => Ok(Demand::Size { size, allowed, progress }),
            },
            Demand::Counted { left, shorter, same, .. } => Err(if left == 0 { same } else { shorter }),
            Demand::Multiple { unit, residue } => self.without_whole(unit, residue),
        }
    }

    /// The verdict if the number ends here.
    pub(super) fn now(&self, demand: Demand) -> bool {
        match demand {
            Demand::Unread(_) => false,
            Demand::Size { size, allowed, progress } => allowed & bit(progress.now(self.sizes.get(size))) != 0,
            Demand::Counted { left, shorter, same, .. } => {
                if left == 0 {
                    same
                } else {
                    shorter
                }
            }
            Demand::Multiple { residue, .. } => residue == 0,
        }
    }

    /// The lengths at which the demand changes: with so many more digits before the point it is judged by itself.
    pub(super) fn turn(&self, demand: Demand) -> Option<u32> {
        match demand {
            Demand::Unread(_) | Demand::Multiple { .. } => None,
            Demand::Size { size, progress, .. } => progress.ahead(self.sizes.get(size)).map(|(length, _)| length),
            Demand::Counted { left, .. } => Some(left),
        }
    }

    /// The demand if `length` more digits before the point follow.
    pub(super) fn ahead(&self, demand: Demand, length: u32) -> Ahead {
        match demand {
            Demand::Unread(_) => Ahead::Known(false),
            Demand::Multiple { .. } => Ahead::Multiple,
            Demand::Counted { left, shorter, same, longer } => Ahead::Known(match length.cmp(&left) {
                Ordering::Less => shorter,
                Ordering::Equal => same,
                Ordering::Greater => longer,
            }),
            Demand::Size { size, allowed, progress } => match progress.ahead(self.sizes.get(size)) {
                None => Ahead::Known(allowed & bit(progress.now(self.sizes.get(size))) != 0),
                Some((as_long, digits)) => match length.cmp(&as_long) {
                    Ordering::Equal => Ahead::Compared(digits, allowed),
                    other => Ahead::Known(allowed & bit(other) != 0),
                },
            },
        }
    }

    pub(super) fn write_points_identity(&self, points: Points, identity: &mut Identity) {
        match points {
            Points::Unread(points) => {
                let points = self.points.get(points);
                identity.u64(1).u64(points.len() as u64);
                for (number, leaf) in points {
                    number.write_identity(identity.u32(*leaf));
                }
            }
            Points::Left { set, left } => left.write_identity(self.sets.get(set), identity.u64(2)),
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
                NumberAtom::MultipleOf(divisor) => divisor.write_identity(identity.u64(3)),
                NumberAtom::OneOf(_) => {
                    identity.u64(4);
                }
            },
            Demand::Size { size, allowed, progress } => {
                identity.u64(5).u64(u64::from(allowed));
                self.sizes.get(size).write_identity(identity);
                progress.write_identity(identity);
            }
            Demand::Counted { left, shorter, same, longer } => {
                identity.u64(7).u32(left).u64(u64::from(shorter)).u64(u64::from(same)).u64(u64::from(longer));
            }
            Demand::Multiple { unit, residue } => {
                self.units.get(unit).write_identity(&self.residue(unit, residue), identity.u64(6));
            }
        }
    }
}
