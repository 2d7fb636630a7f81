//! Serialised grammars and tokenizers: what a caller gives becomes data of the core, and what the core refuses an exception.
//!
//! Invariant: whatever a caller gives, it ends in a result or in one of the exceptions; reading a grammar does not hold the interpreter.
//! Must not know: what is written, or how.

use std::sync::Arc;

use maskwright::error::{DeserializeError, Position};
use maskwright::grammar::Grammar as CoreGrammar;
use maskwright::limits::Limits as CoreLimits;
use maskwright::serialize::{self, Data};
use maskwright::vocab::Vocabulary;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::background;
use crate::errors::{self, Class, IntoPython};

/// Something serialised, for work on another thread.
#[derive(Clone)]
pub enum Given {
    Bytes(Vec<u8>),
    Json(String),
}

impl Given {
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }

    /// From a ``str``, which may hold what no text holds.
    pub fn json(text: &Bound<'_, PyString>) -> PyResult<Self> {
        text.to_str().map(|text| Self::Json(text.to_owned())).map_err(|_| {
            let position = Position { offset: 0, line: 1, column: 1 };
            DeserializeError::NotJson { position, message: "the text has surrogates".to_owned() }.into_python(text.py())
        })
    }

    pub fn data(&self) -> Data<'_> {
        match self {
            Self::Bytes(bytes) => Data::Bytes(bytes),
            Self::Json(text) => Data::Json(text),
        }
    }

    /// Read a grammar, or one that was compiled for `vocabulary`.
    pub fn grammar(self, py: Python<'_>, vocabulary: Option<Arc<Vocabulary>>, limits: CoreLimits) -> PyResult<Arc<CoreGrammar>> {
        let read = move |_: &_| {
            let data = self.data();
            let grammar =
                vocabulary.as_ref().map_or_else(|| data.grammar(&limits), |vocabulary| data.compiled_grammar(vocabulary, &limits));
            Ok(grammar.map(Arc::new))
        };
        let result = background::run(py, false, None, read)?.map_err(|error| error.into_python(py))?;
        result.map_err(|error| error.into_python(py))
    }
}

/// What an error in a grammar is to who did not write the grammar, but was given it: something wrong with what was given. Limits stay limits.
pub fn refused(py: Python<'_>, error: PyErr) -> PyErr {
    if !errors::is(py, &error, Class("GrammarError")) {
        return error;
    }
    let message = format!("the grammar in it is refused: {}", error.value(py));
    let outer = errors::new(py, Class("DeserializeFormatError"), message, vec![]);
    outer.set_cause(py, Some(error));
    outer
}

/// The version of what ``serialize_json`` and ``to_bytes`` write; nothing of another version is read.
#[pyfunction]
pub fn get_serialization_version() -> String {
    serialize::version()
}
