//! Is there a way on to a key that was not used? Part of **stack**, asked after each byte that could be one of a used key.
//!
//! The states of a key know nothing of the keys used, and every one of them leads to an end. So a byte after which no used key goes on leads to
//! a new key, and only the spellings of used keys have to be followed: the search takes at most their length.
//!
//! Invariant: the answer is exact.
//! Must not know: tokens.

use smallvec::SmallVec;

use super::configuration::{Configuration, Item};
use super::keys::Partial;
use super::used::Used;
use crate::error::EngineError;
use crate::ids::StateId;
use crate::limits::Limits;
use crate::maps::Met;
use crate::provider::{Arena, ByteSet, Cell};

/// What is known of an item that reads a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// No used key begins like this.
    New,
    /// Some way on leads to a key that was not used.
    Open,
    /// All ways on lead to used keys.
    Dead,
}

/// The bytes, those first that are likely to lead to another key.
fn bytes() -> impl Iterator<Item = u8> {
    let likely = |byte: &u8| byte.is_ascii_alphanumeric();
    (b'a'..=b'z').chain(b'A'..=b'Z').chain(b'0'..=b'9').chain((0..=255).filter(move |byte| !likely(byte)))
}

/// What may become of the key that `item` is reading.
pub(super) fn fate(arena: &Arena, item: &Item) -> Result<Fate, EngineError> {
    let Some(partial) = item.memory.questionable() else { return Ok(Fate::New) };
    let (mut new, mut open) = (true, item.parents.has_bottom());
    for frame in item.parents.frames() {
        match frame.memory.used() {
            Some(used) if partial.agrees(used) => {
                new = false;
                open = open || can_be_new(arena, (item.state, item.register), &partial, used, frame.return_to)?;
            }
            _ => open = true,
        }
    }
    Ok(match (new, open) {
        (true, _) => Fate::New,
        (false, true) => Fate::Open,
        (false, false) => Fate::Dead,
    })
}

/// Does a key that has begun with `partial` and is read on by this state (with its register) have an end that `used` lacks? It returns to
/// `return_to`.
pub fn can_be_new(
    arena: &Arena,
    (state, register): (StateId, u64),
    partial: &Partial,
    used: &Used,
    return_to: StateId,
) -> Result<bool, EngineError> {
    if arena.is_endless(state, true)? {
        return Ok(true);
    }
    let mut seen: Met<(StateId, u64, Partial), 4> = Met::default();
    let mut open: SmallVec<[(Configuration, Partial); 1]> = SmallVec::new();
    open.push((Configuration::at(state, register), partial.clone()));
    while let Some((at, partial)) = open.pop() {
        Limits::check("max_search_steps", seen.len(), arena.limits().max_search_steps)?;
        // PERF: where little may come, most bytes are known to be refused once one is.
        let mut hopeful = ByteSet::default();
        for item in &at.items {
            arena.step(item.state, b'a')?;
            hopeful.extend(&arena.hopeful(item.state));
        }
        for byte in bytes().filter(|&byte| hopeful.contains(byte)) {
            let mut alive = false;
            for item in &at.items {
                alive = alive || !matches!(arena.step(item.state, byte)?, Cell::Dead);
            }
            if !alive {
                continue;
            }
            let mut next = at.clone();
            next.step(arena, byte)?;
            for value in std::mem::take(&mut next.returned) {
                let known = arena.key_is_undeclared(return_to, value) && used.contains(&partial.text);
                if !known && arena.on_return(return_to, value)?.is_some() {
                    return Ok(true);
                }
            }
            let Some(item) = next.items.first() else { continue };
            let longer = partial.after(byte);
            if !longer.agrees(used) {
                return Ok(true);
            }
            if seen.first((item.state, item.register, longer.clone())) {
                open.push((next, longer));
            }
        }
    }
    Ok(false)
}
