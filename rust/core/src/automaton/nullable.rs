//! Which rules match the empty text. Pipeline: part of **automaton**.
//!
//! Invariant: a call to a nullable symbol may also be skipped; what is called always reads at least a byte.
//! Must not know: why anyone asks.

use super::fixpoint::{Dependents, Truth, least};
use super::nfa::{Kind, Nfa, Node};

/// Where the rest may be empty, and which symbols match the empty text.
pub(super) fn nullable(nfa: &Nfa, dependents: &Dependents) -> Truth {
    least(
        nfa,
        dependents,
        |node, truth| match node {
            Node::Accept(_) | Node::End => true,
            Node::Call(symbol, next) => truth.of(symbol) && truth.at(next),
            Node::Embedded(index, next) => nfa.embedded[index.index()].nullable && truth.at(next),
            Node::Dead | Node::Union(..) | Node::Byte(..) | Node::Class(..) => false,
        },
        |data, start| start || matches!(data.kind, Kind::Loop { min: 0, .. }),
    )
}

#[cfg(test)]
mod tests {
    use crate::automaton::fixpoint::Dependents;
    use crate::automaton::reference::lowered;

    #[test]
    fn the_empty_text_passes_through_calls_and_cycles() {
        let nfa = lowered(r#"root ::= a b c d; a ::= b b | "x"; b ::= a | ""; c ::= "y"{0,50}; d ::= ("z"?){20,30}; e ::= e e"#);
        let truth = super::nullable(&nfa, &Dependents::new(&nfa));
        assert!(truth.symbols[..5].iter().all(|&holds| holds));
        let nfa = lowered(r#"root ::= a b; a ::= ""; b ::= "y"{1,50} | b"#);
        let truth = super::nullable(&nfa, &Dependents::new(&nfa));
        assert_eq!(truth.symbols[..3], [false, true, false]);
    }
}
