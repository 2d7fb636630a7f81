//! What schemas say, as hashes. Part of reading a schema: **schema**.
//!
//! Invariant: equal hashes, equal meaning: annotations are dropped, the order of properties is kept, references count by where they lead.
//! Must not know: what keywords say, but for where they hold schemas.

use super::json::{Node, NodeId};
use super::keywords::{Role, Shape};
use super::schema::{SchemaDocument, is_reference};
use crate::identity::Identity;

impl SchemaDocument {
    /// Bottom-up, since ids grow from the inside out.
    pub(super) fn hash_contents(&mut self) {
        let mut nodes: Vec<NodeId> = self.located.keys().copied().collect();
        nodes.sort_unstable();
        for node in nodes {
            let content = self.hash_content(node);
            if let Some(located) = self.located.get_mut(&node) {
                located.content = content;
            }
        }
    }

    fn hash_content(&self, node: NodeId) -> u128 {
        let mut hash = Identity::new("json schema");
        if let Some(located) = self.located(node) {
            hash.u32(located.dialect.bits());
        }
        if self.document.members(node).is_none() {
            self.document.hash_into(&mut hash, node);
        }
        for (row, value) in self.keywords(node) {
            if matches!(row.role, Role::Annotation | Role::Identifier | Role::Definitions) {
                continue;
            }
            if is_reference(row.name) {
                hash.str("$ref");
                hash.u128(self.target(value).map_or(0, |target| u128::from(target.0)));
                continue;
            }
            hash.str(row.name);
            self.hash_keyword(&mut hash, row.shape, value);
        }
        hash.finish()
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
            _ => self.document.hash_into(hash, value),
        }
    }
}
