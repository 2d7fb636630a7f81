//! Numbers under bounds, divisors or lists that may be written with an exponent of bounded size. Beside the automaton of numbers without one.
//!
//! `1.5e3` meets a demand when `1.5` meets the demand divided by a thousand. So the mantissa is read by one number per exponent, each with demands
//! scaled by its power of ten, and the exponents offered then are those whose number accepts.
//!
//! Invariant: as of numbers: from every state some bytes lead to an accepted end. An exponent has no leading zeros.
//! Must not know: schemas, tokens.

use std::sync::{Arc, Mutex, OnceLock};

use super::{BYTES, Decimal, NumberAtom, NumberAutomaton, NumberSpec, Phase};
use crate::error::EngineError;
use crate::identity::Identity;
use crate::ids::{ProviderId, StateId};
use crate::limits::Limits;
use crate::maps::{self, Concurrent};
use crate::provider::{Arena, ByteSet, Facts, Provider, Step};

/// An exponent, and a number that is read beside it or the value returned.
type ByExponent = Box<[(i32, u32)]>;

#[derive(PartialEq, Eq, Hash, Debug)]
enum Spot {
    /// The number without an exponent, and with each.
    Mantissa { plain: Option<u32>, scaled: ByExponent },
    /// After `e`: the exponents that may still be meant with what the number is worth then. All agree in the sign and the digits read.
    Exponent { signed: bool, read: u8, values: ByExponent },
}

struct Entry {
    spot: Arc<Spot>,
    state: OnceLock<StateId>,
}

/// See the module.
pub struct ExponentAutomaton {
    numbers: Arc<NumberAutomaton>,
    /// The greatest magnitude of an exponent.
    most: u32,
    provider: OnceLock<ProviderId>,
    entries: boxcar::Vec<Entry>,
    by_spot: Concurrent<Arc<Spot>, u32>,
    /// Held while a state is made, so that each is made once.
    making: Mutex<()>,
}

impl ExponentAutomaton {
    /// Register an automaton for numbers with exponents from `-most` to `most`.
    pub fn register(arena: &Arena, numbers: &Arc<NumberAutomaton>, most: u32) -> Arc<Self> {
        let automaton = Arc::new(Self {
            numbers: Arc::clone(numbers),
            most,
            provider: OnceLock::new(),
            entries: boxcar::Vec::new(),
            by_spot: maps::few(),
            making: Mutex::new(()),
        });
        let provider = arena.register(Arc::clone(&automaton) as Arc<dyn Provider>);
        let _ = automaton.provider.set(provider);
        automaton
    }

    /// The state before the first character of a number; `None`: no number is accepted.
    pub fn start(&self, arena: &Arena, spec: &NumberSpec) -> Result<Option<StateId>, EngineError> {
        let asked = |variable: u32| spec.atoms.get(variable as usize).is_some_and(|atom| *atom != NumberAtom::Integer);
        if !spec.outcome.variables().into_iter().any(asked) {
            // Their exponents are not bounded.
            return self.numbers.start(arena, spec);
        }
        let bound = arena.limits();
        let plain = self.viable(self.numbers.start_number(spec, bound)?, bound)?;
        let mut scaled = Vec::new();
        let most = i32::try_from(self.most).unwrap_or(i32::MAX);
        for exponent in -most..=most {
            let atoms = spec.atoms.iter().map(|atom| divided(atom, exponent)).collect();
            let number = self.numbers.start_number(&NumberSpec { atoms, outcome: spec.outcome.clone() }, bound)?;
            scaled.extend(self.viable(number, bound)?.map(|number| (exponent, number)));
        }
        let spot = Spot::Mantissa { plain, scaled: scaled.into() };
        if spot.is_dead() { Ok(None) } else { self.state(arena, spot).map(Some) }
    }

    fn viable(&self, number: Option<u32>, bound: &Limits) -> Result<Option<u32>, EngineError> {
        match number {
            Some(number) if self.numbers.viable(number, bound)? => Ok(Some(number)),
            _ => Ok(None),
        }
    }

    fn after_byte(&self, number: u32, byte: u8, bound: &Limits) -> Result<Option<u32>, EngineError> {
        let Some(key) = self.numbers.after(self.numbers.key(number), byte) else { return Ok(None) };
        let next = self.numbers.intern(key, bound)?;
        self.viable(Some(next), bound)
    }

    /// The spot after one more byte, perhaps a dead one.
    fn after(&self, spot: &Spot, byte: u8, bound: &Limits) -> Result<Spot, EngineError> {
        Ok(match spot {
            Spot::Mantissa { scaled, .. } if matches!(byte, b'e' | b'E') => {
                let ended = |number: u32| matches!(self.numbers.key(number).phase, Phase::Zero | Phase::Whole | Phase::Fraction);
                let value = |&(exponent, number): &(i32, u32)| {
                    Some((exponent, self.numbers.verdict(self.numbers.key(number)).filter(|_| ended(number))?))
                };
                Spot::Exponent { signed: false, read: 0, values: scaled.iter().filter_map(value).collect() }
            }
            Spot::Mantissa { plain, scaled } => {
                let plain = plain.map_or(Ok(None), |number| self.after_byte(number, byte, bound))?;
                let mut next = Vec::with_capacity(scaled.len());
                for &(exponent, number) in scaled {
                    next.extend(self.after_byte(number, byte, bound)?.map(|number| (exponent, number)));
                }
                Spot::Mantissa { plain, scaled: next.into() }
            }
            Spot::Exponent { signed, read, values } => {
                let digit = |exponent: i32| exponent.unsigned_abs().to_string().as_bytes().get(usize::from(*read)).copied();
                let keep = |&&(exponent, _): &&(i32, u32)| match byte {
                    b'+' => !signed && *read == 0 && exponent >= 0,
                    b'-' => !signed && *read == 0 && exponent <= 0,
                    // Without a sign it is not negative.
                    _ => (*signed || exponent >= 0) && digit(exponent) == Some(byte),
                };
                let is_sign = matches!(byte, b'+' | b'-');
                let values = values.iter().filter(keep).copied().collect();
                // Without a sign and with one, once digits have come, is the same.
                Spot::Exponent { signed: true, read: read + u8::from(!is_sign), values }
            }
        })
    }

    /// The value if the number ends here.
    fn verdict(&self, spot: &Spot) -> Option<u32> {
        match spot {
            Spot::Mantissa { plain, .. } => plain.and_then(|number| self.numbers.verdict(self.numbers.key(number))),
            Spot::Exponent { read, values, .. } => {
                let complete = |exponent: i32| exponent.unsigned_abs().to_string().len() == usize::from(*read);
                values.iter().find(|&&(exponent, _)| complete(exponent)).map(|&(_, value)| value)
            }
        }
    }

    fn state(&self, arena: &Arena, spot: Spot) -> Result<StateId, EngineError> {
        let known = self.by_spot.get(&spot).map(|local| *local);
        let local = if let Some(local) = known {
            local
        } else {
            Limits::check("max_states", self.entries.count() + 1, arena.limits().max_states)?;
            let spot = Arc::new(spot);
            let make = || self.entries.push(Entry { spot: Arc::clone(&spot), state: OnceLock::new() }) as u32;
            *self.by_spot.entry(Arc::clone(&spot)).or_insert_with(make)
        };
        let entry = &self.entries[local as usize];
        let provider = *self.provider.get().ok_or(EngineError::Internal("a number automaton that is not registered"))?;
        let _making = self.making.lock().map_err(|_| EngineError::Internal("a thread that made a number state died"))?;
        if let Some(state) = entry.state.get() {
            return Ok(*state);
        }
        let facts = Facts { returns: self.verdict(&entry.spot), identity: Some(self.identity(&entry.spot)), ..Facts::default() };
        let state = arena.add_state(provider, local, facts)?;
        let _ = entry.state.set(state);
        Ok(state)
    }

    fn identity(&self, spot: &Spot) -> u128 {
        let mut identity = Identity::new("json number with an exponent");
        let number = |number: u32| self.numbers.identity(self.numbers.key(number));
        match spot {
            Spot::Mantissa { plain, scaled } => {
                identity.u64(0).u128(plain.map_or(0, number)).u64(scaled.len() as u64);
                for &(exponent, scaled) in scaled {
                    identity.u32(exponent.cast_unsigned()).u128(number(scaled));
                }
            }
            Spot::Exponent { signed, read, values } => {
                identity.u64(1).u64(u64::from(*signed)).u64(u64::from(*read)).u64(values.len() as u64);
                for &(exponent, value) in values {
                    identity.u32(exponent.cast_unsigned()).u32(value);
                }
            }
        }
        identity.finish()
    }
}

impl Spot {
    fn is_dead(&self) -> bool {
        match self {
            Self::Mantissa { plain, scaled } => plain.is_none() && scaled.is_empty(),
            Self::Exponent { values, .. } => values.is_empty(),
        }
    }
}

/// The demand that a number meets when that number, times this power of ten, meets `atom`.
fn divided(atom: &NumberAtom, exponent: i32) -> NumberAtom {
    let power = -i64::from(exponent);
    match atom {
        NumberAtom::Integer if exponent == 0 => NumberAtom::Integer,
        NumberAtom::Integer => NumberAtom::MultipleOf(Decimal::from(1).times_power(power)),
        NumberAtom::AtLeast { bound, exclusive } => NumberAtom::AtLeast { bound: bound.times_power(power), exclusive: *exclusive },
        NumberAtom::AtMost { bound, exclusive } => NumberAtom::AtMost { bound: bound.times_power(power), exclusive: *exclusive },
        NumberAtom::OneOf(numbers) => NumberAtom::OneOf(numbers.iter().map(|n| n.times_power(power)).collect()),
        NumberAtom::MultipleOf(divisor) => NumberAtom::MultipleOf(divisor.times_power(power)),
    }
}

impl Provider for ExponentAutomaton {
    fn step(&self, arena: &Arena, local: u32, byte: u8) -> Result<Step, EngineError> {
        if !BYTES.contains(&byte) {
            let mut others = ByteSet::ALL;
            for &b in BYTES {
                others.remove(&ByteSet::one(b));
            }
            return Ok(Step::dead(others));
        }
        let next = self.after(&self.entries[local as usize].spot, byte, arena.limits())?;
        if next.is_dead() {
            return Ok(Step::dead(ByteSet::one(byte)));
        }
        Ok(Step::to(self.state(arena, next)?, ByteSet::one(byte)))
    }

    fn on_return(&self, _arena: &Arena, _local: u32, _value: u32) -> Result<Option<StateId>, EngineError> {
        Err(EngineError::Internal("a number calls no rule"))
    }

    fn describe(&self, local: u32) -> String {
        match (&*self.entries[local as usize].spot, self.verdict(&self.entries[local as usize].spot)) {
            (Spot::Mantissa { .. }, None) => "a digit that keeps the number in bounds".to_owned(),
            (Spot::Mantissa { .. }, Some(_)) => "a digit that keeps the number in bounds, an exponent, or the end of the number".to_owned(),
            (Spot::Exponent { .. }, _) => "an exponent that keeps the number in bounds".to_owned(),
        }
    }

    fn memory_bytes(&self) -> usize {
        self.entries.count() * (size_of::<Entry>() + 64 + 16 * self.most as usize)
    }
}
