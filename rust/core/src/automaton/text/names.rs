//! Texts named one by one, each with its own verdict: the declared keys of an object. Used by the products, beside their components.
//!
//! Invariant: a node is what is left of the names, hash-consed by content. So wherever the names still possible are judged alike they are one
//! node, whatever was read and whatever is judged differently elsewhere; a character takes at most one new node.
//! Must not know: JSON, escapes, bytes of a text.

use std::sync::{Arc, OnceLock};

use dashmap::DashMap;
use foldhash::fast::RandomState;

use crate::maps;
use crate::provider::{self, ByteSet, CodepointEdge};

/// Names that may still come, by number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NameMapId(pub(super) u32);

/// A label on an edge is not longer than this, so that walking along a long name does not take the square of its length.
const LONGEST_LABEL: usize = 32;

#[derive(PartialEq, Eq, Hash)]
struct Key {
    /// What a text is worth that ends here: a leaf; `None`: it is no name.
    leaf: Option<u32>,
    /// Ascending; no two begin with the same character.
    edges: Box<[(Box<str>, NameMapId)]>,
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
    by_key: DashMap<Arc<Key>, NameMapId, RandomState>,
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
    edges: Vec<(Box<str>, NameMapId)>,
}

impl Names {
    fn node(&self, id: NameMapId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn intern(&self, leaf: Option<u32>, edges: Vec<(Box<str>, NameMapId)>) -> NameMapId {
        let key = Key { leaf, edges: edges.into() };
        if let Some(id) = self.by_key.get(&key) {
            return *id;
        }
        let hopeful = leaf.is_some_and(|leaf| leaf != 0) || key.edges.iter().any(|(_, target)| self.hopeful(*target));
        let key = Arc::new(key);
        *self
            .by_key
            .entry(Arc::clone(&key))
            .or_insert_with(|| NameMapId(self.nodes.push(Node { key, hopeful, steps: OnceLock::new() }) as u32))
    }

    /// An edge that reads `text` and then goes on at `target`.
    fn edge(&self, text: &str, mut target: NameMapId) -> (Box<str>, NameMapId) {
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
        self.node(id).key.leaf
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
}
