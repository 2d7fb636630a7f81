//! Objects whose undeclared keys come from random languages, in every layout: masks against forks, texts against the validator.
//!
//! Invariant: a property is a pure function of the bytes that steer it; an `Err` tells a person what went wrong, with the schema.
//! Must not know: whether proptest or a fuzzer calls it.

use serde_json::{Value, json};

use super::laid_out::walk;
use crate::frontend::json_schema::{self, Options};
use crate::testing::source::Source;

/// With few keys, with no end of them, and with no end of them but behind some beginnings.
const LANGUAGES: [&str; 10] = [
    "^(ab|[A-Z]+)$",
    "^(id|x-.*)$",
    "^[ab]{1,2}$",
    "^a*b?$",
    "^(é|[A-C]{3,})$",
    "^[ab]{2}c?$",
    "^[^\"]$",
    "^(a|b|ab|ba)$",
    "b",
    "^[a-z]{2}$",
];
const KEYS: [&str; 14] = ["ab", "a", "b", "ba", "aa", "A", "AB", "id", "x-1", "x-", "é", "abc", "AAA", "bb"];

/// How the values are laid out.
pub(super) fn layout(source: &mut Source) -> Options {
    let free = Options::default();
    let exact = Options { any_whitespace: false, ..Options::default() };
    let separated = |item: &str, key: &str| Some((item.to_owned(), key.to_owned()));
    let layout = match source.below(8) {
        0 | 1 => free,
        2 => Options { max_whitespace_cnt: Some(source.below(3) as u32), ..free },
        3 => Options { indent: Some(source.below(3) as u32), ..exact },
        4 => Options { separators: separated(",", ":"), ..exact },
        5 => Options { separators: separated("\n, ", " : "), indent: source.chance(50).then_some(1), ..exact },
        _ => exact,
    };
    let escapes = if source.chance(30) { json_schema::Escapes::Minimal } else { json_schema::Escapes::Any };
    Options { any_order: source.chance(40), escapes, ..layout }
}

fn language(source: &mut Source) -> Value {
    let pattern = |source: &mut Source| json!({ "pattern": *source.pick(&LANGUAGES) });
    match source.below(4) {
        0 => json!({ "anyOf": [{ "const": *source.pick(&KEYS) }, pattern(source)] }),
        1 => json!({ "allOf": [pattern(source), { "maxLength": 1 + source.below(3) }] }),
        _ => pattern(source),
    }
}

/// Objects of which several things are said at once, or one thing or another, now and then.
fn objects(source: &mut Source) -> Value {
    let mut schema = object(source, 1);
    for (word, percent) in [("allOf", 20), ("anyOf", 20), ("not", 10)] {
        if source.chance(percent) {
            let first = object(source, 0);
            schema[word] = if word == "not" { first } else { json!([first, object(source, 0)]) };
        }
    }
    schema
}

fn object(source: &mut Source, depth: usize) -> Value {
    let value = |source: &mut Source| match source.below(4) {
        0 if depth > 0 => object(source, depth - 1),
        1 => json!({ "const": *source.pick(&KEYS) }),
        _ => json!({ "type": "integer", "minimum": 0, "maximum": 1 }),
    };
    let mut schema = json!({ "type": "object" });
    if source.chance(50) {
        schema["propertyNames"] = language(source);
    }
    if source.chance(70) {
        schema["patternProperties"] = json!({ *source.pick(&LANGUAGES): value(source) });
        if source.chance(30) {
            schema["patternProperties"][*source.pick(&LANGUAGES)] = value(source);
        }
        schema["additionalProperties"] = json!(false);
    } else {
        schema["additionalProperties"] = value(source);
    }
    for _ in 0..source.below(3) {
        schema["properties"][*source.pick(&KEYS)] = value(source);
    }
    if source.chance(30) {
        schema["required"] = json!([*source.pick(&KEYS)]);
    }
    if source.chance(20) {
        schema["minProperties"] = json!(source.below(5));
    }
    if source.chance(20) {
        schema["maxProperties"] = json!(1 + source.below(5));
    }
    schema
}

/// A text such as the schemas have, but for the keys' values.
fn text(source: &mut Source, options: &Options) -> Vec<u8> {
    let (item, colon) = options.separators();
    let line = options.indent.map_or_else(String::new, |indent| format!("\n{}", " ".repeat(indent as usize)));
    let members: Vec<String> = (0..=source.below(5))
        .map(|_| {
            let value = if source.chance(20) { "\"ab\"" } else { "1" };
            format!("{line}\"{}\"{colon}{value}", source.pick(&KEYS))
        })
        .collect();
    format!("{{{}}}", members.join(&item)).into_bytes()
}

/// Masks are what forks accept, something may always come, and what is read is valid.
pub fn used_up(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let schema = objects(&mut source);
    let options = layout(&mut source);
    let texts: Vec<Vec<u8>> = (0..6).map(|_| text(&mut source, &options)).collect();
    let pieces = (0..10 + source.below(40)).map(|_| {
        let text = source.pick(&texts).clone();
        let at = source.below(text.len());
        text[at..(at + 1 + source.below(14)).min(text.len())].to_vec()
    });
    let pieces: Vec<Vec<u8>> = pieces.collect();
    // What is printed: so that keys come again.
    walk(&mut source, &schema, &options, pieces, (40, |byte| byte.is_ascii_graphic() && byte != b'\\' && byte <= b'z'))
}
