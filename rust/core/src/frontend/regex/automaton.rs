//! The deterministic automaton of a pattern, made on demand. Part of the regex front-end.
//!
//! A state is a boolean formula over *class terms* — "the next character is in this class, and the rest matches that continuation" — and
//! whether the text may end here (Brzozowski 1964 with the boolean structure kept canonical as a decision diagram; an alternating
//! automaton, determinised lazily). Lookahead is conjunction, negative lookahead is negation, anywhere, also in loops. A lookbehind is
//! followed by a formula of its own beside the main one, only while something ahead asks for it.
//!
//! Invariant: states are numbered by content; a state from which every text is accepted is one state.
//! Must not know: UTF-8, JSON escapes, masks.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::Flags;
use super::ast::{ANY, Ast, ClassId, LINE_END, Node, WORD, needs};
use super::distance::{Distance, Distances};
use super::lower;
use super::parser;
use super::unfold::{Before, Context, END, Piece, TRUE, TermId, Unfolder, Value};
use crate::error::{CompileError, EngineError};
use crate::grammar::CharClass;
use crate::limits::Limits;
use crate::provider::{CodepointAutomaton, CodepointEdge};

/// Texts of so many characters of a class: at least, and at most.
pub type CountedClass = (CharClass, u64, Option<u64>);

/// A pattern as an automaton over characters.
#[allow(clippy::struct_excessive_bools)] // each is about another thing
pub struct PatternAutomaton {
    identity: u128,
    plainly_matches: bool,
    always_ends: bool,
    always_found: bool,
    never_lost: bool,
    counted_class: Option<CountedClass>,
    max_states: usize,
    inner: Mutex<Inner>,
}

impl fmt::Debug for PatternAutomaton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternAutomaton").field("identity", &self.identity).finish_non_exhaustive()
    }
}

struct Inner {
    unfolder: Unfolder,
    /// What the text must match from its start on.
    main: TermId,
    /// By lookbehind: what the text so far must match for it to hold.
    behinds: Vec<TermId>,
    states: Vec<State>,
    ids: HashMap<State, u32>,
    edges: Vec<Option<Arc<[CodepointEdge]>>>,
    start: Start,
    distances: Distances,
}

/// The start state, once it was asked for; `None`: nothing matches.
enum Start {
    Unknown,
    Known(Option<u32>),
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    main: Value,
    /// By lookbehind; `Value::NEVER` if nothing ahead asks for it.
    behinds: SmallVec<[Value; 1]>,
}

impl PatternAutomaton {
    /// The texts in which the pattern is found somewhere, as the JSON Schema keyword `pattern` asks.
    pub fn search(pattern: &str, limits: &Limits) -> Result<Self, CompileError> {
        let ast = parser::parse(pattern, Flags::default(), limits)?;
        let counted_class = lower::counted_class(&ast);
        Ok(Self { counted_class, ..Self::new(ast, limits, "pattern search", true) })
    }

    /// The texts that the pattern matches as a whole.
    pub fn whole(pattern: &str, limits: &Limits) -> Result<Self, CompileError> {
        let mut ast = parser::parse(pattern, Flags::default(), limits)?;
        lower::strip_anchors(&mut ast);
        Ok(Self::from_whole(ast, limits))
    }

    pub(super) fn from_whole(ast: Ast, limits: &Limits) -> Self {
        Self::new(ast, limits, "pattern whole", false)
    }

    /// If the texts in which the pattern is found are exactly those of `class{min,max}`, these: a length then needs a counter only.
    /// `^[a-z]{1,63}$`, `^\d+$`, `^$`; a pattern found in every text is any character without bounds. Of a pattern that is to match as a whole: `None`.
    pub fn as_counted_class(&self) -> Option<&CountedClass> {
        self.counted_class.as_ref()
    }

    fn new(mut ast: Ast, limits: &Limits, kind: &str, search: bool) -> Self {
        let identity = ast.identity(kind);
        let (plainly_matches, always_ends) = (lower::plainly_matches(&ast), lower::always_ends(&ast));
        let always_found = search && lower::can_always_be_found(&ast);
        let never_lost = search && lower::is_never_lost(&ast);
        if search {
            lower::unanchor(&mut ast);
        }
        let (root, bodies) = (ast.root, ast.behinds.clone());
        let mut unfolder = Unfolder::new(ast, limits);
        let anything = unfolder.any_loop();
        let end = if search { TRUE } else { END };
        let main = unfolder.link(Piece::Node(root), end);
        let behinds = bodies
            .into_iter()
            .map(|body| {
                let body = unfolder.link(Piece::Node(body), END);
                unfolder.link(anything, body)
            })
            .collect();
        let inner = Inner {
            unfolder,
            main,
            behinds,
            states: Vec::new(),
            ids: HashMap::new(),
            edges: Vec::new(),
            start: Start::Unknown,
            distances: Distances::default(),
        };
        Self {
            identity,
            plainly_matches,
            always_ends,
            always_found,
            never_lost,
            max_states: limits.max_states,
            counted_class: None,
            inner: Mutex::new(inner),
        }
    }

    /// With how few characters a text in this state is accepted, if no conditions are in the way.
    fn distance(&self, state: u32) -> Option<Distance> {
        if !self.always_ends {
            return None;
        }
        let mut inner = self.lock();
        let Inner { states, unfolder, distances, .. } = &mut *inner;
        distances.of(unfolder, states.get(state as usize)?.main)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Everything in there is append-only: what a panicking thread left is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CodepointAutomaton for PatternAutomaton {
    fn plainly_accepts(&self) -> bool {
        self.plainly_matches
    }

    fn always_ends(&self) -> bool {
        self.always_ends
    }

    fn can_always_be_found(&self) -> bool {
        self.always_found
    }

    fn is_never_lost(&self) -> bool {
        self.never_lost
    }

    fn start(&self) -> Result<Option<u32>, EngineError> {
        let mut inner = self.lock();
        if let Start::Known(start) = inner.start {
            return Ok(start);
        }
        let start = inner.first(self.max_states)?;
        inner.start = Start::Known(start);
        Ok(start)
    }

    fn accepts(&self, state: u32) -> Result<bool, EngineError> {
        let inner = self.lock();
        inner.states.get(state as usize).map(|state| state.main.end).ok_or(EngineError::Internal("a state of another pattern"))
    }

    fn edges(&self, state: u32) -> Result<Arc<[CodepointEdge]>, EngineError> {
        let mut inner = self.lock();
        if let Some(Some(edges)) = inner.edges.get(state as usize) {
            return Ok(edges.clone());
        }
        let edges: Arc<[CodepointEdge]> = inner.expand(state, self.max_states)?.into();
        if let Some(slot) = inner.edges.get_mut(state as usize) {
            *slot = Some(edges.clone());
        }
        Ok(edges)
    }

    fn ends_within(&self, state: u32) -> Option<u64> {
        Some(self.distance(state)?.here)
    }

    fn stays_within(&self, state: u32) -> Option<u64> {
        Some(self.distance(state)?.anywhere)
    }

    fn lengths(&self) -> (u64, Option<u64>) {
        let start = self.start().ok().flatten();
        start.and_then(|start| self.distance(start)).map_or((0, None), |distance| (distance.here, distance.most))
    }

    fn ends_exactly_within(&self) -> bool {
        true
    }

    fn identity(&self) -> u128 {
        self.identity
    }
}

impl Inner {
    fn first(&mut self, bound: usize) -> Result<Option<u32>, EngineError> {
        self.unfolder.refill();
        let context = Context { before: Before::Start, behinds: 0 };
        let terms = self.behinds.clone();
        let trackers = terms.into_iter().map(|term| self.unfolder.unfold(term, context)).collect::<Result<SmallVec<_>, _>>()?;
        let main = self.unfolder.unfold(self.main, Context { behinds: held(&trackers), ..context })?;
        self.state(main, trackers, bound)
    }

    /// The state with this content; `None`: dead.
    fn state(&mut self, main: Value, mut behinds: SmallVec<[Value; 1]>, bound: usize) -> Result<Option<u32>, EngineError> {
        if main == Value::NEVER {
            return Ok(None);
        }
        let wanted = self.unfolder.needs(main);
        for (index, tracker) in behinds.iter_mut().enumerate() {
            if wanted & needs::behind(index as u8) == 0 {
                *tracker = Value::NEVER;
            }
        }
        let state = State { main, behinds };
        if let Some(&id) = self.ids.get(&state) {
            return Ok(Some(id));
        }
        Limits::check("max_states", self.states.len() + 1, bound)?;
        let id = self.states.len() as u32;
        self.states.push(state.clone());
        self.edges.push(None);
        self.ids.insert(state, id);
        Ok(Some(id))
    }

    fn expand(&mut self, id: u32, bound: usize) -> Result<Vec<CodepointEdge>, EngineError> {
        let state = self.states.get(id as usize).cloned().ok_or(EngineError::Internal("a state of another pattern"))?;
        self.unfolder.refill();
        let wanted = self.unfolder.needs(state.main);
        let mut classes = vec![ANY];
        self.unfolder.classes(state.main, &mut classes);
        for &tracker in &state.behinds {
            self.unfolder.classes(tracker, &mut classes);
        }
        if wanted & needs::BEFORE != 0 {
            classes.extend([WORD, LINE_END]);
        }
        classes.sort_unstable();
        classes.dedup();
        let mut targets: HashMap<Signature, Option<u32>> = HashMap::new();
        let mut edges: Vec<CodepointEdge> = Vec::new();
        for (low, high, signature) in partition(self.unfolder.ast(), &classes) {
            let target = if let Some(&target) = targets.get(&signature) {
                target
            } else {
                let target = self.step(&state, &classes, &signature, bound)?;
                targets.insert(signature, target);
                target
            };
            let Some(target) = target else { continue };
            match edges.last_mut() {
                Some(last) if last.target == target && last.high + 1 == low => last.high = high,
                _ => edges.push(CodepointEdge { low, high, target }),
            }
        }
        Ok(edges)
    }

    /// The state after a character that is in just those of the classes.
    fn step(&mut self, state: &State, classes: &[ClassId], signature: &Signature, bound: usize) -> Result<Option<u32>, EngineError> {
        let is_in = |class: ClassId| classes.binary_search(&class).is_ok_and(|index| signature[index / 64] >> (index % 64) & 1 == 1);
        let before = if is_in(WORD) {
            Before::Word
        } else if is_in(LINE_END) {
            Before::LineEnd
        } else {
            Before::Other
        };
        let plain = Context { before, behinds: 0 };
        let trackers =
            state.behinds.iter().map(|&tracker| self.unfolder.step(tracker, plain, is_in)).collect::<Result<SmallVec<[Value; 1]>, _>>()?;
        let main = self.unfolder.step(state.main, Context { before, behinds: held(&trackers) }, is_in)?;
        self.state(main, trackers, bound)
    }
}

/// The lookbehinds that hold here, as bits of [`needs::behind`].
fn held(trackers: &[Value]) -> u32 {
    trackers.iter().enumerate().filter(|(_, tracker)| tracker.end).fold(0, |bits, (index, _)| bits | needs::behind(index as u8))
}

/// Which classes of a list a character is in.
type Signature = SmallVec<[u64; 1]>;

/// The characters cut into ranges whose characters are in the same classes. The first class must be [`ANY`].
fn partition(ast: &Ast, classes: &[ClassId]) -> Vec<(u32, u32, Signature)> {
    let mut events: Vec<(u32, usize)> = Vec::new();
    for (index, &class) in classes.iter().enumerate() {
        for &(low, high) in ast.classes[class as usize].ranges() {
            events.push((low, index));
            events.push((high + 1, index));
        }
    }
    events.sort_unstable();
    let mut signature: Signature = SmallVec::from_elem(0, classes.len().div_ceil(64));
    let mut parts = Vec::new();
    for (at, &(place, index)) in events.iter().enumerate() {
        signature[index / 64] ^= 1 << (index % 64);
        match events.get(at + 1) {
            Some(&(next, _)) if next > place && signature[0] & 1 == 1 => parts.push((place, next - 1, signature.clone())),
            _ => {}
        }
    }
    parts
}

impl Unfolder {
    /// Any text, as a piece to put before something.
    fn any_loop(&mut self) -> Piece {
        let any = self.ast_mut().add(Node::Class(ANY));
        Piece::Loop { body: any, min: 0, max: u32::MAX }
    }
}
