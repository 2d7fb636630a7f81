//! Languages of keys with few strings, which are names then, and those with so many that only their number matters. Part of **obligation**.
//!
//! Invariant: a list has all strings of the language, and no others.
//! Must not know: objects, but for how many keys they may have.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use indexmap::IndexMap;

use super::object::Key;
use super::space::{Atom, NameId, Space};
use super::strings::Tools;
use crate::automaton::text::Length;
use crate::error::EngineError;
use crate::formula::{Formula, Variable};
use crate::provider::CodepointAutomaton;

/// Languages with more strings than this count as infinite.
const MAX_LISTED: usize = 512;

/// From a state with these characters to the next.
type Edges<S> = Vec<(u32, u32, S)>;

/// What a demand on strings asks about.
enum Asked {
    Text(Arc<dyn CodepointAutomaton>),
    Length(Length),
}

/// A place in a string: the state of each automaton (`None`: it has failed), and how many characters there are, as far as it matters.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    states: Box<[Option<u32>]>,
    count: u64,
}

impl Space {
    /// The names that a demand on keys allows, if they are few.
    pub(super) fn names_in_demand(&mut self, demand: Formula) -> Result<Option<Arc<[NameId]>>, EngineError> {
        if let Some(known) = self.strings.finite_demands.get(&demand) {
            return Ok(known.clone());
        }
        let names = self.list_demand(demand)?;
        self.strings.finite_demands.insert(demand, names.clone());
        Ok(names)
    }

    fn list_demand(&mut self, demand: Formula) -> Result<Option<Arc<[NameId]>>, EngineError> {
        let atoms = self.atoms_of(demand)?;
        for &atom in atoms.iter() {
            if let Atom::Text(id) = atom
                && self.decide(demand, atom, false)? == Formula::FALSE
                && let Some(names) = self.finite_language(id)?
            {
                return Ok(Some(names));
            }
        }
        // One language alone has been looked at.
        if atoms.len() == 1 && matches!(atoms[0], Atom::Text(_)) {
            return Ok(None);
        }
        let mut asked: Vec<(Variable, Asked)> = Vec::new();
        let mut most = 0;
        for &atom in atoms.iter() {
            let what = match atom {
                Atom::Text(id) => Asked::Text(self.component(id)?.clone()),
                Atom::Length(index) => {
                    let length = self.length(index)?;
                    most = most.max(length.min).max(length.max.map_or(0, |max| max.saturating_add(1)));
                    Asked::Length(length)
                }
                _ => return Ok(None),
            };
            asked.push((self.variable(atom)?, what));
        }
        let states: Result<Box<[Option<u32>]>, EngineError> = asked
            .iter()
            .map(|(_, what)| match what {
                Asked::Text(automaton) => automaton.start(),
                Asked::Length(_) => Ok(None),
            })
            .collect();
        let start = Place { states: states?, count: 0 };
        let accepts = |place: &Place| {
            let mut holds: HashMap<Variable, bool> = HashMap::with_capacity(asked.len());
            for ((variable, what), state) in asked.iter().zip(&place.states) {
                let holding = match what {
                    Asked::Text(automaton) => state.map_or(Ok(false), |at| automaton.accepts(at))?,
                    Asked::Length(length) => length.min <= place.count && length.max.is_none_or(|max| place.count <= max),
                };
                holds.insert(*variable, holding);
            }
            Ok(self.formulas.evaluate(demand, |v| holds.get(&v).copied().unwrap_or(false)) != 0)
        };
        let edges = |place: &Place| {
            let count = place.count.saturating_add(1).min(most);
            let states = vec![None; asked.len()].into_boxed_slice();
            let mut all: Edges<Place> =
                [(0, 0xD7FF), (0xE000, 0x10_FFFF)].map(|(low, high)| (low, high, Place { states: states.clone(), count })).into();
            for (at, (_, what)) in asked.iter().enumerate() {
                if let (Asked::Text(automaton), Some(state)) = (what, place.states[at]) {
                    let own: Edges<u32> = automaton.edges(state)?.iter().map(|e| (e.low, e.high, e.target)).collect();
                    all = refined(all, &own, at);
                }
            }
            Ok(all)
        };
        let listed = list_language(Some(start), accepts, edges)?;
        Ok(listed.map(|list| list.iter().map(|text| self.name(text)).collect()))
    }

    /// The obligation of an object with these declared names without the numbers of members that there are too few keys for.
    pub(super) fn within_capacity(&mut self, tools: Tools<'_>, formula: Formula, names: &[NameId]) -> Result<Formula, EngineError> {
        if !self.is_bounded(formula)? {
            return Ok(formula);
        }
        let all = self.all_atoms(formula)?;
        let bounds: Vec<u64> = all.iter().filter_map(|a| if let Atom::Count(n) = a { Some(*n) } else { None }).collect();
        let Some(&most) = bounds.iter().max() else { return Ok(formula) };
        let hopeful = self.hopeful_groups(tools, formula)?;
        let undeclared = self.undeclared(tools, formula)?;
        let may_come =
            |leaf: u32| (leaf as usize).checked_sub(1).and_then(|i| undeclared.groups.get(i)).is_some_and(|g| hopeful.contains(g));
        let demand =
            self.formulas.substitute(undeclared.demand, |_, _| Ok(None), |store, leaf| store.leaf(u32::from(may_come(leaf))).map(Some))?;
        let mut keys = 0u64;
        for &name in names {
            let counted_below = self.demand_on_name(demand, name)? != 0;
            keys += u64::from(!counted_below && !self.key_partition(formula, Key::Name(name))?.results.is_empty());
        }
        if let Some(body) = self.string_body(tools, demand)? {
            if tools.arena.is_endless(body, true)? {
                return Ok(formula);
            }
            keys = keys.saturating_add(self.count_strings(tools, demand, most)?);
        }
        let mut formula = formula;
        for bound in bounds.into_iter().filter(|&bound| bound > keys) {
            formula = self.decide(formula, Atom::Count(bound), false)?;
        }
        Ok(formula)
    }
}

/// The edges with the state at one place as `own` says.
fn refined(all: Edges<Place>, own: &Edges<u32>, at: usize) -> Edges<Place> {
    let mut out = Edges::with_capacity(all.len() + own.len());
    for (low, high, place) in all {
        let mut next = low;
        for &(from, to, target) in &own[own.partition_point(|&(_, to, _)| to < low)..] {
            if from > high {
                break;
            }
            let (from, to) = (from.max(low), to.min(high));
            if from > next {
                out.push((next, from - 1, place.clone()));
            }
            let mut changed = place.clone();
            changed.states[at] = Some(target);
            out.push((from, to, changed));
            next = to + 1;
        }
        if next <= high {
            out.push((next, high, place));
        }
    }
    out
}

/// All strings of a language, if they are few.
pub(super) fn list_language<S: Clone + Eq + Hash>(
    start: Option<S>,
    mut accepts: impl FnMut(&S) -> Result<bool, EngineError>,
    mut edges: impl FnMut(&S) -> Result<Edges<S>, EngineError>,
) -> Result<Option<Vec<String>>, EngineError> {
    let Some(start) = start else { return Ok(Some(Vec::new())) };
    // Some states may lead nowhere: look at the whole automaton first, if it is small.
    let mut states: IndexMap<S, Edges<S>> = IndexMap::new();
    let mut hopeful: HashSet<S> = HashSet::new();
    // With each state how many strings lead there, on one way.
    let mut pending = vec![(start.clone(), 1_u64)];
    let mut size = 0;
    while let Some((state, ways)) = pending.pop() {
        if states.contains_key(&state) {
            continue;
        }
        if states.len() > 2 * MAX_LISTED || size > 100 * MAX_LISTED {
            return Ok(None);
        }
        let next = edges(&state)?;
        if accepts(&state)? {
            if ways > MAX_LISTED as u64 || next.iter().any(|(_, _, target)| *target == state) {
                return Ok(None);
            }
            hopeful.insert(state.clone());
        }
        size += next.len();
        pending.extend(next.iter().map(|(low, high, target)| (target.clone(), ways.saturating_mul(u64::from(high - low + 1)))));
        states.insert(state, next);
    }
    let accepting = hopeful.clone();
    loop {
        let before = hopeful.len();
        for (state, edges) in states.iter().rev() {
            if !hopeful.contains(state) && edges.iter().any(|(_, _, target)| hopeful.contains(target)) {
                hopeful.insert(state.clone());
            }
        }
        if hopeful.len() == before {
            break;
        }
    }
    let mut found = Vec::new();
    let mut steps = 0;
    let mut stack = vec![(start, String::new())];
    while let Some((state, text)) = stack.pop() {
        if accepting.contains(&state) {
            found.push(text.clone());
        }
        for (low, high, target) in states.get(&state).into_iter().flatten().filter(|(_, _, target)| hopeful.contains(target)) {
            steps += high - low + 1;
            if steps > 4 * MAX_LISTED as u32 || found.len() > MAX_LISTED || text.len() > MAX_LISTED {
                return Ok(None);
            }
            for c in (*low..=*high).filter_map(char::from_u32) {
                let mut longer = text.clone();
                longer.push(c);
                stack.push((target.clone(), longer));
            }
        }
    }
    Ok(Some(found))
}
