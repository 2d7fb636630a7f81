use proptest::prelude::*;

use super::parse;
use crate::error::{CompileError, EngineError};
use crate::grammar::naive::matches;
use crate::grammar::{Expr, Grammar};
use crate::limits::Limits;

fn ok(text: &str) -> Grammar {
    parse(text, "root", &Limits::default()).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// The body of the only rule, printed.
fn body(text: &str) -> String {
    let printed = ok(&format!("root ::= {text}")).to_string();
    printed.strip_prefix("root ::= ").unwrap_or(&printed).trim_end().to_owned()
}

fn error(text: &str) -> String {
    parse(text, "root", &Limits::default()).expect_err(text).to_string()
}

#[test]
fn bodies_print_canonically() {
    for (text, printed) in [
        ("\"a\"", "\"a\""),
        ("\"a\" \"b\" | [c]", "\"a\" \"b\" | [c]"),
        ("(\"a\")", "\"a\""),
        ("((\"a\" \"b\"))*", "(\"a\" \"b\")*"),
        ("( )", "\"\""),
        ("()", "\"\""),
        ("\"a\" | ", "\"a\" | \"\""),
        ("| \"a\"", "\"\" | \"a\""),
        ("\"a\"?", "\"a\"?"),
        ("\"a\" ?", "\"a\"?"),
        ("\"a\"{3}", "\"a\"{3}"),
        ("\"a\"{0}", "\"\""),
        ("\"a\"{1}", "\"a\""),
        ("\"a\"{2,}", "\"a\"{2,}"),
        ("\"a\"{2,-1}", "\"a\"{2,}"),
        ("\"a\"{0,}", "\"a\"*"),
        ("\"a\"{ 2 , 5 }", "\"a\"{2,5}"),
        ("\"a\"{0,1000000}", "\"a\"{0,1000000}"),
        ("(\"a\"*)*", "(\"a\"*)*"),
        ("[a-z0-9_]", "[0-9_a-z]"),
        ("[^a]", "[^a]"),
        ("[^]", "[^]"),
        (".", "[^]"),
        (".*", "[^]*"),
        ("...", "[^] [^] [^]"),
        ("..+", "[^] [^]+"),
        ("[]", "[]"),
        ("[-a]", "[\\-a]"),
        ("[a-]", "[\\-a]"),
        ("[a\\-z]", "[\\-az]"),
        ("[\\]\\[\\\\^]", "[\\[-\\^]"),
        ("[\\^\\$\\.\\*\\+\\?\\(\\)\\{\\}\\|\\/]", "[$(-+./?\\^{-}]"),
        ("[\\x41-\\x43]", "[A-C]"),
        ("[α-ω]", "[α-ω]"),
        ("[\\u0400-\\u04FF]", "[Ѐ-ӿ]"),
        ("[\\U0001F600]", "[\\U0001F600]"),
        ("\"\\n\\r\\t\\b\\f\\a\\v\\0\\e\"", "\"\\n\\r\\t\\u0008\\u000C\\u0007\\u000B\\u0000\\u001B\""),
        ("\"\\\"\\\\\\/\\'\\?\\[\\]\"", "\"\\\"\\\\/'?[]\""),
        ("\"\\x41\\xe9\"", "\"Aé\""),
        ("\"\\u00e9\\ud83d\\uDE00\\U0001F600\"", "\"é\\U0001F600\\U0001F600\""),
        ("bytes(\"ff00\")", "bytes(\"ff00\")"),
        ("bytes(\"6162\")", "\"ab\""),
        ("bytes(\"\")", "\"\""),
        ("\"a\" # comment )(\n \"b\"", "\"a\" \"b\""),
        ("(\n\"a\"\n|\n\"b\"\n)\n+", "(\"a\" | \"b\")+"),
        ("\"a\" (= \"b\" | \"c\")", "\"a\""),
        ("regex(\"[a-z]{2}\")", "[a-z]{2}"),
        ("Regex(\"a.b\")", "\"a\" [^] \"b\""),
        ("Regex(\"a.\", flags=\"i\")", "[Aa] [^\\n\\r\\u2028\\u2029]"),
        ("Regex(\"a.\", json_string=false, flags=\"s\")", "\"a\" [^]"),
        ("regex(\"a\\\\d\")?", "(\"a\" [0-9])?"),
    ] {
        assert_eq!(body(text), printed, "{text}");
    }
}

#[test]
fn rules_span_lines_and_end_at_the_next() {
    let grammar =
        ok("# json\nroot ::= list |\n  item\nlist::=\"[\" item\n  (\",\" item)* \"]\"\n\nitem ::= [0-9]+ # number\n-odd.name_1 ::= root");
    assert_eq!(grammar.rules().len(), 4);
    assert!(matches(&grammar, b"[1,22]"));
    assert!(!matches(&grammar, b"[1,]"));
    let same_line = ok("root ::= a b a ::= \"x\" b ::= \"y\"");
    assert!(matches(&same_line, b"xy"));
    assert_eq!(ok("main ::= \"a\"\nroot ::= main").rules()[0].name, "main");
    let other = parse("a ::= b\nb ::= \"x\"", "a", &Limits::default()).unwrap();
    assert_eq!(other.rules()[other.root().index()].name, "a");
}

#[test]
fn a_class_after_a_name_is_no_option() {
    assert_eq!(ok("root ::= a[0-9]\na ::= \"x\"").to_string(), "root ::= a [0-9]\na ::= \"x\"\n");
    assert_eq!(ok("root ::=\na[0-9] b\na ::= \"x\"\nb ::= \"::=\"").rules().len(), 3);
}

#[test]
fn embedded_patterns_come_back() {
    let text = "root ::= \"<\" regex(\"(?!ab)[a-c]+\") \">\"\n";
    let grammar = ok(text);
    assert_eq!(grammar.to_string(), text);
    assert_eq!(ok(&grammar.to_string()), grammar);
    assert_ne!(ok("root ::= regex(\"(?!ab)[a-c]*\")"), ok("root ::= regex(\"(?!ab)[a-c]+\")"));
    let flags = ok("root ::= Regex(\"(?!a).\", flags=\"is\")");
    assert_eq!(flags.to_string(), "root ::= regex(\"(?is:(?!a).)\")\n");
    assert_eq!(ok(&flags.to_string()).identity(), flags.identity());
}

#[test]
fn errors_say_where_and_what() {
    for (text, expected) in [
        ("", "the root rule does not exist; there are no rules"),
        ("root ::=", "line 1, column 9: the body of rule `root` is empty"),
        ("root ::= \"a", "line 1, column 10: the string is not closed"),
        ("root ::= \"a\nb\"", "the string is not closed on its line"),
        ("root ::= [a", "line 1, column 10: the character class is not closed: expected `]`"),
        ("root ::= [a\n]", "the character class is not closed on its line"),
        ("root ::= [z-a]", "the range `z-a` is backwards"),
        ("root ::= \"a\n", "not closed"),
        ("root ::= (\"a\"\n  (\"b\" | \"c\"", "line 2, column 13: expected `)` to close the group opened at line 2, column 3"),
        ("root ::= (\"a\"\nb ::= \"c\"", "expected `)` to close the group opened at line 1, column 10"),
        ("root ::= \"a\")", "`)` closes no group"),
        ("root ::= \"a\"**", "two repetition operators in a row"),
        ("root ::= \"a\"* +", "two repetition operators in a row"),
        ("root ::= \"a\"{2}{3}", "two repetition operators in a row"),
        ("root ::= * \"a\"", "nothing to repeat before `*`"),
        ("root ::= \"a\" | ? ", "nothing to repeat"),
        ("root ::= \"a\"{,5}", "a repetition needs its minimum"),
        ("root ::= \"a\"{5,2}", "maximum 2 is less than its minimum 5"),
        ("root ::= \"a\"{x}", "expected a number of repetitions, found `x`"),
        ("root ::= \"a\"{2,", "expected a number of repetitions, found the end of the text"),
        ("root ::= \"a\"{2", "expected `}` to close the repetition opened at line 1, column 13"),
        ("root ::= \"a\"{99999999999}", "more than the largest count"),
        ("root ::= \"\\q\"", "unknown escape `\\q`"),
        ("root ::= \"\\-\"", "this character needs no backslash here"),
        ("root ::= [\\d]", "`\\d` is not a character"),
        ("root ::= \"\\x\"", "`\\x` needs at least one hexadecimal digit"),
        ("root ::= \"\\u12\"", "`\\u` needs four hexadecimal digits"),
        ("root ::= \"\\U0001F60\"", "`\\U` needs eight hexadecimal digits"),
        ("root ::= \"\\U00110000\"", "is not a Unicode character"),
        ("root ::= \"\\xFFFFFFFFFFFFFFFFFFFFFFFF\"", "is not a Unicode character"),
        ("root ::= \"\\ud83d\"", "half of a surrogate pair"),
        ("root ::= \"\\ud83d\\u0041\"", "half of a surrogate pair"),
        ("root ::= \"\\", "the text ends after a backslash"),
        ("root ::= itme\nitem ::= \"a\"", "line 1, column 10: rule `itme` is not defined; did you mean `item`?"),
        ("root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: rule `root` is already defined at line 1, column 1"),
        ("main ::= \"a\"\nitem ::= \"b\"", "the root rule does not exist; the rules are main, item"),
        ("root \"a\"", "expected `::=` after the rule name `root`, found `\"`"),
        ("root ::= \"a\" ::= \"b\"", "unexpected `::=`"),
        ("= \"a\"", "expected a rule, `name ::= body`, found `=`"),
        ("root[lazy] ::= \"a\"", "rule options (`name[…] ::=`: max_tokens"),
        ("root ::= a\na[max_tokens=5] ::= \"a\"", "line 2, column 1: rule options"),
        ("root ::= Token(1, 2)", "`Token(…)` (a set of tokens) is not supported"),
        ("root ::= TagDispatch((\"a\", b))", "`TagDispatch(…)` (dispatch on tags in free text) is not supported"),
        ("root ::= Substring(\"a\")", "is not supported"),
        ("root ::= \"a\" & \"b\"", "intersection `&` is not supported"),
        ("root ::= ~\"a\"", "complement `~` is not supported"),
        ("root ::= <[1]>", "tokens such as"),
        ("root ::= 'a'", "strings are written with double quotes"),
        ("root ::= /a/", "a regular expression is written regex"),
        ("root ::= \"a\" (= \"b\") \"c\"", "must be the last thing"),
        ("root ::= (\"a\" (= \"b\"))", "may stand only after the whole body"),
        ("root ::= regex(\"(\")", "line 1, column 10: in `regex(…)`: regular expression error at character 1"),
        ("root ::= regex(\"(a)\\\\1\")", "a backreference needs memory"),
        ("root ::= regex()", "takes a pattern"),
        ("root ::= regex(\"a\" \"b\")", "expected `,` or `)` after an argument"),
        ("root ::= regex(\"a\", flags=\"x\")", "unknown regular expression flag `x`"),
        ("root ::= Regex(\"a\", json_string=true)", "`json_string=true` is not supported"),
        ("root ::= regex(\"a\", 3)", "takes one pattern"),
        ("root ::= regex(\"a\"", "the call is not closed"),
        ("root ::= regex(foo)", "expected an argument"),
        ("root ::= bytes(\"f\")", "pairs of hexadecimal digits"),
        ("root ::= bytes(\"+1\")", "pairs of hexadecimal digits"),
        ("root ::= regex(\"a\")\nregex ::= \"b\"", "rename the rule"),
        ("root ::= é", "unexpected `é`"),
    ] {
        let message = error(text);
        assert!(message.contains(expected), "{text}\n{message}");
    }
    assert_eq!(
        error("root ::= \"a\"\n  \"b\" % \"c\""),
        "EBNF error at line 2, column 7: unexpected `%`: expected a string, a class, a group or a rule name\n  \"b\" % \"c\"\n      ^"
    );
}

#[test]
fn deep_nesting_becomes_rules_and_does_not_overflow() {
    let depth = 9_999;
    for (open, close) in [("(", ")"), ("(\"a\" ", ")"), ("(\"a\" | ", ")"), ("(", ")*"), ("(\"b\"? (\"c\" | ", "){2,3})")] {
        let depth = depth / open.matches('(').count();
        let text = format!("root ::= {}\"x\"{}", open.repeat(depth), close.repeat(depth));
        let grammar = ok(&text);
        assert!(grammar.rules().iter().all(|rule| rule.body.height() <= 80));
        assert!(ok(&grammar.to_string()) == grammar, "{open}");
        let unclosed = format!("root ::= {}\"x\"{} %", open.repeat(depth), close.repeat(depth - 1));
        assert!(parse(&unclosed, "root", &Limits::default()).is_err());
    }
    let too_deep = format!("root ::= {}", "(".repeat(10_001));
    assert!(matches!(
        parse(&too_deep, "root", &Limits::default()),
        Err(CompileError::Engine(EngineError::Limit { name: "max_nesting", .. }))
    ));
}

#[test]
fn large_counts_stay_one_node() {
    assert_eq!(ok("root ::= [a]{0,1000000}").rules()[0].body.size(), 2);
}

#[test]
fn limits_are_typed_errors() {
    let limits = Limits { max_text_bytes: 10, max_rules: 2, ..Limits::default() };
    assert!(matches!(
        parse("root ::= \"aaaa\"", "root", &limits),
        Err(CompileError::Engine(EngineError::Limit { name: "max_text_bytes", .. }))
    ));
    let limits = Limits { max_rules: 2, ..Limits::default() };
    assert!(matches!(parse("root ::= a b c", "root", &limits), Err(CompileError::Engine(EngineError::Limit { name: "max_rules", .. }))));
}

/// Run with `cargo test --release -- --ignored --nocapture speed`.
#[test]
#[ignore = "prints timings"]
fn speed_of_parsing_two_thousand_rules() {
    use std::fmt::Write;
    let mut text = String::from("root ::= rule-0\n");
    for i in 0..2000 {
        let _ = writeln!(
            text,
            "rule-{i} ::= \"key{i}\" ws \":\" ws (\"[\" [a-zA-Z0-9_]{{1,20}} \"]\" | rule-{})* | \"x\"? \"y\"",
            (i + 1) % 2000
        );
    }
    text.push_str("ws ::= [ \\t\\n]*\n");
    for _ in 0..5 {
        let start = std::time::Instant::now();
        let grammar = ok(&text);
        eprintln!("{} rules, {} bytes: {:?}", grammar.rules().len(), text.len(), start.elapsed());
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "(root ::= )?([a-c\"\\[\\](){}|?*+.^,0-9\\\\#\n :=xuU-]|::=|regex\\(\"|bytes\\(\"|\\(=|é){0,40}") {
        if let Ok(grammar) = parse(&text, "root", &Limits::default()) {
            prop_assert_eq!(grammar.validate(), Ok(()));
            let printed = grammar.to_string();
            prop_assert_eq!(parse(&printed, "root", &Limits::default()).unwrap(), grammar);
        }
    }

    #[test]
    fn any_string_at_all_is_parsed_or_refused(text in any::<String>()) {
        let _ = parse(&text, "root", &Limits::default());
        let _ = parse(&format!("root ::= {text}"), "root", &Limits::default());
    }
}

#[test]
fn strings_are_bytes_and_classes_are_characters() {
    let grammar = ok("root ::= \"é\" [é] .");
    assert_eq!(grammar.rules()[0].body.children()[0], Expr::Bytes("é".as_bytes().into()));
    assert!(matches(&grammar, "éé€".as_bytes()));
    assert!(!matches(&grammar, b"\xc3\xa9\xc3\xa9\xe2"));
}

#[test]
fn every_call_is_known_to_who_names_rules() {
    assert!(crate::frontend::EMBEDDED.iter().all(|(name, _)| crate::grammar::CALLS.contains(name)));
}
