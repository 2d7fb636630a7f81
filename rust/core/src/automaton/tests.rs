//! The automaton against the textbook recogniser, on random grammars and on grammars of known trouble.

use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;

use super::reference::{Run, grammar, recognise};
use crate::error::CompileError;
use crate::grammar::{CharClass, Expr, Grammar, Rule};
use crate::ids::{RuleId, StateId};
use crate::limits::{Interrupt, Limits};
use crate::provider::{Alternative, Arena, Attached, ByteSet, Cell, Embedded};

fn expressions(rules: u32) -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        3 => prop_oneof![Just("a"), Just("b"), Just("ab"), Just("")].prop_map(|text| Expr::Bytes(text.as_bytes().into())),
        1 => prop_oneof![Just((97, 97)), Just((97, 98)), Just((0, 0x10_FFFF))].prop_map(|range| Expr::Class(CharClass::new([range]))),
        4 => (0..rules).prop_map(|rule| Expr::Rule(RuleId(rule))),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 1..4).prop_map(Expr::Sequence),
            3 => prop::collection::vec(inner.clone(), 1..4).prop_map(Expr::Choice),
            2 => (inner, 0..5_u32, prop::option::of(0..4_u32)).prop_map(|(body, min, more)| Expr::Repeat {
                body: Box::new(body),
                min,
                max: more.map(|more| min + more),
            }),
        ]
    })
}

fn grammars() -> impl Strategy<Value = Grammar> {
    (1..5_u32).prop_flat_map(|count| {
        prop::collection::vec((expressions(count), 0..3_u8), count as usize).prop_map(|bodies| Grammar {
            rules: bodies
                .into_iter()
                .enumerate()
                .map(|(index, (body, way_out))| Rule {
                    name: format!("r{index}"),
                    // Most random recursion never ends; most rules get a way out.
                    body: match way_out {
                        0 => body,
                        1 => Expr::Choice(vec![body, Expr::Bytes(b"b"[..].into())]),
                        _ => Expr::Choice(vec![Expr::Bytes(b"a"[..].into()), body]),
                    },
                })
                .collect(),
            root: RuleId(0),
        })
    })
}

/// Every state reachable on `a` and `b` leads to an end.
fn no_dead_ends(run: &Run, most: usize) -> Result<(), TestCaseError> {
    let Some(start) = run.attached.start else { return Ok(()) };
    let mut order = vec![start];
    let mut ways: Vec<(StateId, Vec<StateId>)> = Vec::new();
    let mut done = 0;
    while let Some(&state) = order.get(done) {
        done += 1;
        if order.len() > most {
            return Ok(());
        }
        let facts = run.arena.facts(state);
        if facts.counting {
            ways.push((state, vec![run.arena.settled(state, facts.limit).unwrap().unwrap()]));
        }
        for byte in [b'a', b'b', 0xC3, 0xA9] {
            let alternatives = match run.arena.step(state, byte).unwrap() {
                Cell::Dead => vec![],
                Cell::Simple(target, increment) => vec![Alternative { push: smallvec::SmallVec::new(), target, increment }],
                Cell::Many(many) => many.to_vec(),
            };
            for alternative in alternatives {
                let mut needed: Vec<StateId> = alternative.push.iter().map(|push| push.return_to).collect();
                needed.push(alternative.target);
                ways.push((state, needed));
            }
        }
        for way in &ways {
            for &state in &way.1 {
                if !order.contains(&state) {
                    order.push(state);
                }
            }
        }
    }
    let mut good: Vec<StateId> = order.iter().copied().filter(|&state| run.arena.facts(state).returns.is_some()).collect();
    loop {
        let before = good.len();
        for (state, needed) in &ways {
            if !good.contains(state) && needed.iter().all(|other| good.contains(other)) {
                good.push(*state);
            }
        }
        if good.len() == before {
            break;
        }
    }
    for state in order {
        prop_assert!(good.contains(&state), "state {state:?} never ends");
        prop_assert!(run.arena.facts(state).has_edges || run.arena.facts(state).returns.is_some());
    }
    Ok(())
}

/// The rules that the root needs and that match nothing.
fn barren(grammar: &Grammar) -> Vec<String> {
    fn matches(expr: &Expr, rules: &[bool]) -> bool {
        match expr {
            Expr::Bytes(_) | Expr::Embedded(_) => true,
            Expr::Class(class) => !class.is_empty(),
            Expr::Rule(rule) => rules[rule.index()],
            Expr::Sequence(parts) => parts.iter().all(|part| matches(part, rules)),
            Expr::Choice(branches) => branches.iter().any(|branch| matches(branch, rules)),
            Expr::Repeat { body, min, .. } => *min == 0 || matches(body, rules),
        }
    }
    fn needs(expr: &Expr, rules: &mut Vec<usize>) {
        match expr {
            Expr::Rule(rule) if !rules.contains(&rule.index()) => rules.push(rule.index()),
            Expr::Sequence(parts) | Expr::Choice(parts) => parts.iter().for_each(|part| needs(part, rules)),
            Expr::Repeat { body, max, .. } if *max != Some(0) => needs(body, rules),
            _ => {}
        }
    }
    let mut good = vec![false; grammar.rules.len()];
    for _ in 0..grammar.rules.len() {
        good = grammar.rules.iter().map(|rule| matches(&rule.body, &good)).collect();
    }
    let mut needed = vec![grammar.root.index()];
    let mut done = 0;
    while let Some(&rule) = needed.get(done) {
        done += 1;
        needs(&grammar.rules[rule].body, &mut needed);
    }
    needed.into_iter().filter(|&rule| !good[rule]).map(|rule| grammar.rules[rule].name.clone()).collect()
}

fn agrees(grammar: &Grammar, unroll: u32, longest: usize) -> Result<(), TestCaseError> {
    let run = match Run::of(grammar, unroll) {
        Ok(run) => run,
        Err(CompileError::Grammar { rule, .. }) => {
            let barren = barren(grammar);
            prop_assert!(barren.contains(&rule), "{} is blamed, not one of {:?}", rule, barren);
            return Ok(());
        }
        Err(other) => return Err(TestCaseError::fail(other.to_string())),
    };
    prop_assert_eq!(barren(grammar), Vec::<String>::new());
    prop_assert_eq!(run.attached.nullable, recognise(grammar, b""));
    if let Some(start) = run.attached.start {
        prop_assert!(run.arena.facts(start).returns.is_none());
    }
    let mut texts = vec![(Vec::new(), run.start())];
    for _ in 0..longest {
        let mut longer = Vec::new();
        for (text, parses) in texts {
            for byte in [b'a', b'b'] {
                let (after, ends) = run.step(&parses, byte).unwrap();
                let mut text = text.clone();
                text.push(byte);
                prop_assert_eq!(ends, recognise(grammar, &text), "on {:?}", String::from_utf8_lossy(&text));
                if after.len() < 3_000 {
                    longer.push((text, after));
                }
            }
        }
        texts = longer;
    }
    no_dead_ends(&run, 400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn random_grammars_match_as_the_textbook_says(grammar in grammars(), unroll in 0..9_u32) {
        agrees(&grammar, unroll, 6)?;
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

/// Grammars of known trouble, each also with every repeat counted.
#[test]
fn troublesome_grammars_match_as_the_textbook_says() {
    for text in [
        r#"root ::= root "a" | "b""#,
        r#"root ::= x "a" | "b"; x ::= y "b" | root; y ::= root | "a""#,
        r#"root ::= n root "a" | "b" n; n ::= "" | "a" | n n"#,
        r#"root ::= root root | "a" | "b" root | """#,
        r#"root ::= x; x ::= y | "a"; y ::= x | x "b""#,
        r#"root ::= x x; x ::= x "a" x | "b" | """#,
        r#"root ::= root{1,500} "b" | "a""#,
        r#"root ::= (root? "a"){2,30} | "b""#,
        r#"root ::= ("a" root "b" | "a"){0,3}"#,
        r#"root ::= ("a" | "aa"){2,5} "b"?"#,
        r#"root ::= ("a"? "b"?){3,4}"#,
        r#"root ::= (x{1,3} "b"){1,2}; x ::= "a" | "ab""#,
        r#"root ::= "a"{2,} "b"{3,}; "#,
        r#"root ::= ("a"{2,3}){2,3} "b""#,
        r#"root ::= "a" root root | "b" | root "b" root"#,
        r#"root ::= ("a" x){2,3} x; x ::= "b" x "b" | "a""#,
        r#"root ::= "a" root x | "a" root y | "b"; x ::= "a" | "b" x; y ::= "b" | x "a""#,
        r#"root ::= (root root "a" | "b"){1,2} | "a"{0,3}"#,
        r#"root ::= ("a" | "b" | "ab"){2,3} root?"#,
    ] {
        for unroll in [0, 1, 2, 8] {
            agrees(&grammar(text), unroll, 8).unwrap_or_else(|error| panic!("{text} with {unroll}: {error}"));
        }
    }
}

fn accepts(text: &str, good: &[&str], bad: &[&str]) -> Run {
    let run = Run::new(text, 8);
    for text in good {
        assert!(run.matches(text.as_bytes()), "{text}");
    }
    for text in bad {
        assert!(!run.matches(text.as_bytes()), "{text}");
    }
    run
}

#[test]
fn languages_of_daily_life() {
    accepts(
        r#"root ::= ws value ws
        value ::= object | array | string | number | "true" | "false" | "null"
        object ::= "{" ws (member ("," ws member)*)? "}"
        member ::= string ws ":" ws value ws
        array ::= "[" ws (value ws ("," ws value ws)*)? "]"
        string ::= "\"" char* "\""
        char ::= [^"\\\x00-\x1f] | "\\" (["\\/bfnrt] | "u" hex hex hex hex)
        hex ::= [0-9a-fA-F]
        number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [+-]? [0-9]+)?
        ws ::= [ \t\n\r]*"#,
        &[" {\"a\": [1, -2.5e+7, \"é\\u00e9\", {}], \"b\": {\"c\": null}} ", "[]", "true", "0"],
        &["", "01", "{\"a\"}", "[1,]", "\"\\x\"", "{\"a\": 1"],
    );
    accepts(
        r##"root ::= prolog? element
        prolog ::= "<?xml?>" ws
        element ::= "<" name attribute* ws ("/>" | ">" content* "</" name ws ">")
        attribute ::= [ \n\t]+ name "=" "\"" ([^<&"] | entity)* "\""
        content ::= element | entity | chardata
        chardata ::= [^<&]
        entity ::= "&" ("lt" | "gt" | "#" [0-9]{1,7}) ";"
        name ::= [a-z] [a-z0-9]*
        ws ::= [ \n\t]*"##,
        &["<a/>", "<?xml?>\n<a b=\"c&lt;\"><b>x&#12345;y</b >é</a>"],
        &["<a>", "<a></a></a>", "<a>&#12345678;</a>", "<a b=c/>"],
    );
    accepts(
        r#"expr ::= expr " + " term | expr " - " term | term
        term ::= term " * " factor | factor
        factor ::= number | name | name "(" args? ")" | "(" expr ")" | "-" factor
        args ::= expr | args ", " expr
        name ::= [a-z_] [a-z0-9_]*
        number ::= [0-9]+ ("." [0-9]+)?"#,
        &["1", "a + b * (c - -d)", "f(1, g(), h(2.5 * x)) - 1"],
        &["1 +", "f(,)", "(a", "a  + b"],
    );
    accepts(
        r#"root ::= "{" key ": " body{1,40} "}"; key ::= [a-zA-Z0-9 ,.]{1,500}; body ::= "<" [^<>]{3,200} ">""#,
        &["{a b: <abc><defg>}", &format!("{{{}: {}}}", "k".repeat(500), "<é€😀>".repeat(40))],
        &["{a: <ab>}", "{: <abc>}", &format!("{{{}: <abc>}}", "k".repeat(501)), &format!("{{a: {}}}", "<abc>".repeat(41))],
    );
}

#[test]
fn counted_loops_take_few_states() {
    let run = accepts(r#"root ::= "<" "x"{0,1000000} ">""#, &["<>", "<xxx>"], &["<", "<xy>"]);
    assert!(run.arena.state_count() < 12, "{}", run.arena.state_count());
    let long = format!("<{}>", "x".repeat(1_000_000));
    assert!(run.matches(long.as_bytes()));
    assert!(!run.matches(long.replace('>', "x>").as_bytes()));
    assert!(run.arena.state_count() < 12, "{}", run.arena.state_count());

    let run = Run::new(r#"root ::= ("a" | "aa"){2,500}"#, 8);
    assert!(run.matches("a".repeat(1000).as_bytes()));
    assert!(!run.matches("a".repeat(1001).as_bytes()) && !run.matches(b"a"));
    assert!(run.arena.state_count() < 12, "{}", run.arena.state_count());

    let run = Run::new(r#"root ::= ("x"{1,30} ";"){1,40}"#, 8);
    assert!(run.matches("xxx;".repeat(40).as_bytes()) && run.matches(format!("{};", "x".repeat(30)).as_bytes()));
    assert!(!run.matches("xxx;".repeat(41).as_bytes()) && !run.matches(format!("{};", "x".repeat(31)).as_bytes()));
    assert!(run.arena.state_count() < 12, "{}", run.arena.state_count());
}

#[test]
fn text_between_tags_is_one_looping_state() {
    let run = Run::new(r#"root ::= element; element ::= "<a>" content* "</a>"; content ::= element | chardata; chardata ::= [^<&]"#, 8);
    let (parses, _) = "<a>x".bytes().fold((run.start(), false), |(parses, _), byte| run.step(&parses, byte).unwrap());
    let (after, _) = run.step(&parses, b'y').unwrap();
    assert_eq!(parses, after);
    assert_eq!(parses.len(), 1);
}

#[test]
fn the_blow_up_grammars_stay_small() {
    let run = Run::new(r#"s ::= "a" s x | "a" s y | c; x ::= "x"; y ::= "x" "y"?; c ::= "c""#, 8);
    let text = format!("{}c{}", "a".repeat(12), "x".repeat(12));
    assert!(run.matches(text.as_bytes()));
    assert!(run.arena.state_count() < 12, "{}", run.arena.state_count());
    let rules: Vec<String> = (0..2000).map(|i| format!("r{i} ::= r{} r{}", i + 1, i + 1)).collect();
    let doubling = format!("{}; r2000 ::= \"x\"", rules.join(";"));
    let begun = Instant::now();
    let run = Run::new(&doubling, 8);
    let mut parses = run.start();
    for _ in 0..40 {
        (parses, _) = run.step(&parses, b'x').unwrap();
        assert_eq!(parses.len(), 1);
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn deep_left_chains_need_no_stack() {
    let chain = |depth: usize, body: &dyn Fn(usize) -> String| {
        let rules: Vec<String> = (0..depth).map(|i| format!("r{i} ::= r{} | {}", i + 1, body(i))).collect();
        Run::new(&format!("{}; r{depth} ::= \"x\"", rules.join(";")), 8)
    };
    // Seen through.
    let run = chain(10_000, &|_| r#""[" r0 "]""#.into());
    assert!(run.matches(b"[[x]]") && !run.matches(b"[[x]"));
    // Every rule pushes: each adds a way to read a bracket, which a limit bounds.
    let own = |i: usize| format!("\"[\" r{i} \"]\"");
    let run = chain(100, &own);
    assert!(run.matches(b"[[x]]") && !run.matches(b"[[x]"));
    let run = chain(10_000, &own);
    let error = run.step(&run.start(), b'[').unwrap_err();
    assert!(error.to_string().contains("max_step_frames"), "{error}");
}

#[test]
fn only_the_empty_text() {
    let run = Run::new(r#"root ::= a a; a ::= "" | a"#, 8);
    assert!(run.attached.start.is_none() && run.attached.nullable);
}

/// A grammar embedded in another as if it were a foreign automaton.
#[derive(Debug)]
struct Foreign(&'static str);

impl Embedded for Foreign {
    fn to_ebnf(&self) -> String {
        format!("foreign({:?})", self.0)
    }

    fn identity(&self) -> u128 {
        self.0.bytes().fold(7, |hash: u128, byte| hash.wrapping_mul(1_000_003) + u128::from(byte))
    }

    fn attach(&self, arena: &Arena) -> Result<Attached, CompileError> {
        super::attach_grammar(&grammar(self.0), arena, ByteSet::ALL, &Interrupt::default())
    }
}

/// The grammar with the rules called `foreign…` embedded, whose texts are given.
fn embedding(text: &str, foreign: &[(&str, &'static str)]) -> Grammar {
    let mut outer = grammar(text);
    for rule in &mut outer.rules {
        if let Some((_, inner)) = foreign.iter().find(|(name, _)| *name == rule.name) {
            rule.body = Expr::Embedded(Arc::new(Foreign(inner)));
        }
    }
    outer
}

#[test]
fn embedded_automata_are_entered_and_left() {
    let foreign = [("f", r#"root ::= "a" root "b" | "ab" | "b""#), ("g", r#"root ::= "a"{0,40}"#), ("h", r#"root ::= """#)];
    for outer in [
        "root ::= f",
        "root ::= g",
        "root ::= f f",
        "root ::= g f | f g",
        r#"root ::= "a" f | f "a""#,
        r#"root ::= h f{2,3} h | root "b""#,
        r#"root ::= (f "b" | g){1,30}"#,
        r#"root ::= "b" root f | x; x ::= g | f x"#,
    ] {
        let embedded = embedding(outer, &foreign);
        let text = outer.to_owned() + r#"; f ::= "a" f "b" | "ab" | "b"; g ::= "a"{0,40}; h ::= """#;
        let plain = grammar(&text);
        for unroll in [0, 8] {
            let run = Run::of(&embedded, unroll).unwrap();
            assert_eq!(run.attached.nullable, recognise(&plain, b""), "{outer}");
            let mut texts = vec![(Vec::new(), run.start())];
            for _ in 0..8 {
                let mut longer = Vec::new();
                for (text, parses) in texts {
                    for byte in [b'a', b'b'] {
                        let (after, ends) = run.step(&parses, byte).unwrap();
                        let mut text = text.clone();
                        text.push(byte);
                        assert_eq!(ends, recognise(&plain, &text), "{outer} on {:?}", String::from_utf8_lossy(&text));
                        longer.push((text, after));
                    }
                }
                texts = longer;
            }
        }
    }
    let run = Run::of(&embedding("root ::= h | h h", &foreign), 8).unwrap();
    assert!(run.attached.start.is_none() && run.attached.nullable);
}

#[test]
fn threads_agree() {
    let text = r#"root ::= e; e ::= e "+" t | t; t ::= t "*" f | f; f ::= "(" e ")" | [0-9]{1,20} | "v" ("[" e "]")*"#;
    let run = Run::new(text, 8);
    let good = ["1+2*(3+v[4*5][6])", "(((7)))*8+v", "12345678901234567890"];
    std::thread::scope(|scope| {
        for turn in 0..8 {
            let run = &run;
            scope.spawn(move || {
                for i in 0..good.len() {
                    let text = good[(i + turn) % good.len()];
                    assert!(run.matches(text.as_bytes()), "{text}");
                    assert!(!run.matches(format!("{text}+").as_bytes()), "{text}");
                }
            });
        }
    });
    let alone = Run::new(text, 8);
    for text in good {
        assert!(alone.matches(text.as_bytes()) && !alone.matches(format!("{text}+").as_bytes()));
    }
    assert_eq!(run.arena.state_count(), alone.arena.state_count());
}

#[test]
fn descriptions_are_for_people() {
    let run = Run::new(r#"root ::= "true" | [a-z_]+ "!" | number | [0-9]{2,30}; number ::= "-" number | "0""#, 8);
    let said = run.arena.describe(run.attached.start.unwrap());
    for part in ["\"true\"", "[_a-z]", "number", "[0-9]"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn limits_are_typed_errors() {
    let branches: Vec<String> = (0..200).map(|i| format!("\"{}{i}\"", "a".repeat(i))).collect();
    let wide = grammar(&format!("root ::= {}", branches.join(" | ")));
    let arena = Arena::new(Limits { max_subset_positions: 50, ..Limits::default() });
    let attached = super::attach_grammar(&wide, &arena, ByteSet::default(), &Interrupt::default()).unwrap();
    let error = arena.step(attached.start.unwrap(), b'a').err().unwrap();
    assert!(error.to_string().contains("max_subset_positions"), "{error}");
    let arena = Arena::new(Limits { max_states: 0, ..Limits::default() });
    let error = super::attach_grammar(&wide, &arena, ByteSet::default(), &Interrupt::default()).unwrap_err();
    assert!(error.to_string().contains("max_states"), "{error}");
}
