//! String literals, character classes and their escapes. Part of the EBNF front-end.
//!
//! Invariant: every escape means one code point; an escape that is not listed is an error.
//! Must not know: rules.

use super::parser::Parser;
use crate::error::CompileError;
use crate::grammar::CharClass;

impl Parser<'_> {
    /// A string literal; `at` is on the opening quote.
    pub(super) fn string(&mut self) -> Result<String, CompileError> {
        let open = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.bytes[self.at..];
            let Some(length) = memchr::memchr3(b'"', b'\\', b'\n', rest) else {
                return Err(self.error_at(open, "the string is not closed: expected `\"`"));
            };
            out.push_str(&self.text[self.at..self.at + length]);
            self.at += length;
            match rest[length] {
                b'"' => {
                    self.at += 1;
                    return Ok(out);
                }
                b'\\' => out.push(self.escape(false)?),
                _ => return Err(self.error_at(open, "the string is not closed on its line; write a line end in it as `\\n`")),
            }
        }
    }

    /// A character class; `at` is on the opening bracket.
    pub(super) fn class(&mut self) -> Result<CharClass, CompileError> {
        let open = self.at;
        self.at += 1;
        let negated = self.peek() == Some(b'^');
        if negated {
            self.at += 1;
        }
        let mut ranges = Vec::new();
        loop {
            if self.peek() == Some(b']') {
                self.at += 1;
                break;
            }
            let start = self.at;
            let low = self.class_char(open)?;
            let mut high = low;
            if self.peek() == Some(b'-') && self.bytes.get(self.at + 1).is_some_and(|&b| b != b']') {
                self.at += 1;
                high = self.class_char(open)?;
                if high < low {
                    return Err(self.error_at(start, format!("the range `{}` is backwards", &self.text[start..self.at])));
                }
            }
            ranges.push((u32::from(low), u32::from(high)));
        }
        let class = CharClass::new(ranges);
        Ok(if negated { class.negate() } else { class })
    }

    fn class_char(&mut self, open: usize) -> Result<char, CompileError> {
        match self.text[self.at..].chars().next() {
            None => Err(self.error_at(open, "the character class is not closed: expected `]`")),
            Some('\n') => {
                Err(self.error_at(open, "the character class is not closed on its line: expected `]` (write a line end in it as `\\n`)"))
            }
            Some('\\') => self.escape(true),
            Some(c) => {
                self.at += c.len_utf8();
                Ok(c)
            }
        }
    }

    /// An escape; `at` is on the backslash.
    fn escape(&mut self, in_class: bool) -> Result<char, CompileError> {
        let start = self.at;
        let Some(kind) = self.text[start + 1..].chars().next() else {
            return Err(self.error_at(start, "the text ends after a backslash"));
        };
        self.at += 1 + kind.len_utf8();
        Ok(match kind {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{C}',
            'a' => '\u{7}',
            'v' => '\u{B}',
            '0' => '\0',
            'e' => '\u{1B}',
            '"' | '\\' | '/' | '\'' | '?' | '[' | ']' => kind,
            '^' | '$' | '.' | '*' | '+' | '(' | ')' | '{' | '}' | '|' | '-' if in_class => kind,
            'x' => {
                let digits = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_hexdigit()).count();
                return self.code_point(start, digits, "`\\x` needs at least one hexadecimal digit");
            }
            'u' => self.utf16(start)?,
            'U' => return self.code_point(start, self.hex_digits(8), "`\\U` needs eight hexadecimal digits"),
            'd' | 'w' | 's' | 'D' | 'W' | 'S' if in_class => {
                let hint = "write the characters, as in `[0-9]`, or use regex(\"…\")";
                return Err(self.error_at(start, format!("`\\{kind}` is not a character; {hint}")));
            }
            _ => {
                let hint = if kind.is_ascii_punctuation() { "; this character needs no backslash here" } else { "" };
                return Err(self.error_at(start, format!("unknown escape `\\{kind}`{hint}")));
            }
        })
    }

    /// `wanted` if so many hexadecimal digits follow, else 0.
    fn hex_digits(&self, wanted: usize) -> usize {
        let found = self.bytes[self.at..].iter().take(wanted).take_while(|b| b.is_ascii_hexdigit()).count();
        if found == wanted { wanted } else { 0 }
    }

    fn hex(&mut self, digits: usize) -> u32 {
        let value = self.bytes[self.at..self.at + digits]
            .iter()
            .fold(0u32, |value, &digit| value.saturating_mul(16).saturating_add(char::from(digit).to_digit(16).unwrap_or(0)));
        self.at += digits;
        value
    }

    fn code_point(&mut self, start: usize, digits: usize, missing: &str) -> Result<char, CompileError> {
        if digits == 0 {
            return Err(self.error_at(start, missing));
        }
        let value = self.hex(digits);
        char::from_u32(value).ok_or_else(|| {
            let written = &self.text[start..self.at.min(start + 20)];
            self.error_at(start, format!("`{written}` is not a Unicode character (0 to 10FFFF without the surrogates D800 to DFFF)"))
        })
    }

    /// The rest of `\uXXXX`, which may be half of a surrogate pair.
    fn utf16(&mut self, start: usize) -> Result<char, CompileError> {
        if self.hex_digits(4) == 0 {
            return Err(self.error_at(start, "`\\u` needs four hexadecimal digits"));
        }
        let unit = self.hex(4);
        if let Some(c) = char::from_u32(unit) {
            return Ok(c);
        }
        if unit < 0xDC00 && self.bytes[self.at..].starts_with(b"\\u") {
            self.at += 2;
            if self.hex_digits(4) == 4 {
                let low = self.hex(4);
                if (0xDC00..=0xDFFF).contains(&low)
                    && let Some(c) = char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
                {
                    return Ok(c);
                }
            }
        }
        Err(self.error_at(start, format!("`\\u{unit:04X}` is half of a surrogate pair; write both halves, or `\\UXXXXXXXX`")))
    }
}
