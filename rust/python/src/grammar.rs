//! `Grammar`: a language, not yet tied to a vocabulary.
//!
//! Invariant: immutable; printing and parsing gives an equal grammar.
//! Must not know: any front-end's syntax.

use std::sync::Arc;

use maskwright::error::CompileError;
use maskwright::frontend::{ebnf, json_schema, regex};
use maskwright::grammar::Grammar as CoreGrammar;
use maskwright::limits::Limits as CoreLimits;
use maskwright::serialize::{Object, trusting};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::background::{self, may_be_brief};
use crate::errors::IntoPython;
use crate::limits::Limits;
use crate::schema;
use crate::serialize::Given;

/// The texts that a model's output may be.
///
/// Made by the ``from_…`` methods; ``str(grammar)`` is EBNF that :meth:`from_ebnf` reads back. Grammars compare by what they say, can be
/// pickled, and are compiled for a vocabulary by :class:`GrammarCompiler`.
#[pyclass(frozen, module = "maskwright")]
pub struct Grammar {
    pub grammar: Arc<CoreGrammar>,
}

impl Grammar {
    fn parse(
        py: Python<'_>,
        may_be_brief: bool,
        work: impl Fn(&CoreLimits) -> Result<CoreGrammar, CompileError> + Send + Sync + 'static,
    ) -> PyResult<Self> {
        let result = background::run(py, may_be_brief, None, move |_| work(&CoreLimits::default()).map(Arc::new))?;
        result.map(|grammar| Self { grammar }).map_err(|error| error.into_python(py))
    }

    fn read(py: Python<'_>, given: Given, limits: Option<&Limits>) -> PyResult<Self> {
        let limits = limits.map_or_else(CoreLimits::default, |limits| limits.0.clone());
        Ok(Self { grammar: given.grammar(py, None, limits)? })
    }

    fn join(grammars: &Bound<'_, PyTuple>, what: &str, join: impl FnOnce(&[CoreGrammar]) -> CoreGrammar) -> PyResult<Self> {
        if grammars.is_empty() {
            return Err(PyValueError::new_err(format!("{what} needs at least one grammar")));
        }
        let parts = grammars.iter().map(|g| Ok(g.cast::<Self>()?.get().grammar.as_ref().clone())).collect::<PyResult<Vec<_>>>()?;
        Ok(Self { grammar: Arc::new(join(&parts)) })
    }
}

#[pymethods]
impl Grammar {
    /// A grammar in EBNF: ``name ::= body``, strings, classes, groups, ``|``, ``?``, ``*``, ``+``, ``{n,m}``, ``#`` comments.
    ///
    /// Args:
    ///     ebnf_string: the text.
    ///     root_rule_name: the rule that whole outputs match.
    ///
    /// Raises:
    ///     EBNFError: with ``line`` and ``column``.
    ///     GrammarError: a rule is missing or can never end; with ``rule``.
    #[staticmethod]
    #[pyo3(signature = (ebnf_string, *, root_rule_name="root"))]
    fn from_ebnf(py: Python<'_>, ebnf_string: String, root_rule_name: &str) -> PyResult<Self> {
        let root = root_rule_name.to_owned();
        Self::parse(py, may_be_brief(&ebnf_string), move |limits| ebnf::parse(&ebnf_string, &root, limits))
    }

    /// The texts that a regular expression matches as a whole (ECMAScript flavour).
    ///
    /// Raises:
    ///     RegexError: with ``column``; also for a backreference, which no automaton can follow.
    #[staticmethod]
    fn from_regex(py: Python<'_>, regex_string: String) -> PyResult<Self> {
        Self::parse(py, may_be_brief(&regex_string), move |limits| regex::grammar(&regex_string, limits))
    }

    /// The JSON texts of the values that a schema allows.
    ///
    /// Args:
    ///     schema: JSON text, the schema as dict or bool, or a pydantic model class.
    ///     any_whitespace: allow white space between tokens (bounded in each gap); otherwise the text is laid out exactly as
    ///         ``json.dumps`` would with ``indent`` and ``separators``.
    ///     indent: columns per level when ``any_whitespace`` is False.
    ///     separators: between items and after keys when ``any_whitespace`` is False.
    ///     max_whitespace_cnt: at most so many white-space characters in each gap.
    ///     strict_mode: take objects and arrays that do not say otherwise as closed.
    ///     any_order: allow the keys of an object in any order; otherwise declared keys come in the order of declaration.
    ///     default_draft: the draft of a schema without ``$schema``: "draft4", "draft6", "draft7", "draft2019-09" or "draft2020-12".
    ///     assert_formats: enforce ``format``; otherwise it is an annotation.
    ///     escapes: "any": strings and keys may use every escape that JSON has; "minimal": each character has its shortest spelling only.
    ///     number_exponents: where a bound, ``multipleOf`` or a list speaks of a number, it may be written with an exponent of at most this
    ///         magnitude; 0: with none.
    ///     registry: documents that the schema may refer to, by URI: a mapping whose values are dict, bool or JSON text, or a
    ///         ``referencing.Registry``. Nothing is downloaded; the meta-schemas are known. Documents are read when a reference needs them.
    ///
    /// Raises:
    ///     JSONSchemaError: malformed, a reference that leads nowhere, or a keyword that cannot be enforced; with ``pointer``, which
    ///         begins with the URI of the document unless that is the schema itself.
    ///     UnsatisfiableSchema: no value at all is allowed.
    #[staticmethod]
    #[pyo3(signature = (schema, *, any_whitespace=true, indent=None, separators=None, max_whitespace_cnt=None, strict_mode=false,
        any_order=false, default_draft=None, assert_formats=true, escapes="any", number_exponents=0, registry=None))]
    fn from_json_schema(
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
    ) -> PyResult<Self> {
        let given = schema::Given {
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
        Self::parse(py, registry.is_none() && may_be_brief(&text), move |limits| match &registry {
            None => json_schema::grammar(&text, &options, limits),
            Some(registry) => json_schema::grammar_with(&text, &options, registry, limits),
        })
    }

    /// Any JSON text.
    #[staticmethod]
    fn builtin_json_grammar(py: Python<'_>) -> PyResult<Self> {
        Self::parse(py, true, json_schema::builtin_json)
    }

    /// Exactly one of these texts.
    ///
    /// Raises:
    ///     ValueError: no choice is given.
    #[staticmethod]
    fn from_choices(choices: Vec<String>) -> PyResult<Self> {
        if choices.is_empty() {
            return Err(PyValueError::new_err("from_choices needs at least one choice"));
        }
        Ok(Self { grammar: Arc::new(CoreGrammar::from_choices(&choices)) })
    }

    /// The texts of any of the grammars.
    #[staticmethod]
    #[pyo3(signature = (*grammars))]
    fn union(grammars: &Bound<'_, PyTuple>) -> PyResult<Self> {
        Self::join(grammars, "union", CoreGrammar::union)
    }

    /// A text of the first grammar, then one of the second, and so on.
    #[staticmethod]
    #[pyo3(signature = (*grammars))]
    fn concat(grammars: &Bound<'_, PyTuple>) -> PyResult<Self> {
        Self::join(grammars, "concat", CoreGrammar::concat)
    }

    fn __str__(&self) -> String {
        self.grammar.to_string()
    }

    fn __repr__(&self) -> String {
        const SHOWN: usize = 100;
        let text = self.grammar.to_string();
        let shown: String = text.chars().take(SHOWN).collect();
        let more = if shown.len() < text.len() { "…" } else { "" };
        format!("<Grammar {shown}{more}>")
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.grammar.identity() == other.grammar.identity()
    }

    fn __hash__(&self) -> u64 {
        self.grammar.identity() as u64
    }

    /// The grammar as JSON: its rules in EBNF, schemas with their options and documents as calls in it, and the version of the format.
    fn serialize_json(&self) -> String {
        Object::Grammar(&self.grammar).to_json()
    }

    /// The grammar as bytes, for :meth:`from_bytes`.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &Object::Grammar(&self.grammar).to_bytes())
    }

    /// Read what :meth:`serialize_json` wrote, or someone who does not mean well: it is read and checked as any text of a grammar is.
    ///
    /// Args:
    ///     json_string: the text.
    ///     limits: how much the grammar may cost; the defaults of :class:`Limits` if left out.
    ///
    /// Raises:
    ///     InvalidJSONError: it is not JSON; with ``line`` and ``column``.
    ///     DeserializeVersionError: it was written in another version of the format.
    ///     DeserializeFormatError: it is something else, or its grammar is refused; ``__cause__`` says why.
    ///     LimitExceeded: a bound of ``limits`` was passed; with ``limit``.
    #[staticmethod]
    #[pyo3(signature = (json_string, *, limits=None))]
    fn deserialize_json(json_string: &Bound<'_, PyString>, limits: Option<&Limits>) -> PyResult<Self> {
        Self::read(json_string.py(), Given::json(json_string)?, limits)
    }

    /// Read what :meth:`to_bytes` wrote; see :meth:`deserialize_json`.
    ///
    /// Raises:
    ///     DeserializeError: the bytes are something else, damaged, or of another version, or their grammar is refused.
    ///     LimitExceeded: a bound of ``limits`` was passed; with ``limit``.
    #[staticmethod]
    #[pyo3(signature = (data, *, limits=None))]
    fn from_bytes(py: Python<'_>, data: &[u8], limits: Option<&Limits>) -> PyResult<Self> {
        Self::read(py, Given::bytes(data), limits)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Self>().getattr("_from_state")?, (self.to_bytes(py),)))
    }

    /// The inverse of pickling, by whoever trusts the pickle.
    #[staticmethod]
    fn _from_state(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        Ok(Self { grammar: Given::bytes(data).grammar(py, None, trusting(&CoreLimits::default()))? })
    }
}
