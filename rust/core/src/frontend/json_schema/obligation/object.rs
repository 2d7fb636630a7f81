//! Objects: an obligation over a sequence of members, beside the order in which declared keys come.
//!
//! In the *ordered* phase the declared keys still allowed are what is left of the lists; in the *free* phase (after the first undeclared
//! key, or from the start) they are the remaining ones. Keys used are kept where they could come again.
//!
//! Invariant: every state handed out can be completed. A key offered has a value, and the object can be completed after it.
//! Must not know: text.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::keys::KeyTable;
use super::kinds::Kind;
use super::names::{NameSets, NamesId};
use super::order::Rest;
use super::partition::Partition;
use super::satisfy::{Goal, Search};
use super::space::{Atom, NameId, Space};
use super::strings::Tools;
use super::undeclared::{Group, Split, Undeclared};
use super::unevaluated::Cover;
use crate::automaton::text::NameMapId;
use crate::error::EngineError;
use crate::formula::Formula;
use crate::maps::{Numbered, NumberedMap};

/// A state of an object, between members.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ObjectId(pub u32);

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct ObjectKey {
    pub(super) formula: Formula,
    /// What is left of the order lists; not in the free phase.
    pub(super) lists: SmallVec<[Rest; 1]>,
    /// Declared names of no list, which come when they like and begin the free phase; not in the free phase.
    pub(super) loose: NamesId,
    pub(super) free: bool,
    /// Declared names not used.
    pub(super) remaining: NamesId,
    /// Declared names used.
    pub(super) used: NamesId,
    /// Members so far, while some bound of their number is to come.
    pub(super) count: u64,
}

/// A key, as far as the object cares.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Key {
    Name(NameId),
    /// Not declared: an index into the groups of such keys.
    Undeclared(u32),
}

/// All object states.
#[derive(Default)]
pub(crate) struct Objects {
    pub(super) keys: Numbered<ObjectKey>,
    pub(super) names: NameSets,
    pub(super) groups: Numbered<Group>,
    pub(super) tables: HashMap<ObjectId, Arc<KeyTable>>,
    pub(super) after: HashMap<(ObjectId, u32, u32), ObjectId>,
    /// Can they be completed in endlessly many ways?
    pub(super) endless: HashMap<ObjectId, bool>,
    /// What objects ask of a name, part by part.
    pub(super) asked: HashMap<(Formula, NameId), Option<SmallVec<[Formula; 4]>>>,
    pub(super) partitions: HashMap<(Formula, Key), Arc<Partition>>,
    pub(super) undeclared: HashMap<(Vec<Split>, bool), Arc<Undeclared>>,
    pub(super) open: HashMap<Formula, bool>,
    pub(super) closes: HashMap<Formula, Option<u32>>,
    pub(super) bounded: HashMap<Formula, bool>,
    /// Some object's number of members is bounded.
    pub(super) counts: bool,
    pub(super) needed: HashMap<Formula, Arc<[NameId]>>,
    /// Keys after whose value the object may end at once, whatever the order: their partitions, or that no value is possible.
    pub(super) plain: HashMap<(Formula, Key), Option<Arc<Partition>>>,
    /// Objects without their required keys, where these may come after any other.
    pub(super) bare: HashMap<Formula, Option<Formula>>,
    /// The names of which a map was made last, each with what it is worth, and that map.
    pub(super) last_names: Option<(Vec<(NameId, u32)>, NameMapId)>,
}

/// A name that may come next, and what is left of the lists then.
type Offer = (NameId, SmallVec<[Rest; 1]>);

impl Space {
    /// The state of an empty object with this obligation; `None`: nothing can complete it.
    pub fn start_object(&mut self, tools: Tools<'_>, obligation: Formula) -> Result<Option<ObjectId>, EngineError> {
        let formula = self.for_kind(obligation, Kind::Object)?;
        if formula == Formula::FALSE {
            return Ok(None);
        }
        let order = self.declared(tools, obligation, formula)?;
        let formula = self.within_capacity(tools, formula, &order.names)?;
        if formula == Formula::FALSE {
            return Ok(None);
        }
        let remaining = self.names_id(order.names.iter().copied());
        let free = self.schema.options.any_order;
        let (lists, loose) = if free { (SmallVec::new(), 0) } else { (order.lists.clone(), self.names_id(order.loose.iter().copied())) };
        let object = self.object(tools, ObjectKey { formula, lists, loose, free, remaining, used: 0, count: 0 })?;
        let search = self.search_of(object)?;
        Ok(self.satisfiable(tools, Goal::Object(search))?.then_some(object))
    }

    /// How many declared names remain in the free phase.
    pub(super) fn names_left(&self, search: &Search) -> usize {
        self.objects.names.len(search.remaining)
    }

    /// Intern a state, without what no longer matters.
    fn object(&mut self, tools: Tools<'_>, mut key: ObjectKey) -> Result<ObjectId, EngineError> {
        (key.formula, key.count) = self.counted(key.formula, key.count)?;
        // Names that are undeclared keys of which there are few may be among undeclared keys again, once the object owes less.
        if !self.is_open(tools, key.formula)? && self.undeclared(tools, key.formula)?.few.is_empty() {
            key.used = 0;
            if !key.free && key.loose == 0 {
                key.remaining = 0;
            }
        }
        Ok(ObjectId(self.objects.keys.insert_full(key).0 as u32))
    }

    /// Decide the bounds that `count` members reach; the count is zero if no bound is left.
    pub(super) fn counted(&mut self, formula: Formula, count: u64) -> Result<(Formula, u64), EngineError> {
        let (mut formula, mut matters) = (formula, false);
        if !self.is_bounded(formula)? {
            return Ok((formula, 0));
        }
        for &atom in self.all_atoms(formula)?.iter() {
            if let Atom::Count(bound) = atom {
                if bound <= count {
                    formula = self.decide(formula, atom, true)?;
                } else {
                    matters = true;
                }
            }
        }
        Ok((formula, if matters { count } else { 0 }))
    }

    /// Does the number of members matter?
    pub(super) fn is_bounded(&mut self, formula: Formula) -> Result<bool, EngineError> {
        if !self.objects.counts {
            return Ok(false);
        }
        if let Some(&known) = self.objects.bounded.get(&formula) {
            return Ok(known);
        }
        let bounded = self.all_atoms(formula)?.iter().any(|a| matches!(a, Atom::Count(_)));
        self.objects.bounded.insert(formula, bounded);
        Ok(bounded)
    }

    pub(super) fn object_key(&self, object: ObjectId) -> Result<&ObjectKey, EngineError> {
        self.objects.keys.get_index(object.0 as usize).ok_or(EngineError::Internal("an unknown object state"))
    }

    /// What a completion of the object depends on.
    pub(super) fn search_of(&self, object: ObjectId) -> Result<Search, EngineError> {
        let key = self.object_key(object)?;
        let remaining = if key.free { key.remaining } else { key.loose };
        Ok(Search { formula: key.formula, lists: key.lists.clone(), free: key.free, remaining, count: key.count })
    }

    /// Does the object owe nothing, and is no key of it declared?
    pub fn object_is_free(&self, object: ObjectId) -> Result<bool, EngineError> {
        let key = self.object_key(object)?;
        Ok(key.formula == Formula::TRUE && key.remaining == 0 && key.used == 0 && key.lists.iter().all(|&list| list == 0))
    }

    /// The class returned if the object ends here.
    pub fn object_closes(&mut self, object: ObjectId) -> Result<Option<u32>, EngineError> {
        let formula = self.object_key(object)?.formula;
        Ok(self.closes(formula))
    }

    pub(super) fn closes(&mut self, formula: Formula) -> Option<u32> {
        if let Some(&known) = self.objects.closes.get(&formula) {
            return known;
        }
        let done = |variable| matches!(self.atom(variable), Ok(Atom::Members(_) | Atom::Keys(_) | Atom::Unevaluated(_)));
        let closes = self.formulas.evaluate(formula, done).checked_sub(1);
        self.objects.closes.insert(formula, closes);
        closes
    }

    /// The keys that must still come, sorted.
    pub(super) fn needed_keys(&mut self, formula: Formula) -> Result<Arc<[NameId]>, EngineError> {
        if let Some(known) = self.objects.needed.get(&formula) {
            return Ok(known.clone());
        }
        let mut needed = Vec::new();
        let mut at = formula;
        // A conjunction is a chain; only what is not needs a closer look.
        while let Some((variable, yes, no)) = self.formulas.branch(at) {
            if no == Formula::FALSE {
                if let Atom::Required(names) = self.atom(variable)? {
                    needed.extend(self.names_in(names));
                }
                at = yes;
            } else if yes == Formula::FALSE {
                at = no;
            } else {
                break;
            }
        }
        needed.extend(self.needed_on_every_way(at)?);
        needed.sort_unstable();
        needed.dedup();
        let needed: Arc<[NameId]> = needed.into();
        self.objects.needed.insert(formula, needed.clone());
        Ok(needed)
    }

    /// The keys that must come whatever decisions make the formula other than false, sorted.
    fn needed_on_every_way(&mut self, formula: Formula) -> Result<Vec<NameId>, EngineError> {
        // By part of the formula; `None`: there is no such way.
        let mut done: HashMap<Formula, Option<Arc<[NameId]>>> = HashMap::from_iter([(Formula::FALSE, None)]);
        let mut stack = vec![formula];
        while let Some(&at) = stack.last() {
            let Some((variable, yes, no)) = self.formulas.branch(at) else {
                done.entry(at).or_insert_with(|| Some(Arc::default()));
                stack.pop();
                continue;
            };
            let (Some(with), Some(without)) = (done.get(&yes), done.get(&no)) else {
                stack.extend([no, yes].into_iter().filter(|part| !done.contains_key(part)));
                continue;
            };
            let mut with = with.clone();
            if let (Some(names), Atom::Required(more)) = (&with, self.atom(variable)?)
                && !without.as_ref().is_some_and(|names| names.is_empty())
            {
                let mut names: Vec<NameId> = names.iter().copied().chain(self.names_in(more)).collect();
                names.sort_unstable();
                names.dedup();
                with = Some(names.into());
            }
            let both = match (with, without) {
                (None, other) => other.clone(),
                (other, None) => other,
                (Some(with), Some(without)) => Some(without.iter().copied().filter(|name| with.binary_search(name).is_ok()).collect()),
            };
            done.insert(at, both);
            stack.pop();
        }
        Ok(done.get(&formula).cloned().flatten().map_or_else(Vec::new, |names| names.to_vec()))
    }

    /// The declared names that may come next: in each list up to the first one that must come, and those of no list; in the free phase all that
    /// remain.
    pub(super) fn offers(&mut self, search: &Search) -> Result<(Vec<Offer>, Arc<[NameId]>), EngineError> {
        let needed = self.needed_keys(search.formula)?;
        if search.free {
            return Ok((self.names_in(search.remaining).into_iter().map(|name| (name, SmallVec::new())).collect(), needed));
        }
        let loose: Vec<Offer> = self.names_in(search.remaining).into_iter().map(|name| (name, SmallVec::new())).collect();
        if let &[list] = search.lists.as_slice() {
            // No list has a name twice.
            let mut offers = loose;
            for (name, rest) in self.orders.names(list) {
                offers.push((name, SmallVec::from_buf([rest])));
                if needed.binary_search(&name).is_ok() {
                    break;
                }
            }
            return Ok((offers, needed));
        }
        let mut offers: NumberedMap<NameId, SmallVec<[Rest; 1]>> = loose.into_iter().collect();
        for &list in &search.lists {
            for (name, rest) in self.orders.names(list) {
                let rests = offers.entry(name).or_default();
                if !rests.contains(&rest) {
                    rests.push(rest);
                }
                if needed.binary_search(&name).is_ok() {
                    break;
                }
            }
        }
        for rests in offers.values_mut() {
            rests.sort_unstable();
        }
        Ok((offers.into_iter().collect(), needed))
    }

    /// The search state after a key, when the obligation became `result`.
    pub(super) fn search_after(&mut self, search: &Search, key: Key, lists: &[Rest], result: Formula) -> Result<Search, EngineError> {
        let (formula, count) = self.counted(result, search.count.saturating_add(1))?;
        let comes_free = match key {
            Key::Name(name) => self.objects.names.contains(search.remaining, name),
            Key::Undeclared(_) => true,
        };
        let mut remaining = search.remaining;
        if comes_free && !search.free {
            // Names that were passed over do not count on being written later.
            let listed = search.lists.iter().flat_map(|&list| self.orders.names(list).map(|(name, _)| name));
            let left: Numbered<NameId> = listed.chain(self.names_in(remaining)).collect();
            remaining = self.names_id(left);
        }
        if let Key::Name(name) = key {
            remaining = self.objects.names.without(remaining, name);
        }
        let free = search.free || comes_free;
        Ok(Search { formula, lists: lists.into(), free, remaining, count })
    }

    /// The formula that all these keys are there.
    pub(super) fn required(&mut self, names: Vec<NameId>) -> Result<Formula, EngineError> {
        let names = self.names_id(names);
        if names == 0 { Ok(Formula::TRUE) } else { self.atom_formula(Atom::Required(names)) }
    }

    /// The formula once the key is there.
    fn with_key(&mut self, formula: Formula, name: NameId) -> Result<Formula, EngineError> {
        let mut progress = HashMap::new();
        for &atom in self.all_atoms(formula)?.iter() {
            if let Atom::Required(names) = atom {
                let left = self.objects.names.without(names, name);
                if left != names {
                    let variable = self.variable(atom)?;
                    let left = if left == 0 { Formula::TRUE } else { self.becomes(variable, Atom::Required(left))? };
                    progress.insert(variable, left);
                }
            }
        }
        let Some(&last) = progress.keys().max() else { return Ok(formula) };
        if progress.values().all(|&left| left == Formula::TRUE) && !self.has_nested(formula)? {
            return self.formulas.given(formula, last, |v| progress.contains_key(&v).then_some(true));
        }
        self.progress(formula, progress, |_, _| Ok(Formula::TRUE))
    }

    /// What the object asks of the value of a key.
    pub(super) fn key_partition(&mut self, formula: Formula, key: Key) -> Result<Arc<Partition>, EngineError> {
        if let Some(known) = self.objects.partitions.get(&(formula, key)) {
            return Ok(known.clone());
        }
        let mut parent = formula;
        if let Key::Name(name) = key {
            parent = self.with_key(parent, name)?;
        }
        let mut failed: Vec<Atom> = Vec::new();
        for &atom in self.all_atoms(parent)?.iter() {
            if let Atom::Keys(demand) = atom {
                if let Key::Name(name) = key
                    && self.is_doubtful(demand, name)?
                {
                    parent = Formula::FALSE;
                    break;
                }
                let fails = match key {
                    Key::Name(name) => self.demand_on_name(demand, name)? == 0,
                    Key::Undeclared(group) => self.group(group).failed.contains(&demand),
                };
                if fails {
                    failed.push(atom);
                }
            }
        }
        parent = self.given_up(parent, failed.into_iter())?;
        let partition = Arc::new(if self.has_nested(parent)? {
            self.nested_key_partition(parent, key)?
        } else {
            let mut conditions = Vec::new();
            for &atom in self.atoms_of(parent)?.iter() {
                match atom {
                    Atom::Members(id) => conditions.push((atom, self.member_condition(id, key)?)),
                    Atom::Unevaluated(id) => {
                        let watch = self.watch(id)?;
                        let mut seen = false;
                        for cover in &watch.covers {
                            seen = seen || self.sees_key(cover, key)?;
                        }
                        conditions.push((atom, if seen { Formula::TRUE } else { watch.rest }));
                    }
                    _ => {}
                }
            }
            self.partition(parent, &conditions)?
        });
        self.objects.partitions.insert((formula, key), partition.clone());
        Ok(partition)
    }

    /// The same where formulas stand inside of watches: atoms become functions of verdicts on the value.
    fn nested_key_partition(&mut self, parent: Formula, key: Key) -> Result<Partition, EngineError> {
        let mut conditions = Vec::new();
        let mut changes = HashMap::new();
        for &atom in self.all_atoms(parent)?.iter() {
            let variable = self.variable(atom)?;
            match atom {
                Atom::Members(id) => {
                    let condition = self.member_condition(id, key)?;
                    let verdict = self.verdict_behind(variable, condition)?;
                    let same = self.formulas.variable(variable)?;
                    changes.insert(variable, self.formulas.and(same, verdict)?);
                    conditions.push((Atom::Verdict(condition), condition));
                }
                Atom::Unevaluated(id) => {
                    let rest = self.watch(id)?.rest;
                    conditions.push((Atom::Verdict(rest), rest));
                }
                _ => {}
            }
        }
        let asked = self.progress(parent, changes, |space, watch| {
            let mut due = space.verdict(watch.rest)?;
            for cover in &watch.covers {
                if due != Formula::TRUE && space.sees_key(cover, key)? {
                    due = space.formulas.or(due, cover.counts)?;
                }
            }
            Ok(due)
        })?;
        self.partition(asked, &conditions)
    }

    /// Is the key one that the schema sees?
    fn sees_key(&mut self, cover: &Cover, key: Key) -> Result<bool, EngineError> {
        if cover.all {
            return Ok(true);
        }
        let typed = self.typed(cover.schema)?;
        let part = &typed.object;
        match key {
            Key::Name(name) => {
                let mut seen = part.properties.contains_key(&name);
                for &(component, _) in &part.patterns {
                    seen = seen || self.matches(component, name)?;
                }
                Ok(seen)
            }
            Key::Undeclared(group) => {
                let group = self.group(group);
                Ok(part.patterns.iter().any(|(component, _)| group.matched.contains(component)))
            }
        }
    }

    /// What the schema asks of the value of a key.
    pub(super) fn member_condition(&mut self, id: super::space::SchemaId, key: Key) -> Result<Formula, EngineError> {
        let typed = self.typed(id)?;
        let part = &typed.object;
        let mut all = Formula::TRUE;
        let mut covered = false;
        if let Key::Name(name) = key
            && let Some(&formula) = part.properties.get(&name)
        {
            covered = true;
            all = formula;
        }
        let group = match key {
            Key::Undeclared(group) => Some(self.group(group)),
            Key::Name(_) => None,
        };
        for &(component, formula) in &part.patterns {
            let matched = match (key, &group) {
                (Key::Name(name), _) => self.matches(component, name)?,
                (_, Some(group)) => group.matched.contains(&component),
                _ => false,
            };
            if matched {
                covered = true;
                all = self.formulas.and(all, formula)?;
            }
        }
        if covered {
            return Ok(all);
        }
        if let Some(additional) = part.additional {
            return Ok(additional);
        }
        // Strict: a key must be declared by some schema of the object. Declared names of others are names here.
        let declared = match key {
            Key::Name(_) => true,
            Key::Undeclared(_) => group.is_some_and(|g| !g.matched.is_empty()),
        };
        Ok(if part.strict && !declared { Formula::FALSE } else { Formula::TRUE })
    }

    pub(super) fn object_after(
        &mut self,
        tools: Tools<'_>,
        object: ObjectId,
        key: Key,
        lists: &[Rest],
        result: Formula,
    ) -> Result<ObjectId, EngineError> {
        let before = self.object_key(object)?.clone();
        let count = before.count.saturating_add(1);
        let next = match key {
            Key::Name(name) => {
                let (formula, _) = self.counted(result, count)?;
                let free = before.free || self.objects.names.contains(before.loose, name);
                let keeps = free || before.loose != 0 || self.is_open(tools, formula)?;
                let (mut remaining, mut used) = (0, 0);
                if keeps {
                    remaining = self.objects.names.without(before.remaining, name);
                    used = self.objects.names.with(before.used, name);
                }
                let loose = if free { 0 } else { before.loose };
                ObjectKey { formula: result, lists: lists.into(), loose, free, remaining, used, count }
            }
            Key::Undeclared(_) => ObjectKey { formula: result, lists: SmallVec::new(), loose: 0, free: true, count, ..before },
        };
        self.object(tools, next)
    }

    /// The state after the member whose key was of class `key` and whose value returned `class`.
    pub fn after_member(
        &mut self,
        tools: Tools<'_>,
        object: ObjectId,
        table: &KeyTable,
        key: u32,
        class: u32,
    ) -> Result<Option<ObjectId>, EngineError> {
        if let Some(&known) = self.objects.after.get(&(object, key, class)) {
            return Ok(Some(known));
        }
        let Some(of_key) = table.class(key) else { return Ok(None) };
        let Some(&(mut result)) = of_key.value.results.get(class as usize) else { return Ok(None) };
        if of_key.results_are_bare {
            let formula = self.object_key(object)?.formula;
            if self.without_required(formula)? == Some(result) {
                // Nothing is new but that the key is there.
                result = match of_key.key {
                    Key::Name(name) => self.with_key(formula, name)?,
                    Key::Undeclared(_) => formula,
                };
            } else {
                let Some(&full) = self.key_partition(formula, of_key.key)?.results.get(class as usize) else { return Ok(None) };
                result = full;
            }
        }
        let after = self.object_after(tools, object, of_key.key, &of_key.lists, result)?;
        self.objects.after.insert((object, key, class), after);
        Ok(Some(after))
    }
}
