//! What may come next, in words. Pipeline: part of **automaton**; for messages to people.
//!
//! Invariant: short, whatever the grammar.
//! Must not know: who reads it.

use super::determinize::GrammarProvider;
use super::nfa::{Node, Position};

/// Names shown at most.
const MOST: usize = 8;

/// What a state waits for: literals, classes and the names of called rules.
pub(super) fn describe(provider: &GrammarProvider, local: u32) -> String {
    let key = provider.key(local);
    let nfa = &provider.automaton.nfa;
    let mut found: Vec<String> = Vec::new();
    let mut more = false;
    let mut positions: Vec<Position> = key.items.iter().map(|item| item.position).collect();
    positions.sort_unstable();
    positions.dedup();
    for position in positions {
        // A rule is told by its name, unless it is one that the grammar's author never named.
        let shown = match nfa.node(position) {
            Node::Call(symbol, _) if symbol.index() >= nfa.names.len() => {
                provider.automaton.starts(symbol).iter().map(|&start| nfa.describe(start)).collect()
            }
            _ => vec![nfa.describe(position)],
        };
        for name in shown {
            if found.len() == MOST {
                more = true;
            } else if !name.is_empty() && !found.contains(&name) {
                found.push(name);
            }
        }
    }
    if more {
        found.push("…".into());
    }
    if key.returns.is_some() && found.len() < MOST {
        found.push("the end".into());
    }
    found.join(" or ")
}
