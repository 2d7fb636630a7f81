//! Which verdicts on several conditions one value can have at once. Part of **partition**: alternatives of closed objects, of which a key or two
//! tells which are meant, have few verdicts of the exponentially many.
//!
//! Invariant: what is listed has all that some value can reach, and perhaps more; it depends on the conditions alone.
//! Must not know: what the verdicts are for.

use std::sync::Arc;

use hashbrown::HashSet;
use indexmap::{IndexMap, IndexSet};

use super::kinds::Kind;
use super::space::{Atom, ComponentId, NameId, Space};
use super::typed::{Logic, ObjectPart, Typed};
use crate::error::EngineError;
use crate::formula::Formula;

/// A set of conditions, by place.
type Set = u128;

/// Conditions beyond these are not looked at.
const MOST_CONDITIONS: usize = 128;
/// With more verdicts than these nothing is said.
const MOST_VECTORS: usize = 1024;
/// So many unlike conditions that are not understood, of one kind of values, may hold or fail as they like.
const MOST_FREE: usize = 6;
/// Steps of one look at objects.
const MOST_STEPS: usize = 50_000;
/// So deep in members it looks.
const DEPTH: usize = 3;

/// The verdicts that values reach.
#[derive(Debug)]
pub(super) struct Achievable {
    /// Places of the conditions that are understood.
    pub understood: Vec<usize>,
    /// By value, which of those hold: the first in the highest bit. Ascending.
    pub vectors: Vec<Set>,
}

impl Achievable {
    /// Of a range of the vectors, in which the conditions before this one are decided, those where it fails and those where it holds; `None`: it is
    /// not understood.
    pub fn split(&self, (low, high): (u32, u32), place: usize) -> Option<((u32, u32), (u32, u32))> {
        let index = self.understood.binary_search(&place).ok()?;
        let bit = self.understood.len() - 1 - index;
        let range = self.vectors.get(low as usize..high as usize)?;
        let middle = low + range.partition_point(|vector| vector >> bit & 1 == 0) as u32;
        Some(((low, middle), (middle, high)))
    }
}

/// A condition taken apart: all of these must hold.
type Parts = Vec<Arc<Typed>>;

/// What a group of conditions says about a kind of values.
#[derive(PartialEq, Eq, Hash)]
enum Demand {
    Strings(Vec<Atom>, Vec<Option<ComponentId>>),
    Numbers(Vec<Atom>),
    /// The whole schema.
    Other(Vec<usize>),
}

impl Space {
    /// The verdicts that values reach on these conditions; `None`: there may be very many.
    pub(super) fn achievable(&mut self, conditions: &[Formula]) -> Result<Option<Arc<Achievable>>, EngineError> {
        if let Some(known) = self.achieved.get(conditions) {
            return Ok(known.clone());
        }
        let found = self.find_achievable(conditions)?.map(Arc::new);
        self.achieved.insert(conditions.into(), found.clone());
        Ok(found)
    }

    fn find_achievable(&mut self, conditions: &[Formula]) -> Result<Option<Achievable>, EngineError> {
        let (mut understood, mut parts) = (Vec::new(), Vec::new());
        for (place, &condition) in conditions.iter().enumerate() {
            if parts.len() < MOST_CONDITIONS
                && let Some(of_condition) = self.parts_of(condition)?
            {
                understood.push(place);
                parts.push(of_condition);
            }
        }
        let Some(found) = self.vectors(&parts, DEPTH)? else { return Ok(None) };
        let most = parts.len();
        let mut vectors: Vec<Set> = found.iter().map(|&set| (0..most).fold(0, |out, i| out | (set >> i & 1) << (most - 1 - i))).collect();
        vectors.sort_unstable();
        Ok(Some(Achievable { understood, vectors }))
    }

    /// The schemas that must all hold, if the condition is no more than that.
    fn parts_of(&mut self, condition: Formula) -> Result<Option<Parts>, EngineError> {
        let mut parts = Vec::new();
        let mut open = vec![condition];
        while let Some(part) = open.pop() {
            if part == Formula::TRUE {
                continue;
            }
            let Some(id) = self.as_schema(part).filter(|_| parts.len() < MOST_CONDITIONS) else { return Ok(None) };
            let typed = self.typed(id)?;
            for logic in &typed.logic {
                let Logic::All(all) = logic else { return Ok(None) };
                open.extend(all);
            }
            parts.push(typed);
        }
        Ok(Some(parts))
    }

    /// The sets of conditions that hold of some value; `None`: perhaps very many.
    fn vectors(&mut self, conditions: &[Parts], depth: usize) -> Result<Option<IndexSet<Set>>, EngineError> {
        let mut found: IndexSet<Set> = IndexSet::new();
        for kind in Kind::ALL {
            let allows = |parts: &Parts| parts.iter().all(|t| t.kinds.has(kind) && t.candidates.iter().all(|c| c.kinds.has(kind)));
            let alive = set_of(conditions.iter().map(allows));
            let of_kind = match kind {
                Kind::Null | Kind::True | Kind::False => Some(IndexSet::from([alive])),
                Kind::String => self.of_strings(conditions, alive),
                Kind::Number => combinations(
                    alive,
                    &grouped(conditions, alive, |_, parts| {
                        let mut atoms: Vec<Atom> = parts.iter().flat_map(|t| t.numbers.iter().copied()).collect();
                        atoms.extend(parts.iter().flat_map(|t| &t.candidates).filter_map(|c| c.numbers));
                        atoms.sort_unstable();
                        atoms.dedup();
                        (!atoms.is_empty()).then_some(Demand::Numbers(atoms))
                    }),
                ),
                Kind::Array => combinations(alive, &grouped(conditions, alive, |_, parts| array_demand(parts))),
                Kind::Object => self.of_objects(conditions, alive, depth)?,
            };
            let Some(of_kind) = of_kind else { return Ok(None) };
            found.extend(of_kind);
            if found.len() > MOST_VECTORS {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    fn of_strings(&self, conditions: &[Parts], alive: Set) -> Option<IndexSet<Set>> {
        let groups = grouped(conditions, alive, |_, parts| {
            let mut atoms: Vec<Atom> = parts.iter().flat_map(|t| t.strings.iter().copied()).collect();
            atoms.sort_unstable();
            let sets: Vec<_> = parts.iter().flat_map(|t| &t.candidates).map(|c| c.strings).collect();
            (!atoms.is_empty() || !sets.is_empty()).then_some(Demand::Strings(atoms, sets))
        });
        // Of listed strings each is looked at; the other demands hold or fail as they like.
        let (mut listed, mut free) = (Vec::new(), Vec::new());
        for (demand, set) in groups {
            match demand {
                Demand::Strings(atoms, sets) if atoms.is_empty() && sets.len() == 1 => match sets[0].and_then(|id| self.strings_of(id)) {
                    Some(strings) => listed.push((strings, set)),
                    None => free.push(set),
                },
                _ => free.push(set),
            }
        }
        let all_listed = listed.iter().fold(0, |all, (_, set)| all | set);
        let mut of_string: IndexMap<&str, Set> = IndexMap::new();
        for (strings, set) in &listed {
            for string in strings.strings() {
                *of_string.entry(string).or_default() |= set;
            }
            if of_string.len() > MOST_STEPS {
                return None;
            }
        }
        let bases: IndexSet<Set> = of_string.values().copied().chain([0]).map(|set| (alive & !all_listed) | set).collect();
        let mut found = IndexSet::new();
        for base in bases {
            found.extend(one_by_one(base, &free)?);
            if found.len() > MOST_VECTORS {
                return None;
            }
        }
        Some(found)
    }

    /// A look at all sets of keys: which conditions are still alive, and which required keys they have seen.
    fn of_objects(&mut self, conditions: &[Parts], alive: Set, depth: usize) -> Result<Option<IndexSet<Set>>, EngineError> {
        let objects: Vec<Vec<&ObjectPart>> = conditions.iter().map(|parts| parts.iter().map(|t| &t.object).collect()).collect();
        let living = |set: Set| (0..conditions.len()).filter(move |&i| set >> i & 1 == 1);
        let strange = |part: &ObjectPart| !part.patterns.is_empty() || part.strict || part.unevaluated.is_some();
        let lists = |parts: &Parts| parts.iter().any(|t| !t.candidates.is_empty());
        // What else may make them fail.
        let more = |part: &ObjectPart| part.names.is_some() || !part.dependent.is_empty() || part.min > 0 || part.max.is_some();
        let mut understood = 0;
        let mut free = Vec::new();
        for i in living(alive) {
            let bit = 1 << i;
            if lists(&conditions[i]) || objects[i].iter().any(|part| strange(part)) {
                free.push(bit);
            } else {
                understood |= bit;
                if objects[i].iter().any(|part| more(part)) {
                    free.push(bit);
                }
            }
        }
        if free.len() > MOST_FREE {
            return Ok(None);
        }
        let required: IndexSet<NameId> =
            living(understood).flat_map(|i| objects[i].iter().flat_map(|p| p.required.iter().copied())).collect();
        if required.len() > MOST_CONDITIONS {
            return Ok(None);
        }
        let wants = |parts: &Vec<&ObjectPart>| {
            let names = parts.iter().flat_map(|part| &part.required).filter_map(|name| required.get_index_of(name));
            names.fold(0, |set: Set, at| set | 1 << at)
        };
        let wanted: Vec<Set> = objects.iter().map(wants).collect();
        // The outcomes of each key, and of a key that none of them declares: which conditions hold for some value of it.
        let mut keys: IndexSet<Option<NameId>> =
            living(understood).flat_map(|i| objects[i].iter().flat_map(|p| p.properties.keys().copied().map(Some))).collect();
        keys.extend(required.iter().copied().map(Some));
        keys.insert(None);
        let mut outcomes: IndexSet<(Set, Set)> = IndexSet::new();
        for &key in &keys {
            let mut asked: IndexMap<Formula, Set> = IndexMap::new();
            for i in living(understood) {
                let mut all = Formula::TRUE;
                for part in &objects[i] {
                    let said = key.and_then(|name| part.properties.get(&name)).copied().or(part.additional);
                    all = self.formulas.and(all, said.unwrap_or(Formula::TRUE))?;
                }
                *asked.entry(all).or_default() |= 1 << i;
            }
            let seen = key.and_then(|name| required.get_index_of(&name)).map_or(0, |at| 1 << at);
            let Some(of_key) = self.outcomes_of(asked, depth)? else { return Ok(None) };
            outcomes.extend(of_key.into_iter().map(|left| (left, seen)));
            if outcomes.len() > MOST_VECTORS {
                return Ok(None);
            }
        }
        let mut found = IndexSet::new();
        // What was reached, whole and without the required keys that matter to nobody any more.
        let mut reached: HashSet<(Set, Set)> = HashSet::from_iter([(understood, 0)]);
        let mut visited: HashSet<(Set, Set)> = HashSet::new();
        let mut open = vec![(understood, 0)];
        let mut steps = 0;
        while let Some((left, seen)) = open.pop() {
            let matters = living(left).fold(0, |all, i| all | wanted[i]);
            if !visited.insert((left, seen & matters)) {
                continue;
            }
            let done = living(left).filter(|&i| wanted[i] & !seen == 0).fold(0, |set, i| set | 1 << i);
            let strangers = free.iter().fold(0, |all, bit| all | bit) & !understood;
            let Some(of_end) = one_by_one(done | strangers, &free) else { return Ok(None) };
            found.extend(of_end);
            steps += outcomes.len();
            if found.len() > MOST_VECTORS || steps > MOST_STEPS {
                return Ok(None);
            }
            if left != 0 {
                let next = outcomes.iter().map(|&(stay, key)| (left & stay, seen | key));
                open.extend(next.filter(|&next| next != (left, seen) && reached.insert(next)));
            }
        }
        Ok(Some(found))
    }

    /// For the formulas asked of one value, each by some conditions: the sets of conditions whose formulas hold.
    fn outcomes_of(&mut self, mut asked: IndexMap<Formula, Set>, depth: usize) -> Result<Option<Vec<Set>>, EngineError> {
        let always = asked.swap_remove(&Formula::TRUE).unwrap_or(0);
        asked.swap_remove(&Formula::FALSE);
        if asked.is_empty() {
            return Ok(Some(vec![always]));
        }
        let looks = asked.len() > 1 && depth > 0;
        let (mut parts, mut understood, mut free) = (Vec::new(), Vec::new(), Vec::new());
        for (&formula, &set) in &asked {
            match if looks { self.parts_of(formula)? } else { None } {
                Some(of_formula) if parts.len() < MOST_CONDITIONS => {
                    parts.push(of_formula);
                    understood.push(set);
                }
                _ => free.push(set),
            }
        }
        let inner = if parts.is_empty() { None } else { self.vectors(&parts, depth - 1)? };
        let inner = inner.unwrap_or_else(|| {
            free.append(&mut understood);
            IndexSet::from([0])
        });
        let all_free = free.iter().fold(0, |all, set| all | set);
        let mut found = IndexSet::new();
        for vector in inner {
            let holds = understood.iter().enumerate().filter(|(i, _)| vector >> i & 1 == 1).fold(always, |all, (_, set)| all | set);
            match one_by_one(holds | all_free, &free) {
                Some(sets) => found.extend(sets),
                None => return Ok(None),
            }
        }
        Ok(Some(found.into_iter().collect()))
    }
}

fn set_of(holds: impl Iterator<Item = bool>) -> Set {
    holds.enumerate().fold(0, |set, (i, holds)| set | Set::from(holds) << i)
}

/// The conditions that say the same, by what they say; those that say nothing are left out.
fn grouped(conditions: &[Parts], alive: Set, demand: impl Fn(usize, &Parts) -> Option<Demand>) -> IndexMap<Demand, Set> {
    let mut groups: IndexMap<Demand, Set> = IndexMap::new();
    for (i, parts) in conditions.iter().enumerate().filter(|&(i, _)| alive >> i & 1 == 1) {
        if let Some(demand) = demand(i, parts) {
            *groups.entry(demand).or_default() |= 1 << i;
        }
    }
    groups
}

/// The schemas that say something about arrays, each by its address.
fn array_demand(parts: &Parts) -> Option<Demand> {
    let says = |t: &&Arc<Typed>| {
        t.array.watches_items()
            || t.array.min > 0
            || t.array.max.is_some()
            || t.array.contains.is_some()
            || t.array.unique
            || t.array.unevaluated.is_some()
            || !t.candidates.is_empty()
    };
    let mut schemas: Vec<usize> = parts.iter().filter(says).map(|t| Arc::as_ptr(t).addr()).collect();
    schemas.sort_unstable();
    (!schemas.is_empty()).then_some(Demand::Other(schemas))
}

fn combinations(alive: Set, groups: &IndexMap<Demand, Set>) -> Option<IndexSet<Set>> {
    one_by_one(alive, &groups.values().copied().collect::<Vec<_>>())
}

/// The set without each subset of these groups.
fn one_by_one(set: Set, groups: &[Set]) -> Option<IndexSet<Set>> {
    if groups.len() > MOST_FREE {
        return None;
    }
    let mut found = IndexSet::from([set]);
    for group in groups {
        let without: Vec<Set> = found.iter().map(|set| set & !group).collect();
        found.extend(without);
    }
    Some(found)
}
