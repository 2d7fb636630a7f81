//! Random schemas: what the automaton accepts is what the validator says, and no walk gets stuck.

use serde_json::{Value, json};

use super::validator::valid;
use super::*;

/// A small generator of our own, so that a failure names its seed.
pub(super) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

const KEYS: [&str; 4] = ["a", "b", "ab", "c"];

fn document(r: &mut Random, depth: usize) -> Value {
    match r.below(if depth == 0 { 6 } else { 10 }) {
        0 => Value::Null,
        1 => json!(r.chance(50)),
        2 | 3 => [json!(0), json!(1), json!(2), json!(2.5), json!(-1)][r.below(5)].clone(),
        4 | 5 => json!(*r.pick(&["", "a", "b", "ab", "abc"])),
        6 | 7 => (0..r.below(4)).map(|_| document(r, depth - 1)).collect(),
        _ => {
            let mut members = serde_json::Map::new();
            for _ in 0..r.below(4) {
                members.insert((*r.pick(&KEYS)).to_owned(), document(r, depth - 1));
            }
            Value::Object(members)
        }
    }
}

fn schemas(r: &mut Random, depth: usize) -> Value {
    (0..=r.below(3)).map(|_| schema(r, depth)).collect()
}

fn by_name(r: &mut Random, names: &[&str], depth: usize) -> Value {
    let mut out = serde_json::Map::new();
    for _ in 0..=r.below(3) {
        out.insert((*r.pick(names)).to_owned(), schema(r, depth));
    }
    Value::Object(out)
}

fn names(r: &mut Random) -> Value {
    (0..=r.below(2)).map(|_| *r.pick(&KEYS)).collect()
}

fn schema(r: &mut Random, depth: usize) -> Value {
    if depth == 0 || r.chance(15) {
        return match r.below(8) {
            0 => json!(true),
            1 => json!(false),
            2 => json!({"type": "integer"}),
            3 => json!({"const": document(r, 1)}),
            4 => json!({"enum": [document(r, 1), document(r, 0)]}),
            5 => json!({"$ref": "#/$defs/d"}),
            _ => json!({"type": *r.pick(&["null", "boolean", "number", "string", "array", "object"])}),
        };
    }
    let d = depth - 1;
    let mut out = serde_json::Map::new();
    if depth > 1 && r.chance(20) {
        // Children that only other schemas of the value have seen.
        let rest = if r.chance(60) { json!(false) } else { schema(r, 0) };
        out.insert((*r.pick(&["unevaluatedProperties", "unevaluatedProperties", "unevaluatedItems"])).to_owned(), rest);
        out.insert((*r.pick(&["allOf", "anyOf", "oneOf"])).to_owned(), schemas(r, d));
    }
    for _ in 0..=r.below(4) {
        let (name, value) = match r.below(37) {
            0 => ("type", json!([*r.pick(&["object", "array", "string"]), *r.pick(&["object", "integer", "array"])])),
            1 | 2 => ("properties", by_name(r, &KEYS, d)),
            3 => ("patternProperties", by_name(r, &["^a$", "^b$", "^ab$"], d)),
            4 => ("additionalProperties", schema(r, d)),
            5 => ("propertyNames", json!({"enum": names(r)})),
            6 | 7 => ("required", names(r)),
            8 => ("minProperties", json!(r.below(3))),
            9 => ("maxProperties", json!(r.below(3))),
            10 => ("dependentRequired", json!({*r.pick(&KEYS): names(r)})),
            11 => ("dependentSchemas", json!({*r.pick(&KEYS): schema(r, d)})),
            12 | 13 => ("items", schema(r, d)),
            14 => ("prefixItems", schemas(r, d)),
            15 => ("minItems", json!(r.below(4))),
            16 => ("maxItems", json!(r.below(4))),
            17 => ("minLength", json!(r.below(3))),
            18 => ("maxLength", json!(r.below(3))),
            19 => ("pattern", json!(*r.pick(&["^a$", "^ab$", "^$"]))),
            20 => ("minimum", json!(r.below(3))),
            36 => ("multipleOf", [json!(2), json!(0.5), json!(1.5)][r.below(3)].clone()),
            21 => ("exclusiveMaximum", json!(r.below(3))),
            22 => ("allOf", schemas(r, d)),
            23 | 24 => ("anyOf", schemas(r, d)),
            25 => ("oneOf", schemas(r, d)),
            26 => ("not", schema(r, d)),
            27 => {
                out.insert("then".to_owned(), schema(r, d));
                out.insert("else".to_owned(), schema(r, d));
                ("if", schema(r, d))
            }
            31 | 32 => ("unevaluatedProperties", schema(r, d)),
            33 | 34 => ("unevaluatedItems", schema(r, d)),
            28..=30 => {
                if r.chance(40) {
                    out.insert("minContains".to_owned(), json!(r.below(4)));
                }
                if r.chance(40) {
                    out.insert("maxContains".to_owned(), json!(r.below(4)));
                }
                ("contains", schema(r, d))
            }
            _ => ("propertyNames", json!({"maxLength": r.below(3)})),
        };
        out.insert(name.to_owned(), value);
    }
    Value::Object(out)
}

fn with_definition(r: &mut Random) -> Value {
    let mut whole = schema(r, 3);
    let mut definition = schema(r, 2);
    // A definition that applies itself to the same value has no meaning.
    if let Value::Object(keywords) = &mut definition {
        for name in ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "$ref"] {
            keywords.remove(name);
        }
    }
    if let Value::Object(keywords) = &mut whole {
        keywords.insert("$defs".to_owned(), json!({"d": definition}));
    }
    whole
}

#[test]
fn any_order_accepts_what_is_valid_and_nothing_else() {
    let options = Options { any_order: true, ..Options::default() };
    let (mut compiled, mut accepted, mut refused) = (0, 0, 0);
    for seed in 1..1500u64 {
        let r = &mut Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let schema = with_definition(r);
        let runner = match compile(&schema.to_string(), &options) {
            Ok(runner) => Some(runner),
            Err(CompileError::UnsatisfiableSchema { .. }) => None,
            Err(error) => panic!("seed {seed}: {error}\n{schema}"),
        };
        compiled += usize::from(runner.is_some());
        for _ in 0..40 {
            let value = document(r, 3);
            let text = value.to_string();
            let wanted = valid(&schema, &schema, &value);
            let got = runner.as_ref().is_some_and(|runner| runner.accepts(&text));
            assert_eq!(got, wanted, "seed {seed}: {text} under {schema}");
            *(if wanted { &mut accepted } else { &mut refused }) += 1;
        }
    }
    assert!(compiled > 500 && accepted > 5000 && refused > 5000, "{compiled} {accepted} {refused}");
}

/// The constants of a schema, as texts: what its `contains` looks for is seldom spelled by chance.
fn constants(schema: &Value, out: &mut Vec<String>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| constants(item, out)),
        Value::Object(keywords) => {
            for (name, value) in keywords {
                match (name.as_str(), value) {
                    ("const", value) => out.push(value.to_string()),
                    ("enum", Value::Array(values)) => out.extend(values.iter().map(Value::to_string)),
                    _ => constants(value, out),
                }
            }
        }
        _ => {}
    }
}

/// Walk at random, ever more inclined to end.
fn walk(runner: &Runner, r: &mut Random, schema: &Value) -> String {
    let mut run = runner.run();
    let mut texts = Vec::new();
    constants(schema, &mut texts);
    for step in 0..20_000 {
        if run.accepted && (run.items.is_empty() || step > 20 || r.chance(30)) {
            return String::from_utf8(run.text).unwrap();
        }
        if step > 60 && r.chance(20) {
            let text = if texts.is_empty() || r.chance(50) { document(r, 2).to_string() } else { r.pick(&texts).clone() };
            let mut ahead = run.clone();
            if text.bytes().all(|b| ahead.step(b)) {
                run = ahead;
                continue;
            }
        }
        let mut bytes: Vec<u8> = if step > 60 || r.chance(70) { b"\"}],:0123456789truefalsnabc[{-.".to_vec() } else { (0..=255).collect() };
        bytes.retain(|&b| run.viable(b));
        if bytes.is_empty() {
            bytes = (0..=255).filter(|&b| run.viable(b)).collect();
        }
        if bytes.is_empty() && run.accepted {
            return String::from_utf8(run.text).unwrap();
        }
        let describe = || run.items.iter().map(|item| runner.arena.describe(item.state)).collect::<Vec<_>>().join("; ");
        assert!(!bytes.is_empty(), "stuck after {:?}, expected {} under {schema}", String::from_utf8_lossy(&run.text), describe());
        // A key that must come is found by trying the letters of all keys.
        let letters: Vec<u8> = b"abc\"".iter().copied().filter(|b| bytes.contains(b)).collect();
        let byte = match step {
            61.. if r.chance(60) && !letters.is_empty() => *r.pick(&letters),
            61.. if r.chance(80) => bytes[0],
            _ => *r.pick(&bytes),
        };
        assert!(run.step(byte));
    }
    panic!("no end under {schema} after {:?}", String::from_utf8_lossy(&run.text[..run.text.len().min(400)]));
}

#[test]
fn walks_end_in_valid_documents() {
    let mut walked = 0;
    for seed in 1..800u64 {
        let r = &mut Random(seed.wrapping_mul(0xD134_2543_DE82_EF95) | 1);
        let schema = with_definition(r);
        let options = Options { any_order: r.chance(50), ..Options::default() };
        // Undeclared keys of bounded length can all be used up below a prefix; only the engine's tracker knows, not these states.
        let schema = schema.to_string().replace("\"propertyNames\":{\"maxLength\"", "\"propertyNames\":{\"minLength\"");
        let schema: Value = serde_json::from_str(&schema).unwrap();
        let Ok(runner) = compile(&schema.to_string(), &options) else { continue };
        for _ in 0..4 {
            let text = walk(&runner, r, &schema);
            let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("seed {seed}: {e}: {text} under {schema}"));
            assert!(valid(&schema, &schema, &value), "seed {seed}: {text} under {schema}");
            walked += 1;
        }
    }
    assert!(walked > 1000, "{walked}");
}
