//! Exact decimal numbers as digit strings. The validator's arithmetic.
//!
//! Invariant: no rounding; equal values are equal structures.
//! Must not know: floating point.

use std::cmp::Ordering;

/// A number `0.d1d2d3… × 10^exponent`, without leading or trailing zero digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i128,
}

impl Decimal {
    /// Reads a JSON number; `None` if the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) || !fraction.is_none_or(all_digits) {
            return None;
        }
        let shift = match exponent {
            None => 0,
            Some(e) => {
                let unsigned = e.strip_prefix(['+', '-']).unwrap_or(e);
                if !all_digits(unsigned) {
                    return None;
                }
                // Past this size only the order of magnitude matters, and no text is long enough to make up for it.
                let size: i128 = unsigned.parse::<u64>().unwrap_or(u64::MAX).into();
                if e.starts_with('-') { -size } else { size }
            }
        };
        let written: Vec<u8> = whole.bytes().chain(fraction.unwrap_or("").bytes()).map(|b| b - b'0').collect();
        let leading = written.iter().take_while(|&&d| d == 0).count();
        let mut digits = written[leading..].to_vec();
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        Some(Self { negative, digits, exponent: whole.len() as i128 - leading as i128 + shift })
    }

    /// Is it a whole number, however it was written?
    pub fn is_integer(&self) -> bool {
        self.digits.len() as i128 <= self.exponent.max(0)
    }

    /// Is it an integer times `divisor`, which is not zero? Long division, digit by digit; at most some thousand digits.
    pub fn is_multiple_of(&self, divisor: &Self) -> bool {
        // Both as integers in units of the smallest digit that either has. A digit of the divisor has at most three factors of two or five, so more
        // zeros than four for each make no difference; as many zeros of the divisor as there are digits, and one, make it too large.
        let unit = |d: &Self| d.exponent - d.digits.len() as i128;
        let zeros = (unit(self) - unit(divisor)).clamp(-(self.digits.len() as i128) - 1, 4 * divisor.digits.len() as i128);
        let integer = |d: &Self, zeros: i128| -> Vec<u8> { d.digits.iter().copied().chain((0..zeros).map(|_| 0)).collect() };
        let (this, divisor) = (integer(self, zeros), integer(divisor, -zeros));
        let mut rest: Vec<u8> = Vec::new();
        for digit in this {
            if digit > 0 || !rest.is_empty() {
                rest.push(digit);
            }
            while rest.len() > divisor.len() || (rest.len() == divisor.len() && rest >= divisor) {
                let mut borrow = 0;
                for i in 0..rest.len() {
                    let taken = divisor.len().checked_sub(i + 1).map_or(0, |at| divisor[at]) + borrow;
                    let at = rest.len() - 1 - i;
                    borrow = u8::from(rest[at] < taken);
                    rest[at] = rest[at] + 10 * borrow - taken;
                }
                let zeros = rest.iter().take_while(|&&d| d == 0).count();
                rest.drain(..zeros);
            }
        }
        rest.is_empty()
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |d: &Self| if d.digits.is_empty() { 0 } else { 1 - 2 * i32::from(d.negative) };
        let by_size = || self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        match (sign(self), sign(other)) {
            (1, 1) => by_size(),
            (-1, -1) => by_size().reverse(),
            (a, b) => a.cmp(&b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_by_value() {
        let sorted = [
            "-1e400",
            "-10",
            "-1.5",
            "-1",
            "-0.1",
            "0",
            "1e-400",
            "0.099",
            "0.1",
            "0.10001",
            "1",
            "9",
            "10",
            "123456789012345678901",
            "1e99",
        ];
        let values: Vec<Decimal> = sorted.iter().map(|s| Decimal::parse(s).unwrap()).collect();
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                assert_eq!(a.cmp(b), i.cmp(&j), "{} {}", sorted[i], sorted[j]);
            }
        }
        for (a, b) in [("1", "1.0"), ("100", "1e2"), ("0.001", "1E-3"), ("-0", "0.0e5"), ("12.50", "0.125e+2")] {
            assert_eq!(Decimal::parse(a), Decimal::parse(b));
        }
    }

    #[test]
    fn multiples() {
        for a in -60..60i32 {
            for b in 1..40i32 {
                let (x, y) = (Decimal::parse(&format!("{a}e-1")).unwrap(), Decimal::parse(&format!("{b}e-1")).unwrap());
                assert_eq!(x.is_multiple_of(&y), a % b == 0, "{a} {b}");
            }
        }
        for (a, b, multiple) in [
            ("0.30", "0.1", true),
            ("1e308", "0.123456789", false),
            ("1e308", "0.5", true),
            ("3", "9", false),
            ("1e300000000000", "7", false),
            ("1e300000000000", "1024e-2", true),
            ("1e-300000000000", "7", false),
        ] {
            assert_eq!(Decimal::parse(a).unwrap().is_multiple_of(&Decimal::parse(b).unwrap()), multiple, "{a} {b}");
        }
    }

    #[test]
    fn integers_and_malformed() {
        for (text, integer) in
            [("0", true), ("1.0", true), ("1.5", false), ("15e-1", false), ("1.5e1", true), ("1e-400", false), ("-20", true)]
        {
            assert_eq!(Decimal::parse(text).unwrap().is_integer(), integer, "{text}");
        }
        for text in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "1.e5", "0x1", " 1", "1 "] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
