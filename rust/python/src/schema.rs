//! A schema and its options, from Python.
//!
//! Invariant: a schema becomes JSON text before anything else sees it.
//! Must not know: what a keyword means.

use std::sync::Arc;

use maskwright::frontend::json_schema::{Options, Registry};
use maskwright::frontend::{MacroArgument, MacroValue};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::errors::IntoPython;

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
    pub escapes: String,
    pub number_exponents: i64,
    pub registry: Option<Bound<'py, PyAny>>,
}

/// Documents by URI, given as a mapping. Each is read when a reference leads to it.
pub struct Mapping(Py<PyAny>);

impl Mapping {
    fn ask<T>(&self, question: impl FnOnce(Bound<'_, PyModule>, &Bound<'_, PyAny>) -> PyResult<T>) -> Result<T, String> {
        Python::attach(|py| {
            let answer = py.import("maskwright._schema").and_then(|module| question(module, self.0.bind(py)));
            answer.map_err(|error| error.value(py).to_string())
        })
    }
}

impl Registry for Mapping {
    fn text(&self, uri: &str) -> Result<Option<Arc<str>>, String> {
        let text: Option<String> = self.ask(|module, registry| module.call_method1("document_text", (registry, uri))?.extract())?;
        Ok(text.map(Arc::from))
    }

    fn uris(&self) -> Result<Vec<String>, String> {
        self.ask(|module, registry| module.call_method1("document_uris", (registry,))?.extract())
    }
}

impl Given<'_> {
    /// The documents given, if there are any.
    pub fn registry(&self) -> PyResult<Option<Mapping>> {
        let Some(registry) = self.registry.as_ref().filter(|registry| !registry.is_none()) else { return Ok(None) };
        registry.py().import("maskwright._schema")?.call_method1("check_registry", (registry,))?;
        Ok(registry.is_truthy()?.then(|| Mapping(registry.clone().unbind())))
    }

    /// The core's options.
    pub fn options(self, py: Python<'_>) -> PyResult<Options> {
        let mut named = vec![
            ("any_whitespace", MacroValue::Boolean(self.any_whitespace)),
            ("strict_mode", MacroValue::Boolean(self.strict_mode)),
            ("any_order", MacroValue::Boolean(self.any_order)),
            ("assert_formats", MacroValue::Boolean(self.assert_formats)),
            ("escapes", MacroValue::Text(self.escapes)),
            ("number_exponents", MacroValue::Integer(self.number_exponents)),
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
