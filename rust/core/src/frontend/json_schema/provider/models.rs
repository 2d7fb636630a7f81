//! What gaps of objects, and values, have in common: the models that their masks are learned from. Part of **provider**.
//!
//! Invariant: a model does what each state does that names it, up to its doors; its identity says all that it does.
//! Must not know: masks.

use smallvec::SmallVec;

use super::{Begun, Inner, Place, SchemaProvider, Spot};
use crate::error::EngineError;
use crate::formula::Formula;
use crate::frontend::json_schema::layout::{Gap, Layout, Progress};
use crate::frontend::json_schema::obligation::{Kind, ObjectId};
use crate::identity::Identity;
use crate::ids::StateId;
use crate::provider::{Alternative, Arena};

/// What values have in common that begin alike, containers among them.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Value {
    /// Leaves of `null`, `true` and `false`.
    words: [u32; 3],
    /// Where strings and numbers begin.
    strings: Option<StateId>,
    numbers: Option<StateId>,
    /// What an object returns if it is closed at once, and whether it may have a key.
    object: Option<(Option<u32>, bool)>,
    array: bool,
}

impl Value {
    /// `None`: strings or numbers are not known by content.
    fn write_identity(&self, arena: &Arena, identity: &mut Identity) -> Option<()> {
        for leaf in self.words {
            identity.u32(leaf);
        }
        for state in [self.strings, self.numbers] {
            match state {
                // How far it is to a limit its identity does not say.
                Some(state) => identity.u64(1).u128(arena.facts(state).identity?).u64(arena.view(state, 0, u64::MAX - 1)),
                None => identity.u64(0),
            };
        }
        identity.u64(u64::from(self.array));
        match self.object {
            Some((closes, more)) => write_classes(identity.u64(1), [closes, more.then_some(FIRST_KEY)]),
            None => drop(identity.u64(0)),
        }
        Some(())
    }
}

fn write_classes(identity: &mut Identity, classes: [Option<u32>; 2]) {
    for class in classes {
        identity.u64(class.map_or(0, |class| u64::from(class) + 1));
    }
}

/// The doors of a value: to the first key of an object, and behind the opening bracket of an array.
const FIRST_KEY: u32 = 0;
const FIRST_ITEM: u32 = 1;

impl SchemaProvider {
    /// The model of a gap within an object, or before the value of a member.
    pub(super) fn model_of(&self, arena: &Arena, inner: &mut Inner, spot: Spot) -> Result<Option<StateId>, EngineError> {
        let Spot::Gap { gap, place, depth, progress } = spot else { return Ok(None) };
        let place = match place {
            // Where keys may run out, the states between members say so, whoever looks: they must be made.
            Place::Object(object) if inner.space.may_run_out_of_keys(self.tools(arena), object)? => return Ok(None),
            Place::Object(object) => {
                let (closes, more) = self.between_members(arena, inner, object)?;
                Place::Model { closes, door: more.then_some(0) }
            }
            Place::Member(..) => Place::ModelMember,
            Place::Value(owed) => {
                let value = self.value(arena, inner, owed)?;
                Place::ModelValue(inner.values.insert_full(value).0 as u32)
            }
            _ => return Ok(None),
        };
        self.state(arena, inner, Spot::Gap { gap, place, depth, progress }).map(Some)
    }

    /// Where it goes on behind a door of its model.
    pub(super) fn behind(&self, arena: &Arena, inner: &mut Inner, spot: Spot, door: u32) -> Result<Option<Alternative>, EngineError> {
        match spot {
            Spot::Gap { place: Place::Object(object), depth, .. } => self.enter_key(arena, inner, object, depth),
            Spot::Gap { gap, place: Place::Member(object, key), depth, .. } => {
                let gap = if matches!(self.layout, Layout::Exact { .. }) { gap } else { Gap::MemberValue };
                self.enter_value(arena, inner, (object, key), (gap, depth, door))
            }
            Spot::Gap { place: Place::Value(owed), depth, .. } => {
                let (tools, depth) = (self.tools(arena), self.inside(depth));
                if door == FIRST_KEY {
                    let object = inner.space.start_object(tools, owed)?;
                    return object.map_or(Ok(None), |object| self.enter_key(arena, inner, object, depth));
                }
                let Some(array) = inner.space.start_array(tools, owed)? else { return Ok(None) };
                let target = self.state(arena, inner, Spot::Gap { gap: Gap::ArrayOpen, place: Place::Array(array), depth, progress: 0 })?;
                Ok(Some(Alternative { push: SmallVec::new(), target, increment: false }))
            }
            _ => Ok(None),
        }
    }

    /// The same for values of which no more is known.
    pub(super) fn begin_model(&self, arena: &Arena, inner: &mut Inner, value: u32, depth: u32, byte: u8) -> Result<Begun, EngineError> {
        let (Some(kind), Some(value)) = (Kind::of_byte(byte), inner.values.get_index(value as usize)) else { return Ok(Begun::Dead) };
        let spot = match kind {
            Kind::Null | Kind::True | Kind::False => {
                let leaf = value.words[[Kind::Null, Kind::True, Kind::False].iter().position(|&word| word == kind).unwrap_or(0)];
                leaf.checked_sub(1).map(|class| Spot::Word { kind, read: 1, class })
            }
            Kind::String => return Ok(value.strings.map_or(Begun::Dead, Begun::At)),
            Kind::Number => return Ok(value.numbers.map_or(Begun::Dead, Begun::Number)),
            Kind::Array => value.array.then_some(Spot::Door(FIRST_ITEM)),
            Kind::Object => value.object.map(|(closes, more)| {
                let place = Place::Model { closes, door: more.then_some(FIRST_KEY) };
                Spot::Gap { gap: Gap::ObjectOpen, place, depth, progress: 0 }
            }),
        };
        Ok(spot.map(|spot| self.state(arena, inner, spot)).transpose()?.map_or(Begun::Dead, Begun::At))
    }

    /// What an object returns if it is closed here, and whether there may be another key.
    pub(super) fn between_members(&self, arena: &Arena, inner: &mut Inner, object: ObjectId) -> Result<(Option<u32>, bool), EngineError> {
        let closes = inner.space.object_closes(object)?;
        Ok((closes, inner.space.has_key(self.tools(arena), object)?))
    }

    /// Of a gap of a model, which depends on no numbering of this grammar.
    pub(super) fn model_identity(
        &self,
        arena: &Arena,
        inner: &mut Inner,
        (gap, place, depth, progress): (Gap, Place, u32, Progress),
    ) -> Option<u128> {
        let mut identity = Identity::new("json gap");
        identity.str(&self.layout_name).u64(gap as u64).u32(depth).u32(progress);
        match place {
            Place::ModelValue(value) => inner.values.get_index(value as usize)?.write_identity(arena, identity.u64(0))?,
            Place::Model { closes, door } => {
                write_classes(identity.u64(1), [closes, door]);
            }
            Place::ModelMember => drop(identity.u64(2)),
            _ => return None,
        }
        Some(identity.finish())
    }

    /// What is known of a value before its first byte.
    fn value(&self, arena: &Arena, inner: &mut Inner, owed: Formula) -> Result<Value, EngineError> {
        let tools = self.tools(arena);
        let space = &mut inner.space;
        let mut words = [0; 3];
        for (word, kind) in words.iter_mut().zip([Kind::Null, Kind::True, Kind::False]) {
            let formula = space.for_kind(owed, kind)?;
            *word = space.formulas.as_leaf(formula).unwrap_or(0);
        }
        let strings = space.for_kind(owed, Kind::String)?;
        let strings = space.string_body(tools, strings)?;
        let numbers = space.for_kind(owed, Kind::Number)?;
        let numbers = space.number_start(tools, numbers)?;
        let array = space.start_array(tools, owed)?.is_some();
        let object = space.start_object(tools, owed)?;
        let object = object.map(|object| self.between_members(arena, inner, object)).transpose()?;
        Ok(Value { words, strings, numbers, object, array })
    }
}
