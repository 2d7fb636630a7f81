//! Several tokens at once: those a speculating model proposes, as a chain or as a tree. Part of **matcher**.
//!
//! Invariant: looking at drafts leaves the matcher as it is, and the mask of a draft's place is the mask of a fork that accepted what leads there. A
//! place that is never reached allows the stop tokens only: nothing made up, and no row without a token.
//! Must not know: who proposes drafts, or how they are verified.

use thiserror::Error;

use super::Matcher;
use super::history::History;
use crate::bitmask;
use crate::error::EngineError;

/// Why a tree of drafts is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DraftError {
    /// There is no node.
    #[error("the tree of drafts has no node: node 0, its root, stands for the place of the matcher")]
    Empty,
    /// The three lists describe different numbers of nodes.
    #[error("next_token has {next_token} nodes, next_sibling {next_sibling} and draft_tokens {draft_tokens}: they must be as many")]
    Lengths {
        /// Of the first.
        next_token: usize,
        /// Of the second.
        next_sibling: usize,
        /// Of the third.
        draft_tokens: usize,
    },
    /// A link to no node.
    #[error("node {node} is linked to {link}, but the nodes are 0 to {last}, and -1 for none")]
    Link {
        /// Whose link it is.
        node: usize,
        /// Where it leads.
        link: i64,
        /// The last node.
        last: usize,
    },
    /// The links are no tree.
    #[error("node {node} is reached twice: the links must form a tree whose root, node 0, has no sibling")]
    Twice {
        /// The node.
        node: usize,
    },
}

/// A tree of drafts in the form that serving engines keep: for each node its first child and its next sibling. Node 0 is the root and stands for the
/// place of the matcher, so its own token does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftTree {
    /// Each node that can be reached, after its parent; without the root.
    order: Vec<(usize, usize)>,
    tokens: Vec<u32>,
}

impl DraftTree {
    /// From links, -1 for none. Nodes that no link leads to are never reached.
    pub fn new(next_token: &[i64], next_sibling: &[i64], tokens: Vec<u32>) -> Result<Self, DraftError> {
        let count = tokens.len();
        if next_token.len() != count || next_sibling.len() != count {
            let (next_token, next_sibling) = (next_token.len(), next_sibling.len());
            return Err(DraftError::Lengths { next_token, next_sibling, draft_tokens: count });
        }
        let last = count.checked_sub(1).ok_or(DraftError::Empty)?;
        let follow = |node: usize, link: i64| match usize::try_from(link) {
            Ok(to) if to <= last => Ok(Some(to)),
            Err(_) if link == -1 => Ok(None),
            _ => Err(DraftError::Link { node, link, last }),
        };
        let mut reached = vec![false; count];
        reached[0] = true;
        let mut order = Vec::with_capacity(last);
        if let Some(node) = follow(0, next_sibling[0])? {
            return Err(DraftError::Twice { node });
        }
        let mut parents = vec![0];
        while let Some(parent) = parents.pop() {
            let mut child = follow(parent, next_token[parent])?;
            while let Some(node) = child {
                if std::mem::replace(&mut reached[node], true) {
                    return Err(DraftError::Twice { node });
                }
                order.push((node, parent));
                parents.push(node);
                child = follow(node, next_sibling[node])?;
            }
        }
        Ok(Self { order, tokens })
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Is there no node? Never: there is a root.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}

impl Matcher {
    /// Go on with tokens, each a step, until one is refused; how many were accepted. After an error nothing has changed.
    pub fn accept_tokens(&mut self, ids: &[u32]) -> Result<usize, EngineError> {
        let before = self.history.clone();
        for (count, &id) in ids.iter().enumerate() {
            match self.accept_token(id) {
                Ok(true) => {}
                Ok(false) => return Ok(count),
                Err(error) => {
                    self.history = before;
                    return Err(error);
                }
            }
        }
        Ok(ids.len())
    }

    /// How many of the tokens could be accepted one after another; the state is unchanged.
    pub fn validate_tokens(&self, ids: &[u32]) -> Result<usize, EngineError> {
        self.ahead().accept_tokens(ids)
    }

    /// Write the masks of a chain of drafts: row 0 is that of the next token, row `i` the one after `i` drafts; `rows` has one row more than there
    /// are drafts. Returns how many drafts the grammar accepts; the rows after a refused one are never reached. The state is unchanged.
    pub fn fill_drafts(&self, drafts: &[u32], rows: &mut [u32]) -> Result<usize, EngineError> {
        let mut ahead = self.ahead();
        let mut rows = rows.chunks_exact_mut(self.words());
        let mut accepted = 0;
        if let Some(row) = rows.next() {
            ahead.fill(row)?;
        }
        for (&draft, row) in drafts.iter().zip(rows.by_ref()) {
            if !ahead.accept_token(draft)? {
                self.write_stop(row);
                break;
            }
            accepted += 1;
            ahead.fill(row)?;
        }
        rows.for_each(|row| self.write_stop(row));
        Ok(accepted)
    }

    /// Write the mask of each node of a tree of drafts: that of the next token after the drafts from the root to the node. Returns for each node
    /// whether the grammar accepts what leads there; the rows of the others are never reached. The state is unchanged.
    pub fn fill_tree(&self, tree: &DraftTree, rows: &mut [u32]) -> Result<Vec<bool>, EngineError> {
        let words = self.words();
        if rows.len() < tree.len() * words {
            return Err(EngineError::Internal("fewer rows than nodes"));
        }
        let mut ahead = self.ahead();
        let mut places: Vec<Option<History>> = vec![None; tree.len()];
        places[0] = Some(ahead.history.clone());
        ahead.fill(&mut rows[..words])?;
        for &(node, parent) in &tree.order {
            let Some(place) = &places[parent] else { continue };
            ahead.history = place.clone();
            if ahead.accept_token(tree.tokens[node])? {
                ahead.fill(&mut rows[node * words..][..words])?;
                places[node] = Some(ahead.history.clone());
            }
        }
        for (row, _) in rows.chunks_exact_mut(words).zip(&places).filter(|(_, place)| place.is_none()) {
            self.write_stop(row);
        }
        Ok(places.iter().map(Option::is_some).collect())
    }

    /// A copy to look ahead with.
    fn ahead(&self) -> Self {
        let mut ahead = self.fork();
        // What is thrown away need not be forgotten in good order.
        ahead.options.max_rollback_tokens = None;
        ahead
    }

    fn words(&self) -> usize {
        self.compiled.vocabulary().words()
    }

    fn write_stop(&self, row: &mut [u32]) {
        row.fill(0);
        self.stop.iter().for_each(|&id| bitmask::set(row, id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_are_no_tree_are_refused() {
        let tree = |next: &[i64], sibling: &[i64], tokens: usize| DraftTree::new(next, sibling, vec![0; tokens]);
        assert_eq!(tree(&[], &[], 0), Err(DraftError::Empty));
        assert_eq!(tree(&[-1], &[-1, -1], 1), Err(DraftError::Lengths { next_token: 1, next_sibling: 2, draft_tokens: 1 }));
        assert_eq!(tree(&[1, -1], &[-1, 2], 2), Err(DraftError::Link { node: 1, link: 2, last: 1 }));
        assert_eq!(tree(&[-2], &[-1], 1), Err(DraftError::Link { node: 0, link: -2, last: 0 }));
        assert_eq!(tree(&[i64::MAX], &[-1], 1), Err(DraftError::Link { node: 0, link: i64::MAX, last: 0 }));
        assert_eq!(tree(&[-1, -1], &[1, -1], 2), Err(DraftError::Twice { node: 1 }));
        assert_eq!(tree(&[1, 0], &[-1, -1], 2), Err(DraftError::Twice { node: 0 }));
        assert_eq!(tree(&[1, -1], &[-1, 1], 2), Err(DraftError::Twice { node: 1 }));
        // Links of nodes that are never reached do not matter, as serving engines leave them unset.
        let tree = tree(&[2, 9, -1], &[-1, 9, -1], 3).unwrap();
        assert_eq!((tree.len(), tree.order), (3, vec![(2, 0)]));
    }
}
