//! The textbook recogniser that other code is compared with: which parts of a text each rule matches, to a fixpoint. Tests only.
//!
//! Invariant: obviously right; slow.
//! Must not know: anything but the IR.

use std::collections::BTreeSet;

use super::{Expr, Grammar};

/// Does the grammar match the whole text?
pub(crate) fn matches(grammar: &Grammar, text: &[u8]) -> bool {
    let mut table = vec![vec![BTreeSet::new(); text.len() + 1]; grammar.rules().len()];
    loop {
        let mut changed = false;
        for (index, rule) in grammar.rules().iter().enumerate() {
            for start in 0..=text.len() {
                let ends = ends(&rule.body, text, start, &table);
                if ends != table[index][start] {
                    table[index][start] = ends;
                    changed = true;
                }
            }
        }
        if !changed {
            return table[grammar.root().index()][0].contains(&text.len());
        }
    }
}

fn ends(expr: &Expr, text: &[u8], start: usize, table: &[Vec<BTreeSet<usize>>]) -> BTreeSet<usize> {
    match expr {
        Expr::Bytes(bytes) => text[start..].starts_with(bytes).then_some(start + bytes.len()).into_iter().collect(),
        Expr::Class(class) => (1..=4)
            .filter_map(|length| {
                let mut chars = std::str::from_utf8(text.get(start..start + length)?).ok()?.chars();
                let (c, None) = (chars.next()?, chars.next()) else { return None };
                class.contains(u32::from(c)).then_some(start + length)
            })
            .collect(),
        Expr::Rule(rule) => table[rule.index()][start].clone(),
        Expr::Sequence(parts) => {
            parts.iter().fold(BTreeSet::from([start]), |at, part| at.iter().flat_map(|&s| ends(part, text, s, table)).collect())
        }
        Expr::Choice(branches) => branches.iter().flat_map(|branch| ends(branch, text, start, table)).collect(),
        Expr::Repeat { body, min, max } => {
            // More rounds than min + the length of the text reach nothing new.
            let rounds = max.map_or(usize::MAX, |max| max as usize).min(*min as usize + text.len() + 1);
            let mut now = BTreeSet::from([start]);
            let mut all = BTreeSet::new();
            for round in 0..=rounds {
                if round >= *min as usize {
                    all.extend(now.iter().copied());
                }
                now = now.iter().flat_map(|&s| ends(body, text, s, table)).collect();
            }
            all
        }
        Expr::Embedded(_) => unreachable!("tests compare embedded nodes otherwise"),
    }
}
