//! JSON values as equality sees them, and values of which only a beginning was read.
//!
//! Invariant: two values are equal exactly when JSON Schema says so: numbers by value, strings unescaped, members without order. A beginning
//! agrees with a value if some text that goes on from it may spell that value (where in doubt, it agrees).
//! Must not know: schemas, states, tokens.

use std::sync::Arc;

use super::keys::Partial;
use super::used::Used;
use crate::automaton::number::Decimal;
use crate::identity::Identity;

/// A JSON value.
#[derive(Debug)]
pub struct Value {
    /// A keyed hash of the content: what makes values equal.
    hash: u128,
    /// No number in it has more digits before the point.
    reach: usize,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    /// `null`, `true` or `false`.
    Word(u8),
    Number(Decimal),
    /// Unescaped.
    String(Box<[u8]>),
    Array(Box<[Arc<Value>]>),
    /// The members, sorted by key.
    Object(Members),
}

type Members = Box<[(Box<[u8]>, Arc<Value>)]>;

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Value {}

impl Value {
    fn new(shape: Shape) -> Arc<Self> {
        let mut hash = Identity::new("read value");
        let mut reach = 0;
        match &shape {
            Shape::Word(word) => {
                hash.u64(0).u64(u64::from(*word));
            }
            Shape::Number(number) => {
                let (digits, point) = number.parts();
                reach = usize::try_from(point).unwrap_or(0);
                hash.u64(1).u64(u64::from(number.is_negative())).bytes(digits).u64(point.cast_unsigned());
            }
            Shape::String(text) => {
                hash.u64(2).bytes(text);
            }
            Shape::Array(items) => {
                hash.u64(3).u64(items.len() as u64);
                for item in items {
                    hash.u128(item.hash);
                    reach = reach.max(item.reach);
                }
            }
            Shape::Object(members) => {
                hash.u64(4).u64(members.len() as u64);
                for (key, value) in members {
                    hash.bytes(key).u128(value.hash);
                    reach = reach.max(value.reach);
                }
            }
        }
        Arc::new(Self { hash: hash.finish(), reach, shape })
    }

    /// Equal values have equal hashes.
    pub fn hash(&self) -> u128 {
        self.hash
    }

    /// No number in it has more digits before the point.
    pub fn reach(&self) -> usize {
        self.reach
    }

    /// A member by its key.
    fn member(&self, key: &[u8]) -> Option<&Arc<Self>> {
        let Shape::Object(members) = &self.shape else { return None };
        members.binary_search_by(|(name, _)| (**name).cmp(key)).ok().map(|at| &members[at].1)
    }
}

impl Drop for Value {
    /// Deep values are dropped level by level, not by recursion.
    fn drop(&mut self) {
        let mut open: Vec<Arc<Self>> = Vec::new();
        take_parts(self, &mut open);
        while let Some(part) = open.pop() {
            if let Some(mut part) = Arc::into_inner(part) {
                take_parts(&mut part, &mut open);
            }
        }
    }
}

fn take_parts(value: &mut Value, into: &mut Vec<Arc<Value>>) {
    match &mut value.shape {
        Shape::Array(items) => into.extend(std::mem::take(items)),
        Shape::Object(members) => into.extend(std::mem::take(members).into_iter().map(|(_, value)| value)),
        Shape::Word(_) | Shape::Number(_) | Shape::String(_) => {}
    }
}

/// A container of which not everything was read.
#[derive(Clone, Debug)]
enum Open {
    Array(Vec<Arc<Value>>),
    /// The members so far, and the key of the member that is being read.
    Object(Vec<(Box<[u8]>, Arc<Value>)>, Option<Box<[u8]>>),
}

/// What is being read inside the innermost open container.
#[derive(Clone, Debug)]
enum Leaf {
    Nothing,
    /// The bytes after the opening quotation mark, and whether the last one is a backslash that escapes the next.
    String(Vec<u8>, bool),
    Number(Vec<u8>),
    Word(u8, u8),
    /// The whole value was read.
    Whole(Arc<Value>),
}

/// The beginning of a JSON text.
#[derive(Clone, Debug)]
pub struct Beginning {
    open: Vec<Open>,
    leaf: Leaf,
}

impl Default for Beginning {
    fn default() -> Self {
        Self { open: Vec::new(), leaf: Leaf::Nothing }
    }
}

fn in_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

impl Beginning {
    /// What the bytes, a beginning of a JSON text, say.
    pub fn of(bytes: &[u8]) -> Self {
        let mut beginning = Self::default();
        for &byte in bytes {
            beginning.read(byte);
        }
        beginning
    }

    /// Read one more byte of a JSON text.
    pub fn read(&mut self, byte: u8) {
        match &mut self.leaf {
            Leaf::String(raw, escaped) => {
                if byte == b'"' && !*escaped {
                    let text: Box<[u8]> = decoded(raw).0.into();
                    self.leaf = Leaf::Nothing;
                    match self.open.last_mut() {
                        Some(Open::Object(_, key @ None)) => *key = Some(text),
                        _ => self.ended(Value::new(Shape::String(text))),
                    }
                } else {
                    *escaped = byte == b'\\' && !*escaped;
                    raw.push(byte);
                }
                return;
            }
            Leaf::Number(raw) if in_number(byte) => {
                raw.push(byte);
                return;
            }
            Leaf::Number(raw) => {
                let number = number(raw);
                self.leaf = Leaf::Nothing;
                self.ended(number);
            }
            Leaf::Word(first, read) => {
                *read += 1;
                if *read == if *first == b'f' { 5 } else { 4 } {
                    let word = Value::new(Shape::Word(*first));
                    self.leaf = Leaf::Nothing;
                    self.ended(word);
                }
                return;
            }
            Leaf::Nothing | Leaf::Whole(_) => {}
        }
        match byte {
            b'"' => self.leaf = Leaf::String(Vec::new(), false),
            b'-' | b'0'..=b'9' => self.leaf = Leaf::Number(vec![byte]),
            b't' | b'f' | b'n' => self.leaf = Leaf::Word(byte, 1),
            b'[' => self.open.push(Open::Array(Vec::new())),
            b'{' => self.open.push(Open::Object(Vec::new(), None)),
            b']' | b'}' => match self.open.pop() {
                Some(Open::Array(items)) => self.ended(Value::new(Shape::Array(items.into()))),
                Some(Open::Object(mut members, _)) => {
                    members.sort_by(|a, b| a.0.cmp(&b.0));
                    self.ended(Value::new(Shape::Object(members.into())));
                }
                None => {}
            },
            _ => {}
        }
    }

    fn ended(&mut self, value: Arc<Value>) {
        match self.open.last_mut() {
            None => self.leaf = Leaf::Whole(value),
            Some(Open::Array(items)) => items.push(value),
            Some(Open::Object(members, key)) => members.push((key.take().unwrap_or_default(), value)),
        }
    }

    /// The value, if the text may end here.
    pub fn whole(&self) -> Option<Arc<Value>> {
        match &self.leaf {
            Leaf::Whole(value) => Some(value.clone()),
            Leaf::Number(raw) if self.open.is_empty() => Some(number(raw)),
            _ => None,
        }
    }

    /// May a text that begins like this spell `value`?
    pub fn agrees(&self, value: &Value) -> bool {
        let Some(part) = self.part_of(value) else { return false };
        match (&self.leaf, part) {
            (Leaf::Nothing, _) => true,
            (Leaf::Whole(whole), Place::Value(value)) => **whole == *value,
            (Leaf::String(raw, _), Place::Key(members)) => {
                let Some(Open::Object(had, _)) = self.open.last() else { return false };
                let left = members.iter().filter(|(key, _)| had.iter().all(|(name, _)| name != key));
                Partial::of(raw).agrees(&left.fold(Used::default(), |used, (key, _)| used.with(key)))
            }
            (leaf, Place::Value(value)) => match (leaf, &value.shape) {
                (Leaf::Word(first, _), Shape::Word(word)) => first == word,
                (Leaf::Number(raw), Shape::Number(number)) => may_become(raw, number),
                (Leaf::String(raw, _), Shape::String(text)) => {
                    let read = Partial::of(raw);
                    if read.pending.is_empty() { text.starts_with(&read.text) } else { read.agrees(&Used::default().with(text)) }
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// The characters that complete the string being read to the one in `value`; empty if a string is being read amid a character.
    pub fn rest<'v>(&self, value: &'v Value) -> Option<&'v [u8]> {
        let (Leaf::String(raw, _), Some(Place::Value(part))) = (&self.leaf, self.part_of(value)) else { return None };
        let Shape::String(text) = &part.shape else { return None };
        let (read, amid) = decoded(raw);
        if amid == 0 { text.strip_prefix(&*read) } else { None }
    }

    /// Where in `value` the innermost part that is being read stands; `None` if what was read is not in it.
    fn part_of<'v>(&self, value: &'v Value) -> Option<Place<'v>> {
        let mut at = value;
        let last = self.open.len().wrapping_sub(1);
        for (depth, open) in self.open.iter().enumerate() {
            // A container with nothing open inside is itself the part.
            let inside = depth < last || !matches!(self.leaf, Leaf::Nothing);
            match (open, &at.shape) {
                (Open::Array(items), Shape::Array(all)) => {
                    if items.len() > all.len() || items.iter().zip(all).any(|(a, b)| a != b) {
                        return None;
                    }
                    if inside {
                        at = all.get(items.len())?;
                    }
                }
                (Open::Object(members, key), Shape::Object(all)) => {
                    if members.len() > all.len() || members.iter().any(|(key, value)| at.member(key) != Some(value)) {
                        return None;
                    }
                    match key {
                        Some(key) => at = at.member(key)?,
                        None if depth == last => return Some(Place::Key(all)),
                        None => return None,
                    }
                }
                _ => return None,
            }
        }
        Some(Place::Value(at))
    }

    /// A text by which beginnings with the same continuations can be told: equal signatures, equal agreement from here on with values whose
    /// numbers reach no further than `reach`.
    pub fn signature(&self, reach: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for open in &self.open {
            match open {
                Open::Array(items) => {
                    out.push(b'[');
                    for item in items {
                        out.extend_from_slice(&item.hash.to_le_bytes());
                    }
                }
                Open::Object(members, key) => {
                    out.push(b'{');
                    for (key, value) in members {
                        out.extend_from_slice(key);
                        out.push(b'"');
                        out.extend_from_slice(&value.hash.to_le_bytes());
                    }
                    out.extend_from_slice(key.as_deref().unwrap_or(b"?"));
                }
            }
            out.extend_from_slice(&(out.len() as u32).to_le_bytes());
        }
        match &self.leaf {
            Leaf::String(raw, _) => {
                let (text, amid) = decoded(raw);
                out.push(b'"');
                out.extend_from_slice(&text);
                out.push(b'"');
                out.extend_from_slice(&raw[raw.len() - amid..]);
            }
            Leaf::Number(raw) => {
                out.push(b'#');
                out.extend_from_slice(significant(raw, reach));
                if let Some(at) = raw.iter().position(|b| matches!(b, b'e' | b'E')) {
                    let zero = raw[..at].iter().all(|b| !matches!(b, b'1'..=b'9'));
                    let exponent = &raw[at + 1..];
                    let sign = exponent.first().filter(|b| matches!(b, b'+' | b'-'));
                    let digits = &exponent[usize::from(sign.is_some())..];
                    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
                    // Zeros before the digits change nothing, nor does any exponent of zero.
                    out.push(b'e');
                    out.extend(sign);
                    out.push(u8::from(digits.is_empty()));
                    out.extend_from_slice(if zero { &[] } else { &digits[zeros..] });
                }
            }
            Leaf::Word(first, read) => out.extend([*first, *read]),
            Leaf::Whole(value) => out.extend_from_slice(&value.hash.to_le_bytes()),
            Leaf::Nothing => {}
        }
        out
    }
}

/// A number so far, without its exponent and without zeros at the end that change nothing: all after the point, or if there is none, those
/// beyond `reach`, which some exponent must take back anyway.
fn significant(raw: &[u8], reach: usize) -> &[u8] {
    let end = raw.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(raw.len());
    let zeros = raw[..end].iter().rev().take_while(|&&b| b == b'0').count();
    if raw[..end].contains(&b'.') {
        &raw[..end - zeros]
    } else if end < raw.len() {
        &raw[..end]
    } else {
        &raw[..end - zeros.saturating_sub(reach + 1)]
    }
}

/// The characters that the bytes of a JSON string spell, and how many bytes at the end belong to one that is not complete.
fn decoded(raw: &[u8]) -> (Vec<u8>, usize) {
    let Partial { text, pending } = Partial::of(raw);
    (text, pending.len())
}

/// A part of a value.
enum Place<'v> {
    Value(&'v Value),
    /// The object whose next key is being read, or comes next.
    Key(&'v [(Box<[u8]>, Arc<Value>)]),
}

fn number(raw: &[u8]) -> Arc<Value> {
    let number = std::str::from_utf8(raw).ok().and_then(Decimal::parse);
    Value::new(Shape::Number(number.unwrap_or_else(Decimal::zero)))
}

/// May a number that begins with these bytes come to equal `number`?
fn may_become(raw: &[u8], number: &Decimal) -> bool {
    // Zero may be written with a minus sign, and with any exponent.
    if !number.is_zero() && (raw.first() == Some(&b'-')) != number.is_negative() {
        return false;
    }
    let end = raw.iter().position(|b| matches!(b, b'e' | b'E'));
    let mantissa = &raw[..end.unwrap_or(raw.len())];
    let mut digits = mantissa.iter().filter(|b| b.is_ascii_digit()).map(|b| b - b'0').skip_while(|&d| d == 0);
    // An exponent may put the point anywhere, so before it only the digits count.
    let (wanted, point) = number.parts();
    for &digit in wanted {
        match digits.next() {
            Some(read) if read == digit => {}
            Some(_) => return false,
            None => return end.is_none(),
        }
    }
    if digits.any(|digit| digit != 0) {
        return false;
    }
    let Some(end) = end.filter(|_| !number.is_zero()) else { return true };
    let written = std::str::from_utf8(mantissa).ok().and_then(Decimal::parse);
    let needed = point.saturating_sub(written.map_or(0, |written| written.parts().1));
    let (signs_agree, digits) = match &raw[end + 1..] {
        [b'-', digits @ ..] => (needed <= 0, digits),
        [] => return true,
        [b'+', digits @ ..] | digits => (needed >= 0, digits),
    };
    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
    let all = needed.unsigned_abs().to_string();
    let all = if needed == 0 { "" } else { &all };
    signs_agree && all.as_bytes().starts_with(&digits[zeros..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Arc<Value> {
        Beginning::of(text.as_bytes()).whole().unwrap()
    }

    #[test]
    fn equality_is_that_of_json_schema() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "10e-1"),
            ("-0", "0.0"),
            (r#""\u0061""#, r#""a""#),
            (r#""\"\\""#, r#""\u0022\u005c""#),
            (r#"{"a":1,"b":[2, 3]}"#, r#"{ "b" :[2.0,3],"\u0061": 1 }"#),
            ("[ ]", "[]"),
            ("true", "true"),
            (r#""]""#, r#""]""#),
        ] {
            assert_eq!(whole(a), whole(b), "{a} {b}");
        }
        let all = [
            "1",
            "\"1\"",
            "true",
            "false",
            "null",
            "[1]",
            "[[1]]",
            "[]",
            "{}",
            "{\"a\":1}",
            "{\"a\":2}",
            "[1,true]",
            "[true,1]",
            "\"\"",
            "0",
        ];
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                assert_eq!(whole(a) == whole(b), i == j, "{a} {b}");
            }
        }
    }

    #[test]
    fn every_beginning_agrees_with_its_value_and_tells_others_apart() {
        let texts = [
            "1",
            "12",
            "-1",
            "0",
            "1.5",
            "15e-1",
            "150E-2",
            "true",
            "false",
            "null",
            r#""ab""#,
            r#""\u0061c""#,
            "[1,[2]]",
            "[1,[3]]",
            "[]",
            r#"{"a":1,"b":{"c":[]}}"#,
            r#"{"b":{"c":[]},"a":1}"#,
            r#"{"b":{"c":[1]},"a":1}"#,
            "{}",
            r#"{"a":{}}"#,
            r#"[{"a":1},{"b":2}]"#,
        ];
        for text in texts {
            let value = whole(text);
            for end in 0..=text.len() {
                assert!(Beginning::of(&text.as_bytes()[..end]).agrees(&value), "{} {text}", &text[..end]);
            }
            for other in texts {
                if whole(other) != value && !matches!(value.shape, Shape::Number(_)) {
                    assert!(!Beginning::of(other.as_bytes()).agrees(&value), "{other} {text}");
                }
            }
        }
        for (beginning, value, agrees) in [
            ("13", "12", false),
            ("1", "12", true),
            ("120", "12", true), // 120e-1
            ("1.", "1", true),
            ("1.0", "1", true),
            ("1.01", "1", false),
            ("10e-", "1", true),
            ("10e-1", "1", true),
            ("10e-01", "1", true),
            ("10e-2", "1", false),
            ("10e1", "1", false),
            ("1e00", "1", true),
            ("0e12", "0", true),
            ("1.2e1", "12000000000000", true),
            ("1.2e2", "12000000000000", false),
            ("-", "1", false),
            ("-0.", "0", true),
            ("\"a", "\"abc\"", true),
            ("\"ab\\u00", "\"abc\"", true),
            ("\"b", "\"abc\"", false),
            ("[1", "[12]", true),
            ("[1,", "[1]", true), // the comma is not looked at
            ("[1,2", "[1]", false),
            ("{\"b\":1,\"", r#"{"a":2,"b":1}"#, true),
            ("{\"b\":1,\"b", r#"{"a":2,"b":1}"#, false),
            ("{\"b\":1,\"c", r#"{"a":2,"b":1}"#, false),
            ("{\"b\":2", r#"{"a":2,"b":1}"#, false),
            ("{", "[]", false),
        ] {
            assert_eq!(Beginning::of(beginning.as_bytes()).agrees(&whole(value)), agrees, "{beginning} {value}");
        }
        let rest = |beginning: &str, value: &str| Beginning::of(beginning.as_bytes()).rest(&whole(value)).map(<[u8]>::to_vec);
        assert_eq!(rest("\"a", "\"abc\""), Some(b"bc".to_vec()));
        assert_eq!(rest("{\"k\":\"", r#"{"k":"v"}"#), Some(b"v".to_vec()));
        assert_eq!(rest("\"b", "\"abc\""), None);
    }
}
