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

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::characters::Kinds;
use crate::error::EngineError;
use crate::ids::{ProviderId, StateId};
use crate::limits::Limits;
use crate::loops::Loops;
use crate::report::{KeywordReport, Undecided};
use crate::spacing::Gap;

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
    /// Of items in this state with the same parents the one with the smallest register can do all that the others can.
    pub smallest_wins: bool,
    /// A state that does not count, whose mask is likely known. Of a state that does not count either: one that differs on few tokens. Of a
    /// state that counts: what it would be if its limit were out of reach.
    pub base: Option<StateId>,
    /// A keyed 128-bit hash of everything the state's *rule-local* behaviour depends on (bytes, return values, pushes none), if masks
    /// of this state may be shared between grammars of a vocabulary.
    pub identity: Option<u128>,
    /// Where an object's key returns to: undeclared keys ([`Provider::key_is_undeclared`]) must not repeat.
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
    /// Kinds of characters over which the state leads back to itself, as [`crate::loops`] means it; if there are any, then these are all.
    pub loops: Kinds,
}

impl Facts {
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
            smallest_wins: false,
            base: None,
            identity: None,
            tracks_keys: false,
            awaits: None,
            tracks_items: false,
            repeats: false,
            values: u64::MAX,
            gap: None,
            loops: 0,
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

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ByteSet(pub [u64; 4]);

impl ByteSet {
    /// Every byte.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// Just `byte`.
    pub fn one(byte: u8) -> Self {
        let mut set = Self::default();
        set.insert(byte);
        set
    }

    /// The bytes from `low` to `high`, both included.
    pub fn range(low: u8, high: u8) -> Self {
        let mut set = Self::default();
        for byte in low..=high {
            set.insert(byte);
        }
        set
    }

    /// Every byte that UTF-8 text may contain.
    pub fn utf8() -> Self {
        let mut set = Self::range(0, 0xF4);
        set.0[3] &= !0b11; // C0 and C1 begin nothing
        set
    }

    /// Every byte that JSON text may contain: UTF-8 without control characters but tab, line feed and carriage return.
    pub fn json() -> Self {
        let mut set = Self::utf8();
        set.0[0] &= !0xFFFF_FFFF | 1 << b'\t' | 1 << b'\n' | 1 << b'\r';
        set
    }

    /// Take out every byte of another set.
    pub fn remove(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a &= !b;
        }
    }

    /// Take out every byte that another set lacks.
    pub fn keep(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a &= b;
        }
    }

    /// Add every byte of another set.
    pub fn extend(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a |= b;
        }
    }

    /// Add a byte.
    #[inline]
    pub fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    /// Is the byte in the set?
    #[inline]
    pub fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    /// The bytes of the set from `byte` on, ascending.
    pub fn from(&self, byte: u8) -> impl Iterator<Item = u8> + use<> {
        let mut set = *self;
        let word = usize::from(byte >> 6);
        set.0[..word].fill(0);
        set.0[word] &= u64::MAX << (byte & 63);
        set.into_iter()
    }

    /// The bytes of the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u8> + use<> {
        self.into_iter()
    }
}

impl IntoIterator for ByteSet {
    type Item = u8;
    type IntoIter = Bytes;

    fn into_iter(self) -> Bytes {
        Bytes(self)
    }
}

/// The bytes of a set, ascending.
#[derive(Clone, Debug)]
pub struct Bytes(ByteSet);

impl Iterator for Bytes {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let word = self.0.0.iter().position(|&word| word != 0)?;
        let bit = self.0.0[word].trailing_zeros();
        self.0.0[word] &= self.0.0[word] - 1;
        Some((word as u8) << 6 | bit as u8)
    }
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

    /// Of a state with `tracks_keys`: does the returned value say that the key is not a declared one, so that the object must remember
    /// it? (Declared keys are in the object's state already.)
    fn key_is_undeclared(&self, _local: u32, _value: u32) -> bool {
        false
    }

    /// Of a state inside a key: is there, whatever is read from here on, no end of the keys that may still come (declared ones
    /// aside, which no text has to remember)? No if in doubt.
    fn is_endless(&self, _arena: &Arena, _local: u32) -> Result<bool, EngineError> {
        Ok(false)
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

/// A memoised byte step, as the engine reads it.
#[derive(Clone, Copy)]
pub enum Cell<'a> {
    /// Refused.
    Dead,
    /// One state inside the rule, and whether its register grows.
    Simple(StateId, bool),
    /// Several ways, or pushes.
    Many(&'a [Alternative]),
}

/// A state as it is kept.
pub(crate) struct State {
    provider: ProviderId,
    local: u32,
    facts: Facts,
    /// By byte: 0 not asked yet, 1 dead, `COMPLEX | index` into `edges`, else `target << 2 | plain << 1 | increment`, plus 2.
    row: OnceLock<Box<Row>>,
    loops: Loops,
    /// The state that takes over at the limit.
    settled: OnceLock<Option<StateId>>,
}

impl State {
    /// See [`Arena::facts`].
    #[inline]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// See [`Arena::row`].
    #[inline]
    pub fn row(&self) -> Option<&Row> {
        self.row.get().map(|row| &**row)
    }

    /// See [`Arena::loops`].
    #[inline]
    pub fn loops(&self) -> &Loops {
        &self.loops
    }
}

/// The memoised steps of one state, by byte.
pub struct Row([AtomicU32; 256]);

/// A memoised byte step at a glance, for walks over many bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Glance {
    /// Refused.
    Dead,
    /// Into a state that does not count, does not return and stands in no gap: nothing more to ask.
    Plain(StateId),
    /// Back into the same state, which counts; true: the register grows.
    Same(bool),
    /// Ask [`Arena::step`].
    Other,
}

impl Row {
    /// What is known of `byte`, if it is simple. The row is that of `state`.
    #[inline(always)]
    #[allow(clippy::inline_always)] // the inner loop of every walk over a vocabulary
    pub fn glance(&self, state: StateId, byte: u8) -> Glance {
        let code = self.0[usize::from(byte)].load(Ordering::Acquire);
        if code == DEAD {
            Glance::Dead
        } else if code & COMPLEX != 0 || code == 0 {
            Glance::Other
        } else if (code - 2) & 0b10 != 0 {
            Glance::Plain(StateId((code - 2) >> 2))
        } else if (code - 2) >> 2 == state.0 {
            Glance::Same((code - 2) & 1 == 1)
        } else {
            Glance::Other
        }
    }
}

const DEAD: u32 = 1;
const COMPLEX: u32 = 1 << 31;

/// All states of one compiled grammar. Append-only, shared by all its matchers; reading never waits.
pub struct Arena {
    states: boxcar::Vec<State>,
    edges: boxcar::Vec<Box<[Alternative]>>,
    providers: boxcar::Vec<Arc<dyn Provider>>,
    limits: Limits,
    alphabet: ByteSet,
    tracks_keys: AtomicBool,
    fewest_keys: AtomicU64,
    tracks_items: AtomicBool,
}

impl Arena {
    /// An empty arena for texts of any bytes.
    pub fn new(limits: Limits) -> Self {
        Self::with_alphabet(limits, ByteSet::ALL)
    }

    /// An empty arena for texts of these bytes: those that the tokens of a vocabulary can spell one by one. Others are refused wherever they
    /// come, so whoever makes states sees to it that no state needs one to end.
    pub fn with_alphabet(limits: Limits, alphabet: ByteSet) -> Self {
        Self {
            states: boxcar::Vec::new(),
            edges: boxcar::Vec::new(),
            providers: boxcar::Vec::new(),
            limits,
            alphabet,
            tracks_keys: AtomicBool::new(false),
            fewest_keys: AtomicU64::new(u64::MAX),
            tracks_items: AtomicBool::new(false),
        }
    }

    /// The bytes of which texts are made.
    pub fn alphabet(&self) -> &ByteSet {
        &self.alphabet
    }

    /// The bounds for this grammar.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Add a provider. Not called concurrently: grammars are attached one after the other before anything runs.
    pub fn register(&self, provider: Arc<dyn Provider>) -> ProviderId {
        ProviderId(self.providers.push(provider) as u32)
    }

    /// Add a state. The caller makes sure that it does so once per key.
    pub fn add_state(&self, provider: ProviderId, local: u32, facts: Facts) -> Result<StateId, EngineError> {
        Limits::check("max_states", self.states.count() + 1, self.limits.max_states.min(1 << 28))?;
        if facts.tracks_keys {
            self.tracks_keys.store(true, Ordering::Relaxed);
        }
        if let Some(awaited) = facts.awaits {
            self.fewest_keys.fetch_min(awaited.keys, Ordering::Relaxed);
        }
        if facts.tracks_items {
            self.tracks_items.store(true, Ordering::Relaxed);
        }
        Ok(StateId(self.states.push(State {
            provider,
            local,
            loops: Loops::born(facts.loops),
            facts,
            row: OnceLock::new(),
            settled: OnceLock::new(),
        }) as u32))
    }

    /// Is there any state with `tracks_keys`?
    #[inline]
    pub fn tracks_keys(&self) -> bool {
        self.tracks_keys.load(Ordering::Relaxed)
    }

    /// How many keys of an object there are at least, if there is an end of them anywhere.
    #[inline]
    pub fn fewest_keys(&self) -> Option<u64> {
        let fewest = self.fewest_keys.load(Ordering::Relaxed);
        (fewest < u64::MAX).then_some(fewest)
    }

    /// Is there any state with `tracks_items`?
    #[inline]
    pub fn tracks_items(&self) -> bool {
        self.tracks_items.load(Ordering::Relaxed)
    }

    /// How many states there are.
    pub fn state_count(&self) -> usize {
        self.states.count()
    }

    /// Where searches for completions were given up so far, provider by provider.
    pub fn undecided(&self) -> Vec<Undecided> {
        self.providers.iter().filter_map(|(_, p)| p.undecided()).collect()
    }

    /// Bytes held by states and rows, roughly.
    pub fn memory_bytes(&self) -> usize {
        let rows = self.states.iter().filter(|(_, s)| s.row.get().is_some()).count();
        self.states.count() * size_of::<State>()
            + rows * 1024
            + self.edges.count() * 64
            + self.providers.iter().map(|(_, p)| p.memory_bytes()).sum::<usize>()
    }

    /// All that is kept of a state: one look-up for whoever asks for several things.
    #[inline]
    pub(crate) fn at(&self, state: StateId) -> &State {
        &self.states[state.index()]
    }

    /// What is known of a state.
    #[inline]
    pub fn facts(&self, state: StateId) -> &Facts {
        &self.states[state.index()].facts
    }

    /// The number its provider gave the state.
    pub fn local(&self, state: StateId) -> u32 {
        self.states[state.index()].local
    }

    /// What the state does on `byte`.
    #[inline]
    pub fn step(&self, state: StateId, byte: u8) -> Result<Cell<'_>, EngineError> {
        let s = &self.states[state.index()];
        if let Some(row) = s.row.get() {
            let code = row.0[usize::from(byte)].load(Ordering::Acquire);
            if code != 0 {
                return Ok(self.decode(code));
            }
        }
        self.expand(s, byte)
    }

    /// Ask for all bytes of a set that were not asked about yet.
    pub fn ask_all(&self, state: StateId, bytes: ByteSet) -> Result<(), EngineError> {
        for byte in bytes {
            let known = self.row(state).is_some_and(|row| row.0[usize::from(byte)].load(Ordering::Acquire) != 0);
            if !known {
                self.step(state, byte)?;
            }
        }
        Ok(())
    }

    /// Is it known that two states do just the same on a byte, whatever their register?
    #[inline]
    pub fn same_step(&self, a: StateId, b: StateId, byte: u8) -> bool {
        let code = |state| self.row(state).map_or(0, |row| row.0[usize::from(byte)].load(Ordering::Acquire));
        let own = code(a);
        own != 0 && own == code(b)
    }

    /// The bytes that the state may go on with: those that it is not known to refuse.
    pub fn hopeful(&self, state: StateId) -> ByteSet {
        let Some(row) = self.row(state) else { return ByteSet::ALL };
        ByteSet(std::array::from_fn(|word| {
            let cells = row.0[word * 64..][..64].iter().enumerate();
            cells.fold(0, |bits, (i, cell)| bits | u64::from(cell.load(Ordering::Acquire) != DEAD) << i)
        }))
    }

    /// The bytes known to do just what `byte` does, itself among them.
    pub fn alike(&self, state: StateId, byte: u8) -> ByteSet {
        let mut set = ByteSet::one(byte);
        if let Some(row) = self.row(state) {
            let code = |b: u8| row.0[usize::from(b)].load(Ordering::Acquire);
            let own = code(byte);
            (0..=255).filter(|&b| own != 0 && code(b) == own).for_each(|b| set.insert(b));
        }
        set
    }

    /// The steps known of a state; `None` before the first.
    #[inline]
    pub fn row(&self, state: StateId) -> Option<&Row> {
        self.states[state.index()].row.get().map(|row| &**row)
    }

    /// Over what the state leads back to itself, as far as it was asked.
    #[inline]
    pub fn loops(&self, state: StateId) -> &Loops {
        &self.states[state.index()].loops
    }

    #[inline]
    fn decode(&self, code: u32) -> Cell<'_> {
        if code == DEAD {
            Cell::Dead
        } else if code & COMPLEX != 0 {
            Cell::Many(&self.edges[(code & !COMPLEX) as usize])
        } else {
            let code = code - 2;
            Cell::Simple(StateId(code >> 2), code & 1 == 1)
        }
    }

    /// The code of a step into `target`.
    fn simple(&self, target: StateId, increment: bool) -> u32 {
        let facts = self.facts(target);
        let plain = facts.is_simple() && facts.returns.is_none();
        (target.0 << 2 | u32::from(plain) << 1 | u32::from(increment)) + 2
    }

    #[cold]
    fn expand(&self, s: &State, byte: u8) -> Result<Cell<'_>, EngineError> {
        if !self.alphabet.contains(byte) {
            return Ok(Cell::Dead);
        }
        let step = self.providers[s.provider.index()].step(self, s.local, byte)?;
        debug_assert!(step.bytes.contains(byte));
        let code = match step.alternatives.as_slice() {
            [] => DEAD,
            [one] if one.push.is_empty() => self.simple(one.target, one.increment),
            many => COMPLEX | self.edges.push(many.into()) as u32,
        };
        let row = s.row.get_or_init(|| Box::new(Row([const { AtomicU32::new(0) }; 256])));
        let set = |bytes: ByteSet, code: &dyn Fn(usize) -> u32| {
            let mut bytes = bytes;
            bytes.keep(&self.alphabet);
            for b in bytes.iter() {
                // Two threads may answer at once: both answers mean the same, whichever stays.
                let cell = &row.0[usize::from(b)];
                if cell.load(Ordering::Relaxed) == 0 {
                    cell.store(code(usize::from(b)), Ordering::Release);
                }
            }
        };
        set(step.bytes, &|_| code);
        for also in step.also {
            match also {
                Also::Dead(bytes) => set(bytes, &|_| DEAD),
                Also::To(target, increment, bytes) => {
                    let code = self.simple(target, increment);
                    set(bytes, &|_| code);
                }
                Also::Like(state, bytes) => {
                    if let Some(row) = self.row(state) {
                        set(bytes, &|b| row.0[b].load(Ordering::Acquire));
                    }
                }
            }
        }
        Ok(self.decode(row.0[usize::from(byte)].load(Ordering::Acquire)))
    }

    /// See [`Provider::on_return`].
    #[inline]
    pub fn on_return(&self, return_to: StateId, value: u32) -> Result<Option<StateId>, EngineError> {
        let s = &self.states[return_to.index()];
        self.providers[s.provider.index()].on_return(self, s.local, value)
    }

    /// The state an item is really in, after its register changed; `None`: the item dies.
    #[inline]
    pub fn settled(&self, mut state: StateId, register: u64) -> Result<Option<StateId>, EngineError> {
        loop {
            let s = &self.states[state.index()];
            if !s.facts.guarded && register < s.facts.limit {
                return Ok(Some(state));
            }
            // At the limit itself, where most come to it, the answer is kept.
            let at_limit = !s.facts.guarded && register == s.facts.limit;
            let next = match s.settled.get() {
                Some(&next) if at_limit => next,
                _ => self.providers[s.provider.index()].settle(self, s.local, register)?,
            };
            if at_limit {
                let _ = s.settled.set(next);
            }
            match next {
                Some(next) if next != state => state = next,
                other => return Ok(other),
            }
        }
    }

    /// See [`Provider::view`]; zero for states that do not count.
    #[inline]
    pub fn view(&self, state: StateId, register: u64, horizon: u64) -> u64 {
        let s = &self.states[state.index()];
        if s.facts.counting { self.providers[s.provider.index()].view(s.local, register, s.facts.limit, horizon) } else { 0 }
    }

    /// See [`Provider::key_is_undeclared`].
    pub fn key_is_undeclared(&self, return_to: StateId, value: u32) -> bool {
        let s = &self.states[return_to.index()];
        self.providers[s.provider.index()].key_is_undeclared(s.local, value)
    }

    /// See [`Provider::is_endless`].
    pub fn is_endless(&self, state: StateId) -> Result<bool, EngineError> {
        let s = &self.states[state.index()];
        self.providers[s.provider.index()].is_endless(self, s.local)
    }

    /// What may come next, in words.
    pub fn describe(&self, state: StateId) -> String {
        let s = &self.states[state.index()];
        self.providers[s.provider.index()].describe(s.local)
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

    /// A keyed hash of what may still come in a state, the same wherever in this process it is asked; `None`: states are numbered as they are
    /// visited, and another automaton of this language may number them otherwise.
    fn state_identity(&self, _state: u32) -> Option<u128> {
        None
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
