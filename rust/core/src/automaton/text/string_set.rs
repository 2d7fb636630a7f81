//! A finite set of strings as an automaton over characters. Used by string enumerations and by the names of object members.
//!
//! Invariant: a state is the set of strings that begin with what was read, a range of the sorted list; it is made when first
//! visited, and every state leads to acceptance.
//! Must not know: JSON, escapes, bytes of a text.

use std::sync::{Arc, OnceLock};

use crate::error::EngineError;
use crate::identity::Identity;
use crate::maps::{self, Concurrent};
use crate::provider::{CodepointAutomaton, CodepointEdge};

/// What was read is `strings[low][..offset]`, the common beginning of `strings[low..high]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    offset: u32,
    low: u32,
    high: u32,
}

struct State {
    place: Place,
    edges: OnceLock<Arc<[CodepointEdge]>>,
}

/// A set of strings; the text must be one of them. Takes memory for the strings, and for the states that were visited.
pub struct StringSet {
    strings: Box<[Box<str>]>,
    states: boxcar::Vec<State>,
    by_place: Concurrent<Place, u32>,
    identity: u128,
}

impl StringSet {
    /// The set of these strings, in any order, with or without repeats.
    pub fn new<S: Into<Box<str>>>(strings: impl IntoIterator<Item = S>) -> Self {
        let mut strings: Vec<Box<str>> = strings.into_iter().map(Into::into).collect();
        strings.sort_unstable();
        strings.dedup();
        let mut identity = Identity::new("string set");
        for string in &strings {
            identity.str(string);
        }
        let set = Self { strings: strings.into(), states: boxcar::Vec::new(), by_place: maps::few(), identity: identity.finish() };
        if !set.strings.is_empty() {
            set.intern(Place { offset: 0, low: 0, high: set.strings.len() as u32 });
        }
        set
    }

    /// The strings, ascending.
    pub fn strings(&self) -> impl ExactSizeIterator<Item = &str> {
        self.strings.iter().map(|s| &**s)
    }

    /// Is it one of them?
    pub fn contains(&self, string: &str) -> bool {
        self.strings.binary_search_by(|s| (**s).cmp(string)).is_ok()
    }

    fn intern(&self, place: Place) -> u32 {
        if let Some(state) = self.by_place.get(&place) {
            return *state;
        }
        *self.by_place.entry(place).or_insert_with(|| self.states.push(State { place, edges: OnceLock::new() }) as u32)
    }

    fn state(&self, state: u32) -> Result<&State, EngineError> {
        self.states.get(state as usize).ok_or(EngineError::Internal("a state that is not one of this string set"))
    }

    fn make_edges(&self, place: Place) -> Arc<[CodepointEdge]> {
        let offset = place.offset as usize;
        // Sorted: a string that ends here comes first, and the strings with the same next character stand together.
        let mut low = place.low as usize + usize::from(self.strings[place.low as usize].len() == offset);
        let high = place.high as usize;
        let mut edges = Vec::new();
        while low < high {
            let Some(next) = self.strings[low][offset..].chars().next() else { break };
            let same = self.strings[low..high].partition_point(|s| s[offset..].chars().next() <= Some(next));
            let place = Place { offset: (offset + next.len_utf8()) as u32, low: low as u32, high: (low + same) as u32 };
            edges.push(CodepointEdge { low: next.into(), high: next.into(), target: self.intern(place) });
            low += same;
        }
        edges.into()
    }
}

impl CodepointAutomaton for StringSet {
    fn start(&self) -> Result<Option<u32>, EngineError> {
        Ok((!self.strings.is_empty()).then_some(0))
    }

    fn accepts(&self, state: u32) -> Result<bool, EngineError> {
        let place = self.state(state)?.place;
        Ok(self.strings[place.low as usize].len() == place.offset as usize)
    }

    fn edges(&self, state: u32) -> Result<Arc<[CodepointEdge]>, EngineError> {
        let state = self.state(state)?;
        if let Some(edges) = state.edges.get() {
            return Ok(Arc::clone(edges));
        }
        let edges = self.make_edges(state.place);
        Ok(Arc::clone(state.edges.get_or_init(|| edges)))
    }

    fn identity(&self) -> u128 {
        self.identity
    }

    fn is_trie(&self) -> bool {
        true
    }
}
