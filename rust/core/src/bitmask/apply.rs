//! Masks put on logits: a row of a bitmask -> **refused logits** set to minus infinity.
//!
//! Invariant: the logit of a set bit is never written; every backend gives what `oracle` gives.
//! Must not know: which format of floats its bits are; the caller brings the pattern of minus infinity.

// Inlining is what makes a backend: each wrapper compiles the loop for its own registers.
#![allow(clippy::inline_always)]

/// Logits that are looked at together: where all are refused nothing is read, where none is nothing is touched.
const BLOCK: usize = 256;

/// The loop of every size and backend; `blend` is what a backend does with 32 logits and the word for them.
#[inline(always)]
fn apply<T: Copy>(row: &mut [T], mask: &[u32], refused: T, blend: impl Fn(&mut [T; 32], u32)) {
    assert!(row.len() <= mask.len().saturating_mul(32), "a mask of {} words for {} logits", mask.len(), row.len());
    let (blocks, rest) = row.as_chunks_mut::<BLOCK>();
    let (groups, _) = mask.as_chunks::<{ BLOCK / 32 }>();
    for (block, words) in blocks.iter_mut().zip(groups) {
        // PERF: asking a block rather than each word keeps the branch predictable where tokens are allowed here and there.
        if words.iter().fold(0, |any, word| any | word) == 0 {
            block.fill(refused);
        } else if words.iter().fold(u32::MAX, |all, word| all & word) != u32::MAX {
            for (part, &word) in block.as_chunks_mut::<32>().0.iter_mut().zip(words) {
                blend(part, word);
            }
        }
    }
    let words = &mask[blocks.len() * (BLOCK / 32)..];
    let (parts, last) = rest.as_chunks_mut::<32>();
    for (part, &word) in parts.iter_mut().zip(words) {
        blend(part, word);
    }
    for (i, logit) in last.iter_mut().enumerate() {
        if words[parts.len()] >> i & 1 == 0 {
            *logit = refused;
        }
    }
}

/// The portable backend.
fn apply_portable<T: Copy>(row: &mut [T], mask: &[u32], refused: T) {
    apply(row, mask, refused, |part, word| {
        for (i, logit) in part.iter_mut().enumerate() {
            if word >> i & 1 == 0 {
                *logit = refused;
            }
        }
    });
}

/// Registers of 256 bits: a logit is kept where the bit that its bytes pick from the word is set.
///
/// PERF: lanes of a byte whatever the size of a logit. Blends of lanes of 32 bits are compiled to stores under a mask, which some processors do
/// lane by lane: seven times slower.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_and_si256, _mm256_blendv_epi8, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_set1_epi16, _mm256_set1_epi32,
        _mm256_set1_epi64x, _mm256_shuffle_epi8, _mm256_storeu_si256,
    };

    /// What each byte of `K` registers of `N` logits picks: a byte of the word, and a bit of that.
    const fn picks<const N: usize, const K: usize>() -> ([[u8; 32]; K], [[u8; 32]; K]) {
        let (mut bytes, mut bits) = ([[0; 32]; K], [[0; 32]; K]);
        let mut i = 0;
        while i < 32 * K {
            let logit = i / (32 / N);
            bytes[i / 32][i % 32] = (logit / 8) as u8;
            bits[i / 32][i % 32] = 1 << (logit % 8);
            i += 1;
        }
        (bytes, bits)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load<T, const N: usize>(from: &[T; N]) -> __m256i {
        const { assert!(size_of::<[T; N]>() == size_of::<__m256i>()) };
        // SAFETY: it is as large as a register and plain bits, and the access does not ask for alignment.
        unsafe { _mm256_loadu_si256(std::ptr::from_ref(from).cast()) }
    }

    /// The loop for words of `K` registers with `N` logits each.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn apply<T: Copy, const N: usize, const K: usize>(row: &mut [T], mask: &[u32], refused: T, fill: __m256i) {
        let (bytes, bits) = const { picks::<N, K>() };
        super::apply(row, mask, refused, |part, word| {
            let word = _mm256_set1_epi32(word.cast_signed());
            for (k, logits) in part.as_chunks_mut::<N>().0.iter_mut().enumerate() {
                let bit = load(&bits[k]);
                let keep = _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(word, load(&bytes[k])), bit), bit);
                let blended = _mm256_blendv_epi8(fill, load(logits), keep);
                // SAFETY: it is as large as a register, borrowed for writing, and the access does not ask for alignment.
                unsafe { _mm256_storeu_si256(std::ptr::from_mut(logits).cast(), blended) }
            }
        });
    }

    /// As [`super::apply_16`].
    #[target_feature(enable = "avx2")]
    pub fn apply_16(row: &mut [u16], mask: &[u32], refused: u16) {
        apply::<_, 16, 2>(row, mask, refused, _mm256_set1_epi16(refused.cast_signed()));
    }

    /// As [`super::apply_32`].
    #[target_feature(enable = "avx2")]
    pub fn apply_32(row: &mut [u32], mask: &[u32], refused: u32) {
        apply::<_, 8, 4>(row, mask, refused, _mm256_set1_epi32(refused.cast_signed()));
    }

    /// As [`super::apply_64`].
    #[target_feature(enable = "avx2")]
    pub fn apply_64(row: &mut [u64], mask: &[u32], refused: u64) {
        apply::<_, 4, 8>(row, mask, refused, _mm256_set1_epi64x(refused.cast_signed()));
    }
}

/// Defines the public function of one size of logits.
macro_rules! sized {
    ($(#[$doc:meta])* $name:ident, $bits:ty) => {
        $(#[$doc])*
        ///
        /// # Panics
        /// The mask has fewer bits than there are logits.
        pub fn $name(row: &mut [$bits], mask: &[u32], refused: $bits) {
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the feature that the function is compiled for; asked just above.
                return unsafe { avx2::$name(row, mask, refused) };
            }
            apply_portable(row, mask, refused);
        }
    };
}
sized!(
    /// Write `refused` over the logits of 16 bits whose bit in `mask` is not set.
    apply_16, u16
);
sized!(
    /// Write `refused` over the logits of 32 bits whose bit in `mask` is not set.
    apply_32, u32
);
sized!(
    /// Write `refused` over the logits of 64 bits whose bit in `mask` is not set.
    apply_64, u64
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitmask::get;
    use proptest::prelude::*;

    /// What applying means.
    fn oracle<T: Copy>(row: &mut [T], mask: &[u32], refused: T) {
        for (i, logit) in (0..).zip(row) {
            if !get(mask, i) {
                *logit = refused;
            }
        }
    }

    /// Words of which whole runs allow everything or nothing, as those of masks do.
    fn masks() -> impl Strategy<Value = Vec<u32>> {
        let runs = (prop_oneof![Just(0), Just(u32::MAX), any::<u32>()], 1_usize..24);
        prop::collection::vec(runs, 0..12)
            .prop_map(|runs| runs.into_iter().flat_map(|(word, length)| std::iter::repeat_n(word, length)).collect())
    }

    proptest! {
        #[test]
        fn every_backend_equals_the_oracle(mask in masks(), cut in 0_usize..400, seed: u64) {
            let length = (mask.len() * 32).saturating_sub(cut);
            let logits: Vec<u64> = (0..length as u64).map(|i| seed.wrapping_add(i).wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
            let sixteen: Vec<u16> = logits.iter().map(|&bits| bits as u16).collect();
            let thirty_two: Vec<u32> = logits.iter().map(|&bits| bits as u32).collect();
            macro_rules! check {
                ($logits:ident, $apply:ident, $refused:expr) => {
                    let mut expected = $logits.clone();
                    oracle(&mut expected, &mask, $refused);
                    for run in [$apply, apply_portable] {
                        let mut row = $logits.clone();
                        run(&mut row, &mask, $refused);
                        prop_assert_eq!(&row, &expected);
                    }
                };
            }
            check!(sixteen, apply_16, 0xFC00);
            check!(thirty_two, apply_32, 0xFF80_0000);
            check!(logits, apply_64, 0xFFF0_0000_0000_0000);
        }
    }

    #[test]
    #[should_panic(expected = "a mask of 1 words for 33 logits")]
    fn a_mask_that_is_too_narrow_is_refused() {
        apply_32(&mut [0; 33], &[u32::MAX], 1);
    }
}
