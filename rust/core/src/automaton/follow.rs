//! Which bytes may come right after a text of each symbol, in any text of the grammar (the FOLLOW sets of parsing). Pipeline: part of
//! **automaton**.
//!
//! Invariant: a superset, also where a grammar is too deeply nested to be exact: masks are the same without it, and dearer.
//! Must not know: contexts, states.

use super::components::components;
use super::left_corner::LeftCorner;
use super::nfa::{Kind, Marks, Node, Position, Symbol};
use crate::provider::ByteSet;

/// Rounds over all positions. Positions are mostly made after those they lead to, so most grammars need two.
const ROUNDS: usize = 24;

/// What a position may read first, and whether it may read nothing to the end of its rule.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct First {
    bytes: ByteSet,
    ends: bool,
}

/// By symbol: the bytes that may follow it, if `after` may follow a text of `root`.
pub(super) fn follow(automaton: &LeftCorner, root: Symbol, after: ByteSet) -> Vec<ByteSet> {
    let nfa = &automaton.nfa;
    let Some(first) = firsts(automaton) else { return vec![ByteSet::ALL; nfa.symbols.len()] };
    let mut sets = vec![ByteSet::default(); nfa.symbols.len()];
    // Where a symbol may end with a text of another, whatever follows it follows the other.
    let mut ends: Vec<Vec<u32>> = vec![Vec::new(); nfa.symbols.len()];
    let mut marks = Marks::new(nfa);
    for (index, data) in nfa.symbols.iter().enumerate() {
        for position in nfa.reachable([data.start], &mut marks) {
            if let Node::Call(callee, next) = nfa.node(position) {
                let then = first[next.index()];
                sets[callee.index()].extend(&then.bytes);
                if then.ends {
                    ends[index].push(callee.0);
                    if data.kind != Kind::Rule {
                        sets[callee.index()].extend(&first[data.start.index()].bytes);
                    }
                }
            }
        }
    }
    sets[root.index()].extend(&after);
    let found = components(&ends);
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_unstable_by_key(|&symbol| std::cmp::Reverse(found.of[symbol]));
    let mut of_component = vec![ByteSet::default(); found.cyclic.len()];
    for members in order.chunk_by(|&a, &b| found.of[a] == found.of[b]) {
        let component = found.of[members[0]] as usize;
        let mut set = of_component[component];
        for &symbol in members {
            set.extend(&sets[symbol]);
        }
        of_component[component] = set;
        for &callee in members.iter().flat_map(|&symbol| &ends[symbol]) {
            of_component[found.of[callee as usize] as usize].extend(&set);
        }
    }
    found.of.iter().map(|&component| of_component[component as usize]).collect()
}

/// By position; `None` if that takes too many rounds.
fn firsts(automaton: &LeftCorner) -> Option<Vec<First>> {
    let nfa = &automaton.nfa;
    let mut first = vec![First::default(); nfa.nodes.len()];
    for _ in 0..ROUNDS {
        let mut grown = false;
        for index in 0..first.len() {
            let mut found = First::default();
            let node = nfa.node(Position(index as u32));
            match node {
                Node::Dead => {}
                Node::Accept(_) | Node::End => found.ends = true,
                Node::Union(start, len) => {
                    for part in nfa.union_of(start, len) {
                        let part = first[part.index()];
                        found.bytes.extend(&part.bytes);
                        found.ends |= part.ends;
                    }
                }
                Node::Byte(low, high, _) => found.bytes = ByteSet::range(low, high),
                Node::Class(class, _) => found.bytes = nfa.classes[class.index()].first,
                Node::Call(symbol, _) => found.bytes = first[nfa.symbol(symbol).start.index()].bytes,
                Node::Embedded(..) => found.bytes = ByteSet::ALL,
            }
            if automaton.skips(node) {
                for next in nfa.successors(Position(index as u32)) {
                    let next = first[next.index()];
                    found.bytes.extend(&next.bytes);
                    found.ends |= next.ends;
                }
            }
            if found != first[index] {
                first[index] = found;
                grown = true;
            }
        }
        if !grown {
            return Some(first);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::automaton::reference::lowered;

    fn set_of(text: &str, name: &str) -> ByteSet {
        let automaton = LeftCorner::new(lowered(text), Symbol(0)).unwrap();
        let symbol = automaton.nfa.names.iter().position(|n| n == name).unwrap();
        follow(&automaton, Symbol(0), ByteSet::one(b'$'))[symbol]
    }

    fn followers(text: &str, name: &str) -> String {
        String::from_utf8(set_of(text, name).iter().collect()).unwrap()
    }

    #[test]
    fn what_follows_is_found_through_calls_and_ends() {
        let arith = r#"root ::= e; e ::= e "+" t | t; t ::= t "*" f | f; f ::= "(" e ")" | n; n ::= [0-9]+"#;
        assert_eq!(followers(arith, "root"), "$");
        assert_eq!(followers(arith, "e"), "$)+");
        assert_eq!(followers(arith, "n"), "$)*+");
        let skipped = r#"root ::= a b c "."; a ::= "x"; b ::= "" | "y"; c ::= d{0,500}; d ::= "z" | "w" a"#;
        assert_eq!(followers(skipped, "a"), ".wyz");
        assert_eq!(followers(skipped, "b"), ".wz");
        assert_eq!(followers(skipped, "d"), ".wz");
        assert_eq!(followers(r#"root ::= "(" root ")" | "x" | "y"+"#, "root"), "$)");
    }

    #[test]
    fn deep_nesting_ends_in_a_superset() {
        let rules: Vec<String> = (0..3000).map(|i| format!("r{i} ::= r{} | \"x\" r{i} \"y\"", i + 1)).collect();
        let text = format!("root ::= r0 \".\"; {}; r3000 ::= \"z\"", rules.join(";"));
        let set = set_of(&text, "r3000");
        assert!(set.contains(b'.') && set.contains(b'y'));
    }
}
