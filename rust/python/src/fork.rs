//! `os.fork()` beside work that runs without the interpreter: a fork waits until such work is done and lets none begin.
//!
//! A child has only the thread that forked. A lock that another thread held would be locked there for ever, and work that a pool had taken would
//! never be done. Work that can hold either is counted here; it is short, and never needs the interpreter to end.
//!
//! Invariant: while a process forks, nothing counted runs and the count's own lock is held by the thread that forks. That thread may hand the
//! interpreter to others between the hooks, so nobody waits for that lock while holding the interpreter.
//! Must not know: what the work is.

use std::cell::RefCell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyDict;

static RUNNING: Mutex<usize> = Mutex::new(0);
static IDLE: Condvar = Condvar::new();

thread_local! {
    /// Held from before a fork to after it.
    static HELD: RefCell<Option<MutexGuard<'static, usize>>> = const { RefCell::new(None) };
}

/// Work that a fork waits for, while this lives.
pub struct Work(());

impl Work {
    /// Begin; waits while another thread forks, which must not need the interpreter that the caller holds: call it detached.
    pub fn begin() -> Self {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Self(())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        *running -= 1;
        if *running == 0 {
            IDLE.notify_all();
        }
    }
}

/// Run without the interpreter; a fork waits for it.
pub fn detached<T: Send>(py: Python<'_>, run: impl FnOnce() -> T + Send) -> T {
    py.detach(|| {
        let _work = Work::begin();
        run()
    })
}

#[pyfunction]
fn before_fork() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let idle = IDLE.wait_while(running, |running| *running > 0).unwrap_or_else(PoisonError::into_inner);
    HELD.with_borrow_mut(|held| *held = Some(idle));
}

#[pyfunction]
fn after_fork() {
    HELD.with_borrow_mut(Option::take);
}

/// Ask the interpreter to tell of forks.
pub fn register(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    // Not everywhere is there a fork.
    let Some(register) = os.getattr_opt("register_at_fork")? else { return Ok(()) };
    let after = wrap_pyfunction!(after_fork, py)?;
    let hooks = PyDict::new(py);
    hooks.set_item("before", wrap_pyfunction!(before_fork, py)?)?;
    hooks.set_item("after_in_parent", &after)?;
    hooks.set_item("after_in_child", &after)?;
    register.call((), Some(&hooks))?;
    Ok(())
}
