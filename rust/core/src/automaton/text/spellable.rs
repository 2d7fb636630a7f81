//! The characters that a vocabulary can spell. Pipeline: part of **automaton/text**.
//!
//! Invariant: what is left of an automaton uses no character with a byte outside the alphabet, so nothing can get stuck on one.
//! Must not know: where the alphabet comes from.

use std::sync::Arc;

use crate::error::EngineError;
use crate::grammar::CharClass;
use crate::identity::Identity;
use crate::provider::{ByteSet, CodepointAutomaton, CodepointEdge};

/// An automaton without the characters that cannot be spelled raw.
pub(super) struct Spellable {
    inner: Arc<dyn CodepointAutomaton>,
    characters: CharClass,
    identity: u128,
}

/// All characters whose UTF-8 bytes are in the alphabet. If any continuation byte is missing, only ASCII counts: the vocabularies that lack
/// one are made for it.
fn characters(alphabet: &ByteSet) -> CharClass {
    let mut ranges: Vec<(u32, u32)> = (0..0x80u8).filter(|&b| alphabet.contains(b)).map(|b| (u32::from(b), u32::from(b))).collect();
    if (0x80..0xC0).all(|b| alphabet.contains(b)) {
        for lead in (0xC2..=0xF4u8).filter(|&b| alphabet.contains(b)) {
            let (payload, shift, least) = match lead {
                0xC2..0xE0 => (u32::from(lead & 0x1F), 6, 0x80),
                0xE0..0xF0 => (u32::from(lead & 0x0F), 12, 0x800),
                _ => (u32::from(lead & 0x07), 18, 0x1_0000),
            };
            ranges.push(((payload << shift).max(least), (payload << shift) + ((1 << shift) - 1)));
        }
    }
    CharClass::new(ranges)
}

/// The characters of a JSON string that have no shorter spelling than `\uXXXX`: control characters without an escape of their own, and what
/// `alphabet` cannot spell.
pub(super) fn hexadecimal(alphabet: &ByteSet) -> CharClass {
    let raw = characters(alphabet);
    let mut ranges = vec![(0x00, 0x07), (0x0B, 0x0B), (0x0E, 0x1F)];
    let mut next = 0x20;
    for &(low, high) in raw.ranges() {
        if low > next {
            ranges.push((next, low - 1));
        }
        next = next.max(high + 1);
    }
    ranges.push((next, u32::from(char::MAX)));
    ranges.retain(|&(low, high)| low <= high);
    CharClass::new(ranges)
}

/// `automaton`, without what `alphabet` cannot spell; unchanged if it can spell everything.
pub(super) fn spellable(automaton: Arc<dyn CodepointAutomaton>, alphabet: &ByteSet) -> Arc<dyn CodepointAutomaton> {
    let characters = characters(alphabet);
    if characters == CharClass::any() {
        return automaton;
    }
    let mut identity = Identity::new("spellable");
    identity.u128(automaton.identity());
    for word in alphabet.0 {
        identity.u64(word);
    }
    Arc::new(Spellable { inner: automaton, characters, identity: identity.finish() })
}

impl CodepointAutomaton for Spellable {
    fn start(&self) -> Result<Option<u32>, EngineError> {
        self.inner.start()
    }

    fn accepts(&self, state: u32) -> Result<bool, EngineError> {
        self.inner.accepts(state)
    }

    fn edges(&self, state: u32) -> Result<Arc<[CodepointEdge]>, EngineError> {
        let edges = self.inner.edges(state)?;
        let mut kept = Vec::with_capacity(edges.len());
        let ranges = self.characters.ranges();
        for edge in edges.iter() {
            let first = ranges.partition_point(|&(_, high)| high < edge.low);
            for &(low, high) in ranges[first..].iter().take_while(|&&(low, _)| low <= edge.high) {
                kept.push(CodepointEdge { low: low.max(edge.low), high: high.min(edge.high), target: edge.target });
            }
        }
        Ok(kept.into())
    }

    fn identity(&self) -> u128 {
        self.identity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_those_whose_bytes_are_there() {
        assert_eq!(characters(&ByteSet::ALL), CharClass::any());
        let mut alphabet = ByteSet::ALL;
        alphabet.remove(&ByteSet::one(0xF1));
        alphabet.remove(&ByteSet::one(b'x'));
        let class = characters(&alphabet);
        for c in (0..=0x10_FFFFu32).filter_map(char::from_u32) {
            let mut buffer = [0; 4];
            assert_eq!(class.contains(c as u32), c.encode_utf8(&mut buffer).bytes().all(|b| alphabet.contains(b)), "{c:?}");
        }
        alphabet.remove(&ByteSet::one(0x81));
        assert!(characters(&alphabet).contains(u32::from('a')) && !characters(&alphabet).contains(0xE9));
    }
}
