//! `Limits`: the core's bounds, as a Python value.
//!
//! Invariant: its fields are the core's, one row each in the table at the end.
//! Must not know: what a bound is for.

use maskwright::limits::Limits as CoreLimits;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// How much one grammar may cost.
///
/// Passing a bound raises :class:`LimitExceeded`, which names it. Every bound is a keyword argument and an attribute;
/// those left out keep their defaults.
#[pyclass(frozen, eq, hash, module = "maskwright")]
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Limits(pub CoreLimits);

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident),* $(,)?) => {
        // Fails to compile when the core gains a bound that has no row.
        const _: fn(CoreLimits) = |CoreLimits { $($name: _),* }| ();

        #[pymethods]
        impl Limits {
            #[new]
            #[pyo3(signature = (*, $($name=None),*))]
            fn new($($name: Option<usize>),*) -> Self {
                let mut limits = CoreLimits::default();
                $(limits.$name = $name.unwrap_or(limits.$name);)*
                Self(limits)
            }

            $(
                $(#[doc = $doc])*
                #[getter]
                fn $name(&self) -> usize {
                    self.0.$name
                }
            )*

            fn __repr__(&self) -> String {
                format!("Limits({})", [$(format!("{}={}", stringify!($name), self.0.$name)),*].join(", "))
            }

            fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
                let bounds = PyDict::new(py);
                $(bounds.set_item(stringify!($name), self.0.$name)?;)*
                let rebuild = py.import("functools")?.getattr("partial")?.call((py.get_type::<Self>(),), Some(&bounds))?;
                Ok((rebuild, PyTuple::empty(py)))
            }
        }
    };
}

limits!(
    /// Bytes of grammar, pattern or schema text.
    max_text_bytes,
    /// Depth of nested expressions, groups or schemas in the text of a grammar.
    max_nesting,
    /// Rules of a grammar.
    max_rules,
    /// Nodes of all expressions of a grammar, after small repeats are unrolled.
    max_expression_nodes,
    /// States of the automaton made so far, over all texts matched with one compiled grammar.
    max_states,
    /// Positions that one determinised state may stand for.
    max_subset_positions,
    /// Nodes of boolean formulas over subschemas or pattern positions.
    max_formula_nodes,
    /// Steps of one search for a completion: is an accepting end still reachable?
    max_search_steps,
    /// Digits of a bound or an enumerated number, written without an exponent.
    max_number_digits,
    /// Parses of one text that may be alive at once.
    max_items,
    /// Stack frames that one byte may add.
    max_step_frames,
    /// Stack frames that the parses of all tokens may add while one mask is learned.
    max_mask_frames,
);
