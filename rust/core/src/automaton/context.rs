//! Where calls that were seen through return to. Pipeline: part of **automaton**.
//!
//! Invariant: equal lists are one context; a call at the end of a rule adds nothing, so loops come back to equal contexts.
//! Must not know: bytes, states.

use super::nfa::{Position, Symbol, index};
use crate::maps::{self, Concurrent};

index!(
    /// A list of places to return to, innermost first.
    Context
);

/// The end of every list.
const NONE: Context = Context(u32::MAX);

index!(
    /// What may follow the text of a rule that pushes: a set of bytes, by number.
    Follow
);

/// The innermost place of a context.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Place {
    parent: Context,
    /// Where to go on; at the bottom the number of what may follow.
    return_to: Position,
    /// The left-recursive symbol that was entered, if it was one.
    goal: Option<Symbol>,
}

impl Place {
    /// The symbol that was entered, if it is left-recursive.
    pub(super) fn goal(&self) -> Option<Symbol> {
        self.goal
    }

    /// Where the call goes on; at the bottom, where the state itself returns, what may follow.
    pub(super) fn outer(&self) -> Result<(Context, Position), Follow> {
        if self.parent == NONE { Err(Follow(self.return_to.0)) } else { Ok((self.parent, self.return_to)) }
    }
}

/// All contexts made so far.
pub(super) struct Contexts {
    known: Concurrent<Place, Context>,
    places: boxcar::Vec<Place>,
}

impl Contexts {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { known: maps::few(), places: boxcar::Vec::new() }
    }

    /// The innermost place.
    pub(super) fn place(&self, context: Context) -> Place {
        self.places[context.index()]
    }

    /// The context of a rule that was not seen through.
    pub(super) fn bottom(&self, goal: Option<Symbol>, follow: Follow) -> Context {
        self.intern(Place { parent: NONE, return_to: Position(follow.0), goal })
    }

    /// The context inside a call that returns to a place.
    pub(super) fn inside(&self, parent: Context, return_to: Position, goal: Option<Symbol>) -> Context {
        self.intern(Place { parent, return_to, goal })
    }

    /// The context inside a call that is the last thing its rule does: it returns where that rule returns.
    pub(super) fn instead(&self, context: Context, goal: Option<Symbol>) -> Context {
        let place = self.place(context);
        if place.goal == goal { context } else { self.intern(Place { goal, ..place }) }
    }

    fn intern(&self, place: Place) -> Context {
        if let Some(known) = self.known.get(&place) {
            return *known;
        }
        *self.known.entry(place).or_insert_with(|| Context(self.places.push(place) as u32))
    }

    /// Bytes held, roughly.
    pub(super) fn memory_bytes(&self) -> usize {
        self.places.count() * size_of::<Place>() * 3
    }
}
