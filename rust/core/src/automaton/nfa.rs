//! The nondeterministic byte automata of all rules, in one table of positions. Pipeline: part of **automaton**.
//!
//! Invariant: positions with equal content are one position, unless a loop leads through them; a position belongs to one rule only,
//! but for those of characters, which every class shares.
//! Must not know: how calls are run.

use std::fmt::Write as _;
use std::sync::Arc;

use hashbrown::HashMap;

use super::utf8::CharacterClass;
use crate::error::EngineError;
use crate::grammar::CharClass;
use crate::ids::{RuleId, StateId};
use crate::limits::Limits;
use crate::provider::{ByteSet, Embedded};

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub(super) struct $name(pub(super) u32);

        impl $name {
            pub(super) fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}
pub(super) use index;

index!(
    /// A position of the automaton.
    Position
);
index!(
    /// Something that can be called: a rule of the grammar (same number), a helper rule, or a counted loop.
    Symbol
);
index!(
    /// A character class.
    ClassIndex
);
index!(
    /// An embedded automaton.
    EmbeddedIndex
);

/// What a position does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Node {
    /// Nothing leads on.
    Dead,
    /// The symbol ends here.
    Accept(Symbol),
    /// A character or one iteration of a counted loop ends here.
    End,
    /// Any of some positions, without reading: a slice of [`Nfa::unions`].
    Union(u32, u32),
    /// One byte of a range.
    Byte(u8, u8, Position),
    /// One character of a class.
    Class(ClassIndex, Position),
    /// A text of a symbol.
    Call(Symbol, Position),
    /// A text of an embedded automaton.
    Embedded(EmbeddedIndex, Position),
}

/// What kind of thing a symbol is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A rule, of the grammar or made for a repeated body: ends at `Accept`.
    Rule,
    /// The body, repeated; the symbol's automaton is one iteration and ends at `End`.
    Loop {
        /// At least so often.
        min: u64,
        /// At most so often.
        max: Option<u64>,
    },
}

/// A symbol.
#[derive(Clone, Copy, Debug)]
pub(super) struct SymbolData {
    /// Where its automaton begins.
    pub(super) start: Position,
    /// What it is.
    pub(super) kind: Kind,
    /// The rule of the grammar in whose body it stands.
    pub(super) owner: RuleId,
}

/// An embedded automaton, attached.
#[derive(Clone, Debug)]
pub(super) struct EmbeddedData {
    /// Where a call enters; `None`: only the empty text.
    pub(super) start: Option<StateId>,
    /// Whether the empty text matches.
    pub(super) nullable: bool,
    /// The node of the grammar.
    pub(super) source: Arc<dyn Embedded>,
}

/// All rules as one automaton with calls.
#[derive(Debug)]
pub(super) struct Nfa {
    pub(super) nodes: Vec<Node>,
    pub(super) unions: Vec<Position>,
    pub(super) symbols: Vec<SymbolData>,
    pub(super) classes: Vec<CharacterClass>,
    pub(super) embedded: Vec<EmbeddedData>,
    /// Names of the grammar's rules.
    pub(super) names: Vec<String>,
    known: HashMap<Node, Position>,
    known_unions: HashMap<Box<[Position]>, Position>,
    known_classes: HashMap<CharClass, ClassIndex>,
    bound: usize,
    /// The bytes of which texts are made; others are on no edge.
    pub(super) alphabet: ByteSet,
}

/// Nothing leads on from here.
pub(super) const DEAD: Position = Position(0);
/// A character or an iteration ends here.
pub(super) const END: Position = Position(1);

impl Nfa {
    /// No rule yet; at most `bound` positions.
    pub(super) fn new(names: Vec<String>, bound: usize) -> Self {
        let mut nfa = Self {
            nodes: vec![Node::Dead, Node::End],
            unions: Vec::new(),
            symbols: Vec::new(),
            classes: Vec::new(),
            embedded: Vec::new(),
            names,
            known: HashMap::new(),
            known_unions: HashMap::new(),
            known_classes: HashMap::new(),
            bound,
            alphabet: ByteSet::ALL,
        };
        nfa.known.insert(Node::Dead, DEAD);
        nfa.known.insert(Node::End, END);
        nfa
    }

    /// What a position does.
    pub(super) fn node(&self, position: Position) -> Node {
        self.nodes[position.index()]
    }

    /// The data of a symbol.
    pub(super) fn symbol(&self, symbol: Symbol) -> &SymbolData {
        &self.symbols[symbol.index()]
    }

    /// The positions of a union node.
    pub(super) fn union_of(&self, start: u32, len: u32) -> &[Position] {
        &self.unions[start as usize..(start + len) as usize]
    }

    /// The name of the rule that a symbol stands in.
    pub(super) fn owner_name(&self, symbol: Symbol) -> &str {
        self.names.get(self.symbol(symbol).owner.index()).map_or("", String::as_str)
    }

    /// Forget what is needed only while positions are added.
    pub(super) fn finish(&mut self) {
        self.known = HashMap::new();
        self.known_unions = HashMap::new();
        self.known_classes = HashMap::new();
        self.nodes.shrink_to_fit();
        self.unions.shrink_to_fit();
    }

    fn push(&mut self, node: Node) -> Result<Position, EngineError> {
        Limits::check("max_expression_nodes", self.nodes.len() + 1, self.bound)?;
        self.nodes.push(node);
        Ok(Position(self.nodes.len() as u32 - 1))
    }

    /// The position that does this.
    pub(super) fn add(&mut self, node: Node) -> Result<Position, EngineError> {
        if let Node::Byte(_, _, DEAD) | Node::Class(_, DEAD) | Node::Call(_, DEAD) | Node::Embedded(_, DEAD) = node {
            // What leads to nothing is kept where it calls: a rule that never ends must still be found.
            if !matches!(node, Node::Call(..)) {
                return Ok(DEAD);
            }
        }
        if let Node::Byte(byte, last, _) = node
            && byte == last
            && !self.alphabet.contains(byte)
        {
            return Ok(DEAD);
        }
        if let Some(&position) = self.known.get(&node) {
            return Ok(position);
        }
        let position = self.push(node)?;
        self.known.insert(node, position);
        Ok(position)
    }

    /// Every byte on some edge.
    pub(super) fn bytes(&self) -> ByteSet {
        let mut set = ByteSet::default();
        for node in &self.nodes {
            if let &Node::Byte(low, high, _) = node {
                set.extend(&ByteSet::range(low, high));
            }
        }
        for class in &self.classes {
            set.extend(&class.first);
        }
        set
    }

    /// Any of the positions.
    pub(super) fn union(&mut self, mut positions: Vec<Position>) -> Result<Position, EngineError> {
        positions.sort_unstable();
        positions.dedup();
        positions.retain(|&p| p != DEAD);
        if let [] | [_] = positions.as_slice() {
            return Ok(positions.first().copied().unwrap_or(DEAD));
        }
        if let Some(&position) = self.known_unions.get(positions.as_slice()) {
            return Ok(position);
        }
        let node = self.add_union(&positions)?;
        let position = self.push(node)?;
        self.known_unions.insert(positions.into(), position);
        Ok(position)
    }

    fn add_union(&mut self, positions: &[Position]) -> Result<Node, EngineError> {
        // A union has two parts at least, so parts in excess of two per position are what counts.
        Limits::check("max_expression_nodes", usize::midpoint(self.unions.len(), positions.len()), self.bound)?;
        let start = self.unions.len() as u32;
        self.unions.extend_from_slice(positions);
        Ok(Node::Union(start, positions.len() as u32))
    }

    /// A position to be filled in by [`Self::close_loop`].
    pub(super) fn placeholder(&mut self) -> Result<Position, EngineError> {
        self.push(Node::Dead)
    }

    /// Make the placeholder `head` lead to `body` or `next`.
    pub(super) fn close_loop(&mut self, head: Position, body: Position, next: Position) -> Result<(), EngineError> {
        let node = self.add_union(&[body, next])?;
        self.nodes[head.index()] = node;
        Ok(())
    }

    /// One character of the class, then `next`.
    pub(super) fn class(&mut self, class: &CharClass, next: Position) -> Result<Position, EngineError> {
        match class.ranges() {
            [] => Ok(DEAD),
            &[(low, high)] if high < 0x80 && (low..=high).all(|c| self.alphabet.contains(c as u8)) => {
                self.add(Node::Byte(low as u8, high as u8, next))
            }
            _ => {
                let index = if let Some(&index) = self.known_classes.get(class) {
                    index
                } else {
                    let built = CharacterClass::build(self, class)?;
                    self.classes.push(built);
                    let index = ClassIndex(self.classes.len() as u32 - 1);
                    self.known_classes.insert(class.clone(), index);
                    index
                };
                self.add(Node::Class(index, next))
            }
        }
    }

    /// `symbol` from `min` to `max` times, then `next`, as a chain of calls.
    pub(super) fn chain(&mut self, symbol: Symbol, min: u64, max: Option<u64>, next: Position) -> Result<Position, EngineError> {
        let mut rest = min;
        let mut current = next;
        if let Some(max) = max {
            for _ in min..max {
                let call = self.add(Node::Call(symbol, current))?;
                current = self.union(vec![call, next])?;
            }
        } else {
            let head = self.placeholder()?;
            let call = self.add(Node::Call(symbol, head))?;
            self.close_loop(head, call, next)?;
            current = if min == 0 { head } else { call };
            rest = min.saturating_sub(1);
        }
        for _ in 0..rest {
            current = self.add(Node::Call(symbol, current))?;
        }
        Ok(current)
    }

    /// The positions that a position leads to, whatever it reads.
    pub(super) fn successors(&self, position: Position) -> &[Position] {
        match &self.nodes[position.index()] {
            Node::Dead | Node::Accept(_) | Node::End => &[],
            &Node::Union(start, len) => self.union_of(start, len),
            Node::Byte(_, _, next) | Node::Class(_, next) | Node::Call(_, next) | Node::Embedded(_, next) => std::slice::from_ref(next),
        }
    }

    /// Every position that `start` leads to without entering a call, itself included.
    pub(super) fn reachable(&self, start: impl IntoIterator<Item = Position>, marks: &mut Marks) -> Vec<Position> {
        marks.clear();
        let mut found: Vec<Position> = start.into_iter().filter(|&p| marks.insert(p)).collect();
        let mut done = 0;
        while let Some(&position) = found.get(done) {
            done += 1;
            found.extend(self.successors(position).iter().copied().filter(|&next| marks.insert(next)));
        }
        found
    }

    /// Bytes held, roughly.
    pub(super) fn memory_bytes(&self) -> usize {
        self.nodes.len() * size_of::<Node>()
            + self.unions.len() * size_of::<Position>()
            + self.symbols.len() * size_of::<SymbolData>()
            + self.classes.iter().map(CharacterClass::memory_bytes).sum::<usize>()
    }

    /// The position in words: the text, the class, or what is called.
    pub(super) fn describe(&self, position: Position) -> String {
        const LONGEST: usize = 24;
        let mut text = Vec::new();
        let mut at = position;
        while let Node::Byte(low, high, next) = self.node(at)
            && low == high
            && text.len() < LONGEST
        {
            text.push(low);
            at = next;
        }
        if !text.is_empty() {
            return format!("\"{}\"", String::from_utf8_lossy(&text).escape_debug());
        }
        match self.node(position) {
            Node::Byte(low, high, _) if low < 0x80 => CharClass::new([(u32::from(low), u32::from(high))]).describe(),
            Node::Byte(low, high, _) => format!("a byte from 0x{low:02X} to 0x{high:02X}"),
            Node::Class(class, _) => self.classes[class.index()].name.clone(),
            Node::Call(symbol, _) => match self.symbol(symbol).kind {
                Kind::Rule if symbol.index() < self.names.len() => self.owner_name(symbol).to_owned(),
                _ => format!("a part of {}", self.owner_name(symbol)),
            },
            Node::Embedded(index, _) => self.embedded[index.index()].source.to_ebnf(),
            Node::Dead | Node::Accept(_) | Node::End | Node::Union(..) => String::new(),
        }
    }
}

/// A set of positions that is emptied at once.
pub(super) struct Marks {
    seen: Vec<u32>,
    now: u32,
}

impl Marks {
    /// For the positions there are.
    pub(super) fn new(nfa: &Nfa) -> Self {
        Self { seen: vec![0; nfa.nodes.len()], now: 0 }
    }

    /// Empty the set. Called once per symbol at most, of which there are fewer than a u32 counts.
    pub(super) fn clear(&mut self) {
        self.now += 1;
    }

    /// Add a position; whether it is new.
    pub(super) fn insert(&mut self, position: Position) -> bool {
        let seen = &mut self.seen[position.index()];
        std::mem::replace(seen, self.now) != self.now
    }
}

/// A class in words.
pub(super) trait Describe {
    /// Such as `[a-z_]`.
    fn describe(&self) -> String;
}

impl Describe for CharClass {
    fn describe(&self) -> String {
        const MOST: usize = 8;
        let small: u32 = self.ranges().iter().map(|&(low, high)| high - low + 1).fold(0, u32::saturating_add);
        let negated = small > 0x8_0000;
        let shown = if negated { self.negate() } else { self.clone() };
        let mut out = String::from(if negated { "[^" } else { "[" });
        let put = |out: &mut String, c: u32| match char::from_u32(c) {
            Some(c @ (']' | '^' | '-' | '\\')) => {
                out.push('\\');
                out.push(c);
            }
            Some(c) if c.is_control() || (!c.is_ascii() && !c.is_alphanumeric()) => {
                let _ = write!(out, "\\u{{{:X}}}", u32::from(c));
            }
            Some(c) => out.push(c),
            None => {}
        };
        for &(low, high) in shown.ranges().iter().take(MOST) {
            put(&mut out, low);
            if high > low {
                if high > low + 1 {
                    out.push('-');
                }
                put(&mut out, high);
            }
        }
        if shown.ranges().len() > MOST {
            out.push('…');
        }
        out.push(']');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_positions_are_one() {
        let mut nfa = Nfa::new(vec![], 100);
        let a = nfa.add(Node::Byte(b'a', b'a', END)).unwrap();
        let again = nfa.add(Node::Byte(b'a', b'a', END)).unwrap();
        let b = nfa.add(Node::Byte(b'b', b'b', END)).unwrap();
        assert_eq!(a, again);
        assert_eq!(nfa.union(vec![a, b, DEAD]).unwrap(), nfa.union(vec![b, a, a]).unwrap());
        assert_eq!(nfa.union(vec![a, DEAD]).unwrap(), a);
        assert_eq!(nfa.union(vec![]).unwrap(), DEAD);
    }

    #[test]
    fn the_bound_holds() {
        let mut nfa = Nfa::new(vec![], 10);
        let mut next = END;
        let error = loop {
            match nfa.add(Node::Byte(b'a', b'a', next)) {
                Ok(position) => next = position,
                Err(error) => break error,
            }
        };
        assert_eq!(error, EngineError::Limit { name: "max_expression_nodes", bound: 10 });
    }

    #[test]
    fn classes_are_described() {
        assert_eq!(CharClass::new([(0x61, 0x7A), (0x5F, 0x5F)]).describe(), "[_a-z]");
        assert_eq!(CharClass::new([(0x3C, 0x3C)]).negate().describe(), "[^<]");
    }
}
