//! Character classes, escapes and Unicode properties. Part of the regex front-end.
//!
//! Invariant: characters are code points; half a surrogate pair is a character that no text contains.
//! Must not know: groups and quantifiers.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

use super::ast;
use super::parser::Parser;
use crate::error::CompileError;
use crate::grammar::CharClass;

/// What a backslash begins.
pub(super) enum Escape {
    /// One code point, which may be a surrogate.
    Char(u32),
    Class(CharClass),
    /// `\b` outside a class.
    WordBoundary,
    /// `\B` outside a class.
    NotWordBoundary,
}

/// `\s` of ECMAScript: white space, line ends and the byte order mark.
fn space() -> CharClass {
    let singles = [0x20, 0xA0, 0x1680, 0x202F, 0x205F, 0x3000, 0xFEFF];
    CharClass::new(singles.map(|c| (c, c)).into_iter().chain([(0x09, 0x0D), (0x2000, 0x200A), (0x2028, 0x2029)]))
}

/// The class with all characters that differ from one of its own in case only (simple case folding).
pub(super) fn fold_case(class: &CharClass) -> CharClass {
    let ranges = class.ranges().iter().filter_map(|&(low, high)| Some(ClassUnicodeRange::new(char::from_u32(low)?, char::from_u32(high)?)));
    let mut folded = ClassUnicode::new(ranges);
    // Fails only where regex-syntax was built without its tables; they are a default feature.
    let _ = folded.try_case_fold_simple();
    from_syntax(&folded)
}

fn from_syntax(class: &ClassUnicode) -> CharClass {
    CharClass::new(class.ranges().iter().map(|range| (u32::from(range.start()), u32::from(range.end()))))
}

/// The characters with a property, from regex-syntax's tables.
fn property(name: &str) -> Option<CharClass> {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '=') {
        return None;
    }
    let hir = regex_syntax::Parser::new().parse(&format!("\\p{{{name}}}")).ok()?;
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => Some(from_syntax(class)),
        HirKind::Class(Class::Bytes(class)) => {
            Some(CharClass::new(class.ranges().iter().map(|r| (u32::from(r.start()), u32::from(r.end())))))
        }
        HirKind::Literal(literal) => {
            let c = std::str::from_utf8(&literal.0).ok()?.chars().next()?;
            Some(CharClass::new([(u32::from(c), u32::from(c))]))
        }
        _ => None,
    }
}

impl Parser<'_> {
    /// A class; `at` is after the opening bracket, which is at `open`.
    pub(super) fn class(&mut self, open: usize) -> Result<CharClass, CompileError> {
        let negated = self.eat('^');
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        loop {
            if self.eat(']') {
                break;
            }
            let start = self.at;
            let low = self.class_atom(open)?;
            let is_range = self.peek() == Some('-') && !self.rest().starts_with("-]");
            if !is_range {
                add(&mut ranges, low);
                continue;
            }
            self.at += 1;
            match (low, self.class_atom(open)?) {
                (Escape::Char(low), Escape::Char(high)) if low <= high => ranges.push((low, high)),
                (Escape::Char(_), Escape::Char(_)) => {
                    let message = format!("the range `{}` is backwards", &self.pattern[start..self.at]);
                    return Err(self.error_at(start, message));
                }
                // As in a browser: beside a class such as \d the hyphen is a character.
                (low, high) => {
                    add(&mut ranges, low);
                    add(&mut ranges, Escape::Char(u32::from('-')));
                    add(&mut ranges, high);
                }
            }
        }
        let class = self.cased(CharClass::new(ranges));
        Ok(if negated { class.negate() } else { class })
    }

    fn class_atom(&mut self, open: usize) -> Result<Escape, CompileError> {
        match self.next() {
            None => Err(self.error_at(open, "the character class is not closed: expected `]`")),
            Some('\\') => self.escape(true),
            Some(c) => Ok(Escape::Char(u32::from(c))),
        }
    }

    /// With the other case of its letters, if the flag i is on.
    pub(super) fn cased(&self, class: CharClass) -> CharClass {
        if self.flags.ignore_case { fold_case(&class) } else { class }
    }

    /// An escape; `at` is after the backslash.
    pub(super) fn escape(&mut self, in_class: bool) -> Result<Escape, CompileError> {
        let start = self.at - 1;
        let Some(kind) = self.next() else {
            return Err(self.error_at(start, "the pattern ends after a backslash"));
        };
        let char = |c: char| Ok(Escape::Char(u32::from(c)));
        match kind {
            'd' => Ok(Escape::Class(CharClass::new([(48, 57)]))),
            'D' => Ok(Escape::Class(CharClass::new([(48, 57)]).negate())),
            'w' => Ok(Escape::Class(self.cased(ast::word()))),
            'W' => Ok(Escape::Class(self.cased(ast::word()).negate())),
            's' => Ok(Escape::Class(space())),
            'S' => Ok(Escape::Class(space().negate())),
            'b' if in_class => char('\u{8}'),
            'b' => Ok(Escape::WordBoundary),
            'B' if !in_class => Ok(Escape::NotWordBoundary),
            'n' => char('\n'),
            'r' => char('\r'),
            't' => char('\t'),
            'f' => char('\u{C}'),
            'v' => char('\u{B}'),
            'c' => Ok(Escape::Char(self.control(in_class))),
            'x' => Ok(Escape::Char(self.hex(2).unwrap_or(u32::from('x')))),
            'u' => self.unicode(start),
            'p' | 'P' => self.unicode_property(start, kind == 'P'),
            '0'..='9' => self.digit_escape(start, kind, in_class),
            'k' if !in_class && self.groups().1 => Err(self.backreference(start)),
            other => char(other),
        }
    }

    /// `\cJ`; without a letter the backslash is a character of its own.
    fn control(&mut self, in_class: bool) -> u32 {
        match self.peek() {
            Some(c) if c.is_ascii_alphabetic() || (in_class && (c.is_ascii_digit() || c == '_')) => {
                self.at += 1;
                u32::from(c) & 31
            }
            _ => {
                self.at -= 1;
                u32::from('\\')
            }
        }
    }

    /// So many hexadecimal digits, or nothing is read.
    fn hex(&mut self, digits: usize) -> Option<u32> {
        let text = self.rest().get(..digits)?;
        if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.at += digits;
        u32::from_str_radix(text, 16).ok()
    }

    fn unicode(&mut self, start: usize) -> Result<Escape, CompileError> {
        if self.peek() == Some('{') {
            let rest = self.rest();
            let (digits, _) = rest[1..].split_at(rest[1..].bytes().take_while(u8::is_ascii_hexdigit).count());
            if !digits.is_empty() && rest[1 + digits.len()..].starts_with('}') {
                self.at += digits.len() + 2;
                return match u32::from_str_radix(digits.trim_start_matches('0'), 16) {
                    Ok(c) if c <= 0x10_FFFF => Ok(Escape::Char(c)),
                    Err(_) if digits.bytes().all(|b| b == b'0') => Ok(Escape::Char(0)),
                    _ => Err(self.error_at(start, "this is not a Unicode character: the last one is \\u{10FFFF}")),
                };
            }
        }
        let Some(unit) = self.hex(4) else {
            return Ok(Escape::Char(u32::from('u')));
        };
        if (0xD800..0xDC00).contains(&unit) && self.rest().starts_with("\\u") {
            let back = self.at;
            self.at += 2;
            if let Some(low @ 0xDC00..=0xDFFF) = self.hex(4) {
                return Ok(Escape::Char(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)));
            }
            self.at = back;
        }
        Ok(Escape::Char(unit))
    }

    fn unicode_property(&mut self, start: usize, negated: bool) -> Result<Escape, CompileError> {
        let name = self.rest().strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
        let Some(name) = name else {
            return Err(self.error_at(start, "a Unicode property is written \\p{…}, as in \\p{L} or \\p{Script=Greek}"));
        };
        let Some(class) = property(name) else {
            return Err(self.error_at(start, format!("unknown Unicode property `{name}`")));
        };
        self.at += name.len() + 2;
        let class = self.cased(class);
        Ok(Escape::Class(if negated { class.negate() } else { class }))
    }

    /// `\0`, an octal escape as browsers take it, or a backreference.
    fn digit_escape(&mut self, start: usize, first: char, in_class: bool) -> Result<Escape, CompileError> {
        let more = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let number: usize = self.pattern[start + 1..self.at + more].parse().unwrap_or(usize::MAX);
        if !in_class && number > 0 && number <= self.groups().0 {
            return Err(self.backreference(start));
        }
        if first >= '8' {
            return Ok(Escape::Char(u32::from(first)));
        }
        let mut value = u32::from(first) - 48;
        let longest = if first <= '3' { 2 } else { 1 };
        for _ in 0..longest {
            match self.peek() {
                Some(digit @ '0'..='7') => {
                    self.at += 1;
                    value = value * 8 + (u32::from(digit) - 48);
                }
                _ => break,
            }
        }
        Ok(Escape::Char(value))
    }

    fn backreference(&self, start: usize) -> CompileError {
        self.error_at(start, "a backreference needs memory that no automaton has; write the alternatives out")
    }
}

fn add(ranges: &mut Vec<(u32, u32)>, atom: Escape) {
    match atom {
        Escape::Char(c) => ranges.push((c, c)),
        Escape::Class(class) => ranges.extend_from_slice(class.ranges()),
        // `escape` makes none of these inside a class.
        Escape::WordBoundary | Escape::NotWordBoundary => {}
    }
}
