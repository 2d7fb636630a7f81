//! A checked schema document: every schema that the root can reach, its references resolved, its content hashed.
//! Pipeline: json + resolve + keywords -> **schema** -> obligation.
//!
//! Invariant: every reachable keyword has its shape, is enforced or an annotation; references lead somewhere and never back to the
//! same value; one pass over the document, linear, without recursion. What schemas mean is worked out later, when first visited.
//! Must not know: formulas, states.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::json::{Document, Members, Node, NodeId, escape_token};
use super::keywords::{Draft, FORMATS, Keyword, Role, Shape, keyword};
use super::options::Options;
use super::resolve::{ResourceId, Resources, subschemas};
use crate::error::CompileError;
use crate::frontend::regex::PatternAutomaton;
use crate::identity::Identity;
use crate::limits::Limits;
use crate::provider::CodepointAutomaton;

/// A reachable schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located {
    pub draft: Draft,
    resource: ResourceId,
    /// Where its reference leads.
    pub target: Option<NodeId>,
    /// Its keyed content hash: equal hashes, equal meaning.
    pub content: u128,
}

/// See the module.
pub(super) struct SchemaDocument {
    pub document: Document,
    pub options: Options,
    located: HashMap<NodeId, Located>,
    patterns: HashMap<Box<str>, Arc<dyn CodepointAutomaton>>,
    /// Where a content stands first in the document, as itself or as a reference to it.
    first: HashMap<u128, NodeId>,
}

impl SchemaDocument {
    /// Parse and check `text`.
    pub fn read(text: &str, options: &Options, limits: &Limits) -> Result<Self, CompileError> {
        let document = Document::parse(text, limits)?;
        let resources = Resources::collect(&document, options.default_draft);
        let mut scan = Scan {
            document: &document,
            resources,
            options,
            limits,
            located: HashMap::new(),
            in_place: Vec::new(),
            patterns: HashMap::new(),
            pending: vec![(document.root(), Resources::root())],
        };
        scan.run()?;
        scan.refuse_cycles()?;
        scan.hash_contents();
        let Scan { located, patterns, .. } = scan;
        let mut this = Self { document, options: options.clone(), located, patterns, first: HashMap::new() };
        for &node in this.located.keys() {
            if let Some(content) = this.located(this.follow(node)).map(|l| l.content) {
                let first = this.first.entry(content).or_insert(node);
                *first = node.min(*first);
            }
        }
        Ok(this)
    }

    /// Where the content of a schema stands first. Unlike ids given on a first visit this does not depend on what was visited before.
    pub fn first_place(&self, node: NodeId) -> NodeId {
        self.located(node).and_then(|l| self.first.get(&l.content)).copied().unwrap_or(node)
    }

    pub fn located(&self, node: NodeId) -> Option<&Located> {
        self.located.get(&node)
    }

    /// The automaton of a pattern that occurs in the document.
    pub fn pattern(&self, pattern: &str) -> Option<Arc<dyn CodepointAutomaton>> {
        self.patterns.get(pattern).cloned()
    }

    /// The schema that `node` stands for: references without siblings are followed.
    pub fn follow(&self, mut node: NodeId) -> NodeId {
        // Reference cycles were refused, so this ends.
        while let Some(target) = self.located(node).and_then(|l| l.target.filter(|_| self.only_refers(node, l.draft))) {
            node = target;
        }
        node
    }

    fn only_refers(&self, node: NodeId, draft: Draft) -> bool {
        draft.reference_stands_alone()
            || self.document.members(node).is_some_and(|members| {
                members.len() == 1
                    || members.iter().all(|(name, _)| {
                        is_reference(name)
                            || keyword(name)
                                .filter(|k| k.in_force(draft))
                                .is_none_or(|k| matches!(k.role, Role::Annotation | Role::Identifier | Role::Definitions))
                    })
            })
    }

    /// The value of a keyword, if the schema has it and its draft knows it.
    pub fn member_in_force(&self, node: NodeId, name: &str) -> Option<NodeId> {
        let draft = self.located(node).map_or(Draft::Unstated, |l| l.draft);
        keyword(name).filter(|k| k.in_force(draft))?;
        self.document.member(node, name)
    }

    /// The keywords in force in a schema, in order.
    pub fn keywords(&self, node: NodeId) -> impl Iterator<Item = (&'static Keyword, NodeId)> {
        let draft = self.located(node).map_or(Draft::Unstated, |l| l.draft);
        let alone = draft.reference_stands_alone() && self.document.member(node, "$ref").is_some();
        self.document.members(node).into_iter().flat_map(Members::iter).filter_map(move |(name, value)| {
            let row = keyword(name).filter(|k| k.in_force(draft))?;
            (!alone || row.name == "$ref").then_some((row, value))
        })
    }
}

/// Is it one of the reference keywords?
pub(super) fn is_reference(name: &str) -> bool {
    matches!(name, "$ref" | "$dynamicRef" | "$recursiveRef")
}

struct Scan<'a> {
    document: &'a Document,
    resources: Resources,
    options: &'a Options,
    limits: &'a Limits,
    located: HashMap<NodeId, Located>,
    /// Schemas applied to the same value: from, to.
    in_place: Vec<(NodeId, NodeId)>,
    patterns: HashMap<Box<str>, Arc<dyn CodepointAutomaton>>,
    pending: Vec<(NodeId, ResourceId)>,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), CompileError> {
        while let Some((node, inside)) = self.pending.pop() {
            if self.located.contains_key(&node) {
                continue;
            }
            let resource = self.resources.at(node, inside);
            let draft = self.resources.draft(resource);
            let mut located = Located { draft, resource, target: None, content: 0 };
            match self.document.get(node) {
                Node::Bool(_) => {}
                Node::Object(members) => {
                    let alone = draft.reference_stands_alone() && members.get("$ref").is_some();
                    for (name, value) in members.iter() {
                        let Some(row) = keyword(name).filter(|k| k.in_force(draft)) else { continue };
                        if !alone || name == "$ref" {
                            self.keyword(node, row, value, &mut located)?;
                        }
                    }
                }
                _ => return Err(self.error(node, None, "a schema must be an object or a boolean")),
            }
            self.located.insert(node, located);
        }
        Ok(())
    }

    fn error(&self, node: NodeId, keyword: Option<&str>, message: impl Into<String>) -> CompileError {
        let mut pointer = self.document.pointer_to(node);
        if let Some(name) = keyword {
            pointer.push('/');
            pointer.push_str(&escape_token(name));
        }
        CompileError::Schema { pointer, message: message.into() }
    }

    fn keyword(&mut self, node: NodeId, row: &'static Keyword, value: NodeId, located: &mut Located) -> Result<(), CompileError> {
        let refuse = |this: &Self, message: String| Err(this.error(node, Some(row.name), message));
        if row.role != Role::Annotation
            && let Err(wanted) = self.check_shape(row.shape, value, located.draft)
        {
            return refuse(self, format!("`{}` must be {wanted}", row.name));
        }
        match row.role {
            Role::Annotation | Role::Definitions => return Ok(()),
            Role::Identifier => {
                let unknown = row.name == "$schema" && self.document.string(value).and_then(Draft::from_uri).is_none();
                if unknown {
                    let uri = self.document.string(value).unwrap_or("");
                    return refuse(self, format!("the dialect {uri:?} is not known; drafts 4 to 2020-12 are"));
                }
                return Ok(());
            }
            Role::Refused => return refuse(self, format!("the keyword `{}` is not enforced yet, so the schema is refused", row.name)),
            Role::RefusedUnlessTrivial => {
                let harmless = match (row.shape, self.document.get(value)) {
                    (Shape::Bool, Node::Bool(flag)) => !flag,
                    (_, Node::Bool(flag)) => *flag,
                    (_, Node::Object(members)) => members.len() == 0,
                    _ => false,
                };
                if harmless {
                    return Ok(());
                }
                return refuse(self, format!("the keyword `{}` is not enforced yet, so the schema is refused", row.name));
            }
            Role::Assertion | Role::InPlace | Role::Child => {}
        }
        match row.name {
            "$ref" | "$dynamicRef" | "$recursiveRef" => self.reference(node, row.name, value, located)?,
            "pattern" => {
                let text = self.document.string(value).unwrap_or("");
                self.pattern(node, &[row.name], text)?;
            }
            "patternProperties" => {
                for (name, _) in self.document.members(value).into_iter().flat_map(Members::iter) {
                    self.pattern(node, &[row.name, name], name)?;
                }
            }
            "format" if self.options.assert_formats => {
                if let Some(name) = self.document.string(value).filter(|name| FORMATS.contains(name)) {
                    let message =
                        format!("the format {name:?} is not enforced yet; set assert_formats to false to treat formats as annotations");
                    return refuse(self, message);
                }
            }
            _ => {}
        }
        let (document, resource) = (self.document, located.resource);
        let (pending, in_place) = (&mut self.pending, &mut self.in_place);
        subschemas(document, row.shape, value, |child| {
            pending.push((child, resource));
            if row.role == Role::InPlace {
                in_place.push((node, child));
            }
        });
        Ok(())
    }

    fn reference(&mut self, node: NodeId, name: &'static str, value: NodeId, located: &mut Located) -> Result<(), CompileError> {
        if name != "$ref" && self.resources.has_dynamic_anchors() {
            return Err(self.error(
                node,
                Some(name),
                format!("`{name}` together with dynamic anchors is not enforced yet, so the schema is refused"),
            ));
        }
        let reference = self.document.string(value).unwrap_or("");
        let target = self.resources.resolve(self.document, located.resource, reference).map_err(|m| self.error(node, Some(name), m))?;
        if located.target.is_some_and(|other| other != target.node) {
            return Err(self.error(
                node,
                Some(name),
                "two different references in one schema are not enforced yet, so the schema is refused",
            ));
        }
        located.target = Some(target.node);
        self.in_place.push((node, target.node));
        self.pending.push((target.node, target.resource));
        Ok(())
    }

    fn pattern(&mut self, node: NodeId, path: &[&str], pattern: &str) -> Result<(), CompileError> {
        if self.patterns.contains_key(pattern) {
            return Ok(());
        }
        match PatternAutomaton::search(pattern, self.limits) {
            Ok(automaton) => {
                self.patterns.insert(pattern.into(), Arc::new(automaton));
                Ok(())
            }
            Err(CompileError::Engine(error)) => Err(error.into()),
            Err(error) => {
                let mut pointer = self.document.pointer_to(node);
                for token in path {
                    pointer.push('/');
                    pointer.push_str(&escape_token(token));
                }
                Err(CompileError::Schema { pointer, message: error.to_string() })
            }
        }
    }

    /// `Err` says what it should have been.
    fn check_shape(&self, shape: Shape, value: NodeId, draft: Draft) -> Result<(), &'static str> {
        let d = self.document;
        let names = |node: NodeId| d.items(node).is_some_and(|items| items.iter().all(|&i| d.string(i).is_some()));
        let node = d.get(value);
        let (good, wanted) = match shape {
            Shape::Any => (true, ""),
            Shape::Text => (matches!(node, Node::String(_)), "a string"),
            Shape::Bool => (matches!(node, Node::Bool(_)), "true or false"),
            Shape::Count => (count(d, value).is_some(), "a whole number from 0 to 18446744073709551614"),
            Shape::Exclusive if draft == Draft::Draft4 => (matches!(node, Node::Bool(_)), "true or false in draft 4"),
            Shape::Exclusive if draft == Draft::Unstated => (matches!(node, Node::Bool(_) | Node::Number(_)), "a number"),
            Shape::Number | Shape::Exclusive => (matches!(node, Node::Number(_)), "a number"),
            Shape::Types => {
                let known = |node: NodeId| {
                    let name = d.string(node).unwrap_or("");
                    matches!(name, "null" | "boolean" | "integer" | "number" | "string" | "array" | "object")
                };
                let list = d.items(value).is_some_and(|items| !items.is_empty() && items.iter().all(|&i| known(i)));
                (known(value) || list, "a type (null, boolean, integer, number, string, array, object) or a list of types")
            }
            Shape::Values => (matches!(node, Node::Array(_)), "a list of values"),
            Shape::Names => (names(value), "a list of strings"),
            Shape::NamesByName => (d.members(value).is_some_and(|m| m.iter().all(|(_, n)| names(n))), "an object of lists of strings"),
            Shape::Schema => (matches!(node, Node::Object(_) | Node::Bool(_)), "a schema"),
            Shape::Schemas => (d.items(value).is_some_and(|items| !items.is_empty()), "a list of schemas, not empty"),
            Shape::SchemasByName => (matches!(node, Node::Object(_)), "an object of schemas"),
            Shape::SchemaOrSchemas => (matches!(node, Node::Object(_) | Node::Bool(_) | Node::Array(_)), "a schema or a list of schemas"),
            Shape::SchemaOrNamesByName => {
                let good = |node: NodeId| matches!(d.get(node), Node::Object(_) | Node::Bool(_)) || names(node);
                (d.members(value).is_some_and(|m| m.iter().all(|(_, n)| good(n))), "an object of schemas and lists of strings")
            }
        };
        if good { Ok(()) } else { Err(wanted) }
    }

    /// A schema that applies itself to the same value has no meaning.
    fn refuse_cycles(&self) -> Result<(), CompileError> {
        let mut next: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for &(from, to) in &self.in_place {
            next.entry(from).or_default().push(to);
        }
        let mut finished: HashSet<NodeId> = HashSet::new();
        let mut open: HashSet<NodeId> = HashSet::new();
        let mut starts: Vec<NodeId> = next.keys().copied().collect();
        starts.sort_unstable();
        for start in starts {
            let mut stack = vec![(start, 0)];
            while let Some((node, at)) = stack.pop() {
                if at == 0 && (finished.contains(&node) || !open.insert(node)) {
                    continue;
                }
                if let Some(&child) = next.get(&node).and_then(|list| list.get(at)) {
                    if open.contains(&child) {
                        let message = format!(
                            "applying this schema to a value applies it again to the same value, through {:?}",
                            self.document.pointer_to(node)
                        );
                        return Err(self.error(child, None, message));
                    }
                    stack.push((node, at + 1));
                    stack.push((child, 0));
                } else {
                    open.remove(&node);
                    finished.insert(node);
                }
            }
        }
        Ok(())
    }

    /// Bottom-up, since ids grow from the inside out. References count by where they lead.
    fn hash_contents(&mut self) {
        let mut nodes: Vec<NodeId> = self.located.keys().copied().collect();
        nodes.sort_unstable();
        for node in nodes {
            let Some(located) = self.located.get(&node).copied() else { continue };
            let mut hash = Identity::new("json schema");
            hash.u32(located.draft as u32);
            match self.document.members(node) {
                None => {
                    hash.u128(self.document.value_hash(node));
                }
                Some(members) => {
                    let alone = located.draft.reference_stands_alone() && members.get("$ref").is_some();
                    for (name, value) in members.iter() {
                        let Some(row) = keyword(name).filter(|k| k.in_force(located.draft)) else { continue };
                        if matches!(row.role, Role::Annotation | Role::Identifier | Role::Definitions) || (alone && name != "$ref") {
                            continue;
                        }
                        if is_reference(name) {
                            hash.str("$ref");
                            hash.u128(located.target.map_or(0, |t| u128::from(t.0)));
                            continue;
                        }
                        hash.str(name);
                        self.hash_keyword(&mut hash, row.shape, value);
                    }
                }
            }
            if let Some(located) = self.located.get_mut(&node) {
                located.content = hash.finish();
            }
        }
    }

    fn hash_keyword(&self, hash: &mut Identity, shape: Shape, value: NodeId) {
        let content = |node: NodeId| self.located.get(&node).map_or_else(|| self.document.value_hash(node), |l| l.content);
        match (shape, self.document.get(value)) {
            (Shape::Schema, _) | (Shape::SchemaOrSchemas, Node::Object(_) | Node::Bool(_)) => {
                hash.u128(content(value));
            }
            (Shape::Schemas | Shape::SchemaOrSchemas, Node::Array(items)) => {
                hash.str("list");
                for &item in items {
                    hash.u128(content(item));
                }
            }
            (Shape::SchemasByName | Shape::SchemaOrNamesByName, Node::Object(members)) => {
                hash.str("map");
                for (name, child) in members.iter() {
                    hash.str(name);
                    hash.u128(content(child));
                }
            }
            _ => {
                hash.u128(self.document.value_hash(value));
            }
        }
    }
}

/// A whole number that is not negative, however it is written; below the largest 64-bit number.
pub(super) fn count(document: &Document, node: NodeId) -> Option<u64> {
    let Node::Number(text) = document.get(node) else { return None };
    if let Ok(value) = text.parse::<u64>() {
        return (value < u64::MAX).then_some(value);
    }
    let canonical = super::json::canonical_number(text);
    if canonical == "0" {
        return Some(0);
    }
    let (digits, exponent) = canonical.split_once('e')?;
    let exponent: u32 = exponent.parse().ok().filter(|&e| e < 20)?;
    digits.parse::<u64>().ok()?.checked_mul(10u64.checked_pow(exponent)?).filter(|&v| v < u64::MAX)
}
