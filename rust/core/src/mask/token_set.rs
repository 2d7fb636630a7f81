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

/// To sort more ids takes longer than to go through a bit for every id there is.
const SORTED_SLOWLY: usize = 256;

impl TokenSet {
    /// The one place where the form is chosen: a list where its 4 bytes per id are less than a bit per id of the vocabulary.
    pub fn from_bits(bits: Box<[u32]>) -> Self {
        if bitmask::count(&bits) < bits.len() { Self::List(ones(&bits).collect()) } else { Self::Bits(bits) }
    }

    /// The same as a difference from a broad base, if that takes but a quarter of the room.
    pub fn from_bits_near(base: &Arc<Mask>, bits: Box<[u32]>) -> Self {
        if let Self::Bits(others) = &base.accepted {
            let apart = bits.iter().zip(others).map(|(a, b)| (a ^ b).count_ones() as usize).sum::<usize>();
            if apart < bits.len() / 4 {
                let only = |a: &[u32], b: &[u32]| ones(&a.iter().zip(b).map(|(a, b)| a & !b).collect::<Vec<_>>()).collect();
                return Self::Relative { base: Arc::clone(base), more: only(&bits, others), less: only(others, &bits) };
            }
        }
        Self::from_bits(bits)
    }

    /// From ids in any order.
    pub fn from_ids(mut ids: Vec<u32>, words: usize) -> Self {
        if ids.len() > SORTED_SLOWLY {
            let mut bits = vec![0; words].into_boxed_slice();
            for id in ids {
                bitmask::set(&mut bits, id);
            }
            return Self::from_bits(bits);
        }
        ids.sort_unstable();
        ids.dedup();
        if ids.len() < words {
            return Self::List(ids.into());
        }
        let mut bits = vec![0; words].into_boxed_slice();
        for id in ids {
            bitmask::set(&mut bits, id);
        }
        Self::Bits(bits)
    }

    /// `base` with the ids of `more` and without those of `less` (both ascending).
    pub fn relative(base: &Arc<Mask>, more: Vec<u32>, less: Vec<u32>) -> Self {
        let (root, mut more, mut less) = match &base.accepted {
            Self::Relative { base: root, more: had, less: lacked } => {
                let mut all = more.clone();
                all.extend(had.iter().copied().filter(|id| less.binary_search(id).is_err()));
                let mut none = less;
                none.extend(lacked.iter().copied().filter(|id| more.binary_search(id).is_err()));
                (Arc::clone(root), all, none)
            }
            _ => (Arc::clone(base), more, less),
        };
        for ids in [&mut more, &mut less] {
            ids.sort_unstable();
            ids.dedup();
        }
        more.retain(|&id| !root.accepted.contains(id));
        less.retain(|&id| root.accepted.contains(id));
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

    /// The ids, if the set is stored as a list.
    pub fn as_list(&self) -> Option<&[u32]> {
        if let Self::List(ids) = self { Some(ids) } else { None }
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

    /// The ids, ascending.
    pub fn ids(&self) -> Vec<u32> {
        match self {
            Self::List(ids) => ids.to_vec(),
            Self::Bits(bits) => ones(bits).collect(),
            Self::Relative { base, more, less } => {
                let mut ids: Vec<u32> = base.accepted.ids().into_iter().filter(|t| less.binary_search(t).is_err()).collect();
                ids.extend_from_slice(more);
                ids.sort_unstable();
                ids
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

/// The positions of the set bits, ascending.
pub fn ones(bits: &[u32]) -> impl Iterator<Item = u32> + '_ {
    bits.iter().enumerate().flat_map(|(i, &word)| {
        let mut rest = word;
        std::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let bit = rest.trailing_zeros();
            rest &= rest - 1;
            Some(i as u32 * 32 + bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_set_keeps_what_a_row_had() {
        let base = Arc::new(Mask::new(TokenSet::from_ids(vec![0, 1, 2, 40], 2), None));
        assert!(base.accepted.is_broad());
        let set = TokenSet::Relative { base, more: [5].into(), less: [1, 40].into() };
        let mut row = vec![0b10, 0];
        set.add_to(&mut row);
        assert_eq!(ones(&row).collect::<Vec<_>>(), [0, 1, 2, 5]);
        set.write(&mut row);
        assert_eq!(ones(&row).collect::<Vec<_>>(), [0, 2, 5]);
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
