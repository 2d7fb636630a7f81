//! All states of one compiled grammar and what is known of each: the memo between providers and the engine. Part of **provider**.
//!
//! Invariant: append-only; what was answered once is never asked again, and reading it never waits.
//! Must not know: what states mean.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use smallvec::SmallVec;

use super::{Also, Alternative, ByteSet, Facts, Loosened, Named, Provider, Ranges};
use crate::characters::{self, Kinds};
use crate::error::EngineError;
use crate::ids::{ProviderId, StateId};
use crate::limits::Limits;
use crate::loops::{Beyond, Loops};
use crate::report::Undecided;

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
    model: OnceLock<Option<StateId>>,
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

/// The memoised steps of one state.
pub struct Row {
    /// By byte.
    cells: [AtomicU32; 256],
    /// Bytes of which it is known that they are refused; there may be more.
    refused: [AtomicU64; 4],
}

/// What a state does on some bytes.
#[derive(Clone, Copy)]
enum Answer<'a> {
    /// The same on all.
    Code(u32),
    /// What another does.
    Like(&'a Row),
}

impl Answer<'_> {
    fn code(self, byte: usize) -> u32 {
        match self {
            Self::Code(code) => code,
            Self::Like(row) => row.cells[byte].load(Ordering::Acquire),
        }
    }

    /// Which of the bytes are refused, as far as that is known at once.
    fn refused(self, bytes: ByteSet) -> ByteSet {
        match self {
            Self::Code(DEAD) => bytes,
            Self::Code(_) => ByteSet::default(),
            Self::Like(row) => ByteSet(std::array::from_fn(|word| bytes.0[word] & row.refused[word].load(Ordering::Acquire))),
        }
    }

    /// For those of the bytes for which no answer is known.
    fn fill(self, row: &mut Row, bytes: ByteSet) {
        for (first, word) in (0..).step_by(64).zip(bytes.0) {
            let cells = &mut row.cells[first..first + 64];
            let mut rest = word;
            while rest != 0 {
                // PERF: bytes that fare alike stand together.
                let from = rest.trailing_zeros();
                let run = from as usize..(from + (rest >> from).trailing_ones()) as usize;
                rest &= u64::MAX.checked_shl(run.end as u32).unwrap_or(0);
                match self {
                    Self::Code(code) => {
                        for cell in cells[run].iter_mut().map(AtomicU32::get_mut) {
                            *cell = if *cell == 0 { code } else { *cell };
                        }
                    }
                    Self::Like(_) => {
                        for (i, cell) in run.clone().zip(&mut cells[run]) {
                            let cell = cell.get_mut();
                            if *cell == 0 {
                                *cell = self.code(first + i);
                            }
                        }
                    }
                }
            }
        }
    }
}

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
    /// Is it known that the state does just the same on all of these bytes?
    pub fn is_same(&self, bytes: &std::ops::RangeInclusive<u8>) -> bool {
        let cells = &self.cells[usize::from(*bytes.start())..=usize::from(*bytes.end())];
        let first = cells.first().map_or(0, |cell| cell.load(Ordering::Acquire));
        first != 0 && cells.iter().all(|cell| cell.load(Ordering::Acquire) == first)
    }

    /// What is known of `byte`, if it is simple. The row is that of `state`.
    #[inline(always)]
    #[allow(clippy::inline_always)] // the inner loop of every walk over a vocabulary
    pub fn glance(&self, state: StateId, byte: u8) -> Glance {
        let code = self.cells[usize::from(byte)].load(Ordering::Acquire);
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
    /// The kinds of characters that the alphabet spells, all of each.
    spelled: Kinds,
    tracks_keys: AtomicBool,
    fewest_keys: AtomicU64,
    spaced: AtomicBool,
    tracks_items: AtomicBool,
    step_bytes: AtomicUsize,
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
            spelled: characters::kinds_within(|byte| alphabet.contains(byte)),
            tracks_keys: AtomicBool::new(false),
            fewest_keys: AtomicU64::new(u64::MAX),
            spaced: AtomicBool::new(false),
            tracks_items: AtomicBool::new(false),
            step_bytes: AtomicUsize::new(0),
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
        if facts.spaced {
            self.spaced.store(true, Ordering::Relaxed);
        }
        if facts.tracks_items {
            self.tracks_items.store(true, Ordering::Relaxed);
        }
        Ok(StateId(self.states.push(State {
            provider,
            local,
            loops: Loops::born(facts.loops & self.spelled, facts.alive & self.spelled),
            facts,
            row: OnceLock::new(),
            settled: OnceLock::new(),
            model: OnceLock::new(),
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

    /// Is there any state with `spaced`?
    #[inline]
    pub fn has_spaced(&self) -> bool {
        self.spaced.load(Ordering::Relaxed)
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

    /// Bytes held by states, their steps and their providers, roughly.
    pub fn memory_bytes(&self) -> usize {
        self.own_bytes() + self.provider_bytes()
    }

    /// Of these, what states and their steps hold: known at any time.
    pub fn own_bytes(&self) -> usize {
        self.states.count() * size_of::<State>() + self.step_bytes.load(Ordering::Relaxed)
    }

    /// Of these, what providers hold: looked up one by one.
    pub fn provider_bytes(&self) -> usize {
        self.providers.iter().map(|(_, p)| p.memory_bytes()).sum()
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
            let code = row.cells[usize::from(byte)].load(Ordering::Acquire);
            if code != 0 {
                return Ok(self.decode(code));
            }
        }
        self.expand(s, byte)
    }

    /// Ask for all bytes of a set that were not asked about yet.
    pub fn ask_all(&self, state: StateId, bytes: ByteSet) -> Result<(), EngineError> {
        for byte in bytes {
            let known = self.row(state).is_some_and(|row| row.cells[usize::from(byte)].load(Ordering::Acquire) != 0);
            if !known {
                self.step(state, byte)?;
            }
        }
        Ok(())
    }

    /// Is it known that two states do just the same on a byte, whatever their register?
    #[inline]
    pub fn same_step(&self, a: StateId, b: StateId, byte: u8) -> bool {
        let code = |state| self.row(state).map_or(0, |row| row.cells[usize::from(byte)].load(Ordering::Acquire));
        let own = code(a);
        own != 0 && own == code(b)
    }

    /// The bytes that the state may go on with: those that it is not known to refuse.
    pub fn hopeful(&self, state: StateId) -> ByteSet {
        let Some(row) = self.row(state) else { return ByteSet::ALL };
        ByteSet(std::array::from_fn(|word| !row.refused[word].load(Ordering::Acquire)))
    }

    /// The bytes known to do just what `byte` does, itself among them.
    pub fn alike(&self, state: StateId, byte: u8) -> ByteSet {
        let mut set = ByteSet::one(byte);
        if let Some(row) = self.row(state) {
            let code = |b: u8| row.cells[usize::from(b)].load(Ordering::Acquire);
            let own = code(byte);
            (0..=255).filter(|&b| own != 0 && code(b) == own).for_each(|b| set.insert(b));
        }
        set
    }

    /// Take out of a set the bytes that are not known to do just what `byte` does.
    pub fn keep_alike(&self, state: StateId, byte: u8, set: &mut ByteSet) {
        let Some(row) = self.row(state) else {
            *set = ByteSet::default();
            return;
        };
        let code = |b: u8| row.cells[usize::from(b)].load(Ordering::Acquire);
        let own = code(byte);
        let mut alike = ByteSet::default();
        set.iter().filter(|&b| own != 0 && code(b) == own).for_each(|b| alike.insert(b));
        *set = alike;
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
            many => {
                let spilled = many.iter().filter(|way| way.push.spilled()).count();
                let bytes = size_of::<Box<[Alternative]>>() + size_of_val(many) + spilled * 64;
                self.step_bytes.fetch_add(bytes, Ordering::Relaxed);
                COMPLEX | self.edges.push(many.into()) as u32
            }
        };
        let also = step.also.into_iter().filter_map(|also| match also {
            Also::Dead(bytes) => Some((bytes, Answer::Code(DEAD))),
            Also::To(target, increment, bytes) => Some((bytes, Answer::Code(self.simple(target, increment)))),
            Also::Like(state, bytes) => self.row(state).map(|row| (bytes, Answer::Like(row))),
        });
        let mut answers: SmallVec<[(ByteSet, Answer<'_>); 4]> = SmallVec::new();
        answers.push((step.bytes, Answer::Code(code)));
        answers.extend(also);
        answers.iter_mut().for_each(|(bytes, _)| bytes.keep(&self.alphabet));
        let mut answers = Some(answers);
        let row = s.row.get_or_init(|| {
            self.step_bytes.fetch_add(size_of::<Row>(), Ordering::Relaxed);
            let mut row = Box::new(Row { cells: [const { AtomicU32::new(0) }; 256], refused: [const { AtomicU64::new(0) }; 4] });
            let mut answered = ByteSet::default();
            for (bytes, answer) in answers.take().into_iter().flatten() {
                answer.fill(&mut row, bytes);
                let mut first = bytes;
                first.remove(&answered);
                for (refused, more) in row.refused.iter_mut().zip(answer.refused(first).0) {
                    *refused.get_mut() |= more;
                }
                answered.extend(&bytes);
            }
            row
        });
        for (bytes, answer) in answers.into_iter().flatten() {
            for b in bytes.iter().map(usize::from) {
                if row.cells[b].load(Ordering::Relaxed) != 0 {
                    continue;
                }
                // Two threads may answer at once: both answers mean the same, whichever stays. What another state does may not be known yet.
                let code = answer.code(b);
                if code != 0 {
                    row.cells[b].store(code, Ordering::Release);
                }
                if code == DEAD {
                    row.refused[b / 64].fetch_or(1 << (b % 64), Ordering::Release);
                }
            }
        }
        Ok(self.decode(row.cells[usize::from(byte)].load(Ordering::Acquire)))
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
            if register < s.facts.settled_from() {
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

    /// See [`Provider::unlimited`].
    pub fn unlimited(&self, state: StateId, register: u64, horizon: u64) -> Result<Option<StateId>, EngineError> {
        let s = &self.states[state.index()];
        if !s.facts.counting {
            return Ok(None);
        }
        self.providers[s.provider.index()].unlimited(self, s.local, register, horizon)
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
    pub fn is_endless(&self, state: StateId, or_named: bool) -> Result<bool, EngineError> {
        let s = &self.states[state.index()];
        self.providers[s.provider.index()].is_endless(self, s.local, or_named)
    }

    /// See [`Provider::has_endless_ahead`].
    pub fn has_endless_ahead(&self, state: StateId) -> Result<bool, EngineError> {
        let s = &self.states[state.index()];
        self.providers[s.provider.index()].has_endless_ahead(self, s.local)
    }

    /// See [`Provider::never_runs_out`].
    pub fn never_runs_out(&self, state: StateId) -> Result<bool, EngineError> {
        let s = &self.states[state.index()];
        self.providers[s.provider.index()].never_runs_out(self, s.local)
    }

    /// See [`Provider::loosened`].
    pub fn loosened(&self, state: StateId) -> Result<Option<Loosened<'_>>, EngineError> {
        let s = &self.states[state.index()];
        self.providers[s.provider.index()].loosened(self, s.local)
    }

    /// See [`Provider::is_bounded`].
    pub fn is_bounded(&self, state: StateId) -> bool {
        let s = &self.states[state.index()];
        self.providers[s.provider.index()].is_bounded(s.local)
    }

    /// See [`Provider::identity`]; the one among the facts, where there is one.
    pub fn identity(&self, state: StateId) -> Option<u128> {
        let s = &self.states[state.index()];
        s.facts.identity.or_else(|| self.providers[s.provider.index()].identity(self, s.local))
    }

    /// See [`Provider::model`]. What cannot be found within the limits is not there.
    pub fn model(&self, state: StateId) -> Option<StateId> {
        let s = &self.states[state.index()];
        let find = || self.providers[s.provider.index()].model(self, s.local).ok().flatten();
        *s.model.get_or_init(find)
    }

    /// See [`Provider::door`].
    pub fn door(&self, state: StateId, door: u32) -> Result<Option<Alternative>, EngineError> {
        let s = &self.states[state.index()];
        self.providers[s.provider.index()].door(self, s.local, door)
    }

    /// See [`Provider::beyond_ascii`]. Not known where the alphabet lacks some of the bytes.
    pub fn beyond_ascii(&self, state: StateId, kind: Kinds) -> Result<Option<Beyond>, EngineError> {
        let s = &self.states[state.index()];
        if characters::BEYOND & !self.spelled != 0 {
            return Ok(None);
        }
        self.providers[s.provider.index()].beyond_ascii(self, s.local, kind)
    }

    /// See [`Provider::beyond_each`]. Not known where the alphabet lacks some of the bytes.
    pub fn beyond_each(&self, state: StateId) -> Result<Option<Ranges>, EngineError> {
        let s = &self.states[state.index()];
        if characters::BEYOND & !self.spelled != 0 {
            return Ok(None);
        }
        self.providers[s.provider.index()].beyond_each(self, s.local)
    }

    /// See [`Provider::along`]. Only for states that are named.
    pub fn along(&self, state: StateId, bytes: &[u8]) -> Result<Option<(StateId, usize)>, EngineError> {
        let s = &self.states[state.index()];
        if s.facts.named { self.providers[s.provider.index()].along(self, s.local, bytes) } else { Ok(None) }
    }

    /// See [`Provider::named`].
    pub fn named(&self, state: StateId) -> Option<Named<'_>> {
        let s = &self.states[state.index()];
        if !s.facts.named {
            return None;
        }
        let (names, node, apart) = self.providers[s.provider.index()].named(s.local)?;
        Some(Named { state, names, node, others: s.facts.base, apart })
    }

    /// What may come next, in words.
    pub fn describe(&self, state: StateId) -> String {
        let s = &self.states[state.index()];
        self.providers[s.provider.index()].describe(s.local)
    }
}
