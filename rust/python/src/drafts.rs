//! Drafts as Python gives them: chains and trees of tokens, and the rows of a bitmask that belong to them.
//!
//! Invariant: all is read and checked before any matcher is touched; an id that no vocabulary can have is refused like any other wrong one.
//! Must not know: how a draft is judged.

use maskwright::error::EngineError;
use maskwright::matcher::{DraftTree, Matcher};
use maskwright::vocab::Spelling;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::bitmask::{RowPointer, Rows};
use crate::encoding::VocabType;
use crate::fork::detached;

/// What no vocabulary has: masks are narrower.
const NO_TOKEN: u32 = u32::MAX;

/// A list of integers: any sequence, array or tensor.
pub fn numbers(given: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<i64>> {
    let problem = || PyTypeError::new_err(format!("{name} must be a list of integers, got {}", given.get_type()));
    if given.is_instance_of::<PyString>() || given.is_instance_of::<PyBytes>() {
        return Err(problem());
    }
    // Arrays and tensors become lists at once; item by item each number would be an object of its own.
    let list = if let Some(to_list) = given.getattr_opt(intern!(given.py(), "tolist"))? { to_list.call0()? } else { given.clone() };
    list.extract().map_err(|_| problem())
}

/// Token ids, those that are none among them.
pub fn tokens(given: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<u32>> {
    Ok(numbers(given, name)?.into_iter().map(|id| u32::try_from(id).unwrap_or(NO_TOKEN)).collect())
}

/// A tree in the three lists that serving engines keep.
pub fn tree(next_token: &Bound<'_, PyAny>, next_sibling: &Bound<'_, PyAny>, draft_tokens: &Bound<'_, PyAny>) -> PyResult<DraftTree> {
    let (next_token, next_sibling) = (numbers(next_token, "next_token")?, numbers(next_sibling, "next_sibling")?);
    let tokens = tokens(draft_tokens, "draft_tokens")?;
    DraftTree::new(&next_token, &next_sibling, tokens).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// What a matcher looks ahead at.
pub enum Drafts {
    Chain(Vec<u32>),
    Tree(DraftTree),
}

/// What came of it.
#[derive(Clone)]
pub enum Judged {
    /// How many drafts of a chain are legal.
    Chain(usize),
    /// Which nodes of a tree are reached.
    Tree(Vec<bool>),
}

impl Judged {
    pub fn chain(self) -> usize {
        match self {
            Self::Chain(count) => count,
            Self::Tree(_) => 0,
        }
    }

    pub fn tree(self) -> Vec<bool> {
        match self {
            Self::Chain(_) => Vec::new(),
            Self::Tree(nodes) => nodes,
        }
    }
}

impl Drafts {
    /// How many rows of a bitmask it fills.
    pub fn rows(&self) -> usize {
        match self {
            Self::Chain(drafts) => drafts.len() + 1,
            Self::Tree(tree) => tree.len(),
        }
    }

    /// Fill its rows, without the interpreter.
    pub fn fill(&self, matcher: &Matcher, rows: &mut RowPointer) -> Result<Judged, EngineError> {
        // SAFETY: whoever made the pointer holds the bitmask until the work is done, and no two blocks of a call have a row in common.
        let words = unsafe { rows.words() };
        let result = match self {
            Self::Chain(drafts) => matcher.fill_drafts(drafts, words).map(Judged::Chain),
            Self::Tree(tree) => matcher.fill_tree(tree, words).map(Judged::Tree),
        };
        if result.is_err() {
            // Nothing made up: a failed matcher allows nothing.
            words.fill(0);
        }
        result
    }
}

/// A number of rows, which memory bounds.
fn wide(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The rows of each, one after another from `indices` or from where the one before ends. No row is there twice.
pub fn blocks(py: Python<'_>, rows: &Rows, drafts: &[Drafts], indices: Option<Vec<i64>>) -> PyResult<Vec<RowPointer>> {
    let indices = indices.unwrap_or_else(|| {
        let starts = drafts.iter().scan(0, |end, drafts| {
            let start = *end;
            *end += wide(drafts.rows());
            Some(start)
        });
        starts.collect()
    });
    let blocks: PyResult<Vec<RowPointer>> =
        drafts.iter().zip(&indices).map(|(drafts, &index)| rows.block(py, index, drafts.rows())).collect();
    let blocks = blocks?;
    let mut spans: Vec<(i64, usize)> = indices.iter().copied().zip(drafts.iter().map(Drafts::rows)).collect();
    spans.sort_unstable();
    for pair in spans.windows(2) {
        if let [(start, count), (next, _)] = *pair
            && start + wide(count) > next
        {
            return Err(PyValueError::new_err(format!("row {next} is asked for twice")));
        }
    }
    Ok(blocks)
}

/// The forced tokens of a matcher that nobody else uses, spelled by `encode` where that spells the very text.
pub fn forced(
    py: Python<'_>,
    matcher: &Matcher,
    vocab_type: VocabType,
    encode: Option<&Bound<'_, PyAny>>,
) -> PyResult<Result<Vec<u32>, EngineError>> {
    let spelling = if matches!(vocab_type, VocabType::ByteFallback) { Spelling::Characters } else { Spelling::Bytes };
    let Some(encode) = encode else { return Ok(detached(py, || matcher.forced_tokens(spelling))) };
    let bytes = match detached(py, || matcher.forced_bytes()) {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Err(error)),
    };
    // The encoder takes text; part of a character at the end stays behind.
    let whole = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    };
    if whole.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let mut ids = tokens(&encode.call1((whole,))?, "what encode returns")?;
    let vocabulary = matcher.compiled().vocabulary();
    // A beginning-of-text token is none of the text.
    let text = ids.iter().position(|&id| vocabulary.is_text(id)).unwrap_or(ids.len());
    ids.drain(..text);
    let spelled: Vec<u8> = ids.iter().flat_map(|&id| vocabulary.token_bytes(id)).copied().collect();
    if spelled != whole.as_bytes() {
        // It adds a space before the text, or changes it: of no use here.
        ids = vocabulary.spell(whole.as_bytes(), spelling).unwrap_or_default();
    }
    Ok(detached(py, || matcher.settled(whole.as_bytes(), &ids)))
}
