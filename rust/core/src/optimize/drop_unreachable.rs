//! Drop rules that the root does not reach. Always runs; later steps number only what is there.
//!
//! Invariant: the kept rules keep their order and bodies.
//! Must not know: other passes.

use crate::grammar::{Expr, Grammar};
use crate::ids::RuleId;

pub(super) fn run(grammar: &mut Grammar) {
    let mut reached = vec![false; grammar.rules.len()];
    reached[grammar.root.index()] = true;
    let mut work = vec![grammar.root];
    while let Some(rule) = work.pop() {
        grammar.rules[rule.index()].body.for_each_rule(&mut |callee| {
            if !std::mem::replace(&mut reached[callee.index()], true) {
                work.push(callee);
            }
        });
    }
    if reached.iter().all(|&r| r) {
        return;
    }
    let mut next = 0;
    let ids: Vec<RuleId> = reached
        .iter()
        .map(|&kept| {
            let id = RuleId(next);
            next += u32::from(kept);
            id
        })
        .collect();
    let mut index = 0;
    grammar.rules.retain(|_| {
        index += 1;
        reached[index - 1]
    });
    renumber(grammar, &ids);
}

/// Give every rule reference the new number of its rule.
pub(super) fn renumber(grammar: &mut Grammar, ids: &[RuleId]) {
    let map = &mut |rule: RuleId| ids[rule.index()];
    grammar.root = map(grammar.root);
    grammar.rules.iter_mut().for_each(|rule: &mut crate::grammar::Rule| Expr::map_rules(&mut rule.body, map));
}
