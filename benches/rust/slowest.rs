//! The slowest masks of real schemas, each timed once, by grammars that have learned nothing: `make slowest`.
//!
//! Reads lines of `MaskBench` (`name`, `schema`, `tests` of `data`) from standard input and writes one line per mask that took longer than the
//! microseconds given first, slowest first, with the schema, the place and the text before it; then what all took, and a hash of all masks, by
//! which two versions are compared. A token that a mask allows and acceptance refuses, or the other way about, is said and fails the run.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::BufRead;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use maskwright::frontend::json_schema;
use maskwright::limits::{Interrupt, Limits};
use maskwright::matcher::{CompiledGrammar, Matcher, MatcherOptions};
use maskwright::vocab::Vocabulary;
use maskwright_benches::{build, encode, tokens};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Entry {
    name: String,
    // Raw: the order of keys counts.
    schema: Box<RawValue>,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    data: Box<RawValue>,
}

/// A mask and the time it took.
struct Mask {
    took: Duration,
    schema: usize,
    before: String,
}

#[derive(Default)]
struct Totals {
    /// Of each mask, and of each schema until its first mask.
    masks: Vec<Duration>,
    first: Vec<Duration>,
    slow: Vec<Mask>,
    hasher: DefaultHasher,
    disagreements: usize,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let above = Duration::from_micros(arguments.next().map_or(1000, |text| text.parse().expect("microseconds")));
    let only = arguments.next().unwrap_or_default();
    let vocabulary = build(&tokens(usize::MAX));
    let mut totals = Totals::default();
    let mut names = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let entry: Entry = serde_json::from_str(&line.expect("lines of text")).expect("a line of MaskBench");
        if entry.name.contains(&only) {
            read(&entry, names.len(), &vocabulary, above, &mut totals);
            names.push(entry.name);
        }
    }
    report(totals, &names)
}

/// All masks of one schema's texts.
fn read(entry: &Entry, schema: usize, vocabulary: &Arc<Vocabulary>, above: Duration, totals: &mut Totals) {
    let (limits, interrupt) = (Limits::default(), Interrupt::default());
    let text = entry.schema.get();
    let mut row = vec![0; vocabulary.words()];
    let start = Instant::now();
    let compiled = json_schema::grammar(text, &json_schema::Options::default(), &limits)
        .ok()
        .and_then(|grammar| CompiledGrammar::compile(&grammar, vocabulary.clone(), &limits, &interrupt).ok());
    let Some(compiled) = compiled else {
        return;
    };
    Matcher::new(compiled.clone(), MatcherOptions::default()).expect("a stop token").fill(&mut row).expect("a mask");
    let first = start.elapsed();
    totals.first.push(first);
    if first > above {
        totals.slow.push(Mask { took: first, schema, before: "(compiled, and the first mask)".to_owned() });
    }
    for test in &entry.tests {
        let text = spaced(test.data.get());
        let mut matcher = Matcher::new(compiled.clone(), MatcherOptions::default()).expect("a stop token");
        let mut at = 0;
        for id in encode(vocabulary, &text) {
            let start = Instant::now();
            matcher.fill(&mut row).expect("a mask");
            let filled = start.elapsed();
            row.hash(&mut totals.hasher);
            let allowed = row[id as usize / 32] >> (id % 32) & 1 == 1;
            let start = Instant::now();
            let accepted = matcher.accept_token(id).expect("a step");
            let took = filled + start.elapsed();
            if allowed != accepted {
                println!("{}: the mask says {allowed}, acceptance {accepted}, after {:?}", entry.name, &text[..at]);
                totals.disagreements += 1;
            }
            totals.masks.push(took);
            if took > above {
                totals.slow.push(Mask { took, schema, before: text.get(..at).unwrap_or_default().to_owned() });
            }
            if !accepted {
                break;
            }
            at += vocabulary.token_bytes(id).len();
        }
    }
}

fn report(mut totals: Totals, names: &[String]) -> ExitCode {
    totals.slow.sort_by_key(|mask| std::cmp::Reverse(mask.took));
    for mask in &totals.slow {
        let last = mask.before.char_indices().rev().nth(59).map_or(0, |(at, _)| at);
        println!("{:>10}  {}  {:?}", mask.took.as_micros(), names[mask.schema], &mask.before[last..]);
    }
    for (label, times) in [("mask", &mut totals.masks), ("compiled and first mask", &mut totals.first)] {
        times.sort_unstable();
        let Some(slowest) = times.last() else { continue };
        let mean = times.iter().sum::<Duration>() / times.len() as u32;
        let [p50, p90, p99, p999] = [500, 900, 990, 999].map(|permille| micros(times[times.len() * permille / 1000]));
        let (mean, slowest, count) = (micros(mean), micros(*slowest), times.len());
        println!("{label}: {count} in all, mean {mean} us, p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p999}, slowest {slowest}");
    }
    println!("hash of all masks: {:016x}; {} disagreements", totals.hasher.finish(), totals.disagreements);
    if totals.disagreements == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Microseconds, with a tenth where that says something.
fn micros(time: Duration) -> String {
    let tenths = time.as_nanos() / 100;
    if tenths < 1000 { format!("{}.{}", tenths / 10, tenths % 10) } else { (tenths / 10).to_string() }
}

/// The same JSON with a space behind each comma and colon, and no escape that is not needed: as models write it.
fn spaced(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (String::new(), 0);
    while at < bytes.len() {
        let from = at;
        at += 1;
        match bytes[from] {
            b'"' => {
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                let string = &text[from..at];
                match serde_json::from_str::<String>(string) {
                    Ok(read) => out += &serde_json::to_string(&read).expect("a string"),
                    // Half of a surrogate pair stays escaped.
                    Err(_) => out += string,
                }
            }
            b',' => out += ", ",
            b':' => out += ": ",
            b' ' | b'\n' | b'\r' | b'\t' => {}
            other => out.push(char::from(other)),
        }
    }
    out
}
