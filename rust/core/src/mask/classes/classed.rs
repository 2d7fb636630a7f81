//! What a walk over shapes finds, as sets of tokens. Part of **mask**.
//!
//! Invariant: what was touched counts only as it was read by itself.
//! Must not know: states.

use std::sync::Arc;

use crate::bitmask;
use crate::mask::Mask;
use crate::mask::residual::Leaving;
use crate::mask::rows::Order;
use crate::mask::store::MaskStore;
use crate::mask::token_set::TokenSet;
use crate::mask::walk::Found;
use crate::vocab::Shapes;

/// What a walk over shapes finds.
#[derive(Default)]
pub(in crate::mask) struct Classed {
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
    pub(super) fn accepted(&self, store: &MaskStore) -> TokenSet {
        let words = store.vocabulary.words();
        if let Some(count) = self.listed().filter(|&count| TokenSet::is_list(count, words)) {
            let mut tokens = Vec::with_capacity(count);
            self.list(&store.vocabulary.text_shapes().shapes, &mut tokens);
            return TokenSet::from_ids(tokens, words);
        }
        let mut bits = store.of_runs(Order::Texts, &self.places);
        self.masks.iter().for_each(|mask| mask.accepted.add_to(&mut bits));
        if !self.touched.is_empty() {
            bitmask::and_not(&mut bits, &self.touched);
        }
        bitmask::set_all(&mut bits, &self.tokens);
        TokenSet::from_bits(bits)
    }

    /// Unless some mask is stored as bits: how many tokens there are at most.
    fn listed(&self) -> Option<usize> {
        let masks: Option<usize> = self.masks.iter().map(|mask| mask.accepted.listed()).sum();
        let places = self.places.iter().map(|&(start, end)| (end - start) as usize).sum::<usize>();
        Some(masks? + places + self.tokens.len())
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
            match &mask.accepted {
                TokenSet::List(ids) => add(ids),
                other => add(&other.ids()),
            }
        }
        tokens.extend_from_slice(&self.tokens);
    }

    /// Add it to what other walks found.
    pub(in crate::mask) fn add_to(mut self, store: &MaskStore, found: &mut Found) {
        if self.listed().is_some_and(|count| TokenSet::is_list(count, store.vocabulary.words())) {
            self.list(&store.vocabulary.text_shapes().shapes, &mut found.tokens);
        } else {
            found.sets.push(Arc::new(Mask::new(self.accepted(store), None)));
        }
        found.leaving.leftovers.append(&mut self.leaving.leftovers);
        found.leaving.subtrees.append(&mut self.leaving.subtrees);
    }
}
