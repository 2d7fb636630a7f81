//! The steps of a text, as a persistent list.

use std::sync::Arc;

use crate::stack::Configuration;

/// Where a text stands, and the way back. Copies share all of it.
#[derive(Clone)]
pub struct History {
    head: Arc<Step>,
    steps: usize,
}

struct Step {
    configuration: Configuration,
    /// Stop tokens accepted so far.
    stopped: bool,
    before: Option<Arc<Step>>,
}

impl Drop for Step {
    /// Long texts are dropped step by step, not by recursion.
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(mut step) = next.and_then(Arc::into_inner) {
            next = step.before.take();
        }
    }
}

impl History {
    pub fn new(configuration: Configuration) -> Self {
        Self { head: Arc::new(Step { configuration, stopped: false, before: None }), steps: 0 }
    }

    pub fn configuration(&self) -> &Configuration {
        &self.head.configuration
    }

    pub fn stopped(&self) -> bool {
        self.head.stopped
    }

    pub fn steps(&self) -> usize {
        self.steps
    }

    pub fn push(&mut self, configuration: Configuration, remember: Option<usize>) {
        self.add(Step { configuration, stopped: false, before: None }, remember);
    }

    pub fn stop(&mut self, remember: Option<usize>) {
        self.add(Step { configuration: self.head.configuration.clone(), stopped: true, before: None }, remember);
    }

    fn add(&mut self, mut step: Step, remember: Option<usize>) {
        step.before = Some(Arc::clone(&self.head));
        self.steps += 1;
        // Forgetting costs a copy of the remembered part, so it is done once per that many steps: at most twice the bound is held.
        if let Some(bound) = remember
            && self.steps > bound.saturating_mul(2)
        {
            step.before = Self::cut(&self.head, bound.saturating_sub(1));
            self.steps = bound;
            if bound == 0 {
                step.before = None;
            }
        }
        self.head = Arc::new(step);
    }

    /// A copy of the list from `step`, `depth` further steps long.
    fn cut(step: &Arc<Step>, depth: usize) -> Option<Arc<Step>> {
        let mut kept = Vec::with_capacity(depth + 1);
        let mut at = Some(step);
        while let Some(step) = at
            && kept.len() <= depth
        {
            kept.push((step.configuration.clone(), step.stopped));
            at = step.before.as_ref();
        }
        kept.into_iter().rev().fold(None, |before, (configuration, stopped)| Some(Arc::new(Step { configuration, stopped, before })))
    }

    pub fn back(&mut self, steps: usize) {
        for _ in 0..steps {
            if let Some(before) = &self.head.before {
                self.head = Arc::clone(before);
                self.steps -= 1;
            }
        }
    }
}
