//! Big and deep inputs: fast, or an error that names the limit, never a stack overflow (tests run on 2 MB stacks).

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::*;

fn within(limit: Duration, what: &str, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    let took = start.elapsed();
    // Generous: these bounds tell linear from quadratic, on a busy machine too.
    assert!(took < limit, "{what} took {took:?}");
}

#[test]
fn a_thousand_nested_arrays_in_a_schema() {
    for (bounds, least) in [("", "[]".to_owned()), (",\"minItems\":1", "[".repeat(1001) + &"]".repeat(1001))] {
        let schema = format!("{{\"type\":\"array\"{bounds},\"items\":").repeat(1000) + "{\"type\":\"array\"}" + &"}".repeat(1000);
        within(Duration::from_secs(10), "nested arrays", || {
            let runner = compile(&schema, &Options::default()).unwrap();
            assert!(runner.accepts(&("[".repeat(1001) + &"]".repeat(1001))));
            assert!(runner.accepts(&least));
            assert!(!runner.accepts(&("[".repeat(1000) + "1" + &"]".repeat(1000))));
        });
    }
}

#[test]
fn ten_thousand_levels_in_place_and_below() {
    let deep = |open: &str, inner: &str, close: &str, n: usize| open.repeat(n) + inner + &close.repeat(n);
    for schema in [
        deep("{\"allOf\":[", "{\"type\":\"null\"}", "]}", 4_900),
        deep("{\"not\":", "{\"type\":\"null\"}", "}", 9_900),
        deep("{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":", "{\"type\":\"null\"}", "}}", 4_900),
        deep("{\"const\":", &deep("[", "", "]", 9_000), "}", 1),
    ] {
        compile(&schema, &Options::default()).unwrap();
    }
    let schema = deep("{\"items\":", "true", "}", 20_000);
    assert!(matches!(compile(&schema, &Options::default()), Err(CompileError::Engine(EngineError::Limit { name: "max_nesting", .. }))));
}

#[test]
fn unions_of_many_objects_take_no_product_of_their_parts() {
    let variant = |i: usize| {
        format!(
            r#"{{"type":"object","properties":{{"kind":{{"const":"k{i}"}},"v{i}":{{"type":"integer"}},"items":{{"contains":{{"const":{i}}},"minContains":2}}}},
                "required":["kind","v{i}"],"additionalProperties":false}}"#
        )
    };
    for word in ["anyOf", "oneOf"] {
        let variants: Vec<String> = (0..60).map(variant).collect();
        let runner = compile(&format!("{{\"{word}\":[{}]}}", variants.join(",")), &Options::default()).unwrap();
        assert!(runner.accepts(r#"{"kind":"k47","v47":3}"#));
        assert!(runner.accepts(r#"{"kind":"k47","v47":3,"items":[47,1,47]}"#));
        assert!(!runner.accepts(r#"{"kind":"k47","v47":3,"items":[47,46]}"#));
        assert!(!runner.accepts(r#"{"kind":"k47","v46":3}"#));
        assert!(!runner.accepts(r#"{"kind":"k47"}"#));
    }
}

#[test]
fn many_dependent_schemas_take_no_product_of_their_parts() {
    let dependent: Vec<String> = (0..60).step_by(2).map(|i| format!(r#""k{i}":{{"required":["k{}"]}}"#, i + 1)).collect();
    let runner = compile(&format!(r#"{{"type":"object","dependentSchemas":{{{}}}}}"#, dependent.join(",")), &Options::default()).unwrap();
    assert!(runner.accepts(r#"{"k0":1,"k1":2,"k40":3,"k41":4}"#));
    assert!(runner.accepts(r#"{"k1":2,"k41":4}"#));
    assert!(!runner.accepts(r#"{"k0":1,"k1":2,"k40":3}"#));
}

#[test]
fn deep_documents() {
    let runner = compile("true", &Options::default()).unwrap();
    let mut run = runner.run();
    for _ in 0..200 {
        assert!(run.step(b'['));
    }
    let states = runner.arena.state_count();
    for _ in 0..200 {
        assert!(run.step(b'['));
    }
    assert_eq!(runner.arena.state_count(), states, "depth makes states");
}

#[test]
fn a_megabyte_schema_attaches_fast() {
    let mut schema = "{\"type\":\"object\",\"properties\":{\"first\":{\"type\":\"string\"}},\"$defs\":{".to_owned();
    for i in 0..10_000 {
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(
            schema,
            "{comma}\"d{i}\":{{\"type\":\"object\",\"properties\":{{\"id\":{{\"type\":\"integer\"}},\"next\":{{\"$ref\":\"#/$defs/d{}\"}}}}}}",
            (i + 1) % 10_000
        );
    }
    schema.push_str("},\"additionalProperties\":{\"$ref\":\"#/$defs/d0\"}}");
    assert!(schema.len() > 900_000);
    within(Duration::from_secs(5), "a megabyte", || {
        let runner = compile(&schema, &Options::default()).unwrap();
        assert!(runner.accepts("{\"x\":{\"next\":{\"next\":{\"id\":1}}}}"));
        assert!(runner.arena.state_count() < 500, "{}", runner.arena.state_count());
    });
}

#[test]
fn unevaluated_properties_beside_conjuncts_are_additional_properties() {
    let part = |i: usize| format!("{{\"properties\":{{\"p{i}\":{{\"type\":\"integer\"}}}},\"required\":[\"p{i}\"]}}");
    let parts: Vec<String> = (0..100).map(part).collect();
    let definitions: Vec<String> = parts.iter().enumerate().map(|(i, part)| format!("\"d{i}\":{part}")).collect();
    let references: Vec<String> = (0..100).map(|i| format!("{{\"$ref\":\"#/$defs/d{i}\"}}")).collect();
    let members: Vec<String> = (0..100).map(|i| format!("\"p{i}\":{i}")).collect();
    let properties: Vec<String> = (0..100).map(|i| format!("\"p{i}\":{{\"type\":\"integer\"}}")).collect();
    let required: Vec<String> = (0..100).map(|i| format!("\"p{i}\"")).collect();
    let flat =
        format!("{{\"properties\":{{{}}},\"required\":[{}],\"additionalProperties\":false}}", properties.join(","), required.join(","));
    let parted =
        format!("{{\"allOf\":[{}],\"unevaluatedProperties\":false,\"$defs\":{{{}}}}}", references.join(","), definitions.join(","));
    let mut states = Vec::new();
    for schema in [flat, parted] {
        within(Duration::from_secs(20), "many parts", || {
            let runner = compile(&schema, &Options::default()).unwrap();
            assert!(runner.accepts(&format!("{{{}}}", members.join(","))));
            assert!(!runner.accepts(&format!("{{{},\"q\":1}}", members.join(","))));
            states.push(runner.arena.state_count());
        });
    }
    assert!(states[1] <= states[0] + 10, "{states:?}");
}

#[test]
fn nested_watches_are_no_deeper_than_the_schema() {
    let deep = |open: &str, n: usize| open.repeat(n) + "{\"properties\":{\"a\":{}}}" + &"]}".repeat(n);
    for (open, n) in [
        ("{\"unevaluatedProperties\":false,\"allOf\":[", 3000),
        ("{\"unevaluatedProperties\":false,\"anyOf\":[{\"required\":[\"a\"]},", 300),
        ("{\"unevaluatedProperties\":{\"type\":\"null\"},\"oneOf\":[{\"required\":[\"b\"]},", 60),
    ] {
        within(Duration::from_secs(30), "nested watches", || {
            let runner = compile(&deep(open, n), &Options::default()).unwrap();
            assert!(runner.accepts("{\"a\":1}"));
        });
    }
}

#[test]
fn an_enum_of_twenty_thousand_strings() {
    let values: Vec<String> = (0..20_000).map(|i| format!("\"value-{i}\"")).collect();
    let schema = format!("{{\"enum\":[{}]}}", values.join(","));
    within(Duration::from_secs(5), "a large enum", || {
        let runner = compile(&schema, &Options::default()).unwrap();
        assert!(runner.accepts("\"value-19999\"") && !runner.accepts("\"value-20000\""));
    });
}

#[test]
fn large_bounds_cost_nothing() {
    within(Duration::from_secs(5), "large bounds", || {
        let runner =
            compile("{\"type\":\"array\",\"maxItems\":100000,\"minItems\":1000,\"items\":{\"maxLength\":100000}}", &Options::default())
                .unwrap();
        let list = |n: usize| format!("[{}]", vec!["0"; n].join(","));
        assert!(!runner.accepts(&list(999)) && runner.accepts(&list(1000)));
        assert!(runner.accepts(&list(100_000)) && !runner.accepts(&list(100_001)));
        assert!(runner.arena.state_count() < 200, "{}", runner.arena.state_count());
        compile("{\"type\":\"object\",\"minProperties\":100000}", &Options::default()).unwrap();
        let schema = "{\"contains\":{\"const\":0},\"minContains\":100,\"maxContains\":1000000,\"minItems\":500,\"maxItems\":3000000}";
        let runner = compile(schema, &Options::default()).unwrap();
        let both = |zeros: usize, ones: usize| list(zeros).replace(']', &format!("{}]", ",1".repeat(ones)));
        assert!(!runner.accepts(&both(99, 500)) && runner.accepts(&both(100, 400)) && !runner.accepts(&both(100, 399)));
    });
}

#[test]
fn three_hundred_properties() {
    let properties: Vec<String> = (0..300).map(|i| format!("\"p{i}\":{{\"type\":\"string\"}}")).collect();
    let names: Vec<String> = (0..300).map(|i| format!("\"p{i}\"")).collect();
    for rest in ["", &format!(",\"required\":[{}]", names.join(",")), ",\"additionalProperties\":false"] {
        let schema = format!("{{\"type\":\"object\",\"properties\":{{{}}}{rest}}}", properties.join(","));
        within(Duration::from_secs(5), "many properties", || {
            let runner = compile(&schema, &Options::default()).unwrap();
            let every = if rest.contains("required") { 1 } else { 10 };
            let members: Vec<String> = (0..300).step_by(every).map(|i| format!("\"p{i}\":\"x\"")).collect();
            assert!(runner.accepts(&format!("{{{}}}", members.join(","))));
        });
    }
}

#[test]
fn alternatives_with_discriminators_stay_small() {
    let branches: Vec<String> = (0..30)
        .map(|i| format!("{{\"type\":\"object\",\"properties\":{{\"data\":{{\"type\":\"object\",\"required\":[\"k\"],\"properties\":{{\"k\":{{\"const\":{i}}}}}}},\"kind\":{{\"const\":\"k{i}\"}}}},\"required\":[\"kind\",\"data\"]}}"))
        .collect();
    let schema = format!("{{\"oneOf\":[{}]}}", branches.join(","));
    within(Duration::from_secs(10), "a large oneOf", || {
        let runner = compile(&schema, &Options::default()).unwrap();
        assert!(runner.accepts("{\"data\":{\"k\":7},\"kind\":\"k7\"}"));
        assert!(!runner.accepts("{\"data\":{\"k\":7},\"kind\":\"k8\"}"));
    });
}

#[test]
fn equal_subschemas_share_states() {
    let schema = "{\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"integer\"}},\"title\":\"one\"},\"b\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"integer\"}}}}}";
    let runner = compile(schema, &Options::default()).unwrap();
    let state_after = |text: &str| {
        let mut run = runner.run();
        assert!(text.bytes().all(|b| run.step(b)));
        run.items[0].state
    };
    assert_eq!(state_after("{\"a\":{"), state_after("{\"b\":{"));
    assert_eq!(state_after("{\"a\":{\"x\":"), state_after("{\"b\":{\"x\":"));
    // Away from all declared names a key is any string.
    assert_eq!(state_after("{\"zz"), state_after("{\"b\":{\"zz"));
}

#[test]
fn limits_end_in_errors_that_name_them() {
    let limits = Limits { max_search_steps: 3, ..Limits::default() };
    let schema = "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"object\",\"minProperties\":4}}}";
    match compile_within(schema, &Options::default(), &limits).err() {
        Some(CompileError::Engine(EngineError::Limit { name: "max_search_steps", .. })) => {}
        other => panic!("{other:?}"),
    }
}
