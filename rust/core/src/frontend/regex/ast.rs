//! The parsed pattern: an arena of hash-consed nodes. Part of the regex front-end.
//!
//! Invariant: children have smaller ids than their parents, so every analysis is a loop over the arena; equal nodes have equal ids.
//! Must not know: the syntax, or how patterns are run.

use hashbrown::HashMap;

use crate::grammar::{CharClass, ContentHasher};

/// A node of a pattern.
pub(super) type NodeId = u32;
/// A class of a pattern, in its table.
pub(super) type ClassId = u32;

/// A condition on a place between characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Assertion {
    /// `^`
    TextStart,
    /// `$`
    TextEnd,
    /// `^` with the flag m.
    LineStart,
    /// `$` with the flag m.
    LineEnd,
    /// `\b`
    WordBoundary,
    /// `\B`
    NotWordBoundary,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// The empty text.
    Empty,
    /// One character.
    Class(ClassId),
    Concat(Box<[NodeId]>),
    Alternate(Box<[NodeId]>),
    Repeat {
        body: NodeId,
        min: u32,
        max: Option<u32>,
    },
    Assert(Assertion),
    /// `(?=…)`, `(?!…)`
    Ahead {
        body: NodeId,
        negative: bool,
    },
    /// `(?<=…)`, `(?<!…)`: the body is in [`Ast::behinds`].
    Behind {
        index: u8,
        negative: bool,
    },
}

/// What a node depends on besides the characters that it consumes.
pub(super) mod needs {
    /// The character before.
    pub(in super::super) const BEFORE: u32 = 1;
    /// What comes after.
    pub(in super::super) const AFTER: u32 = 2;
    /// All of the text before, through the lookbehind of this number.
    pub(in super::super) const fn behind(index: u8) -> u32 {
        1 << (8 + index)
    }
    /// How many lookbehinds one pattern may have.
    pub(in super::super) const MAX_BEHINDS: usize = 16;
}

/// A pattern.
#[derive(Debug)]
pub(super) struct Ast {
    pub nodes: Vec<Node>,
    ids: HashMap<Node, NodeId>,
    /// By node, see [`needs`].
    pub needs: Vec<u32>,
    /// By node: does it match the empty text wherever it stands?
    pub nullable: Vec<bool>,
    pub classes: Vec<CharClass>,
    class_ids: HashMap<CharClass, ClassId>,
    /// The bodies of lookbehinds.
    pub behinds: Vec<NodeId>,
    pub root: NodeId,
}

/// Classes that every pattern has.
pub(super) const ANY: ClassId = 0;
pub(super) const WORD: ClassId = 1;
pub(super) const LINE_END: ClassId = 2;
/// The node that is always there.
pub(super) const EMPTY: NodeId = 0;

impl Ast {
    pub fn new() -> Self {
        let mut ast = Self {
            nodes: Vec::new(),
            ids: HashMap::new(),
            needs: Vec::new(),
            nullable: Vec::new(),
            classes: Vec::new(),
            class_ids: HashMap::new(),
            behinds: Vec::new(),
            root: EMPTY,
        };
        ast.class_id(CharClass::any());
        ast.class_id(word());
        ast.class_id(line_ends());
        ast.add(Node::Empty);
        ast
    }

    pub fn class_id(&mut self, class: CharClass) -> ClassId {
        if let Some(&id) = self.class_ids.get(&class) {
            return id;
        }
        let id = self.classes.len() as ClassId;
        self.classes.push(class.clone());
        self.class_ids.insert(class, id);
        id
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// The id of a node, which is added if it is new.
    pub fn add(&mut self, node: Node) -> NodeId {
        if let Some(&id) = self.ids.get(&node) {
            return id;
        }
        let all = |ids: &[NodeId]| ids.iter().fold(0, |sum, &id| sum | self.needs[id as usize]);
        let null = |id: &NodeId| self.nullable[*id as usize];
        let (needs, nullable) = match &node {
            Node::Empty => (0, true),
            Node::Class(_) => (0, false),
            Node::Concat(parts) => (all(parts), parts.iter().all(null)),
            Node::Alternate(parts) => (all(parts), parts.iter().any(null)),
            Node::Repeat { body, min, .. } => (all(&[*body]), *min == 0 || null(body)),
            Node::Assert(Assertion::TextStart | Assertion::LineStart) => (needs::BEFORE, false),
            Node::Assert(Assertion::TextEnd | Assertion::LineEnd) => (needs::AFTER, false),
            Node::Assert(Assertion::WordBoundary | Assertion::NotWordBoundary) => (needs::BEFORE | needs::AFTER, false),
            Node::Ahead { body, .. } => (all(&[*body]) | needs::AFTER, false),
            Node::Behind { index, .. } => (all(&[self.behinds[usize::from(*index)]]) | needs::behind(*index), false),
        };
        let id = self.nodes.len() as NodeId;
        self.needs.push(needs);
        self.nullable.push(nullable);
        self.nodes.push(node.clone());
        self.ids.insert(node, id);
        id
    }

    pub fn class(&mut self, class: CharClass) -> NodeId {
        let id = self.class_id(class);
        self.add(Node::Class(id))
    }

    pub fn concat(&mut self, mut parts: Vec<NodeId>) -> NodeId {
        parts.retain(|&part| part != EMPTY);
        match parts.as_slice() {
            [] => EMPTY,
            [one] => *one,
            _ => self.add(Node::Concat(parts.into())),
        }
    }

    /// The union; branches of one character become one class.
    pub fn alternate(&mut self, branches: Vec<NodeId>) -> NodeId {
        let mut merged: Vec<(u32, u32)> = Vec::new();
        let mut class_at = None;
        let mut parts: Vec<NodeId> = Vec::with_capacity(branches.len());
        let mut seen = hashbrown::HashSet::new();
        for branch in branches {
            if let Node::Class(class) = *self.node(branch) {
                merged.extend_from_slice(self.classes[class as usize].ranges());
                if class_at.is_none() {
                    class_at = Some(parts.len());
                    parts.push(branch);
                }
            } else if seen.insert(branch) {
                parts.push(branch);
            }
        }
        if let Some(at) = class_at {
            parts[at] = self.class(CharClass::new(merged));
        }
        match parts.as_slice() {
            [one] => *one,
            _ => self.add(Node::Alternate(parts.into())),
        }
    }

    pub fn repeat(&mut self, body: NodeId, min: u32, max: Option<u32>) -> NodeId {
        match (min, max) {
            (1, Some(1)) => return body,
            (_, Some(0)) => return EMPTY,
            _ if body == EMPTY => return EMPTY,
            _ => {}
        }
        // (x*)* and its like are one loop; what is asserted in an empty pass only narrows, and the pass can be left out.
        if let Node::Repeat { body: inner, min: inner_min @ (0 | 1), max: None } = *self.node(body)
            && (min <= 1 || inner_min == 0)
        {
            return self.add(Node::Repeat { body: inner, min: min.min(inner_min), max: None });
        }
        self.add(Node::Repeat { body, min, max })
    }

    /// A keyed hash of the pattern as parsed, not as written.
    pub fn identity(&self, kind: &str) -> u128 {
        let mut used = vec![false; self.nodes.len()];
        used[self.root as usize] = true;
        for &behind in &self.behinds {
            used[behind as usize] = true;
        }
        for id in (0..self.nodes.len()).rev() {
            if used[id] {
                match &self.nodes[id] {
                    Node::Concat(parts) | Node::Alternate(parts) => parts.iter().for_each(|&part| used[part as usize] = true),
                    Node::Repeat { body, .. } | Node::Ahead { body, .. } => used[*body as usize] = true,
                    Node::Empty | Node::Class(_) | Node::Assert(_) | Node::Behind { .. } => {}
                }
            }
        }
        let mut hasher = ContentHasher::new(kind);
        let mut number = vec![0u64; self.nodes.len()];
        for (next, (id, node)) in self.nodes.iter().enumerate().filter(|&(id, _)| used[id]).enumerate() {
            number[id] = next as u64;
            match node {
                Node::Empty => {
                    hasher.number(0);
                }
                Node::Class(class) => {
                    let ranges = self.classes[*class as usize].ranges();
                    hasher.number(1).number(ranges.len() as u64);
                    for &(low, high) in ranges {
                        hasher.number(u64::from(low) << 32 | u64::from(high));
                    }
                }
                Node::Concat(parts) | Node::Alternate(parts) => {
                    hasher.number(if matches!(node, Node::Concat(_)) { 2 } else { 3 }).number(parts.len() as u64);
                    for &part in parts {
                        hasher.number(number[part as usize]);
                    }
                }
                Node::Repeat { body, min, max } => {
                    hasher.number(4).number(number[*body as usize]).number(u64::from(*min)).number(max.map_or(u64::MAX, u64::from));
                }
                Node::Assert(assertion) => {
                    hasher.number(5).number(*assertion as u64);
                }
                Node::Ahead { body, negative } => {
                    hasher.number(6).number(number[*body as usize]).number(u64::from(*negative));
                }
                Node::Behind { index, negative } => {
                    let body = self.behinds[usize::from(*index)];
                    hasher.number(7).number(number[body as usize]).number(u64::from(*negative));
                }
            }
        }
        hasher.number(number[self.root as usize]);
        hasher.finish()
    }
}

/// `\w`, without the flag i.
pub(super) fn word() -> CharClass {
    CharClass::new([(48, 57), (65, 90), (95, 95), (97, 122)])
}

/// What ends a line in ECMAScript: `.` leaves it out.
pub(super) fn line_ends() -> CharClass {
    CharClass::new([(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)])
}
