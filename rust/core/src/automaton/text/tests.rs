//! Texts against the obvious: decode the JSON, run the components, evaluate the outcome.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::{ALONE, Length, Outcome, StringSet, TextAutomaton, TextSpec, attach_raw};
use crate::error::EngineError;
use crate::formula::{Formula, Formulas};
use crate::identity::Identity;
use crate::ids::StateId;
use crate::limits::Limits;
use crate::provider::{Arena, ByteSet, Cell, CodepointAutomaton, CodepointEdge};

/// Characters that are told apart; all others are of class 4.
const NAMED: [char; 4] = ['a', 'b', 'é', '😀'];
/// One of each class, others that share the beginning of a spelling with a named one, and characters that need an escape.
const CHARACTERS: [char; 12] = ['a', 'b', 'é', '😀', 'c', 'è', '😁', '\u{D000}', '\n', '"', '\\', '\u{0}'];

fn class(c: char) -> usize {
    NAMED.iter().position(|&n| n == c).unwrap_or(NAMED.len())
}

#[derive(Clone, Debug)]
struct Table {
    accepts: Vec<bool>,
    moves: Vec<[Option<u32>; 5]>,
    /// It says how far its ends are, and whether it can always be found.
    tells: bool,
}

impl Table {
    /// A state and all that follow, each with the fewest characters after which it does.
    fn reached(&self, state: u32) -> Vec<(u32, u64)> {
        let mut reached = vec![(state, 0)];
        let mut done = 0;
        while let Some(&(state, after)) = reached.get(done) {
            for &target in self.moves[state as usize].iter().flatten() {
                if !reached.iter().any(|&(known, _)| known == target) {
                    reached.push((target, after + 1));
                }
            }
            done += 1;
        }
        reached
    }
}

impl CodepointAutomaton for Table {
    fn start(&self) -> Result<Option<u32>, EngineError> {
        Ok(Some(0))
    }

    fn accepts(&self, state: u32) -> Result<bool, EngineError> {
        Ok(self.accepts[state as usize])
    }

    fn edges(&self, state: u32) -> Result<Arc<[CodepointEdge]>, EngineError> {
        let mut edges = Vec::new();
        let mut add = |low: u32, high: u32, class: usize| {
            if let Some(target) = self.moves[state as usize][class]
                && low <= high
            {
                edges.push(CodepointEdge { low, high, target });
            }
        };
        let mut low = 0;
        for (class, &c) in NAMED.iter().enumerate() {
            let c = u32::from(c);
            if low < 0xD800 && c > 0xDFFF {
                add(low, 0xD7FF, 4);
                low = 0xE000;
            }
            add(low, c - 1, 4);
            add(c, c, class);
            low = c + 1;
        }
        add(low, 0x10_FFFF, 4);
        Ok(edges.into())
    }

    fn is_never_lost(&self) -> bool {
        let lost = |state: u32| self.ends_within(state).is_none() || self.moves[state as usize].contains(&None);
        self.tells && !self.reached(0).into_iter().any(|(state, _)| lost(state))
    }

    fn can_always_be_found(&self) -> bool {
        let stays = |state: u32| self.accepts[state as usize] && self.moves[state as usize] == [Some(state); 5];
        let found =
            |state: u32| self.moves[state as usize].iter().all(Option::is_some) && self.reached(state).iter().any(|&(s, _)| stays(s));
        self.tells && self.reached(0).into_iter().all(|(state, _)| found(state))
    }

    fn ends_within(&self, state: u32) -> Option<u64> {
        let reached = self.reached(state).into_iter().find(|&(state, _)| self.accepts[state as usize]);
        reached.filter(|_| self.tells).map(|(_, after)| after)
    }

    fn stays_within(&self, state: u32) -> Option<u64> {
        self.reached(state).into_iter().map(|(state, _)| self.ends_within(state)).try_fold(0, |most, within| Some(within?.max(most)))
    }

    fn ends_exactly_within(&self) -> bool {
        self.tells
    }

    fn identity(&self) -> u128 {
        Identity::new("test table").str(&format!("{self:?}")).finish()
    }
}

#[derive(Clone, Debug)]
enum Part {
    Table(Table),
    Set(Vec<String>),
}

#[derive(Clone, Debug)]
struct Case {
    parts: Vec<Part>,
    lengths: Vec<Length>,
    /// The leaf for each set of variables that hold.
    leaves: Vec<u32>,
    /// What texts that are just a name are worth.
    names: BTreeMap<String, u32>,
}

impl Case {
    fn spec(&self) -> TextSpec {
        let components = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Table(table) => Arc::new(table.clone()) as Arc<dyn CodepointAutomaton>,
                Part::Set(strings) => Arc::new(StringSet::new(strings.iter().map(String::as_str))),
            })
            .collect();
        TextSpec { components, lengths: self.lengths.clone(), outcome: outcome(&self.leaves) }
    }

    fn body(&self, arena: &Arena, automaton: &TextAutomaton) -> Option<StateId> {
        let names = automaton.name_map(self.names.iter().map(|(name, &leaf)| (name.as_str(), leaf)));
        automaton.named_string_body(arena, &self.spec(), names).unwrap()
    }

    /// Does it begin with a name that all other texts are refused after?
    fn is_alone(&self, text: &str) -> bool {
        self.names.iter().any(|(name, &leaf)| leaf == ALONE && text.starts_with(name))
    }

    /// Where the components are after a text: table states, or whether the text so far.
    fn leaf(&self, text: &str) -> u32 {
        if let Some(&leaf) = self.names.get(text) {
            return if leaf == ALONE { 0 } else { leaf };
        }
        if self.is_alone(text) {
            return 0;
        }
        let holds = self.parts.iter().map(|part| match part {
            Part::Table(table) => text
                .chars()
                .try_fold(0, |state, c| table.moves[state as usize][class(c)])
                .is_some_and(|state| table.accepts[state as usize]),
            Part::Set(strings) => strings.iter().any(|s| s == text),
        });
        let count = text.chars().count() as u64;
        let holds = holds.chain(self.lengths.iter().map(|l| l.holds(count)));
        let index = holds.enumerate().fold(0, |index, (i, held)| index | usize::from(held) << i);
        self.leaves[index]
    }

    /// All that the future depends on.
    fn situation(&self, text: &str) -> (Vec<Option<String>>, usize) {
        let parts = self.parts.iter().map(|part| match part {
            Part::Table(table) => text.chars().try_fold(0, |state, c| table.moves[state as usize][class(c)]).map(|state| state.to_string()),
            Part::Set(strings) => strings.iter().any(|s| s.starts_with(text)).then(|| text.to_owned()),
        });
        let named = self.names.keys().any(|s| s.starts_with(text)).then(|| text.to_owned());
        let alone = self.is_alone(text).then(String::new);
        (parts.chain([named, alone]).collect(), text.chars().count().min(12))
    }

    /// Is some continuation accepted?
    fn viable(&self, text: &str, memo: &mut HashMap<(Vec<Option<String>>, usize), bool>) -> bool {
        let root = self.situation(text);
        if let Some(&known) = memo.get(&root) {
            return known;
        }
        let mut seen = HashSet::from([root.clone()]);
        let mut stack = vec![text.to_owned()];
        while let Some(text) = stack.pop() {
            if self.leaf(&text) != 0 {
                memo.insert(root, true);
                return true;
            }
            for c in ['a', 'b', 'é', '😀', 'c'] {
                let next = format!("{text}{c}");
                if seen.insert(self.situation(&next)) {
                    stack.push(next);
                }
            }
        }
        memo.insert(root, false);
        false
    }
}

fn outcome(leaves: &[u32]) -> Outcome {
    let mut store = Formulas::new(100_000);
    let formula = tree(&mut store, leaves, 0);
    Outcome::from_formula(&store, formula, |v| v).unwrap()
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

/// What one item of the engine does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
struct Item {
    state: StateId,
    register: u64,
}

impl Item {
    fn new(state: StateId) -> Self {
        Self { state, register: 0 }
    }

    fn step(self, arena: &Arena, byte: u8) -> Option<Self> {
        let (target, increment) = match arena.step(self.state, byte).unwrap() {
            Cell::Dead => return None,
            Cell::Simple(target, increment) => (target, increment),
            Cell::Many(_) => panic!("texts never push"),
        };
        assert!(!increment || arena.facts(target).counting);
        let register = self.register + u64::from(increment);
        let state = arena.settled(target, register).unwrap()?;
        let register = if arena.facts(state).counting { register } else { 0 };
        Some(Self { state, register })
    }

    fn run(self, arena: &Arena, bytes: &[u8]) -> Option<Self> {
        bytes.iter().try_fold(self, |item, &byte| item.step(arena, byte))
    }

    fn returns(self, arena: &Arena) -> Option<u32> {
        arena.facts(self.state).returns
    }
}

fn spellings(c: char) -> Vec<Vec<u8>> {
    let mut units = [0; 2];
    let escape = c.encode_utf16(&mut units).iter().map(|u| format!("\\u{u:04x}")).collect::<Vec<_>>().concat();
    let mut all = vec![escape.to_uppercase().replace("\\U", "\\u").into_bytes(), escape.into_bytes()];
    match c {
        '"' => all.push(b"\\\"".to_vec()),
        '\\' => all.push(b"\\\\".to_vec()),
        '\n' => all.push(b"\\n".to_vec()),
        '\u{0}' => {}
        c => all.push(c.to_string().into_bytes()),
    }
    all
}

fn any_table(states: std::ops::Range<u32>, accepting: f64) -> impl Strategy<Value = Part> {
    states.prop_flat_map(move |n| {
        let target = prop::option::weighted(0.8, 0..n);
        let row = prop::array::uniform5(target);
        // Some never go back, and some are found for good.
        let found = prop::option::weighted(0.5, Just([Some(n - 1); 5]));
        (
            prop::collection::vec(prop::bool::weighted(accepting), n as usize),
            prop::collection::vec(row, n as usize),
            prop::bool::weighted(0.8),
            found,
        )
            .prop_map(move |(mut accepts, mut moves, tells, found)| {
                if let Some(row) = found {
                    moves.iter_mut().flatten().for_each(|target| *target = target.or(Some(n - 1)));
                    moves[n as usize - 1] = row;
                    accepts[n as usize - 1] = true;
                }
                Part::Table(Table { accepts, moves, tells })
            })
    })
}

fn any_set() -> impl Strategy<Value = Part> {
    prop::collection::vec(prop::collection::vec(prop::sample::select(&NAMED[..]), 0..3), 0..4)
        .prop_map(|strings| Part::Set(strings.into_iter().map(|s| s.into_iter().collect()).collect()))
}

fn any_case() -> impl Strategy<Value = Case> {
    let parts = prop::collection::vec(prop_oneof![any_table(1..4, 0.5), any_set()], 0..3);
    let length = (0..5u64, prop::option::of(0..4u64)).prop_map(|(min, more)| Length { min, max: more.map(|m| min + m) });
    (parts, prop::collection::vec(length, 0..3)).prop_flat_map(|(parts, lengths)| {
        let variables = parts.len() + lengths.len();
        let leaf = prop_oneof![3 => Just(0u32), 1 => Just(1), 1 => Just(2)];
        prop::collection::vec(leaf, 1 << variables).prop_map(move |leaves| Case {
            parts: parts.clone(),
            lengths: lengths.clone(),
            leaves,
            names: BTreeMap::new(),
        })
    })
}

/// Components of which one will do, or all must hold, and no more than so many characters, or at least so many.
fn any_bounded_case() -> impl Strategy<Value = Case> {
    let one =
        prop::sample::select(vec![vec![0, 0, 0, 1], vec![0, 0, 1, 2], vec![0, 0, 1, 0], vec![0, 1, 1, 0]]).prop_map(|leaves| (1, leaves));
    let two = prop::sample::select(vec![
        vec![0, 0, 0, 0, 0, 1, 1, 1],
        vec![0, 0, 0, 0, 0, 1, 2, 2],
        vec![0, 0, 0, 0, 0, 0, 0, 1],
        vec![0, 1, 1, 1, 0, 1, 0, 0],
    ])
    .prop_map(|leaves| (2, leaves));
    (prop_oneof![one, two], 0..6u64, any::<bool>()).prop_flat_map(|((parts, leaves), bound, at_most)| {
        let length = if at_most { Length { min: 0, max: Some(bound) } } else { Length { min: bound, max: None } };
        prop::collection::vec(any_table(2..7, 0.25), parts).prop_map(move |parts| Case {
            parts,
            lengths: vec![length],
            leaves: leaves.clone(),
            names: BTreeMap::new(),
        })
    })
}

fn any_named_case() -> impl Strategy<Value = Case> {
    let name = prop::collection::vec(prop::sample::select(&NAMED[..]), 0..4).prop_map(|name| name.into_iter().collect::<String>());
    let names = prop::collection::btree_map(name, prop_oneof![4 => 0..3u32, 1 => Just(ALONE)], 0..6);
    (any_case(), names).prop_map(|(case, names)| Case { names, ..case })
}

fn any_text(most: usize) -> impl Strategy<Value = Vec<(char, prop::sample::Index)>> {
    prop::collection::vec((prop::sample::select(&CHARACTERS[..]), any::<prop::sample::Index>()), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Every prefix is alive exactly when some continuation is accepted, and the closing quote returns the right value.
    #[test]
    fn strings_agree_with_the_decoded_text(case in prop_oneof![any_case(), any_bounded_case(), any_named_case()], texts in prop::collection::vec(any_text(7), 1..6)) {
        let arena = Arena::new(Limits::default());
        let automaton = TextAutomaton::register(&arena);
        let start = case.body(&arena, &automaton);
        let mut memo = HashMap::new();
        prop_assert_eq!(start.is_some(), case.viable("", &mut memo));
        let Some(start) = start else { return Ok(()) };
        for text in texts {
            let mut item = Some(Item::new(start));
            let mut read = String::new();
            for (c, spelling) in text {
                let close = item.and_then(|i| i.step(&arena, b'"'));
                let value = close.map_or(0, |i| i.returns(&arena).unwrap() + 1);
                prop_assert_eq!(value, case.leaf(&read), "{:?}", read);
                let spelling = spelling.get(&spellings(c)).clone();
                for (i, &byte) in spelling.iter().enumerate() {
                    item = item.and_then(|item| item.step(&arena, byte));
                    let alive = CHARACTERS.iter().any(|&c| {
                        spellings(c).iter().any(|s| s.starts_with(&spelling[..=i])) && case.viable(&format!("{read}{c}"), &mut memo)
                    });
                    prop_assert_eq!(item.is_some(), alive, "{:?} then {:?} of {:?}", read, &spelling[..=i], c);
                }
                read.push(c);
                if item.is_none() {
                    break;
                }
            }
        }
    }

    /// Registers with equal views behave alike for as many bytes as the horizon.
    #[test]
    fn equal_views_behave_alike(case in prop_oneof![any_case(), any_bounded_case(), any_named_case()], text in any_text(4), horizon in 1..4u64) {
        let arena = Arena::new(Limits::default());
        let automaton = TextAutomaton::register(&arena);
        let Some(start) = case.body(&arena, &automaton) else { return Ok(()) };
        let mut item = Item::new(start);
        for (c, spelling) in text {
            match item.run(&arena, &spelling.get(&spellings(c)).clone()) {
                Some(next) => item = next,
                None => break,
            }
        }
        if !arena.facts(item.state).counting {
            return Ok(());
        }
        let mut by_view: HashMap<u64, Item> = HashMap::new();
        for register in 0..20 {
            if arena.settled(item.state, register).unwrap() != Some(item.state) {
                continue;
            }
            let view = arena.view(item.state, register, horizon);
            let other = Item { register, ..item };
            let first = *by_view.entry(view).or_insert(other);
            let mut pairs = HashSet::from([(first, other)]);
            for _ in 0..horizon {
                let mut next = HashSet::new();
                for &(a, b) in &pairs {
                    for byte in [b'a', b'b', b'c', b'"', b'\\', b'u', b'n', b'0', 0xC3, 0xA9, 0xF0] {
                        let (a, b) = (a.step(&arena, byte), b.step(&arena, byte));
                        prop_assert_eq!(a.is_some(), b.is_some());
                        if let (Some(a), Some(b)) = (a, b) {
                            prop_assert_eq!(a.returns(&arena), b.returns(&arena));
                            next.insert((a, b));
                        }
                    }
                }
                pairs = next;
            }
        }
    }

    /// The reachable values are those that some text has.
    #[test]
    fn which_values(case in any_case()) {
        let arena = Arena::new(Limits::default());
        let automaton = TextAutomaton::register(&arena);
        let only = |leaf: u32| Case { leaves: case.leaves.iter().map(|&l| u32::from(l == leaf)).collect(), ..case.clone() };
        let expected: Vec<u32> = (1..3).filter(|&leaf| only(leaf).viable("", &mut HashMap::new())).map(|leaf| leaf - 1).collect();
        prop_assert_eq!(automaton.which(&arena, &case.spec()).unwrap(), expected);
    }

    /// Bytes that are no JSON string are refused where they stop being one, and all others are read.
    #[test]
    fn spelling_is_that_of_json(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..6)) {
        let arena = Arena::new(Limits::default());
        let base = TextAutomaton::register(&arena).base_body(&arena).unwrap();
        let body = pieces.concat();
        let mut text = vec![b'"'];
        text.extend(&body);
        text.push(b'"');
        let accepted = Item::new(base).run(&arena, &text[1..]).is_some_and(|i| i.returns(&arena) == Some(0));
        prop_assert_eq!(accepted, serde_json::from_slice::<String>(&text).is_ok(), "{:?}", String::from_utf8_lossy(&text));
    }

    /// Plain texts: no quotes, no escapes, and returning wherever the text may end.
    #[test]
    fn plain_text(part in prop_oneof![any_table(1..4, 0.5), any_set()], text in prop::collection::vec(prop::sample::select(&CHARACTERS[..]), 0..5)) {
        let case = Case { parts: vec![part], lengths: vec![], leaves: vec![0, 1], names: BTreeMap::new() };
        let arena = Arena::new(Limits::default());
        let attached = attach_raw(&arena, Arc::clone(&case.spec().components[0])).unwrap();
        prop_assert_eq!(attached.nullable, case.leaf("") == 1);
        let mut memo = HashMap::new();
        let mut item = attached.start.map(Item::new);
        prop_assert!(item.is_none_or(|i| i.returns(&arena).is_none()));
        let mut read = String::new();
        for c in text {
            let mut bytes = [0; 4];
            for &byte in c.encode_utf8(&mut bytes).as_bytes() {
                item = item.and_then(|i| i.step(&arena, byte));
            }
            read.push(c);
            prop_assert_eq!(item.is_some(), case.viable(&read, &mut memo), "{:?}", read);
            prop_assert_eq!(item.and_then(|i| i.returns(&arena)).is_some(), case.leaf(&read) == 1, "{:?}", read);
            if let Some(item) = item {
                prop_assert_eq!(arena.facts(item.state).has_edges, CHARACTERS.iter().any(|c| case.viable(&format!("{read}{c}"), &mut memo)));
            }
        }
    }
}

const PIECES: [&[u8]; 30] = [
    b"a",
    b" ",
    b"\x7f",
    b"\x1f",
    b"\"",
    b"\\",
    b"\\n",
    b"\\/",
    b"\\a",
    b"u",
    b"\\u0041",
    b"\\u00E9",
    b"\\u00e",
    b"\\ud83d",
    b"\\ude00",
    b"\\uD83D\\uDE00",
    b"\\udfff",
    b"\\udbff\\udfff",
    b"\\ud7ff",
    b"\xC3\xA9",
    b"\xC0\xAF",
    b"\xE0\x80\xAF",
    b"\xE0\xA0\x80",
    b"\xED\xA0\x80",
    b"\xED\x9F\xBF",
    b"\xF0\x8F\xBF\xBF",
    b"\xF0\x9F\x98\x80",
    b"\xF4\x8F\xBF\xBF",
    b"\xF4\x90\x80\x80",
    b"\x80",
];

fn set(strings: &[&str]) -> Arc<dyn CodepointAutomaton> {
    Arc::new(StringSet::new(strings.iter().copied()))
}

#[test]
fn a_key_that_left_the_declared_names_is_the_plain_string() {
    let arena = Arena::new(Limits::default());
    let automaton = TextAutomaton::register(&arena);
    // "name" returns 1, "age" returns 2, any other key 0.
    let spec = || TextSpec { components: vec![set(&["name"]), set(&["age"])], lengths: vec![], outcome: outcome(&[1, 2, 3, 0]) };
    let start = automaton.json_string_body(&arena, &spec()).unwrap().unwrap();
    let base = automaton.base_body(&arena).unwrap();
    assert_ne!(start, base);
    assert_eq!(arena.facts(start).base, Some(base));
    assert_eq!(automaton.json_string_body(&arena, &spec()).unwrap(), Some(start), "equal content, equal state");
    let start = Item::new(start);
    for left in ["b", "nb", "names", "ages", "\\u0061h", "é"] {
        assert_eq!(start.run(&arena, left.as_bytes()).unwrap().state, base, "{left}");
    }
    let after_n = start.run(&arena, b"n").unwrap();
    assert_eq!(start.run(&arena, b"\\u006E"), Some(after_n));
    assert_eq!(arena.facts(after_n.state).base, Some(base));
    for (key, value) in [("name", 1), ("age", 2), ("agE", 0), ("", 0), ("\\u006eame", 1)] {
        let end = start.run(&arena, format!("{key}\"").as_bytes()).unwrap();
        assert_eq!(end.returns(&arena), Some(value), "{key}");
        assert!(!arena.facts(end.state).has_edges);
    }
    assert_eq!(automaton.which(&arena, &spec()).unwrap(), [0, 1, 2]);
}

#[test]
fn a_closed_set_of_keys_has_no_way_out() {
    let arena = Arena::new(Limits::default());
    let automaton = TextAutomaton::register(&arena);
    let spec = TextSpec { components: vec![set(&["name", "né"])], lengths: vec![], outcome: Outcome::all(1) };
    let start = Item::new(automaton.json_string_body(&arena, &spec).unwrap().unwrap());
    assert_eq!(start.step(&arena, b'x'), None);
    assert_eq!(start.step(&arena, b'"'), None);
    let n = start.step(&arena, b'n').unwrap();
    let alive: Vec<u8> = (0..=255).filter(|&b| n.step(&arena, b).is_some()).collect();
    assert_eq!(alive, [b'\\', b'a', 0xC3]);
    let hex = n.run(&arena, b"\\u00").unwrap();
    let alive: Vec<u8> = (0..=255).filter(|&b| hex.step(&arena, b).is_some()).collect();
    assert_eq!(alive, *b"6Ee");
    let nothing = TextSpec { components: vec![set(&[])], lengths: vec![], outcome: Outcome::all(1) };
    assert_eq!(automaton.json_string_body(&arena, &nothing).unwrap(), None);
    assert!(automaton.which(&arena, &nothing).unwrap().is_empty());
}

#[test]
fn a_long_maximum_costs_what_a_short_one_costs() {
    let arena = Arena::new(Limits::default());
    let automaton = TextAutomaton::register(&arena);
    let max = 100_000;
    let spec = TextSpec { components: vec![], lengths: vec![Length { min: 2, max: Some(max) }], outcome: Outcome::all(1) };
    let start = automaton.json_string_body(&arena, &spec).unwrap().unwrap();
    let mut item = Item::new(start);
    assert!(item.step(&arena, b'"').is_none());
    assert!(!arena.facts(start).guarded && arena.facts(start).identity.is_some());
    for _ in 0..max / 2 {
        item = item.run(&arena, "é\\ud83d\\ude00".as_bytes()).unwrap();
    }
    let alive: Vec<u8> = (0..=255).filter(|&b| item.step(&arena, b).is_some()).collect();
    assert_eq!(alive, [b'"']);
    assert!(arena.state_count() < 40, "{}", arena.state_count());
    let other = Arena::new(Limits::default());
    let again = TextAutomaton::register(&other);
    again.base_body(&other).unwrap();
    let same = again.json_string_body(&other, &spec).unwrap().unwrap();
    assert_eq!(other.facts(same).identity, arena.facts(start).identity);
}

/// `^a*-b{20}$` in classes: a, b and everything else for the dash.
fn tail_of_twenty() -> Arc<dyn CodepointAutomaton> {
    let mut moves = vec![[Some(0), None, None, None, Some(1)]];
    moves.extend((1..21).map(|i| [None, Some(i + 1), None, None, None]));
    moves.push([None; 5]);
    let mut accepts = vec![false; 21];
    accepts.push(true);
    Arc::new(Table { accepts, moves, tells: false })
}

#[test]
fn a_length_does_not_lead_into_a_pattern_that_needs_more() {
    let arena = Arena::new(Limits::default());
    let automaton = TextAutomaton::register(&arena);
    let spec =
        |max| TextSpec { components: vec![tail_of_twenty()], lengths: vec![Length { min: 0, max: Some(max) }], outcome: Outcome::all(2) };
    assert_eq!(automaton.json_string_body(&arena, &spec(20)).unwrap(), None);
    let start = automaton.json_string_body(&arena, &spec(1000)).unwrap().unwrap();
    let mut item = Item::new(start);
    assert!(arena.facts(start).guarded);
    assert_eq!(arena.view(start, 0, 10), arena.view(start, 900, 10));
    assert_ne!(arena.view(start, 979, 10), arena.view(start, 978, 10));
    for _ in 0..979 {
        item = item.step(&arena, b'a').unwrap();
    }
    assert_eq!(item.step(&arena, b'a'), None);
    let end = item.run(&arena, b"-bbbbbbbbbbbbbbbbbbbb").unwrap();
    assert!((0..=255).all(|b| end.step(&arena, b).is_some() == (b == b'"')));
}

#[test]
fn a_least_length_does_not_hide_a_greatest_one() {
    let arena = Arena::new(Limits::default());
    let automaton = TextAutomaton::register(&arena);
    // Any number of `a`, a dash, and three of `b` or more.
    let moves = vec![
        [Some(0), None, None, None, Some(1)],
        [None, Some(2), None, None, None],
        [None, Some(3), None, None, None],
        [None, Some(4), None, None, None],
        [None, Some(4), None, None, None],
    ];
    let tail: Arc<dyn CodepointAutomaton> = Arc::new(Table { accepts: vec![false, false, false, false, true], moves, tells: false });
    for (max, most) in [(3, None), (4, Some(0)), (5, Some(1)), (9, Some(5))] {
        let lengths = vec![Length { min: 3, max: Some(max) }];
        let spec = TextSpec { components: vec![tail.clone()], lengths, outcome: Outcome::all(2) };
        let start = automaton.json_string_body(&arena, &spec).unwrap().map(Item::new);
        let reached = start.map(|start| std::iter::successors(Some(start), |item| item.step(&arena, b'a')).count() - 1);
        assert_eq!(reached, most, "{max}");
    }
}

#[test]
fn twenty_thousand_names_in_memory_of_their_size() {
    let arena = Arena::new(Limits::default());
    let automaton = TextAutomaton::register(&arena);
    let names = StringSet::new((0..20_000).map(|i| format!("name {i:05}")));
    let spec = TextSpec { components: vec![Arc::new(names)], lengths: vec![], outcome: Outcome::all(1) };
    let start = Item::new(automaton.json_string_body(&arena, &spec).unwrap().unwrap());
    assert!(start.run(&arena, b"name 12345\"").is_some());
    assert!(start.run(&arena, b"name 2\"").is_none());
    assert!(start.run(&arena, b"name 20000").is_none());
    assert!(arena.state_count() < 100);
    assert_eq!(automaton.which(&arena, &spec).unwrap(), [0]);
}

#[test]
fn many_single_names() {
    let arena = Arena::new(Limits::default());
    let automaton = TextAutomaton::register(&arena);
    let names: Vec<String> = (0..3000).map(|i| format!("key_{i}")).collect();
    let mut store = Formulas::new(1_000_000);
    let mut formula = Formula::FALSE;
    for v in (0..names.len() as u32).rev() {
        let (condition, value) = (store.variable(v).unwrap(), store.leaf(v + 1).unwrap());
        formula = store.if_then_else(condition, value, formula).unwrap();
    }
    let outcome = Outcome::from_formula(&store, formula, |v| v).unwrap();
    let components = names.iter().map(|n| set(&[n])).collect();
    let spec = TextSpec { components, lengths: vec![], outcome };
    let start = Item::new(automaton.json_string_body(&arena, &spec).unwrap().unwrap());
    assert_eq!(start.run(&arena, b"key_2999\"").unwrap().returns(&arena), Some(2999));
    assert!(start.run(&arena, b"key_3000").is_none());
    assert_eq!(automaton.which(&arena, &spec).unwrap().len(), 3000);
}

#[test]
fn names_judged_alike_share_states() {
    let arena = Arena::new(Limits::default());
    let automaton = TextAutomaton::register(&arena);
    let names: Vec<String> = (0..3000).map(|i| format!("key_{i:04}")).collect();
    let long = "é".repeat(20_000);
    let body = |without: usize, other: u32| {
        let leaves = names.iter().enumerate().map(|(i, name)| (name.as_str(), if i == without { 0 } else { i as u32 + 2 }));
        let map = automaton.name_map(leaves.chain([(long.as_str(), 9)]));
        let spec = TextSpec { components: vec![], lengths: vec![], outcome: outcome(&[other]) };
        Item::new(automaton.named_string_body(&arena, &spec, map).unwrap().unwrap())
    };
    let (a, b) = (body(17, 1), body(2999, 1));
    assert_ne!(a, b);
    assert_ne!(a.run(&arena, b"key_00"), b.run(&arena, b"key_00"));
    assert_eq!(a.run(&arena, b"key_01"), b.run(&arena, b"key_01"));
    let base = automaton.base_body(&arena).unwrap();
    assert_eq!(a.run(&arena, b"key_0017x").map(|i| i.state), Some(base));
    assert_eq!(arena.facts(a.state).base, Some(base));
    assert_eq!(a.run(&arena, b"key_0017\""), None);
    assert_eq!(a.run(&arena, b"key_2999\"").unwrap().returns(&arena), Some(3000));
    assert_eq!(a.run(&arena, b"key_3000\"").unwrap().returns(&arena), Some(0));
    let closed = body(17, 0);
    assert_eq!(closed.run(&arena, b"key_0017"), None);
    assert_eq!(closed.run(&arena, b"key_3"), None);
    assert_eq!(closed.run(&arena, format!("{long}\"").as_bytes()).unwrap().returns(&arena), Some(8));
    let complete = body(3000, 0);
    assert_eq!(complete.run(&arena, b"key_0018"), closed.run(&arena, b"key_0018"));
    let count = arena.state_count();
    body(0, 0);
    assert!(arena.state_count() <= count + 2, "{count} {}", arena.state_count());
}

#[test]
fn the_nearest_of_several_ends_counts() {
    let arena = Arena::new(Limits::default());
    let automaton = TextAutomaton::register(&arena);
    // As many "a", and then nothing more.
    let letters = |count: u32| -> Arc<dyn CodepointAutomaton> {
        let moves = (0..=count).map(|at| [(at < count).then_some(at + 1), None, None, None, None]).collect();
        Arc::new(Table { accepts: (0..=count).map(|at| at == count).collect(), moves, tells: true })
    };
    let spec = |max: u64, leaves: &[u32]| TextSpec {
        components: vec![letters(5), letters(2)],
        lengths: vec![Length { min: 0, max: Some(max) }],
        outcome: outcome(leaves),
    };
    let either = [0, 0, 0, 0, 0, 1, 1, 1];
    for (max, texts) in [(1, vec![]), (2, vec!["aa"]), (4, vec!["aa"]), (5, vec!["aa", "aaaaa"])] {
        let start = automaton.json_string_body(&arena, &spec(max, &either)).unwrap().map(Item::new);
        for count in 0..7 {
            let text = "a".repeat(count);
            let item = start.and_then(|start| start.run(&arena, text.as_bytes()));
            assert_eq!(item.is_some(), texts.iter().any(|known| known.starts_with(&text)), "{text} of at most {max}");
            let end = item.and_then(|item| item.step(&arena, b'"'));
            assert_eq!(end.is_some(), texts.contains(&&*text), "{text} of at most {max}");
        }
    }
    assert_eq!(automaton.json_string_body(&arena, &spec(9, &[0, 0, 0, 0, 0, 0, 0, 1])).unwrap(), None);
}

#[test]
fn a_refused_name_is_a_matter_of_what_else_may_come() {
    let arena = Arena::new(Limits::default());
    let automaton = TextAutomaton::register(&arena);
    let body = |other: u32| {
        let spec = TextSpec { components: vec![], lengths: vec![], outcome: outcome(&[other]) };
        automaton.named_string_body(&arena, &spec, automaton.name_map([("a", 0), ("ab", 0)])).unwrap()
    };
    assert_eq!(body(0), None);
    let open = Item::new(body(1).unwrap());
    assert_eq!(open.run(&arena, b"a\""), None);
    assert_eq!(open.run(&arena, b"abc\"").unwrap().returns(&arena), Some(0));
    assert_eq!(automaton.name_map([]), None);
}

#[test]
fn outcomes_in_another_order_are_the_same_function() {
    let mut store = Formulas::new(10_000);
    let leaves: Vec<u32> = (0..16).map(|i| i * i % 5).collect();
    let formula = tree(&mut store, &leaves, 0);
    let map = |v: u32| [2, 0, 3, 1][v as usize];
    let reordered = Outcome::from_formula(&store, formula, map).unwrap();
    for (i, &leaf) in leaves.iter().enumerate() {
        let holds = |w: u32| (0..4).any(|v| map(v) == w && i >> v & 1 == 1);
        assert_eq!(reordered.evaluate(holds).map_or(0, |v| v + 1), leaf);
    }
    assert_eq!(Outcome::all(3), outcome(&[0, 0, 0, 0, 0, 0, 0, 1]));
    assert_eq!(Outcome::always(4).values(), [4]);
    assert!(Outcome::refused().is_refused() && Outcome::refused().values().is_empty());
}

#[test]
fn a_search_that_takes_too_long_is_an_error() {
    let arena = Arena::new(Limits { max_search_steps: 100, ..Limits::default() });
    let automaton = TextAutomaton::register(&arena);
    // a{n} and (aa)*b: nothing is in both, which takes n steps to see.
    let mut moves: Vec<[Option<u32>; 5]> = (1..2000).map(|i| [Some(i), None, None, None, None]).collect();
    moves.push([None; 5]);
    let mut accepts = vec![false; 2000];
    accepts[1999] = true;
    let long = Arc::new(Table { accepts, moves, tells: false });
    let other = Arc::new(Table {
        tells: false,
        accepts: vec![false, false, true],
        moves: vec![[Some(1), Some(2), None, None, None], [Some(0), None, None, None, None], [None; 5]],
    });
    let spec = TextSpec { components: vec![long, other], lengths: vec![], outcome: Outcome::all(2) };
    let error = automaton.json_string_body(&arena, &spec).unwrap_err();
    assert_eq!(error, EngineError::Limit { name: "max_search_steps", bound: 100 });
    let roomy = Arena::new(Limits::default());
    assert_eq!(TextAutomaton::register(&roomy).json_string_body(&roomy, &spec).unwrap(), None);
}

proptest! {
    #[test]
    fn bytes_read_at_once_lead_where_each_leads(
        names in proptest::collection::btree_map("[ab\u{e9}\"\\\\ ]{0,5}|a{30,40}", prop_oneof![0_u32..4, Just(ALONE)], 1..6),
        other in 0_u32..3,
        (chosen, from, up_to) in (0_usize..6, 0_usize..3, 0_usize..45),
        tail in proptest::collection::vec(proptest::sample::select(b"ab \xC3\xA9\"\\c\n".to_vec()), 0..3),
        all_bytes in proptest::bool::ANY,
    ) {
        let arena = Arena::with_alphabet(Limits::default(), if all_bytes { ByteSet::ALL } else { ByteSet::range(b'!', b'~') });
        let automaton = TextAutomaton::register(&arena);
        let map = automaton.name_map(names.iter().map(|(name, &leaf)| (name.as_str(), leaf)));
        let spec = TextSpec { components: vec![], lengths: vec![], outcome: outcome(&[other]) };
        let Some(start) = automaton.named_string_body(&arena, &spec, map).unwrap() else { return Ok(()) };
        // Mostly as one of the names goes on.
        let name: Vec<u8> = names.keys().nth(chosen % names.len()).unwrap().bytes().take(up_to).collect();
        let (read, rest) = name.split_at(from.min(name.len()));
        let bytes = [rest, &tail].concat();
        let Some(item) = Item::new(start).run(&arena, read) else { return Ok(()) };
        if let Some((state, count)) = arena.along(item.state, &bytes).unwrap() {
            prop_assert!(count > 1);
            prop_assert_eq!(item.run(&arena, &bytes[..count]).map(|item| item.state), Some(state));
        }
    }
}

#[test]
fn names_are_read_at_once() {
    let arena = Arena::new(Limits::default());
    let automaton = TextAutomaton::register(&arena);
    let spec = TextSpec { components: vec![], lengths: vec![], outcome: outcome(&[0]) };
    let map = automaton.name_map([("name", 1), ("names", 2), ("number", 3)]);
    let start = automaton.named_string_body(&arena, &spec, map).unwrap().unwrap();
    let count = arena.state_count();
    for (bytes, read) in [(&b"names\":"[..], Some(5)), (b"nam", Some(3)), (b"num\\u0062", Some(3)), (b"nx", None), (b"x", None)] {
        assert_eq!(arena.along(start, bytes).unwrap().map(|(_, read)| read), read);
    }
    assert_eq!(arena.state_count(), count + 3);
}
