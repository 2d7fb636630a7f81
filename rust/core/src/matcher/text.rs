//! What the text must or may go on with, in bytes and in words.

use std::sync::Arc;

use super::Matcher;
use super::unique::viable;
use crate::error::EngineError;
use crate::provider::{Arena, ByteSet, Cell};
use crate::stack::Configuration;

/// Forced text longer than this is given in pieces.
const MAX_FORCED: usize = 1 << 16;

/// The bytes that may come next; stops looking after `enough` of them.
fn allowed(arena: &Arena, configuration: &Configuration, enough: usize) -> Result<(ByteSet, usize), EngineError> {
    let mut set = ByteSet::default();
    let mut count = 0;
    for byte in 0..=255u8 {
        // PERF: most bytes are refused by every item, which one table read each tells.
        let mut refused = true;
        for item in &configuration.items {
            refused &= matches!(arena.step(item.state, byte)?, Cell::Dead);
        }
        if refused {
            continue;
        }
        let mut next = configuration.clone();
        next.step(arena, byte)?;
        if viable(arena, &next)? {
            set.insert(byte);
            count += 1;
            if count >= enough {
                break;
            }
        }
    }
    Ok((set, count))
}

impl Matcher {
    /// The bytes that may come next.
    pub fn allowed_bytes(&self) -> Result<ByteSet, EngineError> {
        if self.history.stopped() {
            return Ok(ByteSet::default());
        }
        Ok(allowed(self.compiled().arena(), self.configuration(), 256)?.0)
    }

    /// The longest text that must come next: as long as exactly one byte is possible and the text may not end.
    pub fn forced_bytes(&self) -> Result<Vec<u8>, EngineError> {
        let mut forced = Vec::new();
        if self.history.stopped() {
            return Ok(forced);
        }
        let compiled = Arc::clone(self.compiled());
        let mut configuration = self.configuration().clone();
        while configuration.returned.is_empty() && forced.len() < MAX_FORCED {
            let (set, count) = allowed(compiled.arena(), &configuration, 2)?;
            if count != 1 {
                break;
            }
            let Some(byte) = set.iter().next() else { break };
            forced.push(byte);
            configuration.step(compiled.arena(), byte)?;
        }
        Ok(forced)
    }

    /// What may come next, in words, without repetition.
    pub fn expected(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        if !self.history.stopped() {
            for item in &self.configuration().items {
                let word = self.compiled().arena().describe(item.state);
                if !words.contains(&word) {
                    words.push(word);
                }
            }
        }
        if self.is_completed() || self.history.stopped() {
            words.push("the end of the text".to_owned());
        }
        words
    }
}
