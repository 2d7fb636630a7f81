//! Schema texts as flat trees that keep numbers digit by digit, all in one arena. Pipeline: parser -> **json** -> resolve, schema.
//!
//! Invariant: a value's id is greater than the ids of everything inside it, so one loop over the ids works bottom-up, and nothing
//! here recurses, not even dropping; each id belongs to one text and has one place in it.
//! Must not know: what any key means.

use std::sync::OnceLock;

use hashbrown::HashSet;

use super::parser;
use crate::error::CompileError;
use crate::identity::Identity;
use crate::limits::Limits;

/// A value of a [`Document`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(super) struct NodeId(pub u32);

impl NodeId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// One JSON value.
#[derive(Debug)]
pub(super) enum Node {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as written.
    Number(Box<str>),
    /// A string, unescaped.
    String(Box<str>),
    /// The items.
    Array(Box<[NodeId]>),
    /// The members in order.
    Object(Members),
}

/// The members of an object in document order.
#[derive(Debug, Default)]
pub(super) struct Members {
    entries: Box<[(Box<str>, NodeId)]>,
    /// Indices sorted by name, for objects too big to be searched one by one.
    sorted: Box<[u32]>,
}

const SEARCHED_ONE_BY_ONE: usize = 12;

impl Members {
    /// The error is a name that occurs twice.
    pub fn new(entries: Vec<(Box<str>, NodeId)>) -> Result<Self, Box<str>> {
        if entries.len() <= SEARCHED_ONE_BY_ONE {
            for (i, (name, _)) in entries.iter().enumerate() {
                if entries[..i].iter().any(|(other, _)| other == name) {
                    return Err(name.clone());
                }
            }
            return Ok(Self { entries: entries.into(), sorted: Box::default() });
        }
        let mut seen = HashSet::with_capacity(entries.len());
        if let Some((name, _)) = entries.iter().find(|(name, _)| !seen.insert(&**name)) {
            return Err(name.clone());
        }
        drop(seen);
        let mut sorted: Vec<u32> = (0..entries.len() as u32).collect();
        sorted.sort_unstable_by(|&a, &b| entries[a as usize].0.cmp(&entries[b as usize].0));
        Ok(Self { entries: entries.into(), sorted: sorted.into() })
    }

    /// The same names with other values, in order.
    pub fn with_values(&self, values: impl IntoIterator<Item = NodeId>) -> Self {
        let entries = self.entries.iter().zip(values).map(|((name, _), value)| (name.clone(), value)).collect();
        Self { entries, sorted: self.sorted.clone() }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, NodeId)> {
        self.entries.iter().map(|(name, node)| (&**name, *node))
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn get(&self, name: &str) -> Option<NodeId> {
        if self.sorted.is_empty() {
            return self.entries.iter().find(|(n, _)| **n == *name).map(|(_, node)| *node);
        }
        let found = self.sorted.binary_search_by(|&i| self.entries[i as usize].0.as_ref().cmp(name)).ok()?;
        self.entries.get(*self.sorted.get(found)? as usize).map(|(_, node)| *node)
    }

    /// The members sorted by name.
    fn by_name(&self) -> Vec<(&str, NodeId)> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }
}

/// One of the texts of a [`Document`].
#[derive(Debug)]
struct Text {
    uri: Box<str>,
    /// The whole value, which is the last of its nodes.
    root: NodeId,
}

/// Parsed texts: the schema, and the documents that it refers to.
#[derive(Debug, Default)]
pub(super) struct Document {
    nodes: Vec<Node>,
    /// By node of a text: the hash of its value. Made when one is asked for that holds arrays or objects: few schemas have such constants.
    values: OnceLock<Vec<u128>>,
    /// The nodes of a text follow those of the one before.
    texts: Vec<Text>,
    /// Where the whole schema is.
    root: NodeId,
    /// After the nodes of all texts come copies; this is what they are copies of.
    copied: Vec<NodeId>,
    bytes: usize,
}

impl Document {
    /// Parse `text`, the schema.
    #[cfg(test)]
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, CompileError> {
        let mut this = Self::default();
        this.root = this.add_text(text, "", limits)?.0;
        Ok(this)
    }

    /// Parse `text`, known by `uri`; the first is the schema. Returns the whole value, and whether some key may give an identifier to a schema.
    pub fn add_text(&mut self, text: &str, uri: &str, limits: &Limits) -> Result<(NodeId, bool), CompileError> {
        self.bytes = self.bytes.saturating_add(text.len());
        Limits::check("max_text_bytes", self.bytes, limits.max_text_bytes)?;
        let before = self.nodes.len();
        let names_schemas = parser::parse(text, &mut self.nodes, limits).inspect_err(|_| self.nodes.truncate(before))?;
        self.values = OnceLock::new();
        let root = NodeId(self.nodes.len().saturating_sub(1) as u32);
        if self.texts.is_empty() {
            self.root = root;
        }
        self.texts.push(Text { uri: uri.into(), root });
        Ok((root, names_schemas))
    }

    /// Add a copy of `original` that differs in the schemas inside it. No text is added after the first copy.
    pub fn add_copy(&mut self, original: NodeId, node: Node) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(node);
        self.copied.push(self.original(original));
        id
    }

    /// Where the whole schema is.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// Put `copy` in the place of the whole schema.
    pub fn set_root(&mut self, copy: NodeId) {
        self.root = copy;
    }

    /// What a copy is a copy of; anything else is itself.
    pub fn original(&self, node: NodeId) -> NodeId {
        let copies_from = self.nodes.len() - self.copied.len();
        node.index().checked_sub(copies_from).and_then(|i| self.copied.get(i)).copied().unwrap_or(node)
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn get(&self, node: NodeId) -> &Node {
        self.nodes.get(node.index()).unwrap_or(&Node::Null)
    }

    /// The members, if it is an object.
    pub fn members(&self, node: NodeId) -> Option<&Members> {
        match self.get(node) {
            Node::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The items, if it is an array.
    pub fn items(&self, node: NodeId) -> Option<&[NodeId]> {
        match self.get(node) {
            Node::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The text, if it is a string.
    pub fn string(&self, node: NodeId) -> Option<&str> {
        match self.get(node) {
            Node::String(text) => Some(text),
            _ => None,
        }
    }

    /// The member `name`, if it is an object that has one.
    pub fn member(&self, node: NodeId, name: &str) -> Option<NodeId> {
        self.members(node)?.get(name)
    }

    /// A keyed hash of the value: equal for equal values, numbers by value, objects without order. A copy counts as what it is a copy of.
    pub fn value_hash(&self, node: NodeId) -> u128 {
        let node = self.original(node);
        let nested = match self.get(node) {
            Node::Array(items) => items.iter().any(|&item| self.holds_others(item)),
            Node::Object(members) => members.iter().any(|(_, member)| self.holds_others(member)),
            _ => false,
        };
        if !nested {
            return self.hash_value(node, &|inner| self.hash_value(inner, &|_| 0));
        }
        let all = self.values.get_or_init(|| {
            // Bottom-up, since ids grow from the inside out.
            let mut all: Vec<u128> = Vec::with_capacity(self.nodes.len() - self.copied.len());
            for index in 0..self.nodes.len() - self.copied.len() {
                let hash = self.hash_value(NodeId(index as u32), &|inner| all.get(inner.index()).copied().unwrap_or(0));
                all.push(hash);
            }
            all
        });
        all.get(node.index()).copied().unwrap_or(0)
    }

    fn holds_others(&self, node: NodeId) -> bool {
        matches!(self.get(node), Node::Array(_) | Node::Object(_))
    }

    /// The hash of a value, given those of what is inside it.
    fn hash_value(&self, node: NodeId, inside: &dyn Fn(NodeId) -> u128) -> u128 {
        let mut hash = Identity::new("json value");
        match self.get(node) {
            Node::Null => {
                hash.str("n");
            }
            Node::Bool(value) => {
                hash.str(if *value { "t" } else { "f" });
            }
            Node::Number(digits) => {
                hash.str("#");
                hash.str(&canonical_number(digits));
            }
            Node::String(text) => {
                hash.str("s");
                hash.str(text);
            }
            Node::Array(items) => {
                hash.str("a");
                for &item in items {
                    hash.u128(inside(item));
                }
            }
            Node::Object(members) => {
                hash.str("o");
                for (name, node) in members.by_name() {
                    hash.str(name);
                    hash.u128(inside(node));
                }
            }
        }
        hash.finish()
    }

    /// The JSON pointer of a node, after the URI and `#` if it is not in the schema itself; the tree is searched, so this is for messages.
    pub fn pointer_to(&self, target: NodeId) -> String {
        let target = self.original(target);
        let text = self.texts.partition_point(|text| text.root < target);
        let Some(Text { uri, root }) = self.texts.get(text) else { return String::new() };
        let mut pointer = if text == 0 { String::new() } else { format!("{uri}#") };
        let mut at = *root;
        while at != target {
            // Ids grow from the inside out: the child that holds the target is the first whose id is not smaller.
            let step = match self.get(at) {
                Node::Array(items) => items.iter().enumerate().find(|&(_, &item)| item >= target).map(|(i, &item)| (i.to_string(), item)),
                Node::Object(members) => members.iter().find(|&(_, node)| node >= target).map(|(name, node)| (escape_token(name), node)),
                _ => None,
            };
            let Some((token, next)) = step else { return pointer };
            pointer.push('/');
            pointer.push_str(&token);
            at = next;
        }
        pointer
    }
}

/// A reference token of a JSON pointer.
pub(super) fn escape_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A spelling that equal numbers share: significant digits and the power of ten.
pub(super) fn canonical_number(text: &str) -> String {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(i) => (&text[..i], &text[i + 1..]),
        None => (text, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = whole.chars().chain(fraction.chars()).collect();
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    let trailing = digits.len() - digits.trim_end_matches('0').len();
    let sign = if negative { "-" } else { "" };
    match exponent.parse::<i64>() {
        Ok(e) => format!("{sign}{significant}e{}", i128::from(e) + trailing as i128 - fraction.len() as i128),
        // An exponent beyond 64 bits: compare it as written.
        Err(_) => format!("{sign}{significant}e{exponent}+{trailing}-{}", fraction.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Document, CompileError> {
        Document::parse(text, &Limits::default())
    }

    #[test]
    fn reads_what_json_is_and_nothing_else() {
        for good in ["null", " [1, -0.5e+3, \"\\u00e9\\ud83d\\ude00\"] ", "{\"a\":{\"b\":[]},\"c\":{}}", "0"] {
            parse(good).unwrap();
        }
        let bad = [
            "",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            "\"\\x\"",
            "\"\\ud800\"",
            "{\"a\":1,\"a\":2}",
            "nul",
            "[1 2]",
            "\"\n\"",
            "{1:2}",
            "1 2",
            "-",
        ];
        for text in bad {
            assert!(matches!(parse(text), Err(CompileError::Json { .. })), "{text}");
        }
    }

    #[test]
    fn numbers_hash_by_value_and_objects_without_order() {
        let hash = |text| {
            let d = parse(text).unwrap();
            d.value_hash(d.root())
        };
        assert_eq!(hash("100"), hash("1.00e2"));
        assert_eq!(hash("-0.0"), hash("0"));
        assert_ne!(hash("1"), hash("\"1\""));
        assert_eq!(hash("{\"a\":1,\"b\":2}"), hash("{\"b\":2.0,\"a\":1}"));
        assert_ne!(hash("[1,2]"), hash("[2,1]"));
    }

    #[test]
    fn pointers_lead_back() {
        let d = parse("{\"a\":[1,{\"b/c\":true}],\"d\":2}").unwrap();
        let a = d.member(d.root(), "a").unwrap();
        let inner = d.items(a).unwrap()[1];
        let leaf = d.member(inner, "b/c").unwrap();
        assert_eq!(d.pointer_to(leaf), "/a/1/b~1c");
        assert_eq!(d.pointer_to(d.root()), "");
    }

    #[test]
    fn depth_is_bounded_not_stacked() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        parse(&deep(10_000)).unwrap();
        assert!(matches!(parse(&deep(10_002)), Err(CompileError::Engine(_))));
    }
}
