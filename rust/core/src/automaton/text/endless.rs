//! Is there an end of the texts? Beside the products, for who needs ever new ones.
//!
//! Invariant: "endless" is said only where, whatever else is read, an infinite number of texts may follow, or a name where one will do.
//! Must not know: what the texts are for.

use hashbrown::HashMap;
use indexmap::IndexMap;

use super::guard::Settled;
use super::product::{ProductId, Products};
use crate::error::EngineError;
use crate::limits::Limits;

/// Products looked at in one go; if there are more, the answer is no.
const MOST: usize = 4096;

impl Products {
    /// Whatever is read from here on, do infinitely many texts follow, or, if `or_named`, a name? No if in doubt.
    pub(super) fn is_endless(&self, id: ProductId, or_named: bool, bound: &Limits) -> Result<bool, EngineError> {
        let answer = |product| &self.get(product).endless[usize::from(or_named)];
        if let Some(&known) = answer(id).get() {
            return Ok(known);
        }
        let key = self.key(id);
        // Every text is accepted once it is long enough, or any may go on and be accepted then.
        let accepts_all = key.limits.last() == Some(&u64::MAX) && key.outcomes.last().is_some_and(super::Outcome::refuses_nothing);
        if accepts_all || self.refuses_nothing(id) {
            return Ok(*answer(id).get_or_init(|| true));
        }
        if key.counts() {
            return Ok(*answer(id).get_or_init(|| false));
        }
        // What can be reached, and from where.
        let mut products = vec![id];
        let mut place: HashMap<ProductId, usize> = HashMap::from_iter([(id, 0)]);
        let mut sources: Vec<Vec<usize>> = vec![Vec::new()];
        let mut ways: Vec<usize> = Vec::new();
        while let Some(&at) = products.get(ways.len()) {
            let mut targets: Vec<ProductId> = self.live_moves(at, bound)?.iter().map(|m| m.target).collect();
            targets.sort_unstable();
            targets.dedup();
            for &target in &targets {
                let to = *place.entry(target).or_insert_with(|| {
                    products.push(target);
                    sources.push(Vec::new());
                    products.len() - 1
                });
                sources[to].push(ways.len());
            }
            ways.push(targets.len());
            if products.len() > MOST {
                return Ok(*answer(id).get_or_init(|| false));
            }
        }
        // Finitely many texts follow where all ways on do so; names are always to be had, if they will do.
        let named: Vec<bool> =
            products.iter().map(|&p| or_named && self.key(p).names.is_some_and(|names| self.names.hopeful(names))).collect();
        let mut finite: Vec<usize> = (0..products.len()).filter(|&i| ways[i] == 0 && !named[i]).collect();
        let mut ends = vec![false; products.len()];
        let mut next = 0;
        while let Some(&i) = finite.get(next) {
            next += 1;
            ends[i] = true;
            for &source in &sources[i] {
                ways[source] -= 1;
                if ways[source] == 0 && !named[source] {
                    finite.push(source);
                }
            }
        }
        // And what leads there is not endless either.
        let mut pending = finite;
        while let Some(i) = pending.pop() {
            for &source in &sources[i] {
                if !std::mem::replace(&mut ends[source], true) {
                    pending.push(source);
                }
            }
        }
        for (&product, &ends) in products.iter().zip(&ends) {
            answer(product).get_or_init(|| !ends);
        }
        Ok(!ends[0])
    }

    /// How many texts are accepted: counted up to `enough`, and no further than a moderate effort goes. By length, so that nothing is missed
    /// behind an endless one.
    pub(super) fn count(&self, id: ProductId, enough: u64, bound: &Limits) -> Result<u64, EngineError> {
        let mut found = 0u64;
        let mut level: IndexMap<ProductId, u64> = IndexMap::from_iter([(id, 1)]);
        let (mut read, mut looked_at) = (0, 0);
        while !level.is_empty() && found < enough && looked_at < MOST {
            let mut next: IndexMap<ProductId, u64> = IndexMap::new();
            read += 1;
            looked_at += level.len();
            for (product, times) in level {
                if self.verdict(product)? != 0 {
                    found = found.saturating_add(times);
                }
                for m in self.live_moves(product, bound)? {
                    let more = times.saturating_mul(u64::from(m.high - m.low + 1));
                    match self.settle(m.target, read, bound)? {
                        Some(Settled::Product(target)) => {
                            let known = next.entry(target).or_default();
                            *known = known.saturating_add(more);
                        }
                        Some(Settled::Close(_)) => found = found.saturating_add(more),
                        None => {}
                    }
                }
            }
            level = next;
        }
        Ok(found.min(enough))
    }
}
