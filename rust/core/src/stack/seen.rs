//! The items that an array has had: what its items and frames remember besides their registers. Persistent, shared between configurations.
//!
//! Invariant: no two values of a set are equal; adding one costs the logarithm of the size, spread over many, and so does looking one up.
//! Must not know: states, tokens.

use std::sync::Arc;

use super::value::Value;

/// A set of values.
#[derive(Clone, Debug, Default)]
pub struct Seen(Option<Arc<Block>>);

/// Sorted by hash; the blocks before it are larger (Bentley and Saxe, 1980).
#[derive(Debug)]
struct Block {
    values: Box<[Arc<Value>]>,
    before: Seen,
    /// Values in this block and before.
    count: usize,
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
        let mut at = self.0.as_deref();
        std::iter::from_fn(move || {
            let block = at?;
            at = block.before.0.as_deref();
            Some(block)
        })
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
        let mut values = vec![value];
        let mut before = self;
        while let Some(block) = before.0.as_deref()
            && block.values.len() == values.len()
        {
            values.extend(block.values.iter().cloned());
            before = &block.before;
        }
        values.sort_unstable_by_key(|v| v.hash());
        Self(Some(Arc::new(Block { values: values.into(), before: before.clone(), count: self.len() + 1 })))
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
