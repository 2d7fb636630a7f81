//! The keys that may come next in an object, and the automaton that reads them.
//!
//! Invariant: every key offered has a value after which the object can be completed, and no other key is read to its end.
//! Must not know: bytes.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use super::object::{Key, ObjectId, ObjectKey};
use super::order::Rest;
use super::partition::Partition;
use super::satisfy::{Goal, Search};
use super::space::{Atom, NameId, Space};
use super::strings::Tools;
use super::undeclared::Group;
use crate::automaton::text::{ALONE, NameMapId};
use crate::error::EngineError;
use crate::formula::{Formula, Formulas, Variable};
use crate::ids::StateId;
use crate::limits::Limits;

/// One class of keys that may come next.
#[derive(Debug)]
pub(crate) struct KeyClass {
    pub key: Key,
    /// What the value owes.
    pub value: Arc<Partition>,
    /// The results are those of the object without its required keys: what it really owes then is made when it is asked for.
    pub(super) results_are_bare: bool,
    /// What is left of the lists after a declared name.
    pub(super) lists: SmallVec<[Rest; 1]>,
}

impl KeyClass {
    /// Do its keys have to be remembered, since no schema declares them by name?
    pub fn is_undeclared(&self) -> bool {
        matches!(self.key, Key::Undeclared(_))
    }
}

/// The keys that may come next. Class 0 is for keys that no name and no pattern of the schema declares; a name, or a group of undeclared keys,
/// is the same class wherever it may come, so that states amid its characters are the same too.
#[derive(Debug)]
pub(crate) struct KeyTable {
    /// By class, ascending.
    classes: Vec<(u32, KeyClass)>,
    /// The state after the opening quote; `None`: no key may come.
    pub body: Option<StateId>,
    /// How many undeclared keys there are at least, if there may be an end of them.
    pub undeclared_keys: Option<u64>,
}

impl KeyTable {
    /// The keys of a class; `None`: none of them may come.
    pub fn class(&self, class: u32) -> Option<&KeyClass> {
        let at = self.classes.binary_search_by_key(&class, |&(value, _)| value).ok()?;
        self.classes.get(at).map(|(_, class)| class)
    }

    /// All classes that may come.
    pub fn classes(&self) -> impl Iterator<Item = &KeyClass> {
        self.classes.iter().map(|(_, class)| class)
    }

    /// The same with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, &KeyClass)> {
        self.classes.iter().map(|(number, class)| (*number, class))
    }
}

/// The class of a declared name: odd.
fn class_of_name(name: NameId) -> u32 {
    name.0 << 1 | 1
}

/// The class of a group of undeclared keys that match something: even.
fn class_of_group(group: u32) -> u32 {
    (group + 1) << 1
}

impl Space {
    fn key_class(
        &mut self,
        tools: Tools<'_>,
        search: &Search,
        key: Key,
        lists: SmallVec<[Rest; 1]>,
    ) -> Result<Option<KeyClass>, EngineError> {
        if let Some(value) = self.plain_value(tools, search.formula, key)? {
            return Ok(value.map(|value| KeyClass { key, value, lists, results_are_bare: false }));
        }
        let partition = self.key_partition(search.formula, key)?;
        let value = Arc::new(self.keep_classes(&partition, |space, result| {
            let after = space.search_after(search, key, &lists, result)?;
            space.satisfiable(tools, Goal::Object(after))
        })?);
        let value = self.satisfiable(tools, Goal::Value(value.child))?.then_some(value);
        Ok(value.map(|value| KeyClass { key, value, lists, results_are_bare: false }))
    }

    /// What the value of a key owes, `None` within if there is no such value; `None` if an object that owes this might not be completed after it.
    #[allow(clippy::option_option)]
    fn plain_value(&mut self, tools: Tools<'_>, formula: Formula, key: Key) -> Result<Option<Option<Arc<Partition>>>, EngineError> {
        if let Some(known) = self.objects.plain.get(&(formula, key)) {
            return Ok(Some(known.clone()));
        }
        let partition = self.key_partition(formula, key)?;
        if self.is_bounded(formula)? || !partition.results.iter().all(|&result| self.closes(result).is_some()) {
            return Ok(None);
        }
        let value = self.satisfiable(tools, Goal::Value(partition.child))?.then_some(partition);
        self.objects.plain.insert((formula, key), value.clone());
        Ok(Some(value))
    }

    /// The keys that may come next.
    pub fn key_table(&mut self, tools: Tools<'_>, object: ObjectId) -> Result<Arc<KeyTable>, EngineError> {
        if let Some(known) = self.objects.tables.get(&object) {
            return Ok(known.clone());
        }
        let search = self.search_of(object)?;
        let key = self.object_key(object)?.clone();
        let mut classes: Vec<(u32, KeyClass)> = Vec::new();
        let mut offered: Vec<NameId> = Vec::new();
        let offers = self.offers(&search)?.0;
        // Each name is a question to each part of the obligation.
        let questions = offers.len().saturating_mul(self.atoms_of(search.formula)?.len());
        Limits::check("max_search_steps", questions, self.limits.max_search_steps.saturating_mul(4))?;
        // Where all that the object owes must hold, its keys do not depend on each other. It can be completed, so each key that must come has a
        // value; after any other with a value it still can. So those that remain are asked once, not in each state.
        let bare = self.without_required(search.formula)?.map(|formula| Search { formula, ..search.clone() });
        for (name, lists) in offers {
            let of_key = match &bare {
                Some(bare) => self.key_class(tools, bare, Key::Name(name), lists)?,
                None => self.key_class(tools, &search, Key::Name(name), lists)?,
            };
            if let Some(mut class) = of_key {
                class.results_are_bare = bare.is_some();
                classes.push((class_of_name(name), class));
                offered.push(name);
            }
        }
        let demand = self.undeclared_demand(tools, object, &search, bare.as_ref(), &mut classes)?;
        let mut passed_over = if demand == Formula::FALSE { Vec::new() } else { self.passed_over(&key) };
        let refused: Vec<NameId> = if demand == Formula::FALSE {
            Vec::new()
        } else {
            let taken: HashSet<NameId> = offered.iter().copied().collect();
            let all = self.names_in(key.remaining).into_iter().chain(self.names_in(key.used));
            all.filter(|name| !taken.contains(name)).collect()
        };
        let mut names = self.names_of_keys(tools, &offered, &refused, &passed_over);
        if !passed_over.is_empty() && self.keys_may_run_out(tools, search.formula)? {
            let spec = self.text_spec(demand)?;
            let declared = offered.len() as u64;
            if tools.text.count(tools.arena, &spec, names, declared + 1)? <= declared {
                // All others begin like those: better these than none.
                passed_over.clear();
                names = self.names_of_keys(tools, &offered, &refused, &passed_over);
            }
        }
        let body = self.key_body(tools, names, demand)?;
        classes.sort_unstable_by_key(|&(value, _)| value);
        let mut undeclared_keys = None;
        if let Some(body) = body
            && demand != Formula::FALSE
            && !self.is_endless(tools, body, demand, passed_over.is_empty())?
        {
            let offered = offered.len() as u64;
            let spec = self.text_spec(demand)?;
            let keys = tools.text.count(tools.arena, &spec, names, offered.saturating_add(1000))?;
            undeclared_keys = Some(keys.saturating_sub(offered));
        }
        let table = Arc::new(KeyTable { classes, body, undeclared_keys });
        self.objects.tables.insert(object, table.clone());
        Ok(table)
    }

    /// May a key come next?
    // PERF: most objects that are asked about are not gone on with, so their keys are not listed for that.
    pub fn has_key(&mut self, tools: Tools<'_>, object: ObjectId) -> Result<bool, EngineError> {
        // An object that no text can complete is never met: where it may not end, a key comes.
        if self.object_closes(object)?.is_none() || self.surely_has_key(tools, object)? {
            return Ok(true);
        }
        Ok(self.key_table(tools, object)?.body.is_some())
    }

    /// Is that plain, since some key has a value after which the object can be completed?
    fn surely_has_key(&mut self, tools: Tools<'_>, object: ObjectId) -> Result<bool, EngineError> {
        if self.objects.tables.contains_key(&object) {
            return Ok(false);
        }
        let search = self.search_of(object)?;
        let formula = self.without_required(search.formula)?.unwrap_or(search.formula);
        if !self.keys_may_run_out(tools, formula)? && self.is_open(tools, formula)? {
            for &group in &self.undeclared(tools, formula)?.groups {
                if matches!(self.plain_value(tools, formula, Key::Undeclared(group))?, Some(Some(_))) {
                    return Ok(true);
                }
            }
        }
        for (name, _) in self.offers(&search)?.0 {
            match self.plain_value(tools, formula, Key::Name(name))? {
                Some(Some(_)) => return Ok(true),
                Some(None) => {}
                None => break,
            }
        }
        Ok(false)
    }

    /// Is there, for all that is plain, an end of undeclared keys?
    pub(super) fn keys_may_run_out(&mut self, tools: Tools<'_>, formula: Formula) -> Result<bool, EngineError> {
        // More names than characters could take all beginnings of keys.
        Ok(self.is_open(tools, formula)? && (self.undeclared(tools, formula)?.demand != Formula::TRUE || self.names.len() > MANY_NAMES))
    }

    /// Do undeclared keys of an object run out, for all that is plain?
    pub fn may_run_out_of_keys(&mut self, tools: Tools<'_>, object: ObjectId) -> Result<bool, EngineError> {
        let formula = self.object_key(object)?.formula;
        self.keys_may_run_out(tools, formula)
    }

    /// Is there no end of the keys that `body` reads, whatever is read first? It knows names beside what meets the demand; if they `stand_by_themselves`,
    /// no other keys are refused for them.
    fn is_endless(&mut self, tools: Tools<'_>, body: StateId, demand: Formula, stand_by_themselves: bool) -> Result<bool, EngineError> {
        // If what meets the demand has no end it has none without some names: asked once, not in each state of the object.
        if stand_by_themselves
            && let Some(any) = self.string_body(tools, demand)?
            && tools.arena.is_endless(any, true)?
        {
            return Ok(true);
        }
        tools.arena.is_endless(body, true)
    }

    /// If all of this must hold and is but about members, keys, and which are there: the same without the last.
    pub(super) fn without_required(&mut self, formula: Formula) -> Result<Option<Formula>, EngineError> {
        if let Some(&known) = self.objects.bare.get(&formula) {
            return Ok(known);
        }
        let bare = self.make_bare(formula)?;
        self.objects.bare.insert(formula, bare);
        Ok(bare)
    }

    fn make_bare(&mut self, formula: Formula) -> Result<Option<Formula>, EngineError> {
        let mut required: HashSet<Variable> = HashSet::new();
        let mut at = formula;
        while let Some((variable, yes, no)) = self.formulas.branch(at) {
            match self.atom(variable)? {
                _ if no != Formula::FALSE => return Ok(None),
                Atom::Members(_) | Atom::Keys(_) => {}
                Atom::Required(_) => drop(required.insert(variable)),
                _ => return Ok(None),
            }
            at = yes;
        }
        let last = required.iter().max().copied();
        last.map(|last| self.formulas.given(formula, last, |v| required.contains(&v).then_some(true))).transpose()
    }

    /// The demand on undeclared keys, with their classes appended. `bare` is the object without its required keys, where these may come after any other.
    fn undeclared_demand(
        &mut self,
        tools: Tools<'_>,
        object: ObjectId,
        search: &Search,
        bare: Option<&Search>,
        classes: &mut Vec<(u32, KeyClass)>,
    ) -> Result<Formula, EngineError> {
        if !self.is_open(tools, search.formula)? {
            return Ok(Formula::FALSE);
        }
        let undeclared = self.undeclared(tools, search.formula)?;
        let leaves = self.formulas.leaves(undeclared.demand);
        let mut value: HashMap<u32, u32> = HashMap::new();
        for leaf in leaves {
            let Some(&group) = (leaf as usize).checked_sub(1).and_then(|i| undeclared.groups.get(i)) else { continue };
            let key = Key::Undeclared(group);
            let class = if self.group(group) == Group::default() { 0 } else { class_of_group(group) };
            if let Some(plain) = self.plain_value(tools, bare.unwrap_or(search).formula, key)? {
                if let Some(of_key) = plain {
                    classes.push((class, KeyClass { key, value: of_key, lists: SmallVec::new(), results_are_bare: bare.is_some() }));
                    value.insert(leaf, class + 1);
                }
                continue;
            }
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
            classes.push((class, KeyClass { key, value: Arc::new(kept), lists: SmallVec::new(), results_are_bare: false }));
            value.insert(leaf, class + 1);
        }
        let leaf = |store: &mut Formulas, old: u32| store.leaf(value.get(&old).copied().unwrap_or(0)).map(Some);
        self.formulas.substitute(undeclared.demand, |_, _| Ok(None), leaf)
    }

    /// In the ordered phase an undeclared key does not begin with one of these declared names, which were passed over: whoever begins to write
    /// such a name would be trapped in another key.
    fn passed_over(&self, key: &ObjectKey) -> Vec<NameId> {
        if key.free || key.remaining == 0 {
            return Vec::new();
        }
        let ahead: HashSet<NameId> = key.lists.iter().flat_map(|&list| self.orders.names(list).map(|(name, _)| name)).collect();
        let comes = |name: NameId| ahead.contains(&name) || self.objects.names.contains(key.loose, name);
        self.names_in(key.remaining).into_iter().filter(|&name| !comes(name) && !self.name_str(name).is_empty()).collect()
    }

    /// The names that a key may be, or not: offered ones return their class, refused ones are refused, and those passed over with all other keys
    /// that begin with them.
    fn names_of_keys(&mut self, tools: Tools<'_>, offered: &[NameId], refused: &[NameId], passed_over: &[NameId]) -> Option<NameMapId> {
        let mut names: Vec<(NameId, u32)> = Vec::with_capacity(offered.len() + refused.len());
        names.extend(offered.iter().map(|&name| (name, class_of_name(name) + 1)));
        names.extend(passed_over.iter().map(|&name| (name, ALONE)));
        names.extend(refused.iter().map(|&name| (name, 0)));
        // Of several the first counts.
        names.sort_by_key(|&(name, _)| name);
        names.dedup_by_key(|(name, _)| *name);
        self.name_map(tools, names)
    }

    /// The state that reads a key: names are worth what the map says, any other key is as `others` says.
    fn key_body(&mut self, tools: Tools<'_>, names: Option<NameMapId>, others: Formula) -> Result<Option<StateId>, EngineError> {
        if names.is_none() {
            return self.string_body(tools, others);
        }
        let spec = self.text_spec(others)?;
        tools.text.named_string_body(tools.arena, &spec, names)
    }

    /// The map of these names, ascending by their numbers.
    // PERF: from one state of an object to the next a name or two change; making the map of hundreds of names anew took longer than all else.
    fn name_map(&mut self, tools: Tools<'_>, names: Vec<(NameId, u32)>) -> Option<NameMapId> {
        let changed = self.objects.last_names.take().and_then(|(before, map)| {
            let changes = changes(&before, &names)?;
            changes.into_iter().try_fold(map, |map, (name, leaf)| tools.text.changed_name_map(map, self.name_str(name), leaf))
        });
        let map = changed.or_else(|| {
            let mut spelled: Vec<(&str, u32)> = names.iter().map(|&(name, leaf)| (self.name_str(name), leaf)).collect();
            spelled.sort_unstable();
            tools.text.name_map(spelled)
        });
        self.objects.last_names = map.map(|map| (names, map));
        map
    }

    /// Is a key of this class one that no schema of the object declares by name?
    pub fn key_is_undeclared(&self, object: ObjectId, class: u32) -> bool {
        let table = self.objects.tables.get(&object);
        table.and_then(|t| t.class(class)).is_some_and(KeyClass::is_undeclared)
    }

    /// The names that may come next, and whether others may: for messages.
    pub fn expected_keys(&self, object: ObjectId) -> Option<(Vec<Arc<str>>, bool)> {
        let table = self.objects.tables.get(&object)?;
        let names = table.classes().filter_map(|class| match class.key {
            Key::Name(name) => Some(self.name_text(name)),
            Key::Undeclared(_) => None,
        });
        let others = table.classes().any(|class| matches!(class.key, Key::Undeclared(_)));
        Some((names.collect(), others))
    }
}

/// With more names than this it is not plain that there are other keys.
const MANY_NAMES: usize = 1 << 16;

/// More changes than this are not made one by one.
const MANY_CHANGES: usize = 8;

/// What is different now, if it is little: names that are worth something else, or are none any more. `None` if there are new ones as well.
fn changes(before: &[(NameId, u32)], now: &[(NameId, u32)]) -> Option<Vec<(NameId, Option<u32>)>> {
    let mut changes = Vec::new();
    let mut now = now.iter().peekable();
    for &(name, leaf) in before {
        let worth = now.next_if(|(other, _)| *other <= name);
        match worth {
            Some(&(other, _)) if other < name => return None,
            Some(&(_, worth)) if worth == leaf => continue,
            Some(&(_, worth)) => changes.push((name, Some(worth))),
            None => changes.push((name, None)),
        }
        if changes.len() > MANY_CHANGES {
            return None;
        }
    }
    now.peek().is_none().then_some(changes)
}
