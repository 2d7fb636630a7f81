//! Masks that were learned from the shapes of tokens are those that walks over the vocabulary find.

use std::sync::Arc;

use super::models_tests::row;
use super::{CompiledGrammar, Matcher, MatcherOptions};
use crate::frontend::ebnf;
use crate::limits::{Interrupt, Limits};
use crate::mask::MaskStore;
use crate::testing::source::Source;
use crate::vocab::Vocabulary;

/// Keywords beside names, ends that are no ends, counts within reach and beyond, classes that tell letters apart, characters beyond ASCII, blanks before
/// words, recursion on both sides, ambiguity.
const GRAMMARS: &[&str] = &[
    r#"root ::= (s " ")+; s ::= "let " n " = " e ";" | "if " e s | e ";" | n " = " e ";"; e ::= e " + " t | t; t ::= n | [0-9]+ | "(" e ")" | "true" | "\"" [^"\n]* "\""; n ::= [a-zA-Z_] [a-zA-Z0-9_]*"#,
    r#"root ::= "{" k ": " b{1,5} "}"; k ::= [a-zA-Z0-9 ,.]{1,30}; b ::= "<" [^<>]{3,12} ">""#,
    r#"root ::= q ";"; q ::= "SE" ("DIS ")? v (", " v)* " FR " n (" WH " v)?; v ::= ("CO" | "SU") "(" v ")" | n ("." n)? | "(" q ")" | "'" ([^'\n] | "''")* "'"; n ::= [a-z_] [a-z0-9_]{0,6}"#,
    r#"root ::= s; s ::= s s | "a" | "b" s | "(" s ")" | """#,
    r#"root ::= x*; x ::= "<" n ">" (x | [^<&] | "&" [a-z]+ ";")* "</" n ">" | "<!--" ([^-] | "-" [^-])* "-->"; n ::= [a-zA-Z] [a-zA-Z0-9.-]*"#,
    "root ::= ([\u{e0}-\u{ff}a-f]+ | [^\u{e9}a] | \"\u{e9}t\u{e9}\" | [\u{2028}-\u{2029}] [0-4]+ | [^\u{2028}\u{2029}] \"b\")*",
    r#"root ::= w (" " w){0,9} "."; w ::= [a-z]{1,4} | [A-Z] [^ .]* | [0-9]+ "x""#,
    r#"root ::= (l "\n")+; l ::= " "* (w | "" ) ; w ::= [a-z]+ ("-" [a-zA-Z]+)* | "foo" d; d ::= [\x00-\x7f]"#,
    r#"root ::= c+; c ::= [^a]{2} | "a" [^\x00-\x7f]{1,70} "a""#,
    r#"root ::= "{" regex("(?:(?!-->|b\\d)[\\s\\S])*") "-->" ("b" | regex("(?!ab|ze)[a-z]{1,4}(_[a-zé]+)*(?! )")) ";""#,
    r#"root ::= (regex("(?=.*[A-Z])(?!.*--)[^;\u2028]{2,30}") ";")+"#,
    "root ::= ([\u{e0}-\u{ff}] \"a\" | [^\u{e0}-\u{ff}\\n] \"b\")+",
];

const PIECES: &[&[u8]] = &[
    b"a",
    b"b",
    b"z",
    b"e",
    b"A",
    b"X",
    b"0",
    b"7",
    b"_",
    b"-",
    b".",
    b";",
    b" ",
    b" ",
    b"\n",
    b"\"",
    b"'",
    b"(",
    b")",
    b"<",
    b">",
    b"</",
    b"<a>",
    b"&",
    b": ",
    b", ",
    b" = ",
    b" + ",
    b"let ",
    b"if ",
    b"true",
    b"foo",
    b"SE",
    b"CO(",
    b" FR ",
    b" a",
    b"ab",
    b"{",
    b"}",
    b"<!--",
    b"-->",
    b"\xc3",
    b"\xa9",
    b"\xe2\x80",
    b"\x80",
    "\u{e9}".as_bytes(),
    "\u{e7}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{202a}".as_bytes(),
    "\u{1f600}".as_bytes(),
];

fn vocabulary(source: &mut Source) -> Arc<Vocabulary> {
    let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
    for _ in 0..2500 {
        tokens.push((0..=source.below(6)).flat_map(|_| source.pick(PIECES).iter().copied()).collect());
    }
    let stop = tokens.len() as u32;
    tokens.push(b"</s>".to_vec());
    Arc::new(Vocabulary::new(&tokens, tokens.len(), &[stop], &[]).expect("a vocabulary"))
}

/// Places that few tokens lead to: a grammar, how a text begins, and tokens, where `?` is any letter or digit.
const RARE: &[(&str, &str, &[&str])] = &[
    // What may be over, and then more of it, before it calls itself.
    (
        r#"root ::= "<" v w ">"; v ::= "_" [a-z] ("(" v "]")?; w ::= "(_" [a-z0-9]+ "!""#,
        "<_",
        &["a(_b!", "a(_bb!", "a(_a", "a(_a(", "a(_a]", "a(_a](", "a(_b", "a(_ab!>"],
    ),
    // What may be over, and then much that changes nothing, in which something is refused.
    (
        r#"root ::= "<" s [-abc"]* ">"; s ::= "_(" ("-" [a-zA-Z0-9 !,.]* ("}" | "[" s "]"))?"#,
        "<_",
        &[
            "(-?\"?",
            "(-a?b\"",
            "(-c\"a>",
            "(-\"c",
            "(-a",
            "(-ab!\"",
            "(-ab}\"",
            "(- !?",
            "(-abaa\"b",
            "(-a b",
            "(-a,b",
            "(-aB",
            "(-a0",
            "(-a.c\"a",
            "(-a a a>",
            "(-A B C",
        ],
    ),
    // Where some letter fares otherwise, many that are refused behind it, and may have been over before.
    (
        r#"root ::= "<" s [a-z]* ">"; s ::= "_(" ("b" "C" [A-Z] | [ac-z] ("!" | "[" s "]"))?"#,
        "<_",
        &["(b?", "(b?q", "(b?>", "(bC?", "(bC?>", "(a!", "(ab>"],
    ),
    // The same rule, called after fewer and more of it.
    (
        r#"root ::= s{20,30} "!"; s ::= "b" | "bb" | "c""#,
        "bbbbbbbbbbbbbbbbbbbbbbbb",
        &["b!", "bb!", "bbb!", "c!", "bbbbbb!", "bbbbbbb!", "bbbbbbbb!"],
    ),
    // Letters of which some fare otherwise, one after the other.
    (
        r#"root ::= (s " ")+; s ::= n | "bX"; n ::= [ac-z] ("e" "-" | [a-df-z] [a-z]*)"#,
        "",
        &["be-", "be- ", "bea", "bez", "ce-", "ced", "cd", "za", "zaa", "bX", "bX ", "eb", "bb", "ee-", "ce", "zb c"],
    ),
];

#[test]
fn classes_change_no_mask_where_few_tokens_lead() {
    for (number, (text, begun, more)) in RARE.iter().enumerate() {
        let any = || ('0'..='9').chain('A'..='Z').chain('a'..='z');
        let spelled = |token: &&str| match token.split_once('?') {
            Some((before, after)) => any().map(|letter| format!("{before}{letter}{after}")).collect(),
            None => vec![(*token).to_owned()],
        };
        let more: Vec<String> = more.iter().flat_map(spelled).collect();
        let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
        tokens.extend(more.iter().map(|token| token.as_bytes().to_vec()));
        let stop = tokens.len() as u32;
        tokens.push(b"</s>".to_vec());
        let vocabulary = Arc::new(Vocabulary::new(&tokens, tokens.len(), &[stop], &[]).expect("a vocabulary"));
        let tokens_by_id = tokens;
        let grammar = ebnf::parse(&text.replace("; ", "\n"), "root", &Limits::default()).expect("a grammar");
        let compiled =
            CompiledGrammar::compile(&grammar, Arc::clone(&vocabulary), &Limits::default(), &Interrupt::default()).expect("compiles");
        let mut matcher = Matcher::new(Arc::clone(&compiled), MatcherOptions::default()).expect("a matcher");
        assert!(matcher.accept_bytes(begun.as_bytes()).expect("a text"));
        let plain = MaskStore::without_models(vocabulary);
        let [classed, walked] = [compiled.store(), &plain].map(|store| row(&compiled, store, matcher.configuration()));
        let tokens = |row: &[u32]| {
            more.iter().zip(256..).filter(|&(_, id)| crate::bitmask::get(row, id)).map(|(token, _)| token).collect::<Vec<_>>()
        };
        assert_eq!(tokens(&classed), tokens(&walked), "grammar {number}");
        assert_eq!(classed, walked, "grammar {number}");
        for id in 0..stop {
            let accepted = matcher.fork().accept_token(id).expect("a step");
            assert_eq!(
                crate::bitmask::get(&classed, id),
                accepted,
                "grammar {number}, {:?}",
                String::from_utf8_lossy(&tokens_by_id[id as usize])
            );
        }
    }
}

#[test]
fn classes_change_no_mask() {
    for seed in 0..4u8 {
        let bytes: Vec<u8> = (0..60_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed.wrapping_mul(37)).collect();
        let mut source = Source::new(&bytes);
        let vocabulary = vocabulary(&mut source);
        for (number, text) in GRAMMARS.iter().enumerate() {
            let grammar = ebnf::parse(&text.replace("; ", "\n"), "root", &Limits::default()).expect("a grammar");
            let compiled =
                CompiledGrammar::compile(&grammar, Arc::clone(&vocabulary), &Limits::default(), &Interrupt::default()).expect("compiles");
            let plain = MaskStore::without_models(Arc::clone(&vocabulary));
            for _ in 0..6 {
                let mut matcher = Matcher::new(Arc::clone(&compiled), MatcherOptions::default()).expect("a matcher");
                let mut text: Vec<u8> = Vec::new();
                for _ in 0..24 {
                    let classed = row(&compiled, compiled.store(), matcher.configuration());
                    let walked = row(&compiled, &plain, matcher.configuration());
                    let differing = (0..vocabulary.vocab_size() as u32)
                        .filter(|&id| crate::bitmask::get(&classed, id) != crate::bitmask::get(&walked, id))
                        .map(|id| String::from_utf8_lossy(vocabulary.token_bytes(id)).into_owned());
                    let after = String::from_utf8_lossy(&text).into_owned();
                    assert_eq!(differing.collect::<Vec<_>>(), Vec::<String>::new(), "grammar {number} after {after:?}");
                    let allowed: Vec<u32> = (0..256 + 2500u32).filter(|&id| crate::bitmask::get(&classed, id)).collect();
                    if allowed.is_empty() {
                        break;
                    }
                    let long: Vec<u32> = allowed.iter().copied().filter(|&id| id >= 256).collect();
                    let from = if long.is_empty() || source.below(2) == 0 { &allowed } else { &long };
                    let id = *source.pick(from);
                    assert!(matcher.accept_token(id).expect("a step"), "grammar {number} after {after:?}");
                    text.extend_from_slice(vocabulary.token_bytes(id));
                }
            }
        }
    }
}
