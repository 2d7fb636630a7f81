//! Counted loops: which part of its range a count is in. Pipeline: part of **automaton**.
//!
//! A loop `body{min,max}` is a rule of its own whose items carry the number of finished iterations. Before `min` it must go on; from there
//! to `max` it may also return; at `max` it can only return. Between two bounds nothing depends on the count, so states know the
//! segment and not the count.
//!
//! Invariant: a state of a segment has a count below the segment's limit.
//! Must not know: what the body is.

use super::nfa::Symbol;
use crate::provider::Facts;

/// Between which bounds a count is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Segment {
    /// Below the minimum.
    Before,
    /// At the minimum or above, and below the maximum.
    Within,
}

/// Whether a state counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Mode {
    /// A state of a rule.
    Plain,
    /// A state between two iterations of a loop.
    Head(Symbol, Segment),
    /// A state inside an iteration.
    Inner(Symbol, Segment),
}

impl Mode {
    /// The loop and the segment.
    pub(super) fn counted(self) -> Option<(Symbol, Segment)> {
        match self {
            Self::Plain => None,
            Self::Head(symbol, segment) | Self::Inner(symbol, segment) => Some((symbol, segment)),
        }
    }
}

/// How often a loop runs, empty iterations left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Counts {
    /// At least.
    pub(super) min: u64,
    /// At most.
    pub(super) max: Option<u64>,
}

impl Counts {
    /// The segment of an empty count.
    pub(super) fn first(self) -> Segment {
        if self.min == 0 { Segment::Within } else { Segment::Before }
    }

    /// Where the segment ends, if it does: a segment without end does not count.
    pub(super) fn limit(self, segment: Segment) -> Option<u64> {
        match segment {
            Segment::Before => Some(self.min),
            Segment::Within => self.max,
        }
    }

    /// The segment that begins where this one ends; `None`: the loop is over.
    pub(super) fn after(self, segment: Segment) -> Option<Segment> {
        (segment == Segment::Before && self.max != Some(self.min)).then_some(Segment::Within)
    }

    /// What is known of a state of the segment.
    pub(super) fn facts(self, segment: Segment, returns: bool) -> Facts {
        let limit = self.limit(segment);
        Facts {
            returns: returns.then_some(0),
            counting: limit.is_some(),
            limit: limit.unwrap_or(u64::MAX),
            // From the minimum on a count only says how much may still come.
            smallest_wins: limit.is_some() && segment == Segment::Within,
            ..Facts::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_follow_the_bounds() {
        let both = Counts { min: 3, max: Some(200) };
        assert_eq!(both.first(), Segment::Before);
        assert_eq!(both.limit(Segment::Before), Some(3));
        assert_eq!(both.after(Segment::Before), Some(Segment::Within));
        assert_eq!(both.limit(Segment::Within), Some(200));
        assert_eq!(both.after(Segment::Within), None);
        let exact = Counts { min: 9, max: Some(9) };
        assert_eq!(exact.after(Segment::Before), None);
        let open = Counts { min: 9, max: None };
        assert!(!open.facts(Segment::Within, true).counting);
        assert_eq!(Counts { min: 0, max: Some(9) }.first(), Segment::Within);
    }
}
