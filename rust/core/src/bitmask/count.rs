//! How many bits of a mask are set: words -> **a number**.
//!
//! Invariant: every backend gives what `scalar::count` gives.
//! Must not know: what the bits mean.

use super::scalar;

/// How many bits are set.
#[inline]
pub fn count(row: &[u32]) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq") {
            // SAFETY: the processor has every feature the function is compiled for; asked just above.
            return unsafe { avx512(row) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
            // SAFETY: the processor has every feature the function is compiled for; asked just above.
            return unsafe { avx2::count(row) };
        }
    }
    scalar::count(row)
}

/// Such a processor counts the bits of each lane by itself.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn avx512(row: &[u32]) -> usize {
    scalar::count(row)
}

/// Carry-save adders: of sixteen registers only one is counted bit by bit.
///
/// W. Muła, N. Kurz, D. Lemire: Faster Population Counts Using AVX2 Instructions, 2018; the circuit is Harley's and Seal's.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi8, _mm256_add_epi64, _mm256_and_si256, _mm256_extract_epi64, _mm256_loadu_si256, _mm256_or_si256,
        _mm256_sad_epu8, _mm256_set1_epi8, _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi64,
        _mm256_srli_epi16, _mm256_xor_si256,
    };

    /// Sum and carry of three bits, in every place.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(a: __m256i, b: __m256i, c: __m256i) -> (__m256i, __m256i) {
        let half = _mm256_xor_si256(a, b);
        (_mm256_xor_si256(half, c), _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(half, c)))
    }

    /// The set bits of each lane of 64, looked up by half bytes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn ones(lanes: __m256i) -> __m256i {
        let table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
        let half = _mm256_set1_epi8(0x0F);
        let low = _mm256_shuffle_epi8(table, _mm256_and_si256(lanes, half));
        let high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(lanes), half));
        _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256())
    }

    /// As [`super::count`].
    #[target_feature(enable = "avx2,popcnt")]
    pub fn count(row: &[u32]) -> usize {
        let (blocks, rest) = row.as_chunks::<128>();
        let [mut total, mut first, mut second, mut fourth, mut eighth] = [_mm256_setzero_si256(); 5];
        for block in blocks {
            let registers = block.as_chunks::<8>().0;
            // SAFETY: eight words are as large as a register, and the access does not ask for alignment.
            let at = |i: usize| unsafe { _mm256_loadu_si256(std::ptr::from_ref(&registers[i]).cast()) };
            // Macros, since a closure of a closure is called rather than inlined, and the sums then live in memory.
            macro_rules! sum {
                ($level:ident, $a:expr, $b:expr) => {{
                    let (a, b) = ($a, $b);
                    let carry;
                    ($level, carry) = add($level, a, b);
                    carry
                }};
            }
            macro_rules! four {
                ($i:expr) => {
                    sum!(second, sum!(first, at($i), at($i + 1)), sum!(first, at($i + 2), at($i + 3)))
                };
            }
            let sixteenth = sum!(eighth, sum!(fourth, four!(0), four!(4)), sum!(fourth, four!(8), four!(12)));
            total = _mm256_add_epi64(total, ones(sixteenth));
        }
        total = _mm256_slli_epi64::<4>(total);
        total = _mm256_add_epi64(total, _mm256_slli_epi64::<3>(ones(eighth)));
        total = _mm256_add_epi64(total, _mm256_slli_epi64::<2>(ones(fourth)));
        total = _mm256_add_epi64(total, _mm256_slli_epi64::<1>(ones(second)));
        total = _mm256_add_epi64(total, ones(first));
        let lanes = [
            _mm256_extract_epi64::<0>(total),
            _mm256_extract_epi64::<1>(total),
            _mm256_extract_epi64::<2>(total),
            _mm256_extract_epi64::<3>(total),
        ];
        lanes.iter().map(|&lane| lane.cast_unsigned() as usize).sum::<usize>() + super::scalar::count(rest)
    }
}
