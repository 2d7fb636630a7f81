//! A grammar bound to a vocabulary.

use std::sync::Arc;

use crate::automaton;
use crate::error::{CompileError, EngineError};
use crate::grammar::Grammar;
use crate::limits::{Interrupt, Limits};
use crate::mask::MaskStore;
pub use crate::mask::Statistics;
use crate::optimize::{PassSelection, optimize};
use crate::provider::{Arena, Attached};
use crate::stack::Configuration;
use crate::vocab::Vocabulary;

/// A grammar ready to match texts of one vocabulary. Immutable to its users; what it learns it shares among all its matchers.
pub struct CompiledGrammar {
    grammar: Grammar,
    limits: Limits,
    arena: Arena,
    start: Configuration,
    store: MaskStore,
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
        Self::bind(&optimize(grammar.clone(), &PassSelection::all()), vocabulary, limits, interrupt)
    }

    /// Bind a grammar as it is.
    pub fn bind(grammar: &Grammar, vocabulary: Arc<Vocabulary>, limits: &Limits, interrupt: &Interrupt) -> Result<Arc<Self>, CompileError> {
        let arena = Arena::with_alphabet(limits.clone(), *vocabulary.single_bytes());
        let attached = automaton::attach_grammar(grammar, &arena, interrupt)?;
        Self::assemble(grammar.clone(), limits.clone(), arena, attached, vocabulary)
    }

    pub(crate) fn assemble(
        grammar: Grammar,
        limits: Limits,
        arena: Arena,
        attached: Attached,
        vocabulary: Arc<Vocabulary>,
    ) -> Result<Arc<Self>, CompileError> {
        let mut start = match attached.start {
            Some(state) => Configuration::at(state, 0),
            None => Configuration::default(),
        };
        if attached.nullable {
            start.returned.push(0);
        }
        if !start.is_alive() {
            return Err(EngineError::Internal("a grammar without a start was attached").into());
        }
        Ok(Arc::new(Self { grammar, limits, arena, start, store: MaskStore::new(vocabulary) }))
    }

    /// The grammar, as compiled.
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
        self.arena.memory_bytes() + self.store.statistics().bytes as usize + size_of::<Self>()
    }

    /// What has been learned so far.
    pub fn statistics(&self) -> Statistics {
        self.store.statistics()
    }

    /// States made so far.
    pub fn state_count(&self) -> usize {
        self.arena.state_count()
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
