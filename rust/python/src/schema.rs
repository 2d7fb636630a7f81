//! A schema and its options, from Python.
//!
//! Invariant: a schema becomes JSON text before anything else sees it.
//! Must not know: what a keyword means.

use maskwright::frontend::json_schema::Options;
use maskwright::frontend::{MacroArgument, MacroValue};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::errors::{self, Class, IntoPython};

/// The options as given; named and explained at `Grammar.from_json_schema`.
pub struct Given<'py> {
    pub any_whitespace: bool,
    pub indent: Option<i64>,
    pub separators: Option<(String, String)>,
    pub max_whitespace_cnt: Option<i64>,
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
        let mut named = vec![
            ("any_whitespace", MacroValue::Boolean(self.any_whitespace)),
            ("strict_mode", MacroValue::Boolean(self.strict_mode)),
            ("any_order", MacroValue::Boolean(self.any_order)),
            ("assert_formats", MacroValue::Boolean(self.assert_formats)),
        ];
        named.extend(self.indent.map(|n| ("indent", MacroValue::Integer(n))));
        named.extend(self.max_whitespace_cnt.map(|n| ("max_whitespace_cnt", MacroValue::Integer(n))));
        named.extend(self.default_draft.map(|name| ("default_draft", MacroValue::Text(name))));
        if let Some((item, key)) = self.separators {
            named.push(("item_separator", MacroValue::Text(item)));
            named.push(("key_separator", MacroValue::Text(key)));
        }
        let arguments: Vec<MacroArgument> =
            named.into_iter().map(|(name, value)| MacroArgument { name: Some(name.to_owned()), value }).collect();
        Options::from_arguments(&arguments).map_err(|error| error.into_python(py))
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
