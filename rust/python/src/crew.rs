//! Work shared out in pieces: the thread that has it begins at once, and others join it as they wake up.
//!
//! Invariant: results are in the order of the items, each of which is worked on once; nobody waits for a thread that has taken nothing, so a
//! thread that wakes late costs no time.
//! Must not know: what the work is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rayon::ThreadPool;

use crate::background::lock;

/// Turns of waiting for the last pieces of others before going to sleep: about as long as a piece of warm masks takes.
const SPINS: u32 = 2_000;

struct Shared<T, R, F> {
    work: F,
    /// None once somebody has taken it.
    pieces: Vec<Mutex<Option<Vec<T>>>>,
    threads: usize,
    /// How many pieces are not taken, and how many are not done.
    open: AtomicUsize,
    left: AtomicUsize,
    results: Mutex<Vec<Vec<Option<R>>>>,
    done: Condvar,
}

impl<T, R, F> Shared<T, R, F>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> R + Send + Sync + 'static,
{
    /// Take pieces until there are none: first those of `thread`, so that what it worked on the last time is in its cache, then from the ends of
    /// the others'.
    fn work(&self, thread: usize) {
        let share = |thread: usize| thread * self.pieces.len() / self.threads..(thread + 1) * self.pieces.len() / self.threads;
        share(thread).for_each(|place| self.try_piece(place));
        for other in 1..self.threads {
            share((thread + other) % self.threads).rev().for_each(|place| self.try_piece(place));
        }
    }

    fn try_piece(&self, place: usize) {
        let Some(items) = lock(&self.pieces[place]).take() else { return };
        self.open.fetch_sub(1, Ordering::Relaxed);
        let found = items.into_iter().map(|item| catch_unwind(AssertUnwindSafe(|| (self.work)(item))).ok()).collect();
        lock(&self.results)[place] = found;
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Under the lock, so that it does not come between a look and a sleep.
            drop(lock(&self.results));
            self.done.notify_all();
        }
    }

    /// Begin on a thread of the pool, after waking the others: each wakes two, so that no thread has to wake them all.
    fn join(self: Arc<Self>, others: usize) {
        if self.open.load(Ordering::Relaxed) == 0 {
            return;
        }
        for half in halves(others) {
            let shared = self.clone();
            rayon::spawn(move || shared.join(half - 1));
        }
        // The thread that has the work is the first.
        self.work(1 + rayon::current_thread_index().unwrap_or(0) % (self.threads - 1));
    }
}

/// Two parts of a number, those that are not zero.
fn halves(count: usize) -> impl Iterator<Item = usize> {
    [count / 2, count - count / 2].into_iter().filter(|&half| half > 0)
}

/// Do `work` with each item, `piece` of them at a time, on as many threads as the pool has, this one among them. None where it panicked.
pub fn share<T, R, F>(pool: &ThreadPool, piece: usize, items: Vec<T>, work: F) -> Vec<Option<R>>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> R + Send + Sync + 'static,
{
    let mut items = items.into_iter();
    let pieces: Vec<_> = std::iter::from_fn(|| Some(items.by_ref().take(piece).collect::<Vec<T>>()).filter(|piece| !piece.is_empty()))
        .map(|piece| Mutex::new(Some(piece)))
        .collect();
    let count = pieces.len();
    let threads = pool.current_num_threads().min(count).max(1);
    let shared = Arc::new(Shared {
        work,
        pieces,
        threads,
        open: AtomicUsize::new(count),
        left: AtomicUsize::new(count),
        results: Mutex::new((0..count).map(|_| Vec::new()).collect()),
        done: Condvar::new(),
    });
    for half in halves(threads - 1) {
        let shared = shared.clone();
        pool.spawn(move || shared.join(half - 1));
    }
    shared.work(0);
    let mut spins = 0;
    while shared.left.load(Ordering::Acquire) > 0 && spins < SPINS {
        spins += 1;
        std::hint::spin_loop();
    }
    let results = lock(&shared.results);
    let mut results = shared.done.wait_while(results, |_| shared.left.load(Ordering::Acquire) > 0).unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *results).into_iter().flatten().collect()
}
