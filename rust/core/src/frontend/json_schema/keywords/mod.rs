//! The keywords of JSON Schema, one table. Pipeline: json -> resolve + **keywords** -> obligation.
//!
//! Invariant: a keyword that constrains values and is in force in a draft is either enforced exactly or refused by name; what is not in the
//! table is an annotation.
//! Must not know: bytes, states, formulas.

use std::sync::OnceLock;

use hashbrown::HashMap;

mod arrays;
mod dialect;
mod general;
mod identifiers;
mod logic;
mod losses;
mod numbers;
mod objects;
mod strings;

pub(super) use self::dialect::{Dialect, Vocabularies};
pub(super) use self::losses::Loss;

/// A draft of the specification, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Draft {
    /// Draft 4.
    Draft4,
    /// Draft 6.
    Draft6,
    /// Draft 7.
    Draft7,
    /// Draft 2019-09.
    Draft201909,
    /// Draft 2020-12.
    Draft202012,
    /// No draft is named: read as 2020-12 that also takes array-form `items`, `definitions` and `dependencies`.
    Unstated,
}

impl Draft {
    /// The draft that a `$schema` URI names.
    pub fn from_uri(uri: &str) -> Option<Self> {
        let uri = uri.trim_end_matches('#').trim_start_matches("http://").trim_start_matches("https://");
        Some(match uri {
            "json-schema.org/draft-04/schema" => Self::Draft4,
            "json-schema.org/draft-06/schema" => Self::Draft6,
            "json-schema.org/draft-07/schema" => Self::Draft7,
            "json-schema.org/draft/2019-09/schema" => Self::Draft201909,
            "json-schema.org/draft/2020-12/schema" => Self::Draft202012,
            _ => return None,
        })
    }

    /// The draft with this name, as options spell it.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "4" | "draft4" | "draft-04" => Self::Draft4,
            "6" | "draft6" | "draft-06" => Self::Draft6,
            "7" | "draft7" | "draft-07" => Self::Draft7,
            "2019-09" | "draft2019-09" => Self::Draft201909,
            "2020-12" | "draft2020-12" => Self::Draft202012,
            _ => return None,
        })
    }

    /// The name that [`Self::from_name`] reads; `None` for no draft.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Draft4 => "4",
            Self::Draft6 => "6",
            Self::Draft7 => "7",
            Self::Draft201909 => "2019-09",
            Self::Draft202012 => "2020-12",
            Self::Unstated => return None,
        })
    }

    /// Does `$ref` hide its siblings?
    pub(super) fn reference_stands_alone(self) -> bool {
        self <= Self::Draft7
    }
}

/// What form the value of a keyword has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Anything.
    Any,
    /// A text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A number above zero.
    Divisor,
    /// A whole number from zero on (`3.0` is one).
    Count,
    /// A number, or in draft 4 `true` or `false`.
    Exclusive,
    /// A type name or a list of them.
    Types,
    /// A list of values.
    Values,
    /// A list of names.
    Names,
    /// Lists of names by name.
    NamesByName,
    /// A schema.
    Schema,
    /// A list of schemas, at least one.
    Schemas,
    /// Schemas by name.
    SchemasByName,
    /// A schema or a list of them.
    SchemaOrSchemas,
    /// By name, a schema or a list of names.
    SchemaOrNamesByName,
}

/// What a keyword does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Constrains the value itself.
    Assertion,
    /// Applies schemas to the same value.
    InPlace,
    /// Applies schemas to what is inside the value.
    Child,
    /// Holds schemas for references.
    Definitions,
    /// Names schemas.
    Identifier,
    /// Says nothing about which values are valid.
    Annotation,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keyword {
    pub name: &'static str,
    pub since: Draft,
    pub until: Draft,
    pub shape: Shape,
    pub role: Role,
    /// What can be lost: without any, it is enforced exactly or is an annotation.
    pub losses: &'static [Loss],
}

const ALWAYS: (Draft, Draft) = (Draft::Draft4, Draft::Draft202012);

/// A row in force in every draft.
const fn row(name: &'static str, shape: Shape, role: Role) -> Keyword {
    Keyword { name, since: ALWAYS.0, until: ALWAYS.1, shape, role, losses: &[] }
}

impl Keyword {
    const fn since(mut self, draft: Draft) -> Self {
        self.since = draft;
        self
    }

    const fn until(mut self, draft: Draft) -> Self {
        self.until = draft;
        self
    }

    const fn loses(mut self, losses: &'static [Loss]) -> Self {
        self.losses = losses;
        self
    }

    /// Is it a keyword of this draft?
    pub fn in_force(&self, draft: Draft) -> bool {
        match draft {
            // `id` is too common a name to be taken for an identifier where nothing says so.
            Draft::Unstated => self.name != "id",
            stated => self.since <= stated && stated <= self.until,
        }
    }
}

/// Every keyword, family by family.
pub(super) static KEYWORDS: &[&[Keyword]] =
    &[identifiers::ROWS, general::ROWS, logic::ROWS, strings::ROWS, numbers::ROWS, arrays::ROWS, objects::ROWS];

/// The row for a key of a schema.
pub(super) fn keyword(name: &str) -> Option<&'static Keyword> {
    static BY_NAME: OnceLock<HashMap<&'static str, &'static Keyword>> = OnceLock::new();
    BY_NAME.get_or_init(|| KEYWORDS.iter().copied().flatten().map(|k| (k.name, k)).collect()).get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_keyword_has_one_row() {
        let mut seen = std::collections::BTreeSet::new();
        for row in KEYWORDS.iter().copied().flatten() {
            assert!(seen.insert(row.name), "{} is listed twice", row.name);
            assert!(row.since <= row.until);
        }
        assert!(keyword("properties").is_some_and(|k| k.in_force(Draft::Draft4)));
        assert!(keyword("const").is_some_and(|k| !k.in_force(Draft::Draft4) && k.in_force(Draft::Unstated)));
        assert!(keyword("id").is_some_and(|k| k.in_force(Draft::Draft4) && !k.in_force(Draft::Unstated)));
    }
}
