//! The contract between whoever makes automaton states (grammar rules, JSON Schema obligations, text products) and the
//! engine that runs them. Below every step of the pipeline.
//!
//! A *rule* is a set of states closed under byte steps: stepping stays inside the rule, a push enters another rule at its
//! start state and remembers where to go on, and a state may *return* a small value to whoever called the rule. States are made
//! when first visited and live in one [`Arena`]; what a state does is asked of its [`Provider`] byte by byte and memoised.
//!
//! Invariants every provider keeps:
//! * **Productive**: from every state it hands out some byte string leads to a return; a byte that leads nowhere is `Step::dead`.
//! * **Calls consume**: the start state of a rule never returns (an empty match is the caller's epsilon, not a call).
//! * **Not left-recursive**: expanding pushes for one byte always ends.
//! * **Pure**: what a state does depends on nothing but its key; equal keys give the same `StateId`.

mod arena;
mod bytes;
mod reach;

use std::sync::Arc;

use smallvec::SmallVec;

pub use self::arena::{Arena, Cell, Glance, Row};
pub use self::bytes::{ByteSet, Bytes};
pub use self::reach::{Bound, Extent, Reach};
use crate::characters::Kinds;
use crate::error::EngineError;
use crate::ids::StateId;
use crate::loops::Beyond;
use crate::report::{KeywordReport, Undecided};
use crate::spacing::Gap;

/// A state of a JSON string that does without sizes, and the one that it stands for.
#[derive(Clone, Copy)]
pub struct Loosened<'a, S = StateId> {
    /// The state without sizes.
    pub loose: S,
    /// Which texts fare alike from both.
    pub reach: Reach,
    /// What reads the text. From every state some text is accepted, and only those are.
    pub automaton: &'a dyn CodepointAutomaton,
    /// The state without sizes, as one of the automaton.
    pub loose_part: u32,
    /// The other.
    pub own_part: u32,
}

/// What is known of a state without asking about a byte.
///
/// A state may *count*: its item then carries a register, which edges increment. The state holds until the register
/// reaches `limit`; then [`Provider::settle`] names the state that takes over. Between two limits nothing depends on the register, neither
/// here nor in the states and frames that inherit it: a state that never reaches its limit itself still names the limit it leads to.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // independent facts, not a state machine
pub struct Facts {
    /// The value returned if the rule ends here, if it may.
    pub returns: Option<u32>,
    /// Of a state that returns: the bytes that may come right after, whoever called; all of them if that is not known. Only for speed.
    pub follow: ByteSet,
    /// False when no byte leads anywhere: the state can only return.
    pub has_edges: bool,
    /// The item carries a register; otherwise it is zero.
    pub counting: bool,
    /// When the register reaches this, `settle` is asked. `u64::MAX`: never.
    pub limit: u64,
    /// `settle` is asked after every increment, since which registers are alive is no simple bound.
    pub guarded: bool,
    /// Of a guarded state: as long as the register is below this, it need not be asked.
    pub free_below: u64,
    /// Of items in this state with the same parents the one with the smallest register can do all that the others can.
    pub smallest_wins: bool,
    /// A state that does not count, whose mask is likely known. Of a state that does not count either: one that differs on few tokens. Of a
    /// state that counts: what it would be if its limit were out of reach.
    pub base: Option<StateId>,
    /// A keyed 128-bit hash of everything the state's *rule-local* behaviour depends on (bytes, return values, all that it calls), if masks
    /// of this state may be shared between grammars of a vocabulary.
    pub identity: Option<u128>,
    /// The state is a place in a text that is told by [`Provider::named`]: one that is no name fares as from the base, or is refused.
    pub named: bool,
    /// Where an object's key returns to, or a place before such objects: undeclared keys ([`Provider::key_is_undeclared`]) must not repeat.
    pub tracks_keys: bool,
    /// The only way on is to read a key, of which there may be an end.
    pub awaits: Option<Awaited>,
    /// Between the items of an array, or where an item returns to: whether an item repeats an earlier one makes a difference, so the array
    /// must remember them. Where an item returns to, no item that repeats another is taken, unless `repeats`.
    pub tracks_items: bool,
    /// Where an item returns to that must repeat an earlier one. Never entered in masks.
    pub repeats: bool,
    /// Between the items of an array, where the next item must not repeat another: there are at least so many values for it.
    pub values: u64,
    /// The state stands in a gap between parts, and does not return.
    pub gap: Option<Gap>,
    /// Between members or items, where whitespace may stand before a comma, and only then.
    pub spaced: bool,
    /// The state stands between two characters of a string of JSON and tells no names apart: until its closing quotation mark no control
    /// character is taken, and nothing returns.
    pub string: bool,
    /// There is no more to the state than its steps, its returns and its register, as at a place in a rule of a grammar or in plain text.
    pub bare: bool,
    /// Kinds of characters over which the state leads back to itself, as [`crate::loops`] means it; if there are any, then these are all.
    pub loops: Kinds,
    /// The kinds over all texts of which the state is alive, wherever they lead; none: that is not known.
    pub alive: Kinds,
}

impl Facts {
    /// The first register with which [`Provider::settle`] is asked.
    #[inline]
    pub fn settled_from(&self) -> u64 {
        if self.guarded { self.limit.min(self.free_below) } else { self.limit }
    }

    /// Does an item in the state remember no number, and can it go on?
    pub fn is_simple(&self) -> bool {
        !self.counting && !self.guarded && self.limit == u64::MAX && self.has_edges && self.gap.is_none()
    }
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            returns: None,
            follow: ByteSet::ALL,
            has_edges: true,
            counting: false,
            limit: u64::MAX,
            guarded: false,
            free_below: u64::MAX,
            smallest_wins: false,
            base: None,
            identity: None,
            named: false,
            tracks_keys: false,
            awaits: None,
            tracks_items: false,
            repeats: false,
            values: u64::MAX,
            gap: None,
            spaced: false,
            string: false,
            bare: false,
            loops: 0,
            alive: 0,
        }
    }
}

/// A key that must come and must not repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// Reads the key.
    pub body: StateId,
    /// What it returns to.
    pub return_to: StateId,
    /// There are at least so many such keys.
    pub keys: u64,
}

/// A frame to push: where to go on when the called rule returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Push {
    /// Given to [`Provider::on_return`] with the returned value.
    pub return_to: StateId,
    /// Add one to the register that the frame saves.
    pub increment: bool,
}

/// What a rule returns from here on is a *door*: of a state that is a model, see [`Provider::model`].
pub const DOORS: u32 = 0xFFFF_0000;

/// One way to go on after a byte: frames to push, bottom first, then the state that has consumed the byte.
///
/// The first frame saves the item's register (incremented if it says so), the others save 0 or 1. The target's register is the
/// item's if nothing is pushed, else 0; `increment` adds one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Alternative {
    /// Frames, bottom first. A tail call pushes none.
    pub push: SmallVec<[Push; 2]>,
    /// The state after the byte.
    pub target: StateId,
    /// Add one to the target's register.
    pub increment: bool,
}

/// What a state does on a byte, and on which other bytes it does exactly the same.
#[derive(Clone, Debug)]
pub struct Step {
    /// The ways to go on; none: the byte is refused.
    pub alternatives: SmallVec<[Alternative; 1]>,
    /// The bytes this answer holds for. Must contain the byte asked about.
    pub bytes: ByteSet,
    /// What is known of other bytes by the way. Where it speaks of the same byte, the answer goes before it, and what comes first before
    /// what comes later.
    pub also: Vec<Also>,
}

/// What a state does on bytes that were not asked about.
#[derive(Clone, Copy, Debug)]
pub enum Also {
    /// They are refused.
    Dead(ByteSet),
    /// They lead to a state inside the rule; true: the register grows.
    To(StateId, bool, ByteSet),
    /// As far as it is known what another state does, this one does the same.
    Like(StateId, ByteSet),
}

impl Step {
    /// The bytes are refused.
    pub fn dead(bytes: ByteSet) -> Self {
        Self::of(SmallVec::new(), bytes)
    }

    /// The bytes lead to `target` inside the rule.
    pub fn to(target: StateId, bytes: ByteSet) -> Self {
        Self::with(Alternative { push: SmallVec::new(), target, increment: false }, bytes)
    }

    /// The bytes lead to `alternative`.
    pub fn with(alternative: Alternative, bytes: ByteSet) -> Self {
        let mut alternatives = SmallVec::new();
        alternatives.push(alternative);
        Self::of(alternatives, bytes)
    }

    /// The bytes lead to any of these.
    pub fn of(alternatives: SmallVec<[Alternative; 1]>, bytes: ByteSet) -> Self {
        Self { alternatives, bytes, also: Vec::new() }
    }
}

/// Texts named one by one, as a tree over characters: nodes are what names may still come.
pub trait Names {
    /// What a text is worth that ends here: 0 refused, v + 1 accepted with value v; `None`: it is no name.
    fn leaf(&self, node: u32) -> Option<u32>;

    /// How many labels lead on from a node.
    fn labels(&self, node: u32) -> u32;

    /// One of them: text that is read, not empty, and the node after it. No two of a node begin with the same character.
    fn label(&self, node: u32, number: u32) -> Option<(&str, u32)>;

    /// Is some name not refused that can still come?
    fn hopeful(&self, node: u32) -> bool;

    /// Is every text refused that was read up to here and is no name?
    fn is_alone(&self, node: u32) -> bool;
}

/// A place between two characters in a JSON string, any spelling of which will do: what it is worth if it is one of the names, and else.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// The place.
    pub state: StateId,
    /// The names.
    pub names: &'a dyn Names,
    /// Those that may still come.
    pub node: u32,
    /// A text that is no name fares as from this state; `None`: it is refused, once no name can come.
    pub others: Option<StateId>,
    /// Where a name goes on, another text may be refused.
    pub apart: bool,
}

/// Where characters lead: those from the first to the second, to this state. Ascending.
pub type Ranges = Vec<(u32, u32, StateId)>;

/// Makes states and says what they do. `local` is the number that the provider gave the state when it made it.
pub trait Provider: Send + Sync {
    /// What the state does on `byte`.
    fn step(&self, arena: &Arena, local: u32, byte: u8) -> Result<Step, EngineError>;

    /// Where to go on in the rule that pushed a frame with this state, when the called rule returned `value`. `None`: nowhere,
    /// the caller refuses that value.
    fn on_return(&self, arena: &Arena, local: u32, value: u32) -> Result<Option<StateId>, EngineError>;

    /// The state to be in when the register of this state has come to its limit (or, if guarded, was incremented). `None`: dead.
    fn settle(&self, _arena: &Arena, _local: u32, _register: u64) -> Result<Option<StateId>, EngineError> {
        Err(EngineError::Internal("a state that does not count was settled"))
    }

    /// The smallest number that stands for `register` in this state: two registers with equal views allow the same tokens, of
    /// at most `horizon` bytes. By default the distance to the limit, cut at the horizon.
    fn view(&self, _local: u32, register: u64, limit: u64, horizon: u64) -> u64 {
        limit.saturating_sub(register).min(horizon + 1)
    }

    /// Of a state that counts: the state that does the same on all texts of at most `horizon` bytes, if its limit is out of their reach, and likely
    /// many share.
    fn unlimited(&self, _arena: &Arena, _local: u32, _register: u64, _horizon: u64) -> Result<Option<StateId>, EngineError> {
        Ok(None)
    }

    /// Of a state with `tracks_keys`: does the returned value say that the key is not a declared one, so that the object must remember
    /// it? (Declared keys are in the object's state already.)
    fn key_is_undeclared(&self, _local: u32, _value: u32) -> bool {
        false
    }

    /// Of a state inside a string or a key: is there, whatever is read from here on, no end of the texts that may still come? No if in doubt. With
    /// `or_named`, a declared key will do: no text has to remember those.
    fn is_endless(&self, _arena: &Arena, _local: u32, _or_named: bool) -> Result<bool, EngineError> {
        Ok(false)
    }

    /// Of a state in a rule, or one that a rule returns to: whatever is returned, can the rule be completed so that what it reads from there on is any of
    /// endlessly many values? No if in doubt.
    fn has_endless_ahead(&self, _arena: &Arena, _local: u32) -> Result<bool, EngineError> {
        Ok(false)
    }

    /// Of a state between the items of an array, or one where an item returns to: however many different items come from here on, are there others that may
    /// come, as long as any may? No if in doubt.
    fn never_runs_out(&self, _arena: &Arena, _local: u32) -> Result<bool, EngineError> {
        Ok(false)
    }

    /// See [`CodepointAutomaton::loosened`]. Tokens that the reach covers fare alike, and those of them that leave do so alike.
    fn loosened(&self, _arena: &Arena, _local: u32) -> Result<Option<Loosened<'_>>, EngineError> {
        Ok(None)
    }

    /// Of a state inside a string or a key: is it plain that what may still come has a greatest length? No if in doubt.
    fn is_bounded(&self, _local: u32) -> bool {
        false
    }

    /// A keyed 128-bit hash of everything that the state does, pushes and all that they lead to included, the same in every process; `None`:
    /// there is none. For what is kept beyond this grammar; may take microseconds.
    fn identity(&self, _arena: &Arena, _local: u32) -> Option<u128> {
        None
    }

    /// A state that many share, to learn masks from, and that no text is ever in. It does what this state does, as far as that goes: where it returns
    /// `DOORS + door`, this state goes on as [`Self::door`] says. It does not count.
    fn model(&self, _arena: &Arena, _local: u32) -> Result<Option<StateId>, EngineError> {
        Ok(None)
    }

    /// Of a state with a model: where it goes on behind a door, the register at zero. `None`: nowhere.
    fn door(&self, _arena: &Arena, _local: u32, _door: u32) -> Result<Option<Alternative>, EngineError> {
        Ok(None)
    }

    /// Where the characters of one of the kinds beyond ASCII lead, if the provider knows: only to save time.
    fn beyond_ascii(&self, _arena: &Arena, _local: u32, _kind: Kinds) -> Result<Option<Beyond>, EngineError> {
        Ok(None)
    }

    /// Where whole characters beyond ASCII lead, if the provider knows: to which state those of each range, ascending; all others are refused. Nothing
    /// returns within one, and what is in flight is settled like a state that it may lead to.
    fn beyond_each(&self, _arena: &Arena, _local: u32) -> Result<Option<Ranges>, EngineError> {
        Ok(None)
    }

    /// Where the first of these bytes lead, and how many they are, if that is found without asking a state for each: only to save time.
    fn along(&self, _arena: &Arena, _local: u32, _bytes: &[u8]) -> Result<Option<(StateId, usize)>, EngineError> {
        Ok(None)
    }

    /// Of a state that is `named`: the names, those of them that may still come, and [`Named::apart`].
    fn named(&self, _local: u32) -> Option<(&dyn Names, u32, bool)> {
        None
    }

    /// What may come next here, in words, for messages to people.
    fn describe(&self, local: u32) -> String;

    /// Where a search for a completion was given up so far; `None`: nowhere.
    fn undecided(&self) -> Option<Undecided> {
        None
    }

    /// Bytes this provider holds, roughly.
    fn memory_bytes(&self) -> usize {
        0
    }
}

/// An embedded automaton: a node of the grammar whose language is not written as rules (a JSON Schema, a pattern with lookahead).
pub trait Embedded: Send + Sync + std::fmt::Debug {
    /// The call that prints it in EBNF, such as `json_schema("…")`; parsing that gives it back.
    fn to_ebnf(&self) -> String;

    /// A keyed hash of what it accepts: equal hashes mean the same language and the same options.
    fn identity(&self) -> u128;

    /// Register a provider with the arena and make the start state.
    fn attach(&self, arena: &Arena) -> Result<Attached, crate::error::CompileError>;

    /// How each keyword of an embedded schema is enforced; `None`: it is no schema.
    fn report(&self) -> Option<Vec<KeywordReport>> {
        None
    }
}

/// What [`Embedded::attach`] gives.
#[derive(Clone, Copy, Debug)]
pub struct Attached {
    /// Where a call enters. Returns 0 whenever it returns. `None`: only the empty text matches.
    pub start: Option<StateId>,
    /// The empty text matches too.
    pub nullable: bool,
}

/// A deterministic automaton over Unicode scalar values, made on demand: a pattern, a set of strings, their complements.
pub trait CodepointAutomaton: Send + Sync {
    /// The start state; `None`: nothing matches.
    fn start(&self) -> Result<Option<u32>, EngineError>;

    /// Does the text end well here?
    fn accepts(&self, state: u32) -> Result<bool, EngineError>;

    /// Where each character leads: sorted, disjoint ranges; what they leave out is dead. Surrogates (D800–DFFF) are never in one.
    fn edges(&self, state: u32) -> Result<Arc<[CodepointEdge]>, EngineError>;

    /// A keyed hash of the language.
    fn identity(&self) -> u128;

    /// Where one character leads.
    fn after(&self, state: u32, c: u32) -> Result<Option<u32>, EngineError> {
        let edges = self.edges(state)?;
        let at = edges.partition_point(|edge| edge.high < c);
        Ok(edges.get(at).filter(|edge| edge.low <= c).map(|edge| edge.target))
    }

    /// A keyed hash of what may still come in a state, the same wherever in this process it is asked; `None`: states are numbered as they are
    /// visited, and another automaton of this language may number them otherwise.
    fn state_identity(&self, _state: u32) -> Option<u128> {
        None
    }

    /// True if it is plain, without a search, that some text is accepted.
    fn plainly_accepts(&self) -> bool {
        false
    }

    /// True if from every state some text is accepted; then no search for one is needed.
    fn always_ends(&self) -> bool {
        false
    }

    /// True if from every state and after whatever text, some text is accepted with which all that go on are accepted as well: nothing is ever refused.
    fn can_always_be_found(&self) -> bool {
        false
    }

    /// True if from every state and after whatever text, some text is accepted.
    fn is_never_lost(&self) -> bool {
        self.can_always_be_found()
    }

    /// False if from no state every text is accepted; then no state is asked whether it is one.
    fn settles(&self) -> bool {
        true
    }

    /// From this state some text of at most so many more characters is accepted; `None`: that is not known.
    fn ends_within(&self, _state: u32) -> Option<u64> {
        None
    }

    /// The same of every state.
    fn always_ends_within(&self) -> Option<u64> {
        None
    }

    /// The same of every state that can be reached from this one.
    fn stays_within(&self, _state: u32) -> Option<u64> {
        self.always_ends_within()
    }

    /// Kinds of characters over which, as is plain, any text goes on from this state, and some text is accepted behind it.
    fn stays_alive_over(&self, _state: u32) -> Kinds {
        0
    }

    /// Another state from which all but long texts fare alike, if there is one that does not tell sizes apart.
    fn loosened(&self, _state: u32) -> Option<(u32, Reach)> {
        None
    }

    /// Is this a state that another is loosened to? How long its texts may be is not said by [`Self::lengths`].
    fn is_loose(&self, _state: u32) -> bool {
        false
    }

    /// True if [`Self::ends_within`], where it is known, is also the fewest characters that it takes.
    fn ends_exactly_within(&self) -> bool {
        false
    }

    /// Every text that is accepted and has fewer characters than this is accepted with some further character as well.
    fn goes_on_until(&self) -> u64 {
        0
    }

    /// Bounds on how many characters the accepted texts have.
    fn lengths(&self) -> (u64, Option<u64>) {
        (0, None)
    }

    /// True if the language is finite and every state leads to acceptance; then no search for a completion is needed.
    fn is_trie(&self) -> bool {
        false
    }
}

/// All characters from `low` to `high` lead to `target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodepointEdge {
    /// First character.
    pub low: u32,
    /// Last character.
    pub high: u32,
    /// The state after it.
    pub target: u32,
}
