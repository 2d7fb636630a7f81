//! Arrays near their bounds: random schemas over six kinds of items that they can tell apart, so that a few thousand arrays stand for all.

use serde_json::{Value, json};

use super::random::Random;
use super::validator::valid;
use super::*;

/// One item of each kind that the schemas below can tell apart.
const KINDS: [&str; 6] = ["0", "1", "2", "5", "\"a\"", "null"];
const LONGEST: usize = 10;

fn item(r: &mut Random) -> Value {
    match r.below(9) {
        0 | 1 => json!({"const": r.below(3)}),
        2 => json!({"enum": [0, 1]}),
        3 => json!({"type": "integer"}),
        4 => json!({"type": "string"}),
        5 => json!({"not": {"const": r.below(3)}}),
        6 => json!({"type": ["integer", "string"]}),
        7 => json!(false),
        _ => json!(true),
    }
}

fn array(r: &mut Random, depth: usize) -> Value {
    let mut out = serde_json::Map::new();
    for _ in 0..=r.below(4) {
        let several = |r: &mut Random| (0..=r.below(3)).map(|_| array(r, depth - 1)).collect::<Value>();
        let (name, value) = match r.below(if depth == 0 { 10 } else { 17 }) {
            0 | 1 => ("items", item(r)),
            2 => ("prefixItems", (0..=r.below(2)).map(|_| item(r)).collect()),
            3 => ("minItems", json!(r.below(8))),
            4 | 5 => ("maxItems", json!(r.below(8))),
            6 => ("unevaluatedItems", item(r)),
            7..=9 => {
                if r.chance(60) {
                    out.insert("minContains".to_owned(), json!(r.below(4)));
                }
                if r.chance(50) {
                    out.insert("maxContains".to_owned(), json!(r.below(4)));
                }
                ("contains", item(r))
            }
            10 => ("not", array(r, depth - 1)),
            11 | 12 => ("allOf", several(r)),
            13 | 14 => ("anyOf", several(r)),
            15 => ("oneOf", several(r)),
            _ => {
                out.insert("then".to_owned(), array(r, depth - 1));
                out.insert("else".to_owned(), array(r, depth - 1));
                ("if", array(r, depth - 1))
            }
        };
        out.insert(name.to_owned(), value);
    }
    Value::Object(out)
}

fn text(kinds: &[usize]) -> String {
    kinds.iter().map(|&kind| KINDS[kind]).collect::<Vec<_>>().join(",")
}

fn satisfies(schema: &Value, kinds: &[usize]) -> bool {
    let items: Value = kinds.iter().map(|&kind| serde_json::from_str::<Value>(KINDS[kind]).unwrap()).collect();
    valid(schema, schema, &items)
}

/// Some way to go on after `kinds` with an item and end well: some items of one kind, then some of another, after `first` items of any kinds. Past the
/// two places that prefixes speak of only the numbers of items count.
fn completion(schema: &Value, kinds: &[usize], first: usize) -> Option<Vec<usize>> {
    let mut starts = vec![Vec::new()];
    for _ in 0..first {
        let longer = starts.iter().flat_map(|start| (0..KINDS.len()).map(|kind| [&start[..], &[kind]].concat())).collect::<Vec<_>>();
        starts.extend(longer);
    }
    for start in starts {
        for pair in 0..KINDS.len() * KINDS.len() {
            let (a, b) = (pair / KINDS.len(), pair % KINDS.len());
            let room = (LONGEST + 2).saturating_sub(kinds.len() + start.len());
            for (i, j) in (0..=room).flat_map(|i| (0..=room - i).map(move |j| (i, j))) {
                let repeats = a > b || start.len() + i + j == 0 || (i > 0 && start.last() == Some(&a));
                if repeats {
                    continue;
                }
                let mut whole = [kinds, &start].concat();
                whole.extend(std::iter::repeat_n(a, i).chain(std::iter::repeat_n(b, j)));
                if satisfies(schema, &whole) {
                    return Some(whole);
                }
            }
        }
    }
    None
}

#[test]
fn what_leads_on_ends_well_and_nothing_else_does() {
    let (mut accepted, mut refused, mut prefixes, mut dead, mut unsatisfiable) = (0, 0, 0, 0, 0);
    for seed in 1..120u64 {
        let r = &mut Random(seed.wrapping_mul(0xA24B_AED4_963E_E407) | 1);
        let mut schema = array(r, 2);
        schema.as_object_mut().unwrap().insert("type".to_owned(), json!("array"));
        let runner = match compile(&schema.to_string(), &Options::default()) {
            Ok(runner) => runner,
            Err(CompileError::UnsatisfiableSchema { .. }) => {
                assert!(!satisfies(&schema, &[]) && completion(&schema, &[], 1).is_none(), "seed {seed}: {schema}");
                unsatisfiable += 1;
                continue;
            }
            Err(error) => panic!("seed {seed}: {error}\n{schema}"),
        };
        for _ in 0..60 {
            let kinds: Vec<usize> = (0..r.below(LONGEST + 1)).map(|_| r.below(KINDS.len())).collect();
            let wanted = satisfies(&schema, &kinds);
            assert_eq!(runner.accepts(&format!("[{}]", text(&kinds))), wanted, "seed {seed}: {} under {schema}", text(&kinds));
            *(if wanted { &mut accepted } else { &mut refused }) += 1;
        }
        let mut kinds: Vec<usize> = Vec::new();
        while kinds.len() < 9 {
            let mut ahead = Vec::new();
            for kind in 0..KINDS.len() {
                let longer = [&kinds[..], &[kind]].concat();
                let mut run = runner.run();
                let viable = format!("[{},", text(&longer)).bytes().all(|b| run.step(b));
                let lost = !viable && completion(&schema, &longer, 0).is_some();
                let stuck = viable && (0..3).all(|first| completion(&schema, &longer, first).is_none());
                assert!(!lost && !stuck, "seed {seed}: [{}, under {schema}: lost {lost}, stuck {stuck}", text(&longer));
                if viable {
                    ahead.push(kind);
                }
                *(if viable { &mut prefixes } else { &mut dead }) += 1;
            }
            if ahead.is_empty() {
                break;
            }
            kinds.push(*r.pick(&ahead));
        }
    }
    assert!(
        accepted > 1000 && refused > 1000 && prefixes > 1000 && dead > 200 && unsatisfiable > 5,
        "{accepted} {refused} {prefixes} {dead} {unsatisfiable}"
    );
}
