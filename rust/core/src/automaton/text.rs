//! Placeholder until the text automaton lands.

use std::sync::Arc;

use crate::error::{CompileError, EngineError};
use crate::provider::{Arena, Attached, CodepointAutomaton};

/// To come.
pub fn attach_raw(_arena: &Arena, _automaton: Arc<dyn CodepointAutomaton>) -> Result<Attached, CompileError> {
    Err(EngineError::Internal("the text automaton is missing").into())
}
