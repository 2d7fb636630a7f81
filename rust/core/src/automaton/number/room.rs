//! Is there a suitable number among those that begin with what was read? Used by the number automaton.
//!
//! What may follow is a rest: with k more digits before the point, any decimal from 0 to below 10^k. Bounds and enumerated numbers cut that
//! into points and open intervals, in each of which every comparison is decided; in an interval decimals are dense, so only multiples are
//! rare there. Numbers that are multiples of several divisors are those of their least common multiple L, beginning at a residue; of 2^n
//! multiples of L in a row at least one is a multiple of none of n further divisors, unless one of them divides L (Kanold 1967, on
//! Jacobsthal's function). So an answer takes a few operations on integers, however many residues or digits there are.
//!
//! Invariant: the answer is exact, and depends on the key alone.
//! Must not know: states.

use std::cmp::Ordering;

use num_bigint::BigUint;
use num_integer::Integer;

use super::Key;
use super::demand::{Ahead, Demand, Demands, bit};
use super::multiple::{join, number, ten_to};
use crate::error::EngineError;
use crate::limits::Limits;

/// The question for one key.
pub(super) struct Room<'k> {
    demands: &'k Demands,
    key: &'k Key,
    limits: &'k Limits,
    multiples: bool,
    steps: usize,
}

/// An open interval of rests with so many digits before the point.
struct Interval<'d> {
    length: u32,
    /// The digits of the lower end.
    low: &'d [u8],
    /// It is in the interval.
    with_low: bool,
    /// The digits of the upper end; `None`: as far as there is room.
    high: Option<&'d [u8]>,
}

/// Numbers that must be multiples of some divisors and of none of others, as integers in units of the smallest digit that counts.
struct Class {
    /// That digit stands so many places after the last one read.
    places: u32,
    /// The common multiple.
    multiple: BigUint,
    /// What was read, modulo the common multiple.
    read: BigUint,
    /// The divisors they must not be multiples of, each with what was read modulo it.
    others: Vec<(BigUint, BigUint)>,
}

impl<'k> Room<'k> {
    pub(super) fn new(demands: &'k Demands, key: &'k Key, limits: &'k Limits) -> Self {
        let multiples = key.demands.iter().any(|d| matches!(d, Demand::Multiple { .. }));
        Self { demands, key, limits, multiples, steps: 0 }
    }

    /// With any number of further digits before the point.
    pub(super) fn some_longer(mut self) -> Result<bool, EngineError> {
        let mut turns: Vec<u32> = self.key.demands.iter().filter_map(|&d| self.demands.turn(d)).collect();
        let points = self.points();
        turns.extend(points.iter().map(|&(length, _)| length));
        turns.sort_unstable();
        turns.dedup();
        // Longest first: there is most room.
        let mut longest = None;
        for &turn in turns.iter().rev() {
            if longest.is_none_or(|longest| turn < longest) && self.some_length(turn + 1, longest)? {
                return Ok(true);
            }
            if self.some_of_length(turn, &points)? {
                return Ok(true);
            }
            let Some(shorter) = turn.checked_sub(1) else { return Ok(false) };
            longest = Some(shorter);
        }
        self.some_length(0, longest)
    }

    /// With no further digit before the point.
    pub(super) fn some(mut self) -> Result<bool, EngineError> {
        let points = self.points();
        self.some_of_length(0, &points)
    }

    /// The numbers that the outcome does not speak of, none of which is accepted.
    fn points(&self) -> Vec<(u32, Vec<u8>)> {
        self.key.points.map_or_else(Vec::new, |points| self.demands.points_ahead(points))
    }

    /// With any number of digits from `low` to `high`, between which nothing turns.
    fn some_length(&mut self, low: u32, high: Option<u32>) -> Result<bool, EngineError> {
        if high.is_some_and(|high| high < low) {
            return Ok(false);
        }
        let ahead: Vec<Ahead> = self.key.demands.iter().map(|&d| self.demands.ahead(d, low)).collect();
        let decided = |v: u32| match ahead.get(v as usize) {
            Some(Ahead::Known(verdict)) => Some(*verdict),
            Some(Ahead::Multiple) => None,
            Some(Ahead::Compared(..)) | None => Some(false),
        };
        let key = self.key;
        key.outcome.some_way(decided, |yes, no| {
            let Some(class) = self.class(yes, no)? else { return Ok(false) };
            let Some(high) = high else { return Ok(true) };
            if yes.is_empty() {
                return Ok(true);
            }
            // From this length on there are 2^n multiples: ten has more than 3¼ bits.
            let bits = class.multiple.bits() + no.len() as u64 + 1;
            if u64::from(high) > bits * 4 / 13 {
                return Ok(true);
            }
            for length in low..=high {
                if self.some_in(&class, &Interval { length, low: &[], with_low: true, high: None })? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// With exactly so many further digits before the point.
    fn some_of_length(&mut self, length: u32, excluded: &[(u32, Vec<u8>)]) -> Result<bool, EngineError> {
        let ahead: Vec<Ahead> = self.key.demands.iter().map(|&d| self.demands.ahead(d, length)).collect();
        // Each end with the demand that is compared with it; none for a number that is excluded.
        let mut ends: Vec<(Vec<u8>, Option<usize>)> =
            excluded.iter().filter(|(l, _)| *l == length).map(|(_, d)| (d.clone(), None)).collect();
        for (i, ahead) in ahead.iter().enumerate() {
            if let Ahead::Compared(digits, _) = ahead {
                ends.push((digits.clone(), Some(i)));
            }
        }
        for (digits, _) in &mut ends {
            while digits.last() == Some(&0) {
                digits.pop();
            }
        }
        ends.sort_unstable();
        let mut orderings = vec![Ordering::Less; ahead.len()];
        let (mut low, mut with_low): (&[u8], bool) = (&[], true);
        let mut rest = ends.as_slice();
        while let Some((end, _)) = rest.first() {
            if !(end.is_empty() && with_low)
                && self.some_between(&ahead, &orderings, &Interval { length, low, with_low, high: Some(end) })?
            {
                return Ok(true);
            }
            let (here, after) = rest.split_at(rest.partition_point(|(digits, _)| digits == end));
            here.iter().filter_map(|(_, i)| *i).for_each(|i| orderings[i] = Ordering::Equal);
            if here.iter().all(|(_, i)| i.is_some()) && self.is_suitable(&ahead, &orderings, length, end)? {
                return Ok(true);
            }
            here.iter().filter_map(|(_, i)| *i).for_each(|i| orderings[i] = Ordering::Greater);
            (low, with_low, rest) = (end, false, after);
        }
        self.some_between(&ahead, &orderings, &Interval { length, low, with_low, high: None })
    }

    /// Is the number with this rest suitable?
    fn is_suitable(&mut self, ahead: &[Ahead], orderings: &[Ordering], length: u32, rest: &[u8]) -> Result<bool, EngineError> {
        self.count(rest.len() as u64)?;
        let key = self.key;
        let value = key.outcome.evaluate(|v| match ahead.get(v as usize) {
            Some(Ahead::Multiple) => self.is_multiple(v, length, rest),
            other => decided(other, orderings, v),
        });
        Ok(value.is_some())
    }

    fn is_multiple(&self, variable: u32, length: u32, rest: &[u8]) -> bool {
        let Some(&Demand::Multiple { unit, residue }) = self.key.demands.get(variable as usize) else { return false };
        let content = self.demands.unit(unit);
        let Some(zeros) = (length + content.places()).checked_sub(rest.len() as u32) else { return false };
        let read = self.demands.residue(unit, residue) * ten_to(length + content.places());
        ((read + number(rest, zeros)) % content.modulus()) == BigUint::ZERO
    }

    /// Is there a suitable number in the interval?
    fn some_between(&mut self, ahead: &[Ahead], orderings: &[Ordering], interval: &Interval<'_>) -> Result<bool, EngineError> {
        let key = self.key;
        if !self.multiples {
            return Ok(key.outcome.evaluate(|v| decided(ahead.get(v as usize), orderings, v)).is_some());
        }
        let verdict = |v: u32| match ahead.get(v as usize) {
            Some(Ahead::Multiple) => None,
            other => Some(decided(other, orderings, v)),
        };
        key.outcome.some_way(verdict, |yes, no| {
            if yes.is_empty() {
                // Decimals are dense, multiples are not.
                return Ok(true);
            }
            match self.class(yes, no)? {
                Some(class) => self.some_in(&class, interval),
                None => Ok(false),
            }
        })
    }

    /// The multiples of all the one and none of the other; `None`: there are none.
    fn class(&mut self, yes: &[u32], no: &[u32]) -> Result<Option<Class>, EngineError> {
        let of = |v: &u32| match self.key.demands.get(*v as usize) {
            Some(&Demand::Multiple { unit, residue }) => Some((self.demands.unit(unit), self.demands.residue(unit, residue))),
            _ => None,
        };
        let places = yes.iter().chain(no).filter_map(of).map(|(unit, _)| unit.places()).max().unwrap_or(0);
        // What was read modulo the divisor, both in units of the smallest digit that counts.
        let scaled = |v: &u32| {
            of(v).map(|(unit, residue)| {
                let read = residue * ten_to(unit.places()) % unit.modulus();
                let zeros = ten_to(places - unit.places());
                (read * &zeros, unit.modulus() * zeros)
            })
        };
        let mut all = yes.iter().filter_map(scaled);
        let first = all.next().unwrap_or_else(|| (BigUint::ZERO, BigUint::from(1u32)));
        let (read, multiple) = all.fold(first, |all, one| join(all, &one));
        let others: Vec<(BigUint, BigUint)> = no.iter().filter_map(scaled).collect();
        self.count(multiple.bits() * (yes.len() + no.len()) as u64)?;
        let some = yes.is_empty() || others.iter().all(|(_, divisor)| !multiple.is_multiple_of(divisor));
        Ok(some.then_some(Class { places, multiple, read, others }))
    }

    /// Is a number of the class in the interval?
    fn some_in(&mut self, class: &Class, interval: &Interval<'_>) -> Result<bool, EngineError> {
        let places = interval.length + class.places;
        let width = ten_to(places);
        let scale = ten_to(interval.length);
        let below = |digits: &[u8]| {
            let (kept, cut) = digits.split_at(digits.len().min(places as usize));
            (number(kept, places - kept.len() as u32), cut.is_empty())
        };
        let (low, exact) = below(interval.low);
        let low = if exact && interval.with_low { low } else { low + 1u32 };
        // The first integer past the interval.
        let high = match interval.high.map(below) {
            None => width,
            Some((high, true)) => high,
            Some((high, false)) => high + 1u32,
        };
        let over = &class.read * &scale % &class.multiple;
        let mut rest = if over == BigUint::ZERO { over } else { &class.multiple - over };
        if rest < low {
            rest += (&low - &rest).div_ceil(&class.multiple) * &class.multiple;
        }
        let read: Vec<BigUint> = class.others.iter().map(|(read, divisor)| read * &scale % divisor).collect();
        while rest < high {
            self.count(class.multiple.bits() + u64::from(places))?;
            if class.others.iter().zip(&read).all(|((_, divisor), read)| (read + &rest) % divisor != BigUint::ZERO) {
                return Ok(true);
            }
            rest += &class.multiple;
        }
        self.count(class.multiple.bits() + u64::from(places))?;
        Ok(false)
    }

    /// One operation on numbers of so many bits.
    fn count(&mut self, bits: u64) -> Result<(), EngineError> {
        self.steps = self.steps.saturating_add(1 + usize::try_from(bits / 256).unwrap_or(usize::MAX));
        Limits::check("max_search_steps", self.steps, self.limits.max_search_steps)
    }
}

fn decided(ahead: Option<&Ahead>, orderings: &[Ordering], v: u32) -> bool {
    match ahead {
        Some(Ahead::Known(verdict)) => *verdict,
        Some(Ahead::Compared(_, allowed)) => allowed & bit(orderings[v as usize]) != 0,
        Some(Ahead::Multiple) | None => false,
    }
}
