//! With how few characters what was begun can be completed. Part of the regex front-end.
//!
//! Where a pattern has no conditions, a state is a disjunction of class terms, and whichever is followed, the others may only help. So the
//! distance of a state is the least of its terms, and terms are few where their combinations, the states, may be very many: each is asked
//! once what it becomes, and distances spread backwards from those that end.
//!
//! Invariant: what is said is exact; nothing is said of patterns with conditions, or with more terms than are looked at.
//! Must not know: states.

use hashbrown::HashMap;

use super::unfold::{Before, Context, Unfolder, Value};
use crate::formula::{Formula, Variable};

/// With more terms than these nothing is said.
const MOST_TERMS: usize = 1 << 14;
/// Nor where one follows another more often.
const MOST_STEPS: usize = 1 << 20;

/// Characters to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Distance {
    /// The fewest that complete the text.
    pub here: u64,
    /// No state that can be reached needs more than these; of a term: none behind its character.
    pub anywhere: u64,
    /// The most that do; `None`: any number.
    pub most: Option<u64>,
}

/// The distances of all terms that were asked about.
#[derive(Default)]
pub(super) struct Distances {
    by_term: HashMap<Variable, Distance>,
    gave_up: bool,
}

/// The term that says: some character, and then all is accepted.
const ANYTHING: Variable = Variable::MAX;

fn terms_of(unfolder: &Unfolder, value: Value) -> Option<Vec<Variable>> {
    if value.next == Formula::TRUE { Some(vec![ANYTHING]) } else { unfolder.class_terms(value) }
}

impl Distances {
    /// The distance of a value; `None`: it is not known.
    pub fn of(&mut self, unfolder: &mut Unfolder, value: Value) -> Option<Distance> {
        let terms = terms_of(unfolder, value)?;
        if !terms.iter().all(|term| self.by_term.contains_key(term)) && !self.gave_up {
            self.gave_up = self.explore(unfolder, &terms).is_none();
        }
        let mut found = Distance { here: if value.end { 0 } else { u64::MAX }, anywhere: 0, most: Some(0) };
        for term in &terms {
            let known = self.by_term.get(term)?;
            found.here = found.here.min(known.here);
            found.anywhere = found.anywhere.max(known.anywhere);
            found.most = found.most.zip(known.most).map(|(most, of_term)| most.max(of_term));
        }
        found.anywhere = found.anywhere.max(found.here);
        (found.here != u64::MAX).then_some(found)
    }

    /// Look at all terms that follow these.
    fn explore(&mut self, unfolder: &mut Unfolder, from: &[Variable]) -> Option<()> {
        let context = Context { before: Before::Other, behinds: 0 };
        let mut places: HashMap<Variable, usize> = HashMap::new();
        let mut terms: Vec<Variable> = Vec::new();
        let mut add = |terms: &mut Vec<Variable>, term: Variable| {
            *places.entry(term).or_insert_with(|| {
                terms.push(term);
                terms.len() - 1
            })
        };
        for &term in from {
            add(&mut terms, term);
        }
        let mut before: Vec<Vec<usize>> = Vec::new();
        let mut follow: Vec<usize> = Vec::new();
        let mut steps = 0;
        let mut layer = Vec::new();
        let mut at = 0;
        while let Some(&term) = terms.get(at) {
            let after = if term == ANYTHING { Value::ALWAYS } else { unfolder.after_term(term, context).ok()? };
            let next = terms_of(unfolder, after)?;
            follow.push(next.len());
            steps += next.len();
            if steps > MOST_STEPS {
                return None;
            }
            for next in next {
                let place = add(&mut terms, next);
                before.resize_with(terms.len().max(before.len()), Vec::new);
                before[place].push(at);
            }
            if after.end {
                layer.push(at);
            }
            at += 1;
            if terms.len() > MOST_TERMS {
                return None;
            }
        }
        before.resize_with(terms.len(), Vec::new);
        let mut here = vec![u64::MAX; terms.len()];
        let mut by_distance = Vec::with_capacity(terms.len());
        let mut distance = 1;
        while !layer.is_empty() {
            layer.retain(|&at| here[at] == u64::MAX);
            layer.sort_unstable();
            layer.dedup();
            for &at in &layer {
                here[at] = distance;
            }
            by_distance.extend_from_slice(&layer);
            layer = layer.iter().flat_map(|&at| before[at].iter().copied()).collect();
            distance += 1;
        }
        // From the farthest on: whatever leads there, and to nothing farther.
        let (mut anywhere, mut seen) = (vec![0; terms.len()], vec![false; terms.len()]);
        for &start in by_distance.iter().rev() {
            let mut open = vec![start];
            while let Some(at) = open.pop() {
                if !std::mem::replace(&mut seen[at], true) {
                    anywhere[at] = here[start] - 1;
                    open.extend_from_slice(&before[at]);
                }
            }
        }
        let most = longest(&before, follow);
        for (place, term) in terms.into_iter().enumerate().filter(|&(place, _)| here[place] != u64::MAX) {
            self.by_term.insert(term, Distance { here: here[place], anywhere: anywhere[place], most: most[place] });
        }
        Some(())
    }
}

/// By term: how many characters complete it at most; `None`: it comes back to itself, or leads to one that does. `before`: which terms it follows;
/// `follow`: how many follow it.
fn longest(before: &[Vec<usize>], mut follow: Vec<usize>) -> Vec<Option<u64>> {
    let mut most = vec![None; before.len()];
    let mut longest = vec![1; before.len()];
    let mut done: Vec<usize> = (0..before.len()).filter(|&at| follow[at] == 0).collect();
    while let Some(at) = done.pop() {
        most[at] = Some(longest[at]);
        for &earlier in &before[at] {
            longest[earlier] = longest[earlier].max(longest[at] + 1);
            follow[earlier] -= 1;
            if follow[earlier] == 0 {
                done.push(earlier);
            }
        }
    }
    most
}
