//! A walk by bytes, from where a walk by classes is: of tokens with parts of characters, and where letters fare apart. Part of **mask**.

use smallvec::SmallVec;

use super::steps::{Place, Way};
use super::{ClassWalk, Exit, MANY};
use crate::mask::path::{Skip, skipped};
use crate::mask::residual::Leftover;
use crate::vocab::trie::{Node, Trie};

impl ClassWalk<'_> {
    /// Tokens as they are.
    pub(super) fn walk_bytes(&mut self, trie: &Trie, range: std::ops::Range<usize>, start: Place, base: usize) -> Option<()> {
        let mut levels = vec![start; base + 1];
        let mut i = range.start;
        let mut skips: SmallVec<[Skip<'_>; 4]> = SmallVec::new();
        // All children of a node, or one of them.
        skips.extend(self.skip(trie, i, start, base).filter(|skip| skip.children.end == range.end));
        while i < range.end {
            let node = &trie.nodes()[i];
            if let Some(next) = skipped(&mut skips, node) {
                i = next;
                continue;
            }
            self.visited += 1;
            let Node { byte, depth, end, below, deepest, .. } = *node;
            let reach = deepest - depth;
            let (depth, end) = (usize::from(depth), end as usize);
            self.shut(depth);
            self.path.truncate(depth - 1);
            self.path.push(byte);
            let way = self.stepping.byte(levels[depth - 1], byte)?;
            let Some(next) = self.stepping.led(way).next else {
                if way == Way::DEAD {
                    self.leave_bytes(trie, trie.places_below(i))?;
                } else {
                    self.found.tokens.extend_from_slice(&trie.tokens()[trie.places_at(i)]);
                    self.open(way, depth);
                    self.leave_bytes(trie, trie.places_strictly_below(i))?;
                }
                i = end;
                continue;
            };
            if self.accepts_all(next, below, reach, end - i, false)? {
                self.found.tokens.extend_from_slice(&trie.tokens()[trie.places_below(i)]);
                i = end;
                continue;
            }
            self.found.tokens.extend_from_slice(&trie.tokens()[trie.places_at(i)]);
            self.open(way, depth);
            levels.truncate(depth);
            levels.push(next);
            i += 1;
            skips.extend(self.skip(trie, i, next, depth));
        }
        Some(())
    }

    /// What may be skipped of many children, of which `first` is the first, of a node of this depth that led here: what is refused, unless it leaves.
    fn skip<'t>(&mut self, trie: &'t Trie, first: usize, at: Place, depth: usize) -> Option<Skip<'t>> {
        if !self.exits.is_empty() {
            return None;
        }
        let children = trie.children_from(first)?;
        let hopeful = self.stepping.hopeful(at)?;
        Some(Skip { depth: depth as u16 + 1, children, hopeful })
    }

    /// The tokens at these places leave, of a path that is spelled in bytes.
    fn leave_bytes(&mut self, trie: &Trie, places: std::ops::Range<usize>) -> Option<()> {
        for number in 0..self.exits.len() {
            let Exit { depth, value, follow, left } = self.exits[number].clone();
            let at = usize::from(depth);
            if self.path.get(at).is_some_and(|&byte| !follow.contains(byte)) {
                continue;
            }
            self.exits[number].left += places.len();
            if self.exits[number].left > MANY && at > 0 {
                if left <= MANY {
                    let node = self.vocabulary.trie().find(&self.path[..at])?;
                    self.own.subtrees.push((value, node as u32));
                }
                continue;
            }
            for place in places.clone() {
                let token = trie.tokens()[place];
                if follow.contains(self.vocabulary.token_bytes(token)[at]) {
                    self.own.leftovers.push(Leftover { value, token, length: trie.length(place) - depth });
                }
            }
        }
        Some(())
    }
}
