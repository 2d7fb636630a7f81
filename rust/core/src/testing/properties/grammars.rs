//! Random context-free grammars: the recogniser against the engine, masks against forks and against the recogniser.
//!
//! Invariant: a property is a pure function of the bytes that steer it; an `Err` tells a person what went wrong, with the grammar.
//! Must not know: whether proptest or a fuzzer calls it.

use crate::error::CompileError;
use crate::frontend::ebnf;
use crate::grammar::Grammar;
use crate::limits::Limits;
use crate::testing::generate::{self, Shape};
use crate::testing::oracle;
use crate::testing::recogniser::Recogniser;
use crate::testing::source::Source;
use crate::testing::vocabulary::{self, TinyVocabulary};
use crate::testing::walk::{self, End};

/// The longest text that the recogniser is asked about here.
const LONGEST: usize = 44;

/// One of the shapes.
pub(super) fn shape(source: &mut Source) -> Shape {
    [Shape::LETTERS, Shape::MIXED, Shape::COUNTED][source.below(3)]
}

/// A random grammar and a vocabulary that can spell it, with tokens cut from its texts.
pub(super) fn case(source: &mut Source, shape: &Shape) -> (Grammar, TinyVocabulary) {
    let grammar = generate::grammar(source, shape);
    let samples: Vec<Vec<u8>> = (0..3).filter_map(|_| generate::text(source, &grammar, 12)).filter(|t| !t.is_empty()).collect();
    let vocabulary = vocabulary::vocabulary(source, &generate::bytes_of(&grammar), &samples);
    (grammar, vocabulary)
}

/// May the grammar be refused? Exactly when a rule derives nothing; it must be if the root does.
fn check_refusal(error: &CompileError, recogniser: &Recogniser) -> Result<(), String> {
    match error {
        CompileError::Grammar { .. } if recogniser.productive().contains(&false) => Ok(()),
        other => Err(format!("refused: {other}")),
    }
}

/// Bit i is set exactly when a fork accepts token i, and exactly when the recogniser finds the longer text viable.
pub fn masks(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let shape = shape(&mut source);
    let (grammar, vocabulary) = case(&mut source, &shape);
    let recogniser = Recogniser::new(&grammar).expect("nothing embedded");
    let described = |e: String, text: &[u8]| format!("{e}\nafter \"{}\" of\n{grammar}", text.escape_ascii());
    let compiled = match oracle::compile(&grammar, &vocabulary) {
        Ok(compiled) if recogniser.root_is_productive() => compiled,
        Ok(_) => return Err(described("accepts a grammar that derives nothing".into(), b"")),
        Err(error) => return check_refusal(&error, &recogniser).map_err(|e| described(e, b"")),
    };
    let mut matcher = oracle::matcher(&compiled);
    let mut text = Vec::new();
    for _ in 0..8 {
        let row = oracle::check_mask(&mut matcher, &vocabulary).map_err(|e| described(e, &text))?;
        let expected = oracle::recognised(&recogniser, &vocabulary, &text);
        oracle::same(&vocabulary, &row, &expected, "mask against the recogniser").map_err(|e| described(e, &text))?;
        let going_on: Vec<u32> = oracle::allowed(&row).into_iter().filter(|&id| vocabulary.text_of(id).is_some()).collect();
        if going_on.is_empty() {
            break;
        }
        let id = *source.pick(&going_on);
        text.extend_from_slice(vocabulary.text_of(id).unwrap_or_default());
        if text.len() > LONGEST {
            break;
        }
        if matcher.accept_token(id) != Ok(true) {
            return Err(described(format!("token {id} is allowed and refused"), &text));
        }
    }
    Ok(())
}

/// All texts of up to six letters, derived texts and damaged ones: accepted, and refused at the same byte.
pub fn texts(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let shape = shape(&mut source);
    let (grammar, vocabulary) = case(&mut source, &shape);
    let recogniser = Recogniser::new(&grammar).expect("nothing embedded");
    let compiled = match oracle::compile(&grammar, &vocabulary) {
        Ok(compiled) => compiled,
        Err(error) => return check_refusal(&error, &recogniser).map_err(|e| format!("{e}\n{grammar}")),
    };
    let mut all: Vec<Vec<u8>> = vec![Vec::new()];
    for length in 1..=6 {
        all.extend((0..1u32 << length).map(|bits| (0..length).map(|i| if bits >> i & 1 == 0 { b'a' } else { b'b' }).collect()));
    }
    for _ in 0..12 {
        let Some(text) = generate::text(&mut source, &grammar, 15) else { break };
        let mutated = generate::mutate(&mut source, &text, b"ab\xC3\xA9\xE2");
        all.extend([text, mutated]);
    }
    for text in all.iter().filter(|t| t.len() <= LONGEST) {
        let expected = (recogniser.accepts(text), (0..=text.len()).rev().find(|&n| recogniser.viable(&text[..n])));
        let mut matcher = oracle::matcher(&compiled);
        let prefix = matcher.matched_prefix(text).map_err(|e| e.to_string())?;
        let accepted = matcher.accept_bytes(text).map_err(|e| e.to_string())? && matcher.is_completed();
        if (accepted, Some(prefix)) != expected {
            let text = text.escape_ascii();
            return Err(format!("\"{text}\": accepted {accepted}, prefix {prefix}, by the recogniser {expected:?}\n{grammar}"));
        }
    }
    Ok(())
}

/// From wherever masks lead there is a way to the end, and what ends is derived.
pub fn walks(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let shape = shape(&mut source);
    let (grammar, vocabulary) = case(&mut source, &shape);
    let recogniser = Recogniser::new(&grammar).expect("nothing embedded");
    let Ok(compiled) = oracle::compile(&grammar, &vocabulary) else { return Ok(()) };
    let mut matcher = oracle::matcher(&compiled);
    let described = |e: String| format!("{e}\n{grammar}");
    let end = walk::walk(&mut source, &mut matcher, &vocabulary, (12, 0), &[], &mut |_, _, _| Ok(())).map_err(described)?;
    let text = match end {
        End::Finished(text) => text,
        End::Unfinished(mut text) => match walk::completion(&matcher, 3_000).map_err(described)? {
            Some(rest) => {
                text.extend(rest);
                text
            }
            None => return Ok(()),
        },
    };
    if text.len() <= LONGEST && !recogniser.accepts(&text) {
        return Err(described(format!("\"{}\" was walked to the end and is not derived", text.escape_ascii())));
    }
    Ok(())
}

/// What is printed parses to a grammar of the same language.
pub fn printing(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let shape = shape(&mut source);
    let grammar = generate::grammar(&mut source, &shape);
    let printed = grammar.to_string();
    let parsed = ebnf::parse(&printed, "root", &Limits::default()).map_err(|e| format!("{e}\n{printed}"))?;
    if parsed.to_string() != ebnf::parse(&parsed.to_string(), "root", &Limits::default()).map_err(|e| e.to_string())?.to_string() {
        return Err(format!("printing is not stable:\n{printed}\n{parsed}"));
    }
    let (before, after) = (Recogniser::new(&grammar), Recogniser::new(&parsed));
    let (Some(before), Some(after)) = (before, after) else { return Err("a printed grammar embeds something".into()) };
    for _ in 0..6 {
        let Some(text) = generate::text(&mut source, &grammar, 15) else { break };
        let mutated = generate::mutate(&mut source, &text, b"ab\xC3\xA9");
        for text in [text, mutated].iter().filter(|t| t.len() <= LONGEST) {
            if before.accepts(text) != after.accepts(text) {
                return Err(format!("\"{}\" is accepted by one only:\n{printed}\n{parsed}", text.escape_ascii()));
            }
        }
    }
    Ok(())
}
