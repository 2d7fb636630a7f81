//! Tokens that leave a rule before they end, by what is left of them.

use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

use crate::vocab::Vocabulary;
use crate::vocab::trie::Trie;

/// A token that left its rule: the value the rule returned, the token, and how many of its bytes are left (at least one).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leftover {
    /// Returned by the rule.
    pub value: u32,
    /// The token.
    pub token: u32,
    /// Bytes left of it.
    pub length: u16,
}

/// Tokens that leave, as a walk finds them.
#[derive(Clone, Debug, Default)]
pub struct Leaving {
    /// One by one.
    pub leftovers: Vec<Leftover>,
    /// (returned value, node of the vocabulary's trie): every token strictly below the node leaves with what lies below.
    pub subtrees: Vec<(u32, u32)>,
}

/// Leftovers: in tries by returned value, and as parts of the vocabulary's trie; possibly on top of another residual with some of its tokens
/// taken out.
#[derive(Debug)]
pub struct Residual {
    /// Content hash: equal ids mean equal residuals, across grammars of a vocabulary.
    pub id: u128,
    /// (returned value, leftovers).
    pub groups: Box<[(u32, Trie)]>,
    /// (returned value, node of the vocabulary's trie): every token strictly below the node, with what lies below.
    pub subtrees: Box<[(u32, u32)]>,
    /// The base, and the tokens (ascending) whose fate differs from the base's: none of the base's leftovers count for them.
    pub base: Option<(Arc<Residual>, Arc<[u32]>)>,
}

impl Residual {
    /// From leftovers in any order; `None` if there are none at all.
    pub fn build(vocabulary: &Vocabulary, leaving: Leaving, base: Option<(Arc<Residual>, Arc<[u32]>)>) -> Option<Self> {
        let Leaving { mut leftovers, mut subtrees } = leaving;
        leftovers.sort_unstable();
        leftovers.dedup();
        subtrees.sort_unstable();
        subtrees.dedup();
        if leftovers.is_empty() && subtrees.is_empty() && base.is_none() {
            return None;
        }
        let mut hasher = SipHasher13::new_with_keys(0x6d61_736b_7772_6967, 0x7265_7369_6475_616c);
        for leftover in &leftovers {
            hasher.write_u32(leftover.value);
            hasher.write_u32(leftover.token);
            hasher.write_u16(leftover.length);
        }
        hasher.write_u8(1);
        for &(value, node) in &subtrees {
            hasher.write_u32(value);
            hasher.write_u32(node);
        }
        if let Some((residual, without)) = &base {
            hasher.write_u8(2);
            hasher.write_u128(residual.id);
            for &token in without.iter() {
                hasher.write_u32(token);
            }
        }
        let hash = hasher.finish128();
        let listed = leftovers.chunk_by(|a, b| a.value == b.value).map(|group| {
            let entries = group
                .iter()
                .map(|l| {
                    let bytes = vocabulary.token_bytes(l.token);
                    (l.token, &bytes[bytes.len() - usize::from(l.length)..])
                })
                .collect();
            (group[0].value, Trie::build(entries))
        });
        let groups = listed.collect();
        Some(Self { id: u128::from(hash.h1) << 64 | u128::from(hash.h2), groups, subtrees: subtrees.into(), base })
    }

    /// Add all that leaves, the base included.
    pub fn leaving(&self, vocabulary: &Trie, into: &mut Leaving) {
        self.list_groups(&mut into.leftovers);
        into.subtrees.extend_from_slice(&self.subtrees);
        self.list_base(vocabulary, &mut into.leftovers);
    }

    /// Add every leftover one by one.
    pub(super) fn list(&self, vocabulary: &Trie, into: &mut Vec<Leftover>) {
        self.list_groups(into);
        for &(value, node) in &self.subtrees {
            let depth = vocabulary.nodes()[node as usize].depth;
            let below = vocabulary.places_strictly_below(node as usize);
            into.extend(below.map(|place| Leftover { value, token: vocabulary.tokens()[place], length: vocabulary.length(place) - depth }));
        }
        self.list_base(vocabulary, into);
    }

    pub(super) fn list_groups(&self, into: &mut Vec<Leftover>) {
        for (value, trie) in &self.groups {
            let all = trie.tokens().iter().enumerate();
            into.extend(all.map(|(place, &token)| Leftover { value: *value, token, length: trie.length(place) }));
        }
    }

    fn list_base(&self, vocabulary: &Trie, into: &mut Vec<Leftover>) {
        if let Some((base, without)) = &self.base {
            let mut below = Vec::new();
            base.list(vocabulary, &mut below);
            into.extend(below.into_iter().filter(|leftover| without.binary_search(&leftover.token).is_err()));
        }
    }

    /// Bytes held, the base not counted.
    pub fn memory_bytes(&self) -> usize {
        self.groups.iter().map(|(_, trie)| trie.memory_bytes()).sum::<usize>() + self.base.as_ref().map_or(0, |(_, w)| w.len() * 4) + 64
    }
}
