//! The keys an object has used, and the key being read: what an item remembers besides its register.

use std::sync::Arc;

/// What an item remembers of an object's keys. Persistent lists, shared between configurations.
#[derive(Clone, Debug, Default)]
pub struct Memory(Option<Arc<Entry>>);

#[derive(Debug)]
enum Entry {
    /// An undeclared key that the object has used.
    Used { key: Box<[u8]>, before: Memory },
    /// The opening quotation mark of a key was read.
    Opened,
    /// A byte of the key being read.
    Read { byte: u8, before: Memory },
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
        match self.0.as_deref() {
            Some(Entry::Opened | Entry::Read { .. }) => Self(Some(Arc::new(Entry::Read { byte, before: self.clone() }))),
            _ => self.clone(),
        }
    }

    /// The raw bytes of the key being read, without its opening quotation mark; `None` if no key is being read.
    pub fn reading(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut at = self.0.as_deref()?;
        loop {
            match at {
                Entry::Used { .. } => return None,
                Entry::Opened => {
                    bytes.reverse();
                    return Some(bytes);
                }
                Entry::Read { byte, before } => {
                    bytes.push(*byte);
                    at = before.0.as_deref()?;
                }
            }
        }
    }

    /// The used keys, latest first.
    pub fn used(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = self;
        std::iter::from_fn(move || match at.0.as_deref() {
            Some(Entry::Used { key, before }) => {
                at = before;
                Some(&**key)
            }
            _ => None,
        })
    }

    /// With one more used key.
    #[must_use]
    pub fn with(&self, key: Vec<u8>) -> Self {
        Self(Some(Arc::new(Entry::Used { key: key.into(), before: self.clone() })))
    }
}

impl Drop for Entry {
    /// Long lists are dropped entry by entry, not by recursion.
    fn drop(&mut self) {
        let mut next = match self {
            Self::Used { before, .. } | Self::Read { before, .. } => std::mem::take(before),
            Self::Opened => return,
        };
        while let Some(mut entry) = next.0.take().and_then(Arc::into_inner) {
            next = match &mut entry {
                Self::Used { before, .. } | Self::Read { before, .. } => std::mem::take(before),
                Self::Opened => return,
            };
        }
    }
}

/// The characters that the raw bytes of a JSON string (without quotation marks) spell so far, in UTF-8, and how many raw bytes at the end
/// belong to a character that is not complete.
pub fn decode_key(raw: &[u8]) -> (Vec<u8>, usize) {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        if raw[at] != b'\\' {
            let length = match raw[at] {
                0..0x80 => 1,
                0x80..0xE0 => 2,
                0xE0..0xF0 => 3,
                0xF0.. => 4,
            };
            let Some(bytes) = raw.get(at..at + length) else { break };
            out.extend_from_slice(bytes);
            at += length;
            continue;
        }
        let Some(&escape) = raw.get(at + 1) else { break };
        let short = match escape {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            other => other,
        };
        if escape != b'u' {
            out.push(short);
            at += 2;
            continue;
        }
        let unit = |from: usize| {
            let hex = raw.get(from..from + 4)?;
            u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
        };
        let Some(first) = unit(at + 2) else { break };
        let (code, length) = if (0xD800..0xDC00).contains(&first) {
            let Some(second) = unit(at + 8) else { break };
            (0x1_0000 + ((first - 0xD800) << 10) + (second.wrapping_sub(0xDC00) & 0x3FF), 12)
        } else {
            (first, 6)
        };
        let mut buffer = [0; 4];
        out.extend_from_slice(char::from_u32(code).unwrap_or('\u{FFFD}').encode_utf8(&mut buffer).as_bytes());
        at += length;
    }
    (out, raw.len() - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded() {
        assert_eq!(decode_key(b"abc"), (b"abc".to_vec(), 0));
        assert_eq!(decode_key(br#"\u0061\n\"\/\\"#), (b"a\n\"/\\".to_vec(), 0));
        assert_eq!(decode_key(r"é\ud83d\ude00x".as_bytes()), ("é😀x".as_bytes().to_vec(), 0));
        assert_eq!(decode_key(br"a\u00"), (b"a".to_vec(), 4));
        assert_eq!(decode_key(br"a\ud83d\ude0"), (b"a".to_vec(), 11));
        assert_eq!(decode_key(&[b'a', 0xC3]), (b"a".to_vec(), 1));
        assert_eq!(decode_key(br"a\"), (b"a".to_vec(), 1));
    }

    #[test]
    fn long_lists_drop() {
        let mut memory = Memory::opened();
        for _ in 0..1_000_000 {
            memory = memory.after(b'x');
        }
        assert_eq!(memory.reading().map(|r| r.len()), Some(1_000_000));
        let mut used = Memory::NONE;
        for _ in 0..100_000 {
            used = used.with(b"k".to_vec());
        }
        assert_eq!(used.used().count(), 100_000);
    }
}
