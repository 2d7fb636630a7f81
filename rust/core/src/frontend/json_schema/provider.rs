//! Schema states as the engine sees them. Pipeline: obligation + layout -> **provider** -> automaton.
//!
//! A value is a rule that begins with its first byte; keys and members and items are called. Strings and numbers are read by the text and
//! number products.
//!
//! Invariant: a state is interned by content, and only bytes that can be completed lead on.
//! Must not know: schema syntax, tokens.

mod free;
mod models;
mod words;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hashbrown::HashMap;
use smallvec::{SmallVec, smallvec};

use self::models::Value;
use super::layout::{Exit, Gap, Layout, Move, Progress, VALUE_STARTS};
use super::obligation::{ArrayId, KeyClass, Kind, ObjectId, Space, Tools};
use super::options::Escapes;
use super::schema::SchemaDocument;
use crate::automaton::number::{ExponentAutomaton, NumberAutomaton};
use crate::automaton::text::TextAutomaton;
use crate::error::EngineError;
use crate::formula::Formula;
use crate::ids::{ProviderId, StateId};
use crate::limits::Limits;
use crate::maps::{self, Concurrent, Numbered};
use crate::provider::{Alternative, Arena, Awaited, ByteSet, Cell, DOORS, Facts, Provider, Push, Step};
use crate::report::Undecided;
use crate::spacing::{self, Spacing};

/// Which container a gap or a call belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Place {
    Root,
    Object(ObjectId),
    /// After a key of this class.
    Member(ObjectId, u32),
    /// Before a member's value that owes this. From the colon on a member is a rule of its own, so that those that owe the same are one.
    Value(Formula),
    /// An object of which is known what it returns if it is closed, and the door to its next key, if there is one.
    Model {
        closes: Option<u32>,
        door: Option<u32>,
    },
    /// After any key.
    ModelMember,
    /// Before a member's value of which is known what [`Value`] says.
    ModelValue(u32),
    Array(ArrayId),
}

/// What a state is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Spot {
    /// The start of a value with this obligation.
    Value {
        obligation: Formula,
        depth: u32,
    },
    /// Inside `null`, `true` or `false`.
    Word {
        kind: Kind,
        read: u32,
        class: u32,
    },
    /// After the last byte of a value.
    End {
        class: u32,
    },
    /// Between parts.
    Gap {
        gap: Gap,
        place: Place,
        depth: u32,
        progress: Progress,
    },
    /// Where a key, a member's value, an item or the whole value returns to.
    KeyReturn {
        object: ObjectId,
        depth: u32,
    },
    MemberReturn {
        object: ObjectId,
        key: u32,
        depth: u32,
    },
    ItemReturn {
        array: ArrayId,
        depth: u32,
        /// The item repeats an earlier one; where that matters, it does not without this.
        repeats: bool,
    },
    RootReturn,
    /// Where a model knows no more.
    Door(u32),
}

struct Inner {
    space: Space,
    by_spot: HashMap<Spot, StateId>,
    values: Numbered<Value>,
}

/// The states of one schema.
pub(super) struct SchemaProvider {
    id: OnceLock<ProviderId>,
    layout: Layout,
    /// Layouts of the same name are the same.
    layout_name: String,
    /// As are options.
    options_name: String,
    spacing: Option<Arc<Spacing>>,
    root: Formula,
    /// The identity of the embedded schema.
    source: u128,
    text: Arc<TextAutomaton>,
    numbers: Numbers,
    spots: boxcar::Vec<Spot>,
    inner: Mutex<Inner>,
    returns: Concurrent<(u32, u32), Option<StateId>>,
    /// Of schemas in which items are compared.
    answers: OnceLock<Concurrent<(Question, u32), bool>>,
}

/// What is asked of a state in each mask, and found out once, so that no mask waits for who makes states.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Question {
    EndlessAhead,
    NeverRunsOut,
}

/// The automata for numbers.
struct Numbers {
    plain: Arc<NumberAutomaton>,
    exponents: Option<Arc<ExponentAutomaton>>,
}

impl Numbers {
    fn register(arena: &Arena, schema: &SchemaDocument) -> Self {
        let plain = NumberAutomaton::register(arena);
        let most = schema.options.number_exponents;
        let exponents = (most > 0).then(|| ExponentAutomaton::register(arena, &plain, most));
        Self { plain, exponents }
    }

    fn tools<'a>(&'a self, arena: &'a Arena, text: &'a TextAutomaton) -> Tools<'a> {
        Tools { arena, text, number: &self.plain, exponents: self.exponents.as_deref() }
    }
}

const WHITESPACE: [u8; 4] = [b' ', b'\t', b'\n', b'\r'];

impl SchemaProvider {
    /// Register the provider of a schema with the automata for its strings and numbers.
    pub fn register(arena: &Arena, mut space: Space, layout: Layout, source: u128) -> Result<Arc<Self>, EngineError> {
        let root = space.root()?;
        let text = match space.schema.options.escapes {
            Escapes::Any => TextAutomaton::register(arena),
            Escapes::Minimal => TextAutomaton::register_shortest(arena),
        };
        let numbers = Numbers::register(arena, &space.schema);
        let provider = Arc::new(Self {
            id: OnceLock::new(),
            spacing: layout.spacing(),
            layout_name: format!("{layout:?}"),
            options_name: space.schema.options.to_named(),
            layout,
            root,
            source,
            text,
            numbers,
            spots: boxcar::Vec::new(),
            inner: Mutex::new(Inner { space, by_spot: HashMap::new(), values: Numbered::default() }),
            returns: maps::few(),
            answers: OnceLock::new(),
        });
        let _ = provider.id.set(arena.register(Arc::clone(&provider) as Arc<dyn Provider>));
        Ok(provider)
    }

    /// The start state; `None`: the schema cannot be satisfied, which is not asked if it is `known` to be. The flag says whether that was not decided
    /// within the limit.
    pub fn start(&self, arena: &Arena, known: bool) -> Result<(Option<StateId>, bool), EngineError> {
        let mut inner = self.lock();
        let satisfiable =
            known || inner.space.plainly_satisfiable(self.root)? || inner.space.can_be_satisfied(self.tools(arena), self.root)?;
        if !satisfiable {
            return Ok((None, inner.space.gave_up()));
        }
        let spot = if self.layout.around() {
            Spot::Gap { gap: Gap::RootStart, place: Place::Root, depth: 0, progress: 0 }
        } else {
            Spot::Value { obligation: self.root, depth: 0 }
        };
        Ok((Some(self.state(arena, &mut inner, spot)?), false))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tools<'a>(&'a self, arena: &'a Arena) -> Tools<'a> {
        self.numbers.tools(arena, &self.text)
    }

    fn spot(&self, local: u32) -> Result<Spot, EngineError> {
        self.spots.get(local as usize).copied().ok_or(EngineError::Internal("an unknown schema state"))
    }

    fn state(&self, arena: &Arena, inner: &mut Inner, spot: Spot) -> Result<StateId, EngineError> {
        if let Some(&known) = inner.by_spot.get(&spot) {
            return Ok(known);
        }
        let facts = self.facts(arena, inner, spot)?;
        let local = self.spots.push(spot) as u32;
        let id = *self.id.get().ok_or(EngineError::Internal("a provider that was not registered"))?;
        let state = arena.add_state(id, local, facts)?;
        inner.by_spot.insert(spot, state);
        Ok(state)
    }

    fn facts(&self, arena: &Arena, inner: &mut Inner, spot: Spot) -> Result<Facts, EngineError> {
        let mut facts = Facts::default();
        if let (Spot::Gap { gap, place, depth, progress }, Some(spacing)) = (spot, &self.spacing)
            && gap != Gap::RootEnd
        {
            let begun = (progress > 0).then_some(Spot::Gap { gap, place, depth, progress: 0 });
            let start = begun.map(|begun| self.state(arena, inner, begun)).transpose()?;
            facts.gap = Some(spacing::Gap { spacing: spacing.clone(), progress, start });
        }
        facts.spaced = matches!(spot, Spot::Gap { gap: Gap::ObjectNext | Gap::ArrayNext, .. }) && self.layout.is_spaced();
        facts.identity = self.free_identity(inner, spot)?;
        // Masks that others learned make no states here, but allow keys.
        facts.tracks_keys = facts.identity.is_some() && matches!(spot, Spot::Value { .. } | Spot::Gap { .. });
        match spot {
            Spot::End { class } => {
                facts.returns = Some(class);
                facts.has_edges = false;
            }
            Spot::Door(door) => {
                facts.returns = Some(DOORS.saturating_add(door));
                facts.has_edges = false;
            }
            Spot::Gap { gap, place: place @ (Place::Model { .. } | Place::ModelMember | Place::ModelValue(_)), depth, progress } => {
                facts.identity = self.model_identity(arena, inner, (gap, place, depth, progress));
            }
            Spot::Gap { gap: Gap::RootEnd, progress, .. } => {
                facts.returns = self.layout.may_end(progress).then_some(0);
            }
            Spot::Gap { place: Place::Array(array), .. } | Spot::ItemReturn { array, .. } => {
                let of_array = inner.space.array_facts(array)?;
                facts.counting = of_array.counting;
                facts.tracks_items = of_array.unique.is_some();
                facts.values = of_array.unique.unwrap_or(u64::MAX);
                facts.repeats = matches!(spot, Spot::ItemReturn { repeats: true, .. });
                if of_array.counting {
                    facts.limit = of_array.high;
                }
            }
            Spot::Gap { gap, place: Place::Object(object), depth, progress }
                if self.layout.awaits_key(gap, depth, progress) && inner.space.may_run_out_of_keys(self.tools(arena), object)? =>
            {
                let table = inner.space.key_table(self.tools(arena), object)?;
                if let (Some(body), Some(keys)) = (table.body, table.undeclared_keys) {
                    let return_to = self.state(arena, inner, Spot::KeyReturn { object, depth })?;
                    facts.awaits = Some(Awaited { body, return_to, keys });
                }
            }
            Spot::KeyReturn { object, .. } => {
                let table = inner.space.key_table(self.tools(arena), object)?;
                facts.tracks_keys = table.classes().any(KeyClass::is_undeclared);
            }
            _ => {}
        }
        Ok(facts)
    }

    fn inside(&self, depth: u32) -> u32 {
        if self.layout.knows_depth() { depth.saturating_add(1) } else { 0 }
    }

    /// The state after the first byte of a value with this obligation: itself, or a number's start that has yet to read the byte.
    fn begin(&self, arena: &Arena, inner: &mut Inner, obligation: Formula, depth: u32, byte: u8) -> Result<Begun, EngineError> {
        let Some(kind) = Kind::of_byte(byte) else { return Ok(Begun::Dead) };
        let tools = self.tools(arena);
        let target = match kind {
            Kind::Null | Kind::True | Kind::False => {
                let formula = inner.space.for_kind(obligation, kind)?;
                let leaf = inner.space.formulas.as_leaf(formula).unwrap_or(0);
                let Some(class) = leaf.checked_sub(1) else { return Ok(Begun::Dead) };
                Some(self.state(arena, inner, Spot::Word { kind, read: 1, class })?)
            }
            Kind::String => {
                let demand = inner.space.for_kind(obligation, kind)?;
                inner.space.string_body(tools, demand)?
            }
            Kind::Number => {
                let demand = inner.space.for_kind(obligation, kind)?;
                return Ok(inner.space.number_start(tools, demand)?.map_or(Begun::Dead, Begun::Number));
            }
            Kind::Array => match inner.space.start_array(tools, obligation)? {
                None => None,
                Some(array) => {
                    let spot = Spot::Gap { gap: Gap::ArrayOpen, place: Place::Array(array), depth, progress: 0 };
                    Some(self.state(arena, inner, spot)?)
                }
            },
            Kind::Object => match inner.space.start_object(tools, obligation)? {
                None => None,
                Some(object) => {
                    let spot = Spot::Gap { gap: Gap::ObjectOpen, place: Place::Object(object), depth, progress: 0 };
                    Some(self.state(arena, inner, spot)?)
                }
            },
        };
        Ok(target.map_or(Begun::Dead, Begun::At))
    }

    /// Call the value, if there is a frame to push.
    fn call(arena: &Arena, begun: &Begun, push: Option<Push>, byte: u8) -> Result<Step, EngineError> {
        let frames: SmallVec<[Push; 2]> = push.into_iter().collect();
        let bytes = ByteSet::one(byte);
        let mut numbers = ByteSet::range(b'0', b'9');
        numbers.insert(b'-');
        let with = |target: StateId, increment: bool| Alternative { push: frames.clone(), target, increment };
        match *begun {
            Begun::Dead => Ok(Step::dead(bytes)),
            Begun::At(target) => Ok(Step::with(with(target, false), bytes)),
            Begun::Number(start) => {
                let cell = arena.step(start, byte)?;
                let mut bytes = arena.alike(start, byte);
                bytes.keep(&numbers);
                match cell {
                    Cell::Dead => Ok(Step::dead(bytes)),
                    Cell::Simple(target, increment) => Ok(Step::with(with(target, increment), bytes)),
                    Cell::Many(alternatives) => {
                        let joined =
                            alternatives.iter().map(|a| Alternative { push: frames.iter().chain(&a.push).copied().collect(), ..a.clone() });
                        Ok(Step::of(joined.collect(), bytes))
                    }
                }
            }
        }
    }

    fn step_gap(&self, arena: &Arena, spot: (Gap, Place, u32, Progress), byte: u8) -> Result<Step, EngineError> {
        let (gap, place, depth, progress) = spot;
        let candidates = self.layout.candidates(gap, depth, progress);
        if !candidates.contains(byte) {
            return Ok(Step::dead(all_but(candidates)));
        }
        let mut guard = self.lock();
        let inner = &mut *guard;
        let exits = self.exits(arena, inner, place, byte)?;
        let bytes = ByteSet::one(byte);
        match self.layout.step(gap, depth, progress, byte, |exit| exits.contains(&exit)) {
            Move::Dead => Ok(Step::dead(bytes)),
            Move::Stay(progress) if !self.is_spacing(byte) && matches!(place, Place::Member(..) | Place::ModelMember) => {
                self.member(arena, inner, (gap, place, depth, progress), bytes)
            }
            Move::Leave(Exit::Gap(gap)) if matches!(place, Place::Member(..) | Place::ModelMember) => {
                self.member(arena, inner, (gap, place, depth, 0), bytes)
            }
            Move::Stay(progress) => Ok(Step::to(self.state(arena, inner, Spot::Gap { gap, place, depth, progress })?, bytes)),
            Move::Leave(Exit::Gap(gap)) => Ok(Step::to(self.state(arena, inner, Spot::Gap { gap, place, depth, progress: 0 })?, bytes)),
            Move::Leave(Exit::Close) => {
                let class = match place {
                    Place::Object(object) => inner.space.object_closes(object)?,
                    Place::Array(array) => inner.space.array_facts(array)?.closes,
                    Place::Model { closes, .. } => closes,
                    _ => None,
                };
                match class {
                    Some(class) => Ok(Step::to(self.state(arena, inner, Spot::End { class })?, bytes)),
                    None => Ok(Step::dead(bytes)),
                }
            }
            Move::Leave(Exit::Key) => {
                let way = match place {
                    Place::Object(object) => self.enter_key(arena, inner, object, depth)?,
                    Place::Model { door: Some(door), .. } => return Ok(Step::to(self.state(arena, inner, Spot::Door(door))?, bytes)),
                    _ => None,
                };
                Ok(way.map_or_else(|| Step::dead(bytes), |way| Step::with(way, bytes)))
            }
            Move::Leave(Exit::Value) => {
                let mut repeated = None;
                let called = match place {
                    Place::Root => Some((self.root, Spot::RootReturn, false)),
                    Place::Value(owed) => {
                        let begun = self.begin(arena, inner, owed, self.inside(depth), byte)?;
                        drop(guard);
                        return Self::call(arena, &begun, None, byte);
                    }
                    Place::ModelValue(value) => {
                        let begun = self.begin_model(arena, inner, value, self.inside(depth), byte)?;
                        drop(guard);
                        return Self::call(arena, &begun, None, byte);
                    }
                    Place::Array(array) => {
                        let table = inner.space.item_table(self.tools(arena), array)?;
                        let counting = inner.space.array_facts(array)?.counting;
                        repeated = table.repeated.as_ref().map(|(child, _)| (*child, Spot::ItemReturn { array, depth, repeats: true }));
                        Some((table.child, Spot::ItemReturn { array, depth, repeats: false }, counting))
                    }
                    _ => None,
                };
                let Some((obligation, spot, increment)) = called else { return Ok(Step::dead(bytes)) };
                let inner_depth = if place == Place::Root { 0 } else { self.inside(depth) };
                let mut calls: SmallVec<[(Begun, Push); 2]> = SmallVec::new();
                for (obligation, spot) in [Some((obligation, spot)), repeated].into_iter().flatten() {
                    let begun = self.begin(arena, inner, obligation, inner_depth, byte)?;
                    if !matches!(begun, Begun::Dead) {
                        calls.push((begun, Push { return_to: self.state(arena, inner, spot)?, increment }));
                    }
                }
                drop(guard);
                let mut step = Step::dead(if calls.is_empty() { bytes } else { ByteSet::ALL });
                for (begun, push) in calls {
                    let called = Self::call(arena, &begun, Some(push), byte)?;
                    step.bytes.keep(&called.bytes);
                    step.alternatives.extend(called.alternatives);
                }
                Ok(step)
            }
        }
    }

    /// The call of the next key of an object.
    fn enter_key(&self, arena: &Arena, inner: &mut Inner, object: ObjectId, depth: u32) -> Result<Option<Alternative>, EngineError> {
        let table = inner.space.key_table(self.tools(arena), object)?;
        let Some(target) = table.body else { return Ok(None) };
        let return_to = self.state(arena, inner, Spot::KeyReturn { object, depth })?;
        Ok(Some(Alternative { push: smallvec![Push { return_to, increment: false }], target, increment: false }))
    }

    /// Is this whitespace that may stand in a gap or not?
    fn is_spacing(&self, byte: u8) -> bool {
        !matches!(self.layout, Layout::Exact { .. }) && WHITESPACE.contains(&byte)
    }

    /// At the colon of a member: what follows is called, in this gap.
    fn member(
        &self,
        arena: &Arena,
        inner: &mut Inner,
        (gap, place, depth, progress): (Gap, Place, u32, Progress),
        bytes: ByteSet,
    ) -> Result<Step, EngineError> {
        let (object, key) = match place {
            Place::Member(object, key) => (object, key),
            Place::ModelMember => return Ok(Step::to(self.state(arena, inner, Spot::Door(progress))?, bytes)),
            _ => return Ok(Step::dead(bytes)),
        };
        let way = self.enter_value(arena, inner, (object, key), (gap, depth, progress))?;
        Ok(way.map_or_else(|| Step::dead(bytes), |way| Step::with(way, bytes)))
    }

    /// The call of the value of a member, in a gap.
    fn enter_value(
        &self,
        arena: &Arena,
        inner: &mut Inner,
        (object, key): (ObjectId, u32),
        (gap, depth, progress): (Gap, u32, Progress),
    ) -> Result<Option<Alternative>, EngineError> {
        let table = inner.space.key_table(self.tools(arena), object)?;
        let Some(class) = table.class(key) else { return Ok(None) };
        let return_to = self.state(arena, inner, Spot::MemberReturn { object, key, depth })?;
        let target = self.state(arena, inner, Spot::Gap { gap, place: Place::Value(class.value.child), depth, progress })?;
        Ok(Some(Alternative { push: smallvec![Push { return_to, increment: false }], target, increment: false }))
    }

    /// The ways out of a gap that can be completed. Only those that the byte may take are looked at, and a byte of whitespace takes none.
    fn exits(&self, arena: &Arena, inner: &mut Inner, place: Place, byte: u8) -> Result<SmallVec<[Exit; 4]>, EngineError> {
        let mut exits: SmallVec<[Exit; 4]> = SmallVec::new();
        let exact = matches!(self.layout, Layout::Exact { .. });
        if self.is_spacing(byte) {
            return Ok(exits);
        }
        match place {
            Place::Root | Place::Value(_) | Place::ModelValue(_) => exits.push(Exit::Value),
            Place::Member(..) | Place::ModelMember => exits.extend([Exit::Value, Exit::Gap(Gap::MemberValue)]),
            Place::Object(_) | Place::Model { .. } => {
                let closes = match place {
                    Place::Object(object) if exact || byte == b'}' => inner.space.object_closes(object)?,
                    Place::Model { closes, .. } => closes,
                    _ => None,
                };
                if closes.is_some() {
                    exits.push(Exit::Close);
                }
                let key = match place {
                    Place::Object(object) => (exact || byte != b'}') && inner.space.has_key(self.tools(arena), object)?,
                    Place::Model { door, .. } => door.is_some(),
                    _ => false,
                };
                if key {
                    exits.extend([Exit::Key, Exit::Gap(Gap::NextKey)]);
                }
            }
            Place::Array(array) => {
                if (exact || byte == b']') && inner.space.array_facts(array)?.closes.is_some() {
                    exits.push(Exit::Close);
                }
                let item = exact || byte != b']';
                if item && inner.space.item_table(self.tools(arena), array)?.may_come() {
                    exits.extend([Exit::Value, Exit::Gap(Gap::NextItem)]);
                }
            }
        }
        Ok(exits)
    }

    fn found_once(&self, question: Question, local: u32, find: impl FnOnce() -> Result<bool, EngineError>) -> Result<bool, EngineError> {
        let answers = self.answers.get_or_init(maps::few);
        if let Some(known) = answers.get(&(question, local)) {
            return Ok(*known);
        }
        let answer = find()?;
        answers.insert((question, local), answer);
        Ok(answer)
    }

    fn returned(&self, arena: &Arena, local: u32, value: u32) -> Result<Option<StateId>, EngineError> {
        let spot = self.spot(local)?;
        let mut guard = self.lock();
        let inner = &mut *guard;
        let next = match spot {
            Spot::RootReturn => (value == 0).then_some((Gap::RootEnd, Place::Root, 0)),
            Spot::KeyReturn { object, depth } => {
                let table = inner.space.key_table(self.tools(arena), object)?;
                let known = table.class(value).is_some();
                known.then_some((Gap::Colon, Place::Member(object, value), depth))
            }
            Spot::MemberReturn { object, key, depth } => {
                let tools = self.tools(arena);
                let table = inner.space.key_table(tools, object)?;
                let after = inner.space.after_member(tools, object, &table, key, value)?;
                after.map(|object| (Gap::ObjectNext, Place::Object(object), depth))
            }
            Spot::ItemReturn { array, depth, repeats } => {
                let table = inner.space.item_table(self.tools(arena), array)?;
                let next = if repeats { table.repeated.as_ref().map(|(_, next)| next) } else { Some(&table.next) };
                next.and_then(|next| next.get(value as usize)).map(|&next| (Gap::ArrayNext, Place::Array(next), depth))
            }
            _ => return Err(EngineError::Internal("a schema state that calls nothing was returned to")),
        };
        next.map(|(gap, place, depth)| self.state(arena, inner, Spot::Gap { gap, place, depth, progress: 0 })).transpose()
    }
}

fn all_but(set: ByteSet) -> ByteSet {
    ByteSet(set.0.map(|word| !word))
}

/// A value after its first byte.
enum Begun {
    Dead,
    At(StateId),
    /// This state has yet to read the byte.
    Number(StateId),
}

impl Provider for SchemaProvider {
    fn step(&self, arena: &Arena, local: u32, byte: u8) -> Result<Step, EngineError> {
        match self.spot(local)? {
            Spot::Value { .. } if !VALUE_STARTS.contains(&byte) => {
                let mut starts = ByteSet::default();
                for &start in VALUE_STARTS {
                    starts.insert(start);
                }
                Ok(Step::dead(all_but(starts)))
            }
            Spot::Value { obligation, depth } => {
                let begun = self.begin(arena, &mut self.lock(), obligation, depth, byte)?;
                Self::call(arena, &begun, None, byte)
            }
            Spot::Word { kind, read, class } => {
                let word = kind.word().unwrap_or_default();
                let bytes = ByteSet::one(byte);
                match word.get(read as usize) {
                    Some(&next) if next == byte => {}
                    next => return Ok(Step::dead(all_but(next.map_or_else(ByteSet::default, |&b| ByteSet::one(b))))),
                }
                let read = read + 1;
                let next = if read as usize == word.len() { Spot::End { class } } else { Spot::Word { kind, read, class } };
                Ok(Step::to(self.state(arena, &mut self.lock(), next)?, bytes))
            }
            Spot::Gap { gap, place, depth, progress } => self.step_gap(arena, (gap, place, depth, progress), byte),
            Spot::End { .. }
            | Spot::KeyReturn { .. }
            | Spot::MemberReturn { .. }
            | Spot::ItemReturn { .. }
            | Spot::RootReturn
            | Spot::Door(_) => Ok(Step::dead(ByteSet::ALL)),
        }
    }

    fn on_return(&self, arena: &Arena, local: u32, value: u32) -> Result<Option<StateId>, EngineError> {
        if let Some(known) = self.returns.get(&(local, value)) {
            return Ok(*known);
        }
        let next = self.returned(arena, local, value)?;
        self.returns.insert((local, value), next);
        Ok(next)
    }

    fn settle(&self, arena: &Arena, local: u32, register: u64) -> Result<Option<StateId>, EngineError> {
        let Spot::Gap { gap, place: Place::Array(array), depth, progress } = self.spot(local)? else {
            return Err(EngineError::Internal("a schema state that does not count was settled"));
        };
        let mut inner = self.lock();
        let next = inner.space.array_at(array, register)?;
        self.state(arena, &mut inner, Spot::Gap { gap, place: Place::Array(next), depth, progress }).map(Some)
    }

    fn has_endless_ahead(&self, arena: &Arena, local: u32) -> Result<bool, EngineError> {
        self.found_once(Question::EndlessAhead, local, || {
            let (spot, tools, mut inner) = (self.spot(local)?, self.tools(arena), self.lock());
            let space = &mut inner.space;
            match spot {
                Spot::Gap { place: Place::Object(object), .. } => space.object_is_endless(tools, object),
                Spot::Gap { place: Place::Member(object, key), .. } => space.is_endless_from_key(tools, object, key),
                Spot::Gap { place: Place::Value(owed), .. } | Spot::Value { obligation: owed, .. } => space.has_endless_values(owed),
                Spot::KeyReturn { object, .. } => space.is_endless_from_any_key(tools, object),
                Spot::MemberReturn { object, key, .. } => space.is_endless_after(tools, object, key),
                _ => Ok(false),
            }
        })
    }

    fn never_runs_out(&self, arena: &Arena, local: u32) -> Result<bool, EngineError> {
        self.found_once(Question::NeverRunsOut, local, || {
            let (spot, tools) = (self.spot(local)?, self.tools(arena));
            match spot {
                Spot::Gap { place: Place::Array(array), .. } => self.lock().space.never_runs_out(tools, array),
                Spot::ItemReturn { array, repeats: false, .. } => self.lock().space.never_runs_out_after(tools, array),
                _ => Ok(false),
            }
        })
    }

    fn key_is_undeclared(&self, local: u32, value: u32) -> bool {
        let Ok(Spot::KeyReturn { object, .. }) = self.spot(local) else { return false };
        self.lock().space.key_is_undeclared(object, value)
    }

    fn model(&self, arena: &Arena, local: u32) -> Result<Option<StateId>, EngineError> {
        let spot = self.spot(local)?;
        self.model_of(arena, &mut self.lock(), spot)
    }

    fn door(&self, arena: &Arena, local: u32, door: u32) -> Result<Option<Alternative>, EngineError> {
        let spot = self.spot(local)?;
        self.behind(arena, &mut self.lock(), spot, door)
    }

    fn describe(&self, local: u32) -> String {
        let Ok(spot) = self.spot(local) else { return "nothing".to_owned() };
        self.in_words(spot)
    }

    fn undecided(&self) -> Option<Undecided> {
        let pointers = self.lock().space.gave_up_at();
        (!pointers.is_empty()).then_some(Undecided { source: self.source, pointers })
    }

    fn memory_bytes(&self) -> usize {
        self.spots.count() * 96
            + self.returns.len() * 32
            + self.answers.get().map_or(0, |known| known.len() * 16)
            + self.lock().space.memory_bytes()
    }
}

/// Check that the root can be satisfied, without keeping anything.
pub(super) fn check_root(space: Space, limits: &Limits) -> Result<(bool, bool), EngineError> {
    let arena = Arena::new(limits.clone());
    let text = TextAutomaton::register(&arena);
    let numbers = Numbers::register(&arena, &space.schema);
    let mut space = space;
    let root = space.root()?;
    let holds = space.can_be_satisfied(numbers.tools(&arena, &text), root)?;
    Ok((holds, space.gave_up()))
}

/// Where a schema that nothing satisfies goes wrong, as far down as one part alone is to blame: its pointer, and words.
pub(super) fn explain(schema: &Arc<SchemaDocument>, limits: &Limits) -> (String, String) {
    let arena = Arena::new(limits.clone());
    let text = TextAutomaton::register(&arena);
    let numbers = Numbers::register(&arena, schema);
    let mut space = Space::new(schema.clone(), limits);
    let found = space.blame(numbers.tools(&arena, &text));
    found.unwrap_or_else(|_| (String::new(), "its parts contradict each other".to_owned()))
}
