//! Random JSON Schemas over the enforced keywords, and random documents for a schema.
//!
//! Invariant: a pure function of the source; a document is built to be valid, but only the validator's word counts.
//! Must not know: obligations, automata, tokens.

use serde_json::{Map, Value, json};

use crate::testing::document::Document;
use crate::testing::source::Source;
use crate::testing::validate;

/// Patterns on which ECMAScript and the validator's engine agree, with texts that match.
pub const PATTERNS: [(&str, &[&str]); 8] = [
    ("^[a-z]+$", &["a", "abc", "zz"]),
    ("^[0-9]{3}-[0-9]{2}$", &["123-45", "000-00"]),
    ("b", &["b", "abc", "b\"b", "éb"]),
    ("^(ab|a)*$", &["", "ab", "aab", "abab"]),
    ("^.{2,4}$", &["ab", "é€😀", "\"\\ab"]),
    ("é|\"", &["é", "x\"", "\"é"]),
    ("^[^a]*a$", &["a", "bca", "😀a"]),
    ("[0-9]+$", &["1", "a12", "- 3"]),
];

const NAMES: [&str; 8] = ["a", "b", "ab", "name", "é", "k\"", "x-1", "n"];
const EXTRA_NAMES: [&str; 4] = ["zz", "q", "w w", "€"];
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
const STRINGS: [&str; 8] = ["", "a", "ab", "\"", "\\", "é€", "😀", "line\n\u{1}/"];
/// Of its multiples, a walk that takes digits by chance finds none.
pub const RARE_DIVISOR: &str = "123456789.25";
const DIVISORS: [&str; 8] = ["2", "0.5", "3", "0.01", "2.5", "1000000000", "0.000000007", RARE_DIVISOR];
const NUMBERS: [&str; 10] = ["0", "1", "-1", "7", "10", "0.5", "-2.5", "100", "3", "99"];

/// A random schema; `depth` levels of nesting.
pub fn schema(source: &mut Source, depth: usize) -> Value {
    let definitions = source.below(3);
    let mut root = subschema(source, depth, definitions, 0);
    if definitions > 0 {
        let parts: Map<String, Value> =
            (0..definitions).map(|i| (format!("d{i}"), subschema(source, depth.saturating_sub(1), definitions, i + 1))).collect();
        match &mut root {
            Value::Object(keywords) => drop(keywords.insert("$defs".into(), Value::Object(parts))),
            other => *other = json!({ "$defs": parts }),
        }
    }
    root
}

/// `first`: the first definition that may be referred to in place, so that no reference in place comes back to itself.
fn subschema(source: &mut Source, depth: usize, definitions: usize, first: usize) -> Value {
    let kind = source.below(if depth == 0 { 10 } else { 22 });
    match kind {
        0 => json!({ "type": source.pick(&TYPES[..5]) }),
        1 => string(source),
        2 | 3 => numeric(source),
        4 => json!({ "enum": (0..=source.below(4)).map(|_| constant(source, depth.min(1))).collect::<Vec<_>>() }),
        5 => json!({ "const": constant(source, depth.min(2)) }),
        6 if source.chance(30) => json!({ "type": TYPES }),
        6 => {
            let mut types: Vec<&str> = (0..=source.below(3)).map(|_| *source.pick(&TYPES[..5])).collect();
            types.sort_unstable();
            types.dedup();
            json!({ "type": types })
        }
        7 if first < definitions => json!({ "$ref": format!("#/$defs/d{}", first + source.below(definitions - first)) }),
        8 => [json!(true), json!({})][source.below(2)].clone(),
        10..=12 => array(source, depth, definitions, first),
        13..=17 => object(source, depth, definitions, first),
        18 | 19 => {
            let branches: Vec<Value> = (0..2 + source.below(2)).map(|_| subschema(source, depth - 1, definitions, first)).collect();
            let mut keywords = Map::new();
            if source.chance(30) {
                keywords.insert("type".into(), json!(["object", "string", "number", "array"]));
            }
            keywords.insert("anyOf".into(), Value::Array(branches));
            unevaluated(source, &mut keywords);
            Value::Object(keywords)
        }
        20 => {
            let family = source.below(4);
            let parts: Vec<Value> = (0..2 + source.below(2))
                .map(|_| match family {
                    0 => string(source),
                    1 => numeric(source),
                    2 => array(source, depth, definitions, first),
                    _ => object(source, depth, definitions, first),
                })
                .collect();
            let mut keywords = Map::from_iter([("allOf".into(), Value::Array(parts))]);
            unevaluated(source, &mut keywords);
            Value::Object(keywords)
        }
        _ => string(source),
    }
}

/// A schema in a child's place may refer to every definition: the reference consumes text.
fn child(source: &mut Source, depth: usize, definitions: usize) -> Value {
    if definitions > 0 && source.chance(20) {
        return json!({ "$ref": format!("#/$defs/d{}", source.below(definitions)) });
    }
    subschema(source, depth.saturating_sub(1), definitions, 0)
}

/// Now and then refuse what the schemas beside it do not speak of.
fn unevaluated(source: &mut Source, keywords: &mut Map<String, Value>) {
    for name in ["unevaluatedProperties", "unevaluatedItems"] {
        if source.chance(20) {
            let rest = if source.chance(70) { json!(false) } else { json!({ "type": source.pick(&TYPES[..5]) }) };
            keywords.insert(name.into(), rest);
        }
    }
}

fn string(source: &mut Source) -> Value {
    let mut keywords = Map::new();
    if source.chance(80) {
        keywords.insert("type".into(), json!("string"));
    }
    if source.chance(35) {
        keywords.insert("pattern".into(), json!(source.pick(&PATTERNS).0));
    }
    let low = source.below(4);
    if source.chance(30) {
        keywords.insert("minLength".into(), json!(low));
    }
    if source.chance(40) {
        let extra = source.below(6);
        let high = if source.chance(10) { 300 } else { low + extra };
        keywords.insert("maxLength".into(), json!(high));
    }
    Value::Object(keywords)
}

fn pick_number(source: &mut Source) -> &'static str {
    NUMBERS[source.below(NUMBERS.len())]
}

fn literal(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

fn numeric(source: &mut Source) -> Value {
    let mut keywords = Map::new();
    if source.chance(90) {
        keywords.insert("type".into(), json!(source.pick(&["integer", "number"])));
    }
    if source.chance(45) {
        let name = *source.pick(&["minimum", "exclusiveMinimum"]);
        keywords.insert(name.into(), literal(pick_number(source)));
    }
    if source.chance(45) {
        let name = *source.pick(&["maximum", "exclusiveMaximum"]);
        keywords.insert(name.into(), literal(pick_number(source)));
    }
    if source.chance(20) {
        keywords.insert("multipleOf".into(), literal(DIVISORS[source.below(DIVISORS.len())]));
    }
    Value::Object(keywords)
}

fn array(source: &mut Source, depth: usize, definitions: usize, _first: usize) -> Value {
    let mut keywords = Map::new();
    if source.chance(85) {
        keywords.insert("type".into(), json!("array"));
    }
    if source.chance(35) {
        let parts: Vec<Value> = (0..=source.below(3)).map(|_| child(source, depth, definitions)).collect();
        keywords.insert("prefixItems".into(), Value::Array(parts));
    }
    if source.chance(60) {
        let items = if source.chance(20) { json!(false) } else { child(source, depth, definitions) };
        keywords.insert("items".into(), items);
    }
    let low = source.below(3);
    if source.chance(30) {
        keywords.insert("minItems".into(), json!(low));
    }
    if source.chance(40) {
        keywords.insert("maxItems".into(), json!(low + source.below(3)));
    }
    if source.chance(25) {
        keywords.insert("contains".into(), child(source, depth, definitions));
        if source.chance(40) {
            keywords.insert("minContains".into(), json!(source.below(3)));
        }
        if source.chance(30) {
            keywords.insert("maxContains".into(), json!(1 + source.below(3)));
        }
    }
    if source.chance(15) {
        unevaluated(source, &mut keywords);
    }
    // A walk that writes strings to get to an end would never find what must be contained, if it may write none twice.
    if !keywords.contains_key("contains") {
        match source.below(10) {
            0..3 => drop(keywords.insert("uniqueItems".into(), json!(true))),
            3 => drop(keywords.insert("not".into(), json!({ "uniqueItems": true }))),
            _ => {}
        }
    }
    Value::Object(keywords)
}

fn object(source: &mut Source, depth: usize, definitions: usize, _first: usize) -> Value {
    let mut keywords = Map::new();
    if source.chance(85) {
        keywords.insert("type".into(), json!("object"));
    }
    let mut properties = Map::new();
    for _ in 0..source.below(4) {
        let name = (*source.pick(&NAMES)).to_owned();
        properties.insert(name, child(source, depth, definitions));
    }
    if source.chance(50) {
        let mut required: Vec<&String> = properties.keys().filter(|_| source.chance(60)).collect();
        let undeclared = NAMES[0].to_owned();
        if source.chance(8) && !required.contains(&&undeclared) {
            required.push(&undeclared);
        }
        keywords.insert("required".into(), json!(required));
    }
    if !properties.is_empty() {
        keywords.insert("properties".into(), Value::Object(properties));
    }
    if source.chance(20) {
        let pattern = *source.pick(&["^x-", "[0-9]$", "^[a-c]+$"]);
        keywords.insert("patternProperties".into(), json!({ pattern: child(source, depth, definitions) }));
    }
    if source.chance(50) {
        let rest = if source.chance(60) { json!(false) } else { child(source, depth, definitions) };
        keywords.insert("additionalProperties".into(), rest);
    } else {
        unevaluated(source, &mut keywords);
    }
    Value::Object(keywords)
}

fn constant(source: &mut Source, depth: usize) -> Value {
    match source.below(if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(source.chance(50)),
        2 | 3 => literal(pick_number(source)),
        6 => Value::Array((0..source.below(3)).map(|_| constant(source, depth - 1)).collect()),
        7 => Value::Object((0..source.below(3)).map(|_| ((*source.pick(&NAMES)).to_owned(), constant(source, depth - 1))).collect()),
        _ => json!(source.pick(&STRINGS)),
    }
}

/// A document that was built to be valid under the schema and that the validator finds valid; `None` if that did not work out.
/// Keys stand in the order in which the schema declares them, undeclared ones after them.
pub fn document(source: &mut Source, root: &Value, depth: i32) -> Option<Document> {
    let mut maker = Maker { root, source };
    (0..8).find_map(|_| maker.value(&[root], depth).filter(|d| validate::is_valid(root, d) == Ok(true)))
}

struct Maker<'m, 's> {
    root: &'m Value,
    source: &'m mut Source<'s>,
}

impl<'m> Maker<'m, '_> {
    /// All keyword objects that hold in place, outer before inner, in document order; of an anyOf one branch.
    fn flatten(&mut self, schema: &'m Value, fuel: usize, out: &mut Vec<&'m Map<String, Value>>) -> Option<()> {
        let Value::Object(keywords) = schema else { return (*schema == Value::Bool(true)).then_some(()) };
        let fuel = fuel.checked_sub(1)?;
        out.push(keywords);
        for (keyword, value) in keywords {
            match (keyword.as_str(), value) {
                ("allOf", Value::Array(parts)) => parts.iter().try_for_each(|p| self.flatten(p, fuel, out))?,
                ("anyOf", Value::Array(branches)) if !branches.is_empty() => {
                    let branch = self.source.pick(branches);
                    self.flatten(branch, fuel, out)?;
                }
                ("$ref", Value::String(reference)) => {
                    let target = self.root.pointer(reference.strip_prefix('#')?)?;
                    self.flatten(target, fuel, out)?;
                }
                _ => {}
            }
        }
        Some(())
    }

    fn value(&mut self, schemas: &[&'m Value], depth: i32) -> Option<Document> {
        // At level zero values end the shortest way; a schema that still goes on ever deeper has no finite document this way.
        if depth < -6 {
            return None;
        }
        let mut demands = Vec::new();
        schemas.iter().try_for_each(|s| self.flatten(s, 40, &mut demands))?;
        for demand in &demands {
            if let Some(value) = demand.get("const") {
                return Some(Document::from(value));
            }
            if let Some(values) = demand.get("enum").and_then(Value::as_array).filter(|v| !v.is_empty()) {
                return Some(Document::from(self.source.pick(values)));
            }
        }
        let mut types: Vec<&str> = TYPES.to_vec();
        let mut integer = false;
        for declared in demands.iter().filter_map(|d| d.get("type")) {
            let names: Vec<&str> =
                declared.as_array().map_or_else(|| vec![declared], |l| l.iter().collect()).into_iter().filter_map(Value::as_str).collect();
            integer |= names.contains(&"integer") && !names.contains(&"number");
            types.retain(|t| {
                names.contains(t) || (*t == "integer" && names.contains(&"number")) || (*t == "number" && names.contains(&"integer"))
            });
        }
        let nested = |t: &str| t == "array" || t == "object";
        if depth <= 0 && types.iter().any(|t| !nested(t)) {
            types.retain(|t| !nested(t));
        }
        let hinted: Vec<&str> = types.iter().copied().filter(|t| demands.iter().any(|d| d.keys().any(|k| is_about(k, t)))).collect();
        let open = if !hinted.is_empty() && self.source.chance(80) { hinted } else { types };
        match *open.get(self.source.below(open.len()))? {
            "null" => Some(Document::Null),
            "boolean" => Some(Document::Bool(self.source.chance(50))),
            "integer" => self.number(&demands, true),
            "number" => self.number(&demands, integer),
            "string" => Some(self.string(&demands)),
            "array" => self.array(&demands, depth),
            _ => self.object(&demands, depth),
        }
    }

    fn number(&mut self, demands: &[&'m Map<String, Value>], integer: bool) -> Option<Document> {
        let bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
        let given: Vec<String> = demands.iter().flat_map(|d| bounds.iter().filter_map(|b| d.get(*b)).map(ToString::to_string)).collect();
        for _ in 0..12 {
            let near = if given.is_empty() { (*self.source.pick(&NUMBERS)).to_owned() } else { self.source.pick(&given).clone() };
            let whole: i64 = near.split('.').next().and_then(|w| w.parse().ok()).unwrap_or(0) + self.source.below(7) as i64 - 3;
            let text = match self.source.below(if integer { 3 } else { 5 }) {
                0 => near,
                3 => format!("{whole}.{}", self.source.below(1000)),
                4 => format!("{}0", if near.contains('.') { near } else { format!("{near}.") }),
                _ => whole.to_string(),
            };
            let number = Document::Number(text);
            if self.keeps(demands, &number) && (!integer || validate::is_valid(&json!({ "type": "integer" }), &number) == Ok(true)) {
                return Some(number);
            }
        }
        None
    }

    fn string(&mut self, demands: &[&'m Map<String, Value>]) -> Document {
        let (low, high) = (counts(demands, "minLength").max().unwrap_or(0), counts(demands, "maxLength").min().unwrap_or(8).min(12));
        let pattern = demands.iter().find_map(|d| d.get("pattern").and_then(Value::as_str));
        let samples = PATTERNS.iter().find(|(p, _)| Some(*p) == pattern).map(|(_, samples)| *samples);
        let mut text = String::new();
        for _ in 0..6 {
            let length = low + self.source.below((high + 1).saturating_sub(low));
            text = match samples {
                Some(samples) => (*self.source.pick(samples)).to_owned(),
                None => (0..length).map(|_| *self.source.pick(&['a', 'b', 'é', '"', '\\', '😀', '\n', '\u{1}', ' ', '/'])).collect(),
            };
            if self.keeps(demands, &Document::String(text.clone())) {
                break;
            }
        }
        Document::String(text)
    }

    /// Does the value keep the scalar demands? Composite keywords are looked at by `document`.
    fn keeps(&self, demands: &[&'m Map<String, Value>], value: &Document) -> bool {
        demands.iter().all(|d| {
            let scalar: Map<String, Value> =
                d.iter().filter(|(k, _)| is_about(k, "number") || is_about(k, "string")).map(|(k, v)| (k.clone(), v.clone())).collect();
            validate::is_valid(&Value::Object(scalar), value) == Ok(true)
        })
    }

    fn array(&mut self, demands: &[&'m Map<String, Value>], depth: i32) -> Option<Document> {
        let contained: Vec<&Value> = demands
            .iter()
            .filter_map(|d| d.get("contains").map(|schema| (schema, counts(&[*d], "minContains").next().unwrap_or(1))))
            .flat_map(|(schema, times)| std::iter::repeat_n(schema, times))
            .collect();
        let low = counts(demands, "minItems").max().unwrap_or(0).max(contained.len());
        let high = counts(demands, "maxItems").min().unwrap_or(low + 3).min(low + 3);
        let length = low + self.source.below((high + 1).saturating_sub(low));
        let mut items = Vec::new();
        for index in 0..length {
            let mut wanted: Vec<&Value> = demands
                .iter()
                .filter_map(|d| {
                    let prefix = d.get("prefixItems").and_then(Value::as_array);
                    prefix.and_then(|p| p.get(index)).or_else(|| d.get("items"))
                })
                .collect();
            // The last items are those that must be contained.
            wanted.extend((index + contained.len()).checked_sub(length).map(|at| contained[at]));
            if wanted.is_empty() {
                wanted.extend(demands.iter().filter_map(|d| d.get("unevaluatedItems")));
            }
            match self.value(&wanted, depth - 1) {
                Some(item) => items.push(item),
                None if index >= low => break,
                None => return None,
            }
        }
        Some(Document::Array(items))
    }

    fn object(&mut self, demands: &[&'m Map<String, Value>], depth: i32) -> Option<Document> {
        let required: Vec<&str> =
            demands.iter().filter_map(|d| d.get("required").and_then(Value::as_array)).flatten().filter_map(Value::as_str).collect();
        let mut keys: Vec<&str> = Vec::new();
        for name in demands.iter().filter_map(|d| d.get("properties").and_then(Value::as_object)).flat_map(Map::keys) {
            if !keys.contains(&name.as_str()) {
                keys.push(name);
            }
        }
        let declared = keys.len();
        keys.extend(required.iter().filter(|r| !keys[..declared].contains(*r)).copied().collect::<Vec<_>>());
        for _ in 0..self.source.below(3) {
            let extra = if self.source.chance(50) { *self.source.pick(&["x-a", "a1", "cab"]) } else { *self.source.pick(&EXTRA_NAMES) };
            if !keys.contains(&extra) && !keys.iter().any(|k| extra.starts_with(k)) {
                keys.push(extra);
            }
        }
        let mut members: Vec<(String, Document)> = Vec::new();
        for key in keys {
            let must = required.contains(&key);
            if members.iter().any(|(k, _)| k == key) || (!must && (depth <= 0 || self.source.chance(35))) {
                continue;
            }
            match self.value(&wanted(demands, key), depth - 1) {
                Some(value) => members.push((key.to_owned(), value)),
                None if must => return None,
                None => {}
            }
        }
        Some(Document::Object(members))
    }
}

/// The values of a keyword that is a count.
fn counts(demands: &[&Map<String, Value>], keyword: &str) -> impl Iterator<Item = usize> {
    demands.iter().filter_map(move |d| d.get(keyword).and_then(Value::as_u64)).map(|n| n as usize)
}

/// What the objects demand of the value of `key`.
fn wanted<'m>(demands: &[&'m Map<String, Value>], key: &str) -> Vec<&'m Value> {
    let mut out = Vec::new();
    for demand in demands {
        let before = out.len();
        out.extend(demand.get("properties").and_then(|p| p.get(key)));
        if let Some(patterns) = demand.get("patternProperties").and_then(Value::as_object) {
            out.extend(patterns.iter().filter(|(p, _)| validate::matches(p, key) == Ok(true)).map(|(_, s)| s));
        }
        if out.len() == before {
            out.extend(demand.get("additionalProperties"));
        }
    }
    if out.is_empty() {
        out.extend(demands.iter().filter_map(|demand| demand.get("unevaluatedProperties")));
    }
    out
}

fn is_about(keyword: &str, kind: &str) -> bool {
    match kind {
        "string" => matches!(keyword, "minLength" | "maxLength" | "pattern"),
        "integer" | "number" => matches!(keyword, "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf"),
        "array" => matches!(keyword, "items" | "prefixItems" | "minItems" | "maxItems" | "contains" | "unevaluatedItems" | "uniqueItems"),
        "object" => matches!(keyword, "properties" | "patternProperties" | "additionalProperties" | "required" | "unevaluatedProperties"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::source::random_bytes;

    #[test]
    fn most_schemas_get_documents() {
        let (mut schemas, mut documents) = (0, 0);
        let mut kinds = std::collections::HashSet::new();
        for seed in 0..400 {
            let bytes = random_bytes(seed, 600);
            let mut source = Source::new(&bytes);
            let schema = schema(&mut source, 2);
            schemas += 1;
            if let Some(found) = document(&mut source, &schema, 3) {
                documents += 1;
                kinds.insert(std::mem::discriminant(&found));
                assert_eq!(validate::is_valid(&schema, &found), Ok(true));
            } else {
                assert!(validate::is_valid(&schema, &Document::Null).is_ok(), "{schema}");
            }
        }
        assert!(documents * 10 > schemas * 7, "{documents} of {schemas}");
        assert_eq!(kinds.len(), 6);
    }
}
