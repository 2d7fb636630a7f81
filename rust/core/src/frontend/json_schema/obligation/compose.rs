//! From schemas to typed atoms: what an obligation becomes once the kind of the value is known.
//!
//! Invariant: allOf is and, anyOf is or, oneOf is exactly one, a reference is what it refers to; schemas applied to the same value are
//! visited with an explicit stack (their cycles were refused when the document was read).
//! Must not know: progress through a value.

use std::sync::Arc;

use super::kinds::Kind;
use super::space::{Atom, NameId, SchemaId, Space};
use super::typed::{Candidates, Contains, Logic, Typed};
use crate::error::EngineError;
use crate::formula::Formula;
use crate::limits::Limits;

impl Space {
    /// The obligation for a value of this kind: a formula over the atoms of the kind, with the same leaves.
    pub fn for_kind(&mut self, obligation: Formula, kind: Kind) -> Result<Formula, EngineError> {
        if self.formulas.as_leaf(obligation).is_some() {
            return Ok(obligation);
        }
        if let Some(&known) = self.composed.get(&(obligation, kind)) {
            return Ok(known);
        }
        if let Some(id) = self.as_schema(obligation)
            && !self.typed(id)?.kinds.has(kind)
        {
            return Ok(Formula::FALSE);
        }
        for &atom in self.atoms_of(obligation)?.iter() {
            if let Atom::Schema(id) = atom {
                self.specialise(id, kind)?;
            }
        }
        let composed = self.replace_schemas(obligation, kind)?;
        self.composed.insert((obligation, kind), composed);
        Ok(composed)
    }

    /// Replace schema variables by what they mean, which must be known.
    fn replace_schemas(&mut self, obligation: Formula, kind: Kind) -> Result<Formula, EngineError> {
        if let Some(id) = self.as_schema(obligation) {
            return self.by_kind.get(&(id, kind)).copied().ok_or(EngineError::Internal("a schema without a meaning"));
        }
        let mut meaning = hashbrown::HashMap::new();
        for variable in self.formulas.variables(obligation) {
            if let Atom::Schema(id) = self.atom(variable)? {
                let formula = self.by_kind.get(&(id, kind)).copied().ok_or(EngineError::Internal("a schema without a meaning"))?;
                meaning.insert(variable, formula);
            }
        }
        self.formulas.substitute(obligation, |_, v| Ok(meaning.get(&v).copied()), |_, _| Ok(None))
    }

    fn specialise(&mut self, id: SchemaId, kind: Kind) -> Result<(), EngineError> {
        let mut stack = vec![id];
        while let Some(&top) = stack.last() {
            if self.by_kind.contains_key(&(top, kind)) {
                stack.pop();
                continue;
            }
            let typed = self.typed(top)?;
            let depth = stack.len();
            if typed.kinds.has(kind) {
                for part in typed.logic.iter().flat_map(Logic::parts) {
                    if let Some(inner) = self.as_schema(part).filter(|&inner| !self.by_kind.contains_key(&(inner, kind))) {
                        stack.push(inner);
                    }
                }
            }
            if stack.len() == depth {
                let formula = self.combine(top, &typed, kind)?;
                self.by_kind.insert((top, kind), formula);
                stack.pop();
            } else {
                Limits::check("max_expression_nodes", stack.len(), self.limits.max_expression_nodes)?;
            }
        }
        Ok(())
    }

    fn combine(&mut self, id: SchemaId, typed: &Arc<Typed>, kind: Kind) -> Result<Formula, EngineError> {
        if !typed.kinds.has(kind) {
            return Ok(Formula::FALSE);
        }
        let mut all = self.assertions(id, typed, kind)?;
        for candidates in &typed.candidates {
            let one = self.one_of_values(candidates, kind)?;
            all = self.formulas.and(all, one)?;
        }
        for logic in &typed.logic {
            if all == Formula::FALSE {
                break;
            }
            let holds = self.logic(logic, kind)?;
            all = self.formulas.and(all, holds)?;
        }
        let unevaluated = match kind {
            Kind::Array => typed.array.unevaluated,
            Kind::Object => typed.object.unevaluated,
            _ => None,
        };
        if let Some(rest) = unevaluated.filter(|_| all != Formula::FALSE) {
            let watch = self.watch_over(id, kind, rest, all)?;
            all = self.formulas.and(all, watch)?;
        }
        Ok(all)
    }

    /// What a part of a schema means; the schemas below it must be known.
    pub(super) fn meaning(&mut self, part: Formula, kind: Kind) -> Result<Formula, EngineError> {
        if self.formulas.as_leaf(part).is_some() { Ok(part) } else { self.replace_schemas(part, kind) }
    }

    fn one_of_values(&mut self, candidates: &Candidates, kind: Kind) -> Result<Formula, EngineError> {
        if !candidates.kinds.has(kind) {
            return Ok(Formula::FALSE);
        }
        let parts = match kind {
            Kind::Null | Kind::True | Kind::False => return Ok(Formula::TRUE),
            Kind::String => {
                return candidates.strings.map_or(Ok(Formula::FALSE), |set| self.atom_formula(Atom::Text(set)));
            }
            Kind::Number => return candidates.numbers.map_or(Ok(Formula::FALSE), |atom| self.atom_formula(atom)),
            Kind::Array => &candidates.arrays,
            Kind::Object => &candidates.objects,
        };
        let mut alternatives = Vec::with_capacity(parts.len());
        for &part in parts {
            alternatives.push(self.for_kind(part, kind)?);
        }
        // Of those that begin alike, the later ones go on with what is decided later. (Not so the alternatives of a schema: `tests/rust/hostile.rs`.)
        alternatives.reverse();
        self.last_decided_first(&mut alternatives);
        alternatives.into_iter().try_fold(Formula::FALSE, |any, part| self.formulas.or(part, any))
    }

    fn assertions(&mut self, id: SchemaId, typed: &Typed, kind: Kind) -> Result<Formula, EngineError> {
        let mut atoms: Vec<(Atom, bool)> = Vec::new();
        match kind {
            Kind::Null | Kind::True | Kind::False => {}
            Kind::String => atoms.extend(typed.strings.iter().map(|&a| (a, true))),
            Kind::Number => atoms.extend(typed.numbers.iter().map(|&a| (a, true))),
            Kind::Array => {
                if typed.array.watches_items() {
                    atoms.push((Atom::Items(id), true));
                }
                Self::count_atoms(&mut atoms, typed.array.min, typed.array.max);
                if let Some(contains) = typed.array.contains
                    && !Self::contains_atoms(&mut atoms, contains)
                {
                    return Ok(Formula::FALSE);
                }
                if typed.array.unique {
                    atoms.push((Atom::Unique, true));
                }
            }
            Kind::Object => {
                let part = &typed.object;
                if part.watches_members() {
                    atoms.push((Atom::Members(id), true));
                }
                if let Some(names) = part.names {
                    // Keys are strings.
                    let keys = self.for_kind(names, Kind::String)?;
                    if keys != Formula::TRUE {
                        atoms.push((Atom::Keys(keys), true));
                    }
                }
                Self::count_atoms(&mut atoms, part.min, part.max);
                self.objects.counts |= part.min > 0 || part.max.is_some();
                if !part.required.is_empty() {
                    atoms.push((Atom::Required(self.names_id(part.required.iter().copied())), true));
                }
            }
        }
        let mut order = Vec::with_capacity(atoms.len());
        for (atom, sign) in atoms {
            order.push((self.variable(atom)?, sign));
        }
        order.sort_unstable();
        let mut all = Formula::TRUE;
        for (variable, sign) in order.into_iter().rev() {
            let atom = self.formulas.variable(variable)?;
            let literal = if sign { atom } else { self.formulas.not(atom)? };
            all = self.formulas.and(literal, all)?;
        }
        if kind == Kind::Object {
            for (key, names) in &typed.object.dependent {
                if names.is_empty() {
                    continue;
                }
                let others = self.required(names.clone())?;
                let key = self.present_before(others, *key)?;
                let holds = self.formulas.if_then_else(key, others, Formula::TRUE)?;
                all = self.formulas.and(all, holds)?;
            }
        }
        Ok(all)
    }

    fn count_atoms(atoms: &mut Vec<(Atom, bool)>, min: u64, max: Option<u64>) {
        if min > 0 {
            atoms.push((Atom::Count(min), true));
        }
        if let Some(max) = max {
            atoms.push((Atom::Count(max.saturating_add(1)), false));
        }
    }

    /// False if no array is enough.
    fn contains_atoms(atoms: &mut Vec<(Atom, bool)>, contains: Contains) -> bool {
        let Contains { item, min, max, .. } = contains;
        if max.is_some_and(|max| max < min) {
            return false;
        }
        match item {
            // Every item matches, or none.
            Formula::TRUE => Self::count_atoms(atoms, min, max),
            Formula::FALSE => return min == 0,
            _ => {
                if min > 0 {
                    atoms.push((Atom::Matches(item, min), true));
                }
                if let Some(max) = max {
                    atoms.push((Atom::Matches(item, max.saturating_add(1)), false));
                }
            }
        }
        true
    }

    /// In the order in which each part costs no more than itself: what is decided first goes on top.
    fn last_decided_first(&self, parts: &mut [Formula]) {
        parts.sort_by_key(|&part| std::cmp::Reverse(self.formulas.branch(part).map(|(variable, _, _)| variable)));
    }

    /// The key is there; decided next to what that asks.
    fn present_before(&mut self, asks: Formula, key: NameId) -> Result<Formula, EngineError> {
        match self.formulas.branch(asks) {
            None => self.required(vec![key]),
            Some((first, ..)) => {
                let key = self.names_id([key]);
                self.becomes(first, Atom::Required(key))
            }
        }
    }

    fn logic(&mut self, logic: &Logic, kind: Kind) -> Result<Formula, EngineError> {
        let mut parts = Vec::new();
        for part in logic.parts() {
            parts.push(self.meaning(part, kind)?);
        }
        match logic {
            Logic::All(_) => {
                self.last_decided_first(&mut parts);
                parts.into_iter().try_fold(Formula::TRUE, |all, part| self.formulas.and(part, all))
            }
            Logic::Any(_) => {
                self.last_decided_first(&mut parts);
                parts.into_iter().try_fold(Formula::FALSE, |any, part| self.formulas.or(part, any))
            }
            Logic::One(_) => {
                self.last_decided_first(&mut parts);
                let (mut none, mut one) = (Formula::TRUE, Formula::FALSE);
                for part in parts {
                    let first = self.formulas.if_then_else(part, none, Formula::FALSE)?;
                    let still = self.formulas.if_then_else(part, Formula::FALSE, one)?;
                    one = self.formulas.or(first, still)?;
                    none = self.formulas.if_then_else(part, Formula::FALSE, none)?;
                }
                Ok(one)
            }
            Logic::Not(_) => parts.first().map_or(Ok(Formula::TRUE), |&part| self.formulas.not(part)),
            Logic::If { .. } => match parts.as_slice() {
                &[condition, then, otherwise] => self.formulas.if_then_else(condition, then, otherwise),
                _ => Ok(Formula::TRUE),
            },
            Logic::When(name, _) => {
                // Only objects have keys.
                let holds = parts.first().copied().unwrap_or(Formula::TRUE);
                if kind == Kind::Object {
                    let present = self.present_before(holds, *name)?;
                    self.formulas.if_then_else(present, holds, Formula::TRUE)
                } else {
                    Ok(Formula::TRUE)
                }
            }
        }
    }
}
