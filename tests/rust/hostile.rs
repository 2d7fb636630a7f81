//! Inputs made to hurt: each ends in a result or in an error that names a limit, on a stack of 2 MB, long before the watchdog.
//!
//! No test asserts a time: a machine may be busy. The watchdog stands for "never hangs"; what is polynomial and small takes it milliseconds.

use std::fmt::Write as _;
use std::sync::mpsc;
use std::time::Duration;

use maskwright::error::{CompileError, EngineError};
use maskwright::frontend::{ebnf, json_schema, regex};
use maskwright::grammar::Grammar;
use maskwright::limits::{Interrupt, Limits};
use maskwright::matcher::{CompiledGrammar, Matcher};
use maskwright::provider::ByteSet;
use maskwright::testing::oracle;
use maskwright::testing::vocabulary::TinyVocabulary;

/// Run `test` in a thread with a small stack; fail if it takes minutes.
fn guarded(test: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || {
            test();
            let _ = done.send(());
        })
        .unwrap();
    match wait.recv_timeout(Duration::from_secs(150)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done after minutes"),
        _ => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

fn vocabulary() -> TinyVocabulary {
    TinyVocabulary::new(
        &ByteSet::ALL,
        ["[[", "]]", "]]]]", "\":", "\",\"", "{\"a\":", "}}", "aaaa", "xx", "ab"].map(|t| t.as_bytes().to_vec()),
    )
}

fn schema(text: &str) -> Result<Grammar, CompileError> {
    json_schema::grammar(text, &json_schema::Options::default(), &Limits::default())
}

fn rules(text: &str) -> Result<Grammar, CompileError> {
    ebnf::parse(text, "root", &Limits::default())
}

fn matcher(grammar: &Grammar) -> Matcher {
    oracle::matcher(&oracle::compile(grammar, &vocabulary()).unwrap())
}

/// Reads the text in pieces with a mask before each, and says whether it is accepted.
fn reads(matcher: &mut Matcher, text: &[u8]) -> bool {
    let size = vocabulary().vocab_size;
    for piece in text.chunks(text.len() / 10 + 1) {
        oracle::filled(matcher, size).unwrap();
        if !matcher.accept_bytes(piece).unwrap() {
            return false;
        }
    }
    oracle::filled(matcher, size).unwrap();
    matcher.is_completed()
}

/// The same where a limit may stop it: then `None`.
fn reads_or_limited(matcher: &mut Matcher, text: &[u8]) -> Option<bool> {
    let mut row = vec![0; vocabulary().vocab_size.div_ceil(32)];
    matcher.reset();
    for piece in text.chunks(text.len() / 10 + 1) {
        match matcher.fill(&mut row).and_then(|_| matcher.accept_bytes(piece)) {
            Ok(true) => {}
            Ok(false) => return Some(false),
            Err(error) => {
                assert!(matches!(error, EngineError::Limit { .. }), "{error}");
                return None;
            }
        }
    }
    Some(matcher.is_completed())
}

/// The error names a limit.
fn limited(error: &CompileError) -> bool {
    matches!(error, CompileError::Engine(EngineError::Limit { .. }))
        || error.to_string().contains("limit")
        || error.to_string().contains("nest")
}

#[test]
fn a_schema_of_a_thousand_nested_arrays() {
    guarded(|| {
        let depth = 1_000;
        let text = "{\"type\":\"array\",\"items\":".repeat(depth) + "{\"type\":\"null\"}" + &"}".repeat(depth);
        let grammar = schema(&text).unwrap();
        let document = "[".repeat(depth) + "null" + &"]".repeat(depth);
        assert!(reads(&mut matcher(&grammar), document.as_bytes()));
        assert!(!reads(&mut matcher(&grammar), document.replace("null", "1").as_bytes()));
    });
}

#[test]
fn a_schema_nested_beyond_every_limit() {
    guarded(|| {
        for (open, close) in
            [("{\"items\":", "}"), ("{\"allOf\":[", "]}"), ("{\"properties\":{\"a\":", "}}"), ("{\"anyOf\":[", "]}"), ("[", "]")]
        {
            let text = open.repeat(200_000) + "{}" + &close.repeat(200_000);
            let error = schema(&text).unwrap_err();
            assert!(limited(&error), "{error}");
            let error = schema(&open.repeat(200_000)).unwrap_err();
            assert!(!error.to_string().is_empty());
        }
    });
}

#[test]
fn a_schema_of_nested_all_of_and_any_of() {
    guarded(|| {
        for word in ["allOf", "anyOf"] {
            let text = format!("{{\"{word}\":[").repeat(900) + "{\"type\":\"null\"}" + &"]}".repeat(900);
            let grammar = schema(&text).unwrap();
            assert!(reads(&mut matcher(&grammar), b"null"));
        }
    });
}

#[test]
fn a_document_of_ten_thousand_nested_arrays_and_objects() {
    guarded(|| {
        let grammars = [
            schema("true").unwrap(),
            json_schema::builtin_json(&Limits::default()).unwrap(),
            schema(r##"{"anyOf":[{"type":"null"},{"type":"array","items":{"$ref":"#"}},{"type":"object","additionalProperties":{"$ref":"#"}}]}"##).unwrap(),
            rules("root ::= \"null\" | \"[\" root \"]\" | \"{\" \"\\\"a\\\":\" root \"}\"\n").unwrap(),
        ];
        let depth = 10_000;
        for grammar in grammars {
            let mut matcher = matcher(&grammar);
            assert!(reads(&mut matcher, ("[".repeat(depth) + "null" + &"]".repeat(depth)).as_bytes()));
            let fork = matcher.fork();
            matcher.reset();
            assert!(reads(&mut matcher, ("{\"a\":".repeat(depth) + "null" + &"}".repeat(depth)).as_bytes()));
            drop(fork);
        }
    });
}

#[test]
fn a_schema_of_a_megabyte() {
    guarded(|| {
        let mut text = String::from("{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
        let mut count = 0;
        while text.len() < 1 << 20 {
            let comma = if count == 0 { "" } else { "," };
            write!(
                text,
                "{comma}\"property_{count}\":{{\"type\":\"object\",\"properties\":{{\"x\":{{\"type\":\"integer\",\"minimum\":{count}}}}}}}"
            )
            .unwrap();
            count += 1;
        }
        text += "}}";
        let grammar = schema(&text).unwrap();
        let mut matcher = matcher(&grammar);
        assert!(reads(&mut matcher, format!("{{\"property_0\":{{\"x\":7}},\"property_{}\":{{}}}}", count - 1).as_bytes()));
        matcher.reset();
        assert!(!reads(&mut matcher, b"{\"property_9\":{\"x\":8}}"));
    });
}

#[test]
fn an_enum_of_twenty_thousand_strings() {
    guarded(|| {
        let values: Vec<String> = (0..20_000u32).map(|n| format!("\"v{}-{n}\"", n.wrapping_mul(2_654_435_761))).collect();
        let grammar = schema(&format!("{{\"enum\":[{}]}}", values.join(","))).unwrap();
        let mut matcher = matcher(&grammar);
        for value in [&values[0], &values[19_999], &values[777]] {
            matcher.reset();
            assert!(reads(&mut matcher, value.as_bytes()));
        }
        matcher.reset();
        assert!(!reads(&mut matcher, b"\"v1-0\""));
        // The same as objects and numbers, which are candidates and no trie.
        let mixed: Vec<String> = (0..2_000).map(|n| if n % 2 == 0 { n.to_string() } else { format!("{{\"k\":{n}}}") }).collect();
        let grammar = schema(&format!("{{\"enum\":[{}]}}", mixed.join(","))).unwrap();
        for (text, valid) in [("{\"k\":1999}", true), ("{\"k\":1998}", false)] {
            if let Some(read) = reads_or_limited(&mut self::matcher(&grammar), text.as_bytes()) {
                assert_eq!(read, valid, "{text}");
            }
        }
    });
}

#[test]
fn long_strings_and_large_counts() {
    guarded(|| {
        let exact = |matcher: &mut Matcher, open: &str, unit: &str, close: &str, counts: &[(usize, bool)]| {
            for &(count, expected) in counts {
                matcher.reset();
                let text = format!("{open}{}{close}", unit.repeat(count));
                assert_eq!(reads(matcher, text.as_bytes()), expected, "{open}{unit}{close} {count}");
            }
        };
        let mut bounded = matcher(&schema(r#"{"type":"string","maxLength":100000}"#).unwrap());
        exact(&mut bounded, "\"", "é", "\"", &[(0, true), (100_000, true), (100_001, false)]);
        let mut minimum = matcher(&schema(r#"{"type":"string","minLength":100000}"#).unwrap());
        exact(&mut minimum, "\"", "a", "\"", &[(99_999, false), (100_000, true)]);
        let mut items = matcher(&schema(r#"{"type":"array","items":{"type":"null"},"maxItems":100000,"minItems":50000}"#).unwrap());
        exact(&mut items, "[null", ",null", "]", &[(49_998, false), (49_999, true), (99_999, true), (100_000, false)]);
        let mut repeat = matcher(&rules("root ::= \"x\"{0,1000000}\n").unwrap());
        exact(&mut repeat, "", "x", "", &[(0, true), (1_000_000, true), (1_000_001, false)]);
        let mut class = matcher(&regex::grammar("x{0,1000000}", &Limits::default()).unwrap());
        exact(&mut class, "", "x", "", &[(0, true), (1_000_000, true), (1_000_001, false)]);
    });
}

#[test]
fn nested_and_ambiguous_counts_end_in_an_answer_or_a_limit() {
    guarded(|| {
        for body in [
            "(\"a\" | \"aa\"){2,500}",
            "(\"a\"{0,1000}){0,1000}",
            "((\"a\"{1,50} \"b\"?){1,50} \"c\"?){1,50}",
            "((\"a\" | \"aa\"){0,300} \"a\"?){0,300}",
            "(\"a\"? \"a\"? \"a\"? \"a\"?){1000,2000}",
            "(\"a\"*){1000000}",
            "((((\"a\"{0,9}){0,9}){0,9}){0,9}){0,9}",
            "(\"\" | \"a\"){4294967295}",
        ] {
            let outcome = rules(&format!("root ::= {body}\n")).and_then(|g| oracle::compile(&g, &vocabulary()));
            let Ok(compiled) = outcome else { continue };
            let mut matcher = oracle::matcher(&compiled);
            for _ in 0..200 {
                let mut row = vec![0; vocabulary().vocab_size.div_ceil(32)];
                let outcome = matcher.fill(&mut row).map(|_| ()).and_then(|()| matcher.accept_bytes(b"a").map(|_| ()));
                if let Err(error) = outcome {
                    assert!(matches!(error, EngineError::Limit { .. }), "{body}: {error}");
                    break;
                }
            }
        }
    });
}

#[test]
fn a_grammar_of_two_thousand_rules() {
    guarded(|| {
        let mut text = String::from("root ::= r0\n");
        for n in 0..2_000 {
            let (next, jump) = ((n + 1) % 2_000, (n * 7 + 3) % 2_000);
            writeln!(text, "r{n} ::= \"({n}\" r{next} \")\" | \"[{n}\" r{jump}? \"]\"").unwrap();
        }
        let mut matcher = matcher(&rules(&text).unwrap());
        assert!(reads(&mut matcher, b"[0[3[24]]]"));
        // A chain, each rule calling the next one first.
        let mut chain = String::from("root ::= r0\n");
        for n in 0..2_000 {
            writeln!(chain, "r{n} ::= r{} \"x\" | \"y\"", n + 1).unwrap();
        }
        chain += "r2000 ::= \"z\"\n";
        let mut matcher = self::matcher(&rules(&chain).unwrap());
        assert!(reads(&mut matcher, ("z".to_owned() + &"x".repeat(2_000)).as_bytes()));
        matcher.reset();
        assert!(!reads(&mut matcher, ("z".to_owned() + &"x".repeat(1_999)).as_bytes()));
        // One left-recursive component.
        let mut cycle = String::from("root ::= r0\n");
        for n in 0..300 {
            writeln!(cycle, "r{n} ::= r{} \"x\" | \"y\"", (n + 1) % 300).unwrap();
        }
        let mut matcher = self::matcher(&rules(&cycle).unwrap());
        assert!(reads(&mut matcher, ("y".to_owned() + &"x".repeat(700)).as_bytes()));
    });
}

#[test]
fn grammars_that_blow_up_deterministic_stack_sets() {
    guarded(|| {
        let first = rules("root ::= s\ns ::= \"a\" s x | \"a\" s y | c\nc ::= \"c\" d x\nd ::= \"b\" d x | \"b\" d y | \"b\" d | \"\"\nx ::= \"x\"\ny ::= \"y\"\n").unwrap();
        let second = rules(concat!(
            "root ::= x\nx ::= \"b\" p | \"b\" q | \"m\" p | \"a\" p | \"a\" q | \"a\" x | \"z\"\n",
            "p ::= x \"c\" | \"c\" p \"x\"\nq ::= x \"d\" | \"d\" q \"y\"\n"
        ))
        .unwrap();
        for k in [1, 2, 10, 33, 100, 200] {
            let mut matcher = matcher(&first);
            assert!(matcher.accept_bytes(("a".repeat(k) + "c" + &"b".repeat(k)).as_bytes()).unwrap());
            assert!(reads(&mut matcher, ("x".repeat(k + 1)).as_bytes()) && reads(&mut matcher.fork(), b""));
            let mut matcher = self::matcher(&second);
            assert!(matcher.accept_bytes(("b".repeat(k) + "m" + &"a".repeat(k + 2)).as_bytes()).unwrap());
            oracle::filled(&mut matcher, vocabulary().vocab_size).unwrap();
            assert!(matcher.accept_bytes(b"z").unwrap());
            assert!(matcher.allowed_bytes().unwrap().contains(b'c'));
        }
    });
}

#[test]
fn deeply_nested_groups_and_patterns() {
    guarded(|| {
        for depth in [1_000, 9_000, 300_000] {
            for (open, close) in [("(", ")"), ("(", ")?"), ("(", ")*"), ("(\"a\" | ", ")"), ("\"a\" (", ")")] {
                let text = format!("root ::= {}\"x\"{}\n", open.repeat(depth), close.repeat(depth));
                match rules(&text).and_then(|g| oracle::compile(&g, &vocabulary())) {
                    Ok(_) => assert!(depth < 10_000),
                    Err(error) => assert!(limited(&error), "{error}"),
                }
                // Unclosed.
                assert!(rules(&format!("root ::= {}", open.repeat(depth))).is_err());
            }
            for (open, close) in [("(", ")"), ("(?:a|", ")"), ("(", ")*"), ("(?=", ")"), ("(?!", ")")] {
                let pattern = open.repeat(depth) + "x" + &close.repeat(depth);
                match regex::grammar(&pattern, &Limits::default()).and_then(|g| oracle::compile(&g, &vocabulary())) {
                    Ok(_) => assert!(depth < 10_000),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
                assert!(regex::grammar(&open.repeat(depth), &Limits::default()).is_err());
            }
            let classes = "[".repeat(depth);
            let _ = regex::grammar(&classes, &Limits::default());
            assert!(rules(&format!("root ::= {classes}")).is_err());
        }
    });
}

#[test]
fn patterns_that_blow_up_deterministic_automata() {
    guarded(|| {
        for pattern in [
            "^(a|b)*a(a|b){40}$",
            "(?=(a|b)*a(a|b){30}c)(a|b)*c",
            "^(?=.*a.{20}$)(?=.*b.{20}$)(?!.*c.{20}$).*$",
            "(x+x+)+y",
            "(([a-z]+)*)+!",
            ".*.*.*.*.*.*.*.*=.*",
            "^.{1,500}$",
            "(a{0,50}){0,50}b",
        ] {
            let text = format!("{{\"type\":\"string\",\"pattern\":\"{pattern}\",\"maxLength\":400}}");
            // A tenth of the defaults: these tests are built with little optimisation.
            let limits = Limits { max_search_steps: 30_000, max_formula_nodes: 100_000, ..Limits::default() };
            for outcome in [json_schema::grammar(&text, &json_schema::Options::default(), &limits), regex::grammar(pattern, &limits)] {
                let bind =
                    |g| CompiledGrammar::compile(&g, std::sync::Arc::new(vocabulary().build().unwrap()), &limits, &Interrupt::default());
                let Ok(compiled) = outcome.and_then(bind) else { continue };
                let mut matcher = oracle::matcher(&compiled);
                for byte in b"\"abababababababababababababababab" {
                    let mut row = vec![0; vocabulary().vocab_size.div_ceil(32)];
                    match matcher.fill(&mut row).map(|_| ()).and_then(|()| matcher.accept_bytes(&[*byte]).map(|_| ())) {
                        Ok(()) => {}
                        Err(error) => {
                            assert!(matches!(error, EngineError::Limit { .. }), "{pattern}: {error}");
                            break;
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn many_branches_and_definitions() {
    guarded(|| {
        let branches: Vec<String> = (0..500)
            .map(|n| {
                format!(
                    "{{\"type\":\"object\",\"properties\":{{\"k\":{{\"const\":{n}}},\"v\":{{\"type\":\"string\"}}}},\"required\":[\"k\"]}}"
                )
            })
            .collect();
        match schema(&format!("{{\"anyOf\":[{}]}}", branches.join(","))) {
            Ok(grammar) => assert!(reads_or_limited(&mut matcher(&grammar), b"{\"k\":499,\"v\":\"x\"}").unwrap_or(true)),
            Err(error) => assert!(limited(&error), "{error}"),
        }
        let chain: Vec<String> = (0..2_000).map(|n| format!("\"d{n}\":{{\"$ref\":\"#/$defs/d{}\"}}", n + 1)).collect();
        let text = format!("{{\"$ref\":\"#/$defs/d0\",\"$defs\":{{{},\"d2000\":{{\"type\":\"null\"}}}}}}", chain.join(","));
        match schema(&text) {
            Ok(grammar) => assert!(reads(&mut self::matcher(&grammar), b"null")),
            Err(error) => assert!(limited(&error), "{error}"),
        }
        // 2^40 combinations, were they multiplied out.
        let pairs: Vec<String> =
            (0..40).map(|n| format!("{{\"anyOf\":[{{\"required\":[\"a{n}\"]}},{{\"required\":[\"b{n}\"]}}]}}")).collect();
        let text = format!("{{\"type\":\"object\",\"allOf\":[{}]}}", pairs.join(","));
        match schema(&text).and_then(|g| oracle::compile(&g, &vocabulary())) {
            Err(error) => assert!(limited(&error), "{error}"),
            Ok(compiled) => {
                let mut matcher = oracle::matcher(&compiled);
                let mut row = vec![0; vocabulary().vocab_size.div_ceil(32)];
                if let Err(error) = matcher.fill(&mut row).map(|_| ()).and_then(|()| matcher.accept_bytes(b"{\"a0\":1,\"b1\":").map(|_| ()))
                {
                    assert!(matches!(error, EngineError::Limit { .. }), "{error}");
                }
            }
        }
    });
}

/// Compile and read the text (the beginning of one, if it is a brace): it must be accepted, unless a limit stops it, which is quick as well.
fn ends(name: &str, schema_text: &str, text: &str) -> Option<bool> {
    let outcome = match schema(schema_text).and_then(|g| oracle::compile(&g, &vocabulary())) {
        Ok(compiled) if text == "{" => {
            let mut matcher = oracle::matcher(&compiled);
            let mut row = vec![0; vocabulary().vocab_size.div_ceil(32)];
            let outcome = matcher.fill(&mut row).and_then(|_| matcher.accept_bytes(b"{")).and_then(|accepted| {
                matcher.fill(&mut row)?;
                Ok(accepted)
            });
            assert!(matches!(outcome, Ok(_) | Err(EngineError::Limit { .. })), "{name}: {outcome:?}");
            outcome.ok()
        }
        Ok(compiled) => reads_or_limited(&mut oracle::matcher(&compiled), text.as_bytes()),
        Err(error) => {
            assert!(limited(&error), "{name}: {error}");
            None
        }
    };
    assert_ne!(outcome, Some(false), "{name}");
    outcome
}

#[test]
fn objects_of_thousands_of_keys() {
    guarded(|| {
        for count in [100, 7_000] {
            let properties: Vec<String> =
                (0..count).map(|n| format!("\"property_number_{n:05}_{}\":{{\"type\":\"integer\"}}", "x".repeat(80))).collect();
            let names: Vec<&str> = properties.iter().filter_map(|p| p.split(':').next()).collect();
            let members: Vec<String> = names.iter().map(|name| format!("{name}:1")).collect();
            let open = format!("{{\"type\":\"object\",\"properties\":{{{}}}", properties.join(","));
            let closed = format!("{open},\"additionalProperties\":false");
            let few = format!("{{{}}}", members[..4].join(","));
            // All of thousands take a while, one state each.
            let all = if count > 100 { "{".to_owned() } else { format!("{{{}}}", members.join(",")) };
            let required = format!("\"required\":[{}]", names.join(","));
            let backwards = format!("\"required\":[{}]", names.iter().rev().copied().collect::<Vec<_>>().join(","));
            assert_eq!(ends("open", &format!("{open}}}"), &few), Some(true));
            assert_eq!(ends("closed", &format!("{closed}}}"), &few), Some(true));
            assert_eq!(ends("open, all required", &format!("{open},{required}}}"), &all), Some(true));
            assert_eq!(ends("closed, all required", &format!("{closed},{required}}}"), &all), Some(true));
            assert_eq!(ends("all required, backwards", &format!("{open},{backwards}}}"), &all), Some(true));
        }
    });
}

#[test]
fn alternatives_by_the_thousand() {
    guarded(|| {
        for count in [100, 4_000] {
            for word in ["anyOf", "oneOf"] {
                for (name, properties, required, text) in [
                    (
                        "const",
                        "\"kind\":{\"const\":\"k#\"},\"v\":{\"type\":\"string\"},\"w#\":{\"type\":\"integer\"}",
                        "kind",
                        "{\"kind\":\"k7\",\"v\":\"x\",\"w7\":1}",
                    ),
                    ("enum", "\"kind\":{\"enum\":[\"k#\",\"l#\"]},\"v\":{\"type\":\"string\"}", "kind", "{\"kind\":\"l7\",\"v\":\"x\"}"),
                    ("number", "\"kind\":{\"const\":#},\"v\":{\"type\":\"string\"}", "kind", "{\"kind\":7,\"v\":\"x\"}"),
                    ("optional const", "\"kind\":{\"const\":\"k#\"},\"v\":{\"type\":\"string\"}", "v", "{\"kind\":\"k7\",\"v\":\"x\"}"),
                    ("own key", "\"v\":{\"type\":\"string\"},\"w#\":{\"type\":\"integer\"}", "w#", "{\"v\":\"x\",\"w7\":1}"),
                    ("own type", "\"v\":{\"type\":\"string\",\"minLength\":#}", "v", "{\"v\":\"\"}"),
                ] {
                    let branch = |n: usize, closed: &str| {
                        let template =
                            format!("{{\"type\":\"object\",\"properties\":{{{properties}}},\"required\":[\"{required}\"]{closed}}}");
                        template.replace('#', &n.to_string())
                    };
                    for closed in ["", ",\"additionalProperties\":false"] {
                        let branches: Vec<String> = (0..count).map(|n| branch(n, closed)).collect();
                        let schema = format!("{{\"{word}\":[{}]}}", branches.join(","));
                        let outcome = ends(&format!("{word} of {count}, {name} {closed}"), &schema, text);
                        assert!(outcome.is_some() || count > 100 || name == "own type", "{word} of {count}, {name}");
                        assert!(outcome.is_some() || !name.contains("const"), "{word} of {count}, {name}");
                    }
                }
                for (name, branch, text) in [
                    ("strings", "{\"const\":\"s#\"}", "\"s7\""),
                    ("integers", "{\"const\":#}", "7"),
                    ("ranges", "{\"type\":\"integer\",\"minimum\":1#0,\"maximum\":1#3}", "171"),
                    ("patterns", "{\"type\":\"string\",\"pattern\":\"^s#x+$\"}", "\"s7xx\""),
                    ("arrays", "{\"type\":\"array\",\"items\":{\"const\":#},\"minItems\":1}", "[7,7]"),
                ] {
                    // Numbers and arrays watch each alternative on its own.
                    let count = if matches!(name, "ranges" | "arrays") { count.min(300) } else { count };
                    let branches: Vec<String> = (0..count).map(|n| branch.replace('#', &n.to_string())).collect();
                    ends(&format!("{word} of {count} {name}"), &format!("{{\"{word}\":[{}]}}", branches.join(",")), text);
                }
            }
            let objects: Vec<String> = (0..count.min(300)).map(|n| format!("{{\"a\":{n},\"b\":\"{n}\"}}")).collect();
            ends("enum of objects", &format!("{{\"enum\":[{}]}}", objects.join(",")), "{\"a\":7,\"b\":\"7\"}");
            let parts: Vec<String> = (0..count).map(|n| format!("{{\"properties\":{{\"p{n}\":{{\"type\":\"integer\"}}}}}}")).collect();
            ends(&format!("allOf of {count}"), &format!("{{\"allOf\":[{}]}}", parts.join(",")), "{\"p7\":1}");
            let items: Vec<String> = (0..2 * count).map(|n| format!("{{\"const\":{n}}}")).collect();
            let schema = format!("{{\"type\":\"array\",\"prefixItems\":[{}],\"minItems\":5}}", items.join(","));
            ends(&format!("prefixItems of {}", 2 * count), &schema, "[0,1,2,3,4]");
        }
    });
}

#[test]
fn rubbish_is_refused_politely() {
    guarded(|| {
        let texts = [
            "",
            "\0",
            "\u{FEFF}",
            "root",
            "root ::=",
            "::= \"a\"",
            "root ::= \"\\",
            "root ::= [",
            "root ::= [z-a]",
            "root ::= \"a\"{3,2}",
            "root ::= \"a\"{99999999999}",
            "root ::= \"\\uD800\"",
            "root ::= json_schema(\"{\")",
            "root ::= )",
        ];
        let mut read: Vec<&str> = texts.into_iter().filter(|text| rules(text).is_ok()).collect();
        let schemas = [
            "",
            "{",
            "[1",
            "nul",
            "5",
            "\"a\"",
            "null",
            "[]",
            "{\"type\":5}",
            "{\"$ref\":5}",
            "{\"properties\":[]}",
            "{\"enum\":{}}",
            "{\"minimum\":\"5\"}",
            "{\"required\":\"a\"}",
        ];
        read.extend(schemas.into_iter().filter(|text| schema(text).is_ok()));
        let patterns = ["(", ")", "[", "a{2,1}", "\\", "(?<a", "\\p{Nope}", "*", "(a)\\1", "[z-a]"];
        read.extend(patterns.into_iter().filter(|text| regex::grammar(text, &Limits::default()).is_ok()));
        assert!(read.is_empty(), "{read:?}");
    });
}

#[test]
fn work_stops_when_told_to() {
    guarded(|| {
        let deadline = Interrupt { deadline: Some(std::time::Instant::now()), ..Interrupt::default() };
        let mut text = String::from("root ::= r0\n");
        for n in 0..20_000 {
            writeln!(text, "r{n} ::= \"a\" r{} | \"b\" r{}?", (n + 1) % 20_000, (n * 31) % 20_000).unwrap();
        }
        let grammar = rules(&text).unwrap();
        let vocabulary = std::sync::Arc::new(vocabulary().build().unwrap());
        let outcome = CompiledGrammar::compile(&grammar, vocabulary, &Limits::default(), &deadline);
        assert!(matches!(outcome.map(|_| ()), Err(CompileError::Engine(EngineError::TimedOut))));
    });
}

#[test]
fn small_limits_are_errors_that_name_them() {
    guarded(|| {
        let limits = Limits { max_text_bytes: 10, ..Limits::default() };
        for outcome in [
            ebnf::parse("root ::= \"a\" \"b\" \"c\"", "root", &limits),
            regex::grammar("abcdefghijklmnop", &limits),
            json_schema::grammar("{\"type\":\"string\"}", &json_schema::Options::default(), &limits),
        ] {
            assert!(outcome.unwrap_err().to_string().contains("max_text_bytes"));
        }
        let limits = Limits { max_states: 3, ..Limits::default() };
        let grammar = rules("root ::= \"abcdefgh\" | \"[\" root \"]\"\n").unwrap();
        let compiled =
            CompiledGrammar::compile(&grammar, std::sync::Arc::new(vocabulary().build().unwrap()), &limits, &Interrupt::default());
        let error = match compiled {
            Err(error) => error.to_string(),
            Ok(compiled) => oracle::matcher(&compiled).accept_bytes(b"[[[abcdefgh").unwrap_err().to_string(),
        };
        assert!(error.contains("max_states"), "{error}");
    });
}

#[test]
fn a_mask_of_many_parses_ends_in_a_named_limit() {
    let text = r#"root ::= r "!"
r ::= [^"] | r{3,40}"#;
    guarded(|| {
        let grammar = rules(text).unwrap();
        let letters = (1..20).map(|length| "ab".repeat(length).into_bytes());
        let vocabulary = TinyVocabulary::new(&ByteSet::ALL, letters);
        let limits = Limits { max_mask_frames: 5_000, ..Limits::default() };
        let compiled = oracle::compile_within(&grammar, &vocabulary, &limits).unwrap();
        let mut matcher = oracle::matcher(&compiled);
        let mut row = vec![0; compiled.vocabulary().words()];
        for _ in 0..3 {
            assert_eq!(matcher.fill(&mut row), Err(EngineError::Limit { name: "max_mask_frames", bound: 5_000 }));
        }
        // The text is as it was.
        assert_eq!(matcher.accept_bytes(b"abc!"), Ok(true));
        let wide = oracle::compile(&grammar, &vocabulary).unwrap();
        oracle::check_mask(&mut oracle::matcher(&wide), &vocabulary).unwrap();
    });
}

#[test]
fn frames_with_many_frames_below_end_in_a_named_limit() {
    // A byte reaches about the square of the text's length in frames, and below each lie as many as the text is long. By the frames reached alone,
    // 226 bytes would be read within this limit.
    let text = r#"root ::= x root "b" | "b" | y
x ::= "b" | root x | ""
y ::= root root x | x y "b" | "b""#;
    guarded(|| {
        let grammar = rules(text).unwrap();
        let limits = Limits { max_step_frames: 20_000, ..Limits::default() };
        let compiled = oracle::compile_within(&grammar, &vocabulary(), &limits).unwrap();
        let mut matcher = oracle::matcher(&compiled);
        let mut read = 0;
        let error = loop {
            match matcher.accept_bytes(b"b") {
                Ok(taken) => assert!(taken, "the grammar takes any number of them"),
                Err(error) => break error,
            }
            read += 1;
        };
        assert_eq!(error, EngineError::Limit { name: "max_step_frames", bound: 20_000 });
        assert!((50..200).contains(&read), "{read} bytes were read");
    });
}
