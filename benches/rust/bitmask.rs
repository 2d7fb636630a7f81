//! Operations on masks of 128k bits, against copying one. `make bench`.

use divan::{Bencher, black_box};
use maskwright::bitmask;
use maskwright::bitmask::apply;

const WORDS: usize = 4096;

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
}

#[divan::bench]
fn or(bencher: Bencher<'_, '_>) {
    let (mut a, b) = rows();
    bitmask::or(&mut a, &b);
    assert!(a.iter().zip(&b).all(|(a, b)| a & b == *b));
    bencher.bench_local(|| bitmask::or(black_box(&mut a), black_box(&b)));
}

#[divan::bench]
fn and_not(bencher: Bencher<'_, '_>) {
    let (mut a, b) = rows();
    bitmask::and_not(&mut a, &b);
    assert!(a.iter().zip(&b).all(|(a, b)| a & b == 0));
    bencher.bench_local(|| bitmask::and_not(black_box(&mut a), black_box(&b)));
}

#[divan::bench]
fn count(bencher: Bencher<'_, '_>) {
    let (a, _) = rows();
    assert_eq!(bitmask::count(&a), a.iter().map(|word| word.count_ones() as usize).sum::<usize>());
    bencher.bench_local(|| bitmask::count(black_box(&a)));
}

#[divan::bench]
fn fill(bencher: Bencher<'_, '_>) {
    let (mut a, _) = rows();
    bencher.bench_local(|| black_box(&mut a).fill(u32::MAX));
}

/// The whole row has to be looked at.
#[divan::bench]
fn first_set(bencher: Bencher<'_, '_>) {
    let mut a = vec![0; WORDS];
    bitmask::set(&mut a, WORDS as u32 * 32 - 1);
    assert_eq!(bitmask::first_set(&a), Some(WORDS as u32 * 32 - 1));
    bencher.bench_local(|| bitmask::first_set(black_box(&a)));
}

/// The whole row has to be looked at.
#[divan::bench]
fn all_set(bencher: Bencher<'_, '_>) {
    let a = vec![u32::MAX; WORDS];
    assert!(bitmask::all_set(&a, WORDS * 32));
    bencher.bench_local(|| bitmask::all_set(black_box(&a), WORDS * 32));
}

/// A row of logits of 16 bits, one token in fifty allowed; `copy_logits` beside it.
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
