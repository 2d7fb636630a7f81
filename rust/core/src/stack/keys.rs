//! The keys an object has used, and the key being read: what an item remembers besides its register. Part of **stack**.
//!
//! Invariant: what is remembered is what the text says; a key is judged by its characters, however they are spelled.
//! Must not know: states, tokens.

use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use super::used::Used;
use crate::escapes::{decode, utf8_length};
use crate::provider::ByteSet;

/// What an item remembers of an object's keys, shared between configurations.
#[derive(Clone, Debug, Default)]
pub struct Memory(Option<Arc<Entry>>);

#[derive(Debug)]
enum Entry {
    /// The undeclared keys that the object has used, and what was noted of them.
    Used(Used, [OnceLock<Box<[u32]>>; 2]),
    /// The opening quotation mark of a key was read.
    Opened,
    /// A byte of the key being read. New: no key that was used begins like this, so none is ever asked about again.
    Read { byte: u8, new: bool, before: Memory },
}

impl Memory {
    /// Nothing.
    pub const NONE: Self = Self(None);

    /// A key has just been opened.
    pub fn opened() -> Self {
        Self(Some(Arc::new(Entry::Opened)))
    }

    /// Nothing to remember?
    #[inline]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The same memory (by identity; the two kinds of "just opened" are equal)?
    pub fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || matches!((&**a, &**b), (Entry::Opened, Entry::Opened)),
            _ => false,
        }
    }

    /// After one more byte inside the rule.
    #[inline]
    #[must_use]
    pub fn after(&self, byte: u8) -> Self {
        let new = match self.0.as_deref() {
            Some(Entry::Read { new, .. }) => *new,
            Some(Entry::Opened) => false,
            _ => return self.clone(),
        };
        Self(Some(Arc::new(Entry::Read { byte, new, before: self.clone() })))
    }

    /// The key being read, as long as used keys may begin like it.
    pub fn questionable(&self) -> Option<Partial> {
        match self.0.as_deref() {
            Some(Entry::Opened | Entry::Read { new: false, .. }) => self.reading(),
            _ => None,
        }
    }

    /// The same, known to be the beginning of a new key.
    #[must_use]
    pub fn as_new(&self) -> Self {
        match self.0.as_deref() {
            Some(Entry::Read { byte, before, .. }) => Self(Some(Arc::new(Entry::Read { byte: *byte, new: true, before: before.clone() }))),
            _ => self.clone(),
        }
    }

    /// The key being read; `None` if there is none.
    pub fn reading(&self) -> Option<Partial> {
        let mut bytes = Vec::new();
        let mut at = self.0.as_deref()?;
        loop {
            match at {
                Entry::Used(..) => return None,
                Entry::Opened => break,
                Entry::Read { byte, before, .. } => {
                    bytes.push(*byte);
                    at = before.0.as_deref()?;
                }
            }
        }
        bytes.reverse();
        Some(Partial::of(&bytes))
    }

    /// The used keys.
    pub fn used(&self) -> Option<&Used> {
        match self.0.as_deref() {
            Some(Entry::Used(used, _)) => Some(used),
            _ => None,
        }
    }

    /// What whoever runs the text makes of the used keys, one thing or another, each always the same: made once.
    pub fn noted(&self, other: bool, make: impl FnOnce(&Used) -> Vec<u32>) -> &[u32] {
        match self.0.as_deref() {
            Some(Entry::Used(used, notes)) => notes[usize::from(other)].get_or_init(|| make(used).into()),
            _ => &[],
        }
    }

    /// With one more used key.
    #[must_use]
    pub fn with(&self, key: &[u8]) -> Self {
        let used = self.used().map_or_else(|| Used::default().with(key), |used| used.with(key));
        Self(Some(Arc::new(Entry::Used(used, Default::default()))))
    }
}

impl Drop for Entry {
    /// Long keys are dropped byte by byte, not by recursion.
    fn drop(&mut self) {
        let Self::Read { before, .. } = self else { return };
        let mut next = std::mem::take(before);
        while let Some(mut entry) = next.0.take().and_then(Arc::into_inner) {
            let Self::Read { before, .. } = &mut entry else { return };
            next = std::mem::take(before);
        }
    }
}

/// The beginning of a JSON string, after its opening quotation mark.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Partial {
    /// The characters so far, in UTF-8.
    pub text: Vec<u8>,
    /// The bytes of a character that is not complete.
    pub pending: SmallVec<[u8; 12]>,
}

impl Partial {
    /// From bytes as they stand in the text.
    pub fn of(raw: &[u8]) -> Self {
        let (text, pending) = decode(raw);
        Self { text, pending: raw[raw.len() - pending..].into() }
    }

    /// After one more byte.
    #[must_use]
    pub fn after(&self, byte: u8) -> Self {
        let mut after = self.clone();
        after.push(byte);
        after
    }

    /// Read one more byte.
    pub fn push(&mut self, byte: u8) {
        if self.pending.is_empty() && byte < 0x80 && byte != b'\\' {
            self.text.push(byte);
            return;
        }
        self.pending.push(byte);
        let (character, left) = decode(&self.pending);
        if left == 0 {
            self.text.extend_from_slice(&character);
            self.pending.clear();
        }
    }

    /// Was a backslash read last, so that a quotation mark would not end the string?
    pub fn escapes_next(&self) -> bool {
        // As the second half of a surrogate pair it follows six bytes.
        self.pending.last() == Some(&b'\\') && matches!(self.pending.len(), 1 | 7)
    }

    /// The bytes after which one of `used` may still be spelled, or has been: all of them if in doubt.
    pub fn bytes_like(&self, used: &Used) -> ByteSet {
        if !self.pending.is_empty() {
            return ByteSet::ALL;
        }
        let mut bytes = ByteSet::default();
        for next in used.next(&self.text, |_| 1) {
            bytes.insert(next[0]);
            bytes.insert(b'\\');
        }
        if used.contains(&self.text) {
            bytes.insert(b'"');
        }
        bytes
    }

    /// May what is pending come to be the beginning of these characters?
    pub(super) fn goes_on_like(&self, rest: &[u8]) -> bool {
        match self.pending.as_slice() {
            [] => true,
            [b'\\', ..] => {
                rest.get(..rest.first().map_or(0, |&first| utf8_length(first))).is_some_and(|c| !c.is_empty() && self.may_escape(c))
            }
            pending => rest.starts_with(pending),
        }
    }

    /// Is one of `used` spelled like this so far, whole or in part?
    pub fn agrees(&self, used: &Used) -> bool {
        match self.pending.as_slice() {
            [] => used.any_begins(&self.text),
            [b'\\', ..] => used.next(&self.text, utf8_length).any(|character| self.may_escape(character)),
            pending => used.any_begins(&[&*self.text, pending].concat()),
        }
    }

    /// May the escape that has begun be one of this character?
    fn may_escape(&self, character: &[u8]) -> bool {
        let mut escape: SmallVec<[u8; 12]> = SmallVec::new();
        let mut units = [0; 2];
        for c in String::from_utf8_lossy(character).chars() {
            for unit in c.encode_utf16(&mut units) {
                escape.extend_from_slice(b"\\u");
                escape.extend((0..4u16).rev().map(|digit| b"0123456789abcdef"[usize::from(*unit >> (4 * digit) & 15)]));
            }
        }
        escape.get(..self.pending.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(&self.pending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_key_agrees_with_the_keys_that_may_go_on_so() {
        let used = Used::default().with("aé".as_bytes()).with("a😀".as_bytes()).with(b"\"b");
        let raw = |text: &[u8]| text.iter().fold(Partial::default(), |partial, &byte| partial.after(byte));
        for (text, agrees) in [
            (&b""[..], true),
            (b"a", true),
            (b"b", false),
            (b"a\xC3", true),
            (b"a\xC3\xA9", true),
            (b"a\xC3\xA8", false),
            (b"a\xF0\x9F", true),
            (b"\\", true),
            (b"\\u00", true),
            (b"\\u0061", true),
            (b"\\u0062", false),
            (b"\\u002", true),
            (b"\\u01", false),
            (b"a\\u00E", true),
            (b"a\\u00e8", false),
            (b"a\\uD83d\\u", true),
            (b"a\\ud83D\\udE00", true),
            (b"a\\ud83D\\udE01", false),
            (b"\\\"b", true),
            (b"\\\"b\\", false),
        ] {
            assert_eq!(raw(text).agrees(&used), agrees, "{}", text.escape_ascii());
            assert_eq!(raw(text), Partial::of(text));
        }
    }

    #[test]
    fn long_keys_drop() {
        let mut memory = Memory::opened();
        for _ in 0..1_000_000 {
            memory = memory.after(b'x');
        }
        assert_eq!(memory.reading().map(|partial| partial.text.len()), Some(1_000_000));
        assert!(memory.questionable().is_some() && memory.as_new().questionable().is_none());
        assert!(memory.as_new().after(b'x').questionable().is_none());
    }
}
