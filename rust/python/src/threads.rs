//! Threads for work that someone waits for: one that has done its work stays for a while, since starting one takes longer than compiling a
//! usual schema.
//!
//! Invariant: nobody waits for a lock here while holding the interpreter, and no lock that a fork has left held is waited for. A thread that is kept
//! uses no CPU.
//! Must not know: what the work is.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// Stack of a thread: more than a Python thread may have.
const STACK: usize = 16 << 20;
/// As many are kept.
const KEPT: usize = 2;
/// For so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// A thread that has nothing to do.
struct Waiting {
    /// A fork has the list, but not the threads.
    process: u32,
    number: u64,
    jobs: SyncSender<Job>,
}

static WAITING: Mutex<Vec<Waiting>> = Mutex::new(Vec::new());

/// Do the work on a thread of its own. False: no thread could be started.
pub fn run(job: impl FnOnce() + Send + 'static) -> bool {
    let mut job: Job = Box::new(job);
    if let Ok(mut waiting) = WAITING.try_lock() {
        let process = std::process::id();
        waiting.retain(|thread| thread.process == process);
        while let Some(thread) = waiting.pop() {
            match thread.jobs.send(job) {
                Ok(()) => return true,
                Err(back) => job = back.0,
            }
        }
    }
    std::thread::Builder::new().name("maskwright".into()).stack_size(STACK).spawn(move || work(job)).is_ok()
}

fn work(first: Job) {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    // The one place is for the job that follows when this thread has been taken from the list.
    let (jobs, next) = sync_channel(1);
    let mut job = Some(first);
    while let Some(work) = job.take() {
        work();
        if !keep(number, &jobs) {
            return;
        }
        job = wait(number, &next);
    }
}

/// Put this thread on the list, if there is a place.
fn keep(number: u64, jobs: &SyncSender<Job>) -> bool {
    let Ok(mut waiting) = WAITING.try_lock() else { return false };
    if waiting.len() >= KEPT {
        return false;
    }
    waiting.push(Waiting { process: std::process::id(), number, jobs: jobs.clone() });
    true
}

/// The next job; `None` if none has come for long, and the thread is on the list no more.
fn wait(number: u64, next: &Receiver<Job>) -> Option<Job> {
    match next.recv_timeout(PATIENCE) {
        Ok(job) => Some(job),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => {
            let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
            let before = waiting.len();
            waiting.retain(|thread| thread.number != number);
            let taken = waiting.len() == before;
            drop(waiting);
            // Whoever took it off the list sends a job.
            if taken { next.recv().ok() } else { None }
        }
    }
}
