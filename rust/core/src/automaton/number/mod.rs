//! Numbers of JSON, judged on their digits as written. Between the front-ends, which say what a number must be, and the engine.
//!
//! A number under a bound, an enumeration or a divisor is written without an exponent, and one that must (or must not) be an integer with an
//! exponent only where the verdict is plain (`15e3`, not `1.5e1`): every output is valid, some spellings are not offered. Without demands
//! every spelling is.
//!
//! Invariant: a state is what is left of the demands, and from every state some digits lead to an accepted end.
//! Must not know: schemas, keywords, tokens, floating point.

mod decimal;
mod demand;
mod exponents;
mod multiple;
#[cfg(test)]
mod multiple_tests;
mod points;
mod progress;
mod room;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use hashbrown::HashMap;
use smallvec::SmallVec;

pub use self::decimal::Decimal;
pub use self::demand::NumberAtom;
use self::demand::{Demand, Demands, Left, Points};
pub use self::exponents::ExponentAutomaton;
use self::room::Room;
use super::text::{Mapped, Outcome};
use crate::error::EngineError;
use crate::identity::Identity;
use crate::ids::{ProviderId, StateId};
use crate::limits::Limits;
use crate::maps::{self, Concurrent};
use crate::provider::{Arena, ByteSet, Facts, Provider, Step};

/// What a number must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberSpec {
    /// The demands.
    pub atoms: Vec<NumberAtom>,
    /// What the number is worth: variable i is demand i.
    pub outcome: Outcome,
}

impl NumberSpec {
    /// Any number, worth `value`.
    pub fn any(value: u32) -> Self {
        Self { atoms: Vec::new(), outcome: Outcome::always(value) }
    }
}

/// Where in the text of a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    Start,
    Sign,
    /// A zero before the point: no digit may follow.
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

/// Which exponents are offered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Exponents {
    All,
    /// Not below zero, and after a mantissa without fraction: the number is an integer then.
    Integral,
    None,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    phase: Phase,
    exponents: Exponents,
    /// Numbers for which the outcome does not speak.
    points: Option<Points>,
    /// Demand i is variable i of the outcome; the outcome depends on each.
    demands: Box<[Demand]>,
    outcome: Outcome,
}

struct Number {
    key: Arc<Key>,
    viable: AtomicU8,
    state: OnceLock<StateId>,
}

const VIABLE: u8 = 1;
const HOPELESS: u8 = 2;
const BYTES: &[u8] = b"0123456789.-+eE";

/// The states of all numbers of one compiled grammar.
pub struct NumberAutomaton {
    provider: OnceLock<ProviderId>,
    /// Made for the first number.
    demands: LazyLock<Demands>,
    numbers: boxcar::Vec<Number>,
    by_key: Concurrent<Arc<Key>, u32>,
    /// Held while a state is made, so that each is made once.
    making: std::sync::Mutex<()>,
}

impl NumberAutomaton {
    /// Register an automaton for numbers.
    pub fn register(arena: &Arena) -> Arc<Self> {
        let automaton = Arc::new(Self {
            provider: OnceLock::new(),
            demands: LazyLock::new(Demands::default),
            numbers: boxcar::Vec::new(),
            by_key: maps::few(),
            making: std::sync::Mutex::new(()),
        });
        let provider = arena.register(Arc::clone(&automaton) as Arc<dyn Provider>);
        let _ = automaton.provider.set(provider);
        automaton
    }

    /// The state before the first character of a number. Returns the value of the outcome wherever the number may end.
    /// `None`: no number is accepted.
    pub fn start(&self, arena: &Arena, spec: &NumberSpec) -> Result<Option<StateId>, EngineError> {
        let Some(start) = self.start_number(spec, arena.limits())? else { return Ok(None) };
        if self.viable(start, arena.limits())? { self.state(arena, start).map(Some) } else { Ok(None) }
    }

    /// The values with which some number is accepted, ascending. Empty: no number is.
    pub fn which(&self, arena: &Arena, spec: &NumberSpec) -> Result<Vec<u32>, EngineError> {
        let mut found = Vec::new();
        for value in spec.outcome.values() {
            let only = NumberSpec { atoms: spec.atoms.clone(), outcome: spec.outcome.only(value) };
            if let Some(start) = self.start_number(&only, arena.limits())?
                && self.viable(start, arena.limits())?
            {
                found.push(value);
            }
        }
        Ok(found)
    }

    fn start_number(&self, spec: &NumberSpec, bound: &Limits) -> Result<Option<u32>, EngineError> {
        let mut used = vec![false; spec.atoms.len()];
        for variable in spec.outcome.variables() {
            if let Some(used) = used.get_mut(variable as usize) {
                *used = true;
            }
        }
        let asked = || spec.atoms.iter().zip(&used).filter(|&(_, used)| *used).map(|(atom, _)| atom);
        let divisors: u64 = asked().map(|atom| if let NumberAtom::MultipleOf(d) = atom { d.written_digits() } else { 0 }).sum();
        // They may all be asked at once: a common multiple has so many digits.
        Limits::check("max_number_digits", usize::try_from(divisors).unwrap_or(usize::MAX), bound.max_number_digits)?;
        let exponents = match asked().collect::<SmallVec<[_; 4]>>().as_slice() {
            [] => Exponents::All,
            atoms if atoms.iter().all(|a| **a == NumberAtom::Integer) => Exponents::Integral,
            _ => Exponents::None,
        };
        let (points, outcome) = Self::apart(spec, &used, bound)?;
        let points = self.demands.unread_points(points, bound)?;
        let mut left = Vec::with_capacity(spec.atoms.len());
        for (atom, used) in spec.atoms.iter().zip(&used) {
            left.push(if *used { Ok(self.demands.unread(atom, bound)?) } else { Err(false) });
        }
        Self::make(Phase::Start, exponents, points, &left, &outcome).map(|key| self.intern(key, bound)).transpose()
    }

    /// The enumerated numbers for which the outcome is another than for numbers that are not enumerated, with what they are worth; and
    /// the outcome for all others.
    fn apart(spec: &NumberSpec, used: &[bool], bound: &Limits) -> Result<(Vec<(Decimal, u32)>, Outcome), EngineError> {
        let listed = |atom: &NumberAtom| matches!(atom, NumberAtom::OneOf(_)) || matches!(atom, NumberAtom::MultipleOf(d) if d.is_zero());
        // A variable without an atom never holds.
        let others = spec.outcome.map(|v| match spec.atoms.get(v as usize) {
            Some(atom) if !listed(atom) => Mapped::Variable(v),
            _ => Mapped::Constant(false),
        });
        let zero = Decimal::zero();
        let mut members: HashMap<&Decimal, SmallVec<[u32; 2]>> = HashMap::new();
        for (v, (atom, _)) in spec.atoms.iter().zip(used).enumerate().filter(|(_, (_, used))| **used) {
            match atom {
                NumberAtom::OneOf(numbers) => numbers.iter().for_each(|n| members.entry(n).or_default().push(v as u32)),
                NumberAtom::MultipleOf(d) if d.is_zero() => members.entry(&zero).or_default().push(v as u32),
                _ => {}
            }
        }
        let mut points = Vec::new();
        let mut steps = 0;
        for (number, sets) in members {
            let mut worth = |outcome: &Outcome| {
                outcome.try_leaf(|v| {
                    steps += 1;
                    Limits::check("max_search_steps", steps / 64, bound.max_search_steps)?;
                    Ok(match spec.atoms.get(v as usize) {
                        Some(atom) if !listed(atom) => atom.holds(number),
                        _ => sets.contains(&v),
                    })
                })
            };
            let leaf = worth(&spec.outcome)?;
            if leaf != worth(&others)? {
                points.push((number.clone(), leaf));
            }
        }
        points.sort_unstable();
        Ok((points, others))
    }

    /// The canonical number: known verdicts are put into the outcome, and what it no longer asks is dropped.
    fn make(phase: Phase, mut exponents: Exponents, points: Option<Points>, left: &[Left], outcome: &Outcome) -> Option<Key> {
        let known = outcome.map(|v| match left[v as usize] {
            Ok(_) => Mapped::Variable(v),
            Err(verdict) => Mapped::Constant(verdict),
        });
        if known.is_refused() && points.is_none() {
            return None;
        }
        let mut names: Vec<Option<u32>> = vec![None; left.len()];
        for variable in known.variables() {
            names[variable as usize] = Some(0);
        }
        let mut demands = Vec::new();
        for (name, left) in names.iter_mut().zip(left) {
            if let (Some(name), Ok(demand)) = (name, left) {
                *name = demands.len() as u32;
                demands.push(*demand);
            }
        }
        let outcome = if demands.is_empty() { known } else { known.map(|v| Mapped::Variable(names[v as usize].unwrap_or(0))) };
        if exponents == Exponents::Integral && demands.is_empty() {
            // A fraction was written, or the exponent was.
            exponents = Exponents::None;
        }
        Some(Key { phase, exponents, points, demands: demands.into(), outcome })
    }

    /// The number after one more byte; `None`: no number, or it is refused whatever follows.
    fn after(&self, key: &Key, byte: u8) -> Option<Key> {
        let digit = byte.wrapping_sub(b'0');
        let demands = &self.demands;
        let all = |phase, exponents, left: &mut dyn FnMut(Demand) -> Left| {
            let left: SmallVec<[Left; 4]> = key.demands.iter().map(|&d| left(d)).collect();
            let undecided = left.iter().copied().collect::<Result<Box<[Demand]>, bool>>();
            let points = key.points.and_then(|points| match (key.phase, byte) {
                (Phase::Start, b'-') => demands.signed_points(points, true),
                _ => demands.signed_points(points, false).and_then(|points| demands.step_points(points, byte)),
            });
            match undecided {
                Ok(demands) if !demands.is_empty() => Some(Key { phase, exponents, points, demands, outcome: key.outcome.clone() }),
                _ => Self::make(phase, exponents, points, &left, &key.outcome),
            }
        };
        match (key.phase, byte) {
            (Phase::Start, b'-') => all(Phase::Sign, key.exponents, &mut |d| demands.signed(d, true)),
            (Phase::Start | Phase::Sign, b'0'..=b'9') => {
                let phase = if digit == 0 { Phase::Zero } else { Phase::Whole };
                all(phase, key.exponents, &mut |d| demands.signed(d, false).and_then(|d| demands.digit(d, digit, false)))
            }
            (Phase::Whole, b'0'..=b'9') => all(Phase::Whole, key.exponents, &mut |d| demands.digit(d, digit, false)),
            (Phase::Zero | Phase::Whole, b'.') => all(Phase::Point, key.exponents, &mut |d| demands.point(d)),
            (Phase::Point | Phase::Fraction, b'0'..=b'9') => all(Phase::Fraction, key.exponents, &mut |d| demands.digit(d, digit, true)),
            (Phase::Zero | Phase::Whole | Phase::Fraction, b'e' | b'E') => match key.exponents {
                Exponents::All => all(Phase::Exponent, Exponents::All, &mut Ok),
                Exponents::Integral => all(Phase::Exponent, Exponents::None, &mut |_| Err(true)),
                Exponents::None => None,
            },
            (Phase::Exponent, b'-') if key.exponents != Exponents::All => None,
            // From here on all exponents are alike.
            (Phase::Exponent, b'+' | b'-') => all(Phase::ExponentSign, Exponents::All, &mut Ok),
            (Phase::Exponent | Phase::ExponentSign | Phase::ExponentDigits, b'0'..=b'9') => {
                all(Phase::ExponentDigits, Exponents::All, &mut Ok)
            }
            _ => None,
        }
    }

    /// Bytes that do the same here, as far as that is plain.
    fn alike(key: &Key, byte: u8) -> ByteSet {
        if !BYTES.contains(&byte) {
            let mut others = ByteSet::ALL;
            for &b in BYTES {
                others.remove(&ByteSet::one(b));
            }
            return others;
        }
        let any_digit = key.points.is_none() && key.demands.iter().all(|d| matches!(d, Demand::Counted { .. }));
        match (key.phase, byte) {
            (Phase::Zero, b'0'..=b'9') => ByteSet::range(b'0', b'9'),
            (Phase::Start | Phase::Sign, b'1'..=b'9') if any_digit => ByteSet::range(b'1', b'9'),
            (Phase::Start | Phase::Sign, _) => ByteSet::one(byte),
            (_, b'0'..=b'9') if any_digit => ByteSet::range(b'0', b'9'),
            _ => ByteSet::one(byte),
        }
    }

    /// The value if the number ends here.
    fn verdict(&self, key: &Key) -> Option<u32> {
        match key.phase {
            Phase::Zero | Phase::Whole | Phase::Fraction | Phase::ExponentDigits => {
                match key.points.and_then(|points| self.demands.points_now(points)) {
                    Some(leaf) => leaf.checked_sub(1),
                    None => key.outcome.evaluate(|v| self.demands.now(key.demands[v as usize])),
                }
            }
            Phase::Start | Phase::Sign | Phase::Point | Phase::Exponent | Phase::ExponentSign => None,
        }
    }

    fn key(&self, number: u32) -> &Key {
        &self.numbers[number as usize].key
    }

    fn intern(&self, key: Key, bound: &Limits) -> Result<u32, EngineError> {
        if let Some(number) = self.by_key.get(&key) {
            return Ok(*number);
        }
        Limits::check("max_states", self.numbers.count() + 1, bound.max_states)?;
        let key = Arc::new(key);
        Ok(*self
            .by_key
            .entry(Arc::clone(&key))
            .or_insert_with(|| self.numbers.push(Number { key, viable: AtomicU8::new(0), state: OnceLock::new() }) as u32))
    }

    fn viable_at_sight(&self, number: u32) -> Option<bool> {
        let entry = &self.numbers[number as usize];
        match entry.viable.load(Ordering::Relaxed) {
            VIABLE => return Some(true),
            HOPELESS => return Some(false),
            _ => {}
        }
        // Without demands any end will do but those few that are judged by themselves: an outcome that always refuses is no number at all.
        let key = &entry.key;
        let any = key.demands.is_empty() && !key.outcome.is_refused();
        let sure = any || key.points.is_some_and(|points| self.demands.points_hopeful(points)) || self.verdict(key).is_some();
        sure.then(|| {
            entry.viable.store(VIABLE, Ordering::Relaxed);
            true
        })
    }

    /// Is some continuation accepted? Arithmetic, not a search: residues and digits may be many.
    fn viable(&self, number: u32, bound: &Limits) -> Result<bool, EngineError> {
        if let Some(known) = self.viable_at_sight(number) {
            return Ok(known);
        }
        let key = self.key(number);
        let viable = match key.phase {
            Phase::Start | Phase::Sign => {
                let mut viable = false;
                for &byte in b"1234567890-" {
                    if let Some(next) = self.after(key, byte)
                        && self.viable(self.intern(next, bound)?, bound)?
                    {
                        viable = true;
                        break;
                    }
                }
                viable
            }
            Phase::Whole => Room::new(&self.demands, key, bound).some_longer()?,
            _ => Room::new(&self.demands, key, bound).some()?,
        };
        self.numbers[number as usize].viable.store(if viable { VIABLE } else { HOPELESS }, Ordering::Relaxed);
        Ok(viable)
    }

    fn state(&self, arena: &Arena, number: u32) -> Result<StateId, EngineError> {
        let entry = &self.numbers[number as usize];
        if let Some(state) = entry.state.get() {
            return Ok(*state);
        }
        let provider = *self.provider.get().ok_or(EngineError::Internal("a number automaton that is not registered"))?;
        let facts = Facts { returns: self.verdict(&entry.key), identity: Some(self.identity(&entry.key)), ..Facts::default() };
        let _making = self.making.lock().map_err(|_| EngineError::Internal("a thread that made a number state died"))?;
        if let Some(state) = entry.state.get() {
            return Ok(*state);
        }
        let state = arena.add_state(provider, number, facts)?;
        let _ = entry.state.set(state);
        Ok(state)
    }

    fn identity(&self, key: &Key) -> u128 {
        let mut identity = Identity::new("json number");
        match key.points {
            Some(points) => self.demands.write_points_identity(points, &mut identity),
            None => drop(identity.u64(0)),
        }
        identity.u64(key.phase as u64).u64(key.exponents as u64).u64(key.demands.len() as u64);
        for &demand in &key.demands {
            self.demands.write_identity(demand, &mut identity);
        }
        key.outcome.write_identity(&mut identity);
        identity.finish()
    }
}

impl Provider for NumberAutomaton {
    fn step(&self, arena: &Arena, local: u32, byte: u8) -> Result<Step, EngineError> {
        let key = self.key(local);
        let bound = arena.limits();
        let Some(next) = self.after(key, byte) else { return Ok(Step::dead(Self::alike(key, byte))) };
        let next = self.intern(next, bound)?;
        if !self.viable(next, bound)? {
            return Ok(Step::dead(Self::alike(key, byte)));
        }
        Ok(Step::to(self.state(arena, next)?, Self::alike(key, byte)))
    }

    fn on_return(&self, _arena: &Arena, _local: u32, _value: u32) -> Result<Option<StateId>, EngineError> {
        Err(EngineError::Internal("a number calls no rule"))
    }

    fn describe(&self, local: u32) -> String {
        let key = self.key(local);
        let digit = if key.demands.is_empty() { "a digit" } else { "a digit that keeps the number in bounds" };
        match key.phase {
            Phase::Start if key.demands.is_empty() => "a number".to_owned(),
            Phase::Start => "a number in bounds".to_owned(),
            Phase::Zero => "the point of a number, or its end".to_owned(),
            Phase::Whole | Phase::Fraction | Phase::ExponentDigits => format!("{digit}, or the end of the number"),
            Phase::Sign | Phase::Point | Phase::ExponentSign => digit.to_owned(),
            Phase::Exponent => "an exponent".to_owned(),
        }
    }

    fn memory_bytes(&self) -> usize {
        self.numbers.count() * (size_of::<Number>() + 256)
    }
}
