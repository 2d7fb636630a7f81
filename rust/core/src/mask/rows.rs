//! Masks of runs of tokens in the order of their shapes. Part of **mask**.
//!
//! PERF: all words, or all that begin with a blank: a few long runs are in mask after mask of all grammars. To join their bits, once they are known, takes
//! less than to set them one by one.
//!
//! Invariant: just the tokens of the runs.
//! Must not know: states.

use std::sync::Arc;

use super::shared::SharedMasks;
use super::store::{ENTRY, MaskStore};
use crate::bitmask;
use crate::vocab::Shapes;

/// The order in which tokens stand in runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Order {
    /// Of all text tokens.
    Texts,
    /// Of those that stand for themselves in strings of JSON.
    Strings,
}

impl MaskStore {
    /// A mask of those of ascending runs of places. If most are in, those that are out are taken away instead.
    pub(super) fn of_runs(&self, order: Order, runs: &[(u32, u32)]) -> Box<[u32]> {
        let shapes = match order {
            Order::Texts => &self.vocabulary.text_shapes().shapes,
            Order::Strings => self.vocabulary.shapes().strings(),
        };
        let all = shapes.tokens().len() as u32;
        if runs.iter().map(|&(start, end)| end - start).sum::<u32>() <= all / 2 {
            let mut bits = vec![0; self.vocabulary.words()].into_boxed_slice();
            for &run in runs {
                match self.row(order, shapes, run) {
                    Some(row) => bitmask::or(&mut bits, &row),
                    None => bitmask::set_all(&mut bits, shapes.tokens_at(run)),
                }
            }
            return bits;
        }
        let mut bits: Box<[u32]> = shapes.all().into();
        let mut done = 0;
        for (start, end) in runs.iter().copied().chain([(all, all)]) {
            match self.row(order, shapes, (done, start)) {
                Some(row) => bitmask::and_not(&mut bits, &row),
                None => bitmask::clear_all(&mut bits, shapes.tokens_at((done, start))),
            }
            done = end;
        }
        bits
    }

    /// The bits of a long run.
    #[inline]
    fn row(&self, order: Order, shapes: &Shapes, run: (u32, u32)) -> Option<Arc<[u32]>> {
        let is_long = (run.1 - run.0) as usize > self.vocabulary.words() / 4;
        self.shared.as_ref().filter(|_| is_long).map(|shared| self.kept_row(shared, order, shapes, run))
    }

    fn kept_row(&self, shared: &SharedMasks, order: Order, shapes: &Shapes, run: (u32, u32)) -> Arc<[u32]> {
        let words = self.vocabulary.words();
        let key = (order, run.0, run.1);
        shared.rows.get(&key).unwrap_or_else(|| {
            let mut bits = vec![0; words];
            bitmask::set_all(&mut bits, shapes.tokens_at(run));
            let row: Arc<[u32]> = bits.into();
            shared.rows.insert(key, Arc::clone(&row), words * 4 + ENTRY);
            row
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vocab::Vocabulary;

    proptest! {
        #[test]
        fn runs_are_what_they_are_token_by_token(ends in prop::collection::vec(prop::collection::btree_set(0_u32..=300, 0..6), 1..8)) {
            // Every fifth token is not in strings of JSON.
            let text = |i: u32| format!("{}{i}", if i.is_multiple_of(5) { "\n" } else { "" }).into_bytes();
            let tokens: Vec<Vec<u8>> = (0..300).map(text).chain([b"</s>".to_vec()]).collect();
            let vocabulary = Arc::new(Vocabulary::new(&tokens, tokens.len(), &[300], &[]).expect("a vocabulary"));
            let store = MaskStore::new(Arc::clone(&vocabulary));
            for ends in ends {
                for order in [Order::Strings, Order::Texts] {
                    let shapes = match order {
                        Order::Texts => &vocabulary.text_shapes().shapes,
                        Order::Strings => vocabulary.shapes().strings(),
                    };
                    let all = shapes.tokens().len() as u32;
                    let ends: Vec<u32> = ends.iter().map(|&end| end.min(all)).collect();
                    let runs: Vec<(u32, u32)> = ends.chunks_exact(2).map(|run| (run[0], run[1])).collect();
                    let mut expected = vec![0; vocabulary.words()];
                    for &run in &runs {
                        bitmask::set_all(&mut expected, shapes.tokens_at(run));
                    }
                    prop_assert_eq!(&*store.of_runs(order, &runs), &*expected);
                }
            }
        }
    }
}
