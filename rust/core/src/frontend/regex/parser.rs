//! Groups, alternatives and quantifiers. Part of the regex front-end.
//!
//! Invariant: open groups are kept on an explicit stack. Where ECMAScript has a meaning (with the liberties of its Annex B, which
//! browsers take), that is the meaning; what it refuses is read as in other dialects only if that leaves no doubt.
//! Must not know: how patterns are run.

use super::Flags;
use super::ast::{Assertion, Ast, Node, NodeId, line_ends, needs};
use super::class::Escape;
use crate::error::{CompileError, EngineError, Position};
use crate::grammar::CharClass;
use crate::limits::Limits;

/// Lookarounds inside lookarounds.
const MAX_LOOK_NESTING: usize = 64;

pub(super) struct Parser<'a> {
    pub(super) pattern: &'a str,
    pub(super) at: usize,
    pub(super) flags: Flags,
    ast: Ast,
    frames: Vec<Frame>,
    limits: &'a Limits,
    /// How many capturing groups there are, and whether any has a name: counted when first asked.
    groups: Option<(usize, bool)>,
    looks: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Group,
    Ahead { negative: bool },
    Behind { negative: bool },
}

/// An open group, or the pattern itself.
struct Frame {
    kind: Kind,
    open: usize,
    outer_flags: Flags,
    alternatives: Vec<NodeId>,
    items: Vec<NodeId>,
}

/// May the item just read be repeated?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Atom,
    Assertion,
    Quantified,
}

pub(super) fn parse(pattern: &str, flags: Flags, limits: &Limits) -> Result<Ast, CompileError> {
    Limits::check("max_text_bytes", pattern.len(), limits.max_text_bytes)?;
    Parser { pattern, at: 0, flags, ast: Ast::new(), frames: Vec::new(), limits, groups: None, looks: 0 }.run()
}

impl<'a> Parser<'a> {
    pub(super) fn error_at(&self, offset: usize, message: impl Into<String>) -> CompileError {
        let position = Position::of(self.pattern, offset);
        CompileError::Regex { position, message: message.into(), excerpt: position.excerpt(self.pattern) }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.pattern[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn eat(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.at += wanted.len_utf8();
        }
        there
    }

    fn eat_text(&mut self, wanted: &str) -> bool {
        let there = self.rest().starts_with(wanted);
        if there {
            self.at += wanted.len();
        }
        there
    }

    /// How many capturing groups the pattern has, and whether one has a name.
    pub(super) fn groups(&mut self) -> (usize, bool) {
        let pattern = self.pattern.as_bytes();
        *self.groups.get_or_insert_with(|| {
            let (mut count, mut named, mut in_class, mut at) = (0, false, false, 0);
            while let Some(&byte) = pattern.get(at) {
                let rest = &pattern[at + 1..];
                match byte {
                    b'\\' => at += 1,
                    b'[' => in_class = true,
                    b']' => in_class = false,
                    b'(' if !in_class => {
                        let has_name =
                            rest.starts_with(b"?P<") || (rest.starts_with(b"?<") && !rest.starts_with(b"?<=") && !rest.starts_with(b"?<!"));
                        named |= has_name;
                        count += usize::from(has_name || !rest.starts_with(b"?"));
                    }
                    _ => {}
                }
                at += 1;
            }
            (count, named)
        })
    }

    fn run(mut self) -> Result<Ast, CompileError> {
        let mut frame = Frame::new(Kind::Group, 0, self.flags);
        let mut last = Last::Nothing;
        while let Some(c) = self.peek() {
            let start = self.at;
            self.at += c.len_utf8();
            let item = match c {
                '|' => {
                    let items = std::mem::take(&mut frame.items);
                    frame.alternatives.push(self.ast.concat(items));
                    last = Last::Nothing;
                    continue;
                }
                '(' => {
                    if let Some(kind) = self.group_start(start)? {
                        if self.frames.len() >= self.limits.max_nesting {
                            return Err(EngineError::Limit { name: "max_nesting", bound: self.limits.max_nesting }.into());
                        }
                        let inner = Frame::new(kind.0, start, kind.1);
                        self.frames.push(std::mem::replace(&mut frame, inner));
                        last = Last::Nothing;
                    }
                    continue;
                }
                ')' => {
                    let Some(outer) = self.frames.pop() else {
                        return Err(self.error_at(start, "`)` closes no group; a parenthesis as a character is written `\\)`"));
                    };
                    let closed = std::mem::replace(&mut frame, outer);
                    let (item, repeatable) = self.close(closed)?;
                    frame.items.push(item);
                    last = repeatable;
                    continue;
                }
                '*' | '+' | '?' => {
                    let (min, max) = if c == '*' {
                        (0, None)
                    } else if c == '+' {
                        (1, None)
                    } else {
                        (0, Some(1))
                    };
                    self.quantify(&mut frame, last, start, min, max)?;
                    last = Last::Quantified;
                    continue;
                }
                '{' => {
                    self.at = start;
                    if let Some((min, max)) = self.bounds()? {
                        self.quantify(&mut frame, last, start, min, max)?;
                        last = Last::Quantified;
                        continue;
                    }
                    self.at = start + 1;
                    self.literal('{')
                }
                '^' | '$' => {
                    let assertion = match (c, self.flags.multi_line) {
                        ('^', false) => Assertion::TextStart,
                        ('^', true) => Assertion::LineStart,
                        (_, false) => Assertion::TextEnd,
                        (_, true) => Assertion::LineEnd,
                    };
                    frame.items.push(self.ast.add(Node::Assert(assertion)));
                    last = Last::Assertion;
                    continue;
                }
                '.' => {
                    let class = if self.flags.dot_all { CharClass::any() } else { line_ends().negate() };
                    self.ast.class(class)
                }
                '[' => {
                    let class = self.class(start)?;
                    self.ast.class(class)
                }
                '\\' => match self.escape(false)? {
                    Escape::Char(c) => {
                        let class = self.cased(CharClass::new([(c, c)]));
                        self.ast.class(class)
                    }
                    Escape::Class(class) => self.ast.class(class),
                    boundary => {
                        let negated = matches!(boundary, Escape::NotWordBoundary);
                        let assertion = if negated { Assertion::NotWordBoundary } else { Assertion::WordBoundary };
                        frame.items.push(self.ast.add(Node::Assert(assertion)));
                        last = Last::Assertion;
                        continue;
                    }
                },
                c => self.literal(c),
            };
            frame.items.push(item);
            last = Last::Atom;
            Limits::check("max_expression_nodes", self.ast.nodes.len(), self.limits.max_expression_nodes)?;
        }
        if !self.frames.is_empty() {
            return Err(self.error_at(frame.open, "the group is not closed: expected `)`"));
        }
        self.ast.root = frame.body(&mut self.ast);
        Ok(self.ast)
    }

    fn literal(&mut self, c: char) -> NodeId {
        let class = self.cased(CharClass::new([(u32::from(c), u32::from(c))]));
        self.ast.class(class)
    }

    /// What the parenthesis at `start` opens: the kind of group, and the flags to come back to after it. `None`: a comment, or flags.
    fn group_start(&mut self, start: usize) -> Result<Option<(Kind, Flags)>, CompileError> {
        let flags = self.flags;
        if !self.eat('?') {
            return Ok(Some((Kind::Group, flags)));
        }
        let looks = [
            ("=", Kind::Ahead { negative: false }),
            ("!", Kind::Ahead { negative: true }),
            ("<=", Kind::Behind { negative: false }),
            ("<!", Kind::Behind { negative: true }),
        ];
        for (text, kind) in looks {
            if self.eat_text(text) {
                self.looks += 1;
                if self.looks > MAX_LOOK_NESTING {
                    return Err(self.error_at(start, format!("lookarounds are nested more than {MAX_LOOK_NESTING} deep")));
                }
                return Ok(Some((kind, flags)));
            }
        }
        if self.eat(':') {
            return Ok(Some((Kind::Group, flags)));
        }
        if self.eat_text("<") || self.eat_text("P<") {
            let name = self.rest().split('>').next().unwrap_or("");
            let legal = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
            if name.len() == self.rest().len() || name.is_empty() || !name.chars().all(legal) {
                return Err(self.error_at(start, "the name of the group is malformed: expected (?<name>…)"));
            }
            self.at += name.len() + 1;
            return Ok(Some((Kind::Group, flags)));
        }
        if self.eat_text("#") {
            let Some(length) = self.rest().find(')') else {
                return Err(self.error_at(start, "the comment is not closed: expected `)`"));
            };
            self.at += length + 1;
            return Ok(None);
        }
        let refusals = [
            (">", "atomic groups (?>…) are not supported"),
            ("P=", "a backreference needs memory that no automaton has; write the alternatives out"),
            ("P>", "recursion is not regular; use a grammar with rules"),
            ("R", "recursion is not regular; use a grammar with rules"),
            ("&", "recursion is not regular; use a grammar with rules"),
            ("(", "conditional groups are not supported"),
            ("|", "branch reset groups are not supported"),
        ];
        for (text, message) in refusals {
            if self.rest().starts_with(text) {
                return Err(self.error_at(start, message));
            }
        }
        let mut on = true;
        loop {
            match self.next() {
                Some('i') => self.flags.ignore_case = on,
                Some('s') => self.flags.dot_all = on,
                Some('m') => self.flags.multi_line = on,
                Some('u') if on => {}
                Some('-') if on => on = false,
                Some(':') => return Ok(Some((Kind::Group, flags))),
                Some(')') => return Ok(None),
                _ => {
                    return Err(
                        self.error_at(start, "unknown kind of group: after `(?` there may be : = ! <= <! <name> or the flags i, s, m")
                    );
                }
            }
        }
    }

    fn close(&mut self, frame: Frame) -> Result<(NodeId, Last), CompileError> {
        self.flags = frame.outer_flags;
        let (kind, open) = (frame.kind, frame.open);
        let body = frame.body(&mut self.ast);
        match kind {
            Kind::Group => Ok((body, Last::Atom)),
            Kind::Ahead { negative } => {
                self.looks -= 1;
                Ok((self.ast.add(Node::Ahead { body, negative }), Last::Atom))
            }
            Kind::Behind { negative } => {
                self.looks -= 1;
                if self.ast.needs[body as usize] & !needs::BEFORE != 0 {
                    return Err(self.error_at(open, "lookarounds, `$` and `\\b` inside a lookbehind are not supported"));
                }
                let known = self.ast.behinds.iter().position(|&other| other == body);
                let index = known.unwrap_or(self.ast.behinds.len());
                if index >= needs::MAX_BEHINDS {
                    return Err(self.error_at(open, format!("more than {} different lookbehinds are not supported", needs::MAX_BEHINDS)));
                }
                if known.is_none() {
                    self.ast.behinds.push(body);
                }
                Ok((self.ast.add(Node::Behind { index: index as u8, negative }), Last::Assertion))
            }
        }
    }

    /// `{n}`, `{n,}` or `{n,m}`; `None`: the brace is a character.
    fn bounds(&mut self) -> Result<Option<(u32, Option<u32>)>, CompileError> {
        let start = self.at;
        let number = |text: &'a str| {
            let length = text.bytes().take_while(u8::is_ascii_digit).count();
            text.split_at(length)
        };
        let (low, rest) = number(&self.rest()[1..]);
        let (high, rest) = match rest.strip_prefix(',') {
            Some(rest) => {
                let (high, rest) = number(rest);
                (Some(high), rest)
            }
            None => (None, rest),
        };
        let Some(rest) = rest.strip_prefix('}').filter(|_| !low.is_empty()) else {
            return Ok(None);
        };
        self.at = self.pattern.len() - rest.len();
        let value = |digits: &str| {
            digits
                .parse::<u32>()
                .map_err(|_| self.error_at(start, format!("{digits} repetitions are more than the largest count, {}", u32::MAX)))
        };
        let min = value(low)?;
        let max = match high {
            None => Some(min),
            Some("") => None,
            Some(high) => Some(value(high)?),
        };
        if max.is_some_and(|max| max < min) {
            return Err(self.error_at(start, "the quantifier's maximum is less than its minimum"));
        }
        Ok(Some((min, max)))
    }

    /// Repeat the last item; `at` is after the quantifier, which may be followed by `?` (lazy: the same language) or `+`.
    fn quantify(&mut self, frame: &mut Frame, last: Last, start: usize, min: u32, max: Option<u32>) -> Result<(), CompileError> {
        let message = match last {
            Last::Atom => "",
            Last::Nothing => "nothing to repeat before the quantifier; as a character it is written with a backslash",
            Last::Assertion => "nothing to repeat: the quantifier follows an assertion, which is no character",
            Last::Quantified => "two quantifiers in a row",
        };
        let (true, Some(body)) = (message.is_empty(), frame.items.pop()) else {
            return Err(self.error_at(start, message));
        };
        let item = if self.eat('+') {
            if !matches!(self.ast.node(body), Node::Class(_)) {
                return Err(self.error_at(start, "a possessive quantifier is supported only after one character or class"));
            }
            self.possessive(body, min, max)
        } else {
            self.eat('?');
            self.ast.repeat(body, min, max)
        };
        frame.items.push(item);
        Ok(())
    }

    /// A possessive loop over a class takes all it can: either it is full, or the class does not go on.
    fn possessive(&mut self, body: NodeId, min: u32, max: Option<u32>) -> NodeId {
        let stop = self.ast.add(Node::Ahead { body, negative: true });
        let fewer = match max {
            Some(max) if max == min => return self.ast.repeat(body, min, Some(max)),
            Some(max) => Some(max - 1),
            None => None,
        };
        let some = self.ast.repeat(body, min, fewer);
        let partial = self.ast.concat(vec![some, stop]);
        match max {
            None => partial,
            Some(max) => {
                let full = self.ast.repeat(body, max, Some(max));
                self.ast.alternate(vec![full, partial])
            }
        }
    }
}

impl Frame {
    fn new(kind: Kind, open: usize, outer_flags: Flags) -> Self {
        Self { kind, open, outer_flags, alternatives: Vec::new(), items: Vec::new() }
    }

    fn body(mut self, ast: &mut Ast) -> NodeId {
        let last = ast.concat(self.items);
        if self.alternatives.is_empty() {
            return last;
        }
        self.alternatives.push(last);
        ast.alternate(self.alternatives)
    }
}
