//! Strings, arrays and objects with bounds inside of each other, near and far: masks against forks.
//!
//! Invariant: a property is a pure function of the bytes that steer it; an `Err` tells a person what went wrong, with the schema.
//! Must not know: whether proptest or a fuzzer calls it.

use serde_json::{Value, json};

use super::laid_out::walk;
use crate::testing::properties::keys::layout;
use crate::testing::source::Source;

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
    let pieces: Vec<Vec<u8>> = pieces.map(String::into_bytes).collect();
    walk(&mut source, &schema, &options, pieces, (30, |byte| b"[]{}\",: abc".contains(&byte)))
}
