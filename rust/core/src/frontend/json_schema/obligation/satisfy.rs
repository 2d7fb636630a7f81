//! Can it be completed at all? A search for the least fixpoint, so that no mask leads where nothing ends.
//!
//! A goal holds if one of its ways holds, a way if all its goals do. Goals are tried depth first on an explicit stack; a goal that is being
//! tried counts as failed where it is met again. A failure that relied on such a goal is provisional until that goal is settled; a goal
//! that holds never relied on one.
//!
//! Invariant: a goal said to hold can be completed. One that was not decided within the limit counts as failed.
//! Must not know: text.

use std::collections::BTreeSet;

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use super::array::ArrayId;
use super::kinds::Kind;
use super::names::NamesId;
use super::object::Key;
use super::order::Rest;
use super::space::{Atom, NameId, Source, Space};
use super::strings::Tools;
use super::typed::ObjectPart;
use crate::automaton::number::{Decimal, NumberAtom};
use crate::automaton::text::Length;
use crate::error::EngineError;
use crate::formula::Formula;
use crate::frontend::json_schema::json::NodeId;

/// An object between members, as far as its completion goes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Search {
    pub formula: Formula,
    pub lists: SmallVec<[Rest; 1]>,
    pub free: bool,
    /// The declared names that may come when they like: in the free phase all, before it those of no list.
    pub remaining: NamesId,
    pub count: u64,
}

/// A question.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Goal {
    /// Some value reaches a leaf other than 0.
    Value(Formula),
    /// Some value reaches the leaf of this class.
    Class(Formula, u32),
    /// The object can be completed.
    Object(Search),
    /// The array can be completed.
    Array(ArrayId),
}

/// What was found.
#[derive(Default)]
pub(crate) struct Verdicts {
    known: HashMap<Goal, bool>,
    /// Where a search was given up.
    gave_up_at: BTreeSet<NodeId>,
    undecided: bool,
}

/// So many schemas are looked at before a value is searched for.
const LOOKS: u32 = 64;
/// After so many steps a search looks further ahead.
const LONG: usize = 64;

/// What is left of the lists of names.
type Lists = SmallVec<[Rest; 1]>;

struct Frame {
    goal: Goal,
    serial: u64,
    round: usize,
    ways: std::vec::IntoIter<Vec<Goal>>,
    /// Of an object: keys whose ways come next, each with what is left of the lists.
    keys: std::vec::IntoIter<(Key, Lists)>,
    /// The rest of the way being tried.
    way: std::vec::IntoIter<Goal>,
    /// The lowest goal on the stack that a failure here relied on.
    relied_on: usize,
}

/// A provisional failure: relied on the goal at this depth of the stack with this serial, when so many goals were known to hold.
#[derive(Clone, Copy)]
struct Provisional {
    depth: usize,
    serial: u64,
    truths: u64,
}

enum Step {
    Try(Goal),
    Holds,
    Fails,
}

impl Space {
    /// Was some search given up at the limit?
    pub fn gave_up(&self) -> bool {
        self.verdicts.undecided
    }

    /// JSON pointers of the schemas where a search was given up.
    pub fn gave_up_at(&self) -> Vec<String> {
        self.verdicts.gave_up_at.iter().map(|&node| self.schema.document.pointer_to(node)).collect()
    }

    /// The schemas that a goal is about.
    fn places_of(&mut self, goal: &Goal) -> Result<Vec<NodeId>, EngineError> {
        let formula = match goal {
            Goal::Value(formula) | Goal::Class(formula, _) => *formula,
            Goal::Object(search) => search.formula,
            Goal::Array(array) => self.array_key(*array)?.formula,
        };
        let mut places = Vec::new();
        for atom in self.atoms_of(formula)?.iter() {
            if let Atom::Schema(id) | Atom::Members(id) | Atom::Items(id) = *atom
                && let Source::Schema(node) | Source::Value(node) = self.source_of(id)
            {
                places.push(node);
            }
        }
        // Nothing but counts and names is left: it is somewhere in the whole.
        if places.is_empty() {
            places.push(self.schema.document.root());
        }
        Ok(places)
    }

    /// Can some value fulfil the obligation?
    pub fn can_be_satisfied(&mut self, tools: Tools<'_>, obligation: Formula) -> Result<bool, EngineError> {
        self.satisfiable(tools, Goal::Value(obligation))
    }

    /// Is that plain without a search?
    pub fn plainly_satisfiable(&mut self, obligation: Formula) -> Result<bool, EngineError> {
        Ok(self.at_once(&Goal::Value(obligation))? == Some(true))
    }

    /// Does the goal hold? Undecided is no.
    pub fn satisfiable(&mut self, tools: Tools<'_>, goal: Goal) -> Result<bool, EngineError> {
        if let Some(known) = self.at_once(&goal)? {
            return Ok(known);
        }
        let mut stack: Vec<Frame> = Vec::new();
        let mut open: HashMap<Goal, usize> = HashMap::new();
        let mut provisional: HashMap<Goal, Provisional> = HashMap::new();
        let (mut serial, mut truths, mut steps) = (0u64, 0u64, 0usize);
        let mut push = |stack: &mut Vec<Frame>, open: &mut HashMap<Goal, usize>, goal: Goal| {
            serial += 1;
            open.insert(goal.clone(), stack.len());
            let (ways, keys, way) = (Vec::new().into_iter(), Vec::new().into_iter(), Vec::new().into_iter());
            stack.push(Frame { goal, serial, round: 0, ways, keys, way, relied_on: usize::MAX });
        };
        let first = goal.clone();
        push(&mut stack, &mut open, goal);
        // Where a goal was just settled, its parent goes on with the answer.
        let mut answer: Option<(bool, usize)> = None;
        loop {
            let depth = stack.len() - 1;
            let Some(frame) = stack.last_mut() else { return Err(EngineError::Internal("an empty search")) };
            let step = match answer.take() {
                Some((false, relied_on)) => {
                    frame.relied_on = frame.relied_on.min(relied_on);
                    self.next_way(tools, frame, &mut steps)?
                }
                Some((true, _)) => match frame.way.next() {
                    Some(goal) => Step::Try(goal),
                    None => Step::Holds,
                },
                None => self.next_way(tools, frame, &mut steps)?,
            };
            if steps > self.limits.max_search_steps {
                self.verdicts.undecided = true;
                let places = self.places_of(&first)?;
                self.verdicts.gave_up_at.extend(places);
                self.verdicts.known.insert(first, false);
                return Ok(false);
            }
            match step {
                Step::Try(goal) => {
                    let valid = |p: &&Provisional| p.truths == truths && stack.get(p.depth).is_some_and(|f| f.serial == p.serial);
                    if let Some(known) = self.at_once(&goal)? {
                        answer = Some((known, usize::MAX));
                    } else if let Some(&at) = open.get(&goal) {
                        answer = Some((false, at));
                    } else if let Some(p) = provisional.get(&goal).filter(valid) {
                        answer = Some((false, p.depth));
                    } else {
                        push(&mut stack, &mut open, goal);
                    }
                    continue;
                }
                Step::Holds => {
                    truths += 1;
                    let Some(done) = stack.pop() else { continue };
                    open.remove(&done.goal);
                    self.verdicts.known.insert(done.goal, true);
                    answer = Some((true, usize::MAX));
                }
                Step::Fails => {
                    let Some(done) = stack.pop() else { continue };
                    open.remove(&done.goal);
                    if done.relied_on >= depth {
                        self.settle_provisional(&mut provisional, depth, done.serial, truths);
                        self.verdicts.known.insert(done.goal, false);
                        answer = Some((false, usize::MAX));
                    } else {
                        let serial = stack.get(done.relied_on).map_or(0, |f| f.serial);
                        provisional.insert(done.goal, Provisional { depth: done.relied_on, serial, truths });
                        answer = Some((false, done.relied_on));
                    }
                }
            }
            if stack.is_empty() {
                return Ok(answer.is_some_and(|(holds, _)| holds));
            }
        }
    }

    /// The goal they relied on has failed for good, and so have they.
    fn settle_provisional(&mut self, provisional: &mut HashMap<Goal, Provisional>, depth: usize, serial: u64, truths: u64) {
        let known = &mut self.verdicts.known;
        provisional.retain(|goal, p| {
            let settled = p.depth == depth && p.serial == serial && p.truths == truths;
            if settled {
                known.insert(goal.clone(), false);
            }
            !settled
        });
    }

    fn next_way(&mut self, tools: Tools<'_>, frame: &mut Frame, steps: &mut usize) -> Result<Step, EngineError> {
        loop {
            *steps += 1;
            if let Some(way) = frame.ways.next() {
                frame.way = way.into_iter();
                return Ok(frame.way.next().map_or(Step::Holds, Step::Try));
            }
            if let (Some((key, lists)), Goal::Object(search)) = (frame.keys.next(), &frame.goal) {
                // A key costs as much as the obligation is long.
                *steps += self.atoms_of(search.formula)?.len() / 16;
                frame.ways = self.ways_through_key(search, key, &lists)?.into_iter();
                continue;
            }
            let round = frame.round;
            frame.round += 1;
            let ways = match &frame.goal {
                Goal::Value(formula) => self.ways_to_a_value(tools, *formula, round)?,
                Goal::Class(child, class) => {
                    // Made only now: there may be thousands of classes.
                    if round > 0 { None } else { Some(vec![vec![Goal::Value(self.only_class(*child, *class as usize)?)]]) }
                }
                Goal::Object(search) => {
                    if round == 0
                        && let Some(way) = self.way_of_conjunction(search)?
                    {
                        frame.round = 3;
                        Some(way)
                    } else {
                        match self.keys_to_try(tools, search, round, *steps > LONG)? {
                            Some(keys) => {
                                frame.keys = keys.into_iter();
                                continue;
                            }
                            None => None,
                        }
                    }
                }
                Goal::Array(array) => self.ways_to_close_array(tools, *array, round)?,
            };
            match ways {
                None => return Ok(Step::Fails),
                Some(ways) => frame.ways = ways.into_iter(),
            }
        }
    }

    /// The answer, if it is known or plain.
    fn at_once(&mut self, goal: &Goal) -> Result<Option<bool>, EngineError> {
        if let Some(&known) = self.verdicts.known.get(goal) {
            return Ok(Some(known));
        }
        Ok(match goal {
            Goal::Value(formula) => match self.formulas.as_leaf(*formula) {
                Some(leaf) => Some(leaf != 0),
                None => self.plainly_has_a_value(*formula, &mut { LOOKS })?.then(|| self.note(goal)),
            },
            Goal::Class(child, class) => self.formulas.as_leaf(*child).map(|leaf| leaf == *class + 1),
            Goal::Object(search) => match self.formulas.as_leaf(search.formula) {
                Some(leaf) => Some(leaf != 0),
                None if self.closes(search.formula).is_some() => Some(true),
                None => self.plainly_ends(search)?.then(|| self.note(goal)),
            },
            Goal::Array(array) => {
                if self.array_key(*array)?.formula == Formula::FALSE {
                    Some(false)
                } else {
                    self.array_facts(*array)?.closes.map(|_| true)
                }
            }
        })
    }

    /// It holds.
    fn note(&mut self, goal: &Goal) -> bool {
        self.verdicts.known.insert(goal.clone(), true);
        true
    }

    /// Is it plain from the schema's own keywords that some value satisfies it? At most so many schemas are looked at: of those inside it, the
    /// ones for what it requires.
    fn plainly_has_a_value(&mut self, formula: Formula, looks: &mut u32) -> Result<bool, EngineError> {
        if let Some(leaf) = self.formulas.as_leaf(formula) {
            return Ok(leaf != 0);
        }
        let (Some(id), Some(left)) = (self.as_schema(formula), looks.checked_sub(1)) else { return Ok(false) };
        *looks = left;
        let typed = self.typed(id)?;
        if !typed.logic.is_empty() {
            return Ok(false);
        }
        let kinds = match typed.candidates.as_slice() {
            [] => typed.kinds,
            [one] => typed.kinds.and(one.kinds),
            _ => return Ok(false),
        };
        let has = |kind| kinds.has(kind);
        if has(Kind::Null) || has(Kind::True) || has(Kind::False) || (has(Kind::String) && typed.strings.is_empty()) {
            return Ok(true);
        }
        if !typed.candidates.is_empty() {
            return Ok(false);
        }
        Ok((has(Kind::Array) && typed.array.min == 0 && typed.array.contains.is_none_or(|c| c.min == 0))
            || (has(Kind::Object) && self.plainly_has_an_object(&typed.object, looks)?)
            || (has(Kind::Number) && self.plainly_has_a_number(&typed.numbers)?)
            || (has(Kind::String) && self.plainly_has_a_string(&typed.strings)?))
    }

    /// The same of objects with what is required, each of which has a value.
    fn plainly_has_an_object(&mut self, part: &ObjectPart, looks: &mut u32) -> Result<bool, EngineError> {
        if part.min != 0 {
            return Ok(false);
        }
        let watched = part.strict || !part.patterns.is_empty() || part.names.is_some() || !part.dependent.is_empty();
        if !part.required.is_empty() && (watched || part.unevaluated.is_some() || part.max.is_some()) {
            return Ok(false);
        }
        for name in &part.required {
            let value = part.properties.get(name).copied().or(part.additional).unwrap_or(Formula::TRUE);
            if !self.plainly_has_a_value(value, looks)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Is it plain that an object between members can be completed, since all that it must have has a value?
    fn plainly_ends(&mut self, search: &Search) -> Result<bool, EngineError> {
        let Some(Ok([goals])) = self.way_of_conjunction(search)?.map(<[Vec<Goal>; 1]>::try_from) else { return Ok(false) };
        let mut looks = LOOKS;
        for goal in goals {
            let Goal::Value(value) = goal else { return Ok(false) };
            if !self.plainly_has_a_value(value, &mut looks)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same of strings with all of these demands.
    fn plainly_has_a_string(&self, demands: &[Atom]) -> Result<bool, EngineError> {
        Ok(match demands {
            [] => true,
            [Atom::Text(component)] => self.component(*component)?.plainly_accepts(),
            [Atom::Length(index)] => {
                let Length { min, max } = self.length(*index)?;
                max.is_none_or(|max| min <= max)
            }
            _ => false,
        })
    }

    /// The same of numbers: one demand alone, bounds on one side, or a bound that meets the other one.
    fn plainly_has_a_number(&self, demands: &[Atom]) -> Result<bool, EngineError> {
        if demands.len() <= 1 {
            return Ok(true);
        }
        let (mut integer, mut least, mut most) = (false, None, None);
        for demand in demands {
            let Atom::Number(index) = *demand else { return Ok(false) };
            match self.number(index)? {
                NumberAtom::Integer => integer = true,
                NumberAtom::AtLeast { bound, exclusive } if least.is_none() => least = Some((bound, exclusive)),
                NumberAtom::AtMost { bound, exclusive } if most.is_none() => most = Some((bound, exclusive)),
                _ => return Ok(false),
            }
        }
        let (Some((least, above)), Some((most, below))) = (least, most) else { return Ok(true) };
        if least.may_be_cut() || most.may_be_cut() {
            return Ok(false);
        }
        let is_met = |bound: &Decimal, exclusive: bool| !exclusive && (bound.is_integer() || !integer);
        Ok((is_met(&least, above) && (least < most || (least == most && !below))) || (is_met(&most, below) && least < most))
    }

    fn ways_to_a_value(&mut self, tools: Tools<'_>, obligation: Formula, round: usize) -> Result<Option<Vec<Vec<Goal>>>, EngineError> {
        let Some(&kind) = Kind::ALL.get(round) else { return Ok(None) };
        let formula = self.for_kind(obligation, kind)?;
        if formula == Formula::FALSE {
            return Ok(Some(Vec::new()));
        }
        let fact = |holds: bool| if holds { vec![Vec::new()] } else { Vec::new() };
        Ok(Some(match kind {
            Kind::Null | Kind::True | Kind::False => fact(true),
            Kind::String => fact(self.string_body(tools, formula)?.is_some()),
            Kind::Number => fact(self.number_start(tools, formula)?.is_some()),
            Kind::Array => vec![vec![Goal::Array(self.empty_array(tools, formula)?)]],
            Kind::Object => {
                let search = if self.formulas.as_leaf(formula).is_some() {
                    Search { formula, lists: SmallVec::new(), free: true, remaining: 0, count: 0 }
                } else {
                    let order = self.declared(tools, obligation, formula)?;
                    let formula = self.within_capacity(tools, formula, &order.names)?;
                    let remaining = self.names_id(order.loose.iter().copied());
                    // An order can always be found: in the ordered phase as in the free one.
                    Search { formula, lists: order.lists.clone(), free: false, remaining, count: 0 }
                };
                vec![vec![Goal::Object(search)]]
            }
        }))
    }

    /// The keys that may help to complete an object: those that must come, then other declared ones, then others. `None`: no more.
    fn keys_to_try(
        &mut self,
        tools: Tools<'_>,
        search: &Search,
        round: usize,
        long: bool,
    ) -> Result<Option<Vec<(Key, Lists)>>, EngineError> {
        Ok(match round {
            0 | 1 => {
                let (offers, needed) = self.offers(search)?;
                if round == 0 && !(self.all_may_come(search, &needed) && self.enough_may_come(search, long)?) {
                    return Ok(None);
                }
                let mut of_round = offers;
                of_round.retain(|(name, _)| needed.binary_search(name).is_ok() == (round == 0));
                self.keep_unlike(search, &mut of_round)?;
                Some(of_round.into_iter().map(|(name, lists)| (Key::Name(name), lists)).collect())
            }
            2 => {
                let groups = self.hopeful_groups(tools, search.formula)?;
                Some(groups.into_iter().map(|group| (Key::Undeclared(group), SmallVec::new())).collect())
            }
            _ => None,
        })
    }

    /// Of names that come when they like, and of which all that the object asks is the same, only the first needs to be tried.
    fn keep_unlike(&mut self, search: &Search, offers: &mut Vec<(NameId, Lists)>) -> Result<(), EngineError> {
        if offers.len() < 3 {
            return Ok(());
        }
        let mut asked: HashSet<SmallVec<[Formula; 4]>> = HashSet::new();
        let mut kept = Vec::new();
        for (name, lists) in offers.drain(..) {
            let new = !self.objects.names.contains(search.remaining, name)
                || self.asked_of(search.formula, name)?.is_none_or(|of_name| asked.insert(of_name));
            if new {
                kept.push((name, lists));
            }
        }
        *offers = kept;
        Ok(())
    }

    /// All that an object asks of a name, part by part; `None`: it is not plain.
    fn asked_of(&mut self, formula: Formula, name: NameId) -> Result<Option<SmallVec<[Formula; 4]>>, EngineError> {
        if let Some(known) = self.objects.asked.get(&(formula, name)) {
            return Ok(known.clone());
        }
        let mut asked: Option<SmallVec<[Formula; 4]>> = Some(SmallVec::new());
        for &atom in self.all_atoms(formula)?.iter() {
            let of_atom = match atom {
                Atom::Members(id) => self.member_condition(id, Key::Name(name))?,
                Atom::Keys(demand) if !self.is_doubtful(demand, name)? => {
                    if self.demand_on_name(demand, name)? == 0 {
                        Formula::FALSE
                    } else {
                        Formula::TRUE
                    }
                }
                Atom::Required(names) if !self.objects.names.contains(names, name) => Formula::TRUE,
                Atom::Count(_) => Formula::TRUE,
                _ => {
                    asked = None;
                    break;
                }
            };
            if let Some(asked) = &mut asked {
                asked.push(of_atom);
            }
        }
        self.objects.asked.insert((formula, name), asked.clone());
        Ok(asked)
    }

    /// Where all that the object owes must hold, its keys do not depend on each other: what must be possible then is the only way, if there is one.
    /// `None`: it owes something else.
    fn way_of_conjunction(&mut self, search: &Search) -> Result<Option<Vec<Vec<Goal>>>, EngineError> {
        let (mut members, mut demands) = (Vec::new(), Vec::new());
        let mut at = search.formula;
        while let Some((variable, yes, no)) = self.formulas.branch(at) {
            match self.atom(variable)? {
                _ if no != Formula::FALSE => return Ok(None),
                Atom::Members(id) => members.push(id),
                Atom::Keys(demand) => demands.push(demand),
                Atom::Required(_) => {}
                _ => return Ok(None),
            }
            at = yes;
        }
        let needed = self.needed_keys(search.formula)?;
        if !self.all_may_come(search, &needed) {
            return Ok(Some(Vec::new()));
        }
        let mut goals = Vec::with_capacity(needed.len());
        for &name in needed.iter() {
            for &demand in &demands {
                if self.is_doubtful(demand, name)? || self.demand_on_name(demand, name)? == 0 {
                    return Ok(Some(Vec::new()));
                }
            }
            let mut value = Formula::TRUE;
            for &id in &members {
                let condition = self.member_condition(id, Key::Name(name))?;
                value = self.formulas.and(value, condition)?;
            }
            goals.push(Goal::Value(value));
        }
        Ok(Some(vec![goals]))
    }

    /// Is there hope without the keys that cannot come any more? Without this look ahead, a search would try all sets of the others in vain. One that has
    /// become long asks as well what no key can break any more.
    fn enough_may_come(&mut self, search: &Search, long: bool) -> Result<bool, EngineError> {
        let mut listed: Option<HashSet<NameId>> = None;
        let (mut gone, mut held) = (Vec::new(), Vec::new());
        for &atom in self.atoms_of(search.formula)?.iter() {
            let mut comes = |space: &Self, name: NameId| {
                let at_will = space.objects.names.contains(search.remaining, name);
                if search.free || at_will {
                    return at_will;
                }
                let all = || search.lists.iter().flat_map(|&list| space.orders.names(list).map(|(name, _)| name)).collect();
                listed.get_or_insert_with(all).contains(&name)
            };
            match atom {
                Atom::Required(names) if !self.names_in(names).iter().all(|&name| comes(self, name)) => gone.push(atom),
                Atom::Members(id) if long => {
                    let typed = self.typed(id)?;
                    let part = &typed.object;
                    let asks_of_others =
                        part.strict || !part.patterns.is_empty() || part.additional.is_some_and(|asked| asked != Formula::TRUE);
                    if !asks_of_others && !part.properties.iter().any(|(&name, &asked)| asked != Formula::TRUE && comes(self, name)) {
                        held.push(atom);
                    }
                }
                _ => {}
            }
        }
        let mut formula = search.formula;
        for atom in held {
            formula = self.decide(formula, atom, true)?;
        }
        Ok((formula == search.formula && gone.is_empty()) || self.given_up(formula, gone.into_iter())? != Formula::FALSE)
    }

    /// Are all these names (sorted) still to come?
    fn all_may_come(&self, search: &Search, needed: &[NameId]) -> bool {
        if search.free {
            return needed.iter().all(|&name| self.objects.names.contains(search.remaining, name));
        }
        search.lists.iter().any(|&list| {
            let mut missing = needed.iter().filter(|&&name| !self.objects.names.contains(search.remaining, name)).count();
            for (name, _) in self.orders.names(list) {
                if missing == 0 {
                    break;
                }
                missing -= usize::from(needed.binary_search(&name).is_ok());
            }
            missing == 0
        })
    }

    /// The ways to complete an object that go on with this key, by class of its value.
    fn ways_through_key(&mut self, search: &Search, key: Key, lists: &[Rest]) -> Result<Vec<Vec<Goal>>, EngineError> {
        let mut ways = Vec::new();
        let partition = self.key_partition(search.formula, key)?;
        let atoms = self.all_atoms(search.formula)?;
        let next_bound = atoms.iter().filter_map(|a| if let Atom::Count(n) = a { Some(*n) } else { None }).min();
        for (class, &result) in partition.results.iter().enumerate() {
            let mut after = self.search_after(search, key, lists, result)?;
            if let Key::Name(name) = key
                && after.free
            {
                // Those before it are tried before it: otherwise all sets of names would be.
                after.remaining = self.objects.names.behind(after.remaining, name);
            }
            if result == search.formula {
                let Some(bound) = next_bound else { continue };
                if matches!(key, Key::Undeclared(_)) && search.free {
                    // There is no end of such keys: many of them in one step, up to where the bound comes into reach of the rest.
                    let mut room = atoms.len() as u64 + self.names_left(search) as u64 + 2;
                    for &atom in atoms.iter() {
                        room = room.saturating_add(self.dues_of_keys(atom)?);
                    }
                    after.count = after.count.max(bound.saturating_sub(room));
                }
            }
            ways.push(vec![Goal::Class(partition.child, class as u32), Goal::Object(after)]);
        }
        Ok(ways)
    }
}
