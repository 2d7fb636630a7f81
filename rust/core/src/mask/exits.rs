//! Where the rule returned on the path of a walk, and which tokens leave there. Pipeline: part of **mask**.
//!
//! Invariant: a token leaves by an exit only if its next byte may follow there; if many do, they leave as all that lies below the node.
//! Must not know: states.

use smallvec::SmallVec;

use super::residual::{Leaving, Leftover};
use crate::provider::ByteSet;
use crate::vocab::trie::Trie;

/// A place on the current path where the rule returned.
struct Exit {
    depth: u16,
    value: u32,
    follow: ByteSet,
    /// The node, if all that lies below it may be named as one.
    node: Option<u32>,
    /// How many tokens have left here. Once they are many, all below the node leave as what they are.
    left: usize,
}

/// The exits of the current path, and the bytes of the path.
pub struct Exits {
    open: Vec<Exit>,
    bytes: Vec<u8>,
    keep: bool,
}

impl Exits {
    /// The values returned before the walk begins, at a depth, which bytes of `follow` may come after. The trie has nodes up to `deepest`.
    pub fn new(deepest: usize, depth: u16, returned: &[u32], follow: ByteSet, keep: bool) -> Self {
        let open = returned.iter().map(|&value| Exit { depth, value, follow, node: None, left: 0 }).collect();
        Self { open, bytes: vec![0; deepest + 1], keep }
    }

    #[inline]
    /// A byte of the path: exits at its depth or deeper belong to paths that are left.
    pub fn enter(&mut self, depth: u16, byte: u8) {
        self.bytes[usize::from(depth) - 1] = byte;
        while self.open.last().is_some_and(|exit| exit.depth >= depth) {
            self.open.pop();
        }
    }

    /// Is there no way out on the current path?
    pub fn none_open(&self) -> bool {
        self.open.is_empty()
    }

    /// The rule returned these values at a depth, at a node if all that lies below that may be named as one.
    pub fn push(&mut self, depth: u16, values: SmallVec<[u32; 1]>, follow: ByteSet, node: Option<u32>) {
        if !self.keep {
            return;
        }
        self.open.extend(values.into_iter().map(|value| Exit { depth, value, follow, node, left: 0 }));
    }

    /// The tokens at and below node `i`, at which the path has died, leave by every exit that their next byte may follow.
    pub fn leave(&mut self, trie: &Trie, i: usize, leaving: &mut Leaving) {
        for exit in &mut self.open {
            if !exit.follow.contains(self.bytes[usize::from(exit.depth)]) {
                continue;
            }
            let places = trie.places_below(i);
            let before = exit.left;
            exit.left += places.len();
            if let Some(node) = exit.node
                && exit.left > MANY
            {
                // Blanks before a word are the usual case.
                if before <= MANY {
                    leaving.subtrees.push((exit.value, node));
                }
                continue;
            }
            for place in places {
                let length = trie.length(place) - exit.depth;
                leaving.leftovers.push(Leftover { value: exit.value, token: trie.tokens()[place], length });
            }
        }
    }

    /// The same for the tokens strictly below node `i`.
    pub fn leave_below(&mut self, trie: &Trie, i: usize, leaving: &mut Leaving) {
        if self.open.is_empty() {
            return;
        }
        let node = trie.nodes()[i];
        let mut child = i + 1;
        while child < node.end as usize {
            let below = trie.nodes()[child];
            self.bytes[usize::from(node.depth)] = below.byte;
            self.leave(trie, child, leaving);
            child = below.end as usize;
        }
    }
}

/// More tokens than this that leave at one place leave as all that lies below it.
const MANY: usize = 64;
