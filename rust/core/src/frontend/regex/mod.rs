//! Regular expressions: ECMAScript patterns to grammars and to automata. Pipeline: text -> **frontend** -> grammar.
//!
//! The dialect is ECMAScript's with code points as characters (the flag u), taken as liberally as browsers take patterns (Annex B):
//! `{` is a character where it is no quantifier, an escape without a meaning is the character. `\d` and `\w` are ASCII, `\s` is Unicode's,
//! `.` leaves out `\n`, `\r`, U+2028 and U+2029. Lookahead and lookbehind are exact; backreferences are refused. Where ECMAScript
//! refuses, but other dialects leave no doubt, we accept: `(?P<name>…)`, `(?i)` for the rest of its group, `(?#…)`, `a++` after one
//! character or class.
//!
//! Invariant: what is compiled matches exactly the texts that the pattern matches; what cannot be exact is refused.
//! Must not know: JSON, or how automata become masks.

mod ast;
mod automaton;
mod class;
mod distance;
mod lower;
mod parser;
mod unfold;

use std::sync::Arc;

use crate::error::CompileError;
use crate::grammar::{Expr, Grammar, GrammarBuilder, quote};
use crate::limits::Limits;
use crate::provider::{Arena, Attached, CodepointAutomaton, Embedded};

pub use automaton::PatternAutomaton;

/// The flags that change what a pattern matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// i: letters match in either case (Unicode simple case folding).
    pub ignore_case: bool,
    /// s: `.` matches line ends too.
    pub dot_all: bool,
    /// m: `^` and `$` match at line ends too.
    pub multi_line: bool,
}

impl Flags {
    /// The pattern with the flags written into it.
    fn inline(self, pattern: &str) -> String {
        let letters: String =
            [(self.ignore_case, 'i'), (self.dot_all, 's'), (self.multi_line, 'm')].iter().filter(|(on, _)| *on).map(|(_, c)| c).collect();
        if letters.is_empty() { pattern.to_owned() } else { format!("(?{letters}:{pattern})") }
    }
}

/// The texts that a pattern matches as a whole.
///
/// ```
/// use maskwright::{frontend::regex, limits::Limits};
///
/// let grammar = regex::grammar("[a-z]{2,5}|\\d+", &Limits::default())?;
/// assert_eq!(grammar.to_string(), "root ::= [a-z]{2,5} | [0-9]+\n");
/// # Ok::<(), maskwright::error::CompileError>(())
/// ```
pub fn grammar(pattern: &str, limits: &Limits) -> Result<Grammar, CompileError> {
    grammar_with(pattern, Flags::default(), limits)
}

/// The texts that a pattern with flags matches as a whole.
pub fn grammar_with(pattern: &str, flags: Flags, limits: &Limits) -> Result<Grammar, CompileError> {
    let mut ast = parser::parse(pattern, flags, limits)?;
    lower::strip_anchors(&mut ast);
    let mut builder = GrammarBuilder::new(limits);
    let root = builder.declare("root")?;
    let body = if ast.needs[ast.root as usize] == 0 {
        lower::expression(&ast, &mut builder)?
    } else {
        let automaton = Arc::new(PatternAutomaton::from_whole(ast, limits));
        Expr::Embedded(Arc::new(EmbeddedRegex { pattern: flags.inline(pattern), automaton }))
    };
    builder.define(root, body)?;
    builder.finish("root")
}

/// A pattern that no expression of the grammar can say, since it looks ahead or behind: matched as a whole by its automaton.
#[derive(Debug)]
pub struct EmbeddedRegex {
    pattern: String,
    automaton: Arc<PatternAutomaton>,
}

impl Embedded for EmbeddedRegex {
    fn to_ebnf(&self) -> String {
        format!("regex({})", quote(&self.pattern))
    }

    fn identity(&self) -> u128 {
        self.automaton.identity()
    }

    fn attach(&self, arena: &Arena) -> Result<Attached, CompileError> {
        crate::automaton::text::attach_raw(arena, self.automaton.clone())
    }
}

#[cfg(test)]
mod tests;
