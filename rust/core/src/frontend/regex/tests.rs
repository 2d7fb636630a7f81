use proptest::prelude::*;

use super::{PatternAutomaton, grammar};
use crate::error::{CompileError, EngineError};
use crate::grammar::naive;
use crate::grammar::{CharClass, Expr};
use crate::limits::Limits;
use crate::provider::CodepointAutomaton;

fn limits() -> Limits {
    Limits::default()
}

/// Does the automaton accept the text?
fn accepts(automaton: &PatternAutomaton, text: &str) -> bool {
    let Some(mut state) = automaton.start().unwrap() else {
        return false;
    };
    for c in text.chars() {
        let edges = automaton.edges(state).unwrap();
        match edges.iter().find(|edge| (edge.low..=edge.high).contains(&u32::from(c))) {
            Some(edge) => state = edge.target,
            None => return false,
        }
    }
    automaton.accepts(state).unwrap()
}

fn search(pattern: &str, text: &str) -> bool {
    accepts(&PatternAutomaton::search(pattern, &limits()).unwrap_or_else(|e| panic!("{pattern}: {e}")), text)
}

fn whole(pattern: &str, text: &str) -> bool {
    accepts(&PatternAutomaton::whole(pattern, &limits()).unwrap_or_else(|e| panic!("{pattern}: {e}")), text)
}

/// `new RegExp(pattern, "u").test(text)`, or without the flag where that refuses the pattern.
const FOUND: &[(&str, &str, bool)] = &[
    ("", "", true),
    ("", "abc", true),
    ("a", "cat", true),
    ("a", "dog", false),
    ("abc", "xxabcxx", true),
    ("abc", "xxabxcx", false),
    ("^abc", "abcd", true),
    ("^abc", "xabc", false),
    ("abc$", "xabc", true),
    ("abc$", "abcx", false),
    ("^abc$", "abc", true),
    ("^abc$", "abc\n", false),
    ("^$", "", true),
    ("^$", "a", false),
    ("^", "anything", true),
    ("$", "anything", true),
    ("a^b", "ab", false),
    ("a$b", "ab", false),
    ("a|b", "xbx", true),
    ("^a|b$", "ax", true),
    ("^a|b$", "xb", true),
    ("^a|b$", "xax", false),
    ("^(?:a|b)$", "b", true),
    ("^(a|)$", "", true),
    ("^(|a)b$", "ab", true),
    ("^a*$", "", true),
    ("^a*$", "aaa", true),
    ("^a*$", "ab", false),
    ("^a+$", "", false),
    ("^a?$", "aa", false),
    ("^a{2}$", "aa", true),
    ("^a{2}$", "aaa", false),
    ("^a{2,}$", "aaaa", true),
    ("^a{2,}$", "a", false),
    ("^a{2,3}$", "aaaa", false),
    ("^a{0}$", "", true),
    ("^a{0}b$", "b", true),
    ("^(ab){2}$", "abab", true),
    ("^(ab){2}$", "aba", false),
    ("^a*?$", "aa", true),
    ("^a+?b$", "aab", true),
    ("^a{1,2}?$", "aa", true),
    ("^a??$", "a", true),
    ("^(a*)*$", "aaa", true),
    ("^(a*)+$", "", true),
    ("^(a|b*)*$", "abba", true),
    ("^(a?){3}$", "aa", true),
    ("^(a?){3}$", "aaaa", false),
    ("^(a?b?){0,2}$", "baba", false),
    ("^(a?b?){0,2}$", "abab", true),
    ("^.$", "a", true),
    ("^.$", "\n", false),
    ("^.$", "\r", false),
    ("^.$", "\u{2028}", false),
    ("^.$", "\u{85}", true),
    ("^.$", "😀", true),
    ("^[^]$", "\n", true),
    ("^[^]$", "", false),
    ("[]", "a", false),
    ("[]|a", "a", true),
    ("^[abc]$", "b", true),
    ("^[a-c]$", "d", false),
    ("^[^a-c]$", "d", true),
    ("^[^a-c]$", "b", false),
    ("^[^a]$", "\n", true),
    ("^[-a]$", "-", true),
    ("^[a-]$", "-", true),
    ("^[a\\-z]$", "b", false),
    ("^[\\w-]+$", "a-b_1", true),
    ("^[\\w-.]$", "-", true),
    ("^[\\w-.]$", ".", true),
    ("^[+-\\d]$", "-", true),
    ("^[\\]]$", "]", true),
    ("^[[]$", "[", true),
    ("^[\\^]$", "^", true),
    ("^[a^]$", "^", true),
    ("^[.]$", "x", false),
    ("^[$]$", "$", true),
    ("^[\\b]$", "\u{8}", true),
    ("^[\\d.]+$", "1.2", true),
    ("^[^\\s]+$", "a b", false),
    ("^[\\s\\S]$", "\n", true),
    ("^\\d$", "5", true),
    ("^\\d$", "٣", false),
    ("^\\D$", "٣", true),
    ("^\\w$", "_", true),
    ("^\\w$", "é", false),
    ("^\\W$", "é", true),
    ("^\\s$", "\u{a0}", true),
    ("^\\s$", "\u{feff}", true),
    ("^\\s$", "\u{2003}", true),
    ("^\\s$", "\u{85}", false),
    ("^\\s$", "\u{200b}", false),
    ("^\\S$", "\t", false),
    ("^\\t\\n\\v\\f\\r$", "\t\n\u{b}\u{c}\r", true),
    ("^\\0$", "\0", true),
    ("^\\x41$", "A", true),
    ("^\\x4$", "x4", true),
    ("^\\u0041$", "A", true),
    ("^\\u00e9$", "é", true),
    ("^\\u{1F600}$", "😀", true),
    ("^\\u{0}$", "\0", true),
    ("^\\uD83D\\uDE00$", "😀", true),
    ("^[\\uD83C\\uDF00-\\uD83D\\uDE4F]$", "😀", true),
    ("^[^\\uD800-\\uDFFF]$", "😀", true),
    ("^\\uD83D$", "😀", false),
    ("^\\u41$", "u41", true),
    ("^\\cJ$", "\n", true),
    ("^\\c$", "\\c", true),
    ("^[\\c]$", "\\", true),
    ("^[\\c1]$", "\u{11}", true),
    ("^\\101$", "A", true),
    ("^\\1$", "\u{1}", true),
    ("^\\8$", "8", true),
    ("^\\400$", " 0", true),
    ("^[\\1]$", "\u{1}", true),
    ("^(a)[\\1]$", "a\u{1}", true),
    ("^\\.$", ".", true),
    ("^\\.$", "x", false),
    ("^\\/\\-\\_\\@$", "/-_@", true),
    ("^\\A\\Z\\z\\a\\e$", "AZzae", true),
    ("^\\k$", "k", true),
    ("^a{$", "a{", true),
    ("^a{,5}$", "a{,5}", true),
    ("^a{x}$", "a{x}", true),
    ("^{$", "{", true),
    ("^}$", "}", true),
    ("^]$", "]", true),
    ("^a{1$", "a{1", true),
    ("^[[:alpha:]]$", "a]", true),
    ("^[[:alpha:]]$", "b", false),
    ("^(?<year>\\d{4})$", "2024", true),
    ("^(?P<year>\\d{4})$", "2024", true),
    ("^(?#four digits)\\d{4}$", "2024", true),
    ("^\\p{L}$", "é", true),
    ("^\\p{L}$", "1", false),
    ("^\\p{Lu}$", "É", true),
    ("^\\p{Lu}$", "é", false),
    ("^\\p{Letter}+$", "añ", true),
    ("^\\P{L}$", "1", true),
    ("^\\p{Script=Greek}+$", "αβγ", true),
    ("^\\p{Script=Greek}+$", "abc", false),
    ("^\\p{sc=Grek}$", "α", true),
    ("^\\p{Script_Extensions=Hiragana}$", "ー", true),
    ("^\\p{scx=Hira}$", "あ", true),
    ("^\\p{General_Category=Uppercase_Letter}$", "A", true),
    ("^\\p{gc=Nd}$", "٣", true),
    ("^\\p{ASCII}$", "é", false),
    ("^\\p{Any}$", "\n", true),
    ("^\\p{Alphabetic}$", "ª", true),
    ("^\\p{Emoji}$", "😀", true),
    ("^\\p{White_Space}$", "\u{85}", true),
    ("^[\\p{L}\\p{N}]+$", "é1", true),
    ("^[^\\p{L}]$", "é", false),
    ("(?i)^abc$", "aBC", true),
    ("^(?i:ab)c$", "ABc", true),
    ("^(?i:ab)c$", "ABC", false),
    ("(?i)^[^a]$", "A", false),
    ("(?i)^straße$", "STRAßE", true),
    ("(?i)^\\u212a$", "k", true),
    ("^a(?i)b|c$", "aB", true),
    ("^a(?i)b|c$", "AB", false),
    ("^a(?i)b|c$", "C", true),
    ("^(?:a(?i)b)c$", "aBC", false),
    ("(?s)^.$", "\n", true),
    ("^(?s:.).$", "\nx", true),
    ("^(?i-s:a.)$", "A\n", false),
    ("(?m)^b$", "a\nb\nc", true),
    ("(?m)^b$", "a\nbc", false),
    ("(?m)^$", "a\n", true),
    ("\\bcat\\b", "a cat sat", true),
    ("\\bcat\\b", "concat", false),
    ("\\bcat\\b", "cat", true),
    ("\\bcat\\b", "cats", false),
    ("\\Bcat", "concat", true),
    ("\\Bcat", "cat", false),
    ("^\\b$", "", false),
    ("^\\B$", "", true),
    ("^\\b", "a", true),
    ("^\\b", " a", false),
    ("a\\b", "aé", true),
    ("^(?:\\b\\w+\\b\\s*)+$", "the quick brown", true),
    ("a\\bb", "ab", false),
    ("^(?=a)", "abc", true),
    ("^(?=b)", "abc", false),
    ("^(?!a)", "abc", false),
    ("^(?!a)", "", true),
    ("^(?=.*\\d)(?=.*[a-z]).{4,}$", "abc1", true),
    ("^(?=.*\\d)(?=.*[a-z]).{4,}$", "abcd", false),
    ("^(?=.*\\d)(?=.*[a-z]).{4,}$", "a1", false),
    ("^(?!.*\\.\\.)[a-z.]+$", "a.b.c", true),
    ("^(?!.*\\.\\.)[a-z.]+$", "a..b", false),
    ("^(?:(?!ab).)*$", "aabb", false),
    ("^(?:(?!ab).)*$", "acb", true),
    ("^(?:(?!ab).)*$", "aa", true),
    ("^(?:(?=a)a|b)*$", "abba", true),
    ("^(?:(?=a))*b$", "b", true),
    ("^(?=a)*b$", "b", true),
    ("^(?=a)+b$", "b", false),
    ("^(?=a)?b$", "b", true),
    ("^(?:(?=a)|b){2}$", "bb", true),
    ("^(?:(?=a)|b){2}a$", "ba", true),
    ("^(?:(?=a)|b){2}c$", "bc", false),
    ("^(?=a$)", "ab", false),
    ("^(?=a$).", "a", true),
    ("a(?=b)b", "ab", true),
    ("a(?!b)b", "ab", false),
    ("a(?!b)", "ab", false),
    ("a(?!b)", "aba", true),
    ("^(?!(?!a))", "a", true),
    ("^(?!(?!a))", "b", false),
    ("^(?=(?=ab)a)ab$", "ab", true),
    ("^(?!$)", "", false),
    ("^(?!$)", "x", true),
    ("^(?!admin$|root$)[a-z]+$", "admin", false),
    ("^(?!admin$|root$)[a-z]+$", "admins", true),
    ("^(?!admin$|root$)[a-z]+$", "roo", true),
    ("(?<=a)b", "ab", true),
    ("(?<=a)b", "cb", false),
    ("(?<!a)b", "ab", false),
    ("(?<!a)b", "b", true),
    ("(?<=^a)b", "ab", true),
    ("(?<=^a)b", "aab", false),
    ("(?<=\\d{3})x", "123x", true),
    ("(?<=\\d{3})x", "12x", false),
    ("(?<=ab*)c", "abbbc", true),
    ("(?<=ab*)c", "bbbc", false),
    ("^.*(?<!\\.)$", "abc", true),
    ("^.*(?<!\\.)$", "abc.", false),
    ("^(?:.(?<!b))+$", "aca", true),
    ("^(?:.(?<!b))+$", "abc", false),
    ("(?<=(?:a|bc))d", "bcd", true),
    ("(?=(?<=a)b)", "ab", true),
    ("(?=(?<=a)b)", "cb", false),
    ("(?<=)a", "a", true),
    ("(?<!)a", "a", false),
    ("^a++$", "aaa", true),
    ("^a++a$", "aaa", false),
    ("^a*+b$", "aab", true),
    ("^a?+a$", "a", false),
    ("^a?+a$", "aa", true),
    ("^a{1,2}+a$", "aa", false),
    ("^a{1,2}+a$", "aaa", true),
    ("^a{2}+a$", "aaa", true),
    ("^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\\.[a-zA-Z]{2,}$", "a.b@c.org", true),
    ("^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\\.[a-zA-Z]{2,}$", "a.b@c", false),
    ("^(25[0-5]|2[0-4]\\d|1?\\d?\\d)(\\.(25[0-5]|2[0-4]\\d|1?\\d?\\d)){3}$", "192.168.0.255", true),
    ("^(25[0-5]|2[0-4]\\d|1?\\d?\\d)(\\.(25[0-5]|2[0-4]\\d|1?\\d?\\d)){3}$", "192.168.0.256", false),
    ("^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$", "2024-02-30", true),
    ("^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$", "2024-13-01", false),
    ("^#([0-9a-f]{3}){1,2}$", "#a1b2c3", true),
    ("^#([0-9a-f]{3}){1,2}$", "#a1b2", false),
    ("^[\\u4e00-\\u9fa5]+$", "汉字", true),
    ("^x-", "x-header", true),
    ("é", "cafe\u{301}", false),
];

#[test]
fn patterns_are_found_where_javascript_finds_them() {
    assert!(FOUND.len() >= 150);
    let wrong: Vec<_> = FOUND.iter().filter(|&&(p, text, expected)| search(p, text) != expected).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// A pattern matches as a whole exactly where `^(?:pattern)$` is found, as an automaton and as a grammar.
#[test]
fn whole_match_is_search_between_anchors() {
    for &(pattern, text, _) in FOUND {
        if pattern.starts_with("(?m)") {
            continue;
        }
        let (flags, rest) = if let Some(rest) = pattern.strip_prefix("(?i)") {
            ("(?i)", rest)
        } else if let Some(rest) = pattern.strip_prefix("(?s)") {
            ("(?s)", rest)
        } else {
            ("", pattern)
        };
        let anchored = format!("{flags}^(?:{rest})$");
        let expected = search(&anchored, text);
        assert_eq!(whole(pattern, text), expected, "{pattern} on {text:?}");
        let grammar = grammar(pattern, &limits()).unwrap();
        if !matches!(grammar.rules()[0].body, Expr::Embedded(_)) {
            assert_eq!(naive::matches(&grammar, text.as_bytes()), expected, "{pattern} on {text:?}: {grammar}");
        }
    }
}

#[test]
fn refused_patterns_say_why_and_where() {
    for (pattern, column, expected) in [
        ("(", 1, "the group is not closed"),
        ("a(b", 2, "the group is not closed"),
        ("a)", 2, "`)` closes no group"),
        ("[a", 1, "the character class is not closed"),
        ("é[a", 2, "the character class is not closed"),
        ("[z-a]", 2, "the range `z-a` is backwards"),
        ("*a", 1, "nothing to repeat"),
        ("a|+", 3, "nothing to repeat"),
        ("^*", 2, "nothing to repeat"),
        ("\\b+", 3, "nothing to repeat"),
        ("(?<=a)*", 7, "nothing to repeat"),
        ("a**", 3, "two quantifiers in a row"),
        ("a{2}{3}", 5, "two quantifiers in a row"),
        ("{2}", 1, "nothing to repeat"),
        ("a{3,2}", 2, "maximum is less than its minimum"),
        ("a{99999999999}", 2, "more than the largest count"),
        ("(a)\\1", 4, "backreference"),
        ("(?<n>a)\\k<n>", 8, "backreference"),
        ("(?P<n>a)(?P=n)", 9, "backreference"),
        ("(a)(b)\\2", 7, "backreference"),
        ("\\1(a)", 1, "backreference"),
        ("(?>a)", 1, "atomic groups"),
        ("(?R)", 1, "recursion"),
        ("(?(1)a|b)", 1, "conditional"),
        ("(?x)a", 1, "unknown kind of group"),
        ("(?<1-2>a)", 1, "the name of the group is malformed"),
        ("(?#a", 1, "the comment is not closed"),
        ("\\p{Foo}", 1, "unknown Unicode property `Foo`"),
        ("\\p{L&}", 1, "unknown Unicode property"),
        ("\\pL", 1, "written \\p{…}"),
        ("\\u{110000}", 1, "not a Unicode character"),
        ("\\u{FFFFFFFFFF}", 1, "not a Unicode character"),
        ("a\\", 2, "ends after a backslash"),
        ("(?:ab)++", 7, "possessive"),
        ("(?<=a(?=b))c", 1, "inside a lookbehind are not supported"),
        ("(?<=a$)c", 1, "inside a lookbehind are not supported"),
    ] {
        match PatternAutomaton::search(pattern, &limits()).expect_err(pattern) {
            CompileError::Regex { position, message, .. } => {
                assert!(message.contains(expected), "{pattern}: {message}");
                assert_eq!(position.column, column, "{pattern}: {message}");
            }
            other => panic!("{pattern}: {other}"),
        }
    }
}

#[test]
fn plain_patterns_become_expressions() {
    for (pattern, printed) in [
        ("^abc$", "root ::= \"abc\"\n"),
        ("a", "root ::= \"a\"\n"),
        ("^$", "root ::= \"\"\n"),
        ("^(?:^a|b$)$", "root ::= [ab]\n"),
        ("(^a$)?", "root ::= [a]?\n"),
        ("^a{1,100000}$", "root ::= [a]{1,100000}\n"),
        ("ab|cd|[x-z]|q", "root ::= \"ab\" | \"cd\" | [qx-z]\n"),
        ("[]", "root ::= []\n"),
        ("x*?y", "root ::= [x]* \"y\"\n"),
        ("(?i)ab", "root ::= [Aa] [Bb]\n"),
        ("a\\Bb", "root ::= regex(\"a\\\\Bb\")\n"),
        ("a$b", "root ::= regex(\"a$b\")\n"),
        ("(^a)*", "root ::= regex(\"(^a)*\")\n"),
    ] {
        assert_eq!(grammar(pattern, &limits()).unwrap().to_string(), printed, "{pattern}");
    }
}

#[test]
fn deep_patterns_do_not_overflow() {
    for (open, close) in [("(", ")"), ("(a", ")"), ("(?:a|b", "c)*"), ("(?:^a?", ")?"), ("(", "$|a)")] {
        let text = format!("{}x{}", open.repeat(9_999), close.repeat(9_999));
        let grammar = grammar(&text, &limits()).unwrap();
        assert!(grammar.rules().iter().all(|rule| rule.body.height() <= 80));
        let automaton = PatternAutomaton::search(&text, &limits()).unwrap();
        if let Some(start) = automaton.start().unwrap() {
            automaton.edges(start).unwrap();
        }
        assert!(super::grammar(&format!("{}x{}", open.repeat(9_999), close.repeat(9_998)), &limits()).is_err());
    }
    let deep = "(".repeat(10_001);
    assert!(matches!(grammar(&deep, &limits()), Err(CompileError::Engine(EngineError::Limit { name: "max_nesting", .. }))));
    assert!(grammar(&"(?=".repeat(100), &limits()).unwrap_err().to_string().contains("lookarounds are nested"));
    let many = "\\b".repeat(100_000) + &"(?=a)".repeat(10_000);
    let automaton = PatternAutomaton::search(&many, &limits()).unwrap();
    let start = automaton.start().unwrap().unwrap();
    automaton.edges(start).unwrap();
}

#[test]
fn a_state_that_accepts_everything_is_one_state() {
    let automaton = PatternAutomaton::search("^abc", &limits()).unwrap();
    let mut state = automaton.start().unwrap().unwrap();
    for c in "abc".chars() {
        let edges = automaton.edges(state).unwrap();
        assert_eq!(edges.len(), 1);
        assert_eq!(edges[0].low, u32::from(c));
        state = edges[0].target;
    }
    let edges = automaton.edges(state).unwrap();
    let everything: Vec<_> = edges.iter().map(|edge| (edge.low, edge.high, edge.target)).collect();
    assert_eq!(everything, [(0, 0xD7FF, state), (0xE000, 0x10_FFFF, state)]);
    assert!(automaton.accepts(state).unwrap());
}

#[test]
fn counted_repeats_unroll_when_visited_only() {
    let automaton = PatternAutomaton::search("^(?:ab|c){1,1000000}(?=d)d$", &limits()).unwrap();
    assert!(accepts(&automaton, &("abc".repeat(50) + "d")));
    assert!(!accepts(&automaton, "d"));
    for pattern in ["^(a?){1000000}$", "^(a*){500000,1000000}$", "^(?:a?b?){3,1000000}c$"] {
        let automaton = PatternAutomaton::search(pattern, &limits()).unwrap();
        assert_eq!(accepts(&automaton, "aaaa"), !pattern.ends_with("c$"));
    }
}

#[test]
fn hostile_patterns_end_in_a_limit() {
    let tight = Limits { max_formula_nodes: 20_000, max_states: 200, ..limits() };
    for pattern in
        ["(?:a|aa|aaa)*b.{30}c.{30}", "(?:(?=a{1,50}b)|(?!c{2,60}d).){1,1000}e", "((?=a){1000000}){1000000}", "(?:(?=a)|b){1000000}"]
    {
        let automaton = PatternAutomaton::search(pattern, &tight).unwrap();
        let mut todo: Vec<u32> = match automaton.start() {
            Ok(start) => start.into_iter().collect(),
            Err(e) => {
                assert!(matches!(e, EngineError::Limit { .. }), "{e}");
                continue;
            }
        };
        let mut seen = std::collections::HashSet::new();
        while let Some(state) = todo.pop() {
            match automaton.edges(state) {
                Ok(edges) => todo.extend(edges.iter().map(|edge| edge.target).filter(|&target| seen.insert(target))),
                Err(e) => {
                    assert!(matches!(e, EngineError::Limit { .. }), "{e}");
                    break;
                }
            }
        }
    }
}

#[test]
fn counted_classes_are_recognised() {
    let digits = CharClass::new([(48, 57)]);
    let lower = CharClass::new([(97, 122)]);
    let any = CharClass::any();
    for (pattern, expected) in [
        ("^[a-z]{1,63}$", Some((lower.clone(), 1, Some(63)))),
        ("^([a-z])$", Some((lower.clone(), 1, Some(1)))),
        ("^(?:[a-z]+)$", Some((lower, 1, None))),
        ("^\\d+$", Some((digits.clone(), 1, None))),
        ("^\\d\\d\\d?$", Some((digits, 2, Some(3)))),
        ("^[^]*$", Some((any.clone(), 0, None))),
        ("^$", Some((any.clone(), 0, Some(0)))),
        ("", Some((any.clone(), 0, None))),
        (".*", Some((any, 0, None))),
        ("^[a-z]+", None),
        ("[a-z]+$", None),
        ("^[a-z]+[0-9]$", None),
        ("^a|b$", None),
        ("^(?=a)[a-z]$", None),
    ] {
        let automaton = PatternAutomaton::search(pattern, &limits()).unwrap();
        assert_eq!(automaton.as_counted_class().cloned(), expected, "{pattern}");
    }
}

#[test]
fn identity_is_the_parsed_pattern() {
    let id = |pattern: &str| PatternAutomaton::search(pattern, &limits()).unwrap().identity();
    assert_eq!(id("(?:a|b)c"), id("([a-b])c"));
    assert_eq!(id("a+?"), id("a+"));
    assert_ne!(id("a+"), id("a*"));
    assert_ne!(id("(?<=a)b"), id("(?<=c)b"));
    assert_ne!(id("(?=a)b"), id("(?!a)b"));
    assert_ne!(id("a"), PatternAutomaton::whole("a", &limits()).unwrap().identity());
}

/// Run with `cargo test --release -- --ignored --nocapture speed`.
#[test]
#[ignore = "prints timings"]
fn speed_of_patterns() {
    for (pattern, text) in [
        ("^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\\.[a-zA-Z]{2,}$", "someone.else@example.org"),
        ("^(?!.*\\.\\.)(?=.{1,64}@)[a-z.]+@[a-z.]+$", "some.one@example.org"),
        ("^\\p{L}[\\p{L}\\p{N} ]*$", "Ünïcode names"),
        ("(foo|bar|baz){3,50}x", "foobarbazx"),
    ] {
        let start = std::time::Instant::now();
        let automaton = PatternAutomaton::search(pattern, &limits()).unwrap();
        let parsed = start.elapsed();
        let found = accepts(&automaton, text);
        eprintln!("{pattern}: parse {parsed:?}, first run {:?}, found {found}", start.elapsed().saturating_sub(parsed));
    }
}

/// Patterns that the `regex` crate and ECMAScript read alike.
fn patterns() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => "[abc]".prop_map(String::from),
        1 => Just(".".to_owned()),
        1 => Just("[^a]".to_owned()),
        1 => Just("[ab]".to_owned()),
        1 => Just("\\d".to_owned()),
        1 => Just("(?:)".to_owned()),
        1 => Just("^".to_owned()),
        1 => Just("$".to_owned()),
        1 => Just("(?-u:\\b)".to_owned()),
        1 => Just("(?-u:\\B)".to_owned()),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            3 => proptest::collection::vec(inner.clone(), 1..5).prop_map(|parts| parts.concat()),
            2 => proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            1 => inner.clone().prop_map(|p| format!("(?:{p})*")),
            1 => inner.clone().prop_map(|p| format!("(?:{p})+?")),
            1 => inner.clone().prop_map(|p| format!("({p})?")),
            1 => (inner, 0u32..3, 0u32..3).prop_map(|(p, n, m)| format!("(?:{p}){{{n},{}}}", n + m)),
        ]
    })
}

/// What the `regex` crate says; its `.` knows one line end only, and ours is to match the same.
fn reference(pattern: &str) -> regex::Regex {
    regex::Regex::new(&pattern.replace('.', "[^\\n\\r\\x{2028}\\x{2029}]").replace("\\d", "[0-9]")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn agrees_with_the_regex_crate(pattern in patterns(), texts in proptest::collection::vec("[abc1 \n]{0,6}", 8)) {
        let ours = pattern.replace("(?-u:\\b)", "\\b").replace("(?-u:\\B)", "\\B");
        let searched = PatternAutomaton::search(&ours, &limits()).unwrap();
        let matched = PatternAutomaton::whole(&ours, &limits()).unwrap();
        let grammar = grammar(&ours, &limits()).unwrap();
        prop_assert!(always_ends(&searched) && always_ends(&matched), "{}", ours);
        prop_assert!(can_always_be_found(&searched) && can_always_be_found(&matched), "{}", ours);
        prop_assert!(is_never_lost(&searched) && is_never_lost(&matched), "{}", ours);
        prop_assert!(ends_where_it_says(&searched) && ends_where_it_says(&matched), "{}", ours);
        let (find, full) = (reference(&pattern), reference(&format!("^(?:{pattern})$")));
        for text in &texts {
            prop_assert_eq!(accepts(&searched, text), find.is_match(text), "search {} in {:?}", ours, text);
            prop_assert_eq!(accepts(&matched, text), full.is_match(text), "match {} on {:?}", ours, text);
            if !matches!(grammar.rules()[0].body, Expr::Embedded(_)) {
                prop_assert_eq!(naive::matches(&grammar, text.as_bytes()), full.is_match(text), "{} on {:?}", grammar, text);
            }
        }
    }

    #[test]
    fn any_pattern_is_parsed_or_refused(pattern in "([a-c()\\[\\]{}|?*+.^$\\\\,0-9:=!<>dwsbBpPukxi -]|\\(\\?|\\\\p\\{L\\}|\\(\\?<=|é){0,30}") {
        let tight = Limits { max_formula_nodes: 20_000, max_states: 500, ..limits() };
        if let Ok(automaton) = PatternAutomaton::search(&pattern, &tight)
            && let Ok(Some(start)) = automaton.start()
        {
            let _ = automaton.edges(start);
        }
        if let Ok(grammar) = grammar(&pattern, &limits()) {
            prop_assert_eq!(crate::frontend::ebnf::parse(&grammar.to_string(), "root", &limits()).unwrap(), grammar);
        }
    }

    #[test]
    fn any_string_at_all_is_parsed_or_refused(pattern in any::<String>()) {
        let _ = grammar(&pattern, &limits());
    }
}

/// Is there a text that the automaton accepts from a state? All that follow are searched.
fn ends(automaton: &PatternAutomaton, state: u32) -> bool {
    reached(automaton, state).into_iter().any(|state| automaton.accepts(state).unwrap())
}

/// A state and all that follow.
fn reached(automaton: &PatternAutomaton, state: u32) -> Vec<u32> {
    let mut reached = vec![state];
    let mut seen = std::collections::HashSet::from([state]);
    let mut done = 0;
    while let Some(&state) = reached.get(done) {
        reached.extend(automaton.edges(state).unwrap().iter().map(|edge| edge.target).filter(|&target| seen.insert(target)));
        done += 1;
    }
    reached
}

fn has_a_text(automaton: &PatternAutomaton) -> bool {
    automaton.start().unwrap().is_some_and(|start| ends(automaton, start))
}

/// If that is said of it.
fn always_ends(automaton: &PatternAutomaton) -> bool {
    let start = automaton.start().unwrap();
    !automaton.always_ends() || start.is_none_or(|start| reached(automaton, start).into_iter().all(|state| ends(automaton, state)))
}

#[test]
fn a_pattern_that_always_ends_has_no_traps() {
    let made = |pattern: &str| PatternAutomaton::search(pattern, &limits()).unwrap_or_else(|e| panic!("{pattern}: {e}"));
    for pattern in ["", "a", "^[a-z]+$", "^(a|b){2,5}$", "^a$|^b", "ab|c$", "^^a$$", "[\\uD7FF-\\uE000]x"] {
        assert!(made(pattern).always_ends() && always_ends(&made(pattern)), "{pattern}");
    }
    for pattern in ["a^b", "a$b", "^(a|b$)c$", "a[^\\s\\S]", "a|b[\\uD800-\\uDBFF]", "(?=a)b", "a(?!b)", "a\\bb", "a(?<=a)"] {
        assert!(!made(pattern).always_ends(), "{pattern}");
    }
    for &(pattern, ..) in FOUND {
        assert!(always_ends(&made(pattern)), "{pattern}");
    }
}

/// The fewest characters with which a text is accepted from a state.
fn distance(automaton: &PatternAutomaton, state: u32) -> Option<u64> {
    let (mut layer, mut seen) = (vec![state], std::collections::HashSet::from([state]));
    for after in 0.. {
        if layer.iter().any(|&state| automaton.accepts(state).unwrap()) {
            return Some(after);
        }
        let edges = layer.iter().flat_map(|&state| automaton.edges(state).unwrap().iter().map(|edge| edge.target).collect::<Vec<_>>());
        layer = edges.filter(|&target| seen.insert(target)).collect();
        if layer.is_empty() {
            return None;
        }
    }
    None
}

/// The most characters of a text that is accepted from a state behind which no text is a trap; `None`: there is no end of them.
fn longest(automaton: &PatternAutomaton, state: u32) -> Option<u64> {
    let all = reached(automaton, state).len() as u64;
    let mut layer = std::collections::BTreeSet::from([state]);
    let mut most = 0;
    while !layer.is_empty() {
        if most > all {
            return None;
        }
        layer =
            layer.iter().flat_map(|&state| automaton.edges(state).unwrap().iter().map(|edge| edge.target).collect::<Vec<_>>()).collect();
        most += 1;
    }
    Some(most - 1)
}

/// If that is said of it: in each state just so many characters are missing, and nowhere behind it more than the most.
fn ends_where_it_says(automaton: &PatternAutomaton) -> bool {
    let Some(start) = automaton.start().unwrap() else { return true };
    let states = reached(automaton, start);
    let distances: Vec<Option<u64>> = states.iter().map(|&state| distance(automaton, state)).collect();
    let (least, most) = automaton.lengths();
    if automaton.always_ends() && (distances.first() != Some(&Some(least)) || most != longest(automaton, start)) {
        return false;
    }
    states.iter().zip(&distances).all(|(&state, &distance)| match automaton.ends_within(state) {
        None => !automaton.always_ends(),
        within => {
            let behind = reached(automaton, state).into_iter().map(|next| automaton.ends_within(next).unwrap()).max();
            within == distance && behind <= automaton.stays_within(state)
        }
    })
}

#[test]
fn distances_are_known_where_there_are_no_conditions() {
    let made = |pattern: &str| PatternAutomaton::search(pattern, &limits()).unwrap_or_else(|e| panic!("{pattern}: {e}"));
    for (pattern, within, anywhere) in [
        ("", 0, 0),
        ("abc", 3, 3),
        ("^[a-z]*$", 0, 0),
        ("^[a-z]+$", 1, 1),
        ("^(a|bcd){2,5}$", 2, 3),
        ("^a{40}b*$", 40, 40),
        ("^a$|^bcd", 1, 2),
        ("^(ab)*$", 0, 1),
        ("x{3}$", 3, 3),
        ("[^a]|a", 1, 1),
    ] {
        let automaton = made(pattern);
        let start = automaton.start().unwrap().unwrap();
        let known = (automaton.ends_within(start), automaton.stays_within(start));
        assert_eq!(known, (Some(within), Some(anywhere)), "{pattern}");
        assert!(ends_where_it_says(&automaton), "{pattern}");
    }
    let many = made("[a-f0-9]{0,30}(?:z[a-f]{3,40}){3,40}$");
    assert_eq!(many.ends_within(many.start().unwrap().unwrap()), Some(12));
    // Each of thousands may follow each before it.
    let too_many = made(&format!("^{}$", "a?b?".repeat(1000)));
    assert_eq!(too_many.ends_within(too_many.start().unwrap().unwrap()), None);
    for pattern in ["a(?=b)", "^(?!a)b", "a\\bb", "a^b"] {
        let automaton = made(pattern);
        assert_eq!(automaton.start().unwrap().and_then(|start| automaton.ends_within(start)), None, "{pattern}");
    }
}

/// May any character come in this state?
fn goes_on(automaton: &PatternAutomaton, state: u32) -> bool {
    let (mut next, mut all) = (0, true);
    for edge in automaton.edges(state).unwrap().iter() {
        all &= edge.low == next || next == 0xD800 && edge.low == 0xE000;
        next = edge.high + 1;
    }
    all && next == 0x11_0000
}

/// If that is said of it: nothing is refused, and from everywhere some text is accepted.
fn is_never_lost(automaton: &PatternAutomaton) -> bool {
    let start = automaton.start().unwrap();
    let lost = |state: u32| !goes_on(automaton, state) || !ends(automaton, state);
    !automaton.is_never_lost() || start.is_some_and(|start| !reached(automaton, start).into_iter().any(lost))
}

#[test]
fn a_pattern_that_may_begin_anywhere_is_never_lost() {
    let made = |pattern: &str| PatternAutomaton::search(pattern, &limits()).unwrap_or_else(|e| panic!("{pattern}: {e}"));
    for pattern in ["", "a", "a$", "(a|b)c$", "^a|b$", "a(?=b)|c$", "a.c$|^x", "$", "^$|", "[^a]b?$$"] {
        assert!(made(pattern).is_never_lost() && is_never_lost(&made(pattern)), "{pattern}");
    }
    for pattern in ["^a", "^a$|^b", "a[^\\s\\S]$", "(?!b)a", "a\\b", "(^a|b)c", "(a|b$)*", "a(?<=a)", "a$b"] {
        assert!(!made(pattern).is_never_lost(), "{pattern}");
    }
    assert!(!PatternAutomaton::whole("a", &limits()).unwrap().is_never_lost());
    for &(pattern, ..) in FOUND {
        assert!(is_never_lost(&made(pattern)), "{pattern}");
    }
}

/// If that is said of it: nothing is refused, and from everywhere a state is reached from which every text is accepted.
fn can_always_be_found(automaton: &PatternAutomaton) -> bool {
    let goes_on = |state: u32| goes_on(automaton, state);
    let stays = |state: u32| automaton.accepts(state).unwrap() && automaton.edges(state).unwrap().iter().all(|edge| edge.target == state);
    let found = |state: u32| goes_on(state) && reached(automaton, state).into_iter().any(|state| stays(state) && goes_on(state));
    let start = automaton.start().unwrap();
    !automaton.can_always_be_found() || start.is_some_and(|start| reached(automaton, start).into_iter().all(found))
}

#[test]
fn a_pattern_without_conditions_can_always_be_found() {
    let made = |pattern: &str| PatternAutomaton::search(pattern, &limits()).unwrap_or_else(|e| panic!("{pattern}: {e}"));
    for pattern in ["", "a", "[a-z]+", "(a|b){2,5}", "^a$|b", "(?=a)b|ab", "a.c|^x"] {
        assert!(made(pattern).can_always_be_found() && can_always_be_found(&made(pattern)), "{pattern}");
    }
    for pattern in ["^a", "a$", "^a|b$", "a[^\\s\\S]", "(?!b)a", "a\\b", "(^a|b)c", "(a|b$)*", "a(?<=a)"] {
        assert!(!made(pattern).can_always_be_found(), "{pattern}");
    }
    assert!(!PatternAutomaton::whole("a", &limits()).unwrap().can_always_be_found());
    for &(pattern, ..) in FOUND {
        assert!(can_always_be_found(&made(pattern)), "{pattern}");
    }
}

#[test]
fn a_pattern_that_plainly_accepts_has_a_text() {
    let made = |pattern: &str| PatternAutomaton::search(pattern, &limits()).unwrap_or_else(|e| panic!("{pattern}: {e}"));
    for pattern in ["", "a", "^[a-z]+$", "^(a|b){2,5}$", "^a$|^b$", "x^y|z", "^^a$$", "[^\\s\\S]*", "[^\\s\\S]|a", "[\\uD7FF-\\uE000]"] {
        assert!(made(pattern).plainly_accepts() && has_a_text(&made(pattern)), "{pattern}");
    }
    for pattern in ["a^b", "a$b", "^(a$|^)c$", "[^\\s\\S]", "[^\\s\\S]+|a^b", "[\\uD800-\\uDBFF]", "(?=a)b", "(?!a)a", "a\\bb"] {
        assert!(!made(pattern).plainly_accepts(), "{pattern}");
    }
    for &(pattern, ..) in FOUND {
        assert!(!made(pattern).plainly_accepts() || has_a_text(&made(pattern)), "{pattern}");
    }
}
