//! A checked schema: every schema that the root can reach, in whatever document, its references resolved, its content hashed.
//! Pipeline: json + resolve + keywords -> **schema** -> obligation.
//!
//! Invariant: every reachable keyword has its shape, is enforced or an annotation; references lead somewhere and never back to the
//! same value; one pass over what is reached, linear, without recursion. What schemas mean is worked out later, when first visited.
//! Must not know: formulas, states.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use indexmap::IndexMap;

use super::formats::{self, Format};
use super::json::{Document, Members, Node, NodeId, escape_token};
use super::keywords::{Dialect, Draft, Keyword, Role, Shape, keyword};
use super::options::Options;
use super::registry::{Documents, Registry};
use super::resolve::{Library, ResourceId, Unresolved, subschemas};
use super::specialise::specialise;
use crate::automaton::number::Decimal;
use crate::error::CompileError;
use crate::frontend::regex::PatternAutomaton;
use crate::limits::Limits;

/// A reachable schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located {
    pub dialect: Dialect,
    pub resource: ResourceId,
    /// Its keyed content hash: equal hashes, equal meaning.
    pub content: u128,
}

/// Where a reference leads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reference {
    Static(NodeId),
    /// To the outermost resource on the way here that has the anchor, by its index in [`Scanned::dynamic_names`]; else to the node.
    Dynamic(u32, NodeId),
}

impl Reference {
    /// Where it leads if nothing is on the way.
    pub fn target(self) -> NodeId {
        match self {
            Self::Static(node) | Self::Dynamic(_, node) => node,
        }
    }
}

/// What the scan found.
pub(super) struct Scanned<'r> {
    pub library: Library<'r>,
    pub located: HashMap<NodeId, Located>,
    /// By the node of the keyword's value.
    pub references: HashMap<NodeId, Reference>,
    /// The anchors that dynamic references ask for.
    pub dynamic_names: IndexMap<Box<str>, Vec<NodeId>>,
}

/// See the module.
pub(super) struct SchemaDocument {
    pub document: Document,
    pub options: Options,
    /// The documents of the registry that references led to.
    pub used: Documents,
    pub(super) located: HashMap<NodeId, Located>,
    /// Where references lead, by the node of the keyword's value.
    references: HashMap<NodeId, NodeId>,
    patterns: HashMap<Box<str>, Arc<PatternAutomaton>>,
    /// Where a content stands first in the document, as itself or as a reference to it.
    first: HashMap<u128, NodeId>,
}

impl SchemaDocument {
    /// Parse and check `text`, and what it refers to.
    pub fn read(text: &str, options: &Options, registry: &dyn Registry, limits: &Limits) -> Result<Self, CompileError> {
        let library = Library::open(text, options.default_draft, registry, limits)?;
        let mut scan = Scan {
            pending: vec![(library.document.root(), ResourceId::ROOT)],
            found: Scanned { library, located: HashMap::new(), references: HashMap::new(), dynamic_names: IndexMap::new() },
            limits,
            patterns: HashMap::new(),
            anchors: HashMap::new(),
            entered: HashSet::new(),
        };
        scan.run()?;
        let Scan { mut found, patterns, .. } = scan;
        let references = specialise(&mut found, limits)?;
        let used = found.library.used();
        let (document, located) = (found.library.document, found.located);
        let mut this = Self { document, options: options.clone(), used, located, references, patterns, first: HashMap::new() };
        this.refuse_cycles()?;
        this.hash_contents();
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

    /// All schemas that the root can reach.
    pub fn reachable(&self) -> impl Iterator<Item = NodeId> {
        self.located.keys().copied()
    }

    /// The automaton of a pattern that occurs in the document.
    pub fn pattern(&self, pattern: &str) -> Option<Arc<PatternAutomaton>> {
        self.patterns.get(pattern).cloned()
    }

    /// The schema that the reference with this value leads to.
    pub fn target(&self, value: NodeId) -> Option<NodeId> {
        self.references.get(&value).copied()
    }

    /// The schema that `node` stands for: a reference without anything beside it is followed.
    pub fn follow(&self, mut node: NodeId) -> NodeId {
        // Reference cycles were refused, so this ends.
        while let Some(target) = self.only_refers(node) {
            node = target;
        }
        node
    }

    fn only_refers(&self, node: NodeId) -> Option<NodeId> {
        let silent = |role: Role| matches!(role, Role::Annotation | Role::Identifier | Role::Definitions);
        let mut only = None;
        for (row, value) in self.keywords(node) {
            if is_reference(row.name) && only.is_none() {
                only = self.target(value);
            } else if !silent(row.role) {
                return None;
            }
        }
        only
    }

    /// The value of a keyword, if the schema has it and its draft knows it.
    pub fn member_in_force(&self, node: NodeId, name: &str) -> Option<NodeId> {
        let dialect = self.located(node).map_or(Dialect::of(Draft::Unstated), |l| l.dialect);
        keyword(name).filter(|k| dialect.has(k))?;
        self.document.member(node, name)
    }

    /// The keywords in force in a schema, in order.
    pub fn keywords(&self, node: NodeId) -> impl Iterator<Item = (&'static Keyword, NodeId)> {
        let dialect = self.located(node).map_or(Dialect::of(Draft::Unstated), |l| l.dialect);
        keywords(&self.document, node, dialect)
            .filter(|(row, value)| !matches!(row.name, "format" | "contentEncoding") || self.format(row.name, *value).is_some())
    }

    /// The format that a `format` or `contentEncoding` asserts; `None`: it is an annotation.
    pub fn format(&self, keyword: &str, value: NodeId) -> Option<&'static Format> {
        let name = self.document.string(value).filter(|_| self.options.assert_formats)?;
        if keyword == "format" { formats::format(name) } else { formats::encoding(name) }
    }
}

/// The keywords in force in the schema at `node`, in order.
pub(super) fn keywords(document: &Document, node: NodeId, dialect: Dialect) -> impl Iterator<Item = (&'static Keyword, NodeId)> {
    let alone = dialect.draft.reference_stands_alone() && document.member(node, "$ref").is_some();
    document.members(node).into_iter().flat_map(Members::iter).filter_map(move |(name, value)| {
        let row = keyword(name).filter(|k| dialect.has(k))?;
        (!alone || row.name == "$ref").then_some((row, value))
    })
}

/// Is it one of the reference keywords?
pub(super) fn is_reference(name: &str) -> bool {
    matches!(name, "$ref" | "$dynamicRef" | "$recursiveRef")
}

struct Scan<'a> {
    found: Scanned<'a>,
    limits: &'a Limits,
    patterns: HashMap<Box<str>, Arc<PatternAutomaton>>,
    pending: Vec<(NodeId, ResourceId)>,
    entered: HashSet<ResourceId>,
    /// The dynamic anchors of resources that were entered.
    anchors: HashMap<Box<str>, Vec<(NodeId, ResourceId)>>,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), CompileError> {
        let mut rows: Vec<(&'static Keyword, NodeId)> = Vec::new();
        while let Some((node, inside)) = self.pending.pop() {
            if self.found.located.contains_key(&node) {
                continue;
            }
            let resource = self.found.library.enter(node, inside)?;
            if self.entered.insert(resource) {
                self.enter(resource)?;
            }
            let dialect = self.found.library.dialect(resource);
            let document = &self.found.library.document;
            if !matches!(document.get(node), Node::Bool(_) | Node::Object(_)) {
                return Err(self.error(node, None, "a schema must be an object or a boolean"));
            }
            rows.clear();
            rows.extend(keywords(document, node, dialect));
            let located = Located { dialect, resource, content: 0 };
            self.found.located.insert(node, located);
            for &(row, value) in &rows {
                self.keyword(node, row, value, located)?;
            }
        }
        Ok(())
    }

    /// The first schema of a resource is reached.
    fn enter(&mut self, resource: ResourceId) -> Result<(), CompileError> {
        let library = &self.found.library;
        if let Some((root, uri)) = library.unknown_dialect(resource) {
            let message = format!(
                "the dialect {uri:?} is not known; drafts 4 to 2020-12 are, and others whose meta-schema is in registry= and says what it is built on"
            );
            return Err(self.error(root, Some("$schema"), message));
        }
        for (name, node) in library.dynamic_anchors(resource) {
            self.anchors.entry(name.clone()).or_default().push((*node, resource));
            if let Some(all) = self.found.dynamic_names.get_mut(name) {
                all.push(*node);
                self.pending.push((*node, resource));
            }
        }
        Ok(())
    }

    fn error(&self, node: NodeId, keyword: Option<&str>, message: impl Into<String>) -> CompileError {
        let mut pointer = self.found.library.document.pointer_to(node);
        if let Some(name) = keyword {
            pointer.push('/');
            pointer.push_str(&escape_token(name));
        }
        CompileError::Schema { pointer, message: message.into() }
    }

    fn keyword(&mut self, node: NodeId, row: &'static Keyword, value: NodeId, located: Located) -> Result<(), CompileError> {
        let refuse = |this: &Self, message: String| Err(this.error(node, Some(row.name), message));
        if row.role != Role::Annotation
            && let Err(wanted) = self.check_shape(row.shape, value, located.dialect.draft)
        {
            return refuse(self, format!("`{}` must be {wanted}", row.name));
        }
        match row.role {
            Role::Annotation | Role::Definitions | Role::Identifier => return Ok(()),
            Role::Assertion | Role::InPlace | Role::Child => {}
        }
        match row.name {
            "$ref" | "$dynamicRef" | "$recursiveRef" => self.reference(node, row.name, value, located)?,
            "pattern" => {
                let text = self.found.library.document.string(value).unwrap_or("").to_owned();
                self.pattern(node, &[row.name], &text)?;
            }
            "patternProperties" => {
                let members = self.found.library.document.members(value).into_iter().flat_map(Members::iter);
                let patterns: Vec<String> = members.map(|(name, _)| name.to_owned()).collect();
                for pattern in patterns {
                    self.pattern(node, &[row.name, &pattern], &pattern)?;
                }
            }
            _ => {}
        }
        let pending = &mut self.pending;
        subschemas(&self.found.library.document, row.shape, value, |child| pending.push((child, located.resource)));
        Ok(())
    }

    fn reference(&mut self, node: NodeId, name: &'static str, value: NodeId, located: Located) -> Result<(), CompileError> {
        let reference = self.found.library.document.string(value).unwrap_or("").to_owned();
        let (target, anchor) = match self.found.library.resolve(located.resource, &reference) {
            Ok(found) => found,
            Err(Unresolved::Because(message)) => return Err(self.error(node, Some(name), message)),
            Err(Unresolved::Error(error)) => return Err(error),
        };
        // `$recursiveRef` knows one anchor, which has no name.
        let dynamic = anchor.filter(|anchor| name != "$ref" && anchor.is_empty() == (name == "$recursiveRef"));
        let found = match dynamic {
            None => Reference::Static(target.node),
            Some(anchor) => {
                let entry = self.found.dynamic_names.entry(anchor);
                let index = entry.index() as u32;
                if let indexmap::map::Entry::Vacant(entry) = entry {
                    let known = self.anchors.get(entry.key()).cloned().unwrap_or_default();
                    entry.insert(known.iter().map(|&(node, _)| node).collect());
                    self.pending.extend(known);
                }
                Reference::Dynamic(index, target.node)
            }
        };
        self.found.references.insert(value, found);
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
                let mut pointer = self.found.library.document.pointer_to(node);
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
        let d = &self.found.library.document;
        let names = |node: NodeId| d.items(node).is_some_and(|items| items.iter().all(|&i| d.string(i).is_some()));
        let node = d.get(value);
        let (good, wanted) = match shape {
            Shape::Any => (true, ""),
            Shape::Text => (matches!(node, Node::String(_)), "a string"),
            Shape::Bool => (matches!(node, Node::Bool(_)), "true or false"),
            Shape::Count => (count(d, value).is_some(), "a whole number from 0 to 18446744073709551614"),
            Shape::Divisor => (positive(d, value), "a number above zero"),
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
}

fn positive(document: &Document, node: NodeId) -> bool {
    matches!(document.get(node), Node::Number(text) if Decimal::parse(text).is_some_and(|d| !d.is_zero() && !d.is_negative()))
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
