//! Operations on masks: rows of 32-bit words, bit `i % 32` of word `i / 32` stands for token `i`. Pipeline: mask -> matcher -> **bitmask**.
//!
//! Invariant: every backend gives what `scalar` gives; bits past the vocabulary stay zero because no source has them.
//! Must not know: what the bits mean.

/// The portable loops, which every backend repeats under wider registers, and the oracle of all of them.
pub mod scalar {
    // Inlining is what makes a backend: each wrapper compiles the loop for its own registers.
    #![allow(clippy::inline_always)]

    /// `row |= other`.
    #[inline(always)]
    pub fn or(row: &mut [u32], other: &[u32]) {
        for (a, b) in row.iter_mut().zip(other) {
            *a |= b;
        }
    }

    /// `row &= !other`.
    #[inline(always)]
    pub fn and_not(row: &mut [u32], other: &[u32]) {
        for (a, b) in row.iter_mut().zip(other) {
            *a &= !b;
        }
    }

    /// How many bits are set.
    #[inline(always)]
    pub fn count(row: &[u32]) -> usize {
        row.iter().map(|w| w.count_ones() as usize).sum()
    }
}

/// Defines a function that runs the scalar loop compiled for the widest registers this processor has.
macro_rules! dispatch {
    ($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)?) => {
        $(#[$doc])*
        #[inline]
        pub fn $name($($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,popcnt")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    scalar::$name($($arg),*)
                }
                #[target_feature(enable = "avx2,popcnt")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    scalar::$name($($arg),*)
                }
                if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("popcnt") {
                    // SAFETY: the processor has every feature the function is compiled for; asked just above.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
                    // SAFETY: the processor has every feature the function is compiled for; asked just above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            scalar::$name($($arg),*)
        }
    };
}

dispatch!(
    /// `row |= other`, word by word.
    or(row: &mut [u32], other: &[u32])
);
dispatch!(
    /// `row &= !other`, word by word.
    and_not(row: &mut [u32], other: &[u32])
);
dispatch!(
    /// How many bits are set.
    count(row: &[u32]) -> usize
);

/// Set bit `i`.
#[inline]
pub fn set(row: &mut [u32], i: u32) {
    row[(i >> 5) as usize] |= 1 << (i & 31);
}

/// Clear bit `i`.
#[inline]
pub fn clear(row: &mut [u32], i: u32) {
    row[(i >> 5) as usize] &= !(1 << (i & 31));
}

/// Is bit `i` set?
#[inline]
pub fn get(row: &[u32], i: u32) -> bool {
    row[(i >> 5) as usize] >> (i & 31) & 1 == 1
}

/// Are the first `bits` bits all set?
pub fn all_set(row: &[u32], bits: usize) -> bool {
    let (whole, rest) = (bits / 32, bits % 32);
    row[..whole].iter().all(|&w| w == u32::MAX) && (rest == 0 || row[whole] & ((1 << rest) - 1) == (1 << rest) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_backend_equals_the_scalar_one(rows in prop::collection::vec((any::<u32>(), any::<u32>()), 0..100)) {
            let (a, b): (Vec<u32>, Vec<u32>) = rows.into_iter().unzip();
            let (mut x, mut y) = (a.clone(), a.clone());
            or(&mut x, &b);
            scalar::or(&mut y, &b);
            prop_assert_eq!(&x, &y);
            and_not(&mut x, &a);
            scalar::and_not(&mut y, &a);
            prop_assert_eq!(&x, &y);
            prop_assert_eq!(count(&b), (0..b.len() as u32 * 32).filter(|&i| get(&b, i)).count());
            prop_assert_eq!(all_set(&b, b.len() * 32), count(&b) == b.len() * 32);
        }
    }

    #[test]
    fn all_set_looks_at_no_bit_past_the_end() {
        assert!(all_set(&[u32::MAX, 0b111], 35));
        assert!(!all_set(&[u32::MAX, 0b011], 35));
        assert!(all_set(&[], 0));
    }
}
