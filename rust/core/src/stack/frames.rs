//! Frames and sets of frames.

use std::sync::Arc;

use hashbrown::HashSet;
use smallvec::SmallVec;

use super::keys::Memory;
use super::seen::Seen;
use crate::ids::StateId;

/// So many frames are sorted, more are looked up.
const FEW: usize = 64;

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
    pub fn union<'a>(sets: impl Iterator<Item = &'a Parents>) -> Self {
        let mut bottom = false;
        let mut frames: SmallVec<[Arc<Frame>; 4]> = SmallVec::new();
        // Many sets mostly have the same members: then it costs less to look each up than to sort them all.
        let mut known: HashSet<usize, foldhash::fast::RandomState> = HashSet::default();
        for set in sets {
            bottom |= set.has_bottom();
            if frames.len() < FEW {
                frames.extend(set.frames().iter().cloned());
                continue;
            }
            if known.is_empty() {
                frames.retain(|frame| known.insert(address(frame)));
            }
            frames.extend(set.frames().iter().filter(|frame| known.insert(address(frame))).cloned());
        }
        frames.sort_unstable_by_key(address);
        frames.dedup_by(|a, b| Arc::ptr_eq(a, b));
        Self::from_sorted(bottom, frames)
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
        let frames = self.frames().iter().filter(|f| known.frames().binary_search_by_key(&address(f), address).is_err()).cloned().collect();
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
