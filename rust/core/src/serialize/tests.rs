//! Round trips, and what is refused by name.

use proptest::prelude::*;

use super::{Data, Kind, Object, framed, trusting, version};
use crate::error::DeserializeError;
use crate::frontend::{ebnf, json_schema, regex};
use crate::grammar::{Expr, Grammar, GrammarBuilder};
use crate::limits::Limits;
use crate::vocab::Vocabulary;

fn limits() -> Limits {
    Limits::default()
}

fn vocabulary(last: &[u8], vocab_size: usize, stop: u32) -> Vocabulary {
    let tokens = [&b"a"[..], b"\xC3\x28", b"\"\\\n", "é".as_bytes(), b"</s>", last];
    Vocabulary::new(&tokens, vocab_size, &[stop], &[1]).unwrap()
}

fn here() -> Vocabulary {
    vocabulary(b"b", 9, 4)
}

/// Nested as deep as no front-end leaves it: as text it is read with more rules.
fn nested(depth: usize) -> Grammar {
    let mut builder = GrammarBuilder::new(&limits());
    let root = builder.declare("root").unwrap();
    let body = (0..depth).fold(Expr::text("x"), |inner, _| Expr::sequence(vec![Expr::text("a"), inner.repeat(0, None)]));
    builder.define(root, body).unwrap();
    builder.finish("root").unwrap()
}

fn grammars() -> Vec<Grammar> {
    let read = |text: &str| ebnf::parse(text, "root", &limits()).unwrap();
    let schema = |text: &str| json_schema::grammar(text, &json_schema::Options::default(), &limits()).unwrap();
    let mut documents = json_schema::Documents::default();
    documents.insert("urn:a\"b", r#"{"minLength": 2, "title": "\u0000 é"}"#);
    let referring = json_schema::grammar_with(r#"{"$ref": "urn:a\"b"}"#, &json_schema::Options::default(), &documents, &limits()).unwrap();
    let all = vec![
        nested(100),
        read("root ::= \"a\" root | [^\\x00-\\x1f\"] # comment\nspare ::= \"\\u00e9\\n\\x00\""),
        ebnf::parse("start ::= \"a\" start?", "start", &limits()).unwrap(),
        regex::grammar("(?<=a)[b-d]{2,500}|\\p{L}+$", &limits()).unwrap(),
        regex::grammar(&("(a|b".repeat(150) + &"c?)*".repeat(150)), &limits()).unwrap(),
        schema(r#"{"type": "object", "properties": {"a": {"pattern": "^\\d+$"}}, "required": ["a"]}"#),
        json_schema::builtin_json(&limits()).unwrap(),
        referring,
        Grammar::from_choices(&["a\"b".into(), "é\u{2028}".into(), String::new()]),
    ];
    let (union, concat) = (Grammar::union(&all), Grammar::concat(&all[..3]));
    all.into_iter().chain([union, concat, Grammar::concat(&[])]).collect()
}

#[test]
fn grammars_come_back() {
    for grammar in grammars() {
        let object = Object::Grammar(&grammar);
        let (bytes, json) = (object.to_bytes(), object.to_json());
        for data in [Data::Bytes(&bytes), Data::Json(&json)] {
            let again = data.grammar(&limits()).unwrap();
            if grammar.rules().iter().all(|rule| rule.body.height() <= ebnf::LIFT_HEIGHT) {
                assert_eq!(again, grammar);
                assert_eq!(again.identity(), grammar.identity());
            }
            let object = Object::Grammar(&again);
            assert_eq!((object.to_bytes(), object.to_json()), (bytes.clone(), json.clone()));
        }
        let (bytes, json) = {
            let object = Object::CompiledGrammar(&grammar, &here());
            (object.to_bytes(), object.to_json())
        };
        for data in [Data::Bytes(&bytes), Data::Json(&json)] {
            let again = data.compiled_grammar(&here(), &limits()).unwrap();
            assert_eq!(Object::CompiledGrammar(&again, &here()).to_bytes(), bytes);
        }
    }
}

#[test]
fn tokenizers_come_back() {
    let all: [Vec<u8>; 3] = [(0..=255).collect(), b"x".to_vec(), Vec::new()];
    for (tokens, padding) in [(&all[..], 0), (&all[..1], 40), (&[][..], 1)] {
        let size = tokens.len() + padding;
        let vocabulary = Vocabulary::new(tokens, size, &[size as u32 - 1], &[0]).unwrap();
        let object = Object::Tokenizer(&vocabulary, 2, true);
        let (bytes, json) = (object.to_bytes(), object.to_json());
        for data in [Data::Bytes(&bytes), Data::Json(&json)] {
            let again = data.tokenizer().unwrap();
            assert_eq!((again.vocab_type, again.add_prefix_space), (2, true));
            assert_eq!(again.vocabulary.identity(), vocabulary.identity());
            assert_eq!(again.vocabulary.special_token_ids(), vocabulary.special_token_ids());
            let object = Object::Tokenizer(&again.vocabulary, 2, true);
            assert_eq!((object.to_bytes(), object.to_json()), (bytes.clone(), json.clone()));
        }
    }
}

#[test]
fn json_is_for_people() {
    let grammar = ebnf::parse("start ::= \"a\"", "start", &limits()).unwrap();
    let expected = r#"{"kind": "Grammar", "ebnf": "start ::= \"a\"\n", "root_rule_name": "start", "__VERSION__": "maskwright-1"}"#;
    assert_eq!(Object::Grammar(&grammar).to_json(), expected);
    let vocabulary = Vocabulary::new(&[&b"\xC3\xA9 \x80\n"[..], b"b", b""], 4, &[2], &[1]).unwrap();
    assert_eq!(
        Object::Tokenizer(&vocabulary, 0, false).to_json(),
        "{\"kind\": \"TokenizerInfo\", \"vocab_type\": 0, \"add_prefix_space\": false, \"stop_token_ids\": [2], \"special_token_ids\": [1], \
         \"decoded_vocab\": [\"Ã© \\u0080\\n\", \"b\", \"\", \"\"], \"__VERSION__\": \"maskwright-1\"}"
    );
    let handmade =
        " { \"__VERSION__\":\"maskwright-1\",\"root_rule_name\":\"r\" ,\"ebnf\":\"r::=regex(\\\"a+\\\") # mine\",\"kind\":\"Grammar\"}\n";
    assert_eq!(Data::Json(handmade).grammar(&limits()).unwrap().to_string(), "r ::= [a]+\n");
}

/// The fingerprint is the same on every machine.
#[test]
fn a_vocabulary_has_one_identity_everywhere() {
    assert_eq!(format!("{:032x}", here().identity()), "83a09c2dcd87c1f588e0cf5ec5ffe307");
}

#[test]
fn another_tokenizer_is_named() {
    let grammar = Grammar::from_choices(&["a".into()]);
    let vocabulary = here();
    let json = Object::CompiledGrammar(&grammar, &vocabulary).to_json();
    let differences = |other: &Vocabulary| match Data::Json(&json).compiled_grammar(other, &limits()) {
        Err(DeserializeError::OtherTokenizer { differences }) => differences.join("; "),
        other => panic!("{other:?}"),
    };
    assert_eq!(differences(&self::vocabulary(b"c", 9, 4)), "which tokens are text, or their bytes, differ");
    assert_eq!(differences(&self::vocabulary(b"b", 8, 4)), "vocab_size is 9, here 8");
    assert_eq!(differences(&self::vocabulary(b"b", 9, 5)), "stop_token_ids are [4], here [5]");
    assert_eq!(differences(&self::vocabulary(b"", 9, 7)), "stop_token_ids are [4], here [7]");
    assert_eq!(differences(&self::vocabulary(b"", 9, 4)), "4 tokens are text, here 3");
}

fn json(fields: &str) -> String {
    format!("{{\"kind\": \"Grammar\", \"__VERSION__\": {:?}, {fields}}}", version())
}

#[test]
fn what_is_no_json_of_ours_is_refused_by_name() {
    let refused = |text: &str| Data::Json(text).grammar(&limits()).unwrap_err();
    for text in [
        "",
        "{",
        "{\"a\": 1,}",
        "{\"a\": nul}",
        "{\"a\": 1, \"a\": 2}",
        "{} {}",
        "{\"a\": [1, \"b\" 2]}",
        "{\"a\": \"\\ud800\"}",
        "{\"a\": 01}",
    ] {
        assert!(matches!(refused(text), DeserializeError::NotJson { .. }), "{text}");
    }
    assert_eq!(refused("{\n \"a\": x}").to_string(), "this is not JSON: line 2, column 7: expected a JSON value");
    for text in ["{}", "{\"__VERSION__\": \"v16\", \"rules\": [[\"root\", {\"a\": [null]}]]}", "{\"__VERSION__\": 1}"] {
        assert!(matches!(refused(text), DeserializeError::OtherVersion { .. }), "{text}");
    }
    let of = |fields: &str| refused(&json(fields)).to_string();
    let start = "this is no serialised Grammar: ";
    assert_eq!(refused("[]").to_string(), format!("{start}the JSON text is not an object"));
    assert_eq!(of("\"ebnf\": \"root ::= []\""), format!("{start}root_rule_name is missing"));
    assert_eq!(of("\"ebnf\": 3, \"root_rule_name\": \"root\""), format!("{start}ebnf must be a string"));
    assert_eq!(of("\"ebnf\": \"root ::= []\", \"root_rule_name\": \"root\", \"x\": {}"), format!("{start}there is no field \"x\""));
    let tokenizer = Object::Tokenizer(&here(), 0, false).to_json();
    assert_eq!(refused(&tokenizer).to_string(), format!("{start}it is a TokenizerInfo"));
    assert!(of("\"ebnf\": \"root ::= \", \"root_rule_name\": \"root\"").starts_with("the grammar in it is refused: EBNF error at line 1"));
    let deep = format!("\"x\": {}{}", "[{\"\":".repeat(400_000), "1");
    assert!(matches!(refused(&json(&deep)), DeserializeError::NotJson { .. }));
    let deep = format!("\"x\": {}{}", "[".repeat(400_000), "]".repeat(400_000));
    assert!(of(&deep).contains("ebnf is missing"));
}

#[test]
fn what_is_no_tokenizer_is_refused() {
    let text = Object::Tokenizer(&here(), 0, false).to_json();
    for (from, to) in [
        ("[4]", "[9]"),
        ("[4]", "[]"),
        ("[4]", "[-1]"),
        ("[4]", "[4.0]"),
        ("[4]", "[4294967296]"),
        ("[4]", "[\"4\"]"),
        ("\"a\"", "\"Ā\""),
        ("\"a\"", "3"),
        ("\"a\"", "[]"),
        ("false", "0"),
        ("\"vocab_type\": 0", "\"vocab_type\": 18446744073709551616"),
        ("\"vocab_type\": 0", "\"vocab_type\": -1"),
    ] {
        let damaged = text.replace(from, to);
        assert_ne!(damaged, text);
        let refused = Data::Json(&damaged).tokenizer().err();
        assert!(matches!(refused, Some(DeserializeError::Format { .. } | DeserializeError::Vocabulary(_))), "{to}: {refused:?}");
    }
    let long = text.replace("\"a\"", &format!("{:?}", "a".repeat(5000)));
    assert!(matches!(Data::Json(&long).tokenizer(), Err(DeserializeError::Vocabulary(_))));
}

#[test]
fn what_are_no_bytes_of_ours_are_refused_by_name() {
    let grammar = Grammar::from_choices(&["a".into()]);
    let bytes = Object::Grammar(&grammar).to_bytes();
    let refused = |bytes: &[u8]| Data::Bytes(bytes).grammar(&limits()).unwrap_err().to_string();
    assert!(refused(b"{}").contains("do not begin"));
    for length in 0..bytes.len() {
        assert!(Data::Bytes(&bytes[..length]).grammar(&limits()).is_err(), "cut at {length}");
        let mut damaged = bytes.clone();
        damaged[length] ^= 1;
        assert!(Data::Bytes(&damaged).grammar(&limits()).is_err(), "flipped at {length}");
    }
    let mut newer = bytes.clone();
    newer[8] = 2;
    assert_eq!(
        Data::Bytes(&newer).grammar(&limits()),
        Err(DeserializeError::OtherVersion { found: Some("maskwright-2".into()), expected: "maskwright-1".into() })
    );
    assert!(refused(&Object::Tokenizer(&here(), 0, false).to_bytes()).contains("it is a TokenizerInfo"));
    // With a checksum that fits.
    for fields in [
        &b""[..],
        b"\x04root",
        b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F",
        b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        b"\x81\x00r\x04root",
        b"\x01\xFF\x04root",
    ] {
        assert!(refused(&framed(Kind::Grammar, fields)).contains("is malformed"), "{fields:?}");
    }
    let mut more = b"\x0Droot ::= \"ab\"\x04root".to_vec();
    assert!(Data::Bytes(&framed(Kind::Grammar, &more)).grammar(&limits()).is_ok());
    more.push(0);
    assert!(refused(&framed(Kind::Grammar, &more)).contains("more than its fields"));
    // A list that says to be longer than the bytes there are.
    for count in [&b"\xFF\xFF\xFF\xFF\x0F"[..], b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"] {
        let fields = [&b"\x00\x00"[..], count, b"\x01"].concat();
        assert!(Data::Bytes(&framed(Kind::Tokenizer, &fields)).tokenizer().is_err());
    }
}

#[test]
fn limits_apply() {
    let grammar = Grammar::from_choices(&["a".into(), "bcd".into()]);
    let (bytes, tight) = (Object::Grammar(&grammar).to_bytes(), Limits { max_expression_nodes: 2, ..limits() });
    let refused = Data::Bytes(&bytes).grammar(&tight).unwrap_err();
    assert!(refused.to_string().contains("max_expression_nodes"), "{refused}");
    assert!(Data::Bytes(&bytes).grammar(&Limits { max_text_bytes: 9, ..limits() }).is_err());
    assert!(Data::Bytes(&bytes).grammar(&trusting(&tight)).is_ok());
}

proptest! {
    /// What is flipped, cut or spliced in JSON is refused, or gives something that is written as it was read.
    #[test]
    fn damaged_json_is_refused_or_is_whole(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), with in ".{0,3}", cut in 0usize..9) {
        let grammars = grammars();
        let mut text = Object::CompiledGrammar(which.get(&grammars), &here()).to_json();
        let mut start = at.index(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = (start + cut).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        text.replace_range(start..end, &with);
        if let Ok(grammar) = Data::Json(&text).compiled_grammar(&here(), &limits()) {
            prop_assert_eq!(grammar.validate(), Ok(()));
            let written = Object::CompiledGrammar(&grammar, &here()).to_json();
            let again = Data::Json(&written).compiled_grammar(&here(), &limits()).unwrap();
            prop_assert_eq!(Object::CompiledGrammar(&again, &here()).to_json(), written);
        }
    }
}
