//! Left recursion, recognised from its left corners (Rosenkrantz and Lewis 1970), on the automaton. Pipeline: part of **automaton**.
//!
//! Symbols that call each other before reading a byte form a component. Entering one of them, the *goal*, starts at every left corner of
//! the component that lies outside it; when a symbol of the component ends, go on after any of its calls that leave a start closure
//! of the component; if it is the goal, it may also return. So a position under a goal is a pair, and no call of the component remains in
//! a start closure. Every component is strongly connected, so each goal reaches all its left corners.
//!
//! Invariant: expanding calls from [`LeftCorner::starts`] ends.
//! Must not know: contexts, bytes.

use hashbrown::HashMap;

use super::components::components;
use super::fixpoint::{Dependents, Truth};
use super::nfa::{DEAD, END, Kind, Marks, Nfa, Node, Position, Symbol};
use super::nullable::nullable;
use super::productive::{consuming, productive};
use crate::error::{CompileError, EngineError};

/// An automaton with what is known of its positions.
pub(super) struct LeftCorner {
    /// The automaton.
    pub(super) nfa: Nfa,
    /// Which symbols match the empty text.
    pub(super) nullable: Truth,
    /// From where a text ends.
    pub(super) productive: Truth,
    /// Which symbols match some text of at least a byte.
    pub(super) consuming: Truth,
    /// The left-recursive component of each symbol, if any.
    pub(super) component: Vec<Option<u32>>,
    /// Positions that wait for something to be read when a symbol is entered (by symbol; for a component, by its first symbol).
    starts: Vec<Box<[Position]>>,
    /// The symbol whose `starts` are a symbol's.
    leader: Vec<Symbol>,
    /// Where to go on when a left-recursive symbol ends, whatever the goal.
    pub(super) corners: Vec<Vec<Position>>,
}

impl LeftCorner {
    /// Finds left recursion. A counted loop that takes part in it becomes positions.
    pub(super) fn new(mut nfa: Nfa, root: Symbol) -> Result<Self, CompileError> {
        loop {
            let dependents = Dependents::new(&nfa);
            let productive = productive(&nfa, &dependents);
            super::productive::check(&nfa, root, &productive)?;
            let nullable = nullable(&nfa, &dependents);
            let consuming = consuming(&nfa, &dependents, &nullable, &productive);
            let mut this = Self {
                component: vec![None; nfa.symbols.len()],
                starts: Vec::new(),
                leader: (0..nfa.symbols.len() as u32).map(Symbol).collect(),
                corners: vec![Vec::new(); nfa.symbols.len()],
                nfa,
                nullable,
                productive,
                consuming,
            };
            let mut marks = Marks::new(&this.nfa);
            let closures: Vec<Vec<Position>> = this.leader.iter().map(|&symbol| this.start_closure(symbol, &mut marks)).collect();
            this.find(&closures);
            let looping: Vec<Symbol> = (0..this.nfa.symbols.len() as u32)
                .map(Symbol)
                .filter(|&s| this.component[s.index()].is_some() && this.nfa.symbol(s).kind != Kind::Rule)
                .collect();
            if !looping.is_empty() {
                nfa = this.nfa;
                for symbol in looping {
                    unroll(&mut nfa, symbol)?;
                }
                continue;
            }
            this.corner(&closures);
            this.nfa.finish();
            return Ok(this);
        }
    }

    /// The positions that a symbol of this one's component, or it alone, waits at when entered. None is a call of its component.
    pub(super) fn starts(&self, symbol: Symbol) -> &[Position] {
        &self.starts[self.leader[symbol.index()].index()]
    }

    /// Whether a call there may be skipped, as it matches the empty text.
    pub(super) fn skips(&self, node: Node) -> bool {
        match node {
            Node::Call(symbol, _) => self.nullable.of(symbol),
            Node::Embedded(index, _) => self.nfa.embedded[index.index()].nullable,
            _ => false,
        }
    }

    /// Whether the position reads something, and a text may end after it.
    pub(super) fn live(&self, position: Position) -> bool {
        match self.nfa.node(position) {
            Node::Byte(_, _, next) | Node::Class(_, next) => self.productive.at(next),
            Node::Call(symbol, next) => self.consuming.of(symbol) && self.productive.at(next),
            Node::Embedded(index, next) => self.nfa.embedded[index.index()].start.is_some() && self.productive.at(next),
            Node::Dead | Node::Accept(_) | Node::End | Node::Union(..) => false,
        }
    }

    /// Positions that a symbol reaches without reading, skipping what may be empty: only those that are live.
    fn start_closure(&self, symbol: Symbol, marks: &mut Marks) -> Vec<Position> {
        marks.clear();
        let mut work = vec![self.nfa.symbol(symbol).start];
        let mut found = Vec::new();
        while let Some(position) = work.pop() {
            if !marks.insert(position) {
                continue;
            }
            let node = self.nfa.node(position);
            if self.live(position) {
                found.push(position);
            }
            if self.skips(node) || matches!(node, Node::Union(..)) {
                work.extend_from_slice(self.nfa.successors(position));
            }
        }
        found.sort_unstable();
        found
    }

    fn find(&mut self, closures: &[Vec<Position>]) {
        let calls: Vec<Vec<u32>> = closures
            .iter()
            .map(|closure| {
                let called = closure.iter().filter_map(|&p| match self.nfa.node(p) {
                    Node::Call(callee, _) => Some(callee.0),
                    _ => None,
                });
                called.collect()
            })
            .collect();
        let found = components(&calls);
        let mut leaders = vec![None; found.cyclic.len()];
        for symbol in 0..calls.len() {
            let component = found.of[symbol];
            if found.cyclic[component as usize] {
                self.component[symbol] = Some(component);
                self.leader[symbol] = *leaders[component as usize].get_or_insert(Symbol(symbol as u32));
            }
        }
    }

    fn corner(&mut self, closures: &[Vec<Position>]) {
        let mut starts: Vec<Vec<Position>> = vec![Vec::new(); closures.len()];
        for (symbol, closure) in closures.iter().enumerate() {
            let leader = self.leader[symbol].index();
            for &position in closure {
                match self.nfa.node(position) {
                    Node::Call(callee, next)
                        if self.component[symbol].is_some() && self.component[callee.index()] == self.component[symbol] =>
                    {
                        self.corners[callee.index()].push(next);
                    }
                    _ => starts[leader].push(position),
                }
            }
        }
        for corner in &mut self.corners {
            corner.sort_unstable();
            corner.dedup();
        }
        self.starts = starts
            .into_iter()
            .map(|mut list| {
                list.sort_unstable();
                list.dedup();
                list.into()
            })
            .collect();
    }
}

/// Make a counted loop a rule: a chain of calls of its body, which becomes a rule of its own.
fn unroll(nfa: &mut Nfa, symbol: Symbol) -> Result<(), CompileError> {
    let Kind::Loop { min, max } = nfa.symbol(symbol).kind else { return Ok(()) };
    let too_large = |nfa: &Nfa, error: EngineError| match error {
        EngineError::Limit { name, bound } => {
            let most = max.map_or(String::new(), |max| max.to_string());
            let message = format!(
                "the repeat {{{min},{most}}} begins with a call back to itself and is too large to be written out \
                 within the limit `{name}` ({bound}); put something before the repeated part, or repeat it less often"
            );
            CompileError::Grammar { rule: nfa.owner_name(symbol).to_owned(), message }
        }
        other => other.into(),
    };
    let body = nfa.symbols.len() as u32;
    let mut data = *nfa.symbol(symbol);
    data.kind = Kind::Rule;
    nfa.symbols.push(data);
    let body = Symbol(body);
    let started = copy_body(nfa, data.start, body).map_err(|error| too_large(nfa, error))?;
    nfa.symbols[body.index()].start = started;
    let accept = nfa.add(Node::Accept(symbol))?;
    let start = nfa.chain(body, min, max, accept).map_err(|error| too_large(nfa, error))?;
    nfa.symbols[symbol.index()].kind = Kind::Rule;
    nfa.symbols[symbol.index()].start = start;
    Ok(())
}

/// The automaton from `start` once more, ending at the acceptance of `symbol`: other loops may share the first.
fn copy_body(nfa: &mut Nfa, start: Position, symbol: Symbol) -> Result<Position, EngineError> {
    let accept = nfa.add(Node::Accept(symbol))?;
    let mut copies: HashMap<Position, Position> = HashMap::new();
    copies.insert(END, accept);
    copies.insert(DEAD, DEAD);
    let mut old = Vec::new();
    let mut work = vec![start];
    while let Some(position) = work.pop() {
        if !copies.contains_key(&position) {
            copies.insert(position, nfa.placeholder()?);
            old.push(position);
            work.extend_from_slice(nfa.successors(position));
        }
    }
    let to = |position: Position| copies.get(&position).copied().unwrap_or(DEAD);
    for &position in &old {
        let node = match nfa.node(position) {
            Node::Union(begin, len) => {
                let parts: Vec<Position> = nfa.union_of(begin, len).iter().map(|&part| to(part)).collect();
                let begin = nfa.unions.len() as u32;
                nfa.unions.extend(parts);
                Node::Union(begin, len)
            }
            Node::Byte(low, high, next) => Node::Byte(low, high, to(next)),
            Node::Class(class, next) => Node::Class(class, to(next)),
            Node::Call(callee, next) => Node::Call(callee, to(next)),
            Node::Embedded(index, next) => Node::Embedded(index, to(next)),
            node @ (Node::Dead | Node::Accept(_) | Node::End) => node,
        };
        let copy = to(position);
        nfa.nodes[copy.index()] = node;
    }
    Ok(to(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::automaton::reference::{lowered, lowered_with_bound};

    fn components_of(text: &str) -> (LeftCorner, Vec<String>) {
        let found = LeftCorner::new(lowered(text), Symbol(0)).unwrap();
        let names = (0..found.nfa.names.len()).filter(|&i| found.component[i].is_some()).map(|i| found.nfa.names[i].clone()).collect();
        (found, names)
    }

    #[test]
    fn direct_mutual_and_hidden_recursion_is_found() {
        assert_eq!(components_of(r#"root ::= root "x" | "y""#).1, ["root"]);
        assert_eq!(components_of(r#"root ::= a "x" | "y"; a ::= root "z" | b; b ::= "w""#).1, ["root", "a"]);
        assert_eq!(components_of(r#"root ::= n root "x" | "y"; n ::= "" | "w""#).1, ["root"]);
        assert_eq!(components_of(r#"root ::= "(" root ")" | "y""#).1, [""; 0]);
        assert_eq!(components_of(r#"root ::= n "x" root | "y"; n ::= "" | "w""#).1, [""; 0]);
        assert_eq!(components_of(r#"root ::= e; e ::= e "+" t | t; t ::= t "*" f | f; f ::= "(" e ")" | "x""#).1, ["e", "t"]);
    }

    #[test]
    fn no_call_of_a_component_is_left_in_its_starts() {
        let (found, _) = components_of(r#"root ::= a "x" | "y" root; a ::= root "z" | "w""#);
        for &position in found.starts(Symbol(1)) {
            assert!(matches!(found.nfa.node(position), Node::Byte(..)));
        }
        assert_eq!(found.starts(Symbol(0)), found.starts(Symbol(1)));
        assert_eq!(found.corners[0].len(), 1);
    }

    #[test]
    fn counted_loops_in_left_recursion_become_positions() {
        let (found, names) = components_of(r#"root ::= root{1,500} "x" | "y""#);
        assert_eq!(names, ["root"]);
        assert!(found.nfa.symbols.iter().all(|symbol| symbol.kind == Kind::Rule));
        let error = LeftCorner::new(lowered_with_bound(r#"root ::= root{1,5000} "x" | "y""#, 1000), Symbol(0)).err().unwrap();
        let CompileError::Grammar { rule, message } = error else { panic!() };
        assert_eq!(rule, "root");
        assert!(message.contains("{1,5000}") && message.contains("max_expression_nodes"), "{message}");
    }
}
