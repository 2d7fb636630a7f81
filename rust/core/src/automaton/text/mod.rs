//! Texts judged on their characters: strings of JSON, and plain UTF-8. Between the front-ends, which say what a text must be
//! (languages over characters, lengths, a decision over who accepted), and the engine, which asks byte by byte.
//!
//! Invariant: a state is what is still to come; from every state some byte string leads to an accepted end.
//! Must not know: schemas, keywords, pattern syntax, tokens.

mod class_loop;
mod endless;
mod guard;
mod lift;
mod names;
mod outcome;
mod product;
mod search;
mod spellable;
mod state;
mod string_set;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

pub use self::class_loop::ClassLoop;
use self::guard::Settled;
use self::lift::{Entry, ListId};
pub use self::names::{ALONE, NameMapId};
pub(crate) use self::outcome::Mapped;
pub use self::outcome::Outcome;
use self::product::{ProductId, Products};
use self::state::Kind;
pub use self::string_set::StringSet;
use crate::error::{CompileError, EngineError};
use crate::grammar::CharClass;
use crate::ids::{ProviderId, StateId};
use crate::maps::{self, Concurrent};
use crate::provider::{Arena, Attached, CodepointAutomaton};

/// How many characters (code points of the decoded text) there must be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Length {
    /// At least this many.
    pub min: u64,
    /// At most this many.
    pub max: Option<u64>,
}

impl Length {
    /// Is this count within the bounds?
    pub fn holds(&self, count: u64) -> bool {
        self.min <= count && self.max.is_none_or(|max| count <= max)
    }
}

/// What a text must be.
#[derive(Clone)]
pub struct TextSpec {
    /// Languages that watch the text. Those of equal identity share their states.
    pub components: Vec<Arc<dyn CodepointAutomaton>>,
    /// Demands on the number of characters.
    pub lengths: Vec<Length>,
    /// What the text is worth: variable i is component i, and after the components come the lengths.
    pub outcome: Outcome,
}

impl TextSpec {
    /// Any text, worth `value`.
    pub fn any(value: u32) -> Self {
        Self { components: Vec::new(), lengths: Vec::new(), outcome: Outcome::always(value) }
    }
}

/// The states of all texts of one compiled grammar.
///
/// A string body enters with its register at zero; the register counts the characters begun so far, so whoever enters by a tail
/// step must not leave another number there.
pub struct TextAutomaton {
    provider: OnceLock<ProviderId>,
    /// Plain UTF-8: no quotes, no escapes.
    raw: bool,
    /// The characters that are written `\uXXXX`, where each has but its shortest spelling; `None`: any spelling will do.
    hexadecimal: Option<CharClass>,
    products: Products,
    lists: boxcar::Vec<Box<[Entry]>>,
    by_entries: Concurrent<Box<[Entry]>, ListId>,
    units: Concurrent<ProductId, ListId>,
    kinds: boxcar::Vec<Kind>,
    by_kind: Concurrent<Kind, StateId>,
}

impl TextAutomaton {
    /// Register an automaton for the bodies of JSON strings.
    pub fn register(arena: &Arena) -> Arc<Self> {
        Self::attach(arena, false, None)
    }

    /// Register an automaton for the bodies of JSON strings in which every character has but its shortest spelling: itself, else an escape of
    /// two characters, else `\uXXXX`. What the vocabulary cannot spell is escaped.
    pub fn register_shortest(arena: &Arena) -> Arc<Self> {
        Self::attach(arena, false, Some(spellable::hexadecimal(arena.alphabet())))
    }

    fn attach(arena: &Arena, raw: bool, hexadecimal: Option<CharClass>) -> Arc<Self> {
        let automaton = Arc::new(Self {
            provider: OnceLock::new(),
            raw,
            hexadecimal,
            products: Products::default(),
            lists: boxcar::Vec::new(),
            by_entries: maps::few(),
            units: maps::few(),
            kinds: boxcar::Vec::new(),
            by_kind: maps::few(),
        });
        let provider = arena.register(Arc::clone(&automaton) as Arc<dyn crate::provider::Provider>);
        let _ = automaton.provider.set(provider);
        automaton
    }

    /// The state right after the opening quote of a JSON string. Returns the value of the outcome after the closing quote.
    /// `None`: no string is accepted.
    pub fn json_string_body(&self, arena: &Arena, spec: &TextSpec) -> Result<Option<StateId>, EngineError> {
        self.named_string_body(arena, spec, None)
    }

    /// The number of a map from names to what strings that are just that name are worth: 0 refused, v + 1 the value v, [`ALONE`]. `None` if there are no
    /// names. They are in ascending order, each once.
    pub fn name_map<'s>(&self, names: impl IntoIterator<Item = (&'s str, u32)>) -> Option<NameMapId> {
        self.products.names.of(names)
    }

    /// The number of a map that differs from another in what one of its names is worth; `None`: it is no name any more. `None` for the map if
    /// there are no names left, or that was not one of them.
    pub fn changed_name_map(&self, map: NameMapId, name: &str, worth: Option<u32>) -> Option<NameMapId> {
        self.products.names.changed(map, name, worth)
    }

    /// Like [`Self::json_string_body`], for strings that are worth what the map says if they are one of its names, and else what
    /// the specification does. Where the names that can still come are worth the same, the states are the same.
    pub fn named_string_body(&self, arena: &Arena, spec: &TextSpec, names: Option<NameMapId>) -> Result<Option<StateId>, EngineError> {
        let bound = arena.limits();
        let Some(start) = self.products.start(spec, names, bound)? else { return Ok(None) };
        match self.products.settle(start, 0, bound)? {
            None => Ok(None),
            Some(Settled::Product(product)) => self.state(arena, Kind::Body(product)).map(Some),
            Some(Settled::Close(leaf)) => self.state(arena, Kind::Close(leaf)).map(Some),
        }
    }

    /// The state right after the opening quote of a JSON string of which nothing is demanded. Returns 0.
    pub fn base_body(&self, arena: &Arena) -> Result<StateId, EngineError> {
        let base = self.products.base(1, arena.limits())?;
        self.state(arena, Kind::Body(base))
    }

    /// How many texts are accepted, at least, names among them: counted up to `enough`, and no further than a moderate effort goes.
    pub fn count(&self, arena: &Arena, spec: &TextSpec, names: Option<NameMapId>, enough: u64) -> Result<u64, EngineError> {
        let bound = arena.limits();
        match self.products.start(spec, names, bound)? {
            None => Ok(0),
            Some(start) => self.products.count(start, enough, bound),
        }
    }

    /// The values with which some text is accepted, ascending. Empty: no text is.
    pub fn which(&self, arena: &Arena, spec: &TextSpec) -> Result<Vec<u32>, EngineError> {
        let bound = arena.limits();
        match self.products.start(spec, None, bound)? {
            None => Ok(Vec::new()),
            Some(start) => {
                let alone = spec.components.len() == 1 && spec.lengths.is_empty() && spec.components[0].plainly_accepts();
                let accepted = if alone { spec.outcome.evaluate(|_| true) } else { None };
                self.products.reachable_values(start, accepted, bound)
            }
        }
    }
}

/// Register plain UTF-8 text that `automaton` accepts as a whole: no quotes, no escapes. Returns 0 wherever it may end.
pub fn attach_raw(arena: &Arena, automaton: Arc<dyn CodepointAutomaton>) -> Result<Attached, CompileError> {
    let automaton = spellable::spellable(automaton, arena.alphabet());
    let spec = TextSpec { components: vec![automaton], lengths: Vec::new(), outcome: Outcome::all(1) };
    let text = TextAutomaton::attach(arena, true, None);
    let bound = arena.limits();
    let Some(start) = text.products.start(&spec, None, bound)? else {
        return Ok(Attached { start: None, nullable: false });
    };
    let Some(Settled::Product(product)) = text.products.settle(start, 0, bound)? else {
        return Ok(Attached { start: None, nullable: false });
    };
    let nullable = text.products.verdict(product)? != 0;
    let start = if text.products.live_moves(product, bound)?.is_empty() { None } else { Some(text.state(arena, Kind::Start(product))?) };
    Ok(Attached { start, nullable })
}
