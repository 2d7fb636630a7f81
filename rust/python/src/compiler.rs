//! `GrammarCompiler`: grammars of one vocabulary, compiled beside the interpreter and remembered.
//!
//! Invariant: identical compiles at the same time are done once; a caller's Ctrl-C or timeout never fails another caller.
//! Must not know: what compiling means.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use maskwright::error::{CompileError, EngineError};
use maskwright::frontend::json_schema::Options;
use maskwright::frontend::{ebnf, json_schema, regex};
use maskwright::grammar::Grammar as CoreGrammar;
use maskwright::limits::{Interrupt, Limits as CoreLimits};
use maskwright::matcher::{CompiledGrammar as Core, Shelf};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::background::{self, Flight, lock};
use crate::cache::{Cache, Compiling, Found, Size};
use crate::compiled::CompiledGrammar;
use crate::errors::IntoPython;
use crate::files;
use crate::fork::detached;
use crate::grammar::Grammar;
use crate::limits::Limits;
use crate::precompute::{PLACES, Running};
use crate::schema::{self, Given};
use crate::tokenizer::{Tokenizer, TokenizerInfo};

/// What to compile; equal sources compile to the same thing.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Source {
    Schema(Arc<str>, Options),
    Ebnf(Arc<str>, Arc<str>),
    Regex(Arc<str>),
    BuiltinJson,
    /// By identity.
    Grammar(u128),
}

impl Size for Source {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Schema(text, _) | Self::Regex(text) => text.len(),
            Self::Ebnf(text, root) => text.len() + root.len(),
            Self::BuiltinJson | Self::Grammar(_) => 0,
        }
    }
}

impl Source {
    fn may_be_brief(&self) -> bool {
        match self {
            Self::Schema(text, _) | Self::Ebnf(text, _) | Self::Regex(text) => background::may_be_brief(text),
            Self::BuiltinJson => true,
            Self::Grammar(_) => false,
        }
    }

    fn grammar(&self, given: Option<Arc<CoreGrammar>>, limits: &CoreLimits) -> Result<Arc<CoreGrammar>, CompileError> {
        let read = match self {
            Self::Schema(text, options) => json_schema::grammar_to_compile(text, options, limits),
            Self::Ebnf(text, root) => ebnf::parse(text, root, limits),
            Self::Regex(pattern) => regex::grammar(pattern, limits),
            Self::BuiltinJson => json_schema::builtin_json(limits),
            Self::Grammar(_) => return given.ok_or(CompileError::Engine(EngineError::Internal("a grammar without its rules"))),
        };
        read.map(Arc::new)
    }
}

/// Compiles grammars for one tokenizer and remembers them. Any number of threads may use one.
///
/// Compiling lets other threads run, can be stopped by Ctrl-C, and ends in an error when it passes ``timeout`` or a bound of ``limits``.
///
/// Args:
///     tokenizer_info: the tokenizer.
///     max_threads: threads that precompute; compiling itself is lazy and takes one.
///     cache_enabled: remember what was compiled. With it, the first compiler of a tokenizer learns the masks that nearly every JSON Schema uses,
///         which takes 2 ms with 128,000 tokens, so that no request has to; not with a ``cache_limit_bytes`` below 8 MiB.
///     cache_limit_bytes: what all grammars of this compiler, with all they learn, and the tokenizer's shared store may hold; -1: no
///         limit. Beyond it the least recently used grammars are forgotten, then masks of grammars in use, which are learned again when needed.
///     limits: how much one grammar may cost.
///     precompute: after each compile go on in the background and learn masks before they are asked for, as
///         :meth:`CompiledGrammar.precompute` does; it ends when the grammar is gone, or another compile begins. Without it nothing runs between calls.
///     precompute_timeout: seconds that this may take for one grammar.
#[pyclass(frozen, module = "maskwright")]
pub struct GrammarCompiler {
    tokenizer: Arc<Tokenizer>,
    cache: Option<Arc<Cache<Source>>>,
    shelf: Arc<Shelf>,
    limits: CoreLimits,
    cache_limit_bytes: i64,
    precompute: Option<Ahead>,
}

/// How masks are learned in the background.
struct Ahead {
    threads: usize,
    timeout: Option<f64>,
    running: Mutex<Option<Running>>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Some(running) = &*lock(&self.running) {
            running.stop();
        }
    }
}

/// When a timeout in seconds, counted from now, has passed.
pub fn deadline_of(timeout: Option<f64>) -> PyResult<Option<Instant>> {
    match timeout {
        None => Ok(None),
        Some(seconds) if seconds > 0.0 => Ok(Duration::try_from_secs_f64(seconds).ok().and_then(|d| Instant::now().checked_add(d))),
        Some(seconds) => Err(PyValueError::new_err(format!("timeout must be a number of seconds above 0, got {seconds}"))),
    }
}

impl GrammarCompiler {
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    pub fn core_limits(&self) -> &CoreLimits {
        &self.limits
    }

    /// Compile a grammar that was read already.
    pub fn compile_given(&self, py: Python<'_>, grammar: Arc<CoreGrammar>, timeout: Option<f64>) -> PyResult<CompiledGrammar> {
        self.compile(py, Source::Grammar(grammar.identity()), Some(grammar), timeout)
    }

    fn compile(&self, py: Python<'_>, source: Source, given: Option<Arc<CoreGrammar>>, timeout: Option<f64>) -> PyResult<CompiledGrammar> {
        let deadline = deadline_of(timeout)?;
        loop {
            let found = match &self.cache {
                Some(cache) => cache.begin(&source),
                None => Found::Yours(Flight::new()),
            };
            let led = matches!(found, Found::Yours(_));
            let result = match found {
                Found::Ready(compiled) => Ok(compiled),
                Found::Yours(flight) => self.lead(py, &flight, &source, given.clone(), deadline)?,
                Found::Pending(flight) => {
                    let result = flight.wait(py, deadline)?;
                    // The one who compiled gave up; that is no answer for us while we have time.
                    if Flight::was_cut_short(&result) && deadline.is_none_or(|d| Instant::now() < d) {
                        continue;
                    }
                    result
                }
            };
            let compiled = result.map_err(|error| error.into_python(py))?;
            self.go_ahead(py, &compiled, led)?;
            let source = given.unwrap_or_else(|| compiled.source().clone());
            return Ok(CompiledGrammar { compiled, source, tokenizer: self.tokenizer.clone(), limits: self.limits.clone() });
        }
    }

    /// Learn masks of what was just compiled, if that is wanted.
    fn go_ahead(&self, py: Python<'_>, compiled: &Arc<Core>, new: bool) -> PyResult<()> {
        let Some(ahead) = self.precompute.as_ref().filter(|_| new) else { return Ok(()) };
        let deadline = deadline_of(ahead.timeout)?;
        py.detach(|| {
            let mut running = lock(&ahead.running);
            if let Some(before) = &*running {
                before.stop();
            }
            *running = Some(Running::start(compiled, PLACES, ahead.threads, deadline));
        });
        Ok(())
    }

    /// Compile, and wait for it like everyone else who wants it.
    fn lead(
        &self,
        py: Python<'_>,
        flight: &Compiling,
        source: &Source,
        given: Option<Arc<CoreGrammar>>,
        deadline: Option<Instant>,
    ) -> PyResult<Result<Arc<Core>, CompileError>> {
        let (vocabulary, limits) = (self.tokenizer.vocabulary.clone(), self.limits.clone());
        let (what, cache, ticket) = (source.clone(), self.cache.clone(), flight.clone());
        let key = source.clone();
        let work = move |interrupt: &Interrupt| {
            let grammar = what.grammar(given.clone(), &limits)?;
            Core::compile_shared(&grammar, vocabulary.clone(), &limits, interrupt)
        };
        let keeper = self.shelf.clone();
        flight.launch(py, source.may_be_brief(), deadline, work, move |result| match (cache, result) {
            (Some(cache), result) => cache.finish(&key, &ticket, result.as_ref().ok()),
            // Not to be found again, but what it learns is bounded as well.
            (None, Ok(compiled)) => keeper.keep(compiled, 0),
            (None, Err(_)) => {}
        });
        let outcome = flight.wait(py, deadline);
        if !matches!(outcome, Ok(Ok(_))) {
            flight.stop();
            if let Some(cache) = &self.cache {
                cache.finish(source, flight, None);
            }
        }
        outcome
    }
}

#[pymethods]
impl GrammarCompiler {
    #[new]
    #[pyo3(signature = (tokenizer_info, *, max_threads=8, cache_enabled=true, cache_limit_bytes=-1, limits=None, precompute=false,
        precompute_timeout=Some(10.0)),
        text_signature = "(tokenizer_info, *, max_threads=8, cache_enabled=True, cache_limit_bytes=-1, limits=None, precompute=False, precompute_timeout=10.0)")]
    fn new(
        py: Python<'_>,
        tokenizer_info: &TokenizerInfo,
        max_threads: i64,
        cache_enabled: bool,
        cache_limit_bytes: i64,
        limits: Option<&Limits>,
        precompute: bool,
        precompute_timeout: Option<f64>,
    ) -> PyResult<Self> {
        deadline_of(precompute_timeout)?;
        if max_threads < 1 {
            return Err(PyValueError::new_err(format!("max_threads must be at least 1, got {max_threads}")));
        }
        let limit = match cache_limit_bytes {
            -1 => None,
            bytes => Some(
                usize::try_from(bytes)
                    .map_err(|_| PyValueError::new_err(format!("cache_limit_bytes must be -1 (no limit) or at least 0, got {bytes}")))?,
            ),
        };
        let vocabulary = &tokenizer_info.tokenizer.vocabulary;
        let shelf = Shelf::new(vocabulary, limit, cache_enabled);
        if cache_enabled {
            py.detach(|| maskwright::prime(vocabulary, limit));
        }
        Ok(Self {
            tokenizer: tokenizer_info.tokenizer.clone(),
            cache: cache_enabled.then(|| Arc::new(Cache::new(shelf.clone()))),
            shelf,
            limits: limits.map_or_else(CoreLimits::default, |l| l.0.clone()),
            cache_limit_bytes,
            precompute: precompute.then(|| {
                let processors = std::thread::available_parallelism().map_or(1, usize::from);
                let threads = usize::try_from(max_threads).map_or(1, |most| most.min(processors));
                Ahead { threads, timeout: precompute_timeout, running: Mutex::new(None) }
            }),
        })
    }

    /// Compile a JSON Schema; the options are those of :meth:`Grammar.from_json_schema`.
    ///
    /// Args:
    ///     timeout: seconds after which to give up.
    ///
    /// Raises:
    ///     JSONSchemaError, UnsatisfiableSchema: see :meth:`Grammar.from_json_schema`.
    ///     CompileTimeout: not done within ``timeout``.
    ///     LimitExceeded: a bound of ``limits`` was passed; with ``limit``.
    #[pyo3(signature = (schema, *, any_whitespace=true, indent=None, separators=None, max_whitespace_cnt=None, strict_mode=false,
        any_order=false, default_draft=None, assert_formats=true, escapes="any", number_exponents=0, registry=None, timeout=None))]
    fn compile_json_schema(
        &self,
        py: Python<'_>,
        schema: &Bound<'_, PyAny>,
        any_whitespace: bool,
        indent: Option<i64>,
        separators: Option<(String, String)>,
        max_whitespace_cnt: Option<i64>,
        strict_mode: bool,
        any_order: bool,
        default_draft: Option<String>,
        assert_formats: bool,
        escapes: &str,
        number_exponents: i64,
        registry: Option<Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<CompiledGrammar> {
        let given = Given {
            any_whitespace,
            indent,
            separators,
            max_whitespace_cnt,
            strict_mode,
            any_order,
            default_draft,
            assert_formats,
            escapes: escapes.to_owned(),
            number_exponents,
            registry,
        };
        let registry = given.registry()?;
        let options = given.options(py)?;
        let text = schema::text(schema)?;
        let Some(registry) = registry else { return self.compile(py, Source::Schema(text.into(), options), None, timeout) };
        // Which documents count is known once the references are followed, and what they say now is part of what is compiled.
        let (limits, started) = (self.limits.clone(), Instant::now());
        let read = move |_: &Interrupt| json_schema::grammar_with(&text, &options, &registry, &limits).map(Arc::new);
        let grammar = background::run(py, false, deadline_of(timeout)?, read)?.map_err(|error| error.into_python(py))?;
        let left = timeout.map(|seconds| (seconds - started.elapsed().as_secs_f64()).max(f64::MIN_POSITIVE));
        self.compile_given(py, grammar, left)
    }

    /// Compile a grammar, or EBNF text whose root rule is ``root_rule_name``.
    ///
    /// Raises:
    ///     EBNFError, GrammarError: see :meth:`Grammar.from_ebnf`.
    ///     CompileTimeout, LimitExceeded: see :meth:`compile_json_schema`.
    #[pyo3(signature = (grammar, *, root_rule_name="root", timeout=None))]
    fn compile_grammar(
        &self,
        py: Python<'_>,
        grammar: &Bound<'_, PyAny>,
        root_rule_name: &str,
        timeout: Option<f64>,
    ) -> PyResult<CompiledGrammar> {
        if let Ok(text) = grammar.cast::<PyString>() {
            return self.compile(py, Source::Ebnf(text.to_str()?.into(), root_rule_name.into()), None, timeout);
        }
        let grammar = grammar
            .cast::<Grammar>()
            .map_err(|_| PyTypeError::new_err(format!("expected a Grammar or EBNF text, got {}", grammar.get_type())))?
            .get();
        self.compile_given(py, grammar.grammar.clone(), timeout)
    }

    /// Compile a regular expression; see :meth:`Grammar.from_regex`.
    #[pyo3(signature = (regex, *, timeout=None))]
    fn compile_regex(&self, py: Python<'_>, regex: &str, timeout: Option<f64>) -> PyResult<CompiledGrammar> {
        self.compile(py, Source::Regex(regex.into()), None, timeout)
    }

    /// Compile the grammar of any JSON text.
    #[pyo3(signature = (*, timeout=None))]
    fn compile_builtin_json_grammar(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<CompiledGrammar> {
        self.compile(py, Source::BuiltinJson, None, timeout)
    }

    /// Forget everything compiled so far; what is in use stays valid.
    fn clear_cache(&self, py: Python<'_>) {
        if let Some(cache) = &self.cache {
            detached(py, || cache.clear());
        }
    }

    /// Bytes that the remembered grammars hold now, roughly.
    fn get_cache_size_bytes(&self, py: Python<'_>) -> usize {
        detached(py, || self.shelf.kept_bytes())
    }

    /// Write down what was learned, so that another process can start warm: masks of strings and numbers of any schema, and all masks of grammars and
    /// patterns that are kept or in use. States of schemas, and formats, are not saved: their masks are learned anew.
    ///
    /// The file is for this tokenizer and this version of the library; it is replaced at once or not at all.
    ///
    /// Returns:
    ///     How many masks, residuals and parts were written.
    ///
    /// Raises:
    ///     OSError: the file cannot be written.
    fn save_cache(&self, py: Python<'_>, path: PathBuf) -> PyResult<usize> {
        let (bytes, count) = detached(py, || self.shelf.save(&self.tokenizer.vocabulary));
        py.detach(|| files::replace(&path, &bytes))?;
        Ok(count)
    }

    /// Take what :meth:`save_cache` wrote into the tokenizer's shared store, which grammars compiled before or later look into.
    ///
    /// A file that is damaged, cut off, or not of this tokenizer and version is refused as a whole. Checksums find damage, not forgery: someone who
    /// can write the file can make masks wrong, though nothing worse, so load only files from whom you would take code.
    ///
    /// Returns:
    ///     How many masks, residuals and parts were read; of more than the store may hold, it keeps some.
    ///
    /// Raises:
    ///     CacheFileError: the file is no such file, or damaged, or of another tokenizer or version.
    ///     OSError: the file cannot be read, or has more than a gibibyte.
    fn load_cache(&self, py: Python<'_>, path: PathBuf) -> PyResult<usize> {
        let bytes = py.detach(|| files::read(&path))?;
        detached(py, || self.shelf.load(&self.tokenizer.vocabulary, &bytes)).map_err(|error| error.into_python(py))
    }

    /// What all grammars of this compiler have learned and hold, as numbers by name: those of :meth:`CompiledGrammar.statistics` summed up
    /// (what grammars that are gone had counted included, ``mask_bytes`` and ``states`` only of those that are not), and ``grammars`` kept or in use,
    /// ``evicted_grammars``, ``bytes`` of all grammars, ``shared_bytes``, ``shared_entries`` and ``shared_evictions`` of the tokenizer's shared store,
    /// ``compile_hits`` and ``compile_misses``.
    fn statistics(&self, py: Python<'_>) -> BTreeMap<&'static str, u64> {
        detached(py, || {
            let all = self.shelf.statistics();
            let states = self.shelf.grammars().iter().map(|grammar| grammar.state_count() as u64).sum();
            let (hits, misses) = self.cache.as_ref().map_or((0, 0), |cache| cache.counts());
            let own = [
                ("states", states),
                ("grammars", all.grammars),
                ("evicted_grammars", all.evicted_grammars),
                ("bytes", all.bytes),
                ("shared_bytes", all.shared_bytes),
                ("shared_entries", all.shared_entries),
                ("shared_evictions", all.shared_evictions),
                ("compile_hits", hits),
                ("compile_misses", misses),
            ];
            all.masks.fields().chain(own).collect()
        })
    }

    /// As given: -1 for no limit.
    #[getter]
    fn cache_limit_bytes(&self) -> i64 {
        self.cache_limit_bytes
    }

    /// The tokenizer that it compiles for.
    #[getter]
    fn tokenizer_info(&self) -> TokenizerInfo {
        TokenizerInfo { tokenizer: self.tokenizer.clone() }
    }

    /// The limits that it compiles under.
    #[getter]
    fn limits(&self) -> Limits {
        Limits(self.limits.clone())
    }

    fn __repr__(&self) -> String {
        format!("GrammarCompiler(vocab_size={}, cache_limit_bytes={})", self.tokenizer.vocabulary.vocab_size(), self.cache_limit_bytes)
    }
}
