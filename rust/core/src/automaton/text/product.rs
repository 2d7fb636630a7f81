//! Products of automata over characters: which components still live, and what the text is worth if it ends. Used by the lifting
//! to bytes, which knows how characters are spelled.
//!
//! Invariant: a product is canonical. A component whose verdict is known is replaced by that verdict, a component that no outcome asks
//! about is dropped, and lengths are no part of it but cut the outcome into segments of the character count; so products that demand the
//! same of what is to come are mostly one product, and equal content is always one.
//! Must not know: bytes, escapes, quotes.

use std::sync::atomic::AtomicU8;
use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::guard::{Ends, Guard};
use super::names::{NameMapId, Names};
use super::outcome::{Mapped, Outcome};
use super::{Length, TextSpec};
use crate::characters::Kinds;
use crate::error::EngineError;
use crate::limits::Limits;
use crate::maps::{self, Concurrent};
use crate::provider::{CodepointAutomaton, CodepointEdge, Loosened};

/// The ranges of Unicode scalar values.
pub(super) const SCALARS: [(u32, u32); 2] = [(0, 0xD7FF), (0xE000, 0x10_FFFF)];

/// A product, by number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(super) struct ProductId(u32);

/// A component in one of its states. Its index in the product is its variable in the outcomes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Part {
    component: u32,
    pub(super) state: u32,
}

/// What a product is.
#[derive(PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub(super) parts: Box<[Part]>,
    /// Names that may still come: where the text ends as one of them, what is said there goes before the outcomes.
    pub(super) names: Option<NameMapId>,
    /// What the text is worth if it ends, by segment of the character count. Without names the last one is not refused.
    pub(super) outcomes: Box<[Outcome]>,
    /// Where each segment ends: the first count that is no longer in it. Ascending; the last may be `u64::MAX`, never.
    pub(super) limits: Box<[u64]>,
}

impl Key {
    /// Is no character different from another?
    pub(super) fn is_plain(&self) -> bool {
        self.parts.is_empty() && self.names.is_none()
    }

    /// Does it depend on how many characters there are?
    pub(super) fn counts(&self) -> bool {
        self.limits.first() != Some(&u64::MAX)
    }

    /// The outcome for a text that ends with `count` characters.
    pub(super) fn outcome_at(&self, count: u64) -> Option<&Outcome> {
        let segment = self.limits.partition_point(|&limit| limit <= count);
        self.outcomes.get(segment)
    }
}

/// All characters from `low` to `high` lead to `target`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Move {
    pub(super) low: u32,
    pub(super) high: u32,
    pub(super) target: ProductId,
}

pub(super) struct Product {
    pub(super) key: Arc<Key>,
    /// The leaf of the first segment's outcome if the text ends here.
    verdict: OnceLock<u32>,
    moves: OnceLock<Box<[Move]>>,
    live: OnceLock<Box<[Move]>>,
    /// What the search for a completion has found.
    pub(super) viable: AtomicU8,
    guard: OnceLock<Guard>,
    pub(super) ends: OnceLock<Option<Ends>>,
    /// With how few more characters it is accepted, where that is known not to be many.
    shortest: OnceLock<u64>,
    /// Once the count has left the first segment.
    next_segment: OnceLock<Option<ProductId>>,
    pub(super) endless: [OnceLock<bool>; 2],
    /// What it is by content, if that is known, within the limits of the grammar.
    pub(super) identity: OnceLock<Option<u128>>,
}

struct Component {
    automaton: Arc<dyn CodepointAutomaton>,
    trie: bool,
    /// How long its texts are at most, if that is known.
    longest: OnceLock<Option<u64>>,
    /// By state.
    known: Concurrent<u32, Known>,
}

/// The products made so far.
pub(super) struct Products {
    components: boxcar::Vec<Component>,
    by_identity: Concurrent<u128, u32>,
    made: boxcar::Vec<Product>,
    by_key: Concurrent<Arc<Key>, u32>,
    pub(super) names: Names,
}

impl Default for Products {
    fn default() -> Self {
        Self {
            components: boxcar::Vec::default(),
            by_identity: maps::few(),
            made: boxcar::Vec::default(),
            by_key: maps::few(),
            names: Names::default(),
        }
    }
}

/// A component state as far as its verdict is known.
#[derive(Clone, Copy)]
enum Known {
    Always(bool),
    Open,
}

impl Products {
    pub(super) fn get(&self, id: ProductId) -> &Product {
        &self.made[id.0 as usize]
    }

    pub(super) fn key(&self, id: ProductId) -> &Key {
        &self.get(id).key
    }

    /// Rough size in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.made.count() * (size_of::<Product>() + 192) + self.names.memory_bytes()
    }

    pub(super) fn shortest_cell(&self, id: ProductId) -> &OnceLock<u64> {
        &self.get(id).shortest
    }

    pub(super) fn guard_cell(&self, id: ProductId) -> &OnceLock<Guard> {
        &self.get(id).guard
    }

    /// The number of a component; equal languages share one, so that their states are numbered alike.
    fn component(&self, automaton: &Arc<dyn CodepointAutomaton>) -> u32 {
        *self.by_identity.entry(automaton.identity()).or_insert_with(|| {
            let (automaton, trie) = (Arc::clone(automaton), automaton.is_trie());
            self.components.push(Component { automaton, trie, longest: OnceLock::new(), known: maps::few() }) as u32
        })
    }

    pub(super) fn automaton(&self, part: Part) -> &dyn CodepointAutomaton {
        &*self.components[part.component as usize].automaton
    }

    /// See [`CodepointAutomaton::state_identity`].
    pub(super) fn part_identity(&self, part: Part) -> Option<u128> {
        self.automaton(part).state_identity(part.state)
    }

    fn accepts(&self, part: Part) -> Result<bool, EngineError> {
        self.automaton(part).accepts(part.state)
    }

    fn edges(&self, part: Part) -> Result<Arc<[CodepointEdge]>, EngineError> {
        self.automaton(part).edges(part.state)
    }

    pub(super) fn is_trie(&self, part: Part) -> bool {
        self.components[part.component as usize].trie
    }

    fn known(&self, part: Part) -> Result<Known, EngineError> {
        // What is no text at all any more is found out by who looks for an end.
        if self.is_trie(part) || !self.automaton(part).settles() {
            return Ok(Known::Open);
        }
        let known = &self.components[part.component as usize].known;
        if let Some(known) = known.get(&part.state) {
            return Ok(*known);
        }
        let verdict = self.find_known(part)?;
        known.insert(part.state, verdict);
        Ok(verdict)
    }

    fn find_known(&self, part: Part) -> Result<Known, EngineError> {
        let edges = self.edges(part)?;
        let accepts = self.accepts(part)?;
        if !accepts {
            return Ok(if edges.is_empty() { Known::Always(false) } else { Known::Open });
        }
        // Universal: every character leads back here.
        let mut ranges = edges.iter().peekable();
        for (low, high) in SCALARS {
            let mut next = low;
            while next <= high {
                match ranges.next() {
                    Some(edge) if edge.target == part.state && edge.low == next => next = edge.high + 1,
                    _ => return Ok(Known::Open),
                }
            }
        }
        Ok(Known::Always(true))
    }

    /// The canonical product, if some of its outcomes is not refused. Variables of the outcomes are indexes of parts.
    pub(super) fn make(
        &self,
        parts: &[Part],
        mut names: Option<NameMapId>,
        mut outcomes: Vec<Outcome>,
        mut limits: Vec<u64>,
        bound: &Limits,
    ) -> Result<Option<ProductId>, EngineError> {
        if names.is_some_and(|names| self.names.is_alone(names)) {
            (outcomes, limits) = (vec![Outcome::refused()], vec![u64::MAX]);
        }
        // Names that are all refused change nothing where everything is.
        if outcomes.iter().all(Outcome::is_refused) {
            names = names.filter(|&names| self.names.hopeful(names));
        }
        while names.is_none() && outcomes.last().is_some_and(Outcome::is_refused) {
            outcomes.pop();
            limits.pop();
        }
        if outcomes.is_empty() {
            return Ok(None);
        }
        let mut used: SmallVec<[bool; 16]> = smallvec::smallvec![false; parts.len()];
        for variable in outcomes.iter().flat_map(Outcome::variables) {
            used[variable as usize] = true;
        }
        let parts: Box<[Part]> = if used.iter().all(|&u| u) {
            parts.into()
        } else {
            let mut names = vec![0; parts.len()];
            let mut kept = Vec::new();
            for (i, part) in parts.iter().enumerate().filter(|&(i, _)| used[i]) {
                names[i] = kept.len() as u32;
                kept.push(*part);
            }
            if !kept.is_empty() {
                for outcome in &mut outcomes {
                    *outcome = outcome.map(|v| Mapped::Variable(names[v as usize]));
                }
            }
            kept.into()
        };
        // Segments that ask the same are one.
        let mut i = 1;
        while i < outcomes.len() {
            if outcomes[i] == outcomes[i - 1] {
                outcomes.remove(i);
                limits.remove(i - 1);
            } else {
                i += 1;
            }
        }
        self.intern(Key { parts, names, outcomes: outcomes.into(), limits: limits.into() }, bound).map(Some)
    }

    fn intern(&self, key: Key, bound: &Limits) -> Result<ProductId, EngineError> {
        if let Some(id) = self.by_key.get(&key) {
            return Ok(ProductId(*id));
        }
        Limits::check("max_states", self.made.count() + 1, bound.max_states)?;
        let key = Arc::new(key);
        let id = *self.by_key.entry(Arc::clone(&key)).or_insert_with(|| {
            let product = Product {
                key,
                verdict: OnceLock::new(),
                moves: OnceLock::new(),
                live: OnceLock::new(),
                viable: AtomicU8::new(0),
                guard: OnceLock::new(),
                ends: OnceLock::new(),
                shortest: OnceLock::new(),
                next_segment: OnceLock::new(),
                endless: Default::default(),
                identity: OnceLock::new(),
            };
            self.made.push(product) as u32
        });
        Ok(ProductId(id))
    }

    /// The product that accepts every text with the value of `leaf`.
    pub(super) fn base(&self, leaf: u32, bound: &Limits) -> Result<ProductId, EngineError> {
        let outcomes = Box::new([Outcome::leaf(leaf)]);
        self.intern(Key { parts: Box::new([]), names: None, outcomes, limits: Box::new([u64::MAX]) }, bound)
    }

    /// The product before the first character; `None`: every text is refused.
    pub(super) fn start(&self, spec: &TextSpec, names: Option<NameMapId>, bound: &Limits) -> Result<Option<ProductId>, EngineError> {
        let components = spec.components.len();
        let mut mapping = Vec::with_capacity(components);
        let mut parts = Vec::with_capacity(components);
        for automaton in &spec.components {
            let Some(state) = automaton.start()? else {
                mapping.push(Mapped::Constant(false));
                continue;
            };
            // The number of a state means something only to the automaton that the component stands for.
            let component = self.component(automaton);
            let kept = &self.components[component as usize].automaton;
            let state = if Arc::ptr_eq(kept, automaton) { Some(state) } else { kept.start()? };
            let Some(state) = state else {
                mapping.push(Mapped::Constant(false));
                continue;
            };
            let part = Part { component, state };
            mapping.push(match self.known(part)? {
                Known::Always(verdict) => Mapped::Constant(verdict),
                Known::Open => {
                    parts.push(part);
                    Mapped::Variable(parts.len() as u32 - 1)
                }
            });
        }
        let lengths = without_idle_bounds(spec);
        let limits = segments(spec, &lengths);
        let mut outcomes = Vec::with_capacity(limits.len());
        let mut first = 0;
        for &limit in &limits {
            outcomes.push(spec.outcome.map(|v| match mapping.get(v as usize) {
                Some(&mapped) => mapped,
                None => Mapped::Constant(lengths.get(v as usize - components).is_some_and(|l| l.holds(first))),
            }));
            first = limit;
        }
        self.make(&parts, names, outcomes, limits, bound)
    }

    /// The product once the count has left the first segment.
    pub(super) fn next_segment(&self, id: ProductId, bound: &Limits) -> Result<Option<ProductId>, EngineError> {
        let Product { key, next_segment, .. } = self.get(id);
        if let Some(&next) = next_segment.get() {
            return Ok(next);
        }
        let next = self.make(&key.parts, key.names, key.outcomes[1..].to_vec(), key.limits[1..].to_vec(), bound)?;
        Ok(*next_segment.get_or_init(|| next))
    }

    /// The product of the texts that are none of the names; `None`: they are refused.
    pub(super) fn nameless(&self, id: ProductId, bound: &Limits) -> Result<Option<ProductId>, EngineError> {
        let key = self.key(id);
        match self.make(&key.parts, None, key.outcomes.to_vec(), key.limits.to_vec(), bound)? {
            Some(others) if self.viable(others, bound)? => Ok(Some(others)),
            _ => Ok(None),
        }
    }

    /// The product if the first segment of the count had no end.
    pub(super) fn unlimited(&self, id: ProductId, bound: &Limits) -> Result<Option<ProductId>, EngineError> {
        let key = self.key(id);
        self.make(&key.parts, key.names, vec![key.outcomes[0].clone()], vec![u64::MAX], bound)
    }

    /// The leaf of a text that ends here, for `outcome` over the parts of this product.
    pub(super) fn leaf_of(&self, key: &Key, outcome: &Outcome) -> Result<u32, EngineError> {
        match key.names.and_then(|names| self.names.leaf(names)) {
            Some(leaf) => Ok(leaf),
            None => outcome.try_leaf(|v| self.accepts(key.parts[v as usize])),
        }
    }

    /// The leaf of a text that ends here, in the first segment: 0 refused, v + 1 accepted with value v.
    pub(super) fn verdict(&self, id: ProductId) -> Result<u32, EngineError> {
        let product = self.get(id);
        if let Some(&leaf) = product.verdict.get() {
            return Ok(leaf);
        }
        let leaf = self.leaf_of(&product.key, &product.key.outcomes[0])?;
        Ok(*product.verdict.get_or_init(|| leaf))
    }

    /// The leaf in the first segment if the text is no name and no component accepts.
    pub(super) fn verdict_if_all_fail(&self, id: ProductId) -> u32 {
        self.key(id).outcomes[0].evaluate(|_| false).map_or(0, |v| v.saturating_add(1))
    }

    /// Is no text ever refused? A text of any length may go on, and then it can end: as one of the parts, if that will do; or with all parts that it is
    /// asked about, where each, once found, stays found.
    pub(super) fn refuses_nothing(&self, id: ProductId) -> bool {
        let key = self.key(id);
        let (Some(&u64::MAX), Some(last), None) = (key.limits.last(), key.outcomes.last(), key.names) else { return false };
        // PERF: what will do does so beside all others, which is quickly seen not to be where just one of many may be found.
        if last.evaluate(|_| true).is_none() {
            return false;
        }
        let part = |v: u32| self.automaton(key.parts[v as usize]);
        last.variables().any(|v| part(v).is_never_lost() && last.is_enough(v)) || last.variables().all(|v| part(v).can_always_be_found())
    }

    /// Is it plain that the texts that may follow have a greatest length? Those of a part may, and without it nothing is accepted.
    pub(super) fn is_bounded(&self, id: ProductId) -> bool {
        let key = self.key(id);
        let (Some(&u64::MAX), Some(last)) = (key.limits.last(), key.outcomes.last()) else { return true };
        let is_bounded = |v: u32| {
            let part = key.parts[v as usize];
            let component = &self.components[part.component as usize];
            component.longest.get_or_init(|| component.automaton.lengths().1).is_some() && !component.automaton.is_loose(part.state)
        };
        last.variables().any(is_bounded)
            && last.map(|v| if is_bounded(v) { Mapped::Constant(false) } else { Mapped::Variable(v) }).is_refused()
    }

    /// Kinds of characters over which, as is plain, any text goes on: see [`CodepointAutomaton::stays_alive_over`].
    pub(super) fn stays_alive_over(&self, id: ProductId) -> Kinds {
        let key = self.key(id);
        match (&*key.parts, &*key.limits, key.names) {
            (&[part], [u64::MAX], None) if key.outcomes[0].evaluate(|_| true).is_some() => {
                self.automaton(part).stays_alive_over(part.state)
            }
            _ => 0,
        }
    }

    /// See [`CodepointAutomaton::loosened`]: of a text that is accepted just if one part is, which can still be whatever came of it.
    pub(super) fn loosened(&self, id: ProductId, bound: &Limits) -> Result<Option<Loosened<'_, ProductId>>, EngineError> {
        let key = self.key(id);
        let (&[part], [outcome], [u64::MAX], None) = (&*key.parts, &*key.outcomes, &*key.limits, key.names) else { return Ok(None) };
        let automaton = self.automaton(part);
        if !automaton.always_ends() || outcome.evaluate(|_| true).is_none() || outcome.evaluate(|_| false).is_some() {
            return Ok(None);
        }
        let Some((state, reach)) = automaton.loosened(part.state) else { return Ok(None) };
        let loose = self.make(&[Part { state, ..part }], None, vec![outcome.clone()], vec![u64::MAX], bound)?;
        Ok(loose.map(|loose| Loosened { loose, reach, automaton, loose_part: state, own_part: part.state }))
    }

    /// Where each character leads, dead ends included as long as some outcome is not refused.
    pub(super) fn moves(&self, id: ProductId, bound: &Limits) -> Result<&[Move], EngineError> {
        let product = self.get(id);
        if let Some(moves) = product.moves.get() {
            return Ok(moves);
        }
        let moves = self.make_moves(id, bound)?;
        Ok(product.moves.get_or_init(|| moves))
    }

    fn make_moves(&self, id: ProductId, bound: &Limits) -> Result<Box<[Move]>, EngineError> {
        let key = self.key(id);
        if key.is_plain() {
            return Ok(SCALARS.iter().map(|&(low, high)| Move { low, high, target: id }).collect());
        }
        if let (Some(names), true) = (key.names, key.parts.is_empty()) {
            return self.moves_of_names(key, names, bound);
        }
        if let (&[part], None) = (&*key.parts, key.names)
            && let Some(moves) = self.moves_of_part(key, part, bound)?
        {
            return Ok(moves);
        }
        // Edges by first character; a sweep over their ends, with the parts alive in between.
        let mut edges: Vec<(CodepointEdge, u32)> = Vec::new();
        for (i, &part) in key.parts.iter().enumerate() {
            edges.extend(self.edges(part)?.iter().map(|&edge| (edge, i as u32)));
        }
        if let Some(names) = key.names {
            // They stand behind the last part.
            edges.extend(self.names.edges(names).iter().map(|&edge| (edge, key.parts.len() as u32)));
        }
        edges.sort_unstable_by_key(|(edge, part)| (edge.low, *part));
        let mut ends: Vec<u32> = edges.iter().flat_map(|(edge, _)| [edge.low, edge.high + 1]).chain([0, 0xD800, 0xE000]).collect();
        ends.sort_unstable();
        ends.dedup();
        let mut mapping = vec![Mapped::Constant(false); key.parts.len()];
        let mut seen: HashMap<SmallVec<[(u32, u32); 4]>, Option<ProductId>> = HashMap::new();
        let mut alive: SmallVec<[(u32, u32, u32); 4]> = SmallVec::new();
        let mut next_edge = 0;
        let mut moves: Vec<Move> = Vec::new();
        for (i, &low) in ends.iter().enumerate() {
            let high = ends.get(i + 1).map_or(0x10_FFFF, |&e| e - 1);
            alive.retain(|&mut (_, _, last)| last >= low);
            while let Some((edge, part)) = edges.get(next_edge).filter(|(e, _)| e.low == low) {
                alive.push((*part, edge.target, edge.high));
                next_edge += 1;
            }
            if (0xD800..=0xDFFF).contains(&low) || low > 0x10_FFFF {
                continue;
            }
            alive.sort_unstable();
            let set: SmallVec<[(u32, u32); 4]> = alive.iter().map(|&(part, target, _)| (part, target)).collect();
            let target = if let Some(&target) = seen.get(&set) {
                target
            } else {
                let target = self.derive(key, &set, &mut mapping, bound)?;
                seen.insert(set, target);
                target
            };
            let Some(target) = target else { continue };
            match moves.last_mut() {
                Some(last) if last.target == target && last.high + 1 == low => last.high = high,
                _ => moves.push(Move { low, high, target }),
            }
        }
        Ok(moves.into())
    }

    /// The moves where there is but one part, if it is all over where that ends.
    fn moves_of_part(&self, key: &Key, part: Part, bound: &Limits) -> Result<Option<Box<[Move]>>, EngineError> {
        let mut mapping = [Mapped::Constant(false)];
        if self.derive(key, &[], &mut mapping, bound)?.is_some() {
            return Ok(None);
        }
        let edges = self.edges(part)?;
        // Few states follow, most of them again and again.
        let mut known: SmallVec<[(u32, Option<ProductId>); 8]> = SmallVec::new();
        let mut moves: Vec<Move> = Vec::with_capacity(edges.len());
        for edge in edges.iter() {
            let target = if let Some(&(_, target)) = known.iter().find(|(state, _)| *state == edge.target) {
                target
            } else {
                let target = self.derive(key, &[(0, edge.target)], &mut mapping, bound)?;
                if known.len() < 64 {
                    known.push((edge.target, target));
                }
                target
            };
            let Some(target) = target else { continue };
            match moves.last_mut() {
                Some(last) if last.target == target && last.high + 1 == edge.low => last.high = edge.high,
                _ => moves.push(Move { low: edge.low, high: edge.high, target }),
            }
        }
        Ok(Some(moves.into()))
    }

    /// The moves where there is nothing but names: each goes on with its first character, and any other character ends them all.
    fn moves_of_names(&self, key: &Key, names: NameMapId, bound: &Limits) -> Result<Box<[Move]>, EngineError> {
        let target = |names| self.make(&[], names, key.outcomes.to_vec(), key.limits.to_vec(), bound);
        let other = target(None)?;
        let mut moves: Vec<Move> = Vec::new();
        let mut add = |low: u32, high: u32, target: Option<ProductId>| {
            let Some(target) = target.filter(|_| low <= high) else { return };
            match moves.last_mut() {
                Some(last) if last.target == target && last.high + 1 == low => last.high = high,
                _ => moves.push(Move { low, high, target }),
            }
        };
        let mut next = 0;
        let others = |from: u32, to: u32, add: &mut dyn FnMut(u32, u32, Option<ProductId>)| {
            for (low, high) in SCALARS {
                add(from.max(low), to.min(high), other);
            }
        };
        for edge in self.names.edges(names) {
            if edge.low > next {
                others(next, edge.low - 1, &mut add);
            }
            add(edge.low, edge.high, target(Some(Names::target(edge.target)))?);
            next = edge.high + 1;
        }
        others(next, 0x10_FFFF, &mut add);
        Ok(moves.into())
    }

    /// Where a character leads with which these names go on, in a product with nothing but names; `None`: all of them are refused, as is the rest.
    pub(super) fn after_name(&self, id: ProductId, names: NameMapId, bound: &Limits) -> Result<Option<ProductId>, EngineError> {
        let key = self.key(id);
        self.make(&[], Some(names), key.outcomes.to_vec(), key.limits.to_vec(), bound)
    }

    /// The product in which just these parts (and names) live, in these states. `mapping` is all "false" before and after.
    fn derive(&self, key: &Key, alive: &[(u32, u32)], mapping: &mut [Mapped], bound: &Limits) -> Result<Option<ProductId>, EngineError> {
        let mut parts: SmallVec<[Part; 4]> = SmallVec::new();
        let mut names = None;
        let alive = match alive.split_last() {
            Some((&(i, target), parts)) if i as usize == key.parts.len() => {
                names = Some(Names::target(target));
                parts
            }
            _ => alive,
        };
        for &(i, state) in alive {
            let part = Part { component: key.parts[i as usize].component, state };
            mapping[i as usize] = match self.known(part)? {
                Known::Always(verdict) => Mapped::Constant(verdict),
                Known::Open => {
                    parts.push(part);
                    Mapped::Variable(parts.len() as u32 - 1)
                }
            };
        }
        // Mostly, all parts go on, and the outcomes ask what they asked before.
        let outcomes = if parts.len() == key.parts.len() {
            key.outcomes.to_vec()
        } else {
            key.outcomes.iter().map(|o| o.map(|v| mapping[v as usize])).collect()
        };
        for &(i, _) in alive {
            mapping[i as usize] = Mapped::Constant(false);
        }
        self.make(&parts, names, outcomes, key.limits.to_vec(), bound)
    }

    /// The moves from which some continuation is accepted, for at least one count of characters.
    pub(super) fn live_moves(&self, id: ProductId, bound: &Limits) -> Result<&[Move], EngineError> {
        let product = self.get(id);
        if let Some(live) = product.live.get() {
            return Ok(live);
        }
        let mut live = Vec::new();
        let mut last: Option<(ProductId, bool)> = None;
        for &step in self.moves(id, bound)? {
            let keep = match last {
                Some((target, keep)) if target == step.target => keep,
                _ => self.possible(step.target, bound)?,
            };
            last = Some((step.target, keep));
            if keep {
                live.push(step);
            }
        }
        Ok(product.live.get_or_init(|| live.into()))
    }

    /// Is some continuation accepted, for at least one count of characters so far?
    fn possible(&self, id: ProductId, bound: &Limits) -> Result<bool, EngineError> {
        let key = self.key(id);
        if key.is_plain() {
            Ok(true)
        } else if key.counts() {
            self.is_possible(id, bound)
        } else {
            self.viable(id, bound)
        }
    }
}

/// The lengths without the bounds that a component keeps anyway, where the text is worth as much without it whatever its length.
fn without_idle_bounds(spec: &TextSpec) -> Vec<Length> {
    let mut lengths = spec.lengths.clone();
    if lengths.is_empty() {
        return lengths;
    }
    for (component, automaton) in (0..).zip(&spec.components) {
        let (least, most) = automaton.lengths();
        if (least, most) == (0, None) {
            continue;
        }
        let without = spec.outcome.map(|v| if v == component { Mapped::Constant(false) } else { Mapped::Variable(v) });
        let asked: Vec<u32> = without.variables().collect();
        for (number, length) in (spec.components.len() as u32..).zip(&mut lengths) {
            if asked.contains(&number) {
                continue;
            }
            if length.min <= least {
                length.min = 0;
            }
            if most.is_some_and(|most| length.max.is_some_and(|max| max >= most)) {
                length.max = None;
            }
        }
    }
    lengths
}

/// Where the verdicts of the lengths change: ascending ends of segments, the last one `u64::MAX`.
fn segments(spec: &TextSpec, lengths: &[Length]) -> Vec<u64> {
    let components = spec.components.len();
    let mut limits: Vec<u64> = vec![u64::MAX];
    for variable in spec.outcome.variables() {
        if let Some(length) = (variable as usize).checked_sub(components).and_then(|i| lengths.get(i)) {
            let Length { min, max } = *length;
            limits.extend([min, max.map_or(u64::MAX, |m| m.saturating_add(1))]);
        }
    }
    limits.sort_unstable();
    limits.dedup();
    limits.retain(|&l| l > 0);
    limits
}
