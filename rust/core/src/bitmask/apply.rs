//! Masks put on logits: a row of a bitmask -> **refused logits** set to minus infinity.
//!
//! Invariant: the logit of a set bit keeps its value; every backend gives what `oracle` gives.
//! Must not know: which format of floats its bits are; the caller brings the pattern of minus infinity.

// Loops go by index: see `blend_all`.
#![allow(clippy::needless_range_loop)]

/// Words that are looked at together: where all tokens of a block are refused nothing is read, where none is nothing is touched.
const BLOCK: usize = 8;
/// Logits to a block.
const LOGITS: usize = 32 * BLOCK;

/// The loop of every size and backend: `uniform` tells the word of a block that is made of one, zero or all ones, and `blend` does what there is to
/// do with 32 logits and a reference to the word for them.
///
/// PERF: a macro, and loops by index. A closure that is compiled for more features than the function it is given to is called rather than inlined,
/// and so are those parts of iterators (`zip`) that the standard library does not mark: then the registers are saved for each block.
macro_rules! blend_all {
    ($row:ident, $mask:ident, $refused:ident, $uniform:expr, |$part:ident, $word:ident| $blend:expr) => {
        assert!($row.len() <= $mask.len().saturating_mul(32), "a mask of {} words for {} logits", $mask.len(), $row.len());
        let (blocks, rest) = $row.as_chunks_mut::<LOGITS>();
        let (groups, _) = $mask.as_chunks::<BLOCK>();
        for at in 0..blocks.len() {
            let (block, words) = (&mut blocks[at], &groups[at]);
            // PERF: asking a block rather than each word keeps the branch predictable where tokens are allowed here and there.
            match $uniform(words) {
                Some(0) => {
                    for logit in block {
                        *logit = $refused;
                    }
                }
                Some(_) => (),
                None => {
                    let parts = block.as_chunks_mut::<32>().0;
                    for at in 0..BLOCK {
                        let ($part, $word) = (&mut parts[at], &words[at]);
                        $blend
                    }
                }
            }
        }
        let words = &$mask[blocks.len() * BLOCK..];
        let (parts, last) = rest.as_chunks_mut::<32>();
        for at in 0..parts.len() {
            let ($part, $word) = (&mut parts[at], &words[at]);
            $blend
        }
        for (i, logit) in last.iter_mut().enumerate() {
            if words[parts.len()] >> i & 1 == 0 {
                *logit = $refused;
            }
        }
    };
}

fn uniform(words: &[u32; BLOCK]) -> Option<u32> {
    let first = words[0];
    (matches!(first, 0 | u32::MAX) && words.iter().all(|&word| word == first)).then_some(first)
}

/// The portable backend.
fn apply_portable<T: Copy>(row: &mut [T], mask: &[u32], refused: T) {
    blend_all!(row, mask, refused, uniform, |part, word| for (i, logit) in part.iter_mut().enumerate() {
        if word >> i & 1 == 0 {
            *logit = refused;
        }
    });
}

/// Registers of 256 bits: a logit is kept where the bit that its lane picks from the word is set.
///
/// PERF: a row costs what a pass that only changes signs does (`cargo bench --package maskwright-benches --bench bitmask`). Blends of 32 and 64 bits
/// are single instructions in assembly: of the intrinsics for them the compiler makes stores under a mask, which some processors do lane by lane,
/// six times slower.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::asm;
    use std::arch::x86_64::{
        __m256i, _mm256_blendv_epi8, _mm256_loadu_si256, _mm256_mullo_epi16, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_epi64x,
        _mm256_setr_epi8, _mm256_setr_epi16, _mm256_setr_epi32, _mm256_setr_epi64x, _mm256_shuffle_epi8, _mm256_sllv_epi32,
        _mm256_sllv_epi64, _mm256_storeu_si256, _mm256_sub_epi32, _mm256_sub_epi64, _mm256_testc_si256, _mm256_testz_si256,
    };

    use super::{BLOCK, LOGITS};

    /// As [`super::uniform`].
    #[inline]
    #[target_feature(enable = "avx2")]
    fn uniform(words: &[u32; BLOCK]) -> Option<u32> {
        const { assert!(size_of::<[u32; BLOCK]>() == size_of::<__m256i>()) };
        // SAFETY: a block is as large as a register and plain bits, and the access does not ask for alignment.
        let words = unsafe { _mm256_loadu_si256(std::ptr::from_ref(words).cast()) };
        if _mm256_testz_si256(words, words) == 1 {
            return Some(0);
        }
        (_mm256_testc_si256(words, _mm256_set1_epi32(-1)) == 1).then_some(u32::MAX)
    }

    /// As [`super::apply_16`].
    #[target_feature(enable = "avx2")]
    pub fn apply_16(row: &mut [u16], mask: &[u32], refused: u16) {
        // Eight logits, of two bytes each, pick a byte of the word. It is there twice, so the product brings the logit's bit to the top of both.
        let powers = _mm256_setr_epi16(128, 64, 32, 16, 8, 4, 2, 1, 128, 64, 32, 16, 8, 4, 2, 1);
        let bytes = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
        let bytes =
            [bytes, _mm256_setr_epi8(2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3)];
        let fill = _mm256_set1_epi16(refused.cast_signed());
        blend_all!(row, mask, refused, uniform, |part, word| {
            let word = _mm256_set1_epi32(word.cast_signed());
            let halves = part.as_chunks_mut::<16>().0;
            for k in 0..2 {
                let keep = _mm256_mullo_epi16(_mm256_shuffle_epi8(word, bytes[k]), powers);
                let place = std::ptr::from_mut(&mut halves[k]).cast();
                // SAFETY: half a part is as large as a register, borrowed for writing and plain bits; no access asks for alignment.
                unsafe { _mm256_storeu_si256(place, _mm256_blendv_epi8(fill, _mm256_loadu_si256(place), keep)) }
            }
        });
    }

    /// Defines a blend: `fill`, but what lies at `kept` in the lanes where the topmost bit of `keep` is set.
    macro_rules! blend {
        ($name:ident, $bits:ty, $lanes:literal, $instruction:literal) => {
            #[inline]
            #[target_feature(enable = "avx2")]
            fn $name(fill: __m256i, kept: &[$bits; $lanes], keep: __m256i) -> __m256i {
                let blended;
                // SAFETY: reads the 32 bytes that `kept` borrows, without asking for alignment; this processor has the instruction.
                unsafe {
                    asm!(
                        concat!($instruction, " {blended}, {fill}, ymmword ptr [{kept}], {keep}"),
                        blended = lateout(ymm_reg) blended, fill = in(ymm_reg) fill, kept = in(reg) kept, keep = in(ymm_reg) keep,
                        options(pure, readonly, nostack, preserves_flags)
                    );
                }
                blended
            }
        };
    }
    blend!(blend_32, u32, 8, "vblendvps");
    blend!(blend_64, u64, 4, "vblendvpd");

    /// As [`super::apply_32`].
    #[target_feature(enable = "avx2")]
    pub fn apply_32(row: &mut [u32], mask: &[u32], refused: u32) {
        // What brings a lane's bit to the top, which is where the blend looks.
        let first = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
        let fill = _mm256_set1_epi32(refused.cast_signed());
        blend_all!(row, mask, refused, uniform, |part, word| {
            let word = _mm256_set1_epi32(word.cast_signed());
            let quarters = part.as_chunks_mut::<8>().0;
            for k in 0..4 {
                let keep = _mm256_sllv_epi32(word, _mm256_sub_epi32(first, _mm256_set1_epi32([0, 8, 16, 24][k])));
                let blended = blend_32(fill, &quarters[k], keep);
                // SAFETY: a quarter of a part is as large as a register, borrowed for writing and plain bits; the access asks for no alignment.
                unsafe { _mm256_storeu_si256(std::ptr::from_mut(&mut quarters[k]).cast(), blended) }
            }
        });
    }

    /// As [`super::apply_64`].
    #[target_feature(enable = "avx2")]
    pub fn apply_64(row: &mut [u64], mask: &[u32], refused: u64) {
        let first = _mm256_setr_epi64x(63, 62, 61, 60);
        let fill = _mm256_set1_epi64x(refused.cast_signed());
        blend_all!(row, mask, refused, uniform, |part, word| {
            let word = _mm256_set1_epi64x(i64::from(*word));
            let eighths = part.as_chunks_mut::<4>().0;
            for k in 0..8 {
                let keep = _mm256_sllv_epi64(word, _mm256_sub_epi64(first, _mm256_set1_epi64x([0, 4, 8, 12, 16, 20, 24, 28][k])));
                let blended = blend_64(fill, &eighths[k], keep);
                // SAFETY: an eighth of a part is as large as a register, borrowed for writing and plain bits; the access asks for no alignment.
                unsafe { _mm256_storeu_si256(std::ptr::from_mut(&mut eighths[k]).cast(), blended) }
            }
        });
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
