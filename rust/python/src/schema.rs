//! A schema and its options, from Python.
//!
//! Invariant: a schema becomes JSON text before anything else sees it.
//! Must not know: what a keyword means.

use maskwright::frontend::json_schema::Options;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::errors::{self, Class};

/// The options as given; named and explained at `Grammar.from_json_schema`.
pub struct Given<'py> {
    pub any_whitespace: bool,
    pub indent: Option<usize>,
    pub separators: Option<(String, String)>,
    pub max_whitespace_cnt: Option<u32>,
    pub strict_mode: bool,
    pub any_order: bool,
    pub default_draft: Option<String>,
    pub assert_formats: bool,
    pub registry: Option<Bound<'py, PyAny>>,
}

impl Given<'_> {
    /// The core's options.
    pub fn options(self, py: Python<'_>) -> PyResult<Options> {
        if self.registry.as_ref().map_or(Ok(false), Bound::is_truthy)? {
            let message = "references to other documents are not supported yet: leave out registry=, and move what the schema \
                           refers to into its own $defs";
            return Err(errors::new(py, Class("JSONSchemaError"), message.into(), vec![]));
        }
        let _ = (
            self.indent,
            self.separators,
            self.max_whitespace_cnt,
            self.strict_mode,
            self.any_order,
            self.default_draft,
            self.assert_formats,
        );
        Ok(Options { any_whitespace: self.any_whitespace })
    }
}

/// The JSON text of a schema given as text, as Python values, or as a pydantic model class.
pub fn text(schema: &Bound<'_, PyAny>) -> PyResult<String> {
    static CONVERT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if let Ok(text) = schema.cast::<PyString>() {
        return Ok(text.to_str()?.to_owned());
    }
    CONVERT.import(schema.py(), "maskwright._schema", "schema_text")?.call1((schema,))?.extract()
}
