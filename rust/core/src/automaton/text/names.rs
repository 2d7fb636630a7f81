//! Texts named one by one, each with its own verdict: the declared keys of an object. Used by the products, beside their components.
//!
//! Invariant: a node is what is left of the names, hash-consed by content. So wherever the names still possible are judged alike they are one
//! node, whatever was read and whatever is judged differently elsewhere; a character takes at most one new node.
//! Must not know: JSON, escapes, bytes of a text.

use std::sync::{Arc, OnceLock};

use crate::maps::{self, Concurrent};
use crate::provider::{self, ByteSet, CodepointEdge};

/// Names that may still come, by number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NameMapId(pub(super) u32);

/// What a name is worth that is refused, with all other texts that begin with it and are no names.
pub const ALONE: u32 = u32::MAX;

/// A label on an edge is not longer than this, so that walking along a long name does not take the square of its length.
const LONGEST_LABEL: usize = 32;

#[derive(PartialEq, Eq, Hash)]
struct Key {
    /// What a text is worth that ends here: a leaf; `None`: it is no name.
    leaf: Option<u32>,
    /// Ascending; no two begin with the same character.
    edges: Box<[(Arc<str>, NameMapId)]>,
}

struct Node {
    key: Arc<Key>,
    /// Some name is not refused.
    hopeful: bool,
    steps: OnceLock<Box<[CodepointEdge]>>,
}

/// All nodes. Those with one edge and no leaf are between two characters of a label; a label is cut so that only the first of several that
/// follow each other is shorter than the longest.
pub(super) struct Names {
    nodes: boxcar::Vec<Node>,
    by_key: Concurrent<Arc<Key>, NameMapId>,
}

impl Default for Names {
    fn default() -> Self {
        Self { nodes: boxcar::Vec::default(), by_key: maps::few() }
    }
}

/// A node whose edges are still being collected.
struct Open {
    depth: usize,
    leaf: Option<u32>,
    edges: Vec<(Arc<str>, NameMapId)>,
}

impl Names {
    fn node(&self, id: NameMapId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn intern(&self, leaf: Option<u32>, edges: Vec<(Arc<str>, NameMapId)>) -> NameMapId {
        let key = Key { leaf, edges: edges.into() };
        if let Some(id) = self.by_key.get(&key) {
            return *id;
        }
        let hopeful = leaf.is_some_and(|leaf| leaf != 0 && leaf != ALONE) || key.edges.iter().any(|(_, target)| self.hopeful(*target));
        let key = Arc::new(key);
        *self
            .by_key
            .entry(Arc::clone(&key))
            .or_insert_with(|| NameMapId(self.nodes.push(Node { key, hopeful, steps: OnceLock::new() }) as u32))
    }

    /// An edge that reads `text` and then goes on at `target`.
    fn edge(&self, text: &str, mut target: NameMapId) -> (Arc<str>, NameMapId) {
        let mut text = text;
        while text.len() > LONGEST_LABEL {
            let Some((at, _)) = text.char_indices().rev().nth(LONGEST_LABEL - 1).filter(|&(at, _)| at > 0) else { break };
            target = self.intern(None, vec![(text[at..].into(), target)]);
            text = &text[..at];
        }
        (text.into(), target)
    }

    /// The node of these names with the leaf of each; `None` if there are none. The names are in ascending order, each once.
    pub(super) fn of<'s>(&self, names: impl IntoIterator<Item = (&'s str, u32)>) -> Option<NameMapId> {
        let mut path = vec![Open { depth: 0, leaf: None, edges: Vec::new() }];
        let mut last = "";
        for (name, leaf) in names {
            let common = last.chars().zip(name.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
            self.close(&mut path, last, common);
            match path.last_mut() {
                Some(open) if open.depth == name.len() => open.leaf = Some(leaf),
                _ => path.push(Open { depth: name.len(), leaf: Some(leaf), edges: Vec::new() }),
            }
            last = name;
        }
        self.close(&mut path, last, 0);
        let root = path.pop()?;
        (root.leaf.is_some() || !root.edges.is_empty()).then(|| self.intern(root.leaf, root.edges))
    }

    /// The names of a node, one of them worth something else (`None`: it is no name any more). `None` for the node: there are none left, or the
    /// name is not among them. The node is the same as if it were made of all the names.
    pub(super) fn changed(&self, id: NameMapId, name: &str, leaf: Option<u32>) -> Option<NameMapId> {
        // The way to the name: nodes, and the edge that is taken from each.
        let mut path: Vec<(NameMapId, usize)> = Vec::new();
        let (mut at, mut rest) = (id, name);
        while let Some(first) = rest.chars().next() {
            let number = self.node(at).key.edges.binary_search_by_key(&Some(first), |(label, _)| label.chars().next()).ok()?;
            path.push((at, number));
            let (label, target) = &self.node(at).key.edges[number];
            (at, rest) = (*target, rest.strip_prefix(&**label)?);
        }
        self.node(at).key.leaf?;
        // From the end: what stands in the place of a node, and what is read before it beyond the label that leads to the node: pieces, the last
        // first. `None`: nothing does.
        let mut now = self.shortened(leaf, self.node(at).key.edges.to_vec(), path.is_empty());
        for (depth, &(node, number)) in path.iter().enumerate().rev() {
            let key = &self.node(node).key;
            if let (None, [(label, _)], 1..) = (key.leaf, &*key.edges, depth) {
                // A part of a long label.
                now = now.map(|(mut pieces, target)| {
                    pieces.push(Arc::clone(label));
                    (pieces, target)
                });
                continue;
            }
            let mut edges = key.edges.to_vec();
            match now {
                None => drop(edges.remove(number)),
                Some((pieces, target)) if pieces.is_empty() => edges[number].1 = target,
                Some((pieces, target)) => {
                    let label: String = std::iter::once(&edges[number].0).chain(pieces.iter().rev()).map(|piece| &**piece).collect();
                    edges[number] = self.edge(&label, target);
                }
            }
            now = self.shortened(key.leaf, edges, depth == 0);
        }
        now.map(|(_, node)| node)
    }

    /// A node with this leaf and these edges; but what only leads on becomes a part of the label before it, unless it is the first.
    fn shortened(&self, leaf: Option<u32>, edges: Vec<(Arc<str>, NameMapId)>, is_first: bool) -> Option<(Vec<Arc<str>>, NameMapId)> {
        match edges.as_slice() {
            [] if leaf.is_none() => None,
            [(label, target)] if leaf.is_none() && !is_first => {
                let (mut pieces, mut target) = (vec![Arc::clone(label)], *target);
                // A label that was cut is one again.
                while let Key { leaf: None, edges } = &*self.node(target).key
                    && let [(more, next)] = &**edges
                {
                    pieces.push(Arc::clone(more));
                    target = *next;
                }
                pieces.reverse();
                Some((pieces, target))
            }
            _ => Some((Vec::new(), self.intern(leaf, edges))),
        }
    }

    /// Finish the nodes on the path of `text` that are deeper than `depth`, and leave one open there.
    fn close(&self, path: &mut Vec<Open>, text: &str, depth: usize) {
        while let Some(open) = path.pop_if(|open| open.depth > depth) {
            let node = self.intern(open.leaf, open.edges);
            if path.last().is_none_or(|parent| parent.depth < depth) {
                path.push(Open { depth, leaf: None, edges: Vec::new() });
            }
            if let Some(parent) = path.last_mut() {
                parent.edges.push(self.edge(&text[parent.depth..open.depth], node));
            }
        }
    }

    /// What a text is worth that ends here: 0 refused, v + 1 the value v; `None`: it is no name.
    pub(super) fn leaf(&self, id: NameMapId) -> Option<u32> {
        self.node(id).key.leaf.map(|leaf| if leaf == ALONE { 0 } else { leaf })
    }

    /// Are texts refused that go on from here and are no names?
    pub(super) fn is_alone(&self, id: NameMapId) -> bool {
        self.node(id).key.leaf == Some(ALONE)
    }

    /// Can some name with a value still come?
    pub(super) fn hopeful(&self, id: NameMapId) -> bool {
        self.node(id).hopeful
    }

    /// The characters that lead on; a target is a number of a node.
    pub(super) fn edges(&self, id: NameMapId) -> &[CodepointEdge] {
        let node = self.node(id);
        if let Some(steps) = node.steps.get() {
            return steps;
        }
        let mut steps = Vec::with_capacity(node.key.edges.len());
        for (label, target) in &node.key.edges {
            let mut rest = label.chars();
            let Some(first) = rest.next() else { continue };
            let target = if rest.as_str().is_empty() { *target } else { self.intern(None, vec![(rest.as_str().into(), *target)]) };
            steps.push(CodepointEdge { low: first.into(), high: first.into(), target: target.0 });
        }
        node.steps.get_or_init(|| steps.into())
    }

    /// How many of the bytes read on in some name, as characters of ASCII that stand for themselves, and the node they lead to; `None` if
    /// that is no more than one character.
    pub(super) fn along(&self, id: NameMapId, bytes: &[u8], alphabet: &ByteSet) -> Option<(NameMapId, usize)> {
        let plain = |byte: u8| (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\' && alphabet.contains(byte);
        let (mut at, mut read) = (id, 0);
        while let Some(&first) = bytes.get(read).filter(|&&byte| plain(byte)) {
            let edges = &self.node(at).key.edges;
            let edge = edges.binary_search_by_key(&first, |(label, _)| label.as_bytes().first().copied().unwrap_or(0));
            let Ok(edge) = edge else { break };
            let (label, target) = &edges[edge];
            let common = label.bytes().zip(&bytes[read..]).take_while(|&(a, &b)| a == b && plain(b)).count();
            read += common;
            if common < label.len() {
                at = self.intern(None, vec![(label[common..].into(), *target)]);
                break;
            }
            at = *target;
            if self.is_alone(at) {
                break;
            }
        }
        (read > 1).then_some((at, read))
    }

    /// The node that an edge leads to.
    pub(super) fn target(edge: u32) -> NameMapId {
        NameMapId(edge)
    }

    /// Rough size in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.nodes.count() * (size_of::<Node>() + 160)
    }
}

impl provider::Names for Names {
    fn leaf(&self, node: u32) -> Option<u32> {
        self.leaf(NameMapId(node))
    }

    fn labels(&self, node: u32) -> u32 {
        self.node(NameMapId(node)).key.edges.len() as u32
    }

    fn label(&self, node: u32, number: u32) -> Option<(&str, u32)> {
        self.node(NameMapId(node)).key.edges.get(number as usize).map(|(label, target)| (&**label, target.0))
    }

    fn hopeful(&self, node: u32) -> bool {
        self.hopeful(NameMapId(node))
    }

    fn is_alone(&self, node: u32) -> bool {
        self.is_alone(NameMapId(node))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn changed_names_are_those_made_anew(
            names in proptest::collection::btree_map("[ab\u{e9}]{0,5}|a{28,70}b?", 0_u32..4, 1..9),
            changes in proptest::collection::vec((0_usize..9, proptest::option::of(0_u32..4)), 1..9),
        ) {
            let store = Names::default();
            let mut names: BTreeMap<String, u32> = names;
            let of = |names: &BTreeMap<String, u32>| store.of(names.iter().map(|(name, &leaf)| (name.as_str(), leaf)));
            let mut map = of(&names);
            for (chosen, leaf) in changes {
                let (Some(now), Some(name)) = (map, names.keys().nth(chosen).cloned()) else { continue };
                let changed = store.changed(now, &name, leaf);
                match leaf {
                    Some(leaf) => drop(names.insert(name, leaf)),
                    None => drop(names.remove(&name)),
                }
                map = of(&names);
                prop_assert_eq!(changed, map);
            }
        }
    }

    #[test]
    fn what_is_no_name_is_not_changed() {
        let store = Names::default();
        let map = store.of([("ab", 1), ("abc", 2)]).unwrap();
        for name in ["", "a", "abcd", "x"] {
            assert_eq!(store.changed(map, name, Some(3)), None);
        }
        let long = "x".repeat(1 << 20);
        let map = store.of([(long.as_str(), 2), ("y", 1)]).unwrap();
        assert_eq!(store.changed(map, &long, Some(3)), store.of([(long.as_str(), 3), ("y", 1)]));
        assert_eq!(store.changed(map, "y", None), store.of([(long.as_str(), 2)]));
    }
}
