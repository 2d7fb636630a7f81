//! The engine against brute force, on a provider written by hand: nested arrays of at most five numbers and strings.

use std::sync::Arc;

use proptest::prelude::*;

use super::{CompiledGrammar, Matcher, MatcherOptions};
use crate::bitmask;
use crate::error::EngineError;
use crate::grammar::{Expr, Grammar, Rule};
use crate::ids::{RuleId, StateId};
use crate::limits::Limits;
use crate::provider::{Alternative, Arena, Attached, ByteSet, Facts, Provider, Push, Step};
use crate::vocab::Vocabulary;

const VALUE: u32 = 0;
const OPEN: u32 = 1;
const NUMBER: u32 = 2;
const STRING: u32 = 3;
const AFTER: u32 = 4;
const END: u32 = 5;
const NEXT: u32 = 6;
const FULL: u32 = 7;

struct Arrays;

impl Arrays {
    fn facts(local: u32) -> Facts {
        match local {
            NUMBER => Facts { returns: Some(0), ..Facts::default() },
            END => Facts { returns: Some(0), has_edges: false, ..Facts::default() },
            AFTER | NEXT => Facts { counting: true, limit: 5, ..Facts::default() },
            _ => Facts::default(),
        }
    }
}

impl Provider for Arrays {
    #[allow(clippy::only_used_in_recursion)]
    fn step(&self, arena: &Arena, local: u32, byte: u8) -> Result<Step, EngineError> {
        let one = ByteSet::one(byte);
        let to = |target| Ok(Step::to(StateId(target), one));
        let call = |increment| -> Result<Step, EngineError> {
            let inner = self.step(arena, VALUE, byte)?;
            let alternatives = inner
                .alternatives
                .into_iter()
                .map(|a| {
                    let mut push = a.push;
                    push.insert(0, Push { return_to: StateId(AFTER), increment });
                    Alternative { push, ..a }
                })
                .collect();
            Ok(Step::of(alternatives, one))
        };
        match (local, byte) {
            (VALUE, b'[') => to(OPEN),
            (VALUE | NUMBER, b'0'..=b'9') => to(NUMBER),
            (VALUE, b'"') | (STRING, b'a'..=b'z') => to(STRING),
            (STRING, b'"') | (OPEN | AFTER | FULL, b']') => to(END),
            (AFTER, b',') => to(NEXT),
            (OPEN | NEXT, _) => call(true),
            _ => Ok(Step::dead(one)),
        }
    }

    fn on_return(&self, _: &Arena, local: u32, _: u32) -> Result<Option<StateId>, EngineError> {
        Ok(Some(StateId(local)))
    }

    fn settle(&self, _: &Arena, _: u32, _: u64) -> Result<Option<StateId>, EngineError> {
        Ok(Some(StateId(FULL)))
    }

    fn describe(&self, local: u32) -> String {
        format!("state {local}")
    }
}

fn compiled(tokens: &[Vec<u8>]) -> Arc<CompiledGrammar> {
    let arena = Arena::new(Limits::default());
    let provider = arena.register(Arc::new(Arrays));
    for local in 0..8 {
        arena.add_state(provider, local, Arrays::facts(local)).unwrap();
    }
    let mut all: Vec<Vec<u8>> = vec![b"</s>".to_vec()];
    all.extend(tokens.iter().cloned());
    all.extend((0..=255u8).map(|b| vec![b]));
    let vocabulary = Arc::new(Vocabulary::new(&all, all.len() + 3, &[0], &[]).unwrap());
    let grammar = Grammar { rules: vec![Rule { name: "root".into(), body: Expr::Sequence(vec![]) }], root: RuleId(0) };
    let attached = Attached { start: Some(StateId(VALUE)), nullable: false };
    let grammar = Arc::new(grammar);
    CompiledGrammar::assemble(grammar.clone(), grammar, Limits::default(), arena, attached, vocabulary).unwrap()
}

fn token() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"[[[]],,11a\"\"b".to_vec()), 1..7)
}

fn mask(matcher: &mut Matcher) -> Vec<u32> {
    let mut row = vec![u32::MAX; matcher.compiled().vocabulary().words()];
    matcher.fill(&mut row).unwrap();
    row
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn masks_are_what_forks_accept(tokens in prop::collection::vec(token(), 1..60), picks in prop::collection::vec(any::<u32>(), 1..25)) {
        let compiled = compiled(&tokens);
        let mut matcher = Matcher::new(compiled.clone(), MatcherOptions::default()).unwrap();
        let mut trail: Vec<Vec<u32>> = Vec::new();
        for pick in picks {
            let row = mask(&mut matcher);
            for id in 0..compiled.vocabulary().vocab_size() as u32 {
                prop_assert_eq!(bitmask::get(&row, id), matcher.fork().accept_token(id).unwrap(), "token {} after {} steps", id, matcher.steps());
            }
            let warm = mask(&mut matcher);
            prop_assert_eq!(&warm, &row);
            prop_assert_eq!(matcher.try_fill_warm(&mut vec![0; row.len()]), Some(true));
            let allowed: Vec<u32> = crate::mask::token_set::ones(&row);
            prop_assert!(!allowed.is_empty());
            let id = allowed[pick as usize % allowed.len()];
            trail.push(row);
            prop_assert!(matcher.accept_token(id).unwrap());
            if pick % 5 == 0 {
                let steps = pick as usize / 5 % matcher.steps();
                matcher.rollback(steps).unwrap();
                trail.truncate(matcher.steps());
            }
            let mut back = matcher.fork();
            back.rollback(1).unwrap();
            prop_assert_eq!(&mask(&mut back), trail.last().unwrap());
            if matcher.is_terminated() {
                break;
            }
        }
    }
}

#[test]
fn deep_nesting_and_long_texts_neither_overflow_nor_slow_down() {
    let compiled = compiled(&[]);
    let mut matcher = Matcher::new(compiled, MatcherOptions::default()).unwrap();
    assert!(matcher.accept_bytes(&b"[".repeat(200_000)).unwrap());
    assert!(matcher.accept_bytes(&b"]".repeat(199_999)).unwrap());
    assert!(!matcher.is_completed());
    assert_eq!(matcher.forced_bytes().unwrap(), b"");
    assert!(matcher.accept_bytes(b"]").unwrap());
    assert!(matcher.is_completed());
    matcher.reset();
    assert!(matcher.accept_bytes(b"[1,2,3,4,5").unwrap());
    assert!(!matcher.fork().accept_bytes(b",").unwrap());
    for _ in 0..200_000 {
        assert!(matcher.accept_bytes(b"5").unwrap());
    }
    matcher.rollback(150_000).unwrap();
    assert_eq!(matcher.steps(), 50_001);
}
