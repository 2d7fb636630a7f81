//! Exact decimal numbers, as JSON writes them. Used by the number automaton and by the front-ends.
//!
//! Invariant: normalised. No zero at either end of the digits, zero has no digits and no sign; so equal values are equal structs.
//! Must not know: floating point.

use std::cmp::Ordering;
use std::fmt;

use crate::identity::Identity;

/// An exact decimal number: ± 0.d₁d₂…dₖ × 10^point. Exponents beyond ±2⁶⁰ are cut there.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Decimal {
    negative: bool,
    /// Values 0 to 9; the first and the last are not 0.
    digits: Box<[u8]>,
    /// Digits before the decimal point; negative: zeros after it before the first digit.
    point: i64,
}

const MOST: i64 = 1 << 60;

impl Decimal {
    /// The number a JSON number text stands for; `None`: the text is no JSON number.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, bytes) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, bytes),
        };
        let (whole, rest) = digits_of(bytes);
        if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
            return None;
        }
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => {
                let (fraction, rest) = digits_of(rest);
                if fraction.is_empty() {
                    return None;
                }
                (fraction, rest)
            }
            _ => (&[][..], rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => {
                let (minus, rest) = match rest {
                    [sign @ (b'+' | b'-'), rest @ ..] => (*sign == b'-', rest),
                    _ => (false, rest),
                };
                let (digits, rest) = digits_of(rest);
                if digits.is_empty() || !rest.is_empty() {
                    return None;
                }
                let size = digits.iter().fold(0i64, |n, d| n.saturating_mul(10).saturating_add(i64::from(d - b'0'))).min(MOST);
                if minus { -size } else { size }
            }
            _ => return None,
        };
        let digits = whole.iter().chain(fraction).map(|d| d - b'0').collect();
        Some(Self::normalised(negative, digits, signed(whole.len()).saturating_add(exponent)))
    }

    /// The number times a power of ten.
    #[must_use]
    pub fn times_power(&self, power: i64) -> Self {
        let point = if self.is_zero() { 0 } else { self.point.saturating_add(power).clamp(-MOST, MOST) };
        Self { point, ..self.clone() }
    }

    fn normalised(negative: bool, mut digits: Vec<u8>, point: i64) -> Self {
        while digits.last() == Some(&0) {
            digits.pop();
        }
        let zeros = digits.iter().take_while(|&&d| d == 0).count();
        digits.drain(..zeros);
        if digits.is_empty() {
            return Self { negative: false, digits: Box::new([]), point: 0 };
        }
        Self { negative, digits: digits.into(), point: point.saturating_sub(signed(zeros)).clamp(-MOST, MOST) }
    }

    /// May its exponent have been cut? Far below the bound it was not, however many digits there were.
    pub fn may_be_cut(&self) -> bool {
        self.point.unsigned_abs() > MOST.unsigned_abs() / 2
    }

    /// Zero.
    pub fn zero() -> Self {
        Self::normalised(false, Vec::new(), 0)
    }

    /// Is it zero?
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Is it below zero?
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Has it no fraction?
    pub fn is_integer(&self) -> bool {
        signed(self.digits.len()) <= self.point || self.is_zero()
    }

    /// The number without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        Self { negative: false, ..self.clone() }
    }

    /// The number with the opposite sign.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self { negative: !self.negative && !self.is_zero(), ..self.clone() }
    }

    /// The digits, the first and the last not zero, and how many stand before the decimal point (if negative, how many zeros
    /// stand after it before the first digit).
    pub fn parts(&self) -> (&[u8], i64) {
        (&self.digits, self.point)
    }

    /// How many digits it takes to write it without an exponent.
    pub fn written_digits(&self) -> u64 {
        let digits = self.digits.len() as u64;
        if self.point >= 0 { digits.max(self.point.unsigned_abs()) } else { digits.saturating_add(self.point.unsigned_abs()) }
    }

    /// Compare without the signs.
    pub fn cmp_abs(&self, other: &Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // Neither begins with a zero, so the place of the point decides first, then the digits as a fraction.
            (false, false) => self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits)),
        }
    }

    pub(super) fn write_identity(&self, identity: &mut Identity) {
        identity.u64(u64::from(self.negative)).bytes(&self.digits).u64(self.point.cast_unsigned());
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(MOST)
}

/// A number of digits; none if negative.
pub(super) fn whole(point: i64) -> usize {
    usize::try_from(point).unwrap_or(0)
}

fn digits_of(bytes: &[u8]) -> (&[u8], &[u8]) {
    let count = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    bytes.split_at(count)
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        let digits: Vec<u8> = number.to_string().bytes().map(|d| d - b'0').collect();
        let point = signed(digits.len());
        Self::normalised(false, digits, point)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.cmp_abs(other),
            (true, true) => other.cmp_abs(self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Plain while that takes few zeros, else with an exponent. JSON, and parses back to the same number.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        if self.is_zero() {
            return f.write_str("0");
        }
        let digits: String = self.digits.iter().map(|d| char::from(b'0' + d)).collect();
        let count = signed(digits.len());
        if self.written_digits() > self.digits.len() as u64 + 25 {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            return write!(f, "{first}{dot}{rest}e{}", self.point - 1);
        }
        if self.point <= 0 {
            write!(f, "0.{}{digits}", "0".repeat(self.point.unsigned_abs() as usize))
        } else if self.point >= count {
            write!(f, "{digits}{}", "0".repeat(whole(self.point - count)))
        } else {
            let (whole, fraction) = digits.split_at(whole(self.point));
            write!(f, "{whole}.{fraction}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn equal_values_are_equal() {
        for (a, b) in
            [("1", "1.0"), ("1", "10e-1"), ("-0", "0"), ("0.00", "0e99"), ("120", "1.2E+2"), ("0.05", "5e-2"), ("1e400", "10e399")]
        {
            assert_eq!(d(a), d(b), "{a} {b}");
        }
    }

    #[test]
    fn order() {
        let sorted = [
            "-1e400", "-100", "-99.5", "-1", "-0.01", "-1e-400", "0", "1e-400", "0.01", "0.011", "0.1", "0.9", "1", "1.5", "9", "10",
            "1e400",
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(d(a).cmp(&d(b)), i.cmp(&j), "{a} {b}");
            }
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "1 ", "--1", "1.e5", "0x1", "NaN"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn display_parses_back_and_huge_exponents_cost_nothing() {
        for text in [
            "0",
            "-1.5",
            "1e1000000000",
            "-12.5e-1000000000",
            "1e99999999999999999999999",
            "1e-99999999999999999999",
            "123000",
            "0.00012",
            "1e25",
        ] {
            let number = d(text);
            assert_eq!(d(&number.to_string()), number, "{text} {number}");
        }
        assert_eq!(d("1.50e1").to_string(), "15");
        assert!(d("1e99999999999999999999").is_integer() && !d("1.5").is_integer() && d("15e-1").cmp(&d("1.5")).is_eq());
        assert!(d("0").is_integer() && d("1.5e1").is_integer() && !d("1.55e1").is_integer());
    }
}
