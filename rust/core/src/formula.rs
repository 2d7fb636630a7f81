//! Canonical boolean functions with many-valued leaves: multi-terminal binary decision diagrams (Bryant 1986; Fujita and
//! others 1997). Below every step that combines verdicts: schema obligations, pattern positions.
//!
//! Invariant: two formulas are the same function exactly when their ids are equal (variables are decided in numeric order).
//! Must not know: what a variable stands for.

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use crate::error::EngineError;
use crate::limits::Limits;

/// A formula; equal ids in one [`Formulas`] mean the same function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Formula(u32);

/// A variable. Smaller numbers are decided first.
pub type Variable = u32;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Node {
    Leaf(u32),
    Branch { variable: Variable, yes: Formula, no: Formula },
}

/// Variables, or leaf values.
pub type List = SmallVec<[u32; 8]>;

fn ascending(mut list: List) -> List {
    list.sort_unstable();
    list.dedup();
    list
}

/// The store of formulas.
pub struct Formulas {
    nodes: Vec<Node>,
    unique: HashMap<Node, Formula>,
    ite: HashMap<(Formula, Formula, Formula), Formula>,
    bound: usize,
    /// For those who go through a formula, to be used again.
    memos: Vec<Memo>,
}

/// What became of each node of a formula. Formulas are numbered, so it is an array, of which only what was written in this round counts.
#[derive(Default)]
struct Memo {
    known: Vec<(u32, Formula)>,
    round: u32,
}

impl Memo {
    fn get(&self, f: Formula) -> Option<Formula> {
        self.known.get(f.0 as usize).filter(|(round, _)| *round == self.round).map(|&(_, new)| new)
    }

    fn insert(&mut self, f: Formula, new: Formula) {
        let at = f.0 as usize;
        if at >= self.known.len() {
            self.known.resize((at + 1).next_power_of_two(), (0, Formula::FALSE));
        }
        self.known[at] = (self.round, new);
    }

    /// Forget all.
    fn clear(&mut self) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.known.clear();
            self.round = 1;
        }
    }
}

/// Nodes that were met below one: none of them has a greater number than that.
#[derive(Default)]
struct Seen {
    few: SmallVec<[Formula; 16]>,
    many: Vec<u64>,
}

impl Seen {
    /// Is it met for the first time, below `top`?
    fn first(&mut self, f: Formula, top: Formula) -> bool {
        if self.many.is_empty() {
            if self.few.contains(&f) {
                return false;
            }
            if self.few.len() < self.few.inline_size() {
                self.few.push(f);
                return true;
            }
            self.many = vec![0; top.0 as usize / 64 + 1];
            for f in &self.few {
                self.many[f.0 as usize / 64] |= 1 << (f.0 % 64);
            }
        }
        let word = &mut self.many[f.0 as usize / 64];
        let first = *word >> (f.0 % 64) & 1 == 0;
        *word |= 1 << (f.0 % 64);
        first
    }
}

impl Formula {
    /// The function that is always false: leaf 0.
    pub const FALSE: Self = Self(0);
    /// The function that is always true: leaf 1.
    pub const TRUE: Self = Self(1);
}

impl Formulas {
    /// An empty store holding at most `bound` nodes.
    pub fn new(bound: usize) -> Self {
        let mut store = Self { nodes: Vec::new(), unique: HashMap::new(), ite: HashMap::new(), bound, memos: Vec::new() };
        for value in [0, 1] {
            let id = Formula(store.nodes.len() as u32);
            store.nodes.push(Node::Leaf(value));
            store.unique.insert(Node::Leaf(value), id);
        }
        store
    }

    /// One that knows nothing. Whoever is done with it gives it back.
    fn memo(&mut self) -> Memo {
        let mut memo = self.memos.pop().unwrap_or_default();
        memo.clear();
        memo
    }

    fn make(&mut self, node: Node) -> Result<Formula, EngineError> {
        if let Some(&id) = self.unique.get(&node) {
            return Ok(id);
        }
        Limits::check("max_formula_nodes", self.nodes.len() + 1, self.bound)?;
        let id = Formula(self.nodes.len() as u32);
        self.nodes.push(node);
        self.unique.insert(node, id);
        Ok(id)
    }

    /// The constant function `value` (0 is false, 1 is true, others are classes).
    pub fn leaf(&mut self, value: u32) -> Result<Formula, EngineError> {
        self.make(Node::Leaf(value))
    }

    /// The value of a constant function.
    pub fn as_leaf(&self, f: Formula) -> Option<u32> {
        match self.nodes[f.0 as usize] {
            Node::Leaf(value) => Some(value),
            Node::Branch { .. } => None,
        }
    }

    /// The variable decided first, and the functions for yes and no; `None` for a constant.
    pub fn branch(&self, f: Formula) -> Option<(Variable, Formula, Formula)> {
        match self.nodes[f.0 as usize] {
            Node::Leaf(_) => None,
            Node::Branch { variable, yes, no } => Some((variable, yes, no)),
        }
    }

    /// The function that is one variable.
    pub fn variable(&mut self, variable: Variable) -> Result<Formula, EngineError> {
        self.make(Node::Branch { variable, yes: Formula::TRUE, no: Formula::FALSE })
    }

    fn top(&self, f: Formula) -> Variable {
        self.branch(f).map_or(Variable::MAX, |(v, _, _)| v)
    }

    fn cofactors(&self, f: Formula, variable: Variable) -> (Formula, Formula) {
        match self.branch(f) {
            Some((v, yes, no)) if v == variable => (yes, no),
            _ => (f, f),
        }
    }

    /// If `c` (boolean) then `t` else `e` (any leaves). Iterative: formulas may be as deep as they have variables.
    pub fn if_then_else(&mut self, c: Formula, t: Formula, e: Formula) -> Result<Formula, EngineError> {
        enum Task {
            Solve(Formula, Formula, Formula),
            Join(Variable, (Formula, Formula, Formula)),
        }
        let mut tasks: SmallVec<[Task; 16]> = SmallVec::new();
        let mut results: SmallVec<[Formula; 16]> = SmallVec::new();
        tasks.push(Task::Solve(c, t, e));
        while let Some(task) = tasks.pop() {
            match task {
                Task::Solve(c, t, e) => {
                    if c == Formula::TRUE || t == e {
                        results.push(t);
                    } else if c == Formula::FALSE {
                        results.push(e);
                    } else if t == Formula::TRUE && e == Formula::FALSE {
                        results.push(c);
                    } else if let Some(&known) = self.ite.get(&(c, t, e)) {
                        results.push(known);
                    } else {
                        let v = self.top(c).min(self.top(t)).min(self.top(e));
                        let ((c1, c0), (t1, t0), (e1, e0)) = (self.cofactors(c, v), self.cofactors(t, v), self.cofactors(e, v));
                        tasks.push(Task::Join(v, (c, t, e)));
                        tasks.push(Task::Solve(c0, t0, e0));
                        tasks.push(Task::Solve(c1, t1, e1));
                    }
                }
                Task::Join(variable, key) => {
                    let no = results.pop().ok_or(EngineError::Internal("formula stack"))?;
                    let yes = results.pop().ok_or(EngineError::Internal("formula stack"))?;
                    let joined = if yes == no { yes } else { self.make(Node::Branch { variable, yes, no })? };
                    Limits::check("max_formula_nodes", self.ite.len(), self.bound.saturating_mul(8))?;
                    self.ite.insert(key, joined);
                    results.push(joined);
                }
            }
        }
        results.pop().ok_or(EngineError::Internal("formula stack"))
    }

    /// One of these variables, which ascend.
    pub fn one_of(&mut self, variables: &[Variable]) -> Result<Formula, EngineError> {
        let mut sum = Formula::FALSE;
        for &variable in variables.iter().rev() {
            sum = self.make(Node::Branch { variable, yes: Formula::TRUE, no: sum })?;
        }
        Ok(sum)
    }

    /// Both (booleans).
    pub fn and(&mut self, a: Formula, b: Formula) -> Result<Formula, EngineError> {
        self.if_then_else(a, b, Formula::FALSE)
    }

    /// Either (booleans).
    pub fn or(&mut self, a: Formula, b: Formula) -> Result<Formula, EngineError> {
        self.if_then_else(a, Formula::TRUE, b)
    }

    /// The opposite (boolean).
    pub fn not(&mut self, a: Formula) -> Result<Formula, EngineError> {
        self.if_then_else(a, Formula::FALSE, Formula::TRUE)
    }

    /// Replace variables by boolean functions (all at once, which may use any variables), and leaves by formulas; what a map leaves out stays.
    pub fn substitute(
        &mut self,
        f: Formula,
        mut variables: impl FnMut(&mut Self, Variable) -> Result<Option<Formula>, EngineError>,
        mut leaves: impl FnMut(&mut Self, u32) -> Result<Option<Formula>, EngineError>,
    ) -> Result<Formula, EngineError> {
        let mut done = self.memo();
        let mut stack = vec![f];
        while let Some(&g) = stack.last() {
            if done.get(g).is_some() {
                stack.pop();
                continue;
            }
            match self.nodes[g.0 as usize] {
                Node::Leaf(value) => {
                    let new = leaves(self, value)?.unwrap_or(g);
                    done.insert(g, new);
                    stack.pop();
                }
                Node::Branch { variable, yes, no } => match (done.get(yes), done.get(no)) {
                    (Some(y), Some(n)) => {
                        let c = match variables(self, variable)? {
                            Some(c) => c,
                            None => self.variable(variable)?,
                        };
                        let new = self.if_then_else(c, y, n)?;
                        done.insert(g, new);
                        stack.pop();
                    }
                    (y, n) => {
                        if n.is_none() {
                            stack.push(no);
                        }
                        if y.is_none() {
                            stack.push(yes);
                        }
                    }
                },
            }
        }
        let new = done.get(f);
        self.memos.push(done);
        new.ok_or(EngineError::Internal("formula stack"))
    }

    /// The function once some variables, none of them after `last`, are known.
    pub fn given(&mut self, f: Formula, last: Variable, known: impl Fn(Variable) -> Option<bool>) -> Result<Formula, EngineError> {
        let mut done = self.memo();
        let new = self.given_memo(f, last, known, &mut done);
        self.memos.push(done);
        new
    }

    fn given_memo(
        &mut self,
        f: Formula,
        last: Variable,
        known: impl Fn(Variable) -> Option<bool>,
        done: &mut Memo,
    ) -> Result<Formula, EngineError> {
        if self.top(f) > last {
            return Ok(f);
        }
        let mut stack = vec![f];
        while let Some(&g) = stack.last() {
            if done.get(g).is_some() {
                stack.pop();
                continue;
            }
            let Some((variable, yes, no)) = self.branch(g) else {
                done.insert(g, g);
                stack.pop();
                continue;
            };
            // What is decided later stays as it is.
            let new = |part: Formula| if self.top(part) > last { Some(part) } else { done.get(part) };
            let (y, n) = (new(yes), new(no));
            let new = match (known(variable), y, n) {
                (Some(true), Some(new), _) | (Some(false), _, Some(new)) => new,
                (Some(true), None, _) => {
                    stack.push(yes);
                    continue;
                }
                (Some(false), _, None) => {
                    stack.push(no);
                    continue;
                }
                (None, Some(y), Some(n)) if y == n => y,
                (None, Some(y), Some(n)) if (y, n) == (yes, no) => g,
                (None, Some(yes), Some(no)) => self.make(Node::Branch { variable, yes, no })?,
                (None, y, n) => {
                    stack.extend(n.is_none().then_some(no));
                    stack.extend(y.is_none().then_some(yes));
                    continue;
                }
            };
            done.insert(g, new);
            stack.pop();
        }
        done.get(f).ok_or(EngineError::Internal("formula stack"))
    }

    /// The function once all variables of a set are known to be false.
    pub fn without(&mut self, f: Formula, gone: &HashSet<Variable>) -> Result<Formula, EngineError> {
        let last = gone.iter().max().copied();
        last.map_or(Ok(f), |last| self.given(f, last, |v| gone.contains(&v).then_some(false)))
    }

    /// For each of `kept` the function once all other variables of a set are known to be false, and once all are. Where many are decided one after
    /// the other, as in a long disjunction, each costs little.
    pub fn without_all_but(
        &mut self,
        f: Formula,
        gone: &HashSet<Variable>,
        kept: &[SmallVec<[Variable; 1]>],
    ) -> Result<(Vec<Formula>, Formula), EngineError> {
        let mut bare = self.memo();
        let all_gone = |v: Variable| gone.contains(&v).then_some(false);
        let end = gone.iter().max().copied().unwrap_or(0);
        let all = self.given_memo(f, end, all_gone, &mut bare)?;
        let mut paths: HashMap<Formula, (HashMap<Variable, Formula>, Formula)> = HashMap::new();
        let mut out = Vec::with_capacity(kept.len());
        let mut work = 0;
        let mut done = self.memo();
        for keep in kept {
            let last = keep.iter().max().copied();
            done.clear();
            let mut stack = vec![f];
            while let Some(&g) = stack.last() {
                if done.get(g).is_some() {
                    stack.pop();
                    continue;
                }
                work += 1;
                Limits::check("max_formula_nodes", work, self.bound.saturating_mul(4))?;
                if last.is_none_or(|last| self.top(g) > last) {
                    let new = self.given_memo(g, end, all_gone, &mut bare)?;
                    done.insert(g, new);
                    stack.pop();
                    continue;
                }
                // All that are gone lead to `no` until one is kept or none is next.
                let (on_the_way, end) = paths.entry(g).or_insert_with(|| {
                    let (mut on_the_way, mut at) = (HashMap::new(), g);
                    while let Node::Branch { variable, no, .. } = self.nodes[at.0 as usize] {
                        if !gone.contains(&variable) {
                            break;
                        }
                        on_the_way.insert(variable, at);
                        at = no;
                    }
                    (on_the_way, at)
                });
                let first = keep.iter().filter_map(|v| on_the_way.get(v).map(|&at| (*v, at))).min_by_key(|&(v, _)| v);
                let at = first.map_or(*end, |(_, at)| at);
                let new = match self.nodes[at.0 as usize] {
                    Node::Leaf(_) => at,
                    Node::Branch { .. } if at != g && first.is_none() => {
                        let Some(new) = done.get(at) else {
                            stack.push(at);
                            continue;
                        };
                        new
                    }
                    Node::Branch { variable, yes, no } => match (done.get(yes), done.get(no)) {
                        (Some(y), Some(n)) if y == n => y,
                        (Some(yes), Some(no)) => self.make(Node::Branch { variable, yes, no })?,
                        (y, n) => {
                            stack.extend(n.is_none().then_some(no));
                            stack.extend(y.is_none().then_some(yes));
                            continue;
                        }
                    },
                };
                done.insert(g, new);
                stack.pop();
            }
            out.push(done.get(f).ok_or(EngineError::Internal("formula stack"))?);
        }
        self.memos.extend([bare, done]);
        Ok((out, all))
    }

    /// The value under an assignment of all variables.
    pub fn evaluate(&self, mut f: Formula, mut assignment: impl FnMut(Variable) -> bool) -> u32 {
        loop {
            match self.nodes[f.0 as usize] {
                Node::Leaf(value) => return value,
                Node::Branch { variable, yes, no } => f = if assignment(variable) { yes } else { no },
            }
        }
    }

    /// Is the function false wherever the variable is not, as is plain where it comes down to one thing and another?
    pub fn plainly_needs(&self, f: Formula, variable: Variable) -> bool {
        let mut at = f;
        while let Some((v, yes, Formula::FALSE)) = self.branch(at) {
            if v >= variable {
                return v == variable;
            }
            at = yes;
        }
        at == Formula::FALSE
    }

    /// The variables it depends on, ascending.
    pub fn variables(&self, f: Formula) -> List {
        let mut variables = List::new();
        self.each(f, |node| variables.extend(if let Node::Branch { variable, .. } = node { Some(variable) } else { None }));
        ascending(variables)
    }

    /// The leaf values it can take, ascending.
    pub fn leaves(&self, f: Formula) -> List {
        let mut leaves = List::new();
        self.each(f, |node| leaves.extend(if let Node::Leaf(value) = node { Some(value) } else { None }));
        ascending(leaves)
    }

    /// Look at each node, once unless it is a constant.
    fn each(&self, f: Formula, mut look: impl FnMut(Node)) {
        // PERF: what comes down to one thing and another, or to one of many, is a chain.
        let (mut f, mut ends) = (f, [false; 2]);
        while let node @ Node::Branch { yes, no, .. } = self.nodes[f.0 as usize] {
            let (end, rest) = match (yes.0, no.0) {
                (0 | 1, _) => (yes, no),
                (_, 0 | 1) => (no, yes),
                _ => break,
            };
            look(node);
            ends[end.0 as usize] = true;
            f = rest;
        }
        // A constant that the rest comes to as well is looked at once more, as the same.
        for constant in [Formula::FALSE, Formula::TRUE] {
            if ends[constant.0 as usize] {
                look(self.nodes[constant.0 as usize]);
            }
        }
        let mut seen = Seen::default();
        let mut stack: SmallVec<[Formula; 16]> = SmallVec::new();
        stack.push(f);
        while let Some(g) = stack.pop() {
            if seen.first(g, f) {
                let node = self.nodes[g.0 as usize];
                if let Node::Branch { yes, no, .. } = node {
                    stack.extend([yes, no]);
                }
                look(node);
            }
        }
    }

    /// Nodes held.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: the constants are always there.
    pub fn is_empty(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::many_single_char_names)] // as in the books
    fn equal_functions_have_equal_ids() {
        let mut s = Formulas::new(1000);
        let (a, b, c) = (s.variable(0).unwrap(), s.variable(1).unwrap(), s.variable(2).unwrap());
        let ab = s.and(a, b).unwrap();
        let left = s.or(ab, c).unwrap();
        let (ac, bc) = (s.or(a, c).unwrap(), s.or(b, c).unwrap());
        assert_eq!(left, s.and(ac, bc).unwrap());
        let n = s.not(left).unwrap();
        assert_ne!(n, left);
        assert_eq!(s.not(n).unwrap(), left);
        assert_eq!(s.and(n, left).unwrap(), Formula::FALSE);
        for bits in 0..8u32 {
            let value = s.evaluate(left, |v| bits >> v & 1 == 1);
            assert_eq!(value == 1, (bits & 3 == 3) || bits & 4 != 0);
        }
    }

    #[test]
    #[allow(clippy::many_single_char_names)] // as in the books
    fn variables_known_to_be_false_are_gone() {
        let mut s = Formulas::new(1_000_000);
        let v: Vec<Formula> = (0..9).map(|i| s.variable(i).unwrap()).collect();
        for seed in 0..200u32 {
            let mut f = Formula::FALSE;
            for step in 0..12u32 {
                let random = (seed * 12 + step).wrapping_mul(2_654_435_761) >> 8;
                let (a, b) = (v[random as usize % 9], v[(random >> 5) as usize % 9]);
                let b = if random & 1 << 20 == 0 { b } else { s.not(b).unwrap() };
                let c = s.if_then_else(a, b, f).unwrap();
                f = if random & 1 << 21 == 0 { c } else { s.or(c, a).unwrap() };
            }
            let gone: HashSet<u32> = (0..9).filter(|i| seed >> (i % 7) & 1 == 1 || *i == 3).collect();
            let kept: Vec<SmallVec<[u32; 1]>> =
                gone.iter().map(|&i| SmallVec::from_slice(&[i])).chain([gone.iter().copied().take(2).collect()]).collect();
            let by_hand = |s: &mut Formulas, keep: &[u32]| {
                s.substitute(f, |_, v| Ok((gone.contains(&v) && !keep.contains(&v)).then_some(Formula::FALSE)), |_, _| Ok(None)).unwrap()
            };
            let (got, all) = s.without_all_but(f, &gone, &kept).unwrap();
            for (keep, got) in kept.iter().zip(got) {
                assert_eq!(got, by_hand(&mut s, keep), "{seed} {keep:?}");
            }
            assert_eq!(all, by_hand(&mut s, &[]));
            assert_eq!(s.without(f, &gone).unwrap(), all);
        }
    }

    #[test]
    fn substitution_replaces_all_at_once() {
        let mut s = Formulas::new(1000);
        let (a, b) = (s.variable(0).unwrap(), s.variable(1).unwrap());
        let nb = s.not(b).unwrap();
        let f = s.and(a, nb).unwrap();
        let swapped = s.substitute(f, |_, v| Ok(Some(if v == 0 { b } else { a })), |_, _| Ok(None)).unwrap();
        let na = s.not(a).unwrap();
        assert_eq!(swapped, s.and(b, na).unwrap());
    }
}
