//! Text that must come next, as tokens that can be taken without asking the model. Part of **matcher**.
//!
//! Where a forced text ends, a tokenizer may well spell its last bytes together with what follows them. A model has seen such spellings and no
//! others, so tokens are given only up to a place that no token of any continuation crosses.
//!
//! Invariant: the tokens are a beginning of the forced text; no token begins before their end and goes on past the forced text, as the grammar has
//! it. Must not know: tokenizer libraries.

use std::sync::Arc;

use super::Matcher;
use super::unique::viable;
use crate::error::EngineError;
use crate::stack::Configuration;
use crate::vocab::Spelling;

impl Matcher {
    /// The tokens of the forced text, spelled as [`crate::vocab::Vocabulary::spell`] does. None past a byte that has no token.
    pub fn forced_tokens(&self, spelling: Spelling) -> Result<Vec<u32>, EngineError> {
        let forced = self.forced_bytes()?;
        let tokens = self.compiled().vocabulary().spell(&forced, spelling).unwrap_or_default();
        self.settled(&forced, &tokens)
    }

    /// The longest beginning of `tokens`, some spelling of the text `forced` that comes next, that no token of any continuation crosses. Empty if
    /// they spell another text.
    pub fn settled(&self, forced: &[u8], tokens: &[u32]) -> Result<Vec<u32>, EngineError> {
        let compiled = Arc::clone(self.compiled());
        let vocabulary = compiled.vocabulary();
        let mut after = self.configuration().clone();
        if !after.step_all(compiled.arena(), forced)? {
            return Ok(Vec::new());
        }
        let mut end = 0;
        for &token in tokens {
            let bytes = vocabulary.token_bytes(token);
            if !vocabulary.is_text(token) || !forced[end..].starts_with(bytes) {
                return Ok(Vec::new());
            }
            end += bytes.len();
        }
        if end != forced.len() {
            return Ok(Vec::new());
        }
        // A token that crosses the end has at least one byte past it.
        let earliest = forced.len().saturating_sub(vocabulary.longest_token().saturating_sub(1));
        let mut bound = forced.len();
        for start in earliest..forced.len() {
            if self.goes_on(&after, &forced[start..])? {
                bound = start;
                break;
            }
        }
        let mut end = 0;
        let settled = tokens.iter().copied().take_while(|&token| {
            end += vocabulary.token_bytes(token).len();
            end <= bound
        });
        Ok(settled.collect())
    }

    /// Is there a token of `beginning` and more, where the grammar lets the rest follow `after`?
    fn goes_on(&self, after: &Configuration, beginning: &[u8]) -> Result<bool, EngineError> {
        let trie = self.compiled().vocabulary().trie();
        let Some(root) = trie.find(beginning) else { return Ok(false) };
        let nodes = trie.nodes();
        // The configurations on the way to the node, by depth below the root.
        let mut path: Vec<Configuration> = vec![after.clone()];
        let mut at = root + 1;
        while at < nodes[root].end as usize {
            let depth = usize::from(nodes[at].depth) - beginning.len();
            path.truncate(depth);
            let mut next = path[depth - 1].clone();
            next.step(self.compiled().arena(), nodes[at].byte)?;
            if !viable(self.compiled().arena(), &next)? {
                at = nodes[at].end as usize;
                continue;
            }
            if !trie.places_at(at).is_empty() {
                return Ok(true);
            }
            path.push(next);
            at += 1;
        }
        Ok(false)
    }
}
