//! `TokenizerInfo`: which bytes each token id stands for.
//!
//! Invariant: immutable; compiled grammars and matchers share one vocabulary with it.
//! Must not know: tokenizer libraries (the package's `tokenizers` folder does).

use std::sync::Arc;

use maskwright::error::DeserializeError;
use maskwright::serialize::{Kind, Object};
use maskwright::vocab::Vocabulary;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::encoding::{VocabType, decode};
use crate::errors::IntoPython;
use crate::serialize::Given;

/// What a `TokenizerInfo` and everything compiled for it share.
pub struct Tokenizer {
    pub vocabulary: Arc<Vocabulary>,
    pub vocab_type: VocabType,
    add_prefix_space: bool,
}

/// One token id, or several.
pub struct Ids(pub Vec<u32>);

impl<'a, 'py> FromPyObject<'a, 'py> for Ids {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let problem = || PyValueError::new_err(format!("expected a token id or several, integers of at least 0, got {}", &*object));
        if let Ok(id) = object.extract::<u32>() {
            return Ok(Self(vec![id]));
        }
        let mut ids = Vec::new();
        for id in object.try_iter().map_err(|_| problem())? {
            ids.push(id?.extract::<u32>().map_err(|_| problem())?);
        }
        Ok(Self(ids))
    }
}

/// Names that end the output in well-known vocabularies; looked for when no stop token is given.
const STOP_NAMES: &[&str] =
    &["</s>", "<|end_of_text|>", "<|eot_id|>", "<|endoftext|>", "<|im_end|>", "<eos>", "<|eos|>", "<end_of_turn>", "<｜end▁of▁sentence｜>"];

/// The tokens in one stretch of bytes. Kept one by one, hundreds of thousands of small allocations are given back at once, and the allocator
/// makes the first mask wait while it merges them (3 ms).
struct Tokens {
    bytes: Vec<u8>,
    /// By id: where the token's bytes begin and end.
    spans: Vec<(usize, usize)>,
    stop: Vec<u32>,
}

impl Tokens {
    fn read(encoded: &Bound<'_, PyAny>, vocab_type: VocabType) -> PyResult<Self> {
        let mut out = Self { bytes: Vec::new(), spans: Vec::new(), stop: Vec::new() };
        if let Ok(by_token) = encoded.cast::<PyDict>() {
            let mut given = vec![false; by_token.len()];
            out.spans.resize(by_token.len(), (0, 0));
            for (token, id) in by_token.iter() {
                let id = id.extract::<u32>().map_err(|_| PyValueError::new_err(format!("token id {id} of {token} is no valid id")))?;
                let index = id as usize;
                if index >= given.len() {
                    if index >= 1 << 28 {
                        return Err(PyValueError::new_err(format!("token id {id} of {token} is too large")));
                    }
                    given.resize(index + 1, false);
                    out.spans.resize(index + 1, (0, 0));
                }
                if std::mem::replace(&mut given[index], true) {
                    return Err(PyValueError::new_err(format!("token id {id} is given twice, the second time for {token}")));
                }
                out.spans[index] = out.token(&token, id, vocab_type)?;
            }
        } else {
            for (id, token) in encoded.try_iter()?.enumerate() {
                let span = out.token(&token?, id as u32, vocab_type)?;
                out.spans.push(span);
            }
        }
        Ok(out)
    }

    /// Add the bytes of a token.
    fn put(&mut self, bytes: &[u8]) -> (usize, usize) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        (start, self.bytes.len())
    }

    fn token(&mut self, token: &Bound<'_, PyAny>, id: u32, vocab_type: VocabType) -> PyResult<(usize, usize)> {
        let (span, text) = if let Ok(text) = token.cast::<PyString>() {
            let text = text.to_str()?;
            (self.put(&decode(text, vocab_type)), Some(text))
        } else if let Ok(bytes) = token.cast::<PyBytes>() {
            let text = std::str::from_utf8(bytes.as_bytes()).ok();
            let span = match text {
                Some(text) => self.put(&decode(text, vocab_type)),
                None => self.put(bytes.as_bytes()),
            };
            (span, text)
        } else {
            return Err(PyTypeError::new_err(format!("token {id} must be str or bytes, got {}", token.get_type())));
        };
        if text.is_some_and(|t| STOP_NAMES.contains(&t)) {
            self.stop.push(id);
        }
        Ok(span)
    }

    /// By id: the bytes.
    fn slices(&self) -> Vec<&[u8]> {
        self.spans.iter().map(|&(start, end)| &self.bytes[start..end]).collect()
    }
}

/// Which bytes each token id of a model stands for, and which ids end its output.
///
/// Args:
///     encoded_vocab: the tokens by id, or a mapping from token to id.
///     vocab_type: how the tokens spell bytes.
///     vocab_size: how many ids the model's logits have; ids past the tokens are never allowed.
///     stop_token_ids: the ids that end the output; by default those with a well-known name (``</s>``, ``<|eot_id|>`` …).
///     add_prefix_space: kept as information for the caller.
///     special_token_ids: ids that are never text, whatever their characters.
///
/// Raises:
///     ValueError: no stop token, an id outside the vocabulary, or more tokens than ``vocab_size``.
#[pyclass(frozen, module = "maskwright")]
pub struct TokenizerInfo {
    pub tokenizer: Arc<Tokenizer>,
}

impl TokenizerInfo {
    fn build(
        py: Python<'_>,
        tokens: &[&[u8]],
        vocab_type: VocabType,
        vocab_size: Option<usize>,
        stop: Vec<u32>,
        special: Vec<u32>,
        add_prefix_space: bool,
    ) -> PyResult<Self> {
        let vocab_size = vocab_size.unwrap_or(tokens.len());
        let vocabulary = py.detach(|| Vocabulary::new(tokens, vocab_size, &stop, &special)).map_err(|error| error.into_python(py))?;
        Ok(Self { tokenizer: Arc::new(Tokenizer { vocabulary: Arc::new(vocabulary), vocab_type, add_prefix_space }) })
    }

    fn from_module<'py>(
        py: Python<'py>,
        module: &str,
        source: &Bound<'py, PyAny>,
        vocab_size: Option<usize>,
        stop_token_ids: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = PyDict::new(py);
        options.set_item("vocab_size", vocab_size)?;
        options.set_item("stop_token_ids", stop_token_ids)?;
        py.import(format!("maskwright.tokenizers.{module}"))?.getattr("tokenizer_info")?.call((source,), Some(&options))
    }
}

impl TokenizerInfo {
    fn object(&self) -> Object<'_> {
        Object::Tokenizer(&self.tokenizer.vocabulary, self.tokenizer.vocab_type as u8, self.tokenizer.add_prefix_space)
    }

    fn read(py: Python<'_>, given: &Given) -> PyResult<Self> {
        let read = || {
            let parts = given.data().tokenizer()?;
            let vocab_type = i64::try_from(parts.vocab_type).ok().and_then(VocabType::from_number).ok_or_else(|| {
                DeserializeError::Format { kind: Kind::Tokenizer.name(), message: format!("there is no vocab_type {}", parts.vocab_type) }
            })?;
            let (vocabulary, add_prefix_space) = (Arc::new(parts.vocabulary), parts.add_prefix_space);
            Ok(Self { tokenizer: Arc::new(Tokenizer { vocabulary, vocab_type, add_prefix_space }) })
        };
        py.detach(read).map_err(|error: DeserializeError| error.into_python(py))
    }
}

fn vocab_type_of(vocab_type: Option<&Bound<'_, PyAny>>) -> PyResult<VocabType> {
    let Some(given) = vocab_type else { return Ok(VocabType::Raw) };
    given
        .extract::<i64>()
        .ok()
        .and_then(VocabType::from_number)
        .ok_or_else(|| PyValueError::new_err(format!("vocab_type must be a maskwright.VocabType, got {given}")))
}

#[pymethods]
impl TokenizerInfo {
    #[new]
    #[pyo3(signature = (encoded_vocab, vocab_type=None, *, vocab_size=None, stop_token_ids=None, add_prefix_space=false, special_token_ids=None))]
    fn new(
        py: Python<'_>,
        encoded_vocab: &Bound<'_, PyAny>,
        vocab_type: Option<&Bound<'_, PyAny>>,
        vocab_size: Option<usize>,
        stop_token_ids: Option<Ids>,
        add_prefix_space: bool,
        special_token_ids: Option<Ids>,
    ) -> PyResult<Self> {
        let vocab_type = vocab_type_of(vocab_type)?;
        let tokens = Tokens::read(encoded_vocab, vocab_type)?;
        let stop = stop_token_ids.map_or_else(|| tokens.stop.clone(), |ids| ids.0);
        let special = special_token_ids.map_or_else(Vec::new, |ids| ids.0);
        Self::build(py, &tokens.slices(), vocab_type, vocab_size, stop, special, add_prefix_space)
    }

    /// As the constructor, but the tokens in ``literal`` stand for the bytes given there.
    #[staticmethod]
    fn _from_parts(
        py: Python<'_>,
        encoded_vocab: &Bound<'_, PyAny>,
        vocab_type: &Bound<'_, PyAny>,
        vocab_size: Option<usize>,
        stop_token_ids: Ids,
        special_token_ids: Ids,
        add_prefix_space: bool,
        literal: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let vocab_type = vocab_type_of(Some(vocab_type))?;
        let mut tokens = Tokens::read(encoded_vocab, vocab_type)?;
        for (id, bytes) in literal.iter() {
            let id = id.extract::<usize>()?;
            if id >= tokens.spans.len() {
                tokens.spans.resize(id + 1, (0, 0));
            }
            tokens.spans[id] = tokens.put(bytes.cast::<PyBytes>()?.as_bytes());
        }
        Self::build(py, &tokens.slices(), vocab_type, vocab_size, stop_token_ids.0, special_token_ids.0, add_prefix_space)
    }

    /// From a fast tokenizer of the transformers library (or one of the tokenizers library).
    ///
    /// Added tokens marked special, and the stop tokens, are never text; other added tokens stand for their characters.
    ///
    /// Args:
    ///     tokenizer: the tokenizer.
    ///     vocab_size: how many ids the model's logits have, when more than the tokenizer has.
    ///     stop_token_ids: the ids that end the output; by default the tokenizer's ``eos_token_id``.
    ///
    /// Raises:
    ///     UnsupportedTokenizer: it cannot spell every byte (WordPiece, Unigram without byte fallback), or is not a fast one.
    #[staticmethod]
    #[pyo3(signature = (tokenizer, *, vocab_size=None, stop_token_ids=None))]
    fn from_huggingface<'py>(
        py: Python<'py>,
        tokenizer: &Bound<'py, PyAny>,
        vocab_size: Option<usize>,
        stop_token_ids: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::from_module(py, "huggingface", tokenizer, vocab_size, stop_token_ids)
    }

    /// From an ``Encoding`` of the tiktoken library; its special tokens are never text.
    ///
    /// Args:
    ///     encoding: the encoding.
    ///     vocab_size: how many ids the model's logits have, when more than the encoding has.
    ///     stop_token_ids: the ids that end the output; by default ``encoding.eot_token``.
    #[staticmethod]
    #[pyo3(signature = (encoding, *, vocab_size=None, stop_token_ids=None))]
    fn from_tiktoken<'py>(
        py: Python<'py>,
        encoding: &Bound<'py, PyAny>,
        vocab_size: Option<usize>,
        stop_token_ids: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::from_module(py, "tiktoken", encoding, vocab_size, stop_token_ids)
    }

    /// From a ``SentencePieceProcessor`` or the path of its model file; control pieces are never text.
    ///
    /// Args:
    ///     processor: the processor, or a path (needs the sentencepiece library).
    ///     vocab_size: how many ids the model's logits have, when more than the model file has.
    ///     stop_token_ids: the ids that end the output; by default the processor's ``eos_id()``.
    ///
    /// Raises:
    ///     UnsupportedTokenizer: the model has no byte pieces.
    #[staticmethod]
    #[pyo3(signature = (processor, *, vocab_size=None, stop_token_ids=None))]
    fn from_sentencepiece<'py>(
        py: Python<'py>,
        processor: &Bound<'py, PyAny>,
        vocab_size: Option<usize>,
        stop_token_ids: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::from_module(py, "sentencepiece", processor, vocab_size, stop_token_ids)
    }

    /// From a tekken tokenizer of the mistral-common library, or the path of a ``tekken.json``.
    ///
    /// Args:
    ///     tokenizer: a ``Tekkenizer``, a ``MistralTokenizer`` that holds one, or a path (needs no library).
    ///     vocab_size: how many ids the model's logits have, when more than the tokenizer has.
    ///     stop_token_ids: the ids that end the output; by default that of ``</s>``.
    #[staticmethod]
    #[pyo3(signature = (tokenizer, *, vocab_size=None, stop_token_ids=None))]
    fn from_tekken<'py>(
        py: Python<'py>,
        tokenizer: &Bound<'py, PyAny>,
        vocab_size: Option<usize>,
        stop_token_ids: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::from_module(py, "mistral", tokenizer, vocab_size, stop_token_ids)
    }

    /// From a model of the llama-cpp-python library.
    ///
    /// The bytes of a token are those that llama.cpp writes for it. Control, unknown and unused tokens are never text.
    ///
    /// Args:
    ///     llama: a ``llama_cpp.Llama``.
    ///     vocab_size: how many ids the model's logits have, when more than it has tokens.
    ///     stop_token_ids: the ids that end the output; by default all that llama.cpp takes for an end of generation.
    ///
    /// Raises:
    ///     UnsupportedTokenizer: it cannot spell every text (WordPiece).
    #[staticmethod]
    #[pyo3(signature = (llama, *, vocab_size=None, stop_token_ids=None))]
    fn from_llama_cpp<'py>(
        py: Python<'py>,
        llama: &Bound<'py, PyAny>,
        vocab_size: Option<usize>,
        stop_token_ids: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::from_module(py, "llama_cpp", llama, vocab_size, stop_token_ids)
    }

    /// How the tokens spelled bytes when they were read.
    #[getter]
    fn vocab_type<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        CLASS.import(py, "maskwright.tokenizers", "VocabType")?.call1((self.tokenizer.vocab_type as u8,))
    }

    /// How many ids there are, those without a token included.
    #[getter]
    fn vocab_size(&self) -> usize {
        self.tokenizer.vocabulary.vocab_size()
    }

    /// Kept as given.
    #[getter]
    fn add_prefix_space(&self) -> bool {
        self.tokenizer.add_prefix_space
    }

    /// The bytes of each id; empty where an id has no text.
    #[getter]
    fn decoded_vocab<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let vocabulary = &self.tokenizer.vocabulary;
        PyList::new(py, (0..vocabulary.vocab_size()).map(|id| PyBytes::new(py, vocabulary.token_bytes(id as u32))))
    }

    /// The ids that end the output.
    #[getter]
    fn stop_token_ids(&self) -> Vec<u32> {
        self.tokenizer.vocabulary.stop_token_ids().to_vec()
    }

    /// The ids that are never text.
    #[getter]
    fn special_token_ids(&self) -> Vec<u32> {
        self.tokenizer.vocabulary.special_token_ids().to_vec()
    }

    /// All but the tokens themselves, as JSON.
    fn dump_metadata(&self, py: Python<'_>) -> PyResult<String> {
        let metadata = PyDict::new(py);
        metadata.set_item("vocab_type", self.tokenizer.vocab_type as u8)?;
        metadata.set_item("vocab_size", self.vocab_size())?;
        metadata.set_item("add_prefix_space", self.add_prefix_space())?;
        metadata.set_item("stop_token_ids", self.stop_token_ids())?;
        metadata.set_item("special_token_ids", self.special_token_ids())?;
        py.import("json")?.call_method1("dumps", (metadata,))?.extract()
    }

    fn __repr__(&self) -> String {
        format!(
            "TokenizerInfo(vocab_size={}, vocab_type={:?}, stop_token_ids={:?})",
            self.vocab_size(),
            self.tokenizer.vocab_type,
            self.stop_token_ids()
        )
    }

    fn __eq__(&self, other: &Self) -> bool {
        let (a, b) = (&self.tokenizer, &other.tokenizer);
        Arc::ptr_eq(a, b)
            || (a.vocabulary.identity() == b.vocabulary.identity()
                && self.stop_token_ids() == other.stop_token_ids()
                && a.vocab_type == b.vocab_type
                && a.add_prefix_space == b.add_prefix_space)
    }

    fn __hash__(&self) -> u64 {
        self.tokenizer.vocabulary.identity() as u64
    }

    /// The tokenizer as JSON; a token is the string whose characters have the numbers of its bytes.
    fn serialize_json(&self, py: Python<'_>) -> String {
        py.detach(|| self.object().to_json())
    }

    /// The tokenizer as bytes, for :meth:`from_bytes`.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes = py.detach(|| self.object().to_bytes());
        PyBytes::new(py, &bytes)
    }

    /// Read what :meth:`serialize_json` wrote, or someone who does not mean well.
    ///
    /// Raises:
    ///     InvalidJSONError: it is not JSON; with ``line`` and ``column``.
    ///     DeserializeVersionError: it was written in another version of the format.
    ///     DeserializeFormatError: it is something else, or its tokens are refused; ``__cause__`` says why.
    #[staticmethod]
    fn deserialize_json(json_string: &Bound<'_, PyString>) -> PyResult<Self> {
        Self::read(json_string.py(), &Given::json(json_string)?)
    }

    /// Read what :meth:`to_bytes` wrote.
    ///
    /// Raises:
    ///     DeserializeError: the bytes are something else, damaged, or of another version, or their tokens are refused.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        Self::read(py, &Given::bytes(data))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Self>().getattr("from_bytes")?, (self.to_bytes(py),)))
    }
}
