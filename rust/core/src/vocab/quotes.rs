//! The text tokens with a quotation mark or a comma: those that can begin or end a key of an object. Part of **vocab**.
//!
//! Invariant: a list holds every token that it speaks of, ascending or sorted by bytes.
//! Must not know: why keys matter.

type ByBytes = Vec<(Box<[u8]>, u32)>;

/// Tokens with quotation marks, by what stands between and after the marks.
#[derive(Default)]
pub struct QuoteIndex {
    /// (bytes between two marks that follow each other, token), sorted; no backslash in the token.
    between: ByBytes,
    /// Tokens with two marks or more and a backslash.
    escaped_between: Vec<u32>,
    /// (bytes after the last mark, at least one, token), sorted; no backslash in the token.
    after: ByBytes,
    /// Tokens with a backslash after some mark.
    escaped_after: Vec<u32>,
    /// Tokens with two marks or more.
    pairs: Vec<u32>,
    /// Tokens with three marks or more.
    many: Vec<u32>,
    /// Tokens with a comma.
    commas: Vec<u32>,
}

impl QuoteIndex {
    /// From the text tokens, ascending.
    pub fn new<'a>(tokens: impl Iterator<Item = (u32, &'a [u8])>) -> Self {
        let mut index = Self::default();
        for (id, bytes) in tokens {
            if bytes.contains(&b',') {
                index.commas.push(id);
            }
            let marks: Vec<usize> = memchr::memchr_iter(b'"', bytes).collect();
            let (Some(&first), Some(&last)) = (marks.first(), marks.last()) else { continue };
            let escaped = bytes.contains(&b'\\');
            if bytes[first..].contains(&b'\\') {
                index.escaped_after.push(id);
            }
            if !escaped && last + 1 < bytes.len() {
                index.after.push((bytes[last + 1..].into(), id));
            }
            if marks.len() >= 2 {
                index.pairs.push(id);
                if escaped {
                    index.escaped_between.push(id);
                } else {
                    index.between.extend(marks.windows(2).map(|pair| (bytes[pair[0] + 1..pair[1]].into(), id)));
                }
            }
            if marks.len() >= 3 {
                index.many.push(id);
            }
        }
        index.between.sort_unstable();
        index.after.sort_unstable();
        index
    }

    /// Tokens with `bytes` between two quotation marks; no backslash in them.
    pub fn holding(&self, bytes: &[u8]) -> impl Iterator<Item = u32> + use<'_> {
        let low = self.between.partition_point(|(b, _)| **b < *bytes);
        let high = self.between.partition_point(|(b, _)| **b <= *bytes);
        self.between[low..high].iter().map(|&(_, id)| id)
    }

    /// (bytes between two quotation marks that follow each other, token); no backslash in the token.
    pub fn between(&self) -> &[(Box<[u8]>, u32)] {
        &self.between
    }

    /// Tokens with two quotation marks or more and a backslash.
    pub fn escaped_between(&self) -> &[u32] {
        &self.escaped_between
    }

    /// (bytes after the last quotation mark, at least one, token); no backslash in the token.
    pub fn after(&self) -> &[(Box<[u8]>, u32)] {
        &self.after
    }

    /// Tokens with a backslash after a quotation mark.
    pub fn escaped_after(&self) -> &[u32] {
        &self.escaped_after
    }

    /// Tokens with two quotation marks or more.
    pub fn pairs(&self) -> &[u32] {
        &self.pairs
    }

    /// Tokens with three quotation marks or more: they can end a key and hold another, or hold two.
    pub fn many(&self) -> &[u32] {
        &self.many
    }

    /// Tokens with a comma.
    pub fn commas(&self) -> &[u32] {
        &self.commas
    }
}
