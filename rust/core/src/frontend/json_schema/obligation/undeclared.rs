//! Keys that no schema of an object declares: groups of those that patterns and demands on keys do not tell apart.
//!
//! Invariant: each undeclared key is in one group. Keys of languages with few strings, and of groups with few, are in none: those are names.
//! Must not know: order of keys.

use std::sync::Arc;

use hashbrown::HashMap;
use indexmap::IndexSet;

use super::object::Key;
use super::space::{Atom, ComponentId, NameId, Space};
use super::strings::Tools;
use crate::error::EngineError;
use crate::formula::Formula;
use crate::limits::Limits;

/// From so many groups on, those that no key is in are dropped after each split: otherwise splits would double them.
const MANY_GROUPS: usize = 32;

/// Undeclared keys that are alike: the patterns they match, and the demands on keys that they fail.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Group {
    pub matched: Vec<ComponentId>,
    pub failed: Vec<Formula>,
}

/// Something that tells undeclared keys apart: a pattern, or a demand on keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Split {
    Pattern(ComponentId),
    Keys(Formula),
}

/// Which undeclared keys there are.
#[derive(Debug)]
pub(super) struct Undeclared {
    /// A demand on keys: leaf i + 1 is the group `groups[i]`.
    pub demand: Formula,
    pub groups: Vec<u32>,
    /// The keys of which there are but few of a kind: names of the object.
    pub few: Vec<NameId>,
}

impl Space {
    pub(super) fn group(&self, group: u32) -> Group {
        self.objects.groups.get_index(group as usize).cloned().unwrap_or_default()
    }

    /// The groups of undeclared keys that the obligation tells apart.
    pub(super) fn undeclared(&mut self, tools: Tools<'_>, formula: Formula) -> Result<Arc<Undeclared>, EngineError> {
        let asked = (self.splits(formula)?, self.may_need_keys(formula)?);
        if let Some(known) = self.objects.undeclared.get(&asked) {
            return Ok(known.clone());
        }
        let (splits, counted) = &asked;
        let mut groups = vec![Group::default()];
        let mut demand = Formula::TRUE;
        for &split in splits {
            match split {
                // Strings of finite languages are names, whoever reads keys: no undeclared key is among them.
                Split::Pattern(component) if self.finite_language(component)?.is_some() => {}
                Split::Keys(keys) if self.names_in_demand(keys)?.is_some() => groups.iter_mut().for_each(|group| group.failed.push(keys)),
                Split::Pattern(component) => {
                    let condition = self.atom_formula(Atom::Text(component))?;
                    demand = self.split_groups(&mut groups, demand, condition, |group| group.matched.push(component), true)?;
                }
                Split::Keys(keys) => {
                    demand = self.split_groups(&mut groups, demand, keys, |group| group.failed.push(keys), false)?;
                }
            }
            if groups.len() > MANY_GROUPS {
                demand = self.drop_impossible(tools, &mut groups, demand)?;
            }
            Limits::check("max_subset_positions", groups.len(), self.limits.max_subset_positions)?;
        }
        let mut few = Vec::new();
        if demand != Formula::TRUE {
            demand = self.drop_impossible(tools, &mut groups, demand)?;
            if *counted {
                demand = self.drop_few(&mut groups, demand, &mut few)?;
            }
        }
        let groups = groups.into_iter().map(|g| self.objects.groups.insert_full(g).0 as u32).collect();
        let undeclared = Arc::new(Undeclared { demand, groups, few });
        self.objects.undeclared.insert(asked, undeclared.clone());
        Ok(undeclared)
    }

    /// May it be that undeclared keys must come, so that it makes a difference how many there are? No only where that is plain: they do no good where
    /// all of what they could break must hold.
    fn may_need_keys(&mut self, formula: Formula) -> Result<bool, EngineError> {
        if self.is_bounded(formula)? || self.has_nested(formula)? {
            return Ok(true);
        }
        let mut at = formula;
        while let Some((variable, yes, no)) = self.formulas.branch(at) {
            if no != Formula::FALSE
                || !matches!(self.atom(variable)?, Atom::Members(_) | Atom::Keys(_) | Atom::Required(_) | Atom::Unevaluated(_))
            {
                return Ok(true);
            }
            at = yes;
        }
        Ok(false)
    }

    /// What tells undeclared keys apart.
    fn splits(&mut self, formula: Formula) -> Result<Vec<Split>, EngineError> {
        let mut splits: IndexSet<Split> = IndexSet::new();
        for &atom in self.all_atoms(formula)?.iter() {
            match atom {
                Atom::Members(id) => splits.extend(self.typed(id)?.object.patterns.iter().map(|&(component, _)| Split::Pattern(component))),
                Atom::Unevaluated(id) => {
                    for cover in &self.watch(id)?.covers {
                        let typed = self.typed(cover.schema)?;
                        splits.extend(typed.object.patterns.iter().map(|&(component, _)| Split::Pattern(component)));
                    }
                }
                Atom::Keys(keys) => drop(splits.insert(Split::Keys(keys))),
                _ => {}
            }
        }
        Ok(splits.into_iter().collect())
    }

    /// Split every group by a condition; `change` is for those where it `when` holds.
    fn split_groups(
        &mut self,
        groups: &mut Vec<Group>,
        demand: Formula,
        condition: Formula,
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
        self.formulas.if_then_else(condition, holds, fails)
    }

    /// Keep only the groups that some key is in.
    fn drop_impossible(&mut self, tools: Tools<'_>, groups: &mut Vec<Group>, demand: Formula) -> Result<Formula, EngineError> {
        let mut possible = self.string_leaves(tools, demand)?;
        possible.sort_unstable();
        self.keep_groups(groups, demand, &possible)
    }

    /// Keep only the groups of many keys, and note the keys of the others.
    // Where an object owes less, groups are joined: one of few keys then consists of such, so all its keys are names from the object's beginning on.
    // One of many may consist of such as well: who reads keys knows the names.
    fn drop_few(&mut self, groups: &mut Vec<Group>, demand: Formula, few: &mut Vec<NameId>) -> Result<Formula, EngineError> {
        let mut many = Vec::new();
        for (leaf, names) in (1..).zip(self.names_by_leaf(demand, groups.len(), |leaf| leaf)?) {
            match names {
                Some(names) => few.extend(names.iter().copied()),
                None => many.push(leaf),
            }
        }
        few.sort_unstable();
        few.dedup();
        if many.len() == groups.len() { Ok(demand) } else { self.keep_groups(groups, demand, &many) }
    }

    /// Keep the groups of these leaves, ascending, numbered anew.
    fn keep_groups(&mut self, groups: &mut Vec<Group>, demand: Formula, leaves: &[u32]) -> Result<Formula, EngineError> {
        let mut number: HashMap<u32, u32> = HashMap::new();
        let mut kept = Vec::new();
        for &leaf in leaves {
            if let Some(group) = (leaf as usize).checked_sub(1).and_then(|at| groups.get(at)) {
                kept.push(group.clone());
                number.insert(leaf, kept.len() as u32);
            }
        }
        *groups = kept;
        self.formulas.substitute(demand, |_, _| Ok(None), |store, leaf| store.leaf(number.get(&leaf).copied().unwrap_or(0)).map(Some))
    }

    /// The groups of undeclared keys that exist and leave some hope.
    pub(super) fn hopeful_groups(&mut self, tools: Tools<'_>, formula: Formula) -> Result<Vec<u32>, EngineError> {
        let undeclared = self.undeclared(tools, formula)?;
        let leaves = self.formulas.leaves(undeclared.demand);
        let mut hopeful = Vec::new();
        for group in leaves.iter().filter_map(|&l| undeclared.groups.get((l as usize).checked_sub(1)?)) {
            if !self.key_partition(formula, Key::Undeclared(*group))?.results.is_empty() {
                hopeful.push(*group);
            }
        }
        Ok(hopeful)
    }

    /// May an undeclared key ever come?
    pub(super) fn is_open(&mut self, tools: Tools<'_>, formula: Formula) -> Result<bool, EngineError> {
        if let Some(&known) = self.objects.open.get(&formula) {
            return Ok(known);
        }
        // What must come makes no difference where it may come after any other key.
        let open = match self.without_required(formula)?.filter(|&bare| bare != formula) {
            Some(bare) => self.is_open(tools, bare)?,
            None => !self.hopeful_groups(tools, formula)?.is_empty(),
        };
        self.objects.open.insert(formula, open);
        Ok(open)
    }
}
