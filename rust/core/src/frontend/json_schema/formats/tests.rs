//! The formats against independent checkers: random strings of each automaton, and those with a character changed.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::mail::Local;
use super::*;
use crate::automaton::text::{Length, Outcome, TextAutomaton, TextSpec};
use crate::characters::{self, Utf8};
use crate::formula::Formulas;
use crate::provider::{Arena, Bound, Cell, Extent};
use crate::stack::Configuration;
use crate::testing::source::{Source, random_bytes};

fn accepts(row: &Format, text: &str) -> bool {
    let automaton = row.automaton().unwrap();
    let Some(mut state) = automaton.start().unwrap() else { return false };
    for c in text.chars().map(u32::from) {
        let edges = automaton.edges(state).unwrap();
        let at = edges.partition_point(|e| e.high < c);
        match edges.get(at).filter(|e| e.low <= c) {
            Some(edge) => state = edge.target,
            None => return false,
        }
    }
    automaton.accepts(state).unwrap()
}

/// A string of the automaton: choices as given, then a short way to an end.
fn string(row: &Format, choices: &[u32]) -> String {
    let automaton = row.automaton().unwrap();
    let mut state = automaton.start().unwrap().unwrap();
    let mut text = String::new();
    let mut states = vec![state];
    let pick = |state: u32, choice: u32| -> Option<(char, u32)> {
        let edges = automaton.edges(state).unwrap();
        let edge = edges.get(choice as usize % edges.len().max(1))?;
        let c = edge.low + (choice / 97) % (edge.high - edge.low + 1);
        Some((char::from_u32(c).unwrap(), edge.target))
    };
    for &choice in choices {
        let Some((c, next)) = pick(state, choice) else { break };
        text.push(c);
        state = next;
        states.push(state);
    }
    // Breadth first from the last state that can be completed.
    while let Some(from) = states.pop() {
        let mut seen = std::collections::HashMap::from([(from, (from, ' '))]);
        let mut queue = std::collections::VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            if automaton.accepts(at).unwrap() {
                let mut end = Vec::new();
                let mut back = at;
                while back != from {
                    let (before, c) = seen[&back];
                    end.push(c);
                    back = before;
                }
                text.extend(end.iter().rev());
                return text;
            }
            for edge in automaton.edges(at).unwrap().iter() {
                if seen.len() < 30_000 {
                    seen.entry(edge.target).or_insert_with(|| {
                        queue.push_back(edge.target);
                        (at, char::from_u32(edge.low).unwrap())
                    });
                }
            }
        }
        text.pop();
    }
    panic!("{} accepts nothing", row.name)
}

fn digits(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().unwrap())
}

/// The days since the year 0, if the day exists.
fn date(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    let leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months = usize::try_from(month - 1).ok()?;
    let length = *lengths.get(months)?;
    let before: i64 = (0..year).map(|y| if leap(y) { 366 } else { 365 }).sum();
    (1..=length).contains(&day).then(|| before + lengths[..months].iter().sum::<i64>() + day - 1)
}

/// The minutes since midnight UTC, and whether it is a leap second, which must be at an offset that we allow.
fn time(text: &str) -> Option<(i64, bool)> {
    let (hour, minute, second) = (digits(text.get(..2)?, 2)?, digits(text.get(3..5)?, 2)?, digits(text.get(6..8)?, 2)?);
    let mut rest = text.get(8..)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        rest = (length > 0).then(|| &fraction[length..])?;
    }
    let offset = if rest.eq_ignore_ascii_case("z") {
        0
    } else {
        let (sign, offset) = rest.split_at_checked(1)?;
        let sign = match sign {
            "+" => 1,
            "-" => -1,
            _ => return None,
        };
        let (h, m) = (digits(offset.get(..2)?, 2)?, digits(offset.get(3..)?, 2)?);
        (h < 24 && m < 60 && offset.get(2..3) == Some(":")).then_some(sign * (h * 60 + m))?
    };
    let utc = hour * 60 + minute - offset;
    let leap = second == 60;
    let good = text.get(2..3) == Some(":") && text.get(5..6) == Some(":") && hour < 24 && minute < 60 && second <= 60;
    (good && (!leap || (utc.rem_euclid(1440) == 1439 && offset % 15 == 0))).then_some((utc, leap))
}

fn date_time(text: &str) -> bool {
    let Some((day, clock)) = text.split_once(['T', 't']) else { return false };
    let (Some(days), Some((utc, leap))) = (date(day), time(clock)) else { return false };
    if !leap {
        return true;
    }
    // The UTC day of the leap second is the last of June or December: the year does not matter.
    let utc_day = days + utc.div_euclid(1440);
    let year: i64 = day[..4].parse().unwrap();
    (year - 1..=year + 1).any(|y| [format!("{y:04}-06-30"), format!("{y:04}-12-31")].iter().any(|end| date(end) == Some(utc_day)))
        || (utc_day == -1)
}

fn uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|g| g.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(|g| g.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn hostname(text: &str) -> bool {
    text.split('.').map(|label| (label.len() + 1).div_ceil(21)).sum::<usize>() <= 12
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
                && !label.to_ascii_lowercase().starts_with("xn--")
        })
}

fn pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

fn relative_pointer(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    !number.is_empty() && (number == "0" || !number.starts_with('0')) && (rest == "#" || pointer(rest))
}

/// Units in a row from one list, with numbers before them.
fn units_in_order(text: &str, units: &str) -> bool {
    let mut last = None;
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Some(unit) = rest[length..].chars().next().filter(|_| length > 0) else { return false };
        let Some(at) = units.find(unit) else { return false };
        if last.is_some_and(|last| at != last + 1) {
            return false;
        }
        last = Some(at);
        rest = &rest[length + 1..];
    }
    last.is_some()
}

fn duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else { return false };
    match rest.split_once('T') {
        Some((date, time)) => (date.is_empty() || units_in_order(date, "YMD")) && units_in_order(time, "HMS"),
        None => units_in_order(rest, "YMD") || units_in_order(rest, "W"),
    }
}

/// Bits of whole octets, the rest zero.
fn base64(text: &str) -> bool {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let body = text.trim_end_matches('=');
    let values: Option<Vec<usize>> = body.chars().map(|c| alphabet.find(c)).collect();
    let Some(values) = values else { return false };
    let zero = match body.len() % 4 {
        0 => true,
        2 => values[values.len() - 1] % 16 == 0,
        3 => values[values.len() - 1] % 4 == 0,
        _ => false,
    };
    text.len().is_multiple_of(4) && text.len() - body.len() < 3 && zero
}

type Checker = fn(&str) -> bool;

/// What they say is all there is to say.
const CHECKERS: &[(&str, Checker)] = &[
    ("date", |text| date(text).is_some()),
    ("time", |text| time(text).is_some()),
    ("date-time", date_time),
    ("duration", duration),
    ("hostname", hostname),
    ("ipv4", |text| text.parse::<Ipv4Addr>().is_ok()),
    ("ipv6", |text| text.parse::<Ipv6Addr>().is_ok()),
    ("json-pointer", pointer),
    ("relative-json-pointer", relative_pointer),
    ("uuid", uuid),
];

/// The text with something changed.
fn changed(text: &str, edit: u32, with: char) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let at = (edit / 4) as usize % (characters.len() + 1);
    match edit % 4 {
        0 => characters.insert(at, with),
        1 if at < characters.len() => drop(characters.remove(at)),
        2 if at < characters.len() => characters[at] = with,
        _ => characters.truncate(at),
    }
    characters.into_iter().collect()
}

proptest! {
    #[test]
    fn automata_agree_with_the_checkers(
        choices in prop::collection::vec(any::<u32>(), 0..40),
        edits in prop::collection::vec((any::<u32>(), prop::sample::select("0123456789:.-+TtZz/~#%aAfFgPYMDHSW é".chars().collect::<Vec<_>>())), 1..4),
    ) {
        for (name, check) in CHECKERS.iter().copied().chain([("base64", base64 as Checker)]) {
            let row = format(name).or_else(|| encoding(name)).unwrap();
            let mut text = string(row, &choices);
            prop_assert!(accepts(row, &text), "{}: {:?}", name, text);
            prop_assert!(check(&text) || !accepts(row, &text), "{name} accepts {text:?}");
            for &(edit, with) in &edits {
                text = changed(&text, edit, with);
                prop_assert_eq!(accepts(row, &text), check(&text), "{}: {:?}", name, text);
            }
        }
    }

    /// An independent parser may take more than ECMA-262 does, but not refuse what we offer.
    #[test]
    fn patterns_are_patterns_to_our_parser(choices in prop::collection::vec(any::<u32>(), 0..60)) {
        let text = string(format("regex").unwrap(), &choices);
        match PatternAutomaton::search(&text, &Limits::default()) {
            Ok(_) => {}
            Err(error) => {
                let message = error.to_string();
                let allowed = ["backreference", "unknown Unicode property", "lookbehind", "more than the largest count"];
                prop_assert!(allowed.iter().any(|part| message.contains(part)), "{text:?}: {message}");
            }
        }
    }

    #[test]
    fn names_are_normal_and_fit(choices in prop::collection::vec(any::<u32>(), 0..60)) {
        let text = string(format("idn-hostname").unwrap(), &choices);
        let labels: Vec<&str> = text.split(['.', '\u{3002}', '\u{FF0E}', '\u{FF61}']).collect();
        let mut total = labels.len() - 1;
        for label in &labels {
            let length = if label.is_ascii() { label.len() } else { 4 + punycode(label).len() };
            prop_assert!(length <= 63 && !label.starts_with('-') && !label.ends_with('-'), "{text:?}");
            total += length;
        }
        prop_assert!(total <= 253 || text.is_ascii(), "{text:?}: {total}");
    }
}

/// RFC 3492, section 6.3.
fn punycode(label: &str) -> String {
    let mut out: String = label.chars().filter(char::is_ascii).collect();
    let basic = out.len() as u32;
    if basic > 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias, mut done) = (128u32, 0u32, 72u32, basic);
    let length = label.chars().count() as u32;
    while done < length {
        let next = label.chars().map(u32::from).filter(|&c| c >= n).min().unwrap();
        delta += (next - n) * (done + 1);
        n = next;
        for c in label.chars().map(u32::from) {
            if c < n {
                delta += 1;
            } else if c == n {
                let (mut q, mut k) = (delta, 36);
                loop {
                    let t = if k <= bias { 1 } else { (k - bias).min(26) };
                    let digit = if q < t { q } else { t + (q - t) % (36 - t) };
                    out.push(char::from_digit(if digit < 26 { digit + 10 } else { digit - 26 }, 36).unwrap());
                    if q < t {
                        break;
                    }
                    q = (q - t) / (36 - t);
                    k += 36;
                }
                let mut d = if done == basic { delta / 700 } else { delta / 2 };
                d += d / (done + 1);
                let mut k = 0;
                while d > 455 {
                    d /= 35;
                    k += 36;
                }
                bias = k + 36 * d / (d + 38);
                delta = 0;
                done += 1;
            }
        }
        delta += 1;
        n += 1;
    }
    out
}

#[test]
fn each_row_is_one_and_says_what_it_is() {
    let mut names = std::collections::BTreeSet::new();
    for row in formats() {
        assert!(names.insert(row.name) && !row.standard.is_empty() && !row.meaning.is_empty() && row.narrowed != Some(""), "{}", row.name);
        assert!(accepts(row, &string(row, &[])), "{}", row.name);
    }
    assert_eq!(names.len(), 19);
    assert!(format("color").is_none() && format("ip-address").is_none() && encoding("base32").is_none());
}

/// Few states make small masks caches: what cannot be told apart by what follows must be one state, or nearly.
#[test]
fn automata_are_small() {
    let bounds = [
        ("date", 50),
        ("uri", 250),
        ("iri-reference", 250),
        ("ipv6", 200),
        ("hostname", 1600),
        ("email", 1900),
        ("uuid", 40),
        ("uri-template", 20),
    ];
    for (name, bound) in bounds {
        let automaton = format(name).unwrap().automaton().unwrap();
        let start = automaton.start().unwrap().unwrap();
        let mut seen = std::collections::HashSet::from([start]);
        let mut stack = vec![start];
        while let Some(at) = stack.pop() {
            stack.extend(automaton.edges(at).unwrap().iter().map(|e| e.target).filter(|t| seen.insert(*t)));
        }
        assert!(seen.len() <= bound, "{name}: {} states", seen.len());
    }
}

/// The local parts of mail addresses, written as patterns: by how many octets a character may take, dots between atoms, or quoted.
#[test]
fn local_parts_are_those_of_the_patterns() {
    for octets in [1, 4] {
        let mut ways = Vec::new();
        for (taken, more) in [(1, ""), (2, "\\x80-\\u07FF"), (3, "\\x80-\\uFFFF"), (4, "\\x80-\\u{10FFFF}")].into_iter().take(octets) {
            let (atom, plain) = (format!("[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~\\-{more}]"), format!("[ !#-\\[\\]-~{more}]"));
            ways.push(format!("(?=[^@]{{1,{}}}@){atom}+(?:\\.{atom}+)*@", 64 / taken));
            ways.push(format!("\"(?:{plain}{{0,{}}}|(?:{plain}|\\\\[ -~]){{0,{}}})\"@", 62 / taken, 62 / taken.max(2)));
        }
        let pattern = pattern(&format!("(?:{})", ways.join("|"))).unwrap();
        // Both are deterministic: they are walked side by side, range by range.
        let mut open = vec![(Some(Local::START), pattern.start().unwrap())];
        let mut seen = std::collections::HashSet::from([open[0]]);
        while let Some((local, at)) = open.pop() {
            let mut ranges: Vec<(u32, u32, Local)> = Vec::new();
            if let Some(local) = local {
                local.edges(octets as u8, &mut |low, high, target| ranges.push((low, high, target)));
            }
            let edges = at.map(|at| pattern.edges(at).unwrap()).unwrap_or_default();
            let starts = ranges.iter().flat_map(|&(low, high, _)| [low, high + 1]).chain(edges.iter().flat_map(|e| [e.low, e.high + 1]));
            for c in starts.collect::<std::collections::BTreeSet<u32>>() {
                let one = ranges.iter().find(|r| (r.0..=r.1).contains(&c)).map(|r| r.2);
                let other = edges.iter().find(|e| (e.low..=e.high).contains(&c)).map(|e| e.target);
                // What only the pattern knows leads nowhere; the ends are the same.
                let ended = other.is_some_and(|at| pattern.accepts(at).unwrap());
                assert_eq!(one.is_some_and(Local::is_over), ended, "after {local:?}, U+{c:04X}");
                if !ended && (one.is_some() || other.is_some()) {
                    let next = (one, other);
                    if seen.insert(next) {
                        open.push(next);
                    }
                }
            }
        }
        assert!(seen.len() > 100);
    }
}

/// What is said of those without traps.
#[test]
fn from_every_state_some_text_is_accepted() {
    let mut said = 0;
    for row in formats() {
        let automaton = row.automaton().unwrap();
        if !automaton.always_ends() || row.name.starts_with("idn-") {
            continue;
        }
        said += 1;
        let mut states = vec![automaton.start().unwrap().unwrap()];
        let mut seen = std::collections::HashSet::from([states[0]]);
        let mut into: Vec<(u32, u32)> = Vec::new();
        let mut done = 0;
        while let Some(&at) = states.get(done) {
            done += 1;
            for edge in automaton.edges(at).unwrap().iter() {
                into.push((edge.target, at));
                if seen.insert(edge.target) {
                    states.push(edge.target);
                }
            }
        }
        let mut before: std::collections::HashMap<u32, Vec<u32>> = std::collections::HashMap::new();
        for (to, from) in into {
            before.entry(to).or_default().push(from);
        }
        // How far it is from each to the nearest end.
        let mut nearest: std::collections::HashMap<u32, u64> = std::collections::HashMap::new();
        let mut layer: Vec<u32> = states.iter().copied().filter(|&at| automaton.accepts(at).unwrap()).collect();
        let mut distance = 0;
        while !layer.is_empty() {
            let new: Vec<u32> = layer
                .into_iter()
                .filter(|&at| match nearest.entry(at) {
                    std::collections::hash_map::Entry::Vacant(entry) => {
                        entry.insert(distance);
                        true
                    }
                    std::collections::hash_map::Entry::Occupied(_) => false,
                })
                .collect();
            layer = new.iter().flat_map(|at| before.get(at).into_iter().flatten()).copied().collect();
            distance += 1;
        }
        assert_eq!(nearest.len(), states.len(), "{}", row.name);
        for (&state, &distance) in &nearest {
            assert!(automaton.ends_within(state).is_none_or(|within| distance <= within), "{}", row.name);
            assert!(automaton.always_ends_within().is_none_or(|within| distance <= within), "{}", row.name);
        }
    }
    assert!(said >= 13, "{said}");
}

/// Their states are too many to look at all.
#[test]
fn names_of_any_script_end_as_soon_as_is_said() {
    let bytes = random_bytes(5, 1 << 18);
    let mut source = Source::new(&bytes);
    let mut met = [0; 4];
    for name in ["idn-hostname", "idn-email"] {
        let automaton = format(name).unwrap().automaton().unwrap();
        assert!(automaton.always_ends());
        for _ in 0..300 {
            let mut at = automaton.start().unwrap().unwrap();
            for _ in 0..source.below(80) {
                let mut targets: Vec<(u32, u32)> = automaton.edges(at).unwrap().iter().map(|edge| (edge.target, edge.low)).collect();
                targets.sort_unstable();
                targets.dedup_by_key(|target| target.0);
                if targets.is_empty() {
                    break;
                }
                // Often what separates, and what asks for more.
                let asks = ['.', '-', '@', '\u{b7}', '\u{375}', '\u{30fb}', '\u{94d}', '\u{200d}', 'l'].map(u32::from);
                let odd: Vec<u32> = targets.iter().filter(|target| asks.contains(&target.1)).map(|target| target.0).collect();
                at = if odd.is_empty() || source.below(3) > 0 {
                    targets[source.below(targets.len())].0
                } else {
                    odd[source.below(odd.len())]
                };
                let (mut layer, mut distance) = (vec![at], 0);
                while !layer.iter().any(|&at| automaton.accepts(at).unwrap()) {
                    assert!(distance <= 60, "{name} is trapped");
                    let mut next: Vec<u32> = layer
                        .iter()
                        .flat_map(|&at| automaton.edges(at).unwrap().iter().map(|edge| edge.target).collect::<Vec<_>>())
                        .collect();
                    next.sort_unstable();
                    next.dedup();
                    (layer, distance) = (next, distance + 1);
                }
                met[distance.min(3)] += 1;
                let within = automaton.ends_within(at).unwrap() as usize;
                assert!(distance <= within && within as u64 <= automaton.always_ends_within().unwrap(), "{name}");
                assert!(distance == within || !automaton.ends_exactly_within(), "{name}");
            }
        }
    }
    assert!(met.iter().all(|&met| met > 30), "{met:?}");
}

/// What is said of the characters that keep a state alive: each of them leads to a state of which the same is said of them, and which has an end.
#[test]
fn states_stay_alive_over_the_characters_that_are_said() {
    let mut said = 0;
    for row in formats() {
        let automaton = row.automaton().unwrap();
        let mut states: indexmap::IndexSet<u32> = [automaton.start().unwrap().unwrap()].into();
        let mut done = 0;
        while let Some(&state) = states.get_index(done).filter(|_| done < 2_000) {
            done += 1;
            let edges = automaton.edges(state).unwrap();
            states.extend(edges.iter().map(|edge| edge.target));
            let kinds = automaton.stays_alive_over(state);
            if kinds == 0 {
                continue;
            }
            said += 1;
            let characters = (0..=0x10_FFFF).filter(|&c| c < 0x250 || c % 0x91 == 0).filter_map(char::from_u32);
            for c in characters.filter(|&c| kinds & characters::kind_of(c) != 0) {
                let edge = edges.iter().find(|edge| (edge.low..=edge.high).contains(&u32::from(c)));
                let Some(edge) = edge else { panic!("{}: {c:?} is refused in state {state}", row.name) };
                assert_eq!(kinds & !automaton.stays_alive_over(edge.target), 0, "{}: {c:?} in state {state}", row.name);
                assert!(automaton.ends_within(edge.target).is_some(), "{}: {c:?} in state {state}", row.name);
            }
        }
    }
    assert!(said > 100, "{said}");
}

/// What is said of how long texts are: no text is shorter, and after so many characters nothing is left.
#[test]
fn texts_are_no_shorter_and_no_longer_than_is_said() {
    let (mut least_said, mut most_said) = (0, 0);
    for row in formats() {
        // A language that may be wider has lengths of its own.
        for automaton in [row.automaton().unwrap(), row.widest().unwrap()] {
            let (least, most) = automaton.lengths();
            (least_said, most_said) = (least_said + usize::from(least > 0), most_said + usize::from(most.is_some()));
            // To look at all states of names of any script takes a minute.
            let most = most.filter(|_| !row.name.starts_with("idn-"));
            let mut layer = std::collections::HashSet::from([automaton.start().unwrap().unwrap()]);
            for length in 0..=most.unwrap_or(least) {
                let ends = layer.iter().any(|&at| automaton.accepts(at).unwrap());
                assert!(!ends || length >= least, "{} has a text of {length} characters", row.name);
                layer = layer.iter().flat_map(|&at| automaton.edges(at).unwrap().iter().map(|e| e.target).collect::<Vec<_>>()).collect();
            }
            assert!(most.is_none() || layer.is_empty(), "{} has longer texts", row.name);
        }
    }
    assert!(least_said >= 14 && most_said >= 6, "{least_said} {most_said}");
}

/// Of patterns it is said exactly how many characters end them, from wherever one is.
#[test]
fn patterns_end_as_soon_as_is_said() {
    let automaton = format("regex").unwrap().automaton().unwrap();
    assert!(automaton.ends_exactly_within());
    for begun in [
        "",
        "((",
        "(?",
        "(?<",
        "(?<a",
        "(?<ab",
        "(?<a>x(?<a",
        "(?<a>)\\k",
        "(?<a>)\\k<",
        "(?<a>)\\k<a",
        "a{",
        "a{5",
        "a{50,",
        "a{50,1",
        "a{50,6",
        "a{5,1",
        "\\",
        "\\c",
        "\\x",
        "\\xf",
        "\\u",
        "\\ud",
        "\\u{",
        "\\u{1",
        "\\p",
        "\\p{",
        "\\p{Scr",
        "[",
        "[\\",
        "[\\c",
        "[\\x",
        "[\\u",
        "[\\ud",
        "[\\p",
        "[a-",
        "[a-\\",
        "[~-\\",
        "[\u{e9}-\\",
        "[\u{e9}-\\u",
        "[!-\\x",
        "[\u{2}-\\c",
        "([\\p{L",
    ] {
        let state = begun.chars().try_fold(automaton.start().unwrap().unwrap(), |state, c| after(&*automaton, state, c));
        let state = state.unwrap_or_else(|| panic!("{begun} is refused"));
        let mut seen = std::collections::HashSet::from([state]);
        let mut layer = vec![state];
        let mut distance = 0;
        while !layer.iter().any(|&at| automaton.accepts(at).unwrap()) {
            layer = layer.iter().flat_map(|&at| automaton.edges(at).unwrap().iter().map(|edge| edge.target).collect::<Vec<_>>()).collect();
            layer.retain(|&target| seen.insert(target));
            distance += 1;
        }
        assert_eq!(automaton.ends_within(state), Some(distance), "{begun}");
        assert!(distance <= automaton.always_ends_within().unwrap());
    }
}

/// What is said of texts that go on.
#[test]
fn texts_that_are_accepted_go_on_as_long_as_is_said() {
    let bytes = random_bytes(11, 1 << 18);
    let mut source = Source::new(&bytes);
    let mut met = 0;
    for row in formats() {
        let automaton = row.automaton().unwrap();
        let until = automaton.goes_on_until().min(60);
        for _ in 0..if until > 0 { 400 } else { 0 } {
            let mut at = automaton.start().unwrap().unwrap();
            for _ in 0..until {
                let edges = automaton.edges(at).unwrap();
                if automaton.accepts(at).unwrap() {
                    met += 1;
                    assert!(edges.iter().any(|edge| automaton.accepts(edge.target).unwrap()), "{}", row.name);
                }
                // Mostly what separates is what takes most of the room.
                let separator = edges.iter().find(|edge| ['.', '@'].map(u32::from).contains(&edge.low)).filter(|_| source.below(2) == 0);
                let Some(edge) = separator.or_else(|| (!edges.is_empty()).then(|| &edges[source.below(edges.len())])) else { break };
                at = edge.target;
            }
        }
    }
    assert!(met > 1000, "{met}");
}

#[test]
fn a_mail_address_in_brackets_is_refused_where_it_would_be_too_short() {
    let automaton = format("email").unwrap().automaton().unwrap();
    for (min, goes_on) in [(0, true), (10, true), (11, true), (12, false)] {
        for max in [None, Some(90)] {
            let arena = Arena::new(Limits::default());
            let spec = TextSpec { components: vec![automaton.clone()], lengths: vec![Length { min, max }], outcome: Outcome::all(2) };
            let body = TextAutomaton::register(&arena).json_string_body(&arena, &spec).unwrap().unwrap();
            let mut configuration = Configuration::at(body, 0);
            assert!(configuration.step_all(&arena, b"a@[1.1.1.1").unwrap());
            assert_eq!(configuration.step_all(&arena, b"]").unwrap(), goes_on, "{min}");
        }
    }
}

/// Where a character leads, if anywhere.
fn after(automaton: &dyn CodepointAutomaton, state: u32, c: char) -> Option<u32> {
    automaton.edges(state).unwrap().iter().find(|edge| (edge.low..=edge.high).contains(&u32::from(c))).map(|edge| edge.target)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 400 } else { 4000 }))]

    /// Up to their reach, whatever may follow goes on and ends as from the state that does without sizes.
    #[test]
    fn texts_within_reach_fare_as_where_nothing_is_counted(
        name in prop::sample::select(vec!["email", "hostname", "idn-email", "idn-hostname"]),
        begun in proptest::collection::vec(any::<prop::sample::Index>(), 0..24),
        then in proptest::collection::vec(any::<prop::sample::Index>(), 1..24),
    ) {
        let automaton = format(name).unwrap().automaton().unwrap();
        let automaton = &*automaton;
        // What stays alive from one of some states, so that bounds are met.
        let go_on = |states: &mut [Option<u32>], choice: prop::sample::Index| {
            let along = |state: Option<u32>, piece: &str| piece.chars().try_fold(state?, |state, c| after(automaton, state, c));
            let alive: Vec<&'static str> =
                REACHED.iter().copied().filter(|piece| states.iter().any(|&state| along(state, piece).is_some())).collect();
            let piece = *alive.get(choice.index(alive.len().max(1)))?;
            for state in states {
                *state = along(*state, piece);
            }
            Some(piece)
        };
        let mut read = [automaton.start().unwrap()];
        for choice in begun {
            go_on(&mut read, choice);
        }
        let mut state = read[0].unwrap();
        let mut states = vec![Some(state)];
        while let Some((loose, _)) = states.last().copied().flatten().and_then(|state| automaton.loosened(state)) {
            states.push(Some(loose));
        }
        let text: String = then.into_iter().map_while(|choice| go_on(&mut states, choice)).collect();
        while let Some((loose, reach)) = automaton.loosened(state) {
            prop_assert!(automaton.is_loose(loose));
            prop_assert_eq!(automaton.accepts(state).unwrap(), automaton.accepts(loose).unwrap());
            let (mut both, mut read) = ((state, loose), Extent::NONE);
            for (at, c) in text.char_indices() {
                let after_it = at + c.len_utf8();
                read = text.as_bytes()[at..after_it].iter().fold(read, |read, &byte| reach.after(read, byte));
                let to = (after(automaton, both.0, c), after(automaton, both.1, c));
                if reach.covers(read) {
                    prop_assert_eq!(to.0.is_some(), to.1.is_some(), "{:?}", &text[..after_it]);
                }
                match to {
                    (Some(own), Some(other)) => both = (own, other),
                    // What is refused without bounds is refused with them.
                    (own, None) => {
                        prop_assert!(own.is_none(), "{:?}", &text[..after_it]);
                        break;
                    }
                    (None, Some(_)) => break,
                }
                if reach.covers(read) {
                    prop_assert_eq!(automaton.accepts(both.0).unwrap(), automaton.accepts(both.1).unwrap(), "{:?}", &text[..after_it]);
                }
            }
            state = loose;
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// What is said without reading a text holds of each.
    #[test]
    fn texts_are_covered_if_all_of_their_size_and_kind_are(
        bounds in prop::array::uniform4((0..12_u64, 0..4_u64)),
        begun in proptest::collection::vec(0..REACHED.len(), 0..4),
        then in proptest::collection::vec(0..REACHED.len(), 0..4),
        more in 0..3_u64,
        cut in any::<prop::sample::Index>(),
    ) {
        let bounds = bounds.map(|(length, marks)| Bound { length, marks });
        // What holds of a text holds of those with narrower characters.
        let bounds = [0, 1, 2, 3].map(|width: usize| bounds[width..].iter().fold(bounds[width], |all, &bound| Bound { length: all.length.max(bound.length), marks: all.marks.max(bound.marks) }));
        let reach = Reach { bounds, marks: characters::kind(b'.'), wide_marks: &['\u{3002}'], escapes: characters::kind(b'\\') };
        let [begun, then] = [begun, then].map(|parts| parts.iter().map(|&part| REACHED[part]).collect::<String>());
        let bytes = [begun.as_bytes(), then.as_bytes()].concat();
        // Within a character as well.
        let cut = if bytes.is_empty() { 0 } else { cut.index(bytes.len()) };
        let (begun, then) = bytes.split_at(cut);
        let read = begun.iter().fold(Extent::NONE, |read, &byte| reach.after(read, byte));
        let (mut at, mut kinds) = (begun.iter().fold(Utf8::Start, |at, &byte| at.after(byte)), 0);
        if at != Utf8::Start {
            kinds |= characters::MALFORMED;
        }
        for &byte in then {
            kinds |= at.kind(byte);
            at = at.after(byte);
        }
        if reach.covers_with(read, kinds, then.len() as u64 + more) {
            let all = then.iter().fold(read, |read, &byte| reach.after(read, byte));
            prop_assert!(reach.covers(all));
        }
    }
}

/// What names of hosts and mail addresses are made of.
const REACHED: &[&str] = &[
    "a",
    "x",
    "n",
    "-",
    "--",
    ".",
    "a.",
    "b-c.",
    "xn-",
    "abcdefghij",
    "abcdefghijklmnopqrs",
    "abcdefghijklmnopqrst",
    "@",
    "a@",
    "\"",
    "\\",
    "[",
    "+",
    " ",
    "IPv6:",
    "1",
    "A",
    "\u{e9}",
    "\u{430}\u{431}\u{432}",
    "\u{6587}",
    "\u{3042}",
    "\u{30fb}",
    "l\u{b7}",
    "\u{b7}",
    "l",
    "\u{375}",
    "\u{3b1}",
    "\u{3002}",
    "\u{ff0e}",
    "\u{5d0}\u{5d1}",
    "\u{628}",
    "\u{200c}",
    "\u{661}",
    "\u{915}\u{94d}",
    "\u{200d}",
    "\u{20000}",
    "\u{1f600}",
];

/// Where what may follow has a greatest length, walks over the vocabulary do not look for characters over which it goes on for ever.
#[test]
fn texts_that_need_a_bounded_part_are_bounded() {
    let automata = ["hostname", "uri-reference"].map(|name| format(name).unwrap().automaton().unwrap());
    let outcome = |leaves: [u32; 4]| {
        let mut store = Formulas::new(100);
        let [yes, no] = [[leaves[3], leaves[2]], [leaves[1], leaves[0]]].map(|[yes, no]| {
            let [yes, no] = [yes, no].map(|leaf| store.leaf(leaf).unwrap());
            let reference = store.variable(1).unwrap();
            store.if_then_else(reference, yes, no).unwrap()
        });
        let name = store.variable(0).unwrap();
        let formula = store.if_then_else(name, yes, no).unwrap();
        Outcome::from_formula(&store, formula, |v| v).unwrap()
    };
    // Neither, a reference alone, a name alone, both.
    for (leaves, bounded) in
        [([0, 0, 1, 1], true), ([0, 0, 0, 1], true), ([0, 1, 0, 1], false), ([0, 1, 1, 1], false), ([1, 1, 0, 0], false)]
    {
        let arena = Arena::new(Limits::default());
        let spec = TextSpec { components: automata.to_vec(), lengths: Vec::new(), outcome: outcome(leaves) };
        let body = TextAutomaton::register(&arena).json_string_body(&arena, &spec).unwrap().unwrap();
        assert_eq!(arena.is_bounded(body), bounded, "{leaves:?}");
    }
}

/// Beside a greatest length as well, what was begun can be completed, and whatever can be completed may be begun.
#[test]
fn mail_addresses_of_bounded_length_end() {
    let automaton = format("email").unwrap().automaton().unwrap();
    for (max, alive, dead) in [
        (3, "a", "aa"),
        (5, "aaa", "aaaa"),
        (5, "\"a", "\"aa"),
        (5, "a@b.", "aa@b."),
        (10, "a@1.2.3.4", "a@["),
        (11, "a@[", "aa@["),
        (60, "aaaaaa@[IPv6:", "@"),
        (253, "a@b", "a@b..c"),
    ] {
        let arena = Arena::new(Limits::default());
        let text = TextAutomaton::register(&arena);
        let lengths = vec![Length { min: 3, max: Some(max) }];
        let spec = TextSpec { components: vec![automaton.clone()], lengths, outcome: Outcome::all(2) };
        let start = text.json_string_body(&arena, &spec).unwrap().unwrap();
        let goes_on = |begun: &str| {
            let (mut state, mut register) = (start, 0);
            begun.replace('"', "\\\"").bytes().all(|byte| {
                let Cell::Simple(target, increment) = arena.step(state, byte).unwrap() else { return false };
                register += u64::from(increment);
                let settled = arena.settled(target, register).unwrap();
                state = settled.unwrap_or(target);
                settled.is_some()
            })
        };
        assert!(goes_on(alive), "{alive} of {max}");
        assert!(!goes_on(dead), "{dead} of {max}");
    }
    let arena = Arena::new(Limits::default());
    let text = TextAutomaton::register(&arena);
    let lengths = vec![Length { min: 3, max: Some(254) }];
    let bounded = TextSpec { components: vec![automaton.clone()], lengths, outcome: Outcome::all(2) };
    let free = TextSpec { components: vec![automaton], lengths: Vec::new(), outcome: Outcome::all(1) };
    assert_eq!(text.json_string_body(&arena, &bounded).unwrap(), text.json_string_body(&arena, &free).unwrap());
}

/// What is said of single states, and that none accepts every text: of as many as are soon visited.
#[test]
fn what_is_said_of_states_is_so() {
    for row in formats() {
        let automaton = row.automaton().unwrap();
        assert!(!automaton.settles());
        let targets = |at: u32| automaton.edges(at).unwrap().iter().map(|e| e.target).collect::<std::collections::HashSet<u32>>();
        let mut states = vec![automaton.start().unwrap().unwrap()];
        let mut seen = std::collections::HashSet::from([states[0]]);
        let mut done = 0;
        while let Some(&at) = states.get(done)
            && done < 3000
        {
            done += 1;
            let edges = automaton.edges(at).unwrap();
            let all: u32 = edges.iter().filter(|e| e.target == at).map(|e| e.high - e.low + 1).sum();
            assert!(all < 0x11_0000 - 0x800 || !automaton.accepts(at).unwrap(), "{}", row.name);
            states.extend(edges.iter().map(|e| e.target).filter(|&target| seen.insert(target)));
            let Some(within) = automaton.ends_within(at).filter(|&within| within <= 3) else { continue };
            let mut layer = std::collections::HashSet::from([at]);
            let ends = (0..=within).any(|_| {
                let ends = layer.iter().any(|&at| automaton.accepts(at).unwrap());
                layer = layer.iter().flat_map(|&at| targets(at)).collect();
                ends
            });
            assert!(ends, "{}: no end within {within} of a state", row.name);
        }
    }
}

/// With a greatest length a character may come just where an end is still near enough, and the end just where one is.
#[test]
fn a_greatest_length_leaves_room_for_an_end() {
    let bytes = random_bytes(7, 1 << 16);
    let mut source = Source::new(&bytes);
    let (mut formats, mut met) = (0, 0);
    for row in super::formats().filter(|row| row.automaton().unwrap().always_ends_within().is_some()) {
        formats += 1;
        let automaton = row.automaton().unwrap();
        let targets = |at: u32| automaton.edges(at).unwrap().iter().map(|e| e.target).collect::<std::collections::HashSet<u32>>();
        // Is there an end within so many characters, from the first on?
        let ends = |at: u32, first: u64, within: u64| {
            let mut layer = std::collections::HashSet::from([at]);
            (0..=within).any(|read| {
                let ends = read >= first && layer.iter().any(|&at| automaton.accepts(at).unwrap());
                layer = layer.iter().flat_map(|&at| targets(at)).collect();
                ends
            })
        };
        // Least lengths up to which texts go on, and one more.
        let least = automaton.goes_on_until().min(7);
        for (min, max) in (6..11).flat_map(|max| [(0, max), (least, max), (least + 1, max + 1)]) {
            let arena = Arena::new(Limits::default());
            let lengths = vec![Length { min, max: Some(max) }];
            let spec = TextSpec { components: vec![automaton.clone()], lengths, outcome: Outcome::all(2) };
            // Beyond, all that can be reached may be too much.
            let Ok(body) = TextAutomaton::register(&arena).json_string_body(&arena, &spec) else {
                assert!(min > least, "{}: {min} to {max}", row.name);
                continue;
            };
            let Some(body) = body else { continue };
            for _ in 0..if min == 0 { 40 } else { 15 } {
                let (mut at, mut configuration) = (automaton.start().unwrap().unwrap(), Configuration::at(body, 0));
                for count in 1..=max + 1 {
                    let edges = automaton.edges(at).unwrap();
                    let Some(edge) = (!edges.is_empty()).then(|| source.pick(&edges)) else { break };
                    let character = char::from_u32(edge.low + source.below((edge.high - edge.low + 1).min(200) as usize) as u32);
                    let text = serde_json::to_string(&character.unwrap()).unwrap();
                    let alive = configuration.step_all(&arena, &text.as_bytes()[1..text.len() - 1]).unwrap();
                    let expected = count <= max && ends(edge.target, min.saturating_sub(count), max - count);
                    assert_eq!(alive, expected, "{}: {count} of {min} to {max}", row.name);
                    met += u32::from(!alive && count <= max);
                    if !alive {
                        break;
                    }
                    at = edge.target;
                    let mut closed = configuration.clone();
                    closed.step_all(&arena, b"\"").unwrap();
                    let expected = count >= min && automaton.accepts(at).unwrap();
                    assert_eq!(!closed.returned.is_empty(), expected, "{}: {count} of {min} to {max}", row.name);
                }
            }
        }
    }
    assert!(formats >= 3 && met > 200, "{formats}, {met}");
}
