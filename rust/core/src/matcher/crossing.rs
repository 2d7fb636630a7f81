//! Tokens that end an item and begin another, of which the earlier items can refuse but a few. Part of **matcher**.
//!
//! Between two items of free text such a token can be refused only for the item that it ends, which is decided where that agrees with an earlier
//! one: the item that it begins can still become another than any number of items. Whether that is so depends on the automaton alone, so it is
//! found once for a state.
//!
//! Invariant: a token that is not named fares whatever items an array has had as it does after none, unless the item that is being read repeats one
//! of them.
//! Must not know: which items there were.

use std::sync::{Arc, OnceLock};

use super::unique::endless;
use super::watch::{Watch, reading};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::maps::{self, Concurrent};
use crate::provider::{Alternative, Arena, Cell};
use crate::stack::{Configuration, Frame, Item, Parents, Seen};
use crate::vocab::Inside;
use crate::vocab::trie::Trie;

/// Where more tokens have to be looked at, they are looked at together.
const FEW: usize = 16;

/// Of an array that counts its items there is an answer for each count; no more are kept.
const MOST: usize = 4_096;

/// The state being read, where its array goes on behind the item if one is being read, the count of items, and where the tokens begin.
type Place = (StateId, Option<StateId>, u64, Inside);

/// What was found; `None`: too many tokens.
#[derive(Default)]
pub(super) struct Crossings(OnceLock<Concurrent<Place, Option<Arc<[u32]>>>>);

impl Crossings {
    /// The tokens of `trie`, which begin at `inside`, for which the items that were had may make a difference. `watch`: the only item that is being
    /// read. `None` if they are many, or in doubt.
    pub fn undecided(
        &self,
        arena: &Arena,
        configuration: &Configuration,
        watch: Option<&Watch>,
        inside: Inside,
        trie: &Trie,
    ) -> Result<Option<Arc<[u32]>>, EngineError> {
        let [item] = configuration.items.as_slice() else { return Ok(None) };
        let (place, alone) = match (watch, &item.parents) {
            (Some(watch), Parents::One(frame)) if Arc::ptr_eq(frame, &watch.frame) && frame.free && !frame.parents.tracked() => {
                if arena.facts(item.state).counting {
                    return Ok(None);
                }
                let alone = Item { parents: Parents::One(Arc::new(frame.without_items())), ..item.clone() };
                ((item.state, Some(frame.return_to), frame.register, inside), alone)
            }
            (None, parents) if parents.free() && !parents.tracked() => {
                ((item.state, None, item.register, inside), Item { seen: Seen::default(), ..item.clone() })
            }
            _ => return Ok(None),
        };
        let known = self.0.get_or_init(maps::few);
        if let Some(tokens) = known.get(&place) {
            return Ok(tokens.clone());
        }
        let tokens = undecided(arena, configuration.alone(alone), trie)?;
        if known.len() < MOST {
            known.insert(place, tokens.clone());
        }
        Ok(tokens)
    }

    pub fn memory_bytes(&self) -> usize {
        self.0.get().map_or(0, |known| known.len() * (size_of::<Place>() + 4 * FEW + 32))
    }
}

/// The tokens in which an item may begin and end, and those that neither leave the array nor end in an item that can still be any of endlessly many.
/// `None`: too many, or an item may come that has to repeat another.
fn undecided(arena: &Arena, start: Configuration, trie: &Trie) -> Result<Option<Arc<[u32]>>, EngineError> {
    let nodes = trie.nodes();
    let begins = start.offset();
    let mut tokens: Vec<u32> = Vec::new();
    let mut open = vec![(0..nodes.len(), start)];
    while let Some((range, at)) = open.pop() {
        let mut child = range.start;
        while child < range.end {
            let (i, byte) = (child, nodes[child].byte);
            child = nodes[i].end as usize;
            let mut goes_on = false;
            for item in &at.items {
                let cell = arena.step(item.state, byte)?;
                goes_on |= !matches!(cell, Cell::Dead);
                let repeats = |way: &Alternative| way.push.iter().any(|push| arena.facts(push.return_to).repeats);
                if matches!(cell, Cell::Many(ways) if ways.iter().any(repeats)) {
                    return Ok(None);
                }
            }
            if !goes_on {
                continue;
            }
            let mut next = at.clone();
            next.step(arena, byte)?;
            let frames = reading(arena, &next);
            let new = |frame: &&&Arc<Frame>| frame.since >= begins;
            let left = reading(arena, &at).iter().filter(new).any(|frame| !frames.iter().any(|still| Arc::ptr_eq(still, frame)));
            if !next.is_alive() || left || frames.iter().filter(new).any(|frame| next.read_since(frame.since).whole().is_some()) {
                tokens.extend_from_slice(&trie.tokens()[trie.places_below(i)]);
            } else {
                if !trie.places_at(i).is_empty() && !is_plain(arena, &next)? {
                    tokens.extend_from_slice(&trie.tokens()[trie.places_at(i)]);
                }
                drop(frames);
                open.push((i + 1..child, next));
            }
            if tokens.len() > FEW {
                return Ok(None);
            }
        }
    }
    Ok(Some(tokens.into()))
}

fn is_plain(arena: &Arena, at: &Configuration) -> Result<bool, EngineError> {
    let frames = reading(arena, at);
    for item in &at.items {
        let plain = match (frames.as_slice(), &item.parents) {
            ([], parents) => parents.free() && !arena.facts(item.state).tracks_items,
            ([frame], Parents::One(parent)) => Arc::ptr_eq(frame, parent) && frame.free && endless(arena, item.state)?,
            _ => false,
        };
        if !plain {
            return Ok(false);
        }
    }
    Ok(true)
}
