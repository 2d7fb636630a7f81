//! What called rules allow below a shape, kept for others that call them. Part of **mask**.

use std::sync::Arc;

use smallvec::SmallVec;

use super::steps::{Place, Stepping};
use super::{ClassWalk, Classed, FUEL};
use crate::ids::StateId;
use crate::mask::Mask;
use crate::mask::local::Local;
use crate::mask::parts::PART_DEPTH;
use crate::mask::residual::Leaving;
use crate::vocab::Shapes;

/// Of shapes with at least so many below them it is kept, and where so many items are alive at most.
const PART: usize = if cfg!(test) { 2 } else { 64 };
const ITEMS: usize = 16;

impl ClassWalk<'_> {
    /// If the place at shape `i` is in called rules, what these allow below it, and what what called them makes of the rest.
    pub(super) fn add_parts(&mut self, shapes: &Shapes, i: usize, place: Place) -> Option<bool> {
        let frames = match self.stepping.local(place) {
            Local::One { parents, .. } => parents != 0,
            Local::Full(_) => true,
        };
        let size = shapes.shapes()[i].end as usize - i;
        if !frames || size < PART || self.stepping.frozen || self.depth >= PART_DEPTH || !self.exits.is_empty() {
            return Some(false);
        }
        let items = self.stepping.table.configuration(self.stepping.local(place)).items;
        let arena = self.stepping.arena;
        if items.len() > ITEMS || items.iter().any(|item| arena.facts(item.state).counting) {
            // Where something is counted, few callers come with the same count.
            return Some(false);
        }
        let parts: Option<SmallVec<[Arc<Mask>; 2]>> = items.iter().map(|item| self.part_of(shapes, i, item.state, item.register)).collect();
        let Some(parts) = parts else { return Some(false) };
        let store = self.store;
        // Whoever is asked about the rest may need the tables.
        self.stepping.table.keep_tables(std::mem::take(&mut self.stepping.steps));
        let Classed { masks, leaving, .. } = &mut self.found;
        let left = items.iter().zip(parts).try_for_each(|(item, part)| {
            let rest = part.residual.clone();
            masks.push(part);
            store.leave(arena, self.stepping.table, rest.as_ref(), &item.parents, self.depth + 1, leaving, |mask| masks.push(mask))
        });
        self.stepping.steps = self.stepping.table.take_tables();
        left.ok()?;
        if !self.keep {
            self.found.leaving = Leaving::default();
        }
        Some(true)
    }

    /// What a state allows strictly below a shape, whatever called its rule; `None` if that does not go by classes.
    fn part_of(&mut self, shapes: &Shapes, i: usize, state: StateId, register: u64) -> Option<Arc<Mask>> {
        let (store, arena) = (self.store, self.stepping.arena);
        let key = (i as u32, state, arena.view(state, register, self.vocabulary.longest_token() as u64));
        if let Some(known) = store.shape_parts.get(&key) {
            return known.clone();
        }
        let Stepping { table, steps, .. } = &mut self.stepping;
        let stepping = Stepping { arena, table, steps: std::mem::take(steps), frozen: false, fuel: FUEL };
        let mut walk = ClassWalk::new(store, stepping, self.path.clone(), true, self.depth + 1);
        let done = walk.below(shapes, i, Local::One { state, register, parents: 0 });
        let ClassWalk { stepping: Stepping { steps, .. }, found, .. } = walk;
        self.stepping.steps = steps;
        let mask = done.map(|()| Arc::new(store.mask_of(found)));
        if let Some(mask) = &mask {
            store.count_bytes(mask);
        }
        store.shape_parts.insert(key, mask.clone());
        mask
    }

    /// Walk what lies strictly below a shape, where the path leads.
    fn below(&mut self, shapes: &Shapes, i: usize, start: Local) -> Option<()> {
        let start = self.stepping.place(start)?;
        let base = self.path.len();
        self.walk_shapes(shapes, i + 1..shapes.shapes()[i].end as usize, start, base)?;
        self.forget_touched();
        self.join_own();
        Some(())
    }
}
