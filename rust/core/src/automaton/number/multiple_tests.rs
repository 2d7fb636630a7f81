//! Multiples: against plain integers over every number of a few digits, and with divisors and bounds of any size.

use std::collections::HashSet;

use num_bigint::BigInt;
use proptest::prelude::*;

use super::tests::{Case, accepts, all, at_least, at_most, d, run, step};
use super::{NumberAtom, NumberAutomaton};
use crate::error::EngineError;
use crate::limits::Limits;
use crate::provider::Arena;

fn multiple_of(divisor: &str) -> NumberAtom {
    NumberAtom::MultipleOf(d(divisor))
}

/// In thousandths.
#[derive(Clone, Debug)]
enum Plain {
    AtLeast(i64, bool),
    AtMost(i64, bool),
    OneOf(Vec<i64>),
    MultipleOf(i64),
}

impl Plain {
    fn holds(&self, x: i64) -> bool {
        match self {
            Self::AtLeast(bound, exclusive) => x > *bound || (!exclusive && x == *bound),
            Self::AtMost(bound, exclusive) => x < *bound || (!exclusive && x == *bound),
            Self::OneOf(numbers) => numbers.contains(&x),
            Self::MultipleOf(divisor) => x % divisor == 0,
        }
    }

    fn atom(&self) -> NumberAtom {
        let decimal = |x: i64| d(&format!("{x}e-3"));
        match self {
            Self::AtLeast(bound, exclusive) => NumberAtom::AtLeast { bound: decimal(*bound), exclusive: *exclusive },
            Self::AtMost(bound, exclusive) => NumberAtom::AtMost { bound: decimal(*bound), exclusive: *exclusive },
            Self::OneOf(numbers) => NumberAtom::OneOf(numbers.iter().map(|&x| decimal(x)).collect()),
            Self::MultipleOf(1000) => NumberAtom::Integer,
            Self::MultipleOf(divisor) => NumberAtom::MultipleOf(decimal(*divisor)),
        }
    }
}

/// Hundredths, so that three digits after the point tell every interval from the next.
fn any_bound() -> impl Strategy<Value = i64> {
    prop_oneof![
        (-12i64..=12).prop_map(|x| x * 1000),
        (-150i64..=150).prop_map(|x| x * 100),
        (-300i64..=300).prop_map(|x| x * 10),
        prop::sample::select(vec![0, 99_000, 100_000, 60_000, -120_000, 6_000])
    ]
}

fn any_plain() -> impl Strategy<Value = Plain> {
    // Any two of these have a common multiple of at most 60, so that numbers of four digits before the point show what is possible.
    let divisors = vec![1000, 2000, 3000, 5000, 500, 300, 1500, 250, 4000, 100, 12_000, 10, 1000, 2500, 20_000, 10_000];
    let divisor = prop::sample::select(divisors).prop_map(Plain::MultipleOf);
    let some = prop::collection::vec(any_bound(), 0..5).prop_map(Plain::OneOf);
    // As many neighbours as a gap may hold.
    let run = (any_bound(), prop::sample::select(vec![500, 1000, 2000]), 1i64..12)
        .prop_map(|(first, step, count)| Plain::OneOf((0..count).map(|i| first + i * step).collect()));
    prop_oneof![
        3 => divisor,
        1 => (any_bound(), any::<bool>()).prop_map(|(bound, exclusive)| Plain::AtLeast(bound, exclusive)),
        1 => (any_bound(), any::<bool>()).prop_map(|(bound, exclusive)| Plain::AtMost(bound, exclusive)),
        1 => some,
        1 => run,
    ]
}

fn any_case() -> impl Strategy<Value = (Vec<Plain>, Vec<u32>)> {
    prop::collection::vec(any_plain(), 1..5).prop_flat_map(|atoms| {
        let n = atoms.len();
        // A conjunction of atoms and negated atoms, or anything.
        let literals = prop::collection::vec(any::<bool>(), n)
            .prop_map(move |signs| (0..1usize << n).map(|i| u32::from((0..n).all(|bit| (i >> bit & 1 == 1) == signs[bit]))).collect());
        let any = prop::collection::vec(prop_oneof![3 => Just(0u32), 1 => Just(1), 1 => Just(2)], 1 << n);
        prop_oneof![2 => literals, 1 => any].prop_map(move |leaves: Vec<u32>| (atoms.clone(), leaves))
    })
}

fn leaf(atoms: &[Plain], leaves: &[u32], x: i64) -> u32 {
    leaves[atoms.iter().enumerate().fold(0, |index, (i, atom)| index | usize::from(atom.holds(x)) << i)]
}

/// The accepted numbers that begin with each short text: is there one? Numbers of up to four digits before and three after the point.
fn alive(atoms: &[Plain], leaves: &[u32]) -> HashSet<String> {
    let mut found = HashSet::new();
    for sign in ["", "-"] {
        let some = |low: i64, high: i64, step: usize| {
            (low..high).step_by(step).any(|x| leaf(atoms, leaves, if sign == "-" { -x } else { x }) != 0)
        };
        for whole in 0..100i64 {
            let fraction = some(whole * 1000, (whole + 1) * 1000, 1);
            let longest = if whole == 0 { 0 } else { 4 - whole.to_string().len() as u32 };
            // Every divisor and bound is of hundredths: one thousandth beside each tells of all the others.
            let more = |k: u32| {
                let (low, high) = (whole * 1000 * 10i64.pow(k), (whole + 1) * 1000 * 10i64.pow(k));
                some(low, high, 10) || some(low + 1, high, 10)
            };
            if fraction || (1..=longest).any(more) {
                found.insert(format!("{sign}{whole}"));
            }
            if fraction {
                found.insert(format!("{sign}{whole}."));
            }
            for tenth in (0..10i64).filter(|t| some(whole * 1000 + t * 100, whole * 1000 + (t + 1) * 100, 1)) {
                found.insert(format!("{sign}{whole}.{tenth}"));
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Every beginning of two digits, a point and a digit is alive exactly if some number begins so, and every end is worth what arithmetic says.
    #[test]
    fn multiples_agree_with_integers((atoms, leaves) in any_case()) {
        let arena = Arena::new(Limits::default());
        let automaton = NumberAutomaton::register(&arena);
        let case = Case { atoms: atoms.iter().map(Plain::atom).collect(), leaves: leaves.clone() };
        let start = automaton.start(&arena, &case.spec()).unwrap();
        let alive = alive(&atoms, &leaves);
        prop_assert_eq!(start.is_some(), !alive.is_empty());
        let Some(start) = start else { return Ok(()) };
        let mut open = vec![(String::new(), start)];
        let mut seen = 0;
        while let Some((text, state)) = open.pop() {
            let digits = text.trim_start_matches('-');
            if !digits.is_empty() {
                prop_assert!(alive.contains(&text), "{:?} is a dead end", text);
                seen += 1;
            }
            if text.ends_with(|c: char| c.is_ascii_digit()) {
                let x = (text.parse::<f64>().unwrap() * 1000.0).round() as i64;
                prop_assert_eq!(arena.facts(state).returns.map_or(0, |v| v + 1), leaf(&atoms, &leaves, x), "{:?}", text);
            }
            for byte in *b"0123456789.-" {
                let short = if digits.contains('.') { digits.ends_with('.') } else { byte == b'.' || digits.len() < 2 };
                if short && let Some(next) = step(&arena, state, byte) {
                    open.push((format!("{text}{}", char::from(byte)), next));
                }
            }
        }
        prop_assert_eq!(seen, alive.len(), "some beginnings are lost");
    }

    /// With a bound above, any walk ends, whatever the sizes; and what it wrote is right.
    #[test]
    fn walks_end_under_large_divisors(
        divisors in prop::collection::vec(("[1-9][0-9]{0,40}", -45i32..30, any::<bool>()), 1..4),
        (whole, fraction) in (1usize..60, 0usize..40),
        seed in any::<u64>(),
    ) {
        let arena = Arena::new(Limits::default());
        let automaton = NumberAutomaton::register(&arena);
        let divisors: Vec<(NumberAtom, bool)> =
            divisors.iter().map(|(digits, exponent, not)| (multiple_of(&format!("{digits}e{exponent}")), *not)).collect();
        let mut atoms = vec![at_most(&format!("{}.{}7", "83".repeat(whole), "5".repeat(fraction)), true), at_least("-31e7", false)];
        atoms.extend(divisors.iter().map(|(atom, _)| atom.clone()));
        let wanted = divisors.iter().enumerate().fold(0b11, |bits, (i, (_, not))| bits | usize::from(!not) << (i + 2));
        let case = Case { leaves: (0..1usize << atoms.len()).map(|i| u32::from(i == wanted)).collect(), atoms };
        let Some(mut state) = automaton.start(&arena, &case.spec()).unwrap() else { return Ok(()) };
        let (mut text, mut random) = (String::new(), seed | 1);
        for _ in 0..400 {
            if let Some(value) = arena.facts(state).returns && text.len() > whole {
                prop_assert_eq!(value, 0);
                break;
            }
            let next: Vec<_> = b"0123456789.-".iter().filter_map(|&b| step(&arena, state, b).map(|s| (b, s))).collect();
            if next.is_empty() {
                prop_assert!(arena.facts(state).returns.is_some(), "{:?} is a dead end", text);
                break;
            }
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (byte, target) = next[(random >> 33) as usize % next.len()];
            text.push(char::from(byte));
            state = target;
        }
        if arena.facts(state).returns.is_some() {
            prop_assert_eq!(case.leaf(&text), 1, "{:?}", text);
            for (atom, not) in &divisors {
                let NumberAtom::MultipleOf(divisor) = atom else { continue };
                prop_assert_eq!(divides(&divisor.to_string(), &text), !not, "{:?} by {}", text, divisor);
            }
        }
    }
}

/// The arithmetic of schools: both as integers of the smallest digit.
fn divides(divisor: &str, number: &str) -> bool {
    let parse = |text: &str| {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: BigInt = format!("{whole}{fraction}").parse().unwrap();
        (digits, i32::try_from(fraction.len()).unwrap() - exponent.parse::<i32>().unwrap())
    };
    let ((a, i), (b, j)) = (parse(divisor), parse(number));
    let scale = |n: BigInt, places: i32| n * BigInt::from(10).pow((i.max(j).max(0) - places).cast_unsigned());
    scale(b, j) % scale(a, i) == BigInt::ZERO
}

#[test]
fn divisors_of_all_sizes() {
    let arena = Arena::new(Limits::default());
    let automaton = NumberAutomaton::register(&arena);
    let cases: &[(&[NumberAtom], &[&str], &[&str])] = &[
        (&[multiple_of("0.1")], &["0.30", "-0", "0.0", "-7.1", "12", "0.3000"], &["0.31", "0.01", "3e-1", "1e5"]),
        (&[multiple_of("1e-8")], &["12391239123", "0.00000001", "1.123456780000"], &["0.000000001", "1.000000015"]),
        (&[multiple_of("0.0001")], &["0.0075"], &["0.00751"]),
        (&[multiple_of("1000000007")], &["0", "1000000007", "2000000014.000", "-30000000210"], &["1000000008", "1", "1000000007.5"]),
        (&[multiple_of("1.5")], &["0", "4.5", "-4.50", "3", "3.0"], &["35", "1", "4.55"]),
        (&[NumberAtom::Integer, multiple_of("2.5")], &["0", "5", "10.0", "-15"], &["2.5", "7", "7.5"]),
        (&[NumberAtom::Integer, multiple_of("0.123456789")], &["123456789", "0", "-246913578.0"], &["1", "0.123456789"]),
        (&[multiple_of("4"), multiple_of("6"), at_least("13", false)], &["24", "36.0", "120"], &["12", "18", "28"]),
        (&[multiple_of("25e398"), at_most("1e400", false)], &["0", "-0.00"], &["1"]),
    ];
    for (atoms, good, bad) in cases {
        let start = automaton.start(&arena, &all(atoms.to_vec())).unwrap().unwrap();
        for text in *good {
            assert_eq!(accepts(&arena, start, text), Some(0), "{text} under {atoms:?}");
        }
        for text in *bad {
            assert_eq!(accepts(&arena, start, text), None, "{text} under {atoms:?}");
        }
    }
    let start = automaton.start(&arena, &all(vec![multiple_of("25e398"), at_most("1e400", false)])).unwrap().unwrap();
    let zeros = "0".repeat(398);
    assert_eq!(accepts(&arena, start, &format!("75{zeros}")), Some(0));
    assert!(run(&arena, start, &format!("75{zeros}0")).is_none() && run(&arena, start, "4").is_none() && run(&arena, start, "6").is_none());
}

/// The one suitable number lies just above the lower end of an interval, or just below the upper one.
#[test]
fn ends_of_intervals() {
    let arena = Arena::new(Limits::default());
    let automaton = NumberAutomaton::register(&arena);
    let cases = [
        ("1", "11.5", "12.5", false, Some("12")),
        ("1", "12", "13", true, None),
        ("1", "12", "13.01", true, Some("13")),
        ("1", "11.99", "13", true, Some("12")),
        ("0.5", "10.2", "10.7", false, Some("10.5")),
        ("0.5", "10.5", "11", true, None),
        ("0.5", "-11.01", "-10.99", true, Some("-11")),
        ("0.25", "0.0026", "0.2501", true, Some("0.25")),
        ("0.25", "0.0026", "0.2499", true, None),
        ("7", "7000000000000000000000.001", "7000000000000000000007.001", false, Some("7000000000000000000007")),
        ("7", "7000000000000000000000.001", "7000000000000000000006.999", false, None),
        ("7", "6999999999999999999999.999", "7000000000000000000006.999", false, Some("7000000000000000000000")),
        ("1000000007", "1000000006.9", "2000000013.9", true, Some("1000000007")),
        ("1000000007", "1000000007.1", "2000000014.1", true, Some("2000000014")),
        ("1000000007", "1000000007.1", "2000000013.9", true, None),
    ];
    for (divisor, low, high, exclusive, only) in cases {
        let spec = all(vec![multiple_of(divisor), at_least(low, exclusive), at_most(high, exclusive)]);
        let start = automaton.start(&arena, &spec).unwrap();
        assert_eq!(start.is_some(), only.is_some(), "{divisor} {low} {high}");
        let (Some(mut state), Some(only)) = (start, only) else { continue };
        for (i, byte) in only.bytes().enumerate() {
            let digits = b"-.0123456789".iter().filter(|&&b| step(&arena, state, b).is_some()).count();
            assert_eq!(digits, 1, "{divisor} {low} {high} {}", &only[..i]);
            state = step(&arena, state, byte).unwrap();
        }
        assert_eq!(arena.facts(state).returns, Some(0));
    }
}

#[test]
fn nothing_suits() {
    let arena = Arena::new(Limits::default());
    let automaton = NumberAutomaton::register(&arena);
    let one_of = |numbers: &[&str]| NumberAtom::OneOf(numbers.iter().map(|n| d(n)).collect());
    let start = |atoms: Vec<NumberAtom>, wanted: u32| {
        let case = Case { leaves: (0..1u32 << atoms.len()).map(|i| u32::from(i == wanted)).collect(), atoms };
        automaton.start(&arena, &case.spec()).unwrap()
    };
    assert_eq!(start(vec![multiple_of("1e9"), at_least("1", false), at_most("999999999.5", false)], 0b111), None);
    assert!(start(vec![multiple_of("1e9"), at_least("1", false), at_most("1e9", false)], 0b111).is_some());
    assert_eq!(start(vec![multiple_of("1e9"), at_least("1", false), at_most("1e9", true)], 0b111), None);
    // A multiple of six is one of three.
    assert_eq!(start(vec![multiple_of("6"), multiple_of("3")], 0b01), None);
    assert_eq!(start(vec![multiple_of("0.5"), NumberAtom::Integer], 0b10), None);
    assert!(start(vec![multiple_of("0.5"), NumberAtom::Integer], 0b01).is_some());
    // From 10 to 12 each is a multiple of one of them.
    assert_eq!(
        start(vec![NumberAtom::Integer, multiple_of("2"), multiple_of("11"), at_least("10", false), at_most("12", false)], 0b11001),
        None
    );
    assert!(
        start(vec![NumberAtom::Integer, multiple_of("2"), multiple_of("11"), at_least("10", false), at_most("13", false)], 0b11001)
            .is_some()
    );
    // Candidates are filtered, and excluded ones counted.
    assert_eq!(start(vec![multiple_of("7"), one_of(&["1", "8", "13.5"])], 0b11), None);
    assert!(start(vec![multiple_of("7"), one_of(&["1", "8", "14.0"])], 0b11).is_some());
    let three = one_of(&["5", "6", "7"]);
    assert_eq!(start(vec![NumberAtom::Integer, three.clone(), at_least("5", false), at_most("7", false)], 0b1101), None);
    assert!(start(vec![NumberAtom::Integer, three, at_least("4", false), at_most("7", false)], 0b1101).is_some());
    // Only zero is a multiple of zero.
    let zero = start(vec![multiple_of("0")], 1).unwrap();
    assert!(accepts(&arena, zero, "-0.0").is_some() && accepts(&arena, zero, "1").is_none());
}

#[test]
fn residues_are_made_when_visited_and_hostile_divisors_end() {
    let arena = Arena::new(Limits::default());
    let automaton = NumberAutomaton::register(&arena);
    let start = automaton.start(&arena, &all(vec![multiple_of("1e9"), at_most("1e30", false)])).unwrap().unwrap();
    assert!(run(&arena, start, "123456789012").is_some());
    assert!(arena.state_count() < 40, "{}", arena.state_count());
    // Halves need one residue before the point.
    let start = automaton.start(&arena, &all(vec![multiple_of("0.5")])).unwrap().unwrap();
    assert_eq!(run(&arena, start, "12"), run(&arena, start, "987"));
    let huge = automaton.start(&arena, &all(vec![multiple_of("1e-1000000000")]));
    assert_eq!(huge, Err(EngineError::Limit { name: "max_number_digits", bound: 5000 }));
    let many: Vec<NumberAtom> = (0..60).map(|i| multiple_of(&format!("{}e60", 10u64.pow(17) + 2 * i + 1))).collect();
    let bounded = [many.clone(), vec![at_most("1e5000", true), at_least("1e4000", false)]].concat();
    assert!(automaton.start(&arena, &all(bounded)).is_err(), "too many digits");
    let bounded = [many, vec![at_most("1e2000", true), at_least("1e1900", false)]].concat();
    let start = automaton.start(&arena, &all(bounded)).unwrap().unwrap();
    assert!(run(&arena, start, "12345").is_some());
}
