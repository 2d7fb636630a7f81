//! The bytes of a text since something began to need them, as a persistent list.
//!
//! Invariant: copies share all but the last few bytes; an offset counts bytes of the whole text, whether they are kept or not.
//! Must not know: what the bytes mean.

use std::sync::Arc;

const CHUNK: usize = 24;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Text {
    before: Option<Arc<Chunk>>,
    tail: [u8; CHUNK],
    used: u8,
    /// The offset of the first byte kept.
    start: u64,
    /// The offset after the last byte.
    end: u64,
}

#[derive(Debug)]
struct Chunk {
    before: Option<Arc<Chunk>>,
    bytes: [u8; CHUNK],
}

impl Drop for Chunk {
    /// Long texts are dropped chunk by chunk, not by recursion.
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(mut chunk) = next.and_then(Arc::into_inner) {
            next = chunk.before.take();
        }
    }
}

impl Text {
    /// The offset after the last byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Forget the bytes; offsets go on.
    pub fn forget(&mut self) {
        self.before = None;
        self.used = 0;
        self.start = self.end;
    }

    /// Add a byte.
    pub fn push(&mut self, byte: u8) {
        if usize::from(self.used) == CHUNK {
            self.before = Some(Arc::new(Chunk { before: self.before.take(), bytes: self.tail }));
            self.used = 0;
        }
        self.tail[usize::from(self.used)] = byte;
        self.used += 1;
        self.end += 1;
    }

    /// The bytes from an offset on; those that are not kept are left out.
    pub fn since(&self, offset: u64) -> Vec<u8> {
        let wanted = usize::try_from(self.end.saturating_sub(offset.max(self.start))).unwrap_or(usize::MAX);
        let mut parts: Vec<&[u8]> = vec![&self.tail[..usize::from(self.used)]];
        let mut have = usize::from(self.used);
        let mut at = self.before.as_deref();
        while let Some(chunk) = at
            && have < wanted
        {
            parts.push(&chunk.bytes);
            have += CHUNK;
            at = chunk.before.as_deref();
        }
        let mut bytes = Vec::with_capacity(have);
        parts.iter().rev().for_each(|part| bytes.extend_from_slice(part));
        bytes.drain(..bytes.len().saturating_sub(wanted));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_as_pushed() {
        let all: Vec<u8> = (0..200).collect();
        let mut text = Text::default();
        for &byte in &all {
            text.push(byte);
            for since in 0..text.end() {
                assert_eq!(text.since(since), all[since as usize..text.end() as usize]);
            }
        }
        let copy = text.clone();
        text.forget();
        text.push(7);
        assert_eq!((text.since(0), text.since(200), text.since(201)), (vec![7], vec![7], vec![]));
        assert_eq!(copy.since(190), all[190..]);
    }

    #[test]
    fn long_texts_drop() {
        let mut text = Text::default();
        (0..1_000_000).for_each(|_| text.push(b'x'));
        assert_eq!(text.since(3).len(), 999_997);
    }
}
