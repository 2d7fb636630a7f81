//! Where a length meets a pattern: from which counts of characters can an accepted end still be reached? Used by the products.
//!
//! The graph of products reachable from one is walked once. Going backwards from the accepting ends, layer n holds the products from which
//! some text of exactly n characters is accepted in a given segment of the count; layers repeat after a while (unary automata,
//! Chrobak 1986), and no layer beyond the largest bound matters.
//!
//! Invariant: `viable(count)` is true exactly when some continuation is accepted.
//! Must not know: bytes, escapes, quotes.

use std::sync::{Arc, OnceLock};

use hashbrown::{HashMap, HashSet};

use super::outcome::Outcome;
use super::product::{Key, Product, ProductId, Products};
use crate::error::EngineError;
use crate::limits::Limits;

/// What a product knows of its lengths.
pub(super) struct Guard {
    analysis: Arc<Analysis>,
    node: u32,
    /// The segment that the product is in first.
    segment: u32,
    distance: OnceLock<Option<u64>>,
}

/// How many more characters end a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ends {
    /// At most, here.
    pub here: u64,
    /// At most, wherever one may come.
    pub anywhere: u64,
    /// Here, no fewer do.
    pub exactly: bool,
}

/// A product after its register was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Settled {
    /// Go on as this product.
    Product(ProductId),
    /// No further character; the text is worth this leaf.
    Close(u32),
}

struct Analysis {
    /// Ends of the segments.
    limits: Box<[u64]>,
    /// Layers kept, and those from `repeat` on come again and again.
    layers: u64,
    repeat: u64,
    words: usize,
    /// By node and segment: in which layers it stands. Of a last segment without end: from layer n on, in some.
    bits: Box<[u64]>,
    nodes: Box<[Node]>,
}

#[derive(Clone)]
struct Node {
    successors: Box<[u32]>,
    /// Segments in which every reachable product is accepted as it stands.
    accepts_everywhere: u32,
    /// In the last segment, which has no end, every reachable product can be completed.
    never_trapped: bool,
}

/// Where so few characters are certain to end a text, the fewest are searched for from there.
const NEARBY: u64 = 8;

/// Segments that one analysis can tell apart.
const MAX_SEGMENTS: usize = 32;

impl Guard {
    /// Can an accepted end be reached from some count?
    pub(super) fn possible(&self) -> bool {
        let analysis = &self.analysis;
        (self.segment as usize..analysis.limits.len()).any(|j| analysis.row(self.node, j).iter().any(|&w| w != 0))
    }

    /// No count within the segments can lead into a trap, so nothing need be asked after each character.
    pub(super) fn is_free(&self) -> bool {
        let node = &self.analysis.nodes[self.node as usize];
        let all = (self.segment as usize..self.analysis.limits.len()).fold(0, |mask, j| mask | 1u32 << j);
        node.never_trapped || node.accepts_everywhere & all == all
    }

    /// After fewer characters than this an accepted end can certainly be reached.
    pub(super) fn free_below(&self) -> u64 {
        let analysis = &self.analysis;
        let from = self.segment as usize;
        let free = |j: usize| {
            let (row, limit) = (analysis.row(self.node, j), analysis.limits[j]);
            if limit == u64::MAX {
                let most = analysis.limits.len().checked_sub(2).map_or(0, |before| analysis.limits[before]);
                return if analysis.holds(self.node, j, most, most) { limit } else { 0 };
            }
            // In the first segment any number of characters will do, in a later one each must, since there may have to be more of them.
            let least = if j == from { first_bit(row) } else { analysis.all_from(self.node, j) };
            least.map_or(0, |least| limit.saturating_sub(least))
        };
        (from..analysis.limits.len()).map(free).max().unwrap_or(0)
    }

    /// Can an accepted end be reached after `count` characters?
    fn viable(&self, count: u64) -> bool {
        let analysis = &self.analysis;
        let mut from = 0;
        analysis.limits.iter().enumerate().any(|(j, &limit)| {
            let low = from;
            from = limit;
            if limit <= count {
                return false;
            }
            let low = low.saturating_sub(count);
            if limit == u64::MAX { analysis.holds(self.node, j, low, low) } else { analysis.holds(self.node, j, low, limit - 1 - count) }
        })
    }

    /// How many characters at most complete any product reachable from here within the first segment; `None`: not all can be.
    pub(super) fn distance(&self) -> Option<u64> {
        *self.distance.get_or_init(|| self.search_distance())
    }

    fn search_distance(&self) -> Option<u64> {
        let analysis = &self.analysis;
        let mut seen = vec![false; analysis.nodes.len()];
        let mut stack = vec![self.node];
        seen[self.node as usize] = true;
        let mut most = 0;
        while let Some(node) = stack.pop() {
            let row = analysis.row(node, self.segment as usize);
            most = most.max(first_bit(row)?);
            for &next in &analysis.nodes[node as usize].successors {
                if !std::mem::replace(&mut seen[next as usize], true) {
                    stack.push(next);
                }
            }
        }
        Some(most)
    }
}

impl Analysis {
    fn row(&self, node: u32, segment: usize) -> &[u64] {
        let start = (node as usize * self.limits.len() + segment) * self.words;
        &self.bits[start..start + self.words]
    }

    /// The first layer from which on all are set, however many follow.
    fn all_from(&self, node: u32, segment: usize) -> Option<u64> {
        let row = self.row(node, segment);
        let first = (0..self.layers).rev().find(|&n| row[(n / 64) as usize] >> (n % 64) & 1 == 0).map_or(0, |n| n + 1);
        // The layers that come again are all set, or no further ones matter.
        (first < self.layers && (first <= self.repeat || self.repeat == self.layers)).then_some(first)
    }

    /// Is some layer from `low` to `high` set?
    fn holds(&self, node: u32, segment: usize, low: u64, high: u64) -> bool {
        if low > high {
            return false;
        }
        let row = self.row(node, segment);
        if low < self.layers && any_bit(row, low, high.min(self.layers - 1)) {
            return true;
        }
        if high < self.layers {
            return false;
        }
        let period = self.layers - self.repeat;
        if period == 0 {
            return false;
        }
        let low = low.max(self.layers);
        if high - low + 1 >= period {
            return any_bit(row, self.repeat, self.layers - 1);
        }
        let first = self.repeat + (low - self.repeat) % period;
        let last = first + (high - low);
        any_bit(row, first, last.min(self.layers - 1)) || (last >= self.layers && any_bit(row, self.repeat, last - period))
    }
}

fn first_bit(row: &[u64]) -> Option<u64> {
    let word = row.iter().position(|&w| w != 0)?;
    Some(word as u64 * 64 + u64::from(row[word].trailing_zeros()))
}

/// Is a bit from `low` to `high` set?
fn any_bit(row: &[u64], low: u64, high: u64) -> bool {
    let (first, last) = ((low / 64) as usize, (high / 64) as usize);
    row.iter().enumerate().take(last + 1).skip(first).any(|(i, &word)| {
        let mut word = word;
        if i == first {
            word &= u64::MAX << (low % 64);
        }
        if i == last {
            word &= u64::MAX >> (63 - high % 64);
        }
        word != 0
    })
}

impl Products {
    /// What a product with lengths and parts knows of its lengths.
    pub(super) fn guard(&self, id: ProductId, bound: &Limits) -> Result<&Guard, EngineError> {
        if let Some(guard) = self.guard_cell(id).get() {
            return Ok(guard);
        }
        self.analyse(id, bound)?;
        self.guard_cell(id).get().ok_or(EngineError::Internal("a product that its own analysis missed"))
    }

    /// Of a product that only has a greatest length, and perhaps a least one up to which texts go on, if each of its parts will do, where that is
    /// known without an analysis.
    pub(super) fn ends_within(&self, id: ProductId) -> Option<Ends> {
        let Product { key, ends, .. } = self.get(id);
        *ends.get_or_init(|| self.find_ends(key))
    }

    fn find_ends(&self, key: &Key) -> Option<Ends> {
        let (outcome, least) = match (&*key.outcomes, &*key.limits, key.names) {
            ([outcome], &[limit], None) if limit != u64::MAX => (outcome, 0),
            ([short, outcome], &[least, _], None) if short.is_refused() && !key.is_plain() => (outcome, least),
            _ => return None,
        };
        if least == 0 && outcome.refuses_nothing() {
            return Some(Ends { here: 0, anywhere: 0, exactly: true });
        }
        let mut ends = Ends { here: u64::MAX, anywhere: 0, exactly: true };
        for (index, &part) in (0..).zip(&*key.parts) {
            if !outcome.is_enough(index) {
                return None;
            }
            let automaton = self.automaton(part);
            if automaton.goes_on_until() < least {
                return None;
            }
            ends.here = ends.here.min(automaton.ends_within(part.state)?);
            ends.anywhere = ends.anywhere.max(automaton.stays_within(part.state)?);
            ends.exactly &= automaton.ends_exactly_within();
        }
        (ends.here != u64::MAX).then_some(ends)
    }

    /// Can a product that counts, and does more than that, be completed after `count` characters?
    fn can_be_completed(&self, id: ProductId, count: u64, bound: &Limits) -> Result<bool, EngineError> {
        if self.refuses_nothing(id) {
            return Ok(true);
        }
        let Some(ends) = self.ends_within(id) else { return Ok(self.guard(id, bound)?.viable(count)) };
        // A text that is too short goes on.
        let limit = self.last_limit(id);
        if limit == u64::MAX || count.saturating_add(ends.here) < limit {
            return Ok(true);
        }
        if ends.exactly {
            return Ok(false);
        }
        if ends.here > NEARBY {
            return Ok(self.guard(id, bound)?.viable(count));
        }
        Ok(count.saturating_add(self.shortest(id, ends.here, bound)?) < limit)
    }

    /// With how few more characters a product is accepted, which takes no more than `within`.
    ///
    /// PERF: an analysis looks at all that can be reached. Tokens of dozens of dashes come close to the limit from anywhere, and ask of few products.
    fn shortest(&self, id: ProductId, within: u64, bound: &Limits) -> Result<u64, EngineError> {
        if let Some(&known) = self.shortest_cell(id).get() {
            return Ok(known);
        }
        let limits = self.key(id).limits.clone();
        let mut budget = Budget { used: 0, bound: bound.max_search_steps };
        let mut seen: HashSet<ProductId> = HashSet::from_iter([id]);
        let (mut layer, mut after) = (vec![id], 0);
        while after <= within {
            let mut next = Vec::new();
            for &product in &layer {
                if self.accepting_segments(self.key(product), &limits)? != 0 {
                    return Ok(*self.shortest_cell(id).get_or_init(|| after));
                }
                let moves = self.moves(product, bound)?;
                budget.spend(moves.len() + 1)?;
                next.extend(moves.iter().map(|step| step.target).filter(|&target| seen.insert(target)));
            }
            (layer, after) = (next, after + 1);
        }
        Err(EngineError::Internal("an automaton that does not end where it said it would"))
    }

    /// From which count on the register must be looked at after each character; `None`: it need not be.
    pub(super) fn guarded_from(&self, id: ProductId, bound: &Limits) -> Result<Option<u64>, EngineError> {
        let key = self.key(id);
        if !key.counts() || key.is_plain() || self.refuses_nothing(id) {
            return Ok(None);
        }
        match self.ends_within(id) {
            // The end may come anywhere.
            Some(Ends { anywhere: 0, .. }) => return Ok(None),
            Some(ends) => {
                return Ok(Some(self.last_limit(id)).filter(|&limit| limit != u64::MAX).map(|limit| limit.saturating_sub(ends.here)));
            }
            None => {}
        }
        let guard = self.guard(id, bound)?;
        Ok(if guard.is_free() { None } else { Some(guard.free_below()) })
    }

    /// Can the product be completed after some count?
    pub(super) fn is_possible(&self, id: ProductId, bound: &Limits) -> Result<bool, EngineError> {
        if self.refuses_nothing(id) {
            return Ok(true);
        }
        let Some(ends) = self.ends_within(id) else { return Ok(self.guard(id, bound)?.possible()) };
        if ends.here < self.last_limit(id) {
            return Ok(true);
        }
        Ok(!ends.exactly && self.guard(id, bound)?.possible())
    }

    /// The first count that is in no segment.
    fn last_limit(&self, id: ProductId) -> u64 {
        self.key(id).limits.last().copied().unwrap_or(u64::MAX)
    }

    /// The count at which a product must be settled.
    pub(super) fn limit(&self, id: ProductId) -> u64 {
        match *self.key(id).limits {
            // The last character allowed has been begun: only the end may come.
            [only] if only != u64::MAX => only - 1,
            [first, ..] => first,
            [] => u64::MAX,
        }
    }

    /// What a product is once `count` characters have been begun; `None`: no continuation is accepted.
    pub(super) fn settle(&self, mut id: ProductId, count: u64, bound: &Limits) -> Result<Option<Settled>, EngineError> {
        while self.key(id).limits[0] <= count {
            match self.next_segment(id, bound)? {
                Some(next) => id = next,
                None => return Ok(None),
            }
        }
        let key = self.key(id);
        if self.limit(id) <= count {
            let leaf = self.verdict(id)?;
            return Ok((leaf != 0).then_some(Settled::Close(leaf)));
        }
        let viable = if key.is_plain() {
            true
        } else if key.counts() {
            self.can_be_completed(id, count, bound)?
        } else {
            self.viable(id, bound)?
        };
        Ok(viable.then_some(Settled::Product(id)))
    }

    fn analyse(&self, root: ProductId, bound: &Limits) -> Result<(), EngineError> {
        let limits = self.key(root).limits.clone();
        if limits.len() > MAX_SEGMENTS {
            return Err(EngineError::Limit { name: "max_search_steps", bound: bound.max_search_steps });
        }
        let mut budget = Budget { used: 0, bound: bound.max_search_steps };
        // The graph, also of what the root becomes in later segments.
        let mut index: HashMap<ProductId, u32> = HashMap::new();
        let mut products: Vec<ProductId> = Vec::new();
        let mut later = Some(root);
        while let Some(id) = later {
            if index.insert(id, products.len() as u32).is_none() {
                products.push(id);
            }
            later = if self.key(id).limits.len() > 1 { self.next_segment(id, bound)? } else { None };
        }
        let mut successors: Vec<Box<[u32]>> = Vec::new();
        while let Some(&id) = products.get(successors.len()) {
            let moves = self.moves(id, bound)?;
            budget.spend(moves.len() + 1)?;
            let mut targets: Vec<u32> = Vec::new();
            for step in moves {
                let next = products.len() as u32;
                let target = *index.entry(step.target).or_insert(next);
                if target == next {
                    products.push(step.target);
                }
                targets.push(target);
            }
            targets.sort_unstable();
            targets.dedup();
            successors.push(targets.into());
        }
        let analysis = Arc::new(self.layers(limits, &products, successors, &mut budget)?);
        for (node, &id) in products.iter().enumerate() {
            let key = self.key(id);
            if key.counts() && !key.is_plain() {
                let segment = analysis.limits.iter().position(|&l| l == key.limits[0]).unwrap_or(0) as u32;
                let _ = self.guard_cell(id).set(Guard {
                    analysis: Arc::clone(&analysis),
                    node: node as u32,
                    segment,
                    distance: OnceLock::new(),
                });
            }
        }
        Ok(())
    }

    fn layers(
        &self,
        limits: Box<[u64]>,
        products: &[ProductId],
        successors: Vec<Box<[u32]>>,
        budget: &mut Budget,
    ) -> Result<Analysis, EngineError> {
        let segments = limits.len();
        let endless = limits[segments - 1] == u64::MAX;
        let mut layer = Vec::with_capacity(products.len());
        for &id in products {
            layer.push(self.accepting_segments(self.key(id), &limits)?);
        }
        let accepting = layer.clone();
        let predecessors = reversed(&successors);
        if endless {
            spread(&mut layer, &predecessors, 1 << (segments - 1));
        }
        // No layer beyond the last bound is asked for.
        let most = if endless { limits.get(segments.wrapping_sub(2)).copied().unwrap_or(0) } else { limits[segments - 1] - 1 };
        let edges: usize = successors.iter().map(|s| s.len() + 1).sum();
        let mut rows: Vec<Vec<u64>> = vec![Vec::new(); products.len() * segments];
        let mut seen: HashMap<u64, Vec<u64>> = HashMap::new();
        let mut layers = 0;
        let repeat;
        loop {
            let hash = hash_of(&layer);
            let same = seen.get(&hash).and_then(|at| at.iter().copied().find(|&n| is_layer(&rows, segments, &layer, n)));
            if let Some(n) = same {
                repeat = n;
                break;
            }
            seen.entry(hash).or_default().push(layers);
            for (node, &mask) in layer.iter().enumerate() {
                for j in 0..segments {
                    let row = &mut rows[node * segments + j];
                    if layers % 64 == 0 {
                        row.push(0);
                    }
                    if let Some(word) = row.last_mut() {
                        *word |= u64::from(mask >> j & 1) << (layers % 64);
                    }
                }
            }
            layers += 1;
            if layers > most {
                repeat = layers;
                break;
            }
            budget.spend(edges / 16 + 1)?;
            layer = successors.iter().map(|targets| targets.iter().fold(0, |mask, &t| mask | layer[t as usize])).collect();
        }
        let words = rows.first().map_or(0, Vec::len);
        let bits = rows.concat().into();
        let mut analysis = Analysis { limits, layers, repeat, words, bits, nodes: Box::new([]) };
        // Properties of everything reachable: what fails somewhere fails wherever that is reachable from.
        let mut fails: Vec<u32> = accepting.iter().map(|mask| !mask).collect();
        for j in 0..segments {
            spread(&mut fails, &predecessors, 1 << j);
        }
        let mut trapped: Vec<u32> =
            (0..products.len()).map(|n| u32::from(!endless || !analysis.holds(n as u32, segments - 1, most, most))).collect();
        spread(&mut trapped, &predecessors, 1);
        analysis.nodes = successors
            .into_iter()
            .enumerate()
            .map(|(n, successors)| Node { successors, accepts_everywhere: !fails[n], never_trapped: trapped[n] == 0 })
            .collect();
        Ok(analysis)
    }

    /// In which segments a text that ends here is accepted.
    fn accepting_segments(&self, key: &Key, limits: &[u64]) -> Result<u32, EngineError> {
        let mut mask = 0;
        let mut first = 0;
        for (j, &limit) in limits.iter().enumerate() {
            // Segments of the product are unions of segments of the analysis; the last count tells which one it is.
            let count = if limit == u64::MAX { first } else { limit - 1 };
            first = limit;
            let leaf = key.outcome_at(count).map_or(Ok(0), |outcome: &Outcome| self.leaf_of(key, outcome))?;
            mask |= u32::from(leaf != 0) << j;
        }
        Ok(mask)
    }
}

struct Budget {
    used: usize,
    bound: usize,
}

impl Budget {
    fn spend(&mut self, steps: usize) -> Result<(), EngineError> {
        self.used += steps;
        Limits::check("max_search_steps", self.used, self.bound)
    }
}

fn hash_of(layer: &[u32]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    layer.hash(&mut hasher);
    hasher.finish()
}

fn is_layer(rows: &[Vec<u64>], segments: usize, layer: &[u32], n: u64) -> bool {
    let (word, bit) = ((n / 64) as usize, n % 64);
    layer
        .iter()
        .enumerate()
        .all(|(node, &mask)| (0..segments).all(|j| rows[node * segments + j][word] >> bit & 1 == u64::from(mask >> j & 1)))
}

fn reversed(successors: &[Box<[u32]>]) -> Vec<Vec<u32>> {
    let mut predecessors = vec![Vec::new(); successors.len()];
    for (node, targets) in successors.iter().enumerate() {
        for &target in targets {
            predecessors[target as usize].push(node as u32);
        }
    }
    predecessors
}

/// Set `bit` wherever a node with it can be reached.
fn spread(marks: &mut [u32], predecessors: &[Vec<u32>], bit: u32) {
    let mut stack: Vec<u32> = (0..marks.len() as u32).filter(|&n| marks[n as usize] & bit != 0).collect();
    while let Some(node) = stack.pop() {
        for &before in &predecessors[node as usize] {
            if marks[before as usize] & bit == 0 {
                marks[before as usize] |= bit;
                stack.push(before);
            }
        }
    }
}
