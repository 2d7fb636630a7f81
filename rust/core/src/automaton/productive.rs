//! Which rules accept anything, and which texts can still end. Pipeline: part of **automaton**.
//!
//! Invariant: what passes has no reachable rule that accepts nothing; positions that cannot end are known and never entered.
//! Must not know: how calls are run.

use hashbrown::HashMap;

use super::components::components;
use super::fixpoint::{Dependents, Truth, least};
use super::nfa::{Kind, Marks, Nfa, Node, Symbol};
use crate::error::CompileError;

/// Where some finite text ends, and which symbols match one.
pub(super) fn productive(nfa: &Nfa, dependents: &Dependents) -> Truth {
    least(
        nfa,
        dependents,
        |node, truth| match node {
            Node::Accept(_) | Node::End => true,
            Node::Byte(_, _, next) | Node::Class(_, next) => truth.at(next),
            Node::Call(symbol, next) => truth.of(symbol) && truth.at(next),
            Node::Embedded(index, next) => {
                let data = &nfa.embedded[index.index()];
                (data.nullable || data.start.is_some()) && truth.at(next)
            }
            Node::Dead | Node::Union(..) => false,
        },
        |data, start| start || matches!(data.kind, Kind::Loop { min: 0, .. }),
    )
}

/// Where some text of at least a byte ends, and which symbols match one.
pub(super) fn consuming(nfa: &Nfa, dependents: &Dependents, nullable: &Truth, productive: &Truth) -> Truth {
    least(
        nfa,
        dependents,
        |node, truth| match node {
            Node::Byte(_, _, next) | Node::Class(_, next) => productive.at(next),
            Node::Call(symbol, next) => {
                (truth.of(symbol) && productive.at(next))
                    || (truth.at(next) && productive.of(symbol))
                    || (nullable.of(symbol) && truth.at(next))
            }
            Node::Embedded(index, next) => {
                let data = &nfa.embedded[index.index()];
                (data.start.is_some() && productive.at(next)) || (data.nullable && truth.at(next))
            }
            Node::Dead | Node::Accept(_) | Node::End | Node::Union(..) => false,
        },
        |_, start| start,
    )
}

/// An error that names a rule, if one that the root needs accepts nothing: the innermost, whose own fault it is.
pub(super) fn check(nfa: &Nfa, root: Symbol, productive: &Truth) -> Result<(), CompileError> {
    if productive.symbols.iter().all(|&holds| holds) {
        return Ok(());
    }
    let mut numbers: HashMap<Symbol, usize> = HashMap::new();
    let mut order = vec![root];
    numbers.insert(root, 0);
    let mut calls: Vec<Vec<u32>> = Vec::new();
    let mut found = false;
    let mut marks = Marks::new(nfa);
    while let Some(&symbol) = order.get(calls.len()) {
        let barren = !productive.of(symbol);
        found |= barren;
        let mut callees = Vec::new();
        for position in nfa.reachable([nfa.symbol(symbol).start], &mut marks) {
            if let Node::Call(callee, _) = nfa.node(position) {
                let number = *numbers.entry(callee).or_insert_with(|| {
                    order.push(callee);
                    order.len() - 1
                });
                if barren && !productive.of(callee) {
                    callees.push(number as u32);
                }
            }
        }
        calls.push(callees);
    }
    if !found {
        return Ok(());
    }
    let groups = components(&calls);
    // Innermost: a group of rules that accept nothing and call no other such group. The first in the grammar speaks for it.
    let inner = |number: usize| calls[number].iter().all(|&callee| groups.of[callee as usize] == groups.of[number]);
    let culprit =
        (0..order.len()).filter(|&n| !productive.of(order[n]) && inner(n)).min_by_key(|&n| (nfa.symbol(order[n]).owner, order[n]));
    let Some(culprit) = culprit else { return Ok(()) };
    let rule = nfa.owner_name(order[culprit]).to_owned();
    let group = groups.of[culprit];
    if !groups.cyclic[group as usize] {
        let message = "it accepts nothing: every alternative needs a character of an empty class".to_owned();
        return Err(CompileError::Grammar { rule, message });
    }
    let mut others: Vec<&str> = (0..order.len())
        .filter(|&n| groups.of[n] == group && order[n].index() < nfa.names.len())
        .map(|n| nfa.owner_name(order[n]))
        .filter(|&name| name != rule)
        .collect();
    others.sort_unstable();
    let message = if others.is_empty() {
        format!("it can never end: every alternative needs `{rule}` again; give it an alternative that does not")
    } else {
        const SHOWN: usize = 5;
        let more = if others.len() > SHOWN { ", …" } else { "" };
        let names: Vec<String> = others.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
        format!(
            "it can never end: every alternative needs `{rule}` again, by way of {}{more}; give one an alternative that does not",
            names.join(", ")
        )
    };
    Err(CompileError::Grammar { rule, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::automaton::nullable::nullable;
    use crate::automaton::reference::lowered;

    fn culprit(text: &str) -> Option<(String, String)> {
        let nfa = lowered(text);
        match check(&nfa, Symbol(0), &productive(&nfa, &Dependents::new(&nfa))) {
            Err(CompileError::Grammar { rule, message }) => Some((rule, message)),
            _ => None,
        }
    }

    #[test]
    fn the_innermost_rule_is_named() {
        let (rule, message) = culprit(r#"root ::= "y" b; b ::= "z" a | "w" a; a ::= "x" a"#).unwrap();
        assert_eq!(rule, "a");
        assert_eq!(message, "it can never end: every alternative needs `a` again; give it an alternative that does not");
        let (rule, message) = culprit(r#"root ::= "y" | b; b ::= "z" c; c ::= b "x""#).unwrap();
        assert_eq!(rule, "b");
        assert!(message.contains("by way of `c`"), "{message}");
        let (rule, message) = culprit(r#"root ::= "y" | b; b ::= "z" [] | []{3,20}"#).unwrap();
        assert_eq!(rule, "b");
        assert!(message.contains("accepts nothing"), "{message}");
        assert_eq!(culprit(r#"root ::= "y" (root{10,20}){2,3}"#).unwrap().0, "root");
    }

    #[test]
    fn dead_branches_and_unused_rules_are_fine() {
        assert_eq!(culprit(r#"root ::= "y" | [] | "z" []"#), None);
        assert_eq!(culprit(r#"root ::= "y"; a ::= a"#), None);
        assert_eq!(culprit(r#"root ::= "y" a{0,30}; a ::= root | "z""#), None);
    }

    #[test]
    fn consuming_is_not_nullable() {
        let nfa = lowered(r#"root ::= a b c; a ::= "" | a a; b ::= a | "x"; c ::= ("" | a){2,50}"#);
        let dependents = Dependents::new(&nfa);
        let truth = consuming(&nfa, &dependents, &nullable(&nfa, &dependents), &productive(&nfa, &dependents));
        assert_eq!(truth.symbols[..4], [true, false, true, false]);
    }
}
