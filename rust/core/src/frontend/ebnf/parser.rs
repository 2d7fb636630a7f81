//! Rules and their bodies. Part of the EBNF front-end.
//!
//! Invariant: groups are kept on an explicit stack, and an expression that grows higher than [`LIFT_HEIGHT`] becomes a rule of its own:
//! neither parsing nor anything later depends on the machine's stack.
//! Must not know: what the macros make.

use hashbrown::HashMap;

use crate::error::{CompileError, EngineError, Position};
use crate::grammar::{CharClass, Expr, Grammar, GrammarBuilder, name_length};
use crate::ids::RuleId;
use crate::limits::Limits;

/// Expressions in parentheses that are higher than this become rules.
pub(crate) const LIFT_HEIGHT: usize = 64;

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) bytes: &'a [u8],
    /// Where reading goes on, in bytes.
    pub(super) at: usize,
    pub(super) builder: GrammarBuilder,
    pub(super) limits: &'a Limits,
    /// Where each declared rule is first mentioned.
    mentions: Vec<(RuleId, usize)>,
    /// Where each rule is defined.
    definitions: HashMap<RuleId, usize>,
    /// Calls to macros, by name: rules may not share these names.
    pub(super) calls: HashMap<&'static str, usize>,
}

/// An expression and its height.
struct Sized {
    expr: Expr,
    height: usize,
}

/// An open group, or the body itself.
struct Group {
    open: usize,
    is_hint: bool,
    branches: Vec<Expr>,
    branches_height: usize,
    parts: Vec<Expr>,
    parts_height: usize,
}

impl Group {
    fn new(open: usize, is_hint: bool) -> Self {
        Self { open, is_hint, branches: Vec::new(), branches_height: 0, parts: Vec::new(), parts_height: 0 }
    }

    fn push(&mut self, part: Sized) {
        self.parts_height = self.parts_height.max(part.height);
        self.parts.push(part.expr);
    }

    fn end_branch(&mut self) {
        let parts = std::mem::take(&mut self.parts);
        let height = std::mem::take(&mut self.parts_height).max(1) + usize::from(parts.len() > 1);
        self.branches_height = self.branches_height.max(height);
        self.branches.push(Expr::sequence(parts));
    }

    fn close(mut self) -> Sized {
        self.end_branch();
        Sized { height: self.branches_height + usize::from(self.branches.len() > 1), expr: Expr::choice(self.branches) }
    }
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, limits: &'a Limits) -> Result<Self, CompileError> {
        Limits::check("max_text_bytes", text.len(), limits.max_text_bytes)?;
        Ok(Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            builder: GrammarBuilder::new(limits),
            limits,
            mentions: Vec::new(),
            definitions: HashMap::new(),
            calls: HashMap::new(),
        })
    }

    pub(super) fn error_at(&self, offset: usize, message: impl Into<String>) -> CompileError {
        let position = Position::of(self.text, offset);
        CompileError::Ebnf { position, message: message.into(), excerpt: position.excerpt(self.text) }
    }

    /// `line 3, column 7`, for messages that speak of a second place.
    fn place(&self, offset: usize) -> String {
        let position = Position::of(self.text, offset);
        format!("line {}, column {}", position.line, position.column)
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn skip_space(&mut self) {
        self.at = self.after_space(self.at);
    }

    /// The first place from `at` on that is no white space or comment.
    fn after_space(&self, mut at: usize) -> usize {
        loop {
            match self.bytes.get(at) {
                Some(b' ' | b'\t' | b'\r' | b'\n') => at += 1,
                Some(b'#') => at = memchr::memchr(b'\n', &self.bytes[at..]).map_or(self.bytes.len(), |length| at + length),
                _ => return at,
            }
        }
    }

    /// What stands at `at`, for messages.
    pub(super) fn found(&self) -> String {
        match self.text[self.at..].chars().next() {
            None => "the end of the text".into(),
            Some(_) if self.bytes[self.at..].starts_with(b"::=") => "`::=`".into(),
            Some(c) => format!("`{c}`"),
        }
    }

    pub(super) fn name(&mut self) -> &'a str {
        let length = name_length(&self.bytes[self.at..]);
        let name = &self.text[self.at..self.at + length];
        self.at += length;
        name
    }

    pub(super) fn grammar(mut self, root: &str) -> Result<Grammar, CompileError> {
        self.skip_space();
        while self.at < self.bytes.len() {
            self.rule()?;
        }
        for &(rule, offset) in &self.mentions {
            if !self.builder.is_defined(rule) {
                let name = Parser { at: offset, ..Parser::new(self.text, self.limits)? }.name();
                return Err(self.error_at(offset, format!("rule `{name}` is not defined{}", self.builder.suggest(name))));
            }
        }
        for (&call, &offset) in &self.calls {
            if self.builder.names().any(|name| name == call) {
                let message = format!("`{call}(…)` is a call, but there is also a rule `{call}`: rename the rule, or put a space after it");
                return Err(self.error_at(offset, message));
            }
        }
        self.builder.finish(root)
    }

    fn declare(&mut self, name: &str, offset: usize) -> Result<RuleId, CompileError> {
        let before = self.builder.len();
        let id = self.builder.declare(name)?;
        if id.index() == before {
            self.mentions.push((id, offset));
        }
        Ok(id)
    }

    fn rule(&mut self) -> Result<(), CompileError> {
        let start = self.at;
        let name = self.name();
        if !crate::grammar::is_rule_name(name) {
            self.at = start;
            return Err(self.error_at(start, format!("expected a rule, `name ::= body`, found {}", self.found())));
        }
        let id = self.declare(name, start)?;
        if let Some(&first) = self.definitions.get(&id) {
            let first = self.place(first);
            return Err(self.error_at(start, format!("rule `{name}` is already defined at {first}; join the bodies with `|`")));
        }
        self.definitions.insert(id, start);
        self.skip_space();
        if self.peek() == Some(b'[') {
            return Err(self.options_error(start));
        }
        if !self.bytes[self.at..].starts_with(b"::=") {
            return Err(self.error_at(self.at, format!("expected `::=` after the rule name `{name}`, found {}", self.found())));
        }
        self.at += 3;
        let body = self.body(name)?;
        self.builder.define(id, body)
    }

    fn options_error(&self, offset: usize) -> CompileError {
        self.error_at(offset, "rule options (`name[…] ::=`: max_tokens, max_chars, capture, lazy, temperature) are not supported")
    }

    /// The body of a rule, up to the next rule or the end.
    fn body(&mut self, rule: &str) -> Result<Expr, CompileError> {
        let start = self.at;
        let mut groups: Vec<Group> = Vec::new();
        let mut group = Group::new(start, false);
        let mut hint_seen = false;
        loop {
            self.skip_space();
            let atom_start = self.at;
            let next = self.peek();
            if hint_seen && next.is_some() && !self.at_rule_start() {
                return Err(self.error_at(self.at, "a lookahead assertion `(= …)` must be the last thing in the body of its rule"));
            }
            let atom = match next {
                None => break,
                Some(b'|') => {
                    self.at += 1;
                    group.end_branch();
                    continue;
                }
                Some(b'(') => {
                    self.at += 1;
                    let is_hint = self.peek() == Some(b'=');
                    if is_hint {
                        self.at += 1;
                        if !groups.is_empty() {
                            return Err(self.error_at(atom_start, "a lookahead assertion `(= …)` may stand only after the whole body"));
                        }
                    }
                    if groups.len() >= self.limits.max_nesting {
                        return Err(EngineError::Limit { name: "max_nesting", bound: self.limits.max_nesting }.into());
                    }
                    groups.push(std::mem::replace(&mut group, Group::new(atom_start, is_hint)));
                    continue;
                }
                Some(b')') => {
                    let Some(outer) = groups.pop() else {
                        return Err(self.error_at(atom_start, "`)` closes no group"));
                    };
                    self.at += 1;
                    let closed = std::mem::replace(&mut group, outer);
                    if closed.is_hint {
                        hint_seen = true;
                        continue;
                    }
                    closed.close()
                }
                Some(b'"') => leaf(Expr::Bytes(self.string()?.into_bytes().into())),
                Some(b'[') => leaf(Expr::Class(self.class()?)),
                Some(_) if self.at_rule_start() => break,
                Some(_) if name_length(&self.bytes[self.at..]) > 0 => self.reference()?,
                Some(_) => return Err(self.unexpected(&group)),
            };
            let atom = self.repetition(atom)?;
            // Not in the body itself: a rule made by lifting must parse to itself when it is printed.
            let atom = if groups.is_empty() { atom } else { self.lift(rule, atom)? };
            group.push(atom);
        }
        if !groups.is_empty() {
            let open = self.place(group.open);
            return Err(self.error_at(self.at, format!("expected `)` to close the group opened at {open}")));
        }
        if group.branches.is_empty() && group.parts.is_empty() {
            return Err(self.error_at(self.at, format!("the body of rule `{rule}` is empty; write `\"\"` for the empty text")));
        }
        Ok(group.close().expr)
    }

    /// Does a rule begin here: a name, then `::=`? Also with rule options between, so that their error is clear.
    fn at_rule_start(&self) -> bool {
        let length = name_length(&self.bytes[self.at..]);
        if length == 0 {
            return false;
        }
        let mut after = self.at + length;
        let line = self.bytes[..self.at].iter().rev().take_while(|&&b| b != b'\n');
        if self.bytes.get(after) == Some(&b'[') && line.clone().all(|b| matches!(b, b' ' | b'\t' | b'\r')) {
            let rest = &self.bytes[after..];
            let rest = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
            if let Some(arrow) = memchr::memmem::find(rest, b"::=") {
                let before = rest[..arrow].trim_ascii_end();
                if before.ends_with(b"]") && memchr::memchr(b']', before) == Some(before.len() - 1) {
                    return true;
                }
            }
        }
        after = self.after_space(after);
        self.bytes[after..].starts_with(b"::=")
    }

    fn reference(&mut self) -> Result<Sized, CompileError> {
        let start = self.at;
        let name = self.name();
        if name.bytes().all(|b| b == b'.') {
            // Several dots are read one by one, since an operator belongs to the last alone.
            self.at = start + 1;
            return Ok(leaf(Expr::Class(CharClass::any())));
        }
        if self.peek() == Some(b'(')
            && let Some(expr) = self.call(name, start)?
        {
            let height = expr.height();
            return Ok(Sized { expr, height });
        }
        Ok(leaf(Expr::Rule(self.declare(name, start)?)))
    }

    /// The repetition operator after an atom, if there is one.
    fn repetition(&mut self, atom: Sized) -> Result<Sized, CompileError> {
        self.skip_space();
        let start = self.at;
        let (min, max) = match self.peek() {
            Some(b'?') => (0, Some(1)),
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'{') => self.bounds()?,
            _ => return Ok(atom),
        };
        if self.at == start {
            self.at += 1;
        }
        self.skip_space();
        if let Some(b'?' | b'*' | b'+' | b'{') = self.peek() {
            let message = "two repetition operators in a row; put the first repetition in parentheses if both are meant";
            return Err(self.error_at(self.at, message));
        }
        Ok(Sized { height: atom.height + 1, expr: atom.expr.repeat(min, max) })
    }

    /// `{n}`, `{n,}`, `{n,m}`, `{n,-1}`; `at` is on the brace.
    fn bounds(&mut self) -> Result<(u32, Option<u32>), CompileError> {
        let start = self.at;
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b',') {
            return Err(self.error_at(self.at, "a repetition needs its minimum: write `{0,…}`"));
        }
        let min = self.count()?;
        self.skip_space();
        let mut max = Some(min);
        if self.peek() == Some(b',') {
            self.at += 1;
            self.skip_space();
            max = if self.peek() == Some(b'}') {
                None
            } else if self.bytes[self.at..].starts_with(b"-1") {
                self.at += 2;
                None
            } else {
                Some(self.count()?)
            };
            self.skip_space();
        }
        if self.peek() != Some(b'}') {
            let open = self.place(start);
            let message = format!("expected `}}` to close the repetition opened at {open}, found {}", self.found());
            return Err(self.error_at(self.at, message));
        }
        self.at += 1;
        match max {
            Some(max) if max < min => Err(self.error_at(start, format!("the repetition's maximum {max} is less than its minimum {min}"))),
            _ => Ok((min, max)),
        }
    }

    fn count(&mut self) -> Result<u32, CompileError> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = &self.text[start..self.at];
        if digits.is_empty() {
            return Err(self.error_at(start, format!("expected a number of repetitions, found {}", self.found())));
        }
        digits.parse().map_err(|_| self.error_at(start, format!("{digits} repetitions are more than the largest count, {}", u32::MAX)))
    }

    /// Make a rule of an expression that has grown too high.
    fn lift(&mut self, rule: &str, sized: Sized) -> Result<Sized, CompileError> {
        if sized.height <= LIFT_HEIGHT {
            return Ok(sized);
        }
        Ok(leaf(Expr::Rule(self.builder.define_fresh(rule, sized.expr)?)))
    }

    fn unexpected(&self, group: &Group) -> CompileError {
        let message = match self.peek() {
            Some(b'?' | b'*' | b'+' | b'{') if group.parts.is_empty() => format!("nothing to repeat before {}", self.found()),
            Some(b':') if self.bytes[self.at..].starts_with(b"::=") => {
                return self.error_at(self.at, "unexpected `::=`: a rule begins with its name, `name ::= body`");
            }
            Some(b'&') => "intersection `&` is not supported".into(),
            Some(b'~') => "complement `~` is not supported".into(),
            Some(b'<') => "tokens such as `<[1]>` or `<|name|>` are not supported".into(),
            Some(b'\'') => "strings are written with double quotes".into(),
            Some(b'/') => "a regular expression is written regex(\"…\")".into(),
            Some(b']' | b'}') => format!("{} closes nothing", self.found()),
            _ => format!("unexpected {}: expected a string, a class, a group or a rule name", self.found()),
        };
        self.error_at(self.at, message)
    }
}

fn leaf(expr: Expr) -> Sized {
    Sized { expr, height: 1 }
}
