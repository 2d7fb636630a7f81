//! Which part of a schema is to blame when nothing satisfies it. For messages only.
//!
//! Invariant: the part named cannot be satisfied itself.
//! Must not know: text.

use hashbrown::HashSet;

use super::kinds::Kind;
use super::satisfy::Goal;
use super::space::{SchemaId, Source, Space};
use super::strings::Tools;
use super::typed::Logic;
use crate::error::EngineError;
use crate::formula::Formula;
use crate::frontend::json_schema::keywords::Role;

impl Space {
    /// The pointer of the innermost part that alone makes the root impossible, and what conflicts there.
    pub fn blame(&mut self, tools: Tools<'_>) -> Result<(String, String), EngineError> {
        let root = self.root()?;
        let Some(mut at) = self.as_schema(root) else { return Ok((String::new(), "it is `false`".to_owned())) };
        let mut seen = HashSet::new();
        while seen.insert(at) {
            match self.guilty_part(tools, at)? {
                Guilty::Part(next) => at = next,
                Guilty::False(what) => return Ok((self.pointer_of(at), what)),
                Guilty::Itself => break,
            }
        }
        let mut names = Vec::new();
        if let Source::Schema(node) = self.source_of(at) {
            for (row, _) in self.schema.keywords(node) {
                if matches!(row.role, Role::Assertion | Role::InPlace | Role::Child) {
                    names.push(format!("`{}`", row.name));
                }
            }
        }
        let message = match names.as_slice() {
            [one] => format!("no value satisfies {one}"),
            _ => format!("no value satisfies {} together", names.join(", ")),
        };
        let pointer = self.pointer_of(at);
        let place = if pointer.is_empty() { "at the root".to_owned() } else { format!("at {pointer}") };
        Ok((pointer, format!("{place}, {message}")))
    }

    fn pointer_of(&self, id: SchemaId) -> String {
        match self.source_of(id) {
            Source::Schema(node) | Source::Value(node) => self.schema.document.pointer_to(node),
            Source::Constant(_) => String::new(),
        }
    }

    fn impossible(&mut self, tools: Tools<'_>, part: Formula) -> Result<bool, EngineError> {
        Ok(!self.satisfiable(tools, Goal::Value(part))?)
    }

    fn guilty_part(&mut self, tools: Tools<'_>, id: SchemaId) -> Result<Guilty, EngineError> {
        let typed = self.typed(id)?;
        for logic in &typed.logic {
            if let Logic::All(parts) = logic {
                for &part in parts {
                    if self.impossible(tools, part)? {
                        return Ok(self.as_schema(part).map_or_else(|| Guilty::False("a part of it is `false`".to_owned()), Guilty::Part));
                    }
                }
            }
        }
        let only = |kind: Kind| Kind::ALL.into_iter().all(|k| typed.kinds.has(k) == (k == kind));
        if only(Kind::Object) {
            for name in &typed.object.required {
                let value =
                    typed.object.properties.get(name).copied().or(typed.object.additional.filter(|_| typed.object.patterns.is_empty()));
                if let Some(value) = value
                    && self.impossible(tools, value)?
                {
                    let words = format!("the required key {:?} can have no value", self.name_text(*name));
                    return Ok(self.as_schema(value).map_or(Guilty::False(words), Guilty::Part));
                }
            }
        }
        if only(Kind::Array)
            && let Some(contains) = typed.array.contains.filter(|c| c.min > 0)
            && self.impossible(tools, contains.item)?
        {
            let words = "it must contain an item that is not possible".to_owned();
            return Ok(self.as_schema(contains.item).map_or(Guilty::False(words), Guilty::Part));
        }
        if only(Kind::Array) && typed.array.min > 0 {
            let first = typed.array.prefix.first().copied().unwrap_or(typed.array.rest);
            if self.impossible(tools, first)? {
                let words = "it needs an item, and no item is possible".to_owned();
                return Ok(self.as_schema(first).map_or(Guilty::False(words), Guilty::Part));
            }
        }
        Ok(Guilty::Itself)
    }
}

enum Guilty {
    Part(SchemaId),
    False(String),
    Itself,
}
