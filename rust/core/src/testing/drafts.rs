//! Drafts, trees of drafts and forced tokens, against forks that take one token at a time.
//!
//! Invariant: nothing here changes the matcher it looks at.
//! Must not know: how the matcher looks ahead.

use crate::matcher::{DraftTree, Matcher};
use crate::testing::oracle;
use crate::testing::source::Source;
use crate::testing::vocabulary::TinyVocabulary;
use crate::vocab::Spelling;

/// A token that the matcher allows, or, seldom, any.
fn draft(source: &mut Source, matcher: &Matcher, vocabulary: &TinyVocabulary) -> Result<u32, String> {
    if source.chance(15) {
        return Ok(source.below(vocabulary.vocab_size + 3) as u32);
    }
    Ok(*source.pick(&oracle::allowed(&oracle::filled(&mut matcher.fork(), vocabulary.vocab_size)?)))
}

/// Tokens that mostly follow one another.
pub fn chain(source: &mut Source, matcher: &Matcher, vocabulary: &TinyVocabulary) -> Result<Vec<u32>, String> {
    let mut ahead = matcher.fork();
    let mut drafts = Vec::new();
    for _ in 0..source.below(5) {
        drafts.push(draft(source, &ahead, vocabulary)?);
        ahead.accept_token(drafts[drafts.len() - 1]).map_err(|e| e.to_string())?;
    }
    Ok(drafts)
}

/// What `row` must be: the mask of a fork, or the stop tokens alone at a place that is never reached.
fn expect(matcher: Option<&Matcher>, stop: &[u32], row: &[u32], vocabulary: &TinyVocabulary, what: &str) -> Result<(), String> {
    let expected = if let Some(matcher) = matcher {
        oracle::filled(&mut matcher.fork(), vocabulary.vocab_size)?
    } else {
        let mut only = vec![0; row.len()];
        stop.iter().for_each(|&id| only[id as usize / 32] |= 1 << (id % 32));
        only
    };
    oracle::same(vocabulary, row, &expected, what)
}

/// A chain of drafts: its masks, and how many are legal.
pub fn check_chain(source: &mut Source, matcher: &Matcher, vocabulary: &TinyVocabulary) -> Result<(), String> {
    let engine = |e: crate::error::EngineError| e.to_string();
    let drafts = chain(source, matcher, vocabulary)?;
    let words = vocabulary.vocab_size.div_ceil(32);
    let mut rows = vec![0xDEAD_BEEF; words * (drafts.len() + 1)];
    let accepted = matcher.fill_drafts(&drafts, &mut rows).map_err(engine)?;
    let mut ahead = Some(matcher.fork());
    let mut legal = 0;
    for (i, row) in rows.chunks_exact(words).enumerate() {
        expect(ahead.as_ref(), matcher.stop_token_ids(), row, vocabulary, &format!("row {i} of the drafts {drafts:?}"))?;
        let Some(&next) = drafts.get(i) else { break };
        let Some(fork) = &mut ahead else { continue };
        if fork.accept_token(next).map_err(engine)? {
            legal += 1;
        } else {
            ahead = None;
        }
    }
    let validated = matcher.validate_tokens(&drafts).map_err(engine)?;
    if (accepted, validated) != (legal, legal) {
        return Err(format!("of the drafts {drafts:?} {legal} are legal; fill_drafts says {accepted}, validate_tokens {validated}"));
    }
    Ok(())
}

/// A random tree of drafts: its masks, and which nodes are reached.
pub fn check_tree(source: &mut Source, matcher: &Matcher, vocabulary: &TinyVocabulary) -> Result<(), String> {
    let engine = |e: crate::error::EngineError| e.to_string();
    let mut forks = vec![Some(matcher.fork())];
    let (mut next_token, mut next_sibling, mut tokens) = (vec![-1i64], vec![-1i64], vec![0]);
    for node in 1..=source.below(8) {
        let parent = source.below(node);
        let token = match &forks[parent] {
            Some(fork) => draft(source, fork, vocabulary)?,
            None => source.below(vocabulary.vocab_size) as u32,
        };
        let mut fork = forks[parent].as_ref().map(Matcher::fork);
        if let Some(taken) = &mut fork
            && !taken.accept_token(token).map_err(engine)?
        {
            fork = None;
        }
        forks.push(fork);
        tokens.push(token);
        next_token.push(-1);
        next_sibling.push(next_token[parent]);
        next_token[parent] = node as i64;
    }
    let tree = DraftTree::new(&next_token, &next_sibling, tokens.clone()).map_err(|e| e.to_string())?;
    let words = vocabulary.vocab_size.div_ceil(32);
    let mut rows = vec![0xDEAD_BEEF; words * tokens.len()];
    let reached = matcher.fill_tree(&tree, &mut rows).map_err(engine)?;
    for (node, row) in rows.chunks_exact(words).enumerate() {
        expect(forks[node].as_ref(), matcher.stop_token_ids(), row, vocabulary, &format!("node {node} of {next_token:?} {tokens:?}"))?;
        if reached[node] != forks[node].is_some() {
            return Err(format!("node {node} of {next_token:?} {tokens:?}: reached is {}", reached[node]));
        }
    }
    Ok(())
}

/// The forced tokens spell forced text, and end exactly where a token of some continuation could cross.
pub fn check_forced(matcher: &Matcher, vocabulary: &TinyVocabulary) -> Result<(), String> {
    let engine = |e: crate::error::EngineError| e.to_string();
    let forced = matcher.forced_bytes().map_err(engine)?;
    let mut after = matcher.fork();
    if matcher.is_terminated() || !after.accept_bytes(&forced).map_err(engine)? {
        return Ok(());
    }
    // The first byte of a token that goes on past the forced text.
    let mut bound = forced.len();
    for start in (0..forced.len()).rev() {
        for id in 0..vocabulary.tokens.len() as u32 {
            let Some(rest) = vocabulary.text_of(id).and_then(|text| text.strip_prefix(&forced[start..])) else { continue };
            if !rest.is_empty() && after.fork().accept_bytes(rest).map_err(engine)? {
                bound = start;
            }
        }
    }
    for spelling in [Spelling::Bytes, Spelling::Characters] {
        let all = matcher.compiled().vocabulary().spell(&forced, spelling).unwrap_or_default();
        let found = matcher.forced_tokens(spelling).map_err(engine)?;
        let mut end = 0;
        let expected: Vec<u32> = all
            .into_iter()
            .take_while(|&id| {
                end += vocabulary.tokens[id as usize].len();
                end <= bound
            })
            .collect();
        if found != expected {
            return Err(format!("forced tokens {found:?} of \"{}\", expected {expected:?}", forced.escape_ascii()));
        }
        if matcher.validate_tokens(&found) != Ok(found.len()) {
            return Err(format!("the forced tokens {found:?} are refused"));
        }
    }
    Ok(())
}
