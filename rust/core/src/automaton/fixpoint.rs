//! Least fixpoints over positions and symbols, in linear time. Pipeline: part of **automaton**.
//!
//! Invariant: what holds once is never taken back, so each position is looked at once per position it leads to.
//! Must not know: which property is computed.

use super::nfa::{Nfa, Node, Position, Symbol, SymbolData};

/// For which positions and symbols a property holds.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    /// By position.
    pub(super) positions: Vec<bool>,
    /// By symbol.
    pub(super) symbols: Vec<bool>,
}

impl Truth {
    /// Does it hold at the position?
    pub(super) fn at(&self, position: Position) -> bool {
        self.positions[position.index()]
    }

    /// Does it hold for the symbol?
    pub(super) fn of(&self, symbol: Symbol) -> bool {
        self.symbols[symbol.index()]
    }
}

/// The least truth with `position` deciding a position from those it leads to and from symbols, and `symbol` deciding a symbol from
/// the truth at its start. Both must be monotone. Unions hold where any part holds.
pub(super) fn least(nfa: &Nfa, position: impl Fn(Node, &Truth) -> bool, symbol: impl Fn(&SymbolData, bool) -> bool) -> Truth {
    // Who must be looked at again when a position (first) or a symbol (after all positions) begins to hold.
    let count = nfa.nodes.len();
    let mut begin = vec![0_u32; count + nfa.symbols.len() + 1];
    let each = |visit: &mut dyn FnMut(usize, u32)| {
        for from in 0..count as u32 {
            for next in nfa.successors(Position(from)) {
                visit(next.index(), from);
            }
            if let Node::Call(callee, _) = nfa.node(Position(from)) {
                visit(count + callee.index(), from);
            }
        }
        for (index, data) in nfa.symbols.iter().enumerate() {
            visit(data.start.index(), (count + index) as u32);
        }
    };
    each(&mut |of, _| begin[of + 1] += 1);
    for index in 1..begin.len() {
        begin[index] += begin[index - 1];
    }
    let mut fill = begin.clone();
    let mut dependents = vec![0_u32; begin[begin.len() - 1] as usize];
    each(&mut |of, who| {
        dependents[fill[of] as usize] = who;
        fill[of] += 1;
    });
    let mut truth = Truth { positions: vec![false; count], symbols: vec![false; nfa.symbols.len()] };
    let mut work: Vec<u32> = (0..(count + nfa.symbols.len()) as u32).rev().collect();
    while let Some(who) = work.pop() {
        let index = who as usize;
        let (known, holds) = if index < count {
            let now = match nfa.node(Position(who)) {
                Node::Union(start, len) => nfa.union_of(start, len).iter().any(|&p| truth.at(p)),
                node => position(node, &truth),
            };
            (&mut truth.positions[index], now)
        } else {
            let data = &nfa.symbols[index - count];
            let now = symbol(data, truth.at(data.start));
            (&mut truth.symbols[index - count], now)
        };
        if holds && !*known {
            *known = true;
            work.extend_from_slice(&dependents[begin[index] as usize..begin[index + 1] as usize]);
        }
    }
    truth
}
