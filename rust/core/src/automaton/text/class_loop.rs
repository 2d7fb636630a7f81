//! Texts of any number of characters, all of one class. Used by the front-ends where a length says how many there may be.
//!
//! Invariant: the one state accepts and leads back to itself on each character of the class.
//! Must not know: lengths.

use std::sync::Arc;

use crate::error::EngineError;
use crate::grammar::CharClass;
use crate::identity::Identity;
use crate::provider::{CodepointAutomaton, CodepointEdge};

/// See the module.
pub struct ClassLoop {
    edges: Arc<[CodepointEdge]>,
    identity: u128,
}

impl ClassLoop {
    /// Of characters of this class.
    pub fn new(class: &CharClass) -> Self {
        let mut identity = Identity::new("class loop");
        for &(low, high) in class.ranges() {
            identity.u32(low).u32(high);
        }
        let edges = class.ranges().iter().map(|&(low, high)| CodepointEdge { low, high, target: 0 }).collect();
        Self { edges, identity: identity.finish() }
    }
}

impl CodepointAutomaton for ClassLoop {
    fn start(&self) -> Result<Option<u32>, EngineError> {
        Ok(Some(0))
    }

    fn accepts(&self, _state: u32) -> Result<bool, EngineError> {
        Ok(true)
    }

    fn edges(&self, _state: u32) -> Result<Arc<[CodepointEdge]>, EngineError> {
        Ok(Arc::clone(&self.edges))
    }

    fn identity(&self) -> u128 {
        self.identity
    }

    fn state_identity(&self, _state: u32) -> Option<u128> {
        Some(self.identity)
    }
}
