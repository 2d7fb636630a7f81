//! Languages of keys with few strings, which are names then, and those with so many that only their number matters. Part of **obligation**.
//!
//! Invariant: a list has all strings of the language, and no others.
//! Must not know: objects, but for how many keys they may have.

use std::sync::Arc;

use smallvec::SmallVec;

use super::languages::{Edges, few_strings};
use super::object::Key;
use super::space::{Atom, NameId, Space};
use super::strings::Tools;
use crate::automaton::text::Length;
use crate::error::EngineError;
use crate::formula::{Formula, Variable};
use crate::provider::CodepointAutomaton;

/// What a demand on strings asks about.
enum Asked {
    Text(Arc<dyn CodepointAutomaton>),
    Length(Length),
}

/// A place in a string: the state of each automaton (`None`: it has failed), and how many characters there are, as far as it matters.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    states: SmallVec<[Option<u32>; 8]>,
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
        let lists = self.names_by_leaf(demand, 1, |leaf| u32::from(leaf != 0))?;
        Ok(lists.into_iter().next().flatten())
    }

    /// By leaf of a demand on keys, or as `kind` joins them, the names that lead there, if they are few: of kind 1, 2, and so on.
    pub(super) fn names_by_leaf(
        &mut self,
        demand: Formula,
        kinds: usize,
        kind: impl Fn(u32) -> u32,
    ) -> Result<Vec<Option<Arc<[NameId]>>>, EngineError> {
        let atoms = self.atoms_of(demand)?;
        let mut asked: Vec<(Variable, Asked)> = Vec::with_capacity(atoms.len());
        let mut most = 0;
        for &atom in atoms.iter() {
            let what = match atom {
                Atom::Text(id) => Asked::Text(self.component(id)?.clone()),
                Atom::Length(index) => {
                    let length = self.length(index)?;
                    most = most.max(length.min).max(length.max.map_or(0, |max| max.saturating_add(1)));
                    Asked::Length(length)
                }
                _ => return Ok(vec![None; kinds]),
            };
            asked.push((self.variable(atom)?, what));
        }
        let states: Result<SmallVec<[Option<u32>; 8]>, EngineError> = asked
            .iter()
            .map(|(_, what)| match what {
                Asked::Text(automaton) => automaton.start(),
                Asked::Length(_) => Ok(None),
            })
            .collect();
        let start = Place { states: states?, count: 0 };
        let of_place = |place: &Place| {
            let holds: Result<SmallVec<[bool; 8]>, EngineError> = asked
                .iter()
                .zip(&place.states)
                .map(|((_, what), state)| match what {
                    Asked::Text(automaton) => state.map_or(Ok(false), |at| automaton.accepts(at)),
                    Asked::Length(length) => Ok(length.min <= place.count && length.max.is_none_or(|max| place.count <= max)),
                })
                .collect();
            let holds = holds?;
            let which = |v: Variable| asked.iter().position(|&(variable, _)| variable == v);
            Ok(kind(self.formulas.evaluate(demand, |v| which(v).is_some_and(|at| holds[at]))))
        };
        let edges = |place: &Place| {
            let count = place.count.saturating_add(1).min(most);
            let states = SmallVec::from_elem(None, asked.len());
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
        let lists = few_strings(Some(start), kinds, of_place, edges)?;
        Ok(lists.into_iter().map(|list| Some(list?.iter().map(|text| self.name(text)).collect())).collect())
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
