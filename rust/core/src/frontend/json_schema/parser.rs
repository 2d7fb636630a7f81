//! JSON text to nodes. Pipeline: text -> **parser** -> json.
//!
//! Invariant: exactly RFC 8259, no key twice in an object, anything else is an error with its position; a value is added after everything
//! inside it; nothing recurses.
//! Must not know: what any key means, but for those that name schemas.

use std::borrow::Cow;

use super::json::{Entry, NodeId, Span, Values};
use crate::error::CompileError;
use crate::json_text::Lexer;
use crate::limits::Limits;

/// Add the values of `text` to `values`, the whole one last. Returns whether some key may give an identifier to a schema.
pub(super) fn parse(text: &str, values: &mut Values, limits: &Limits) -> Result<bool, CompileError> {
    let start = values.open_text(text);
    let mut parser = Parser { lexer: Lexer::new(text), values, start, names_schemas: false };
    parser.document(limits)?;
    Ok(parser.names_schemas)
}

/// An array or an object that has begun, and where what it holds so far begins among all that is held.
enum Open {
    Array(usize),
    Object { entries: usize, name: Span },
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    values: &'t mut Values,
    /// Where the text begins among all texts.
    start: usize,
    names_schemas: bool,
}

impl Parser<'_> {
    fn document(&mut self, limits: &Limits) -> Result<(), CompileError> {
        let mut open: Vec<Open> = Vec::new();
        // What those that are open hold.
        let (mut items, mut entries): (Vec<NodeId>, Vec<Entry>) = (Vec::new(), Vec::new());
        self.lexer.space();
        'value: loop {
            // A value begins here.
            let mut done = match self.lexer.peek() {
                Some(b'[') => {
                    self.lexer.at += 1;
                    self.lexer.space();
                    if self.lexer.peek() == Some(b']') {
                        self.lexer.at += 1;
                        self.values.add_array([])
                    } else {
                        Limits::check("max_nesting", open.len() + 1, limits.max_nesting)?;
                        open.push(Open::Array(items.len()));
                        continue 'value;
                    }
                }
                Some(b'{') => {
                    self.lexer.at += 1;
                    self.lexer.space();
                    if self.lexer.peek() == Some(b'}') {
                        self.lexer.at += 1;
                        self.object([])?
                    } else {
                        Limits::check("max_nesting", open.len() + 1, limits.max_nesting)?;
                        let name = self.key()?;
                        open.push(Open::Object { entries: entries.len(), name });
                        continue 'value;
                    }
                }
                _ => self.scalar()?,
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
                    Some(Open::Array(first)) => {
                        items.push(done);
                        match self.lexer.peek() {
                            Some(b',') => {
                                self.lexer.at += 1;
                                self.lexer.space();
                                open.push(Open::Array(first));
                                continue 'value;
                            }
                            Some(b']') => {
                                self.lexer.at += 1;
                                done = self.values.add_array(items.drain(first..));
                            }
                            _ => return Err(self.lexer.error("expected `,` or `]`").into()),
                        }
                    }
                    Some(Open::Object { entries: first, name }) => {
                        entries.push(Entry { name, value: done });
                        match self.lexer.peek() {
                            Some(b',') => {
                                self.lexer.at += 1;
                                self.lexer.space();
                                let name = self.key()?;
                                open.push(Open::Object { entries: first, name });
                                continue 'value;
                            }
                            Some(b'}') => {
                                done = self.object(entries.drain(first..))?;
                                self.lexer.at += 1;
                            }
                            _ => return Err(self.lexer.error("expected `,` or `}`").into()),
                        }
                    }
                }
            }
        }
    }

    fn object(&mut self, members: impl IntoIterator<Item = Entry>) -> Result<NodeId, CompileError> {
        self.values.add_object(members).map_err(|name| {
            let name = self.values.text(name);
            self.lexer.error(format!("the key {name:?} occurs twice in one object")).into()
        })
    }

    fn key(&mut self) -> Result<Span, CompileError> {
        let before = self.lexer.at;
        let name = self.lexer.key()?;
        self.names_schemas |= matches!(&*name, "$id" | "id" | "$anchor" | "$dynamicAnchor" | "$recursiveAnchor");
        Ok(self.string(before, name))
    }

    /// Where a string is that stands `before` here.
    fn string(&mut self, before: usize, text: Cow<'_, str>) -> Span {
        match text {
            Cow::Borrowed(text) => Span::new(self.start + before + 1, text.len()),
            Cow::Owned(text) => self.values.add_text(&text),
        }
    }

    fn scalar(&mut self) -> Result<NodeId, CompileError> {
        let before = self.lexer.at;
        match self.lexer.peek() {
            Some(b'"') => {
                let text = self.lexer.string()?;
                let text = self.string(before, text);
                Ok(self.values.add_string(text))
            }
            Some(b'-' | b'0'..=b'9') => {
                let digits = self.lexer.number()?.len();
                Ok(self.values.add_number(Span::new(self.start + before, digits)))
            }
            Some(b'n') if self.lexer.skip("null") => Ok(self.values.add_null()),
            Some(b't') if self.lexer.skip("true") => Ok(self.values.add_bool(true)),
            Some(b'f') if self.lexer.skip("false") => Ok(self.values.add_bool(false)),
            Some(_) => Err(self.lexer.error("expected a JSON value").into()),
            None => Err(self.lexer.error("the text ends where a JSON value is expected").into()),
        }
    }
}
