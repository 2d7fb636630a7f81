//! Strings under a formula: which automaton reads them, and what a known string is worth.
//!
//! Invariant: a key and a string value with the same demand are read by the same states.
//! Must not know: whose string it is.

use std::sync::Arc;

use hashbrown::HashMap;

use super::languages::few_strings;
use super::space::{Atom, ComponentId, NameId, Space};
use crate::automaton::number::{ExponentAutomaton, NumberAutomaton, NumberSpec};
use crate::automaton::text::{Outcome, StringSet, TextAutomaton, TextSpec};
use crate::error::EngineError;
use crate::formula::{Formula, Variable};
use crate::ids::StateId;
use crate::provider::{Arena, CodepointEdge};

/// The automata that read scalars.
#[derive(Clone, Copy)]
pub(crate) struct Tools<'a> {
    pub arena: &'a Arena,
    pub text: &'a TextAutomaton,
    pub number: &'a NumberAutomaton,
    /// If exponents are offered under bounds too.
    pub exponents: Option<&'a ExponentAutomaton>,
}

/// Strings with the leaf that each reaches, and what is asked of all others.
type Listed = (Vec<(Box<str>, u32)>, Formula);

/// What is remembered of strings.
#[derive(Default)]
pub(crate) struct Strings {
    bodies: HashMap<Formula, Option<StateId>>,
    numbers: HashMap<Formula, Option<StateId>>,
    matches: HashMap<(ComponentId, NameId), bool>,
    finite: HashMap<ComponentId, Option<Arc<[NameId]>>>,
    pub(super) finite_demands: HashMap<Formula, Option<Arc<[NameId]>>>,
}

impl Space {
    /// The state after the opening quote of a string with this demand (a formula over text atoms); `None`: no string meets it.
    pub fn string_body(&mut self, tools: Tools<'_>, demand: Formula) -> Result<Option<StateId>, EngineError> {
        if let Some(&known) = self.strings.bodies.get(&demand) {
            return Ok(known);
        }
        let body = if demand == Formula::FALSE {
            None
        } else {
            let (names, others) = self.listed(demand)?.unwrap_or((Vec::new(), demand));
            let names = tools.text.name_map(names.iter().map(|(name, leaf)| (&**name, *leaf)));
            let spec = self.text_spec(others)?;
            tools.text.named_string_body(tools.arena, &spec, names)?
        };
        self.strings.bodies.insert(demand, body);
        Ok(body)
    }

    /// If the demand asks only in which of some lists a string is: the strings of these, ascending, each with the leaf it reaches, and what is asked
    /// of all others. Names are spelled along the vocabulary; the states of a long list are made where tokens lead.
    fn listed(&mut self, demand: Formula) -> Result<Option<Listed>, EngineError> {
        const MOST: usize = 1 << 10;
        let mut lists: HashMap<Variable, Arc<StringSet>> = HashMap::new();
        let mut most = 0;
        for variable in self.formulas.variables(demand) {
            let Atom::Text(id) = self.atom(variable)? else { return Ok(None) };
            let Some(list) = self.strings_of(id) else { return Ok(None) };
            most += list.strings().len();
            lists.insert(variable, list);
        }
        if lists.is_empty() || most > MOST || most * lists.len() > MOST * 8 {
            return Ok(None);
        }
        let leaf_of_others = self.formulas.evaluate(demand, |_| false);
        let leaf_of = |name| self.formulas.evaluate(demand, |v| lists.get(&v).is_some_and(|list| list.contains(name)));
        let mut all: Vec<&str> = lists.values().flat_map(|list| list.strings()).collect();
        all.sort_unstable();
        all.dedup();
        let names = all.into_iter().map(|name| (name.into(), leaf_of(name))).filter(|&(_, leaf)| leaf != leaf_of_others).collect();
        Ok(Some((names, self.formulas.leaf(leaf_of_others)?)))
    }

    /// The leaves that strings can reach.
    pub(super) fn string_leaves(&mut self, tools: Tools<'_>, demand: Formula) -> Result<Vec<u32>, EngineError> {
        if let Some(leaf) = self.formulas.as_leaf(demand) {
            return Ok(vec![leaf]);
        }
        let spec = self.text_spec(demand)?;
        Ok(tools.text.which(tools.arena, &spec)?.into_iter().map(|value| value + 1).collect())
    }

    /// How many strings meet the demand, at least: counted up to `enough` at most.
    pub(super) fn count_strings(&mut self, tools: Tools<'_>, demand: Formula, enough: u64) -> Result<u64, EngineError> {
        let spec = self.text_spec(demand)?;
        tools.text.count(tools.arena, &spec, None, enough)
    }

    pub(super) fn text_spec(&mut self, demand: Formula) -> Result<TextSpec, EngineError> {
        let demand = self.without_doubt(demand)?;
        let demand = self.with_lengths(demand)?;
        let (mut components, mut lengths) = (Vec::new(), Vec::new());
        let mut place: HashMap<Variable, (bool, u32)> = HashMap::new();
        for variable in self.formulas.variables(demand) {
            match self.atom(variable)? {
                Atom::Text(id) => {
                    place.insert(variable, (false, components.len() as u32));
                    components.push(self.component(id)?.clone());
                }
                Atom::Length(index) => {
                    place.insert(variable, (true, lengths.len() as u32));
                    lengths.push(self.length(index)?);
                }
                _ => return Err(EngineError::Internal("a demand on a string that is not one")),
            }
        }
        let count = components.len() as u32;
        let map = |v: Variable| place.get(&v).map_or(u32::MAX, |&(length, i)| if length { count + i } else { i });
        let outcome = Outcome::from_formula(&self.formulas, demand, map)?;
        Ok(TextSpec { components, lengths, outcome })
    }

    /// The demand without the strings of which a narrowed format does not say whether they are valid. Where the demand asks that a string is
    /// not of the format (in `not`, in `oneOf`), they must not count as invalid.
    fn without_doubt(&mut self, mut demand: Formula) -> Result<Formula, EngineError> {
        for &atom in self.atoms_of(demand)?.iter() {
            if let Atom::Text(id) = atom
                && let Some(format) = self.narrowed(id)
                && self.decide(demand, atom, false)? != Formula::FALSE
            {
                let widest = self.add_component(format.widest()?);
                let (inside, widest) = (self.atom_formula(atom)?, self.atom_formula(Atom::Text(widest))?);
                let outside = self.formulas.not(widest)?;
                let sure = self.formulas.or(inside, outside)?;
                demand = self.formulas.if_then_else(sure, demand, Formula::FALSE)?;
            }
        }
        Ok(demand)
    }

    /// The demand with patterns that count characters of a class as a class and a length.
    fn with_lengths(&mut self, mut demand: Formula) -> Result<Formula, EngineError> {
        for &atom in self.atoms_of(demand)?.iter() {
            if let Atom::Text(id) = atom
                && let Some((of_class, length)) = self.as_counted(id)
            {
                let length = self.length_atom(length);
                let (of_class, length) = (self.atom_formula(Atom::Text(of_class))?, self.atom_formula(length)?);
                let matches = self.formulas.and(of_class, length)?;
                let (then, otherwise) = (self.decide(demand, atom, true)?, self.decide(demand, atom, false)?);
                demand = self.formulas.if_then_else(matches, then, otherwise)?;
            }
        }
        Ok(demand)
    }

    /// Is the verdict of a demand on this string in doubt, see [`Self::without_doubt`]?
    pub(super) fn is_doubtful(&mut self, demand: Formula, name: NameId) -> Result<bool, EngineError> {
        for &atom in self.atoms_of(demand)?.iter() {
            if let Atom::Text(id) = atom
                && let Some(format) = self.narrowed(id)
                && !self.matches(id, name)?
            {
                let widest = self.add_component(format.widest()?);
                if self.matches(widest, name)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The state before a number with this demand (a formula over number atoms); `None`: no number meets it.
    pub fn number_start(&mut self, tools: Tools<'_>, demand: Formula) -> Result<Option<StateId>, EngineError> {
        if let Some(&known) = self.strings.numbers.get(&demand) {
            return Ok(known);
        }
        let start = if demand == Formula::FALSE {
            None
        } else {
            let mut atoms = Vec::new();
            let mut place: HashMap<Variable, u32> = HashMap::new();
            for variable in self.formulas.variables(demand) {
                let Atom::Number(index) = self.atom(variable)? else {
                    return Err(EngineError::Internal("a demand on a number that is not one"));
                };
                place.insert(variable, atoms.len() as u32);
                atoms.push(self.number(index)?);
            }
            let outcome = Outcome::from_formula(&self.formulas, demand, |v| place.get(&v).copied().unwrap_or(u32::MAX))?;
            let spec = NumberSpec { atoms, outcome };
            match tools.exponents {
                Some(exponents) => exponents.start(tools.arena, &spec)?,
                None => tools.number.start(tools.arena, &spec)?,
            }
        };
        self.strings.numbers.insert(demand, start);
        Ok(start)
    }

    /// The leaf that a demand on strings gives to the string `name`.
    pub(super) fn demand_on_name(&mut self, demand: Formula, name: NameId) -> Result<u32, EngineError> {
        let text = self.name_text(name);
        let mut holds = HashMap::new();
        for variable in self.formulas.variables(demand) {
            let verdict = match self.atom(variable)? {
                Atom::Text(id) => self.matches(id, name)?,
                Atom::Length(index) => {
                    let length = self.length(index)?;
                    let count = text.chars().count() as u64;
                    length.min <= count && length.max.is_none_or(|max| count <= max)
                }
                _ => return Err(EngineError::Internal("a demand on a key that is not one")),
            };
            holds.insert(variable, verdict);
        }
        Ok(self.formulas.evaluate(demand, |v| holds.get(&v).copied().unwrap_or(false)))
    }

    /// Is the name in the language?
    pub(super) fn matches(&mut self, id: ComponentId, name: NameId) -> Result<bool, EngineError> {
        if let Some(&known) = self.strings.matches.get(&(id, name)) {
            return Ok(known);
        }
        let text = self.name_text(name);
        let automaton = self.component(id)?.clone();
        let mut state = automaton.start()?;
        for c in text.chars() {
            let Some(at) = state else { break };
            state = edge(&automaton.edges(at)?, u32::from(c));
        }
        let verdict = state.map_or(Ok(false), |at| automaton.accepts(at))?;
        self.strings.matches.insert((id, name), verdict);
        Ok(verdict)
    }

    /// The strings of a language, if they are few: then they are names like declared ones, and can be used up.
    pub(super) fn finite_language(&mut self, id: ComponentId) -> Result<Option<Arc<[NameId]>>, EngineError> {
        if let Some(known) = self.strings.finite.get(&id) {
            return Ok(known.clone());
        }
        let listed = if let Some(set) = self.strings_of(id) {
            Some(set.strings().map(str::to_owned).collect::<Vec<_>>())
        } else {
            let automaton = self.component(id)?.clone();
            let start = automaton.start()?;
            let edges = |&at: &u32| Ok(automaton.edges(at)?.iter().map(|e| (e.low, e.high, e.target)).collect());
            // What has a text, and may begin with anything before it, has endlessly many.
            let endless = match start {
                Some(at) if automaton.plainly_accepts() => automaton.edges(at)?.iter().any(|e| e.target == at),
                _ => false,
            };
            let lists = if endless { Vec::new() } else { few_strings(start, 1, |&at| automaton.accepts(at).map(u32::from), edges)? };
            lists.into_iter().next().flatten()
        };
        let names: Option<Arc<[NameId]>> = listed.map(|list| list.iter().map(|text| self.name(text)).collect());
        self.strings.finite.insert(id, names.clone());
        Ok(names)
    }
}

fn edge(edges: &[CodepointEdge], c: u32) -> Option<u32> {
    let at = edges.partition_point(|e| e.high < c);
    edges.get(at).filter(|e| e.low <= c).map(|e| e.target)
}
