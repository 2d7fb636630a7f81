//! Arrays: an obligation over a sequence of items.
//!
//! A state is a formula and a *segment* of counts between two boundaries; within a segment nothing depends on the count, so a register
//! holds it. Boundaries are the places of `prefixItems`, and for each bound n of the count the counts from n - 1 - m to n, where m is how
//! many items may still change the formula without ending all hope: an item gives up monitors, or is one of those that `contains` counts.
//! Other items can be left out or repeated, and past the prefixes the order of items is all the same, so a completion from one count of a
//! segment is one from any other.
//!
//! Invariant: every state handed out can be completed.
//! Must not know: text.

use std::sync::Arc;

use hashbrown::HashMap;

use super::kinds::Kind;
use super::partition::Partition;
use super::satisfy::Goal;
use super::space::{Atom, Space};
use super::strings::Tools;
use super::unevaluated::Cover;
use super::unique::{ItemWays, Plans, Watched};
use crate::error::EngineError;
use crate::formula::{Formula, Variable};
use crate::maps::Numbered;

/// A state of an array, between items.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ArrayId(pub u32);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct ArrayKey {
    pub formula: Formula,
    /// The first count of the segment.
    pub low: u64,
    /// While it matters whether items are equal.
    pub watched: Watched,
}

/// What a state is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArrayFacts {
    /// The class returned if the array ends here.
    pub closes: Option<u32>,
    /// The first count after the segment; `u64::MAX`: none.
    pub high: u64,
    /// Some bound of the count is still to come, so the count must be kept.
    pub counting: bool,
    /// Whether items are equal matters; then there are at least so many values for each item to come.
    pub unique: Option<u64>,
}

/// The items that may come next.
#[derive(Debug)]
pub(crate) struct ItemTable {
    /// The next item's obligation; false: no item.
    pub child: Formula,
    /// By class: the state after the item.
    pub next: Vec<ArrayId>,
    /// The same for an item that repeats an earlier one; where equal items matter, the others are for items that do not.
    pub repeated: Option<(Formula, Vec<ArrayId>)>,
}

impl ItemTable {
    /// May an item come?
    pub fn may_come(&self) -> bool {
        self.child != Formula::FALSE || self.repeated.is_some()
    }
}

/// All array states.
#[derive(Default)]
pub(crate) struct Arrays {
    keys: Numbered<ArrayKey>,
    facts: HashMap<ArrayId, ArrayFacts>,
    partitions: HashMap<ArrayId, Arc<Partition>>,
    tables: HashMap<ArrayId, Arc<ItemTable>>,
    /// Do different items never run out?
    pub(super) endless: HashMap<ArrayId, bool>,
    pub(super) plans: Plans,
}

impl Space {
    /// The state of an empty array with this obligation; `None`: nothing can complete it.
    pub fn start_array(&mut self, tools: Tools<'_>, obligation: Formula) -> Result<Option<ArrayId>, EngineError> {
        let formula = self.for_kind(obligation, Kind::Array)?;
        if formula == Formula::FALSE {
            return Ok(None);
        }
        let array = self.empty_array(tools, formula)?;
        Ok(self.satisfiable(tools, Goal::Array(array))?.then_some(array))
    }

    pub(super) fn array_key(&self, array: ArrayId) -> Result<ArrayKey, EngineError> {
        self.arrays.keys.get_index(array.0 as usize).copied().ok_or(EngineError::Internal("an unknown array state"))
    }

    /// Does the array owe nothing?
    pub fn array_is_free(&self, array: ArrayId) -> Result<bool, EngineError> {
        let key = self.array_key(array)?;
        Ok(key.formula == Formula::TRUE && key.watched == Watched::NOTHING)
    }

    /// The state of a segment's array once it has `count` items.
    pub fn array_at(&mut self, array: ArrayId, count: u64) -> Result<ArrayId, EngineError> {
        let key = self.array_key(array)?;
        self.segment(key.formula, count, key.watched)
    }

    /// The state of an array with `count` items.
    pub(super) fn segment(&mut self, formula: Formula, count: u64, watched: Watched) -> Result<ArrayId, EngineError> {
        let mut formula = formula;
        let mut looks_for_items = false;
        for &atom in self.all_atoms(formula)?.iter() {
            match atom {
                Atom::Count(bound) if bound <= count => formula = self.decide(formula, atom, true)?,
                Atom::Matches(..) => looks_for_items = true,
                _ => {}
            }
        }
        if looks_for_items {
            formula = self.within_room(formula, count)?;
        }
        self.segment_at(formula, count, watched)
    }

    /// Give up finding more items than there is room for.
    fn within_room(&mut self, formula: Formula, count: u64) -> Result<Formula, EngineError> {
        let mut room = u64::MAX;
        for &atom in self.atoms_of(formula)?.iter() {
            if let Atom::Count(bound) = atom
                && bound.saturating_sub(count) <= room
                && self.decide(formula, atom, true)? == Formula::FALSE
            {
                room = bound.saturating_sub(count.saturating_add(1));
            }
        }
        let mut formula = formula;
        for &atom in self.all_atoms(formula)?.iter() {
            if let Atom::Matches(_, wanted) = atom
                && wanted > room
            {
                formula = self.decide(formula, atom, false)?;
            }
        }
        Ok(formula)
    }

    /// The same where the bounds up to `count` are decided already.
    pub(super) fn segment_at(&mut self, formula: Formula, count: u64, watched: Watched) -> Result<ArrayId, EngineError> {
        let watched = self.still_watched(formula, count, watched)?;
        let (low, _) = self.segment_bounds(formula, count, watched)?;
        Ok(ArrayId(self.arrays.keys.insert_full(ArrayKey { formula, low, watched }).0 as u32))
    }

    /// Which items an array that owes `formula` may look for, and how many of them at most.
    pub(super) fn wanted_items(&mut self, formula: Formula) -> Result<HashMap<Formula, u64>, EngineError> {
        let mut wanted: HashMap<Formula, u64> = HashMap::new();
        for &atom in self.all_atoms(formula)?.iter() {
            if let Atom::Matches(item, count) = atom {
                let most = wanted.entry(item).or_default();
                *most = count.max(*most);
            }
        }
        Ok(wanted)
    }

    /// The segment of `count`: its first count and the first one after it.
    fn segment_bounds(&mut self, formula: Formula, count: u64, watched: Watched) -> Result<(u64, u64), EngineError> {
        let mut prefix = 0;
        let mut bounds = Vec::new();
        let mut loose = self.watches_of(watched);
        for &atom in self.all_atoms(formula)?.iter() {
            match atom {
                Atom::Unevaluated(id) => {
                    let watch = self.watch(id)?;
                    for cover in &watch.covers {
                        prefix = prefix.max(self.typed(cover.schema)?.array.prefix.len() as u64);
                    }
                    if !watch.is_plain() {
                        loose = loose.saturating_add(self.dues_of_items(atom)?);
                    } else if self.decide(formula, atom, false)? != Formula::FALSE {
                        loose += 1;
                    }
                }
                Atom::Items(id) => {
                    prefix = prefix.max(self.typed(id)?.array.prefix.len() as u64);
                    if self.decide(formula, atom, false)? != Formula::FALSE {
                        loose = loose.saturating_add(1);
                    }
                }
                Atom::Count(bound) => bounds.push(bound),
                // Below.
                Atom::Matches(..) => {}
                Atom::Unique => loose += u64::from(self.decide(formula, atom, false)? != Formula::FALSE),
                _ => return Err(EngineError::Internal("an array's obligation with other atoms")),
            }
        }
        loose = self.wanted_items(formula)?.into_values().fold(loose, u64::saturating_add);
        let (mut low, mut high) = if count < prefix { (count, count + 1) } else { (prefix, u64::MAX) };
        for bound in bounds {
            let first = bound.saturating_sub(loose.saturating_add(1));
            let (l, h) = if count < first {
                (0, first)
            } else if count < bound {
                (count, count + 1)
            } else {
                (bound, u64::MAX)
            };
            (low, high) = (low.max(l), high.min(h));
        }
        Ok((low, high))
    }

    pub fn array_facts(&mut self, array: ArrayId) -> Result<ArrayFacts, EngineError> {
        if let Some(&known) = self.arrays.facts.get(&array) {
            return Ok(known);
        }
        let key = self.array_key(array)?;
        let (_, high) = self.segment_bounds(key.formula, key.low, key.watched)?;
        let atoms = self.all_atoms(key.formula)?;
        let counting = atoms.iter().any(|a| matches!(a, Atom::Count(_)));
        let mut done = HashMap::new();
        for variable in self.formulas.variables(key.formula) {
            done.insert(variable, matches!(self.atom(variable)?, Atom::Items(_) | Atom::Unevaluated(_) | Atom::Unique));
        }
        let leaf = self.formulas.evaluate(key.formula, |v| done.get(&v).copied().unwrap_or(false));
        let unique = self.fewest_values(key.watched);
        let facts = ArrayFacts { closes: leaf.checked_sub(1), high, counting, unique };
        self.arrays.facts.insert(array, facts);
        Ok(facts)
    }

    /// What the array asks of its next item.
    pub(super) fn item_partition(&mut self, array: ArrayId) -> Result<Arc<Partition>, EngineError> {
        if let Some(known) = self.arrays.partitions.get(&array) {
            return Ok(known.clone());
        }
        let partition = Arc::new(self.partition_of_alike(array, 1)?);
        self.arrays.partitions.insert(array, partition.clone());
        Ok(partition)
    }

    /// What it asks of so many items that are all alike.
    fn partition_of_alike(&mut self, array: ArrayId, times: u64) -> Result<Partition, EngineError> {
        let ArrayKey { formula, low, .. } = self.array_key(array)?;
        // Before the end of the longest prefix the count is exact.
        let index = usize::try_from(low).unwrap_or(usize::MAX);
        let mut conditions = Vec::new();
        let mut changes: HashMap<Variable, Formula> = HashMap::new();
        let (mut monitors, mut all_monitors) = (Vec::new(), true);
        for &atom in self.all_atoms(formula)?.iter() {
            let variable = self.variable(atom)?;
            let same = self.formulas.variable(variable)?;
            match atom {
                Atom::Items(id) => {
                    let typed = self.typed(id)?;
                    let condition = typed.array.prefix.get(index).copied().unwrap_or(typed.array.rest);
                    let verdict = self.verdict_behind(variable, condition)?;
                    changes.insert(variable, self.formulas.and(same, verdict)?);
                    conditions.push((Atom::Verdict(condition), condition));
                    monitors.push((atom, condition));
                }
                Atom::Matches(item, wanted) => {
                    let verdict = self.verdict_behind(variable, item)?;
                    let left = wanted.saturating_sub(times);
                    let fewer = if left == 0 { Formula::TRUE } else { self.becomes(variable, Atom::Matches(item, left))? };
                    changes.insert(variable, self.formulas.if_then_else(verdict, fewer, same)?);
                    conditions.push((Atom::Verdict(item), item));
                    all_monitors = false;
                }
                Atom::Unevaluated(id) => {
                    let watch = self.watch(id)?;
                    conditions.push((Atom::Verdict(watch.rest), watch.rest));
                    let mut seen = false;
                    for cover in &watch.covers {
                        match self.sees_item(cover, index)? {
                            Formula::FALSE => {}
                            Formula::TRUE => seen = true,
                            _ => all_monitors = false,
                        }
                        if let Some(contains) = self.typed(cover.schema)?.array.contains {
                            conditions.push((Atom::Verdict(contains.item), contains.item));
                        }
                    }
                    monitors.push((atom, if seen { Formula::TRUE } else { watch.rest }));
                    all_monitors &= watch.is_plain();
                }
                _ => {}
            }
        }
        if all_monitors {
            return self.partition(formula, &monitors);
        }
        let asked = self.progress(formula, changes, |space, watch| {
            let mut due = space.verdict(watch.rest)?;
            for cover in &watch.covers {
                let sees = space.sees_item(cover, index)?;
                let counts = space.formulas.and(sees, cover.counts)?;
                due = space.formulas.or(due, counts)?;
            }
            Ok(due)
        })?;
        self.partition(asked, &conditions)
    }

    /// Does the schema see the item at this place? Where it looks for items, that is the verdict on the item.
    fn sees_item(&mut self, cover: &Cover, index: usize) -> Result<Formula, EngineError> {
        let typed = self.typed(cover.schema)?;
        if cover.all || index < typed.array.prefix.len() {
            return Ok(Formula::TRUE);
        }
        match typed.array.contains {
            Some(contains) if contains.evaluates => self.verdict(contains.item),
            _ => Ok(Formula::FALSE),
        }
    }

    /// So many items may be taken in one step of a search, past the prefixes, before the formula's atoms are others.
    fn stride(&mut self, array: ArrayId) -> Result<u64, EngineError> {
        let key = self.array_key(array)?;
        // Alike is not equal, but items of which few may come are no more than that.
        if self.watches_of(key.watched) > 0 {
            return Ok(1);
        }
        let (mut stride, mut looks_for_items) = (u64::MAX, false);
        for &atom in self.all_atoms(key.formula)?.iter() {
            match atom {
                Atom::Unevaluated(id) => {
                    for cover in &self.watch(id)?.covers {
                        if self.typed(cover.schema)?.array.prefix.len() as u64 > key.low {
                            return Ok(1);
                        }
                    }
                }
                Atom::Items(id) if (self.typed(id)?.array.prefix.len() as u64) > key.low => return Ok(1),
                Atom::Matches(_, wanted) => {
                    looks_for_items = true;
                    stride = stride.min(wanted.saturating_sub(1));
                }
                Atom::Count(bound) => stride = stride.min(bound.saturating_sub(key.low + 1)),
                _ => {}
            }
        }
        Ok(if looks_for_items { stride } else { 1 })
    }

    /// The state after an item that made the obligation `result`; if the count is not exact, before the count is looked at.
    pub(super) fn after_item(&mut self, array: ArrayId, result: Formula, watched: Watched) -> Result<ArrayId, EngineError> {
        let key = self.array_key(array)?;
        let high = self.array_facts(array)?.high;
        if high == key.low + 1 { self.segment(result, high, watched) } else { self.segment_at(result, key.low, watched) }
    }

    /// The items that may come next.
    pub fn item_table(&mut self, tools: Tools<'_>, array: ArrayId) -> Result<Arc<ItemTable>, EngineError> {
        if let Some(known) = self.arrays.tables.get(&array) {
            return Ok(known.clone());
        }
        let ways = self.items_after(tools, array)?;
        let (child, next) = self.possible_items(tools, &ways)?.unwrap_or((Formula::FALSE, Vec::new()));
        let mut table = ItemTable { child, next, repeated: None };
        if let Some(ways) = self.repeats_after(array)? {
            table.repeated = self.possible_items(tools, &ways)?;
        }
        let table = Arc::new(table);
        self.arrays.tables.insert(array, table.clone());
        Ok(table)
    }

    /// The items after which the array can be completed.
    fn possible_items(&mut self, tools: Tools<'_>, ways: &ItemWays) -> Result<Option<(Formula, Vec<ArrayId>)>, EngineError> {
        let keep = |space: &mut Self, class: usize| match ways.next.get(class) {
            Some(&after) => space.satisfiable(tools, Goal::Array(after)),
            None => Ok(false),
        };
        let (child, classes) = self.keep_leaves(ways.child, keep)?;
        let possible = self.satisfiable(tools, Goal::Value(child))?;
        Ok(possible.then(|| (child, classes.into_iter().map(|class| ways.next[class]).collect())))
    }

    /// Ways to complete an array: each a list of things that must be possible. `None`: no more.
    pub(super) fn ways_to_close_array(
        &mut self,
        tools: Tools<'_>,
        array: ArrayId,
        round: usize,
    ) -> Result<Option<Vec<Vec<Goal>>>, EngineError> {
        if round > 1 {
            return Ok(None);
        }
        let facts = self.array_facts(array)?;
        if facts.closes.is_some() {
            return Ok(Some(vec![Vec::new()]));
        }
        let key = self.array_key(array)?;
        if round == 0 {
            // Large counts are come nearer to in one step, by items all alike; what that misses is found item by item.
            let stride = self.stride(array)?;
            if stride < 2 {
                return Ok(Some(Vec::new()));
            }
            let partition = self.partition_of_alike(array, stride)?;
            let mut ways = Vec::new();
            for (class, &result) in partition.results.iter().enumerate() {
                let after = self.segment(result, key.low + stride, key.watched)?;
                if after != array {
                    ways.push(vec![Goal::Value(self.only_class(partition.child, class)?), Goal::Array(after)]);
                }
            }
            return Ok(Some(ways));
        }
        let mut ways = Vec::new();
        let items = self.items_after(tools, array)?;
        if self.runs_out(tools, array)? {
            return Ok(Some(ways));
        }
        for (class, &next) in items.next.iter().enumerate() {
            let after = if next != array {
                next
            } else if facts.high == u64::MAX {
                continue;
            } else {
                // Items that change nothing, until the count does.
                self.array_at(array, facts.high)?
            };
            let value = self.only_class(items.child, class)?;
            ways.push(vec![Goal::Value(value), Goal::Array(after)]);
        }
        if let Some(repeats) = self.repeats_after(array)? {
            // Only those are asked for of which an earlier item is known to be one.
            ways.extend(repeats.next.iter().map(|&after| vec![Goal::Array(after)]));
        }
        Ok(Some(ways))
    }
}
