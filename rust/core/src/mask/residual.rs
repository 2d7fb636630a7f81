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

/// Leftovers, in one trie per returned value; possibly on top of another residual with some of its tokens taken out.
#[derive(Debug)]
pub struct Residual {
    /// Content hash: equal ids mean equal residuals, across grammars of a vocabulary.
    pub id: u128,
    /// (returned value, leftovers).
    pub groups: Box<[(u32, Trie)]>,
    /// The base, and the tokens (ascending) whose fate differs from the base's: none of the base's leftovers count for them.
    pub base: Option<(Arc<Residual>, Arc<[u32]>)>,
}

impl Residual {
    /// From leftovers in any order; `None` if there are none at all.
    pub fn build(vocabulary: &Vocabulary, mut leftovers: Vec<Leftover>, base: Option<(Arc<Residual>, Arc<[u32]>)>) -> Option<Self> {
        leftovers.sort_unstable();
        leftovers.dedup();
        let base = base.filter(|(residual, _)| !residual.groups.is_empty() || residual.base.is_some());
        if leftovers.is_empty() && base.is_none() {
            return None;
        }
        let mut hasher = SipHasher13::new_with_keys(0x6d61_736b_7772_6967, 0x7265_7369_6475_616c);
        for leftover in &leftovers {
            hasher.write_u32(leftover.value);
            hasher.write_u32(leftover.token);
            hasher.write_u16(leftover.length);
        }
        if let Some((residual, without)) = &base {
            hasher.write_u8(1);
            hasher.write_u128(residual.id);
            for &token in without.iter() {
                hasher.write_u32(token);
            }
        }
        let hash = hasher.finish128();
        let groups = leftovers
            .chunk_by(|a, b| a.value == b.value)
            .map(|group| {
                let entries = group
                    .iter()
                    .map(|l| {
                        let bytes = vocabulary.token_bytes(l.token);
                        (l.token, &bytes[bytes.len() - usize::from(l.length)..])
                    })
                    .collect();
                (group[0].value, Trie::build(entries))
            })
            .collect();
        Some(Self { id: u128::from(hash.h1) << 64 | u128::from(hash.h2), groups, base })
    }

    /// All leftovers, those of the base included.
    pub fn leftovers(&self) -> Vec<Leftover> {
        let mut all = Vec::new();
        for (value, trie) in &self.groups {
            all.extend(trie.tokens().iter().enumerate().map(|(i, &token)| Leftover { value: *value, token, length: trie.length(i) }));
        }
        if let Some((base, without)) = &self.base {
            all.extend(base.leftovers().into_iter().filter(|leftover| without.binary_search(&leftover.token).is_err()));
        }
        all
    }

    /// Bytes held, the base not counted.
    pub fn memory_bytes(&self) -> usize {
        self.groups.iter().map(|(_, trie)| trie.memory_bytes()).sum::<usize>() + self.base.as_ref().map_or(0, |(_, w)| w.len() * 4) + 64
    }
}
