//! Slow and plain twins for the tests of this folder: a small grammar reader, a textbook recogniser on expressions, and an engine that
//! keeps every stack explicitly. Pipeline: tests of **automaton**.
//!
//! Invariant: nothing clever.
//! Must not know: how the automaton is built.

use std::collections::BTreeSet;

use super::attach::attach_with;
use super::lower::{Settings, lower};
use super::nfa::Nfa;
use crate::error::{CompileError, EngineError};
use crate::grammar::{CharClass, Expr, Grammar, Rule};
use crate::ids::{RuleId, StateId};
use crate::limits::{Interrupt, Limits};
use crate::provider::{Alternative, Arena, Attached, ByteSet, Cell};

struct Reader<'a> {
    rest: &'a str,
    names: Vec<String>,
}

/// Rules separated by `;` or line ends; the first is the root.
pub(super) fn grammar(text: &str) -> Grammar {
    let mut reader = Reader { rest: text, names: Vec::new() };
    let mut bodies: Vec<(usize, Expr)> = Vec::new();
    while !reader.peek().is_empty() {
        let name = reader.name();
        let index = reader.rule(&name);
        reader.expect("::=");
        bodies.push((index, reader.choice()));
        reader.eat(";");
    }
    let mut rules: Vec<Rule> = reader.names.iter().map(|name| Rule { name: name.clone(), body: Expr::Choice(vec![]) }).collect();
    for (index, body) in bodies {
        rules[index].body = body;
    }
    Grammar { rules, root: RuleId(0) }
}

impl Reader<'_> {
    fn peek(&mut self) -> &str {
        self.rest = self.rest.trim_start();
        self.rest
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.peek().starts_with(text);
        if found {
            self.rest = &self.rest[text.len()..];
        }
        found
    }

    fn expect(&mut self, text: &str) {
        assert!(self.eat(text), "expected {text} at {}", self.rest);
    }

    fn name(&mut self) -> String {
        let length = self.peek().find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let name = self.rest[..length].to_owned();
        self.rest = &self.rest[length..];
        name
    }

    fn rule(&mut self, name: &str) -> usize {
        self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }

    fn choice(&mut self) -> Expr {
        let mut branches = vec![self.sequence()];
        while self.eat("|") {
            branches.push(self.sequence());
        }
        if branches.len() == 1 { branches.remove(0) } else { Expr::Choice(branches) }
    }

    fn sequence(&mut self) -> Expr {
        let mut parts = Vec::new();
        loop {
            let rest = self.peek();
            let next_rule = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').trim_start().starts_with("::=");
            if rest.is_empty() || rest.starts_with(['|', ')', ';']) || next_rule {
                break;
            }
            let item = self.item();
            parts.push(self.postfix(item));
        }
        if parts.len() == 1 { parts.remove(0) } else { Expr::Sequence(parts) }
    }

    fn postfix(&mut self, mut item: Expr) -> Expr {
        loop {
            let (min, max) = if self.rest.starts_with('*') {
                (0, None)
            } else if self.rest.starts_with('+') {
                (1, None)
            } else if self.rest.starts_with('?') {
                (0, Some(1))
            } else if self.rest.starts_with('{') {
                let end = self.rest.find('}').unwrap();
                let bounds = &self.rest[1..end];
                self.rest = &self.rest[end..];
                let number = |text: &str| text.trim().parse::<u32>().ok();
                match bounds.split_once(',') {
                    Some((low, high)) => (number(low).unwrap(), number(high)),
                    None => (number(bounds).unwrap(), number(bounds)),
                }
            } else {
                return item;
            };
            self.rest = &self.rest[1..];
            item = Expr::Repeat { body: Box::new(item), min, max };
        }
    }

    fn character(&mut self) -> char {
        let mut chars = self.rest.chars();
        let mut c = chars.next().unwrap();
        if c == '\\' {
            c = match chars.next().unwrap() {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'x' => {
                    let hex: String = chars.by_ref().take(2).collect();
                    char::from(u8::from_str_radix(&hex, 16).unwrap())
                }
                other => other,
            };
        }
        self.rest = chars.as_str();
        c
    }

    fn item(&mut self) -> Expr {
        if self.eat("(") {
            let inner = self.choice();
            self.expect(")");
            return inner;
        }
        if self.eat("\"") {
            let mut text = String::new();
            while !self.rest.starts_with('"') {
                text.push(self.character());
            }
            self.rest = &self.rest[1..];
            return Expr::Bytes(text.into_bytes().into());
        }
        if self.eat("[") {
            let negated = self.rest.starts_with('^');
            self.rest = &self.rest[usize::from(negated)..];
            let mut ranges = Vec::new();
            while !self.rest.starts_with(']') {
                let low = self.character();
                let high = if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                    self.rest = &self.rest[1..];
                    self.character()
                } else {
                    low
                };
                ranges.push((u32::from(low), u32::from(high)));
            }
            self.rest = &self.rest[1..];
            let class = CharClass::new(ranges);
            return Expr::Class(if negated { class.negate() } else { class });
        }
        let name = self.name();
        assert!(!name.is_empty(), "at {}", self.rest);
        Expr::Rule(RuleId(self.rule(&name) as u32))
    }
}

/// A grammar as positions.
pub(super) fn lowered(text: &str) -> Nfa {
    lowered_with_bound(text, 1_000_000)
}

/// A grammar as positions, with a bound of its own.
pub(super) fn lowered_with_bound(text: &str, bound: usize) -> Nfa {
    lower(&grammar(text), bound, Settings::default(), &Interrupt::default(), &mut |_| panic!("nothing is embedded")).unwrap()
}

/// Whether the grammar matches the text (shorter than 64 bytes): the least sets of ends for every rule and start, by iteration.
pub(super) fn recognise(grammar: &Grammar, text: &[u8]) -> bool {
    let mut ends = vec![vec![0_u64; text.len() + 1]; grammar.rules.len()];
    loop {
        let mut changed = false;
        for (index, rule) in grammar.rules.iter().enumerate() {
            for start in 0..=text.len() {
                let found = ends_of(&rule.body, text, start, &ends);
                changed |= found != ends[index][start];
                ends[index][start] = found;
            }
        }
        if !changed {
            return ends[grammar.root.index()][0] >> text.len() & 1 == 1;
        }
    }
}

fn each(set: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |&i| set >> i & 1 == 1)
}

fn ends_of(expr: &Expr, text: &[u8], start: usize, rules: &[Vec<u64>]) -> u64 {
    match expr {
        Expr::Bytes(bytes) => u64::from(text[start..].starts_with(bytes)) << (start + bytes.len()),
        Expr::Class(class) => {
            let c = (1..=4).find_map(|n| std::str::from_utf8(text.get(start..start + n)?).ok()?.chars().next());
            c.map_or(0, |c| u64::from(class.contains(u32::from(c))) << (start + c.len_utf8()))
        }
        Expr::Rule(rule) => rules[rule.index()][start],
        Expr::Sequence(parts) => parts
            .iter()
            .fold(1 << start, |at, part| each(at).map(|start| ends_of(part, text, start, rules)).fold(0, |all, ends| all | ends)),
        Expr::Choice(branches) => branches.iter().map(|branch| ends_of(branch, text, start, rules)).fold(0, |all, ends| all | ends),
        Expr::Repeat { body, min, max } => {
            let last = max.unwrap_or(u32::MAX).min(min + text.len() as u32 + 1);
            let (mut at, mut all) = (1_u64 << start, 0);
            for count in 0..=last {
                if count >= *min {
                    all |= at;
                }
                at = each(at).map(|start| ends_of(body, text, start, rules)).fold(0, |all, ends| all | ends);
            }
            all
        }
        Expr::Embedded(_) => 0,
    }
}

/// One parse: where it is, what it counted, and the frames below, bottom first.
pub(super) type Parse = (StateId, u64, Vec<(StateId, u64)>);

/// A grammar attached to an arena of its own, run with explicit stacks.
pub(super) struct Run {
    pub(super) arena: Arena,
    pub(super) attached: Attached,
}

impl Run {
    /// Of a grammar that compiles.
    pub(super) fn new(text: &str, unroll: u32) -> Self {
        Self::of(&grammar(text), unroll).unwrap()
    }

    pub(super) fn of(grammar: &Grammar, unroll: u32) -> Result<Self, CompileError> {
        let arena = Arena::new(Limits::default());
        let attached = attach_with(grammar, &arena, ByteSet::default(), &Interrupt::default(), Settings { unroll, ..Settings::default() })?;
        Ok(Self { arena, attached })
    }

    pub(super) fn start(&self) -> BTreeSet<Parse> {
        self.attached.start.map(|start| (start, 0, Vec::new())).into_iter().collect()
    }

    /// The register a state is in, settled.
    fn settle(&self, state: StateId, register: u64) -> Result<Option<(StateId, u64)>, EngineError> {
        let Some(settled) = self.arena.settled(state, register)? else { return Ok(None) };
        Ok(Some((settled, if self.arena.facts(settled).counting { register } else { 0 })))
    }

    fn alternatives(&self, state: StateId, byte: u8) -> Result<Vec<Alternative>, EngineError> {
        Ok(match self.arena.step(state, byte)? {
            Cell::Dead => Vec::new(),
            Cell::Simple(target, increment) => vec![Alternative { push: smallvec::SmallVec::new(), target, increment }],
            Cell::Many(many) => many.to_vec(),
        })
    }

    /// All parses after a byte, returns followed. The flag: the text may end here.
    pub(super) fn step(&self, parses: &BTreeSet<Parse>, byte: u8) -> Result<(BTreeSet<Parse>, bool), EngineError> {
        let mut work = Vec::new();
        for (state, register, frames) in parses {
            for alternative in self.alternatives(*state, byte)? {
                let mut frames = frames.clone();
                let mut saved = *register;
                for push in &alternative.push {
                    frames.push((push.return_to, saved + u64::from(push.increment)));
                    saved = 0;
                }
                if let Some((state, register)) = self.settle(alternative.target, saved + u64::from(alternative.increment))? {
                    work.push((state, register, frames));
                }
            }
        }
        let mut all = BTreeSet::new();
        let mut ends = false;
        while let Some(parse) = work.pop() {
            if !all.insert(parse.clone()) {
                continue;
            }
            let (state, _, mut frames) = parse;
            if let Some(value) = self.arena.facts(state).returns {
                match frames.pop() {
                    None => ends = true,
                    Some((return_to, register)) => {
                        if let Some(state) = self.arena.on_return(return_to, value)?
                            && let Some((state, register)) = self.settle(state, register)?
                        {
                            work.push((state, register, frames));
                        }
                    }
                }
            }
        }
        // What the facts promise is relied on, so that a wrong promise shows.
        let smallest = |parse: &Parse| {
            let smaller = all.iter().any(|other| other.0 == parse.0 && other.2 == parse.2 && other.1 < parse.1);
            !(self.arena.facts(parse.0).smallest_wins && smaller)
        };
        let kept = all.iter().filter(|parse| smallest(parse)).cloned().collect();
        Ok((kept, ends))
    }

    /// Whether the text matches.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let mut parses = self.start();
        let mut ends = self.attached.nullable;
        for &byte in text {
            (parses, ends) = self.step(&parses, byte).unwrap();
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recogniser_knows_the_textbook() {
        let brackets = grammar(r#"s ::= s s | "(" s ")" | """#);
        assert!(recognise(&brackets, b"(()())()"));
        assert!(!recognise(&brackets, b"(()"));
        let counted = grammar("s ::= [a-c\u{e9}]{2,3} \"x\"*");
        assert!(recognise(&counted, "aé".as_bytes()) && recognise(&counted, b"abcxx") && !recognise(&counted, b"abcc"));
    }
}
