//! What a continuation asks of the next character. Part of the regex front-end.
//!
//! A *term* is a hash-consed list of pieces still to match, ending in [`TRUE`] (whatever follows) or [`END`] (the text must end).
//! Unfolding a term at a place gives a [`Value`]: whether the text may end there, and a formula over class terms for its next character.
//!
//! Invariant: unfolding is the least fixpoint: a loop passed without reading a character adds nothing.
//! Must not know: states.

use hashbrown::HashMap;

use super::ast::{ANY, Assertion, Ast, ClassId, LINE_END, Node, NodeId, WORD, needs};
use crate::error::EngineError;
use crate::formula::{Formula, Formulas, Variable};
use crate::limits::Limits;

/// A continuation.
pub(super) type TermId = u32;
/// Whatever follows is accepted.
pub(super) const TRUE: TermId = 0;
/// The text must end here.
pub(super) const END: TermId = 1;

/// The next thing to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Piece {
    Node(NodeId),
    /// A repeat of which some rounds may be done; `max` is `u32::MAX` for no bound.
    Loop {
        body: NodeId,
        min: u32,
        max: u32,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Term {
    piece: Piece,
    next: TermId,
}

/// What is before a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Before {
    Start,
    Word,
    LineEnd,
    Other,
}

/// What is known of a place when a term is unfolded there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Context {
    pub before: Before,
    /// The lookbehinds that hold, as bits of [`needs::behind`].
    pub behinds: u32,
}

/// What holds of the rest of a text: if it is empty, and if it has a next character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Value {
    pub end: bool,
    pub next: Formula,
}

impl Value {
    pub const NEVER: Self = Self { end: false, next: Formula::FALSE };
    pub const ALWAYS: Self = Self { end: true, next: Formula::TRUE };
}

pub(super) struct Unfolder {
    ast: Ast,
    formulas: Formulas,
    terms: Vec<Option<Term>>,
    /// By term, see [`needs`].
    term_needs: Vec<u32>,
    /// What some term depends on.
    all_needs: u32,
    term_ids: HashMap<Term, TermId>,
    variables: Vec<(ClassId, TermId)>,
    variable_ids: HashMap<(ClassId, TermId), Variable>,
    unfolded: HashMap<(TermId, Context), Value>,
    bound: usize,
    /// Terms that may still be looked at for the state that is being made.
    budget: usize,
    max_steps: usize,
}

impl Unfolder {
    pub fn new(ast: Ast, limits: &Limits) -> Self {
        let bound = limits.max_formula_nodes;
        Self {
            ast,
            formulas: Formulas::new(bound),
            terms: vec![None, None],
            term_needs: vec![0, 0],
            all_needs: 0,
            term_ids: HashMap::new(),
            variables: Vec::new(),
            variable_ids: HashMap::new(),
            unfolded: HashMap::new(),
            bound,
            budget: limits.max_search_steps,
            max_steps: limits.max_search_steps,
        }
    }

    /// Begin a new state: the budget of steps is whole again.
    pub fn refill(&mut self) {
        self.budget = self.max_steps;
    }

    pub fn ast(&self) -> &Ast {
        &self.ast
    }

    pub fn ast_mut(&mut self) -> &mut Ast {
        &mut self.ast
    }

    /// `piece`, then `next`.
    pub fn link(&mut self, piece: Piece, next: TermId) -> TermId {
        let piece = match piece {
            Piece::Node(node) => match *self.ast.node(node) {
                Node::Empty => return next,
                Node::Repeat { body, min, max } => Piece::Loop { body, min, max: max.unwrap_or(u32::MAX) },
                _ => piece,
            },
            Piece::Loop { .. } => piece,
        };
        let piece = match piece {
            Piece::Loop { max: 0, .. } => return next,
            // Rounds that may be empty need not be counted.
            Piece::Loop { body, max, .. } if self.ast.nullable[body as usize] => Piece::Loop { body, min: 0, max },
            piece => piece,
        };
        let term = Term { piece, next };
        if let Some(&id) = self.term_ids.get(&term) {
            return id;
        }
        let id = self.terms.len() as TermId;
        let node = match piece {
            Piece::Node(node) | Piece::Loop { body: node, .. } => node,
        };
        let needs = self.ast.needs[node as usize] | self.term_needs[next as usize];
        self.all_needs |= needs;
        self.term_needs.push(needs);
        self.terms.push(Some(term));
        self.term_ids.insert(term, id);
        id
    }

    /// The formula that says: the next character is in `class`, and what follows it matches `then`.
    fn class_term(&mut self, class: ClassId, then: TermId) -> Result<Formula, EngineError> {
        if self.ast.classes[class as usize].is_empty() {
            return Ok(Formula::FALSE);
        }
        if class == ANY && then == TRUE {
            return Ok(Formula::TRUE);
        }
        let fresh = self.variables.len() as Variable;
        let variable = *self.variable_ids.entry((class, then)).or_insert(fresh);
        if variable == fresh {
            self.variables.push((class, then));
        }
        self.formulas.variable(variable)
    }

    /// What terms ahead of a value depend on.
    pub fn needs(&self, value: Value) -> u32 {
        if self.all_needs == 0 {
            return 0;
        }
        let variables = self.formulas.variables(value.next);
        variables.into_iter().filter_map(|v| self.variables.get(v as usize)).fold(0, |sum, &(_, term)| sum | self.term_needs[term as usize])
    }

    /// The class terms of a value, if it is that one of them holds, or the end.
    pub fn class_terms(&self, value: Value) -> Option<Vec<Variable>> {
        self.is_disjunction(value.next).then(|| self.formulas.variables(value.next).to_vec())
    }

    /// What a class term becomes after a character of its class.
    pub fn after_term(&mut self, term: Variable, context: Context) -> Result<Value, EngineError> {
        self.refill();
        match self.variables.get(term as usize) {
            Some(&(_, then)) => self.unfold(then, context),
            None => Ok(Value::NEVER),
        }
    }

    /// Add the classes that a value asks about.
    pub fn classes(&self, value: Value, out: &mut Vec<ClassId>) {
        let variables = self.formulas.variables(value.next);
        out.extend(variables.into_iter().filter_map(|v| self.variables.get(v as usize)).map(|&(class, _)| class));
    }

    /// The value after a character of just those classes that `is_in` names.
    pub fn step(&mut self, value: Value, context: Context, is_in: impl Fn(ClassId) -> bool) -> Result<Value, EngineError> {
        if value.next == Formula::TRUE {
            return Ok(Value::ALWAYS);
        }
        // Without lookahead the formula is a plain disjunction, which needs no general substitution.
        if self.is_disjunction(value.next) {
            let (mut end, mut parts, mut rest) = (false, Vec::new(), value.next);
            while let Some((variable, _, no)) = self.formulas.branch(rest) {
                let known = self.after(variable, context, &is_in)?;
                end |= known.end;
                parts.push(known.next);
                rest = no;
            }
            return Ok(Value { end, next: self.any_of(parts)? });
        }
        let variables = self.formulas.variables(value.next);
        let mut after: HashMap<Variable, Value> = HashMap::with_capacity(variables.len());
        for variable in variables {
            after.insert(variable, self.after(variable, context, &is_in)?);
        }
        let value_of = |variable: Variable| after.get(&variable).copied().unwrap_or(Value::NEVER);
        let end = self.formulas.evaluate(value.next, |v| value_of(v).end) == 1;
        let next = self.formulas.substitute(value.next, |_, v| Ok(Some(value_of(v).next)), |_, _| Ok(None))?;
        Ok(Value { end, next })
    }

    /// What a class term becomes after a character.
    fn after(&mut self, variable: Variable, context: Context, is_in: &impl Fn(ClassId) -> bool) -> Result<Value, EngineError> {
        match self.variables.get(variable as usize) {
            Some(&(class, then)) if is_in(class) => self.unfold(then, context),
            _ => Ok(Value::NEVER),
        }
    }

    /// Is the formula just "one of these variables"?
    fn is_disjunction(&self, mut formula: Formula) -> bool {
        while let Some((_, yes, no)) = self.formulas.branch(formula) {
            if yes != Formula::TRUE {
                return false;
            }
            formula = no;
        }
        true
    }

    /// The disjunction of many formulas; plain ones are merged by sorting their variables, so that it costs no more than reading them.
    fn any_of(&mut self, mut formulas: Vec<Formula>) -> Result<Formula, EngineError> {
        formulas.retain(|&formula| formula != Formula::FALSE);
        formulas.sort_unstable();
        formulas.dedup();
        if let [one] = formulas.as_slice() {
            return Ok(*one);
        }
        let mut variables: Vec<Variable> = Vec::new();
        let mut others = Vec::new();
        for formula in formulas {
            if formula == Formula::TRUE {
                return Ok(Formula::TRUE);
            }
            if !self.is_disjunction(formula) {
                others.push(formula);
                continue;
            }
            let mut rest = formula;
            while let Some((variable, _, no)) = self.formulas.branch(rest) {
                variables.push(variable);
                rest = no;
            }
        }
        variables.sort_unstable();
        variables.dedup();
        let mut sum = self.formulas.one_of(&variables)?;
        for other in others {
            sum = self.formulas.or(sum, other)?;
        }
        Ok(sum)
    }

    /// What a term asks at a place. Recursion is as deep as lookaheads are nested, which the parser bounds.
    pub fn unfold(&mut self, term: TermId, context: Context) -> Result<Value, EngineError> {
        let context = self.relevant(term, context);
        if let Some(&known) = self.unfolded.get(&(term, context)) {
            return Ok(known);
        }
        let value = Closure {
            unfolder: self,
            context,
            work: Vec::new(),
            seen: HashMap::new(),
            loops: HashMap::new(),
            end: false,
            found: Vec::new(),
        }
        .run(term)?;
        self.unfolded.insert((term, context), value);
        Ok(value)
    }

    /// The part of a context that can matter to a term, so that terms which look nowhere are unfolded once.
    fn relevant(&self, term: TermId, context: Context) -> Context {
        let wanted = self.term_needs[term as usize];
        let before = if wanted & needs::BEFORE == 0 { Before::Other } else { context.before };
        Context { before, behinds: context.behinds & wanted }
    }
}

/// The terms reachable from one without reading a character, each under the condition (guard) gathered on the way.
struct Closure<'a> {
    unfolder: &'a mut Unfolder,
    context: Context,
    work: Vec<(TermId, Value)>,
    /// By term, the guards under which it was reached.
    seen: HashMap<TermId, Value>,
    /// By body and continuation of optional rounds: the most rounds left, and the guard. Fewer rounds can do nothing more.
    loops: HashMap<(NodeId, TermId), (u32, Value)>,
    end: bool,
    found: Vec<Formula>,
}

impl Closure<'_> {
    fn run(mut self, term: TermId) -> Result<Value, EngineError> {
        self.work.push((term, Value::ALWAYS));
        while let Some((term, guard)) = self.work.pop() {
            let unfolder = &mut *self.unfolder;
            Limits::check("max_formula_nodes", unfolder.terms.len(), unfolder.bound)?;
            let max_steps = EngineError::Limit { name: "max_search_steps", bound: unfolder.max_steps };
            unfolder.budget = unfolder.budget.checked_sub(1).ok_or(max_steps)?;
            if let Some(&known) = unfolder.unfolded.get(&(term, unfolder.relevant(term, self.context))) {
                self.end |= guard.end && known.end;
                let next = unfolder.formulas.and(guard.next, known.next)?;
                self.found.push(next);
                continue;
            }
            let Some(guard) = self.news(term, guard)? else { continue };
            match self.unfolder.terms[term as usize] {
                None => {
                    self.end |= guard.end;
                    if term == TRUE {
                        self.found.push(guard.next);
                    }
                }
                Some(Term { piece: Piece::Node(node), next }) => self.node(node, next, guard)?,
                Some(Term { piece: Piece::Loop { body, min, max }, next }) => self.rounds(body, min, max, next, guard),
            }
        }
        let next = self.unfolder.any_of(self.found)?;
        Ok(Value { end: self.end, next })
    }

    /// The part of a guard under which the term was not reached before, if there is any.
    fn news(&mut self, term: TermId, guard: Value) -> Result<Option<Value>, EngineError> {
        let Some(&old) = self.seen.get(&term) else {
            self.seen.insert(term, guard);
            return Ok(Some(guard));
        };
        let formulas = &mut self.unfolder.formulas;
        let not_old = formulas.not(old.next)?;
        let new = Value { end: guard.end && !old.end, next: formulas.and(guard.next, not_old)? };
        if new == Value::NEVER {
            return Ok(None);
        }
        let sum = Value { end: old.end || guard.end, next: formulas.or(old.next, guard.next)? };
        self.seen.insert(term, sum);
        Ok(Some(guard))
    }

    fn push(&mut self, term: TermId, guard: Value) {
        if guard != Value::NEVER {
            self.work.push((term, guard));
        }
    }

    fn rounds(&mut self, body: NodeId, min: u32, max: u32, next: TermId, guard: Value) {
        if min == 0 {
            self.push(next, guard);
            match self.loops.get(&(body, next)) {
                Some(&(rounds, known)) if rounds >= max && (known == guard || known == Value::ALWAYS) => return,
                _ => {}
            }
            self.loops.insert((body, next), (max, guard));
        }
        let rest = Piece::Loop { body, min: min.saturating_sub(1), max: if max == u32::MAX { max } else { max - 1 } };
        let rest = self.unfolder.link(rest, next);
        let round = self.unfolder.link(Piece::Node(body), rest);
        self.push(round, guard);
    }

    fn node(&mut self, node: NodeId, next: TermId, guard: Value) -> Result<(), EngineError> {
        match self.unfolder.ast.node(node).clone() {
            Node::Empty | Node::Repeat { .. } => self.push(next, guard),
            Node::Class(class) => {
                let formula = self.unfolder.class_term(class, next)?;
                let formula = self.unfolder.formulas.and(guard.next, formula)?;
                self.found.push(formula);
            }
            Node::Concat(parts) => {
                let term = parts.iter().rev().fold(next, |rest, &part| self.unfolder.link(Piece::Node(part), rest));
                self.push(term, guard);
            }
            Node::Alternate(branches) => {
                for &branch in &branches {
                    let term = self.unfolder.link(Piece::Node(branch), next);
                    self.push(term, guard);
                }
            }
            Node::Assert(assertion) => {
                let condition = self.condition(assertion)?;
                self.push_if(next, guard, condition)?;
            }
            Node::Ahead { body, negative } => {
                let body = self.unfolder.link(Piece::Node(body), TRUE);
                let condition = self.unfolder.unfold(body, self.context)?;
                let condition = if negative { self.not(condition)? } else { condition };
                self.push_if(next, guard, condition)?;
            }
            Node::Behind { index, negative } => {
                if (self.context.behinds & needs::behind(index) != 0) != negative {
                    self.push(next, guard);
                }
            }
        }
        Ok(())
    }

    fn push_if(&mut self, next: TermId, guard: Value, condition: Value) -> Result<(), EngineError> {
        let both = Value { end: guard.end && condition.end, next: self.unfolder.formulas.and(guard.next, condition.next)? };
        self.push(next, both);
        Ok(())
    }

    fn not(&mut self, value: Value) -> Result<Value, EngineError> {
        Ok(Value { end: !value.end, next: self.unfolder.formulas.not(value.next)? })
    }

    /// When an assertion holds here.
    fn condition(&mut self, assertion: Assertion) -> Result<Value, EngineError> {
        let before = self.context.before;
        let constant = |holds: bool| if holds { Value::ALWAYS } else { Value::NEVER };
        Ok(match assertion {
            Assertion::TextStart => constant(before == Before::Start),
            Assertion::LineStart => constant(matches!(before, Before::Start | Before::LineEnd)),
            Assertion::TextEnd => Value { end: true, next: Formula::FALSE },
            Assertion::LineEnd => Value { end: true, next: self.unfolder.class_term(LINE_END, TRUE)? },
            Assertion::WordBoundary | Assertion::NotWordBoundary => {
                let word_next = Value { end: false, next: self.unfolder.class_term(WORD, TRUE)? };
                // A boundary after a word character is where no word character follows, and the other way round.
                if (before == Before::Word) == (assertion == Assertion::WordBoundary) { self.not(word_next)? } else { word_next }
            }
        })
    }
}
