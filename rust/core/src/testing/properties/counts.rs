//! Strings, arrays and objects with bounds inside of each other, near and far: masks against forks.
//!
//! Invariant: a property is a pure function of the bytes that steer it; an `Err` tells a person what went wrong, with the schema.
//! Must not know: whether proptest or a fuzzer calls it.

use serde_json::{Value, json};

use crate::error::CompileError;
use crate::frontend::json_schema;
use crate::limits::Limits;
use crate::provider::ByteSet;
use crate::testing::oracle;
use crate::testing::properties::keys::layout;
use crate::testing::source::Source;
use crate::testing::vocabulary::TinyVocabulary;

/// Bounds of one kind, now and then.
fn bound(source: &mut Source, schema: &mut Value, words: [&str; 2]) {
    let least = *source.pick(&[0, 0, 1, 2, 6]);
    if least > 0 {
        schema[words[0]] = json!(least);
    }
    if source.chance(60) {
        schema[words[1]] = json!(least + *source.pick(&[0, 1, 4, 11, 20, 300]));
    }
}

fn bounded(source: &mut Source, depth: usize) -> Value {
    let mut schema = match source.below(if depth == 0 { 3 } else { 6 }) {
        0 => json!({ "type": ["string", "null"] }),
        1 => json!({ "type": "string", "pattern": *source.pick(&["^[ab]*$", "b", "^(ab|c)*$"]) }),
        2 => json!({ "type": "string" }),
        3 => json!({ "type": "object", "additionalProperties": bounded(source, depth - 1) }),
        _ => json!({ "type": "array", "items": bounded(source, depth - 1) }),
    };
    bound(source, &mut schema, ["minLength", "maxLength"]);
    bound(source, &mut schema, ["minItems", "maxItems"]);
    if source.chance(30) {
        bound(source, &mut schema, ["minProperties", "maxProperties"]);
        let mut names = json!({});
        bound(source, &mut names, ["minLength", "maxLength"]);
        schema["propertyNames"] = names;
    }
    schema
}

/// Masks are what forks accept, wherever the bounds are.
pub fn nested(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let schema = json!({ "type": "array", "items": bounded(&mut source, 2), "minItems": source.below(4), "maxItems": *source.pick(&[4, 12, 25, 1000]) });
    let options = layout(&mut source);
    let (item, colon) = options.separators();
    let pieces = (0..20 + source.below(60)).map(|_| {
        let parts: String = (0..=source.below(5))
            .map(|_| match source.below(9) {
                0 => "[",
                1 => "]",
                2 => "{",
                3 => "}",
                4 | 5 => "\"",
                6 => item.as_str(),
                7 => colon.as_str(),
                _ => *source.pick(&["a", "ab", "abc", "b", "c", "\"a\"", "\"ab\"", "\"\"", "[]", "null", "é"]),
            })
            .collect();
        // Many begin with a quotation mark: only broad masks are told by their difference from others.
        if source.chance(40) { format!("\"{parts}") } else { parts }
    });
    let vocabulary = TinyVocabulary::new(&ByteSet::ALL, pieces.map(String::into_bytes).collect::<Vec<_>>());
    let described = |message: String| format!("{message}\nunder {schema}, {options:?}");
    let grammar = json_schema::grammar(&schema.to_string(), &options, &Limits::default());
    let compiled = match grammar.and_then(|grammar| oracle::compile(&grammar, &vocabulary)) {
        Err(CompileError::UnsatisfiableSchema { .. }) => return Ok(()),
        compiled => compiled.map_err(|e| described(e.to_string()))?,
    };
    let mut matcher = oracle::matcher(&compiled);
    let mut read: Vec<u8> = Vec::new();
    for _ in 0..30 {
        if matcher.is_terminated() {
            break;
        }
        let row = oracle::check_mask(&mut matcher, &vocabulary).map_err(|e| described(format!("after {}: {e}", read.escape_ascii())))?;
        let allowed = oracle::allowed(&row);
        let long: Vec<u32> = allowed.iter().copied().filter(|&id| id >= 256).collect();
        let plain: Vec<u32> = allowed.iter().copied().filter(|&id| id >= 256 || b"[]{}\",: abc".contains(&(id as u8))).collect();
        let from = if source.chance(50) { &long } else { &plain };
        let Some(&id) = [from, &plain, &allowed].into_iter().find(|ids| !ids.is_empty()).map(|ids| source.pick(ids)) else {
            return Err(described(format!("nothing may come after {}", read.escape_ascii())));
        };
        if matcher.accept_token(id) != Ok(true) {
            return Err(described(format!("after {} token {id} is allowed and refused", read.escape_ascii())));
        }
        read.extend(vocabulary.text_of(id).unwrap_or_default());
    }
    Ok(())
}
