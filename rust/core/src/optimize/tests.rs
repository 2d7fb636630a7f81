use std::fmt::Write;

use proptest::prelude::*;

use super::{PASSES, PassSelection, optimize};
use crate::frontend::ebnf::parse;
use crate::grammar::naive::matches;
use crate::grammar::{CharClass, Expr, Grammar, GrammarBuilder};
use crate::ids::RuleId;
use crate::limits::Limits;

fn grammar(text: &str) -> Grammar {
    parse(text, "root", &Limits::default()).unwrap()
}

/// Only the pass of this name.
fn only(name: &str) -> PassSelection {
    PASSES.iter().filter(|pass| pass.name != name).fold(PassSelection::default(), |selection, pass| selection.without(pass.name).unwrap())
}

#[test]
fn each_pass_does_its_work() {
    for (pass, before, after) in [
        (
            "normalize_nesting",
            "root ::= ((\"a\" (\"b\" \"c\")) | (\"d\" | \"\" | \"d\")) ((\"x\"*)*)+",
            "root ::= (\"a\" \"b\" \"c\" | \"d\" | \"\") \"x\"*\n",
        ),
        ("normalize_nesting", "root ::= \"a\" [] | \"b\" \"\" | []{0,3}", "root ::= \"b\" | \"\"\n"),
        (
            "merge_equal_rules",
            "root ::= a b\na ::= c \"x\"\nb ::= d \"x\"\nc ::= \"y\"\nd ::= \"y\"",
            "root ::= a a\na ::= c \"x\"\nc ::= \"y\"\n",
        ),
        ("inline_rules", "root ::= a b b\na ::= \"x\" | \"y\" \"z\"\nb ::= \"c\"", "root ::= (\"x\" | \"y\" \"z\") \"c\" \"c\"\n"),
        (
            "inline_rules",
            "root ::= a\na ::= \"(\" root \")\" | b\nb ::= b \"x\" | \"y\"",
            "root ::= a\na ::= \"(\" root \")\" | b\nb ::= b \"x\" | \"y\"\n",
        ),
        ("fuse_literals", "root ::= \"a\" [b] \"c\" . \"d\" \"e\"", "root ::= \"abc\" [^] \"de\"\n"),
        (
            "factor_prefixes",
            "root ::= \"cat\" | \"car\" \"x\" | \"dog\" | \"ca\"",
            "root ::= \"ca\" (\"r\" \"x\" | \"t\" | \"\") | \"dog\"\n",
        ),
        ("factor_prefixes", "root ::= \"é1\" | \"è1\" | \"é2\"", "root ::= \"è1\" | \"é\" (\"1\" | \"2\")\n"),
        ("factor_prefixes", "root ::= [a] \"x\" | [a] \"y\" | [b]", "root ::= [a] (\"x\" | \"y\") | [b]\n"),
        ("merge_characters", "root ::= \"a\" | [c-d] | \"bb\" | \"é\"", "root ::= [ac-dé] | \"bb\"\n"),
    ] {
        let after = after.replace("[ac-dé]", "[acdé]");
        assert_eq!(optimize(grammar(before), &only(pass)).to_string(), after, "{pass}: {before}");
    }
}

#[test]
fn all_together() {
    let text =
        "root ::= value\nvalue ::= \"true\" | \"false\" | \"null\" | list\nlist ::= \"[\" (value (\",\" value)*)? \"]\"\nspare ::= root";
    let optimized = optimize(grammar(text), &PassSelection::default());
    assert_eq!(
        optimized.to_string(),
        "root ::= value\nvalue ::= \"false\" | \"null\" | \"true\" | list\nlist ::= \"[\" (value (\",\" value)*)? \"]\"\n"
    );
    assert_eq!(optimize(grammar(text), &PassSelection::none()).rules().len(), 3);
    assert!(PassSelection::default().without("no_such_pass").is_none());
}

#[test]
fn a_choice_of_twenty_thousand_strings_is_quick_and_does_not_grow() {
    let words: Vec<String> = (0..20_000u32).map(|i| format!("word-{:x}", i.wrapping_mul(2_654_435_761))).collect();
    let grammar = Grammar::from_choices(&words);
    let size = grammar.rules()[0].body.size();
    let start = std::time::Instant::now();
    let optimized = optimize(grammar, &PassSelection::default());
    eprintln!("20,000 strings: {:?}", start.elapsed());
    assert!(start.elapsed().as_secs() < 5);
    assert!(optimized.rules()[0].body.size() < 4 * size);
    // Nested beginnings and equal strings do not nest without bound.
    let nested: Vec<String> = (0..3_000).map(|i| "a".repeat(i / 2)).collect();
    let optimized = optimize(Grammar::from_choices(&nested), &PassSelection::default());
    assert!(optimized.rules()[0].body.height() <= Grammar::MAX_HEIGHT);
}

#[test]
fn chains_of_rules_stay_bounded() {
    // A rule used once in a rule used once …: inlined, but never higher than expressions may be.
    let mut text = String::from("root ::= r0\n");
    for i in 0..2_000 {
        let _ = writeln!(text, "r{i} ::= (\"a\" r{} | \"b\")?", i + 1);
    }
    text.push_str("r2000 ::= \"c\"\n");
    let optimized = optimize(grammar(&text), &PassSelection::default());
    optimized.validate().unwrap();
    assert!(optimized.rules().len() < 100);
    // Doubling: tiny rules of tiny rules must not grow without bound.
    let mut text = String::from("root ::= d0\n");
    for i in 0..60 {
        let _ = writeln!(text, "d{i} ::= d{0} d{0}", i + 1);
    }
    text.push_str("d60 ::= \"x\"\n");
    let optimized = optimize(grammar(&text), &PassSelection::default());
    assert!(optimized.rules().iter().map(|rule| rule.body.size()).sum::<usize>() < 1_000);
}

fn expressions() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        "[ab]{0,3}".prop_map(|s| Expr::text(&s)),
        Just(Expr::Class(CharClass::new([(97, 98)]))),
        Just(Expr::Class(CharClass::new([(97, 97)]))),
        Just(Expr::nothing()),
        (0u32..4).prop_map(|r| Expr::Rule(RuleId(r))),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            3 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Expr::sequence),
            3 => proptest::collection::vec(inner.clone(), 0..5).prop_map(Expr::choice),
            1 => (inner, 0u32..3, proptest::option::of(0u32..3)).prop_map(|(e, min, more)| e.repeat(min, more.map(|m| min + m))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_pass_keeps_the_language(bodies in proptest::collection::vec(expressions(), 4)) {
        let mut builder = GrammarBuilder::new(&Limits::default());
        let ids: Vec<_> = ["root", "b", "c", "d"].iter().map(|n| builder.declare(n).unwrap()).collect();
        for (id, body) in ids.iter().zip(bodies) {
            builder.define(*id, body).unwrap();
        }
        let before = builder.finish("root").unwrap();
        let texts = ["", "a", "b", "aa", "ab", "ba", "bb", "aaa", "aab", "aba", "abb", "baa", "bab", "bba", "bbb", "abab", "aaaa", "bbab", "ababa"];
        let expected: Vec<bool> = texts.iter().map(|text| matches(&before, text.as_bytes())).collect();
        let selections = PASSES.iter().map(|pass| (pass.name, only(pass.name))).chain([("all", PassSelection::default()), ("none", PassSelection::none())]);
        for (name, selection) in selections {
            let after = optimize(before.clone(), &selection);
            prop_assert_eq!(after.validate(), Ok(()));
            for (text, expected) in texts.iter().zip(&expected) {
                prop_assert_eq!(matches(&after, text.as_bytes()), *expected, "{} on {:?}\n{}\n{}", name, text, before, after);
            }
        }
    }
}
