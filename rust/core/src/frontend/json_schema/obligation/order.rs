//! In which order the declared keys of an object come. Apart from validity: order never decides what is valid.
//!
//! Invariant: each list names every declared key of the object once, so orders never contradict each other for good. What is left of a list
//! is interned from its end, so lists with equal remainders share them.
//! Must not know: formulas of values, text.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use super::kinds::Kind;
use super::space::{Atom, NameId, SchemaId, Source, Space};
use super::strings::Tools;
use super::typed::Logic;
use crate::error::EngineError;
use crate::formula::Formula;
use crate::maps::Numbered;

/// What is left of a list of names; 0: nothing.
pub(crate) type Rest = u32;

/// So many lists of one object are kept; names of later branches still follow in document order.
const MAX_LISTS: usize = 64;

/// The orders of one schema's keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// Alternatives.
    lists: Vec<Vec<NameId>>,
    /// Names that come after.
    tail: Vec<NameId>,
    /// Names of languages with few strings: they come when they like, as undeclared keys do.
    loose: Vec<NameId>,
}

impl Order {
    /// In these lists, and nothing else.
    fn of(lists: Vec<Vec<NameId>>) -> Self {
        Self { lists, ..Self::default() }
    }

    /// All names of the part come after those that are there, but for those that come when they like.
    fn append_all(&mut self, part: &Self) {
        append(&mut self.tail, part.lists.iter().flatten().chain(&part.tail).copied().collect::<Vec<_>>());
        append(&mut self.loose, part.loose.iter().copied());
    }
}

/// The orders of an object's keys.
#[derive(Debug)]
pub(crate) struct Declared {
    /// Alternatives.
    pub lists: SmallVec<[Rest; 1]>,
    /// The names that are in no list, since they come when they like, sorted.
    pub loose: Box<[NameId]>,
    /// All names, sorted.
    pub names: Box<[NameId]>,
}

impl Declared {
    fn new(lists: SmallVec<[Rest; 1]>, ordered: Vec<NameId>, mut loose: Vec<NameId>) -> Self {
        let mut names = ordered;
        names.extend_from_slice(&loose);
        names.sort_unstable();
        loose.sort_unstable();
        Self { lists, loose: loose.into(), names: names.into() }
    }
}

/// All lists.
#[derive(Default)]
pub(crate) struct Orders {
    cells: Numbered<(NameId, Rest)>,
    of_schema: HashMap<SchemaId, Arc<Order>>,
    of_obligation: HashMap<Formula, Arc<Declared>>,
}

impl Orders {
    fn cell(&mut self, name: NameId, rest: Rest) -> Rest {
        self.cells.insert_full((name, rest)).0 as Rest + 1
    }

    /// The first name of what is left, and what is left after it.
    pub fn split(&self, rest: Rest) -> Option<(NameId, Rest)> {
        self.cells.get_index((rest as usize).checked_sub(1)?).copied()
    }

    /// The names that are left, each with what is left after it.
    pub fn names(&self, rest: Rest) -> impl Iterator<Item = (NameId, Rest)> {
        std::iter::successors(self.split(rest), |&(_, rest)| self.split(rest))
    }
}

fn append(list: &mut Vec<NameId>, names: impl IntoIterator<Item = NameId>) {
    // Short lists are searched, long ones hashed.
    let names = names.into_iter();
    if list.len() + names.size_hint().0 <= 16 {
        for name in names {
            if !list.contains(&name) {
                list.push(name);
            }
        }
        return;
    }
    let mut seen: HashSet<NameId> = list.iter().copied().collect();
    list.extend(names.filter(|&name| seen.insert(name)));
}

impl Space {
    /// The lists of names for an object with this obligation, and all its declared names, sorted.
    pub fn order_of(&mut self, obligation: Formula) -> Result<Arc<Declared>, EngineError> {
        if let Some(known) = self.orders.of_obligation.get(&obligation) {
            return Ok(known.clone());
        }
        let mut parts = Vec::new();
        let mut all_needed = true;
        for variable in self.formulas.variables(obligation) {
            if let Atom::Schema(id) = self.atom(variable)? {
                let order = self.schema_order(id)?;
                if !(order.lists.iter().all(Vec::is_empty) && order.tail.is_empty() && order.loose.is_empty()) {
                    all_needed &= self.decide(obligation, Atom::Schema(id), false)? == Formula::FALSE;
                    // A constant is no object: it has no order.
                    let (Source::Schema(node) | Source::Value(node)) = self.source_of(id) else { continue };
                    parts.push((self.schema.first_place(node), order));
                }
            }
        }
        // In document order: variables are numbered as they are met, and what was met before must not show.
        parts.sort_by_key(|&(place, _)| place);
        let parts: Vec<_> = parts.into_iter().map(|(_, order)| order).collect();
        if let ([part], true) = (parts.as_slice(), all_needed)
            && let ([list], [], []) = (part.lists.as_slice(), part.tail.as_slice(), part.loose.as_slice())
        {
            // The usual case.
            let rest = list.iter().rev().fold(0, |rest, &name| self.orders.cell(name, rest));
            let mut names: Box<[NameId]> = list.as_slice().into();
            names.sort_unstable();
            let known = Arc::new(Declared { lists: SmallVec::from_buf([rest]), loose: Box::default(), names });
            self.orders.of_obligation.insert(obligation, known.clone());
            return Ok(known);
        }
        let mut order = Order::of(vec![Vec::new()]);
        if all_needed {
            // A conjunction: as allOf.
            for part in &parts {
                order = sequence(order, part);
            }
        } else {
            // One of several: each goes first in one list.
            order.lists = parts.iter().flat_map(|p| p.lists.iter().cloned()).take(MAX_LISTS).collect();
            for part in &parts {
                order.append_all(part);
            }
        }
        let mut everything: Vec<NameId> = Vec::new();
        append(&mut everything, order.lists.iter().flatten().copied().collect::<Vec<_>>());
        append(&mut everything, order.tail.clone());
        let mut rests: SmallVec<[Rest; 1]> = SmallVec::new();
        for mut list in order.lists {
            append(&mut list, everything.iter().copied());
            let rest = list.iter().rev().fold(0, |rest, &name| self.orders.cell(name, rest));
            rests.push(rest);
        }
        rests.sort_unstable();
        rests.dedup();
        let ordered: HashSet<NameId> = everything.iter().copied().collect();
        let known = Arc::new(Declared::new(rests, everything, order.loose.into_iter().filter(|name| !ordered.contains(name)).collect()));
        self.orders.of_obligation.insert(obligation, known.clone());
        Ok(known)
    }

    /// The same for objects of such an obligation, of which `formula` is what it asks: keys that it does not declare are among the names as well if
    /// there are but few of their kind.
    pub(super) fn declared(&mut self, tools: Tools<'_>, obligation: Formula, formula: Formula) -> Result<Arc<Declared>, EngineError> {
        let known = self.order_of(obligation)?;
        let undeclared = self.undeclared(tools, formula)?;
        let more: Vec<NameId> = undeclared.few.iter().copied().filter(|name| known.names.binary_search(name).is_err()).collect();
        if more.is_empty() {
            return Ok(known);
        }
        let ordered = known.names.iter().copied().filter(|name| known.loose.binary_search(name).is_err()).collect();
        let known = Arc::new(Declared::new(known.lists.clone(), ordered, known.loose.iter().copied().chain(more).collect()));
        self.orders.of_obligation.insert(obligation, known.clone());
        Ok(known)
    }

    fn schema_order(&mut self, id: SchemaId) -> Result<Arc<Order>, EngineError> {
        let mut stack = vec![id];
        while let Some(&top) = stack.last() {
            if self.orders.of_schema.contains_key(&top) {
                stack.pop();
                continue;
            }
            let typed = self.typed(top)?;
            let depth = stack.len();
            for part in typed.logic.iter().flat_map(Logic::parts).chain(typed.candidates.iter().flat_map(|c| c.objects.iter().copied())) {
                if let Some(inner) = self.as_schema(part).filter(|inner| !self.orders.of_schema.contains_key(inner)) {
                    stack.push(inner);
                }
            }
            if stack.len() > depth {
                continue;
            }
            let part = &typed.object;
            let mut order = Order::of(vec![part.properties.keys().copied().collect()]);
            for logic in &typed.logic {
                order = self.extend_order(order, logic);
            }
            for candidates in &typed.candidates {
                let branches: Vec<_> = candidates.objects.iter().map(|&f| self.known_order(f)).collect();
                order = alternatives(order, &branches);
            }
            append(&mut order.tail, part.required.iter().copied());
            append(&mut order.tail, part.dependent.iter().flat_map(|(key, names)| std::iter::once(key).chain(names)).copied());
            if let Some(names) = part.names {
                let demand = self.for_kind(names, Kind::String)?;
                let finite = self.names_in_demand(demand)?;
                append(&mut order.loose, finite.iter().flat_map(|names| names.iter().copied()));
            }
            for (component, _) in &part.patterns {
                let finite = self.finite_language(*component)?;
                append(&mut order.loose, finite.iter().flat_map(|names| names.iter().copied()));
            }
            self.orders.of_schema.insert(top, Arc::new(order));
            stack.pop();
        }
        self.orders.of_schema.get(&id).cloned().ok_or(EngineError::Internal("a schema without an order"))
    }

    fn known_order(&self, formula: Formula) -> Arc<Order> {
        self.as_schema(formula).and_then(|id| self.orders.of_schema.get(&id).cloned()).unwrap_or_default()
    }

    fn extend_order(&self, order: Order, logic: &Logic) -> Order {
        let parts: Vec<_> = logic.parts().into_iter().map(|f| self.known_order(f)).collect();
        let after = |mut order: Order, part: &Order| {
            order.append_all(part);
            order
        };
        match logic {
            Logic::All(_) if order.lists.len() == 1 && parts.iter().all(|part| part.lists.len() <= 1) => {
                // The usual case, all at once: thousands of parts may follow each other.
                let mut order = order;
                append(&mut order.lists[0], parts.iter().flat_map(|part| part.lists.iter().flatten().copied()).collect::<Vec<_>>());
                append(&mut order.tail, parts.iter().flat_map(|p| p.lists.iter().flatten().chain(&p.tail).copied()).collect::<Vec<_>>());
                append(&mut order.loose, parts.iter().flat_map(|p| p.loose.iter().copied()).collect::<Vec<_>>());
                order
            }
            Logic::All(_) => parts.iter().fold(order, |order, part| sequence(order, part)),
            Logic::Any(_) | Logic::One(_) => alternatives(order, &parts),
            Logic::Not(_) => parts.iter().fold(order, |order, part| after(order, part)),
            Logic::When(name, _) => {
                let mut order = order;
                append(&mut order.tail, [*name]);
                parts.iter().fold(order, |order, part| sequence(order, part))
            }
            Logic::If { .. } => match parts.as_slice() {
                [condition, branches @ ..] => after(alternatives(order, branches), condition),
                [] => order,
            },
        }
    }
}

/// First the one, then the other.
fn sequence(order: Order, part: &Order) -> Order {
    let mut out = Order { lists: Vec::new(), ..order };
    for list in &order.lists {
        for more in &part.lists {
            if out.lists.len() < MAX_LISTS {
                let mut joined = list.clone();
                append(&mut joined, more.iter().copied());
                out.lists.push(joined);
            }
        }
    }
    if part.lists.is_empty() {
        out.lists = order.lists;
    }
    out.append_all(part);
    out
}

/// One of the branches after what is there.
fn alternatives(order: Order, branches: &[Arc<Order>]) -> Order {
    let mut out = Order { lists: Vec::new(), tail: order.tail.clone(), loose: order.loose.clone() };
    for branch in branches {
        if out.lists.len() < MAX_LISTS {
            let part = sequence(Order::of(order.lists.clone()), branch);
            for list in part.lists {
                if out.lists.len() < MAX_LISTS && !out.lists.contains(&list) {
                    out.lists.push(list);
                }
            }
        }
    }
    for branch in branches {
        out.append_all(branch);
    }
    if out.lists.is_empty() {
        out.lists = order.lists;
    }
    out
}
