//! The steps of a text, as a persistent list of blocks.
//!
//! A step of the usual kind is a few numbers in its block; frames below it, and other configurations, are kept once for a block as long as they
//! are alike. So a step that opens nothing new costs about 13 bytes.
//!
//! Invariant: what was pushed comes back as it was; copies share every block, and a shared block is never changed.

use std::sync::Arc;

use crate::ids::StateId;
use crate::stack::{Configuration, Parents, Plain};

/// Where a text stands, and the way back. Copies share all of it but the last place.
#[derive(Clone)]
pub struct History {
    now: Configuration,
    stopped: bool,
    steps: usize,
    before: Option<Arc<Block>>,
    /// Of the block before, so many steps are of this text.
    used: usize,
}

/// Steps one after the other, oldest first.
struct Block {
    before: Option<Arc<Block>>,
    used_before: usize,
    steps: Vec<Step>,
    parents: Vec<Parents>,
    /// What is not plain.
    whole: Vec<Configuration>,
}

/// Steps in a block.
const BLOCK: usize = 512;
/// So many frames and configurations of a block are looked at for one that is the same.
const LOOK_BACK: usize = 16;
/// In the place of a state: no item, or a configuration that is not plain.
const NONE: u32 = u32::MAX;
const WHOLE: u32 = u32::MAX - 1;
/// Beside what is below: stop tokens had been accepted.
const STOPPED: u16 = 1 << 15;

/// 12 bytes.
#[derive(Clone, Copy)]
struct Step {
    state: u32,
    register: u32,
    /// Place of its parents, or of the configuration.
    below: u16,
    /// One more than the value returned; zero: none.
    returned: u16,
}

impl Drop for Block {
    /// Long texts are dropped block by block, not by recursion.
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(mut block) = next.and_then(Arc::into_inner) {
            next = block.before.take();
        }
    }
}

impl Block {
    fn after(before: Option<Arc<Self>>, used_before: usize) -> Self {
        Self { before, used_before, steps: Vec::new(), parents: Vec::new(), whole: Vec::new() }
    }

    fn push(&mut self, configuration: Configuration, stopped: bool) {
        let flag = if stopped { STOPPED } else { 0 };
        let plain = configuration.plain().filter(|(plain, _)| plain.returned != Some(u16::MAX));
        let step = if let Some((plain, parents)) = plain {
            let known = self.parents.iter().rev().take(LOOK_BACK).position(|known| known.alike(parents));
            let below = known.map_or(self.parents.len(), |back| self.parents.len() - 1 - back);
            if known.is_none() {
                self.parents.push(parents.clone());
            }
            let (state, register) = plain.item.map_or((NONE, 0), |(state, register)| (state.0, register));
            Step { state, register, below: below as u16 | flag, returned: plain.returned.map_or(0, |value| value + 1) }
        } else {
            let known = self.whole.iter().rev().take(LOOK_BACK).position(|known| known.alike(&configuration));
            let below = known.map_or(self.whole.len(), |back| self.whole.len() - 1 - back);
            if known.is_none() {
                self.whole.push(configuration);
            }
            Step { state: WHOLE, register: 0, below: below as u16 | flag, returned: 0 }
        };
        self.steps.push(step);
    }

    /// A step as it was; `now` is a configuration of the same text.
    fn get(&self, at: usize, now: &Configuration) -> Option<(Configuration, bool)> {
        let step = self.steps.get(at)?;
        let below = usize::from(step.below & !STOPPED);
        let configuration = if step.state == WHOLE {
            self.whole.get(below)?.clone()
        } else {
            let item = (step.state != NONE).then_some((StateId(step.state), step.register));
            let plain = Plain { item, returned: step.returned.checked_sub(1) };
            now.restored(plain, self.parents.get(below)?.clone())
        };
        Some((configuration, step.below & STOPPED != 0))
    }

    /// Keep the first steps only.
    fn truncate(&mut self, steps: usize) {
        self.steps.truncate(steps);
        let places = |whole: bool| {
            let of = self.steps.iter().filter(move |step| (step.state == WHOLE) == whole);
            of.map(|step| usize::from(step.below & !STOPPED) + 1).max().unwrap_or(0)
        };
        let (parents, whole) = (places(false), places(true));
        self.parents.truncate(parents);
        self.whole.truncate(whole);
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + 2 * size_of::<usize>()
            + self.steps.capacity() * size_of::<Step>()
            + self.parents.capacity() * size_of::<Parents>()
            + self.whole.capacity() * size_of::<Configuration>()
    }
}

impl History {
    pub fn new(configuration: Configuration) -> Self {
        Self { now: configuration, stopped: false, steps: 0, before: None, used: 0 }
    }

    pub fn configuration(&self) -> &Configuration {
        &self.now
    }

    pub fn stopped(&self) -> bool {
        self.stopped
    }

    pub fn steps(&self) -> usize {
        self.steps
    }

    pub fn push(&mut self, configuration: Configuration, remember: Option<usize>) {
        self.add(configuration, false, remember);
    }

    pub fn stop(&mut self, remember: Option<usize>) {
        self.add(self.now.clone(), true, remember);
    }

    fn add(&mut self, configuration: Configuration, stopped: bool, remember: Option<usize>) {
        let last = (std::mem::replace(&mut self.now, configuration), std::mem::replace(&mut self.stopped, stopped));
        if remember == Some(0) {
            return;
        }
        self.remember(last);
        // Forgetting costs a copy of the remembered part, so it is done once per that many steps: at most twice the bound is held.
        if let Some(bound) = remember
            && self.steps > bound.saturating_mul(2)
        {
            self.forget(bound);
        }
    }

    /// Write down a step that is left.
    fn remember(&mut self, (configuration, stopped): (Configuration, bool)) {
        self.steps += 1;
        if self.used < BLOCK
            && let Some(block) = self.before.as_mut().and_then(Arc::get_mut)
        {
            if block.steps.len() > self.used {
                block.truncate(self.used);
            }
            block.push(configuration, stopped);
        } else {
            let mut block = Block::after(self.before.take(), self.used);
            block.push(configuration, stopped);
            self.before = Some(Arc::new(block));
            self.used = 0;
        }
        self.used += 1;
    }

    /// Only the last `bound` steps stay.
    fn forget(&mut self, bound: usize) {
        let mut kept = Vec::with_capacity(bound);
        let (mut at, mut used) = (self.before.as_ref(), self.used);
        while let Some(block) = at
            && kept.len() < bound
        {
            while used > 0 && kept.len() < bound {
                used -= 1;
                kept.extend(block.get(used, &self.now));
            }
            (at, used) = (block.before.as_ref(), block.used_before);
        }
        (self.before, self.used, self.steps) = (None, 0, 0);
        for step in kept.into_iter().rev() {
            self.remember(step);
        }
    }

    pub fn back(&mut self, steps: usize) {
        let mut left = steps.min(self.steps);
        if left == 0 {
            return;
        }
        self.steps -= left;
        while left > self.used {
            left -= self.used;
            let Some(block) = self.before.take() else { return };
            self.used = block.used_before;
            self.before.clone_from(&block.before);
        }
        self.used -= left;
        if let Some((configuration, stopped)) = self.before.as_ref().and_then(|block| block.get(self.used, &self.now)) {
            (self.now, self.stopped) = (configuration, stopped);
        }
    }

    /// Bytes of the way back, what copies share included; the frames that steps stand on are not counted.
    pub fn memory_bytes(&self) -> usize {
        let mut bytes = 0;
        let mut at = self.before.as_ref();
        while let Some(block) = at {
            bytes += block.memory_bytes();
            at = block.before.as_ref();
        }
        bytes
    }
}
