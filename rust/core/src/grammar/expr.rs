//! Expressions and rules. Part of the grammar IR.
//!
//! Invariant: a [`CharClass`] is sorted, merged and free of surrogates; expressions of a [`Grammar`] are at most
//! [`Grammar::MAX_HEIGHT`] high, so plain recursion over them is safe.
//! Must not know: where expressions come from.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;

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

/// Structural equality; two embedded nodes are equal when their identities are.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Class(a), Self::Class(b)) => a == b,
            (Self::Rule(a), Self::Rule(b)) => a == b,
            (Self::Sequence(a), Self::Sequence(b)) | (Self::Choice(a), Self::Choice(b)) => a == b,
            (Self::Repeat { body: a, min, max }, Self::Repeat { body: b, min: other_min, max: other_max }) => {
                min == other_min && max == other_max && a == b
            }
            (Self::Embedded(a), Self::Embedded(b)) => a.identity() == b.identity(),
            _ => false,
        }
    }
}

impl Eq for Expr {}

impl Hash for Expr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Bytes(bytes) => bytes.hash(state),
            Self::Class(class) => class.hash(state),
            Self::Rule(rule) => rule.hash(state),
            Self::Sequence(parts) | Self::Choice(parts) => parts.hash(state),
            Self::Repeat { body, min, max } => (body, min, max).hash(state),
            Self::Embedded(embedded) => embedded.identity().hash(state),
        }
    }
}

impl Expr {
    /// The empty text.
    pub fn empty() -> Self {
        Self::Bytes(Box::default())
    }

    /// Matches no text at all.
    pub fn nothing() -> Self {
        Self::Class(CharClass::default())
    }

    /// Exactly this text.
    pub fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().into())
    }

    /// One after the other; one part is itself, no part the empty text.
    pub fn sequence(mut parts: Vec<Self>) -> Self {
        match parts.len() {
            0 => Self::empty(),
            1 => parts.swap_remove(0),
            _ => Self::Sequence(parts),
        }
    }

    /// Any one of them; one branch is itself, no branch matches nothing.
    pub fn choice(mut branches: Vec<Self>) -> Self {
        match branches.len() {
            0 => Self::nothing(),
            1 => branches.swap_remove(0),
            _ => Self::Choice(branches),
        }
    }

    /// `body`, `min` to `max` times; exactly once is the body, never is the empty text.
    #[must_use]
    pub fn repeat(self, min: u32, max: Option<u32>) -> Self {
        match (min, max) {
            (1, Some(1)) => self,
            (0, Some(0)) => Self::empty(),
            _ => Self::Repeat { body: Box::new(self), min, max },
        }
    }

    /// Is it the empty text, written as such?
    pub fn is_empty_text(&self) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.is_empty())
    }

    /// Is it the class without characters, or the choice without branches?
    pub fn is_nothing(&self) -> bool {
        match self {
            Self::Class(class) => class.is_empty(),
            Self::Choice(branches) => branches.is_empty(),
            _ => false,
        }
    }

    /// The expressions directly inside.
    pub fn children(&self) -> &[Self] {
        match self {
            Self::Sequence(parts) | Self::Choice(parts) => parts,
            Self::Repeat { body, .. } => std::slice::from_ref(body),
            Self::Bytes(_) | Self::Class(_) | Self::Rule(_) | Self::Embedded(_) => &[],
        }
    }

    /// The expressions directly inside, to change.
    pub fn children_mut(&mut self) -> &mut [Self] {
        match self {
            Self::Sequence(parts) | Self::Choice(parts) => parts,
            Self::Repeat { body, .. } => std::slice::from_mut(body),
            Self::Bytes(_) | Self::Class(_) | Self::Rule(_) | Self::Embedded(_) => &mut [],
        }
    }

    /// How many expressions it is made of, itself included.
    pub fn size(&self) -> usize {
        self.measure().0
    }

    /// How many expressions are nested at most; a leaf is 1 high.
    pub fn height(&self) -> usize {
        self.measure().1
    }

    /// Size and height. Iterative, so that it can be asked of expressions of any height.
    pub(crate) fn measure(&self) -> (usize, usize) {
        let (mut size, mut height) = (0, 0);
        let mut stack: SmallVec<[(&Self, usize); 32]> = SmallVec::from_slice(&[(self, 1)]);
        while let Some((expr, level)) = stack.pop() {
            size += 1;
            height = height.max(level);
            stack.extend(expr.children().iter().map(|child| (child, level + 1)));
        }
        (size, height)
    }

    /// Call `visit` with every rule that the expression refers to, in the order of the text, with repetitions.
    pub fn for_each_rule(&self, visit: &mut impl FnMut(RuleId)) {
        let mut stack = vec![self];
        while let Some(expr) = stack.pop() {
            if let Self::Rule(rule) = expr {
                visit(*rule);
            }
            stack.extend(expr.children().iter().rev());
        }
    }

    /// Replace every rule by what `map` says.
    pub(crate) fn map_rules(&mut self, map: &mut impl FnMut(RuleId) -> RuleId) {
        let mut stack = vec![self];
        while let Some(expr) = stack.pop() {
            if let Self::Rule(rule) = expr {
                *rule = map(*rule);
            }
            stack.extend(expr.children_mut());
        }
    }

    /// Free an expression of any height without recursion.
    pub(crate) fn dismantle(self) {
        let mut stack = vec![self];
        while let Some(expr) = stack.pop() {
            match expr {
                Self::Sequence(parts) | Self::Choice(parts) => stack.extend(parts),
                Self::Repeat { body, .. } => stack.push(*body),
                Self::Bytes(_) | Self::Class(_) | Self::Rule(_) | Self::Embedded(_) => {}
            }
        }
    }
}

/// A named rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, unique in the grammar.
    pub name: String,
    /// What it matches.
    pub body: Expr,
}

/// A context-free grammar with a root rule. Equality is structural: the same rules in the same order under the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grammar {
    pub(crate) rules: Vec<Rule>,
    pub(crate) root: RuleId,
}

impl Grammar {
    /// How high an expression may be. Front-ends turn deeper nesting into rules of its own, so that every later step may recurse.
    pub const MAX_HEIGHT: usize = 256;

    /// The rules; a [`RuleId`] is an index.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The embedded languages, each once, in the order of the rules.
    pub fn embedded(&self) -> Vec<&dyn Embedded> {
        let mut found: Vec<&dyn Embedded> = Vec::new();
        let mut pending: Vec<&Expr> = Vec::new();
        for rule in &self.rules {
            pending.push(&rule.body);
            while let Some(expr) = pending.pop() {
                match expr {
                    Expr::Embedded(embedded) if found.iter().all(|f| f.identity() != embedded.identity()) => found.push(embedded.as_ref()),
                    Expr::Sequence(parts) | Expr::Choice(parts) => pending.extend(parts.iter().rev()),
                    Expr::Repeat { body, .. } => pending.push(body),
                    Expr::Embedded(_) | Expr::Bytes(_) | Expr::Class(_) | Expr::Rule(_) => {}
                }
            }
        }
        found
    }

    /// The rule that whole texts match.
    pub fn root(&self) -> RuleId {
        self.root
    }
}
