//! Automata written by hand, where a pattern would be unwieldy. Used by the formats.
//!
//! Invariant: states are numbered by content, made when first visited; their edges are worked out once.
//! Must not know: any particular format.

use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use crate::characters::{self, Kinds, MALFORMED};
use crate::error::EngineError;
use crate::identity::Identity;
use crate::maps::{self, Concurrent};
use crate::provider::{CodepointAutomaton, CodepointEdge, Reach};

/// Closer to a bound than this, a state that does without it is no help.
pub(super) const NEAR: u8 = 8;

/// How a text is read, character by character.
pub(super) trait Machine: Send + Sync + 'static {
    /// What is remembered of the text so far.
    type State: Copy + Eq + Hash + Send + Sync + 'static;

    /// Tells machines apart.
    const NAME: &'static str;

    fn start(&self) -> Result<Option<Self::State>, EngineError>;

    fn accepts(&self, state: Self::State) -> Result<bool, EngineError>;

    /// From this state some text of at most so many more characters is accepted; `None`: that is not known.
    fn ends_within(&self, _state: Self::State) -> Option<u64> {
        None
    }

    /// The same of every state.
    fn always_ends_within(&self) -> Option<u64> {
        None
    }

    /// See [`CodepointAutomaton::ends_exactly_within`].
    fn ends_exactly_within(&self) -> bool {
        false
    }

    /// See [`CodepointAutomaton::goes_on_until`].
    fn goes_on_until(&self) -> u64 {
        0
    }

    /// Bounds on how many characters the accepted texts have.
    fn lengths(&self) -> (u64, Option<u64>) {
        (0, None)
    }

    /// See [`CodepointAutomaton::loosened`].
    fn loosened(&self, _state: Self::State) -> Option<(Self::State, Reach)> {
        None
    }

    /// See [`CodepointAutomaton::is_loose`].
    fn is_loose(&self, _state: Self::State) -> bool {
        false
    }

    /// All characters but these keep the state alive, whatever comes of them first: any text of them goes on, and some text is accepted behind it.
    /// `None`: there may be more.
    fn stays_alive_without(&self, _state: Self::State) -> Option<&'static str> {
        None
    }

    /// Where one character leads.
    fn after(&self, state: Self::State, c: u32) -> Result<Option<Self::State>, EngineError> {
        any_after(self, state, c)
    }

    /// Say where the characters lead: disjoint ranges in any order, no surrogates; what is left out is dead.
    fn edges(&self, state: Self::State, edge: &mut dyn FnMut(u32, u32, Self::State)) -> Result<(), EngineError>;
}

/// Where one character leads, by all edges.
pub(super) fn any_after<M: Machine + ?Sized>(machine: &M, state: M::State, c: u32) -> Result<Option<M::State>, EngineError> {
    let mut after = None;
    machine.edges(state, &mut |low, high, target| {
        if (low..=high).contains(&c) {
            after = Some(target);
        }
    })?;
    Ok(after)
}

struct Slot<S> {
    state: S,
    edges: OnceLock<Arc<[CodepointEdge]>>,
}

/// A machine as an automaton.
pub(super) struct Handmade<M: Machine> {
    machine: M,
    slots: boxcar::Vec<Slot<M::State>>,
    numbers: Concurrent<M::State, u32>,
    identity: u128,
}

impl<M: Machine> Handmade<M> {
    /// `variant` tells machines of one name apart.
    pub fn new(machine: M, variant: &str) -> Self {
        let identity = Identity::new(M::NAME).str(variant).finish();
        Self { machine, slots: boxcar::Vec::new(), numbers: maps::few(), identity }
    }

    fn number(&self, state: M::State) -> u32 {
        if let Some(known) = self.numbers.get(&state) {
            return *known;
        }
        *self.numbers.entry(state).or_insert_with(|| self.slots.push(Slot { state, edges: OnceLock::new() }) as u32)
    }

    fn slot(&self, state: u32) -> Result<&Slot<M::State>, EngineError> {
        self.slots.get(state as usize).ok_or(EngineError::Internal("a state of another format"))
    }
}

impl<M: Machine> CodepointAutomaton for Handmade<M> {
    fn start(&self) -> Result<Option<u32>, EngineError> {
        Ok(self.machine.start()?.map(|state| self.number(state)))
    }

    fn accepts(&self, state: u32) -> Result<bool, EngineError> {
        self.machine.accepts(self.slot(state)?.state)
    }

    fn edges(&self, state: u32) -> Result<Arc<[CodepointEdge]>, EngineError> {
        let slot = self.slot(state)?;
        if let Some(edges) = slot.edges.get() {
            return Ok(edges.clone());
        }
        let mut found: Vec<(u32, u32, M::State)> = Vec::new();
        self.machine.edges(slot.state, &mut |low, high, target| found.push((low, high, target)))?;
        found.sort_unstable_by_key(|&(low, ..)| low);
        let mut edges: Vec<CodepointEdge> = Vec::with_capacity(found.len());
        // PERF: few states follow, most of them again and again.
        let mut known: Vec<(M::State, u32)> = Vec::new();
        for (low, high, target) in found {
            let target = if let Some(&(_, number)) = known.iter().find(|(state, _)| *state == target) {
                number
            } else {
                let number = self.number(target);
                known.push((target, number));
                number
            };
            match edges.last_mut() {
                Some(edge) if edge.target == target && edge.high + 1 == low => edge.high = high,
                _ => edges.push(CodepointEdge { low, high, target }),
            }
        }
        Ok(slot.edges.get_or_init(|| edges.into()).clone())
    }

    fn after(&self, state: u32, c: u32) -> Result<Option<u32>, EngineError> {
        Ok(self.machine.after(self.slot(state)?.state, c)?.map(|target| self.number(target)))
    }

    fn identity(&self) -> u128 {
        self.identity
    }

    fn ends_within(&self, state: u32) -> Option<u64> {
        self.machine.ends_within(self.slots.get(state as usize)?.state)
    }

    fn always_ends_within(&self) -> Option<u64> {
        self.machine.always_ends_within()
    }

    fn stays_alive_over(&self, state: u32) -> Kinds {
        let without = self.slots.get(state as usize).and_then(|slot| self.machine.stays_alive_without(slot.state));
        without.map_or(0, |without| without.bytes().fold(!MALFORMED, |kinds, byte| kinds & !characters::kind(byte)))
    }

    fn ends_exactly_within(&self) -> bool {
        self.machine.ends_exactly_within()
    }

    fn goes_on_until(&self) -> u64 {
        self.machine.goes_on_until()
    }

    fn loosened(&self, state: u32) -> Option<(u32, Reach)> {
        let (loose, reach) = self.machine.loosened(self.slots.get(state as usize)?.state)?;
        Some((self.number(loose), reach))
    }

    fn is_loose(&self, state: u32) -> bool {
        self.slots.get(state as usize).is_some_and(|slot| self.machine.is_loose(slot.state))
    }

    fn lengths(&self) -> (u64, Option<u64>) {
        self.machine.lengths()
    }
}
