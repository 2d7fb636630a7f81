//! JSON values as equality sees them, and values of which only a beginning was read.
//!
//! Invariant: two values are equal exactly when JSON Schema says so: numbers by value, strings unescaped, members without order. A beginning
//! agrees with a value if some text that goes on from it may spell that value (where in doubt, it agrees).
//! Must not know: schemas, states, tokens.

use std::sync::Arc;

use num_bigint::BigInt;
use smallvec::SmallVec;

use super::keys::Partial;
use crate::automaton::number::Decimal;
use crate::identity::Identity;

/// A JSON value.
#[derive(Debug)]
pub struct Value {
    /// A keyed hash of the content: what makes values equal.
    hash: u128,
    /// No number in it has more digits before the point.
    reach: usize,
    pub(super) shape: Shape,
}

#[derive(Debug)]
pub(super) enum Shape {
    /// `null`, `true` or `false`.
    Word(u8),
    Number(Number),
    /// Unescaped.
    String(Box<[u8]>),
    Array(Box<[Arc<Value>]>),
    /// The members, sorted by key.
    Object(Members),
}

pub(super) type Members = Box<[(Box<[u8]>, Arc<Value>)]>;

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
                let (digits, point) = number.value.parts();
                reach = usize::try_from(point).unwrap_or(0);
                hash.u64(1).u64(u64::from(number.value.is_negative())).bytes(digits).bytes(&number.point().to_signed_bytes_le());
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

    /// Of a string: its characters.
    pub(super) fn text(&self) -> Option<&[u8]> {
        if let Shape::String(text) = &self.shape { Some(text) } else { None }
    }

    /// A member by its key.
    pub(super) fn member(&self, key: &[u8]) -> Option<&Arc<Self>> {
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
pub(super) enum Open {
    Array(Vec<Arc<Value>>),
    /// The members so far, and the key of the member that is being read.
    Object(Vec<(Box<[u8]>, Arc<Value>)>, Option<Box<[u8]>>),
}

/// What is being read inside the innermost open container.
#[derive(Clone, Debug)]
pub(super) enum Leaf {
    Nothing,
    /// What was read after the opening quotation mark.
    String(Partial),
    Number(Vec<u8>),
    Word(u8, u8),
    /// The whole value was read.
    Whole(Arc<Value>),
}

/// The beginning of a JSON text.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// From the outermost on; shared with copies.
    pub(super) open: SmallVec<[Arc<Open>; 3]>,
    pub(super) leaf: Leaf,
}

impl Default for Beginning {
    fn default() -> Self {
        Self { open: SmallVec::new(), leaf: Leaf::Nothing }
    }
}

fn in_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

impl Beginning {
    /// What the bytes, a beginning of a JSON text, say.
    pub fn of(bytes: &[u8]) -> Self {
        let mut beginning = Self::default();
        let mut at = 0;
        while at < bytes.len() {
            at += beginning.read_characters(&bytes[at..]);
            if let Some(&byte) = bytes.get(at) {
                beginning.read(byte);
                at += 1;
            }
        }
        beginning
    }

    /// Read what comes next of a string without escapes; gives how many bytes that were.
    fn read_characters(&mut self, bytes: &[u8]) -> usize {
        let Leaf::String(read) = &mut self.leaf else { return 0 };
        if !read.pending.is_empty() {
            return 0;
        }
        // PERF: long strings are read again whenever they may end.
        let plain = bytes.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0x80..)).unwrap_or(bytes.len());
        read.text.extend_from_slice(&bytes[..plain]);
        plain
    }

    /// Read one more byte of a JSON text. Has anything begun or ended?
    pub fn read(&mut self, byte: u8) -> bool {
        let mut ended = false;
        match &mut self.leaf {
            Leaf::String(read) => {
                if byte == b'"' && !read.escapes_next() {
                    let text: Box<[u8]> = std::mem::take(&mut read.text).into();
                    self.leaf = Leaf::Nothing;
                    match self.open.last_mut().map(Arc::make_mut) {
                        Some(Open::Object(_, key @ None)) => *key = Some(text),
                        _ => self.ended(Value::new(Shape::String(text))),
                    }
                    return true;
                }
                read.push(byte);
                return false;
            }
            Leaf::Number(raw) if in_number(byte) => {
                raw.push(byte);
                return false;
            }
            Leaf::Number(raw) => {
                let number = number(raw);
                self.leaf = Leaf::Nothing;
                self.ended(number);
                ended = true;
            }
            Leaf::Word(first, read) => {
                *read += 1;
                if *read == if *first == b'f' { 5 } else { 4 } {
                    let word = Value::new(Shape::Word(*first));
                    self.leaf = Leaf::Nothing;
                    self.ended(word);
                    return true;
                }
                return false;
            }
            Leaf::Nothing | Leaf::Whole(_) => {}
        }
        match byte {
            b'"' => self.leaf = Leaf::String(Partial::default()),
            b'-' | b'0'..=b'9' => self.leaf = Leaf::Number(vec![byte]),
            b't' | b'f' | b'n' => self.leaf = Leaf::Word(byte, 1),
            b'[' => self.open.push(Arc::new(Open::Array(Vec::new()))),
            b'{' => self.open.push(Arc::new(Open::Object(Vec::new(), None))),
            b']' | b'}' => match self.open.pop().map(Arc::unwrap_or_clone) {
                Some(Open::Array(items)) => self.ended(Value::new(Shape::Array(items.into()))),
                Some(Open::Object(mut members, _)) => {
                    members.sort_by(|a, b| a.0.cmp(&b.0));
                    self.ended(Value::new(Shape::Object(members.into())));
                }
                None => {}
            },
            _ => return ended,
        }
        true
    }

    fn ended(&mut self, value: Arc<Value>) {
        match self.open.last_mut().map(Arc::make_mut) {
            None => self.leaf = Leaf::Whole(value),
            Some(Open::Array(items)) => items.push(value),
            Some(Open::Object(members, key)) => members.push((key.take().unwrap_or_default(), value)),
        }
    }

    /// Is a number being read?
    pub fn in_number(&self) -> bool {
        matches!(self.leaf, Leaf::Number(_))
    }

    /// Is a string being read, and was a backslash read last that escapes what comes next?
    pub fn in_string(&self) -> Option<bool> {
        if let Leaf::String(read) = &self.leaf { Some(read.escapes_next()) } else { None }
    }

    /// How many containers are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// The value, if the text may end here.
    pub fn whole(&self) -> Option<Arc<Value>> {
        match &self.leaf {
            Leaf::Whole(value) => Some(value.clone()),
            Leaf::Number(raw) if self.open.is_empty() => Some(number(raw)),
            _ => None,
        }
    }

    /// A text by which beginnings with the same continuations can be told: equal signatures, equal agreement from here on with values whose
    /// numbers reach no further than `reach`.
    pub fn signature(&self, reach: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for open in &self.open {
            match &**open {
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
            Leaf::String(read) => {
                out.push(b'"');
                out.extend_from_slice(&read.text);
                out.push(b'"');
                out.extend_from_slice(&read.pending);
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

/// A number, however far its point is.
#[derive(Debug)]
pub(super) struct Number {
    pub(super) value: Decimal,
    /// Where its point is, if that is farther than the value says.
    far: Option<BigInt>,
}

impl Number {
    fn read(raw: &[u8]) -> Option<Self> {
        let value = Decimal::parse(std::str::from_utf8(raw).ok()?)?;
        if !value.may_be_cut() {
            return Some(Self { value, far: None });
        }
        let end = raw.iter().position(|b| matches!(b, b'e' | b'E'))?;
        let mantissa = Decimal::parse(std::str::from_utf8(&raw[..end]).ok()?)?;
        let exponent: BigInt = std::str::from_utf8(&raw[end + 1..]).ok()?.parse().ok()?;
        Some(Self { value, far: Some(exponent + mantissa.parts().1) })
    }

    /// Digits before the decimal point; negative: zeros after it before the first digit.
    pub(super) fn point(&self) -> BigInt {
        self.far.clone().unwrap_or_else(|| self.value.parts().1.into())
    }
}

fn number(raw: &[u8]) -> Arc<Value> {
    Value::new(Shape::Number(Number::read(raw).unwrap_or_else(|| Number { value: Decimal::zero(), far: None })))
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
}
