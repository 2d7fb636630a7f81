//! Can a text still be accepted, and with which values? Searches over the products, beside them.
//!
//! Invariant: what a search finds is kept with the products, and does not depend on what was searched before.
//! Must not know: bytes, escapes, quotes.

use std::sync::atomic::Ordering;

use hashbrown::HashSet;

use super::outcome::Outcome;
use super::product::{Key, ProductId, Products};
use crate::error::EngineError;
use crate::limits::Limits;

const VIABLE: u8 = 1;
const HOPELESS: u8 = 2;

impl Products {
    /// What is known without a search.
    fn viable_at_sight(&self, id: ProductId) -> Result<Option<bool>, EngineError> {
        let product = self.get(id);
        match product.viable.load(Ordering::Relaxed) {
            VIABLE => return Ok(Some(true)),
            HOPELESS => return Ok(Some(false)),
            _ => {}
        }
        let key = &product.key;
        let sure = match key.names {
            // Names can be completed, and every text but finitely many leaves them.
            Some(names) if self.names.hopeful(names) || (key.parts.is_empty() && !key.outcomes[0].is_refused()) => true,
            None if self.reaches_every_leaf(key) || self.plainly_ends(key) => true,
            _ => self.verdict(id)? != 0,
        };
        if sure {
            product.viable.store(VIABLE, Ordering::Relaxed);
        }
        Ok(sure.then_some(true))
    }

    /// Is some continuation accepted? For products that do not count. A depth-first search; what it finds is kept.
    pub(super) fn viable(&self, root: ProductId, bound: &Limits) -> Result<bool, EngineError> {
        if let Some(known) = self.viable_at_sight(root)? {
            return Ok(known);
        }
        let mut seen: HashSet<ProductId> = HashSet::from_iter([root]);
        let mut path: Vec<(ProductId, usize)> = vec![(root, 0)];
        let mut steps = 0;
        while let Some((at, next)) = path.last_mut() {
            let moves = self.moves(*at, bound)?;
            if *next == 0 {
                // Look at all targets before walking into one.
                steps += moves.len() + 1;
                Limits::check("max_search_steps", steps, bound.max_search_steps)?;
                for step in moves {
                    if self.viable_at_sight(step.target)? == Some(true) {
                        for (product, _) in &path {
                            self.get(*product).viable.store(VIABLE, Ordering::Relaxed);
                        }
                        return Ok(true);
                    }
                }
            }
            match moves.get(*next) {
                None => {
                    path.pop();
                }
                Some(step) => {
                    *next += 1;
                    if self.viable_at_sight(step.target)?.is_none() && seen.insert(step.target) {
                        path.push((step.target, 0));
                    }
                }
            }
        }
        // Nothing that was reached leads to acceptance.
        for product in seen {
            self.get(product).viable.store(HOPELESS, Ordering::Relaxed);
        }
        Ok(false)
    }

    /// Is some text accepted by the one automaton from where it is, as is plain, and accepted as a whole then?
    fn plainly_ends(&self, key: &Key) -> bool {
        let &[part] = &*key.parts else { return false };
        let automaton = self.automaton(part);
        key.outcomes[0].evaluate(|_| true).is_some() && (automaton.always_ends() || automaton.ends_within(part.state).is_some())
    }

    /// Is it plain that each leaf of the outcome can be reached? A trie can be completed and can be left.
    fn reaches_every_leaf(&self, key: &Key) -> bool {
        key.is_plain() || (key.names.is_none() && key.parts.len() == 1 && self.is_trie(key.parts[0]))
    }

    /// The values with which some text is accepted, ascending. Of a product without names.
    /// One of them may be known.
    pub(super) fn reachable_values(&self, root: ProductId, known: Option<u32>, bound: &Limits) -> Result<Vec<u32>, EngineError> {
        let key = self.key(root);
        if key.counts() && !key.is_plain() {
            return self.reachable_values_by_length(root, bound);
        }
        let mut wanted: HashSet<u32> = key.outcomes.iter().flat_map(Outcome::values).collect();
        let mut found: Vec<u32> = known.into_iter().filter(|known| wanted.remove(known)).collect();
        if key.is_plain() {
            found.extend(wanted.drain());
        }
        let mut seen: HashSet<ProductId> = HashSet::from_iter([root]);
        let mut stack = vec![root];
        let mut steps = 0;
        while let Some(at) = stack.pop() {
            if wanted.is_empty() {
                break;
            }
            let key = self.key(at);
            let verdict = self.verdict(at)?;
            let all = self.reaches_every_leaf(key);
            let here = key.outcomes.iter().flat_map(Outcome::values);
            let mut open = false;
            for value in here {
                if (all || value.saturating_add(1) == verdict) && wanted.remove(&value) {
                    found.push(value);
                }
                open |= wanted.contains(&value);
            }
            if !open {
                continue;
            }
            let moves = self.moves(at, bound)?;
            steps += moves.len() + 1;
            Limits::check("max_search_steps", steps, bound.max_search_steps)?;
            stack.extend(moves.iter().map(|m| m.target).filter(|t| seen.insert(*t)));
        }
        found.sort_unstable();
        Ok(found)
    }

    fn reachable_values_by_length(&self, root: ProductId, bound: &Limits) -> Result<Vec<u32>, EngineError> {
        let key = self.key(root);
        let mut values: Vec<u32> = key.outcomes.iter().flat_map(Outcome::values).collect();
        values.sort_unstable();
        values.dedup();
        let mut found = Vec::new();
        for value in values {
            let only: Vec<Outcome> = key.outcomes.iter().map(|o| o.only(value)).collect();
            let product = self.make(&key.parts, key.names, only, key.limits.to_vec(), bound)?;
            if let Some(product) = product
                && self.settle(product, 0, bound)?.is_some()
            {
                found.push(value);
            }
        }
        Ok(found)
    }
}
