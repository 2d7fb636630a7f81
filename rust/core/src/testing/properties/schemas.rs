//! Random JSON Schemas: masks against forks, generated documents are accepted, whatever is accepted is valid.
//!
//! Invariant: a property is a pure function of the bytes that steer it; an `Err` tells a person what went wrong, with the schema.
//! Must not know: whether proptest or a fuzzer calls it.

use std::sync::Arc;

use crate::error::CompileError;
use crate::frontend::json_schema;
use crate::grammar::Grammar;
use crate::limits::Limits;
use crate::matcher::CompiledGrammar;
use crate::provider::ByteSet;
use crate::testing::document::{Document, Space, Spelling};
use crate::testing::properties::keys::layout;
use crate::testing::source::Source;
use crate::testing::validate::is_valid;
use crate::testing::vocabulary::{self, TinyVocabulary};
use crate::testing::walk::{self, End};
use crate::testing::{generate, oracle, schema};
use serde_json::Value;

/// A schema, documents for it, and the grammar unless nothing satisfies the schema.
pub(super) struct Case {
    pub schema: Value,
    pub options: json_schema::Options,
    pub documents: Vec<Document>,
    pub vocabulary: TinyVocabulary,
    pub grammar: Grammar,
    pub compiled: Arc<CompiledGrammar>,
}

/// A random case; `None` if nothing satisfies the schema.
pub(super) fn case(source: &mut Source) -> Result<Option<Case>, String> {
    case_with(source, |_| json_schema::Options::default())
}

fn case_with(source: &mut Source, options: impl Fn(&mut Source) -> json_schema::Options) -> Result<Option<Case>, String> {
    let schema = schema::schema(source, 2);
    let documents: Vec<Document> = (0..4).filter_map(|_| schema::document(source, &schema, 3)).collect();
    let samples: Vec<Vec<u8>> = documents.iter().map(|d| d.write(&mut Spelling::compact()).into_bytes()).collect();
    let vocabulary = vocabulary::vocabulary(source, &ByteSet::ALL, &samples);
    let options = options(source);
    let grammar = json_schema::grammar(&schema.to_string(), &options, &Limits::default());
    let compiled = grammar.and_then(|g| Ok((oracle::compile(&g, &vocabulary)?, g)));
    match compiled {
        Ok((compiled, grammar)) => Ok(Some(Case { schema, options, documents, vocabulary, grammar, compiled })),
        Err(CompileError::UnsatisfiableSchema { .. }) if documents.is_empty() => Ok(None),
        Err(error) => Err(format!("{error}\n{schema}, {options:?}\n{documents:?}")),
    }
}

/// Take the text token by token, each a random one that the mask allows; false if no token that spells the text is allowed.
fn follow(source: &mut Source, case: &Case, text: &[u8]) -> Result<bool, String> {
    let mut matcher = oracle::matcher(&case.compiled);
    let mut at = 0;
    while at < text.len() {
        let row = oracle::filled(&mut matcher, case.vocabulary.vocab_size)?;
        let fitting: Vec<(u32, usize)> = (0..case.vocabulary.vocab_size as u32)
            .filter_map(|id| case.vocabulary.text_of(id).filter(|t| text[at..].starts_with(t)).map(|t| (id, t.len())))
            .collect();
        let refused = fitting.iter().find(|(id, _)| !oracle::bit(&row, *id));
        let (id, length) = *source.pick(&fitting);
        if refused.is_some() {
            return Ok(false);
        }
        if matcher.accept_token(id) != Ok(true) {
            return Err(format!("token {id} is allowed and refused"));
        }
        at += length;
    }
    Ok(matcher.is_completed())
}

/// Nothing legal is lost: documents made for a schema are accepted, however spelled, whichever tokens spell them.
pub fn documents(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let Some(case) = case(&mut source)? else { return Ok(()) };
    for document in &case.documents {
        for (space, escaped) in [(Space::Compact, false), (Space::Spaced, true), (Space::Pretty, false)] {
            let escapes = escaped.then_some(&mut source);
            let text = document.write(&mut Spelling { space, escapes });
            if !follow(&mut source, &case, text.as_bytes())? {
                return Err(format!("valid, but refused: {text}\n{}", case.schema));
            }
        }
    }
    Ok(())
}

/// No text is accepted that the validator refuses.
pub fn damaged(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let Some(case) = case(&mut source)? else { return Ok(()) };
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for document in &case.documents {
        let text = document.write(&mut Spelling { space: Space::Compact, escapes: Some(&mut source) }).into_bytes();
        texts.extend((0..6).map(|_| generate::mutate(&mut source, &text, b"01-.e\"\\{}[],:antfx ")));
    }
    for _ in 0..3 {
        let other = schema::schema(&mut source, 1);
        texts.extend(schema::document(&mut source, &other, 2).map(|d| d.write(&mut Spelling::compact()).into_bytes()));
    }
    for text in &texts {
        let mut matcher = oracle::matcher(&case.compiled);
        let accepted = matcher.accept_bytes(text).map_err(|e| e.to_string())? && matcher.is_completed();
        if accepted && !Document::read(text).is_some_and(|d| is_valid(&case.schema, &d) == Ok(true)) {
            return Err(format!("invalid, but accepted: {}\n{}", text.escape_ascii(), case.schema));
        }
    }
    Ok(())
}

/// All strings of a schema, keys and values, as they stand in JSON text; names of required keys first.
fn strings(value: &Value, out: &mut Vec<Vec<u8>>) {
    let written = |text: &str| {
        let written = Document::String(text.to_owned()).write(&mut Spelling::compact()).into_bytes();
        written[1..written.len() - 1].to_vec()
    };
    match value {
        Value::String(text) => out.push(written(text)),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(members) => {
            if let Some(required) = members.get("required") {
                let mut first = Vec::new();
                strings(required, &mut first);
                out.splice(..0, first);
            }
            out.extend(members.keys().map(|key| written(key)));
            members.values().for_each(|member| strings(member, out));
        }
        _ => {}
    }
}

/// The items of arrays: an array may have to hold one of them.
fn items(document: &Document, out: &mut Vec<Vec<u8>>) {
    match document {
        Document::Array(all) => {
            out.extend(all.iter().map(|item| item.write(&mut Spelling::compact()).into_bytes()));
            all.iter().for_each(|item| items(item, out));
        }
        Document::Object(members) => members.iter().for_each(|(_, member)| items(member, out)),
        _ => {}
    }
}

/// May it be that a walk meets what an array must hold only by luck: items that repeat others, or one that satisfies `contains`?
fn takes_luck(schema: &Value) -> bool {
    let schema = schema.to_string();
    schema.contains("\"contains\":")
        || schema.contains("\"uniqueItems\":true") && ["\"not\":", "\"oneOf\":", "\"if\":"].iter().any(|keyword| schema.contains(keyword))
}

/// Walks guided by masks end within a bound, in valid documents; on the way masks are what forks accept.
pub fn walks(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let Some(case) = case_with(&mut source, layout)? else { return Ok(()) };
    let described = |e: String| format!("{e}\n{}, {:?}", case.schema, case.options);
    let mut hints = Vec::new();
    strings(&case.schema, &mut hints);
    for (pattern, samples) in schema::PATTERNS {
        if case.schema.to_string().contains(pattern) {
            for sample in samples {
                let sample = Value::String((*sample).to_owned());
                strings(&sample, &mut hints);
                hints.push(sample.to_string().into_bytes());
            }
        }
    }
    case.documents.iter().for_each(|document| items(document, &mut hints));
    for free in [0, 8, 40] {
        let mut matcher = oracle::matcher(&case.compiled);
        let mut checks = 12;
        let mut each_step = |matcher: &mut crate::matcher::Matcher, _: &[u32], _: &[u8]| -> Result<(), String> {
            if checks > 0 {
                checks -= 1;
                oracle::check_mask(matcher, &case.vocabulary)?;
            }
            Ok(())
        };
        match walk::walk(&mut source, &mut matcher, &case.vocabulary, (free, 1_500), &hints, &mut each_step).map_err(described)? {
            End::Unfinished(_) if case.schema.to_string().contains(schema::RARE_DIVISOR) => {}
            // It is enough that nothing says there is no end. Where lines are indented, a walk does not know which line break ends an object.
            End::Unfinished(_) if takes_luck(&case.schema) || case.options.indent.is_some() => {
                drop(walk::completion(&matcher, 20_000).map_err(described)?);
            }
            End::Unfinished(text) => return Err(described(format!("no end in sight after {}", text.escape_ascii()))),
            End::Finished(text) => {
                if !Document::read(&text).is_some_and(|d| is_valid(&case.schema, &d) == Ok(true)) {
                    return Err(described(format!("walked to an invalid document: {}", text.escape_ascii())));
                }
            }
        }
    }
    Ok(())
}
