//! Precomputing masks: threads for the time of the work, and no longer.
//!
//! Invariant: whoever waits hears of progress and of signals every [`POLL`]; work in the background ends with its grammar, its deadline, or when it is
//! told to; a fork waits for the mask under way and no longer.
//! Must not know: what is learned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use maskwright::limits::Interrupt;
use maskwright::matcher::{CompiledGrammar, Precompute};
use pyo3::prelude::*;

use crate::background::POLL;
use crate::fork::Work;

/// Stack of a worker: as much as one that compiles has.
const STACK: usize = 16 << 20;

/// Places of a grammar that are known when no other number was given.
pub const PLACES: usize = 20_000;

/// Work under way.
pub struct Running {
    pub work: Arc<Precompute>,
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Start on so many threads.
    pub fn start(grammar: &Arc<CompiledGrammar>, most: usize, threads: usize, deadline: Option<Instant>) -> Self {
        let work = Arc::new(Precompute::new(grammar, most));
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..threads).filter_map(|i| {
            let (work, interrupt) = (work.clone(), Interrupt { flag: Some(stop.clone()), deadline });
            let run = move || {
                // Whoever asks for progress sees that it has ended early.
                let _ = work.work(&interrupt, Work::begin);
            };
            std::thread::Builder::new().name(format!("maskwright-precompute-{i}")).stack_size(STACK).spawn(run).ok()
        });
        let threads = threads.collect();
        Self { work, stop, threads }
    }

    /// Tell it to stop.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Wait until it is done; `progress` is called every now and then, and stops it by returning `False` or raising.
    pub fn wait(self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let result = self.watch(py, progress);
        self.stop();
        py.detach(|| {
            for thread in self.threads {
                // A panic in a worker lost one place: no mask was made of it.
                let _ = thread.join();
            }
        });
        result?;
        if let Some(progress) = progress {
            progress.call1(self.work.progress())?;
        }
        Ok(self.work.is_complete())
    }

    fn watch(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        while self.threads.iter().any(|thread| !thread.is_finished()) {
            py.detach(|| self.work.wait(POLL));
            py.check_signals()?;
            if let Some(progress) = progress
                && progress.call1(self.work.progress())?.extract::<bool>().is_ok_and(|go_on| !go_on)
            {
                return Ok(());
            }
        }
        Ok(())
    }
}
