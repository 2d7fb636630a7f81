//! Schema text as a flat tree that keeps numbers digit by digit. Pipeline: **json** -> resolve, schema.
//!
//! Invariant: a value's id is greater than the ids of everything inside it, so one loop over the ids works bottom-up, and nothing
//! here recurses, neither parsing nor dropping.
//! Must not know: what any key means.

use hashbrown::HashSet;

use crate::error::{CompileError, Position};
use crate::identity::Identity;
use crate::limits::Limits;

/// A value of a [`Document`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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

/// A parsed text.
#[derive(Debug)]
pub(super) struct Document {
    nodes: Vec<Node>,
    /// By node: a keyed hash of the value (numbers by value, objects without order).
    values: Vec<u128>,
    /// Some key may give an identifier to a schema, so the identifiers must be collected.
    pub names_schemas: bool,
}

impl Document {
    /// Parse `text`.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, CompileError> {
        Limits::check("max_text_bytes", text.len(), limits.max_text_bytes)?;
        let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, nodes: Vec::new(), names_schemas: false };
        parser.document(limits)?;
        let mut document = Self { nodes: parser.nodes, values: Vec::new(), names_schemas: parser.names_schemas };
        document.values.reserve(document.nodes.len());
        for index in 0..document.nodes.len() {
            let hash = document.hash_value(index);
            document.values.push(hash);
        }
        Ok(document)
    }

    pub fn root(&self) -> NodeId {
        NodeId(self.nodes.len().saturating_sub(1) as u32)
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

    /// A keyed hash of the value: equal for equal values, numbers by value, objects without order.
    pub fn value_hash(&self, node: NodeId) -> u128 {
        self.values.get(node.index()).copied().unwrap_or(0)
    }

    fn hash_value(&self, index: usize) -> u128 {
        let mut hash = Identity::new("json value");
        match &self.nodes[index] {
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
                    hash.u128(self.value_hash(item));
                }
            }
            Node::Object(members) => {
                hash.str("o");
                for (name, node) in members.by_name() {
                    hash.str(name);
                    hash.u128(self.value_hash(node));
                }
            }
        }
        hash.finish()
    }

    /// The JSON pointer of a node; the tree is searched, so this is for messages.
    pub fn pointer_to(&self, target: NodeId) -> String {
        let mut pointer = String::new();
        let mut at = self.root();
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

enum Open {
    Array(Vec<NodeId>),
    Object { entries: Vec<(Box<str>, NodeId)>, name: Box<str> },
}

struct Parser<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    nodes: Vec<Node>,
    names_schemas: bool,
}

impl Parser<'_> {
    fn error(&self, message: impl Into<String>) -> CompileError {
        CompileError::Json { position: Position::of(self.text, self.at), message: message.into() }
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId((self.nodes.len() - 1) as u32)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn document(&mut self, limits: &Limits) -> Result<(), CompileError> {
        let mut open: Vec<Open> = Vec::new();
        self.space();
        'value: loop {
            // A value begins here.
            let mut done = match self.peek() {
                Some(b'[') => {
                    self.at += 1;
                    self.space();
                    if self.peek() == Some(b']') {
                        self.at += 1;
                        self.add(Node::Array(Box::default()))
                    } else {
                        Limits::check("max_nesting", open.len() + 1, limits.max_nesting)?;
                        open.push(Open::Array(Vec::new()));
                        continue 'value;
                    }
                }
                Some(b'{') => {
                    self.at += 1;
                    self.space();
                    if self.peek() == Some(b'}') {
                        self.at += 1;
                        self.add(Node::Object(Members::default()))
                    } else {
                        Limits::check("max_nesting", open.len() + 1, limits.max_nesting)?;
                        let name = self.key()?;
                        open.push(Open::Object { entries: Vec::new(), name });
                        continue 'value;
                    }
                }
                _ => {
                    let node = self.scalar()?;
                    self.add(node)
                }
            };
            // A value has ended: close what ends with it.
            loop {
                self.space();
                match open.pop() {
                    None => {
                        return if self.at == self.bytes.len() { Ok(()) } else { Err(self.error("unexpected text after the value")) };
                    }
                    Some(Open::Array(mut items)) => {
                        items.push(done);
                        match self.peek() {
                            Some(b',') => {
                                self.at += 1;
                                self.space();
                                open.push(Open::Array(items));
                                continue 'value;
                            }
                            Some(b']') => {
                                self.at += 1;
                                done = self.add(Node::Array(items.into()));
                            }
                            _ => return Err(self.error("expected `,` or `]`")),
                        }
                    }
                    Some(Open::Object { mut entries, name }) => {
                        entries.push((name, done));
                        match self.peek() {
                            Some(b',') => {
                                self.at += 1;
                                self.space();
                                let name = self.key()?;
                                open.push(Open::Object { entries, name });
                                continue 'value;
                            }
                            Some(b'}') => {
                                let members = self.members(entries)?;
                                self.at += 1;
                                done = self.add(Node::Object(members));
                            }
                            _ => return Err(self.error("expected `,` or `}`")),
                        }
                    }
                }
            }
        }
    }

    fn members(&self, entries: Vec<(Box<str>, NodeId)>) -> Result<Members, CompileError> {
        let repeated = |name: &str| self.error(format!("the key {name:?} occurs twice in one object"));
        if entries.len() <= SEARCHED_ONE_BY_ONE {
            for (i, (name, _)) in entries.iter().enumerate() {
                if entries[..i].iter().any(|(other, _)| other == name) {
                    return Err(repeated(name));
                }
            }
            return Ok(Members { entries: entries.into(), sorted: Box::default() });
        }
        let mut seen = HashSet::with_capacity(entries.len());
        for (name, _) in &entries {
            if !seen.insert(&**name) {
                return Err(repeated(name));
            }
        }
        let mut sorted: Vec<u32> = (0..entries.len() as u32).collect();
        sorted.sort_unstable_by(|&a, &b| entries[a as usize].0.cmp(&entries[b as usize].0));
        drop(seen);
        Ok(Members { entries: entries.into(), sorted: sorted.into() })
    }

    fn key(&mut self) -> Result<Box<str>, CompileError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a key in double quotes"));
        }
        let name = self.string()?;
        self.names_schemas |= matches!(&*name, "$id" | "id" | "$anchor" | "$dynamicAnchor" | "$recursiveAnchor");
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.error("expected `:` after a key"));
        }
        self.at += 1;
        self.space();
        Ok(name.into())
    }

    fn scalar(&mut self) -> Result<Node, CompileError> {
        for (word, node) in [("null", Node::Null), ("true", Node::Bool(true)), ("false", Node::Bool(false))] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(node);
            }
        }
        match self.peek() {
            Some(b'"') => Ok(Node::String(self.string()?.into())),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.error("expected a JSON value")),
            None => Err(self.error("the text ends where a JSON value is expected")),
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Node, CompileError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else if self.digits() == 0 {
            return Err(self.error("a number needs a digit here"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.error("a number needs a digit after the point"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.error("a number needs a digit in its exponent"));
            }
        }
        Ok(Node::Number(self.text[start..self.at].into()))
    }

    fn string(&mut self) -> Result<String, CompileError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1F)) {
                self.at += 1;
            }
            out.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    let c = self.escape()?;
                    out.push(c);
                }
                Some(_) => return Err(self.error("a control character in a string must be escaped")),
                None => return Err(self.error("the text ends inside a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, CompileError> {
        let c = match self.bytes.get(self.at + 1) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(&b @ (b'"' | b'\\' | b'/')) => char::from(b),
            Some(b'u') => {
                let first = self.hex(self.at + 2).ok_or_else(|| self.error("`\\u` needs four hexadecimal digits"))?;
                if (0xD800..0xDC00).contains(&first) && self.bytes[self.at + 6..].starts_with(b"\\u") {
                    let second = self.hex(self.at + 8).unwrap_or(0);
                    if (0xDC00..0xE000).contains(&second) {
                        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                        self.at += 12;
                        return char::from_u32(code).ok_or_else(|| self.error("a surrogate without its partner"));
                    }
                }
                let c = char::from_u32(first).ok_or_else(|| self.error("a surrogate without its partner is no character"))?;
                self.at += 6;
                return Ok(c);
            }
            _ => return Err(self.error("unknown escape")),
        };
        self.at += 2;
        Ok(c)
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.bytes.get(at..at + 4)?;
        digits.iter().try_fold(0, |value, &b| Some(value << 4 | char::from(b).to_digit(16)?))
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
