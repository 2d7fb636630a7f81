//! Which earlier values a text that was read in part may still come to spell, and through which bytes. Part of **stack**.
//!
//! Invariant: a beginning agrees with a value if some text that goes on from it may spell that value (where in doubt, it agrees), and through a
//! byte that is not among those it may go on with it agrees no longer.
//! Must not know: schemas, states, tokens.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashSet;
use num_bigint::Sign;
use smallvec::SmallVec;

use super::keys::Partial;
use super::seen::Seen;
use super::value::{Beginning, Leaf, Number, Open, Shape, Value};
use crate::automaton::number::Decimal;
use crate::provider::ByteSet;

/// The earlier values that what is being read may still become.
#[derive(Clone, Debug)]
pub struct Agreeing {
    which: Which,
    like: ByteSet,
}

#[derive(Clone, Debug)]
enum Which {
    /// Of nothing was read: all of them.
    All(Seen),
    /// A string is being read: it may be one of these strings, by block of the set of all values.
    Strings(SmallVec<[(Seen, Range<usize>); 2]>),
    Listed {
        /// Those that agreed when the string, number or container that is being read began.
        values: Rc<[Arc<Value>]>,
        /// What that may be, as far as it tells the values apart; nothing once no value agrees any longer.
        targets: Rc<[Target]>,
    },
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
            (Shape::Object(members), Some(key)) => members.get(key).map(|(name, _)| &**name),
            _ => self.value.text(),
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
    /// Those of a set that agree.
    // PERF: of the strings in it those that begin alike stand together, however many there are.
    pub fn within(seen: &Seen, beginning: &Beginning) -> Self {
        match &beginning.leaf {
            Leaf::Nothing if beginning.depth() == 0 => {
                let mut like = seen.first_bytes();
                like.extend(if seen.is_empty() { &NONE } else { &BETWEEN });
                Self { which: Which::All(seen.clone()), like }
            }
            Leaf::String(read) if beginning.depth() == 0 && may_be_any_character(read) => {
                Self::narrowed(seen.parts().map(|part| (part.clone(), 0..part.strings().len())), read)
            }
            _ => Self::of(seen.iter(), beginning),
        }
    }

    /// Those of these strings that begin with what was read, behind which any character may come.
    fn narrowed(strings: impl Iterator<Item = (Seen, Range<usize>)>, read: &Partial) -> Self {
        let mut like = ByteSet::default();
        let begins = |value: &Arc<Value>| value.text().is_some_and(|text| text.starts_with(&read.text));
        let mut kept = SmallVec::new();
        for (part, mut range) in strings {
            let all = &part.strings()[range.clone()];
            let first = all.partition_point(|value| value.text() < Some(&read.text));
            let alike = all[first..].partition_point(begins);
            range = range.start + first..range.start + first + alike;
            // An escape that has begun is one more character.
            let whole = all.get(first).is_some_and(|value| value.text() == Some(&read.text));
            range.start += usize::from(!read.pending.is_empty() && whole);
            if !range.is_empty() {
                add_bytes_of_strings(&part.strings()[range.clone()], read, &mut like);
                kept.push((part, range));
            }
        }
        Self { which: Which::Strings(kept), like }
    }

    /// Those of the values that agree.
    pub fn of<'v>(values: impl Iterator<Item = &'v Arc<Value>>, beginning: &Beginning) -> Self {
        Self::listed(values.filter(|value| beginning.agrees(value)).cloned().collect(), beginning)
    }

    fn listed(values: Rc<[Arc<Value>]>, beginning: &Beginning) -> Self {
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
        Self { which: Which::Listed { values, targets: targets.into() }, like }
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        match &self.which {
            Which::All(seen) => seen.is_empty(),
            Which::Strings(strings) => strings.is_empty(),
            Which::Listed { targets, .. } => targets.is_empty(),
        }
    }

    /// No number in those that agree has more digits before the point.
    pub fn reach(&self) -> usize {
        match &self.which {
            Which::All(seen) => seen.reach(),
            Which::Strings(_) => 0,
            Which::Listed { values, .. } => values.iter().map(|value| value.reach()).max().unwrap_or(0),
        }
    }

    /// One more byte was read, with which something began or ended if `changed`.
    pub fn read(&mut self, longer: &Beginning, changed: bool) {
        if self.is_empty() {
            return;
        }
        match (&mut self.which, &longer.leaf) {
            (Which::All(seen), _) => {
                if changed {
                    let seen = std::mem::take(seen);
                    *self = Self::within(&seen, longer);
                }
            }
            (Which::Strings(strings), Leaf::String(read)) if !changed && may_be_any_character(read) => {
                let strings = std::mem::take(strings);
                *self = Self::narrowed(strings.into_iter(), read);
            }
            (Which::Strings(strings), _) => {
                let values = strings.iter().flat_map(|(part, range)| &part.strings()[range.clone()]);
                *self = Self::of(values, longer);
            }
            (Which::Listed { values, .. }, _) if changed => {
                let all_agree = values.iter().all(|value| longer.agrees(value));
                let values = if all_agree { values.clone() } else { values.iter().filter(|value| longer.agrees(value)).cloned().collect() };
                *self = Self::listed(values, longer);
            }
            // Whitespace, commas and colons are not looked at.
            (Which::Listed { .. }, Leaf::Nothing | Leaf::Whole(_)) => {}
            (Which::Listed { values, targets }, leaf) => {
                if !targets.iter().all(|target| target.agrees(leaf)) {
                    *targets = targets.iter().filter(|target| target.agrees(leaf)).cloned().collect();
                }
                self.like = bytes_like(longer, values, targets);
            }
        }
    }

    /// The bytes through which what is being read may go on agreeing.
    pub fn bytes_like(&self) -> &ByteSet {
        &self.like
    }

    /// The characters that complete the string being read to that of an agreeing value; `None` if no string is, or if it is amid a character or a
    /// key.
    pub fn rests(&self, beginning: &Beginning) -> Option<Vec<&[u8]>> {
        let Leaf::String(read) = &beginning.leaf else { return None };
        if !read.pending.is_empty() {
            return None;
        }
        match &self.which {
            Which::All(_) => None,
            Which::Strings(strings) => {
                let all = strings.iter().flat_map(|(part, range)| &part.strings()[range.clone()]);
                Some(all.filter_map(|value| value.text()?.strip_prefix(&*read.text)).collect())
            }
            Which::Listed { targets, .. } => {
                let of_values = targets.iter().all(|target| target.key.is_none());
                of_values.then(|| targets.iter().filter_map(|target| target.text()?.strip_prefix(&*read.text)).collect())
            }
        }
    }
}

/// May any character come next, or be the one that has begun?
fn may_be_any_character(read: &Partial) -> bool {
    matches!(read.pending.as_slice(), [] | b"\\" | b"\\u")
}

/// Add the bytes that strings go on with behind what was read, with which all of them begin; they ascend.
fn add_bytes_of_strings(strings: &[Arc<Value>], read: &Partial, bytes: &mut ByteSet) {
    let mut left = strings;
    while let Some(text) = left.first().and_then(|value| value.text()) {
        add_characters_like(read, text, bytes);
        let next = text.get(read.text.len());
        let alike = left.partition_point(|value| value.text().is_some_and(|text| text.get(read.text.len()) == next));
        left = &left[alike..];
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

const NONE: ByteSet = ByteSet([0; 4]);
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
    pub(super) fn add_first_bytes(&self, bytes: &mut ByteSet) {
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
    text.strip_prefix(&*read.text).is_some_and(|rest| read.goes_on_like(rest))
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
    use std::collections::BTreeSet;
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
            agreeing.rests(&beginning).map(|rests| rests.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>())
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
        let seen = values.iter().fold(Seen::NONE, |seen, value| seen.with(value.clone()));
        let spelled = |text: &&str| {
            let escaped = text.replace('a', "\\u0061").replace('1', "1.0").replace('é', "\\u00e9");
            [(*text).to_owned(), text.replace(',', " , ").replace(':', " :\n"), format!(" {text}"), escaped]
        };
        let others = [r#""abc\u0064""#, r#""a\u0062d""#, r#""ab\n""#, r#""\u00e9a""#, "[1,[4]]"];
        for text in texts.iter().chain(&others).flat_map(spelled) {
            let mut beginning = Beginning::default();
            let mut agreeing = Agreeing::of(values.iter(), &beginning);
            let mut within = Agreeing::within(&seen, &beginning);
            for (read, &byte) in text.as_bytes().iter().enumerate() {
                let like = *agreeing.bytes_like();
                let changed = beginning.read(byte);
                agreeing.read(&beginning, changed);
                within.read(&beginning, changed);
                let agree = values.iter().any(|value| beginning.agrees(value));
                assert_eq!(agreeing.is_empty(), !agree, "{text} after {read}");
                assert!(!agree || like.contains(byte), "{text} after {read}");
                let at_once = Agreeing::of(values.iter(), &beginning);
                assert_eq!(agreeing.bytes_like(), at_once.bytes_like(), "{text} after {read}");
                for of_set in [&within, &Agreeing::within(&seen, &beginning)] {
                    assert_eq!(of_set.is_empty(), !agree, "{text} after {read}");
                    assert_eq!(of_set.bytes_like(), at_once.bytes_like(), "{text} after {read}");
                    let sorted = |all: Option<Vec<&[u8]>>| all.map(|all| all.into_iter().map(<[u8]>::to_vec).collect::<BTreeSet<_>>());
                    assert_eq!(sorted(of_set.rests(&beginning)), sorted(at_once.rests(&beginning)), "{text} after {read}");
                }
            }
        }
    }
}
