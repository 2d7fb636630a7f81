//! The words of JSON text: strings, numbers, white space, and where an error is. Below every step.
//!
//! Invariant: exactly RFC 8259; anything else is an error with its position; nothing recurses, and nothing is made but the word asked for.
//! Must not know: what any value means, or how values nest.

use std::borrow::Cow;

use crate::error::{CompileError, Position};

/// What is wrong with a JSON text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Where.
    pub position: Position,
    /// What is wrong.
    pub message: String,
}

impl From<JsonError> for CompileError {
    fn from(JsonError { position, message }: JsonError) -> Self {
        Self::Json { position, message }
    }
}

/// Reads words from a place on.
#[derive(Clone, Debug)]
pub struct Lexer<'t> {
    text: &'t str,
    bytes: &'t [u8],
    /// Where reading goes on, in bytes: always between two characters.
    pub at: usize,
}

impl<'t> Lexer<'t> {
    /// From the beginning of a text.
    pub fn new(text: &'t str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0 }
    }

    /// An error here.
    pub fn error(&self, message: impl Into<String>) -> JsonError {
        JsonError { position: Position::of(self.text, self.at), message: message.into() }
    }

    /// The next byte; `None` at the end.
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Skip white space.
    pub fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Skip `word`, if it stands here.
    pub fn skip(&mut self, word: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(word.as_bytes());
        if found {
            self.at += word.len();
        }
        found
    }

    /// A key with its colon, and the white space around that; `at` is on the key.
    pub fn key(&mut self) -> Result<Cow<'t, str>, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a key in double quotes"));
        }
        let name = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.error("expected `:` after a key"));
        }
        self.at += 1;
        self.space();
        Ok(name)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    /// A number as written; `at` is on its first character.
    pub fn number(&mut self) -> Result<&'t str, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else if self.digits() == 0 {
            return Err(self.error("a number needs a digit here"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.error("a number needs a digit after the point"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.error("a number needs a digit in its exponent"));
            }
        }
        Ok(&self.text[start..self.at])
    }

    /// A string, unescaped; `at` is on its opening quotation mark.
    pub fn string(&mut self) -> Result<Cow<'t, str>, JsonError> {
        self.at += 1;
        let first = self.unescaped();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(first));
        }
        let mut out = first.to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(self.error("a control character in a string must be escaped")),
                None => return Err(self.error("the text ends inside a string")),
            }
            out.push_str(self.unescaped());
        }
    }

    /// What stands for itself in a string, from here on.
    fn unescaped(&mut self) -> &'t str {
        let start = self.at;
        // PERF: most of a schema is inside of strings.
        while let Some(&eight) = self.bytes[self.at..].first_chunk()
            && all_unescaped(u64::from_ne_bytes(eight))
        {
            self.at += 8;
        }
        while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1F)) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let c = match self.bytes.get(self.at + 1) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(&b @ (b'"' | b'\\' | b'/')) => char::from(b),
            Some(b'u') => {
                let first = self.hex(self.at + 2).ok_or_else(|| self.error("`\\u` needs four hexadecimal digits"))?;
                if (0xD800..0xDC00).contains(&first) && self.bytes[self.at + 6..].starts_with(b"\\u") {
                    let second = self.hex(self.at + 8).unwrap_or(0);
                    if (0xDC00..0xE000).contains(&second) {
                        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                        self.at += 12;
                        return char::from_u32(code).ok_or_else(|| self.error("a surrogate without its partner"));
                    }
                }
                let c = char::from_u32(first).ok_or_else(|| self.error("a surrogate without its partner is no character"))?;
                self.at += 6;
                return Ok(c);
            }
            _ => return Err(self.error("unknown escape")),
        };
        self.at += 2;
        Ok(c)
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.bytes.get(at..at + 4)?;
        digits.iter().try_fold(0, |value, &b| Some(value << 4 | char::from(b).to_digit(16)?))
    }
}

/// Do these eight bytes stand for themselves in a string? The upper bits of the sums say which bytes are zero, or below a blank ("Hacker's Delight", 6-1).
fn all_unescaped(eight: u64) -> bool {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const UPPER: u64 = EACH << 7;
    let quote = eight ^ (EACH * u64::from(b'"'));
    let backslash = eight ^ (EACH * u64::from(b'\\'));
    let ends = quote.wrapping_sub(EACH) & !quote | backslash.wrapping_sub(EACH) & !backslash | eight.wrapping_sub(EACH * 0x20) & !eight;
    ends & UPPER == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn eight_bytes_at_once_are_each_looked_at(bytes: [u8; 8], place in 0..8_usize, other in prop_oneof![Just(b'"'), Just(b'\\'), 0..0x20_u8, 0x1E..0x24_u8, 0x5A..0x5E_u8, 0x7E..0x82_u8]) {
            let stands = |byte: u8| !matches!(byte, b'"' | b'\\' | 0..=0x1F);
            let plain = bytes.map(|byte| if stands(byte) { byte } else { b'a' });
            let mut one = plain;
            one[place] = other;
            for eight in [bytes, plain, one] {
                prop_assert_eq!(all_unescaped(u64::from_ne_bytes(eight)), eight.into_iter().all(stands));
            }
        }
    }
}
