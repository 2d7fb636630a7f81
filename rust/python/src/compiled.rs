//! `CompiledGrammar`: a grammar tied to a vocabulary.
//!
//! Invariant: immutable for the caller; what its matchers learn is shared by all of them.
//! Must not know: how it was compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use maskwright::limits::{Interrupt, Limits as CoreLimits};
use maskwright::matcher::CompiledGrammar as Core;
use maskwright::report::{Enforcement, KeywordReport};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::background;
use crate::compiler::deadline_of;
use crate::errors::IntoPython;
use crate::fork::detached;
use crate::grammar::Grammar;
use crate::limits::Limits;
use crate::precompute::Running;
use crate::tokenizer::{Tokenizer, TokenizerInfo};

/// A grammar compiled for a tokenizer: made by :class:`GrammarCompiler`, used by any number of matchers in any number of threads.
#[pyclass(frozen, module = "maskwright")]
pub struct CompiledGrammar {
    pub compiled: Arc<Core>,
    pub tokenizer: Arc<Tokenizer>,
    pub limits: CoreLimits,
}

#[pymethods]
impl CompiledGrammar {
    /// The grammar.
    #[getter]
    fn grammar(&self) -> Grammar {
        Grammar { grammar: Arc::new(self.compiled.grammar().clone()) }
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

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Grammar, TokenizerInfo, Limits))> {
        let state = (self.grammar(), self.tokenizer_info(), Limits(self.limits.clone()));
        Ok((py.get_type::<Self>().getattr("_from_state")?, state))
    }

    /// The inverse of pickling.
    #[staticmethod]
    fn _from_state(py: Python<'_>, grammar: &Grammar, tokenizer_info: &TokenizerInfo, limits: &Limits) -> PyResult<Self> {
        let (grammar, tokenizer, limits) = (grammar.grammar.clone(), tokenizer_info.tokenizer.clone(), limits.0.clone());
        let (vocabulary, bounds) = (tokenizer.vocabulary.clone(), limits.clone());
        let work = move |interrupt: &Interrupt| Core::compile(&grammar, vocabulary, &bounds, interrupt);
        let compiled = background::run(py, None, work)?.map_err(|error| error.into_python(py))?;
        Ok(Self { compiled, tokenizer, limits })
    }
}
