//! Character classes as automata over the bytes of UTF-8. Pipeline: part of **automaton**.
//!
//! Invariant: the groups of first bytes are disjoint; what follows a first byte is shared by all classes.
//! Must not know: what comes after the character.

use regex_syntax::utf8::{Utf8Range, Utf8Sequences};

use super::nfa::{DEAD, Describe, END, Nfa, Node, Position};
use crate::characters::{self, EACH_BEYOND, Kinds};
use crate::error::EngineError;
use crate::grammar::CharClass;
use crate::provider::ByteSet;

/// A class: what its characters may begin with.
#[derive(Clone, Debug)]
pub(super) struct CharacterClass {
    /// First bytes, and the rest of the character ([`END`]: it has one byte).
    pub(super) groups: Box<[(ByteSet, Position)]>,
    /// All first bytes.
    pub(super) first: ByteSet,
    /// The kinds beyond ASCII all of whose characters are of the class.
    pub(super) whole: Kinds,
    /// Those of which any is.
    pub(super) some: Kinds,
    /// The class in words.
    pub(super) name: String,
}

impl CharacterClass {
    /// The automaton of a class, its positions added to `nfa`.
    pub(super) fn build(nfa: &mut Nfa, class: &CharClass) -> Result<Self, EngineError> {
        let mut sequences: Vec<Vec<Utf8Range>> = Vec::new();
        for &(low, high) in class.ranges() {
            if let (Some(low), Some(high)) = (char::from_u32(low), char::from_u32(high)) {
                sequences.extend(Utf8Sequences::new(low, high).map(|s| s.as_slice().to_vec()));
            }
        }
        let mut groups: Vec<(ByteSet, Position)> = Vec::new();
        let mut first = ByteSet::default();
        for (range, rest) in edges(nfa, &sequences, 0)? {
            let place = groups.iter().position(|&(_, position)| position == rest).unwrap_or_else(|| {
                groups.push((ByteSet::default(), rest));
                groups.len() - 1
            });
            for byte in range.start..=range.end {
                groups[place].0.insert(byte);
                first.insert(byte);
            }
        }
        let of = |kind: Kinds, holds: fn((u32, u32), (u32, u32)) -> bool| {
            characters::ranges_of(kind).iter().map(move |&range| class.ranges().iter().any(|&own| holds(own, range)))
        };
        let (mut whole, mut some) = (0, 0);
        for kind in EACH_BEYOND {
            if of(kind, |own, range| own.0 <= range.0 && range.1 <= own.1).all(|holds| holds) {
                whole |= kind;
            }
            if of(kind, |own, range| own.0 <= range.1 && range.0 <= own.1).any(|holds| holds) {
                some |= kind;
            }
        }
        Ok(Self { groups: groups.into(), first, whole, some, name: class.describe() })
    }

    /// Bytes held, roughly.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.groups.len() * size_of::<(ByteSet, Position)>() + self.name.len()
    }
}

/// The ranges that sequences of one prefix go on with at `depth`, and where each leads. Sequences of disjoint characters have ranges that
/// are equal or disjoint there, since only the last ranges of a sequence are wider than a byte and then they are full. At most four deep.
fn edges(nfa: &mut Nfa, sequences: &[Vec<Utf8Range>], depth: usize) -> Result<Vec<(Utf8Range, Position)>, EngineError> {
    let mut found: Vec<(Utf8Range, Position)> = Vec::new();
    for group in sequences.chunk_by(|a, b| a[depth] == b[depth]) {
        let range = group[0][depth];
        let rest = if group[0].len() == depth + 1 {
            END
        } else {
            let mut positions = Vec::new();
            for (next, position) in edges(nfa, group, depth + 1)? {
                positions.push(nfa.add(Node::Byte(next.start, next.end, position))?);
            }
            nfa.union(positions)?
        };
        if rest == DEAD {
            continue;
        }
        for byte in (range.start..=range.end).filter(|&byte| nfa.alphabet.contains(byte)) {
            match found.last_mut() {
                Some((last, position)) if *position == rest && last.end.checked_add(1) == Some(byte) => last.end = byte,
                _ => found.push((Utf8Range { start: byte, end: byte }, rest)),
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(nfa: &Nfa, class: &CharacterClass, bytes: &[u8]) -> bool {
        let Some((&head, tail)) = bytes.split_first() else { return false };
        let mut at: Vec<Position> = class.groups.iter().filter(|(set, _)| set.contains(head)).map(|&(_, p)| p).collect();
        for &byte in tail {
            at = nfa
                .reachable_without_reading(&at)
                .into_iter()
                .filter_map(|p| match nfa.node(p) {
                    Node::Byte(low, high, next) if (low..=high).contains(&byte) => Some(next),
                    _ => None,
                })
                .collect();
        }
        at.contains(&END)
    }

    impl Nfa {
        fn reachable_without_reading(&self, from: &[Position]) -> Vec<Position> {
            from.iter()
                .flat_map(|&p| match self.node(p) {
                    Node::Union(start, len) => self.union_of(start, len).to_vec(),
                    _ => vec![p],
                })
                .collect()
        }
    }

    #[test]
    fn every_character_is_in_its_class_and_no_other() {
        let classes = [
            CharClass::new([(0x3C, 0x3C), (0x26, 0x26)]).negate(),
            CharClass::any(),
            CharClass::new([(0xE9, 0xE9), (0x4E00, 0x4E02), (0x4E05, 0x9FFF), (0x1F600, 0x1F64F)]),
            CharClass::new([(0x7F, 0x80), (0x7FF, 0x800), (0xFFFF, 0x1_0000)]),
        ];
        let mut nfa = Nfa::new(vec![], 10_000);
        for class in classes {
            let built = CharacterClass::build(&mut nfa, &class).unwrap();
            for c in (0..0x11_0000_u32).step_by(7).chain(0..0x900).chain(0xD700..0xE100).filter_map(char::from_u32) {
                let mut buffer = [0; 4];
                let bytes = c.encode_utf8(&mut buffer).as_bytes();
                assert_eq!(matches(&nfa, &built, bytes), class.contains(u32::from(c)), "{c:?} {class:?}");
            }
            for (i, (set, _)) in built.groups.iter().enumerate() {
                for (other, _) in &built.groups[i + 1..] {
                    assert!(set.iter().all(|byte| !other.contains(byte)));
                }
            }
        }
    }

    #[test]
    fn a_negated_class_is_a_few_edges() {
        let mut nfa = Nfa::new(vec![], 10_000);
        let built = CharacterClass::build(&mut nfa, &CharClass::new([(0x3C, 0x3C), (0x26, 0x26)]).negate()).unwrap();
        assert!(built.groups.len() <= 8, "{}", built.groups.len());
        assert!(nfa.nodes.len() <= 16, "{}", nfa.nodes.len());
    }
}
