//! Which keywords are in force where: a draft, and the vocabularies of it that a meta-schema names. Pipeline: resolve + **keywords** -> schema.
//!
//! Invariant: a keyword outside the vocabularies of its schema is an annotation, whatever its value.
//! Must not know: where meta-schemas come from.

use super::{Draft, Keyword};

/// A set of vocabularies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Vocabularies(u8);

impl Vocabularies {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(u8::MAX);
    pub const CORE: Self = Self(1);
    const APPLICATOR: Self = Self(2);
    const UNEVALUATED: Self = Self(4);
    const VALIDATION: Self = Self(8);
    const META_DATA: Self = Self(16);
    const FORMAT: Self = Self(32);
    const CONTENT: Self = Self(64);

    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The vocabulary that a URI names, and its draft.
    pub fn from_uri(uri: &str) -> Option<(Draft, Self)> {
        let (draft, name) = uri.strip_prefix("https://json-schema.org/draft/")?.split_once("/vocab/")?;
        let draft = match draft {
            "2019-09" => Draft::Draft201909,
            "2020-12" => Draft::Draft202012,
            _ => return None,
        };
        let vocabulary = match (name, draft) {
            ("core", _) => Self::CORE,
            ("applicator", Draft::Draft201909) => Self::APPLICATOR.with(Self::UNEVALUATED),
            ("applicator", _) => Self::APPLICATOR,
            ("unevaluated", Draft::Draft202012) => Self::UNEVALUATED,
            ("validation", _) => Self::VALIDATION,
            ("meta-data", _) => Self::META_DATA,
            ("format", Draft::Draft201909) | ("format-annotation" | "format-assertion", Draft::Draft202012) => Self::FORMAT,
            ("content", _) => Self::CONTENT,
            _ => return None,
        };
        Some((draft, vocabulary))
    }

    /// The vocabulary that defines a keyword.
    fn of(keyword: &str) -> Self {
        match keyword {
            "items"
            | "prefixItems"
            | "additionalItems"
            | "contains"
            | "properties"
            | "patternProperties"
            | "additionalProperties"
            | "propertyNames"
            | "allOf"
            | "anyOf"
            | "oneOf"
            | "not"
            | "if"
            | "then"
            | "else"
            | "dependentSchemas"
            | "dependencies" => Self::APPLICATOR,
            "unevaluatedItems" | "unevaluatedProperties" => Self::UNEVALUATED,
            "type" | "enum" | "const" | "multipleOf" | "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "minLength"
            | "maxLength" | "pattern" | "minItems" | "maxItems" | "uniqueItems" | "minContains" | "maxContains" | "minProperties"
            | "maxProperties" | "required" | "dependentRequired" => Self::VALIDATION,
            "format" => Self::FORMAT,
            "contentEncoding" | "contentMediaType" | "contentSchema" => Self::CONTENT,
            "title" | "description" | "default" | "examples" | "deprecated" | "readOnly" | "writeOnly" => Self::META_DATA,
            _ => Self::CORE,
        }
    }
}

/// How a schema is read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Dialect {
    pub draft: Draft,
    pub vocabularies: Vocabularies,
}

impl Dialect {
    /// All of a draft.
    pub fn of(draft: Draft) -> Self {
        Self { draft, vocabularies: Vocabularies::ALL }
    }

    /// A number of its own.
    pub fn bits(self) -> u32 {
        (self.draft as u32) << 8 | u32::from(self.vocabularies.0)
    }

    /// Is it a keyword of this dialect?
    pub fn has(self, keyword: &Keyword) -> bool {
        let everything = self.vocabularies == Vocabularies::ALL;
        keyword.in_force(self.draft) && (everything || self.vocabularies.has(Vocabularies::of(keyword.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KEYWORDS, Role};
    use super::*;

    #[test]
    fn each_keyword_that_constrains_is_in_a_vocabulary_of_its_own() {
        for row in KEYWORDS.iter().copied().flatten() {
            let core = Vocabularies::of(row.name) == Vocabularies::CORE;
            let is_core = row.name.starts_with('$') || matches!(row.role, Role::Identifier | Role::Definitions);
            assert_eq!(core, is_core, "{}", row.name);
        }
    }

    #[test]
    fn a_dialect_without_validation_leaves_the_rest() {
        let (draft, core) = Vocabularies::from_uri("https://json-schema.org/draft/2020-12/vocab/core").unwrap();
        let (_, applicator) = Vocabularies::from_uri("https://json-schema.org/draft/2020-12/vocab/applicator").unwrap();
        let dialect = Dialect { draft, vocabularies: core.with(applicator) };
        let has = |name: &str| dialect.has(super::super::keyword(name).unwrap());
        assert!(has("$ref") && has("properties") && !has("minimum") && !has("unevaluatedItems") && !has("format"));
        assert!(Vocabularies::from_uri("https://json-schema.org/draft/2019-09/vocab/unevaluated").is_none());
        assert!(Vocabularies::from_uri("https://example.org/vocab/core").is_none());
    }
}
