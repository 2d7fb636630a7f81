//! The bounds that keep every input finite. Used by every step; one table, so that docs and errors agree.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::error::EngineError;

/// How much one grammar may cost. Passing a bound is a typed error that names it, never a hang or a wrong mask.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes of grammar, pattern or schema text.
    pub max_text_bytes: usize,
    /// Depth of nested expressions, groups or schemas in the text of a grammar.
    pub max_nesting: usize,
    /// Rules of a grammar.
    pub max_rules: usize,
    /// Nodes of all expressions of a grammar, after small repeats are unrolled.
    pub max_expression_nodes: usize,
    /// States of the automaton made so far, over all texts matched with one compiled grammar.
    pub max_states: usize,
    /// Positions that one determinised state may stand for.
    pub max_subset_positions: usize,
    /// Nodes of boolean formulas over subschemas or pattern positions.
    pub max_formula_nodes: usize,
    /// Steps of one search for a completion (is an accepting end still reachable?).
    pub max_search_steps: usize,
    /// Digits of a bound or an enumerated number, written without an exponent.
    pub max_number_digits: usize,
    /// Items of one configuration: how many parses of a text may be alive at once.
    pub max_items: usize,
    /// Frames that one configuration may reach newly in one byte; it also bounds the work of joining sets of them.
    pub max_step_frames: usize,
    /// Frames that the parses of all tokens may reach while one mask is learned; likewise.
    pub max_mask_frames: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_text_bytes: 64 << 20,
            max_nesting: 10_000,
            max_rules: 200_000,
            max_expression_nodes: 4_000_000,
            max_states: 4_000_000,
            max_subset_positions: 50_000,
            max_formula_nodes: 1_000_000,
            max_search_steps: 1_000_000,
            max_number_digits: 5_000,
            max_items: 20_000,
            max_step_frames: 200_000,
            max_mask_frames: 50_000_000,
        }
    }
}

impl Limits {
    /// `Ok` while `value` is within the bound called `name`.
    pub fn check(name: &'static str, value: usize, bound: usize) -> Result<(), EngineError> {
        if BRIEF.load(Ordering::Relaxed) > 0 {
            brief_until_now()?;
        }
        if value <= bound { Ok(()) } else { Err(EngineError::Limit { name, bound }) }
    }
}

/// How many threads do something that must be brief.
static BRIEF: AtomicUsize = AtomicUsize::new(0);
/// The clock is read at every so many checks.
const CHECKS: u32 = 64;

thread_local! {
    /// When what this thread does must have ended, and the checks since the clock was read; once it was too late, the deadline is `None`.
    static UNTIL: Cell<Option<(Option<Instant>, u32)>> = const { Cell::new(None) };
}

fn brief_until_now() -> Result<(), EngineError> {
    UNTIL.with(|until| match until.get() {
        None => Ok(()),
        Some((None, _)) => Err(EngineError::TimedOut),
        Some((Some(deadline), checks)) if checks + 1 < CHECKS => {
            until.set(Some((Some(deadline), checks + 1)));
            Ok(())
        }
        Some((Some(deadline), _)) => {
            let in_time = Instant::now() < deadline;
            until.set(Some((in_time.then_some(deadline), 0)));
            if in_time { Ok(()) } else { Err(EngineError::TimedOut) }
        }
    })
}

/// Do the work on this thread, unless it turns out to be long: `None` if it was given up, which bounded work notices wherever it checks a bound. What
/// it says then is no answer.
pub fn briefly<T>(most: Duration, work: impl FnOnce() -> T) -> Option<T> {
    /// Also after a panic.
    struct Ended;
    impl Drop for Ended {
        fn drop(&mut self) {
            UNTIL.set(None);
            BRIEF.fetch_sub(1, Ordering::Relaxed);
        }
    }
    BRIEF.fetch_add(1, Ordering::Relaxed);
    UNTIL.set(Some((Some(Instant::now() + most), 0)));
    let ended = Ended;
    let result = work();
    let given_up = matches!(UNTIL.get(), Some((None, _)));
    drop(ended);
    (!given_up).then_some(result)
}

/// A way to stop long work from outside: a flag and a deadline, looked at every so often.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    /// Set from another thread to stop the work.
    pub flag: Option<Arc<AtomicBool>>,
    /// The work stops when this has passed.
    pub deadline: Option<Instant>,
}

impl Interrupt {
    /// `Err` once the flag is set or the deadline has passed. Costs a clock reading: call it every few thousand steps.
    pub fn check(&self) -> Result<(), EngineError> {
        if self.flag.as_ref().is_some_and(|f| f.load(Ordering::Relaxed)) {
            return Err(EngineError::Interrupted);
        }
        if self.deadline.is_some_and(|d| Instant::now() >= d) {
            return Err(EngineError::TimedOut);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brief_work_ends_by_itself_or_is_given_up() {
        assert_eq!(briefly(Duration::from_secs(60), || Limits::check("max_items", 1, 2)), Some(Ok(())));
        let endless = || {
            while Limits::check("max_items", 1, 2).is_ok() {}
            // Whoever takes the error for an answer does not get it told.
            Ok::<_, EngineError>(())
        };
        assert_eq!(briefly(Duration::from_millis(1), endless), None);
        let panicked = std::panic::catch_unwind(|| briefly(Duration::ZERO, || panic!("work that fails")));
        assert!(panicked.is_err());
        assert_eq!(BRIEF.load(Ordering::Relaxed), 0);
        assert_eq!(Limits::check("max_items", 1, 2), Ok(()));
    }
}
