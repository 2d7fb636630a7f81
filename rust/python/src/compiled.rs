//! `CompiledGrammar`: a grammar tied to a vocabulary.
//!
//! Invariant: immutable for the caller; what its matchers learn is shared by all of them.
//! Must not know: how it was compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use maskwright::grammar::Grammar as CoreGrammar;
use maskwright::limits::{Interrupt, Limits as CoreLimits};
use maskwright::matcher::CompiledGrammar as Core;
use maskwright::report::{Enforcement, KeywordReport};
use maskwright::serialize::{Object, trusting};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::background;
use crate::compiler::{GrammarCompiler, deadline_of};
use crate::errors::IntoPython;
use crate::fork::detached;
use crate::grammar::Grammar;
use crate::limits::Limits;
use crate::precompute::Running;
use crate::serialize::{Given, refused};
use crate::tokenizer::{Tokenizer, TokenizerInfo};

/// A grammar compiled for a tokenizer: made by :class:`GrammarCompiler`, used by any number of matchers in any number of threads.
#[pyclass(frozen, module = "maskwright")]
pub struct CompiledGrammar {
    pub compiled: Arc<Core>,
    /// As it was given for this compile: the compiled one may be shared with an equal grammar whose rules have other names.
    pub source: Arc<CoreGrammar>,
    pub tokenizer: Arc<Tokenizer>,
    pub limits: CoreLimits,
}

/// What a pickle holds.
type State<'py> = (Bound<'py, PyBytes>, TokenizerInfo, Limits);

impl CompiledGrammar {
    fn object(&self) -> Object<'_> {
        Object::CompiledGrammar(&self.source, &self.tokenizer.vocabulary)
    }

    fn read(given: Given, target: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = target.py();
        if let Ok(compiler) = target.cast::<GrammarCompiler>() {
            let compiler = compiler.get();
            let source = given.grammar(py, Some(compiler.tokenizer().vocabulary.clone()), compiler.core_limits().clone())?;
            return compiler.compile_given(py, source, None).map_err(|error| refused(py, error));
        }
        let wrong = |_| PyTypeError::new_err(format!("expected a TokenizerInfo or a GrammarCompiler, got {}", target.get_type()));
        let tokenizer = target.cast::<TokenizerInfo>().map_err(wrong)?.get().tokenizer.clone();
        let source = given.grammar(py, Some(tokenizer.vocabulary.clone()), CoreLimits::default())?;
        Self::compile(py, source, tokenizer, CoreLimits::default()).map_err(|error| refused(py, error))
    }

    /// Compile what nobody else will ask for.
    fn compile(py: Python<'_>, source: Arc<CoreGrammar>, tokenizer: Arc<Tokenizer>, limits: CoreLimits) -> PyResult<Self> {
        let (grammar, vocabulary, bounds) = (source.clone(), tokenizer.vocabulary.clone(), limits.clone());
        let work = move |interrupt: &Interrupt| Core::compile_shared(&grammar, vocabulary.clone(), &bounds, interrupt);
        let compiled = background::run(py, false, None, work)?.map_err(|error| error.into_python(py))?;
        Ok(Self { compiled, source, tokenizer, limits })
    }
}

#[pymethods]
impl CompiledGrammar {
    /// The grammar that it was compiled from.
    #[getter]
    fn grammar(&self) -> Grammar {
        Grammar { grammar: self.source.clone() }
    }

    /// The tokenizer it was compiled for.
    #[getter]
    fn tokenizer_info(&self) -> TokenizerInfo {
        TokenizerInfo { tokenizer: self.tokenizer.clone() }
    }

    /// Bytes it holds now, roughly: it grows as its matchers meet new places.
    #[getter]
    fn memory_size_bytes(&self, py: Python<'_>) -> usize {
        detached(py, || self.compiled.memory_bytes())
    }

    /// What has been asked, learned and kept so far, as numbers by name: ``states`` made; ``hits``, rows filled from what was known (a matcher
    /// tells of some at a time, of the last at its end); ``misses``, rows for which something was learned; ``masks`` computed, of those
    /// ``full_walks`` and ``differences``; ``shared``, taken from another grammar of the tokenizer; ``resolved``; ``evictions``, given up to keep within a
    /// limit; ``learning_ns`` spent on misses, ``saved_ns`` by hits (what their masks cost when they were learned); ``mask_bytes`` kept.
    fn statistics(&self, py: Python<'_>) -> BTreeMap<&'static str, u64> {
        detached(py, || {
            let states = self.compiled.state_count() as u64;
            self.compiled.statistics().fields().chain([("states", states)]).collect()
        })
    }

    /// Learn the masks of the places that texts of this grammar reach, the likeliest first, so that no matcher has to wait for them.
    ///
    /// Without this nothing is computed before it is asked for. Other threads run meanwhile, and matchers may be used.
    ///
    /// Args:
    ///     timeout: seconds after which to stop; what was learned stays.
    ///     max_places: stop when so many places are known; a recursive grammar has no end of them.
    ///     max_threads: threads that work; as many as there are processors if left out. They end with the work.
    ///     progress: called about twenty times a second, and at the end, with the number of places done and of those known to be open; to stop,
    ///         return ``False`` or raise.
    ///
    /// Returns:
    ///     Whether all places were done, within ``max_places`` and ``timeout``.
    #[pyo3(signature = (*, timeout=None, max_places=20_000, max_threads=None, progress=None))]
    fn precompute(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        max_places: usize,
        max_threads: Option<usize>,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let deadline = deadline_of(timeout)?;
        let threads = match max_threads {
            Some(0) => return Err(PyValueError::new_err("max_threads must be at least 1, got 0")),
            Some(threads) => threads,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let running = py.detach(|| Running::start(&self.compiled, max_places, threads, deadline));
        running.wait(py, progress.as_ref())
    }

    /// How each keyword of the JSON Schemas in it is enforced: exactly, narrowed (with what is lost), or as an annotation. Empty if the
    /// grammar has no schema. A search for a completion that is given up later, while texts are matched, adds a line.
    fn json_schema_report<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let entries = py.detach(|| self.compiled.schema_report());
        let module = py.import("maskwright.report")?;
        let (report, status) = (module.getattr("KeywordReport")?, module.getattr("Enforcement")?);
        let of = |word: &str| status.call1((word,));
        let words = [of("exact")?, of("narrowed")?, of("annotation")?];
        let entry = |e: KeywordReport| {
            let status = match e.status {
                Enforcement::Exact => &words[0],
                Enforcement::Narrowed => &words[1],
                Enforcement::Annotation => &words[2],
            };
            report.call1((e.pointer, e.keyword, status, e.detail, e.schema))
        };
        entries.into_iter().map(entry).collect()
    }

    fn __repr__(&self) -> String {
        format!("<CompiledGrammar for {} tokens>", self.tokenizer.vocabulary.vocab_size())
    }

    /// The grammar as JSON, with what its masks need of the tokenizer: ``vocab_size``, ``stop_token_ids``, and a hash of all tokens that are text.
    fn serialize_json(&self) -> String {
        self.object().to_json()
    }

    /// The same as bytes, for :meth:`from_bytes`. What matchers have learned is not in it: :meth:`GrammarCompiler.save_cache` saves that.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.object().to_bytes())
    }

    /// Read what :meth:`serialize_json` wrote, or someone who does not mean well: the grammar is read, checked and compiled as any other is.
    ///
    /// Args:
    ///     json_str: the text.
    ///     tokenizer_info: the tokenizer, or a :class:`GrammarCompiler` for it, under whose limits and in whose cache it is then compiled.
    ///
    /// Raises:
    ///     TokenizerMismatch: it was compiled for another tokenizer; ``differences`` says what is different.
    ///     InvalidJSONError: it is not JSON; with ``line`` and ``column``.
    ///     DeserializeVersionError: it was written in another version of the format.
    ///     DeserializeFormatError: it is something else, or its grammar is refused; ``__cause__`` says why.
    ///     LimitExceeded: a bound of the compiler's limits, or of the defaults of :class:`Limits`, was passed; with ``limit``.
    #[staticmethod]
    fn deserialize_json(json_str: &Bound<'_, PyString>, tokenizer_info: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::read(Given::json(json_str)?, tokenizer_info)
    }

    /// Read what :meth:`to_bytes` wrote; see :meth:`deserialize_json`.
    ///
    /// Raises:
    ///     TokenizerMismatch: it was compiled for another tokenizer; ``differences`` says what is different.
    ///     DeserializeError: the bytes are something else, damaged, or of another version, or their grammar is refused.
    ///     LimitExceeded: a bound was passed; with ``limit``.
    #[staticmethod]
    fn from_bytes(data: &[u8], tokenizer_info: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::read(Given::bytes(data), tokenizer_info)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, State<'py>)> {
        let state = (self.to_bytes(py), self.tokenizer_info(), Limits(self.limits.clone()));
        Ok((py.get_type::<Self>().getattr("_from_state")?, state))
    }

    /// The inverse of pickling, by whoever trusts the pickle.
    #[staticmethod]
    fn _from_state(py: Python<'_>, data: &[u8], tokenizer_info: &TokenizerInfo, limits: &Limits) -> PyResult<Self> {
        let tokenizer = tokenizer_info.tokenizer.clone();
        let source = Given::bytes(data).grammar(py, Some(tokenizer.vocabulary.clone()), trusting(&limits.0))?;
        Self::compile(py, source, tokenizer, limits.0.clone())
    }
}
