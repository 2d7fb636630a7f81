//! Frames and sets of frames.

use std::sync::Arc;

use hashbrown::HashSet;
use smallvec::SmallVec;

use super::keys::Memory;
use super::seen::Seen;
use crate::ids::StateId;

/// So many frames are sorted, more are looked up.
const FEW: usize = 64;

/// Of a set so many times smaller, each frame is looked up; of others, both are gone through together.
const SPARSE: usize = 8;

/// So many frames one below the other are compared.
const ALIKE: usize = 8;

/// Where to go on when a called rule returns.
#[derive(Debug)]
pub struct Frame {
    /// Given to `on_return` with the returned value.
    pub return_to: StateId,
    /// The caller's register.
    pub register: u64,
    /// The keys that the caller's object has used.
    pub memory: Memory,
    /// The items that the caller's array has had.
    pub seen: Seen,
    /// The offset of the text at which the called rule began, if it reads an item that must not (or must) repeat another.
    pub since: u64,
    /// This frame, or one below it, is one where such an item is read.
    pub tracked: bool,
    /// There is a way down to the bottom on which no item must repeat another.
    pub free: bool,
    /// Below.
    pub parents: Parents,
}

/// A flat set of frames, sorted by address; `bottom` is the end of the stack (or, for masks, what is not known).
#[derive(Clone, Debug)]
pub enum Parents {
    /// Only the bottom.
    Bottom,
    /// One frame.
    One(Arc<Frame>),
    /// Several frames, or some and the bottom.
    Many(Arc<Many>),
}

/// See [`Parents::Many`].
#[derive(Debug)]
pub struct Many {
    bottom: bool,
    frames: Box<[Arc<Frame>]>,
}

fn address(frame: &Arc<Frame>) -> usize {
    Arc::as_ptr(frame) as usize
}

impl Parents {
    /// The frames, sorted by address.
    #[inline]
    pub fn frames(&self) -> &[Arc<Frame>] {
        match self {
            Self::Bottom => &[],
            Self::One(frame) => std::slice::from_ref(frame),
            Self::Many(many) => &many.frames,
        }
    }

    /// Is the bottom in the set?
    #[inline]
    pub fn has_bottom(&self) -> bool {
        match self {
            Self::Bottom => true,
            Self::One(_) => false,
            Self::Many(many) => many.bottom,
        }
    }

    /// The same set?
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bottom, Self::Bottom) => true,
            (Self::One(a), Self::One(b)) => Arc::ptr_eq(a, b),
            (Self::Many(a), Self::Many(b)) => {
                Arc::ptr_eq(a, b)
                    || a.bottom == b.bottom
                        && a.frames.len() == b.frames.len()
                        && a.frames.iter().zip(&b.frames).all(|(x, y)| Arc::ptr_eq(x, y))
            }
            _ => false,
        }
    }

    /// Frames that go on alike, if not the same ones? No if that is not seen at once.
    pub fn alike(&self, other: &Self) -> bool {
        let (mut a, mut b) = (self, other);
        for _ in 0..ALIKE {
            let (Self::One(x), Self::One(y)) = (a, b) else { break };
            if Arc::ptr_eq(x, y) {
                return true;
            }
            let equal = x.return_to == y.return_to && x.register == y.register && x.memory.same(&y.memory) && x.seen.same(&y.seen);
            if !equal || x.tracked || y.tracked || x.free != y.free {
                return false;
            }
            (a, b) = (&x.parents, &y.parents);
        }
        a.same(b)
    }

    /// A number that equal sets share, and few others.
    pub fn fingerprint(&self) -> u64 {
        let frames = self.frames();
        let ends = frames.first().map_or(0, address) ^ frames.last().map_or(0, address).rotate_left(17);
        (ends ^ frames.len().rotate_left(40)) as u64 ^ u64::from(self.has_bottom())
    }

    /// Is an item that must not, or must, repeat another being read below?
    #[inline]
    pub fn tracked(&self) -> bool {
        self.frames().iter().any(|frame| frame.tracked)
    }

    /// Is there a way down to the bottom on which no item must repeat another?
    #[inline]
    pub fn free(&self) -> bool {
        self.has_bottom() || self.frames().iter().any(|frame| frame.free)
    }

    /// Is every member of `other` a member?
    pub fn contains(&self, other: &Self) -> bool {
        (self.has_bottom() || !other.has_bottom())
            && other.frames().iter().all(|f| self.frames().binary_search_by_key(&address(f), address).is_ok())
    }

    /// The union of several sets.
    ///
    /// PERF: of an ambiguous text the frames at one place lie on sets that contain each other, and to count one more reference to a frame takes longer
    /// than to look it up. So only what the largest lacks is copied.
    pub fn union<'a>(sets: impl Iterator<Item = &'a Parents> + Clone) -> Self {
        let bottom = sets.clone().any(Self::has_bottom);
        let Some(largest) = sets.clone().max_by_key(|set| set.frames().len()) else { return Self::from_sorted(bottom, SmallVec::new()) };
        let mut more: SmallVec<[Arc<Frame>; 4]> = SmallVec::new();
        // Many sets mostly have the same members: then it costs less to look each up than to sort them all.
        let mut known: HashSet<usize, foldhash::fast::RandomState> = HashSet::default();
        for set in sets {
            largest.lacks(set, |frame| {
                if more.len() == FEW && known.is_empty() {
                    more.retain(|frame| known.insert(address(frame)));
                }
                if known.is_empty() || known.insert(address(frame)) {
                    more.push(Arc::clone(frame));
                }
            });
        }
        if more.is_empty() && largest.has_bottom() == bottom {
            return largest.clone();
        }
        more.extend(largest.frames().iter().cloned());
        more.sort_unstable_by_key(address);
        more.dedup_by(|a, b| Arc::ptr_eq(a, b));
        Self::from_sorted(bottom, more)
    }

    /// The frames of another set that are not in this one.
    fn lacks<'o>(&self, other: &'o Self, mut each: impl FnMut(&'o Arc<Frame>)) {
        let (own, others) = (self.frames(), other.frames());
        if own.as_ptr() == others.as_ptr() {
            return;
        }
        if others.len() * SPARSE < own.len() {
            let absent = |frame: &&Arc<Frame>| own.binary_search_by_key(&address(frame), address).is_err();
            others.iter().filter(absent).for_each(each);
            return;
        }
        let mut at = 0;
        for frame in others {
            while own.get(at).is_some_and(|own| address(own) < address(frame)) {
                at += 1;
            }
            if own.get(at).is_none_or(|own| !Arc::ptr_eq(own, frame)) {
                each(frame);
            }
        }
    }

    fn from_sorted(bottom: bool, mut frames: SmallVec<[Arc<Frame>; 4]>) -> Self {
        match (bottom, frames.len()) {
            (true, 0) => Self::Bottom,
            (false, 1) => match frames.pop() {
                Some(frame) => Self::One(frame),
                None => Self::Bottom,
            },
            _ => Self::Many(Arc::new(Many { bottom, frames: frames.into_vec().into() })),
        }
    }

    /// The members that `known` lacks: frames, and whether the bottom is one of them.
    pub fn beyond(&self, known: &Self) -> (SmallVec<[Arc<Frame>; 1]>, bool) {
        let mut frames = SmallVec::new();
        known.lacks(self, |frame| frames.push(Arc::clone(frame)));
        (frames, self.has_bottom() && !known.has_bottom())
    }
}

impl Frame {
    /// The same above other frames.
    #[must_use]
    pub fn above(&self, parents: Parents) -> Self {
        let (memory, seen) = (self.memory.clone(), self.seen.clone());
        Self {
            return_to: self.return_to,
            register: self.register,
            memory,
            seen,
            since: self.since,
            tracked: self.tracked,
            free: self.free,
            parents,
        }
    }

    /// The same, if its array had had no items.
    #[must_use]
    pub fn without_items(&self) -> Self {
        let mut frame = self.above(self.parents.clone());
        frame.seen = Seen::default();
        frame
    }
}

impl Drop for Frame {
    /// Deep stacks are dropped frame by frame, not by recursion.
    fn drop(&mut self) {
        let mut next = std::mem::replace(&mut self.parents, Parents::Bottom);
        let mut open: Vec<Parents> = Vec::new();
        loop {
            match next {
                Parents::Bottom => {}
                Parents::One(frame) => {
                    if let Some(mut frame) = Arc::into_inner(frame) {
                        next = std::mem::replace(&mut frame.parents, Parents::Bottom);
                        continue;
                    }
                }
                Parents::Many(many) => {
                    if let Some(many) = Arc::into_inner(many) {
                        for frame in many.frames {
                            if let Some(mut frame) = Arc::into_inner(frame) {
                                open.push(std::mem::replace(&mut frame.parents, Parents::Bottom));
                            }
                        }
                    }
                }
            }
            let Some(more) = open.pop() else { break };
            next = more;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A set of some frames, and of the bottom.
    fn set(all: &[Arc<Frame>], members: &BTreeSet<usize>, bottom: bool) -> Parents {
        let mut frames: SmallVec<[Arc<Frame>; 4]> = members.iter().map(|&at| Arc::clone(&all[at])).collect();
        frames.sort_unstable_by_key(address);
        Parents::from_sorted(bottom, frames)
    }

    proptest! {
        #[test]
        fn sets_are_joined_and_compared(
            sets in prop::collection::vec((prop::collection::btree_set(0_usize..200, 0..12), any::<bool>()), 1..12),
            large in prop::collection::btree_set(0_usize..200, 0..150),
        ) {
            let frame = |at| Frame {
                return_to: StateId(at),
                register: 0,
                memory: Memory::NONE,
                seen: Seen::NONE,
                since: 0,
                tracked: false,
                free: true,
                parents: Parents::Bottom,
            };
            let all: Vec<Arc<Frame>> = (0..200).map(|at| Arc::new(frame(at))).collect();
            let members = |set: &Parents| set.frames().iter().map(|frame| frame.return_to.index()).collect::<BTreeSet<usize>>();
            let mut sets = sets;
            sets.push((large, false));
            // Nothing at all is no set of frames.
            sets.retain(|(members, bottom)| *bottom || !members.is_empty());
            let parents: Vec<Parents> = sets.iter().map(|(members, bottom)| set(&all, members, *bottom)).collect();
            let union = Parents::union(parents.iter());
            prop_assert_eq!(members(&union), sets.iter().flat_map(|(members, _)| members).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(union.has_bottom(), sets.iter().any(|(_, bottom)| *bottom));
            prop_assert!(union.frames().is_sorted_by_key(address));
            for (a, (in_a, bottom_a)) in parents.iter().zip(&sets) {
                for (b, (in_b, bottom_b)) in parents.iter().zip(&sets) {
                    let (new, bottom) = a.beyond(b);
                    prop_assert_eq!(new.iter().map(|frame| frame.return_to.index()).collect::<BTreeSet<_>>(), in_a - in_b);
                    prop_assert_eq!(bottom, *bottom_a && !bottom_b);
                }
            }
        }
    }
}
