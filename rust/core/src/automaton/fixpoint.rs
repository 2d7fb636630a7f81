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

/// Who must be looked at again when a position (first) or a symbol (after all positions) begins to hold.
pub(super) struct Dependents {
    begin: Vec<u32>,
    who: Vec<u32>,
}

impl Dependents {
    /// Of every position and symbol.
    pub(super) fn new(nfa: &Nfa) -> Self {
        let count = nfa.nodes.len();
        let mut begin = vec![0_u32; count + nfa.symbols.len() + 1];
        let mut edges: Vec<(u32, u32)> = Vec::with_capacity(count + count / 2);
        for from in 0..count as u32 {
            for next in nfa.successors(Position(from)) {
                edges.push((next.0, from));
            }
            if let Node::Call(callee, _) = nfa.node(Position(from)) {
                edges.push((count as u32 + callee.0, from));
            }
        }
        for (index, data) in nfa.symbols.iter().enumerate() {
            edges.push((data.start.0, (count + index) as u32));
        }
        for &(of, _) in &edges {
            begin[of as usize + 1] += 1;
        }
        for index in 1..begin.len() {
            begin[index] += begin[index - 1];
        }
        let mut fill = begin.clone();
        let mut who = vec![0_u32; edges.len()];
        for (of, from) in edges {
            who[fill[of as usize] as usize] = from;
            fill[of as usize] += 1;
        }
        Self { begin, who }
    }

    fn of(&self, index: usize) -> &[u32] {
        &self.who[self.begin[index] as usize..self.begin[index + 1] as usize]
    }
}

/// The least truth with `position` deciding a position from those it leads to and from symbols, and `symbol` deciding a symbol from
/// the truth at its start. Both must be monotone. Unions hold where any part holds.
pub(super) fn least(
    nfa: &Nfa,
    dependents: &Dependents,
    position: impl Fn(Node, &Truth) -> bool,
    symbol: impl Fn(&SymbolData, bool) -> bool,
) -> Truth {
    let count = nfa.nodes.len();
    let mut truth = Truth { positions: vec![false; count], symbols: vec![false; nfa.symbols.len()] };
    // Positions are mostly made after those they lead to: in order of their numbers few are looked at twice.
    let mut work: Vec<u32> = (0..(count + nfa.symbols.len()) as u32).rev().collect();
    while let Some(who) = work.pop() {
        let index = who as usize;
        if index < count {
            if truth.positions[index] {
                continue;
            }
            truth.positions[index] = match nfa.node(Position(who)) {
                Node::Union(start, len) => nfa.union_of(start, len).iter().any(|&p| truth.at(p)),
                node => position(node, &truth),
            };
            if truth.positions[index] {
                work.extend(dependents.of(index).iter().filter(|&&d| truth.positions.get(d as usize) != Some(&true)));
            }
        } else if !truth.symbols[index - count] {
            let data = &nfa.symbols[index - count];
            truth.symbols[index - count] = symbol(data, truth.at(data.start));
            if truth.symbols[index - count] {
                work.extend_from_slice(dependents.of(index));
            }
        }
    }
    truth
}
