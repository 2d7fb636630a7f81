//! A validator that reads like the specification: the oracle for small schemas. Bounded numbers are small enough for `f64`, patterns are `^literal$`.

use serde_json::Value;

use crate::frontend::json_schema::json::canonical_number;
use crate::testing::decimal::Decimal;

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => canonical_number(&x.to_string()) == canonical_number(&y.to_string()),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(a, b)| equal(a, b)),
        (Value::Object(x), Value::Object(y)) => x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| equal(v, w))),
        _ => a == b,
    }
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => {
            let canonical = canonical_number(&value.to_string());
            value.is_number() && canonical.split_once('e').is_none_or(|(_, exponent)| !exponent.starts_with('-'))
        }
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    pattern.trim_start_matches('^').trim_end_matches('$') == text
}

/// Does `value` satisfy `schema`, a part of `root`?
pub fn valid(root: &Value, schema: &Value, value: &Value) -> bool {
    let Value::Object(keywords) = schema else { return schema == &Value::Bool(true) };
    keywords.iter().all(|(name, demand)| holds(root, keywords, name, demand, value))
}

/// For each member or item of `value`, whether a keyword of the schema has evaluated it; nothing has where the schema does not hold.
fn evaluated(root: &Value, schema: &Value, value: &Value) -> Vec<bool> {
    let names: Vec<&String> = value.as_object().map(|o| o.keys().collect()).unwrap_or_default();
    let items = value.as_array().map_or(&[][..], |a| a);
    let mut out = vec![false; names.len() + items.len()];
    let Value::Object(keywords) = schema else { return out };
    if !valid(root, schema, value) {
        return out;
    }
    for (keyword, demand) in keywords {
        let mut mark = |which: &dyn Fn(usize) -> bool| (0..out.len()).for_each(|i| out[i] |= which(i));
        let mut in_place = |schema: &Value| {
            let inner = evaluated(root, schema, value);
            mark(&|i| inner[i]);
        };
        match keyword.as_str() {
            "$ref" => in_place(root.pointer(demand.as_str().unwrap().trim_start_matches('#')).unwrap()),
            "allOf" | "anyOf" | "oneOf" => demand.as_array().unwrap().iter().for_each(in_place),
            "if" => {
                in_place(demand);
                let branch = if valid(root, demand, value) { "then" } else { "else" };
                keywords.get(branch).into_iter().for_each(in_place);
            }
            "dependentSchemas" => {
                demand.as_object().unwrap().iter().filter(|(k, _)| value.get(k.as_str()).is_some()).for_each(|(_, s)| in_place(s));
            }
            "properties" => mark(&|i| names.get(i).is_some_and(|n| demand.get(n.as_str()).is_some())),
            "patternProperties" => mark(&|i| names.get(i).is_some_and(|n| demand.as_object().unwrap().keys().any(|p| matches(p, n)))),
            "additionalProperties" | "unevaluatedProperties" => mark(&|_| value.is_object()),
            "prefixItems" => mark(&|i| value.is_array() && i < demand.as_array().unwrap().len()),
            "items" | "unevaluatedItems" => mark(&|_| value.is_array()),
            "contains" => mark(&|i| items.get(i).is_some_and(|item| valid(root, demand, item))),
            _ => {}
        }
    }
    out
}

/// The children that nothing but this keyword has evaluated satisfy its schema.
fn unevaluated_hold(
    root: &Value,
    keywords: &serde_json::Map<String, Value>,
    name: &str,
    demand: &Value,
    value: &Value,
    children: &[&Value],
) -> bool {
    let mut others = keywords.clone();
    others.remove(name);
    let others = Value::Object(others);
    if !valid(root, &others, value) {
        return false;
    }
    let seen = evaluated(root, &others, value);
    children.iter().zip(seen).all(|(child, seen)| seen || valid(root, demand, child))
}

fn holds(root: &Value, keywords: &serde_json::Map<String, Value>, name: &str, demand: &Value, value: &Value) -> bool {
    let ok = |schema: &Value, value: &Value| valid(root, schema, value);
    let list = demand.as_array().map_or(&[][..], |a| a);
    // Through the text: numbers beyond the range are infinite here.
    let number = |v: &Value| v.to_string().parse::<f64>().unwrap();
    let decimal = |v: &Value| Decimal::parse(&v.to_string()).unwrap();
    let size = || demand.as_u64().unwrap() as usize;
    match name {
        "$ref" => ok(root.pointer(demand.as_str().unwrap().trim_start_matches('#')).unwrap(), value),
        "type" => match demand {
            Value::String(t) => is_type(t, value),
            _ => list.iter().any(|t| is_type(t.as_str().unwrap(), value)),
        },
        "enum" => list.iter().any(|v| equal(v, value)),
        "const" => equal(demand, value),
        "allOf" => list.iter().all(|s| ok(s, value)),
        "anyOf" => list.iter().any(|s| ok(s, value)),
        "oneOf" => list.iter().filter(|s| ok(s, value)).count() == 1,
        "not" => !ok(demand, value),
        "if" => {
            let branch = if ok(demand, value) { "then" } else { "else" };
            keywords.get(branch).is_none_or(|s| ok(s, value))
        }
        "dependentSchemas" => {
            value.as_object().is_none_or(|o| demand.as_object().unwrap().iter().all(|(k, s)| !o.contains_key(k) || ok(s, value)))
        }
        _ => match value {
            Value::Number(_) => match name {
                "minimum" => number(value) >= number(demand),
                "maximum" => number(value) <= number(demand),
                "exclusiveMinimum" => number(value) > number(demand),
                "exclusiveMaximum" => number(value) < number(demand),
                "multipleOf" => decimal(value).is_multiple_of(&decimal(demand)),
                _ => true,
            },
            Value::String(text) => match name {
                "minLength" => text.chars().count() >= size(),
                "maxLength" => text.chars().count() <= size(),
                "pattern" => matches(demand.as_str().unwrap(), text),
                _ => true,
            },
            Value::Array(items) => {
                let prefix = keywords.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
                match name {
                    "prefixItems" => items.iter().zip(list).all(|(v, s)| ok(s, v)),
                    "items" => items.iter().skip(prefix).all(|v| ok(demand, v)),
                    "minItems" => items.len() >= size(),
                    "maxItems" => items.len() <= size(),
                    "unevaluatedItems" => unevaluated_hold(root, keywords, name, demand, value, &items.iter().collect::<Vec<_>>()),
                    "contains" => {
                        let bound = |name| keywords.get(name).and_then(Value::as_u64);
                        let found = items.iter().filter(|item| ok(demand, item)).count() as u64;
                        found >= bound("minContains").unwrap_or(1) && bound("maxContains").is_none_or(|most| found <= most)
                    }
                    _ => true,
                }
            }
            Value::Object(members) => match name {
                "properties" => demand.as_object().unwrap().iter().all(|(k, s)| members.get(k).is_none_or(|v| ok(s, v))),
                "patternProperties" => {
                    let patterns = demand.as_object().unwrap();
                    members.iter().all(|(k, v)| patterns.iter().all(|(p, s)| !matches(p, k) || ok(s, v)))
                }
                "additionalProperties" => members.iter().all(|(k, v)| {
                    keywords.get("properties").and_then(Value::as_object).is_some_and(|p| p.contains_key(k))
                        || keywords.get("patternProperties").and_then(Value::as_object).is_some_and(|p| p.keys().any(|p| matches(p, k)))
                        || ok(demand, v)
                }),
                "unevaluatedProperties" => unevaluated_hold(root, keywords, name, demand, value, &members.values().collect::<Vec<_>>()),
                "propertyNames" => members.keys().all(|k| ok(demand, &Value::String(k.clone()))),
                "required" => list.iter().all(|k| members.contains_key(k.as_str().unwrap())),
                "dependentRequired" => demand.as_object().unwrap().iter().all(|(k, names)| {
                    !members.contains_key(k) || names.as_array().unwrap().iter().all(|n| members.contains_key(n.as_str().unwrap()))
                }),
                "minProperties" => members.len() >= size(),
                "maxProperties" => members.len() <= size(),
                _ => true,
            },
            _ => true,
        },
    }
}
