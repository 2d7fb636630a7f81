//! Equal cache keys mean equal masks: along counted loops, whose registers are cut down to views, every mask is checked while warm.

use maskwright::frontend::{ebnf, json_schema, regex};
use maskwright::grammar::Grammar;
use maskwright::limits::Limits;
use maskwright::provider::ByteSet;
use maskwright::testing::oracle;
use maskwright::testing::vocabulary::TinyVocabulary;

/// Walk `text` byte by byte twice over one compiled grammar, with every mask compared with forks; return how far it got.
fn check_all_counts(grammar: &Grammar, tokens: &[&str], text: &[u8]) -> usize {
    let vocabulary = TinyVocabulary::new(&ByteSet::ALL, tokens.iter().map(|t| t.as_bytes().to_vec()));
    let compiled = oracle::compile(grammar, &vocabulary).unwrap();
    let mut read = 0;
    for _ in 0..2 {
        let mut matcher = oracle::matcher(&compiled);
        read = 0;
        for byte in text {
            oracle::check_mask(&mut matcher, &vocabulary).unwrap_or_else(|e| panic!("after {read} bytes: {e}\n{grammar}"));
            if !matcher.accept_bytes(&[*byte]).unwrap() {
                return read;
            }
            read += 1;
        }
        oracle::check_mask(&mut matcher, &vocabulary).unwrap();
    }
    read
}

#[test]
fn counted_loops_of_grammars() {
    let tokens = ["aa", "aaa", "aaaaa", "aab", "ab", "abb", "aaaab", "bb", "aaaaaaaaaaaa"];
    for (body, text, reads) in [
        ("\"a\"{20,40} \"b\"", "a".repeat(50), 40),
        ("\"a\"{0,30} \"b\"*", "a".repeat(30) + "bbb", 33),
        ("(\"a\"{3,12} \"b\"){2,9}", "aaab".repeat(9), 36),
        ("\"a\"{17,} \"b\"", "a".repeat(25) + "b", 26),
        ("(\"a\" | \"aa\"){5,20} \"b\"?", "a".repeat(45), 40),
        ("(\"a\" | \"ab\"){9,14}", "ab".repeat(20), 28),
        ("(\"aaa\" | \"a\" \"b\"?){12,30}", "a".repeat(95), 90),
        ("(\"a\"{1,3}){10,12}", "a".repeat(40), 36),
    ] {
        let grammar = ebnf::parse(&format!("root ::= {body}\n"), "root", &Limits::default()).unwrap();
        assert_eq!(check_all_counts(&grammar, &tokens, text.as_bytes()), reads, "{body}");
    }
}

#[test]
fn counted_loops_around_recursive_calls() {
    let text = "root ::= (pair \",\"){10,20}\npair ::= \"(\" pair? \")\"\n";
    let grammar = ebnf::parse(text, "root", &Limits::default()).unwrap();
    let tokens = ["()", "(),", "),", "(),(),", "((", "))", ")),(", "(((((", "(),(),(),(),(),(),(),"];
    assert_eq!(check_all_counts(&grammar, &tokens, "(()),".repeat(22).as_bytes()), 100);
}

#[test]
fn counted_loops_of_patterns() {
    let tokens = ["ab", "abab", "aaaa", "bbb", "ba", "é", "éé", "é€", "aé"];
    for (pattern, text, reads) in [
        ("[ab]{30}", "ab".repeat(20), 30),
        (".{10,25}", "aé".repeat(20), 37),
        ("(?=.*b)a{0,20}b{0,20}", "a".repeat(20) + &"b".repeat(25), 40),
        ("a{5,}b{12,15}", "a".repeat(9) + &"b".repeat(16), 24),
    ] {
        let grammar = regex::grammar(pattern, &Limits::default()).unwrap();
        assert_eq!(check_all_counts(&grammar, &tokens, text.as_bytes()), reads, "{pattern}");
    }
}

#[test]
fn lengths_of_strings_and_arrays() {
    let tokens =
        ["aa", "aaaa", "a\"", "aaa\"", "\"a", "\\n", "\\u00e9", "a\\", "éé", "\",\"", "1,", "1,1,", "1]", ",1", "1,1,1,1,1]", "a-", "aa-1"];
    let string = |n: usize| format!("\"{}\"", "a".repeat(n));
    let array = |n: usize| format!("[{}]", vec!["1"; n].join(","));
    for (schema, text, reads) in [
        (r#"{"type":"string","maxLength":30}"#, string(35), 31),
        (r#"{"type":"string","minLength":20,"maxLength":30}"#, string(25), 27),
        (r#"{"type":"string","minLength":40}"#, string(45), 47),
        (r#"{"type":"string","pattern":"^[a-z]+-[0-9]{20}$","maxLength":40}"#, format!("\"{}-{}\"", "a".repeat(19), "1".repeat(20)), 42),
        (r#"{"type":"string","pattern":"^[a-z]+-[0-9]{20}$","maxLength":40}"#, format!("\"{}\"", "a".repeat(25)), 20),
        (r#"{"type":"string","pattern":"^(ab)*$","minLength":15,"maxLength":23}"#, format!("\"{}\"", "ab".repeat(12)), 23),
        (r#"{"type":"array","items":{"const":1},"minItems":12,"maxItems":20}"#, array(16), 33),
        (r#"{"type":"array","items":{"const":1},"maxItems":20}"#, array(22), 40),
    ] {
        let grammar = json_schema::grammar(schema, &json_schema::Options::default(), &Limits::default()).unwrap();
        assert_eq!(check_all_counts(&grammar, &tokens, text.as_bytes()), reads, "{schema}");
    }
}
