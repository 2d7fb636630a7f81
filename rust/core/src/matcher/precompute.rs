//! Learning masks before they are asked for: places of a grammar's texts, the likeliest first. Part of **matcher**.
//!
//! A place is a configuration as masks see it: states, views, and the frames next below. From the start, every place is filled and its bytes are
//! followed, one for all that do the same; where any of n may come, each counts as one in n, so what is certain comes before what is one of many.
//!
//! Invariant: what is learned is what a matcher would have learned. Nothing runs but in [`Precompute::work`], which ends when no place is open,
//! `most` places are known, the grammar is gone or the work is interrupted.
//! Must not know: threads, other than that there may be several.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hashbrown::HashSet;

use super::CompiledGrammar;
use super::fill::gather;
use crate::error::EngineError;
use crate::limits::Interrupt;
use crate::mask::store::Effort;
use crate::provider::ByteSet;
use crate::stack::{Configuration, Parents};

/// Frames that tell places apart: tokens rarely close more at once.
const DEPTH: usize = 4;
/// How long a worker without work sleeps before it looks whether it was interrupted.
const DOZE: Duration = Duration::from_millis(20);

/// How unlikely a place is (in 1024ths of a bit), when it was found, and the place.
type Open = Reverse<(u32, usize)>;

#[derive(Default)]
struct Frontier {
    open: BinaryHeap<(Open, usize)>,
    places: Vec<Option<Configuration>>,
    known: HashSet<u64>,
    working: usize,
    ended: bool,
}

/// The work of learning the masks of one grammar, shared by all threads that take part.
pub struct Precompute {
    grammar: Weak<CompiledGrammar>,
    most: usize,
    frontier: Mutex<Frontier>,
    changed: Condvar,
    done: AtomicUsize,
    cut: AtomicBool,
    hasher: foldhash::fast::RandomState,
}

/// A worker that has a place in hand. One that panics has it no more.
struct Busy<'a>(&'a Precompute);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.lock().working -= 1;
        self.0.changed.notify_all();
    }
}

impl Precompute {
    /// From the start of a grammar, for at most so many places.
    pub fn new(grammar: &Arc<CompiledGrammar>, most: usize) -> Self {
        let work = Self {
            grammar: Arc::downgrade(grammar),
            most,
            frontier: Mutex::default(),
            changed: Condvar::new(),
            done: AtomicUsize::new(0),
            cut: AtomicBool::new(false),
            hasher: foldhash::fast::RandomState::default(),
        };
        let start = grammar.start().clone();
        let name = work.name(grammar, &start);
        work.add(&mut work.lock(), 0, vec![(name, start)]);
        work
    }

    fn lock(&self) -> MutexGuard<'_, Frontier> {
        self.frontier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Places filled, and places known to be reached and not filled yet.
    pub fn progress(&self) -> (usize, usize) {
        let frontier = self.lock();
        (self.done.load(Ordering::Relaxed), frontier.open.len() + frontier.working)
    }

    /// Wait until the work has ended, or so long.
    pub fn wait(&self, most: Duration) {
        let going = |frontier: &mut Frontier| !frontier.ended && (!frontier.open.is_empty() || frontier.working > 0);
        drop(self.changed.wait_timeout_while(self.lock(), most, going));
    }

    /// Was every place filled, so far as there were places for it?
    pub fn is_complete(&self) -> bool {
        let frontier = self.lock();
        frontier.open.is_empty() && frontier.working == 0 && !self.cut.load(Ordering::Relaxed)
    }

    /// Take part until the work is done; any number of threads may. What `enter` gives is held while something is learned.
    pub fn work<G>(&self, interrupt: &Interrupt, enter: impl Fn() -> G) -> Result<(), EngineError> {
        loop {
            if let Err(stopped) = interrupt.check() {
                self.lock().ended = true;
                self.changed.notify_all();
                return Err(stopped);
            }
            let (cost, place) = {
                let mut frontier = self.lock();
                if frontier.ended || frontier.open.is_empty() && frontier.working == 0 {
                    return Ok(());
                }
                let Some((Reverse((cost, _)), index)) = frontier.open.pop() else {
                    drop(self.changed.wait_timeout(frontier, DOZE));
                    continue;
                };
                frontier.working += 1;
                (cost, frontier.places[index].take())
            };
            let busy = Busy(self);
            let found = {
                let _held = enter();
                self.grammar.upgrade().zip(place).map(|(grammar, place)| self.fill(&grammar, &place).unwrap_or_default())
            };
            let mut frontier = self.lock();
            if let Some(found) = found {
                self.done.fetch_add(1, Ordering::Relaxed);
                let ways = (found.len() as u32).clamp(1, 1 << 16);
                // The logarithm, straight between powers of two.
                let cost = cost.saturating_add(ways.ilog2() * 1024 + ((ways << 10) >> ways.ilog2()) - 1024);
                self.add(&mut frontier, cost, found);
            } else {
                frontier.ended = true;
            }
            drop(frontier);
            drop(busy);
        }
    }

    fn add(&self, frontier: &mut Frontier, cost: u32, found: Vec<(u64, Configuration)>) {
        for (name, place) in found {
            if frontier.known.len() >= self.most {
                if !frontier.known.contains(&name) {
                    self.cut.store(true, Ordering::Relaxed);
                }
            } else if frontier.known.insert(name) {
                let index = frontier.places.len();
                frontier.places.push(Some(place));
                frontier.open.push((Reverse((cost, index)), index));
            }
        }
    }

    /// Learn the masks of a place; where its bytes lead. What runs into a limit is left: whoever comes there is told.
    fn fill(&self, grammar: &Arc<CompiledGrammar>, place: &Configuration) -> Result<Vec<(u64, Configuration)>, EngineError> {
        let arena = grammar.arena();
        gather(arena, grammar.store(), place, Effort::Learn)?;
        grammar.grew();
        let mut open = ByteSet::default();
        for item in &place.items {
            arena.ask_all(item.state, *arena.alphabet())?;
            open.extend(&arena.hopeful(item.state));
        }
        open.keep(arena.alphabet());
        let mut found: Vec<(u64, Configuration)> = Vec::new();
        for byte in ByteSet::ALL {
            if !open.contains(byte) {
                continue;
            }
            let mut alike = ByteSet::ALL;
            place.items.iter().for_each(|item| alike.keep(&arena.alike(item.state, byte)));
            open.remove(&alike);
            let mut next = place.clone();
            next.step(arena, byte)?;
            if next.is_alive() {
                let nearer = (0..next.items.len()).filter_map(|i| nearer(grammar, &next, i)).collect::<Vec<_>>();
                for next in [next].into_iter().chain(nearer) {
                    let name = self.name(grammar, &next);
                    if found.iter().all(|&(known, _)| known != name) {
                        found.push((name, next));
                    }
                }
            }
        }
        Ok(found)
    }

    /// What masks see of a place. Two places may share a name by chance: then one is left out.
    fn name(&self, grammar: &CompiledGrammar, place: &Configuration) -> u64 {
        let arena = grammar.arena();
        let horizon = grammar.vocabulary().longest_token() as u64;
        let mut names: Vec<u64> = place
            .items
            .iter()
            .map(|item| {
                let mut hasher = self.hasher.build_hasher();
                (item.state, arena.view(item.state, item.register, horizon)).hash(&mut hasher);
                let mut level: Vec<Parents> = vec![item.parents.clone()];
                for _ in 0..DEPTH {
                    let mut frames: Vec<_> = level.iter().flat_map(Parents::frames).collect();
                    let bottom = level.iter().any(Parents::has_bottom);
                    frames.sort_by_key(|frame| (frame.return_to, frame.register));
                    for frame in &frames {
                        (frame.return_to, arena.view(frame.return_to, frame.register, horizon)).hash(&mut hasher);
                    }
                    (frames.len(), bottom).hash(&mut hasher);
                    level = frames.into_iter().map(|frame| frame.parents.clone()).take(64).collect();
                }
                hasher.finish()
            })
            .collect();
        names.sort_unstable();
        self.hasher.hash_one((names, !place.returned.is_empty()))
    }
}

/// The place after so many more repeats that masks see item `i` nearer to its limit: those in between are the same place to them.
fn nearer(grammar: &CompiledGrammar, place: &Configuration, i: usize) -> Option<Configuration> {
    let arena = grammar.arena();
    let horizon = grammar.vocabulary().longest_token() as u64;
    let item = &place.items[i];
    let facts = arena.facts(item.state);
    if !facts.counting || facts.guarded || facts.limit == u64::MAX {
        return None;
    }
    let seen = |register| arena.view(item.state, register, horizon);
    let (now, mut low, mut high) = (seen(item.register), item.register, facts.limit.checked_sub(1)?);
    if low >= high || seen(high) == now {
        return None;
    }
    // The view is one number up to some register, and others after it.
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        *(if seen(middle) == now { &mut low } else { &mut high }) = middle;
    }
    let mut place = place.clone();
    place.items[i].register = high;
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::{ebnf, json_schema};
    use crate::limits::Limits;
    use crate::testing::oracle;
    use crate::vocab::Vocabulary;

    fn compile(kind: &str) -> Arc<CompiledGrammar> {
        let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        tokens.extend(["\"name", "\": ", "\", \"", "},", "ab", "\"}", "12", ": \"", "]}", " + "].map(|token| token.as_bytes().to_vec()));
        tokens.push(Vec::new());
        let stop = tokens.len() as u32 - 1;
        let vocabulary = Arc::new(Vocabulary::new(&tokens, tokens.len(), &[stop], &[]).unwrap());
        let limits = Limits::default();
        let grammar = match kind {
            "schema" => {
                let schema = r#"{"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "tags": {"type": "array",
                    "items": {"enum": ["red", "green"]}}}, "required": ["name"], "additionalProperties": false}"#;
                json_schema::grammar(schema, &json_schema::Options::default(), &limits).unwrap()
            }
            _ => ebnf::parse(r#"root ::= sum  sum ::= part (" + " part)*  part ::= [a-z]+ | "(" sum ")""#, "root", &limits).unwrap(),
        };
        CompiledGrammar::compile(&grammar, vocabulary, &limits, &Interrupt::default()).unwrap()
    }

    const CASES: [(&str, &str); 2] =
        [("schema", r#"{"name": "abc de", "tags": ["red", "green", "red"]}"#), ("sum", "ab + (c + (d + e)) + f")];

    #[test]
    fn nothing_is_missed_afterwards_and_masks_are_the_same() {
        for (kind, text) in CASES {
            for threads in [1, 3] {
                let cold = oracle::masks_along(&compile(kind), text);
                let compiled = compile(kind);
                let work = Precompute::new(&compiled, 20_000);
                std::thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| work.work(&Interrupt::default(), || ()).unwrap());
                    }
                });
                assert!(work.is_complete() || kind == "sum", "{kind}: {:?}", work.progress());
                assert_eq!(oracle::masks_along(&compiled, text), cold, "{kind}");
                let statistics = compiled.statistics();
                assert_eq!((statistics.misses, statistics.hits), (0, text.len() as u64), "{kind}, {threads} threads");
            }
        }
    }

    #[test]
    fn it_ends_at_its_bounds() {
        for (kind, _) in CASES {
            let compiled = compile(kind);
            let few = Precompute::new(&compiled, 10);
            few.work(&Interrupt::default(), || ()).unwrap();
            assert_eq!((few.progress(), few.is_complete()), ((10, 0), false));
            let late = Precompute::new(&compiled, 1 << 30);
            let passed = Interrupt { deadline: Some(std::time::Instant::now()), ..Interrupt::default() };
            assert_eq!(late.work(&passed, || ()), Err(EngineError::TimedOut));
            assert!(!late.is_complete());
            let flag = Arc::new(AtomicBool::new(true));
            let stopped = Interrupt { flag: Some(flag), ..Interrupt::default() };
            assert_eq!(Precompute::new(&compiled, 1 << 30).work(&stopped, || ()), Err(EngineError::Interrupted));
            let orphan = Precompute::new(&compiled, 1 << 30);
            drop(compiled);
            orphan.work(&Interrupt::default(), || ()).unwrap();
        }
    }
}
