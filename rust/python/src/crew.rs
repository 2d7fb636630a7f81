//! Work shared out in pieces: the thread that has it begins at once, and others join it as they wake up.
//!
//! Waking a thread takes a good part of the time of a batch. Where one batch follows the other at once, threads therefore linger for a moment before
//! they sleep; where there is time between batches, as in a model's forward pass, they do not.
//!
//! Invariant: results are in the order of the items, each of which is worked on once; nobody waits for a thread that has taken nothing, so a
//! thread that wakes late costs no time. No thread looks for work for longer than [`LINGER`], nor at all after a pause of that length.
//! Must not know: what the work is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use crate::background::lock;

/// Turns of waiting for the last pieces of others before going to sleep: about as long as a piece of warm masks takes.
const SPINS: u32 = 2_000;

/// A thread's part of the work is so many pieces at most, for others to take if they are done first.
const EACH: usize = 8;

/// Between two batches: with a shorter pause threads linger, for as long.
const LINGER: Duration = Duration::from_micros(100);

/// Threads that share work out.
pub struct Crew {
    pool: ThreadPool,
    relay: Arc<Relay>,
}

impl Crew {
    /// Of these threads.
    pub fn new(pool: ThreadPool) -> Self {
        Self { pool, relay: Arc::default() }
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Let one of the threads do something.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.pool.spawn(work);
    }

    /// Do `work` with each item, at least `piece` of them at a time, on as many threads as there are, this one among them. None where it panicked.
    pub fn share<T, R, F>(&self, piece: usize, items: Vec<T>, work: F) -> impl Iterator<Item = Option<R>> + use<T, R, F>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
    {
        self.relay.begin();
        let piece = piece.max(items.len() / (self.threads() * EACH));
        let mut items = items.into_iter();
        let pieces: Vec<_> = std::iter::from_fn(|| Some(items.by_ref().take(piece).collect::<Vec<T>>()).filter(|piece| !piece.is_empty()))
            .map(|items| Piece { taken: AtomicBool::new(false), work: Mutex::new((items, Vec::new())) })
            .collect();
        let count = pieces.len();
        let threads = self.threads().min(count).max(1);
        let shared = Arc::new(Shared {
            work,
            pieces,
            threads,
            open: AtomicUsize::new(count),
            left: AtomicUsize::new(count),
            waiting: Mutex::new(()),
            done: Condvar::new(),
        });
        let awake = if threads > 1 { self.relay.announce(shared.clone()) } else { 0 };
        for half in halves((threads - 1).saturating_sub(awake)) {
            let (shared, relay) = (shared.clone(), self.relay.clone());
            self.pool.spawn(move || wake(shared, relay, half - 1));
        }
        shared.work(0);
        let mut spins = 0;
        while shared.left.load(Ordering::Acquire) > 0 && spins < SPINS {
            spins += 1;
            std::hint::spin_loop();
        }
        let waiting = lock(&shared.waiting);
        drop(shared.done.wait_while(waiting, |()| shared.left.load(Ordering::Acquire) > 0).unwrap_or_else(PoisonError::into_inner));
        self.relay.end();
        (0..count).flat_map(move |place| std::mem::take(&mut lock(&shared.pieces[place].work).1))
    }
}

/// Begin on a thread of the pool, after waking the others: each wakes two, so that no thread has to wake them all.
fn wake(shared: Arc<dyn Join>, relay: Arc<Relay>, others: usize) {
    if shared.is_open() {
        for half in halves(others) {
            let (shared, relay) = (shared.clone(), relay.clone());
            rayon::spawn(move || wake(shared, relay, half - 1));
        }
    }
    let thread = rayon::current_thread_index().unwrap_or(0);
    shared.take_part(thread);
    drop(shared);
    relay.linger(thread, rayon::current_num_threads() - 1);
}

/// Where threads that have nothing to do at the moment are told of work.
#[derive(Default)]
struct Relay {
    /// How often work was announced.
    announced: AtomicU64,
    work: Mutex<Option<Arc<dyn Join>>>,
    /// How many threads look for it.
    lingering: AtomicUsize,
    /// The last pause was short.
    often: AtomicBool,
    ended: Mutex<Option<Instant>>,
}

impl Relay {
    fn begin(&self) {
        let pause = lock(&self.ended).map(|ended| ended.elapsed());
        self.often.store(pause.is_some_and(|pause| pause < LINGER), Ordering::Relaxed);
    }

    fn end(&self) {
        // What the work holds is its caller's again.
        *lock(&self.work) = None;
        *lock(&self.ended) = Some(Instant::now());
    }

    /// Tell threads that are awake; how many that seem to be.
    fn announce(&self, work: Arc<dyn Join>) -> usize {
        *lock(&self.work) = Some(work);
        self.announced.fetch_add(1, Ordering::SeqCst);
        self.lingering.load(Ordering::SeqCst)
    }

    /// Look for work for a moment, and take part in it; not more than so many threads at once.
    fn linger(&self, thread: usize, most: usize) {
        while self.often.load(Ordering::Relaxed) {
            let before = self.announced.load(Ordering::SeqCst);
            if self.lingering.fetch_add(1, Ordering::SeqCst) >= most {
                // With the thread that has the work they would be more than are to be used.
                self.lingering.fetch_sub(1, Ordering::SeqCst);
                return;
            }
            let since = Instant::now();
            while self.announced.load(Ordering::Relaxed) == before && since.elapsed() < LINGER {
                for _ in 0..16 {
                    std::hint::spin_loop();
                }
            }
            self.lingering.fetch_sub(1, Ordering::SeqCst);
            // Who announced work counted on this thread if it came before that.
            if self.announced.load(Ordering::SeqCst) == before {
                return;
            }
            let work = lock(&self.work).clone();
            if let Some(work) = work {
                work.take_part(thread);
            }
        }
    }
}

/// Work that threads take part in.
trait Join: Send + Sync {
    /// Is some of it not taken?
    fn is_open(&self) -> bool;
    /// Take pieces, as this thread of the pool.
    fn take_part(&self, thread: usize);
}

struct Shared<T, R, F> {
    work: F,
    pieces: Vec<Piece<T, R>>,
    threads: usize,
    /// How many pieces are not taken, and how many are not done.
    open: AtomicUsize,
    left: AtomicUsize,
    waiting: Mutex<()>,
    done: Condvar,
}

/// Some of the items, and what came of them.
struct Piece<T, R> {
    taken: AtomicBool,
    work: Mutex<(Vec<T>, Vec<Option<R>>)>,
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
        let piece = &self.pieces[place];
        // PERF: to look first leaves the line with those that look as well.
        if piece.taken.load(Ordering::Relaxed) || piece.taken.swap(true, Ordering::Relaxed) {
            return;
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
        {
            let (items, results) = &mut *lock(&piece.work);
            results.extend(items.drain(..).map(|item| catch_unwind(AssertUnwindSafe(|| (self.work)(item))).ok()));
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Under the lock, so that it does not come between a look and a sleep.
            drop(lock(&self.waiting));
            self.done.notify_all();
        }
    }
}

impl<T, R, F> Join for Shared<T, R, F>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> R + Send + Sync + 'static,
{
    fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    fn take_part(&self, thread: usize) {
        if self.is_open() {
            // The thread that has the work is the first.
            self.work(1 + thread % (self.threads - 1));
        }
    }
}

/// Two parts of a number, those that are not zero.
fn halves(count: usize) -> impl Iterator<Item = usize> {
    [count / 2, count - count / 2].into_iter().filter(|&half| half > 0)
}
