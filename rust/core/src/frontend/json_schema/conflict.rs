//! Which keywords contradict each other in a schema that nothing satisfies. For messages only: schema -> **conflict** -> error.
//!
//! Keywords are left out as long as what remains is still impossible; those that cannot be left out are the conflict. Only keywords whose
//! absence allows more are tried: not those inside `not`, `if` or `oneOf`, nor those that others read (`properties` beside
//! `additionalProperties`).
//!
//! Invariant: it only asks whether a schema with parts left out is satisfiable, within its own small budget; so it ends soon.
//! Must not know: how satisfiability is decided.

use std::fmt::Write;

use hashbrown::{HashMap, HashSet};

use super::json::{Document, Node, NodeId, escape_token};
use super::keywords::{Keyword, Role, Shape};
use super::resolve::subschemas;
use super::schema::{SchemaDocument, is_reference};

/// More candidates than this are not looked into.
const MOST_CANDIDATES: usize = 512;
/// So many bytes of schemas are read at most.
const MOST_BYTES: usize = 1 << 21;
const MOST_CHECKS: usize = 200;

/// Something that can be left out.
struct Candidate {
    /// The schema; a `false` that becomes `true` if there is no name.
    schema: NodeId,
    name: Option<Box<str>>,
    /// Applies schemas: of interest only if nothing inside is to blame.
    applies: bool,
}

/// JSON pointers of keywords that no value satisfies together, each needed for that; empty if the search for them is too long. `impossible` says
/// whether a schema's text surely has no value.
pub(super) fn conflicts(schema: &SchemaDocument, mut impossible: impl FnMut(&str) -> bool) -> Vec<String> {
    let document = &schema.document;
    let candidates = candidates(schema);
    if candidates.len() > MOST_CANDIDATES {
        return Vec::new();
    }
    let (mut checks, mut bytes) = (0, 0);
    let mut still_impossible = |out: &HashSet<usize>| {
        let text = without(document, out.iter().map(|&i| &candidates[i]));
        checks += 1;
        bytes += text.len();
        // Past the budget nothing more is left out.
        checks <= MOST_CHECKS && bytes <= MOST_BYTES && impossible(&text)
    };
    let mut out: HashSet<usize> = HashSet::new();
    if !still_impossible(&out) {
        return Vec::new();
    }
    let mut size = candidates.len().next_power_of_two();
    while size > 0 {
        let kept: Vec<usize> = (0..candidates.len()).filter(|i| !out.contains(i)).collect();
        // What comes last goes first: the first keywords of a schema say what it is about.
        for chunk in kept.rchunks(size) {
            let more: HashSet<usize> = out.iter().chain(chunk).copied().collect();
            if still_impossible(&more) {
                out = more;
            }
        }
        size /= 2;
    }
    let kept: Vec<&Candidate> = candidates.iter().enumerate().filter(|(i, _)| !out.contains(i)).map(|(_, c)| c).collect();
    pointers(schema, &kept)
}

/// Where they stand; what only leads to others is left out.
fn pointers(schema: &SchemaDocument, kept: &[&Candidate]) -> Vec<String> {
    let document = &schema.document;
    let pointer = |c: &Candidate| {
        let mut pointer = document.pointer_to(c.schema);
        if let Some(name) = &c.name {
            pointer.push('/');
            pointer.push_str(&escape_token(name));
        }
        pointer
    };
    let all: Vec<String> = kept.iter().map(|c| pointer(c)).collect();
    let leads_on = |index: usize| {
        let candidate = kept[index];
        let reference = candidate.name.as_deref().filter(|name| is_reference(name));
        let target = reference.and_then(|name| schema.target(document.member(candidate.schema, name)?));
        let inside = target.map_or_else(|| format!("{}/", all[index]), |node| format!("{}/", document.pointer_to(node)));
        all.iter()
            .enumerate()
            .any(|(other, p)| other != index && (p.starts_with(&inside) || target.is_some() && *p == inside[..inside.len() - 1]))
    };
    (0..all.len()).filter(|&i| !(kept[i].applies && leads_on(i))).map(|i| all[i].clone()).collect()
}

/// What can be left out, in the order of the document.
fn candidates(schema: &SchemaDocument) -> Vec<Candidate> {
    let document = &schema.document;
    // Schemas where less may allow less, and all below them.
    let mut fragile: HashSet<NodeId> = HashSet::new();
    let mut seen: HashSet<NodeId> = HashSet::new();
    let mut pending = vec![document.root()];
    let mut reached = Vec::new();
    while let Some(node) = pending.pop() {
        if !seen.insert(node) {
            continue;
        }
        reached.push(node);
        for (row, value) in schema.keywords(node) {
            let turns = matches!(row.name, "not" | "if" | "oneOf" | "contains");
            for child in children(schema, row, value) {
                if turns {
                    fragile.insert(child);
                }
                pending.push(child);
            }
        }
    }
    let mut pending: Vec<NodeId> = fragile.iter().copied().collect();
    while let Some(node) = pending.pop() {
        for (row, value) in schema.keywords(node) {
            pending.extend(children(schema, row, value).into_iter().filter(|&child| fragile.insert(child)));
        }
    }
    reached.retain(|node| !fragile.contains(node));
    let unevaluated = reached.iter().any(|&n| schema.keywords(n).any(|(row, _)| row.name.starts_with("unevaluated")));
    let mut found = Vec::new();
    for &node in &reached {
        if let Node::Bool(false) = document.get(node) {
            found.push(Candidate { schema: node, name: None, applies: false });
        }
        for (row, value) in schema.keywords(node) {
            let says = matches!(row.role, Role::Assertion | Role::InPlace | Role::Child);
            if says && !is_read_by_others(row, document, value, unevaluated) {
                found.push(Candidate { schema: node, name: Some(row.name.into()), applies: row.role != Role::Assertion });
            }
        }
    }
    let place: HashMap<NodeId, usize> = in_order(document).into_iter().enumerate().map(|(i, node)| (node, i)).collect();
    // Whatever else is in the document comes with other texts and stays as it is.
    found.retain(|c| place.contains_key(&c.schema));
    let at = |c: &Candidate| c.name.as_deref().and_then(|name| document.member(c.schema, name)).unwrap_or(c.schema);
    found.sort_by_key(|c| place.get(&at(c)).copied());
    // A `false` that is a keyword's value can be left out with the keyword.
    let values: HashSet<NodeId> = found.iter().filter_map(|c| c.name.as_deref().and_then(|name| document.member(c.schema, name))).collect();
    found.retain(|c| c.name.is_some() || !values.contains(&c.schema));
    found
}

/// Do other keywords say something else without this one?
fn is_read_by_others(row: &Keyword, document: &Document, value: NodeId, unevaluated: bool) -> bool {
    match row.name {
        "properties" | "patternProperties" | "prefixItems" | "contains" | "minContains" => true,
        "items" => unevaluated || document.items(value).is_some(),
        "additionalProperties" | "additionalItems" | "allOf" | "anyOf" | "oneOf" | "if" | "then" | "else" | "dependentSchemas" | "$ref" => {
            unevaluated
        }
        _ => false,
    }
}

/// The schemas that a keyword applies.
fn children(schema: &SchemaDocument, row: &Keyword, value: NodeId) -> Vec<NodeId> {
    let mut found = Vec::new();
    if is_reference(row.name) {
        found.extend(schema.target(value));
    } else if !matches!(row.role, Role::Definitions) && row.shape != Shape::Any {
        subschemas(&schema.document, row.shape, value, |child| found.push(child));
    }
    found
}

/// All values, each before what is inside it.
fn in_order(document: &Document) -> Vec<NodeId> {
    let mut order = Vec::new();
    let mut pending = vec![document.root()];
    while let Some(node) = pending.pop() {
        order.push(node);
        let before = pending.len();
        match document.get(node) {
            Node::Array(items) => pending.extend(items),
            Node::Object(members) => pending.extend(members.iter().map(|(_, value)| value)),
            _ => {}
        }
        pending[before..].reverse();
    }
    order
}

enum Piece {
    Value(NodeId),
    Text(&'static str),
    Key(String),
}

/// The document's text without some parts.
fn without<'c>(document: &Document, out: impl Iterator<Item = &'c Candidate>) -> String {
    let mut gone: HashSet<(NodeId, &str)> = HashSet::new();
    let mut opened: HashSet<NodeId> = HashSet::new();
    for candidate in out {
        match &candidate.name {
            Some(name) => {
                gone.insert((candidate.schema, name));
            }
            None => {
                opened.insert(candidate.schema);
            }
        }
    }
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut text = String::new();
    let mut pending = vec![Piece::Value(document.root())];
    while let Some(piece) = pending.pop() {
        let node = match piece {
            Piece::Text(word) => {
                text.push_str(word);
                continue;
            }
            Piece::Key(key) => {
                let _ = write!(text, "{key}:");
                continue;
            }
            Piece::Value(node) => node,
        };
        let before = pending.len();
        match document.get(node) {
            Node::Null => text.push_str("null"),
            Node::Bool(value) => text.push_str(if value || opened.contains(&node) { "true" } else { "false" }),
            Node::Number(digits) => text.push_str(digits),
            Node::String(value) => text.push_str(&quoted(value)),
            Node::Array(items) => {
                text.push('[');
                for (i, &item) in items.iter().enumerate() {
                    pending.extend((i > 0).then_some(Piece::Text(",")));
                    pending.push(Piece::Value(item));
                }
                pending.push(Piece::Text("]"));
            }
            Node::Object(members) => {
                text.push('{');
                let left = members.iter().filter(|(name, _)| !gone.contains(&(node, *name)));
                for (i, (name, value)) in left.enumerate() {
                    pending.extend((i > 0).then_some(Piece::Text(",")));
                    pending.push(Piece::Key(quoted(name)));
                    pending.push(Piece::Value(value));
                }
                pending.push(Piece::Text("}"));
            }
        }
        pending[before..].reverse();
    }
    text
}
