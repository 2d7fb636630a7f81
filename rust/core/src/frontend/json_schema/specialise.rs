//! Dynamic references become plain ones: a schema whose meaning depends on how it is reached is copied for each way that differs.
//! Part of reading a schema: **schema**.
//!
//! Invariant: a schema that no dynamic reference is reachable from keeps its one place; of the others there is one copy per *scope*: which resource on
//! the way comes first, for each dynamic anchor that some reference reachable from there asks for.
//! Must not know: what keywords say, but for where they hold schemas.

use hashbrown::HashMap;
use indexmap::IndexSet;

use super::json::{Document, Node, NodeId};
use super::keywords::{Keyword, Role, Shape};
use super::resolve::{ResourceId, subschemas};
use super::schema::{Located, Reference, Scanned, keywords};
use crate::error::CompileError;
use crate::limits::Limits;

/// Names of dynamic anchors, by index. From [`SHARED`] on they share one bit, which only keeps some scopes apart that need not be.
type Names = u64;

const SHARED: u32 = 63;

fn bit(name: u32) -> Names {
    1 << name.min(SHARED)
}

/// For each name that matters, and that a resource on the way has: where its anchor is in the outermost of them. Ascending.
type Scope = Vec<(u32, NodeId)>;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ScopeId(u32);

/// A schema, reached in a scope in which its own resource has been entered.
type Place = (NodeId, ScopeId);

/// Where each reference leads, by the node of the keyword's value. Copies are added to the document and to what is located, and what they
/// replace is taken out.
pub(super) fn specialise(found: &mut Scanned<'_>, limits: &Limits) -> Result<HashMap<NodeId, NodeId>, CompileError> {
    let mut references: HashMap<NodeId, NodeId> = found.references.iter().map(|(&value, r)| (value, r.target())).collect();
    if found.dynamic_names.is_empty() {
        return Ok(references);
    }
    let matters = names_that_matter(found);
    let mut anchors: HashMap<ResourceId, Vec<(u32, NodeId)>> = HashMap::new();
    for Located { resource, .. } in found.located.values() {
        let indexed = |(name, node): &(Box<str>, NodeId)| Some((found.dynamic_names.get_index_of(name)? as u32, *node));
        anchors.entry(*resource).or_insert_with(|| found.library.dynamic_anchors(*resource).iter().filter_map(indexed).collect());
    }
    let mut copier = Copier {
        document: &mut found.library.document,
        located: &found.located,
        references: &found.references,
        matters,
        anchors,
        scopes: IndexSet::from([Scope::new()]),
        entered: HashMap::new(),
        copies: HashMap::new(),
        waiting: Vec::new(),
        size: 0,
        limits,
    };
    let root = copier.document.root();
    let root = copier.enter(root, ScopeId(0));
    copier.copy_from(root)?;
    let Copier { waiting, copies, matters, .. } = copier;
    let placed = |place: Place| copies.get(&place).copied().unwrap_or(place.0);
    references.extend(waiting.into_iter().map(|(value, place)| (value, placed(place))));
    let replacements: Vec<(NodeId, Located)> =
        copies.iter().filter_map(|((original, _), &copy)| Some((copy, *found.located.get(original)?))).collect();
    found.library.document.set_root(placed(root));
    // What copies replace is reached no more.
    found.located.retain(|node, _| matters.get(node).is_none_or(|&names| names == 0));
    found.located.extend(replacements);
    Ok(references)
}

/// Does the keyword hold schemas that its own schema applies?
fn applies(row: &Keyword) -> bool {
    matches!(row.role, Role::Assertion | Role::InPlace | Role::Child)
}

/// For each schema, the names that dynamic references reachable from it ask for. A dynamic reference reaches every anchor of its name.
fn names_that_matter(found: &Scanned<'_>) -> HashMap<NodeId, Names> {
    let index: HashMap<NodeId, usize> = found.located.keys().enumerate().map(|(i, &node)| (node, i)).collect();
    let schemas = index.len();
    // One more place per name, between its references and its anchors.
    let mut reached_from: Vec<Vec<usize>> = vec![Vec::new(); schemas + found.dynamic_names.len()];
    let mut names: Vec<Names> = vec![0; reached_from.len()];
    let mut inside: Vec<NodeId> = Vec::new();
    for (&node, located) in &found.located {
        let Some(&from) = index.get(&node) else { continue };
        for (row, value) in keywords(&found.library.document, node, located.dialect).filter(|(row, _)| applies(row)) {
            subschemas(&found.library.document, row.shape, value, |child| inside.push(child));
            if let Some(&reference) = found.references.get(&value) {
                inside.push(reference.target());
                if let Reference::Dynamic(name, _) = reference {
                    names[from] |= bit(name);
                    reached_from[schemas + name as usize].push(from);
                }
            }
        }
        for to in inside.drain(..) {
            if let Some(&to) = index.get(&to) {
                reached_from[to].push(from);
            }
        }
    }
    for (name, anchors) in found.dynamic_names.values().enumerate() {
        for anchor in anchors {
            if let Some(&anchor) = index.get(anchor) {
                reached_from[anchor].push(schemas + name);
            }
        }
    }
    let mut work: Vec<usize> = (0..names.len()).filter(|&i| names[i] != 0).collect();
    while let Some(at) = work.pop() {
        for &from in &reached_from[at] {
            if names[from] | names[at] != names[from] {
                names[from] |= names[at];
                work.push(from);
            }
        }
    }
    index.into_iter().map(|(node, i)| (node, names[i])).collect()
}

struct Copier<'a> {
    document: &'a mut Document,
    located: &'a HashMap<NodeId, Located>,
    references: &'a HashMap<NodeId, Reference>,
    matters: HashMap<NodeId, Names>,
    anchors: HashMap<ResourceId, Vec<(u32, NodeId)>>,
    scopes: IndexSet<Scope>,
    entered: HashMap<(ResourceId, ScopeId, Names), ScopeId>,
    copies: HashMap<Place, NodeId>,
    /// References in copies, and where they lead.
    waiting: Vec<(NodeId, Place)>,
    /// Nodes added, with their members.
    size: usize,
    limits: &'a Limits,
}

impl Copier<'_> {
    fn matters(&self, node: NodeId) -> Names {
        self.matters.get(&node).copied().unwrap_or(0)
    }

    /// The schema at `node`, reached in a scope.
    fn enter(&mut self, node: NodeId, scope: ScopeId) -> Place {
        let names = self.matters(node);
        let Some(Located { resource, .. }) = self.located.get(&node).filter(|_| names != 0) else { return (node, ScopeId(0)) };
        let key = (*resource, scope, names);
        if let Some(&known) = self.entered.get(&key) {
            return (node, known);
        }
        let before = self.scopes.get_index(scope.0 as usize).map_or(&[][..], |scope| scope);
        let mut after: Scope = before.iter().filter(|&&(name, _)| bit(name) & names != 0).copied().collect();
        for &(name, anchor) in self.anchors.get(resource).into_iter().flatten() {
            if bit(name) & names != 0 && before.binary_search_by_key(&name, |&(known, _)| known).is_err() {
                after.push((name, anchor));
            }
        }
        after.sort_unstable();
        let after = ScopeId(self.scopes.insert_full(after).0 as u32);
        self.entered.insert(key, after);
        (node, after)
    }

    /// Copy what is reached from `root`, reference by reference.
    fn copy_from(&mut self, root: Place) -> Result<(), CompileError> {
        let mut followed = 0;
        let mut next = Some(root);
        while let Some(place) = next {
            self.copy(place)?;
            next = self.waiting.get(followed).map(|&(_, place)| place);
            followed += 1;
        }
        Ok(())
    }

    /// Copy a schema and those inside it, from the inside out.
    fn copy(&mut self, root: Place) -> Result<(), CompileError> {
        let mut stack = vec![(root, false)];
        let mut inside: Vec<NodeId> = Vec::new();
        while let Some((place, inside_is_copied)) = stack.pop() {
            let (node, scope) = place;
            if self.matters(node) == 0 || self.copies.contains_key(&place) {
                continue;
            }
            if inside_is_copied {
                self.copy_schema(place)?;
                continue;
            }
            stack.push((place, true));
            let Some(located) = self.located.get(&node) else { continue };
            inside.clear();
            for (row, value) in keywords(self.document, node, located.dialect).filter(|(row, _)| applies(row)) {
                subschemas(self.document, row.shape, value, |child| inside.push(child));
            }
            for &child in &inside {
                stack.push((self.enter(child, scope), false));
            }
        }
        Ok(())
    }

    fn copy_schema(&mut self, place: Place) -> Result<(), CompileError> {
        let (node, scope) = place;
        let Some(located) = self.located.get(&node) else { return Ok(()) };
        let mut values: HashMap<NodeId, NodeId> = HashMap::new();
        let rows: Vec<(&'static Keyword, NodeId)> =
            keywords(self.document, node, located.dialect).filter(|(row, _)| applies(row)).collect();
        for (row, value) in rows {
            let copy = match self.references.get(&value) {
                Some(&reference) => {
                    let to = match reference {
                        Reference::Static(target) => target,
                        Reference::Dynamic(name, target) => self.outermost(scope, name).unwrap_or(target),
                    };
                    let copy = self.add(value, |inside| inside)?;
                    let to = self.enter(to, scope);
                    self.waiting.push((copy, to));
                    copy
                }
                None => self.copy_value(row.shape, value, scope)?,
            };
            values.insert(value, copy);
        }
        if self.document.members(node).is_none() {
            return Ok(());
        }
        let copy = self.add(node, |value| values.get(&value).copied().unwrap_or(value))?;
        self.copies.insert(place, copy);
        Ok(())
    }

    fn outermost(&self, scope: ScopeId, name: u32) -> Option<NodeId> {
        let scope = self.scopes.get_index(scope.0 as usize)?;
        let at = scope.binary_search_by_key(&name, |&(known, _)| known).ok()?;
        scope.get(at).map(|&(_, anchor)| anchor)
    }

    /// The value of a keyword with the schemas in it replaced by their copies.
    fn copy_value(&mut self, shape: Shape, value: NodeId, scope: ScopeId) -> Result<NodeId, CompileError> {
        let mut inside = Vec::new();
        subschemas(self.document, shape, value, |child| inside.push(child));
        let mut copies: HashMap<NodeId, NodeId> = HashMap::new();
        for child in inside {
            let place = self.enter(child, scope);
            if let Some(&copy) = self.copies.get(&place) {
                copies.insert(child, copy);
            }
        }
        if copies.is_empty() {
            return Ok(value);
        }
        if let Some(&copy) = copies.get(&value) {
            return Ok(copy);
        }
        self.add(value, |child| copies.get(&child).copied().unwrap_or(child))
    }

    fn add(&mut self, original: NodeId, replace: impl Fn(NodeId) -> NodeId) -> Result<NodeId, CompileError> {
        self.size += match self.document.get(original) {
            Node::Array(items) => 1 + items.len(),
            Node::Object(members) => 1 + members.len(),
            _ => 1,
        };
        Limits::check("max_expression_nodes", self.size, self.limits.max_expression_nodes)?;
        Ok(self.document.add_copy(original, replace))
    }
}
