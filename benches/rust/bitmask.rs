//! Operations on masks of 128k bits, against copying one. `make bench`.

use divan::{Bencher, black_box};
use maskwright::bitmask;

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

fn main() {
    divan::main();
}
