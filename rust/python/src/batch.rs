//! `BatchGrammarMatcher`: many matchers at once, on one pool of threads that lives as long as it does.
//!
//! Invariant: a batch takes every matcher before it begins and gives every one back, whatever fails; nothing here needs the interpreter while it
//! works. A pool serves the process that made it: after a fork a new one is made.
//! Must not know: how a mask is computed.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use maskwright::error::EngineError;
use maskwright::matcher::Matcher;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::background::{POLL, lock};
use crate::bitmask::{RowIndex, RowPointer, Rows};
use crate::crew::Crew;
use crate::drafts::{self, Drafts, Judged};
use crate::errors::{self, IntoPython};
use crate::fork::{Work, detached};
use crate::matcher::{GrammarMatcher, text_bytes, unavailable};
use crate::pool::Pool;
use crate::slot::{Member, Slot, Together};

/// With fewer matchers than this, all of them warm, waking the pool would take longer than the masks.
const ALONE: usize = 8;
/// A thread is not woken for fewer than so many warm masks.
const LEAST: usize = 4;
/// Drafts, each of several masks, are judged on the pool from this many matchers on.
const MANY_DRAFTS: usize = 2;
/// Tokens are accepted on the pool from this many on: fewer take no longer than it takes to wake a thread.
const MANY_TOKENS: usize = 512;

type Matchers = Vec<Py<GrammarMatcher>>;

/// Take every matcher, or none. A matcher that is there twice is refused.
fn take<'a, S: Deref<Target = Slot>>(
    py: Python<'_>,
    matchers: &'a Matchers,
    slot: impl Fn(&'a GrammarMatcher) -> S,
) -> PyResult<Together<S>> {
    Together::open(matchers.iter().map(|matcher| slot(matcher.get()))).map_err(|(place, why)| {
        // Busy because it is in this batch.
        if matchers[..place].iter().any(|before| before.is(&matchers[place])) {
            let message = format!("the matcher at place {place} is in the batch twice; fork() makes an independent copy");
            return PyValueError::new_err(message);
        }
        unavailable(py, why)
    })
}

/// For as long as the batch's list of matchers lives.
fn borrowed(matcher: &GrammarMatcher) -> &Slot {
    &matcher.slot
}

/// The results in the order of the batch, or the first error with its place.
fn collect<T>(py: Python<'_>, results: Vec<Result<T, EngineError>>) -> PyResult<Vec<T>> {
    let mut out = Vec::with_capacity(results.len());
    for (place, result) in results.into_iter().enumerate() {
        match result {
            Ok(value) => out.push(value),
            Err(error) => {
                let (class, attributes) = error.kind();
                return Err(errors::new(py, class, format!("the matcher at place {place} of the batch: {error}"), attributes));
            }
        }
    }
    Ok(out)
}

fn same_length(what: &str, found: usize, matchers: usize) -> PyResult<()> {
    if found == matchers { Ok(()) } else { Err(PyValueError::new_err(format!("{matchers} matchers, but {found} {what}"))) }
}

/// A number that is there twice.
fn twice(numbers: impl Iterator<Item = i64> + Clone) -> Option<i64> {
    if numbers.clone().is_sorted_by(|a, b| a < b) {
        return None;
    }
    let mut sorted: Vec<i64> = numbers.collect();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// The words of a mask, the same for all matchers; `None` if there are none.
fn common_width(matchers: &Matchers) -> PyResult<Option<usize>> {
    let Some(width) = matchers.first().map(|first| first.get().words) else { return Ok(None) };
    match matchers.iter().position(|matcher| matcher.get().words != width) {
        None => Ok(Some(width)),
        Some(place) => Err(PyValueError::new_err(format!("the matcher at place {place} has another vocabulary size than the first"))),
    }
}

/// A matcher that stays where it is while some thread works with it.
///
/// PERF: what moves with the work from core to core, and back, one core must then fetch from all others.
struct Place(*mut Matcher);

// SAFETY: matchers may be used by any thread, by one at a time.
unsafe impl Send for Place {}

/// What a piece of work that panicked comes to.
const LOST: EngineError = EngineError::Internal("a matcher of a batch failed");

/// Do `work` with each matcher and its argument, on a pool if there is one, at least so many on each thread. All of it is done at the end. If that
/// panics the matcher is lost, and says so when it is used.
fn with_each<A, T>(
    pool: Option<(&Crew, usize)>,
    members: Vec<Member<'_>>,
    arguments: Vec<A>,
    work: impl Fn(&mut Matcher, A) -> Result<T, EngineError> + Send + Sync + 'static,
) -> Vec<Result<T, EngineError>>
where
    A: Send + 'static,
    T: Send + 'static,
{
    let Some((pool, least)) = pool else {
        return members
            .into_iter()
            .zip(arguments)
            .map(|(mut member, argument)| alone(&mut member, |matcher| work(matcher, argument)))
            .collect();
    };
    let mut members = members;
    let items = members.iter_mut().map(|member| Place(member.matcher().map_or_else(std::ptr::null_mut, |matcher| &raw mut *matcher)));
    let found = pool.share(least, items.zip(arguments), move |(place, argument)| {
        // SAFETY: the matcher is in memory of its own, borrowed until all is done, and in no other item.
        let matcher = unsafe { place.0.as_mut() };
        matcher.map_or(Err(Box::new(LOST)), |matcher| work(matcher, argument).map_err(Box::new))
    });
    let result = |(member, done): (&mut Member<'_>, Option<Result<T, Box<EngineError>>>)| {
        if done.is_none() {
            member.lose();
        }
        done.map_or(Err(LOST), |result| result.map_err(|error| *error))
    };
    members.iter_mut().zip(found).map(result).collect()
}

/// Do something with one matcher on this thread.
fn alone<T>(member: &mut Member<'_>, work: impl FnOnce(&mut Matcher) -> Result<T, EngineError>) -> Result<T, EngineError> {
    let Some(matcher) = member.matcher() else { return Err(LOST) };
    catch_unwind(AssertUnwindSafe(|| work(matcher))).unwrap_or_else(|_| {
        member.lose();
        Err(LOST)
    })
}

/// Fill a row.
fn fill(matcher: &mut Matcher, mut row: RowPointer) -> Result<bool, EngineError> {
    // SAFETY: whoever made the pointer holds the bitmask until the work is done, and no two matchers of a batch have the same row.
    let words = unsafe { row.words() };
    let result = catch_unwind(AssertUnwindSafe(|| matcher.fill(words)));
    if !matches!(result, Ok(Ok(_))) {
        // Nothing made up: a failed matcher allows nothing.
        words.fill(0);
    }
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Fill every row.
fn run_fills<S: Deref<Target = Slot>>(pool: &Crew, held: &mut Together<S>, mut rows: Vec<RowPointer>) -> Vec<Result<bool, EngineError>> {
    let mut members: Vec<Member<'_>> = held.members().collect();
    if pool.threads() == 1 {
        return with_each(None, members, rows, fill);
    }
    if members.len() >= ALONE {
        return with_each(Some((pool, LEAST)), members, rows, fill);
    }
    // Few: what is warm is done by the time a thread would be awake.
    let warm = |member: &mut Member<'_>, row: &mut RowPointer| {
        // SAFETY: as above.
        alone(member, |matcher| Ok(matcher.try_fill_warm(unsafe { row.words() }))).ok().flatten()
    };
    let known: Vec<Option<bool>> = members.iter_mut().zip(&mut rows).map(|(member, row)| warm(member, row)).collect();
    let cold = |known: &&Option<bool>| known.is_none();
    let pool = if known.iter().filter(cold).count() > 1 { Some((pool, 1)) } else { None };
    let rest = members.into_iter().zip(rows).zip(&known).filter(|(_, known)| known.is_none()).map(|(rest, _)| rest);
    let (rest, rows): (Vec<Member<'_>>, Vec<RowPointer>) = rest.unzip();
    let mut found = with_each(pool, rest, rows, fill).into_iter();
    known.into_iter().map(|known| known.map_or_else(|| found.next().unwrap_or(Err(LOST)), Ok)).collect()
}

/// The outcome of a batch of masks.
#[derive(Default)]
struct Board {
    results: Mutex<Option<Vec<Result<bool, EngineError>>>>,
    written: Condvar,
}

/// Masks that are being computed; made by :meth:`BatchGrammarMatcher.start_fill`.
///
/// Until they are done the matchers are busy and the bitmask must be left alone. Dropping this waits.
#[pyclass(frozen, module = "maskwright")]
pub struct MaskFill {
    board: Arc<Board>,
    /// Holds the bitmask's memory.
    rows: Mutex<Option<Rows>>,
}

impl MaskFill {
    /// Wait a little; is it done?
    fn poll(&self, py: Python<'_>) -> bool {
        py.detach(|| {
            let guard = lock(&self.board.results);
            let (guard, _) = self.board.written.wait_timeout_while(guard, POLL, |r| r.is_none()).unwrap_or_else(PoisonError::into_inner);
            guard.is_some()
        })
    }

    fn release(&self, py: Python<'_>) {
        if let Some(rows) = lock(&self.rows).take() {
            rows.release(py);
        }
    }
}

#[pymethods]
impl MaskFill {
    /// Wait for the masks, without holding the interpreter.
    ///
    /// Returns:
    ///     For each matcher, False if every token is allowed, so that applying its row can be skipped.
    ///
    /// Raises:
    ///     LimitExceeded: a grammar became too ambiguous; the row of that matcher is all zeros.
    fn wait(&self, py: Python<'_>) -> PyResult<Vec<bool>> {
        while !self.poll(py) {
            py.check_signals()?;
        }
        self.release(py);
        let results = lock(&self.board.results).clone().unwrap_or_default();
        collect(py, results)
    }

    /// Are the masks there?
    fn done(&self) -> bool {
        lock(&self.board.results).is_some()
    }
}

impl Drop for MaskFill {
    fn drop(&mut self) {
        Python::attach(|py| {
            while !self.poll(py) {}
            self.release(py);
        });
    }
}

/// Many matchers at once: masks, tokens, rollbacks, on threads that stay.
///
/// Nothing here holds the interpreter while it works, and no thread uses the processor while there is nothing to do. A matcher
/// that is busy in another thread raises :class:`MatcherBusy`; one that is in a batch twice is a ``ValueError``; either way
/// nothing has happened to any matcher. It may be used after ``os.fork()``.
///
/// Args:
///     max_threads: how many threads; ``"auto"``: as many as there are processors.
///
/// Raises:
///     ValueError: ``max_threads`` is neither ``"auto"`` nor at least 1.
#[pyclass(frozen, module = "maskwright")]
pub struct BatchGrammarMatcher {
    threads: usize,
    pool: Pool,
}

impl BatchGrammarMatcher {
    fn pool(&self) -> PyResult<Arc<Crew>> {
        self.pool.get(self.threads)
    }

    /// Hold the bitmask, with a row for each matcher; `None` if there are no matchers.
    fn prepare(
        py: Python<'_>,
        matchers: &Matchers,
        bitmask: &Bound<'_, PyAny>,
        indices: Option<Vec<RowIndex>>,
    ) -> PyResult<Option<(Rows, Vec<RowPointer>)>> {
        if let Some(indices) = &indices {
            same_length("indices", indices.len(), matchers.len())?;
            if let Some(twice) = twice(indices.iter().map(|index| index.0)) {
                return Err(PyValueError::new_err(format!("row {twice} is asked for twice")));
            }
        }
        let Some(width) = common_width(matchers)? else { return Ok(None) };
        let rows = Rows::hold(bitmask, width)?;
        let pointers: PyResult<Vec<RowPointer>> = match indices {
            Some(indices) => indices.iter().map(|index| rows.row(py, index.0)).collect(),
            None => rows.first(py, matchers.len()),
        };
        Ok(Some((rows, pointers?)))
    }

    /// Let each matcher look ahead at its drafts, and fill their rows.
    fn judge(
        &self,
        py: Python<'_>,
        matchers: &Matchers,
        drafts: Vec<Drafts>,
        bitmask: &Bound<'_, PyAny>,
        indices: Option<Vec<RowIndex>>,
    ) -> PyResult<Vec<Judged>> {
        same_length("drafts", drafts.len(), matchers.len())?;
        if let Some(indices) = &indices {
            same_length("indices", indices.len(), matchers.len())?;
        }
        let Some(width) = common_width(matchers)? else { return Ok(Vec::new()) };
        let rows = Rows::hold(bitmask, width)?;
        let indices = indices.map(|indices| indices.into_iter().map(|index| index.0).collect());
        let results = drafts::blocks(py, &rows, &drafts, indices).and_then(|blocks| {
            let work = drafts.into_iter().zip(blocks).collect();
            self.each(py, matchers, work, MANY_DRAFTS, |matcher, (drafts, mut block): (Drafts, RowPointer)| {
                drafts.fill(matcher, &mut block)
            })
        });
        rows.release(py);
        results
    }

    /// Do `work` with each matcher and its argument, on the pool if there are `many`.
    fn each<A: Send + 'static, T: Send + 'static>(
        &self,
        py: Python<'_>,
        matchers: &Matchers,
        arguments: Vec<A>,
        many: usize,
        work: impl Fn(&mut Matcher, A) -> Result<T, EngineError> + Send + Sync + 'static,
    ) -> PyResult<Vec<T>> {
        let mut held = take(py, matchers, borrowed)?;
        let pool = if matchers.len() >= many && self.threads > 1 { Some(self.pool()?) } else { None };
        let pool = pool.as_deref().map(|pool| (pool, LEAST.min(many)));
        let results = detached(py, || with_each(pool, held.members().collect(), arguments, work));
        drop(held);
        collect(py, results)
    }
}

/// `"auto"` or a number of threads.
fn threads_of(max_threads: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
    let auto = || std::thread::available_parallelism().map_or(1, usize::from);
    let Some(given) = max_threads else { return Ok(auto()) };
    if given.cast::<PyString>().is_ok_and(|text| text.to_str().is_ok_and(|text| text == "auto")) {
        return Ok(auto());
    }
    match given.extract::<usize>() {
        Ok(count @ 1..=1024) => Ok(count),
        _ => Err(PyValueError::new_err(format!("max_threads must be \"auto\" or a number from 1 to 1024, got {}", given.repr()?))),
    }
}

#[pymethods]
impl BatchGrammarMatcher {
    #[new]
    #[pyo3(signature = (max_threads=None), text_signature = "(max_threads=\"auto\")")]
    fn new(max_threads: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        Ok(Self { threads: threads_of(max_threads)?, pool: Pool::new() })
    }

    /// How many threads it uses.
    #[getter]
    fn max_threads(&self) -> usize {
        self.threads
    }

    /// Write one row of ``bitmask`` per matcher: as ``fill_next_token_bitmask`` of each, in parallel.
    ///
    /// Args:
    ///     matchers: any number, of one vocabulary size, none twice.
    ///     bitmask: int32, shape ``(rows, ceil(vocab_size / 32))``, C-contiguous, on the CPU; numpy array or torch tensor. No one
    ///         else may write to it meanwhile.
    ///     indices: the row for each matcher, none twice; by default 0, 1, 2, …
    ///
    /// Returns:
    ///     For each matcher, False if every token is allowed, so that applying its row can be skipped.
    ///
    /// Raises:
    ///     ValueError: wrong dtype, shape, device or index; lengths that differ; a matcher or a row twice.
    ///     MatcherBusy: a matcher is in use elsewhere.
    ///     LimitExceeded: a grammar became too ambiguous; the row of that matcher is all zeros, the others are filled.
    #[pyo3(signature = (matchers, bitmask, indices=None))]
    fn batch_fill_next_token_bitmask(
        &self,
        py: Python<'_>,
        matchers: Matchers,
        bitmask: &Bound<'_, PyAny>,
        indices: Option<Vec<RowIndex>>,
    ) -> PyResult<Vec<bool>> {
        let Some((rows, pointers)) = Self::prepare(py, &matchers, bitmask, indices)? else { return Ok(Vec::new()) };
        let mut held = take(py, &matchers, borrowed)?;
        let pool = self.pool()?;
        let results = detached(py, || run_fills(&pool, &mut held, pointers));
        drop(held);
        rows.release(py);
        collect(py, results)
    }

    /// Begin the same and return at once, so that masks are computed while the model runs. ``wait()`` of what is returned ends it.
    ///
    /// Until then the matchers are busy, and the bitmask must be left alone.
    #[pyo3(signature = (matchers, bitmask, indices=None))]
    fn start_fill(
        &self,
        py: Python<'_>,
        matchers: Matchers,
        bitmask: &Bound<'_, PyAny>,
        indices: Option<Vec<RowIndex>>,
    ) -> PyResult<MaskFill> {
        let board = Arc::new(Board::default());
        let Some((rows, pointers)) = Self::prepare(py, &matchers, bitmask, indices)? else {
            *lock(&board.results) = Some(Vec::new());
            return Ok(MaskFill { board, rows: Mutex::new(None) });
        };
        // Of one's own: the matchers' objects need not outlive the call.
        let mut held = take(py, &matchers, |matcher| matcher.slot.clone())?;
        let pool = self.pool()?;
        let handle = MaskFill { board: board.clone(), rows: Mutex::new(Some(rows)) };
        let (work, own) = (py.detach(Work::begin), pool.clone());
        pool.spawn(move || {
            let results = run_fills(&own, &mut held, pointers);
            drop(held);
            *lock(&board.results) = Some(results);
            board.written.notify_all();
            drop(work);
        });
        Ok(handle)
    }

    /// ``accept_token`` of each matcher.
    ///
    /// Returns:
    ///     For each matcher, whether its token was accepted; a matcher whose token was refused is unchanged.
    ///
    /// Raises:
    ///     ValueError: lengths that differ, or a matcher twice.
    fn batch_accept_token(&self, py: Python<'_>, matchers: Matchers, token_ids: Vec<i64>) -> PyResult<Vec<bool>> {
        same_length("tokens", token_ids.len(), matchers.len())?;
        // What is no id of any vocabulary is refused by each.
        self.each(py, &matchers, token_ids, MANY_TOKENS, |matcher, id| u32::try_from(id).map_or(Ok(false), |id| matcher.accept_token(id)))
    }

    /// ``accept_string`` of each matcher.
    ///
    /// Returns:
    ///     For each matcher, whether its text was accepted; a matcher whose text was refused is unchanged.
    ///
    /// Raises:
    ///     ValueError: lengths that differ, or a matcher twice.
    fn batch_accept_string(&self, py: Python<'_>, matchers: Matchers, input_strs: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<bool>> {
        same_length("texts", input_strs.len(), matchers.len())?;
        let texts: PyResult<Vec<Vec<u8>>> = input_strs.iter().map(|text| Ok(text_bytes(text)?.to_vec())).collect();
        self.each(py, &matchers, texts?, MANY_TOKENS, |matcher, text| matcher.accept_bytes(&text))
    }

    /// ``accept_tokens`` of each matcher.
    ///
    /// Returns:
    ///     For each matcher, how many of its tokens were accepted.
    ///
    /// Raises:
    ///     ValueError: lengths that differ, or a matcher twice.
    fn batch_accept_tokens(&self, py: Python<'_>, matchers: Matchers, token_ids: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<usize>> {
        same_length("lists of tokens", token_ids.len(), matchers.len())?;
        let ids: PyResult<Vec<Vec<u32>>> = token_ids.iter().map(|ids| drafts::tokens(ids, "token_ids")).collect();
        self.each(py, &matchers, ids?, MANY_TOKENS, |matcher, ids| matcher.accept_tokens(&ids))
    }

    /// ``validate_tokens`` of each matcher.
    ///
    /// Returns:
    ///     For each matcher, how many of its tokens could be accepted; no matcher has changed.
    ///
    /// Raises:
    ///     ValueError: lengths that differ, or a matcher twice.
    fn batch_validate_tokens(&self, py: Python<'_>, matchers: Matchers, token_ids: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<usize>> {
        same_length("lists of tokens", token_ids.len(), matchers.len())?;
        let ids: PyResult<Vec<Vec<u32>>> = token_ids.iter().map(|ids| drafts::tokens(ids, "token_ids")).collect();
        self.each(py, &matchers, ids?, MANY_TOKENS, |matcher, ids| matcher.validate_tokens(&ids))
    }

    /// ``fill_draft_bitmasks`` of each matcher, in parallel.
    ///
    /// Args:
    ///     matchers: any number, of one vocabulary size, none twice.
    ///     drafts: for each its proposed tokens, possibly none.
    ///     bitmask: as for :meth:`batch_fill_next_token_bitmask`.
    ///     indices: the first row for each matcher; by default the rows follow one another, one more than there are drafts for each.
    ///
    /// Returns:
    ///     For each matcher, how many of its drafts are legal; no matcher has changed.
    ///
    /// Raises:
    ///     ValueError: as for :meth:`batch_fill_next_token_bitmask`.
    #[pyo3(signature = (matchers, drafts, bitmask, indices=None))]
    fn batch_fill_draft_bitmasks(
        &self,
        py: Python<'_>,
        matchers: Matchers,
        drafts: Vec<Bound<'_, PyAny>>,
        bitmask: &Bound<'_, PyAny>,
        indices: Option<Vec<RowIndex>>,
    ) -> PyResult<Vec<usize>> {
        let drafts: PyResult<Vec<Drafts>> = drafts.iter().map(|ids| Ok(Drafts::Chain(drafts::tokens(ids, "drafts")?))).collect();
        Ok(self.judge(py, &matchers, drafts?, bitmask, indices)?.into_iter().map(Judged::chain).collect())
    }

    /// ``traverse_draft_tree`` of each matcher, in parallel.
    ///
    /// Args:
    ///     matchers: any number, of one vocabulary size, none twice.
    ///     next_token: for each its links, a list of lists or an array with a row for each; as are the next two.
    ///     next_sibling: for each its links.
    ///     draft_tokens: for each its tokens.
    ///     bitmask: as for :meth:`batch_fill_next_token_bitmask`.
    ///     indices: the row of the root for each matcher; by default the rows follow one another.
    ///
    /// Returns:
    ///     For each matcher, for each node, whether the grammar accepts the drafts that lead there; no matcher has changed.
    ///
    /// Raises:
    ///     ValueError: links that are no tree; else as for :meth:`batch_fill_next_token_bitmask`.
    #[pyo3(signature = (matchers, next_token, next_sibling, draft_tokens, bitmask, indices=None))]
    fn batch_traverse_draft_tree(
        &self,
        py: Python<'_>,
        matchers: Matchers,
        next_token: Vec<Bound<'_, PyAny>>,
        next_sibling: Vec<Bound<'_, PyAny>>,
        draft_tokens: Vec<Bound<'_, PyAny>>,
        bitmask: &Bound<'_, PyAny>,
        indices: Option<Vec<RowIndex>>,
    ) -> PyResult<Vec<Vec<bool>>> {
        same_length("next_token", next_token.len(), matchers.len())?;
        same_length("next_sibling", next_sibling.len(), matchers.len())?;
        let links = next_token.iter().zip(&next_sibling).zip(&draft_tokens);
        let drafts: PyResult<Vec<Drafts>> = links.map(|((a, b), c)| Ok(Drafts::Tree(drafts::tree(a, b, c)?))).collect();
        Ok(self.judge(py, &matchers, drafts?, bitmask, indices)?.into_iter().map(Judged::tree).collect())
    }

    /// ``rollback`` of each matcher; either all go back or none.
    ///
    /// Args:
    ///     matchers: any number, none twice.
    ///     num_tokens: how many steps, for all or for each.
    ///
    /// Raises:
    ///     RollbackError: a matcher has not so many steps.
    ///     ValueError: lengths that differ, a number below 0, or a matcher twice.
    #[pyo3(signature = (matchers, num_tokens=None), text_signature = "($self, matchers, num_tokens=1)")]
    fn batch_rollback(&self, py: Python<'_>, matchers: Matchers, num_tokens: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let steps: Vec<i64> = match num_tokens {
            None => vec![1; matchers.len()],
            Some(given) => match given.extract::<i64>() {
                Ok(all) => vec![all; matchers.len()],
                Err(_) => given.extract().map_err(|_| PyTypeError::new_err("num_tokens must be an integer or a list of integers"))?,
            },
        };
        same_length("numbers of tokens", steps.len(), matchers.len())?;
        let steps: Result<Vec<usize>, _> = steps.into_iter().map(usize::try_from).collect();
        let steps = steps.map_err(|_| PyValueError::new_err("num_tokens must be at least 0"))?;
        let mut held = take(py, &matchers, borrowed)?;
        let mut members: Vec<Member<'_>> = held.members().collect();
        for (place, (member, &steps)) in members.iter_mut().zip(&steps).enumerate() {
            if let Some(matcher) = member.matcher()
                && matcher.steps() < steps
            {
                let error = maskwright::matcher::MatcherError::TooFarBack { steps, remembered: matcher.steps() };
                let (class, attributes) = error.kind();
                return Err(errors::new(py, class, format!("the matcher at place {place} of the batch: {error}"), attributes));
            }
        }
        for (member, &steps) in members.iter_mut().zip(&steps) {
            if let Some(matcher) = member.matcher() {
                matcher.rollback(steps).map_err(|error| error.into_python(py))?;
            }
        }
        Ok(())
    }
}
