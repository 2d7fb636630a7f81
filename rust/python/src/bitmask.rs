//! The caller's bitmask as words: a numpy array or a torch tensor -> **one row** -> the core.
//!
//! Invariant: memory is touched only after dtype, device, layout, shape and index were checked, and while the interpreter is held or the
//! array is kept from being freed or resized.
//! Must not know: what is written.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyOverflowError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

use crate::errors::{self, Class};

/// The index of a row; one too large for any array is still just a wrong one.
pub struct RowIndex(pub i64);

impl<'a, 'py> FromPyObject<'a, 'py> for RowIndex {
    type Error = PyErr;

    #[inline]
    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<i64>() {
            Ok(index) => Ok(Self(index)),
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => Ok(Self(-1)),
            Err(error) => Err(error),
        }
    }
}

const FIX: &str = "allocate it with maskwright.allocate_token_bitmask(batch_size, vocab_size)";

fn refuse(py: Python<'_>, what: &str) -> PyErr {
    errors::new(py, Class("BitmaskError"), format!("{what}; {FIX}"), vec![])
}

/// Call `write` with row `index` of `bitmask`, which has `width` words.
#[inline]
pub fn with_row<R>(bitmask: &Bound<'_, PyAny>, index: i64, width: usize, write: impl FnOnce(&mut [u32]) -> R) -> PyResult<R> {
    let py = bitmask.py();
    // A torch tensor is no buffer, so this is one look at the type.
    if has_buffer(bitmask) {
        let buffer = checked_buffer(bitmask)?;
        let start = row_start(py, buffer.shape(), index, width)?;
        // SAFETY: the exporter promises `shape` C-contiguous, writable items at `buf_ptr` while `buffer` lives, and
        // `row_start` that `width` items from `start` on lie within. `i32` and `u32` have one layout. The interpreter is held
        // throughout, and whoever writes to an array beside it is asked not to.
        let row = unsafe { std::slice::from_raw_parts_mut(buffer.buf_ptr().cast::<u32>().add(start), width) };
        let result = write(row);
        buffer.release(py);
        return Ok(result);
    }
    let pointer = tensor_row(bitmask, index, width)?;
    // SAFETY: `tensor_row` checked that the tensor is contiguous int32 memory of this process with `width` items from here on; the
    // caller's reference keeps it alive, and the interpreter is held throughout.
    let row = unsafe { std::slice::from_raw_parts_mut(pointer, width) };
    Ok(write(row))
}

/// A bitmask that is kept from being freed or resized, so that its rows can be written without the interpreter.
pub struct Rows {
    buffer: PyBuffer<i32>,
    width: usize,
}

impl Rows {
    /// Check and hold `bitmask`.
    pub fn hold(bitmask: &Bound<'_, PyAny>, width: usize) -> PyResult<Self> {
        let py = bitmask.py();
        if has_buffer(bitmask) {
            let buffer = checked_buffer(bitmask)?;
            // No row but the first need be there, and its width tells of the others'.
            row_start(py, buffer.shape(), 0, width)?;
            return Ok(Self { buffer, width });
        }
        tensor_row(bitmask, 0, width)?;
        // The array shares the tensor's memory, and making it forbids the tensor to resize.
        Self::hold(&bitmask.call_method0(intern!(py, "numpy"))?, width)
    }

    /// Row `index`.
    pub fn row(&self, py: Python<'_>, index: i64) -> PyResult<RowPointer> {
        let start = row_start(py, self.buffer.shape(), index, self.width)?;
        let start = self.buffer.buf_ptr().cast::<u32>().wrapping_add(start);
        Ok(RowPointer { start, width: self.width })
    }

    /// The first `count` rows.
    pub fn first(&self, py: Python<'_>, count: usize) -> PyResult<Vec<RowPointer>> {
        let Some(last) = count.checked_sub(1) else { return Ok(Vec::new()) };
        if self.row(py, i64::try_from(last).unwrap_or(i64::MAX)).is_err() {
            // The error of the first that is not there.
            return (0..).take(count).map(|index| self.row(py, index)).collect();
        }
        let (start, width) = (self.buffer.buf_ptr().cast::<u32>(), self.width);
        Ok((0..count).map(|row| RowPointer { start: start.wrapping_add(row * width), width }).collect())
    }

    /// `count` rows from row `index` on, as one.
    pub fn block(&self, py: Python<'_>, index: i64, count: usize) -> PyResult<RowPointer> {
        let first = self.row(py, index)?;
        if count > 1 {
            self.row(py, index.saturating_add(i64::try_from(count - 1).unwrap_or(i64::MAX)))?;
        }
        Ok(RowPointer { start: first.start, width: self.width * count })
    }

    /// Let go.
    pub fn release(self, py: Python<'_>) {
        self.buffer.release(py);
    }
}

/// One row of a bitmask that is held, or several as one.
pub struct RowPointer {
    start: *mut u32,
    width: usize,
}

// SAFETY: a row is plain memory of this process, which any thread may write; that one does at a time is what `words` asks for.
unsafe impl Send for RowPointer {}

impl RowPointer {
    /// The row's words.
    ///
    /// # Safety
    /// The [`Rows`] that it came from is still held, and no other pointer to the same rows is in use.
    pub unsafe fn words(&mut self) -> &mut [u32] {
        // SAFETY: `Rows` checked that the row lies within a writable, contiguous buffer of int32, which lives while it is held.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.width) }
    }
}

/// The buffer of an object that has one, checked to be a writable, contiguous one of int32.
#[inline]
fn checked_buffer(bitmask: &Bound<'_, PyAny>) -> PyResult<PyBuffer<i32>> {
    let py = bitmask.py();
    let buffer =
        PyBuffer::<i32>::get(bitmask).map_err(|_| refuse(py, &format!("the bitmask must have dtype int32, got {}", dtype_of(bitmask))))?;
    if !is_native_int(buffer.format().to_bytes()) {
        return Err(refuse(py, &format!("the bitmask must have dtype int32 in the byte order of this machine, got {}", dtype_of(bitmask))));
    }
    if buffer.readonly() {
        return Err(refuse(py, "the bitmask is read-only"));
    }
    if !buffer.is_c_contiguous() {
        return Err(refuse(py, "the bitmask must be C-contiguous"));
    }
    Ok(buffer)
}

/// The codes of signed integers, with a byte order that is the machine's; the size was checked.
pub fn is_native_int(format: &[u8]) -> bool {
    let order = if cfg!(target_endian = "little") { b'<' } else { b'>' };
    match *format {
        [b'i' | b'l'] => true,
        [given, b'i' | b'l'] => given == order || given == b'@' || given == b'=',
        _ => false,
    }
}

pub fn has_buffer(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive and the interpreter is held.
    unsafe { pyo3::ffi::PyObject_CheckBuffer(object.as_ptr()) == 1 }
}

pub fn dtype_of(object: &Bound<'_, PyAny>) -> String {
    match object.getattr("dtype") {
        Ok(dtype) => dtype.to_string(),
        Err(_) => format!("a {}", object.get_type()),
    }
}

/// Where the row starts, in words.
fn row_start(py: Python<'_>, shape: &[usize], index: i64, width: usize) -> PyResult<usize> {
    let (rows, columns) = match *shape {
        [columns] => (1, columns),
        [rows, columns] => (rows, columns),
        _ => return Err(refuse(py, &format!("the bitmask must have 1 or 2 dimensions, got {}", shape.len()))),
    };
    if columns != width {
        return Err(refuse(py, &format!("the bitmask must have {width} words per row, ceil(vocab_size / 32), got {columns}")));
    }
    match usize::try_from(index) {
        Ok(row) if row < rows => Ok(row * width),
        _ => Err(errors::new(
            py,
            Class("BitmaskError"),
            format!("row {index} of a bitmask with {rows} rows: the index must be from 0 to {}", rows.saturating_sub(1)),
            vec![],
        )),
    }
}

pub struct Torch {
    pub tensor: Py<PyAny>,
    pub int32: Py<PyAny>,
}

/// Torch, if the caller has loaded it; never loaded from here.
pub fn torch(py: Python<'_>) -> PyResult<Option<&Torch>> {
    static TORCH: PyOnceLock<Torch> = PyOnceLock::new();
    if let Some(torch) = TORCH.get(py) {
        return Ok(Some(torch));
    }
    let modules = py.import("sys")?.getattr("modules")?;
    let Ok(module) = modules.get_item("torch") else { return Ok(None) };
    let found = Torch { tensor: module.getattr("Tensor")?.unbind(), int32: module.getattr("int32")?.unbind() };
    TORCH.get_or_try_init(py, || Ok(found)).map(Some)
}

fn tensor_row(tensor: &Bound<'_, PyAny>, index: i64, width: usize) -> PyResult<*mut u32> {
    let py = tensor.py();
    let torch = match torch(py)? {
        Some(torch) if tensor.is_instance(torch.tensor.bind(py))? => torch,
        _ => return Err(refuse(py, &format!("the bitmask must be a numpy array or a torch tensor, got {}", dtype_of(tensor)))),
    };
    let dtype = tensor.getattr(intern!(py, "dtype"))?;
    if !dtype.is(&torch.int32) {
        return Err(refuse(py, &format!("the bitmask must have dtype int32, got {dtype}")));
    }
    if !tensor.getattr(intern!(py, "is_cpu"))?.is_truthy()? {
        return Err(refuse(py, &format!("the bitmask must be on the CPU, got device {}", tensor.getattr("device")?)));
    }
    if !tensor.call_method0(intern!(py, "is_contiguous"))?.is_truthy()? {
        return Err(refuse(py, "the bitmask must be contiguous"));
    }
    let shape = tensor.getattr(intern!(py, "shape"))?.cast_into::<PyTuple>()?;
    let mut sizes = [0; 2];
    if shape.len() > 2 {
        return Err(refuse(py, &format!("the bitmask must have 1 or 2 dimensions, got {}", shape.len())));
    }
    for (size, value) in sizes.iter_mut().zip(shape.iter_borrowed()) {
        *size = value.extract::<usize>()?;
    }
    let start = row_start(py, &sizes[..shape.len()], index, width)?;
    let address = tensor.call_method0(intern!(py, "data_ptr"))?.extract::<usize>()?;
    if address == 0 || address % align_of::<u32>() != 0 {
        return Err(refuse(py, "the bitmask has no memory of its own"));
    }
    Ok(std::ptr::with_exposed_provenance_mut::<u32>(address).wrapping_add(start))
}
