//! The cases of `tests/data`: a grammar, a few tokens, and what must be allowed step by step. Every case runs in every configuration.
//!
//! Besides the tokens of a case the vocabulary spells every byte, so that any grammar can be compiled; `allow` speaks of the
//! tokens of the case alone, all others are compared with forks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use maskwright::error::CompileError;
use maskwright::frontend::{MacroArgument, MacroValue, ebnf, json_schema, regex};
use maskwright::grammar::Grammar;
use maskwright::limits::Limits;
use maskwright::matcher::Matcher;
use maskwright::optimize::{self, PassSelection};
use maskwright::provider::ByteSet;
use maskwright::testing::oracle;
use maskwright::testing::vocabulary::TinyVocabulary;
use serde::Deserialize;

const END: &str = "</s>";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    test: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    ebnf: Option<String>,
    regex: Option<String>,
    json_schema: Option<String>,
    choices: Option<Vec<String>>,
    #[serde(default = "root")]
    root: String,
    #[serde(default)]
    options: toml::Table,
    /// Documents that the schema may refer to, by URI.
    #[serde(default)]
    registry: BTreeMap<String, String>,
    #[serde(default)]
    vocab: Vec<String>,
    #[serde(default)]
    steps: Vec<Step>,
    /// Whole texts that match.
    #[serde(default)]
    accept: Vec<String>,
    /// Texts that do not match, or not wholly.
    #[serde(default)]
    refuse: Vec<String>,
    /// A part of the message with which compiling fails.
    error: Option<String>,
}

fn root() -> String {
    "root".into()
}

/// What is done, then what must hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    accept: Option<String>,
    /// Any text, as one step.
    text: Option<String>,
    refuse: Option<String>,
    rollback: Option<usize>,
    #[serde(default)]
    reset: bool,
    allow: Option<Vec<String>>,
    forced: Option<String>,
    completed: Option<bool>,
}

impl Case {
    fn grammar(&self) -> Result<Grammar, CompileError> {
        let limits = Limits::default();
        match (&self.ebnf, &self.regex, &self.json_schema, &self.choices) {
            (Some(text), None, None, None) => ebnf::parse(text, &self.root, &limits),
            (None, Some(pattern), None, None) => regex::grammar(pattern, &limits),
            (None, None, Some(schema), None) => {
                let named: Vec<MacroArgument> = self
                    .options
                    .iter()
                    .map(|(name, value)| {
                        let value = match value {
                            toml::Value::Boolean(b) => MacroValue::Boolean(*b),
                            toml::Value::Integer(n) => MacroValue::Integer(*n),
                            other => MacroValue::Text(other.as_str().expect("an option").to_owned()),
                        };
                        MacroArgument { name: Some(name.clone()), value }
                    })
                    .collect();
                let mut documents = json_schema::Documents::default();
                self.registry.iter().for_each(|(uri, text)| documents.insert(uri, text));
                json_schema::grammar_with(schema, &json_schema::Options::from_arguments(&named)?, &documents, &limits)
            }
            (None, None, None, Some(choices)) => Ok(Grammar::from_choices(choices)),
            _ => panic!("{}: give one grammar", self.name),
        }
    }

    /// The tokens of the case, and single bytes before or after them.
    fn vocabulary(&self, own_first: bool) -> (TinyVocabulary, usize) {
        let own: Vec<Vec<u8>> = self.vocab.iter().map(|t| t.clone().into_bytes()).collect();
        let bytes = ByteSet::ALL.iter().map(|b| vec![b]);
        let (first, tokens) =
            if own_first { (0, own.into_iter().chain(bytes).collect()) } else { (256, bytes.chain(own).collect::<Vec<_>>()) };
        (TinyVocabulary::new(&ByteSet::default(), tokens), first)
    }

    fn run(&self, grammar: &Grammar, own_first: bool) {
        let (vocabulary, first) = self.vocabulary(own_first);
        let compiled = oracle::compile(grammar, &vocabulary).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        // The second time everything is in the cache.
        for _ in 0..2 {
            let mut matcher = oracle::matcher(&compiled);
            for (index, step) in self.steps.iter().enumerate() {
                self.step(step, &mut matcher, &vocabulary, first).unwrap_or_else(|e| panic!("{}, step {}: {e}", self.name, index + 1));
            }
            for (texts, expected) in [(&self.accept, true), (&self.refuse, false)] {
                for text in texts {
                    let mut matcher = oracle::matcher(&compiled);
                    let accepted = matcher.accept_bytes(text.as_bytes()).unwrap() && matcher.is_completed();
                    assert_eq!(accepted, expected, "{}: {text:?}", self.name);
                }
            }
        }
    }

    fn step(&self, step: &Step, matcher: &mut Matcher, vocabulary: &TinyVocabulary, first: usize) -> Result<(), String> {
        let id = |text: &str| match text {
            END => vocabulary.stop[0],
            _ => (first + self.vocab.iter().position(|t| t == text).unwrap_or_else(|| panic!("{}: no token {text:?}", self.name))) as u32,
        };
        let done = [
            step.accept.as_ref().map(|t| matcher.accept_token(id(t)).map(|ok| (t, ok, true))),
            step.text.as_ref().map(|t| matcher.accept_bytes(t.as_bytes()).map(|ok| (t, ok, true))),
            step.refuse.as_ref().map(|t| matcher.accept_token(id(t)).map(|ok| (t, ok, false))),
        ];
        for outcome in done.into_iter().flatten() {
            let (text, accepted, expected) = outcome.map_err(|e| e.to_string())?;
            if accepted != expected {
                return Err(format!("{text:?} was {}", if accepted { "accepted" } else { "refused" }));
            }
        }
        if let Some(steps) = step.rollback {
            matcher.rollback(steps).map_err(|e| e.to_string())?;
        }
        if step.reset {
            matcher.reset();
        }
        let row = oracle::check_mask(matcher, vocabulary)?;
        if let Some(expected) = &step.allow {
            let mut allowed: BTreeSet<&str> =
                self.vocab.iter().enumerate().filter(|(i, _)| oracle::bit(&row, (first + i) as u32)).map(|(_, t)| t.as_str()).collect();
            if oracle::bit(&row, vocabulary.stop[0]) {
                allowed.insert(END);
            }
            let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
            if allowed != expected {
                return Err(format!("allowed {allowed:?}, expected {expected:?}"));
            }
        }
        if let Some(expected) = &step.forced {
            let forced = matcher.forced_bytes().map_err(|e| e.to_string())?;
            if forced != expected.as_bytes() {
                return Err(format!("forced \"{}\", expected {expected:?}", forced.escape_ascii()));
            }
        }
        match step.completed {
            Some(expected) if matcher.is_completed() != expected => Err(format!("completed: {}", !expected)),
            _ => Ok(()),
        }
    }
}

fn run_file(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let file: File = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut names = BTreeSet::new();
    for case in &file.test {
        assert!(names.insert(&case.name), "two cases are called {}", case.name);
        assert!(
            case.error.is_some() || !case.steps.is_empty() || !case.accept.is_empty() || !case.refuse.is_empty(),
            "{} checks nothing",
            case.name
        );
        let grammar = case.grammar();
        if let Some(part) = &case.error {
            let (vocabulary, _) = case.vocabulary(true);
            match grammar.and_then(|g| oracle::compile(&g, &vocabulary).map(|_| ())) {
                Ok(()) => panic!("{}: compiles, should fail with {part:?}", case.name),
                Err(e) => assert!(e.to_string().contains(part.as_str()), "{}: the error should say {part:?}, it says: {e}", case.name),
            }
            continue;
        }
        let grammar = grammar.unwrap_or_else(|e| panic!("{}: {e}", case.name));
        case.run(&grammar, true);
        case.run(&grammar, false);
        case.run(&optimize::optimize(grammar.clone(), &PassSelection::all()), true);
        case.run(&optimize::optimize(grammar.clone(), &PassSelection::none()), true);
        // What is printed is the same grammar.
        let printed = ebnf::parse(&grammar.to_string(), &grammar.rules()[grammar.root().index()].name, &Limits::default());
        case.run(&printed.unwrap_or_else(|e| panic!("{}: what is printed does not parse: {e}\n{grammar}", case.name)), true);
    }
    file.test.len()
}

macro_rules! files {
    ($($name:ident: $least:expr),*) => {
        $(#[test]
        fn $name() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(concat!("../../tests/data/", stringify!($name), ".toml"));
            assert!(run_file(&path) >= $least, "cases are missing");
        })*

        #[test]
        fn every_file_is_run() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
            let mut found: Vec<String> =
                std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
            // Those are run by `formats.rs`.
            found.retain(|name| name != "formats");
            found.sort();
            assert_eq!(found, [$(stringify!($name)),*]);
        }
    };
}

files!(ebnf: 30, json_schema: 50, regex: 20);
