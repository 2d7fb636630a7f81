//! Sets of tokens, stored as is smallest.

use std::sync::Arc;

use super::Mask;
use crate::bitmask;

/// A set of token ids.
#[derive(Debug)]
pub enum TokenSet {
    /// The ids, ascending.
    List(Box<[u32]>),
    /// One bit per id.
    Bits(Box<[u32]>),
    /// Another set, with some ids more and some less. The base is never itself relative.
    Relative {
        /// The mask whose accepted set is meant.
        base: Arc<Mask>,
        /// Ids that the base lacks, ascending.
        more: Box<[u32]>,
        /// Ids of the base that are not in this set, ascending.
        less: Box<[u32]>,
    },
}

/// To look up ids one by one in so many times more takes less than to go through all.
const FEW: usize = 32;
/// To sort more ids by comparing them takes longer than digit by digit.
const MANY: usize = 256;

impl TokenSet {
    /// The one place where the form is chosen: a list where it is a quarter of the bits, one per id of the vocabulary, or less. To sort more ids, and
    /// to set their bits one by one, takes longer than to copy the bits of all.
    pub fn is_list(count: usize, words: usize) -> bool {
        count <= words / 4
    }

    /// From one bit per id.
    pub fn from_bits(bits: Box<[u32]>) -> Self {
        if Self::is_list(bitmask::count(&bits), bits.len()) { Self::List(ones(&bits).into()) } else { Self::Bits(bits) }
    }

    /// The same as a difference from a broad base, if that takes but a quarter of the room.
    pub fn from_bits_near(base: &Arc<Mask>, bits: Box<[u32]>) -> Self {
        if let Self::Bits(others) = &base.accepted {
            let apart = bits.iter().zip(others).map(|(a, b)| (a ^ b).count_ones() as usize).sum::<usize>();
            if apart < bits.len() / 4 {
                let only = |a: &[u32], b: &[u32]| ones(&a.iter().zip(b).map(|(a, b)| a & !b).collect::<Vec<_>>()).into();
                return Self::Relative { base: Arc::clone(base), more: only(&bits, others), less: only(others, &bits) };
            }
        }
        Self::from_bits(bits)
    }

    /// From ids in any order.
    pub fn from_ids(mut ids: Vec<u32>, words: usize) -> Self {
        if Self::is_list(ids.len(), words) {
            ascending(&mut ids);
            return Self::List(ids.into());
        }
        let mut bits = vec![0; words].into_boxed_slice();
        bitmask::set_all(&mut bits, &ids);
        Self::from_bits(bits)
    }

    /// `base` with the ids of `more` and without those of `less` (both ascending).
    pub fn relative(base: &Arc<Mask>, more: Vec<u32>, less: Vec<u32>) -> Self {
        let (root, mut more, mut less) = match &base.accepted {
            Self::Relative { base: root, more: had, less: lacked } => {
                let mut all = had.to_vec();
                remove(&mut all, &less);
                let mut none = lacked.to_vec();
                remove(&mut none, &more);
                (Arc::clone(root), union(all, &more), union(none, &less))
            }
            _ => (Arc::clone(base), more, less),
        };
        match &root.accepted {
            Self::List(ids) => {
                remove(&mut more, ids);
                less.retain(|id| ids.binary_search(id).is_ok());
            }
            Self::Bits(bits) => {
                more.retain(|&id| !bitmask::get(bits, id));
                less.retain(|&id| bitmask::get(bits, id));
            }
            set @ Self::Relative { .. } => {
                more.retain(|&id| !set.contains(id));
                less.retain(|&id| set.contains(id));
            }
        }
        Self::Relative { base: root, more: more.into(), less: less.into() }
    }

    /// Is the id in the set?
    pub fn contains(&self, id: u32) -> bool {
        match self {
            Self::List(ids) => ids.binary_search(&id).is_ok(),
            Self::Bits(bits) => bitmask::get(bits, id),
            Self::Relative { base, more, less } => {
                more.binary_search(&id).is_ok() || base.accepted.contains(id) && less.binary_search(&id).is_err()
            }
        }
    }

    /// How many ids there are at most, unless they are stored as bits.
    pub fn listed(&self) -> Option<usize> {
        match self {
            Self::List(ids) => Some(ids.len()),
            Self::Bits(_) => None,
            Self::Relative { base, more, .. } => base.accepted.listed().map(|count| count + more.len()),
        }
    }

    /// Is it cheaper to begin a row with this set than to add it to one?
    pub fn is_broad(&self) -> bool {
        match self {
            Self::List(_) => false,
            Self::Bits(_) => true,
            Self::Relative { base, .. } => base.accepted.is_broad(),
        }
    }

    /// Overwrite the row with the set.
    pub fn write(&self, row: &mut [u32]) {
        match self {
            Self::Bits(bits) => row.copy_from_slice(bits),
            Self::List(_) => {
                row.fill(0);
                self.add_to(row);
            }
            Self::Relative { base, more, less } => {
                base.accepted.write(row);
                for &id in less {
                    bitmask::clear(row, id);
                }
                for &id in more {
                    bitmask::set(row, id);
                }
            }
        }
    }

    /// Set the bits of the set in the row.
    pub fn add_to(&self, row: &mut [u32]) {
        match self {
            Self::List(ids) => {
                for &id in ids {
                    bitmask::set(row, id);
                }
            }
            Self::Bits(bits) => bitmask::or(row, bits),
            Self::Relative { base, more, less } => {
                // What the row had of `less` before must survive.
                let kept: Vec<u32> = less.iter().copied().filter(|&id| bitmask::get(row, id)).collect();
                base.accepted.add_to(row);
                for &id in less {
                    bitmask::clear(row, id);
                }
                for &id in kept.iter().chain(more) {
                    bitmask::set(row, id);
                }
            }
        }
    }

    /// All that is in any of some sets or among some ids.
    pub fn of_all(mut ids: Vec<u32>, sets: &[Arc<Mask>], words: usize) -> Self {
        let listed: Option<usize> = sets.iter().map(|set| set.accepted.listed()).sum();
        if let Some(count) = listed.filter(|&count| Self::is_list(ids.len() + count, words)) {
            ids.reserve(count);
            for set in sets {
                set.accepted.list_into(&mut ids);
            }
            return Self::from_ids(ids, words);
        }
        let mut bits = vec![0; words].into_boxed_slice();
        for set in sets {
            set.accepted.add_to(&mut bits);
        }
        bitmask::set_all(&mut bits, &ids);
        Self::from_bits(bits)
    }

    /// The ids, ascending.
    pub fn ids(&self) -> Vec<u32> {
        let mut ids = Vec::with_capacity(self.listed().unwrap_or(0));
        self.list_into(&mut ids);
        ids
    }

    /// Add the ids, ascending, to others.
    pub fn list_into(&self, ids: &mut Vec<u32>) {
        match self {
            Self::List(own) => ids.extend_from_slice(own),
            Self::Bits(bits) => list_ones(bits, ids),
            Self::Relative { base, more, less } => {
                let mut own = base.accepted.ids();
                remove(&mut own, less);
                ids.append(&mut union(own, more));
            }
        }
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::List(x) | Self::Bits(x) => x.len() * 4,
            Self::Relative { more, less, .. } => (more.len() + less.len()) * 4,
        }
    }
}

/// Sort the ids and keep each once.
pub fn ascending(ids: &mut Vec<u32>) {
    sort_by_bits(ids, u64::from);
    ids.dedup();
}

/// Sort by numbers that tell all things apart.
pub fn sort_by_bits<T: Copy + Default>(things: &mut Vec<T>, number: impl Fn(T) -> u64) {
    if things.len() > MANY {
        by_digits(things, number);
    } else {
        things.sort_unstable_by_key(|&thing| number(thing));
    }
}

/// Sort, digit by digit (Seward 1954). A digit that all share is passed over.
fn by_digits<T: Copy + Default>(things: &mut Vec<T>, number: impl Fn(T) -> u64) {
    const BITS: u32 = 9;
    const DIGITS: usize = 1 << BITS;
    let (mut some, mut all) = (0, u64::MAX);
    for &thing in &*things {
        some |= number(thing);
        all &= number(thing);
    }
    let apart = some & !all;
    let mut other = vec![T::default(); things.len()];
    let mut shift = 0;
    while shift < u64::BITS && apart >> shift > 0 {
        let digit = |thing: T| (number(thing) >> shift) as usize % DIGITS;
        if !((apart >> shift) as usize).is_multiple_of(DIGITS) {
            let mut places = [0_u32; DIGITS];
            for &thing in &*things {
                places[digit(thing)] += 1;
            }
            let mut before = 0;
            for place in &mut places {
                before += std::mem::replace(place, before);
            }
            for &thing in &*things {
                let place = &mut places[digit(thing)];
                other[*place as usize] = thing;
                *place += 1;
            }
            std::mem::swap(things, &mut other);
        }
        shift += BITS;
    }
}

/// Take the ids out of others; both ascend.
pub fn remove(from: &mut Vec<u32>, ids: &[u32]) {
    if from.len() > ids.len() * FEW {
        for id in ids {
            if let Ok(at) = from.binary_search(id) {
                from.remove(at);
            }
        }
    } else if ids.len() > from.len() * FEW {
        from.retain(|id| ids.binary_search(id).is_err());
    } else {
        let mut at = 0;
        from.retain(|&id| {
            while ids.get(at).is_some_and(|&other| other < id) {
                at += 1;
            }
            ids.get(at) != Some(&id)
        });
    }
}

/// The ids of both, each once; both ascend.
fn union(a: Vec<u32>, b: &[u32]) -> Vec<u32> {
    if b.is_empty() {
        return a;
    }
    let mut all = Vec::with_capacity(a.len() + b.len());
    let mut rest = b;
    for id in a {
        while let Some((&next, after)) = rest.split_first()
            && next <= id
        {
            all.extend((next < id).then_some(next));
            rest = after;
        }
        all.push(id);
    }
    all.extend_from_slice(rest);
    all
}

/// The positions of the set bits, ascending.
pub fn ones(bits: &[u32]) -> Vec<u32> {
    let mut ids = Vec::new();
    list_ones(bits, &mut ids);
    ids
}

/// Add them to others.
fn list_ones(bits: &[u32], ids: &mut Vec<u32>) {
    ids.reserve(bitmask::count(bits));
    // PERF: of a list most words are zero, and pairs of them go at once.
    for (i, pair) in bits.chunks(2).enumerate() {
        let mut rest = u64::from(pair[0]) | pair.get(1).map_or(0, |&word| u64::from(word) << 32);
        while rest != 0 {
            ids.push(i as u32 * 64 + rest.trailing_zeros());
            rest &= rest - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ascending_ids_are_sorted_removed_and_joined(
            a in proptest::collection::vec(0_u32..300_000, 0..700),
            b in proptest::collection::vec(0_u32..300, 0..60),
            few in 0_usize..3,
        ) {
            let (mut a, mut b) = (a, b);
            // Some of them close together, and some in both.
            a.extend(b.iter().map(|id| id * 2));
            a.truncate([2, 100, usize::MAX][few]);
            let (in_a, in_b): (BTreeSet<u32>, BTreeSet<u32>) = (a.iter().copied().collect(), b.iter().copied().collect());
            ascending(&mut a);
            ascending(&mut b);
            prop_assert_eq!(&a, &in_a.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(union(a.clone(), &b), in_a.union(&in_b).copied().collect::<Vec<_>>());
            let (mut less, mut other) = (a.clone(), b.clone());
            remove(&mut less, &b);
            remove(&mut other, &a);
            prop_assert_eq!(less, in_a.difference(&in_b).copied().collect::<Vec<_>>());
            prop_assert_eq!(other, in_b.difference(&in_a).copied().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_relative_set_keeps_what_a_row_had() {
        let base = Arc::new(Mask::new(TokenSet::from_ids(vec![0, 1, 2, 40], 2), None));
        assert!(base.accepted.is_broad());
        let set = TokenSet::Relative { base, more: [5].into(), less: [1, 40].into() };
        let mut row = vec![0b10, 0];
        set.add_to(&mut row);
        assert_eq!(ones(&row), [0, 1, 2, 5]);
        set.write(&mut row);
        assert_eq!(ones(&row), [0, 2, 5]);
        for id in 0..64 {
            assert_eq!(set.contains(id), [0, 2, 5].contains(&id));
        }
        let set = Arc::new(Mask::new(set, None));
        let broad = Arc::new(Mask::new(TokenSet::Bits([&[0b111, 3], &[9; 10][..]].concat().into()), None));
        let near = TokenSet::from_bits_near(&broad, [&[0b101, 7], &[9; 10][..]].concat().into());
        assert!(matches!(&near, TokenSet::Relative { more, less, .. } if **more == [34] && **less == [1]));
        assert!(matches!(TokenSet::from_bits_near(&broad, vec![0; 12].into()), TokenSet::List(_)));
        let further = TokenSet::relative(&set, vec![1, 7], vec![2, 5]);
        assert_eq!(further.ids(), [0, 1, 7]);
    }
}
