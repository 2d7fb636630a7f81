//! The form that people can read. Part of **serialize**.
//!
//! One object: what it is, its fields, and the version last, under the name that `XGrammar` has for it. A token is the text whose characters have the
//! numbers of its bytes, so that ASCII shows as itself. The order of fields does not matter, white space neither.
//!
//! Invariant: no JSON text nests deep enough to matter; what is not of a type that fields have is skipped, not kept.
//! Must not know: which fields there are.

use std::fmt::Write as _;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::fields::{Sink, Source, Tokens};
use super::{Kind, version};
use crate::error::DeserializeError;
use crate::json_text::{JsonError, Lexer};
use crate::vocab::Vocabulary;

const KIND: &str = "kind";
const VERSION: &str = "__VERSION__";

/// Write a string with its quotation marks.
fn quote(out: &mut String, characters: impl Iterator<Item = char>) {
    out.push('"');
    for c in characters {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Not only what must be escaped: what does not show does not survive every editor.
            '\0'..='\x1F' | '\x7F'..='\u{A0}' | '\u{AD}' | '\u{2028}' | '\u{2029}' | '\u{FEFF}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

pub struct Writer {
    out: String,
}

impl Writer {
    pub fn new(kind: Kind) -> Self {
        let mut writer = Self { out: "{".to_owned() };
        writer.text(KIND, kind.name());
        writer
    }

    fn name(&mut self, name: &str) {
        if self.out.len() > 1 {
            self.out.push_str(", ");
        }
        quote(&mut self.out, name.chars());
        self.out.push_str(": ");
    }

    fn list<T>(&mut self, name: &str, items: impl Iterator<Item = T>, mut put: impl FnMut(&mut String, T)) {
        self.name(name);
        self.out.push('[');
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            put(&mut self.out, item);
        }
        self.out.push(']');
    }

    pub fn finish(mut self) -> String {
        self.text(VERSION, &version());
        self.out.push('}');
        self.out
    }
}

impl Sink for Writer {
    fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        quote(&mut self.out, text.chars());
    }

    fn number(&mut self, name: &'static str, number: u64) {
        self.name(name);
        let _ = write!(self.out, "{number}");
    }

    fn flag(&mut self, name: &'static str, flag: bool) {
        self.name(name);
        let _ = write!(self.out, "{flag}");
    }

    fn hash(&mut self, name: &'static str, hash: u128) {
        self.text(name, &format!("{hash:032x}"));
    }

    fn numbers(&mut self, name: &'static str, numbers: &[u32]) {
        self.list(name, numbers.iter(), |out, number| {
            let _ = write!(out, "{number}");
        });
    }

    fn tokens(&mut self, name: &'static str, vocabulary: &Vocabulary) {
        let ids = 0..vocabulary.vocab_size() as u32;
        self.list(name, ids, |out, id| quote(out, vocabulary.token_bytes(id).iter().map(|&byte| char::from(byte))));
    }
}

enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
    /// A list without items may be of either kind.
    None,
    Numbers(Vec<u32>),
    Tokens(Tokens),
    /// Of no type that a field has.
    Other,
}

pub struct Reader {
    kind: Kind,
    fields: HashMap<String, Value>,
}

impl Reader {
    /// Read all fields, and check what goes around them.
    pub fn open(text: &str, kind: Kind) -> Result<Self, DeserializeError> {
        let fields = object(text).map_err(|JsonError { position, message }| DeserializeError::NotJson { position, message })?;
        let mut this = Self { kind, fields: fields.ok_or_else(|| kind.refuse("the JSON text is not an object"))? };
        let found = match this.fields.remove(VERSION) {
            Some(Value::Text(found)) if found == version() => None,
            Some(Value::Text(found)) => Some(Some(found.chars().take(64).collect())),
            _ => Some(None),
        };
        if let Some(found) = found {
            return Err(DeserializeError::OtherVersion { found, expected: version() });
        }
        let found = this.text(KIND)?;
        if found != kind.name() {
            return Err(kind.refuse(format!("it is a {}", found.chars().take(64).collect::<String>())));
        }
        Ok(this)
    }

    /// There is nothing more.
    pub fn close(self) -> Result<(), DeserializeError> {
        match self.fields.keys().min() {
            None => Ok(()),
            Some(name) => Err(self.kind.refuse(format!("there is no field {:?}", name.chars().take(64).collect::<String>()))),
        }
    }

    fn field<T>(&mut self, name: &str, wanted: &str, is: impl FnOnce(Value) -> Option<T>) -> Result<T, DeserializeError> {
        let value = self.fields.remove(name).ok_or_else(|| self.kind.refuse(format!("{name} is missing")))?;
        is(value).ok_or_else(|| self.kind.refuse(format!("{name} must be {wanted}")))
    }
}

impl Source for Reader {
    fn text(&mut self, name: &'static str) -> Result<String, DeserializeError> {
        self.field(name, "a string", |value| if let Value::Text(text) = value { Some(text) } else { None })
    }

    fn number(&mut self, name: &'static str) -> Result<u64, DeserializeError> {
        self.field(name, "a whole number", |value| if let Value::Number(number) = value { Some(number) } else { None })
    }

    fn flag(&mut self, name: &'static str) -> Result<bool, DeserializeError> {
        self.field(name, "true or false", |value| if let Value::Flag(flag) = value { Some(flag) } else { None })
    }

    fn hash(&mut self, name: &'static str) -> Result<u128, DeserializeError> {
        self.field(name, "32 hexadecimal digits", |value| match value {
            Value::Text(text) if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                u128::from_str_radix(&text, 16).ok()
            }
            _ => None,
        })
    }

    fn numbers(&mut self, name: &'static str) -> Result<Vec<u32>, DeserializeError> {
        self.field(name, "a list of token ids", |value| match value {
            Value::Numbers(numbers) => Some(numbers),
            Value::None => Some(Vec::new()),
            _ => None,
        })
    }

    fn tokens(&mut self, name: &'static str) -> Result<Tokens, DeserializeError> {
        self.field(name, "a list of strings whose characters are bytes, up to U+00FF", |value| match value {
            Value::Tokens(tokens) => Some(tokens),
            Value::None => Some(Tokens::default()),
            _ => None,
        })
    }
}

/// The fields of an object; `None` if the text is another value.
fn object(text: &str) -> Result<Option<HashMap<String, Value>>, JsonError> {
    let mut lexer = Lexer::new(text);
    lexer.space();
    let is_object = lexer.peek() == Some(b'{');
    let mut fields = HashMap::new();
    if is_object {
        lexer.at += 1;
        lexer.space();
        let mut more = !lexer.skip("}");
        while more {
            let before = lexer.clone();
            let name = lexer.key()?.into_owned();
            match fields.entry(name) {
                Entry::Occupied(field) => return Err(before.error(format!("the key {:?} occurs twice", field.key()))),
                Entry::Vacant(field) => field.insert(value(&mut lexer)?),
            };
            lexer.space();
            more = goes_on(&mut lexer, "}")?;
        }
    } else {
        skip(&mut lexer)?;
    }
    lexer.space();
    if lexer.peek().is_some() {
        return Err(lexer.error("unexpected text after the value"));
    }
    Ok(is_object.then_some(fields))
}

/// After an item: does another follow, or the closing bracket?
fn goes_on(lexer: &mut Lexer<'_>, close: &str) -> Result<bool, JsonError> {
    if lexer.skip(",") {
        lexer.space();
        return Ok(true);
    }
    if lexer.skip(close) { Ok(false) } else { Err(lexer.error(format!("expected `,` or `{close}`"))) }
}

fn value(lexer: &mut Lexer<'_>) -> Result<Value, JsonError> {
    match lexer.peek() {
        Some(b'"') => lexer.string().map(|text| Value::Text(text.into_owned())),
        Some(b'-' | b'0'..=b'9') => Ok(lexer.number()?.parse().map_or(Value::Other, Value::Number)),
        Some(b'[') => list(lexer),
        _ if lexer.skip("true") => Ok(Value::Flag(true)),
        _ if lexer.skip("false") => Ok(Value::Flag(false)),
        _ => skip(lexer).map(|()| Value::Other),
    }
}

/// A list of ids, or of tokens; `lexer` is on its bracket. At the first item of another kind, it is another kind of value, which is skipped.
fn list(lexer: &mut Lexer<'_>) -> Result<Value, JsonError> {
    let start = lexer.clone();
    lexer.at += 1;
    lexer.space();
    let mut list = Value::None;
    let mut more = !lexer.skip("]");
    while more {
        let item = match lexer.peek() {
            Some(b'"') => Value::Text(lexer.string()?.into_owned()),
            Some(b'0'..=b'9') => lexer.number()?.parse().map_or(Value::Other, Value::Number),
            _ => Value::Other,
        };
        if matches!(list, Value::None) {
            list = if matches!(item, Value::Text(_)) { Value::Tokens(Tokens::default()) } else { Value::Numbers(Vec::new()) };
        }
        let fits = match (&mut list, item) {
            (Value::Numbers(ids), Value::Number(number)) => u32::try_from(number).is_ok_and(|id| {
                ids.push(id);
                true
            }),
            (Value::Tokens(tokens), Value::Text(text)) => {
                text.chars().all(|c| c <= '\u{FF}') && {
                    tokens.push(text.chars().map(|c| c as u8));
                    true
                }
            }
            _ => false,
        };
        if !fits {
            *lexer = start;
            skip(lexer)?;
            return Ok(Value::Other);
        }
        lexer.space();
        more = goes_on(lexer, "]")?;
    }
    Ok(list)
}

/// Skip a value, whatever it holds.
fn skip(lexer: &mut Lexer<'_>) -> Result<(), JsonError> {
    // The closing bracket of each open one.
    let mut open: Vec<&str> = Vec::new();
    loop {
        // A value begins here.
        match lexer.peek() {
            Some(b'"') => drop(lexer.string()?),
            Some(b'-' | b'0'..=b'9') => drop(lexer.number()?),
            Some(bracket @ (b'[' | b'{')) => {
                lexer.at += 1;
                lexer.space();
                let close = if bracket == b'[' { "]" } else { "}" };
                if !lexer.skip(close) {
                    open.push(close);
                    if bracket == b'{' {
                        lexer.key()?;
                    }
                    continue;
                }
            }
            _ if ["null", "true", "false"].into_iter().any(|word| lexer.skip(word)) => {}
            _ => return Err(lexer.error("expected a JSON value")),
        }
        // A value has ended: so may what it is in.
        loop {
            let Some(&close) = open.last() else { return Ok(()) };
            lexer.space();
            if goes_on(lexer, close)? {
                if close == "}" {
                    lexer.key()?;
                }
                break;
            }
            open.pop();
        }
    }
}
