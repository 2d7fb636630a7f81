//! Work beside the interpreter: what turns out to be brief on the caller's thread, which costs less than waking another; what does not on a thread
//! of its own, while the caller waits without holding the interpreter and looks for signals.
//!
//! Invariant: Ctrl-C and a deadline end the wait within about [`POLL`], whatever the work does; work that nobody waits for is told
//! to stop. A panic becomes an error.
//! Must not know: what the work is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use maskwright::error::{CompileError, EngineError};
use maskwright::limits::{self, Interrupt};
use pyo3::prelude::*;

use crate::fork::Work;
use crate::threads;

/// How often signals are looked for.
pub const POLL: Duration = Duration::from_millis(50);
/// How long past its deadline work may take to notice by itself, before it is left behind.
const GRACE: Duration = Duration::from_millis(20);

/// What takes longer is begun anew on a thread of its own.
const BRIEF: Duration = Duration::from_millis(3);
/// Longer texts, or texts with brackets nested deeper, are not tried on the caller's thread.
const SHORT: usize = 64 << 10;
const SHALLOW: usize = 256;
/// With less stack left the caller's thread gets another for the time being, of such a size.
const LEAST_STACK: usize = 4 << 20;
const OTHER_STACK: usize = 16 << 20;

/// Is it likely that a text is read in no time, and certain that it needs no deep stack?
pub fn may_be_brief(text: &str) -> bool {
    if text.len() > SHORT {
        return false;
    }
    // PERF: few brackets are not nested deep either, and many bytes are counted at once.
    let opening = |bytes: &[u8]| usize::from(bytes.iter().map(|byte| u8::from(matches!(byte, b'{' | b'[' | b'('))).sum::<u8>());
    if text.as_bytes().chunks(128).map(opening).sum::<usize>() <= SHALLOW {
        return true;
    }
    let mut depth = 0usize;
    text.bytes().all(|byte| {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth <= SHALLOW
    })
}

/// A lock whose holders cannot leave the data half-written.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Work under way, and then its result. Anyone may wait for it.
pub struct Flight<T> {
    result: Mutex<Option<Result<T, CompileError>>>,
    landed: Condvar,
    stop: Arc<AtomicBool>,
    process: u32,
}

impl<T: Clone + Send + Sync + 'static> Flight<T> {
    /// Not started.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            result: Mutex::new(None),
            landed: Condvar::new(),
            stop: Arc::new(AtomicBool::new(false)),
            process: std::process::id(),
        })
    }

    /// Was it started in another process, which this one is a fork of? Then it never lands here.
    pub fn is_stranded(&self) -> bool {
        self.process != std::process::id()
    }

    /// Do the work, or start it; `landed` sees the result before anyone who waits. What `may_be_brief` is tried at once.
    pub fn launch(
        self: &Arc<Self>,
        py: Python<'_>,
        may_be_brief: bool,
        deadline: Option<Instant>,
        work: impl Fn(&Interrupt) -> Result<T, CompileError> + Send + Sync + 'static,
        landed: impl FnOnce(&Result<T, CompileError>) + Send + 'static,
    ) {
        let interrupt = Interrupt { flag: Some(self.stop.clone()), deadline };
        let attempt = move || {
            catch_unwind(AssertUnwindSafe(|| work(&interrupt)))
                .unwrap_or(Err(CompileError::Engine(EngineError::Internal("the compiler panicked"))))
        };
        let flight = self.clone();
        let end = move |result| {
            let locking = Work::begin();
            landed(&result);
            flight.land(result);
            drop(locking);
        };
        let most = deadline.map_or(BRIEF, |deadline| BRIEF.min(deadline.saturating_duration_since(Instant::now())));
        let at_once = || limits::briefly(most, || stacker::maybe_grow(LEAST_STACK, OTHER_STACK, &attempt));
        if may_be_brief && let Some(result) = py.detach(at_once) {
            return py.detach(|| end(result));
        }
        if !threads::run(move || end(attempt())) {
            // `end` is gone, and `landed` with it.
            self.land(Err(CompileError::Engine(EngineError::Internal("no thread could be started"))));
        }
    }

    fn land(&self, result: Result<T, CompileError>) {
        *lock(&self.result) = Some(result);
        self.landed.notify_all();
    }

    /// Tell the work to stop.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Has the work been told to stop, or stopped before its end?
    pub fn was_cut_short(result: &Result<T, CompileError>) -> bool {
        matches!(result, Err(CompileError::Engine(EngineError::Interrupted | EngineError::TimedOut)))
    }

    /// Wait for the result, a signal or the deadline. The outer error is a signal handler's.
    pub fn wait(&self, py: Python<'_>, deadline: Option<Instant>) -> PyResult<Result<T, CompileError>> {
        loop {
            let result = py.detach(|| {
                let until = deadline.map_or(POLL, |d| POLL.min((d + GRACE).saturating_duration_since(Instant::now())));
                let guard = lock(&self.result);
                let (guard, _) = self.landed.wait_timeout_while(guard, until, |r| r.is_none()).unwrap_or_else(PoisonError::into_inner);
                guard.clone()
            });
            if let Some(result) = result {
                return Ok(result);
            }
            py.check_signals()?;
            if deadline.is_some_and(|d| Instant::now() >= d + GRACE) {
                return Ok(Err(CompileError::Engine(EngineError::TimedOut)));
            }
        }
    }
}

/// Do `work` and wait for it.
pub fn run<T: Clone + Send + Sync + 'static>(
    py: Python<'_>,
    may_be_brief: bool,
    deadline: Option<Instant>,
    work: impl Fn(&Interrupt) -> Result<T, CompileError> + Send + Sync + 'static,
) -> PyResult<Result<T, CompileError>> {
    let flight = Flight::new();
    flight.launch(py, may_be_brief, deadline, work, |_| ());
    let result = flight.wait(py, deadline);
    flight.stop();
    result
}
