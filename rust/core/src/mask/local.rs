//! Configurations over an unknown bottom, interned, with their byte steps memoised: a lazy automaton that walks run on wherever more than
//! one plain item is alive.
//!
//! Frames are hash-consed here across steps, so that equal configurations are one. The table is a cache: it may be emptied at any time
//! between two walks.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::classes::Steps;
use super::path::Buffers;
use crate::error::EngineError;
use crate::ids::StateId;
use crate::limits::Limits;
use crate::provider::{Arena, ByteSet};
use crate::stack::{Configuration, Frame, Memory, Parents, Seen};

/// More configurations than this are not kept from one walk to the next.
const KEPT: usize = 1 << 14;

/// One item that remembers nothing, or a configuration of the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Local {
    /// A single item; its parents by place, 0 is the bottom alone.
    One {
        /// The state.
        state: StateId,
        /// Its register.
        register: u64,
        /// Place of its parents.
        parents: u32,
    },
    /// A configuration by place.
    Full(u32),
}

/// State, register and place of parents of each item, sorted.
type Items = SmallVec<[(StateId, u64, u32); 2]>;

/// What a byte does.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Where it leads, if the rule goes on.
    pub next: Option<Local>,
    /// The values returned.
    pub returned: SmallVec<[u32; 1]>,
    /// The bytes that may follow then.
    pub follow: ByteSet,
}

/// The table.
#[derive(Default)]
pub struct LocalTable {
    frames: HashMap<(StateId, u64, u32), (Arc<Frame>, u32)>,
    parents: Vec<Parents>,
    parent_places: HashMap<SmallVec<[usize; 2]>, u32>,
    configurations: Vec<Configuration>,
    places: HashMap<Items, u32>,
    outcomes: Vec<Outcome>,
    steps: HashMap<(Local, u8), u32>,
    /// What the steps of this walk took, in frames.
    cost: usize,
    /// What the paths of earlier walks were kept in.
    buffers: Vec<Buffers>,
    /// Steps of configurations by byte and class.
    tables: Steps,
}

impl LocalTable {
    /// Forget everything if that is much, and what the last walk took. Called before a walk, never within one.
    pub fn trim(&mut self) {
        if self.configurations.len() + self.parents.len() > KEPT || self.steps.len() > KEPT * 64 {
            *self = Self::default();
        }
        self.tables.trim();
        self.cost = 0;
        if self.parents.is_empty() {
            self.parents.push(Parents::Bottom);
            self.parent_places.insert(SmallVec::from_slice(&[0]), 0);
        }
    }

    /// What this walk does is as much as reaching so many frames.
    pub(super) fn spend(&mut self, arena: &Arena, frames: usize) -> Result<(), EngineError> {
        self.cost += frames;
        Limits::check("max_mask_frames", self.cost, arena.limits().max_mask_frames)
    }

    /// Room for a path.
    pub(super) fn take_buffers(&mut self) -> Buffers {
        self.buffers.pop().unwrap_or_default()
    }

    /// Room that is no longer used. As many are kept as walks go on within others.
    pub(super) fn keep_buffers(&mut self, buffers: Buffers) {
        self.buffers.push(buffers);
    }

    /// The tables of steps, to use and give back with [`Self::keep_tables`]: they tell configurations as this table does.
    pub(super) fn take_tables(&mut self) -> Steps {
        std::mem::take(&mut self.tables)
    }

    /// See [`Self::take_tables`].
    pub(super) fn keep_tables(&mut self, tables: Steps) {
        self.tables = tables;
    }

    /// Bytes held, roughly.
    pub fn memory_bytes(&self) -> usize {
        self.tables.memory_bytes()
            + self.steps.len() * (size_of::<((Local, u8), u32)>() + 8)
            + self.outcomes.len() * size_of::<Outcome>()
            + self.configurations.len() * (size_of::<Configuration>() + 96)
            + self.parents.len() * 96
            + self.frames.len() * (size_of::<Frame>() + 64)
    }

    /// Intern a configuration; `None` if it has no items. What items and frames remember of keys is dropped: masks do not depend on it.
    pub fn intern(&mut self, mut configuration: Configuration) -> Option<Local> {
        configuration.returned.clear();
        let mut keys = Items::new();
        for item in &mut configuration.items {
            let (parents, place) = self.canonical(&item.parents);
            keys.push((item.state, item.register, place));
            item.parents = parents;
            item.memory = Memory::NONE;
            item.seen = Seen::NONE;
        }
        match keys.as_slice() {
            [] => None,
            &[(state, register, parents)] => Some(Local::One { state, register, parents }),
            _ => {
                let mut sorted = keys;
                sorted.sort_unstable();
                if let Some(&place) = self.places.get(&sorted) {
                    return Some(Local::Full(place));
                }
                let place = self.configurations.len() as u32;
                self.configurations.push(configuration);
                self.places.insert(sorted, place);
                Some(Local::Full(place))
            }
        }
    }

    /// The one set of frames equal to `parents`, and its place. Frames made in one step are few and lie on frames that are canonical already.
    fn canonical(&mut self, parents: &Parents) -> (Parents, u32) {
        if let Some(&place) = self.parent_places.get(&addresses(parents)) {
            return (self.parents[place as usize].clone(), place);
        }
        let mut members: SmallVec<[Parents; 2]> = SmallVec::new();
        for frame in parents.frames() {
            let below = self.canonical(&frame.parents);
            let (frame, _) = self
                .frames
                .entry((frame.return_to, frame.register, below.1))
                .or_insert_with(|| {
                    let Frame { return_to, register, .. } = **frame;
                    let below = below.clone();
                    let (memory, seen, since) = (Memory::NONE, Seen::NONE, 0);
                    let frame = Frame { return_to, register, memory, seen, since, tracked: false, free: true, parents: below.0 };
                    (Arc::new(frame), below.1)
                })
                .clone();
            members.push(Parents::One(frame));
        }
        if parents.has_bottom() {
            members.push(Parents::Bottom);
        }
        let set = Parents::union(members.iter());
        let place = *self.parent_places.entry(addresses(&set)).or_insert_with(|| {
            self.parents.push(set.clone());
            self.parents.len() as u32 - 1
        });
        (self.parents[place as usize].clone(), place)
    }

    /// The configuration itself.
    pub fn configuration(&self, local: Local) -> Configuration {
        match local {
            Local::One { state, register, parents } => {
                let mut configuration = Configuration::at(state, register);
                configuration.items[0].parents = self.parents[parents as usize].clone();
                configuration
            }
            Local::Full(place) => self.configurations[place as usize].clone(),
        }
    }

    /// State and register of an item of a configuration.
    #[inline]
    pub fn item(&self, place: u32, number: usize) -> Option<(StateId, u64)> {
        self.configurations[place as usize].items.get(number).map(|item| (item.state, item.register))
    }

    /// What `byte` does in `local`, computed once.
    pub fn step(&mut self, arena: &Arena, local: Local, byte: u8) -> Result<&Outcome, EngineError> {
        if let Some(&place) = self.steps.get(&(local, byte)) {
            return Ok(&self.outcomes[place as usize]);
        }
        let mut configuration = self.configuration(local);
        let (follow, cost) = configuration.step_following(arena, byte)?;
        self.spend(arena, cost)?;
        let returned = std::mem::take(&mut configuration.returned);
        let outcome = Outcome { next: self.intern(configuration), returned, follow };
        let place = self.outcomes.len() as u32;
        self.outcomes.push(outcome);
        self.steps.insert((local, byte), place);
        Ok(&self.outcomes[place as usize])
    }
}

fn addresses(parents: &Parents) -> SmallVec<[usize; 2]> {
    let mut key: SmallVec<[usize; 2]> = parents.frames().iter().map(|frame| Arc::as_ptr(frame) as usize).collect();
    if parents.has_bottom() {
        key.push(0);
    }
    key
}
