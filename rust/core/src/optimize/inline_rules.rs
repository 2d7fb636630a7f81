//! Put small rules, and rules used once, in the place of their calls.
//!
//! Invariant: recursive rules and the root stay rules; copies are bounded, and no body becomes higher than [`Grammar::MAX_HEIGHT`].
//! Must not know: other passes.

use crate::grammar::{Expr, Grammar};
use crate::ids::RuleId;

/// A rule of at most so many nodes is copied wherever it is called.
const TINY: usize = 3;
/// Inlining stops where a body would become higher than this, which leaves room for later passes.
const HIGHEST: usize = Grammar::MAX_HEIGHT / 2;

pub(super) fn run(grammar: &mut Grammar) {
    let count = grammar.rules.len();
    let mut uses = vec![0u32; count];
    for rule in &grammar.rules {
        rule.body.for_each_rule(&mut |callee| uses[callee.index()] = uses[callee.index()].saturating_add(1));
    }
    let Order { callees_first, recursive } = order(grammar);
    // By rule, after its own callees were put in: may it be put in, and how high is it?
    let mut ready = vec![false; count];
    let mut heights = vec![0usize; count];
    for &rule in &callees_first {
        let index = rule.index();
        let mut body = std::mem::replace(&mut grammar.rules[index].body, Expr::empty());
        inline(&mut body, 1, &mut |callee: RuleId, depth: usize| {
            let callee = callee.index();
            if !ready[callee] || depth + heights[callee] > HIGHEST {
                return None;
            }
            let source = &mut grammar.rules[callee].body;
            Some(if uses[callee] == 1 { std::mem::replace(source, Expr::empty()) } else { source.clone() })
        });
        let (size, height) = body.measure();
        let tiny = size <= TINY && matches_briefly(&body);
        ready[index] = !recursive[index] && rule != grammar.root && (uses[index] == 1 || tiny);
        heights[index] = height;
        grammar.rules[index].body = body;
    }
}

/// A tiny rule with a long literal, or a loop over many characters, is better shared than copied.
fn matches_briefly(expr: &Expr) -> bool {
    match expr {
        Expr::Bytes(bytes) => bytes.len() <= 16,
        Expr::Class(class) => class.ranges().len() <= 16,
        Expr::Repeat { max: None, body, .. } => {
            !matches!(&**body, Expr::Class(class) if class.ranges().iter().map(|(l, h)| h - l + 1).sum::<u32>() >= 24)
        }
        _ => expr.children().iter().all(matches_briefly),
    }
}

fn inline(expr: &mut Expr, depth: usize, body_of: &mut impl FnMut(RuleId, usize) -> Option<Expr>) {
    if let Expr::Rule(callee) = expr {
        if let Some(body) = body_of(*callee, depth) {
            *expr = body;
        }
        return;
    }
    for child in expr.children_mut() {
        inline(child, depth + 1, body_of);
    }
}

struct Order {
    callees_first: Vec<RuleId>,
    recursive: Vec<bool>,
}

/// Strongly connected components of the call graph (Tarjan 1972), with an explicit stack.
fn order(grammar: &Grammar) -> Order {
    let count = grammar.rules.len();
    let callees: Vec<Vec<RuleId>> = grammar
        .rules
        .iter()
        .map(|rule| {
            let mut list = Vec::new();
            rule.body.for_each_rule(&mut |callee| list.push(callee));
            list.sort_unstable();
            list.dedup();
            list
        })
        .collect();
    let mut recursive = vec![false; count];
    let mut callees_first = Vec::with_capacity(count);
    let (mut index, mut low, mut open) = (vec![usize::MAX; count], vec![0; count], vec![false; count]);
    let mut component: Vec<usize> = Vec::new();
    let mut visited = 0;
    for start in 0..count {
        if index[start] != usize::MAX {
            continue;
        }
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some(&mut (rule, ref mut next)) = path.last_mut() {
            if *next == 0 {
                index[rule] = visited;
                low[rule] = visited;
                visited += 1;
                component.push(rule);
                open[rule] = true;
            }
            if let Some(&callee) = callees[rule].get(*next) {
                *next += 1;
                let callee = callee.index();
                recursive[rule] |= callee == rule;
                if index[callee] == usize::MAX {
                    path.push((callee, 0));
                } else if open[callee] {
                    low[rule] = low[rule].min(index[callee]);
                }
                continue;
            }
            path.pop();
            if let Some(&(caller, _)) = path.last() {
                low[caller] = low[caller].min(low[rule]);
            }
            if low[rule] == index[rule] {
                let first = component.iter().rposition(|&member| member == rule).unwrap_or(0);
                let members = component.split_off(first);
                for &member in &members {
                    open[member] = false;
                    recursive[member] |= members.len() > 1;
                    callees_first.push(RuleId(member as u32));
                }
            }
        }
    }
    Order { callees_first, recursive }
}
