//! `Limits`: the core's bounds, as a Python value.
//!
//! Invariant: its fields are the core's, one row each in [`FIELDS`].
//! Must not know: what a bound is for.

use maskwright::limits::Limits as CoreLimits;
use pyo3::exceptions::{PyAttributeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

type Field = (&'static str, fn(&CoreLimits) -> usize, fn(&mut CoreLimits, usize));

macro_rules! fields {
    ($($name:ident),* $(,)?) => {
        const FIELDS: &[Field] = &[$((stringify!($name), |l| l.$name, |l, value| l.$name = value)),*];

        // Fails to compile when the core gains a bound that has no row.
        const _: fn(CoreLimits) = |CoreLimits { $($name: _),* }| ();
    };
}

fields!(
    max_text_bytes,
    max_nesting,
    max_rules,
    max_expression_nodes,
    max_states,
    max_subset_positions,
    max_formula_nodes,
    max_search_steps,
    max_number_digits,
    max_items,
    max_step_frames,
);

/// How much one grammar may cost.
///
/// Passing a bound raises :class:`LimitExceeded`, which names it. Every bound is a keyword argument and an attribute;
/// those left out keep their defaults.
#[pyclass(frozen, eq, hash, module = "maskwright")]
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Limits(pub CoreLimits);

#[pymethods]
impl Limits {
    #[new]
    #[pyo3(signature = (**bounds))]
    fn new(bounds: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut limits = CoreLimits::default();
        for (name, value) in bounds.into_iter().flatten() {
            let name: String = name.extract()?;
            let Some((_, _, set)) = FIELDS.iter().find(|f| f.0 == name) else {
                let names = FIELDS.iter().map(|f| f.0).collect::<Vec<_>>().join(", ");
                return Err(PyTypeError::new_err(format!("Limits has no bound {name:?}; it has {names}")));
            };
            let value = value
                .extract::<usize>()
                .map_err(|_| PyValueError::new_err(format!("{name} must be an integer of at least 0, got {value}")))?;
            set(&mut limits, value);
        }
        Ok(Self(limits))
    }

    fn __getattr__(&self, name: &str) -> PyResult<usize> {
        FIELDS
            .iter()
            .find(|f| f.0 == name)
            .map(|f| f.1(&self.0))
            .ok_or_else(|| PyAttributeError::new_err(format!("'Limits' object has no attribute '{name}'")))
    }

    fn __dir__(&self) -> Vec<&'static str> {
        FIELDS.iter().map(|f| f.0).collect()
    }

    fn __repr__(&self) -> String {
        let fields: Vec<String> = FIELDS.iter().map(|f| format!("{}={}", f.0, f.1(&self.0))).collect();
        format!("Limits({})", fields.join(", "))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let bounds = PyDict::new(py);
        for (name, get, _) in FIELDS {
            bounds.set_item(name, get(&self.0))?;
        }
        let class = py.get_type::<Self>();
        let rebuild = py.import("functools")?.getattr("partial")?.call((class,), Some(&bounds))?;
        (rebuild, PyTuple::empty(py)).into_pyobject(py)
    }
}
