//! Items that repeat others: can a text still be completed for all that its arrays remember? Part of **matcher**.
//!
//! States know nothing of the items a text has had; to them, whatever is being read is new. That holds as soon as what was read can no longer
//! become one of those items, and from there on every state can be completed. So only beginnings that still agree with an item are followed,
//! through continuations that agree with it, until one is found that no longer does, or that ends and is taken; there are no more of
//! them than the items are long. Mostly the first way that is tried leads there, and then all places on it are known to be viable as well.
//!
//! Invariant: what is said to be viable can be completed. What was not decided within the limit is not viable.
//! Must not know: tokens, schemas.

use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use hashbrown::HashSet;
use smallvec::SmallVec;

use super::watch::Watch;
use crate::error::EngineError;
use crate::ids::StateId;
use crate::limits::Limits;
use crate::provider::{Arena, ByteSet, Cell};
use crate::stack::{Agreeing, Beginning, Configuration, Frame, Item, Parents};

/// Steps of one search, whatever `max_search_steps` says: it is made for each token that is tried.
const MOST_STEPS: usize = 100_000;

/// Bytes of a way that is taken without looking back.
const MOST_STRAIGHT: usize = 256;

pub(super) const WHITESPACE: ByteSet = ByteSet([1 << b' ' | 1 << b'\t' | 1 << b'\n' | 1 << b'\r', 0, 0, 0]);

/// Bytes that lead, one after the other and each chosen by what is there alone, to where it is plain that a text can be completed.
#[derive(Clone)]
pub(super) struct Way {
    bytes: Rc<[u8]>,
    at: usize,
}

impl Way {
    /// What is left of it behind its next byte; `None`: that is another.
    pub fn after(&self, byte: u8) -> Option<Self> {
        (self.bytes.get(self.at) == Some(&byte)).then(|| Self { bytes: self.bytes.clone(), at: self.at + 1 })
    }
}

/// Can a text be completed?
pub(super) enum Verdict {
    No,
    /// Maybe by this way.
    Yes(Option<Way>),
}

impl From<bool> for Verdict {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes(None) } else { Self::No }
    }
}

/// Can the configuration come to an end?
pub(super) fn viable(arena: &Arena, configuration: &Configuration) -> Result<bool, EngineError> {
    Ok(!matches!(search(arena, configuration, &[])?, Verdict::No))
}

/// Can the configuration come to an end? `watches` are of its own frames, as far as they are known; those on the way that is found are viable too.
pub(super) fn search(arena: &Arena, configuration: &Configuration, watches: &[Watch]) -> Result<Verdict, EngineError> {
    if !configuration.returned.is_empty() {
        return Ok(Verdict::Yes(None));
    }
    if !arena.tracks_items() {
        return Ok(configuration.is_alive().into());
    }
    let mut search = Search { arena, steps: 0 };
    // Where an item has ended there is mostly nothing to search.
    for ended in [true, false] {
        for item in configuration.items.iter().filter(|item| item.parents.tracked() != ended) {
            let verdict = search.item(configuration, item, watches)?;
            if !matches!(verdict, Verdict::No) {
                return Ok(verdict);
            }
        }
    }
    Ok(Verdict::No)
}

/// Are there endlessly many ways to go on inside the rule, whatever lies below? No if in doubt.
pub(super) fn endless(arena: &Arena, state: StateId) -> Result<bool, EngineError> {
    for byte in *b"a1" {
        // A byte that changes nothing may come any number of times, and each time the value is another.
        if matches!(arena.step(state, byte)?, Cell::Simple(target, false) if target == state) {
            return Ok(true);
        }
    }
    arena.is_endless(state, false)
}

/// Can the item that is being read, the innermost, still become any of endlessly many? No if in doubt.
fn endless_ahead(arena: &Arena, item: &Item) -> Result<bool, EngineError> {
    let (mut state, mut parents) = (item.state, &item.parents);
    while !arena.facts(state).tracks_items {
        if arena.has_endless_ahead(state)? {
            return Ok(true);
        }
        let Parents::One(frame) = parents else { break };
        (state, parents) = (frame.return_to, &frame.parents);
    }
    Ok(false)
}

/// An item with one way down to the bottom, and the frames on it in which an item is being read, outermost first.
struct Chain {
    item: Item,
    levels: SmallVec<[Arc<Frame>; 2]>,
}

/// All ways down from an item.
fn chains(arena: &Arena, item: &Item) -> Result<SmallVec<[Chain; 1]>, EngineError> {
    if let Some(levels) = only_way(arena, &item.parents) {
        return Ok(SmallVec::from_iter([Chain { item: item.clone(), levels }]));
    }
    let mut found: SmallVec<[Chain; 1]> = SmallVec::new();
    let mut open: Vec<(Parents, Vec<Arc<Frame>>)> = vec![(item.parents.clone(), Vec::new())];
    while let Some((parents, path)) = open.pop() {
        if !parents.tracked() {
            Limits::check("max_items", found.len() + 1, arena.limits().max_items)?;
            found.push(chain(arena, item, path, parents));
            continue;
        }
        for frame in parents.frames() {
            let mut path = path.clone();
            path.push(frame.clone());
            open.push((frame.parents.clone(), path));
        }
        if parents.has_bottom() {
            open.push((Parents::Bottom, path));
        }
    }
    Ok(found)
}

/// The levels on the way down, if there is but one.
fn only_way(arena: &Arena, mut parents: &Parents) -> Option<SmallVec<[Arc<Frame>; 2]>> {
    let mut levels = SmallVec::new();
    while parents.tracked() {
        let Parents::One(frame) = parents else { return None };
        if arena.facts(frame.return_to).tracks_items {
            levels.push(frame.clone());
        }
        parents = &frame.parents;
    }
    levels.reverse();
    Some(levels)
}

fn chain(arena: &Arena, item: &Item, path: Vec<Arc<Frame>>, bottom: Parents) -> Chain {
    let mut parents = bottom;
    let mut levels = SmallVec::new();
    for frame in path.into_iter().rev() {
        let frame = if frame.parents.same(&parents) { frame } else { Arc::new(frame.above(parents)) };
        if arena.facts(frame.return_to).tracks_items {
            levels.push(frame.clone());
        }
        parents = Parents::One(frame);
    }
    Chain { item: Item { parents, ..item.clone() }, levels }
}

fn on(chain: &Chain, frame: &Arc<Frame>) -> bool {
    chain.levels.iter().any(|level| Arc::ptr_eq(level, frame))
}

struct Search<'a> {
    arena: &'a Arena,
    steps: usize,
}

/// A place in a search: what is being read, and with which items it agrees.
struct Node {
    at: Configuration,
    beginning: Beginning,
    agreeing: Agreeing,
}

/// Where the way leads that is taken without looking back.
enum Straight {
    Out(Way),
    /// It is the only way, and there is an end of it.
    No,
    Lost,
}

/// What a byte leads to.
enum Next {
    /// A place from which it is plain that the text can be completed.
    Out,
    /// The places where what is read still agrees with an item; there may be none.
    Agreeing(Vec<(Chain, Node)>),
}

impl Search<'_> {
    fn item(&mut self, configuration: &Configuration, item: &Item, watches: &[Watch]) -> Result<Verdict, EngineError> {
        if item.seen.is_empty() && !item.parents.tracked() {
            return Ok(Verdict::Yes(None));
        }
        // Endless ways on are more than the items that any array has had.
        if item.parents.free() && (endless(self.arena, item.state)? || endless_ahead(self.arena, item)?) {
            return Ok(Verdict::Yes(None));
        }
        for chain in chains(self.arena, item)? {
            self.steps = MOST_STEPS.min(self.arena.limits().max_search_steps);
            let verdict = self.chain(configuration, &chain, watches, None)?;
            if !matches!(verdict, Verdict::No) {
                return Ok(verdict);
            }
        }
        Ok(Verdict::No)
    }

    /// `new`: what is read there is known to be new.
    fn chain(
        &mut self,
        configuration: &Configuration,
        chain: &Chain,
        watches: &[Watch],
        new: Option<&Arc<Frame>>,
    ) -> Result<Verdict, EngineError> {
        for level in &chain.levels {
            if level.seen.is_empty() || new.is_some_and(|new| Arc::ptr_eq(new, level)) {
                continue;
            }
            let must_repeat = self.arena.facts(level.return_to).repeats;
            let known = watches.iter().find(|watch| Arc::ptr_eq(&watch.frame, level));
            let (beginning, agreeing) = match known {
                Some(watch) if watch.agreeing.is_empty() => (Beginning::default(), watch.agreeing.clone()),
                Some(watch) => (watch.beginning.clone(), watch.agreeing.clone()),
                None => {
                    let beginning = configuration.read_since(level.since);
                    let agreeing = Agreeing::within(&level.seen, &beginning);
                    (beginning, agreeing)
                }
            };
            if agreeing.is_empty() {
                if must_repeat {
                    return Ok(Verdict::No);
                }
                continue;
            }
            let node = Node { at: configuration.alone(chain.item.clone()), beginning, agreeing };
            return match self.straight(&node, level, must_repeat)? {
                Straight::Out(way) => Ok(Verdict::Yes(Some(way))),
                Straight::No => Ok(Verdict::No),
                Straight::Lost => Ok(self.way_out(node, level, must_repeat)?.into()),
            };
        }
        let facts = self.arena.facts(chain.item.state);
        let may_run_out = facts.tracks_items && chain.item.seen.len() as u64 >= facts.values;
        if may_run_out && !self.arena.never_runs_out(chain.item.state)? {
            return Ok(self.next_item(configuration.alone(chain.item.clone()), chain)?.into());
        }
        Ok(Verdict::Yes(None))
    }

    fn step(&mut self, at: &Configuration, byte: u8) -> Result<Option<Configuration>, EngineError> {
        let [item] = at.items.as_slice() else { return Err(EngineError::Internal("a search from several items")) };
        if self.steps == 0 || matches!(self.arena.step(item.state, byte)?, Cell::Dead) {
            return Ok(None);
        }
        self.steps -= 1;
        let mut next = at.clone();
        next.step(self.arena, byte)?;
        Ok(next.is_alive().then_some(next))
    }

    /// The bytes that are worth a look. Whitespace in a gap leads to nothing that is not there without it, nor do escapes where every character that
    /// may come can be written as it is.
    fn hopeful(&self, at: &Configuration, beginning: &Beginning) -> Result<ByteSet, EngineError> {
        let Some(item) = at.items.first() else { return Ok(ByteSet::default()) };
        let mut bytes = self.arena.hopeful(item.state);
        if self.arena.facts(item.state).gap.as_ref().is_some_and(|gap| gap.spacing.leaves(gap.progress)) {
            bytes.remove(&WHITESPACE);
        }
        if beginning.in_string() == Some(false) && bytes.contains(b'\\') && !self.needs_escapes(item.state)? {
            bytes.remove(&ByteSet::one(b'\\'));
        }
        Ok(bytes)
    }

    /// May a character come in this state of a string that is only to be had as an escape? Yes if in doubt.
    fn needs_escapes(&self, state: StateId) -> Result<bool, EngineError> {
        static JSON: OnceLock<ByteSet> = OnceLock::new();
        let mut missing = *JSON.get_or_init(ByteSet::json);
        missing.remove(self.arena.alphabet());
        let Cell::Simple(escape, _) = self.arena.step(state, b'\\')? else { return Ok(true) };
        if missing != ByteSet::default() {
            return Ok(true);
        }
        for byte in *b"\"\\bfnrt" {
            if !matches!(self.arena.step(escape, byte)?, Cell::Dead) {
                return Ok(true);
            }
        }
        // The other control characters.
        let mut at = escape;
        for byte in *b"u00" {
            at = match self.arena.step(at, byte)? {
                Cell::Dead => return Ok(false),
                Cell::Simple(next, _) => next,
                Cell::Many(_) => return Ok(true),
            };
        }
        for byte in *b"01" {
            if !matches!(self.arena.step(at, byte)?, Cell::Dead) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Go on by a byte with the item that `level` reads, which agrees with others; `like`: so it may after the byte.
    fn go_on(&mut self, node: &Node, byte: u8, like: bool, level: &Arc<Frame>, must_repeat: bool) -> Result<Option<Next>, EngineError> {
        let Some(next) = self.step(&node.at, byte)? else { return Ok(None) };
        if !next.returned.is_empty() {
            return Ok(Some(Next::Out));
        }
        let mut read = None;
        if like {
            let (mut beginning, mut agreeing) = (node.beginning.clone(), node.agreeing.clone());
            let changed = beginning.read(byte);
            agreeing.read(&beginning, changed);
            read = (!agreeing.is_empty()).then_some((beginning, agreeing));
        }
        let mut places = Vec::new();
        for item in &next.items {
            for chain in chains(self.arena, item)? {
                let same = on(&chain, level);
                match &read {
                    Some((beginning, agreeing)) if same => {
                        let (beginning, agreeing) = (beginning.clone(), agreeing.clone());
                        let at = next.alone(chain.item.clone());
                        places.push((chain, Node { at, beginning, agreeing }));
                    }
                    None if same && must_repeat => {}
                    _ => {
                        let new = (same && !must_repeat).then_some(level);
                        if !matches!(self.chain(&next, &chain, &[], new)?, Verdict::No) {
                            return Ok(Some(Next::Out));
                        }
                    }
                }
            }
        }
        Ok(Some(Next::Agreeing(places)))
    }

    /// The way on which at every place the first byte is taken that leads on at all, if at the end of it the item is another than those it agrees
    /// with, or has ended and was taken. What is chosen depends on nothing before, so that a place on the way has the rest of it.
    fn straight(&mut self, start: &Node, level: &Arc<Frame>, must_repeat: bool) -> Result<Straight, EngineError> {
        let mut bytes: Vec<u8> = Vec::new();
        let mut last: Option<Node> = None;
        let mut numbers: HashSet<Vec<u8>> = HashSet::new();
        let mut only_way = true;
        while bytes.len() < MOST_STRAIGHT.min(self.arena.limits().max_search_steps) {
            let node = last.as_ref().unwrap_or(start);
            let (hopeful, like) = (self.hopeful(&node.at, &node.beginning)?, *node.agreeing.bytes_like());
            let mut onward = None;
            // Those after which it is another come first: they end the search.
            for may_agree in [false, true] {
                if must_repeat && !may_agree {
                    continue;
                }
                let mut some = hopeful;
                if may_agree {
                    some.keep(&like);
                } else {
                    some.remove(&like);
                }
                for byte in in_order(&some, node.beginning.in_number()) {
                    match self.go_on(node, byte, may_agree, level, must_repeat)? {
                        Some(Next::Out) => {
                            bytes.push(byte);
                            return Ok(Straight::Out(Way { bytes: bytes.into(), at: 0 }));
                        }
                        Some(Next::Agreeing(places)) => {
                            only_way &= places.len() + usize::from(onward.is_some()) <= 1;
                            if onward.is_none() {
                                // A number that has ended rather than one that goes on.
                                let shallowest = places.into_iter().min_by_key(|(chain, _)| frames_above(chain, level));
                                onward = shallowest.map(|(chain, node)| (byte, chain, node));
                            }
                        }
                        None => {}
                    }
                }
            }
            let Some((byte, chain, node)) = onward else {
                return Ok(if only_way && self.steps > 0 { Straight::No } else { Straight::Lost });
            };
            // Numbers alone have endless spellings that all agree.
            if node.beginning.in_number() && !numbers.insert(signature(&chain, level, &node)) {
                break;
            }
            bytes.push(byte);
            last = Some(node);
        }
        Ok(Straight::Lost)
    }

    /// Is there a continuation on which the item that `level` reads ends and is taken, or becomes another than those it agrees with?
    fn way_out(&mut self, start: Node, level: &Arc<Frame>, must_repeat: bool) -> Result<bool, EngineError> {
        let mut visited: HashSet<Vec<u8>> = HashSet::new();
        let mut open = vec![start];
        while let Some(node) = open.pop() {
            let first = open.len();
            let (hopeful, like) = (self.hopeful(&node.at, &node.beginning)?, *node.agreeing.bytes_like());
            for byte in in_order(&hopeful, false) {
                match self.go_on(&node, byte, like.contains(byte), level, must_repeat)? {
                    Some(Next::Out) => return Ok(true),
                    Some(Next::Agreeing(places)) => {
                        let new = places.into_iter().filter(|(chain, node)| visited.insert(signature(chain, level, node)));
                        open.extend(new.map(|(_, node)| node));
                    }
                    None => {}
                }
            }
            open[first..].reverse();
        }
        Ok(false)
    }

    /// Between the items of an array whose values may have run out: may it be closed, or is there another item?
    fn next_item(&mut self, start: Configuration, from: &Chain) -> Result<bool, EngineError> {
        let mut visited: HashSet<StateId> = HashSet::new();
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            for byte in in_order(&self.hopeful(&at, &Beginning::default())?, false) {
                let Some(next) = self.step(&at, byte)? else { continue };
                if !next.returned.is_empty() {
                    return Ok(true);
                }
                for item in &next.items {
                    // Still between the same items?
                    if item.seen.same(&from.item.seen) && item.parents.same(&from.item.parents) {
                        if visited.insert(item.state) {
                            open.push(next.alone(item.clone()));
                        }
                        continue;
                    }
                    for chain in chains(self.arena, item)? {
                        if !matches!(self.chain(&next, &chain, &[], None)?, Verdict::No) {
                            return Ok(true);
                        }
                    }
                }
            }
        }
        Ok(false)
    }
}

fn frames_above(chain: &Chain, level: &Arc<Frame>) -> usize {
    let mut parents = &chain.item.parents;
    let frames = std::iter::from_fn(|| {
        let [frame] = parents.frames() else { return None };
        parents = &frame.parents;
        Some(frame)
    });
    frames.take_while(|frame| !Arc::ptr_eq(frame, level)).count()
}

/// By which places of a search are told apart.
fn signature(chain: &Chain, level: &Arc<Frame>, node: &Node) -> Vec<u8> {
    let reach = node.agreeing.reach();
    let mut out = node.beginning.signature(reach);
    let mut add = |state: StateId, register: u64, address: usize| {
        out.extend_from_slice(&state.0.to_le_bytes());
        out.extend_from_slice(&register.to_le_bytes());
        out.extend_from_slice(&address.to_le_bytes());
    };
    add(chain.item.state, chain.item.register, chain.item.seen.len());
    let mut parents = &chain.item.parents;
    while let [frame] = parents.frames() {
        if Arc::ptr_eq(frame, level) {
            break;
        }
        add(frame.return_to, frame.register, frame.seen.len());
        parents = &frame.parents;
    }
    out
}

/// The bytes of a set: first those that are likely to make a value another, or to end it; escapes and whitespace last. What ends a number comes
/// first where it is asked for.
fn in_order(bytes: &ByteSet, ends_first: bool) -> impl Iterator<Item = u8> + use<> {
    static CLASSES: OnceLock<[ByteSet; 6]> = OnceLock::new();
    let classes = CLASSES.get_or_init(|| {
        let mut classes = [ByteSet::default(); 6];
        for byte in 0..=255u8 {
            let class = match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'1'..=b'9' => 0,
                b'"' | b']' | b'}' => 1,
                b'0' | b'-' | b'.' => 2,
                b'\\' => 4,
                b' ' | b'\t' | b'\n' | b'\r' => 5,
                _ => 3,
            };
            classes[class].insert(byte);
        }
        classes
    });
    let order: [usize; 6] = if ends_first { [1, 3, 0, 2, 4, 5] } else { [0, 1, 2, 3, 4, 5] };
    let bytes = *bytes;
    order.into_iter().flat_map(move |class| {
        let mut some = bytes;
        some.keep(&classes[class]);
        some
    })
}
