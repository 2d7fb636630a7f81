//! The text tokens with a quotation mark or a comma: those that can begin or end a key of an object. Part of **vocab**.
//!
//! Invariant: a list holds every token that it speaks of, ascending or sorted by bytes.
//! Must not know: why keys matter.

use hashbrown::HashMap;

type ByBytes = Vec<(Box<[u8]>, u32)>;

/// Tokens with quotation marks, by what stands between and after the marks.
#[derive(Default)]
pub struct QuoteIndex {
    /// (bytes of a text between two marks, token), sorted; no backslash in the text.
    between: ByBytes,
    /// The same by text: where its tokens stand in `between`.
    texts: HashMap<Box<[u8]>, (u32, u32), foldhash::fast::RandomState>,
    /// Tokens that hold a text between two marks with a backslash in it.
    escaped_between: Vec<u32>,
    /// (bytes after the last mark, at least one, token), sorted; no backslash in the token.
    after: ByBytes,
    /// Tokens with a backslash after some mark.
    escaped_after: Vec<u32>,
    /// Tokens with a mark, a colon, a comma and another mark.
    pairs: Vec<u32>,
    /// Tokens with a mark, a colon, a comma and two more marks.
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
            if holds_in_order(bytes, b"\":,\"") {
                index.pairs.push(id);
            }
            let mut spelled = false;
            for &mark in &marks {
                match text_from(&bytes[mark + 1..]) {
                    Some(text) if text.contains(&b'\\') => spelled = true,
                    Some(text) => index.between.push((text.into(), id)),
                    None => {}
                }
            }
            if spelled {
                index.escaped_between.push(id);
            }
            if holds_in_order(bytes, b"\":,\"\"") {
                index.many.push(id);
            }
        }
        index.between.sort_unstable();
        index.between.dedup();
        let mut first = 0;
        for group in index.between.chunk_by(|a, b| a.0 == b.0) {
            let end = first + group.len() as u32;
            index.texts.insert(group[0].0.clone(), (first, end));
            first = end;
        }
        index.after.sort_unstable();
        index
    }

    /// Tokens that hold a text that is spelled `bytes`, between its quotation marks; no backslash in it.
    pub fn holding(&self, bytes: &[u8]) -> impl Iterator<Item = u32> + use<'_> {
        let (low, high) = self.texts.get(bytes).map_or((0, 0), |&(low, high)| (low as usize, high as usize));
        self.between[low..high].iter().map(|&(_, id)| id)
    }

    /// (bytes of a text between its quotation marks, token); no backslash in the text.
    pub fn between(&self) -> &[(Box<[u8]>, u32)] {
        &self.between
    }

    /// Tokens that hold a text between its quotation marks with a backslash in it.
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

    /// Tokens that can end a key and begin another of the same object.
    pub fn pairs(&self) -> &[u32] {
        &self.pairs
    }

    /// Those of them that can end the other as well.
    pub fn many(&self) -> &[u32] {
        &self.many
    }

    /// Tokens with a comma.
    pub fn commas(&self) -> &[u32] {
        &self.commas
    }
}

/// Are these bytes there one after the other, whatever stands between them?
fn holds_in_order(bytes: &[u8], wanted: &[u8]) -> bool {
    let mut wanted = wanted.iter().peekable();
    for byte in bytes {
        wanted.next_if_eq(&byte);
    }
    wanted.peek().is_none()
}

/// The text of a JSON string, of which these bytes follow the opening mark, if its closing mark is among them.
fn text_from(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(&bytes[..at]),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_listed_by_the_texts_they_hold() {
        let tokens: &[&[u8]] =
            &[br#""a""#, br#"a":""#, br#""\"a""#, br#""\u0061":"#, br#"":1,"a""#, br#""a":1,"a""#, br#"","a":"#, br#"\",\""#, b"a,b"];
        let index = QuoteIndex::new(tokens.iter().enumerate().map(|(id, bytes)| (id as u32, *bytes)));
        assert_eq!(index.holding(b"a").collect::<Vec<_>>(), [0, 2, 4, 5, 6]);
        assert_eq!(index.escaped_between(), [2, 3]);
        assert_eq!(index.many(), [4, 5]);
        assert_eq!(index.pairs(), [4, 5]);
        assert_eq!(index.commas(), [4, 5, 6, 7, 8]);
    }
}
