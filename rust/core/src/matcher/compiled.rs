//! A grammar bound to a vocabulary.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::automaton;
use crate::error::{CompileError, EngineError};
use crate::grammar::Grammar;
use crate::limits::{Interrupt, Limits};
use crate::mask::MaskStore;
pub use crate::mask::Statistics;
use crate::optimize::{PassSelection, optimize};
use crate::provider::{Arena, Attached, ByteSet};
use crate::report::{Enforcement, KeywordReport};
use crate::stack::Configuration;
use crate::vocab::Vocabulary;

use super::crossing::Crossings;
use super::shelf::Place;

/// A grammar ready to match texts of one vocabulary. Immutable to its users; what it learns it shares among all its matchers.
pub struct CompiledGrammar {
    /// As given, before it was optimised.
    source: Arc<Grammar>,
    grammar: Arc<Grammar>,
    limits: Limits,
    arena: Arena,
    start: Configuration,
    store: MaskStore,
    pub(super) crossings: Crossings,
    /// On a shelf, if it stands on one.
    pub(super) place: OnceLock<Place>,
    /// States there were when they were measured last, and their bytes then.
    measured: AtomicUsize,
    provider_bytes: AtomicUsize,
}

impl CompiledGrammar {
    /// Bind `grammar` to `vocabulary`, all optional passes run. Costs about as much as reading the grammar: states and masks are made when first
    /// needed.
    pub fn compile(
        grammar: &Grammar,
        vocabulary: Arc<Vocabulary>,
        limits: &Limits,
        interrupt: &Interrupt,
    ) -> Result<Arc<Self>, CompileError> {
        Self::compile_shared(&Arc::new(grammar.clone()), vocabulary, limits, interrupt)
    }

    /// The same for a grammar that others hold as well.
    pub fn compile_shared(
        grammar: &Arc<Grammar>,
        vocabulary: Arc<Vocabulary>,
        limits: &Limits,
        interrupt: &Interrupt,
    ) -> Result<Arc<Self>, CompileError> {
        let optimised = optimize(grammar.as_ref().clone(), &PassSelection::all());
        Self::attach(grammar.clone(), Arc::new(optimised), vocabulary, limits, interrupt)
    }

    /// Bind a grammar as it is.
    pub fn bind(grammar: &Grammar, vocabulary: Arc<Vocabulary>, limits: &Limits, interrupt: &Interrupt) -> Result<Arc<Self>, CompileError> {
        let grammar = Arc::new(grammar.clone());
        Self::attach(grammar.clone(), grammar, vocabulary, limits, interrupt)
    }

    fn attach(
        source: Arc<Grammar>,
        grammar: Arc<Grammar>,
        vocabulary: Arc<Vocabulary>,
        limits: &Limits,
        interrupt: &Interrupt,
    ) -> Result<Arc<Self>, CompileError> {
        let arena = Arena::with_alphabet(limits.clone(), *vocabulary.single_bytes());
        let attached = automaton::attach_grammar(&grammar, &arena, ByteSet::default(), interrupt)?;
        Self::assemble(source, grammar, limits.clone(), arena, attached, vocabulary)
    }

    pub(crate) fn assemble(
        source: Arc<Grammar>,
        grammar: Arc<Grammar>,
        limits: Limits,
        arena: Arena,
        attached: Attached,
        vocabulary: Arc<Vocabulary>,
    ) -> Result<Arc<Self>, CompileError> {
        let mut start = match attached.start {
            Some(state) => Configuration::at(state, 0).watching(),
            None => Configuration::default(),
        };
        if attached.nullable {
            start.returned.push(0);
        }
        if !start.is_alive() {
            return Err(EngineError::Internal("a grammar without a start was attached").into());
        }
        Ok(Arc::new(Self {
            source,
            grammar,
            limits,
            arena,
            start,
            store: MaskStore::new(vocabulary),
            crossings: Crossings::default(),
            place: OnceLock::new(),
            measured: AtomicUsize::new(0),
            provider_bytes: AtomicUsize::new(0),
        }))
    }

    /// The grammar that was given.
    pub fn source(&self) -> &Arc<Grammar> {
        &self.source
    }

    /// The grammar as it is run.
    pub fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    /// The bounds it was compiled with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The vocabulary it is bound to.
    pub fn vocabulary(&self) -> &Arc<Vocabulary> {
        self.store.vocabulary()
    }

    /// Bytes held by states and masks so far, roughly; grows as texts are matched.
    pub fn memory_bytes(&self) -> usize {
        self.arena.memory_bytes() + self.store.memory_bytes() + self.crossings.memory_bytes() + size_of::<Self>()
    }

    /// It has learned something: whoever keeps it wants to know how large it is.
    pub(super) fn grew(&self) {
        let Some(place) = self.place.get() else { return };
        // Measuring providers takes longer than many a mask does: an eighth more of their states is soon enough.
        let (states, measured) = (self.arena.state_count(), self.measured.load(Ordering::Relaxed));
        if states > measured + measured / 8 + 16 {
            self.measured.store(states, Ordering::Relaxed);
            self.provider_bytes.store(self.arena.provider_bytes(), Ordering::Relaxed);
        }
        let of_providers = self.provider_bytes.load(Ordering::Relaxed);
        place.tell(self.arena.own_bytes() + of_providers + self.store.memory_bytes() + self.crossings.memory_bytes() + size_of::<Self>());
    }

    /// What has been learned so far.
    pub fn statistics(&self) -> Statistics {
        self.store.statistics()
    }

    /// States made so far.
    pub fn state_count(&self) -> usize {
        self.arena.state_count()
    }

    /// How each keyword of each embedded JSON Schema is enforced, schema by schema in the order of the grammar's text. Grows when a search
    /// for a completion is given up while texts are matched.
    pub fn schema_report(&self) -> Vec<KeywordReport> {
        let undecided = self.arena.undecided();
        let mut all = Vec::new();
        for (schema, source) in self.grammar.embedded().into_iter().filter(|e| e.report().is_some()).enumerate() {
            let own = undecided.iter().filter(|u| u.source == source.identity()).flat_map(|u| &u.pointers);
            let given_up = own.map(|pointer| KeywordReport {
                schema,
                pointer: pointer.clone(),
                keyword: "(search)".to_owned(),
                status: Enforcement::Narrowed,
                detail: format!(
                    "whether a value can be completed here was not decided within max_search_steps ({}), so it is refused",
                    self.limits.max_search_steps
                ),
            });
            all.extend(source.report().into_iter().flatten().map(|entry| KeywordReport { schema, ..entry }));
            all.extend(given_up);
        }
        all
    }

    pub(crate) fn arena(&self) -> &Arena {
        &self.arena
    }

    pub(crate) fn store(&self) -> &MaskStore {
        &self.store
    }

    pub(crate) fn start(&self) -> &Configuration {
        &self.start
    }
}

impl Drop for CompiledGrammar {
    fn drop(&mut self) {
        if let Some(place) = self.place.get() {
            place.leave(&self.statistics());
        }
    }
}
