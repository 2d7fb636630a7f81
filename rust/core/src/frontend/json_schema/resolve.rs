//! Which schema a reference means: base URIs, anchors, JSON pointers. Pipeline: json -> **resolve** -> schema.
//!
//! Invariant: a reference resolves to a node of the document, or the schema is refused naming the reference.
//! Must not know: what the schemas say.

use hashbrown::HashMap;

use super::json::{Document, Node, NodeId};
use super::keywords::{Draft, Role, Shape, keyword};
use super::uri::{join, percent_decode, split_fragment};

/// A resource: a schema that has a URI of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct ResourceId(pub u32);

#[derive(Debug)]
struct Resource {
    uri: String,
    root: NodeId,
    draft: Draft,
    anchors: HashMap<String, NodeId>,
}

/// The resources of a document.
#[derive(Debug)]
pub(super) struct Resources {
    all: Vec<Resource>,
    by_uri: HashMap<String, ResourceId>,
    by_root: HashMap<NodeId, ResourceId>,
    /// Some schema is a dynamic anchor.
    dynamic: bool,
}

/// Where a reference leads.
pub(super) struct Target {
    pub node: NodeId,
    pub resource: ResourceId,
}

impl Resources {
    /// Collect the resources and anchors of `document`.
    pub fn collect(document: &Document, default: Draft) -> Self {
        let mut this = Self { all: Vec::new(), by_uri: HashMap::new(), by_root: HashMap::new(), dynamic: false };
        let root = document.root();
        let draft = Self::draft_of(document, root, default);
        let uri = Self::own_uri(document, root, draft, "").unwrap_or_default();
        let first = this.add(root, uri, draft);
        if document.names_schemas {
            this.walk(document, root, first);
        }
        this
    }

    fn draft_of(document: &Document, node: NodeId, inherited: Draft) -> Draft {
        document.member(node, "$schema").and_then(|s| document.string(s)).and_then(Draft::from_uri).unwrap_or(inherited)
    }

    /// The URI that the schema gives itself, if it does.
    fn own_uri(document: &Document, node: NodeId, draft: Draft, base: &str) -> Option<String> {
        let members = document.members(node)?;
        if draft.reference_stands_alone() && members.get("$ref").is_some() {
            return None;
        }
        let name = if draft == Draft::Draft4 { "id" } else { "$id" };
        let id = document.string(members.get(name)?)?;
        let (uri, fragment) = split_fragment(id);
        // In the older drafts `"$id": "#name"` is an anchor and starts no resource.
        if uri.is_empty() && !fragment.is_empty() { None } else { Some(join(base, uri)) }
    }

    fn add(&mut self, root: NodeId, uri: String, draft: Draft) -> ResourceId {
        let id = ResourceId(self.all.len() as u32);
        self.by_uri.entry(uri.clone()).or_insert(id);
        self.by_root.insert(root, id);
        self.all.push(Resource { uri, root, draft, anchors: HashMap::new() });
        id
    }

    fn walk(&mut self, document: &Document, root: NodeId, first: ResourceId) {
        let mut stack = vec![(root, first)];
        while let Some((node, mut resource)) = stack.pop() {
            let Some(members) = document.members(node) else { continue };
            if node != root {
                let draft = Self::draft_of(document, node, self.draft(resource));
                let base = self.all[resource.0 as usize].uri.clone();
                if let Some(uri) = Self::own_uri(document, node, draft, &base) {
                    resource = self.add(node, uri, draft);
                }
            }
            let draft = self.draft(resource);
            for (name, value) in members.iter() {
                let Some(row) = keyword(name).filter(|k| k.in_force(draft)) else { continue };
                if row.role == Role::Identifier {
                    self.anchor(document, node, resource, name, value);
                } else {
                    subschemas(document, row.shape, value, |child| stack.push((child, resource)));
                }
            }
        }
    }

    fn anchor(&mut self, document: &Document, node: NodeId, resource: ResourceId, name: &str, value: NodeId) {
        let text = match document.get(value) {
            Node::String(text) => &**text,
            Node::Bool(flag) => {
                self.dynamic |= *flag && name == "$recursiveAnchor";
                return;
            }
            _ => return,
        };
        let anchor = match name {
            "$anchor" => text,
            "$dynamicAnchor" => {
                self.dynamic = true;
                text
            }
            "$id" | "id" => split_fragment(text).1,
            _ => return,
        };
        if !anchor.is_empty() && !anchor.starts_with('/') {
            self.all[resource.0 as usize].anchors.entry(anchor.to_owned()).or_insert(node);
        }
    }

    /// The resource of the whole document.
    pub fn root() -> ResourceId {
        ResourceId(0)
    }

    pub fn draft(&self, resource: ResourceId) -> Draft {
        self.all[resource.0 as usize].draft
    }

    /// Is a dynamic anchor anywhere, so that dynamic references are more than references?
    pub fn has_dynamic_anchors(&self) -> bool {
        self.dynamic
    }

    /// The resource that starts at `node`, else the one it is inside of.
    pub fn at(&self, node: NodeId, inside: ResourceId) -> ResourceId {
        self.by_root.get(&node).copied().unwrap_or(inside)
    }

    /// Where `reference`, written in `resource`, leads. The error says why it leads nowhere.
    pub fn resolve(&self, document: &Document, resource: ResourceId, reference: &str) -> Result<Target, String> {
        let (uri, fragment) = split_fragment(reference);
        let resource = if uri.is_empty() {
            resource
        } else {
            let absolute = join(&self.all[resource.0 as usize].uri, uri);
            *self.by_uri.get(&absolute).ok_or_else(|| {
                format!("the reference {reference:?} means {absolute:?}, which is no schema in this document, and nothing is downloaded")
            })?
        };
        let root = self.all[resource.0 as usize].root;
        let fragment = percent_decode(fragment).ok_or_else(|| format!("the fragment of the reference {reference:?} is not UTF-8"))?;
        if fragment.is_empty() {
            return Ok(Target { node: root, resource });
        }
        let Some(path) = fragment.strip_prefix('/') else {
            return match self.all[resource.0 as usize].anchors.get(fragment.as_str()) {
                Some(&node) => Ok(Target { node, resource: self.at(node, resource) }),
                None => Err(format!("the reference {reference:?} names an anchor that does not exist")),
            };
        };
        let mut at = Target { node: root, resource };
        for token in path.split('/') {
            let name = token.replace("~1", "/").replace("~0", "~");
            let next = match document.get(at.node) {
                Node::Object(members) => members.get(&name),
                Node::Array(items) => name.parse::<usize>().ok().filter(|i| i.to_string() == name).and_then(|i| items.get(i).copied()),
                _ => None,
            };
            let Some(next) = next else {
                return Err(format!(
                    "the reference {reference:?} leads nowhere: there is no {name:?} at {:?}",
                    document.pointer_to(at.node)
                ));
            };
            at = Target { node: next, resource: self.at(next, at.resource) };
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
