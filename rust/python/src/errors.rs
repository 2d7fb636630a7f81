//! The one table from the core's errors to Python exceptions.
//!
//! Invariant: every variant has its arm; the exception carries the variant's data as attributes.
//! Must not know: where an error came from.

use maskwright::error::{CacheError, CompileError, DeserializeError, EngineError, Position, VocabError};
use maskwright::matcher::MatcherError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use crate::serialize;

/// A class of `maskwright.exceptions`, by name.
#[derive(Clone, Copy)]
pub struct Class(pub &'static str);

/// The value of an attribute of an exception.
pub enum Value {
    Text(String),
    Number(usize),
    Texts(Vec<String>),
}

type Attributes = Vec<(&'static str, Value)>;

fn place(position: &Position) -> Attributes {
    vec![("line", Value::Number(position.line)), ("column", Value::Number(position.column)), ("offset", Value::Number(position.offset))]
}

fn engine(error: &EngineError) -> (Class, Attributes) {
    match error {
        EngineError::Limit { name, bound } => {
            (Class("LimitExceeded"), vec![("limit", Value::Text((*name).to_owned())), ("bound", Value::Number(*bound))])
        }
        EngineError::Interrupted => (Class("CompileInterrupted"), vec![]),
        EngineError::TimedOut => (Class("CompileTimeout"), vec![]),
        EngineError::Internal(_) => (Class("InternalError"), vec![]),
    }
}

fn compile(error: &CompileError) -> (Class, Attributes) {
    let text = |s: &String| Value::Text(s.clone());
    match error {
        CompileError::Ebnf { position, .. } => (Class("EBNFError"), place(position)),
        CompileError::Regex { position, .. } => (Class("RegexError"), place(position)),
        CompileError::Json { position, .. } => (Class("JSONSchemaError"), place(position)),
        CompileError::Schema { pointer, .. } => (Class("JSONSchemaError"), vec![("pointer", text(pointer))]),
        CompileError::UnsatisfiableSchema { pointer, conflicts, .. } => {
            (Class("UnsatisfiableSchema"), vec![("pointer", text(pointer)), ("conflicts", Value::Texts(conflicts.clone()))])
        }
        CompileError::Grammar { rule, .. } => (Class("GrammarError"), vec![("rule", text(rule))]),
        CompileError::UnspellableByte { byte } => (Class("UnsupportedTokenizer"), vec![("byte", Value::Number(usize::from(*byte)))]),
        CompileError::Engine(error) => engine(error),
    }
}

fn vocabulary(error: &VocabError) -> (Class, Attributes) {
    match error {
        VocabError::TooManyTokens { .. } | VocabError::NoStopToken => (Class("TokenizerError"), vec![]),
        VocabError::IdOutOfRange { id, .. } | VocabError::TokenTooLong { id, .. } => {
            (Class("TokenizerError"), vec![("token_id", Value::Number(*id as usize))])
        }
    }
}

/// What Python sees of an error of the core.
pub trait IntoPython: std::fmt::Display {
    /// The class and the attributes.
    fn kind(&self) -> (Class, Attributes);

    /// The exception, not raised.
    fn into_python(self, py: Python<'_>) -> PyErr
    where
        Self: Sized,
    {
        let (class, attributes) = self.kind();
        new(py, class, self.to_string(), attributes)
    }
}

impl IntoPython for EngineError {
    fn kind(&self) -> (Class, Attributes) {
        engine(self)
    }
}

impl IntoPython for CompileError {
    fn kind(&self) -> (Class, Attributes) {
        compile(self)
    }
}

impl IntoPython for VocabError {
    fn kind(&self) -> (Class, Attributes) {
        vocabulary(self)
    }
}

impl IntoPython for CacheError {
    fn kind(&self) -> (Class, Attributes) {
        match self {
            Self::NotACache | Self::OtherVersion { .. } | Self::OtherVocabulary | Self::Damaged { .. } => (Class("CacheFileError"), vec![]),
        }
    }
}

impl IntoPython for DeserializeError {
    fn kind(&self) -> (Class, Attributes) {
        match self {
            Self::NotJson { position, .. } => (Class("InvalidJSONError"), place(position)),
            Self::Format { .. } | Self::Vocabulary(_) => (Class("DeserializeFormatError"), vec![]),
            Self::OtherVersion { found, expected } => {
                let mut attributes = vec![("expected", Value::Text(expected.clone()))];
                attributes.extend(found.iter().map(|found| ("found", Value::Text(found.clone()))));
                (Class("DeserializeVersionError"), attributes)
            }
            Self::OtherTokenizer { differences } => (Class("TokenizerMismatch"), vec![("differences", Value::Texts(differences.clone()))]),
            // Not all of these stay what they are: see below.
            Self::Grammar(error) => compile(error),
        }
    }

    fn into_python(self, py: Python<'_>) -> PyErr {
        if let Self::Grammar(error) = self {
            return serialize::refused(py, error.into_python(py));
        }
        let (class, attributes) = self.kind();
        let error = new(py, class, self.to_string(), attributes);
        if let Self::Vocabulary(cause) = self {
            error.set_cause(py, Some(cause.into_python(py)));
        }
        error
    }
}

impl IntoPython for MatcherError {
    fn kind(&self) -> (Class, Attributes) {
        match self {
            MatcherError::NoStopToken => (Class("TokenizerError"), vec![]),
            MatcherError::StopTokenOutOfRange { id, .. } => (Class("TokenizerError"), vec![("token_id", Value::Number(*id as usize))]),
            MatcherError::TooFarBack { .. } => (Class("RollbackError"), vec![]),
        }
    }
}

fn exceptions(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    Ok(MODULE.get_or_try_init(py, || py.import("maskwright.exceptions").map(Bound::unbind))?.bind(py))
}

fn try_new(py: Python<'_>, class: Class, message: String, attributes: Attributes) -> PyResult<PyErr> {
    let class = exceptions(py)?.getattr(class.0)?.cast_into::<PyType>()?;
    let exception = class.call1((message,))?;
    for (name, value) in attributes {
        match value {
            Value::Text(text) => exception.setattr(name, text)?,
            Value::Number(number) => exception.setattr(name, number)?,
            Value::Texts(texts) => exception.setattr(name, texts)?,
        }
    }
    Ok(PyErr::from_value(exception))
}

/// An exception of ours with a message and attributes.
pub fn new(py: Python<'_>, class: Class, message: String, attributes: Attributes) -> PyErr {
    try_new(py, class, message, attributes).unwrap_or_else(|problem| problem)
}

/// Is an error one of ours of this class?
pub fn is(py: Python<'_>, error: &PyErr, class: Class) -> bool {
    let class = exceptions(py).and_then(|module| module.getattr(class.0));
    class.is_ok_and(|class| error.is_instance(py, &class))
}

/// One of each kind of error, by the variant's name: what the test of the table walks through.
#[pyfunction]
#[pyo3(name = "_error_samples")]
pub fn error_samples(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let text = "root ::= x";
    let position = Position::of(text, 9);
    let excerpt = position.excerpt(text);
    let message = String::from("what is wrong");
    let out = PyDict::new(py);
    for (name, error) in [
        ("CompileError::Ebnf", CompileError::Ebnf { position, message: message.clone(), excerpt: excerpt.clone() }),
        ("CompileError::Regex", CompileError::Regex { position, message: message.clone(), excerpt }),
        ("CompileError::Json", CompileError::Json { position, message: message.clone() }),
        ("CompileError::Schema", CompileError::Schema { pointer: "/items".into(), message: message.clone() }),
        (
            "CompileError::UnsatisfiableSchema",
            CompileError::UnsatisfiableSchema {
                pointer: "/not".into(),
                message: message.clone(),
                conflicts: vec!["/type".into(), "/not/type".into()],
            },
        ),
        ("CompileError::Grammar", CompileError::Grammar { rule: "root".into(), message }),
        ("CompileError::UnspellableByte", CompileError::UnspellableByte { byte: 0x41 }),
        ("EngineError::Limit", CompileError::Engine(EngineError::Limit { name: "max_rules", bound: 7 })),
        ("EngineError::Interrupted", CompileError::Engine(EngineError::Interrupted)),
        ("EngineError::TimedOut", CompileError::Engine(EngineError::TimedOut)),
        ("EngineError::Internal", CompileError::Engine(EngineError::Internal("a sample"))),
    ] {
        out.set_item(name, error.into_python(py).into_value(py))?;
    }
    for (name, error) in [
        ("VocabError::TooManyTokens", VocabError::TooManyTokens { tokens: 3, vocab_size: 2 }),
        ("VocabError::IdOutOfRange", VocabError::IdOutOfRange { id: 3, vocab_size: 2 }),
        ("VocabError::NoStopToken", VocabError::NoStopToken),
        ("VocabError::TokenTooLong", VocabError::TokenTooLong { id: 3, length: 9, bound: 8 }),
    ] {
        out.set_item(name, error.into_python(py).into_value(py))?;
    }
    for (name, error) in [
        ("CacheError::NotACache", CacheError::NotACache),
        ("CacheError::OtherVersion", CacheError::OtherVersion { found: "0".into(), expected: "1".into() }),
        ("CacheError::OtherVocabulary", CacheError::OtherVocabulary),
        ("CacheError::Damaged", CacheError::Damaged { section: "masks" }),
    ] {
        out.set_item(name, error.into_python(py).into_value(py))?;
    }
    let grammar = || CompileError::Grammar { rule: "root".into(), message: "what is wrong".into() };
    for (name, error) in [
        ("DeserializeError::NotJson", DeserializeError::NotJson { position, message: "what is wrong".into() }),
        ("DeserializeError::Format", DeserializeError::Format { kind: "Grammar", message: "what is wrong".into() }),
        ("DeserializeError::OtherVersion", DeserializeError::OtherVersion { found: Some("0".into()), expected: "1".into() }),
        ("DeserializeError::OtherTokenizer", DeserializeError::OtherTokenizer { differences: vec!["vocab_size is 2, here 3".into()] }),
        ("DeserializeError::Grammar", DeserializeError::Grammar(grammar())),
        ("DeserializeError::Grammar (limit)", DeserializeError::Grammar(EngineError::Limit { name: "max_rules", bound: 7 }.into())),
        ("DeserializeError::Vocabulary", DeserializeError::Vocabulary(VocabError::NoStopToken)),
    ] {
        out.set_item(name, error.into_python(py).into_value(py))?;
    }
    for (name, error) in [
        ("MatcherError::NoStopToken", MatcherError::NoStopToken),
        ("MatcherError::StopTokenOutOfRange", MatcherError::StopTokenOutOfRange { id: 3, vocab_size: 2 }),
        ("MatcherError::TooFarBack", MatcherError::TooFarBack { steps: 2, remembered: 1 }),
    ] {
        out.set_item(name, error.into_python(py).into_value(py))?;
    }
    Ok(out)
}
