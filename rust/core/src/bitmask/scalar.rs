//! The portable loops, which every backend repeats under wider registers: words -> **words, counts**.
//!
//! Invariant: each is a loop without a branch inside a block, which a compiler turns into whatever registers it is given.
//! Must not know: which those are.

// Inlining is what makes a backend: each wrapper compiles the loop for its own registers.
#![allow(clippy::inline_always)]

/// Words that are looked at before asking whether to go on.
const BLOCK: usize = 64;

/// Do something with each pair of words.
///
/// PERF: the first few alone, so that no register that is stored lies across two lines of the cache, which takes two turns.
#[inline(always)]
fn each(row: &mut [u32], other: &[u32], change: impl Fn(&mut u32, u32)) {
    let head = row.as_ptr().align_offset(32).min(row.len()).min(other.len());
    let ((head, rest), (other_head, other_rest)) = (row.split_at_mut(head), other.split_at(head));
    head.iter_mut().zip(other_head).for_each(|(a, b)| change(a, *b));
    rest.iter_mut().zip(other_rest).for_each(|(a, b)| change(a, *b));
}

/// `row |= other`.
#[inline(always)]
pub fn or(row: &mut [u32], other: &[u32]) {
    each(row, other, |a, b| *a |= b);
}

/// `row &= !other`.
#[inline(always)]
pub fn and_not(row: &mut [u32], other: &[u32]) {
    each(row, other, |a, b| *a &= !b);
}

/// How many bits are set, one word after the other.
#[inline(always)]
pub fn count(row: &[u32]) -> usize {
    row.iter().map(|w| w.count_ones() as usize).sum()
}

/// The lowest set bit.
#[inline(always)]
pub fn first_set(row: &[u32]) -> Option<u32> {
    let (blocks, _) = row.as_chunks::<BLOCK>();
    let skipped = blocks.iter().take_while(|block| block.iter().fold(0, |any, word| any | word) == 0).count() * BLOCK;
    let word = skipped + row[skipped..].iter().position(|&word| word != 0)?;
    Some(word as u32 * 32 + row[word].trailing_zeros())
}

/// Is every word all ones?
#[inline(always)]
pub fn all_ones(row: &[u32]) -> bool {
    let (blocks, rest) = row.as_chunks::<BLOCK>();
    blocks.iter().all(|block| block.iter().fold(u32::MAX, |all, word| all & word) == u32::MAX) && rest.iter().all(|&word| word == u32::MAX)
}
