//! Random walks guided by masks: whatever the mask allows must lead to an end.
//!
//! Invariant: a walk takes only tokens that the mask allows; a token allowed and then refused, or nothing allowed, is an error.
//! Must not know: the grammar, but for the hint which bytes tend to close things.

use std::collections::VecDeque;

use crate::matcher::Matcher;
use crate::testing::oracle;
use crate::testing::source::Source;
use crate::testing::vocabulary::TinyVocabulary;

/// How a walk went.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// A stop token was taken after this text.
    Finished(Vec<u8>),
    /// The bound was reached first.
    Unfinished(Vec<u8>),
}

/// Walk `free` steps at random, then towards an end for at most `closing` steps, JSON's closing bytes first.
/// `each_step` sees the matcher, the mask and the text before every step.
pub fn walk(
    source: &mut Source,
    matcher: &mut Matcher,
    vocabulary: &TinyVocabulary,
    free: usize,
    closing: usize,
    each_step: &mut dyn FnMut(&mut Matcher, &[u32], &[u8]) -> Result<(), String>,
) -> Result<End, String> {
    let mut text = Vec::new();
    for step in 0..free + closing {
        let row = oracle::filled(matcher, vocabulary.vocab_size)?;
        each_step(matcher, &row, &text)?;
        let allowed = oracle::allowed(&row);
        if allowed.is_empty() {
            return Err(format!("dead end: nothing is allowed after \"{}\"", text.escape_ascii()));
        }
        let id = if step < free {
            *source.pick(&allowed)
        } else {
            let best = allowed.iter().map(|&id| openness(vocabulary, id)).min().unwrap_or(0);
            let near: Vec<u32> = allowed.into_iter().filter(|&id| openness(vocabulary, id) == best).collect();
            near[(usize::from(source.byte()) + step * 7919) % near.len()]
        };
        if !matcher.accept_token(id).map_err(|e| format!("accept failed: {e}"))? {
            return Err(format!("token {id} is allowed and refused after \"{}\"", text.escape_ascii()));
        }
        match vocabulary.text_of(id) {
            Some(bytes) => text.extend_from_slice(bytes),
            None if matcher.is_terminated() => return Ok(End::Finished(text)),
            None => return Err(format!("token {id} is no text, was accepted, and ended nothing")),
        }
    }
    Ok(End::Unfinished(text))
}

/// How far a token leads away from the end of a JSON text.
fn openness(vocabulary: &TinyVocabulary, id: u32) -> usize {
    match vocabulary.text_of(id) {
        None => 0,
        Some(b"}" | b"]") => 1,
        Some(b"\"") => 2,
        Some([b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b':' | 0x80..]) => 3,
        Some([b' ' | b'\t' | b'\n' | b'\r']) => 6,
        Some([b',' | b'{' | b'[' | b'\\']) => 5,
        Some([_]) => 4,
        Some(_) => 7,
    }
}

/// Looks for a completion byte by byte, breadth first, over at most `nodes` configurations.
/// `Ok(None)`: the bound was reached first; `Err`: there is none, a dead end.
pub fn completion(matcher: &Matcher, nodes: usize) -> Result<Option<Vec<u8>>, String> {
    let mut queue: VecDeque<(Matcher, Vec<u8>)> = VecDeque::from([(matcher.fork(), Vec::new())]);
    let mut seen = 0;
    while let Some((at, text)) = queue.pop_front() {
        if at.is_completed() {
            return Ok(Some(text));
        }
        let bytes = at.allowed_bytes().map_err(|e| format!("allowed_bytes failed: {e}"))?;
        for byte in bytes.iter() {
            seen += 1;
            if seen > nodes {
                return Ok(None);
            }
            let mut next = at.fork();
            if !next.accept_bytes(&[byte]).map_err(|e| format!("accept failed: {e}"))? {
                return Err(format!("byte 0x{byte:02X} is allowed and refused after \"{}\"", text.escape_ascii()));
            }
            let mut longer = text.clone();
            longer.push(byte);
            queue.push_back((next, longer));
        }
    }
    Err("dead end: no continuation is accepted".into())
}
