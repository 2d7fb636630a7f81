//! Sets of names: what is required, what remains, what was used. Part of **obligation**.
//!
//! Invariant: equal sets have equal ids, however they came about; a set with one name more or less shares all but a few nodes (big-endian
//! Patricia trees: Okasaki and Gill 1998, hash-consed). So an object of thousands of keys goes from key to key in logarithmic time.
//! Must not know: what the sets are for.

use super::space::{NameId, Space};
use crate::maps::Numbered;

/// A set of names, interned; 0 is the empty one.
pub(crate) type NamesId = u32;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Node {
    /// Of the names from 64 times `block`, those whose bits are set.
    Leaf { block: u32, bits: u64 },
    /// Blocks that agree above `bit`; those without it left, those with it right.
    Branch { bit: u32, prefix: u32, left: NamesId, right: NamesId },
}

/// All sets of names.
#[derive(Default)]
pub(super) struct NameSets {
    nodes: Numbered<Node>,
    sizes: Vec<usize>,
}

fn place(name: NameId) -> (u32, u64) {
    (name.0 / 64, 1 << (name.0 % 64))
}

/// The bits of a block above `bit`.
fn above(block: u32, bit: u32) -> u32 {
    block & !(bit | (bit - 1))
}

impl NameSets {
    fn node(&self, set: NamesId) -> Option<Node> {
        self.nodes.get_index((set as usize).checked_sub(1)?).copied()
    }

    fn intern(&mut self, node: Node) -> NamesId {
        let (index, new) = self.nodes.insert_full(node);
        if new {
            self.sizes.push(match node {
                Node::Leaf { bits, .. } => bits.count_ones() as usize,
                Node::Branch { left, right, .. } => self.len(left) + self.len(right),
            });
        }
        index as NamesId + 1
    }

    /// How many names.
    pub fn len(&self, set: NamesId) -> usize {
        (set as usize).checked_sub(1).and_then(|i| self.sizes.get(i)).copied().unwrap_or(0)
    }

    /// The set of these names.
    pub fn of(&mut self, names: impl IntoIterator<Item = NameId>) -> NamesId {
        let mut names: Vec<NameId> = names.into_iter().collect();
        names.sort_unstable();
        names.chunk_by(|a, b| a.0 / 64 == b.0 / 64).fold(0, |set, group| {
            let bits = group.iter().fold(0, |bits, &name| bits | place(name).1);
            self.insert(set, group[0].0 / 64, bits)
        })
    }

    // As deep as a block has bits.
    fn insert(&mut self, set: NamesId, block: u32, bits: u64) -> NamesId {
        let alone = Node::Leaf { block, bits };
        match self.node(set) {
            None => self.intern(alone),
            Some(Node::Leaf { block: other, bits: known }) if other == block => self.intern(Node::Leaf { block, bits: bits | known }),
            Some(Node::Leaf { block: other, .. }) => self.join((other, set), (block, alone)),
            Some(Node::Branch { bit, prefix, .. }) if above(block, bit) != prefix => self.join((prefix, set), (block, alone)),
            Some(Node::Branch { bit, prefix, left, right }) => {
                let node = if block & bit == 0 {
                    Node::Branch { bit, prefix, left: self.insert(left, block, bits), right }
                } else {
                    Node::Branch { bit, prefix, left, right: self.insert(right, block, bits) }
                };
                self.intern(node)
            }
        }
    }

    /// Two sets of which no name is in the other's blocks.
    fn join(&mut self, (block, set): (u32, NamesId), (other, alone): (u32, Node)) -> NamesId {
        let alone = self.intern(alone);
        let bit = 1 << (block ^ other).ilog2();
        let (left, right) = if block & bit == 0 { (set, alone) } else { (alone, set) };
        self.intern(Node::Branch { bit, prefix: above(block, bit), left, right })
    }

    /// With one name more.
    pub fn with(&mut self, set: NamesId, name: NameId) -> NamesId {
        let (block, bit) = place(name);
        self.insert(set, block, bit)
    }

    /// Without a name.
    pub fn without(&mut self, set: NamesId, name: NameId) -> NamesId {
        let (block, gone) = place(name);
        match self.node(set) {
            Some(Node::Leaf { block: own, bits }) if own == block => match bits & !gone {
                0 => 0,
                bits => self.intern(Node::Leaf { block, bits }),
            },
            Some(Node::Branch { bit, prefix, left, right }) if above(block, bit) == prefix => {
                let (left, right) = if block & bit == 0 { (self.without(left, name), right) } else { (left, self.without(right, name)) };
                match (left, right) {
                    (0, other) | (other, 0) => other,
                    _ => self.intern(Node::Branch { bit, prefix, left, right }),
                }
            }
            _ => set,
        }
    }

    /// The names of the set that come after this one.
    pub fn behind(&mut self, set: NamesId, name: NameId) -> NamesId {
        let (block, bit_of) = place(name);
        match self.node(set) {
            Some(Node::Leaf { block: own, bits }) if own == block => match bits & !(bit_of | (bit_of - 1)) {
                0 => 0,
                bits => self.intern(Node::Leaf { block, bits }),
            },
            Some(Node::Leaf { block: first, .. } | Node::Branch { prefix: first, .. }) if first > block => set,
            Some(Node::Leaf { .. }) | None => 0,
            Some(Node::Branch { bit, prefix, .. }) if above(block, bit) != prefix => 0,
            Some(Node::Branch { bit, right, .. }) if block & bit != 0 => self.behind(right, name),
            Some(Node::Branch { bit, prefix, left, right }) => match self.behind(left, name) {
                0 => right,
                left => self.intern(Node::Branch { bit, prefix, left, right }),
            },
        }
    }

    /// Is the name in the set?
    pub fn contains(&self, mut set: NamesId, name: NameId) -> bool {
        let (block, wanted) = place(name);
        loop {
            match self.node(set) {
                Some(Node::Branch { bit, left, right, .. }) => set = if block & bit == 0 { left } else { right },
                Some(Node::Leaf { block: own, bits }) => return own == block && bits & wanted != 0,
                None => return false,
            }
        }
    }

    /// The names, ascending.
    pub fn list(&self, set: NamesId) -> Vec<NameId> {
        let mut names = Vec::with_capacity(self.len(set));
        let mut open = vec![set];
        while let Some(set) = open.pop() {
            match self.node(set) {
                Some(Node::Branch { left, right, .. }) => open.extend([right, left]),
                Some(Node::Leaf { block, bits }) => names.extend((0..64).filter(|i| bits >> i & 1 == 1).map(|i| NameId(block * 64 + i))),
                None => {}
            }
        }
        names
    }
}

impl Space {
    pub(super) fn names_id(&mut self, names: impl IntoIterator<Item = NameId>) -> NamesId {
        self.objects.names.of(names)
    }

    /// The names of a set, ascending.
    pub(super) fn names_in(&self, id: NamesId) -> Vec<NameId> {
        self.objects.names.list(id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn equal_sets_have_equal_ids() {
        let mut sets = NameSets::default();
        let mut expected: BTreeSet<NameId> = BTreeSet::new();
        let mut set = 0;
        for n in 0..4000u32 {
            let name = NameId(n.wrapping_mul(2_654_435_761) >> (if n % 3 == 0 { 22 } else { 12 }));
            if n % 5 == 4 || expected.contains(&name) {
                let gone = if expected.contains(&name) { name } else { *expected.iter().nth(n as usize % expected.len()).unwrap() };
                expected.remove(&gone);
                set = sets.without(set, gone);
                assert_eq!(sets.without(set, gone), set);
            } else {
                expected.insert(name);
                set = sets.with(set, name);
                assert_eq!(sets.with(set, name), set);
            }
            assert_eq!(sets.contains(set, name), expected.contains(&name));
            assert_eq!(sets.len(set), expected.len());
            if n % 97 == 0 {
                for bound in [name, NameId(name.0 / 64 * 64), NameId(name.0 | 63), NameId(0), NameId(u32::MAX)] {
                    let behind = sets.behind(set, bound);
                    assert_eq!(behind, sets.of(expected.iter().copied().filter(|&other| other > bound)));
                }
                assert_eq!(sets.list(set), expected.iter().copied().collect::<Vec<_>>());
                assert_eq!(sets.of(expected.iter().rev().copied()), set);
            }
        }
        for name in expected {
            set = sets.without(set, name);
        }
        assert_eq!(set, 0);
    }
}
