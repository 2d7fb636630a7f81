//! Which earlier values a text that was read in part may still come to spell, and through which bytes. Part of **stack**.
//!
//! Invariant: a beginning agrees with a value if some text that goes on from it may spell that value (where in doubt, it agrees), and through a
//! byte that is not among those it may go on with it agrees no longer.
//! Must not know: schemas, states, tokens.

use super::keys::Partial;
use super::used::Used;
use super::value::{Beginning, Leaf, Members, Open, Shape, Value, in_number};
use crate::automaton::number::Decimal;
use crate::provider::ByteSet;

/// A part of a value.
enum Place<'v> {
    Value(&'v Value),
    /// The object whose next key is being read, or comes next.
    Key(&'v Members),
}

/// Bytes that neither begin a value nor end one: all that may stand between the parts of a container.
fn between() -> ByteSet {
    let mut bytes = ByteSet::ALL;
    for byte in *b"\"-0123456789tfn[]{}" {
        bytes.remove(&ByteSet::one(byte));
    }
    bytes
}

impl Beginning {
    /// May a text that begins like this spell `value`?
    pub fn agrees(&self, value: &Value) -> bool {
        let Some(part) = self.part_of(value) else { return false };
        match (&self.leaf, part) {
            (Leaf::Nothing, _) => true,
            (Leaf::Whole(whole), Place::Value(value)) => **whole == *value,
            (Leaf::String(read), Place::Key(members)) => self.keys_like(read, members).any(|key| spells(read, key)),
            (leaf, Place::Value(value)) => match (leaf, &value.shape) {
                (Leaf::Word(first, _), Shape::Word(word)) => first == word,
                (Leaf::Number(raw), Shape::Number(number)) => may_become(raw, number),
                (Leaf::String(read), Shape::String(text)) => spells(read, text),
                _ => false,
            },
            _ => false,
        }
    }

    /// Add the bytes through which a beginning that agrees with `value` may go on agreeing with it.
    pub fn add_bytes_like(&self, value: &Value, bytes: &mut ByteSet) {
        let Some(part) = self.part_of(value) else { return };
        match (&self.leaf, part) {
            (Leaf::Nothing, part) => {
                bytes.extend(&between());
                match (self.open.last().map(|open| &**open), part) {
                    (Some(Open::Array(items)), Place::Value(Value { shape: Shape::Array(all), .. })) => match all.get(items.len()) {
                        Some(next) => next.add_first_bytes(bytes),
                        None => bytes.insert(b']'),
                    },
                    (None | Some(Open::Object(..)), Place::Value(value)) => value.add_first_bytes(bytes),
                    (Some(Open::Object(had, _)), Place::Key(all)) => bytes.insert(if had.len() < all.len() { b'"' } else { b'}' }),
                    _ => *bytes = ByteSet::ALL,
                }
            }
            (Leaf::String(read), Place::Key(members)) => {
                self.keys_like(read, members).for_each(|key| add_characters_like(read, key, bytes));
            }
            (Leaf::String(read), Place::Value(Value { shape: Shape::String(text), .. })) => add_characters_like(read, text, bytes),
            (Leaf::Number(_), _) => {
                bytes.extend(&between());
                (0..=255).filter(|&byte| in_number(byte) || matches!(byte, b']' | b'}')).for_each(|byte| bytes.insert(byte));
            }
            _ => *bytes = ByteSet::ALL,
        }
    }

    /// The keys that may be the one being read, as far as its characters say.
    fn keys_like<'a>(&'a self, read: &'a Partial, members: &'a Members) -> impl Iterator<Item = &'a [u8]> {
        let had = match self.open.last().map(|open| &**open) {
            Some(Open::Object(had, _)) => had.as_slice(),
            _ => &[],
        };
        let first = members.partition_point(|(key, _)| **key < *read.text);
        let alike = members[first..].iter().map(|(key, _)| &**key).take_while(|key| key.starts_with(&read.text));
        alike.filter(|&key| had.iter().all(|(name, _)| **name != *key))
    }

    /// The characters that complete the string being read to the one in `value`; `None` if no string of it is, or if it is amid a character.
    pub fn rest<'v>(&self, value: &'v Value) -> Option<&'v [u8]> {
        let (Leaf::String(read), Some(Place::Value(part))) = (&self.leaf, self.part_of(value)) else { return None };
        let Shape::String(text) = &part.shape else { return None };
        if read.pending.is_empty() { text.strip_prefix(&*read.text) } else { None }
    }

    /// Where in `value` the innermost part that is being read stands; `None` if what was read is not in it.
    fn part_of<'v>(&self, value: &'v Value) -> Option<Place<'v>> {
        let mut at = value;
        let last = self.open.len().wrapping_sub(1);
        for (depth, open) in self.open.iter().enumerate() {
            // A container with nothing open inside is itself the part.
            let inside = depth < last || !matches!(self.leaf, Leaf::Nothing);
            match (&**open, &at.shape) {
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
}

impl Value {
    fn add_first_bytes(&self, bytes: &mut ByteSet) {
        match &self.shape {
            Shape::Word(first) => bytes.insert(*first),
            Shape::Number(_) => b"-0123456789".iter().for_each(|&byte| bytes.insert(byte)),
            Shape::String(_) => bytes.insert(b'"'),
            Shape::Array(_) => bytes.insert(b'['),
            Shape::Object(_) => bytes.insert(b'{'),
        }
    }
}

/// May a string that was read in part come to be `text`?
fn spells(read: &Partial, text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(&*read.text) else { return false };
    read.pending.is_empty() || !rest.is_empty() && read.agrees(&Used::default().with(text))
}

fn add_characters_like(read: &Partial, text: &[u8], bytes: &mut ByteSet) {
    match text.strip_prefix(&*read.text) {
        _ if !read.pending.is_empty() => *bytes = ByteSet::ALL,
        Some([next, ..]) => {
            bytes.insert(*next);
            bytes.insert(b'\\');
        }
        Some([]) => bytes.insert(b'"'),
        None => {}
    }
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
    use std::sync::Arc;

    use super::*;

    fn whole(text: &str) -> Arc<Value> {
        Beginning::of(text.as_bytes()).whole().unwrap()
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
            for other in texts.iter().flat_map(|text| [text.to_string(), text.replace([',', ':'], " , : "), text.replace('a', "\\u0061")]) {
                for end in 0..other.len() {
                    let beginning = Beginning::of(&other.as_bytes()[..end]);
                    let mut like = ByteSet::default();
                    beginning.add_bytes_like(&value, &mut like);
                    let agrees = beginning.agrees(&value) && Beginning::of(&other.as_bytes()[..=end]).agrees(&value);
                    assert!(!agrees || like.contains(other.as_bytes()[end]), "{text}: {} {}", &other[..end], &other[end..]);
                }
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
