//! What bytes and classes of characters do in configurations, as tables: what walks over shapes read. Part of **mask**.
//!
//! Invariant: says what stepping the configuration would; a class has a way only for those of its characters that go it.
//! Must not know: tokens.

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::characters::{Kinds, OTHER, SEPARATORS, SPACES, Utf8};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::loops::{self, Beyond};
use crate::mask::local::{Local, LocalTable, Outcome};
use crate::mask::path::ask_widely;
use crate::provider::{Arena, ByteSet, Cell};
use crate::vocab::{BEYOND, SEPARATOR, SPACE, ShapeSet, TextShapes};

/// More configurations than this are not kept from one walk to the next.
const KEPT: usize = 1 << 11;
/// Nor so many sets of shapes.
const OTHERS: usize = 64;
/// Within characters more places than this are not looked at.
const WITHIN: usize = 64;
/// A state that leads back to itself over so many kinds of characters is likely to do so over most.
const MANY: u32 = 8;
/// More items than this are not stepped together.
const MOST_ITEMS: usize = 64;

/// A configuration by place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place(u32);

/// Where something leads, by place among the ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Way(u32);

impl Way {
    /// Nowhere.
    pub(super) const DEAD: Self = Self(1);
}

/// What a byte or a character does.
#[derive(PartialEq, Eq)]
pub(super) struct Led {
    /// Where it leads, if the rule goes on.
    pub(super) next: Option<Place>,
    /// The values returned.
    pub(super) returned: SmallVec<[u32; 1]>,
    /// The bytes that may follow then.
    pub(super) follow: ByteSet,
}

/// A configuration whose steps are kept.
struct Kept {
    local: Local,
    /// By byte, once one was asked; 0 is not known.
    bytes: Option<Box<[u32; 256]>>,
    /// By class: the way that most of it go, and which bytes (the first of their characters) do not.
    classes: [Option<(Way, ByteSet)>; CLASSES],
    /// By class: the way that all of it go, once that is known; else 0.
    together: [u32; CLASSES],
    /// Kinds of characters over which an item is known to lead back to itself, whatever its register.
    looping: Kinds,
    /// If there is but one item, and many kinds over which it leads back to itself and does not return: all of them.
    passing: Kinds,
    /// One of these is enough that no item is alive after all texts of some kinds, as far as one has looked; further ahead, in the second.
    hopeless: [Kinds; 2],
}

const CLASSES: usize = 6;
/// Not the letter of a class.
const ALONE: u8 = 7;
/// The number of the class that a letter stands for.
const NUMBERS: [u8; 256] = {
    let mut numbers = [ALONE; 256];
    let letters = [b'a', b'A', b'0', BEYOND, SEPARATOR, SPACE];
    let mut number = 0;
    while number < CLASSES {
        numbers[letters[number] as usize] = number as u8;
        number += 1;
    }
    numbers
};

/// Steps, kept from one walk to the next.
#[derive(Default)]
pub(in crate::mask) struct Steps {
    places: HashMap<Local, u32>,
    kept: Vec<Kept>,
    ways: Vec<Led>,
    /// By kinds: the shapes that end with another.
    others: Vec<(Kinds, ShapeSet)>,
    /// By what they are; equal ways are one.
    ways_by: HashMap<(u32, SmallVec<[u32; 1]>, ByteSet), u32>,
}

/// A walk's view of them.
pub(super) struct Stepping<'a> {
    pub(super) arena: &'a Arena,
    pub(super) table: &'a mut LocalTable,
    pub(super) steps: Steps,
    /// The register of a single item of the rule where the walk began stays as it is.
    pub(super) frozen: bool,
    /// So many steps may still be computed.
    pub(super) fuel: usize,
}

impl Steps {
    /// Forget everything if that is much.
    pub(in crate::mask) fn trim(&mut self) {
        if self.kept.len() > KEPT || self.ways.len() > KEPT * 8 || self.others.len() > OTHERS {
            *self = Self::default();
        }
    }

    /// Bytes held, roughly.
    pub(in crate::mask) fn memory_bytes(&self) -> usize {
        self.kept.len() * (size_of::<Kept>() + 1024 + 32)
            + self.ways.len() * (size_of::<Led>() * 2 + 16)
            + self.others.iter().map(|(_, shapes)| shapes.memory_bytes()).sum::<usize>()
    }
}

impl Stepping<'_> {
    /// The place of a configuration; `None` if it is not only of places in rules.
    pub(super) fn place(&mut self, local: Local) -> Option<Place> {
        if let Some(&place) = self.steps.places.get(&local) {
            return Some(Place(place));
        }
        let mut number = 0;
        while let Some((state, _)) = item(self.table, local, number) {
            let facts = self.arena.facts(state);
            if !facts.bare || facts.guarded || number == MOST_ITEMS {
                return None;
            }
            number += 1;
        }
        self.prepare();
        let place = self.steps.kept.len() as u32;
        let classes = [const { None }; CLASSES];
        self.steps.kept.push(Kept { local, bytes: None, classes, together: [0; CLASSES], looping: 0, passing: 0, hopeless: [0; 2] });
        self.steps.places.insert(local, place);
        Some(Place(place))
    }

    /// The configuration itself.
    pub(super) fn local(&self, place: Place) -> Local {
        self.steps.kept[place.0 as usize].local
    }

    /// What a way is.
    #[inline]
    pub(super) fn led(&self, way: Way) -> &Led {
        &self.steps.ways[way.0 as usize]
    }

    /// State and register of an item.
    pub(super) fn item(&self, place: Place, number: usize) -> Option<(StateId, u64)> {
        item(self.table, self.local(place), number)
    }

    /// Does the register of the one item stay as it is? That of a rule which is called on the way is not that of the walk's beginning.
    pub(super) fn stays(&self, place: Place) -> bool {
        self.frozen && matches!(self.local(place), Local::One { parents: 0, .. })
    }

    /// What a byte does; `None`: it cannot be said here.
    #[inline]
    pub(super) fn byte(&mut self, at: Place, byte: u8) -> Option<Way> {
        match &self.steps.kept[at.0 as usize].bytes {
            Some(bytes) if bytes[usize::from(byte)] != 0 => Some(Way(bytes[usize::from(byte)])),
            _ => self.step(at, byte),
        }
    }

    /// The bytes that are not known to be refused.
    pub(super) fn hopeful(&self, at: Place) -> Option<ByteSet> {
        let local = self.local(at);
        let mut hopeful = ByteSet::default();
        let mut number = 0;
        while let Some((state, _)) = item(self.table, local, number) {
            ask_widely(self.arena, state).ok()?;
            hopeful.extend(&self.arena.hopeful(state));
            number += 1;
        }
        Some(hopeful)
    }

    #[cold]
    fn step(&mut self, at: Place, byte: u8) -> Option<Way> {
        let local = self.local(at);
        if self.steps.kept[at.0 as usize].bytes.is_none() {
            let hopeful = self.hopeful(at)?;
            let mut bytes = Box::new([Way::DEAD.0; 256]);
            hopeful.iter().for_each(|byte| bytes[usize::from(byte)] = 0);
            let known = bytes[usize::from(byte)];
            self.steps.kept[at.0 as usize].bytes = Some(bytes);
            if known != 0 {
                return Some(Way(known));
            }
        }
        self.fuel = self.fuel.checked_sub(1)?;
        let outcome = self.outcome(local, byte).ok()?;
        let next = match outcome.next {
            Some(next) => Some(self.place(next)?),
            None => None,
        };
        let way = self.way(next, outcome.returned, outcome.follow);
        // Those fare as this one does that do so in each of the states.
        let mut alike = class_of(byte);
        let mut number = 0;
        while let Some((state, _)) = item(self.table, local, number) {
            self.arena.keep_alike(state, byte, &mut alike);
            number += 1;
        }
        let bytes = self.steps.kept[at.0 as usize].bytes.as_mut()?;
        bytes[usize::from(byte)] = way.0;
        alike.iter().for_each(|byte| bytes[usize::from(byte)] = way.0);
        Some(way)
    }

    /// See to it that there is a dead way.
    fn prepare(&mut self) {
        let nothing = || Led { next: None, returned: SmallVec::new(), follow: ByteSet::default() };
        if self.steps.ways.is_empty() {
            // The first is in the place of what is not known.
            self.steps.ways.extend([nothing(), nothing()]);
        }
    }

    fn way(&mut self, next: Option<Place>, returned: SmallVec<[u32; 1]>, follow: ByteSet) -> Way {
        let steps = &mut self.steps;
        let follow = if returned.is_empty() { ByteSet::default() } else { follow };
        if next.is_none() && returned.is_empty() {
            return Way::DEAD;
        }
        let key = (next.map_or(u32::MAX, |place| place.0), returned.clone(), follow);
        let fresh = steps.ways.len() as u32;
        let way = *steps.ways_by.entry(key).or_insert(fresh);
        if way == fresh {
            steps.ways.push(Led { next, returned, follow });
        }
        Way(way)
    }

    fn outcome(&mut self, local: Local, byte: u8) -> Result<Outcome, EngineError> {
        let dead = Outcome { next: None, returned: SmallVec::new(), follow: ByteSet::default() };
        if let Local::One { state, register, parents } = local {
            match self.arena.step(state, byte)? {
                Cell::Dead => return Ok(dead),
                Cell::Simple(target, increment) => {
                    let register = register + u64::from(increment && !(self.frozen && parents == 0));
                    let Some(state) = self.arena.settled(target, register)? else { return Ok(dead) };
                    let facts = self.arena.facts(state);
                    let next = Local::One { state, register: if facts.counting { register } else { 0 }, parents };
                    match facts.returns {
                        None => return Ok(Outcome { next: Some(next), ..dead }),
                        Some(value) if parents == 0 => {
                            let next = facts.has_edges.then_some(next);
                            return Ok(Outcome { next, returned: smallvec::smallvec![value], follow: facts.follow });
                        }
                        Some(_) => {}
                    }
                }
                Cell::Many(_) => {}
            }
        }
        self.table.step(self.arena, local, byte).cloned()
    }

    /// What most characters of a class do, and the first bytes of those that do not.
    pub(super) fn class(&mut self, at: Place, letter: u8) -> Option<(Way, ByteSet)> {
        let number = match NUMBERS[usize::from(letter)] {
            ALONE => return Some((self.byte(at, letter)?, ByteSet::default())),
            number => usize::from(number),
        };
        if let Some(known) = self.steps.kept[at.0 as usize].classes[number] {
            return Some(known);
        }
        let way = match letter {
            b'a' => self.most(at, b'a'..=b'z')?,
            b'A' => self.most(at, b'A'..=b'Z')?,
            b'0' => self.most(at, b'0'..=b'9')?,
            BEYOND => self.beyond(at, OTHER)?,
            SEPARATOR => self.beyond(at, SEPARATORS)?,
            _ => self.beyond(at, SPACES)?,
        };
        let kept = &mut self.steps.kept[at.0 as usize];
        kept.classes[number] = Some(way);
        if way.1 == ByteSet::default() {
            kept.together[number] = way.0.0;
        }
        Some(way)
    }

    /// Where all characters that a letter stands for go, if that is known.
    #[inline]
    pub(super) fn glance(&self, at: Place, letter: u8) -> Option<Way> {
        let kept = &self.steps.kept[at.0 as usize];
        let way = match NUMBERS[usize::from(letter)] {
            ALONE => kept.bytes.as_ref()?[usize::from(letter)],
            number => kept.together[usize::from(number)],
        };
        (way != 0).then_some(Way(way))
    }

    /// Is some item alive after all texts of characters of these kinds? `None`: it is not known yet.
    #[inline]
    pub(super) fn is_alive(&self, at: Place, kinds: Kinds, ahead: bool) -> Option<bool> {
        let kept = &self.steps.kept[at.0 as usize];
        if kinds & !kept.looping == 0 {
            return Some(true);
        }
        (kinds & kept.hopeless[usize::from(ahead)] != 0).then_some(false)
    }

    /// Take down what the states have been asked so far.
    pub(super) fn note_alive(&mut self, at: Place, ahead: bool) -> Result<(), EngineError> {
        // Once they are known they are all.
        let mut passing = self.passing(at);
        if passing == 0
            && let Local::One { state, .. } = self.local(at)
        {
            let facts = self.arena.facts(state);
            if !facts.counting && facts.returns.is_none() && self.arena.loops(state).known().count_ones() >= MANY {
                passing = loops::all_kinds(self.arena, state)?;
            }
        }
        let (mut looping, mut hopeless, mut number): (Kinds, Kinds, _) = (0, Kinds::MAX, 0);
        while let Some((state, _)) = self.item(at, number) {
            number += 1;
            let loops = self.arena.loops(state);
            let facts = self.arena.facts(state);
            let known = if facts.counting { 0 } else { loops.known() };
            if known.count_ones() > looping.count_ones() {
                looping = known;
            }
            hopeless &= loops.hopeless(ahead && facts.is_simple());
        }
        let kept = &mut self.steps.kept[at.0 as usize];
        (kept.looping, kept.passing) = (looping, passing);
        kept.hopeless[usize::from(ahead)] = hopeless;
        Ok(())
    }

    /// The shapes that end with a character of another kind.
    pub(super) fn others_than(&mut self, texts: &TextShapes, kinds: Kinds) -> &ShapeSet {
        let others = &mut self.steps.others;
        let place = others.iter().position(|&(known, _)| known == kinds).unwrap_or_else(|| {
            others.push((kinds, texts.of_others(kinds)));
            others.len() - 1
        });
        &others[place].1
    }

    /// If characters of many kinds lead from the place to itself, and nothing returns on the way: these kinds.
    #[inline]
    pub(super) fn passing(&self, at: Place) -> Kinds {
        self.steps.kept[at.0 as usize].passing
    }

    fn most(&mut self, at: Place, bytes: std::ops::RangeInclusive<u8>) -> Option<(Way, ByteSet)> {
        let mut found: SmallVec<[(Way, ByteSet, usize); 4]> = SmallVec::new();
        let mut all = ByteSet::default();
        for byte in bytes {
            all.insert(byte);
            let way = self.byte(at, byte)?;
            match found.iter_mut().find(|known| known.0 == way) {
                Some((_, set, count)) => {
                    set.insert(byte);
                    *count += 1;
                }
                None => found.push((way, ByteSet::one(byte), 1)),
            }
        }
        let (way, set, _) = found.into_iter().max_by_key(|known| known.2)?;
        all.remove(&set);
        Some((way, all))
    }

    /// The same for whole characters of one of the kinds beyond ASCII.
    fn beyond(&mut self, at: Place, kind: Kinds) -> Option<(Way, ByteSet)> {
        let apart = (Way::DEAD, ByteSet::ALL);
        let arena = self.arena;
        let (mut alive, mut i) = (false, 0);
        while let Some((state, register)) = self.item(at, i) {
            i += 1;
            if is_refused(arena, state).ok()? {
                continue;
            }
            alive = true;
            let facts = arena.facts(state);
            let together = if facts.counting {
                // The limit must not be met within a character.
                (self.stays(at) || register + 1 < facts.limit) && loops::cover(arena, state, kind).ok()?
            } else {
                matches!(loops::beyond_ascii(arena, state, kind).ok()?, Beyond::To(to) if !arena.facts(to).counting)
            };
            if !together {
                let way = self.beyond_one_by_one(at, kind)?;
                return Some(way.map_or(apart, |way| (way, ByteSet::default())));
            }
        }
        if !alive {
            return Some((Way::DEAD, ByteSet::default()));
        }
        if let Local::One { state, parents, .. } = self.local(at)
            && let Beyond::To(to) = loops::beyond_ascii(arena, state, kind).ok()?
            && arena.facts(to).is_simple()
            && arena.facts(to).returns.is_none()
        {
            let next = self.place(Local::One { state: to, register: 0, parents })?;
            return Some((self.way(Some(next), SmallVec::new(), ByteSet::ALL), ByteSet::default()));
        }
        // All lead to the same states; one of each length shows with what registers and frames.
        let examples: &[&str] = match kind {
            SEPARATORS => &["\u{2028}"],
            SPACES => &["\u{a0}", "\u{3000}"],
            _ => &["\u{e9}", "\u{2603}", "\u{1f600}"],
        };
        let mut way = None;
        for example in examples {
            let led = self.follow(at, example.as_bytes())?;
            if *way.get_or_insert(led) != led {
                return Some(apart);
            }
        }
        Some(way.flatten().map_or(apart, |way| (way, ByteSet::default())))
    }

    /// Where every character of a kind leads, if that is the same for all and nothing returns within one.
    #[allow(clippy::option_option)] // it cannot be said; or it is not so
    fn beyond_one_by_one(&mut self, at: Place, kind: Kinds) -> Option<Option<Way>> {
        let mut seen: SmallVec<[(Place, Utf8); 16]> = smallvec::smallvec![(at, Utf8::Start)];
        let (mut to, mut done) = (None, 0);
        while let Some(&(at, within)) = seen.get(done) {
            done += 1;
            for byte in 0x80..=0xFF {
                if !within.is_of(byte, kind) {
                    continue;
                }
                let way = self.byte(at, byte)?;
                let then = within.after(byte);
                if then == Utf8::Start {
                    if *to.get_or_insert(way) != way {
                        return Some(None);
                    }
                    continue;
                }
                match self.led(way) {
                    Led { next: Some(next), returned, .. } if returned.is_empty() && seen.len() < WITHIN => {
                        let next = (*next, then);
                        if !seen.contains(&next) {
                            seen.push(next);
                        }
                    }
                    _ => return Some(None),
                }
            }
        }
        Some(to)
    }

    /// Where a character leads within which nothing returns and nothing ends.
    #[allow(clippy::option_option)] // it cannot be said; or it is not so
    fn follow(&mut self, mut at: Place, bytes: &[u8]) -> Option<Option<Way>> {
        let Some((&last, bytes)) = bytes.split_last() else { return Some(None) };
        for &byte in bytes {
            let way = self.byte(at, byte)?;
            match self.led(way) {
                Led { next: Some(next), returned, .. } if returned.is_empty() => at = *next,
                _ => return Some(None),
            }
        }
        self.byte(at, last).map(Some)
    }
}

/// Bytes that often fare alike.
fn class_of(byte: u8) -> ByteSet {
    match byte {
        b'a'..=b'z' => ByteSet::range(b'a', b'z'),
        b'A'..=b'Z' => ByteSet::range(b'A', b'Z'),
        b'0'..=b'9' => ByteSet::range(b'0', b'9'),
        0x80..=0xBF => ByteSet::range(0x80, 0xBF),
        0xC0..=0xDF => ByteSet::range(0xC0, 0xDF),
        0xE0..=0xFF => ByteSet::range(0xE0, 0xFF),
        _ => ByteSet::one(byte),
    }
}

fn item(table: &LocalTable, local: Local, number: usize) -> Option<(StateId, u64)> {
    match local {
        Local::One { state, register, .. } => (number == 0).then_some((state, register)),
        Local::Full(place) => table.item(place, number),
    }
}

/// Does no character beyond ASCII begin here?
fn is_refused(arena: &Arena, state: StateId) -> Result<bool, EngineError> {
    let hopeful = arena.hopeful(state);
    for byte in (0xC2..=0xF4).filter(|&byte| hopeful.contains(byte)) {
        if !matches!(arena.step(state, byte)?, Cell::Dead) {
            return Ok(false);
        }
    }
    Ok(true)
}
