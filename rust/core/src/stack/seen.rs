//! The items that an array has had: what its items and frames remember besides their registers. Persistent, shared between configurations.
//!
//! Invariant: no two values of a set are equal; adding one costs the logarithm of the size, spread over many, and so does looking one up.
//! Must not know: states, tokens.

use std::sync::Arc;

use super::value::Value;
use crate::provider::ByteSet;

/// A set of values.
#[derive(Clone, Debug, Default)]
pub struct Seen(Option<Arc<Block>>);

/// The blocks before it are larger (Bentley and Saxe, 1980).
#[derive(Debug)]
struct Block {
    /// Sorted by hash.
    values: Box<[Arc<Value>]>,
    /// The strings of them, sorted by text.
    strings: Box<[Arc<Value>]>,
    before: Seen,
    /// Values in this block and before.
    count: usize,
    /// The bytes that they begin with, and the digits before the point of their longest number.
    first: ByteSet,
    reach: usize,
}

impl Seen {
    /// Nothing.
    pub const NONE: Self = Self(None);

    /// Is nothing in it?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many values are in it.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |block| block.count)
    }

    /// The same set, by identity?
    #[inline]
    pub fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.parts().filter_map(|part| part.0.as_deref())
    }

    /// The set, and what is left of it without its last block, again and again.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |part| part.0.as_deref().map(|block| &block.before)).take_while(|part| !part.is_empty())
    }

    /// The strings of the last block, sorted by text.
    pub(super) fn strings(&self) -> &[Arc<Value>] {
        self.0.as_deref().map_or(&[], |block| &block.strings)
    }

    /// The bytes that the values begin with.
    pub(super) fn first_bytes(&self) -> ByteSet {
        self.0.as_deref().map_or(ByteSet::default(), |block| block.first)
    }

    /// No number in them has more digits before the point.
    pub(super) fn reach(&self) -> usize {
        self.0.as_deref().map_or(0, |block| block.reach)
    }

    /// Is the value in it?
    pub fn contains(&self, value: &Value) -> bool {
        self.blocks().any(|block| block.values.binary_search_by_key(&value.hash(), |v| v.hash()).is_ok())
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.blocks().flat_map(|block| block.values.iter())
    }

    /// With one more value, which is not in it.
    #[must_use]
    pub fn with(&self, value: Arc<Value>) -> Self {
        let (mut first, reach) = (self.first_bytes(), self.reach().max(value.reach()));
        value.add_first_bytes(&mut first);
        let mut values = vec![value];
        let mut before = self;
        while let Some(block) = before.0.as_deref()
            && block.values.len() == values.len()
        {
            values.extend(block.values.iter().cloned());
            before = &block.before;
        }
        values.sort_unstable_by_key(|v| v.hash());
        let mut strings: Vec<Arc<Value>> = values.iter().filter(|v| v.text().is_some()).cloned().collect();
        strings.sort_unstable_by(|a, b| a.text().cmp(&b.text()));
        let (before, count) = (before.clone(), self.len() + 1);
        Self(Some(Arc::new(Block { values: values.into(), strings: strings.into(), before, count, first, reach })))
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::Beginning;
    use super::*;

    #[test]
    fn sets_hold_what_was_added_and_share() {
        let value = |n: usize| Beginning::of(format!("\"{n}\"").as_bytes()).whole().unwrap();
        let mut all = vec![Seen::NONE];
        for n in 0..300 {
            let next = all[n].with(value(n));
            all.push(next);
        }
        for (count, seen) in all.iter().enumerate() {
            assert_eq!((seen.len(), seen.iter().count(), seen.is_empty()), (count, count, count == 0));
            assert!((0..301).all(|n| seen.contains(&value(n)) == (n < count)));
            assert!(seen.blocks().count() <= 9);
        }
    }
}
