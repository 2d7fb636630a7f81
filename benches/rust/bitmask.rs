//! Operations on masks of 128k bits in every kind of register that this processor has, against copying one. `make bench`.

use divan::{Bencher, black_box};
use maskwright::bitmask::{self, apply, scalar};

const WORDS: usize = 4096;

/// Which registers an operation is compiled for.
#[derive(Clone, Copy, Debug)]
enum Level {
    /// Those that every processor of the kind has.
    Portable,
    /// 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// What the core picks.
    Dispatched,
}

/// The levels that this processor has.
fn levels() -> Vec<Level> {
    let mut levels = vec![Level::Portable];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            levels.push(Level::Avx2);
        }
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
        {
            levels.push(Level::Avx512);
        }
    }
    levels.push(Level::Dispatched);
    levels
}

/// A function that runs a portable loop at a level.
macro_rules! at_level {
    ($name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? = $portable:path, $dispatched:path) => {
        fn $name(level: Level, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($arg: $ty),*) $(-> $ret)? {
                $portable($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
            fn avx512($($arg: $ty),*) $(-> $ret)? {
                $portable($($arg),*)
            }
            match level {
                Level::Portable => $portable($($arg),*),
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `levels` lists it only where the processor has the features.
                Level::Avx2 => unsafe { avx2($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `levels` lists it only where the processor has the features.
                Level::Avx512 => unsafe { avx512($($arg),*) },
                Level::Dispatched => $dispatched($($arg),*),
            }
        }
    };
}

at_level!(or_at(row: &mut [u32], other: &[u32]) = scalar::or, bitmask::or);
at_level!(and_not_at(row: &mut [u32], other: &[u32]) = scalar::and_not, bitmask::and_not);
at_level!(count_at(row: &[u32]) -> usize = scalar::count, bitmask::count);
at_level!(first_set_at(row: &[u32]) -> Option<u32> = scalar::first_set, bitmask::first_set);
at_level!(all_ones_at(row: &[u32]) -> bool = scalar::all_ones, bitmask::all_ones);

fn rows() -> (Vec<u32>, Vec<u32>) {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state
    };
    ((0..WORDS).map(|_| random()).collect(), (0..WORDS).map(|_| random()).collect())
}

#[divan::bench]
fn copy(bencher: Bencher<'_, '_>) {
    let (mut a, b) = rows();
    bencher.bench_local(|| black_box(&mut a).copy_from_slice(black_box(&b)));
    assert_eq!(a, b);
}

#[divan::bench]
fn fill(bencher: Bencher<'_, '_>) {
    let (mut a, _) = rows();
    bencher.bench_local(|| black_box(&mut a).fill(u32::MAX));
    assert!(bitmask::all_set(&a, WORDS * 32));
}

#[divan::bench(args = levels())]
fn or(bencher: Bencher<'_, '_>, level: Level) {
    let (mut a, b) = rows();
    let right: Vec<u32> = a.iter().zip(&b).map(|(a, b)| a | b).collect();
    or_at(level, &mut a, &b);
    assert_eq!(a, right);
    bencher.bench_local(|| or_at(level, black_box(&mut a), black_box(&b)));
}

#[divan::bench(args = levels())]
fn and_not(bencher: Bencher<'_, '_>, level: Level) {
    let (mut a, b) = rows();
    let right: Vec<u32> = a.iter().zip(&b).map(|(a, b)| a & !b).collect();
    and_not_at(level, &mut a, &b);
    assert_eq!(a, right);
    bencher.bench_local(|| and_not_at(level, black_box(&mut a), black_box(&b)));
}

#[divan::bench(args = levels())]
fn count(bencher: Bencher<'_, '_>, level: Level) {
    let (a, _) = rows();
    assert_eq!(count_at(level, &a), a.iter().map(|word| word.count_ones() as usize).sum::<usize>());
    bencher.bench_local(|| count_at(level, black_box(&a)));
}

/// The whole row has to be looked at.
#[divan::bench(args = levels())]
fn first_set(bencher: Bencher<'_, '_>, level: Level) {
    let mut a = vec![0; WORDS];
    bitmask::set(&mut a, WORDS as u32 * 32 - 1);
    assert_eq!(first_set_at(level, &a), Some(WORDS as u32 * 32 - 1));
    bencher.bench_local(|| first_set_at(level, black_box(&a)));
}

/// The whole row has to be looked at.
#[divan::bench(args = levels())]
fn all_ones(bencher: Bencher<'_, '_>, level: Level) {
    let mut a = vec![u32::MAX; WORDS];
    a[WORDS - 1] = u32::MAX >> 1;
    assert!(!all_ones_at(level, &a));
    a[WORDS - 1] = u32::MAX;
    assert!(all_ones_at(level, &a));
    bencher.bench_local(|| all_ones_at(level, black_box(&a)));
}

/// A row of logits of 16 bits, one token in fifty allowed.
#[divan::bench]
fn apply_16(bencher: Bencher<'_, '_>) {
    let mut logits = vec![0_u16; WORDS * 32];
    let mut mask = vec![0; WORDS];
    (0..WORDS as u32 * 32).step_by(50).for_each(|token| bitmask::set(&mut mask, token));
    apply::apply_16(&mut logits, &mask, 0xFC00);
    assert!((0..).zip(&logits).all(|(token, &logit)| (logit == 0) == (token % 50 == 0)));
    bencher.bench_local(|| apply::apply_16(black_box(&mut logits), black_box(&mask), 0xFC00));
}

#[divan::bench]
fn apply_32(bencher: Bencher<'_, '_>) {
    let mut logits = vec![0_u32; WORDS * 32];
    let mut mask = vec![0; WORDS];
    (0..WORDS as u32 * 32).step_by(50).for_each(|token| bitmask::set(&mut mask, token));
    apply::apply_32(&mut logits, &mask, 0xFF80_0000);
    assert!((0..).zip(&logits).all(|(token, &logit)| (logit == 0) == (token % 50 == 0)));
    bencher.bench_local(|| apply::apply_32(black_box(&mut logits), black_box(&mask), 0xFF80_0000));
}

/// A pass over 32-bit logits that reads and writes each.
#[divan::bench]
fn negate_32(bencher: Bencher<'_, '_>) {
    let mut logits = vec![0_u32; WORDS * 32];
    bencher.bench_local(|| black_box(&mut logits).iter_mut().for_each(|logit| *logit ^= 1 << 31));
}

fn main() {
    divan::main();
}
