//! How schemas are read and how their values are laid out. Used by every part of the schema front-end.
//!
//! Invariant: options that print alike mean alike.
//! Must not know: automata.

use super::keywords::Draft;
use crate::error::CompileError;
use crate::frontend::{MacroArgument, MacroValue};
use crate::grammar::quote;

/// How to read a schema, and which spellings of its values to allow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // They are independent, and named as callers know them.
pub struct Options {
    /// Whitespace between tokens is free within bounds: per gap up to four blanks or tabs, or one line break and up to 48 of them;
    /// also around the whole value. If false, the text is exactly what `json.dumps` writes.
    pub any_whitespace: bool,
    /// Without free whitespace: the indentation per level, on lines of their own; `None`: all on one line.
    pub indent: Option<u32>,
    /// Without free whitespace: what separates items, and keys from values. By default `", "` and `": "`, with an indentation `","`.
    pub separators: Option<(String, String)>,
    /// With free whitespace: at most so many whitespace characters per gap, of any kind, instead of the default bounds.
    pub max_whitespace_cnt: Option<u32>,
    /// Refuse properties and items that the schema does not declare, unless it says what they are.
    pub strict_mode: bool,
    /// Keys may come in any order, not only in the declared one.
    pub any_order: bool,
    /// The draft of schemas without `$schema`.
    pub default_draft: Draft,
    /// Enforce `format`; otherwise it is an annotation.
    pub assert_formats: bool,
    /// How the characters of strings and keys are spelled.
    pub escapes: Escapes,
    /// The greatest magnitude of an exponent that is offered under bounds, `multipleOf`, and in lists of numbers; 0: none is.
    pub number_exponents: u32,
}

/// Which spellings of a character a string may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Escapes {
    /// All that JSON has.
    Any,
    /// The shortest: the character itself, an escape of two characters for a quotation mark, a backslash and the control characters that have
    /// one, else `\u00XX`. Characters that the vocabulary cannot spell are written `\uXXXX`.
    Minimal,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            any_whitespace: true,
            indent: None,
            separators: None,
            max_whitespace_cnt: None,
            strict_mode: false,
            any_order: false,
            default_draft: Draft::Unstated,
            assert_formats: true,
            escapes: Escapes::Any,
            number_exponents: 0,
        }
    }
}

impl Options {
    /// From the named arguments of a call in a grammar's text. Separators are two, `item_separator` and `key_separator`.
    pub fn from_arguments(arguments: &[MacroArgument]) -> Result<Self, CompileError> {
        let mut this = Self::default();
        let (mut item, mut key) = (None, None);
        let small = |number: i64| u32::try_from(number).map_err(|_| Self::error(format!("{number} is out of range")));
        for MacroArgument { name, value } in arguments {
            let name = name.as_deref().unwrap_or("");
            match (name, value) {
                ("any_whitespace", MacroValue::Boolean(v)) => this.any_whitespace = *v,
                ("strict_mode", MacroValue::Boolean(v)) => this.strict_mode = *v,
                ("any_order", MacroValue::Boolean(v)) => this.any_order = *v,
                ("assert_formats", MacroValue::Boolean(v)) => this.assert_formats = *v,
                ("indent", MacroValue::Integer(v)) => this.indent = Some(small(*v)?),
                ("max_whitespace_cnt", MacroValue::Integer(v)) => this.max_whitespace_cnt = Some(small(*v)?),
                ("number_exponents", MacroValue::Integer(v)) => this.number_exponents = small(*v)?,
                ("item_separator", MacroValue::Text(v)) => item = Some(v.clone()),
                ("key_separator", MacroValue::Text(v)) => key = Some(v.clone()),
                ("escapes", MacroValue::Text(v)) => {
                    this.escapes = match v.as_str() {
                        "any" => Escapes::Any,
                        "minimal" => Escapes::Minimal,
                        _ => return Err(Self::error(format!("escapes must be \"any\" or \"minimal\", not {v:?}"))),
                    };
                }
                ("default_draft", MacroValue::Text(v)) => {
                    let unknown = || Self::error(format!("the draft {v:?} is not known; use 4, 6, 7, 2019-09 or 2020-12"));
                    this.default_draft = Draft::from_name(v).ok_or_else(unknown)?;
                }
                _ => return Err(Self::error(format!("`{name}` is no option of a schema, or its value has the wrong type"))),
            }
        }
        if item.is_some() || key.is_some() {
            let (default_item, default_key) = this.separators();
            this.separators = Some((item.unwrap_or(default_item), key.unwrap_or(default_key)));
        }
        this.check()?;
        Ok(this)
    }

    /// The options that differ from the defaults, as `name=value`, each with a comma and a blank before it.
    pub(super) fn to_named(&self) -> String {
        use std::fmt::Write;
        let default = Self::default();
        let mut out = String::new();
        for (name, value, usual) in [
            ("any_whitespace", self.any_whitespace, default.any_whitespace),
            ("strict_mode", self.strict_mode, default.strict_mode),
            ("any_order", self.any_order, default.any_order),
            ("assert_formats", self.assert_formats, default.assert_formats),
        ] {
            if value != usual {
                let _ = write!(out, ", {name}={value}");
            }
        }
        if let Some(indent) = self.indent {
            let _ = write!(out, ", indent={indent}");
        }
        if let Some(count) = self.max_whitespace_cnt {
            let _ = write!(out, ", max_whitespace_cnt={count}");
        }
        if let Some((item, key)) = &self.separators {
            let _ = write!(out, ", item_separator={}, key_separator={}", quote(item), quote(key));
        }
        if self.escapes == Escapes::Minimal {
            out.push_str(", escapes=\"minimal\"");
        }
        if self.number_exponents > 0 {
            let _ = write!(out, ", number_exponents={}", self.number_exponents);
        }
        if let Some(draft) = self.default_draft.name() {
            let _ = write!(out, ", default_draft={}", quote(draft));
        }
        out
    }

    /// Which white space is written.
    pub(super) fn whitespace_in_words(&self) -> String {
        match (self.any_whitespace, self.max_whitespace_cnt, self.indent) {
            (true, None, _) => "in each gap at most four blanks or tabs, or a line break and up to 48 of them".to_owned(),
            (true, Some(0), _) => "none is written".to_owned(),
            (true, Some(most), _) => format!("in each gap at most {most} characters of it"),
            (false, _, indent) => {
                let (item, key) = self.separators();
                let lines =
                    indent.map_or_else(String::new, |n| format!(", each member and item on a line of its own, indented by {n} per level"));
                format!("as json.dumps writes it with the separators {item:?} and {key:?}{lines}")
            }
        }
    }

    /// The separators in force: between items, and between key and value.
    pub(crate) fn separators(&self) -> (String, String) {
        let item = if self.indent.is_some() { "," } else { ", " };
        self.separators.clone().unwrap_or_else(|| (item.to_owned(), ": ".to_owned()))
    }

    fn error(message: String) -> CompileError {
        CompileError::Schema { pointer: String::new(), message }
    }

    /// Separators must leave the text JSON.
    pub fn check(&self) -> Result<(), CompileError> {
        let (item, key) = self.separators();
        for (text, needed) in [(&item, ","), (&key, ":")] {
            if text.trim_matches([' ', '\t', '\n', '\r']) != needed {
                return Err(Self::error(format!("the separator {text:?} must be {needed:?} with nothing but whitespace around it")));
            }
        }
        if self.indent.is_some_and(|i| i > 64) {
            return Err(Self::error("indent must be at most 64".to_owned()));
        }
        // Each exponent is a number that is read beside the others.
        if self.number_exponents > 64 {
            return Err(Self::error("number_exponents must be at most 64".to_owned()));
        }
        Ok(())
    }
}
