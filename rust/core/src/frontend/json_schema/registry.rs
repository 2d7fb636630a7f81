//! Where documents that references lead to come from: the caller, and the meta-schemas. Used by **resolve**.
//!
//! Invariant: nothing is downloaded, and nothing is asked for before a reference needs it.
//! Must not know: what documents say.

use std::sync::Arc;

use indexmap::IndexMap;

/// Documents by URI, asked for one by one as references need them.
pub trait Registry {
    /// The JSON text known by `uri`. The error says why there is one that cannot be had.
    fn text(&self, uri: &str) -> Result<Option<Arc<str>>, String>;

    /// All URIs. Asked for when a URI is none of them, which some document may still give to itself or to a part of itself.
    fn uris(&self) -> Result<Vec<String>, String>;
}

/// Documents held as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    texts: IndexMap<Arc<str>, Arc<str>>,
}

impl Documents {
    /// Add the JSON text known by `uri`.
    pub fn insert(&mut self, uri: &str, text: &str) {
        self.texts.insert(uri.into(), text.into());
    }

    /// The documents in the order they were added: URI and text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(uri, text)| (&**uri, &**text))
    }
}

impl Registry for Documents {
    fn text(&self, uri: &str) -> Result<Option<Arc<str>>, String> {
        Ok(self.texts.get(uri).cloned())
    }

    fn uris(&self) -> Result<Vec<String>, String> {
        Ok(self.texts.keys().map(|uri| uri.as_ref().to_owned()).collect())
    }
}

macro_rules! metaschema {
    ($path:literal) => {
        include_str!(concat!("metaschemas/", $path, ".json"))
    };
}

/// The meta-schemas as json-schema.org publishes them (each also under the license of the specification), by URI without its scheme.
const METASCHEMAS: &[(&str, &str)] = &[
    ("json-schema.org/draft-04/schema", metaschema!("draft-04")),
    ("json-schema.org/draft-06/schema", metaschema!("draft-06")),
    ("json-schema.org/draft-07/schema", metaschema!("draft-07")),
    ("json-schema.org/draft/2019-09/schema", metaschema!("2019-09/schema")),
    ("json-schema.org/draft/2019-09/meta/core", metaschema!("2019-09/core")),
    ("json-schema.org/draft/2019-09/meta/applicator", metaschema!("2019-09/applicator")),
    ("json-schema.org/draft/2019-09/meta/validation", metaschema!("2019-09/validation")),
    ("json-schema.org/draft/2019-09/meta/meta-data", metaschema!("2019-09/meta-data")),
    ("json-schema.org/draft/2019-09/meta/format", metaschema!("2019-09/format")),
    ("json-schema.org/draft/2019-09/meta/content", metaschema!("2019-09/content")),
    ("json-schema.org/draft/2020-12/schema", metaschema!("2020-12/schema")),
    ("json-schema.org/draft/2020-12/meta/core", metaschema!("2020-12/core")),
    ("json-schema.org/draft/2020-12/meta/applicator", metaschema!("2020-12/applicator")),
    ("json-schema.org/draft/2020-12/meta/unevaluated", metaschema!("2020-12/unevaluated")),
    ("json-schema.org/draft/2020-12/meta/validation", metaschema!("2020-12/validation")),
    ("json-schema.org/draft/2020-12/meta/meta-data", metaschema!("2020-12/meta-data")),
    ("json-schema.org/draft/2020-12/meta/format-annotation", metaschema!("2020-12/format-annotation")),
    ("json-schema.org/draft/2020-12/meta/format-assertion", metaschema!("2020-12/format-assertion")),
    ("json-schema.org/draft/2020-12/meta/content", metaschema!("2020-12/content")),
];

/// The text of a meta-schema. Schemas write the scheme either way, so both are taken.
pub(super) fn metaschema(uri: &str) -> Option<&'static str> {
    let name = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"))?;
    METASCHEMAS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::super::json::Document;
    use super::super::keywords::Draft;
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn each_metaschema_is_json_with_the_uri_it_is_known_by() {
        for (name, text) in METASCHEMAS {
            let document = Document::parse(text, &Limits::default()).unwrap();
            let own = document.member(document.root(), "$id").or_else(|| document.member(document.root(), "id")).unwrap();
            let own = document.string(own).unwrap().trim_end_matches('#');
            assert!(own.ends_with(name), "{own} is kept as {name}");
            let dialect = document.string(document.member(document.root(), "$schema").unwrap()).unwrap();
            assert!(Draft::from_uri(dialect).is_some(), "{dialect}");
            assert_eq!(metaschema(own), Some(*text));
        }
    }
}
