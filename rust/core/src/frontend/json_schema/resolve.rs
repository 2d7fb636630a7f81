//! Which schema a reference means: documents, base URIs, anchors, JSON pointers. Pipeline: json + registry -> **resolve** -> schema.
//!
//! Invariant: a reference resolves to a node, or the schema is refused naming the reference; a document is parsed when the first reference
//! needs it, and what a reference means does not depend on which documents were parsed before, unless two give themselves the same URI.
//! Must not know: what the schemas say.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::json::{Document, Node, NodeId};
use super::keywords::{Dialect, Draft, Keyword, Role, Shape, Vocabularies, keyword};
use super::registry::{Documents, Registry, metaschema};
use super::uri::{join, percent_decode, split_fragment};
use crate::error::CompileError;
use crate::limits::Limits;

/// A resource: a schema that has a URI of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct ResourceId(pub u32);

impl ResourceId {
    /// The whole schema.
    pub const ROOT: Self = Self(0);
}

/// A text of the arena, by the order of parsing.
type TextId = u32;

#[derive(Debug)]
struct Resource {
    text: TextId,
    uri: String,
    root: NodeId,
    dialect: Dialect,
    anchors: HashMap<Box<str>, NodeId>,
    /// The dynamic anchors; the one without a name is `$recursiveAnchor`.
    dynamic: Vec<(Box<str>, NodeId)>,
    /// Its `$schema`, if nobody knows that dialect.
    unknown_dialect: Option<String>,
}

/// A text that was parsed.
struct Loaded {
    uri: String,
    root: NodeId,
    names_schemas: bool,
    /// As the registry gave it.
    given: Option<Arc<str>>,
    /// Some reference led here.
    used: bool,
    /// Its whole, once its identifiers are collected.
    resource: Option<ResourceId>,
}

/// The documents at hand, and the resources in them.
pub(super) struct Library<'r> {
    pub document: Document,
    registry: &'r dyn Registry,
    limits: &'r Limits,
    /// How documents that do not say it are read.
    default: Dialect,
    texts: Vec<Loaded>,
    by_name: HashMap<String, Option<TextId>>,
    /// All of the registry has been parsed.
    searched: bool,
    all: Vec<Resource>,
    by_uri: HashMap<String, ResourceId>,
    in_text: HashMap<(TextId, String), ResourceId>,
    by_root: HashMap<NodeId, ResourceId>,
    /// Schemas outside the places where schemas are looked for that have a URI: bases for what is inside them, known to nobody else.
    hidden: HashMap<NodeId, ResourceId>,
    dialects: HashMap<String, Option<Dialect>>,
}

/// Where a reference leads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub node: NodeId,
    pub resource: ResourceId,
}

/// Why a reference leads nowhere.
pub(super) enum Unresolved {
    /// The reference itself is wrong.
    Because(String),
    /// A document is wrong.
    Error(CompileError),
}

impl From<CompileError> for Unresolved {
    fn from(error: CompileError) -> Self {
        Self::Error(error)
    }
}

impl<'r> Library<'r> {
    /// Parse the schema and collect its resources and anchors.
    pub fn open(text: &str, default: Draft, registry: &'r dyn Registry, limits: &'r Limits) -> Result<Self, CompileError> {
        let mut this = Self {
            document: Document::default(),
            registry,
            limits,
            default: Dialect::of(default),
            texts: Vec::new(),
            by_name: HashMap::new(),
            searched: false,
            all: Vec::new(),
            by_uri: HashMap::new(),
            in_text: HashMap::new(),
            by_root: HashMap::new(),
            hidden: HashMap::new(),
            dialects: HashMap::new(),
        };
        let (root, names_schemas) = this.document.add_text(text, "", limits)?;
        this.texts.push(Loaded { uri: String::new(), root, names_schemas, given: None, used: true, resource: None });
        let root = this.collect(0)?;
        this.default = this.all[root.0 as usize].dialect;
        Ok(this)
    }

    /// The texts of the registry that references led to.
    pub fn used(&self) -> Documents {
        let mut used = Documents::default();
        for text in self.texts.iter().filter(|t| t.used) {
            if let Some(given) = &text.given {
                used.insert(&text.uri, given);
            }
        }
        used
    }

    /// The text known by `uri`, parsed; `None`: there is none.
    fn load(&mut self, uri: &str) -> Result<Option<TextId>, CompileError> {
        if let Some(&known) = self.by_name.get(uri) {
            return Ok(known);
        }
        let refuse = |message: String| CompileError::Schema { pointer: uri.to_owned(), message };
        let ask = |name: &str| self.registry.text(name).map_err(refuse);
        let given = match ask(uri)? {
            None => ask(&format!("{uri}#"))?,
            given => given,
        };
        let text: &str = match (&given, metaschema(uri)) {
            (Some(given), _) => given,
            (None, Some(text)) => text,
            (None, None) => {
                self.by_name.insert(uri.to_owned(), None);
                return Ok(None);
            }
        };
        let (root, names_schemas) = self.document.add_text(text, uri, self.limits).map_err(|error| match error {
            CompileError::Json { position, message } => refuse(format!(
                "this document of the registry is not valid JSON: line {}, column {}: {message}",
                position.line, position.column
            )),
            other => other,
        })?;
        let id = self.texts.len() as TextId;
        self.texts.push(Loaded { uri: uri.to_owned(), root, names_schemas, given, used: false, resource: None });
        self.by_name.insert(uri.to_owned(), Some(id));
        Ok(Some(id))
    }

    /// The resource of a whole text, its identifiers collected.
    fn collect(&mut self, text: TextId) -> Result<ResourceId, CompileError> {
        let Loaded { uri, root, names_schemas, resource, .. } = &self.texts[text as usize];
        if let Some(known) = resource {
            return Ok(*known);
        }
        let (root, names_schemas, retrieved) = (*root, *names_schemas, uri.clone());
        let (dialect, unknown) = self.dialect_of(root, self.default)?;
        let uri = self.own_uri(root, dialect.draft, &retrieved).unwrap_or_else(|| retrieved.clone());
        let id = self.add(text, root, uri, dialect, unknown, true);
        self.in_text.entry((text, retrieved)).or_insert(id);
        self.texts[text as usize].resource = Some(id);
        if names_schemas {
            self.walk(root, id, true)?;
        }
        Ok(id)
    }

    fn add(
        &mut self,
        text: TextId,
        root: NodeId,
        uri: String,
        dialect: Dialect,
        unknown_dialect: Option<String>,
        known: bool,
    ) -> ResourceId {
        let id = ResourceId(self.all.len() as u32);
        if known {
            self.by_uri.entry(uri.clone()).or_insert(id);
            self.in_text.entry((text, uri.clone())).or_insert(id);
            self.by_root.insert(root, id);
        } else {
            self.hidden.insert(root, id);
        }
        self.all.push(Resource { text, uri, root, dialect, anchors: HashMap::new(), dynamic: Vec::new(), unknown_dialect });
        id
    }

    /// The URI that the schema gives itself, if it does.
    fn own_uri(&self, node: NodeId, draft: Draft, base: &str) -> Option<String> {
        let members = self.document.members(node)?;
        if draft.reference_stands_alone() && members.get("$ref").is_some() {
            return None;
        }
        let name = if draft == Draft::Draft4 { "id" } else { "$id" };
        let (uri, _) = split_fragment(self.document.string(members.get(name)?)?);
        // In the older drafts `"$id": "#name"` is an anchor and starts no resource.
        if uri.is_empty() { None } else { Some(join(base, uri)) }
    }

    /// Collect what is inside `root`, which is in resource `first` or is it. Unless `known`, only what is inside further resources can be referred to.
    fn walk(&mut self, root: NodeId, first: ResourceId, known: bool) -> Result<(), CompileError> {
        let mut stack = vec![(root, first)];
        let mut rows: Vec<(&'static Keyword, NodeId)> = Vec::new();
        while let Some((node, mut resource)) = stack.pop() {
            if self.document.members(node).is_none() {
                continue;
            }
            if node != root || !known {
                let Resource { text, uri, dialect, .. } = &self.all[resource.0 as usize];
                let (text, base, inherited) = (*text, uri.clone(), *dialect);
                let (dialect, unknown) = self.dialect_of(node, inherited)?;
                if let Some(uri) = self.own_uri(node, dialect.draft, &base) {
                    resource = self.add(text, node, uri, dialect, unknown, known);
                }
            }
            let dialect = self.dialect(resource);
            rows.clear();
            if let Some(members) = self.document.members(node) {
                rows.extend(members.iter().filter_map(|(name, value)| Some((keyword(name).filter(|k| dialect.has(k))?, value))));
            }
            for &(row, value) in &rows {
                if row.role != Role::Identifier {
                    subschemas(&self.document, row.shape, value, |child| stack.push((child, resource)));
                } else if known || resource != first {
                    self.anchor(node, resource, row.name, value);
                }
            }
        }
        Ok(())
    }

    fn anchor(&mut self, node: NodeId, resource: ResourceId, name: &str, value: NodeId) {
        let Resource { root, dialect, anchors, dynamic, .. } = &mut self.all[resource.0 as usize];
        let text = match (name, self.document.get(value)) {
            ("$recursiveAnchor", Node::Bool(true)) => {
                if node == *root {
                    dynamic.push(("".into(), node));
                }
                return;
            }
            ("$anchor" | "$dynamicAnchor", Node::String(text)) => text,
            ("$id" | "id", Node::String(text)) if dialect.draft <= Draft::Draft7 || dialect.draft == Draft::Unstated => {
                split_fragment(text).1
            }
            _ => return,
        };
        if text.is_empty() || text.starts_with('/') {
            return;
        }
        if name == "$dynamicAnchor" && dynamic.iter().all(|(known, _)| **known != *text) {
            dynamic.push((text.into(), node));
        }
        anchors.entry(text.into()).or_insert(node);
    }

    /// How the schema is read where others around it are read as `inherited`; with its `$schema` if nobody knows that.
    fn dialect_of(&mut self, node: NodeId, inherited: Dialect) -> Result<(Dialect, Option<String>), CompileError> {
        let Some(uri) = self.document.member(node, "$schema").and_then(|s| self.document.string(s)) else { return Ok((inherited, None)) };
        if let Some(draft) = Draft::from_uri(uri) {
            return Ok((Dialect::of(draft), None));
        }
        let uri = uri.to_owned();
        if let Some(&known) = self.dialects.get(&uri) {
            return Ok((known.unwrap_or(inherited), known.is_none().then_some(uri)));
        }
        let found = self.read_dialect(&uri)?;
        self.dialects.insert(uri.clone(), found);
        Ok((found.unwrap_or(inherited), found.is_none().then_some(uri)))
    }

    /// The dialect whose meta-schema is known by `uri`. Its draft is that of the core vocabulary it names, else that of the meta-schema's own
    /// meta-schema, however far up.
    fn read_dialect(&mut self, uri: &str) -> Result<Option<Dialect>, CompileError> {
        let Some(root) = self.metaschema_root(uri)? else { return Ok(None) };
        let (mut vocabularies, mut draft) = (None, None);
        if let Some(listed) = self.document.member(root, "$vocabulary").filter(|&v| self.document.members(v).is_some()) {
            let mut all = Vocabularies::NONE;
            for (name, needed) in self.document.members(listed).into_iter().flat_map(super::json::Members::iter) {
                match Vocabularies::from_uri(name) {
                    Some((of, vocabulary)) => {
                        draft = draft.or(Some(of));
                        all = all.with(vocabulary);
                    }
                    None if matches!(self.document.get(needed), Node::Bool(true)) => {
                        let message = format!("the vocabulary {name:?}, which this meta-schema requires, is not known");
                        return Err(CompileError::Schema { pointer: format!("{}/$vocabulary", self.document.pointer_to(root)), message });
                    }
                    None => {}
                }
            }
            vocabularies = Some(all.with(Vocabularies::CORE));
        }
        let (mut at, mut seen) = (root, HashSet::new());
        while draft.is_none() && seen.insert(at) {
            let Some(next) = self.document.member(at, "$schema").and_then(|s| self.document.string(s)) else { break };
            draft = Draft::from_uri(next);
            if draft.is_none() {
                let next = next.to_owned();
                match self.metaschema_root(&next)? {
                    Some(root) => at = root,
                    None => break,
                }
            }
        }
        Ok(draft.map(|draft| {
            let stated = draft >= Draft::Draft201909;
            Dialect { draft, vocabularies: vocabularies.filter(|_| stated).unwrap_or(Vocabularies::ALL) }
        }))
    }

    fn metaschema_root(&mut self, uri: &str) -> Result<Option<NodeId>, CompileError> {
        let uri = split_fragment(uri).0;
        let Some(text) = self.load(uri)? else { return Ok(None) };
        let loaded = &mut self.texts[text as usize];
        loaded.used = true;
        Ok(Some(loaded.root))
    }

    pub fn dialect(&self, resource: ResourceId) -> Dialect {
        self.all[resource.0 as usize].dialect
    }

    /// The resource's `$schema`, if nobody knows that dialect, and where the resource begins.
    pub fn unknown_dialect(&self, resource: ResourceId) -> Option<(NodeId, &str)> {
        let resource = &self.all[resource.0 as usize];
        resource.unknown_dialect.as_deref().map(|uri| (resource.root, uri))
    }

    /// The dynamic anchors of a resource; the one without a name is `$recursiveAnchor`.
    pub fn dynamic_anchors(&self, resource: ResourceId) -> &[(Box<str>, NodeId)] {
        &self.all[resource.0 as usize].dynamic
    }

    /// The resource that starts at `node`, else the one it is inside of. A reference may lead to where nobody looked for schemas; what has a URI there
    /// is found now.
    pub fn enter(&mut self, node: NodeId, inside: ResourceId) -> Result<ResourceId, CompileError> {
        let known = |this: &Self| this.by_root.get(&node).or_else(|| this.hidden.get(&node)).copied();
        if let Some(known) = known(self) {
            return Ok(known);
        }
        let Resource { text, dialect, .. } = self.all[inside.0 as usize];
        if self.texts[text as usize].names_schemas {
            let draft = self.dialect_of(node, dialect)?.0.draft;
            if self.own_uri(node, draft, "").is_some() {
                self.walk(node, inside, false)?;
            }
        }
        Ok(known(self).unwrap_or(inside))
    }

    /// The resource known by a URI, to a reference in `from`. What the reference's own text says comes first, then the schema, then the names of
    /// the registry and the meta-schemas, then what documents call themselves.
    fn find(&mut self, uri: &str, from: ResourceId) -> Result<Option<ResourceId>, CompileError> {
        let text = self.all[from.0 as usize].text;
        let key = (text, uri.to_owned());
        if let Some(&found) = self.in_text.get(&key).or_else(|| self.in_text.get(&(0, key.1.clone()))) {
            return Ok(Some(found));
        }
        if let Some(text) = self.load(uri)? {
            let found = self.collect(text)?;
            self.texts[text as usize].used = true;
            return Ok(Some(found));
        }
        if !self.by_uri.contains_key(uri) && !self.searched {
            self.searched = true;
            for name in self.registry.uris().map_err(|message| CompileError::Schema { pointer: uri.to_owned(), message })? {
                if let Some(text) = self.load(split_fragment(&name).0)? {
                    self.collect(text)?;
                }
            }
        }
        let found = self.by_uri.get(uri).copied();
        if let Some(found) = found {
            let text = self.all[found.0 as usize].text;
            self.texts[text as usize].used = true;
        }
        Ok(found)
    }

    /// Where `reference`, written in `resource`, leads; and the name of the dynamic anchor there, if it leads to one by name.
    pub fn resolve(&mut self, resource: ResourceId, reference: &str) -> Result<(Target, Option<Box<str>>), Unresolved> {
        let (uri, fragment) = split_fragment(reference);
        let because = |message: String| Err(Unresolved::Because(message));
        let resource = if uri.is_empty() {
            resource
        } else {
            let absolute = join(&self.all[resource.0 as usize].uri, uri);
            match self.find(&absolute, resource)? {
                Some(found) => found,
                None => {
                    return because(format!(
                        "the reference {reference:?} means {absolute:?}, which is no schema here, no document of the registry and no \
                         meta-schema; nothing is downloaded: pass that document with registry={{{absolute:?}: ...}}"
                    ));
                }
            }
        };
        let found = &self.all[resource.0 as usize];
        let Some(fragment) = percent_decode(fragment) else {
            return because(format!("the fragment of the reference {reference:?} is not UTF-8"));
        };
        let root = Target { node: found.root, resource };
        if fragment.is_empty() {
            let anchor = found.dynamic.iter().find(|(name, _)| name.is_empty()).map(|(name, _)| name.clone());
            return Ok((root, anchor));
        }
        let Some(path) = fragment.strip_prefix('/') else {
            let anchor = found.dynamic.iter().find(|(name, _)| **name == *fragment).map(|(name, _)| name.clone());
            return match found.anchors.get(fragment.as_str()) {
                Some(&node) => Ok((Target { node, resource }, anchor)),
                None => because(format!("the reference {reference:?} names an anchor that does not exist")),
            };
        };
        Ok((self.follow_pointer(root, path).map_err(|m| Unresolved::Because(format!("the reference {reference:?} {m}")))?, None))
    }

    fn follow_pointer(&self, mut at: Target, path: &str) -> Result<Target, String> {
        for token in path.split('/') {
            let name = token.replace("~1", "/").replace("~0", "~");
            let next = match self.document.get(at.node) {
                Node::Object(members) => members.get(&name),
                Node::Array(items) => name.parse::<usize>().ok().filter(|i| i.to_string() == name).and_then(|i| items.get(i).copied()),
                _ => None,
            };
            let Some(next) = next else {
                let place = match self.document.pointer_to(at.node) {
                    pointer if pointer.is_empty() => "the root".to_owned(),
                    pointer => format!("{pointer:?}"),
                };
                return Err(format!("leads nowhere: there is no {name:?} at {place}"));
            };
            at = Target { node: next, resource: self.by_root.get(&next).copied().unwrap_or(at.resource) };
        }
        Ok(at)
    }
}

/// Call `each` on the schemas in the value of a keyword.
pub(super) fn subschemas(document: &Document, shape: Shape, value: NodeId, mut each: impl FnMut(NodeId)) {
    match (shape, document.get(value)) {
        (Shape::Schema, _) | (Shape::SchemaOrSchemas, Node::Object(_) | Node::Bool(_)) => each(value),
        (Shape::Schemas | Shape::SchemaOrSchemas, Node::Array(items)) => items.iter().for_each(|&item| each(item)),
        (Shape::SchemasByName, Node::Object(members)) => members.iter().for_each(|(_, child)| each(child)),
        (Shape::SchemaOrNamesByName, Node::Object(members)) => {
            members.iter().filter(|&(_, child)| !matches!(document.get(child), Node::Array(_))).for_each(|(_, child)| each(child));
        }
        _ => {}
    }
}
