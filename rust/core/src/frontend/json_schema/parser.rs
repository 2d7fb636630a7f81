//! JSON text to nodes. Pipeline: text -> **parser** -> json.
//!
//! Invariant: exactly RFC 8259, no key twice in an object, anything else is an error with its position; a value is added after everything
//! inside it; nothing recurses.
//! Must not know: what any key means, but for those that name schemas.

use super::json::{Members, Node, NodeId};
use crate::error::{CompileError, Position};
use crate::limits::Limits;

/// Add the nodes of `text` to `nodes`, the whole value last. Returns whether some key may give an identifier to a schema.
pub(super) fn parse(text: &str, nodes: &mut Vec<Node>, limits: &Limits) -> Result<bool, CompileError> {
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, nodes, names_schemas: false };
    parser.document(limits)?;
    Ok(parser.names_schemas)
}

enum Open {
    Array(Vec<NodeId>),
    Object { entries: Vec<(Box<str>, NodeId)>, name: Box<str> },
}

struct Parser<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    nodes: &'t mut Vec<Node>,
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
                                let repeated = |name: Box<str>| self.error(format!("the key {name:?} occurs twice in one object"));
                                let members = Members::new(entries).map_err(repeated)?;
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
