//! Logits and a bitmask in Python's memory -> **rows** -> the core's loop, on one thread or several.
//!
//! Invariant: memory is touched only after layout, shape and rows were checked; no row is written by two threads. A small apply keeps the
//! interpreter, since letting go of it would cost more; a large one lets go, and whoever changes the tensors beside it is asked not to.
//! Must not know: dtypes of floats; the caller brings the bits of minus infinity.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use maskwright::bitmask::apply::{apply_16, apply_32, apply_64};
use pyo3::buffer::{Element, PyBuffer};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::bitmask::{RowIndex, dtype_of, has_buffer, is_native_int, torch};
use crate::errors::{self, Class};
use crate::fork::detached;
use crate::pool::Pool;

/// Logits of this many bytes take about as long as another thread needs to get the interpreter.
const RELEASE: usize = 1 << 20;
/// Each thread gets at least this many bytes, about twice what waking it costs.
const SHARE: usize = 1 << 19;

static POOL: Pool = Pool::new();
/// Asking costs more than a row does.
static PROCESSORS: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));

fn refuse(py: Python<'_>, what: &str) -> PyErr {
    errors::new(py, Class("BitmaskError"), what.to_owned(), vec![])
}

/// A matrix in memory of this process. A vector is one row.
#[derive(Clone, Copy)]
struct Matrix {
    start: usize,
    rows: usize,
    columns: usize,
    /// From one row to the next, in items.
    stride: isize,
    /// From one item of a row to the next, in items.
    step: isize,
    item: usize,
}

impl Matrix {
    /// Check sizes and strides (in items) of one or two dimensions.
    fn new(py: Python<'_>, what: &str, start: usize, item: usize, shape: &[usize], strides: &[isize]) -> PyResult<Self> {
        let (rows, columns, stride, step) = match (shape, strides) {
            ([columns], [step]) => (1, *columns, 0, *step),
            ([rows, columns], [stride, step]) => (*rows, *columns, *stride, *step),
            _ => return Err(refuse(py, &format!("{what} must have 1 or 2 dimensions, got {}", shape.len()))),
        };
        if !start.is_multiple_of(item) || (start == 0 && rows > 0 && columns > 0) {
            return Err(refuse(py, &format!("{what} has no memory of its own")));
        }
        Ok(Self { start, rows, columns, stride, step, item })
    }

    /// Are rows contiguous?
    fn has_whole_rows(&self) -> bool {
        self.step == 1 || self.columns <= 1 || self.rows == 0
    }

    /// Do rows share memory? For a matrix of whole rows.
    fn overlaps_itself(&self) -> bool {
        self.rows > 1 && self.stride.unsigned_abs() < self.columns
    }

    /// Where the first byte is, and where the last one ends. For a matrix of whole rows.
    fn range(&self) -> (isize, isize) {
        let start = self.start.cast_signed();
        if self.rows == 0 || self.columns == 0 {
            return (start, start);
        }
        let item = self.item.cast_signed();
        let last = (self.rows - 1).cast_signed() * self.stride * item;
        (start + last.min(0), start + last.max(0) + self.columns.cast_signed() * item)
    }

    /// Do they share memory?
    fn overlaps(&self, other: &Self) -> bool {
        let ((start, end), (other_start, other_end)) = (self.range(), other.range());
        start < other_end && other_start < end
    }

    /// Where a row starts.
    fn row<T>(&self, row: usize) -> *mut T {
        std::ptr::with_exposed_provenance_mut::<T>(self.start).wrapping_offset(row.cast_signed() * self.stride)
    }
}

/// A matrix, and what keeps its memory from being freed or resized.
struct Held {
    matrix: Matrix,
    _buffer: Option<Buffer>,
}

#[allow(dead_code, reason = "held for what dropping it does")]
enum Buffer {
    Signed(PyBuffer<i32>),
    U16(PyBuffer<u16>),
    U32(PyBuffer<u32>),
    U64(PyBuffer<u64>),
}

fn of_buffer<T: Element>(py: Python<'_>, what: &str, buffer: &PyBuffer<T>) -> PyResult<Matrix> {
    let item = buffer.item_size();
    let size = item.cast_signed();
    if buffer.strides().iter().any(|stride| stride % size != 0) {
        return Err(refuse(py, &format!("the rows of {what} must lie a whole number of items apart")));
    }
    let strides: Vec<isize> = buffer.strides().iter().map(|stride| stride / size).collect();
    Matrix::new(py, what, buffer.buf_ptr().expose_provenance(), item, buffer.shape(), &strides)
}

/// A tensor of torch on the CPU. Its memory stays while the caller holds it, as for any operator of torch.
fn of_tensor(what: &str, tensor: &Bound<'_, PyAny>, is_mask: bool) -> PyResult<Matrix> {
    let py = tensor.py();
    let torch = match torch(py)? {
        // The first question is the cheaper one, and nearly always enough.
        Some(torch) if tensor.get_type().as_ptr() == torch.tensor.as_ptr() || tensor.is_instance(torch.tensor.bind(py))? => torch,
        _ => return Err(refuse(py, &format!("{what} must be a numpy array or a torch tensor, got {}", dtype_of(tensor)))),
    };
    if !tensor.getattr(intern!(py, "is_cpu"))?.is_truthy()? {
        return Err(refuse(py, &format!("{what} must be on the CPU, got device {}", tensor.getattr("device")?)));
    }
    if is_mask {
        let dtype = tensor.getattr(intern!(py, "dtype"))?;
        if !dtype.is(&torch.int32) {
            return Err(refuse(py, &format!("{what} must have dtype int32, got {dtype}")));
        }
    }
    let shape = tensor.getattr(intern!(py, "shape"))?.cast_into::<PyTuple>()?;
    let dimensions = shape.len();
    if dimensions > 2 {
        return Err(refuse(py, &format!("{what} must have 1 or 2 dimensions, got {dimensions}")));
    }
    let (mut sizes, mut steps) = ([0_usize; 2], [0_isize; 2]);
    for (place, size) in shape.iter_borrowed().enumerate() {
        sizes[place] = size.extract()?;
    }
    if tensor.call_method0(intern!(py, "is_contiguous"))?.is_truthy()? {
        steps = if dimensions == 2 { [sizes[1].cast_signed(), 1] } else { [1, 0] };
    } else {
        // A tensor that has none, such as a sparse one, says so.
        let strides = tensor.call_method0(intern!(py, "stride"))?.cast_into::<PyTuple>()?;
        for (place, step) in strides.iter_borrowed().take(dimensions).enumerate() {
            steps[place] = step.extract()?;
        }
    }
    let start = tensor.call_method0(intern!(py, "data_ptr"))?.extract::<usize>()?;
    let item = if is_mask { 4 } else { tensor.call_method0(intern!(py, "element_size"))?.extract()? };
    Matrix::new(py, what, start, item, &sizes[..dimensions], &steps[..dimensions])
}

fn logits_of(logits: &Bound<'_, PyAny>) -> PyResult<Held> {
    const WHAT: &str = "the logits";
    let py = logits.py();
    if !has_buffer(logits) {
        return Ok(Held { matrix: of_tensor(WHAT, logits, false)?, _buffer: None });
    }
    macro_rules! try_buffer {
        ($($variant:ident),*) => {$(
            if let Ok(buffer) = PyBuffer::get(logits) {
                if buffer.readonly() {
                    return Err(refuse(py, "the logits are read-only"));
                }
                let matrix = of_buffer(py, WHAT, &buffer)?;
                return Ok(Held { matrix, _buffer: Some(Buffer::$variant(buffer)) });
            }
        )*};
    }
    try_buffer!(U32, U16, U64);
    Err(refuse(py, &format!("the logits must be bits of 16, 32 or 64, got {}", dtype_of(logits))))
}

fn mask_of(bitmask: &Bound<'_, PyAny>) -> PyResult<Held> {
    const WHAT: &str = "the bitmask";
    let py = bitmask.py();
    if !has_buffer(bitmask) {
        return Ok(Held { matrix: of_tensor(WHAT, bitmask, true)?, _buffer: None });
    }
    match PyBuffer::<i32>::get(bitmask) {
        Ok(buffer) if is_native_int(buffer.format().to_bytes()) => {
            Ok(Held { matrix: of_buffer(py, WHAT, &buffer)?, _buffer: Some(Buffer::Signed(buffer)) })
        }
        _ => Err(refuse(py, &format!("the bitmask must have dtype int32 in the byte order of this machine, got {}", dtype_of(bitmask)))),
    }
}

/// What to do: checked, and no longer in need of the interpreter.
struct Task {
    logits: Matrix,
    mask: Matrix,
    columns: usize,
    refused: u64,
    /// Row `i` of both where there are none; in order and none twice otherwise.
    rows: Option<Vec<usize>>,
}

impl Task {
    fn count(&self) -> usize {
        self.rows.as_ref().map_or(self.logits.rows, Vec::len)
    }

    fn bytes(&self) -> usize {
        self.count() * self.columns * self.logits.item
    }

    /// One row.
    ///
    /// # Safety
    /// The memory of both matrices is there, and nobody else uses the row of the logits or writes to that of the mask.
    unsafe fn run(&self, place: usize) {
        let row = self.rows.as_ref().map_or(place, |rows| rows[place]);
        // SAFETY: the row is one of the mask's, whose rows are contiguous words; `columns` needs no more than there are.
        let words = unsafe { std::slice::from_raw_parts(self.mask.row::<u32>(row), self.columns.div_ceil(32)) };
        macro_rules! put {
            ($bits:ty, $apply:ident) => {{
                // SAFETY: the row is one of the logits', whose rows are contiguous items of this size, apart from each other and from the
                // mask, and has at least `columns`; the caller promises that it is nobody else's.
                let logits = unsafe { std::slice::from_raw_parts_mut(self.logits.row::<$bits>(row), self.columns) };
                $apply(logits, words, self.refused as $bits);
            }};
        }
        match self.logits.item {
            2 => put!(u16, apply_16),
            4 => put!(u32, apply_32),
            _ => put!(u64, apply_64),
        }
    }

    /// How many threads are worth waking.
    fn threads(&self, most: Option<usize>) -> usize {
        let worth = self.count().min(self.bytes() / SHARE);
        if worth > 1 { most.unwrap_or(*PROCESSORS).min(*PROCESSORS).min(worth) } else { 1 }
    }
}

/// A task whose rows several threads take, a few at a time.
struct Shared {
    task: Task,
    piece: usize,
    /// The first row that nobody has taken.
    next: AtomicUsize,
    /// How many rows are done.
    done: AtomicUsize,
}

impl Shared {
    /// Take rows until there are none.
    ///
    /// # Safety
    /// As for [`Task::run`], for every row that is not yet taken; a row that is taken is kept by whoever waits for it.
    unsafe fn work(&self) {
        let count = self.task.count();
        loop {
            let start = self.next.fetch_add(self.piece, Ordering::Relaxed);
            if start >= count {
                return;
            }
            let end = (start + self.piece).min(count);
            // SAFETY: the caller's promise; the counter gives each row to one thread.
            (start..end).for_each(|place| unsafe { self.task.run(place) });
            self.done.fetch_add(end - start, Ordering::Release);
        }
    }
}

/// All rows, on this thread and `threads - 1` others, as far as these wake up in time: one that wakes late finds nothing left, and nobody waits
/// for it.
///
/// # Safety
/// The memory of both matrices is there, and nobody else uses that of the logits or writes to that of the mask.
unsafe fn run_all(task: Task, threads: usize) {
    let count = task.count();
    let pool = if threads > 1 { POOL.get(*PROCESSORS).ok() } else { None };
    let Some(pool) = pool else {
        // SAFETY: the caller's promise, and each place is taken once.
        return (0..count).for_each(|place| unsafe { task.run(place) });
    };
    let shared = Arc::new(Shared { task, piece: count.div_ceil(4 * threads), next: AtomicUsize::new(0), done: AtomicUsize::new(0) });
    for _ in 1..threads {
        let shared = shared.clone();
        // SAFETY: a row that it takes is waited for below, so the caller's promise still holds; one that wakes later takes none.
        pool.spawn(move || unsafe { shared.work() });
    }
    // SAFETY: the caller's promise.
    unsafe { shared.work() };
    let mut turns = 0_u32;
    while shared.done.load(Ordering::Acquire) < count {
        turns += 1;
        if turns < 1000 { std::hint::spin_loop() } else { std::thread::yield_now() }
    }
}

/// Write ``refused`` over the logits whose bit in the bitmask is not set.
///
/// Args:
///     logits: floats of a torch tensor on the CPU, or a numpy array of their bits as unsigned integers; 16, 32 or 64 bits.
///     refused: the bits of minus infinity.
///     bitmask: int32, a numpy array or a torch tensor on the CPU.
///     vocab_size: how many columns to look at; all of the logits' if there is none.
///     indices: the rows to look at, of both; all if there are none.
///     threads: how many at most; as many as there are processors if None.
///
/// Returns:
///     False, having done nothing, if the items of a row do not lie side by side.
///
/// Raises:
///     ValueError: wrong dtype, shape, layout, device or row.
#[pyfunction]
#[pyo3(name = "_apply_token_bitmask", signature = (logits, refused, bitmask, vocab_size=None, indices=None, threads=None))]
pub fn apply_token_bitmask(
    py: Python<'_>,
    logits: &Bound<'_, PyAny>,
    refused: u64,
    bitmask: &Bound<'_, PyAny>,
    vocab_size: Option<i64>,
    indices: Option<Vec<RowIndex>>,
    threads: Option<usize>,
) -> PyResult<bool> {
    let (held, held_mask) = (logits_of(logits)?, mask_of(bitmask)?);
    let (logits, mask) = (held.matrix, held_mask.matrix);
    if !matches!(logits.item, 2 | 4 | 8) {
        return Err(refuse(py, &format!("the logits must be floats of 16, 32 or 64 bits, got {} bytes", logits.item)));
    }
    let columns = match vocab_size.map(usize::try_from) {
        None => logits.columns,
        Some(Ok(columns)) if columns <= logits.columns => columns,
        Some(_) => {
            let given = vocab_size.unwrap_or_default();
            return Err(refuse(py, &format!("vocab_size is {given}, but the logits have {} columns", logits.columns)));
        }
    };
    if columns.div_ceil(32) > mask.columns {
        return Err(refuse(
            py,
            &format!(
                "the bitmask has {} words per row, enough for {} tokens, but {columns} are asked for: allocate it for the width of the logits, \
                 or pass vocab_size to leave the columns past it alone",
                mask.columns,
                mask.columns.saturating_mul(32)
            ),
        ));
    }
    if !logits.has_whole_rows() || !mask.has_whole_rows() {
        return Ok(false);
    }
    if logits.overlaps_itself() {
        return Err(refuse(py, "the rows of the logits share memory"));
    }
    if logits.overlaps(&mask) {
        return Err(refuse(py, "the logits and the bitmask share memory"));
    }
    let rows = match indices {
        None if logits.rows == mask.rows => None,
        None => {
            let (rows, masks) = (logits.rows, mask.rows);
            return Err(refuse(py, &format!("{rows} rows of logits, but {masks} of the bitmask: pass indices to pick rows of both")));
        }
        Some(indices) => {
            let count = logits.rows.min(mask.rows);
            let mut rows = Vec::with_capacity(indices.len());
            for index in indices {
                match usize::try_from(index.0) {
                    Ok(row) if row < count => rows.push(row),
                    _ => return Err(refuse(py, &format!("row {} is asked for, but logits and bitmask have {count} in common", index.0))),
                }
            }
            rows.sort_unstable();
            rows.dedup();
            Some(rows)
        }
    };
    let task = Task { logits, mask, columns, refused, rows };
    let (threads, release) = (task.threads(threads), task.bytes() >= RELEASE);
    // SAFETY: both are held: a numpy array by its buffer, a tensor by the caller. Rows lie apart, from each other and from the mask. Whoever
    // writes to either beside this is asked not to.
    let run = || unsafe { run_all(task, threads) };
    if release {
        detached(py, run);
    } else {
        run();
    }
    Ok(true)
}
