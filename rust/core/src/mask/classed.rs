//! What a walk over shapes finds, as sets of tokens. Part of **mask**.
//!
//! Invariant: what was touched counts only as it was read by itself.
//! Must not know: states.

use std::sync::Arc;

use super::Mask;
use super::residual::Leaving;
use super::token_set::TokenSet;
use crate::bitmask;
use crate::vocab::Shapes;

/// Fewer accepted tokens are put in order one by one.
const SORTED: usize = 64;

/// What a walk over shapes finds.
#[derive(Default)]
pub(super) struct Classed {
    /// Accepted, as runs of places among the shapes.
    pub(super) places: Vec<(u32, u32)>,
    /// Accepted as well, as sets; what leaves by these is nobody's.
    pub(super) masks: Vec<Arc<Mask>>,
    /// Of all those and of what leaves, these count for nothing.
    pub(super) touched: Box<[u32]>,
    /// Accepted as well.
    pub(super) tokens: Vec<u32>,
    pub(super) leaving: Leaving,
}

impl Classed {
    /// The accepted tokens.
    pub(super) fn accepted(&self, shapes: &Shapes, words: usize) -> TokenSet {
        let many = self.places.iter().map(|&(start, end)| (end - start) as usize).sum::<usize>();
        let listed = |mask: &Arc<Mask>| mask.accepted.as_list().map(<[u32]>::len);
        let masks: Option<usize> = self.masks.iter().map(listed).sum();
        if masks.is_some_and(|masks| many + self.tokens.len() + masks < SORTED) {
            let mut tokens = Vec::with_capacity(many + self.tokens.len());
            self.list(shapes, &mut tokens);
            return TokenSet::from_ids(tokens, words);
        }
        let mut bits = shapes.mask(&self.places, words);
        self.masks.iter().for_each(|mask| mask.accepted.add_to(&mut bits));
        if !self.touched.is_empty() {
            bitmask::and_not(&mut bits, &self.touched);
        }
        bitmask::set_all(&mut bits, &self.tokens);
        TokenSet::from_bits(bits)
    }

    /// Add the accepted tokens one by one.
    fn list(&self, shapes: &Shapes, tokens: &mut Vec<u32>) {
        let mut add = |more: &[u32]| {
            if self.touched.is_empty() {
                tokens.extend_from_slice(more);
            } else {
                tokens.extend(more.iter().copied().filter(|&token| !bitmask::get(&self.touched, token)));
            }
        };
        self.places.iter().for_each(|&run| add(shapes.tokens_at(run)));
        for mask in &self.masks {
            match mask.accepted.as_list() {
                Some(list) => add(list),
                None => add(&mask.accepted.ids()),
            }
        }
        tokens.extend_from_slice(&self.tokens);
    }

    /// Add it to what other walks found.
    pub(super) fn add_to(mut self, shapes: &Shapes, tokens: &mut Vec<u32>, leaving: &mut Leaving) {
        self.list(shapes, tokens);
        leaving.leftovers.append(&mut self.leaving.leftovers);
        leaving.subtrees.append(&mut self.leaving.subtrees);
    }
}
