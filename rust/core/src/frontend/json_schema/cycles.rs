//! Schemas that apply themselves to the same value. Part of reading a schema: **schema**.
//!
//! Invariant: what is left has a meaning: following the schemas applied to one value ends.
//! Must not know: what keywords say, but for which apply schemas to the same value.

use hashbrown::{HashMap, HashSet};

use super::json::NodeId;
use super::keywords::Role;
use super::resolve::subschemas;
use super::schema::{SchemaDocument, is_reference};
use crate::error::CompileError;

impl SchemaDocument {
    /// A schema that applies itself to the same value has no meaning.
    pub(super) fn refuse_cycles(&self) -> Result<(), CompileError> {
        let mut next: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for &node in self.located.keys() {
            let mut applied = Vec::new();
            for (row, value) in self.keywords(node).filter(|(row, _)| row.role == Role::InPlace) {
                if is_reference(row.name) {
                    applied.extend(self.target(value));
                } else {
                    subschemas(&self.document, row.shape, value, |child| applied.push(child));
                }
            }
            if !applied.is_empty() {
                next.insert(node, applied);
            }
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
                        let through = self.document.pointer_to(node);
                        let message = format!("applying this schema to a value applies it again to the same value, through {through:?}");
                        return Err(CompileError::Schema { pointer: self.document.pointer_to(child), message });
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
}
