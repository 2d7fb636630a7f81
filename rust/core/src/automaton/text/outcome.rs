//! What a text is worth once it ends: a canonical decision over who accepted it. Used by the text and number products, and by
//! whoever asks them for an automaton.
//!
//! Invariant: two outcomes are the same function exactly when they are equal; nodes stand children first, in the order in which
//! a walk from the root (yes before no) leaves them, and no two are alike.
//! Must not know: what a variable stands for.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hashbrown::HashMap;

use crate::error::EngineError;
use crate::formula::{Formula, Formulas, Variable};
use crate::identity::Identity;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Ref {
    /// 0: refused, v + 1: the value v.
    Leaf(u32),
    Node(u32),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Node {
    variable: u32,
    yes: Ref,
    no: Ref,
}

/// A decision over boolean variables: the text is refused, or accepted with a value. Variables are the components of a
/// specification in order, then its lengths. A reduced ordered decision diagram, cheap to clone.
#[derive(Clone)]
pub struct Outcome {
    nodes: Arc<[Node]>,
    root: Ref,
    hash: u64,
}

/// What becomes of a variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mapped {
    Constant(bool),
    Variable(u32),
}

impl PartialEq for Outcome {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.root == other.root && (Arc::ptr_eq(&self.nodes, &other.nodes) || self.nodes == other.nodes)
    }
}

impl Eq for Outcome {}

impl Hash for Outcome {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outcome").field("nodes", &self.nodes).field("root", &self.root).finish_non_exhaustive()
    }
}

/// Makes nodes, children first, each once.
#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    unique: HashMap<Node, u32>,
}

impl Builder {
    fn make(&mut self, variable: u32, yes: Ref, no: Ref) -> Ref {
        if yes == no {
            return yes;
        }
        let node = Node { variable, yes, no };
        // Small diagrams are the rule; a scan is faster than hashing there.
        if self.nodes.len() < 8 {
            if let Some(i) = self.nodes.iter().position(|n| *n == node) {
                return Ref::Node(i as u32);
            }
        } else {
            if self.unique.is_empty() {
                self.unique.extend(self.nodes.iter().enumerate().map(|(i, n)| (*n, i as u32)));
            }
            if let Some(&i) = self.unique.get(&node) {
                return Ref::Node(i);
            }
            self.unique.insert(node, self.nodes.len() as u32);
        }
        self.nodes.push(node);
        Ref::Node(self.nodes.len() as u32 - 1)
    }

    /// The outcome with this root: drops what the root does not reach and brings the rest into the canonical order.
    fn finish(self, root: Ref) -> Outcome {
        let Ref::Node(top) = root else { return Outcome::new(Vec::new(), root) };
        let mut order: Vec<Node> = Vec::with_capacity(self.nodes.len());
        let mut place: Vec<u32> = vec![u32::MAX; self.nodes.len()];
        let mut stack = vec![top];
        while let Some(&i) = stack.last() {
            if place[i as usize] != u32::MAX {
                stack.pop();
                continue;
            }
            let node = self.nodes[i as usize];
            let placed = |r: Ref| match r {
                Ref::Leaf(_) => Ok(r),
                Ref::Node(child) if place[child as usize] == u32::MAX => Err(child),
                Ref::Node(child) => Ok(Ref::Node(place[child as usize])),
            };
            match (placed(node.yes), placed(node.no)) {
                (Err(child), _) | (Ok(_), Err(child)) => stack.push(child),
                (Ok(yes), Ok(no)) => {
                    place[i as usize] = order.len() as u32;
                    order.push(Node { variable: node.variable, yes, no });
                    stack.pop();
                }
            }
        }
        Outcome::new(order, Ref::Node(place[top as usize]))
    }
}

impl Outcome {
    fn new(nodes: Vec<Node>, root: Ref) -> Self {
        let mut hasher = std::hash::DefaultHasher::new();
        (&nodes, root).hash(&mut hasher);
        Self { nodes: nodes.into(), root, hash: hasher.finish() }
    }

    pub(crate) fn leaf(leaf: u32) -> Self {
        Self::new(Vec::new(), Ref::Leaf(leaf))
    }

    /// No text is accepted.
    pub fn refused() -> Self {
        Self::leaf(0)
    }

    /// Every text is accepted with `value` (below `u32::MAX`).
    pub fn always(value: u32) -> Self {
        Self::leaf(value.saturating_add(1))
    }

    /// The variables 0 to `n - 1` must all hold; the value is 0.
    pub fn all(n: u32) -> Self {
        let mut builder = Builder::default();
        let mut root = Ref::Leaf(1);
        for variable in (0..n).rev() {
            root = builder.make(variable, root, Ref::Leaf(0));
        }
        builder.finish(root)
    }

    /// The function that `formula` is, with its leaf 0 for refused and leaf v + 1 for the value v, and with the variable `map(v)` for each
    /// variable v. The map may reorder variables, and send several to one.
    pub fn from_formula(store: &Formulas, formula: Formula, map: impl Fn(Variable) -> u32) -> Result<Self, EngineError> {
        let variables = store.variables(formula);
        if variables.windows(2).all(|w| map(w[0]) < map(w[1])) {
            return Ok(Self::copy(store, formula, map));
        }
        // Reordered: build the same function again in the new order.
        let mut ordered = Formulas::new(store.len().saturating_mul(64).max(1 << 16));
        let mut done: HashMap<Formula, Formula> = HashMap::new();
        let mut stack = vec![formula];
        while let Some(&f) = stack.last() {
            let new = match store.branch(f) {
                None => ordered.leaf(store.as_leaf(f).unwrap_or(0))?,
                Some((variable, yes, no)) => match (done.get(&yes).copied(), done.get(&no).copied()) {
                    (Some(yes), Some(no)) => {
                        let condition = ordered.variable(map(variable))?;
                        ordered.if_then_else(condition, yes, no)?
                    }
                    (y, n) => {
                        stack.extend(n.is_none().then_some(no));
                        stack.extend(y.is_none().then_some(yes));
                        continue;
                    }
                },
            };
            done.insert(f, new);
            stack.pop();
        }
        let root = done.get(&formula).copied().ok_or(EngineError::Internal("an outcome without a root"))?;
        Ok(Self::copy(&ordered, root, |v| v))
    }

    fn copy(store: &Formulas, formula: Formula, map: impl Fn(Variable) -> u32) -> Self {
        let mut builder = Builder::default();
        let mut done: HashMap<Formula, Ref> = HashMap::new();
        let mut stack = vec![formula];
        let mut root = Ref::Leaf(0);
        while let Some(&f) = stack.last() {
            root = match store.branch(f) {
                None => Ref::Leaf(store.as_leaf(f).unwrap_or(0)),
                Some((variable, yes, no)) => match (done.get(&yes).copied(), done.get(&no).copied()) {
                    (Some(yes), Some(no)) => builder.make(map(variable), yes, no),
                    (y, n) => {
                        stack.extend(n.is_none().then_some(no));
                        stack.extend(y.is_none().then_some(yes));
                        continue;
                    }
                },
            };
            done.insert(f, root);
            stack.pop();
        }
        builder.finish(root)
    }

    /// Is every text refused?
    pub fn is_refused(&self) -> bool {
        self.root == Ref::Leaf(0)
    }

    /// Is no text refused for which this variable holds?
    pub(super) fn is_enough(&self, variable: u32) -> bool {
        self.map(|v| if v == variable { Mapped::Constant(true) } else { Mapped::Variable(v) }).refuses_nothing()
    }

    /// Is no text refused?
    pub(crate) fn refuses_nothing(&self) -> bool {
        let refused = Ref::Leaf(0);
        self.root != refused && self.nodes.iter().all(|node| node.yes != refused && node.no != refused)
    }

    /// The value of a text for which `holds` says which variables hold; `None`: refused. Asks only for what matters.
    pub fn evaluate(&self, mut holds: impl FnMut(u32) -> bool) -> Option<u32> {
        let leaf = self.try_leaf(|v| Ok(holds(v)));
        leaf.ok().and_then(|leaf| leaf.checked_sub(1))
    }

    pub(crate) fn try_leaf(&self, mut holds: impl FnMut(u32) -> Result<bool, EngineError>) -> Result<u32, EngineError> {
        let mut at = self.root;
        loop {
            match at {
                Ref::Leaf(leaf) => return Ok(leaf),
                Ref::Node(i) => {
                    let node = self.nodes[i as usize];
                    at = if holds(node.variable)? { node.yes } else { node.no };
                }
            }
        }
    }

    /// Is there a way to a value for which `possible`? It gets the variables that hold on the way and those that do not; `decided` ones are
    /// not among them.
    pub(crate) fn some_way(
        &self,
        decided: impl Fn(u32) -> Option<bool>,
        mut possible: impl FnMut(&[u32], &[u32]) -> Result<bool, EngineError>,
    ) -> Result<bool, EngineError> {
        let (mut yes, mut no): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut stack = vec![(self.root, 0, 0, None)];
        while let Some((at, yeses, noes, last)) = stack.pop() {
            yes.truncate(yeses);
            no.truncate(noes);
            match last {
                Some((variable, true)) => yes.push(variable),
                Some((variable, false)) => no.push(variable),
                None => {}
            }
            match at {
                Ref::Leaf(0) => {}
                Ref::Leaf(_) => {
                    if possible(&yes, &no)? {
                        return Ok(true);
                    }
                }
                Ref::Node(i) => {
                    let Node { variable, yes: then, no: otherwise } = self.nodes[i as usize];
                    match decided(variable) {
                        Some(true) => stack.push((then, yes.len(), no.len(), None)),
                        Some(false) => stack.push((otherwise, yes.len(), no.len(), None)),
                        None => {
                            stack.push((then, yes.len(), no.len(), Some((variable, true))));
                            stack.push((otherwise, yes.len(), no.len(), Some((variable, false))));
                        }
                    }
                }
            }
        }
        Ok(false)
    }

    /// The values it can take, ascending.
    pub fn values(&self) -> Vec<u32> {
        let mut leaves: Vec<u32> = std::iter::once(self.root)
            .chain(self.nodes.iter().flat_map(|n| [n.yes, n.no]))
            .filter_map(|r| match r {
                Ref::Leaf(leaf) => leaf.checked_sub(1),
                Ref::Node(_) => None,
            })
            .collect();
        leaves.sort_unstable();
        leaves.dedup();
        leaves
    }

    /// The variables it depends on, in no order, some of them several times.
    pub(crate) fn variables(&self) -> impl Iterator<Item = u32> + '_ {
        self.nodes.iter().map(|n| n.variable)
    }

    /// Replace variables by constants and rename the others; `map` keeps the order of those that stay.
    pub(crate) fn map(&self, map: impl Fn(u32) -> Mapped) -> Self {
        // Nodes whose variable is a constant are passed through.
        let through = |mut at: Ref| loop {
            let Ref::Node(i) = at else { return at };
            let node = &self.nodes[i as usize];
            match map(node.variable) {
                Mapped::Constant(true) => at = node.yes,
                Mapped::Constant(false) => at = node.no,
                Mapped::Variable(_) => return at,
            }
        };
        let root = through(self.root);
        let Ref::Node(top) = root else { return Self::new(Vec::new(), root) };
        let mut builder = Builder::default();
        let mut done: HashMap<u32, Ref> = HashMap::new();
        let mut stack = vec![top];
        let mut made = root;
        while let Some(&i) = stack.last() {
            let node = self.nodes[i as usize];
            let child = |r: Ref| match through(r) {
                Ref::Node(child) => done.get(&child).copied().ok_or(child),
                leaf @ Ref::Leaf(_) => Ok(leaf),
            };
            match (child(node.yes), child(node.no)) {
                (Ok(yes), Ok(no)) => {
                    let Mapped::Variable(variable) = map(node.variable) else { return Self::refused() };
                    made = builder.make(variable, yes, no);
                    done.insert(i, made);
                    stack.pop();
                }
                (Err(missing), _) | (Ok(_), Err(missing)) => stack.push(missing),
            }
        }
        builder.finish(made)
    }

    /// The outcome that accepts with value 0 where this one has `value`, and refuses elsewhere.
    pub(crate) fn only(&self, value: u32) -> Self {
        let leaf = |r: Ref| match r {
            Ref::Leaf(leaf) => Ref::Leaf(u32::from(leaf == value.saturating_add(1))),
            node @ Ref::Node(_) => node,
        };
        // Nodes that become alike are merged on the way up: children stand first.
        let mut builder = Builder::default();
        let mut made: Vec<Ref> = Vec::with_capacity(self.nodes.len());
        for node in self.nodes.iter() {
            let child = |r: Ref| match leaf(r) {
                Ref::Node(i) => made[i as usize],
                constant @ Ref::Leaf(_) => constant,
            };
            let new = builder.make(node.variable, child(node.yes), child(node.no));
            made.push(new);
        }
        let root = match leaf(self.root) {
            Ref::Node(i) => made[i as usize],
            constant @ Ref::Leaf(_) => constant,
        };
        builder.finish(root)
    }

    /// A keyed hash of the function.
    pub fn identity(&self) -> u128 {
        let mut identity = Identity::new("outcome");
        self.write_identity(&mut identity);
        identity.finish()
    }

    pub(crate) fn write_identity(&self, identity: &mut Identity) {
        let write = |r: Ref| match r {
            Ref::Leaf(leaf) => u64::from(leaf) << 1,
            Ref::Node(node) => u64::from(node) << 1 | 1,
        };
        identity.u64(self.nodes.len() as u64).u64(write(self.root));
        for node in self.nodes.iter() {
            identity.u32(node.variable).u64(write(node.yes)).u64(write(node.no));
        }
    }
}
