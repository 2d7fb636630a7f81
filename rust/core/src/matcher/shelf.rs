//! The compiled grammars that one compiler keeps, within a limit in bytes. Part of **matcher**.
//!
//! Everything counts: states and steps, what providers remember, masks, and what the vocabulary's shared store holds. Grammars tell of their
//! growth when they learn. Past the limit there go, least recently used first: grammars that nobody uses; masks of grammars in use, which are
//! learned again when they are asked for; the place of grammars in use, which live as long as their matchers.
//!
//! Invariant: what a matcher holds stays valid; no grammar is dropped while the shelf is locked.
//! Must not know: how a grammar is found again.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hashbrown::HashMap;

use super::CompiledGrammar;
use crate::error::CacheError;
use crate::mask::SharedMasks;
use crate::mask::statistics::{Counters, Statistics};
use crate::vocab::Vocabulary;

/// The shared store may take this part of a limit.
const SHARED_PART: usize = 4;
/// Past the limit, this part of it is made free, so that the next growth is not the next reason to look.
const FREED_PART: usize = 8;

/// See the module.
pub struct Shelf {
    limit: usize,
    keeps: bool,
    shared: Option<Arc<SharedMasks>>,
    members: Mutex<Members>,
    /// What the members said they hold.
    held: AtomicUsize,
    /// Look for what can go when they hold more than this.
    threshold: AtomicUsize,
    /// What grammars that are gone had counted.
    past: Counters,
    evicted: AtomicU64,
    /// Taken by whoever makes room: one is enough.
    relieving: Mutex<()>,
}

#[derive(Default)]
struct Members {
    by_number: HashMap<u64, Member>,
    clock: u64,
}

struct Member {
    grammar: Weak<CompiledGrammar>,
    /// Held for whoever asks for it again.
    kept: Option<Arc<CompiledGrammar>>,
    used: u64,
}

/// What a shelf holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShelfStatistics {
    /// Grammars kept or in use.
    pub grammars: u64,
    /// Grammars that were given up to keep within the limit.
    pub evicted_grammars: u64,
    /// Bytes of all grammars kept or in use.
    pub bytes: u64,
    /// Bytes of the vocabulary's shared store.
    pub shared_bytes: u64,
    /// Masks and parts in it.
    pub shared_entries: u64,
    /// Masks and parts that it had to give up.
    pub shared_evictions: u64,
    /// Of all grammars together, those that are gone included; bytes of those that are not.
    pub masks: Statistics,
}

/// How a grammar tells its shelf of its growth.
pub(super) struct Place {
    shelf: Weak<Shelf>,
    number: u64,
    told: AtomicUsize,
    /// What finding it again takes.
    extra: usize,
}

impl Place {
    /// The grammar holds so much now.
    pub(super) fn tell(&self, bytes: usize) {
        let Some(owner) = self.shelf.upgrade() else { return };
        if self.say(&owner, bytes) > owner.threshold.load(Ordering::Relaxed) {
            owner.relieve();
        }
    }

    /// What all members hold, after this one holds so much.
    fn say(&self, owner: &Shelf, bytes: usize) -> usize {
        let bytes = bytes + self.extra;
        let before = self.told.swap(bytes, Ordering::Relaxed);
        // Wrapping: a sum of differences, whichever order they come in.
        owner.held.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed).wrapping_add(bytes.wrapping_sub(before))
    }

    /// The grammar is gone.
    pub(super) fn leave(&self, counted: &Statistics) {
        let Some(owner) = self.shelf.upgrade() else { return };
        owner.held.fetch_sub(self.told.load(Ordering::Relaxed), Ordering::Relaxed);
        // There may be less that cannot go.
        owner.threshold.fetch_min(owner.limit.saturating_sub(owner.shared_bytes()), Ordering::Relaxed);
        owner.past.add(&Statistics { mask_bytes: 0, ..*counted });
        let member = owner.lock().by_number.remove(&self.number);
        drop(member);
    }
}

impl Shelf {
    /// Empty, for grammars of a vocabulary, whose shared store is limited as well; `None`: no limit. One that keeps nothing still bounds what
    /// grammars in use hold.
    pub fn new(vocabulary: &Vocabulary, limit: Option<usize>, keeps: bool) -> Arc<Self> {
        let shared = SharedMasks::of(vocabulary);
        if let (Some(limit), Some(shared)) = (limit, &shared) {
            shared.limit_to(limit / SHARED_PART);
        }
        let limit = limit.unwrap_or(usize::MAX);
        Arc::new(Self {
            limit,
            keeps,
            shared,
            members: Mutex::default(),
            held: AtomicUsize::new(0),
            threshold: AtomicUsize::new(limit - limit / SHARED_PART),
            past: Counters::default(),
            evicted: AtomicU64::new(0),
            relieving: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Put a grammar on the shelf, as the one used last. Finding it again takes `extra` bytes elsewhere. A grammar stands on one shelf: the
    /// first that it is put on.
    pub fn keep(self: &Arc<Self>, grammar: &Arc<CompiledGrammar>, extra: usize) {
        let place = grammar.place.get_or_init(|| {
            let mut members = self.lock();
            members.clock += 1;
            let number = members.clock;
            members.by_number.insert(number, Member { grammar: Arc::downgrade(grammar), kept: None, used: number });
            Place { shelf: Arc::downgrade(self), number, told: AtomicUsize::new(0), extra }
        });
        if self.keeps && place.shelf.as_ptr() == Arc::as_ptr(self) {
            let mut members = self.lock();
            members.clock += 1;
            let now = members.clock;
            if let Some(member) = members.by_number.get_mut(&place.number) {
                member.used = now;
                member.kept = Some(Arc::clone(grammar));
            }
        }
        // What is put here may be what is too much, however much cannot go.
        if place.say(self, grammar.memory_bytes()) > self.limit {
            self.relieve();
        }
    }

    /// Bytes of the grammars that are held for whoever asks again.
    pub fn kept_bytes(&self) -> usize {
        let kept: Vec<Arc<CompiledGrammar>> = self.lock().by_number.values().filter_map(|member| member.kept.clone()).collect();
        kept.iter().map(|grammar| grammar.memory_bytes()).sum()
    }

    /// Bytes that everything holds: grammars kept or in use, and the vocabulary's shared store.
    pub fn memory_bytes(&self) -> usize {
        self.held.load(Ordering::Relaxed) + self.shared_bytes()
    }

    fn shared_bytes(&self) -> usize {
        self.shared.as_ref().map_or(0, |shared| shared.memory_bytes())
    }

    /// What is held and was done so far.
    pub fn statistics(&self) -> ShelfStatistics {
        let grammars = self.grammars();
        let masks = grammars.iter().fold(self.past.read(), |sum, grammar| sum.plus(&grammar.statistics()));
        let (shared_entries, shared_evictions) = self.shared.as_ref().map_or((0, 0), |shared| shared.counts());
        ShelfStatistics {
            grammars: grammars.len() as u64,
            evicted_grammars: self.evicted.load(Ordering::Relaxed),
            bytes: grammars.iter().map(|grammar| grammar.memory_bytes() as u64).sum(),
            shared_bytes: self.shared_bytes() as u64,
            shared_entries: shared_entries as u64,
            shared_evictions,
            masks,
        }
    }

    /// All grammars kept or in use.
    pub fn grammars(&self) -> Vec<Arc<CompiledGrammar>> {
        self.lock().by_number.values().filter_map(|member| member.grammar.upgrade()).collect()
    }

    /// Masks that are known by content, the shared store's and those of all grammars kept or in use, as bytes for [`Self::load`]; and how many.
    pub fn save(&self, vocabulary: &Vocabulary) -> (Vec<u8>, usize) {
        let grammars = self.grammars();
        let stores = grammars.iter().map(|grammar| (grammar.arena(), grammar.store()));
        self.shared.as_ref().map_or_else(Default::default, |shared| shared.save(vocabulary, stores))
    }

    /// Take masks that were saved for the vocabulary, in this process or another; how many.
    pub fn load(&self, vocabulary: &Vocabulary, bytes: &[u8]) -> Result<usize, CacheError> {
        self.shared.as_ref().map_or(Ok(0), |shared| shared.load(vocabulary, bytes))
    }

    /// Keep nothing any more; what is in use stays valid.
    pub fn clear(&self) {
        let kept: Vec<_> = self.lock().by_number.values_mut().filter_map(|member| member.kept.take()).collect();
        drop(kept);
    }

    /// Make room below the limit.
    #[cold]
    fn relieve(&self) {
        let Ok(_alone) = self.relieving.try_lock() else { return };
        let limit = self.limit.saturating_sub(self.shared_bytes());
        // What others did meanwhile may have been enough.
        self.threshold.store(limit, Ordering::Relaxed);
        let goal = limit - limit / FREED_PART;
        let mut members: Vec<(u64, u64, Arc<CompiledGrammar>)> = {
            let members = self.lock();
            members.by_number.iter().filter_map(|(&number, m)| Some((m.used, number, m.grammar.upgrade()?))).collect()
        };
        members.sort_unstable_by_key(|&(used, ..)| used);
        let mut total = 0;
        for (.., grammar) in &members {
            if let Some(place) = grammar.place.get() {
                total = place.say(self, grammar.memory_bytes());
            }
        }
        if total <= limit {
            return;
        }
        // One count is this list's, one the shelf's: more are users'.
        let mut used = Vec::new();
        for (_, number, grammar) in members {
            let idle = total > goal && Arc::strong_count(&grammar) <= 2;
            let kept = if idle { self.give_up(number) } else { None };
            if kept.is_some() {
                total = total.saturating_sub(grammar.place.get().map_or(0, |place| place.told.load(Ordering::Relaxed)));
            } else {
                used.push((number, grammar));
            }
        }
        for (_, grammar) in &used {
            if total <= goal {
                break;
            }
            grammar.store().forget();
            if let Some(place) = grammar.place.get() {
                total = place.say(self, grammar.memory_bytes());
            }
        }
        for (number, _) in &used {
            if total <= limit {
                break;
            }
            // It is still held by its users: the shelf only lets go.
            let kept = self.give_up(*number);
            drop(kept);
        }
        // What is in use cannot go: look again when it has grown by as much as is freed at a time.
        if total > limit {
            self.threshold.store(total.saturating_add(limit / FREED_PART), Ordering::Relaxed);
        }
    }

    fn give_up(&self, number: u64) -> Option<Arc<CompiledGrammar>> {
        let kept = self.lock().by_number.get_mut(&number).and_then(|member| member.kept.take());
        if kept.is_some() {
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::json_schema;
    use crate::limits::{Interrupt, Limits};
    use crate::matcher::{Matcher, MatcherOptions};
    use crate::testing::oracle;

    fn vocabulary() -> Arc<Vocabulary> {
        let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        tokens.extend(["\"name", "\": ", "\", \"", "},", "abc", "\"}", "12", ": \""].map(|token| token.as_bytes().to_vec()));
        tokens.push(Vec::new());
        let stop = tokens.len() as u32 - 1;
        Arc::new(Vocabulary::new(&tokens, tokens.len(), &[stop], &[]).unwrap())
    }

    fn compile(number: usize, vocabulary: &Arc<Vocabulary>) -> Arc<CompiledGrammar> {
        let schema = format!(
            r#"{{"type": "object", "properties": {{"name{number}": {{"type": "string", "maxLength": {}}}, "other": {{"type": "integer"}}}},
                "required": ["name{number}"]}}"#,
            number + 1
        );
        let grammar = json_schema::grammar(&schema, &json_schema::Options::default(), &Limits::default()).unwrap();
        CompiledGrammar::compile(&grammar, vocabulary.clone(), &Limits::default(), &Interrupt::default()).unwrap()
    }

    /// The masks along a text.
    fn masks(compiled: &Arc<CompiledGrammar>, text: &str) -> Vec<Vec<u32>> {
        let size = compiled.vocabulary().vocab_size();
        let mut matcher = Matcher::new(compiled.clone(), MatcherOptions::default()).unwrap();
        let mut rows = Vec::new();
        for byte in text.bytes() {
            rows.push(oracle::filled(&mut matcher, size).unwrap());
            assert_eq!(matcher.accept_bytes(&[byte]), Ok(true), "{text}");
        }
        rows.push(oracle::filled(&mut matcher, size).unwrap());
        rows
    }

    fn text(number: usize) -> String {
        format!(r#"{{"name{number}": "x", "other": 17, "more": [{{"a": null}}, 1.5]}}"#)
    }

    #[test]
    fn a_thousand_grammars_stay_within_the_limit() {
        let vocabulary = vocabulary();
        let limit = 4 << 20;
        let shelf = Shelf::new(&vocabulary, Some(limit), true);
        for number in 0..1000 {
            let compiled = compile(number, &vocabulary);
            shelf.keep(&compiled, 100);
            masks(&compiled, &text(number));
            let in_use = compiled.memory_bytes();
            assert!(shelf.memory_bytes() <= limit + in_use, "after {number}: {} bytes", shelf.memory_bytes());
        }
        let statistics = shelf.statistics();
        assert!(statistics.evicted_grammars > 0 && statistics.grammars < 1000, "{statistics:?}");
        assert!(statistics.bytes as usize >= limit / 4, "{statistics:?}");
        assert!(statistics.masks.misses > 10_000, "those of grammars that are gone count: {statistics:?}");
    }

    #[test]
    fn grammars_in_use_give_up_masks_and_learn_the_same_again() {
        let vocabulary = vocabulary();
        let alone: Vec<_> = (0..20).map(|number| masks(&compile(number, &vocabulary), &text(number))).collect();
        let shelf = Shelf::new(&vocabulary, Some(1 << 20), true);
        let held: Vec<_> = (0..20).map(|number| compile(number, &vocabulary)).collect();
        for compiled in &held {
            shelf.keep(compiled, 0);
        }
        for _ in 0..3 {
            for (number, compiled) in held.iter().enumerate() {
                assert_eq!(masks(compiled, &text(number)), alone[number]);
            }
        }
        assert!(shelf.statistics().masks.evictions > 0);
        assert_eq!(shelf.grammars().len(), 20, "all are in use");
        let states: usize = held.iter().map(|compiled| compiled.arena().memory_bytes()).sum();
        assert!(shelf.memory_bytes() <= states + (3 << 20), "{} of {states} for states", shelf.memory_bytes());
    }

    #[test]
    fn the_least_recently_used_goes_first_and_what_is_asked_for_again_stays() {
        let vocabulary = vocabulary();
        let first = compile(0, &vocabulary);
        masks(&first, &text(0));
        let shelf = Shelf::new(&vocabulary, Some(12 * first.memory_bytes()), true);
        let watched = Arc::downgrade(&first);
        shelf.keep(&first, 0);
        drop(first);
        let second = compile(1, &vocabulary);
        let forgotten = Arc::downgrade(&second);
        shelf.keep(&second, 0);
        drop(second);
        for number in 2..40 {
            let compiled = compile(number, &vocabulary);
            shelf.keep(&compiled, 0);
            masks(&compiled, &text(number));
            let first = watched.upgrade().expect("asked for all the time");
            shelf.keep(&first, 0);
        }
        assert_eq!(forgotten.strong_count(), 0);
        shelf.clear();
        assert_eq!((shelf.grammars().len(), shelf.kept_bytes(), shelf.memory_bytes() - shelf.shared_bytes()), (0, 0, 0));
    }

    #[test]
    fn hits_and_misses_are_counted() {
        let vocabulary = vocabulary();
        let compiled = compile(3, &vocabulary);
        let rows = masks(&compiled, &text(3)).len() as u64;
        let cold = compiled.statistics();
        assert_eq!(cold.hits + cold.misses, rows);
        assert!(cold.misses > 0 && cold.learning_ns > 0);
        masks(&compiled, &text(3));
        let warm = compiled.statistics();
        assert_eq!((warm.hits, warm.misses), (cold.hits + rows, cold.misses));
        assert!(warm.saved_ns > cold.saved_ns && warm.learning_ns == cold.learning_ns);
        compiled.store().forget();
        compiled.store().forget();
        assert_eq!(compiled.statistics().mask_bytes, 0);
        masks(&compiled, &text(3));
        assert!(compiled.statistics().misses > warm.misses);
    }
}
