//! Tokens that leave a rule before they end, by what is left of them.

use std::sync::{Arc, OnceLock};

use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

use super::token_set::sort_by_bits;
use crate::maps::Met;
use crate::provider::DOORS;
use crate::stack::Frame;
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

impl Leaving {
    /// Does nothing leave?
    pub fn is_empty(&self) -> bool {
        self.leftovers.is_empty() && self.subtrees.is_empty()
    }
}

/// Leftovers: in tries by returned value, and as parts of the vocabulary's trie; possibly on top of another residual with some of its tokens
/// taken out.
#[derive(Debug)]
pub struct Residual {
    /// Content hash: equal ids mean equal residuals, across grammars of a vocabulary.
    pub id: u128,
    /// Leftovers by returned value.
    pub groups: Box<[Group]>,
    /// (returned value, node of the vocabulary's trie): every token strictly below the node, with what lies below.
    pub subtrees: Box<[(u32, u32)]>,
    /// The base, and the tokens (ascending) whose fate differs from the base's: none of the base's leftovers count for them.
    pub base: Option<(Arc<Residual>, Arc<[u32]>)>,
    /// The same without what goes through doors, if that was asked for.
    shut: OnceLock<Option<Arc<Residual>>>,
}

/// Leftovers of tokens that left with one value.
#[derive(Debug)]
pub struct Group {
    /// Returned by the rule.
    pub value: u32,
    /// Content hash of the leftovers, whatever the value.
    pub id: u128,
    /// Tokens, ascending, with the bytes left of each.
    leftovers: Box<[(u32, u16)]>,
    /// By what is left: mostly what a state allows of a group is known before that is needed.
    trie: OnceLock<Trie>,
}

impl Group {
    /// From leftovers that ascend, each once.
    fn of(value: u32, leftovers: Box<[(u32, u16)]>) -> Self {
        let mut hasher = hasher();
        for &(token, length) in &leftovers {
            hasher.write_u64(u64::from(token) << 16 | u64::from(length));
        }
        Self { value, id: hasher.finish128().as_u128(), leftovers, trie: OnceLock::new() }
    }

    /// The leftovers by what is left, and what that took if it was not known.
    pub(super) fn trie(&self, vocabulary: &Vocabulary) -> (&Trie, usize) {
        let mut bytes = 0;
        let trie = self.trie.get_or_init(|| {
            let entries = self.leftovers.iter().map(|&(token, length)| {
                let text = vocabulary.token_bytes(token);
                (token, &text[text.len() - usize::from(length)..])
            });
            let trie = Trie::build(entries.collect());
            bytes = trie.memory_bytes();
            trie
        });
        (trie, bytes)
    }

    fn memory_bytes(&self) -> usize {
        self.leftovers.len() * size_of::<(u32, u16)>() + self.trie.get().map_or(0, Trie::memory_bytes)
    }
}

impl Residual {
    /// From leftovers in any order; `None` if there are none at all.
    pub fn build(leaving: Leaving, base: Option<(Arc<Residual>, Arc<[u32]>)>) -> Option<Self> {
        let Leaving { leftovers, mut subtrees } = leaving;
        subtrees.sort_unstable();
        subtrees.dedup();
        if leftovers.is_empty() && subtrees.is_empty() && base.is_none() {
            return None;
        }
        let groups = grouped(leftovers);
        let mut hasher = hasher();
        for group in &groups {
            hasher.write_u32(group.value);
            hasher.write_u128(group.id);
        }
        hasher.write_u8(1);
        for &(value, node) in &subtrees {
            hasher.write_u32(value);
            hasher.write_u32(node);
        }
        if let Some((residual, without)) = &base {
            hasher.write_u8(2);
            hasher.write_u128(residual.id);
            for pair in without.chunks(2) {
                let token = |i: usize| u64::from(pair.get(i).map_or(u32::MAX, |&token| token));
                hasher.write_u64(token(0) | token(1) << 32);
            }
        }
        let id = hasher.finish128().as_u128();
        Some(Self { id, groups, subtrees: subtrees.into(), base, shut: OnceLock::new() })
    }

    /// Do tokens go through doors?
    pub fn has_doors(&self) -> bool {
        self.groups.iter().any(|group| group.value >= DOORS) || self.subtrees.iter().any(|&(value, _)| value >= DOORS)
    }

    /// The same without the tokens that go through doors. There is no base.
    pub fn shut(&self, vocabulary: &Vocabulary) -> Option<Arc<Self>> {
        let without = || {
            let mut leaving = Leaving::default();
            self.leaving(vocabulary.trie(), &mut leaving);
            leaving.leftovers.retain(|leftover| leftover.value < DOORS);
            leaving.subtrees.retain(|&(value, _)| value < DOORS);
            Self::build(leaving, None).map(Arc::new)
        };
        self.shut.get_or_init(without).clone()
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
        for Group { value, leftovers, .. } in &self.groups {
            into.extend(leftovers.iter().map(|&(token, length)| Leftover { value: *value, token, length }));
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
        self.groups.iter().map(Group::memory_bytes).sum::<usize>() + self.base.as_ref().map_or(0, |(_, w)| w.len() * 4) + 64
    }
}

/// Leftovers in any order, by value.
fn grouped(mut leftovers: Vec<Leftover>) -> Box<[Group]> {
    let same = |leftovers: &[Leftover]| leftovers.windows(2).all(|pair| pair[0].value == pair[1].value);
    if !same(&leftovers) {
        leftovers.sort_by_key(|leftover| leftover.value);
    }
    let of_value = leftovers.chunk_by(|a, b| a.value == b.value).map(|group| {
        let mut left: Vec<(u32, u16)> = group.iter().map(|leftover| (leftover.token, leftover.length)).collect();
        // PERF: few tokens leave more than once, so half of the digits tell them apart.
        sort_by_bits(&mut left, |(token, _)| u64::from(token));
        left.chunk_by_mut(|a, b| a.0 == b.0).filter(|same| same.len() > 1).for_each(<[_]>::sort_unstable);
        left.dedup();
        Group::of(group[0].value, left.into())
    });
    of_value.collect()
}

/// Which residuals were asked of which frames: the same frame may be reached over several ways with the same residual.
#[derive(Default)]
pub struct Asked(Met<(u128, *const Frame), 8>);

impl Asked {
    /// Is this asked for the first time?
    pub fn first(&mut self, residual: &Residual, frame: &Arc<Frame>) -> bool {
        self.0.first((residual.id, Arc::as_ptr(frame)))
    }
}

fn hasher() -> SipHasher13 {
    SipHasher13::new_with_keys(0x6d61_736b_7772_6967, 0x7265_7369_6475_616c)
}
