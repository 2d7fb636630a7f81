//! The text tokens with a quotation mark: the only ones that can complete a key of an object.

/// Tokens with quotation marks, by what stands before and between the marks.
#[derive(Default)]
pub struct QuoteIndex {
    /// (bytes before the first mark, token), sorted; none of the bytes is a backslash.
    before: Vec<(Box<[u8]>, u32)>,
    /// Tokens with a backslash before their first mark.
    escaped: Vec<u32>,
    /// (bytes between two marks that follow each other, token), sorted.
    between: Vec<(Box<[u8]>, u32)>,
    /// Tokens with two marks or more and a backslash.
    escaped_between: Vec<u32>,
    /// Tokens with four marks or more: they can hold two keys.
    many: Vec<u32>,
}

fn of<'a>(list: &'a [(Box<[u8]>, u32)], bytes: &[u8]) -> impl Iterator<Item = u32> + use<'a> {
    let low = list.partition_point(|(b, _)| &**b < bytes);
    let high = list.partition_point(|(b, _)| &**b <= bytes);
    list[low..high].iter().map(|&(_, id)| id)
}

impl QuoteIndex {
    /// From the text tokens.
    pub fn new<'a>(tokens: impl Iterator<Item = (u32, &'a [u8])>) -> Self {
        let mut index = Self::default();
        for (id, bytes) in tokens {
            let marks: Vec<usize> = memchr::memchr_iter(b'"', bytes).collect();
            let Some(&first) = marks.first() else { continue };
            if bytes[..first].contains(&b'\\') {
                index.escaped.push(id);
            } else {
                index.before.push((bytes[..first].into(), id));
            }
            if marks.len() >= 2 {
                if bytes.contains(&b'\\') {
                    index.escaped_between.push(id);
                } else {
                    index.between.extend(marks.windows(2).map(|pair| (bytes[pair[0] + 1..pair[1]].into(), id)));
                }
            }
            if marks.len() >= 4 {
                index.many.push(id);
            }
        }
        index.before.sort_unstable();
        index.between.sort_unstable();
        index
    }

    /// Tokens that are `bytes`, a quotation mark, and anything; no backslash before the mark.
    pub fn completing(&self, bytes: &[u8]) -> impl Iterator<Item = u32> + use<'_> {
        of(&self.before, bytes)
    }

    /// All tokens with a quotation mark.
    pub fn all(&self) -> impl Iterator<Item = u32> + '_ {
        self.before.iter().map(|&(_, id)| id).chain(self.escaped.iter().copied())
    }

    /// Tokens with a backslash before their first quotation mark.
    pub fn escaped(&self) -> &[u32] {
        &self.escaped
    }

    /// Tokens with `bytes` between two quotation marks; no backslash in them.
    pub fn holding(&self, bytes: &[u8]) -> impl Iterator<Item = u32> + use<'_> {
        of(&self.between, bytes)
    }

    /// Tokens with two quotation marks or more and a backslash.
    pub fn escaped_between(&self) -> &[u32] {
        &self.escaped_between
    }

    /// Tokens with four quotation marks or more.
    pub fn many(&self) -> &[u32] {
        &self.many
    }
}
