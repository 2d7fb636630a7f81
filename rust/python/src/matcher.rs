//! `GrammarMatcher`: one text being matched.
//!
//! Invariant: a matcher is used by one thread at a time; a second one is told so at once instead of being made to wait. What is answered
//! from caches keeps the interpreter, anything longer lets go of it.
//! Must not know: how a mask is computed.

use std::cell::Cell;
use std::sync::Arc;

use maskwright::error::EngineError;
use maskwright::matcher::{Matcher, MatcherOptions};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::bitmask::{RowIndex, Rows, with_row};
use crate::compiled::CompiledGrammar;
use crate::drafts::{self, Drafts, Judged};
use crate::errors::{self, Class, IntoPython};
use crate::fork::detached;
use crate::slot::{Slot, Unavailable};
use crate::tokenizer::{Ids, Tokenizer};

/// Texts longer than this are consumed without holding the interpreter.
const LONG_TEXT: usize = 256;
/// As are more tokens than this.
const MANY_TOKENS: usize = 64;

thread_local! {
    /// Where a cold mask is computed: the caller's array is written only while the interpreter is held. One for all matchers stays in the caches.
    static SCRATCH: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
}

/// Follows one text through a compiled grammar, token by token, and says which tokens may come next.
///
/// A matcher belongs to one thread at a time: a call while another thread or a batch is inside one raises :class:`MatcherBusy`.
/// After termination nothing raises: a fill writes only the stop tokens, a stop token is accepted and changes nothing (it is one
/// step to roll back), and any other token is refused.
///
/// Args:
///     compiled_grammar: what to match; shared by any number of matchers.
///     override_stop_tokens: the ids that end the text, instead of the tokenizer's.
///     terminate_without_stop_token: end as soon as the text is complete and cannot go on, or is complete at all.
///     max_rollback_tokens: how many steps to keep for :meth:`rollback`; -1 keeps all.
///
/// Raises:
///     ValueError: a stop token outside the vocabulary.
#[pyclass(frozen, module = "maskwright")]
pub struct GrammarMatcher {
    pub slot: Arc<Slot>,
    tokenizer: Arc<Tokenizer>,
    pub words: usize,
}

impl GrammarMatcher {
    fn wrap(matcher: Matcher, tokenizer: Arc<Tokenizer>) -> Self {
        let words = tokenizer.vocabulary.words();
        Self { slot: Slot::new(matcher), tokenizer, words }
    }

    /// Do something with the matcher, if no one else does.
    #[inline]
    fn with<R>(&self, py: Python<'_>, run: impl FnOnce(&mut Matcher) -> PyResult<R>) -> PyResult<R> {
        match self.slot.open() {
            Ok(mut matcher) => run(&mut matcher),
            Err(why) => Err(unavailable(py, why)),
        }
    }

    /// Look ahead at drafts, and fill their rows.
    fn judge(&self, py: Python<'_>, drafts: Drafts, bitmask: &Bound<'_, PyAny>, index: i64) -> PyResult<Judged> {
        self.with(py, |matcher| {
            let rows = Rows::hold(bitmask, self.words)?;
            let result = match rows.block(py, index, drafts.rows()) {
                Ok(mut block) => raise(py, detached(py, || drafts.fill(matcher, &mut block))),
                Err(error) => Err(error),
            };
            rows.release(py);
            result
        })
    }
}

/// The error of a matcher that cannot be used.
#[cold]
pub fn unavailable(py: Python<'_>, why: Unavailable) -> PyErr {
    let (class, message) = match why {
        Unavailable::Busy => (
            "MatcherBusy",
            "another call of this matcher is under way, in another thread or in a batch; use one matcher per thread: fork() makes an \
             independent copy",
        ),
        Unavailable::Lost => ("InternalError", "an earlier call of this matcher failed inside; make a new matcher"),
    };
    errors::new(py, Class(class), message.into(), vec![])
}

fn raise<T>(py: Python<'_>, result: Result<T, EngineError>) -> PyResult<T> {
    result.map_err(|error| error.into_python(py))
}

/// The bytes of a text argument.
pub fn text_bytes<'a>(text: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    if let Ok(text) = text.cast::<PyString>() {
        return Ok(text.to_str()?.as_bytes());
    }
    match text.cast::<PyBytes>() {
        Ok(bytes) => Ok(bytes.as_bytes()),
        Err(_) => Err(PyTypeError::new_err(format!("expected str or bytes, got {}", text.get_type()))),
    }
}

#[pymethods]
impl GrammarMatcher {
    #[new]
    #[pyo3(signature = (compiled_grammar, *, override_stop_tokens=None, terminate_without_stop_token=false, max_rollback_tokens=-1),
        text_signature = "(compiled_grammar, *, override_stop_tokens=None, terminate_without_stop_token=False, max_rollback_tokens=-1)")]
    fn new(
        py: Python<'_>,
        compiled_grammar: &CompiledGrammar,
        override_stop_tokens: Option<Ids>,
        terminate_without_stop_token: bool,
        max_rollback_tokens: i64,
    ) -> PyResult<Self> {
        let max_rollback_tokens = match max_rollback_tokens {
            -1 => None,
            n => Some(
                usize::try_from(n)
                    .map_err(|_| PyValueError::new_err(format!("max_rollback_tokens must be -1 (no limit) or at least 0, got {n}")))?,
            ),
        };
        let options = MatcherOptions {
            override_stop_tokens: override_stop_tokens.map(|ids| ids.0),
            terminate_without_stop_token,
            max_rollback_tokens,
        };
        let matcher = Matcher::new(compiled_grammar.compiled.clone(), options).map_err(|error| error.into_python(py))?;
        Ok(Self::wrap(matcher, compiled_grammar.tokenizer.clone()))
    }

    /// Consume one token.
    ///
    /// Returns:
    ///     False if the token is refused (or is no id of the vocabulary); the matcher is then unchanged.
    ///
    /// Raises:
    ///     LimitExceeded: the grammar became too ambiguous at this text.
    fn accept_token(&self, py: Python<'_>, token_id: &Bound<'_, PyAny>) -> PyResult<bool> {
        let id = match token_id.extract::<u32>() {
            Ok(id) => id,
            // Any other integer is no id of the vocabulary; what is no integer is a mistake.
            Err(error) => {
                token_id.call_method0("__index__").map_err(|_| error)?;
                return Ok(false);
            }
        };
        self.with(py, |matcher| raise(py, matcher.accept_token(id)))
    }

    /// Consume tokens one after another until one is refused; each is a step to roll back.
    ///
    /// Args:
    ///     token_ids: any sequence, array or tensor of integers.
    ///
    /// Returns:
    ///     How many were accepted.
    ///
    /// Raises:
    ///     LimitExceeded: the grammar became too ambiguous at this text; no token was accepted then.
    fn accept_tokens(&self, py: Python<'_>, token_ids: &Bound<'_, PyAny>) -> PyResult<usize> {
        let ids = drafts::tokens(token_ids, "token_ids")?;
        self.with(py, |matcher| {
            let result = if ids.len() > MANY_TOKENS { detached(py, || matcher.accept_tokens(&ids)) } else { matcher.accept_tokens(&ids) };
            raise(py, result)
        })
    }

    /// How many of the tokens could be consumed one after another; the matcher is unchanged.
    ///
    /// Raises:
    ///     LimitExceeded: the grammar became too ambiguous at this text.
    fn validate_tokens(&self, py: Python<'_>, token_ids: &Bound<'_, PyAny>) -> PyResult<usize> {
        let ids = drafts::tokens(token_ids, "token_ids")?;
        self.with(py, |matcher| {
            let result =
                if ids.len() > MANY_TOKENS { detached(py, || matcher.validate_tokens(&ids)) } else { matcher.validate_tokens(&ids) };
            raise(py, result)
        })
    }

    /// Consume a text, whatever its tokens would be. One step to roll back.
    ///
    /// Returns:
    ///     False if the text cannot come next; the matcher is then unchanged.
    fn accept_string(&self, py: Python<'_>, input_str: &Bound<'_, PyAny>) -> PyResult<bool> {
        let bytes = text_bytes(input_str)?;
        self.with(py, |matcher| {
            let result = if bytes.len() > LONG_TEXT { detached(py, || matcher.accept_bytes(bytes)) } else { matcher.accept_bytes(bytes) };
            raise(py, result)
        })
    }

    /// Write the mask of the tokens allowed next into one row of ``bitmask``; after termination, only the stop tokens.
    ///
    /// Bit ``i % 32`` of word ``i // 32`` is set when token ``i`` is allowed. The whole row is written; bits past the vocabulary are zero.
    ///
    /// Args:
    ///     bitmask: int32, shape ``(batch, ceil(vocab_size / 32))`` or one row, C-contiguous, on the CPU; numpy array or torch tensor.
    ///     index: the row to write.
    ///
    /// Returns:
    ///     False if every token is allowed, so that applying the mask can be skipped.
    ///
    /// Raises:
    ///     ValueError: wrong dtype, shape, device or index.
    #[pyo3(signature = (bitmask, index=RowIndex(0)), text_signature = "($self, bitmask, index=0)")]
    fn fill_next_token_bitmask(&self, py: Python<'_>, bitmask: &Bound<'_, PyAny>, index: RowIndex) -> PyResult<bool> {
        let index = index.0;
        self.with(py, |matcher| {
            if let Some(restricts) = with_row(bitmask, index, self.words, |row| matcher.try_fill_warm(row))? {
                return Ok(restricts);
            }
            let mut scratch = SCRATCH.take();
            scratch.resize(self.words, 0);
            let restricts = raise(py, detached(py, || matcher.fill(&mut scratch)));
            // Checked again: the interpreter was free to do anything to the array meanwhile.
            let result = restricts.and_then(|restricts| {
                with_row(bitmask, index, self.words, |row| row.copy_from_slice(&scratch))?;
                Ok(restricts)
            });
            SCRATCH.set(scratch);
            result
        })
    }

    /// Write the masks along a chain of drafts, without holding the interpreter; the matcher is unchanged.
    ///
    /// Row ``index`` gets the mask of the next token, row ``index + i`` that after ``i`` drafts: one row more than there are drafts. After a
    /// draft that is refused the rows allow only the stop tokens: they are never reached.
    ///
    /// Args:
    ///     drafts: the proposed tokens; any sequence, array or tensor of integers.
    ///     bitmask: as for :meth:`fill_next_token_bitmask`; no one else may write to it meanwhile.
    ///     index: the first row.
    ///
    /// Returns:
    ///     How many drafts are legal.
    ///
    /// Raises:
    ///     ValueError: wrong dtype, shape or device, or not so many rows.
    ///     LimitExceeded: the grammar became too ambiguous at this text; all rows are zeros then.
    #[pyo3(signature = (drafts, bitmask, index=RowIndex(0)), text_signature = "($self, drafts, bitmask, index=0)")]
    fn fill_draft_bitmasks(
        &self,
        py: Python<'_>,
        drafts: &Bound<'_, PyAny>,
        bitmask: &Bound<'_, PyAny>,
        index: RowIndex,
    ) -> PyResult<usize> {
        let drafts = Drafts::Chain(drafts::tokens(drafts, "drafts")?);
        Ok(self.judge(py, drafts, bitmask, index.0)?.chain())
    }

    /// Write the mask of each node of a tree of drafts, without holding the interpreter; the matcher is unchanged.
    ///
    /// Node 0 is the root and stands for the place of the matcher: its token does not count. Row ``index + i`` gets the mask of the next token
    /// after the drafts from the root to node ``i``; below a draft that is refused, and where no link leads, it allows only the stop tokens.
    ///
    /// Args:
    ///     next_token: for each node its first child, -1 for none; any sequence, array or tensor of integers, as are the next two.
    ///     next_sibling: for each node its next sibling, -1 for none.
    ///     draft_tokens: for each node its token.
    ///     bitmask: as for :meth:`fill_next_token_bitmask`; no one else may write to it meanwhile.
    ///     index: the row of the root.
    ///
    /// Returns:
    ///     For each node, whether the grammar accepts the drafts that lead there.
    ///
    /// Raises:
    ///     ValueError: the links are no tree; wrong dtype, shape or device, or not so many rows.
    ///     LimitExceeded: the grammar became too ambiguous at this text; all rows are zeros then.
    #[pyo3(signature = (next_token, next_sibling, draft_tokens, bitmask, index=RowIndex(0)),
        text_signature = "($self, next_token, next_sibling, draft_tokens, bitmask, index=0)")]
    fn traverse_draft_tree(
        &self,
        py: Python<'_>,
        next_token: &Bound<'_, PyAny>,
        next_sibling: &Bound<'_, PyAny>,
        draft_tokens: &Bound<'_, PyAny>,
        bitmask: &Bound<'_, PyAny>,
        index: RowIndex,
    ) -> PyResult<Vec<bool>> {
        let drafts = Drafts::Tree(drafts::tree(next_token, next_sibling, draft_tokens)?);
        Ok(self.judge(py, drafts, bitmask, index.0)?.tree())
    }

    /// Undo the last ``num_tokens`` steps: accepted tokens and accepted strings, also past the end.
    ///
    /// Raises:
    ///     RuntimeError: there are not so many steps, or they were not kept.
    #[pyo3(signature = (num_tokens=1))]
    fn rollback(&self, py: Python<'_>, num_tokens: i64) -> PyResult<()> {
        let steps =
            usize::try_from(num_tokens).map_err(|_| PyValueError::new_err(format!("num_tokens must be at least 0, got {num_tokens}")))?;
        self.with(py, |matcher| matcher.rollback(steps).map_err(|error| error.into_python(py)))
    }

    /// An independent copy at the same place; takes well under a microsecond inside, whatever the length of the text.
    fn fork(&self, py: Python<'_>) -> PyResult<Self> {
        self.with(py, |matcher| Ok(Self::wrap(matcher.fork(), self.tokenizer.clone())))
    }

    /// Go back to the start and forget the history.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |matcher| {
            matcher.reset();
            Ok(())
        })
    }

    /// Has a stop token been accepted (or, with ``terminate_without_stop_token``, is the text complete)?
    fn is_terminated(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, |matcher| Ok(matcher.is_terminated()))
    }

    /// Does the text match the grammar as it is, so that it may end here?
    fn is_completed(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, |matcher| Ok(matcher.is_completed()))
    }

    /// The text that must come next whatever the model says, as far as it consists of whole characters; often empty.
    fn find_jump_forward_string(&self, py: Python<'_>) -> PyResult<String> {
        let bytes = self.with(py, |matcher| raise(py, matcher.forced_bytes()))?;
        let whole = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        };
        Ok(whole.to_owned())
    }

    /// The bytes that must come next whatever the model says.
    fn find_jump_forward_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.with(py, |matcher| raise(py, matcher.forced_bytes()))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The tokens that must come next whatever the model says, so that it need not be asked; often empty. The matcher is unchanged.
    ///
    /// They spell the text of :meth:`find_jump_forward_bytes`, but end before any place where a tokenizer might spell the end of that text together
    /// with what follows it: the model then goes on as it has learned to.
    ///
    /// Args:
    ///     encode: the tokenizer's own function from text to ids, which makes the tokens exactly its own. Without it, or where it does not spell the
    ///         text, pairs are merged in the order of their ids, as byte-pair tokenizers do but for the cutting up of the text before.
    ///
    /// Raises:
    ///     LimitExceeded: the grammar became too ambiguous at this text.
    #[pyo3(signature = (encode=None))]
    fn find_jump_forward_tokens(&self, py: Python<'_>, encode: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<u32>> {
        // The encoder may do anything meanwhile, so a copy is asked.
        let ahead = self.with(py, |matcher| Ok(matcher.fork()))?;
        raise(py, drafts::forced(py, &ahead, self.tokenizer.vocab_type, encode)?)
    }

    /// How many bytes of a text could come next before one is refused; the matcher is unchanged.
    fn matched_prefix_length(&self, py: Python<'_>, input_str: &Bound<'_, PyAny>) -> PyResult<usize> {
        let bytes = text_bytes(input_str)?;
        self.with(py, |matcher| raise(py, detached(py, || matcher.matched_prefix(bytes))))
    }

    /// The bytes that may come next, ascending.
    fn allowed_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let allowed: Vec<u8> = self.with(py, |matcher| raise(py, matcher.allowed_bytes()))?.iter().collect();
        Ok(PyBytes::new(py, &allowed))
    }

    /// What may come next, in words: for messages to people.
    fn expected(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.with(py, |matcher| Ok(matcher.expected()))
    }

    /// The ids that end the text.
    #[getter]
    fn stop_token_ids(&self, py: Python<'_>) -> PyResult<Vec<u32>> {
        self.with(py, |matcher| Ok(matcher.stop_token_ids().to_vec()))
    }

    /// How many steps have been taken: accepted tokens and strings.
    #[getter]
    fn num_steps(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |matcher| Ok(matcher.steps()))
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a GrammarMatcher cannot be pickled or copied; pickle its CompiledGrammar and replay the tokens, or use fork()",
        ))
    }
}
