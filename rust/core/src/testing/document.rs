//! JSON documents that keep what `serde_json` values lose: the number as written, the order of keys. A strict reader and a writer
//! with many spellings.
//!
//! Invariant: reading what was written gives an equal document; a duplicate key or a lone surrogate is refused.
//! Must not know: schemas.

use crate::testing::decimal::Decimal;
use crate::testing::source::Source;

/// A JSON value.
#[derive(Clone, Debug)]
pub enum Document {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it is written.
    Number(String),
    /// A string, decoded.
    String(String),
    /// An array.
    Array(Vec<Document>),
    /// An object, keys in the order of the text.
    Object(Vec<(String, Document)>),
}

/// Equality as JSON Schema defines it: numbers by value, objects without order.
impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => Decimal::parse(a) == Decimal::parse(b),
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, value)| b.iter().any(|(k, v)| k == key && v == value))
            }
            _ => false,
        }
    }
}

impl From<&serde_json::Value> for Document {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::Number(n) => Self::Number(n.to_string()),
            Value::String(s) => Self::String(s.clone()),
            Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Value::Object(members) => Self::Object(members.iter().map(|(k, v)| (k.clone(), Self::from(v))).collect()),
        }
    }
}

impl Document {
    /// Reads a JSON text (RFC 8259); `None` if it is none, repeats a key, or holds half a surrogate pair. At most 200 levels deep.
    pub fn read(text: &[u8]) -> Option<Self> {
        let mut reader = Reader { rest: std::str::from_utf8(text).ok()? };
        let document = reader.value(200)?;
        reader.space();
        reader.rest.is_empty().then_some(document)
    }

    /// Writes the document; `spelling` chooses among its spellings.
    pub fn write(&self, spelling: &mut Spelling) -> String {
        let mut out = String::new();
        self.write_into(&mut out, spelling, 0);
        out
    }

    fn write_into(&self, out: &mut String, spelling: &mut Spelling, level: usize) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Self::Number(text) => out.push_str(text),
            Self::String(text) => write_string(text, out, spelling),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    spelling.gap(out, level + 1, index > 0);
                    item.write_into(out, spelling, level + 1);
                }
                if !items.is_empty() {
                    spelling.gap(out, level, false);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    spelling.gap(out, level + 1, index > 0);
                    write_string(key, out, spelling);
                    out.push_str(if spelling.space == Space::Compact { ":" } else { ": " });
                    value.write_into(out, spelling, level + 1);
                }
                if !members.is_empty() {
                    spelling.gap(out, level, false);
                }
                out.push('}');
            }
        }
    }
}

/// Blanks between the parts of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// None.
    Compact,
    /// One after a comma or a colon, as Python's `json.dumps` writes.
    Spaced,
    /// A line per item, indented by two.
    Pretty,
}

/// How a document is written.
#[derive(Debug)]
pub struct Spelling<'s, 'b> {
    /// Blanks.
    pub space: Space,
    /// Chooses how characters of strings are escaped; `None`: only where JSON demands it.
    pub escapes: Option<&'s mut Source<'b>>,
}

impl Spelling<'_, '_> {
    /// With no choice: the shortest text.
    pub fn compact() -> Self {
        Self { space: Space::Compact, escapes: None }
    }

    fn gap(&mut self, out: &mut String, level: usize, after_comma: bool) {
        match self.space {
            Space::Compact => {}
            Space::Spaced => out.push_str(if after_comma { " " } else { "" }),
            Space::Pretty => {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', 2 * level));
            }
        }
    }
}

fn write_string(text: &str, out: &mut String, spelling: &mut Spelling) {
    const SHORT: [(char, char); 8] =
        [('"', '"'), ('\\', '\\'), ('/', '/'), ('\u{8}', 'b'), ('\u{C}', 'f'), ('\n', 'n'), ('\r', 'r'), ('\t', 't')];
    out.push('"');
    for c in text.chars() {
        let short = SHORT.iter().find(|(from, _)| *from == c);
        let must_escape = matches!(c, '"' | '\\') || c < ' ';
        let escape = must_escape || spelling.escapes.as_mut().is_some_and(|s| s.chance(20));
        let in_short = spelling.escapes.as_mut().is_none_or(|s| s.chance(50));
        match short {
            Some(&(_, letter)) if escape && in_short => out.extend(['\\', letter]),
            _ if escape => {
                let upper = spelling.escapes.as_mut().is_some_and(|s| s.chance(50));
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
                }
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn eat(&mut self, token: &str) -> bool {
        self.rest.strip_prefix(token).map(|rest| self.rest = rest).is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Document> {
        let depth = depth.checked_sub(1)?;
        self.space();
        match self.rest.chars().next()? {
            'n' => self.eat("null").then_some(Document::Null),
            't' => self.eat("true").then_some(Document::Bool(true)),
            'f' => self.eat("false").then_some(Document::Bool(false)),
            '"' => self.string().map(Document::String),
            '[' => self.array(depth),
            '{' => self.object(depth),
            _ => {
                let length = self.rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(self.rest.len());
                let (number, rest) = self.rest.split_at(length);
                self.rest = rest;
                Decimal::parse(number).map(|_| Document::Number(number.to_owned()))
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Document> {
        self.eat("[");
        let mut items = Vec::new();
        self.space();
        if self.eat("]") {
            return Some(Document::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            if self.eat("]") {
                return Some(Document::Array(items));
            }
            if !self.eat(",") {
                return None;
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Document> {
        self.eat("{");
        let mut members: Vec<(String, Document)> = Vec::new();
        self.space();
        if self.eat("}") {
            return Some(Document::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            if !self.eat(":") || members.iter().any(|(k, _)| *k == key) {
                return None;
            }
            members.push((key, self.value(depth)?));
            self.space();
            if self.eat("}") {
                return Some(Document::Object(members));
            }
            if !self.eat(",") {
                return None;
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        if !self.eat("\"") {
            return None;
        }
        let mut units: Vec<u16> = Vec::new();
        loop {
            let c = self.rest.chars().next()?;
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '"' => return String::from_utf16(&units).ok(),
                '\\' => {
                    let letter = self.rest.chars().next()?;
                    self.rest = &self.rest[letter.len_utf8()..];
                    units.push(match letter {
                        '"' | '\\' | '/' => letter as u16,
                        'b' => 8,
                        'f' => 12,
                        'n' => 10,
                        'r' => 13,
                        't' => 9,
                        'u' => {
                            let digits = self.rest.get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
                            let unit = u16::from_str_radix(digits, 16).ok()?;
                            self.rest = &self.rest[4..];
                            unit
                        }
                        _ => return None,
                    });
                }
                c if c < ' ' => return None,
                c => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::source::random_bytes;

    #[test]
    fn reader_agrees_with_serde() {
        for text in [
            "null",
            "[]",
            "[1,2]",
            "{}",
            "{\"a\":1}",
            " [ 1 , { \"a\" : \"\\u0061\\n\" } ] ",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "01",
            "1.",
            "-",
            "tru",
            "\"\u{1}\"",
            "\"\\x\"",
            "1 2",
            "",
            "[",
            "\"",
            "nul",
            "1e5",
            "-0.0E-2",
            "\"\\u00\"",
            "{a:1}",
            "'a'",
        ] {
            let theirs: Result<serde_json::Value, _> = serde_json::from_str(text);
            let ours = Document::read(text.as_bytes());
            assert_eq!(ours.is_some(), theirs.is_ok(), "{text}");
            if let (Some(ours), Ok(theirs)) = (ours, theirs) {
                assert_eq!(ours, Document::from(&theirs), "{text}");
            }
        }
        assert!(Document::read(b"{\"a\":1,\"\\u0061\":2}").is_none(), "duplicate key");
        assert!(Document::read("[".repeat(300).as_bytes()).is_none());
    }

    #[test]
    fn every_spelling_reads_back() {
        let document = Document::Object(vec![
            ("a\"/\\".into(), Document::Array(vec![Document::Null, Document::Bool(true), Document::Number("-1.50e2".into())])),
            ("é€😀\n\u{1}".into(), Document::Object(vec![(String::new(), Document::Array(vec![]))])),
            ("x".into(), Document::String("\u{7f}\u{2028}ab/".into())),
        ]);
        let mut texts = std::collections::BTreeSet::new();
        for seed in 0..60 {
            let bytes = random_bytes(seed, 100);
            for space in [Space::Compact, Space::Spaced, Space::Pretty] {
                let text = document.write(&mut Spelling { space, escapes: Some(&mut Source::new(&bytes)) });
                assert_eq!(Document::read(text.as_bytes()).as_ref(), Some(&document), "{text}");
                texts.insert(text);
            }
        }
        assert!(texts.len() > 100);
        assert_eq!(Document::read(document.write(&mut Spelling::compact()).as_bytes()), Some(document));
    }
}
