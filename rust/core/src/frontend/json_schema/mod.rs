//! JSON Schema, enforced exactly: what a value owes is a boolean formula over subschemas that progresses with the text.
//! Pipeline: text -> **frontend** -> grammar (one embedded node).
//!
//! Invariant: every keyword is enforced exactly, an annotation, or refused by name; from every state the text can be completed.
//! Must not know: tokens, masks, stacks.

mod conflict;
mod content;
mod cycles;
mod formats;
mod json;
mod keywords;
mod layout;
mod obligation;
mod options;
mod parser;
mod provider;
mod registry;
mod report;
mod resolve;
mod schema;
mod specialise;
#[cfg(test)]
mod tests;
mod uri;

use std::fmt::Write;
use std::sync::Arc;

use self::layout::Layout;
use self::obligation::Space;
use self::provider::SchemaProvider;
use self::schema::SchemaDocument;
use crate::error::{CompileError, EngineError};
use crate::formula::Formula;
use crate::frontend::{MacroArgument, MacroValue};
use crate::grammar::{Expr, Grammar, Rule, quote};
use crate::identity::Identity;
use crate::ids::RuleId;
use crate::limits::Limits;
use crate::provider::{Arena, Attached, ByteSet, Embedded};
use crate::report::KeywordReport;

pub use self::formats::{Format, encodings, formats};
pub use self::keywords::Draft;
pub use self::options::{Escapes, Options};
pub use self::registry::{Documents, Registry};

/// A schema as a node of a grammar.
struct JsonSchemaSource {
    text: String,
    schema: Arc<SchemaDocument>,
    identity: u128,
    /// Within these limits the schema is known to be satisfiable; if none are given, that is asked when it is attached.
    satisfiable_within: Option<Limits>,
}

impl std::fmt::Debug for JsonSchemaSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonSchema").field("text", &self.text).field("options", &self.schema.options).finish_non_exhaustive()
    }
}

impl Embedded for JsonSchemaSource {
    fn to_ebnf(&self) -> String {
        let mut documents = String::new();
        for (uri, text) in self.schema.used.iter() {
            let _ = write!(documents, ", uri={}, document={}", quote(uri), quote(text));
        }
        format!("json_schema({}{}{documents})", quote(&self.text), self.schema.options.to_named())
    }

    fn identity(&self) -> u128 {
        self.identity
    }

    fn report(&self) -> Option<Vec<KeywordReport>> {
        Some(self.schema.report())
    }

    fn attach(&self, arena: &Arena) -> Result<Attached, CompileError> {
        if let Some(byte) = missing_byte(arena.alphabet()) {
            return Err(CompileError::UnspellableByte { byte });
        }
        let space = Space::new(self.schema.clone(), arena.limits());
        let provider = SchemaProvider::register(arena, space, Layout::new(&self.schema.options), self.identity)?;
        // What can be satisfied at all can be with any vocabulary that got here.
        match provider.start(arena, self.satisfiable_within.as_ref() == Some(arena.limits()))? {
            (Some(start), _) => Ok(Attached { start: Some(start), nullable: false }),
            (None, gave_up) => Err(unsatisfiable(&self.schema, arena.limits(), gave_up)),
        }
    }
}

/// A byte without which JSON text can get stuck: all of printable ASCII, and what goes on a character that some token begins. Other characters can be
/// escaped, so their bytes may be missing.
fn missing_byte(alphabet: &ByteSet) -> Option<u8> {
    let begins = (0xC2..=0xF4).any(|byte| alphabet.contains(byte));
    let mut needed = ByteSet::range(b' ', b'~');
    needed.insert(b'\n');
    if begins {
        needed.extend(&ByteSet::range(0x80, 0xBF));
    }
    needed.remove(alphabet);
    needed.iter().next()
}

impl JsonSchemaSource {
    fn read(text: &str, options: &Options, registry: &dyn Registry, limits: &Limits) -> Result<Self, CompileError> {
        let this = Self::parse(text, options, registry, limits)?;
        let mut space = Space::new(this.schema.clone(), limits);
        let root = space.root()?;
        if !space.plainly_satisfiable(root)? {
            let (holds, gave_up) = provider::check_root(space, limits)?;
            if !holds {
                return Err(unsatisfiable(&this.schema, limits, gave_up));
            }
        }
        Ok(Self { satisfiable_within: Some(limits.clone()), ..this })
    }

    /// Without asking whether anything satisfies it.
    fn parse(text: &str, options: &Options, registry: &dyn Registry, limits: &Limits) -> Result<Self, CompileError> {
        options.check()?;
        let schema = Arc::new(SchemaDocument::read(text, options, registry, limits)?);
        let mut hash = Identity::new("json_schema");
        hash.str(text);
        hash.str(&options.to_named());
        for (uri, text) in schema.used.iter() {
            hash.str(uri);
            hash.str(text);
        }
        Ok(Self { text: text.to_owned(), schema, identity: hash.finish(), satisfiable_within: None })
    }
}

fn unsatisfiable(schema: &Arc<SchemaDocument>, limits: &Limits, gave_up: bool) -> CompileError {
    if gave_up {
        return EngineError::Limit { name: "max_search_steps", bound: limits.max_search_steps }.into();
    }
    let (pointer, message) = provider::explain(schema, limits);
    let conflicts = conflict::conflicts(schema, |text| is_impossible(text, schema, limits));
    let message = match conflicts.as_slice() {
        [] | [_] => message,
        [before @ .., last] => format!("{message}: in conflict are {} and {last}", before.join(", ")),
    };
    CompileError::UnsatisfiableSchema { pointer, message, conflicts }
}

/// Has a schema surely no value? With little effort: this is asked many times for one message.
fn is_impossible(text: &str, whole: &SchemaDocument, limits: &Limits) -> bool {
    let limits = Limits {
        max_search_steps: limits.max_search_steps.min(2_000),
        max_formula_nodes: limits.max_formula_nodes.min(20_000),
        max_states: limits.max_states.min(50_000),
        ..limits.clone()
    };
    let holds = || -> Result<bool, CompileError> {
        let schema = Arc::new(SchemaDocument::read(text, &whole.options, &whole.used, &limits)?);
        let mut space = Space::new(schema, &limits);
        let root = space.root()?;
        let (holds, gave_up) = provider::check_root(space, &limits)?;
        Ok(root != Formula::FALSE && (holds || gave_up))
    };
    matches!(holds(), Ok(false))
}

/// The grammar of the JSON texts that satisfy `schema`, which refers to nothing outside itself but the meta-schemas.
pub fn grammar(schema: &str, options: &Options, limits: &Limits) -> Result<Grammar, CompileError> {
    grammar_with(schema, options, &Documents::default(), limits)
}

/// The grammar of the JSON texts that satisfy `schema`, which may refer to documents of the registry.
pub fn grammar_with(schema: &str, options: &Options, registry: &dyn Registry, limits: &Limits) -> Result<Grammar, CompileError> {
    Ok(of(JsonSchemaSource::read(schema, options, registry, limits)?))
}

/// The same for who compiles it at once: whether anything satisfies the schema is found then, among the states that texts will use, not before.
pub fn grammar_to_compile(schema: &str, options: &Options, limits: &Limits) -> Result<Grammar, CompileError> {
    Ok(of(JsonSchemaSource::parse(schema, options, &Documents::default(), limits)?))
}

fn of(source: JsonSchemaSource) -> Grammar {
    let root = Rule { name: "root".to_owned(), body: Expr::Embedded(Arc::new(source)) };
    Grammar { rules: vec![root], root: RuleId(0) }
}

/// The node for `json_schema("…", name=value, …)` in a grammar's text. Documents that it may refer to are given in pairs, `uri="…", document="…"`.
pub fn embedded(arguments: &[MacroArgument], limits: &Limits) -> Result<Arc<dyn Embedded>, CompileError> {
    let refuse = |message: &str| CompileError::Schema { pointer: String::new(), message: message.to_owned() };
    let Some((MacroArgument { name: None, value: MacroValue::Text(schema) }, named)) = arguments.split_first() else {
        return Err(refuse("json_schema(…) takes the schema as a string, then options by name"));
    };
    let mut documents = Documents::default();
    let mut options = Vec::new();
    let mut rest = named.iter();
    while let Some(argument) = rest.next() {
        match (argument.name.as_deref(), &argument.value) {
            (Some("uri"), MacroValue::Text(uri)) => match rest.next() {
                Some(MacroArgument { name: Some(name), value: MacroValue::Text(text) }) if name == "document" => {
                    documents.insert(uri, text);
                }
                _ => return Err(refuse("after `uri=\"…\"` comes the document known by it, `document=\"…\"`")),
            },
            _ => options.push(argument.clone()),
        }
    }
    let options = Options::from_arguments(&options)?;
    Ok(Arc::new(JsonSchemaSource::read(schema, &options, &documents, limits)?))
}

/// The grammar of all JSON texts.
pub fn builtin_json(limits: &Limits) -> Result<Grammar, CompileError> {
    grammar("true", &Options::default(), limits)
}
