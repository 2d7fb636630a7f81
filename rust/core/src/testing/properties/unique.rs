//! Arrays whose items are compared, over values so few that all texts can be listed.
//!
//! Invariant: what is listed is every text of every valid array that the bytes of the vocabulary can spell, found without the engine.
//! Must not know: how the matcher finds items that repeat others.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::error::CompileError;
use crate::frontend::json_schema;
use crate::limits::Limits;
use crate::provider::ByteSet;
use crate::testing::document::Document;
use crate::testing::oracle;
use crate::testing::source::Source;
use crate::testing::validate::is_valid;
use crate::testing::vocabulary::TinyVocabulary;

/// What a part of a schema says of an array of values.
type Holds = Box<dyn Fn(&[usize]) -> bool>;

/// The values of an item, each with its texts.
type Values = Vec<Vec<String>>;

/// Values of one schema, and texts of all arrays, are no more.
const MOST_VALUES: usize = 14;
const MOST_TEXTS: usize = 3_000;

/// All members of an object: a value and a text for each of `keys` that is there, in order or, if `any_order`, in every order.
fn objects(members: &[(&str, Values, bool)], any_order: bool) -> Values {
    let mut found: Vec<Vec<(String, usize)>> = vec![Vec::new()];
    for (index, (_, values, required)) in members.iter().enumerate() {
        let mut longer = if *required { Vec::new() } else { found.clone() };
        for object in &found {
            for value in 0..values.len() {
                let mut object = object.clone();
                object.push((index.to_string(), value));
                longer.push(object);
            }
        }
        found = longer;
    }
    let write = |order: &[(String, usize)]| {
        let mut texts = vec![String::new()];
        for (index, value) in order {
            let (key, values, _) = &members[index.parse::<usize>().unwrap_or(0)];
            texts = texts
                .iter()
                .flat_map(|before| {
                    let comma = if before.is_empty() { "" } else { "," };
                    values[*value].iter().map(move |text| format!("{before}{comma}\"{key}\":{text}"))
                })
                .collect();
        }
        texts.into_iter().map(|inside| format!("{{{inside}}}"))
    };
    let all_orders = |object: &[(String, usize)]| match object {
        [a, b] if any_order => vec![vec![a.clone(), b.clone()], vec![b.clone(), a.clone()]],
        other => vec![other.to_vec()],
    };
    found.iter().map(|object| all_orders(object).iter().flat_map(|order| write(order)).collect()).collect()
}

/// Which arrays are valid.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    All,
    Different,
    /// At least two items are equal.
    Equal,
    /// So many items, or different ones.
    DifferentPast(usize),
}

impl Rule {
    fn allows(self, count: usize, different: bool) -> bool {
        match self {
            Self::All => true,
            Self::Different => different,
            Self::Equal => !different,
            Self::DifferentPast(most) => different || count <= most,
        }
    }
}

/// All arrays of items that the rule allows, with `least` to `most` items.
fn arrays(items: &Values, rule: Rule, least: usize, most: usize) -> Values {
    some_arrays(items, rule, least, most, |_| true)
}

/// The same if they are also as `valid` says.
fn some_arrays(items: &Values, rule: Rule, least: usize, most: usize, valid: impl Fn(&[usize]) -> bool) -> Values {
    let mut found = Values::new();
    let mut open: Vec<(Vec<usize>, Vec<String>)> = vec![(Vec::new(), vec![String::new()])];
    while let Some((values, texts)) = open.pop() {
        let different = differ(&values);
        if values.len() >= least && rule.allows(values.len(), different) && valid(&values) {
            found.push(texts.iter().map(|inside| format!("[{inside}]")).collect());
        }
        if values.len() == most || rule != Rule::Equal && !rule.allows(values.len() + 1, different) {
            continue;
        }
        for (value, spellings) in items.iter().enumerate() {
            let longer = texts.iter().flat_map(|before| {
                let comma = if before.is_empty() { "" } else { "," };
                spellings.iter().map(move |text| format!("{before}{comma}{text}"))
            });
            open.push((values.iter().copied().chain([value]).collect(), longer.collect()));
        }
    }
    found
}

/// A schema of few values, and they.
fn few(source: &mut Source, depth: usize, any_order: bool) -> (Value, Values) {
    let one = |texts: &[&str]| texts.iter().map(|text| vec![(*text).to_owned()]).collect::<Values>();
    let (schema, values) = match source.below(if depth == 0 { 5 } else { 10 }) {
        0 => {
            let all = ["\"a\"", "\"ab\"", "\"b\"", "\"aab\"", "\"\""];
            let some = &all[..=source.below(all.len())];
            let texts: Vec<Value> = some.iter().map(|text| json!(text.trim_matches('"'))).collect();
            (json!({ "enum": texts }), one(some))
        }
        1 => {
            let low = source.below(4);
            let high = low + source.below(12);
            let values = (low..=high).map(|n| vec![n.to_string()]).collect();
            (json!({ "type": "integer", "minimum": low, "maximum": high }), values)
        }
        2 => (json!({ "type": "string", "pattern": "^[ab]{1,2}$" }), one(&["\"a\"", "\"b\"", "\"aa\"", "\"ab\"", "\"ba\"", "\"bb\""])),
        3 => (json!({ "enum": [1, "a", [1], {}, 11] }), one(&["1", "\"a\"", "[1]", "{}", "11"])),
        4 => {
            let most = 3 * source.below(5);
            let values = (0..=most).step_by(3).map(|n| vec![n.to_string()]).collect();
            (json!({ "type": "number", "multipleOf": 3, "minimum": 0, "maximum": most }), values)
        }
        5..=7 => {
            let names = ["a", "ab"];
            let members: Vec<(&str, Value, Values, bool)> = names
                .iter()
                .map(|name| {
                    let (schema, values) = few(source, depth - 1, any_order);
                    (*name, schema, values, source.chance(60))
                })
                .collect();
            let required: Vec<&str> = members.iter().filter(|member| member.3).map(|member| member.0).collect();
            let properties: serde_json::Map<String, Value> = members.iter().map(|member| (member.0.to_owned(), member.1.clone())).collect();
            let schema = json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
            let members: Vec<(&str, Values, bool)> =
                members.into_iter().map(|(name, _, values, required)| (name, values, required)).collect();
            (schema, objects(&members, any_order))
        }
        8 => {
            let (item, values) = few(source, depth - 1, any_order);
            let (least, most) = (source.below(2), 1);
            let schema = json!({ "type": "array", "prefixItems": [item], "items": false, "minItems": least });
            (schema, arrays(&values, Rule::All, least, most))
        }
        _ => {
            let (items, values) = few(source, depth - 1, any_order);
            let unique = source.chance(70);
            let (rule, mut most) = if unique { (Rule::Different, values.len()) } else { (Rule::All, 2) };
            let mut schema = json!({ "type": "array", "items": items, "uniqueItems": unique });
            // There are no more different ones in any case.
            if most > 3 || !unique || source.chance(50) {
                most = 2;
                schema["maxItems"] = json!(most);
            }
            (schema, arrays(&values, rule, 0, most))
        }
    };
    if values.len() <= MOST_VALUES { (schema, values) } else { (json!({ "enum": [1, 11, "a"] }), one(&["1", "11", "\"a\""])) }
}

/// A schema of arrays of some of the values, and what it says of them.
fn look(source: &mut Source, values: &Values, most: usize, depth: usize) -> (Value, Holds) {
    // Objects among them would say in which order keys come.
    let some = |source: &mut Source| -> Vec<usize> {
        (0..values.len()).filter(|&value| !values[value][0].contains('{') && source.chance(50)).collect()
    };
    let written =
        |some: &[usize]| json!({ "enum": some.iter().filter_map(|&at| serde_json::from_str(&values[at][0]).ok()).collect::<Vec<Value>>() });
    match source.below(if depth == 0 { 7 } else { 12 }) {
        0..4 => {
            let wanted = some(source);
            let fewest = source.below(3);
            let range = fewest..=fewest + source.below(3);
            let schema = json!({ "contains": written(&wanted), "minContains": range.start(), "maxContains": range.end() });
            (schema, Box::new(move |items| range.contains(&items.iter().filter(|item| wanted.contains(item)).count())))
        }
        4 => {
            let places: Vec<_> = (0..=source.below(2)).map(|_| source.chance(60).then(|| some(source))).collect();
            let schema = json!({ "prefixItems": places.iter().map(|place| place.as_ref().map_or(json!(true), |some| written(some))).collect::<Vec<_>>() });
            (
                schema,
                Box::new(move |items| places.iter().zip(items).all(|(place, item)| place.as_ref().is_none_or(|some| some.contains(item)))),
            )
        }
        5 => {
            let bound = source.below(most + 1);
            (json!({ "maxItems": bound }), Box::new(move |items| items.len() <= bound))
        }
        6 => (json!({ "uniqueItems": true }), Box::new(differ)),
        7 | 8 => {
            let (schema, holds) = look(source, values, most, depth - 1);
            (json!({ "not": schema }), Box::new(move |items| !holds(items)))
        }
        kind => {
            let (first, first_holds) = look(source, values, most, depth - 1);
            let (second, second_holds) = look(source, values, most, depth - 1);
            let keyword = if kind == 11 { "oneOf" } else { "anyOf" };
            let both = kind != 11;
            let holds = move |items: &[usize]| match (first_holds(items), second_holds(items)) {
                (true, true) => both,
                (one, other) => one || other,
            };
            (json!({ keyword: [first, second] }), Box::new(holds))
        }
    }
}

fn differ(values: &[usize]) -> bool {
    values.iter().collect::<BTreeSet<_>>().len() == values.len()
}

/// A schema of arrays whose items are compared, and all its texts, sorted.
fn case(source: &mut Source, any_order: bool) -> (Value, Vec<String>) {
    let (items, values) = few(source, 2, any_order);
    let most = if values.len() > 9 { 2 } else { 3 };
    let least = source.below(most + 1);
    let mut schema = json!({ "type": "array", "items": items, "minItems": least });
    let rule = match source.below(100) {
        0..65 => Rule::Different,
        65..80 => Rule::Equal,
        _ => Rule::DifferentPast(source.below(most)),
    };
    // There may be no more in any case.
    if rule != Rule::Different || values.len() > most || source.chance(50) {
        schema["maxItems"] = json!(most);
    }
    match rule {
        Rule::All => {}
        Rule::Different => schema["uniqueItems"] = json!(true),
        Rule::Equal => schema["not"] = json!({ "uniqueItems": true }),
        Rule::DifferentPast(most) => schema["anyOf"] = json!([{ "maxItems": most }, { "uniqueItems": true }]),
    }
    let looks: Vec<(Value, Holds)> = match source.below(100) {
        0..65 => Vec::new(),
        65..90 => vec![look(source, &values, most, 2)],
        _ => vec![look(source, &values, most, 2), look(source, &values, most, 2)],
    };
    if !looks.is_empty() {
        schema["allOf"] = looks.iter().map(|(schema, _)| schema.clone()).collect();
    }
    let found = some_arrays(&values, rule, least, most, |items| looks.iter().all(|(_, holds)| holds(items)));
    let mut texts: Vec<String> = found.into_iter().flatten().collect();
    if source.chance(25) {
        schema = json!({ "type": "object", "properties": { "a": schema }, "required": ["a"], "additionalProperties": false });
        texts.iter_mut().for_each(|text| *text = format!("{{\"a\":{text}}}"));
    }
    texts.sort_unstable();
    texts.dedup();
    (schema, texts)
}

/// Is it the beginning of one of the texts but for whitespace, of which there is none in a value?
fn begins(texts: &[String], text: &str) -> bool {
    let blank = |c: char| c.is_ascii_whitespace();
    let parts = text.split(blank).filter(|part| !part.is_empty()).collect::<Vec<_>>();
    // Two numbers are not one.
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    if parts.windows(2).any(|pair| digit(pair[0].chars().last()) && digit(pair[1].chars().next())) {
        return false;
    }
    let text = parts.concat();
    let at = texts.partition_point(|known| *known < text);
    texts.get(at).is_some_and(|known| known.starts_with(&text))
}

/// Masks against the list of all texts: a token is allowed if one of them goes on with it, and only then. Of whitespace, which the list has not,
/// only the second half is asked, and of other spellings nothing.
pub fn listed(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let any_order = source.chance(30);
    let (schema, texts) = case(&mut source, any_order);
    if texts.len() > MOST_TEXTS {
        return Ok(());
    }
    let options = json_schema::Options { any_order, number_exponents: 0, ..json_schema::Options::default() };
    let described = |message: String| format!("{message}\nunder {schema}{}", if any_order { " in any order" } else { "" });
    let grammar = json_schema::grammar(&schema.to_string(), &options, &Limits::default());
    if texts.is_empty() {
        return match grammar {
            Err(CompileError::UnsatisfiableSchema { .. }) => Ok(()),
            Err(other) => Err(described(other.to_string())),
            Ok(_) => Err(described("nothing is valid, and that is not said".to_owned())),
        };
    }
    let grammar = grammar.map_err(|e| described(e.to_string()))?;
    let pieces = (0..source.below(40)).map(|_| {
        let mut text = source.pick(&texts).clone();
        if source.chance(15) {
            let at = source.below(text.len());
            text.truncate(at);
            text.push_str(source.pick(&texts).trim_start_matches(['[', '{']));
        }
        for mark in [",", ":", "{", "[", "]", "}"] {
            if source.chance(10) {
                text = text.replace(mark, &format!("{mark} "));
            }
        }
        let at = source.below(text.len());
        let end = (at + 2 + source.below(9)).min(text.len());
        [if source.chance(20) { "\n  " } else { "" }, &text[at..end]].concat().into_bytes()
    });
    let vocabulary = TinyVocabulary::new(&ByteSet::json(), pieces.collect::<Vec<_>>());
    let compiled = oracle::compile(&grammar, &vocabulary).map_err(|e| described(e.to_string()))?;
    for _ in 0..3 {
        let mut matcher = oracle::matcher(&compiled);
        let mut text = String::new();
        while !matcher.is_terminated() && text.len() < 400 {
            let row = oracle::filled(&mut matcher, vocabulary.vocab_size).map_err(described)?;
            let (mut allowed, mut dense) = (Vec::new(), Vec::new());
            for id in 0..vocabulary.vocab_size as u32 {
                // Escapes and fractions spell what is listed in another way.
                if vocabulary.text_of(id).is_some_and(|token| token.iter().any(|byte| b"\\.-".contains(byte))) {
                    continue;
                }
                let says = oracle::bit(&row, id);
                let token = vocabulary.text_of(id).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                let right = match &token {
                    Some(token) => begins(&texts, &[text.as_str(), token].concat()),
                    None => vocabulary.stop.contains(&id) && texts.binary_search(&text.split_ascii_whitespace().collect()).is_ok(),
                };
                let asked = !text.ends_with('\r') && !token.as_ref().is_some_and(|token| token.contains(|c: char| c.is_ascii_whitespace()));
                if says && !right || right && asked && !says {
                    return Err(described(format!("after {text:?} the mask is wrong about {token:?}, which is {right}")));
                }
                allowed.extend(says.then_some(id));
                dense.extend((says && asked).then_some(id));
            }
            let from = if dense.is_empty() || source.chance(15) { &allowed } else { &dense };
            let id = *source.pick(from);
            if matcher.accept_token(id) != Ok(true) {
                return Err(described(format!("after {text:?} token {id} is allowed and refused")));
            }
            text.extend(vocabulary.text_of(id).map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
        }
    }
    Ok(())
}

/// Masks against forks where values have many spellings: whitespace, escapes, exponents, and tokens that hold them. What is read is valid.
pub fn spelled(bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let any_order = source.chance(30);
    let (mut schema, texts) = case(&mut source, any_order);
    if texts.is_empty() || texts.len() > MOST_TEXTS {
        return Ok(());
    }
    match source.below(10) {
        0..3 => schema = json!({ "type": "array", "uniqueItems": true }),
        3..6 => {
            // There is no end of some of the items: an object is known to become another before the member that makes it so.
            let endless = json!([{ "type": "integer" }, { "type": "string" }, { "type": ["boolean", "string"], "minLength": 1 }])
                [source.below(3)]
            .clone();
            let (first, _) = few(&mut source, 1, any_order);
            let properties = if source.chance(50) { json!({ "a": first, "b": endless }) } else { json!({ "a": endless, "b": first }) };
            let required = [json!(["a", "b"]), json!(["a"]), json!(["b"])][source.below(3)].clone();
            let item =
                json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": source.chance(20) });
            let item = if source.chance(30) { json!({ "anyOf": [item, { "enum": [1, {}, { "a": 1 }] }] }) } else { item };
            schema = json!({ "type": "array", "items": item, "uniqueItems": true, "minItems": source.below(4) });
        }
        _ => {}
    }
    let pieces = (0..source.below(30)).map(|_| {
        let mut text = source.pick(&texts).clone();
        for (plain, other) in [("a", "\\u0061"), ("1", "1.0"), ("1", "10e-1"), (":", ": "), (",", ",\n  "), ("{", " { "), ("]", "\n]")] {
            if source.chance(30) {
                text = text.replace(plain, other);
            }
        }
        let at = source.below(text.len());
        text.as_bytes()[at..(at + 1 + source.below(11)).min(text.len())].to_vec()
    });
    let mut tokens: Vec<Vec<u8>> = pieces.collect();
    let more =
        [" ", "  ", "\n", "\n  ", " {\"", "\r\n", " \"", " 1", " [", "}, {", "\", \"", "\\u006", "\\u0061\"", "a\\u0062\"", "\\u0061\"}"];
    tokens.extend(more.map(|token| token.as_bytes().to_vec()));
    let vocabulary = TinyVocabulary::new(&ByteSet::json(), tokens);
    let separators = source.chance(20).then(|| (", ".to_owned(), ": ".to_owned()));
    let any_whitespace = separators.is_none();
    let options = json_schema::Options { any_whitespace, separators, any_order, ..json_schema::Options::default() };
    let described = |message: String| format!("{message}\nunder {schema}, any order: {any_order}, any whitespace: {any_whitespace}");
    let grammar = json_schema::grammar(&schema.to_string(), &options, &Limits::default()).map_err(|e| described(e.to_string()))?;
    let compiled = oracle::compile(&grammar, &vocabulary).map_err(|e| described(e.to_string()))?;
    let mut matcher = oracle::matcher(&compiled);
    let hint = source.pick(&texts).clone().into_bytes();
    let mut read: Vec<u8> = Vec::new();
    for step in 0..60 {
        if matcher.is_terminated() {
            break;
        }
        let row = oracle::check_mask(&mut matcher, &vocabulary).map_err(|e| described(format!("after {}: {e}", read.escape_ascii())))?;
        let allowed = oracle::allowed(&row);
        // Values like those there are, mostly, so that items come near others.
        let like = |id: &&u32| {
            vocabulary.text_of(**id).is_some_and(|text| text.iter().all(|byte| hint.contains(byte) || byte.is_ascii_whitespace()))
        };
        let preferred: Vec<u32> = allowed.iter().filter(like).copied().collect();
        let from = if preferred.is_empty() || step > 40 || source.chance(20) { &allowed } else { &preferred };
        if from.is_empty() {
            return Err(described(format!("nothing may come after {}", read.escape_ascii())));
        }
        let id = *source.pick(from);
        if matcher.accept_token(id) != Ok(true) {
            return Err(described(format!("after {} token {id} is allowed and refused", read.escape_ascii())));
        }
        read.extend(vocabulary.text_of(id).unwrap_or_default());
    }
    if matcher.is_terminated() && !Document::read(&read).is_some_and(|document| is_valid(&schema, &document) == Ok(true)) {
        return Err(described(format!("{} is accepted, and not valid", read.escape_ascii())));
    }
    Ok(())
}
