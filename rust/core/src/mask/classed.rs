//! What a walk over shapes finds, as sets of tokens. Part of **mask**.
//!
//! Invariant: what was touched counts only as it was read by itself.
//! Must not know: states.

use super::residual::Leaving;
use super::token_set::TokenSet;
use crate::bitmask;
use crate::vocab::Shapes;

/// Fewer accepted tokens are put in order one by one.
const SORTED: usize = 64;

/// What a walk over shapes finds.
pub(super) struct Classed {
    /// Accepted, as runs of places among the shapes.
    pub(super) places: Vec<(u32, u32)>,
    /// Of those and of what leaves, these count for nothing.
    pub(super) touched: Box<[u32]>,
    /// Accepted as well.
    pub(super) tokens: Vec<u32>,
    pub(super) leaving: Leaving,
}

impl Classed {
    fn is_touched(&self, token: u32) -> bool {
        !self.touched.is_empty() && bitmask::get(&self.touched, token)
    }

    /// The accepted tokens.
    pub(super) fn accepted(&self, shapes: &Shapes, words: usize) -> TokenSet {
        let many = self.places.iter().map(|&(start, end)| (end - start) as usize).sum::<usize>();
        let tokens = |(start, end): (u32, u32)| shapes.tokens()[start as usize..end as usize].iter().copied();
        if many + self.tokens.len() < SORTED {
            return TokenSet::from_ids(self.list(shapes).collect(), words);
        }
        let mut bits: Box<[u32]>;
        if many * 2 > shapes.tokens().len() {
            bits = shapes.all().into();
            let mut done = 0;
            for &(start, end) in &self.places {
                tokens((done, start)).for_each(|token| bitmask::clear(&mut bits, token));
                done = end;
            }
            tokens((done, shapes.tokens().len() as u32)).for_each(|token| bitmask::clear(&mut bits, token));
        } else {
            bits = vec![0; words].into();
            self.places.iter().copied().flat_map(tokens).for_each(|token| bitmask::set(&mut bits, token));
        }
        bits.iter_mut().zip(&self.touched).for_each(|(bits, touched)| *bits &= !touched);
        self.tokens.iter().for_each(|&token| bitmask::set(&mut bits, token));
        TokenSet::from_bits(bits)
    }

    /// The accepted tokens one by one.
    fn list<'a>(&'a self, shapes: &'a Shapes) -> impl Iterator<Item = u32> + 'a {
        let all = self.places.iter().flat_map(|&(start, end)| shapes.tokens()[start as usize..end as usize].iter().copied());
        all.filter(|&token| !self.is_touched(token)).chain(self.tokens.iter().copied())
    }

    /// Add it to what other walks found.
    pub(super) fn add_to(mut self, shapes: &Shapes, tokens: &mut Vec<u32>, leaving: &mut Leaving) {
        tokens.extend(self.list(shapes));
        leaving.leftovers.append(&mut self.leaving.leftovers);
        leaving.subtrees.append(&mut self.leaving.subtrees);
    }
}
