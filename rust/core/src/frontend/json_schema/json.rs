//! Schema texts as flat trees that keep numbers digit by digit, all in one arena. Pipeline: parser -> **json** -> resolve, schema.
//!
//! Invariant: a value's id is greater than the ids of everything inside it, so one loop over the ids works bottom-up, and nothing
//! here recurses; each id belongs to one text and has one place in it.
//! Must not know: what any key means.

use std::ops::Range;
use std::sync::OnceLock;

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
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'d> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as written.
    Number(&'d str),
    /// A string, unescaped.
    String(&'d str),
    /// The items.
    Array(&'d [NodeId]),
    /// The members in order.
    Object(Members<'d>),
}

/// The members of an object in document order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Members<'d> {
    values: &'d Values,
    entries: Span,
    /// Where the order of their names begins, if there are many.
    order: u32,
}

/// A place in one of the arrays of [`Values`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Span {
    start: u32,
    length: u32,
}

impl Span {
    pub fn new(start: usize, length: usize) -> Self {
        Self { start: start as u32, length: length as u32 }
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.length as usize
    }
}

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub name: Span,
    pub value: NodeId,
}

/// A value as it is kept.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Null,
    Bool(bool),
    Number(Span),
    String(Span),
    Array(Span),
    /// See [`Members`].
    Object(Span, u32),
}

const SEARCHED_ONE_BY_ONE: usize = 12;

impl<'d> Members<'d> {
    fn entries(self) -> &'d [Entry] {
        &self.values.entries[self.entries.range()]
    }

    pub fn iter(self) -> impl Iterator<Item = (&'d str, NodeId)> {
        self.entries().iter().map(move |entry| (self.values.text(entry.name), entry.value))
    }

    pub fn len(self) -> usize {
        self.entries.length as usize
    }

    pub fn get(self, name: &str) -> Option<NodeId> {
        let entries = self.entries();
        if entries.len() <= SEARCHED_ONE_BY_ONE {
            // PERF: as bytes, since a text is cut where characters end.
            let is_this = |entry: &&Entry| entry.name.length as usize == name.len() && self.values.bytes(entry.name) == name.as_bytes();
            return entries.iter().find(is_this).map(|entry| entry.value);
        }
        let sorted = &self.values.sorted[Span { start: self.order, ..self.entries }.range()];
        let found = sorted.binary_search_by(|&i| self.values.bytes(entries[i as usize].name).cmp(name.as_bytes())).ok()?;
        Some(entries[sorted[found] as usize].value)
    }

    /// The members sorted by name.
    fn by_name(self) -> Vec<(&'d str, NodeId)> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }
}

/// All values of some texts. Strings, items and members stand one behind the other: a schema has thousands, and each of its own would cost an allocation.
#[derive(Debug, Default)]
pub(super) struct Values {
    nodes: Vec<Kept>,
    /// The texts, and behind each what its strings with escapes say.
    text: String,
    items: Vec<NodeId>,
    entries: Vec<Entry>,
    sorted: Vec<u32>,
}

impl Values {
    /// Take in a text of which values are made; where it begins.
    pub fn open_text(&mut self, text: &str) -> usize {
        let start = self.text.len();
        self.text.push_str(text);
        start
    }

    /// A string that does not stand in a text as it is.
    pub fn add_text(&mut self, text: &str) -> Span {
        Span::new(self.open_text(text), text.len())
    }

    pub fn text(&self, span: Span) -> &str {
        &self.text[span.range()]
    }

    fn bytes(&self, span: Span) -> &[u8] {
        &self.text.as_bytes()[span.range()]
    }

    fn add(&mut self, node: Kept) -> NodeId {
        self.nodes.push(node);
        NodeId((self.nodes.len() - 1) as u32)
    }

    pub fn add_null(&mut self) -> NodeId {
        self.add(Kept::Null)
    }

    pub fn add_bool(&mut self, value: bool) -> NodeId {
        self.add(Kept::Bool(value))
    }

    pub fn add_number(&mut self, digits: Span) -> NodeId {
        self.add(Kept::Number(digits))
    }

    pub fn add_string(&mut self, text: Span) -> NodeId {
        self.add(Kept::String(text))
    }

    pub fn add_array(&mut self, items: impl IntoIterator<Item = NodeId>) -> NodeId {
        let start = self.items.len();
        self.items.extend(items);
        self.add(Kept::Array(Span::new(start, self.items.len() - start)))
    }

    /// The error is a name that occurs twice.
    pub fn add_object(&mut self, members: impl IntoIterator<Item = Entry>) -> Result<NodeId, Span> {
        let start = self.entries.len();
        self.entries.extend(members);
        let text = self.text.as_bytes();
        let entries = &self.entries[start..];
        let name = |entry: &Entry| &text[entry.name.range()];
        let order = self.sorted.len();
        if entries.len() <= SEARCHED_ONE_BY_ONE {
            let twice = (1..entries.len()).find(|&i| entries[..i].iter().any(|other| name(other) == name(&entries[i])));
            if let Some(twice) = twice {
                return Err(entries[twice].name);
            }
        } else {
            self.sorted.extend(0..entries.len() as u32);
            let sorted = &mut self.sorted[order..];
            sorted.sort_unstable_by_key(|&i| name(&entries[i as usize]));
            let same = |pair: &&[u32]| name(&entries[pair[0] as usize]) == name(&entries[pair[1] as usize]);
            if let Some(twice) = sorted.windows(2).find(same) {
                return Err(entries[twice[0] as usize].name);
            }
        }
        let members = Span::new(start, entries.len());
        Ok(self.add(Kept::Object(members, order as u32)))
    }

    fn copy(&mut self, original: NodeId, replace: impl Fn(NodeId) -> NodeId) -> NodeId {
        let copy = match self.nodes.get(original.index()) {
            None => Kept::Null,
            Some(&Kept::Array(items)) => {
                let start = self.items.len();
                self.items.extend_from_within(items.range());
                self.items[start..].iter_mut().for_each(|item| *item = replace(*item));
                Kept::Array(Span::new(start, self.items.len() - start))
            }
            Some(&Kept::Object(members, order)) => {
                let start = self.entries.len();
                self.entries.extend_from_within(members.range());
                self.entries[start..].iter_mut().for_each(|entry| entry.value = replace(entry.value));
                // The names are the same, and so is their order.
                Kept::Object(Span::new(start, self.entries.len() - start), order)
            }
            Some(&other) => other,
        };
        self.add(copy)
    }

    /// The value; `null` if there is none.
    #[inline]
    fn get(&self, node: NodeId) -> Node<'_> {
        match self.nodes.get(node.index()) {
            None | Some(Kept::Null) => Node::Null,
            Some(&Kept::Bool(value)) => Node::Bool(value),
            Some(&Kept::Number(digits)) => Node::Number(self.text(digits)),
            Some(&Kept::String(text)) => Node::String(self.text(text)),
            Some(&Kept::Array(items)) => Node::Array(&self.items[items.range()]),
            Some(&Kept::Object(entries, order)) => Node::Object(Members { values: self, entries, order }),
        }
    }
}

/// Places are counted in 32 bits, and strings without their escapes follow the text.
const MOST_BYTES: usize = u32::MAX as usize / 2;

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
    values: Values,
    /// By node of a text: the hash of its value. Made when one is asked for that holds arrays or objects: few schemas have such constants.
    hashes: OnceLock<Vec<u128>>,
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
        Limits::check("max_text_bytes", self.bytes, limits.max_text_bytes.min(MOST_BYTES))?;
        let before = self.len();
        // What a text that cannot be read leaves beside its nodes is not looked at.
        let names_schemas = parser::parse(text, &mut self.values, limits).inspect_err(|_| self.values.nodes.truncate(before))?;
        self.hashes = OnceLock::new();
        let root = NodeId(self.len().saturating_sub(1) as u32);
        if self.texts.is_empty() {
            self.root = root;
        }
        self.texts.push(Text { uri: uri.into(), root });
        Ok((root, names_schemas))
    }

    /// Add a copy of `original` with other values in it, where `replace` says so. No text is added after the first copy.
    pub fn add_copy(&mut self, original: NodeId, replace: impl Fn(NodeId) -> NodeId) -> NodeId {
        let first = self.original(original);
        self.copied.push(first);
        self.values.copy(original, replace)
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
        let copies_from = self.len() - self.copied.len();
        node.index().checked_sub(copies_from).and_then(|i| self.copied.get(i)).copied().unwrap_or(node)
    }

    pub fn len(&self) -> usize {
        self.values.nodes.len()
    }

    /// The value; `null` if there is none.
    pub fn get(&self, node: NodeId) -> Node<'_> {
        self.values.get(node)
    }

    /// The members, if it is an object.
    pub fn members(&self, node: NodeId) -> Option<Members<'_>> {
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
        let all = self.hashes.get_or_init(|| {
            // Bottom-up, since ids grow from the inside out.
            let mut all: Vec<u128> = Vec::with_capacity(self.len() - self.copied.len());
            for index in 0..self.len() - self.copied.len() {
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

    /// Add a value to what is hashed: its hash, or, if nothing is inside it, itself.
    pub fn hash_into(&self, hash: &mut Identity, node: NodeId) {
        if self.holds_others(node) {
            hash.str("v").u128(self.value_hash(node));
        } else {
            self.hash_plain(hash, node);
        }
    }

    /// The hash of a value, given those of what is inside it.
    fn hash_value(&self, node: NodeId, inside: &dyn Fn(NodeId) -> u128) -> u128 {
        let mut hash = Identity::new("json value");
        match self.get(node) {
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
            _ => self.hash_plain(&mut hash, node),
        }
        hash.finish()
    }

    /// Add a value with nothing inside it.
    fn hash_plain(&self, hash: &mut Identity, node: NodeId) {
        match self.get(node) {
            Node::Bool(false) => hash.str("f"),
            Node::Bool(true) => hash.str("t"),
            Node::Number(digits) => hash.str("#").str(&canonical_number(digits)),
            Node::String(text) => hash.str("s").str(text),
            Node::Null | Node::Array(_) | Node::Object(_) => hash.str("n"),
        };
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
