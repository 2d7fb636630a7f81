//! A set of texts that an object has used up, shared between configurations. Part of **stack**.
//!
//! Invariant: a set never changes; one with another member shares all but a few of its blocks (a logarithmic method: Bentley and
//! Saxe 1980), so adding costs a logarithm on average and looking up its square.
//! Must not know: how texts are spelled, what they are used for.

use std::sync::Arc;

use smallvec::SmallVec;

type Text = Arc<[u8]>;

/// A persistent set of byte strings.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// Sorted blocks, each at least twice as large as the next.
    blocks: SmallVec<[Arc<[Text]>; 2]>,
}

impl Used {
    /// No text?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// How many texts.
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.len()).sum()
    }

    /// All texts, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.blocks.iter().flat_map(|block| block.iter()).map(|text| &**text)
    }

    /// Is the text one of them?
    pub fn contains(&self, text: &[u8]) -> bool {
        self.blocks.iter().any(|block| block.binary_search_by(|t| (**t).cmp(text)).is_ok())
    }

    /// Does one of them begin like this?
    pub fn any_begins(&self, prefix: &[u8]) -> bool {
        self.blocks.iter().any(|block| {
            let at = block.partition_point(|t| &**t < prefix);
            block.get(at).is_some_and(|t| t.starts_with(prefix))
        })
    }

    /// What may come after `prefix` to go on like one of them: the bytes of each, ascending within a block and `length` at most, without
    /// immediate repeats.
    pub fn next<'a>(&'a self, prefix: &'a [u8], length: impl Fn(u8) -> usize + Copy + 'a) -> impl Iterator<Item = &'a [u8]> {
        self.blocks.iter().flat_map(move |block| {
            let mut at = block.partition_point(|t| &**t < prefix);
            at += usize::from(block.get(at).is_some_and(|t| &**t == prefix));
            std::iter::from_fn(move || {
                let rest = block.get(at)?.strip_prefix(prefix)?;
                let next = rest.get(..length(*rest.first()?).min(rest.len()))?;
                at += block[at..].partition_point(|t| t.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(next)));
                Some(next)
            })
        })
    }

    /// With one more text, which is not one of them.
    #[must_use]
    pub fn with(&self, text: &[u8]) -> Self {
        let mut blocks = self.blocks.clone();
        let mut last: Vec<Text> = vec![text.into()];
        while blocks.last().is_some_and(|block| block.len() < 2 * last.len()) {
            if let Some(block) = blocks.pop() {
                last.extend(block.iter().cloned());
                last.sort_unstable();
            }
        }
        blocks.push(last.into());
        Self { blocks }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_is_the_set_of_what_was_added() {
        let mut used = Used::default();
        let mut expected: BTreeSet<Vec<u8>> = BTreeSet::new();
        for n in 0..500u32 {
            let text = format!("{}", n.wrapping_mul(2_654_435_761) % 1000).into_bytes();
            assert_eq!(used.contains(&text), expected.contains(&text));
            if expected.insert(text.clone()) {
                let before = used.len();
                let with = used.with(&text);
                assert_eq!((used.len(), with.len()), (before, before + 1));
                used = with;
            }
        }
        assert!(used.blocks.len() < 10 && used.blocks.windows(2).all(|pair| pair[0].len() >= 2 * pair[1].len()));
        assert_eq!(used.iter().map(<[u8]>::to_vec).collect::<BTreeSet<_>>(), expected);
        for prefix in [&b""[..], b"1", b"12", b"9", b"x", b"123", b"1234"] {
            assert_eq!(used.any_begins(prefix), expected.iter().any(|t| t.starts_with(prefix)));
            let next: BTreeSet<&[u8]> = used.next(prefix, |_| 1).collect();
            let rests = expected.iter().filter_map(|t| t.strip_prefix(prefix)).filter(|rest| !rest.is_empty());
            assert_eq!(next, rests.map(|rest| &rest[..1]).collect());
        }
    }
}
