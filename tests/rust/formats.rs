//! The cases of `tests/data/formats.toml`: each string in several spellings as JSON text, with the format asserted, denied and ignored.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use maskwright::frontend::json_schema::{self, Options};
use maskwright::limits::Limits;
use maskwright::matcher::CompiledGrammar;
use maskwright::provider::ByteSet;
use maskwright::testing::oracle;
use maskwright::testing::vocabulary::TinyVocabulary;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: Vec<Case>,
    encoding: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    valid: Vec<String>,
    #[serde(default)]
    invalid: Vec<String>,
    /// Valid by the standard, but narrowed away.
    #[serde(default)]
    lost: Vec<String>,
}

fn compile(schema: &serde_json::Value, options: &Options) -> Arc<CompiledGrammar> {
    let grammar = json_schema::grammar(&schema.to_string(), options, &Limits::default()).unwrap_or_else(|e| panic!("{schema}: {e}"));
    oracle::compile(&grammar, &TinyVocabulary::new(&ByteSet::ALL, [])).unwrap()
}

/// As the characters themselves, all escaped, and every other one escaped.
fn spellings(text: &str) -> Vec<String> {
    let escaped = |which: fn(usize) -> bool| -> String {
        let characters = text.chars().enumerate().map(|(i, c)| {
            if which(i) {
                c.encode_utf16(&mut [0; 2]).iter().fold(String::new(), |out, unit| out + &format!("\\u{unit:04x}"))
            } else {
                let quoted = serde_json::to_string(&c).unwrap();
                quoted[1..quoted.len() - 1].to_owned()
            }
        });
        format!("\"{}\"", characters.collect::<String>())
    };
    vec![serde_json::to_string(text).unwrap(), escaped(|_| true), escaped(|i| i % 2 == 1)]
}

fn accepts(compiled: &Arc<CompiledGrammar>, text: &str) -> bool {
    let mut matcher = oracle::matcher(compiled);
    matcher.accept_bytes(text.as_bytes()).unwrap() && matcher.is_completed()
}

fn run(keyword: &str, case: &Case, wrong: &mut Vec<String>) {
    let value = serde_json::json!({ keyword: case.name });
    let asserted = compile(&value, &Options::default());
    let known = !case.invalid.is_empty();
    // Where valid strings cannot be written, the negation must not take them for invalid; some invalid ones are then lost, too.
    let row = json_schema::formats().chain(json_schema::encodings()).find(|row| row.name == case.name);
    let exact = row.is_some_and(|row| row.narrowed.is_none()) && case.name != "uri-template";
    let denied = known.then(|| compile(&serde_json::json!({ "not": value }), &Options::default()));
    let ignored = compile(&value, &Options { assert_formats: false, ..Options::default() });
    // The formats are the same under every draft.
    let old =
        compile(&serde_json::json!({ "$schema": "http://json-schema.org/draft-04/schema#", keyword: case.name }), &Options::default());
    assert!(accepts(&asserted, "1") && accepts(&asserted, "[\"\"]"), "{}: only strings have formats", case.name);
    // What is written, and whether the negation must refuse it.
    let all = [(&case.valid, true, true), (&case.invalid, false, false), (&case.lost, false, true)];
    for (strings, expected, never) in all {
        for string in strings {
            for text in spellings(string) {
                for (how, got, wanted) in [
                    ("", accepts(&asserted, &text), expected),
                    (" under draft 4", accepts(&old, &text), expected),
                    (" as an annotation", accepts(&ignored, &text), true),
                ] {
                    if got != wanted {
                        wrong.push(format!("{}{how}: {text} should be {wanted}", case.name));
                    }
                }
                if let Some(denied) = &denied {
                    let got = accepts(denied, &text);
                    if got && never || exact && got == expected {
                        wrong.push(format!("not {}: {text} is {got}", case.name));
                    }
                }
            }
        }
    }
}

#[test]
fn strings_are_judged_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/formats.toml");
    let file: File = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let names: BTreeSet<&str> = file.format.iter().map(|case| case.name.as_str()).collect();
    for row in json_schema::formats() {
        assert!(names.contains(row.name), "no case for {}", row.name);
        assert_eq!(row.narrowed.is_some(), file.format.iter().any(|c| c.name == row.name && !c.lost.is_empty()) || row.name == "idn-email");
    }
    let mut wrong = Vec::new();
    file.format.iter().for_each(|case| run("format", case, &mut wrong));
    file.encoding.iter().for_each(|case| run("contentEncoding", case, &mut wrong));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn formats_combine_with_the_other_keywords() {
    let check = |schema: serde_json::Value, valid: &[&str], invalid: &[&str]| {
        let compiled = compile(&schema, &Options::default());
        for (texts, expected) in [(valid, true), (invalid, false)] {
            for text in texts {
                assert_eq!(accepts(&compiled, &serde_json::to_string(text).unwrap()), expected, "{schema}: {text}");
            }
        }
    };
    check(serde_json::json!({"format": "date", "pattern": "^2024-02"}), &["2024-02-29"], &["2023-02-28", "2024-02-30"]);
    check(serde_json::json!({"format": "hostname", "maxLength": 5, "minLength": 3}), &["a.b", "abcde"], &["a", "abcdef", "a.b."]);
    check(serde_json::json!({"format": "email", "maxLength": 7}), &["a@b.cd"], &["abc@d.ef", "a@b."]);
    check(serde_json::json!({"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}], "type": "string"}), &["1.2.3.4", "::"], &["1.2.3", "a"]);
    check(serde_json::json!({"enum": ["1.2.3.4", "x", "1.2.3.256"], "format": "ipv4"}), &["1.2.3.4"], &["x", "1.2.3.256"]);
    check(serde_json::json!({"oneOf": [{"format": "uri"}, {"format": "uri-reference"}]}), &["/a", "a"], &["a:b"]);
    check(serde_json::json!({"not": {"format": "hostname"}, "type": "string", "maxLength": 3}), &["a_b", ".", ""], &["a", "abc"]);
    // What is lost is not taken for invalid.
    check(serde_json::json!({"not": {"format": "hostname"}, "type": "string"}), &["a_b", "-"], &["a", "xn--bcher-kva"]);
    check(
        serde_json::json!({"oneOf": [{"format": "hostname"}, {"const": "xn--bcher-kva"}], "type": "string"}),
        &["a"],
        &["xn--bcher-kva", "_"],
    );
    check(serde_json::json!({"not": {"format": "date-time"}, "type": "string"}), &["2016-03-31T23:58:60Z"], &["2016-03-31T23:59:60Z"]);
    // A key.
    let keys = compile(&serde_json::json!({"type": "object", "propertyNames": {"format": "uuid"}}), &Options::default());
    assert!(accepts(&keys, "{\"123e4567-e89b-12d3-a456-426614174000\": 1}") && accepts(&keys, "{}"));
    assert!(!accepts(&keys, "{\"a\": 1}"));
}

#[test]
fn what_no_string_satisfies_is_refused() {
    for schema in [
        r#"{"type":"string","format":"date","pattern":"^2023-02-29"}"#,
        r#"{"type":"string","format":"uuid","maxLength":35}"#,
        r#"{"type":"string","format":"hostname","minLength":254}"#,
        r#"{"type":"string","format":"ipv4","not":{"pattern":"."}}"#,
        r#"{"enum":["x"],"format":"uri"}"#,
        r#"{"type":"string","format":"time","pattern":"^2[0-9]:..:60\\+01:00$"}"#,
    ] {
        let refused = json_schema::grammar(schema, &Options::default(), &Limits::default());
        assert!(matches!(refused, Err(maskwright::error::CompileError::UnsatisfiableSchema { .. })), "{schema}: {refused:?}");
    }
}
