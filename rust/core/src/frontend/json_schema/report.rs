//! How each keyword of a schema is enforced, for people. Beside the flow: schema + keywords + options -> **report**.
//!
//! Invariant: every key of every reachable schema is listed once, as exact, narrowed or annotation.
//! Must not know: formulas, states.

use hashbrown::HashSet;

use super::formats;
use super::json::{Document, Members, Node, NodeId, escape_token};
use super::keywords::{Keyword, Loss, Role, Shape, keyword};
use super::options::Escapes;
use super::resolve::subschemas;
use super::schema::{SchemaDocument, is_reference};
use crate::report::{Enforcement, KeywordReport};

impl SchemaDocument {
    /// What holds for the whole text, then keyword by keyword in the order of the document.
    pub fn report(&self) -> Vec<KeywordReport> {
        let mut writer = Writer { schema: self, shared: self.shared_values(), entries: Vec::new() };
        writer.options();
        let mut written: HashSet<NodeId> = HashSet::new();
        let mut pending = vec![(self.document.root(), String::new())];
        while let Some((node, pointer)) = pending.pop() {
            if self.located(node).is_some() && written.insert(node) {
                writer.schema(node, &pointer);
            }
            let before = pending.len();
            match self.document.get(node) {
                Node::Array(items) => pending.extend(items.iter().enumerate().map(|(i, &item)| (item, format!("{pointer}/{i}")))),
                Node::Object(members) => {
                    pending.extend(members.iter().map(|(name, value)| (value, format!("{pointer}/{}", escape_token(name)))));
                }
                _ => {}
            }
            // The first of them next.
            pending[before..].reverse();
        }
        let mut elsewhere: Vec<NodeId> = self.reachable().filter(|node| !written.contains(node)).collect();
        elsewhere.sort_unstable();
        for node in elsewhere {
            writer.schema(node, &self.document.pointer_to(node));
        }
        let mut seen = HashSet::new();
        writer.entries.retain(|entry| seen.insert((entry.pointer.clone(), entry.keyword.clone())));
        writer.entries
    }

    /// Schemas that share their value with another, so that keys may be declared elsewhere too.
    fn shared_values(&self) -> HashSet<NodeId> {
        let mut shared = HashSet::new();
        for node in self.reachable() {
            for (row, value) in self.keywords(node).filter(|(row, _)| row.role == Role::InPlace) {
                shared.insert(node);
                if is_reference(row.name) {
                    shared.extend(self.target(value));
                } else {
                    subschemas(&self.document, row.shape, value, |child| {
                        shared.insert(child);
                    });
                }
            }
        }
        shared
    }
}

struct Writer<'a> {
    schema: &'a SchemaDocument,
    shared: HashSet<NodeId>,
    entries: Vec<KeywordReport>,
}

impl Writer<'_> {
    fn add(&mut self, pointer: String, keyword: &str, status: Enforcement, detail: String) {
        self.entries.push(KeywordReport { schema: 0, pointer, keyword: keyword.to_owned(), status, detail });
    }

    /// What the options and the form of JSON text narrow, whatever the schema.
    fn options(&mut self) {
        let options = &self.schema.options;
        let mut narrow = vec![("(white space)", options.whitespace_in_words())];
        let strings = match options.escapes {
            Escapes::Any => "a surrogate without its partner is never written",
            Escapes::Minimal => "each character has its shortest spelling only; a surrogate without its partner is never written",
        };
        narrow.push(("(strings)", strings.to_owned()));
        if options.number_exponents > 0 {
            let detail = format!(
                "where bounds, divisors or lists speak of a number, its exponent is at most {} either way",
                options.number_exponents
            );
            narrow.push(("(numbers)", detail + " and has no leading zeros"));
        }
        if options.strict_mode {
            narrow.push(("(strict mode)", "objects and arrays that do not say otherwise are closed".to_owned()));
        }
        for (keyword, detail) in narrow {
            self.add(String::new(), keyword, Enforcement::Narrowed, detail);
        }
    }

    fn schema(&mut self, node: NodeId, pointer: &str) {
        let schema = self.schema;
        let Some(dialect) = schema.located(node).map(|l| l.dialect) else { return };
        let draft = dialect.draft;
        let alone = draft.reference_stands_alone() && schema.document.member(node, "$ref").is_some();
        for (name, value) in schema.document.members(node).into_iter().flat_map(Members::iter) {
            let (status, detail) = match keyword(name) {
                None => (Enforcement::Annotation, "no keyword of the specification".to_owned()),
                Some(row) if !row.in_force(draft) => {
                    (Enforcement::Annotation, format!("no keyword of draft {}", draft.name().unwrap_or("")))
                }
                Some(row) if !dialect.has(row) => (Enforcement::Annotation, "its vocabulary is not in use".to_owned()),
                Some(_) if alone && name != "$ref" => {
                    (Enforcement::Annotation, format!("draft {} ignores what stands beside `$ref`", draft.name().unwrap_or("")))
                }
                Some(row) => self.keyword(node, row, value),
            };
            self.add(format!("{pointer}/{}", escape_token(name)), name, status, detail);
        }
    }

    fn keyword(&self, node: NodeId, row: &Keyword, value: NodeId) -> (Enforcement, String) {
        if row.role == Role::Annotation {
            return (Enforcement::Annotation, String::new());
        }
        if matches!(row.name, "format" | "contentEncoding")
            && let Some(why) = self.is_annotation(row.name, value)
        {
            return (Enforcement::Annotation, why);
        }
        let lost: Vec<&str> = row.losses.iter().filter_map(|&loss| self.lost(loss, node, row, value)).collect();
        let status = if lost.is_empty() { Enforcement::Exact } else { Enforcement::Narrowed };
        (status, lost.join("; "))
    }

    /// Why a format or an encoding says nothing.
    fn is_annotation(&self, keyword: &str, value: NodeId) -> Option<String> {
        let Some(name) = self.schema.document.string(value) else { return Some("it is no string".to_owned()) };
        if !self.schema.options.assert_formats {
            return Some("assert_formats is off".to_owned());
        }
        let (known, what) = match keyword {
            "format" => (formats::format(name).is_some(), "format"),
            _ => (formats::encoding(name).is_some(), "encoding"),
        };
        (!known).then(|| format!("the {what} {name:?} is not known"))
    }

    fn lost(&self, loss: Loss, node: NodeId, row: &Keyword, value: NodeId) -> Option<&'static str> {
        let document = &self.schema.document;
        let any_order = self.schema.options.any_order;
        let schema_has_no_exponents = self.schema.options.number_exponents == 0;
        let declared = |name: &str| document.member(node, "properties").and_then(|p| document.member(p, name)).is_some();
        let names_declared = || document.member(node, "properties").and_then(|p| document.members(p)).map_or(0, Members::len);
        // One key alone has no order, but for keys that are declared elsewhere.
        let ordered = |keys: usize| !any_order && (keys > 1 || keys == 1 && self.shared.contains(&node));
        let applies = match loss {
            Loss::KeyOrder => ordered(document.members(value).map_or(0, Members::len)),
            Loss::UndeclaredKeys => ordered(names_declared()) && !matches!(document.get(value), Node::Bool(false)),
            Loss::RequiredKeys => {
                let mut names = HashSet::new();
                for_each_value(document, value, |node| names.extend(document.string(node).filter(|name| !declared(name))));
                if row.shape == Shape::NamesByName {
                    names
                        .extend(document.members(value).into_iter().flat_map(Members::iter).map(|(name, _)| name).filter(|n| !declared(n)));
                }
                !names.is_empty() && ordered(names.len() + names_declared())
            }
            Loss::ListedKeys => {
                let mut several = false;
                for_each_value(document, value, |node| several |= document.members(node).is_some_and(|m| m.len() > 1));
                several && !any_order
            }
            Loss::Exponents => schema_has_no_exponents,
            Loss::ListedExponents => {
                let mut numbers = false;
                for_each_value(document, value, |node| numbers |= matches!(document.get(node), Node::Number(_)));
                numbers && schema_has_no_exponents
            }
            Loss::IntegerExponents => {
                let (mut integer, mut number) = (false, false);
                for_each_value(document, value, |node| {
                    integer |= document.string(node) == Some("integer");
                    number |= document.string(node) == Some("number");
                });
                integer && !number
            }
            Loss::Format => return self.schema.format(row.name, value).and_then(|format| format.narrowed),
        };
        applies.then(|| loss.words())
    }
}

/// Call `each` on a value and all inside it.
fn for_each_value(document: &Document, value: NodeId, mut each: impl FnMut(NodeId)) {
    let mut pending = vec![value];
    while let Some(node) = pending.pop() {
        each(node);
        match document.get(node) {
            Node::Array(items) => pending.extend(items),
            Node::Object(members) => pending.extend(members.iter().map(|(_, value)| value)),
            _ => {}
        }
    }
}
