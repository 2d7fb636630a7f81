//! Numbers against the obvious: parse the text exactly, evaluate each demand, and try all continuations.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{Decimal, NumberAtom, NumberAutomaton, NumberSpec};
use crate::automaton::text::Outcome;
use crate::error::EngineError;
use crate::formula::{Formula, Formulas};
use crate::ids::StateId;
use crate::limits::Limits;
use crate::provider::{Arena, Cell};

const BYTES: &[u8] = b"-0123459.e+";

pub(super) fn step(arena: &Arena, state: StateId, byte: u8) -> Option<StateId> {
    match arena.step(state, byte).unwrap() {
        Cell::Dead => None,
        Cell::Simple(target, false) => Some(target),
        Cell::Simple(..) | Cell::Many(_) => panic!("numbers neither count nor push"),
    }
}

pub(super) fn run(arena: &Arena, start: StateId, text: &str) -> Option<StateId> {
    text.bytes().try_fold(start, |state, byte| step(arena, state, byte))
}

pub(super) fn accepts(arena: &Arena, start: StateId, text: &str) -> Option<u32> {
    run(arena, start, text).and_then(|state| arena.facts(state).returns)
}

pub(super) fn d(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

pub(super) fn at_least(bound: &str, exclusive: bool) -> NumberAtom {
    NumberAtom::AtLeast { bound: d(bound), exclusive }
}

pub(super) fn at_most(bound: &str, exclusive: bool) -> NumberAtom {
    NumberAtom::AtMost { bound: d(bound), exclusive }
}

pub(super) fn all(atoms: Vec<NumberAtom>) -> NumberSpec {
    NumberSpec { outcome: Outcome::all(atoms.len() as u32), atoms }
}

fn tree(store: &mut Formulas, leaves: &[u32], variable: u32) -> Formula {
    if let [leaf] = leaves {
        return store.leaf(*leaf).unwrap();
    }
    let pick = |bit: usize| leaves.iter().skip(bit).step_by(2).copied().collect::<Vec<_>>();
    let (no, yes) = (tree(store, &pick(0), variable + 1), tree(store, &pick(1), variable + 1));
    let condition = store.variable(variable).unwrap();
    store.if_then_else(condition, yes, no).unwrap()
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub atoms: Vec<NumberAtom>,
    pub leaves: Vec<u32>,
}

impl Case {
    pub fn spec(&self) -> NumberSpec {
        let mut store = Formulas::new(10_000);
        let formula = tree(&mut store, &self.leaves, 0);
        NumberSpec { atoms: self.atoms.clone(), outcome: Outcome::from_formula(&store, formula, |v| v).unwrap() }
    }

    /// The demands that the outcome depends on.
    fn asked(&self) -> Vec<&NumberAtom> {
        let differs = |i: &usize| (0..self.leaves.len()).any(|index| self.leaves[index] != self.leaves[index ^ 1 << i]);
        (0..self.atoms.len()).filter(differs).map(|i| &self.atoms[i]).collect()
    }

    /// 0: refused, or no spelling that is offered.
    pub fn leaf(&self, text: &str) -> u32 {
        let Some(number) = Decimal::parse(text) else { return 0 };
        if let Some((mantissa, exponent)) = text.split_once('e') {
            let asked = self.asked();
            let integral = asked.iter().all(|a| **a == NumberAtom::Integer) && d(mantissa).is_integer() && !exponent.contains('-');
            if !asked.is_empty() && !integral {
                return 0;
            }
        }
        self.leaves[self.atoms.iter().enumerate().fold(0, |index, (i, atom)| index | usize::from(atom.holds(&number)) << i)]
    }
}

/// Few digits, so that texts of few characters tell the demands apart.
fn any_decimal() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        Just("0"),
        Just("-0.0"),
        Just("1"),
        Just("2"),
        Just("5"),
        Just("9"),
        Just("10"),
        Just("12"),
        Just("99"),
        Just("0.1"),
        Just("0.2"),
        Just("0.12"),
        Just("1.5"),
        Just("1.2"),
        Just("0.01"),
        Just("5e-1"),
        Just("1e1"),
        Just("10.5"),
        Just("3"),
        Just("1.05")
    ]
    .prop_flat_map(|text| any::<bool>().prop_map(move |minus| if minus { d(text).negated() } else { d(text) }))
}

fn any_atom() -> impl Strategy<Value = NumberAtom> {
    prop_oneof![
        Just(NumberAtom::Integer),
        (any_decimal(), any::<bool>()).prop_map(|(bound, exclusive)| NumberAtom::AtLeast { bound, exclusive }),
        (any_decimal(), any::<bool>()).prop_map(|(bound, exclusive)| NumberAtom::AtMost { bound, exclusive }),
        prop::collection::vec(any_decimal(), 0..5).prop_map(NumberAtom::OneOf),
    ]
}

fn any_case() -> impl Strategy<Value = Case> {
    prop::collection::vec(any_atom(), 0..4).prop_flat_map(|atoms| {
        let conjunction: Vec<u32> = (0..1u32 << atoms.len()).map(|i| u32::from(i + 1 == 1 << atoms.len())).collect();
        let any = prop::collection::vec(prop_oneof![3 => Just(0u32), 1 => Just(1), 1 => Just(2)], 1 << atoms.len());
        prop_oneof![Just(conjunction), any].prop_map(move |leaves| Case { atoms: atoms.clone(), leaves })
    })
}

/// For each beginning of a text of at most `most` characters: is some such text accepted?
fn alive(case: &Case, most: usize) -> HashMap<String, bool> {
    fn visit(case: &Case, text: &mut String, most: usize, map: &mut HashMap<String, bool>) -> bool {
        let mut some = case.leaf(text) != 0;
        if text.len() < most {
            for &byte in BYTES {
                text.push(char::from(byte));
                // Only beginnings of numbers are worth a look.
                if [text.clone(), format!("{text}0"), format!("{text}10")].iter().any(|t| Decimal::parse(t).is_some()) {
                    some |= visit(case, text, most, map);
                }
                text.pop();
            }
        }
        map.insert(text.clone(), some);
        some
    }
    let mut map = HashMap::new();
    visit(case, &mut String::new(), most, &mut map);
    map
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// All texts of up to five characters, and whether their beginnings of up to two can still be completed by three more.
    #[test]
    fn numbers_agree_with_exact_comparison(case in any_case()) {
        let arena = Arena::new(Limits::default());
        let automaton = NumberAutomaton::register(&arena);
        let start = automaton.start(&arena, &case.spec()).unwrap();
        let alive = alive(&case, 5);
        // Bounds have at most two digits before and after the point: two further digits tell every interval from the next.
        prop_assert!(start.is_some() || !alive[""]);
        let Some(start) = start else { return Ok(()) };
        for (text, &some) in &alive {
            let state = run(&arena, start, text);
            let leaf = state.and_then(|s| arena.facts(s).returns).map_or(0, |v| v + 1);
            prop_assert_eq!(leaf, case.leaf(text), "{:?}", text);
            // A sign leaves too few characters.
            if text.len() <= 2 && !text.is_empty() && !text.starts_with('-') {
                prop_assert_eq!(state.is_some(), some, "{:?}", text);
            }
            if some {
                prop_assert!(state.is_some(), "{:?}", text);
            }
        }
    }

    /// From every state some digits lead to an accepted end.
    #[test]
    fn no_dead_ends(case in any_case(), choices in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let arena = Arena::new(Limits::default());
        let automaton = NumberAutomaton::register(&arena);
        let Some(start) = automaton.start(&arena, &case.spec()).unwrap() else { return Ok(()) };
        let mut state = start;
        let mut text = String::new();
        for choice in choices {
            let next: Vec<(u8, StateId)> = (0..=255).filter_map(|b| step(&arena, state, b).map(|s| (b, s))).collect();
            prop_assert!(!next.is_empty() || arena.facts(state).returns.is_some(), "{:?}", text);
            let Some(&(byte, target)) = (!next.is_empty()).then(|| choice.get(&next)) else { break };
            text.push(char::from(byte));
            state = target;
        }
        // What is left of a number needs few digits here.
        let mut reached = std::collections::HashSet::from([state]);
        let mut stack = vec![state];
        let mut found = false;
        while let Some(state) = stack.pop() {
            found |= arena.facts(state).returns.is_some();
            stack.extend((0..=255).filter_map(|b| step(&arena, state, b)).filter(|s| reached.insert(*s)));
        }
        prop_assert!(found, "{:?}", text);
        prop_assert!(arena.state_count() < 2000);
    }

    #[test]
    fn which_values(case in any_case()) {
        let arena = Arena::new(Limits::default());
        let automaton = NumberAutomaton::register(&arena);
        let found = automaton.which(&arena, &case.spec()).unwrap();
        for leaf in 1..3 {
            let only = Case { leaves: case.leaves.iter().map(|&l| u32::from(l == leaf)).collect(), ..case.clone() };
            prop_assert_eq!(found.contains(&(leaf - 1)), automaton.start(&arena, &only.spec()).unwrap().is_some());
        }
    }
}

#[test]
fn minimum_and_maximum() {
    let arena = Arena::new(Limits::default());
    let automaton = NumberAutomaton::register(&arena);
    let start = automaton.start(&arena, &all(vec![at_least("5", false)])).unwrap().unwrap();
    for (text, alive) in
        [("4", true), ("40", true), ("4.", false), ("-", false), ("0", false), ("5.0", true), ("12e", false), ("123456", true)]
    {
        assert_eq!(run(&arena, start, text).is_some(), alive, "{text}");
    }
    assert_eq!(accepts(&arena, start, "4"), None);
    let start = automaton.start(&arena, &all(vec![NumberAtom::Integer, at_most("3", false)])).unwrap().unwrap();
    for (text, alive) in [("4", false), ("3", true), ("30", false), ("3.0", true), ("3.01", false), ("-999", true), ("2.5", false)] {
        assert_eq!(run(&arena, start, text).is_some(), alive, "{text}");
    }
    let start = automaton.start(&arena, &all(vec![at_least("1.25", false), at_most("1.26", false)])).unwrap().unwrap();
    for (text, alive) in
        [("1", true), ("1.2", true), ("1.20", false), ("1.25999999", true), ("1.26", true), ("1.260000", true), ("1.2600001", false)]
    {
        assert_eq!(run(&arena, start, text).is_some(), alive, "{text}");
    }
    let nothing = all(vec![NumberAtom::Integer, at_least("0.2", false), at_most("0.8", false)]);
    assert_eq!(automaton.start(&arena, &nothing).unwrap(), None);
    assert!(automaton.which(&arena, &nothing).unwrap().is_empty());
    let nothing = all(vec![at_least("1", true), at_most("1", true)]);
    assert_eq!(automaton.start(&arena, &nothing).unwrap(), None);
}

#[test]
fn any_number_in_few_states() {
    let arena = Arena::new(Limits::default());
    let automaton = NumberAutomaton::register(&arena);
    let start = automaton.start(&arena, &NumberSpec::any(7)).unwrap().unwrap();
    for text in ["0", "-0", "12", "-1.50", "1e5", "1E-05", "0.0e+00", "9e999999999999999999999"] {
        assert_eq!(accepts(&arena, start, text), Some(7), "{text}");
    }
    for text in ["01", "-", "1.", ".5", "+1", "1e", "1e+", "--1", "1 "] {
        assert_eq!(accepts(&arena, start, text), None, "{text}");
    }
    assert!(arena.state_count() <= 9);
    let integer = automaton.start(&arena, &all(vec![NumberAtom::Integer])).unwrap().unwrap();
    for (text, accepted) in
        [("1.0", true), ("15e3", true), ("1.0e+2", true), ("1.5", false), ("1.5e1", false), ("10e-1", false), ("0", true)]
    {
        assert_eq!(accepts(&arena, integer, text).is_some(), accepted, "{text}");
    }
}

#[test]
fn enumerated_by_value() {
    let arena = Arena::new(Limits::default());
    let automaton = NumberAutomaton::register(&arena);
    let numbers = ["0", "1", "12.0", "12.0005", "1e3", "-2.5"].map(d).to_vec();
    let start = automaton.start(&arena, &all(vec![NumberAtom::OneOf(numbers)])).unwrap().unwrap();
    for text in ["0", "-0", "-0.00", "1.000", "12", "12.00000", "12.00050", "1000", "-2.500"] {
        assert_eq!(accepts(&arena, start, text), Some(0), "{text}");
    }
    for text in ["-1", "2", "10", "12.0001", "12.00005", "2.5", "-2", "1e3", "100", "0.1"] {
        assert_eq!(accepts(&arena, start, text), None, "{text}");
    }
    assert!(run(&arena, start, "2").is_none() && run(&arena, start, "12.00000000").is_some() && run(&arena, start, "12.0006").is_none());
}

#[test]
fn bounds_of_hundreds_of_digits() {
    let arena = Arena::new(Limits::default());
    let automaton = NumberAutomaton::register(&arena);
    let start = automaton.start(&arena, &all(vec![at_least("5e300", false), at_most("9e300", true)])).unwrap().unwrap();
    let zeros = "0".repeat(300);
    assert_eq!(accepts(&arena, start, &format!("5{zeros}")), Some(0));
    assert_eq!(accepts(&arena, start, &format!("9{zeros}")), None);
    assert!(run(&arena, start, "4").is_none() && run(&arena, start, "9").is_none() && run(&arena, start, &format!("5{zeros}0")).is_none());
    let tiny = automaton.start(&arena, &all(vec![at_least("1e-400", false), at_most("2e-400", false)])).unwrap().unwrap();
    assert_eq!(accepts(&arena, tiny, &format!("0.{}15", "0".repeat(399))), Some(0));
    assert!(run(&arena, tiny, "0.1").is_none());
    let huge = automaton.start(&arena, &all(vec![at_least("1e1000000000", false)]));
    assert_eq!(huge, Err(EngineError::Limit { name: "max_number_digits", bound: 5000 }));
}

#[test]
fn equal_demands_share_states_and_identities() {
    let arena = Arena::new(Limits::default());
    let automaton = NumberAutomaton::register(&arena);
    let spec = |bound: &str| all(vec![at_least(bound, false), at_most("50", false)]);
    let start = automaton.start(&arena, &spec("10")).unwrap().unwrap();
    assert_eq!(automaton.start(&arena, &spec("1e1")).unwrap(), Some(start));
    let other = automaton.start(&arena, &spec("11")).unwrap().unwrap();
    assert_ne!(start, other);
    assert_eq!(run(&arena, start, "2"), run(&arena, other, "2"));
    let second = Arena::new(Limits::default());
    let again = NumberAutomaton::register(&second);
    again.start(&second, &NumberSpec::any(0)).unwrap();
    let same = again.start(&second, &spec("10")).unwrap().unwrap();
    for text in ["", "1", "2", "20", "20.5"] {
        let (a, b) = (run(&arena, start, text).unwrap(), run(&second, same, text).unwrap());
        assert_eq!(arena.facts(a).identity, second.facts(b).identity);
        assert!(arena.facts(a).identity.is_some());
    }
    assert_ne!(arena.facts(start).identity, arena.facts(other).identity);
}
