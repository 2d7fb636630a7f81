//! Objects: an obligation over a sequence of members, beside the order in which declared keys come.
//!
//! In the *ordered* phase the declared keys still allowed are what is left of the lists; in the *free* phase (after the first undeclared
//! key, or from the start) they are the remaining ones. Keys used are kept where they could come again.
//!
//! Invariant: every state handed out can be completed. A key offered has a value, and the object can be completed after it.
//! Must not know: text.

use std::sync::Arc;

use hashbrown::HashMap;
use indexmap::IndexSet;
use smallvec::SmallVec;

use super::kinds::Kind;
use super::order::Rest;
use super::partition::Partition;
use super::satisfy::{Goal, Search};
use super::space::{Atom, ComponentId, NameId, Space};
use super::strings::Tools;
use crate::error::EngineError;
use crate::formula::Formula;
use crate::ids::StateId;
use crate::limits::Limits;

/// A state of an object, between members.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ObjectId(pub u32);

/// A set of names, sorted and interned; 0 is the empty one.
pub(crate) type NamesId = u32;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct ObjectKey {
    formula: Formula,
    /// What is left of the order lists; not in the free phase.
    lists: SmallVec<[Rest; 1]>,
    free: bool,
    /// Declared names not used.
    remaining: NamesId,
    /// Declared names used.
    used: NamesId,
    /// Members so far, while some bound of their number is to come.
    count: u64,
}

/// A key, as far as the object cares.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Key {
    Name(NameId),
    /// Not declared: an index into the groups of such keys.
    Undeclared(u32),
}

/// Undeclared keys that are alike: the patterns they match, and the demands on keys that they fail.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Group {
    matched: Vec<ComponentId>,
    failed: Vec<Formula>,
}

/// Which undeclared keys there are.
#[derive(Debug)]
struct Undeclared {
    /// A demand on keys: leaf i + 1 is the group `groups[i]`.
    demand: Formula,
    groups: Vec<u32>,
}

/// One class of keys that may come next.
#[derive(Debug)]
pub(crate) struct KeyClass {
    pub key: Key,
    /// What the value owes.
    pub value: Partition,
    /// What is left of the lists after a declared name.
    lists: SmallVec<[Rest; 1]>,
}

impl KeyClass {
    /// Do its keys have to be remembered, since no schema declares them by name?
    pub fn is_undeclared(&self) -> bool {
        matches!(self.key, Key::Undeclared(_))
    }
}

/// The keys that may come next. Class 0 is for keys that no name and no pattern of the schema declares.
#[derive(Debug)]
pub(crate) struct KeyTable {
    pub classes: Vec<Option<KeyClass>>,
    /// The state after the opening quote; `None`: no key may come.
    pub body: Option<StateId>,
}

/// All object states.
#[derive(Default)]
pub(crate) struct Objects {
    keys: IndexSet<ObjectKey>,
    names: IndexSet<Box<[NameId]>>,
    groups: IndexSet<Group>,
    tables: HashMap<ObjectId, Arc<KeyTable>>,
    after: HashMap<(ObjectId, u32, u32), ObjectId>,
    partitions: HashMap<(Formula, Key), Arc<Partition>>,
    undeclared: HashMap<Vec<Atom>, Arc<Undeclared>>,
    open: HashMap<Formula, bool>,
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
        let order = self.order_of(obligation)?;
        let remaining = self.names_id(order.1.to_vec());
        let free = self.schema.options.any_order;
        let lists = if free { SmallVec::new() } else { order.0.clone() };
        let object = self.object(tools, ObjectKey { formula, lists, free, remaining, used: 0, count: 0 })?;
        let search = self.search_of(object)?;
        Ok(self.satisfiable(tools, Goal::Object(search))?.then_some(object))
    }

    fn names_id(&mut self, mut names: Vec<NameId>) -> NamesId {
        if names.is_empty() {
            return 0;
        }
        names.sort_unstable();
        self.objects.names.insert_full(names.into()).0 as NamesId + 1
    }

    fn names_in(&self, id: NamesId) -> &[NameId] {
        (id as usize).checked_sub(1).and_then(|i| self.objects.names.get_index(i)).map_or(&[], |names| names)
    }

    /// How many declared names remain in the free phase.
    pub(super) fn names_left(&self, search: &Search) -> usize {
        self.names_in(search.remaining).len()
    }

    /// Intern a state, without what no longer matters.
    fn object(&mut self, tools: Tools<'_>, mut key: ObjectKey) -> Result<ObjectId, EngineError> {
        (key.formula, key.count) = self.counted(key.formula, key.count)?;
        if !self.is_open(tools, key.formula)? {
            key.used = 0;
            if !key.free {
                key.remaining = 0;
            }
        }
        Ok(ObjectId(self.objects.keys.insert_full(key).0 as u32))
    }

    /// Decide the bounds that `count` members reach; the count is zero if no bound is left.
    pub(super) fn counted(&mut self, formula: Formula, count: u64) -> Result<(Formula, u64), EngineError> {
        let (mut formula, mut matters) = (formula, false);
        if count == 0 && self.formulas.as_leaf(formula).is_some() {
            return Ok((formula, 0));
        }
        for atom in self.atoms_of(formula)? {
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

    fn object_key(&self, object: ObjectId) -> Result<&ObjectKey, EngineError> {
        self.objects.keys.get_index(object.0 as usize).ok_or(EngineError::Internal("an unknown object state"))
    }

    /// What a completion of the object depends on.
    fn search_of(&self, object: ObjectId) -> Result<Search, EngineError> {
        let key = self.object_key(object)?;
        let remaining = if key.free { key.remaining } else { 0 };
        Ok(Search { formula: key.formula, lists: key.lists.clone(), free: key.free, remaining, count: key.count })
    }

    /// The class returned if the object ends here.
    pub fn object_closes(&self, object: ObjectId) -> Result<Option<u32>, EngineError> {
        self.closes(self.object_key(object)?.formula)
    }

    pub(super) fn closes(&self, formula: Formula) -> Result<Option<u32>, EngineError> {
        let mut done = HashMap::new();
        for variable in self.formulas.support(formula).0 {
            done.insert(variable, matches!(self.atom(variable)?, Atom::Members(_) | Atom::Keys(_)));
        }
        Ok(self.formulas.evaluate(formula, |v| done.get(&v).copied().unwrap_or(false)).checked_sub(1))
    }

    /// The keys that must still come.
    pub(super) fn needed_keys(&mut self, formula: Formula) -> Result<Vec<NameId>, EngineError> {
        let mut needed = Vec::new();
        let mut at = formula;
        // A conjunction is a chain; only what is not needs a closer look.
        while let Some((variable, yes, no)) = self.formulas.branch(at) {
            if no == Formula::FALSE {
                if let Atom::Present(name) = self.atom(variable)? {
                    needed.push(name);
                }
                at = yes;
            } else if yes == Formula::FALSE {
                at = no;
            } else {
                break;
            }
        }
        for atom in self.atoms_of(at)? {
            if let Atom::Present(name) = atom
                && self.decide(at, atom, false)? == Formula::FALSE
            {
                needed.push(name);
            }
        }
        Ok(needed)
    }

    /// The declared names that may come next: in each list up to the first one that must come, in the free phase all that remain.
    pub(super) fn offers(&mut self, search: &Search) -> Result<(Vec<Offer>, Vec<NameId>), EngineError> {
        let needed = self.needed_keys(search.formula)?;
        if search.free {
            return Ok((self.names_in(search.remaining).iter().map(|&name| (name, SmallVec::new())).collect(), needed));
        }
        let must: hashbrown::HashSet<NameId> = needed.iter().copied().collect();
        let mut offers: indexmap::IndexMap<NameId, SmallVec<[Rest; 1]>> = indexmap::IndexMap::new();
        for &list in &search.lists {
            for (name, rest) in self.orders.names(list) {
                let rests = offers.entry(name).or_default();
                if !rests.contains(&rest) {
                    rests.push(rest);
                }
                if must.contains(&name) {
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
        let remaining = match key {
            Key::Name(name) if search.free => {
                let left = self.names_in(search.remaining).iter().copied().filter(|&n| n != name).collect();
                self.names_id(left)
            }
            // Names that were passed over do not count on being written later.
            Key::Undeclared(_) if !search.free => {
                let left: indexmap::IndexSet<NameId> =
                    search.lists.iter().flat_map(|&list| self.orders.names(list).map(|(name, _)| name)).collect();
                self.names_id(left.into_iter().collect())
            }
            _ => search.remaining,
        };
        let free = search.free || matches!(key, Key::Undeclared(_));
        Ok(Search { formula, lists: lists.into(), free, remaining, count })
    }

    /// What the object asks of the value of a key.
    pub(super) fn key_partition(&mut self, formula: Formula, key: Key) -> Result<Arc<Partition>, EngineError> {
        if let Some(known) = self.objects.partitions.get(&(formula, key)) {
            return Ok(known.clone());
        }
        let mut parent = formula;
        if let Key::Name(name) = key {
            parent = self.decide(parent, Atom::Present(name), true)?;
        }
        let mut conditions = Vec::new();
        for atom in self.atoms_of(parent)? {
            match atom {
                Atom::Keys(demand) => {
                    let failed = match key {
                        Key::Name(name) => self.demand_on_name(demand, name)? == 0,
                        Key::Undeclared(group) => self.group(group).failed.contains(&demand),
                    };
                    if failed {
                        parent = self.decide(parent, atom, false)?;
                    }
                }
                Atom::Members(id) => {
                    let condition = self.member_condition(id, key)?;
                    conditions.push((atom, condition));
                }
                _ => {}
            }
        }
        let partition = Arc::new(self.partition(parent, &conditions)?);
        self.objects.partitions.insert((formula, key), partition.clone());
        Ok(partition)
    }

    fn group(&self, group: u32) -> Group {
        self.objects.groups.get_index(group as usize).cloned().unwrap_or_default()
    }

    /// What the schema asks of the value of a key.
    fn member_condition(&mut self, id: super::space::SchemaId, key: Key) -> Result<Formula, EngineError> {
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

    /// The groups of undeclared keys that the obligation tells apart.
    fn undeclared(&mut self, tools: Tools<'_>, formula: Formula) -> Result<Arc<Undeclared>, EngineError> {
        let mut watching = self.atoms_of(formula)?;
        watching.retain(|a| matches!(a, Atom::Members(_) | Atom::Keys(_)));
        if let Some(known) = self.objects.undeclared.get(&watching) {
            return Ok(known.clone());
        }
        let mut groups = vec![Group::default()];
        let mut demand = Formula::TRUE;
        for &atom in &watching {
            match atom {
                Atom::Members(id) => {
                    let typed = self.typed(id)?;
                    for &(component, _) in &typed.object.patterns {
                        if groups.iter().any(|g| g.matched.contains(&component)) {
                            continue;
                        }
                        let condition = self.atom_formula(Atom::Text(component))?;
                        // Finite patterns are declared names; their strings are no undeclared keys.
                        let finite = self.finite_language(component)?.is_some();
                        demand = self.split_groups(&mut groups, demand, condition, finite, |group| group.matched.push(component), true)?;
                    }
                }
                Atom::Keys(keys) => {
                    let finite = self.names_in_demand(keys)?.is_some();
                    demand = self.split_groups(&mut groups, demand, keys, finite, |group| group.failed.push(keys), false)?;
                }
                _ => {}
            }
            if groups.len() > 32 {
                demand = self.drop_impossible(tools, demand)?;
            }
            Limits::check("max_subset_positions", groups.len(), self.limits.max_subset_positions)?;
        }
        if demand != Formula::TRUE {
            demand = self.drop_impossible(tools, demand)?;
        }
        let groups = groups.into_iter().map(|g| self.objects.groups.insert_full(g).0 as u32).collect();
        let undeclared = Arc::new(Undeclared { demand, groups });
        self.objects.undeclared.insert(watching, undeclared.clone());
        Ok(undeclared)
    }

    /// Split every group by a condition; `change` is for those where it `when` holds, and if `finite`, no key is where it holds.
    fn split_groups(
        &mut self,
        groups: &mut Vec<Group>,
        demand: Formula,
        condition: Formula,
        finite: bool,
        change: impl Fn(&mut Group),
        when: bool,
    ) -> Result<Formula, EngineError> {
        let count = groups.len() as u32;
        let changed: Vec<Group> = groups
            .iter()
            .map(|group| {
                let mut group = group.clone();
                change(&mut group);
                group
            })
            .collect();
        groups.extend(changed);
        let shifted = self.formulas.substitute(
            demand,
            |_, _| Ok(None),
            |store, leaf| if leaf == 0 { Ok(None) } else { store.leaf(leaf + count).map(Some) },
        )?;
        let (holds, fails) = if when { (shifted, demand) } else { (demand, shifted) };
        self.formulas.if_then_else(condition, if finite { Formula::FALSE } else { holds }, fails)
    }

    fn drop_impossible(&mut self, tools: Tools<'_>, demand: Formula) -> Result<Formula, EngineError> {
        let possible = self.string_leaves(tools, demand)?;
        self.formulas.substitute(
            demand,
            |_, _| Ok(None),
            |_, leaf| Ok((leaf != 0 && !possible.contains(&leaf)).then_some(Formula::FALSE)),
        )
    }

    /// The groups of undeclared keys that exist and leave some hope.
    pub(super) fn hopeful_groups(&mut self, tools: Tools<'_>, formula: Formula) -> Result<Vec<u32>, EngineError> {
        let undeclared = self.undeclared(tools, formula)?;
        let (_, leaves) = self.formulas.support(undeclared.demand);
        let mut hopeful = Vec::new();
        for group in leaves.iter().filter_map(|&l| undeclared.groups.get((l as usize).checked_sub(1)?)) {
            if !self.key_partition(formula, Key::Undeclared(*group))?.results.is_empty() {
                hopeful.push(*group);
            }
        }
        Ok(hopeful)
    }

    /// May an undeclared key ever come?
    fn is_open(&mut self, tools: Tools<'_>, formula: Formula) -> Result<bool, EngineError> {
        if let Some(&known) = self.objects.open.get(&formula) {
            return Ok(known);
        }
        let open = !self.hopeful_groups(tools, formula)?.is_empty();
        self.objects.open.insert(formula, open);
        Ok(open)
    }

    fn key_class(
        &mut self,
        tools: Tools<'_>,
        search: &Search,
        key: Key,
        lists: SmallVec<[Rest; 1]>,
    ) -> Result<Option<KeyClass>, EngineError> {
        let partition = self.key_partition(search.formula, key)?;
        let kept = self.keep_classes(&partition, |space, result| {
            let after = space.search_after(search, key, &lists, result)?;
            space.satisfiable(tools, Goal::Object(after))
        })?;
        let possible = self.satisfiable(tools, Goal::Value(kept.child))?;
        Ok(possible.then_some(KeyClass { key, value: kept, lists }))
    }

    /// The keys that may come next.
    pub fn key_table(&mut self, tools: Tools<'_>, object: ObjectId) -> Result<Arc<KeyTable>, EngineError> {
        if let Some(known) = self.objects.tables.get(&object) {
            return Ok(known.clone());
        }
        let search = self.search_of(object)?;
        let key = self.object_key(object)?.clone();
        let mut classes: Vec<Option<KeyClass>> = vec![None];
        let mut offered: Vec<NameId> = Vec::new();
        for (name, lists) in self.offers(&search)?.0 {
            if let Some(class) = self.key_class(tools, &search, Key::Name(name), lists)? {
                classes.push(Some(class));
                offered.push(name);
            }
        }
        let demand = self.undeclared_demand(tools, object, &search, &mut classes)?;
        let demand = if demand == Formula::FALSE { demand } else { self.without_passed_over(&key, demand)? };
        let refused: Vec<NameId> = if demand == Formula::FALSE {
            Vec::new()
        } else {
            let taken: hashbrown::HashSet<NameId> = offered.iter().copied().collect();
            let all = self.names_in(key.remaining).iter().chain(self.names_in(key.used)).copied();
            all.filter(|name| !taken.contains(name)).collect()
        };
        let demand = self.name_demand(&offered, &refused, demand)?;
        let body = self.string_body(tools, demand)?;
        let table = Arc::new(KeyTable { classes, body });
        self.objects.tables.insert(object, table.clone());
        Ok(table)
    }

    /// The demand on undeclared keys, with their classes appended; class 0 is for those that match nothing.
    fn undeclared_demand(
        &mut self,
        tools: Tools<'_>,
        object: ObjectId,
        search: &Search,
        classes: &mut Vec<Option<KeyClass>>,
    ) -> Result<Formula, EngineError> {
        if !self.is_open(tools, search.formula)? {
            return Ok(Formula::FALSE);
        }
        let undeclared = self.undeclared(tools, search.formula)?;
        let (_, leaves) = self.formulas.support(undeclared.demand);
        let mut value: HashMap<u32, u32> = HashMap::new();
        for leaf in leaves {
            let Some(&group) = (leaf as usize).checked_sub(1).and_then(|i| undeclared.groups.get(i)) else { continue };
            let key = Key::Undeclared(group);
            // What comes after is the true next state: names that were passed over may still come.
            let partition = self.key_partition(search.formula, key)?;
            let kept = self.keep_classes(&partition, |space, result| {
                let after = space.object_after(tools, object, key, &[], result)?;
                let after = space.search_of(after)?;
                space.satisfiable(tools, Goal::Object(after))
            })?;
            if !self.satisfiable(tools, Goal::Value(kept.child))? {
                continue;
            }
            let class = Some(KeyClass { key, value: kept, lists: SmallVec::new() });
            if self.group(group) == Group::default() {
                classes[0] = class;
                value.insert(leaf, 1);
            } else {
                classes.push(class);
                value.insert(leaf, classes.len() as u32);
            }
        }
        let leaf = |store: &mut crate::formula::Formulas, old: u32| store.leaf(value.get(&old).copied().unwrap_or(0)).map(Some);
        self.formulas.substitute(undeclared.demand, |_, _| Ok(None), leaf)
    }

    /// In the ordered phase an undeclared key does not begin with a declared name that was passed over: whoever begins to write that name
    /// would be trapped in another key.
    fn without_passed_over(&mut self, key: &ObjectKey, demand: Formula) -> Result<Formula, EngineError> {
        if key.free || key.remaining == 0 {
            return Ok(demand);
        }
        let ahead: hashbrown::HashSet<NameId> =
            key.lists.iter().flat_map(|&list| self.orders.names(list).map(|(name, _)| name)).collect();
        let passed: Vec<NameId> = self.names_in(key.remaining).iter().copied().filter(|name| !ahead.contains(name)).collect();
        if passed.is_empty() {
            return Ok(demand);
        }
        let texts: Vec<Arc<str>> = passed.iter().map(|&name| self.name_text(name)).filter(|text| !text.is_empty()).collect();
        if texts.is_empty() {
            return Ok(demand);
        }
        let component = self.add_component(Arc::new(super::strings::BeginsWith::new(texts.iter().map(|t| &**t))));
        let begins = self.atom_formula(Atom::Text(component))?;
        self.formulas.if_then_else(begins, Formula::FALSE, demand)
    }

    /// A demand on keys: the name `offered[i]` is class i + 1, refused names are refused, any other key is as `others` says.
    /// The class of a name is spelled in bits, one set of names for each.
    fn name_demand(&mut self, offered: &[NameId], refused: &[NameId], others: Formula) -> Result<Formula, EngineError> {
        let codes = offered.len() + usize::from(!refused.is_empty());
        if codes == 0 {
            return Ok(others);
        }
        let bits = usize::BITS - codes.leading_zeros();
        let mut conditions = Vec::new();
        for bit in 0..bits {
            let mut members: Vec<Arc<str>> = Vec::new();
            for (i, &name) in offered.iter().enumerate() {
                if (i + 1) >> bit & 1 == 1 {
                    members.push(self.name_text(name));
                }
            }
            if codes >> bit & 1 == 1 {
                members.extend(refused.iter().map(|&name| self.name_text(name)));
            }
            let component = self.string_set(members.iter().map(|m| &**m));
            conditions.push(self.atom_formula(Atom::Text(component))?);
        }
        let mut layer: Vec<Formula> = Vec::with_capacity(1 << bits);
        for code in 0..1usize << bits {
            layer.push(match code {
                0 => others,
                code if code <= offered.len() => self.formulas.leaf(code as u32 + 1)?,
                _ => Formula::FALSE,
            });
        }
        for &condition in &conditions {
            let mut next = Vec::with_capacity(layer.len() / 2);
            for pair in layer.chunks_exact(2) {
                next.push(self.formulas.if_then_else(condition, pair[1], pair[0])?);
            }
            layer = next;
        }
        layer.first().copied().ok_or(EngineError::Internal("a demand without a root"))
    }

    fn object_after(&mut self, tools: Tools<'_>, object: ObjectId, key: Key, lists: &[Rest], result: Formula) -> Result<ObjectId, EngineError> {
        let before = self.object_key(object)?.clone();
        let count = before.count.saturating_add(1);
        let next = match key {
            Key::Name(name) => {
                let (formula, _) = self.counted(result, count)?;
                let keeps = before.free || self.is_open(tools, formula)?;
                let (mut remaining, mut used) = (0, 0);
                if keeps {
                    let left: Vec<NameId> = self.names_in(before.remaining).iter().copied().filter(|&n| n != name).collect();
                    let mut taken = self.names_in(before.used).to_vec();
                    taken.push(name);
                    remaining = self.names_id(left);
                    used = self.names_id(taken);
                }
                ObjectKey { formula: result, lists: lists.into(), free: before.free, remaining, used, count }
            }
            Key::Undeclared(_) => ObjectKey { formula: result, lists: SmallVec::new(), free: true, count, ..before },
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
        let Some(Some(of_key)) = table.classes.get(key as usize) else { return Ok(None) };
        let Some(&result) = of_key.value.results.get(class as usize) else { return Ok(None) };
        let after = self.object_after(tools, object, of_key.key, &of_key.lists, result)?;
        self.objects.after.insert((object, key, class), after);
        Ok(Some(after))
    }

    /// Is a key of this class one that no schema of the object declares by name?
    pub fn key_is_undeclared(&self, object: ObjectId, class: u32) -> bool {
        let table = self.objects.tables.get(&object);
        table.and_then(|t| t.classes.get(class as usize)?.as_ref()).is_some_and(KeyClass::is_undeclared)
    }

    /// The names that may come next, and whether others may: for messages.
    pub fn expected_keys(&self, object: ObjectId) -> Option<(Vec<Arc<str>>, bool)> {
        let table = self.objects.tables.get(&object)?;
        let names = table.classes.iter().flatten().filter_map(|class| match class.key {
            Key::Name(name) => Some(self.name_text(name)),
            Key::Undeclared(_) => None,
        });
        let others = table.classes.iter().flatten().any(|class| matches!(class.key, Key::Undeclared(_)));
        Some((names.collect(), others))
    }
}
