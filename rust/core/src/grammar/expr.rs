//! Expressions and rules.

use std::sync::Arc;

use crate::ids::RuleId;
use crate::provider::Embedded;

/// A set of Unicode scalar values: sorted, disjoint, non-adjacent inclusive ranges; surrogates are never in one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct CharClass {
    ranges: Vec<(u32, u32)>,
}

impl CharClass {
    /// From any ranges; they are sorted, merged, cut to U+10FFFF, and freed of surrogates.
    pub fn new(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut parts: Vec<(u32, u32)> = Vec::new();
        for (low, high) in ranges {
            for (l, h) in [(low, high.min(0xD7FF)), (low.max(0xE000), high.min(0x10_FFFF))] {
                if l <= h {
                    parts.push((l, h));
                }
            }
        }
        parts.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(parts.len());
        for (low, high) in parts {
            match merged.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        Self { ranges: merged }
    }

    /// Every character.
    pub fn any() -> Self {
        Self::new([(0, 0x10_FFFF)])
    }

    /// The characters that are not in the class.
    #[must_use]
    pub fn negate(&self) -> Self {
        let mut out = Vec::new();
        let mut next = 0;
        for &(low, high) in &self.ranges {
            if low > next {
                out.push((next, low - 1));
            }
            next = high + 1;
        }
        if next <= 0x10_FFFF {
            out.push((next, 0x10_FFFF));
        }
        Self::new(out)
    }

    /// The ranges, inclusive, sorted.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    /// No character at all.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Is the character in the class?
    pub fn contains(&self, c: u32) -> bool {
        self.ranges
            .binary_search_by(|&(l, h)| {
                if h < c {
                    std::cmp::Ordering::Less
                } else if l > c {
                    std::cmp::Ordering::Greater
                } else {
                    std::cmp::Ordering::Equal
                }
            })
            .is_ok()
    }
}

/// One node of a rule's body.
#[derive(Clone, Debug)]
pub enum Expr {
    /// Exactly these bytes; no bytes: the empty text.
    Bytes(Box<[u8]>),
    /// One character of a class, in UTF-8. An empty class matches nothing.
    Class(CharClass),
    /// What another rule matches.
    Rule(RuleId),
    /// One after the other.
    Sequence(Vec<Expr>),
    /// Any one of them. No branch: matches nothing.
    Choice(Vec<Expr>),
    /// The body, `min` to `max` times; `None`: without end.
    Repeat {
        /// What is repeated.
        body: Box<Expr>,
        /// At least so often.
        min: u32,
        /// At most so often.
        max: Option<u32>,
    },
    /// A language that is not written as rules.
    Embedded(Arc<dyn Embedded>),
}

/// A named rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name, unique in the grammar.
    pub name: String,
    /// What it matches.
    pub body: Expr,
}

/// A context-free grammar with a root rule.
#[derive(Clone, Debug)]
pub struct Grammar {
    pub(crate) rules: Vec<Rule>,
    pub(crate) root: RuleId,
}

impl Grammar {
    /// The rules; a [`RuleId`] is an index.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule that whole texts match.
    pub fn root(&self) -> RuleId {
        self.root
    }
}
