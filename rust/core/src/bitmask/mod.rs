//! Operations on masks: rows of 32-bit words, bit `i % 32` of word `i / 32` stands for token `i`. Pipeline: mask -> matcher -> **bitmask**.
//!
//! Invariant: every backend gives what `scalar` gives; bits past the vocabulary stay zero because no source has them.
//! Must not know: what the bits mean.

pub mod apply;
mod count;
mod dispatch;
pub mod scalar;

pub use count::count;
use dispatch::dispatch;

dispatch!(
    /// `row |= other`, word by word.
    or(row: &mut [u32], other: &[u32]) = scalar::or
);
dispatch!(
    /// `row &= !other`, word by word.
    and_not(row: &mut [u32], other: &[u32]) = scalar::and_not
);
dispatch!(
    /// The lowest set bit.
    first_set(row: &[u32]) -> Option<u32> = scalar::first_set
);
dispatch!(
    /// Is every word all ones?
    all_ones(row: &[u32]) -> bool = scalar::all_ones
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

/// Set these bits.
pub fn set_all(row: &mut [u32], bits: &[u32]) {
    for &i in bits {
        set(row, i);
    }
}

/// Clear these bits.
pub fn clear_all(row: &mut [u32], bits: &[u32]) {
    for &i in bits {
        clear(row, i);
    }
}

/// Is bit `i` set?
#[inline]
pub fn get(row: &[u32], i: u32) -> bool {
    row[(i >> 5) as usize] >> (i & 31) & 1 == 1
}

/// Are the first `bits` bits all set?
pub fn all_set(row: &[u32], bits: usize) -> bool {
    let (whole, rest) = (bits / 32, bits % 32);
    all_ones(&row[..whole]) && (rest == 0 || row[whole] & ((1 << rest) - 1) == (1 << rest) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_backend_equals_the_scalar_one(rows in prop::collection::vec((any::<u32>(), any::<u32>()), 0..600)) {
            let (a, b): (Vec<u32>, Vec<u32>) = rows.into_iter().unzip();
            let (mut x, mut y) = (a.clone(), a.clone());
            or(&mut x, &b);
            scalar::or(&mut y, &b);
            prop_assert_eq!(&x, &y);
            and_not(&mut x, &a);
            scalar::and_not(&mut y, &a);
            prop_assert_eq!(&x, &y);
            prop_assert_eq!(count(&b), (0..b.len() as u32 * 32).filter(|&i| get(&b, i)).count());
            prop_assert_eq!(first_set(&b), (0..b.len() as u32 * 32).find(|&i| get(&b, i)));
            prop_assert_eq!(all_set(&b, b.len() * 32), count(&b) == b.len() * 32);
        }

        #[test]
        fn one_bit_in_many_words_is_found(words in 1_usize..700, place: prop::sample::Index, others: bool) {
            let bit = place.index(words * 32) as u32;
            let mut row = vec![0; words];
            set(&mut row, bit);
            prop_assert_eq!(first_set(&row), Some(bit));
            prop_assert_eq!(count(&row), 1);
            for word in &mut row {
                *word = !*word;
            }
            prop_assert!(!all_set(&row, words * 32));
            prop_assert_eq!(count(&row), words * 32 - 1);
            if others {
                set(&mut row, bit);
                prop_assert!(all_set(&row, words * 32));
            }
        }
    }

    #[test]
    fn all_set_looks_at_no_bit_past_the_end() {
        assert!(all_set(&[u32::MAX, 0b111], 35));
        assert!(!all_set(&[u32::MAX, 0b011], 35));
        assert!(all_set(&[], 0));
    }
}
