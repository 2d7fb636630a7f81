//! From expressions to positions, last position first. Pipeline: part of **automaton**.
//!
//! Invariant: linear in the grammar; only rules that the root can reach are built. No recursion: expressions nest as deep as they like.
//! Must not know: how calls are run, which rules are recursive.

use std::sync::Arc;

use hashbrown::HashMap;

use super::nfa::{DEAD, END, EmbeddedData, EmbeddedIndex, Kind, Nfa, Node, Position, Symbol, SymbolData};
use crate::error::{CompileError, EngineError};
use crate::grammar::{Expr, Grammar};
use crate::ids::RuleId;
use crate::limits::Interrupt;
use crate::provider::{Attached, ByteSet, Embedded};

/// What is decided before lowering.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Repeats of up to so many times become positions; others count in a register.
    pub(super) unroll: u32,
    /// The bytes of which texts are made.
    pub(super) alphabet: ByteSet,
}

impl Default for Settings {
    fn default() -> Self {
        Self { unroll: 8, alphabet: ByteSet::ALL }
    }
}

/// Nodes of a body that is copied; larger ones become a rule that is called.
const SMALL_BODY: usize = 6;
/// Steps between two looks at the interrupt.
const PATIENCE: usize = 4096;

#[derive(Clone, Copy)]
enum Task<'g> {
    /// From `current`, which comes after the expression, to where it begins.
    Build(&'g Expr),
    Set(Position),
    /// Put `current` aside.
    Collect,
    /// Unite so many that were put aside.
    Union(usize),
    /// Unite with one position.
    Either(Position),
    /// The end of a body repeated without bound, whose `head` was promised.
    Close {
        head: Position,
        next: Position,
        skippable: bool,
    },
    /// The body of a helper rule, repeated.
    Chain {
        symbol: Symbol,
        min: u32,
        max: Option<u32>,
        next: Position,
    },
    /// The body of a counted loop.
    Count {
        min: u32,
        max: Option<u32>,
        next: Position,
    },
    /// The body of a rule of the grammar.
    Finish(Symbol),
}

struct Lowering<'g, 'a> {
    nfa: Nfa,
    settings: Settings,
    attach: &'a mut dyn FnMut(&dyn Embedded) -> Result<Attached, CompileError>,
    tasks: Vec<Task<'g>>,
    aside: Vec<Position>,
    current: Position,
    owner: RuleId,
    built: Vec<bool>,
    pending: Vec<Symbol>,
    loops: HashMap<(Position, u32, Option<u32>), Symbol>,
    embedded: HashMap<u128, EmbeddedIndex>,
}

/// The automata of all rules that the root needs. `attach` is called once for each embedded automaton.
pub(super) fn lower(
    grammar: &Grammar,
    bound: usize,
    settings: Settings,
    interrupt: &Interrupt,
    attach: &mut dyn FnMut(&dyn Embedded) -> Result<Attached, CompileError>,
) -> Result<Nfa, CompileError> {
    let mut nfa = Nfa::new(grammar.rules().iter().map(|rule| rule.name.clone()).collect(), bound);
    nfa.alphabet = settings.alphabet;
    nfa.symbols = (0..grammar.rules().len() as u32).map(|rule| SymbolData { start: DEAD, kind: Kind::Rule, owner: RuleId(rule) }).collect();
    let root = Symbol(grammar.root().0);
    let mut lowering = Lowering {
        nfa,
        settings,
        attach,
        tasks: Vec::new(),
        aside: Vec::new(),
        current: DEAD,
        owner: grammar.root(),
        built: vec![false; grammar.rules().len()],
        pending: Vec::new(),
        loops: HashMap::new(),
        embedded: HashMap::new(),
    };
    lowering.need(root)?;
    let mut steps = 0_usize;
    while let Some(symbol) = lowering.pending.pop() {
        lowering.owner = RuleId(symbol.0);
        lowering.current = lowering.nfa.add(Node::Accept(symbol))?;
        lowering.tasks.push(Task::Finish(symbol));
        lowering.tasks.push(Task::Build(&grammar.rules()[symbol.index()].body));
        while let Some(task) = lowering.tasks.pop() {
            steps += 1;
            if steps.is_multiple_of(PATIENCE) {
                interrupt.check()?;
            }
            lowering.run(task)?;
        }
    }
    Ok(lowering.nfa)
}

impl<'g> Lowering<'g, '_> {
    fn need(&mut self, symbol: Symbol) -> Result<(), CompileError> {
        match self.built.get_mut(symbol.index()) {
            Some(built) if !*built => {
                *built = true;
                self.pending.push(symbol);
                Ok(())
            }
            Some(_) => Ok(()),
            None => Err(EngineError::Internal("a rule id outside the grammar").into()),
        }
    }

    fn run(&mut self, task: Task<'g>) -> Result<(), CompileError> {
        match task {
            Task::Build(expr) => return self.build(expr),
            Task::Set(position) => self.current = position,
            Task::Collect => self.aside.push(self.current),
            Task::Union(count) => {
                let parts = self.aside.split_off(self.aside.len().saturating_sub(count));
                self.current = self.nfa.union(parts)?;
            }
            Task::Either(other) => self.current = self.nfa.union(vec![self.current, other])?,
            Task::Close { head, next, skippable } => {
                self.nfa.close_loop(head, self.current, next)?;
                if skippable {
                    self.current = head;
                }
            }
            Task::Chain { symbol, min, max, next } => {
                self.nfa.symbols[symbol.index()].start = self.current;
                self.current = self.nfa.chain(symbol, u64::from(min), max.map(u64::from), next)?;
            }
            Task::Count { min, max, next } => {
                let key = (self.current, min, max);
                let symbol = if let Some(&known) = self.loops.get(&key) {
                    known
                } else {
                    let symbol = self.symbol(self.current, Kind::Loop { min: u64::from(min), max: max.map(u64::from) });
                    self.loops.insert(key, symbol);
                    symbol
                };
                self.current = self.nfa.add(Node::Call(symbol, next))?;
            }
            Task::Finish(symbol) => self.nfa.symbols[symbol.index()].start = self.current,
        }
        Ok(())
    }

    fn symbol(&mut self, start: Position, kind: Kind) -> Symbol {
        self.nfa.symbols.push(SymbolData { start, kind, owner: self.owner });
        Symbol(self.nfa.symbols.len() as u32 - 1)
    }

    fn build(&mut self, expr: &'g Expr) -> Result<(), CompileError> {
        match expr {
            Expr::Bytes(bytes) => {
                for &byte in bytes.iter().rev() {
                    self.current = self.nfa.add(Node::Byte(byte, byte, self.current))?;
                }
            }
            Expr::Class(class) => self.current = self.nfa.class(class, self.current)?,
            Expr::Rule(rule) => {
                self.need(Symbol(rule.0))?;
                self.current = self.nfa.add(Node::Call(Symbol(rule.0), self.current))?;
            }
            Expr::Sequence(parts) => self.tasks.extend(parts.iter().map(Task::Build)),
            Expr::Choice(branches) => {
                self.tasks.push(Task::Union(branches.len()));
                for branch in branches {
                    self.tasks.push(Task::Collect);
                    self.tasks.push(Task::Build(branch));
                    self.tasks.push(Task::Set(self.current));
                }
            }
            Expr::Repeat { body, min, max } => self.repeat(body, *min, *max)?,
            Expr::Embedded(embedded) => {
                let identity = embedded.identity();
                let index = if let Some(&index) = self.embedded.get(&identity) {
                    index
                } else {
                    let Attached { start, nullable } = (self.attach)(embedded.as_ref())?;
                    self.nfa.embedded.push(EmbeddedData { start, nullable, source: Arc::clone(embedded) });
                    let index = EmbeddedIndex(self.nfa.embedded.len() as u32 - 1);
                    self.embedded.insert(identity, index);
                    index
                };
                self.current = self.nfa.add(Node::Embedded(index, self.current))?;
            }
        }
        Ok(())
    }

    fn repeat(&mut self, body: &'g Expr, min: u32, max: Option<u32>) -> Result<(), CompileError> {
        let next = self.current;
        if max.is_some_and(|max| max < min) {
            self.current = DEAD;
        } else if max == Some(0) {
            // The empty text: `current` stays.
        } else if max.unwrap_or(min) > self.settings.unroll && max != Some(1) && !(max.is_none() && min <= 1) {
            self.tasks.push(Task::Count { min, max, next });
            self.tasks.push(Task::Build(body));
            self.tasks.push(Task::Set(END));
        } else if max.unwrap_or(min) > 1 && !is_small(body) {
            let symbol = self.symbol(DEAD, Kind::Rule);
            let accept = self.nfa.add(Node::Accept(symbol))?;
            self.tasks.push(Task::Chain { symbol, min, max, next });
            self.tasks.push(Task::Build(body));
            self.tasks.push(Task::Set(accept));
        } else if let Some(max) = max {
            self.tasks.extend((0..min).map(|_| Task::Build(body)));
            for _ in min..max {
                self.tasks.push(Task::Either(next));
                self.tasks.push(Task::Build(body));
            }
        } else {
            let head = self.nfa.placeholder()?;
            self.tasks.extend((1..min).map(|_| Task::Build(body)));
            self.tasks.push(Task::Close { head, next, skippable: min == 0 });
            self.tasks.push(Task::Build(body));
            self.tasks.push(Task::Set(head));
        }
        Ok(())
    }
}

/// Whether a body is copied as it is: few nodes, no repeat.
fn is_small(body: &Expr) -> bool {
    let mut work = vec![body];
    let mut cost = 0;
    while let Some(expr) = work.pop() {
        cost += match expr {
            Expr::Bytes(bytes) => bytes.len(),
            Expr::Repeat { .. } => return false,
            _ => 1,
        };
        if cost > SMALL_BODY {
            return false;
        }
        if let Expr::Sequence(parts) | Expr::Choice(parts) = expr {
            if parts.len() > SMALL_BODY {
                return false;
            }
            work.extend(parts);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::automaton::reference::{grammar, lowered};
    use crate::grammar::Rule;

    #[test]
    fn repeats_share_their_positions() {
        assert_eq!(lowered("root ::= [a-z]+").nodes.len(), lowered("root ::= [a-z]*").nodes.len());
        let counted = lowered(r#"root ::= [a-z]{3,200} "x" [a-z]{3,200}"#);
        assert_eq!(counted.symbols.len(), 2);
        assert!(counted.nodes.len() < 10, "{:?}", counted.nodes);
    }

    #[test]
    fn nested_small_repeats_stay_linear() {
        let mut text = String::from("\"a\" \"b\"");
        for _ in 0..40 {
            text = format!("({text}){{1,8}}");
        }
        let nfa = lowered(&format!("root ::= {text}"));
        assert!(nfa.nodes.len() < 1500, "{}", nfa.nodes.len());
    }

    #[test]
    fn deep_nesting_needs_no_stack() {
        let mut body = Expr::Bytes(b"a"[..].into());
        for depth in 0..10_000 {
            body = match depth % 3 {
                0 => Expr::Sequence(vec![body]),
                1 => Expr::Choice(vec![body, Expr::Bytes(b"b"[..].into())]),
                _ => Expr::Repeat { body: Box::new(body), min: 0, max: Some(1) },
            };
        }
        let deep = Grammar { rules: vec![Rule { name: "root".into(), body }], root: RuleId(0) };
        let nfa = lower(&deep, 1_000_000, Settings::default(), &Interrupt::default(), &mut |_| unreachable!()).unwrap();
        assert!(nfa.nodes.len() > 3_000);
    }

    #[test]
    fn interruption_and_bounds_are_typed_errors() {
        let long = grammar(&format!("root ::= \"{}\"", "a".repeat(5000)));
        let error = lower(&long, 1000, Settings::default(), &Interrupt::default(), &mut |_| unreachable!()).unwrap_err();
        assert!(matches!(error, CompileError::Engine(EngineError::Limit { name: "max_expression_nodes", .. })));
        let many = grammar(&format!("root ::= {}", vec!["[ab]"; 5000].join(" ")));
        let interrupt = Interrupt { deadline: Some(std::time::Instant::now()), ..Interrupt::default() };
        let error = lower(&many, 1_000_000, Settings::default(), &interrupt, &mut |_| unreachable!()).unwrap_err();
        assert_eq!(error, CompileError::Engine(EngineError::TimedOut));
    }
}
