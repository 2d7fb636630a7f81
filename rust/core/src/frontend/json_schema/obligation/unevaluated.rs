//! `unevaluatedProperties` and `unevaluatedItems`: children that no other schema of the value has seen.
//!
//! A *watch* lists the schemas beside the keyword, or nested in place below them, that may see a child, each with the formula for "it holds, and
//! so does all that leads to it". Those formulas progress with the value, even where the obligation around them has dropped them. A child then owes
//! the verdict of the keyword's schema, or that one of those that see it counts in the end.
//!
//! Invariant: a watch says nothing of the children that came before it; what those owe is part of the obligation around it.
//! Must not know: text, order of keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use indexmap::IndexSet;

use super::kinds::Kind;
use super::space::{Atom, SchemaId, Space};
use super::typed::{Logic, Typed};
use crate::error::EngineError;
use crate::formula::{Formula, Variable};
use crate::limits::Limits;

/// A schema that may see children.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Cover {
    pub schema: SchemaId,
    /// It sees every child.
    pub all: bool,
    /// Whether it counts.
    pub counts: Formula,
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Watch {
    /// What an unseen child owes.
    pub rest: Formula,
    pub covers: Box<[Cover]>,
}

impl Watch {
    /// Do all that may see a child count for certain?
    pub fn is_plain(&self) -> bool {
        self.covers.iter().all(|cover| cover.counts == Formula::TRUE)
    }
}

/// Each due is that one of some formulas holds.
fn subsets(formulas: u32) -> u64 {
    1u64.checked_shl(formulas).unwrap_or(u64::MAX)
}

/// Does the schema see every child? The one that owns the watch has only its other keywords for that.
fn sees_all(typed: &Typed, kind: Kind, owner: bool) -> bool {
    match kind {
        Kind::Object => typed.object.additional.is_some() || (!owner && typed.object.unevaluated.is_some()),
        _ => typed.array.covers_all || (!owner && typed.array.unevaluated.is_some()),
    }
}

fn sees_some(typed: &Typed, kind: Kind) -> bool {
    match kind {
        Kind::Object => !typed.object.properties.is_empty() || !typed.object.patterns.is_empty(),
        _ => !typed.array.prefix.is_empty() || typed.array.contains.is_some_and(|c| c.evaluates),
    }
}

/// All watches.
#[derive(Default)]
pub(crate) struct Watches {
    all: IndexSet<Arc<Watch>>,
    /// Some watch is not plain, so formulas may stand inside of atoms.
    nested: bool,
    atoms: HashMap<Formula, Arc<[Atom]>>,
    tidied: HashMap<Formula, Formula>,
}

impl Watches {
    pub fn len(&self) -> usize {
        self.all.len()
    }
}

impl Space {
    pub(super) fn watch(&self, id: u32) -> Result<Arc<Watch>, EngineError> {
        self.watches.all.get_index(id as usize).cloned().ok_or(EngineError::Internal("an unknown watch"))
    }

    fn watch_formula(&mut self, rest: Formula, mut covers: Vec<Cover>) -> Result<Formula, EngineError> {
        covers.retain(|cover| cover.counts != Formula::FALSE);
        if rest == Formula::TRUE || covers.iter().any(|cover| cover.all && cover.counts == Formula::TRUE) {
            return Ok(Formula::TRUE);
        }
        covers.sort_unstable();
        let watch = Arc::new(Watch { rest, covers: covers.into() });
        self.watches.nested |= !watch.is_plain();
        let id = self.watches.all.insert_full(watch).0;
        Limits::check("max_formula_nodes", id, self.limits.max_formula_nodes)?;
        self.atom_formula(Atom::Unevaluated(id as u32))
    }

    /// The watch of a schema with one of the keywords, beside its other demands `others`.
    pub(super) fn watch_over(&mut self, id: SchemaId, kind: Kind, rest: Formula, others: Formula) -> Result<Formula, EngineError> {
        let mut covers = Vec::new();
        let mut counts: HashMap<SchemaId, Formula> = HashMap::from([(id, Formula::TRUE)]);
        for schema in self.in_place_below(id, kind)? {
            let Some(holds) = counts.get(&schema).copied() else { continue };
            let holds = self.where_it_matters(others, holds)?;
            if holds == Formula::FALSE {
                continue;
            }
            let typed = self.typed(schema)?;
            let all = sees_all(&typed, kind, schema == id);
            if all || sees_some(&typed, kind) {
                covers.push(Cover { schema, all, counts: holds });
            }
            for (part, condition) in self.applied_by(&typed, kind)? {
                let leads = self.formulas.and(holds, condition)?;
                let before = counts.get(&part).copied().unwrap_or(Formula::FALSE);
                let either = self.formulas.or(before, leads)?;
                counts.insert(part, either);
            }
        }
        self.watch_formula(rest, covers)
    }

    /// The schemas in place below a schema, itself first, each before those below it. What is below one that sees all adds nothing.
    fn in_place_below(&mut self, id: SchemaId, kind: Kind) -> Result<Vec<SchemaId>, EngineError> {
        let mut finished: IndexSet<SchemaId> = IndexSet::new();
        let mut stack = vec![(id, false)];
        while let Some((schema, expanded)) = stack.pop() {
            if expanded {
                finished.insert(schema);
                continue;
            }
            if finished.contains(&schema) {
                continue;
            }
            stack.push((schema, true));
            let typed = self.typed(schema)?;
            if typed.kinds.has(kind) && !sees_all(&typed, kind, schema == id) {
                let parts = typed.logic.iter().filter(|logic| !matches!(logic, Logic::Not(_))).flat_map(Logic::parts);
                for inner in parts.filter_map(|part| self.as_schema(part)).filter(|inner| !finished.contains(inner)) {
                    stack.push((inner, false));
                }
            }
            Limits::check("max_expression_nodes", stack.len(), self.limits.max_expression_nodes)?;
        }
        Ok(finished.into_iter().rev().collect())
    }

    /// The schemas that a schema applies to the same value, each with the formula for when what it sees counts.
    fn applied_by(&mut self, typed: &Typed, kind: Kind) -> Result<Vec<(SchemaId, Formula)>, EngineError> {
        let mut out = Vec::new();
        if !typed.kinds.has(kind) {
            return Ok(out);
        }
        for logic in &typed.logic {
            let condition = match logic {
                Logic::Not(_) => continue,
                Logic::If { condition, .. } => self.meaning(*condition, kind)?,
                Logic::When(..) if kind != Kind::Object => continue,
                Logic::When(name, _) => self.required(vec![*name])?,
                Logic::All(_) | Logic::Any(_) | Logic::One(_) => Formula::TRUE,
            };
            for (index, part) in logic.parts().into_iter().enumerate() {
                let Some(schema) = self.as_schema(part) else { continue };
                let mut holds = self.meaning(part, kind)?;
                // The third part of a condition is `else`.
                let when = if index == 2 && matches!(logic, Logic::If { .. }) { self.formulas.not(condition)? } else { condition };
                holds = self.formulas.and(holds, when)?;
                out.push((schema, holds));
            }
        }
        Ok(out)
    }

    /// A formula that matters only where `care` holds, made simple if that settles it.
    fn where_it_matters(&mut self, care: Formula, formula: Formula) -> Result<Formula, EngineError> {
        if self.formulas.as_leaf(formula).is_some() {
            return Ok(formula);
        }
        if self.formulas.if_then_else(care, formula, Formula::TRUE)? == Formula::TRUE {
            return Ok(Formula::TRUE);
        }
        if self.formulas.and(care, formula)? == Formula::FALSE {
            return Ok(Formula::FALSE);
        }
        Ok(formula)
    }

    /// The atoms that a formula depends on, those inside its watches too, in the order of their variables.
    pub(super) fn all_atoms(&mut self, formula: Formula) -> Result<Arc<[Atom]>, EngineError> {
        let top = self.atoms_of(formula)?;
        if !self.watches.nested || !top.iter().any(|a| matches!(a, Atom::Unevaluated(_))) {
            return Ok(top);
        }
        if let Some(known) = self.watches.atoms.get(&formula) {
            return Ok(known.clone());
        }
        let mut variables = BTreeSet::new();
        let mut stack = vec![formula];
        let mut seen: HashSet<Formula> = HashSet::new();
        while let Some(formula) = stack.pop() {
            if !seen.insert(formula) {
                continue;
            }
            for &atom in self.atoms_of(formula)?.iter() {
                if variables.insert(self.variable(atom)?)
                    && let Atom::Unevaluated(id) = atom
                {
                    stack.extend(self.watch(id)?.covers.iter().map(|cover| cover.counts));
                }
            }
        }
        let atoms: Result<Arc<[Atom]>, EngineError> = variables.into_iter().map(|v| self.atom(v)).collect();
        let atoms = atoms?;
        self.watches.atoms.insert(formula, atoms.clone());
        Ok(atoms)
    }

    /// Replace atoms, those inside of watches too. `owed` says, for a watch with its formulas already replaced, what becomes due now.
    pub(super) fn progress(
        &mut self,
        formula: Formula,
        mut changes: HashMap<Variable, Formula>,
        mut owed: impl FnMut(&mut Self, &Watch) -> Result<Formula, EngineError>,
    ) -> Result<Formula, EngineError> {
        // A watch is made after all that is inside of it, so its variable is larger.
        for &atom in self.all_atoms(formula)?.iter() {
            let Atom::Unevaluated(id) = atom else { continue };
            let variable = self.variable(atom)?;
            if changes.contains_key(&variable) {
                continue;
            }
            let watch = self.watch(id)?;
            let mut covers = watch.covers.to_vec();
            for cover in &mut covers {
                cover.counts = self.replace(cover.counts, &changes)?;
            }
            let next = Watch { rest: watch.rest, covers: covers.into() };
            let due = owed(self, &next)?;
            if next == *watch && due == Formula::TRUE {
                continue;
            }
            let still = self.watch_formula(next.rest, next.covers.into())?;
            let both = self.formulas.and(still, due)?;
            changes.insert(variable, both);
        }
        self.replace(formula, &changes)
    }

    fn replace(&mut self, formula: Formula, changes: &HashMap<Variable, Formula>) -> Result<Formula, EngineError> {
        let mut touched = false;
        for &atom in self.atoms_of(formula)?.iter() {
            touched = touched || changes.contains_key(&self.variable(atom)?);
        }
        if !touched {
            return Ok(formula);
        }
        self.formulas.substitute(formula, |_, v| Ok(changes.get(&v).copied()), |_, _| Ok(None))
    }

    /// May formulas stand inside of this formula's atoms?
    pub(super) fn has_nested(&mut self, formula: Formula) -> Result<bool, EngineError> {
        if self.watches.nested {
            for &atom in self.atoms_of(formula)?.iter() {
                if let Atom::Unevaluated(id) = atom
                    && !self.watch(id)?.is_plain()
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// How many undeclared keys may still make something due by a watch that was not due before.
    pub(super) fn dues_of_keys(&mut self, atom: Atom) -> Result<u64, EngineError> {
        let Atom::Unevaluated(id) = atom else { return Ok(0) };
        let watch = self.watch(id)?;
        let mut covers = 0;
        for cover in &watch.covers {
            if cover.counts != Formula::TRUE && (cover.all || !self.typed(cover.schema)?.object.patterns.is_empty()) {
                covers += 1;
            }
        }
        Ok(subsets(covers))
    }

    /// How many items past the prefixes may.
    pub(super) fn dues_of_items(&mut self, atom: Atom) -> Result<u64, EngineError> {
        let Atom::Unevaluated(id) = atom else { return Ok(0) };
        let watch = self.watch(id)?;
        let mut covers = 0;
        for cover in &watch.covers {
            if cover.counts != Formula::TRUE && !cover.all && self.typed(cover.schema)?.array.contains.is_some_and(|c| c.evaluates) {
                covers += 1;
            }
        }
        Ok(subsets(covers))
    }

    /// The same obligation where what the rest of it settles is taken out of its watches.
    pub(super) fn tidy(&mut self, formula: Formula) -> Result<Formula, EngineError> {
        if !self.has_nested(formula)? {
            return Ok(formula);
        }
        if let Some(&known) = self.watches.tidied.get(&formula) {
            return Ok(known);
        }
        let mut tidy = formula;
        for &atom in self.atoms_of(formula)?.iter() {
            let Atom::Unevaluated(id) = atom else { continue };
            let watch = self.watch(id)?;
            if watch.is_plain() {
                continue;
            }
            let variable = self.variable(atom)?;
            let yes = self.replace(tidy, &HashMap::from([(variable, Formula::TRUE)]))?;
            let no = self.replace(tidy, &HashMap::from([(variable, Formula::FALSE)]))?;
            let care = self.differ(yes, no)?;
            let mut covers = watch.covers.to_vec();
            for cover in &mut covers {
                cover.counts = self.where_it_matters(care, cover.counts)?;
            }
            if *covers != *watch.covers {
                let simpler = self.watch_formula(watch.rest, covers)?;
                tidy = self.replace(tidy, &HashMap::from([(variable, simpler)]))?;
            }
        }
        self.watches.tidied.insert(formula, tidy);
        Ok(tidy)
    }

    /// Where two formulas have different leaves.
    fn differ(&mut self, a: Formula, b: Formula) -> Result<Formula, EngineError> {
        let leaves: BTreeSet<u32> = self.formulas.leaves(a).into_iter().chain(self.formulas.leaves(b)).collect();
        let mut any = Formula::FALSE;
        // Leaf 0 is where all others are not.
        for leaf in leaves.into_iter().filter(|&leaf| leaf != 0) {
            let mut is_leaf = |f| self.formulas.substitute(f, |_, _| Ok(None), |store, l| store.leaf(u32::from(l == leaf)).map(Some));
            let (x, y) = (is_leaf(a)?, is_leaf(b)?);
            let not_y = self.formulas.not(y)?;
            let differs = self.formulas.if_then_else(x, not_y, y)?;
            any = self.formulas.or(any, differs)?;
        }
        Ok(any)
    }
}
