//! Calls such as `regex("…")`. Part of the EBNF front-end.
//!
//! Invariant: a call is a known name with `(` right after it; whatever is not supported is an error that names it.
//! Must not know: rules.

use super::parser::Parser;
use crate::error::CompileError;
use crate::frontend::{EMBEDDED, MacroArgument, MacroValue, regex};
use crate::grammar::{CALLS, Expr};

/// Calls of `XGrammar` that have no meaning here yet, and what they are.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("Token", "a set of tokens"),
    ("ExcludeToken", "a set of tokens"),
    ("TokenTagDispatch", "dispatch on tokens"),
    ("TagDispatch", "dispatch on tags in free text"),
    ("Substring", "any part of a text"),
    ("EOS", "the end of the output"),
];

impl Parser<'_> {
    /// The call of a macro; `at` is on the parenthesis after its name. `None`: no macro has this name.
    pub(super) fn call(&mut self, name: &str, start: usize) -> Result<Option<Expr>, CompileError> {
        if let Some((name, what)) = UNSUPPORTED.iter().find(|(known, _)| *known == name) {
            return Err(self.error_at(start, format!("`{name}(…)` ({what}) is not supported")));
        }
        let Some(known) = CALLS.into_iter().find(|known| *known == name) else {
            return Ok(None);
        };
        let embedded = EMBEDDED.iter().find(|(known, _)| *known == name);
        self.calls.entry(known).or_insert(start);
        let arguments = self.arguments(start)?;
        let expr = match embedded {
            Some((_, make)) => make(&arguments, self.limits).map(Expr::Embedded).map_err(|e| self.wrap(start, name, e))?,
            None if known == "bytes" => self.raw_bytes(start, &arguments)?,
            None => self.pattern(start, known, &arguments)?,
        };
        Ok(Some(expr))
    }

    fn wrap(&self, start: usize, name: &str, e: CompileError) -> CompileError {
        match e {
            CompileError::Engine(e) => e.into(),
            e => self.error_at(start, format!("in `{name}(…)`: {e}")),
        }
    }

    fn raw_bytes(&self, start: usize, arguments: &[MacroArgument]) -> Result<Expr, CompileError> {
        let refuse = || self.error_at(start, "`bytes` takes one string of pairs of hexadecimal digits, as in bytes(\"ff00\")");
        let [MacroArgument { name: None, value: MacroValue::Text(hex) }] = arguments else {
            return Err(refuse());
        };
        let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
        let digit = |digit: u8| char::from(digit).to_digit(16);
        let bytes: Option<Box<[u8]>> = pairs.iter().map(|&[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8)).collect();
        match bytes {
            Some(bytes) if rest.is_empty() => Ok(Expr::Bytes(bytes)),
            _ => Err(refuse()),
        }
    }

    fn pattern(&mut self, start: usize, name: &str, arguments: &[MacroArgument]) -> Result<Expr, CompileError> {
        let Some((MacroArgument { name: None, value: MacroValue::Text(pattern) }, options)) = arguments.split_first() else {
            return Err(self.error_at(start, format!("`{name}` takes a pattern, as in {name}(\"[a-z]+\")")));
        };
        let mut flags = regex::Flags { dot_all: name == "Regex", ..regex::Flags::default() };
        for option in options {
            match (option.name.as_deref(), &option.value) {
                (Some("json_string"), MacroValue::Boolean(false)) => {}
                (Some("json_string"), MacroValue::Boolean(true)) => {
                    return Err(self.error_at(start, "the option `json_string=true` is not supported; use json_schema(…) with a pattern"));
                }
                (Some("flags"), MacroValue::Text(text)) => {
                    flags = regex::Flags::default();
                    for flag in text.chars() {
                        match flag {
                            'i' => flags.ignore_case = true,
                            's' => flags.dot_all = true,
                            'u' => {}
                            _ => return Err(self.error_at(start, format!("unknown regular expression flag `{flag}`; there are i, s, u"))),
                        }
                    }
                }
                (Some(other), _) => {
                    return Err(
                        self.error_at(start, format!("`{name}` has no such option or value: `{other}`; there are flags, json_string"))
                    );
                }
                (None, _) => return Err(self.error_at(start, format!("`{name}` takes one pattern"))),
            }
        }
        let grammar = regex::grammar_with(pattern, flags, self.limits).map_err(|e| self.wrap(start, name, e))?;
        self.builder.splice(grammar)
    }

    /// The arguments of a call; `at` is on the opening parenthesis.
    fn arguments(&mut self, start: usize) -> Result<Vec<MacroArgument>, CompileError> {
        self.at += 1;
        let mut arguments = Vec::new();
        self.skip_space();
        if self.peek() == Some(b')') {
            self.at += 1;
            return Ok(arguments);
        }
        loop {
            self.skip_space();
            arguments.push(self.argument()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b')') => {
                    self.at += 1;
                    return Ok(arguments);
                }
                None => return Err(self.error_at(start, "the call is not closed: expected `)`")),
                Some(_) => return Err(self.error_at(self.at, format!("expected `,` or `)` after an argument, found {}", self.found()))),
            }
        }
    }

    fn argument(&mut self) -> Result<MacroArgument, CompileError> {
        let start = self.at;
        let mut word = if self.peek() == Some(b'"') { "" } else { self.name() };
        let mut name = None;
        let after_word = self.at;
        self.skip_space();
        if !word.is_empty() && self.peek() == Some(b'=') {
            self.at += 1;
            self.skip_space();
            name = Some(word.to_owned());
            word = if self.peek() == Some(b'"') { "" } else { self.name() };
        } else {
            self.at = after_word;
        }
        let value = match word {
            "" if self.peek() == Some(b'"') => MacroValue::Text(self.string()?),
            "true" | "True" => MacroValue::Boolean(true),
            "false" | "False" => MacroValue::Boolean(false),
            word => match word.parse() {
                Ok(number) => MacroValue::Integer(number),
                Err(_) => return Err(self.error_at(start, "expected an argument: a string, a whole number, true or false")),
            },
        };
        Ok(MacroArgument { name, value })
    }
}
