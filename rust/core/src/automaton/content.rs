//! The identity of a grammar's states by content, the same in every process. Pipeline: part of **automaton**.
//!
//! A state is a set of positions in contexts; positions are numbers in one table. So the table itself, with all that says what a position means, is
//! part of each identity: two tables that differ in a number share no state, and need no reason to be numbered alike.
//!
//! Invariant: states with equal identities allow the same tokens, and leave the same behind.
//! Must not know: what identities are used for.

use std::fmt::Write as _;

use super::determinize::{GrammarProvider, Item};
use crate::identity::Identity;
use crate::limits::Limits;

/// Everything that is printed becomes part of an identity.
struct Printed<'a>(&'a mut Identity);

impl std::fmt::Write for Printed<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.str(text);
        Ok(())
    }
}

impl GrammarProvider {
    /// Of the whole table.
    fn content(&self, limits: &Limits) -> u128 {
        *self.content.get_or_init(|| {
            let mut identity = Identity::new("grammar automaton");
            let nfa = &self.automaton.nfa;
            let embedded: Vec<u128> = nfa.embedded.iter().map(|embedded| embedded.source.identity()).collect();
            // Printing into an identity does not fail.
            let _ = write!(
                Printed(&mut identity),
                "{:?} {:?} {:?} {:?} {embedded:?} {:?} {:?} {:?} {:?} {:?} {:?} {limits:?}",
                nfa.nodes,
                nfa.unions,
                nfa.symbols,
                nfa.classes,
                nfa.alphabet,
                self.automaton.component,
                self.automaton.corners,
                self.pushes,
                self.follows,
                self.follow_sets,
            );
            identity.finish()
        })
    }

    /// See [`crate::provider::Provider::identity`].
    pub(super) fn state_identity(&self, limits: &Limits, local: u32) -> u128 {
        let key = self.key(local);
        let mut identity = Identity::new("grammar state");
        identity.u128(self.content(limits));
        let _ = write!(Printed(&mut identity), "{:?} {:?}", key.mode, key.returns);
        // Contexts are numbered as they are visited, so the order of items is not their own.
        let mut items: Vec<u128> = key.items.iter().map(|&item| self.item_identity(item)).collect();
        items.sort_unstable();
        for item in items {
            identity.u128(item);
        }
        identity.finish()
    }

    fn item_identity(&self, item: Item) -> u128 {
        let mut identity = Identity::new("grammar item");
        identity.u32(item.position.0);
        let mut context = item.context;
        loop {
            let place = self.contexts.place(context);
            let _ = write!(Printed(&mut identity), "{:?}", place.goal());
            match place.outer() {
                Ok((outer, position)) => {
                    identity.u64(0).u32(position.0);
                    context = outer;
                }
                Err(follow) => {
                    identity.u64(1).u32(follow.0);
                    return identity.finish();
                }
            }
        }
    }
}
