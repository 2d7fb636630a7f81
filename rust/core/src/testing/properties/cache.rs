//! Whatever was explored before, by whom, on how many threads, through which passes: the masks are the same.
//!
//! Invariant: a property is a pure function of the bytes that steer it.
//! Must not know: what is cached, or under which keys.

use std::sync::Arc;

use crate::grammar::Grammar;
use crate::matcher::{CompiledGrammar, Matcher};
use crate::optimize::{self, PassSelection};
use crate::testing::oracle;
use crate::testing::properties::{grammars, schemas};
use crate::testing::source::Source;
use crate::testing::vocabulary::TinyVocabulary;

/// Token sequences, and the mask before each token.
type Trails = Vec<Vec<(Vec<u32>, u32)>>;

fn trails(source: &mut Source, compiled: &Arc<CompiledGrammar>, vocabulary: &TinyVocabulary) -> Result<Trails, String> {
    let mut trails = Vec::new();
    for _ in 0..3 {
        let mut matcher = oracle::matcher(compiled);
        let mut trail = Vec::new();
        for _ in 0..14 {
            let row = oracle::filled(&mut matcher, vocabulary.vocab_size)?;
            let id = *source.pick(&oracle::allowed(&row));
            trail.push((row, id));
            if matcher.accept_token(id) != Ok(true) {
                return Err(format!("token {id} is allowed and refused"));
            }
        }
        trails.push(trail);
    }
    Ok(trails)
}

fn replay(
    trail: &[(Vec<u32>, u32)],
    vocabulary: &TinyVocabulary,
    fill: &mut dyn FnMut(&mut Matcher) -> Result<Vec<u32>, String>,
    matcher: &mut Matcher,
) -> Result<(), String> {
    for (expected, id) in trail {
        oracle::same(vocabulary, &fill(matcher)?, expected, "replayed mask")?;
        if matcher.accept_token(*id) != Ok(true) {
            return Err(format!("token {id} was accepted and is refused in a replay"));
        }
    }
    Ok(())
}

/// All the ways in which a mask may be come by.
fn check(source: &mut Source, grammar: &Grammar, compiled: &Arc<CompiledGrammar>, vocabulary: &TinyVocabulary) -> Result<(), String> {
    let size = vocabulary.vocab_size;
    let trails = trails(source, compiled, vocabulary)?;
    let mut fill = |matcher: &mut Matcher| oracle::filled(matcher, size);
    for trail in &trails {
        // Warm: everything is known, and the quick path says so.
        let mut warm = |matcher: &mut Matcher| {
            let mut row = vec![u32::MAX; size.div_ceil(32)];
            matcher.try_fill_warm(&mut row).ok_or("a mask filled before is not known")?;
            Ok(row)
        };
        replay(trail, vocabulary, &mut warm, &mut oracle::matcher(compiled)).map_err(|e| format!("warm: {e}"))?;
    }
    let fresh = || oracle::compile(grammar, vocabulary).map_err(|e| format!("compiled once, then: {e}"));
    // Another order of exploration: the last trail first, and each trail from its end, where rollback leads back.
    let other = fresh()?;
    for trail in trails.iter().rev() {
        let mut matcher = oracle::matcher(&other);
        for (_, id) in trail {
            let _ = matcher.accept_token(*id);
        }
        for (expected, _) in trail.iter().rev() {
            matcher.rollback(1).map_err(|e| e.to_string())?;
            oracle::same(vocabulary, &fill(&mut matcher)?, expected, "explored backwards")?;
        }
    }
    // Cold for every single mask.
    for trail in &trails {
        for (index, (expected, _)) in trail.iter().enumerate().step_by(4) {
            let mut matcher = oracle::matcher(&fresh()?);
            for (_, id) in &trail[..index] {
                let _ = matcher.accept_token(*id);
            }
            oracle::same(vocabulary, &fill(&mut matcher)?, expected, "cold")?;
        }
    }
    // Many threads on one fresh grammar.
    let shared = fresh()?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|first| {
                let (shared, trails) = (&shared, &trails);
                scope.spawn(move || {
                    let mut fill = |matcher: &mut Matcher| oracle::filled(matcher, size);
                    let order = (first..first + trails.len()).map(|i| &trails[i % trails.len()]);
                    order.into_iter().try_for_each(|t| replay(t, vocabulary, &mut fill, &mut oracle::matcher(shared)))
                })
            })
            .collect();
        threads.into_iter().try_for_each(|t| t.join().unwrap_or_else(|_| Err("a thread panicked".into())))
    })
    .map_err(|e| format!("threads: {e}"))?;
    // Passes off, one by one.
    for selection in PassSelection::all().without_each() {
        let optimised = optimize::optimize(grammar.clone(), &selection);
        let compiled = oracle::compile(&optimised, vocabulary).map_err(|e| format!("after {selection:?}: {e}"))?;
        for trail in &trails {
            replay(trail, vocabulary, &mut fill, &mut oracle::matcher(&compiled))
                .map_err(|e| format!("{selection:?}: {e}\n{optimised}"))?;
        }
    }
    Ok(())
}

/// On random grammars.
pub fn on_grammars(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let shape = grammars::shape(&mut source);
    let (grammar, vocabulary) = grammars::case(&mut source, &shape);
    let Ok(compiled) = oracle::compile(&grammar, &vocabulary) else { return Ok(()) };
    check(&mut source, &grammar, &compiled, &vocabulary).map_err(|e| format!("{e}\n{grammar}"))
}

/// On random schemas.
pub fn on_schemas(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let Some(case) = schemas::case(&mut source)? else { return Ok(()) };
    check(&mut source, &case.grammar, &case.compiled, &case.vocabulary).map_err(|e| format!("{e}\n{}", case.schema))
}

/// What one schema taught the vocabulary does not change the masks of another.
pub fn shared_vocabulary(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let Some(case) = schemas::case(&mut source)? else { return Ok(()) };
    let trails = trails(&mut source, &case.compiled, &case.vocabulary)?;
    // Another schema, explored first on the same vocabulary, and this one through it.
    let vocabulary = Arc::new(case.vocabulary.build().map_err(|e| e.to_string())?);
    for _ in 0..2 {
        if let Some(other) = schemas::case(&mut source)? {
            let compiled = oracle::compile_with(&other.grammar, &vocabulary).map_err(|e| e.to_string())?;
            self::trails(&mut source, &compiled, &case.vocabulary).map_err(|e| format!("{e}\n{}", other.schema))?;
        }
    }
    let compiled = oracle::compile_with(&case.grammar, &vocabulary).map_err(|e| e.to_string())?;
    let mut fill = |matcher: &mut Matcher| oracle::filled(matcher, case.vocabulary.vocab_size);
    for trail in &trails {
        replay(trail, &case.vocabulary, &mut fill, &mut oracle::matcher(&compiled)).map_err(|e| format!("{e}\n{}", case.schema))?;
    }
    Ok(())
}
