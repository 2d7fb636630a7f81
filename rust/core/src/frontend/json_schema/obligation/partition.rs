//! What a parent asks of a child: the classes of verdicts that lead to different obligations of the parent.
//!
//! Invariant: leaf 0 of a child's obligation is for verdicts that leave the parent nothing to hope for, leaf j + 1 for class j; classes
//! are numbered as a walk of the formula meets them (yes before no), so equal questions are equal formulas.
//! Must not know: text, order of keys.

use hashbrown::{HashMap, HashSet};
use indexmap::{IndexMap, IndexSet};
use smallvec::SmallVec;

use super::kinds::{Kind, Kinds};
use super::space::{Atom, SchemaId, Space};
use crate::error::EngineError;
use crate::formula::{Formula, Variable};
use crate::limits::Limits;

/// A question to a child, and what the parent owes after each answer.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    /// Leaf j + 1 is class j.
    pub child: Formula,
    /// By class.
    pub results: Vec<Formula>,
}

/// Monitors that are given up when the condition fails, or the verdict on it.
type Condition = (Formula, SmallVec<[Atom; 1]>);

/// From so many conditions on that list their values, they are taken together.
const FEW: usize = 8;

/// From so many conditions on it pays to see which verdicts on them go together.
const MANY: usize = 6;

/// A parent's obligation with some conditions decided, and what is known of the child from those that held.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Known {
    parent: Formula,
    kinds: Kinds,
    last: Option<SchemaId>,
    /// Where the verdicts so far are among those that values reach.
    vectors: (u32, u32),
}

/// The atoms of each condition, in the order in which these are met.
fn group(conditions: impl Iterator<Item = (Atom, Formula)> + Clone) -> Vec<Condition> {
    let mut all = conditions.clone();
    if let (Some((atom, condition)), None) = (all.next(), all.next()) {
        return vec![(condition, SmallVec::from_buf([atom]))];
    }
    let mut grouped: IndexMap<Formula, SmallVec<[Atom; 1]>> = IndexMap::new();
    for (atom, condition) in conditions {
        grouped.entry(condition).or_default().push(atom);
    }
    grouped.into_iter().collect()
}

impl Space {
    /// The verdict on a condition, as a formula.
    pub(super) fn verdict(&mut self, condition: Formula) -> Result<Formula, EngineError> {
        if self.formulas.as_leaf(condition).is_some() { Ok(condition) } else { self.atom_formula(Atom::Verdict(condition)) }
    }

    /// The same, where it takes the place of another variable.
    pub(super) fn verdict_behind(&mut self, before: Variable, condition: Formula) -> Result<Formula, EngineError> {
        if self.formulas.as_leaf(condition).is_some() { Ok(condition) } else { self.becomes(before, Atom::Verdict(condition)) }
    }

    /// What is left of `parent` once the condition of these atoms is known to hold, or to fail.
    fn known(&mut self, parent: Formula, atoms: &[Atom], holds: bool) -> Result<Formula, EngineError> {
        let mut parent = parent;
        if !holds {
            return self.given_up(parent, atoms.iter().copied());
        }
        for &atom in atoms {
            if matches!(atom, Atom::Verdict(_)) {
                parent = self.decide(parent, atom, holds)?;
            }
        }
        Ok(parent)
    }

    /// The formula with these atoms decided to be false.
    pub(super) fn given_up(&mut self, formula: Formula, atoms: impl Iterator<Item = Atom>) -> Result<Formula, EngineError> {
        let gone = atoms.map(|atom| self.variable(atom)).collect::<Result<SmallVec<[Variable; 4]>, EngineError>>()?;
        if gone.is_empty() {
            return Ok(formula);
        }
        if gone.iter().any(|&variable| self.formulas.plainly_needs(formula, variable)) {
            return Ok(Formula::FALSE);
        }
        let gone: HashSet<Variable> = gone.into_iter().collect();
        if self.has_nested(formula)? {
            let changes = gone.into_iter().map(|variable| (variable, Formula::FALSE)).collect();
            return self.progress(formula, changes, |_, _| Ok(Formula::TRUE));
        }
        self.formulas.without(formula, &gone)
    }

    /// Partition the child's verdicts on `conditions` by what they make of `parent`. An atom goes with its condition: a monitor that is given up
    /// when it fails, or the verdict on it.
    pub(super) fn partition(&mut self, parent: Formula, conditions: &[(Atom, Formula)]) -> Result<Partition, EngineError> {
        let failed = conditions.iter().filter(|&&(_, condition)| condition == Formula::FALSE).map(|&(atom, _)| atom);
        let parent = self.given_up(parent, failed)?;
        let open = conditions.iter().filter(|&&(_, condition)| self.formulas.as_leaf(condition).is_none());
        let grouped = group(open.copied());
        if grouped.is_empty() {
            // Nothing is asked.
            let held = self.tidy(parent)?;
            let possible = held != Formula::FALSE;
            let child = if possible { Formula::TRUE } else { Formula::FALSE };
            return Ok(Partition { child, results: possible.then_some(held).into_iter().collect() });
        }
        if let [(condition, atoms)] = grouped.as_slice() {
            // The common case: one question, one answer that matters.
            let held = self.known(parent, atoms, true)?;
            if held != Formula::FALSE && self.known(parent, atoms, false)? == Formula::FALSE {
                return Ok(Partition { child: *condition, results: vec![self.tidy(held)?] });
            }
        }
        self.partition_by_layers(parent, &grouped)
    }

    /// Forward through the conditions, one layer of distinct parents each; then the formula is built backward.
    fn partition_by_layers(&mut self, parent: Formula, grouped: &[Condition]) -> Result<Partition, EngineError> {
        let (apart, grouped) = if self.has_nested(parent)? { (Vec::new(), grouped.to_vec()) } else { self.split_apart(grouped)? };
        let conditions: Vec<Formula> = grouped.iter().map(|&(condition, _)| condition).collect();
        let achievable = if conditions.len() < MANY { None } else { self.achievable(&conditions)? };
        let all = achievable.as_ref().map_or(0, |a| a.vectors.len() as u32);
        let mut layers: Vec<IndexSet<Known>> = vec![IndexSet::from([Known { parent, kinds: Kinds::ALL, last: None, vectors: (0, all) }])];
        let mut edges: Vec<Vec<(Option<usize>, usize)>> = Vec::new();
        let mut total = 0;
        let size = self.atoms_of(parent)?.len().max(4);
        for (place, (condition, atoms)) in grouped.iter().enumerate() {
            let schema = self.as_schema(*condition);
            let kinds = schema.map_or(Ok(Kinds::ALL), |id| self.possible_kinds(id))?;
            let mut next: IndexSet<Known> = IndexSet::new();
            let mut out = Vec::new();
            let layer = layers.last().cloned().unwrap_or_default();
            for known in layer {
                let split = achievable.as_ref().and_then(|a| a.split(known.vectors, place));
                let (fails, holds) = split.unwrap_or((known.vectors, known.vectors));
                if split.is_some_and(|(fails, _)| fails.0 == fails.1) {
                    // A value that got here satisfies it.
                    let held = Known {
                        parent: self.known(known.parent, atoms, true)?,
                        kinds: known.kinds.and(kinds),
                        last: schema.or(known.last),
                        vectors: holds,
                    };
                    out.push((None, next.insert_full(held).0));
                    continue;
                }
                let given_up = self.known(known.parent, atoms, false)?;
                let held = self.known(known.parent, atoms, true)?;
                if given_up == held && split.is_none() {
                    out.push((None, next.insert_full(Known { parent: held, ..known }).0));
                    continue;
                }
                let excluded = holds.0 == holds.1 && split.is_some()
                    || known.kinds.and(kinds) == Kinds::NONE
                    || match (known.last, schema) {
                        (Some(a), Some(b)) => self.disjoint(a, b, 3)?,
                        _ => false,
                    };
                let yes = if excluded {
                    None
                } else {
                    let held = Known { parent: held, kinds: known.kinds.and(kinds), last: schema.or(known.last), vectors: holds };
                    Some(next.insert_full(held).0)
                };
                out.push((yes, next.insert_full(Known { parent: given_up, vectors: fails, ..known }).0));
            }
            total += next.len();
            Limits::check("max_formula_nodes", total.saturating_mul(size * 4), self.limits.max_formula_nodes)?;
            edges.push(out);
            layers.push(next);
        }
        let mut results: IndexSet<Formula> = IndexSet::new();
        let mut values: Vec<Formula> = Vec::new();
        for known in layers.last().into_iter().flatten() {
            values.push(self.one_of_apart(known.parent, &apart, &mut results)?);
        }
        for ((condition, _), out) in grouped.iter().zip(&edges).rev() {
            let mut before = Vec::with_capacity(out.len());
            for &(yes, no) in out {
                let no = values[no];
                before.push(match yes {
                    Some(yes) => self.formulas.if_then_else(*condition, values[yes], no)?,
                    None => no,
                });
            }
            values = before;
        }
        let child = values.first().copied().unwrap_or(Formula::FALSE);
        let all = Partition { child, results: results.into_iter().collect() };
        self.keep_classes(&all, |_, _| Ok(true))
    }

    /// Take out the conditions that list their values, if there are many and no two list the same: at most one of them holds.
    fn split_apart(&mut self, grouped: &[Condition]) -> Result<(Vec<Condition>, Vec<Condition>), EngineError> {
        let (mut apart, mut others) = (Vec::new(), Vec::new());
        let mut seen: HashSet<u128> = HashSet::new();
        for group in grouped {
            let (condition, atoms) = group;
            match self.listed_values(*condition)? {
                Some(values)
                    if !atoms.iter().any(|atom| matches!(atom, Atom::Verdict(_))) && !values.iter().any(|value| seen.contains(value)) =>
                {
                    seen.extend(values);
                    apart.push(group.clone());
                }
                _ => others.push(group.clone()),
            }
        }
        // Layers are as good for a few, and know more.
        Ok(if apart.len() < FEW { (Vec::new(), grouped.to_vec()) } else { (apart, others) })
    }

    /// The hashes of the values of which one must be there for the condition to hold, if the schema lists them.
    fn listed_values(&mut self, condition: Formula) -> Result<Option<Vec<u128>>, EngineError> {
        let Some(id) = self.as_schema(condition) else { return Ok(None) };
        if let Some(hash) = self.hash_of_one_value(id) {
            return Ok(Some(vec![hash]));
        }
        Ok(self.typed(id)?.candidates.first().map(|candidates| candidates.values.clone()))
    }

    /// The child's obligation where at most one of these conditions holds; what the parent owes then goes to `results`.
    fn one_of_apart(&mut self, parent: Formula, apart: &[Condition], results: &mut IndexSet<Formula>) -> Result<Formula, EngineError> {
        let mut class = |space: &mut Self, parent: Formula| {
            let value = match space.tidy(parent)? {
                Formula::FALSE => 0,
                result => results.insert_full(result).0 as u32 + 1,
            };
            space.formulas.leaf(value)
        };
        if apart.is_empty() {
            return class(self, parent);
        }
        let mut kept: Vec<SmallVec<[Variable; 1]>> = Vec::with_capacity(apart.len());
        for (_, atoms) in apart {
            kept.push(atoms.iter().map(|&atom| self.variable(atom)).collect::<Result<_, EngineError>>()?);
        }
        let gone: HashSet<Variable> = kept.iter().flatten().copied().collect();
        let (held, none) = self.formulas.without_all_but(parent, &gone, &kept)?;
        let mut branches: Vec<(Formula, Formula)> = apart.iter().map(|&(condition, _)| condition).zip(held).collect();
        // What is decided first goes on top.
        branches.sort_by_key(|&(condition, _)| std::cmp::Reverse(self.formulas.branch(condition).map(|(variable, _, _)| variable)));
        let mut child = class(self, none)?;
        for (condition, held) in branches {
            let held = class(self, held)?;
            child = self.formulas.if_then_else(condition, held, child)?;
        }
        Ok(child)
    }

    /// The partition with only the classes that `keep`, numbered anew.
    pub(super) fn keep_classes(
        &mut self,
        partition: &Partition,
        mut keep: impl FnMut(&mut Self, Formula) -> Result<bool, EngineError>,
    ) -> Result<Partition, EngineError> {
        let (child, classes) = self.keep_leaves(partition.child, |space, class| match partition.results.get(class) {
            Some(&result) => keep(space, result),
            None => Ok(false),
        })?;
        Ok(Partition { child, results: classes.into_iter().map(|class| partition.results[class]).collect() })
    }

    /// The question with only the classes that `keep`, numbered anew, and which those are.
    pub(super) fn keep_leaves(
        &mut self,
        child: Formula,
        mut keep: impl FnMut(&mut Self, usize) -> Result<bool, EngineError>,
    ) -> Result<(Formula, Vec<usize>), EngineError> {
        let mut number: HashMap<u32, u32> = HashMap::new();
        let mut classes = Vec::new();
        let leaves = self.leaves_in_order(child);
        for &leaf in &leaves {
            let Some(class) = (leaf as usize).checked_sub(1) else { continue };
            if keep(self, class)? {
                classes.push(class);
                number.insert(leaf, classes.len() as u32);
            }
        }
        if leaves.iter().all(|leaf| *leaf == 0 || number.get(leaf) == Some(leaf)) {
            return Ok((child, classes));
        }
        let leaf = |store: &mut crate::formula::Formulas, old: u32| store.leaf(number.get(&old).copied().unwrap_or(0)).map(Some);
        let child = self.formulas.substitute(child, |_, _| Ok(None), leaf)?;
        Ok((child, classes))
    }

    /// The obligation that only class `class` fulfils.
    pub(super) fn only_class(&mut self, child: Formula, class: usize) -> Result<Formula, EngineError> {
        let wanted = class as u32 + 1;
        if wanted == 1 && self.formulas.leaves(child).iter().all(|&leaf| leaf <= 1) {
            return Ok(child);
        }
        self.formulas.substitute(child, |_, _| Ok(None), |store, leaf| store.leaf(u32::from(leaf == wanted)).map(Some))
    }

    fn leaves_in_order(&self, formula: Formula) -> Vec<u32> {
        let mut out = Vec::new();
        let mut seen = hashbrown::HashSet::new();
        let mut stack = vec![formula];
        while let Some(f) = stack.pop() {
            if !seen.insert(f) {
                continue;
            }
            match self.formulas.branch(f) {
                Some((_, yes, no)) => stack.extend([no, yes]),
                None => out.extend(self.formulas.as_leaf(f)),
            }
        }
        out
    }

    /// The kinds of values that may satisfy a schema, by its own `type`, `enum` and `const`.
    fn possible_kinds(&mut self, id: SchemaId) -> Result<Kinds, EngineError> {
        let typed = self.typed(id)?;
        Ok(typed.candidates.iter().fold(typed.kinds, |kinds, c| kinds.and(c.kinds)))
    }

    /// Is it plain that no value satisfies both? Says no when in doubt.
    fn disjoint(&mut self, a: SchemaId, b: SchemaId, depth: usize) -> Result<bool, EngineError> {
        if a == b {
            return Ok(false);
        }
        if self.is_one_value(a) && self.is_one_value(b) {
            return Ok(true);
        }
        let kinds = self.possible_kinds(a)?.and(self.possible_kinds(b)?);
        let (typed_a, typed_b) = (self.typed(a)?, self.typed(b)?);
        let listed = |typed: &super::typed::Typed| typed.candidates.first().map(|c| c.values.len()).filter(|&n| n <= 1024);
        if let (Some(_), Some(_)) = (listed(&typed_a), listed(&typed_b))
            && let (Some(x), Some(y)) = (typed_a.candidates.first(), typed_b.candidates.first())
            && x.values.iter().all(|v| y.values.binary_search(v).is_err())
        {
            return Ok(true);
        }
        for kind in Kind::ALL.into_iter().filter(|&kind| kinds.has(kind)) {
            let apart = match kind {
                Kind::Object if depth > 0 => {
                    let mut apart = false;
                    for name in &typed_a.object.required {
                        let both = (typed_a.object.properties.get(name), typed_b.object.properties.get(name));
                        if let (Some(&x), Some(&y)) = both
                            && typed_b.object.required.contains(name)
                            && let (Some(x), Some(y)) = (self.as_schema(x), self.as_schema(y))
                            && self.disjoint(x, y, depth - 1)?
                        {
                            apart = true;
                            break;
                        }
                    }
                    apart
                }
                _ => false,
            };
            if !apart {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
