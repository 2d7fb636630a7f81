//! Random sequences of matcher operations against a model that replays the history from the start.
//!
//! Invariant: after any operations a matcher cannot be told from a fresh one that accepted the steps still in its history.
//! Must not know: how history is kept.

use std::sync::Arc;

use crate::matcher::{CompiledGrammar, Matcher};
use crate::testing::drafts;
use crate::testing::oracle;
use crate::testing::source::Source;
use crate::testing::vocabulary::TinyVocabulary;

/// One step of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Token(u32),
    Bytes(Vec<u8>),
}

struct Pair {
    matcher: Matcher,
    history: Vec<Step>,
}

/// Run operations drawn from the source until it is empty, at most `bound`, on `compiled`; the model replays on `fresh`, which may be the
/// same grammar or another compilation of it.
pub fn run(
    source: &mut Source,
    compiled: &Arc<CompiledGrammar>,
    fresh: &Arc<CompiledGrammar>,
    vocabulary: &TinyVocabulary,
    bound: usize,
) -> Result<(), String> {
    let mut pairs = vec![Pair { matcher: oracle::matcher(compiled), history: Vec::new() }];
    let mut log = Vec::new();
    for _ in 0..bound {
        if source.is_empty() {
            break;
        }
        let index = source.below(pairs.len());
        let failed = |e: String, log: &Vec<String>| format!("{e}\nafter {}", log.join(", "));
        let done = operate(source, &mut pairs, index, vocabulary).map_err(|e| failed(e, &log))?;
        log.push(format!("{index}: {done}"));
        for pair in &mut pairs {
            compare(pair, fresh, vocabulary, false).map_err(|e| failed(e, &log))?;
        }
        compare(&mut pairs[index], fresh, vocabulary, true).map_err(|e| failed(e, &log))?;
    }
    Ok(())
}

#[allow(clippy::too_many_lines)] // one arm per operation
fn operate(source: &mut Source, pairs: &mut Vec<Pair>, index: usize, vocabulary: &TinyVocabulary) -> Result<String, String> {
    let engine = |e: crate::error::EngineError| format!("engine error: {e}");
    let count = pairs.len();
    let pair = &mut pairs[index];
    match source.below(14) {
        0..=3 => {
            let row = oracle::filled(&mut pair.matcher, vocabulary.vocab_size)?;
            let allowed = oracle::allowed(&row);
            if allowed.is_empty() {
                return Err("dead end: nothing is allowed".into());
            }
            // Seldom a stop token, so that histories grow.
            let mut id = *source.pick(&allowed);
            if vocabulary.text_of(id).is_none() && source.chance(70) {
                id = *source.pick(&allowed);
            }
            if !pair.matcher.accept_token(id).map_err(engine)? {
                return Err(format!("token {id} is allowed and refused"));
            }
            pair.history.push(Step::Token(id));
            Ok(format!("accept {id}"))
        }
        4 => {
            let id = source.below(vocabulary.vocab_size + 3) as u32;
            let accepted = pair.matcher.accept_token(id).map_err(engine)?;
            if accepted {
                pair.history.push(Step::Token(id));
            }
            Ok(format!("try {id}: {accepted}"))
        }
        5 => {
            let mut bytes = Vec::new();
            for _ in 0..source.below(4) {
                bytes.extend_from_slice(source.pick::<Vec<u8>>(&vocabulary.tokens));
            }
            let prefix = pair.matcher.matched_prefix(&bytes).map_err(engine)?;
            let accepted = pair.matcher.accept_bytes(&bytes).map_err(engine)?;
            if accepted != (prefix == bytes.len()) && !pair.matcher.is_terminated() {
                return Err(format!("accept_bytes says {accepted}, matched_prefix {prefix} of {}", bytes.len()));
            }
            if accepted {
                pair.history.push(Step::Bytes(bytes.clone()));
            }
            Ok(format!("bytes \"{}\": {accepted}", bytes.escape_ascii()))
        }
        6 | 7 => {
            let steps = source.below(pair.history.len() + 2);
            let possible = steps <= pair.history.len();
            if pair.matcher.rollback(steps).is_ok() != possible {
                return Err(format!(
                    "rollback of {steps} steps of {} should {}",
                    pair.history.len(),
                    if possible { "work" } else { "fail" }
                ));
            }
            if possible {
                pair.history.truncate(pair.history.len() - steps);
            }
            Ok(format!("rollback {steps}"))
        }
        8 if count < 4 => {
            let pair = &pairs[index];
            let copy = Pair { matcher: pair.matcher.fork(), history: pair.history.clone() };
            pairs.push(copy);
            Ok("fork".into())
        }
        8 => {
            pairs.swap_remove(index);
            pairs.push(Pair { matcher: pairs[0].matcher.fork(), history: pairs[0].history.clone() });
            Ok("replace by a fork".into())
        }
        9 => {
            let ids = drafts::chain(source, &pair.matcher, vocabulary)?;
            let legal = pair.matcher.validate_tokens(&ids).map_err(engine)?;
            let accepted = pair.matcher.accept_tokens(&ids).map_err(engine)?;
            if accepted != legal {
                return Err(format!("accept_tokens takes {accepted} of {ids:?}, validate_tokens said {legal}"));
            }
            pair.history.extend(ids[..accepted].iter().map(|&id| Step::Token(id)));
            Ok(format!("accept {accepted} of {ids:?}"))
        }
        10 => {
            drafts::check_chain(source, &pair.matcher, vocabulary)?;
            Ok("drafts".into())
        }
        11 => {
            drafts::check_tree(source, &pair.matcher, vocabulary)?;
            Ok("a tree of drafts".into())
        }
        12 => {
            drafts::check_forced(&pair.matcher, vocabulary)?;
            Ok("forced tokens".into())
        }
        _ if source.chance(30) => {
            pair.matcher.reset();
            pair.history.clear();
            Ok("reset".into())
        }
        _ => {
            oracle::check_mask(&mut pair.matcher, vocabulary)?;
            Ok("check".into())
        }
    }
}

fn compare(pair: &mut Pair, fresh: &Arc<CompiledGrammar>, vocabulary: &TinyVocabulary, deep: bool) -> Result<(), String> {
    if pair.matcher.steps() != pair.history.len() {
        return Err(format!("{} steps in the history, {} were accepted", pair.matcher.steps(), pair.history.len()));
    }
    if !deep {
        return Ok(());
    }
    let mut replayed = oracle::matcher(fresh);
    for step in &pair.history {
        let accepted = match step {
            Step::Token(id) => replayed.accept_token(*id),
            Step::Bytes(bytes) => replayed.accept_bytes(bytes),
        };
        if accepted != Ok(true) {
            return Err(format!("replay: {step:?} gives {accepted:?}"));
        }
    }
    let facts = |m: &Matcher| (m.is_terminated(), m.is_completed(), m.allowed_bytes());
    if facts(&pair.matcher) != facts(&replayed) {
        return Err(format!("terminated, completed, allowed bytes: {:?}, replayed {:?}", facts(&pair.matcher), facts(&replayed)));
    }
    let (forced, expected) = (pair.matcher.forced_bytes(), replayed.forced_bytes());
    if forced != expected {
        return Err(format!("forced bytes {forced:?}, replayed {expected:?}"));
    }
    let got = oracle::filled(&mut pair.matcher, vocabulary.vocab_size)?;
    let expected = oracle::filled(&mut replayed, vocabulary.vocab_size)?;
    oracle::same(vocabulary, &got, &expected, "mask against a replay")
}
