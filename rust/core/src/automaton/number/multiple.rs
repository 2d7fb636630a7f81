//! Residues along the digits: is the number a multiple of a decimal? Used by the number automaton.
//!
//! The divisor is `modulus / 10^places`. What was read is an integer V in units of the last digit; with k more digits before the point and a
//! rest y (a decimal, from 0 to below 10^k) the number is a multiple exactly if (V·10^k + y)·10^places is a multiple of the modulus.
//!
//! Invariant: equal residues of a unit mean that the same rests make a multiple, and no coarser residue would do.
//! Must not know: signs, other demands, states.

use num_bigint::BigUint;
use num_integer::Integer;

use super::decimal::Decimal;
use crate::identity::Identity;

/// A divisor, seen from a place of the number.
#[derive(Debug)]
pub(super) struct Unit {
    modulus: BigUint,
    /// Digits after the last one read that may be other than zero.
    places: u32,
    /// Residues are kept modulo this: whatever is a multiple of it needs no further digits.
    kept: BigUint,
    /// `kept`, if ten times that fits.
    small: Option<u64>,
    /// 10^places.
    room: BigUint,
    /// 10^places modulo the modulus.
    shift: BigUint,
}

impl PartialEq for Unit {
    fn eq(&self, other: &Self) -> bool {
        self.places == other.places && self.modulus == other.modulus
    }
}

impl Eq for Unit {}

impl std::hash::Hash for Unit {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.places, &self.modulus).hash(state);
    }
}

impl Unit {
    /// For a divisor that is not zero.
    pub(super) fn of(divisor: &Decimal) -> Self {
        let (digits, point) = divisor.parts();
        let zeros = point.saturating_sub(i64::try_from(digits.len()).unwrap_or(i64::MAX));
        let modulus = number(digits, u32::try_from(zeros).unwrap_or(0));
        Self::new(modulus, u32::try_from(zeros.saturating_neg()).unwrap_or(0))
    }

    fn new(modulus: BigUint, places: u32) -> Self {
        let room = ten_to(places);
        let kept = &modulus / modulus.gcd(&room);
        let small = u64::try_from(&kept).ok().filter(|&kept| kept < 1 << 59);
        let shift = &room % &modulus;
        Self { modulus, places, kept, small, room, shift }
    }

    /// The same divisor, one digit after the point later; `None`: from here on only zeros may follow.
    pub(super) fn next(&self) -> Option<Self> {
        self.places.checked_sub(1).map(|places| Self::new(self.modulus.clone(), places))
    }

    pub(super) fn modulus(&self) -> &BigUint {
        &self.modulus
    }

    pub(super) fn places(&self) -> u32 {
        self.places
    }

    /// Residues are kept below this, if it is small.
    pub(super) fn small(&self) -> Option<u64> {
        self.small
    }

    /// Residues are kept below this.
    pub(super) fn kept(&self) -> &BigUint {
        &self.kept
    }

    /// Is there a multiple, if no digit before the point follows?
    pub(super) fn ends(&self, residue: &BigUint) -> bool {
        // The rest that makes a multiple, in units of the last digit that counts.
        let over = residue * &self.shift % &self.modulus;
        over == BigUint::ZERO || &self.modulus - over < self.room
    }

    pub(super) fn write_identity(&self, residue: &BigUint, identity: &mut Identity) {
        identity.bytes(&self.modulus.to_bytes_le()).u32(self.places).bytes(&residue.to_bytes_le());
    }
}

pub(super) fn ten_to(power: u32) -> BigUint {
    BigUint::from(10u32).pow(power)
}

/// The number with these digits, then zeros.
pub(super) fn number(digits: &[u8], zeros: u32) -> BigUint {
    let digits = BigUint::from_radix_be(digits, 10).unwrap_or_default();
    if zeros == 0 { digits } else { digits * ten_to(zeros) }
}

/// Is the number a multiple of the divisor? Exact, whatever the exponents.
pub(super) fn is_multiple(of: &Decimal, divisor: &Decimal) -> bool {
    if of.is_zero() || divisor.is_zero() {
        return of.is_zero();
    }
    let scaled = |decimal: &Decimal| {
        let (digits, point) = decimal.parts();
        (number(digits, 0), point - i64::try_from(digits.len()).unwrap_or(0))
    };
    let ((a, more), (b, less)) = (scaled(of), scaled(divisor));
    match u64::try_from(more - less) {
        Ok(zeros) => (a * BigUint::from(10u32).modpow(&BigUint::from(zeros), &b) % b) == BigUint::ZERO,
        // Its last digit is not zero.
        Err(_) => false,
    }
}

/// What is known modulo two numbers, modulo both; the two must agree.
pub(super) fn join(a: (BigUint, BigUint), b: &(BigUint, BigUint)) -> (BigUint, BigUint) {
    let ((first, m), (second, n)) = (a, b);
    let common = m.gcd(n);
    let other = n / &common;
    let apart = (second + n - &first % n) % n / &common;
    let times = match (&m / &common).modinv(&other) {
        Some(inverse) => apart * inverse % &other,
        None => BigUint::ZERO,
    };
    (first + &m * times, m * other)
}
