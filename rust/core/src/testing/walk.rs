//! Random walks guided by masks: whatever the mask allows must lead to an end.
//!
//! Invariant: a walk takes only tokens that the mask allows; a token allowed and then refused, or nothing allowed, is an error.
//! Must not know: the grammar, but for the hint which bytes tend to close things.

use std::collections::{BTreeSet, VecDeque};

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

/// Walk `free` steps at random, then towards an end for at most `closing` steps: JSON's closing bytes first, and in a string one of
/// the `hints`, texts that may be needed (the names of required keys). `each_step` sees the matcher, the mask and the text
/// before every step.
pub fn walk(
    source: &mut Source,
    matcher: &mut Matcher,
    vocabulary: &TinyVocabulary,
    (free, closing): (usize, usize),
    hints: &[Vec<u8>],
    each_step: &mut dyn FnMut(&mut Matcher, &[u32], &[u8]) -> Result<(), String>,
) -> Result<End, String> {
    let mut text = Vec::new();
    let mut random = source.byte().into();
    let mut planned: VecDeque<u8> = VecDeque::new();
    let mut zeros = 0;
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
            if planned.is_empty() && (matches!(text.last(), Some(b'"' | b',')) || step % 16 == 0) {
                planned.extend(hint(matcher, hints, in_string(&text), next(&mut random))?);
            }
            if let Some(byte) = planned.pop_front() {
                *allowed
                    .iter()
                    .find(|&&id| vocabulary.text_of(id) == Some(&[byte]))
                    .ok_or_else(|| format!("byte 0x{byte:02X} is accepted after \"{}\", its token is not allowed", text.escape_ascii()))?
            } else {
                // Multiples of a large number end in zeros, more than come by chance.
                zeros = if zeros == 0 && text.last().is_some_and(u8::is_ascii_digit) { next(&mut random) % 24 } else { zeros };
                zeros = zeros.saturating_sub(1);
                let zero = allowed.iter().copied().find(|&id| vocabulary.text_of(id) == Some(b"0")).filter(|_| zeros > 0);
                let ends = allowed.iter().any(|&id| openness(vocabulary, id, true) < 3);
                zero.filter(|_| !ends).unwrap_or_else(|| towards_the_end(vocabulary, &allowed, next(&mut random)))
            }
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

/// A step of SplitMix64: closing takes more choices than a source has bytes.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 33) as usize
}

/// Does a JSON text end inside a string?
fn in_string(text: &[u8]) -> bool {
    let mut bytes = text.iter();
    let mut inside = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => inside = !inside,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    inside
}

/// Values that may be what an array has to hold yet, whatever else is known.
const SMALL: [&[u8]; 7] = [b"[]", b"{}", b"\"\"", b"null", b"0", b"true", b"false"];

/// A hint that may come next, as bytes: one that ends what it stands in, or else one that ends the string, or else any.
fn hint(matcher: &Matcher, hints: &[Vec<u8>], in_string: bool, random: usize) -> Result<Vec<u8>, String> {
    let endings: &[&str] = if in_string { &["\"]", "\"}", "\"", ""] } else { &["]", "}", ",", "\"", ""] };
    // Names mostly in the given order: the most needed ones stand first.
    let mut all: Vec<&[u8]> = hints.iter().map(Vec::as_slice).chain(SMALL).collect();
    let first = if in_string && random % 4 > 0 { 0 } else { random / 4 % all.len() };
    all.rotate_left(first);
    for ending in endings {
        for hint in &all {
            let text = [hint, ending.as_bytes()].concat();
            let mut after = matcher.fork();
            let mut accept = |bytes: &[u8]| after.accept_bytes(bytes).map_err(|e| format!("accept failed: {e}"));
            // A value is no name: which key is needed is asked once its string has begun.
            if accept(&text)? && (in_string || !accept(b":")?) {
                return Ok(text);
            }
        }
    }
    Ok(Vec::new())
}

/// Of the allowed tokens mostly one that leads to the end the quickest way, sometimes one of the next best kind, rarely one of any: that may be the
/// only way on.
fn towards_the_end(vocabulary: &TinyVocabulary, allowed: &[u32], random: usize) -> u32 {
    // Only inside a string may a tilde come.
    let in_string = allowed.iter().any(|&id| vocabulary.text_of(id) == Some(b"~"));
    let kinds: BTreeSet<usize> = allowed.iter().map(|&id| openness(vocabulary, id, in_string)).collect();
    let choice = match random % 16 {
        _ if kinds.contains(&0) => 0,
        0 => random / 16 % kinds.len().max(1),
        4 | 8 | 12 => 1,
        _ => 0,
    };
    let kind = kinds.iter().nth(choice).or(kinds.first()).copied().unwrap_or(0);
    let near: Vec<u32> = allowed.iter().copied().filter(|&id| openness(vocabulary, id, in_string) == kind).collect();
    near[random / 4 % near.len()]
}

/// How far a token leads away from the end of a JSON text.
fn openness(vocabulary: &TinyVocabulary, id: u32, in_string: bool) -> usize {
    match vocabulary.text_of(id) {
        None => 0,
        Some(b"}" | b"]") => 1 + usize::from(in_string) * 3,
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
