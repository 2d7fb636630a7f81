//! Keep one of several rules with equal bodies.
//!
//! Invariant: the root keeps its name; each round compares bodies with references to merged rules made equal.
//! Must not know: other passes.

use hashbrown::HashMap;

use super::drop_unreachable::renumber;
use crate::grammar::Grammar;
use crate::ids::RuleId;

/// Rules that are equal only after their callees were merged need one round each level; deeper ones stay as they are.
const ROUNDS: usize = 8;

pub(super) fn run(grammar: &mut Grammar) {
    for _ in 0..ROUNDS {
        let ids = representatives(grammar);
        if ids.iter().enumerate().all(|(index, id)| id.index() == index) {
            return;
        }
        renumber(grammar, &ids);
    }
}

/// By rule, the first rule with the same body; the root stands for its equals.
fn representatives(grammar: &Grammar) -> Vec<RuleId> {
    let root = grammar.root;
    let mut kept = HashMap::with_capacity(grammar.rules.len());
    kept.insert(&grammar.rules[root.index()].body, root);
    (0..).map(RuleId).zip(&grammar.rules).map(|(id, rule)| if id == root { root } else { *kept.entry(&rule.body).or_insert(id) }).collect()
}
