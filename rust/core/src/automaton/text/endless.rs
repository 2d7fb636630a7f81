//! Is there an end of the texts? Beside the products, for who needs ever new ones.
//!
//! Invariant: "endless" is said only where, whatever else is read, an infinite number of texts may follow, or a name where one will do.
//! Must not know: what the texts are for.

use indexmap::{IndexMap, IndexSet};

use super::guard::Settled;
use super::product::{ProductId, Products};
use crate::error::EngineError;
use crate::limits::Limits;

/// Products looked at in one go; if there are more, the answer is no.
const MOST: usize = 4096;

impl Products {
    /// Whatever is read from here on, do infinitely many texts follow, or, if `or_named`, a name? No if in doubt.
    pub(super) fn is_endless(&self, id: ProductId, or_named: bool, bound: &Limits) -> Result<bool, EngineError> {
        if let Some(known) = self.endless_at_sight(id, or_named) {
            return Ok(known);
        }
        // What can be reached, and from where. Where each leads on, or to a name, there is no end.
        let mut seen = IndexSet::from([id]);
        let mut sources: Vec<Vec<usize>> = vec![Vec::new()];
        // PERF: the last first, since a walk deep down is soon at an end, if there is one.
        let mut open = vec![0];
        while let Some(at) = open.pop() {
            let product = seen[at];
            let mut targets: Vec<ProductId> = self.live_moves(product, bound)?.iter().map(|m| m.target).collect();
            targets.sort_unstable();
            targets.dedup();
            let mut ends = targets.is_empty() && !(or_named && self.key(product).names.is_some_and(|names| self.names.hopeful(names)));
            for target in targets {
                if let Some(endless) = self.endless_at_sight(target, or_named) {
                    ends |= !endless;
                    continue;
                }
                let (to, new) = seen.insert_full(target);
                if new {
                    open.push(to);
                    sources.push(Vec::new());
                }
                sources[to].push(at);
            }
            if ends {
                // So does whatever leads there.
                let mut pending = vec![at];
                while let Some(i) = pending.pop() {
                    self.get(seen[i]).endless[usize::from(or_named)].get_or_init(|| false);
                    pending.append(&mut sources[i]);
                }
                return Ok(false);
            }
            if seen.len() > MOST {
                return Ok(*self.get(id).endless[usize::from(or_named)].get_or_init(|| false));
            }
        }
        for &product in &seen {
            self.get(product).endless[usize::from(or_named)].get_or_init(|| true);
        }
        Ok(true)
    }

    /// What is known of that without a search.
    fn endless_at_sight(&self, id: ProductId, or_named: bool) -> Option<bool> {
        let answer = &self.get(id).endless[usize::from(or_named)];
        if let Some(&known) = answer.get() {
            return Some(known);
        }
        let key = self.key(id);
        // Every text is accepted once it is long enough, or any may go on and be accepted then.
        let accepts_all = key.limits.last() == Some(&u64::MAX) && key.outcomes.last().is_some_and(super::Outcome::refuses_nothing);
        let known = accepts_all || self.refuses_nothing(id);
        (known || key.counts()).then(|| *answer.get_or_init(|| known))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use indexmap::IndexSet;
    use proptest::prelude::*;

    use crate::automaton::text::{Outcome, TextAutomaton, TextSpec};
    use crate::frontend::regex::PatternAutomaton;
    use crate::ids::StateId;
    use crate::limits::Limits;
    use crate::provider::{Arena, Cell};

    /// Each with whether it goes on for ever, whatever is read first.
    const PATTERNS: &[(&str, bool)] = &[
        ("^[ab]*$", true),
        ("^a[ab]*c$", false),
        ("^(a|b)+$", true),
        ("^(ab)*$", true),
        ("^(a|bc?)$", false),
        ("^(a[ab]*|cb)$", false),
        ("^(ab*c)*$", true),
        ("^(a|ba)*c?$", false),
        ("^([ab]c)*(cc)*$", true),
        ("^a{2,5}$", false),
        ("^(a{1,3}b)*$", true),
        ("^(x(-[ab]{1,2})+|i-c)$", false),
        ("^x(-[ab]{1,2})+$", true),
        ("^(?!.*c)[abc]*$", true),
        ("^(?=a).*$", true),
        ("c", true),
    ];

    /// All states that characters lead to, and those of each.
    fn reached(arena: &Arena, start: StateId) -> (IndexSet<StateId>, Vec<Vec<StateId>>) {
        let mut seen = IndexSet::from([start]);
        let mut targets: Vec<Vec<StateId>> = Vec::new();
        while let Some(&state) = seen.get_index(targets.len()) {
            let to = b"abcix-z".iter().filter_map(|&byte| match arena.step(state, byte).unwrap() {
                Cell::Simple(target, _) => Some(target),
                _ => None,
            });
            targets.push(to.collect());
            seen.extend(targets.last().into_iter().flatten());
        }
        (seen, targets)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 200 } else { 2000 }))]

        #[test]
        fn what_goes_on_for_ever_is_the_same_wherever_it_is_asked_first(
            (pattern, expected) in proptest::sample::select(PATTERNS),
            asked in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        ) {
            let arena = Arena::new(Limits::default());
            let text = TextAutomaton::register(&arena);
            let component = Arc::new(PatternAutomaton::search(pattern, &Limits::default()).unwrap());
            let spec = TextSpec { components: vec![component as _], lengths: Vec::new(), outcome: Outcome::all(1) };
            let start = text.json_string_body(&arena, &spec).unwrap().unwrap();
            let (states, targets) = reached(&arena, start);
            // There is an end from where a text leads that nothing follows.
            let ends = |from: usize| {
                let mut seen = IndexSet::from([from]);
                let mut done = 0;
                while let Some(&at) = seen.get_index(done) {
                    done += 1;
                    seen.extend(targets[at].iter().map(|target| states.get_index_of(target).unwrap()));
                }
                seen.into_iter().any(|at| targets[at].is_empty())
            };
            for place in asked.iter().map(|index| index.index(states.len())).chain([0]) {
                prop_assert_eq!(arena.is_endless(states[place], false).unwrap(), !ends(place), "{} at {}", pattern, place);
            }
            prop_assert_eq!(!ends(0), expected, "{}", pattern);
        }
    }
}
