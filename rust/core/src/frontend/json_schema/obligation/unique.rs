//! Arrays in which it matters whether items are equal: what such an array must know of the items it has had.
//!
//! Which value an item has is known to the text alone, so the matcher remembers the items and says of each whether it repeats an earlier
//! one; a state says what comes of either. All that a state knows of earlier items is what decides whether the array can be completed: the
//! *watches*, formulas over items of which it notes whether an earlier item fulfils them. A watch is either a value that may be
//! needed later where few will do (`[integer, const 1]`: the first item must leave the 1), or what a later item must be to repeat
//! an earlier one (`not: {uniqueItems}`). Usually there are none.
//!
//! Invariant: the plan of an array depends on its obligation at its start alone. Where a value can run out while items must still come, it is
//! watched; elsewhere some value is always left.
//! Must not know: text, which values items have.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use indexmap::IndexSet;

use super::array::ArrayId;
use super::listing::{Listed, SMALL};
use super::satisfy::Goal;
use super::space::{Atom, Space};
use super::strings::Tools;
use crate::error::EngineError;
use crate::formula::{Formula, Formulas, Variable};
use crate::limits::Limits;

/// What is watched in an array, and what was seen of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Watched {
    /// A number of a plan, from one on; zero: equal items make no difference.
    plan: u32,
    /// A number of a set of watches, from one on; zero: the empty one.
    seen: u32,
}

impl Watched {
    /// Equal items make no difference.
    pub(super) const NOTHING: Self = Self { plan: 0, seen: 0 };
}

/// What to watch in an array.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Plan {
    /// Values that can run out, each with the last place that may need it.
    values: Vec<(Formula, u64)>,
    /// What a later item may be when it repeats an earlier one.
    repeats: Vec<Formula>,
    /// At least so many values are possible for each item.
    fewest: u64,
}

/// What may come in a state of an array.
struct Place {
    /// The first place where it may be.
    at: u64,
    /// So many items have come before it at most, as far as it matters.
    before: usize,
    /// The last place that may need its values.
    until: u64,
    must_go_on: bool,
    /// The values of each class, and may the array be closed behind them?
    classes: Vec<(Listed, bool)>,
}

impl Place {
    /// While there are fewer items, one can come that is another than all of them, and that no later place needs.
    fn fewest(&self, watched: &[(Formula, u64)]) -> u64 {
        let (mut sure, mut others) = (0, u64::MAX);
        for (values, may_end) in &self.classes {
            let left = match values {
                Listed::Few(values) => unwatched(values, watched, self.at) as u64,
                Listed::AtLeast(count) => *count,
            };
            if *may_end {
                sure = sure.max(left);
            }
            // Where all of them are watched, a state knows whether one is left.
            if left > 0 || !self.must_go_on {
                others = others.min(left);
            }
        }
        sure.max(others).max(1)
    }
}

/// All plans.
#[derive(Default)]
pub(super) struct Plans {
    all: IndexSet<Plan>,
    by_start: HashMap<Formula, Watched>,
    seen: IndexSet<Box<[Formula]>>,
    fresh: HashMap<ArrayId, Arc<ItemWays>>,
    repeated: HashMap<ArrayId, Option<Arc<ItemWays>>>,
}

/// What may come next, and what is there after it.
#[derive(Debug)]
pub(super) struct ItemWays {
    /// The item's obligation: leaf j + 1 is class j.
    pub child: Formula,
    /// By class.
    pub next: Vec<ArrayId>,
}

impl Space {
    /// The state of an empty array that owes `formula`.
    pub(super) fn empty_array(&mut self, tools: Tools<'_>, formula: Formula) -> Result<ArrayId, EngineError> {
        let watched = self.watched_from_start(tools, formula)?;
        self.segment(formula, 0, watched)
    }

    /// The state of an array whose items are looked at one by one from outside.
    pub(super) fn plain_segment(&mut self, formula: Formula, count: u64) -> Result<ArrayId, EngineError> {
        self.segment(formula, count, Watched::NOTHING)
    }

    fn depends_on_equality(&mut self, formula: Formula) -> Result<bool, EngineError> {
        Ok(self.all_atoms(formula)?.contains(&Atom::Unique))
    }

    fn plan(&self, watched: Watched) -> Option<&Plan> {
        self.arrays.plans.all.get_index((watched.plan as usize).checked_sub(1)?)
    }

    fn seen(&self, watched: Watched) -> &[Formula] {
        (watched.seen as usize).checked_sub(1).and_then(|i| self.arrays.plans.seen.get_index(i)).map_or(&[], |set| set)
    }

    fn with_seen(&mut self, watched: Watched, mut seen: Vec<Formula>) -> Watched {
        seen.sort_unstable();
        seen.dedup();
        let seen = if seen.is_empty() { 0 } else { self.arrays.plans.seen.insert_full(seen.into()).0 as u32 + 1 };
        Watched { seen, ..watched }
    }

    /// At least so many values are possible for each item, if it matters whether items are equal.
    pub(super) fn fewest_values(&self, watched: Watched) -> Option<u64> {
        self.plan(watched).map(|plan| plan.fewest)
    }

    /// How many items may still change what was seen.
    pub(super) fn watches_of(&self, watched: Watched) -> u64 {
        self.plan(watched).map_or(0, |plan| (plan.values.len() + plan.repeats.len()) as u64)
    }

    /// What still matters of what was seen, once there are `count` items.
    pub(super) fn still_watched(&mut self, formula: Formula, count: u64, watched: Watched) -> Result<Watched, EngineError> {
        if watched == Watched::NOTHING || !self.depends_on_equality(formula)? {
            return Ok(Watched::NOTHING);
        }
        if watched.seen == 0 {
            return Ok(watched);
        }
        let Some(plan) = self.plan(watched) else { return Ok(Watched::NOTHING) };
        let past = |watch: &Formula| plan.values.iter().any(|(value, until)| value == watch && *until < count);
        let seen = self.seen(watched);
        if !seen.iter().any(past) {
            return Ok(watched);
        }
        let seen = seen.iter().copied().filter(|watch| !past(watch)).collect();
        Ok(self.with_seen(watched, seen))
    }

    /// The items that may come next and do not repeat an earlier one.
    pub(super) fn items_after(&mut self, tools: Tools<'_>, array: ArrayId) -> Result<Arc<ItemWays>, EngineError> {
        if let Some(known) = self.arrays.plans.fresh.get(&array) {
            return Ok(known.clone());
        }
        let key = self.array_key(array)?;
        let partition = self.item_partition(array)?;
        let mut classes: IndexSet<(usize, u32)> = (0..partition.results.len()).map(|class| (class, key.watched.seen)).collect();
        let mut child = partition.child;
        if let Some(plan) = self.plan(key.watched).cloned() {
            let seen = self.seen(key.watched).to_vec();
            // Values exclude each other, so each is told from the rest, and what is left after them is none of them.
            for (value, until) in plan.values.iter().rev() {
                let is_it = if seen.contains(value) {
                    Formula::FALSE
                } else if *until > key.low {
                    self.noting(&mut classes, partition.child, *value)?
                } else {
                    continue;
                };
                child = self.formulas.if_then_else(*value, is_it, child)?;
            }
            let few = if plan.repeats.is_empty() { Listed::AtLeast(0) } else { self.list_values(None, child, SMALL)? };
            let (mut verdicts, mut most) = (HashMap::new(), SMALL);
            for repeat in plan.repeats.iter().filter(|repeat| !seen.contains(repeat)) {
                let noted = self.noting(&mut classes, child, *repeat)?;
                child = self.formulas.if_then_else(*repeat, noted, child)?;
                if let Listed::Few(values) = &few {
                    child = self.keep_reached(child, values, &mut verdicts)?;
                }
                if self.formulas.leaves(child).len() > most {
                    child = self.keep_possible(tools, child)?;
                    most = most.max(2 * self.formulas.leaves(child).len());
                }
            }
        }
        let mut next = Vec::with_capacity(classes.len());
        for (class, seen) in classes {
            next.push(self.after_item(array, partition.results[class], Watched { seen, ..key.watched })?);
        }
        let ways = Arc::new(ItemWays { child, next });
        self.arrays.plans.fresh.insert(array, ways.clone());
        Ok(ways)
    }

    /// The question with what none of `values` answers turned into nothing: answers may exclude each other, which the formula does not know.
    fn keep_reached(
        &mut self,
        child: Formula,
        values: &[Formula],
        verdicts: &mut HashMap<Variable, Vec<bool>>,
    ) -> Result<Formula, EngineError> {
        for variable in self.formulas.variables(child) {
            if !verdicts.contains_key(&variable) {
                let holds = self.formulas.variable(variable)?;
                let mut of_values = Vec::with_capacity(values.len());
                for &value in values {
                    let both = self.formulas.and(value, holds)?;
                    match self.list_values(None, both, SMALL)? {
                        Listed::Few(same) => of_values.push(!same.is_empty()),
                        Listed::AtLeast(_) => return Ok(child),
                    }
                }
                verdicts.insert(variable, of_values);
            }
        }
        let mut reached = HashSet::new();
        for value in 0..values.len() {
            let holds = |variable| verdicts.get(&variable).is_some_and(|of_values| of_values[value]);
            reached.insert(self.formulas.evaluate(child, holds));
        }
        self.keep_answers(child, &reached)
    }

    /// Likewise for what no value answers at all.
    fn keep_possible(&mut self, tools: Tools<'_>, child: Formula) -> Result<Formula, EngineError> {
        let mut possible = HashSet::new();
        for leaf in self.formulas.leaves(child) {
            if let Some(class) = leaf.checked_sub(1) {
                let of_class = self.only_class(child, class as usize)?;
                if self.satisfiable(tools, Goal::Value(of_class))? {
                    possible.insert(leaf);
                }
            }
        }
        self.keep_answers(child, &possible)
    }

    fn keep_answers(&mut self, child: Formula, kept: &HashSet<u32>) -> Result<Formula, EngineError> {
        let leaf = |store: &mut Formulas, leaf: u32| if kept.contains(&leaf) { Ok(None) } else { store.leaf(0).map(Some) };
        self.formulas.substitute(child, |_, _| Ok(None), leaf)
    }

    /// The question with every class turned into the one that has also seen `watch`.
    fn noting(&mut self, classes: &mut IndexSet<(usize, u32)>, child: Formula, watch: Formula) -> Result<Formula, EngineError> {
        let mut changed: HashMap<u32, u32> = HashMap::new();
        for leaf in self.formulas.leaves(child) {
            let Some(&(class, seen)) = (leaf as usize).checked_sub(1).and_then(|i| classes.get_index(i)) else { continue };
            let mut set = self.seen(Watched { plan: 0, seen }).to_vec();
            set.push(watch);
            let seen = self.with_seen(Watched::NOTHING, set).seen;
            changed.insert(leaf, classes.insert_full((class, seen)).0 as u32 + 1);
        }
        Limits::check("max_subset_positions", classes.len(), self.limits.max_subset_positions)?;
        self.formulas.substitute(child, |_, _| Ok(None), |store, leaf| changed.get(&leaf).map(|&new| store.leaf(new)).transpose())
    }

    /// The items that may come next and repeat an earlier one; `None`: none may.
    pub(super) fn repeats_after(&mut self, array: ArrayId) -> Result<Option<Arc<ItemWays>>, EngineError> {
        if let Some(known) = self.arrays.plans.repeated.get(&array) {
            return Ok(known.clone());
        }
        let key = self.array_key(array)?;
        let mut ways = None;
        if self.plan(key.watched).is_some_and(|plan| !plan.repeats.is_empty()) {
            let partition = self.item_partition(array)?;
            let mut next = Vec::new();
            let mut leaves: HashMap<u32, u32> = HashMap::new();
            for (class, &result) in partition.results.iter().enumerate() {
                let result = self.decide(result, Atom::Unique, false)?;
                let of_class = self.only_class(partition.child, class)?;
                if result != Formula::FALSE && self.seen(key.watched).contains(&of_class) {
                    next.push(self.after_item(array, result, Watched::NOTHING)?);
                    leaves.insert(class as u32 + 1, next.len() as u32);
                }
            }
            if !next.is_empty() {
                let leaf = |store: &mut Formulas, old: u32| store.leaf(leaves.get(&old).copied().unwrap_or(0)).map(Some);
                let child = self.formulas.substitute(partition.child, |_, _| Ok(None), leaf)?;
                ways = Some(Arc::new(ItemWays { child, next }));
            }
        }
        self.arrays.plans.repeated.insert(array, ways.clone());
        Ok(ways)
    }

    /// Is it plain that more items must come than there are values left? Without this the search would try every order of them.
    pub(super) fn runs_out(&mut self, tools: Tools<'_>, array: ArrayId) -> Result<bool, EngineError> {
        let key = self.array_key(array)?;
        let Some(plan) = self.plan(key.watched).cloned() else { return Ok(false) };
        let seen = self.seen(key.watched).to_vec();
        if !plan.repeats.is_empty() || plan.values.iter().any(|&(_, until)| until != u64::MAX) {
            return Ok(false);
        }
        // Behind the prefixes the order of items does not matter: what may come later may come now.
        if key.low < self.longest_prefix(key.formula)? {
            return Ok(false);
        }
        let left = plan.values.iter().filter(|(value, _)| !seen.contains(value)).count() as u64;
        let mut needed = 0;
        for &atom in self.atoms_of(key.formula)?.iter() {
            if let Atom::Count(bound) = atom
                && self.decide(key.formula, atom, false)? == Formula::FALSE
            {
                needed = needed.max(bound.saturating_sub(key.low));
            }
        }
        if needed <= left {
            return Ok(false);
        }
        // Only if no other values will do.
        let mut others = self.item_partition(array)?.child;
        for (value, _) in &plan.values {
            others = self.formulas.if_then_else(*value, Formula::FALSE, others)?;
        }
        Ok(matches!(self.list_values(Some(tools), others, 0)?, Listed::Few(none) if none.is_empty()))
    }

    /// What must be watched from the start of an array that owes `formula`.
    fn watched_from_start(&mut self, tools: Tools<'_>, formula: Formula) -> Result<Watched, EngineError> {
        if let Some(&known) = self.arrays.plans.by_start.get(&formula) {
            return Ok(known);
        }
        let watched = if self.depends_on_equality(formula)? {
            let plan = self.make_plan(tools, formula)?;
            Watched { plan: self.arrays.plans.all.insert_full(plan).0 as u32 + 1, seen: 0 }
        } else {
            Watched::NOTHING
        };
        self.arrays.plans.by_start.insert(formula, watched);
        Ok(watched)
    }

    /// Look at all that an array may come to owe while its items differ.
    fn make_plan(&mut self, tools: Tools<'_>, formula: Formula) -> Result<Plan, EngineError> {
        let start = self.segment(formula, 0, Watched::NOTHING)?;
        let mut plan = Plan { values: Vec::new(), repeats: Vec::new(), fewest: u64::MAX };
        let mut places = Vec::new();
        let wanted = self.wanted_items(formula)?;
        let mut visited: HashSet<ArrayId> = HashSet::from_iter([start]);
        let mut pending = VecDeque::from([start]);
        while let Some(array) = pending.pop_front() {
            Limits::check("max_subset_positions", visited.len(), self.limits.max_subset_positions)?;
            let key = self.array_key(array)?;
            if !self.depends_on_equality(key.formula)? {
                continue;
            }
            let facts = self.array_facts(array)?;
            let partition = self.item_partition(array)?;
            places.push(self.place(tools, array, &wanted)?);
            for (class, &result) in partition.results.iter().enumerate() {
                if self.decide(result, Atom::Unique, false)? != Formula::FALSE {
                    let of_class = self.only_class(partition.child, class)?;
                    if !plan.repeats.contains(&of_class) {
                        plan.repeats.push(of_class);
                    }
                }
                let mut after = vec![self.after_item(array, result, Watched::NOTHING)?];
                if facts.high != u64::MAX {
                    after.push(self.segment(result, facts.high, Watched::NOTHING)?);
                }
                pending.extend(after.into_iter().filter(|&next| visited.insert(next)));
            }
        }
        plan.values = watched_values(&places);
        plan.fewest = places.iter().map(|place| place.fewest(&plan.values)).min().unwrap_or(u64::MAX);
        Ok(plan)
    }

    /// What may come next in this state. `wanted`: how many of which items the array may look for.
    fn place(&mut self, tools: Tools<'_>, array: ArrayId, wanted: &HashMap<Formula, u64>) -> Result<Place, EngineError> {
        let key = self.array_key(array)?;
        let facts = self.array_facts(array)?;
        let partition = self.item_partition(array)?;
        let mut most = 0;
        for &atom in self.all_atoms(key.formula)?.iter() {
            most = match atom {
                Atom::Count(bound) => most.max(bound),
                // Some may have been found already.
                Atom::Matches(item, left) => most.max(left).max(wanted.get(&item).copied().unwrap_or(0)),
                _ => most,
            };
        }
        let only = facts.high == key.low + 1;
        let before = if only { key.low } else { most.saturating_sub(1).max(self.longest_that_may_fail(key.formula)?) };
        let before = usize::try_from(before).unwrap_or(usize::MAX).min(self.limits.max_subset_positions);
        let until = if only && key.low < self.longest_prefix(key.formula)? { key.low } else { u64::MAX };
        let mut place = Place { at: key.low, before, until, must_go_on: facts.closes.is_none(), classes: Vec::new() };
        for (class, &result) in partition.results.iter().enumerate() {
            let next = self.after_item(array, result, Watched::NOTHING)?;
            let may_end = self.array_facts(next)?.closes.is_some();
            // To what does not repeat others such a class is of no use.
            if may_end || !self.item_partition(next)?.results.is_empty() {
                let of_class = self.only_class(partition.child, class)?;
                let values =
                    self.list_values(Some(tools), of_class, if place.must_go_on { before.saturating_add(SMALL) } else { SMALL })?;
                place.classes.push((values, may_end));
            }
        }
        Ok(place)
    }

    /// The longest of the prefixes that need not hold: an item behind it may be the one that does not, whatever came in its places.
    fn longest_that_may_fail(&mut self, formula: Formula) -> Result<u64, EngineError> {
        let mut longest = 0;
        for &atom in self.atoms_of(formula)?.iter() {
            if let Atom::Items(id) = atom
                && self.decide(formula, atom, false)? != Formula::FALSE
            {
                longest = longest.max(self.typed(id)?.array.prefix.len() as u64);
            }
        }
        Ok(longest)
    }

    fn longest_prefix(&mut self, formula: Formula) -> Result<u64, EngineError> {
        let mut longest = 0;
        for &atom in self.atoms_of(formula)?.iter() {
            if let Atom::Items(id) = atom {
                longest = longest.max(self.typed(id)?.array.prefix.len() as u64);
            }
        }
        Ok(longest)
    }
}

/// The values that can run out where more items must come, each with the last place that may need it, sorted. In each place either all of them are
/// watched, or more that nobody watches are left than items came before: one of those can be taken whatever else is needed later.
fn watched_values(places: &[Place]) -> Vec<(Formula, u64)> {
    let mut watched: Vec<(Formula, u64)> = Vec::new();
    let mut changed = true;
    while changed {
        changed = false;
        for place in places.iter().filter(|place| place.must_go_on) {
            for (values, _) in &place.classes {
                let Listed::Few(values) = values else { continue };
                if unwatched(values, &watched, place.at) > place.before {
                    continue;
                }
                for &value in values {
                    match watched.iter_mut().find(|(known, _)| *known == value) {
                        Some((_, until)) if *until >= place.until => {}
                        Some((_, until)) => (*until, changed) = (place.until, true),
                        None => {
                            watched.push((value, place.until));
                            changed = true;
                        }
                    }
                }
            }
        }
    }
    watched.sort_unstable();
    watched
}

/// How many of `values` are not watched from place `at` on.
fn unwatched(values: &[Formula], watched: &[(Formula, u64)], at: u64) -> usize {
    values.iter().filter(|value| !watched.iter().any(|(known, until)| known == *value && *until >= at)).count()
}
