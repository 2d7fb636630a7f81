//! Work shared out in pieces: the thread that has it begins at once, and others join it as they wake up.
//!
//! Waking a thread takes a good part of the time of a batch. Where one batch follows the other at once, threads therefore linger for a moment before
//! they sleep; where there is time between batches, as in a model's forward pass, they do not.
//!
//! Invariant: results are in the order of the items, each of which is worked on once; nobody waits for a thread that has taken nothing, so a
//! thread that wakes late costs no time. No thread looks for work for longer than [`LINGER`], nor at all after a pause of that length.
//! Must not know: what the work is.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use crate::background::lock;

/// Turns of waiting for the last pieces of others before going to sleep: about as long as a piece of warm masks takes.
const SPINS: u32 = 2_000;

/// A thread's part of the work is so many pieces at most, for others to take if they are done first: the last piece is what all wait for. Fewer than
/// a word has bits.
const EACH: usize = 32;

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
        let relay = Arc::new(Relay::new(pool.current_num_threads()));
        Self { pool, relay }
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Let one of the threads do something.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.pool.spawn(work);
    }

    /// Do `work` with each item, on as many threads as there are, this one among them, unless they are fewer than `least` for each. None where it
    /// panicked.
    pub fn share<T, R, F>(&self, least: usize, items: impl ExactSizeIterator<Item = T>, work: F) -> Vec<Option<R>>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
    {
        self.relay.begin();
        let count = items.len();
        let threads = self.threads().min(count.div_ceil(least)).max(1);
        let piece = count.div_ceil(threads * EACH).max(1);
        let pieces = count.div_ceil(piece);
        let shared = Arc::new(Shared {
            work,
            items: items.map(Cell::new).collect(),
            results: (0..count).map(|_| Cell(UnsafeCell::new(None))).collect(),
            piece,
            parts: (0..threads).map(|thread| Part::new(thread * pieces / threads, (thread + 1) * pieces / threads)).collect(),
            left: Line(AtomicUsize::new(pieces)),
            asleep: Mutex::new(false),
            done: Condvar::new(),
        });
        let join: Arc<dyn Join> = shared.clone();
        let awake = if threads > 1 { self.relay.announce(&join, threads - 1) } else { 0 };
        drop(join);
        for half in halves((threads - 1).saturating_sub(awake)) {
            let (shared, relay) = (shared.clone(), self.relay.clone());
            self.pool.spawn(move || wake(shared, relay, half - 1));
        }
        shared.work(0);
        shared.wait();
        self.relay.end();
        // SAFETY: all is done, as `wait` has seen, so no thread reaches a result any more but this one.
        shared.results.iter().map(|result| unsafe { result.take() }).collect()
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
    relay.linger(thread);
}

/// Where threads that have nothing to do at the moment are told of work.
struct Relay {
    /// One for each thread of the pool.
    desks: Box<[Line<Desk>]>,
    /// The last pause was short.
    often: AtomicBool,
    ended: Mutex<Option<Instant>>,
}

/// Where one thread waits for work.
///
/// PERF: each looks at memory of its own. Where all looked at one place, that place went through all cores before the last had joined.
#[derive(Default)]
struct Desk {
    /// Who may reach the work: nobody at [`AWAY`] and [`THERE`], who put [`BUSY`], the desk's thread at [`GIVEN`].
    state: AtomicU8,
    work: UnsafeCell<Option<Arc<dyn Join>>>,
}

const AWAY: u8 = 0;
const THERE: u8 = 1;
const BUSY: u8 = 2;
const GIVEN: u8 = 3;

// SAFETY: the work is reached by one thread at a time, the one that the state names.
unsafe impl Sync for Desk {}

impl Desk {
    /// Give work to the desk's thread, if it is there.
    fn give(&self, work: &Arc<dyn Join>) -> bool {
        // PERF: to look first leaves the line with its thread.
        let there = self.state.load(Ordering::Relaxed) == THERE;
        if !there || self.state.compare_exchange(THERE, BUSY, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        // SAFETY: who put `BUSY` is alone here.
        unsafe { *self.work.get() = Some(work.clone()) };
        self.state.store(GIVEN, Ordering::Release);
        true
    }

    /// Wait for work, as the desk's thread, for a moment.
    fn wait(&self) -> Option<Arc<dyn Join>> {
        self.state.store(THERE, Ordering::Release);
        let since = Instant::now();
        while self.state.load(Ordering::Relaxed) == THERE && since.elapsed() < LINGER {
            for _ in 0..16 {
                std::hint::spin_loop();
            }
        }
        if self.state.compare_exchange(THERE, AWAY, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return None;
        }
        while self.state.load(Ordering::Acquire) != GIVEN {
            std::hint::spin_loop();
        }
        // SAFETY: the desk's thread is alone here.
        let work = unsafe { (*self.work.get()).take() };
        self.state.store(AWAY, Ordering::Relaxed);
        work
    }
}

impl Relay {
    fn new(threads: usize) -> Self {
        Self { desks: (0..threads).map(|_| Line(Desk::default())).collect(), often: AtomicBool::new(false), ended: Mutex::new(None) }
    }

    fn begin(&self) {
        let pause = lock(&self.ended).map(|ended| ended.elapsed());
        let often = pause.is_some_and(|pause| pause < LINGER);
        // PERF: as all threads look at it, it is written to only when it changes.
        if self.often.load(Ordering::Relaxed) != often {
            self.often.store(often, Ordering::Relaxed);
        }
    }

    fn end(&self) {
        *lock(&self.ended) = Some(Instant::now());
    }

    /// Tell threads that are awake, not more than so many; how many there were.
    fn announce(&self, work: &Arc<dyn Join>, most: usize) -> usize {
        self.desks.iter().filter(|desk| desk.0.give(work)).take(most).count()
    }

    /// Look for work for a moment, and take part in it.
    fn linger(&self, thread: usize) {
        while self.often.load(Ordering::Relaxed)
            && let Some(work) = self.desks[thread].0.wait()
        {
            work.take_part(thread);
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
    items: Box<[Cell<T>]>,
    /// Apart from the items, so that few lines come back from other cores.
    results: Box<[Cell<R>]>,
    /// How many items are a piece of work.
    piece: usize,
    /// What each thread begins with.
    parts: Box<[Line<Part>]>,
    /// How many pieces are not done.
    left: Line<AtomicUsize>,
    /// The thread that has the work sleeps until all is done.
    asleep: Mutex<bool>,
    done: Condvar,
}

/// What has cache lines of its own (two, which processors fetch together), since many threads write beside it.
#[repr(align(128))]
struct Line<T>(T);

/// The pieces of one thread, which others may take.
struct Part {
    first: usize,
    /// A bit for each: is it taken? Bits behind the last are set.
    taken: AtomicU64,
}

impl Part {
    fn new(first: usize, end: usize) -> Line<Self> {
        debug_assert!(end - first <= EACH);
        Line(Self { first, taken: AtomicU64::new(u64::MAX << (end - first)) })
    }

    fn is_open(&self) -> bool {
        self.taken.load(Ordering::Relaxed) != u64::MAX
    }

    /// Take a piece, the first or the last.
    fn take(&self, last: bool) -> Option<usize> {
        // PERF: to look first leaves the line with those that look as well.
        loop {
            let free = !self.taken.load(Ordering::Relaxed);
            let place = if last { free.checked_ilog2()? } else { (free != 0).then(|| free.trailing_zeros())? };
            if self.taken.fetch_or(1 << place, Ordering::Relaxed) & 1 << place == 0 {
                return Some(self.first + place as usize);
            }
        }
    }
}

/// Something that one thread puts in and another takes out.
struct Cell<T>(UnsafeCell<Option<T>>);

impl<T> Cell<T> {
    const fn new(value: T) -> Self {
        Self(UnsafeCell::new(Some(value)))
    }

    /// # Safety
    /// No other thread reaches this at the moment.
    unsafe fn take(&self) -> Option<T> {
        // SAFETY: so says the caller.
        unsafe { (*self.0.get()).take() }
    }

    /// # Safety
    /// As for `take`.
    unsafe fn put(&self, value: T) {
        // SAFETY: so says the caller.
        unsafe { *self.0.get() = Some(value) };
    }
}

// SAFETY: what is inside is sent from thread to thread; nobody shares it.
unsafe impl<T: Send> Sync for Cell<T> {}

impl<T, R, F: Fn(T) -> R> Shared<T, R, F> {
    /// Take pieces until there are none: first those of `thread`, so that what it worked on the last time is in its cache, then from the ends of
    /// the others'.
    fn work(&self, thread: usize) {
        let mut done = 0;
        while let Some(piece) = self.parts[thread].0.take(false) {
            self.run(piece);
            done += 1;
        }
        self.finish(done);
        let (before, behind) = self.parts.split_at(thread);
        for other in behind[1..].iter().chain(before) {
            while let Some(piece) = other.0.take(true) {
                self.run(piece);
                self.finish(1);
            }
        }
    }

    fn run(&self, piece: usize) {
        let end = self.items.len().min((piece + 1) * self.piece);
        for place in piece * self.piece..end {
            // SAFETY: who takes a piece is the only one, and the thread that reads what came of it waits until the piece is finished.
            if let Some(item) = unsafe { self.items[place].take() }
                && let Ok(result) = catch_unwind(AssertUnwindSafe(|| (self.work)(item)))
            {
                // SAFETY: as above.
                unsafe { self.results[place].put(result) };
            }
        }
    }

    fn finish(&self, pieces: usize) {
        if pieces > 0 && self.left.0.fetch_sub(pieces, Ordering::AcqRel) == pieces && *lock(&self.asleep) {
            self.done.notify_all();
        }
    }

    fn is_done(&self) -> bool {
        self.left.0.load(Ordering::Acquire) == 0
    }

    /// Until all is done.
    fn wait(&self) {
        for _ in 0..SPINS {
            if self.is_done() {
                return;
            }
            std::hint::spin_loop();
        }
        // Under the lock, so that no end comes between a look and the sleep.
        let mut asleep = lock(&self.asleep);
        *asleep = true;
        drop(self.done.wait_while(asleep, |_| !self.is_done()).unwrap_or_else(PoisonError::into_inner));
    }
}

impl<T, R, F> Join for Shared<T, R, F>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> R + Send + Sync + 'static,
{
    fn is_open(&self) -> bool {
        self.parts.iter().any(|part| part.0.is_open())
    }

    fn take_part(&self, thread: usize) {
        if self.is_open() {
            // The thread that has the work is the first.
            self.work(1 + thread % (self.parts.len() - 1));
        }
    }
}

/// Two parts of a number, those that are not zero.
fn halves(count: usize) -> impl Iterator<Item = usize> {
    [count / 2, count - count / 2].into_iter().filter(|&half| half > 0)
}
