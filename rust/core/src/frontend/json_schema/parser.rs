//! JSON text to nodes. Pipeline: text -> **parser** -> json.
//!
//! Invariant: exactly RFC 8259, no key twice in an object, anything else is an error with its position; a value is added after everything
//! inside it; nothing recurses.
//! Must not know: what any key means, but for those that name schemas.

use super::json::{Members, Node, NodeId};
use crate::error::CompileError;
use crate::json_text::Lexer;
use crate::limits::Limits;

/// Add the nodes of `text` to `nodes`, the whole value last. Returns whether some key may give an identifier to a schema.
pub(super) fn parse(text: &str, nodes: &mut Vec<Node>, limits: &Limits) -> Result<bool, CompileError> {
    let mut parser = Parser { lexer: Lexer::new(text), nodes, names_schemas: false };
    parser.document(limits)?;
    Ok(parser.names_schemas)
}

enum Open {
    Array(Vec<NodeId>),
    Object { entries: Vec<(Box<str>, NodeId)>, name: Box<str> },
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    nodes: &'t mut Vec<Node>,
    names_schemas: bool,
}

impl Parser<'_> {
    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId((self.nodes.len() - 1) as u32)
    }

    fn document(&mut self, limits: &Limits) -> Result<(), CompileError> {
        let mut open: Vec<Open> = Vec::new();
        self.lexer.space();
        'value: loop {
            // A value begins here.
            let mut done = match self.lexer.peek() {
                Some(b'[') => {
                    self.lexer.at += 1;
                    self.lexer.space();
                    if self.lexer.peek() == Some(b']') {
                        self.lexer.at += 1;
                        self.add(Node::Array(Box::default()))
                    } else {
                        Limits::check("max_nesting", open.len() + 1, limits.max_nesting)?;
                        open.push(Open::Array(Vec::new()));
                        continue 'value;
                    }
                }
                Some(b'{') => {
                    self.lexer.at += 1;
                    self.lexer.space();
                    if self.lexer.peek() == Some(b'}') {
                        self.lexer.at += 1;
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
                self.lexer.space();
                match open.pop() {
                    None => {
                        return if self.lexer.peek().is_none() {
                            Ok(())
                        } else {
                            Err(self.lexer.error("unexpected text after the value").into())
                        };
                    }
                    Some(Open::Array(mut items)) => {
                        items.push(done);
                        match self.lexer.peek() {
                            Some(b',') => {
                                self.lexer.at += 1;
                                self.lexer.space();
                                open.push(Open::Array(items));
                                continue 'value;
                            }
                            Some(b']') => {
                                self.lexer.at += 1;
                                done = self.add(Node::Array(items.into()));
                            }
                            _ => return Err(self.lexer.error("expected `,` or `]`").into()),
                        }
                    }
                    Some(Open::Object { mut entries, name }) => {
                        entries.push((name, done));
                        match self.lexer.peek() {
                            Some(b',') => {
                                self.lexer.at += 1;
                                self.lexer.space();
                                let name = self.key()?;
                                open.push(Open::Object { entries, name });
                                continue 'value;
                            }
                            Some(b'}') => {
                                let repeated = |name: Box<str>| self.lexer.error(format!("the key {name:?} occurs twice in one object"));
                                let members = Members::new(entries).map_err(repeated)?;
                                self.lexer.at += 1;
                                done = self.add(Node::Object(members));
                            }
                            _ => return Err(self.lexer.error("expected `,` or `}`").into()),
                        }
                    }
                }
            }
        }
    }

    fn key(&mut self) -> Result<Box<str>, CompileError> {
        let name = self.lexer.key()?;
        self.names_schemas |= matches!(&*name, "$id" | "id" | "$anchor" | "$dynamicAnchor" | "$recursiveAnchor");
        Ok(name.into())
    }

    fn scalar(&mut self) -> Result<Node, CompileError> {
        for (word, node) in [("null", Node::Null), ("true", Node::Bool(true)), ("false", Node::Bool(false))] {
            if self.lexer.skip(word) {
                return Ok(node);
            }
        }
        match self.lexer.peek() {
            Some(b'"') => Ok(Node::String(self.lexer.string()?.into())),
            Some(b'-' | b'0'..=b'9') => Ok(Node::Number(self.lexer.number()?.into())),
            Some(_) => Err(self.lexer.error("expected a JSON value").into()),
            None => Err(self.lexer.error("the text ends where a JSON value is expected").into()),
        }
    }
}
