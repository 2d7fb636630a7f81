//! A small JSON Schema validator for the keywords maskwright enforces: the specification's sentences, one by one.
//!
//! Invariant: clearly right; numbers are exact decimals, lengths are code points, an unknown keyword is an error, never ignored.
//! Must not know: obligations, automata, tokens.

use regex::Regex;
use serde_json::{Map, Value};

use crate::testing::decimal::Decimal;
use crate::testing::document::Document;

/// Is `document` valid under `schema`? An `Err` names what this validator does not know.
pub fn is_valid(schema: &Value, document: &Document) -> Result<bool, String> {
    check(schema, schema, document, 500)
}

fn check(root: &Value, schema: &Value, document: &Document, fuel: usize) -> Result<bool, String> {
    let fuel = fuel.checked_sub(1).ok_or("a schema that refers to itself in place")?;
    let keywords = match schema {
        Value::Bool(all) => return Ok(*all),
        Value::Object(keywords) => keywords,
        _ => return Err(format!("not a schema: {schema}")),
    };
    for (keyword, value) in keywords {
        if !check_keyword(root, keywords, keyword, value, document, fuel)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Keywords that say nothing about values of other types; `minContains` and `maxContains` are read with `contains`.
const OF_ONE_TYPE: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "prefixItems",
    "items",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedItems",
    "unevaluatedProperties",
    "properties",
    "patternProperties",
    "additionalProperties",
    "required",
    "propertyNames",
    "minProperties",
    "maxProperties",
];

fn check_keyword(
    root: &Value,
    keywords: &Map<String, Value>,
    keyword: &str,
    value: &Value,
    document: &Document,
    fuel: usize,
) -> Result<bool, String> {
    let all = |parts: Vec<(&Value, &Document)>| -> Result<bool, String> {
        for (schema, part) in parts {
            if !check(root, schema, part, fuel)? {
                return Ok(false);
            }
        }
        Ok(true)
    };
    match (keyword, document) {
        ("$schema" | "$id" | "$anchor" | "$defs" | "definitions" | "title" | "description" | "default", _) => Ok(true),
        ("type", _) => match value {
            Value::Array(names) => Ok(names.iter().any(|n| has_type(document, n))),
            name => Ok(has_type(document, name)),
        },
        ("enum", _) => Ok(list(value)?.iter().any(|v| Document::from(v) == *document)),
        ("const", _) => Ok(Document::from(value) == *document),
        ("allOf", _) => all(list(value)?.iter().map(|s| (s, document)).collect()),
        ("anyOf" | "oneOf", _) => {
            let mut valid = 0;
            for branch in list(value)? {
                valid += usize::from(check(root, branch, document, fuel)?);
            }
            Ok(valid == 1 || valid > 1 && keyword == "anyOf")
        }
        ("not", _) => Ok(!check(root, value, document, fuel)?),
        ("$ref", _) => {
            let pointer = value.as_str().and_then(|r| r.strip_prefix('#')).ok_or("a reference outside the document")?;
            check(root, root.pointer(pointer).ok_or("a reference to nothing")?, document, fuel)
        }
        ("minimum", Document::Number(n)) => Ok(decimal(n)? >= number(value)?),
        ("maximum", Document::Number(n)) => Ok(decimal(n)? <= number(value)?),
        ("exclusiveMinimum", Document::Number(n)) => Ok(decimal(n)? > number(value)?),
        ("exclusiveMaximum", Document::Number(n)) => Ok(decimal(n)? < number(value)?),
        ("multipleOf", Document::Number(n)) => Ok(decimal(n)?.is_multiple_of(&number(value)?)),
        ("minLength", Document::String(s)) => Ok(s.chars().count() as u64 >= count(value)?),
        ("maxLength", Document::String(s)) => Ok(s.chars().count() as u64 <= count(value)?),
        ("pattern", Document::String(s)) => matches(value.as_str().ok_or("a pattern is a string")?, s),
        ("minItems", Document::Array(items)) => Ok(items.len() as u64 >= count(value)?),
        ("maxItems", Document::Array(items)) => Ok(items.len() as u64 <= count(value)?),
        ("uniqueItems", Document::Array(items)) => {
            let differ = items.iter().enumerate().all(|(i, item)| !items[..i].contains(item));
            Ok(*value != Value::Bool(true) || differ)
        }
        ("prefixItems", Document::Array(items)) => all(list(value)?.iter().zip(items).collect()),
        ("items", Document::Array(items)) => {
            let skip = keywords.get("prefixItems").map_or(Ok(0), |p| list(p).map(<[Value]>::len))?;
            all(items.iter().skip(skip).map(|item| (value, item)).collect())
        }
        ("contains", Document::Array(items)) => {
            let mut found = 0;
            for item in items {
                found += u64::from(check(root, value, item, fuel)?);
            }
            let bound = |name: &str| keywords.get(name).map(count).transpose();
            Ok(found >= bound("minContains")?.unwrap_or(1) && bound("maxContains")?.is_none_or(|most| found <= most))
        }
        ("unevaluatedItems", Document::Array(_)) | ("unevaluatedProperties", Document::Object(_)) => {
            let unseen = unevaluated(root, keywords, keyword, document, fuel)?;
            all(unseen.into_iter().map(|child| (value, child)).collect())
        }
        ("properties", Document::Object(members)) => {
            let declared = value.as_object().ok_or("properties is an object")?;
            all(members.iter().filter_map(|(key, member)| Some((declared.get(key)?, member))).collect())
        }
        ("patternProperties", Document::Object(members)) => {
            for (pattern, schema) in value.as_object().ok_or("patternProperties is an object")? {
                for (key, member) in members {
                    if matches(pattern, key)? && !check(root, schema, member, fuel)? {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        }
        ("additionalProperties", Document::Object(members)) => {
            for (key, member) in members {
                let declared = keywords.get("properties").is_some_and(|p| p.get(key).is_some());
                let mut by_pattern = false;
                for pattern in keywords.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
                    by_pattern |= matches(pattern, key)?;
                }
                if !declared && !by_pattern && !check(root, value, member, fuel)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        ("propertyNames", Document::Object(members)) => {
            let names: Vec<Document> = members.iter().map(|(key, _)| Document::String(key.clone())).collect();
            all(names.iter().map(|name| (value, name)).collect())
        }
        ("minProperties", Document::Object(members)) => Ok(members.len() as u64 >= count(value)?),
        ("maxProperties", Document::Object(members)) => Ok(members.len() as u64 <= count(value)?),
        ("required", Document::Object(members)) => {
            Ok(list(value)?.iter().all(|name| members.iter().any(|(key, _)| Some(key.as_str()) == name.as_str())))
        }
        (keyword, _) if OF_ONE_TYPE.contains(&keyword) => Ok(true),
        _ => Err(format!("unknown keyword {keyword}")),
    }
}

/// The children that no keyword but this one has evaluated.
fn unevaluated<'d>(
    root: &Value,
    keywords: &Map<String, Value>,
    keyword: &str,
    document: &'d Document,
    fuel: usize,
) -> Result<Vec<&'d Document>, String> {
    let mut others = keywords.clone();
    others.remove(keyword);
    let seen = evaluated(root, &Value::Object(others), document, fuel)?;
    Ok(children(document).into_iter().zip(seen).filter(|(_, seen)| !seen).map(|(child, _)| child).collect())
}

/// For each child of the document, whether a keyword of the schema has evaluated it; none has where the schema does not hold.
fn evaluated(root: &Value, schema: &Value, document: &Document, fuel: usize) -> Result<Vec<bool>, String> {
    let fuel = fuel.checked_sub(1).ok_or("a schema that refers to itself in place")?;
    let mut seen = vec![false; children(document).len()];
    let Value::Object(keywords) = schema else { return Ok(seen) };
    if !check(root, schema, document, fuel)? {
        return Ok(seen);
    }
    for (keyword, value) in keywords {
        let mut in_place: Vec<&Value> = Vec::new();
        match keyword.as_str() {
            "allOf" | "anyOf" | "oneOf" => in_place.extend(list(value)?),
            "$ref" => in_place.extend(value.as_str().and_then(|r| r.strip_prefix('#')).and_then(|pointer| root.pointer(pointer))),
            "if" => {
                in_place.push(value);
                in_place.extend(keywords.get(if check(root, value, document, fuel)? { "then" } else { "else" }));
            }
            "dependentSchemas" => {
                if let (Document::Object(members), Some(schemas)) = (document, value.as_object()) {
                    in_place.extend(members.iter().filter_map(|(key, _)| schemas.get(key)));
                }
            }
            _ => {}
        }
        for part in in_place {
            for (seen, also) in seen.iter_mut().zip(evaluated(root, part, document, fuel)?) {
                *seen |= also;
            }
        }
        for (index, seen) in seen.iter_mut().enumerate() {
            *seen |= match (keyword.as_str(), document) {
                ("properties", Document::Object(members)) => value.get(&members[index].0).is_some(),
                ("patternProperties", Document::Object(members)) => {
                    let mut any = false;
                    for pattern in value.as_object().into_iter().flat_map(Map::keys) {
                        any |= matches(pattern, &members[index].0)?;
                    }
                    any
                }
                ("additionalProperties" | "unevaluatedProperties", Document::Object(_))
                | ("items" | "unevaluatedItems", Document::Array(_)) => true,
                ("prefixItems", Document::Array(_)) => index < list(value)?.len(),
                ("contains", Document::Array(items)) => check(root, value, &items[index], fuel)?,
                _ => false,
            };
        }
    }
    Ok(seen)
}

/// The items or the values of the members.
fn children(document: &Document) -> Vec<&Document> {
    match document {
        Document::Array(items) => items.iter().collect(),
        Document::Object(members) => members.iter().map(|(_, member)| member).collect(),
        _ => Vec::new(),
    }
}

fn has_type(document: &Document, name: &Value) -> bool {
    match (name.as_str(), document) {
        (Some("null"), Document::Null)
        | (Some("boolean"), Document::Bool(_))
        | (Some("number"), Document::Number(_))
        | (Some("string"), Document::String(_))
        | (Some("array"), Document::Array(_))
        | (Some("object"), Document::Object(_)) => true,
        (Some("integer"), Document::Number(n)) => Decimal::parse(n).is_some_and(|d| d.is_integer()),
        _ => false,
    }
}

/// Patterns are searched for, not anchored.
pub(crate) fn matches(pattern: &str, text: &str) -> Result<bool, String> {
    Ok(Regex::new(pattern).map_err(|e| e.to_string())?.is_match(text))
}

fn list(value: &Value) -> Result<&[Value], String> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| format!("not a list: {value}"))
}

fn count(value: &Value) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| format!("not a count: {value}"))
}

fn number(value: &Value) -> Result<Decimal, String> {
    value.as_number().ok_or_else(|| format!("not a number: {value}")).and_then(|n| decimal(&n.to_string()))
}

fn decimal(text: &str) -> Result<Decimal, String> {
    Decimal::parse(text).ok_or_else(|| format!("not a number: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords() {
        let cases = [
            (r#"{"type":"integer"}"#, "1.0", true),
            (r#"{"type":"integer"}"#, "1.5", false),
            (r#"{"type":["null","string"]}"#, "null", true),
            (r#"{"exclusiveMaximum":0.3}"#, "0.30", false),
            (r#"{"exclusiveMaximum":0.3}"#, "0.299999999999999999999999", true),
            (r#"{"minimum":5}"#, "\"4\"", true),
            (r#"{"multipleOf":0.1}"#, "0.30", true),
            (r#"{"multipleOf":0.1}"#, "0.31", false),
            (r#"{"maxLength":1}"#, "\"😀\"", true),
            (r#"{"pattern":"b"}"#, "\"abc\"", true),
            (r#"{"pattern":"^b"}"#, "\"abc\"", false),
            (r#"{"enum":[1,{"a":[2]}]}"#, "{\"a\":[2.0]}", true),
            (r#"{"const":"a"}"#, "\"\\u0061\"", true),
            (r#"{"prefixItems":[{"type":"null"}],"items":false}"#, "[null]", true),
            (r#"{"prefixItems":[{"type":"null"}],"items":false}"#, "[null,1]", false),
            (r#"{"prefixItems":[{"type":"null"}],"items":false}"#, "[1]", false),
            (r#"{"uniqueItems":true}"#, "[1,{\"a\":1},{\"a\":1.0}]", false),
            (r#"{"not":{"uniqueItems":true}}"#, "[[1],\"1\",[1]]", true),
            (r#"{"minItems":1,"maxItems":2}"#, "[]", false),
            (r#"{"minItems":1,"maxItems":2}"#, "[1,2,3]", false),
            (r#"{"properties":{"a":{"type":"null"}},"required":["a"]}"#, "{\"a\":null,\"b\":1}", true),
            (r#"{"properties":{"a":{"type":"null"}},"required":["a"]}"#, "{}", false),
            (
                r#"{"properties":{"a":true},"patternProperties":{"^x":{"type":"null"}},"additionalProperties":false}"#,
                "{\"a\":1,\"xy\":null}",
                true,
            ),
            (r#"{"properties":{"a":true},"patternProperties":{"^x":{"type":"null"}},"additionalProperties":false}"#, "{\"b\":1}", false),
            (r#"{"properties":{"a":true},"patternProperties":{"^x":{"type":"null"}},"additionalProperties":false}"#, "{\"x\":1}", false),
            (r#"{"anyOf":[{"type":"null"},{"minimum":3}]}"#, "2", false),
            (r#"{"contains":{"const":1},"minContains":2,"maxContains":2}"#, "[1,0,1.0]", true),
            (r#"{"contains":{"const":1},"minContains":2,"maxContains":2}"#, "[1,1,1]", false),
            (r#"{"contains":{"const":1}}"#, "[0]", false),
            (r#"{"contains":{"const":1},"unevaluatedItems":{"const":2}}"#, "[2,1]", true),
            (r#"{"contains":{"const":1},"unevaluatedItems":{"const":2}}"#, "[3,1]", false),
            (r#"{"anyOf":[{"properties":{"a":{"const":1}}},true],"unevaluatedProperties":false}"#, "{\"a\":1}", true),
            (r#"{"anyOf":[{"properties":{"a":{"const":1}}},true],"unevaluatedProperties":false}"#, "{\"a\":2}", false),
            (r#"{"allOf":[{"unevaluatedProperties":true}],"unevaluatedProperties":false}"#, "{\"a\":2}", true),
            (r#"{"allOf":[{"unevaluatedProperties":false}],"properties":{"a":true}}"#, "{\"a\":2}", false),
            (r#"{"allOf":[{"type":"number"},{"minimum":3}]}"#, "3", true),
            (
                r##"{"$ref":"#/$defs/n","$defs":{"n":{"properties":{"next":{"$ref":"#/$defs/n"}},"type":"object"}}}"##,
                "{\"next\":{\"next\":1}}",
                false,
            ),
        ];
        for (schema, text, valid) in cases {
            let schema: Value = serde_json::from_str(schema).unwrap();
            let document = Document::read(text.as_bytes()).unwrap();
            assert_eq!(is_valid(&schema, &document), Ok(valid), "{schema} {text}");
        }
        assert!(is_valid(&serde_json::json!({"minimun": 3}), &Document::Null).is_err());
    }
}
