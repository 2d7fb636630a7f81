//! The usual configuration in a few numbers: one item at most, which remembers nothing but its register and its frames. Part of **stack**.
//!
//! Invariant: what is restored goes on as what was taken down would have.
//! Must not know: who keeps it.

use super::{Configuration, Item, Memory, Parents, Seen};
use crate::ids::StateId;

/// A configuration without what the usual one lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plain {
    /// State and register of the item, if there is one.
    pub item: Option<(StateId, u32)>,
    /// The value returned, if there is one.
    pub returned: Option<u16>,
}

impl Configuration {
    /// Itself, and the parents of its item, if it is plain.
    pub fn plain(&self) -> Option<(Plain, &Parents)> {
        let returned = match *self.returned {
            [] => None,
            [value] => Some(u16::try_from(value).ok()?),
            _ => return None,
        };
        match self.items.as_slice() {
            [] => Some((Plain { item: None, returned }, &Parents::Bottom)),
            // What was read is of no use to an item that nothing watches.
            [item] if item.memory.is_none() && item.seen.is_empty() && !item.parents.tracked() => {
                let register = u32::try_from(item.register).ok()?;
                Some((Plain { item: Some((item.state, register)), returned }, &item.parents))
            }
            _ => None,
        }
    }

    /// A configuration of the same text as this one, from what was taken down of it.
    #[must_use]
    pub fn restored(&self, plain: Plain, parents: Parents) -> Self {
        let item = plain.item.map(|(state, register)| {
            let (memory, seen) = (Memory::NONE, Seen::NONE);
            Item { state, register: u64::from(register), memory, seen, parents }
        });
        let mut restored = Self::default();
        restored.items.extend(item);
        restored.returned.extend(plain.returned.map(u32::from));
        if self.watches() { restored.watching() } else { restored }
    }

    /// Does it go on like another, as far as is seen at once? Not if something that was read is still watched.
    pub fn alike(&self, other: &Self) -> bool {
        let agree = |(a, b): (&Item, &Item)| {
            a.state == b.state
                && a.register == b.register
                && a.memory.same(&b.memory)
                && a.seen.same(&b.seen)
                && a.parents.alike(&b.parents)
                && !a.parents.tracked()
        };
        self.items.len() == other.items.len() && self.returned == other.returned && self.items.iter().zip(&other.items).all(agree)
    }
}
