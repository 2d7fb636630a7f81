//! A pool of threads that is made when first used, and made again in a child process.
//!
//! Invariant: the threads that are handed out are of this process; nothing here waits for them.
//! Must not know: what they are for.

use std::sync::{Arc, Mutex};

use crate::background::lock;
use crate::crew::Crew;
use pyo3::prelude::*;

/// A pool, and the process that its threads are in.
pub struct Pool(Mutex<Option<(u32, Arc<Crew>)>>);

impl Pool {
    /// No threads yet.
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The pool of this process, with that many threads if it has to be made.
    pub fn get(&self, threads: usize) -> PyResult<Arc<Crew>> {
        let process = std::process::id();
        let mut held = lock(&self.0);
        if let Some((owner, pool)) = &*held
            && *owner == process
        {
            return Ok(pool.clone());
        }
        let made = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("maskwright-{i}")).build();
        let made = made.map_err(|error| pyo3::exceptions::PyRuntimeError::new_err(format!("no threads: {error}")))?;
        let pool = Arc::new(Crew::new(made));
        // The threads of a pool from before a fork are not here to be told to end.
        std::mem::forget(held.replace((process, pool.clone())));
        Ok(pool)
    }
}
