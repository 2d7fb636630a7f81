//! Which earlier values a text that was read in part may still come to spell, and through which bytes. Part of **stack**.
//!
//! Invariant: a beginning agrees with a value if some text that goes on from it may spell that value (where in doubt, it agrees), and through a
//! byte that is not among those it may go on with it agrees no longer.
//! Must not know: schemas, states, tokens.

use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashSet;
use num_bigint::Sign;

use super::keys::Partial;
use super::used::Used;
use super::value::{Beginning, Leaf, Number, Open, Shape, Value};
use crate::automaton::number::Decimal;
use crate::provider::ByteSet;

/// The earlier values that what is being read may still become.
#[derive(Clone, Debug)]
pub struct Agreeing {
    /// Those that agreed when the string, number or container that is being read began.
    values: Rc<[Arc<Value>]>,
    /// What that may be, as far as it tells the values apart; nothing once no value agrees any longer.
    targets: Rc<[Target]>,
    like: ByteSet,
}

/// A value, or a key of it.
#[derive(Clone, Debug)]
struct Target {
    value: Arc<Value>,
    key: Option<usize>,
}

impl Target {
    fn text(&self) -> Option<&[u8]> {
        match (&self.value.shape, self.key) {
            (Shape::String(text), _) => Some(text),
            (Shape::Object(members), Some(key)) => members.get(key).map(|(name, _)| &**name),
            _ => None,
        }
    }

    /// May it be what is being read?
    fn agrees(&self, leaf: &Leaf) -> bool {
        match (leaf, &self.value.shape) {
            (Leaf::String(read), _) => self.text().is_some_and(|text| spells(read, text)),
            (Leaf::Number(raw), Shape::Number(number)) => may_become(raw, number),
            _ => true,
        }
    }
}

impl Agreeing {
    /// Those of the values that agree.
    pub fn of<'v>(values: impl Iterator<Item = &'v Arc<Value>>, beginning: &Beginning) -> Self {
        Self::all(values.filter(|value| beginning.agrees(value)).cloned().collect(), beginning)
    }

    fn all(values: Rc<[Arc<Value>]>, beginning: &Beginning) -> Self {
        let mut targets: Vec<Target> = Vec::new();
        // The values themselves differ; parts of them may be equal.
        let differ = beginning.depth() == 0;
        let (mut known, mut names): (HashSet<u128>, HashSet<&[u8]>) = (HashSet::new(), HashSet::new());
        if let Leaf::String(_) | Leaf::Number(_) = beginning.leaf {
            for value in &*values {
                match (&beginning.leaf, beginning.part_of(value)) {
                    (Leaf::String(read), Some(Place::Key(object))) => {
                        let Shape::Object(members) = &object.shape else { continue };
                        let new = beginning.keys_like(read, object).filter(|&key| names.insert(&*members[key].0));
                        targets.extend(new.map(|key| Target { value: object.clone(), key: Some(key) }));
                    }
                    (_, Some(Place::Value(part))) if differ || known.insert(part.hash()) => {
                        targets.push(Target { value: part.clone(), key: None });
                    }
                    _ => {}
                }
            }
        } else if let Some(value) = values.first() {
            // Nothing has been read that tells them apart.
            targets.push(Target { value: value.clone(), key: None });
        }
        drop(names);
        let like = bytes_like(beginning, &values, &targets);
        Self { values, targets: targets.into(), like }
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Those that agree, and maybe some that have ceased to.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.values.iter()
    }

    /// One more byte was read, with which something began or ended if `changed`.
    pub fn read(&mut self, longer: &Beginning, changed: bool) {
        if self.is_empty() {
            return;
        }
        if changed {
            let values = if self.values.iter().all(|value| longer.agrees(value)) {
                self.values.clone()
            } else {
                self.values.iter().filter(|value| longer.agrees(value)).cloned().collect()
            };
            *self = Self::all(values, longer);
            return;
        }
        match longer.leaf {
            // Whitespace, commas and colons are not looked at.
            Leaf::Nothing | Leaf::Whole(_) => {}
            Leaf::String(_) | Leaf::Number(_) | Leaf::Word(..) => {
                if !self.targets.iter().all(|target| target.agrees(&longer.leaf)) {
                    self.targets = self.targets.iter().filter(|target| target.agrees(&longer.leaf)).cloned().collect();
                }
                self.like = bytes_like(longer, &self.values, &self.targets);
            }
        }
    }

    /// The bytes through which what is being read may go on agreeing.
    pub fn bytes_like(&self) -> &ByteSet {
        &self.like
    }

    /// The bytes that one of the values may begin with, and those that may stand before it.
    pub fn bytes_before<'v>(values: impl Iterator<Item = &'v Arc<Value>>) -> ByteSet {
        let mut bytes = BETWEEN;
        values.for_each(|value| value.add_first_bytes(&mut bytes));
        bytes
    }

    /// The characters that complete the string being read to that of an agreeing value; `None` if no string is, or if it is amid a character or a
    /// key.
    pub fn rests<'a>(&'a self, beginning: &'a Beginning) -> Option<impl Iterator<Item = &'a [u8]>> {
        let Leaf::String(read) = &beginning.leaf else { return None };
        let of_values = read.pending.is_empty() && self.targets.iter().all(|target| target.key.is_none());
        of_values.then(|| self.targets.iter().filter_map(|target| target.text()?.strip_prefix(&*read.text)))
    }
}

/// The bytes through which `beginning` may go on agreeing with one of the values, all of which it agrees with.
fn bytes_like(beginning: &Beginning, values: &[Arc<Value>], targets: &[Target]) -> ByteSet {
    let mut bytes = ByteSet::default();
    match &beginning.leaf {
        _ if targets.is_empty() => {}
        Leaf::Nothing => values.iter().for_each(|value| beginning.add_bytes_next(value, &mut bytes)),
        Leaf::String(read) => {
            let texts = targets.iter().filter_map(Target::text);
            texts.for_each(|text| add_characters_like(read, text, &mut bytes));
        }
        Leaf::Number(_) => bytes = IN_NUMBER,
        Leaf::Word(..) => bytes = ByteSet::ALL,
        Leaf::Whole(_) => bytes = BETWEEN,
    }
    bytes
}

/// A part of a value.
enum Place<'v> {
    Value(&'v Arc<Value>),
    /// The object whose next key is being read, or comes next.
    Key(&'v Arc<Value>),
}

/// Bytes that neither begin a value nor end one: all that may stand between the parts of a container.
const BETWEEN: ByteSet = all_but(b"\"-0123456789tfn[]{}");
/// Bytes that a number may go on with, and those that may stand behind it.
const IN_NUMBER: ByteSet = all_but(b"\"tfn[{");

const fn all_but(bytes: &[u8]) -> ByteSet {
    let mut words = [u64::MAX; 4];
    let mut i = 0;
    while i < bytes.len() {
        words[(bytes[i] >> 6) as usize] &= !(1 << (bytes[i] & 63));
        i += 1;
    }
    ByteSet(words)
}

impl Beginning {
    /// May a text that begins like this spell `value`?
    pub fn agrees(&self, value: &Arc<Value>) -> bool {
        let Some(part) = self.part_of(value) else { return false };
        match (&self.leaf, part) {
            (Leaf::Nothing, _) => true,
            (Leaf::Whole(whole), Place::Value(value)) => whole == value,
            (Leaf::String(read), Place::Key(object)) => self.keys_like(read, object).next().is_some(),
            (leaf, Place::Value(value)) => match (leaf, &value.shape) {
                (Leaf::Word(first, _), Shape::Word(word)) => first == word,
                (Leaf::Number(raw), Shape::Number(number)) => may_become(raw, number),
                (Leaf::String(read), Shape::String(text)) => spells(read, text),
                _ => false,
            },
            _ => false,
        }
    }

    /// Add the bytes that may come next in `value`, inside no string, number or word of it; it agrees.
    fn add_bytes_next(&self, value: &Arc<Value>, bytes: &mut ByteSet) {
        let Some(part) = self.part_of(value) else { return };
        bytes.extend(&BETWEEN);
        match (self.open.last().map(|open| &**open), part) {
            (Some(Open::Array(items)), Place::Value(part)) => match &part.shape {
                Shape::Array(all) if items.len() < all.len() => all[items.len()].add_first_bytes(bytes),
                _ => bytes.insert(b']'),
            },
            (Some(Open::Object(had, _)), Place::Key(part)) => match &part.shape {
                Shape::Object(all) if had.len() < all.len() => bytes.insert(b'"'),
                _ => bytes.insert(b'}'),
            },
            (None | Some(Open::Object(..)), Place::Value(value)) => value.add_first_bytes(bytes),
            _ => *bytes = ByteSet::ALL,
        }
    }

    /// The places of the keys that may be the one being read.
    fn keys_like<'a>(&'a self, read: &'a Partial, object: &'a Value) -> impl Iterator<Item = usize> {
        let had = match self.open.last().map(|open| &**open) {
            Some(Open::Object(had, _)) => had.as_slice(),
            _ => &[],
        };
        let members: &[_] = if let Shape::Object(members) = &object.shape { members } else { &[] };
        let first = members.partition_point(|(key, _)| **key < *read.text);
        let alike = members.iter().enumerate().skip(first).take_while(|(_, (key, _))| key.starts_with(&read.text));
        let new = alike.filter(|(_, (key, _))| had.iter().all(|(name, _)| name != key));
        new.filter(|(_, (key, _))| spells(read, key)).map(|(place, _)| place)
    }

    /// Where in `value` the innermost part that is being read stands; `None` if what was read is not in it.
    fn part_of<'v>(&self, value: &'v Arc<Value>) -> Option<Place<'v>> {
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
                        None if depth == last => return Some(Place::Key(at)),
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
    /// Add the bytes that it may begin with.
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
fn may_become(raw: &[u8], whole: &Number) -> bool {
    let number = &whole.value;
    // Zero may be written with a minus sign, and with any exponent.
    if !number.is_zero() && (raw.first() == Some(&b'-')) != number.is_negative() {
        return false;
    }
    let end = raw.iter().position(|b| matches!(b, b'e' | b'E'));
    let mantissa = &raw[..end.unwrap_or(raw.len())];
    let mut digits = mantissa.iter().filter(|b| b.is_ascii_digit()).map(|b| b - b'0').skip_while(|&d| d == 0);
    // An exponent may put the point anywhere, so before it only the digits count.
    let (wanted, _) = number.parts();
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
    let needed = whole.point() - written.map_or(0, |written| written.parts().1);
    let sign = needed.sign();
    let (signs_agree, digits) = match &raw[end + 1..] {
        [b'-', digits @ ..] => (sign != Sign::Plus, digits),
        [] => return true,
        [b'+', digits @ ..] | digits => (sign != Sign::Minus, digits),
    };
    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
    let all = needed.magnitude().to_string();
    let all = if sign == Sign::NoSign { "" } else { &all };
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
            for other in texts {
                if whole(other) != value && !matches!(value.shape, Shape::Number(_)) {
                    assert!(!Beginning::of(other.as_bytes()).agrees(&value), "{other} {text}");
                }
            }
        }
        for (beginning, value, agrees) in [
            ("11e-4000000000000100000000", "1.1e-1152921504606846948", false),
            ("1.1e-4", "11e-4000000000000100000000", true),
            ("1.1e-39", "11e-4000000000000100000000", false),
            ("1.1e-4000000000000099999999", "11e-4000000000000100000000", true),
            ("1e1152921504606846977", "1e1152921504606846976", false),
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
        let rests = |beginning: &str, value: &str| {
            let beginning = Beginning::of(beginning.as_bytes());
            let agreeing = Agreeing::of([whole(value)].iter(), &beginning);
            agreeing.rests(&beginning).map(|rests| rests.map(<[u8]>::to_vec).collect::<Vec<_>>())
        };
        assert_eq!(rests("\"a", "\"abc\""), Some(vec![b"bc".to_vec()]));
        assert_eq!(rests("{\"k\":\"", r#"{"k":"v"}"#), Some(vec![b"v".to_vec()]));
        assert_eq!(rests("\"b", "\"abc\""), Some(vec![]));
        assert_eq!(rests("{\"k", r#"{"k":"v"}"#), None);
    }

    #[test]
    fn what_agrees_is_found_byte_by_byte() {
        let texts = [
            "1",
            "12",
            "0",
            "1.5",
            "15e-1",
            "true",
            "false",
            r#""ab""#,
            r#""abc""#,
            r#""b\n""#,
            "\"é\"",
            "[1,[2]]",
            "[1,[3]]",
            "[]",
            "[12]",
            r#"{"a":1,"b":{"c":[]}}"#,
            r#"{"b":{"c":[]},"a":1}"#,
            r#"{"b":{"c":[1]},"a":12}"#,
            "{}",
            r#"{"a":{}}"#,
            r#"{"ab":0,"abc":1}"#,
        ];
        let values: Vec<Arc<Value>> = texts.iter().map(|text| whole(text)).collect();
        let spelled = |text: &&str| {
            let escaped = text.replace('a', "\\u0061").replace('1', "1.0").replace('é', "\\u00e9");
            [(*text).to_owned(), text.replace(',', " , ").replace(':', " :\n"), escaped]
        };
        for text in texts.iter().flat_map(spelled) {
            let mut beginning = Beginning::default();
            let mut agreeing = Agreeing::of(values.iter(), &beginning);
            for (read, &byte) in text.as_bytes().iter().enumerate() {
                let like = *agreeing.bytes_like();
                let changed = beginning.read(byte);
                agreeing.read(&beginning, changed);
                let agree = values.iter().any(|value| beginning.agrees(value));
                assert_eq!(agreeing.is_empty(), !agree, "{text} after {read}");
                assert!(!agree || like.contains(byte), "{text} after {read}");
                let at_once = Agreeing::of(values.iter(), &beginning);
                assert_eq!(agreeing.bytes_like(), at_once.bytes_like(), "{text} after {read}");
            }
        }
    }
}
