//! The values that fulfil a formula, where they are few, and the schemas that only one value satisfies.
//!
//! Invariant: a list is complete, and its values differ; where there may be more, the count given is at most the number there is. A pure
//! function of the formula.
//! Must not know: whose values they are.

use std::sync::Arc;

use hashbrown::HashSet;
use num_bigint::{BigInt, BigUint};
use num_integer::Integer;

use super::array::ArrayId;
use super::kinds::{Kind, Kinds};
use super::object::Key;
use super::space::{Atom, NameId, Source, Space};
use super::strings::Tools;
use super::typed::{Candidates, Logic, Typed};
use crate::automaton::number::{Decimal, NumberAtom};
use crate::error::EngineError;
use crate::formula::Formula;
use crate::frontend::json_schema::json::canonical_number;
use crate::identity::Identity;

/// A value; what is inside it are formulas of such.
#[derive(Clone, Debug)]
pub(super) enum Constant {
    Word(Kind),
    Number(Decimal),
    String(Arc<str>),
    Array(Vec<Formula>),
    Object(Named),
}

/// Members of an object.
type Named = Vec<(NameId, Formula)>;

/// Values nested deeper are not listed.
const DEPTH: usize = 4;

/// Domains with more values than this are listed only where so many items may be needed.
pub(super) const SMALL: usize = 64;

/// Numbers are not listed between bounds that differ by more digits.
const MOST_ZEROS: usize = 1_000;

/// The values that fulfil a formula.
#[derive(Clone, Debug)]
pub(super) enum Listed {
    /// These and no others, each as the schema that only it satisfies.
    Few(Vec<Formula>),
    /// At least so many.
    AtLeast(u64),
}

impl Space {
    /// The formula of the schema that only this value satisfies.
    pub(super) fn constant_formula(&mut self, constant: Constant) -> Result<Formula, EngineError> {
        // As values in the text of a schema are hashed.
        let mut hash = Identity::new("json value");
        match &constant {
            Constant::Word(Kind::Null) => hash.str("n"),
            Constant::Word(Kind::True) => hash.str("t"),
            Constant::Word(_) => hash.str("f"),
            Constant::Number(number) => hash.str("#").str(&canonical_number(&number.to_string())),
            Constant::String(text) => hash.str("s").str(text),
            Constant::Array(items) => {
                hash.str("a");
                for &item in items {
                    hash.u128(self.hash_of_value(item)?);
                }
                &mut hash
            }
            Constant::Object(members) => {
                hash.str("o");
                let mut members: Vec<_> = members.iter().map(|&(name, value)| (self.name_text(name), value)).collect();
                members.sort_unstable();
                for (name, value) in members {
                    hash.str(&name).u128(self.hash_of_value(value)?);
                }
                &mut hash
            }
        };
        let index = self.constants.len() as u32;
        self.constants.push(constant);
        self.one_value(hash.finish(), Source::Constant(index))
    }

    /// The schema of a constant whose value has this hash.
    pub(super) fn read_constant(&mut self, index: u32, hash: u128) -> Result<Typed, EngineError> {
        let constant = self.constants.get(index as usize).cloned().ok_or(EngineError::Internal("an unknown constant"))?;
        let mut typed = Typed::anything();
        let (arrays, objects) = (Vec::new(), Vec::new());
        let mut only = Candidates { kinds: Kinds::NONE, values: vec![hash], strings: None, numbers: None, arrays, objects };
        match constant {
            Constant::Array(items) => {
                typed.kinds = Kinds::NONE.with(Kind::Array);
                typed.array.min = items.len() as u64;
                typed.array.prefix = items;
                typed.array.rest = Formula::FALSE;
                return Ok(typed);
            }
            Constant::Object(members) => {
                typed.kinds = Kinds::NONE.with(Kind::Object);
                typed.object.required = members.iter().map(|&(name, _)| name).collect();
                typed.object.properties = members.into_iter().collect();
                typed.object.additional = Some(Formula::FALSE);
                return Ok(typed);
            }
            Constant::Word(kind) => only.kinds = only.kinds.with(kind),
            Constant::Number(number) => {
                only.kinds = only.kinds.with(Kind::Number);
                only.numbers = Some(self.number_atom(NumberAtom::OneOf(vec![number])));
            }
            Constant::String(text) => {
                only.kinds = only.kinds.with(Kind::String);
                only.strings = Some(self.string_set([&*text]));
            }
        }
        typed.kinds = only.kinds;
        typed.candidates.push(only);
        Ok(typed)
    }

    /// The values that fulfil a formula over schemas, if there are at most `enough`. Without tools objects and arrays are not listed.
    pub(super) fn list_values(&mut self, tools: Option<Tools<'_>>, formula: Formula, enough: usize) -> Result<Listed, EngineError> {
        self.list_nested(tools, formula, enough, DEPTH)
    }

    fn list_nested(&mut self, tools: Option<Tools<'_>>, formula: Formula, enough: usize, depth: usize) -> Result<Listed, EngineError> {
        let key = (formula, enough, depth, tools.is_some());
        if let Some(known) = self.listed.get(&key) {
            return Ok(known.clone());
        }
        let listed = self.list_anew(tools, formula, enough, depth)?;
        self.listed.insert(key, listed.clone());
        Ok(listed)
    }

    fn list_anew(&mut self, tools: Option<Tools<'_>>, formula: Formula, enough: usize, depth: usize) -> Result<Listed, EngineError> {
        let (mut values, mut more) = (Vec::new(), None::<u64>);
        for kind in Kind::ALL {
            let demand = self.for_kind(formula, kind)?;
            if demand == Formula::FALSE {
                continue;
            }
            let listed = match kind {
                Kind::Null | Kind::True | Kind::False => Listed::Few(vec![self.constant_formula(Constant::Word(kind))?]),
                Kind::String => self.list_strings(demand, enough)?,
                Kind::Number => self.list_numbers(demand, enough)?,
                Kind::Array | Kind::Object => match (tools, depth.checked_sub(1)) {
                    _ if self.plainly_endless(formula, kind, DEPTH)? => Listed::AtLeast(u64::MAX),
                    (Some(tools), Some(depth)) if kind == Kind::Array => self.list_arrays(tools, demand, enough, depth)?,
                    (Some(tools), Some(depth)) => self.list_objects(tools, formula, demand, (enough, depth))?,
                    _ => Listed::AtLeast(1),
                },
            };
            match listed {
                Listed::Few(few) => values.extend(few),
                Listed::AtLeast(count) => more = Some(more.unwrap_or(0).saturating_add(count)),
            }
        }
        let count = values.len() as u64;
        Ok(match more {
            None if values.len() <= enough => Listed::Few(values),
            more => Listed::AtLeast(count.saturating_add(more.unwrap_or(0))),
        })
    }

    fn list_strings(&mut self, demand: Formula, enough: usize) -> Result<Listed, EngineError> {
        if self.formulas.as_leaf(demand).is_some() {
            return Ok(Listed::AtLeast(u64::MAX));
        }
        let mut names = self.names_in_demand(demand)?.map(|names| names.to_vec());
        let mut only_lengths = true;
        for &atom in self.atoms_of(demand)?.iter() {
            let Atom::Length(index) = atom else {
                only_lengths = false;
                continue;
            };
            let must_not_be = self.decide(demand, atom, true)? == Formula::FALSE;
            let must_be = self.decide(demand, atom, false)? == Formula::FALSE;
            let length = self.length(index)?;
            if must_be && length.max == Some(0) || must_not_be && length.min == 1 && length.max.is_none() {
                names = Some(vec![self.name("")]);
            }
        }
        let Some(names) = names else {
            if self.has_endless_strings(demand)? {
                return Ok(Listed::AtLeast(u64::MAX));
            }
            // Of any other length there are more characters than are ever asked for.
            return Ok(Listed::AtLeast(if only_lengths { (enough as u64).saturating_add(1) } else { 1 }));
        };
        let mut values = Vec::new();
        for name in names {
            if self.demand_on_name(demand, name)? != 0 {
                if values.len() == enough {
                    return Ok(Listed::AtLeast(enough as u64 + 1));
                }
                let text = self.name_text(name);
                values.push(self.constant_formula(Constant::String(text))?);
            }
        }
        Ok(Listed::Few(values))
    }

    pub(super) fn list_numbers(&mut self, demand: Formula, enough: usize) -> Result<Listed, EngineError> {
        if self.formulas.as_leaf(demand).is_some() {
            return Ok(Listed::AtLeast(u64::MAX));
        }
        let (mut points, mut only_points) = (Vec::new(), false);
        for &atom in self.atoms_of(demand)?.iter() {
            let Atom::Number(index) = atom else { continue };
            match self.number(index)? {
                NumberAtom::AtLeast { bound, .. } | NumberAtom::AtMost { bound, .. } => points.push(bound),
                NumberAtom::OneOf(numbers) => {
                    points.extend(numbers);
                    only_points |= self.decide(demand, atom, false)? == Formula::FALSE;
                }
                NumberAtom::Integer | NumberAtom::MultipleOf(_) => {}
            }
        }
        points.sort_unstable();
        points.dedup();
        let (mut numbers, mut sure) = (points.clone(), true);
        for gap in 0..=if only_points { 0 } else { points.len() } {
            let (low, high) = (gap.checked_sub(1).and_then(|below| points.get(below)), points.get(gap));
            let inside = if only_points { Formula::FALSE } else { self.demand_between(demand, low, high)? };
            if inside == Formula::FALSE {
                continue;
            }
            let (Some(low), Some(high)) = (low, high) else {
                // Any two steps have multiples in common.
                let endless = self.formulas.evaluate(inside, |_| true) != 0;
                return Ok(Listed::AtLeast(if endless { u64::MAX } else { 1 }));
            };
            let step = self.step_of(inside)?;
            let Some((some, all)) = step.and_then(|step| multiples(&step, low, high, 4 * enough + 4)) else {
                return Ok(Listed::AtLeast(1));
            };
            numbers.extend(some);
            if !all || gap > enough.max(SMALL) {
                sure = false;
                break;
            }
        }
        let mut values = Vec::new();
        let mut had: HashSet<&Decimal> = HashSet::new();
        for number in &numbers {
            if self.demand_on_number(demand, number)? != 0 && had.insert(number) {
                if values.len() == enough {
                    return Ok(Listed::AtLeast(enough as u64 + 1));
                }
                values.push(self.constant_formula(Constant::Number(number.clone()))?);
            }
        }
        Ok(if sure { Listed::Few(values) } else { Listed::AtLeast((values.len() as u64).max(1)) })
    }

    /// What a demand asks of the numbers between two neighbours of those that its bounds and lists name: what is left of it are steps.
    fn demand_between(&mut self, demand: Formula, low: Option<&Decimal>, high: Option<&Decimal>) -> Result<Formula, EngineError> {
        let mut known = hashbrown::HashMap::new();
        for variable in self.formulas.variables(demand) {
            let Atom::Number(index) = self.atom(variable)? else { continue };
            let holds = match self.number(index)? {
                NumberAtom::AtLeast { bound, .. } => low.is_some_and(|low| bound <= *low),
                NumberAtom::AtMost { bound, .. } => high.is_some_and(|high| bound >= *high),
                NumberAtom::OneOf(_) => false,
                NumberAtom::Integer | NumberAtom::MultipleOf(_) => continue,
            };
            known.insert(variable, holds);
        }
        match known.keys().max().copied() {
            Some(last) => self.formulas.given(demand, last, |variable| known.get(&variable).copied()),
            None => Ok(demand),
        }
    }

    /// The longest step that all numbers that meet the demand take.
    fn step_of(&mut self, demand: Formula) -> Result<Option<Decimal>, EngineError> {
        let mut step = None::<Decimal>;
        for &atom in self.atoms_of(demand)?.iter() {
            let Atom::Number(index) = atom else { continue };
            let this = match self.number(index)? {
                NumberAtom::Integer => Decimal::from(1),
                NumberAtom::MultipleOf(divisor) => divisor.abs(),
                _ => continue,
            };
            if self.decide(demand, atom, false)? == Formula::FALSE {
                step = Some(step.map_or(this.clone(), |known| known.max(this)));
            }
        }
        Ok(step)
    }

    /// The leaf that a demand on numbers gives to `number`.
    fn demand_on_number(&mut self, demand: Formula, number: &Decimal) -> Result<u32, EngineError> {
        let mut holds = hashbrown::HashMap::new();
        for variable in self.formulas.variables(demand) {
            let Atom::Number(index) = self.atom(variable)? else {
                return Err(EngineError::Internal("a demand on a number that is not one"));
            };
            holds.insert(variable, self.number(index)?.holds(number));
        }
        Ok(self.formulas.evaluate(demand, |v| holds.get(&v).copied().unwrap_or(false)))
    }

    fn hash_of_value(&self, value: Formula) -> Result<u128, EngineError> {
        let hash = self.as_schema(value).and_then(|id| self.hash_of_one_value(id));
        hash.ok_or(EngineError::Internal("a constant with a part that is none"))
    }

    /// Is it plain that endlessly many values fulfil the formula, if one does? One look at the keywords of one schema.
    fn plainly_endless(&mut self, formula: Formula, kind: Kind, depth: usize) -> Result<bool, EngineError> {
        if formula == Formula::TRUE {
            return Ok(true);
        }
        let (Some(id), Some(depth)) = (self.as_schema(formula), depth.checked_sub(1)) else { return Ok(false) };
        let typed = self.typed(id)?;
        let unevaluated = if kind == Kind::Array { typed.array.unevaluated } else { typed.object.unevaluated };
        if !typed.kinds.has(kind) || !typed.candidates.is_empty() || unevaluated.is_some() {
            return Ok(false);
        }
        if let [Logic::All(parts)] = typed.logic.as_slice()
            && let [part] = parts.as_slice()
            && !typed.array.watches_items()
            && !typed.object.watches_members()
            && typed.array.max.is_none()
            && typed.object.max.is_none()
            && typed.object.names.is_none()
        {
            return self.plainly_endless(*part, kind, depth);
        }
        if !typed.logic.is_empty() {
            return Ok(false);
        }
        let any_kind = |space: &mut Self, formula: Formula| -> Result<bool, EngineError> {
            if formula == Formula::TRUE {
                return Ok(true);
            }
            let Some(id) = space.as_schema(formula) else { return Ok(false) };
            let typed = space.typed(id)?;
            let plain = typed.candidates.is_empty() && typed.logic.is_empty();
            if plain
                && (typed.kinds.has(Kind::String) && typed.strings.is_empty() || typed.kinds.has(Kind::Number) && typed.numbers.is_empty())
            {
                return Ok(true);
            }
            Ok(space.plainly_endless(formula, Kind::Array, depth)? || space.plainly_endless(formula, Kind::Object, depth)?)
        };
        if kind == Kind::Array {
            // Another item, or a longer one, and another after that.
            let part = &typed.array;
            let room = part.max.is_none_or(|max| max > 0) && part.prefix.is_empty();
            return Ok(room && !part.unique && part.contains.is_none() && any_kind(self, part.rest)?);
        }
        let part = &typed.object;
        if part.max.is_some() || !part.patterns.is_empty() || part.names.is_some() || !part.dependent.is_empty() || part.strict {
            return Ok(false);
        }
        for &value in part.properties.values().chain(&part.additional) {
            if any_kind(self, value)? {
                return Ok(true);
            }
        }
        Ok(part.additional.is_none())
    }

    /// The arrays that meet a demand, item by item.
    fn list_arrays(&mut self, tools: Tools<'_>, demand: Formula, enough: usize, depth: usize) -> Result<Listed, EngineError> {
        let (mut values, mut steps) = (Vec::new(), 0);
        let mut open: Vec<(Formula, Vec<Formula>)> = vec![(demand, Vec::new())];
        while let Some((formula, items)) = open.pop() {
            let array = self.plain_segment(formula, items.len() as u64)?;
            steps += 1;
            if steps > 4 * enough + 64 || values.len() > enough {
                return Ok(Listed::AtLeast((values.len() as u64).max(1)));
            }
            if self.array_facts(array)?.closes.is_some() {
                values.push(self.constant_formula(Constant::Array(items.clone()))?);
            }
            let partition = self.item_partition(array)?;
            for (class, &result) in partition.results.iter().enumerate() {
                if !self.may_close(tools, result, items.len() as u64 + 1, depth)? {
                    continue;
                }
                let of_class = self.only_class(partition.child, class)?;
                let Listed::Few(list) = self.list_nested(Some(tools), of_class, enough.max(SMALL), depth)? else {
                    return Ok(Listed::AtLeast((values.len() as u64).max(1)));
                };
                for item in list {
                    let again = items.contains(&item);
                    let result = if again { self.decide(result, Atom::Unique, false)? } else { result };
                    if result != Formula::FALSE {
                        let mut items = items.clone();
                        items.push(item);
                        open.push((result, items));
                    }
                }
            }
        }
        Ok(Listed::Few(values))
    }

    /// May an array with `count` items that owes `formula` be closed, at once or behind some more, equal or not? Yes if in doubt.
    fn may_close(&mut self, tools: Tools<'_>, formula: Formula, count: u64, depth: usize) -> Result<bool, EngineError> {
        let mut seen: HashSet<(ArrayId, u64)> = HashSet::new();
        let mut open = vec![(formula, count), (self.decide(formula, Atom::Unique, false)?, count)];
        while let Some((formula, count)) = open.pop() {
            let array = self.plain_segment(formula, count)?;
            if self.array_key(array)?.formula == Formula::FALSE {
                continue;
            }
            let facts = self.array_facts(array)?;
            if facts.closes.is_some() || seen.len() > SMALL {
                return Ok(true);
            }
            // Past the last bound nothing depends on the count.
            if !seen.insert((array, if facts.high == u64::MAX { 0 } else { count })) {
                continue;
            }
            let partition = self.item_partition(array)?;
            for (class, &result) in partition.results.iter().enumerate() {
                let of_class = self.only_class(partition.child, class)?;
                match self.list_nested(Some(tools), of_class, SMALL, depth)? {
                    Listed::Few(none) if none.is_empty() => {}
                    // The item may repeat an earlier one.
                    _ => open.extend([(result, count + 1), (self.decide(result, Atom::Unique, false)?, count + 1)]),
                }
            }
        }
        Ok(false)
    }

    /// May an undeclared key come in an object that has so many members?
    fn may_have_others(&mut self, tools: Tools<'_>, formula: Formula, members: u64) -> Result<bool, EngineError> {
        for group in self.hopeful_groups(tools, formula)? {
            let partition = self.key_partition(formula, Key::Undeclared(group))?;
            for &result in &partition.results {
                if partition.child != Formula::FALSE && self.counted(result, members + 1)?.0 != Formula::FALSE {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The objects that meet a demand, name by name.
    fn list_objects(
        &mut self,
        tools: Tools<'_>,
        obligation: Formula,
        demand: Formula,
        (enough, depth): (usize, usize),
    ) -> Result<Listed, EngineError> {
        let names = self.declared(tools, obligation, demand)?.names.clone();
        let (mut values, mut steps) = (Vec::new(), 0);
        let mut open: Vec<(usize, Formula, Named)> = vec![(0, demand, Vec::new())];
        while let Some((at, formula, members)) = open.pop() {
            steps += 1;
            let (formula, _) = self.counted(formula, members.len() as u64)?;
            if formula == Formula::FALSE {
                continue;
            }
            if steps > 4 * enough + 64 || values.len() > enough || self.may_have_others(tools, formula, members.len() as u64)? {
                return Ok(Listed::AtLeast((values.len() as u64).max(1)));
            }
            let Some(&name) = names.get(at) else {
                if self.closes(formula).is_some() {
                    values.push(self.constant_formula(Constant::Object(members))?);
                }
                continue;
            };
            open.push((at + 1, formula, members.clone()));
            let partition = self.key_partition(formula, Key::Name(name))?;
            for (class, &result) in partition.results.iter().enumerate() {
                if self.counted(result, members.len() as u64 + 1)?.0 == Formula::FALSE {
                    continue;
                }
                let of_class = self.only_class(partition.child, class)?;
                let Listed::Few(list) = self.list_nested(Some(tools), of_class, enough.max(SMALL), depth)? else {
                    return Ok(Listed::AtLeast((values.len() as u64).max(1)));
                };
                for value in list {
                    let mut members = members.clone();
                    members.push((name, value));
                    open.push((at + 1, result, members));
                }
            }
        }
        Ok(Listed::Few(values))
    }
}

/// All multiples of `step` from `low` to `high`, and perhaps one just below; or the first `most` of them and `false`. `None`: the sizes of the
/// numbers are too far apart.
fn multiples(step: &Decimal, low: &Decimal, high: &Decimal, most: usize) -> Option<(Vec<Decimal>, bool)> {
    // In units of the last digit of any.
    let last_digit = |number: &Decimal| {
        let (digits, point) = number.parts();
        point.saturating_sub(i64::try_from(digits.len()).unwrap_or(i64::MAX))
    };
    if step.is_zero() {
        return None;
    }
    if low > high {
        return Some((Vec::new(), true));
    }
    let unit = [step, low, high].into_iter().filter(|number| !number.is_zero()).map(last_digit).min()?;
    let in_units = |number: &Decimal| {
        let mut digits = number.parts().0.to_vec();
        if !number.is_zero() {
            let zeros = usize::try_from(last_digit(number).saturating_sub(unit)).ok().filter(|&zeros| zeros <= MOST_ZEROS)?;
            digits.resize(digits.len() + zeros, 0);
        }
        let size = BigInt::from(BigUint::from_radix_be(&digits, 10)?);
        Some(if number.is_negative() { -size } else { size })
    };
    let (step, low, high) = (in_units(step)?, in_units(low)?, in_units(high)?);
    let first = low.div_floor(&step);
    let count = usize::try_from(high.div_floor(&step) - &first + 1u32).ok();
    let sure = count.is_some_and(|count| count <= most);
    let of = |index: usize| Decimal::parse(&((&first + index) * &step).to_string()).map(|number| number.times_power(unit));
    let numbers = (0..count.unwrap_or(most).min(most)).map(of).collect::<Option<Vec<_>>>()?;
    Some((numbers, sure))
}
