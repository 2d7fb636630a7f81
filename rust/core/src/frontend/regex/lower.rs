//! Patterns without assertions to expressions. Part of the regex front-end.
//!
//! Invariant: the expression matches what the pattern matches as a whole; counted repeats stay counted.
//! Must not know: the syntax.

use hashbrown::HashMap;

use super::ast::{ANY, Assertion, Ast, EMPTY, Node, NodeId, needs};
use crate::error::CompileError;
use crate::grammar::{CharClass, Expr, GrammarBuilder};

/// Expressions higher than this become rules.
const LIFT_HEIGHT: usize = 64;

/// Remove the anchors that say nothing when the pattern must match as a whole: `^` where nothing can come before, `$` where nothing
/// can come after.
pub(super) fn strip_anchors(ast: &mut Ast) {
    /// A node, and whether it stands at the start and at the end of the text.
    type Place = (NodeId, bool, bool);
    enum Task {
        Visit(Place),
        Build(Place, Vec<Place>),
    }
    let root = (ast.root, true, true);
    let mut done: HashMap<Place, NodeId> = HashMap::new();
    let mut tasks = vec![Task::Visit(root)];
    while let Some(task) = tasks.pop() {
        match task {
            Task::Visit(place) if done.contains_key(&place) => {}
            Task::Visit(place @ (id, at_start, at_end)) => {
                if ast.needs[id as usize] & (needs::BEFORE | needs::AFTER) == 0 || !(at_start || at_end) {
                    done.insert(place, id);
                    continue;
                }
                let children: Vec<Place> = match ast.node(id) {
                    Node::Assert(assertion) => {
                        let removed = match assertion {
                            Assertion::TextStart | Assertion::LineStart => at_start,
                            Assertion::TextEnd | Assertion::LineEnd => at_end,
                            Assertion::WordBoundary | Assertion::NotWordBoundary => false,
                        };
                        done.insert(place, if removed { EMPTY } else { id });
                        continue;
                    }
                    Node::Concat(parts) => {
                        let is_start = |id: &NodeId| matches!(ast.node(*id), Node::Assert(Assertion::TextStart | Assertion::LineStart));
                        let is_end = |id: &NodeId| matches!(ast.node(*id), Node::Assert(Assertion::TextEnd | Assertion::LineEnd));
                        let first = parts.iter().position(|id| !is_start(id)).unwrap_or(parts.len());
                        let last = parts.iter().rposition(|id| !is_end(id)).unwrap_or(0);
                        parts.iter().enumerate().map(|(i, &part)| (part, at_start && i <= first, at_end && i >= last)).collect()
                    }
                    Node::Alternate(branches) => branches.iter().map(|&branch| (branch, at_start, at_end)).collect(),
                    Node::Repeat { body, max: Some(1), .. } => vec![(*body, at_start, at_end)],
                    _ => {
                        done.insert(place, id);
                        continue;
                    }
                };
                tasks.push(Task::Build(place, children.clone()));
                tasks.extend(children.into_iter().map(Task::Visit));
            }
            Task::Build(place, children) => {
                let parts: Vec<NodeId> = children.iter().map(|child| done.get(child).copied().unwrap_or(child.0)).collect();
                let new = match ast.node(place.0) {
                    Node::Concat(_) => ast.concat(parts),
                    Node::Alternate(_) => ast.alternate(parts),
                    Node::Repeat { min, max, .. } => {
                        let (min, max) = (*min, *max);
                        ast.repeat(parts[0], min, max)
                    }
                    _ => place.0,
                };
                done.insert(place, new);
            }
        }
    }
    ast.root = done.get(&root).copied().unwrap_or(ast.root);
}

/// Let the pattern begin anywhere. Branches that can match at the start of the text only are not tried elsewhere, so that a text on which
/// they failed is a dead end at once.
pub(super) fn unanchor(ast: &mut Ast) {
    let mut anchored = Vec::with_capacity(ast.nodes.len());
    for node in &ast.nodes {
        let is = |id: &NodeId| anchored.get(*id as usize).copied().unwrap_or(false);
        anchored.push(match node {
            Node::Assert(Assertion::TextStart) => true,
            Node::Concat(parts) => parts.iter().any(is),
            Node::Alternate(branches) => !branches.is_empty() && branches.iter().all(is),
            Node::Repeat { body, min, .. } => *min > 0 && is(body),
            Node::Ahead { body, negative } => !negative && is(body),
            Node::Empty | Node::Class(_) | Node::Assert(_) | Node::Behind { .. } => false,
        });
    }
    let branches = match ast.node(ast.root) {
        Node::Alternate(branches) => branches.to_vec(),
        _ => vec![ast.root],
    };
    let (mut start_only, anywhere): (Vec<NodeId>, Vec<NodeId>) = branches.into_iter().partition(|&id| anchored[id as usize]);
    if !anywhere.is_empty() {
        let any = ast.add(Node::Class(ANY));
        let any = ast.repeat(any, 0, None);
        let rest = ast.alternate(anywhere);
        start_only.push(ast.concat(vec![any, rest]));
    }
    ast.root = ast.alternate(start_only);
}

/// The expression of a pattern without assertions.
pub(super) fn expression(ast: &Ast, builder: &mut GrammarBuilder) -> Result<Expr, CompileError> {
    let count = ast.root as usize + 1;
    // How often each node's expression is wanted: the last one takes it, others copy.
    let mut wanted = vec![0usize; count];
    wanted[ast.root as usize] = 1;
    for id in (0..count).rev() {
        if wanted[id] > 0 {
            for &child in children(ast, id as NodeId) {
                wanted[child as usize] += 1;
            }
        }
    }
    let mut made: Vec<Option<(Expr, usize)>> = Vec::new();
    made.resize_with(count, || None);
    for id in 0..count {
        if wanted[id] == 0 {
            continue;
        }
        let mut height = 0;
        let mut parts = Vec::new();
        for &child in children(ast, id as NodeId) {
            let slot = &mut made[child as usize];
            wanted[child as usize] -= 1;
            let part = if wanted[child as usize] == 0 { slot.take() } else { slot.clone() };
            if let Some((expr, h)) = part {
                height = height.max(h);
                parts.push(expr);
            }
        }
        let expr = match ast.node(id as NodeId) {
            Node::Class(class) => Expr::Class(ast.classes[*class as usize].clone()),
            Node::Concat(_) => Expr::sequence(join_characters(parts)),
            Node::Alternate(_) => Expr::choice(parts),
            Node::Repeat { min, max, .. } => parts.pop().unwrap_or_else(Expr::empty).repeat(*min, *max),
            Node::Empty | Node::Assert(_) | Node::Ahead { .. } | Node::Behind { .. } => Expr::empty(),
        };
        height += 1;
        made[id] = Some(if height > LIFT_HEIGHT { (Expr::Rule(builder.define_fresh("root", expr)?), 1) } else { (expr, height) });
    }
    let (root, _) = made[ast.root as usize].take().unwrap_or((Expr::empty(), 1));
    Ok(match single(&root) {
        Some(c) => Expr::text(c.encode_utf8(&mut [0; 4])),
        None => root,
    })
}

fn children(ast: &Ast, id: NodeId) -> &[NodeId] {
    match ast.node(id) {
        Node::Concat(parts) | Node::Alternate(parts) => parts,
        Node::Repeat { body, .. } => std::slice::from_ref(body),
        Node::Empty | Node::Class(_) | Node::Assert(_) | Node::Ahead { .. } | Node::Behind { .. } => &[],
    }
}

fn single(expr: &Expr) -> Option<char> {
    match expr {
        Expr::Class(class) => match *class.ranges() {
            [(low, high)] if low == high => char::from_u32(low),
            _ => None,
        },
        _ => None,
    }
}

/// Characters in a row to literals.
fn join_characters(parts: Vec<Expr>) -> Vec<Expr> {
    let mut out = Vec::with_capacity(parts.len());
    let mut literal = String::new();
    for part in parts {
        if let Some(c) = single(&part) {
            literal.push(c);
            continue;
        }
        if !literal.is_empty() {
            out.push(Expr::text(&std::mem::take(&mut literal)));
        }
        out.push(part);
    }
    if !literal.is_empty() {
        out.push(Expr::text(&literal));
    }
    out
}

/// If the texts in which the pattern is found are exactly `class{min,max}`: that.
pub(super) fn counted_class(ast: &Ast) -> Option<(CharClass, u64, Option<u64>)> {
    let root = ast.root;
    if ast.needs[root as usize] == 0 {
        // Found in every text, as the empty match if nothing else.
        return ast.nullable[root as usize].then(|| (CharClass::any(), 0, None));
    }
    let pieces = pieces(ast, root);
    let is = |id: NodeId, wanted: Assertion| *ast.node(id) == Node::Assert(wanted);
    let [first, middle @ .., last] = pieces.as_slice() else {
        return None;
    };
    if !is(*first, Assertion::TextStart) || !is(*last, Assertion::TextEnd) {
        return None;
    }
    let mut found = None;
    let (mut low, mut high) = (0u64, Some(0u64));
    for &piece in middle {
        let (class, min, max) = match *ast.node(piece) {
            Node::Class(class) => (class, 1, Some(1)),
            Node::Repeat { body, min, max } => match *ast.node(body) {
                Node::Class(class) => (class, u64::from(min), max.map(u64::from)),
                _ => return None,
            },
            _ => return None,
        };
        if *found.get_or_insert(class) != class {
            return None;
        }
        low = low.checked_add(min)?;
        high = match (high, max) {
            (Some(a), Some(b)) => Some(a.checked_add(b)?),
            _ => None,
        };
    }
    let class = found.map_or_else(CharClass::any, |class| ast.classes[class as usize].clone());
    Some((class, low, high))
}

/// The pieces of nested sequences, in order.
fn pieces(ast: &Ast, root: NodeId) -> Vec<NodeId> {
    let mut pieces = Vec::new();
    let mut stack = vec![root];
    while let Some(id) = stack.pop() {
        match ast.node(id) {
            Node::Concat(parts) => stack.extend(parts.iter().rev()),
            _ => pieces.push(id),
        }
    }
    pieces
}

/// Is it plain that the pattern is found in some text? It is where what depends on its surroundings stands at the ends only.
pub(super) fn plainly_matches(ast: &Ast) -> bool {
    let free = free_of_conditions(ast, false);
    branches(ast).into_iter().any(|branch| inside(ast, branch).iter().all(|&id| free[id as usize]))
}

/// Can whatever the pattern has begun to match be completed? It is so where it has no conditions but the ends of the text at its own.
pub(super) fn always_ends(ast: &Ast) -> bool {
    let free = free_of_conditions(ast, true);
    branches(ast).into_iter().all(|branch| inside(ast, branch).iter().all(|&id| free[id as usize]))
}

/// Is the pattern found in some text that begins with this one, whatever that is, and in all that go on with it? It is so where an alternative has no
/// conditions at all.
pub(super) fn can_always_be_found(ast: &Ast) -> bool {
    let free = free_of_conditions(ast, true);
    branches(ast).into_iter().any(|branch| free[branch as usize])
}

/// Is whatever comes, and whatever came before, the beginning of a text in which the pattern is found? It is so where an alternative has no conditions
/// but the end of the text at its own.
pub(super) fn is_never_lost(ast: &Ast) -> bool {
    let free = free_of_conditions(ast, true);
    let asks_for_start =
        |branch: NodeId| pieces(ast, branch).first().is_some_and(|&id| *ast.node(id) == Node::Assert(Assertion::TextStart));
    branches(ast).into_iter().any(|branch| !asks_for_start(branch) && inside(ast, branch).iter().all(|&id| free[id as usize]))
}

/// By node: can it be matched on every way, or on some, without asking what is around, by characters that there are?
fn free_of_conditions(ast: &Ast, every: bool) -> Vec<bool> {
    let mut free: Vec<bool> = Vec::with_capacity(ast.root as usize + 1);
    for node in &ast.nodes[..=ast.root as usize] {
        let is = |id: &NodeId| free.get(*id as usize).copied().unwrap_or(false);
        free.push(match node {
            Node::Empty => true,
            Node::Class(class) => {
                ast.classes[*class as usize].ranges().iter().any(|&(low, high)| low < SURROGATES.0 || high > SURROGATES.1)
            }
            Node::Alternate(branches) if !every => branches.iter().any(is),
            Node::Concat(parts) | Node::Alternate(parts) => parts.iter().all(is),
            Node::Repeat { body, min, .. } => !every && *min == 0 || is(body),
            Node::Assert(_) | Node::Ahead { .. } | Node::Behind { .. } => false,
        });
    }
    free
}

/// The alternatives of a pattern.
fn branches(ast: &Ast) -> Vec<NodeId> {
    match ast.node(ast.root) {
        Node::Alternate(branches) => branches.to_vec(),
        _ => vec![ast.root],
    }
}

/// What stands between the beginning and the end of the text, if an alternative asks for these.
fn inside(ast: &Ast, branch: NodeId) -> Vec<NodeId> {
    let pieces = pieces(ast, branch);
    let is = |id: NodeId, wanted: Assertion| *ast.node(id) == Node::Assert(wanted);
    let first = pieces.iter().take_while(|&&id| is(id, Assertion::TextStart)).count();
    let last = pieces[first..].iter().rev().take_while(|&&id| is(id, Assertion::TextEnd)).count();
    pieces[first..pieces.len() - last].to_vec()
}

/// Code points that are no characters.
const SURROGATES: (u32, u32) = (0xD800, 0xDFFF);
