//! Text to grammars, one folder per language. Pipeline: text -> **frontend** -> grammar.
//!
//! Invariant: nothing below imports a front-end; a text either becomes a grammar with its exact language or a typed error.
//! Must not know: vocabularies, masks, matchers.

pub mod json_schema;
#[allow(missing_docs)]
pub mod regex {
    use crate::error::{CompileError, EngineError};
    use crate::limits::Limits;
    use crate::provider::{CodepointAutomaton, CodepointEdge};
    use std::sync::Arc;
    pub struct PatternAutomaton(crate::automaton::text::StringSet);
    impl PatternAutomaton {
        pub fn search(p: &str, _l: &Limits) -> Result<Self, CompileError> {
            let inner = p.strip_prefix('^').and_then(|p| p.strip_suffix('$')).ok_or(CompileError::Grammar { rule: String::new(), message: "stub".into() })?;
            Ok(Self(crate::automaton::text::StringSet::new(inner.split('|'))))
        }
    }
    impl CodepointAutomaton for PatternAutomaton {
        fn start(&self) -> Result<Option<u32>, EngineError> { self.0.start() }
        fn accepts(&self, s: u32) -> Result<bool, EngineError> { self.0.accepts(s) }
        fn edges(&self, s: u32) -> Result<Arc<[CodepointEdge]>, EngineError> { self.0.edges(s) }
        fn identity(&self) -> u128 { self.0.identity() }
    }
}
