//! Internationalised names of hosts. One family of the formats.
//!
//! RFC 5891, section 4.2, and RFC 5892: labels of letters, digits and marks in Normalization Form C, with the contextual rules of RFC 5892,
//! appendix A; RFC 5893, section 2, for names with labels from right to left. Which character is what stands in `idn_characters`.
//! Invariant: every name that is accepted fits into 63 octets per label and 253 in all when it is converted to A-labels; what can be read can be completed.
//! *Loose* states do not count: first the labels before, then the characters of the label as well.
//! Must not know: JSON.

use std::sync::Arc;

use super::hosts::{FAR, FEW_UNITS, UNIT, UNITS};
use super::idn_characters::{Character, Characters, Joining, Kind};
use super::machine::{Handmade, Machine, NEAR};
use super::{Format, pattern};
use crate::characters;
use crate::error::EngineError;
use crate::provider::{Bound, CodepointAutomaton, Reach};

pub(super) static ROWS: [Format; 1] = [Format::exact(
    "idn-hostname",
    "RFC 5890, section 2.3.2.3",
    "labels of letters, digits and hyphens of any script by the rules of RFC 5891 to 5893",
    idn_hostname,
)
.without_traps()
.but_not(
    "labels that begin with `xn--`; letters and scripts out of common use; pointed Hebrew and Arabic, marks that may combine with a letter before them; labels \
     that might be longer than 62 octets as A-labels, names longer than 252 octets, counting for each label with its dot 63 if it is not ASCII, else the next multiple of 21",
    || pattern("[A-Za-z0-9.\\-\\x80-\\u{10FFFF}]+"),
)];

fn idn_hostname() -> Result<Arc<dyn CodepointAutomaton>, EngineError> {
    Ok(Arc::new(Handmade::new(Names::new(false)?, "strict")))
}

/// How long a label may be whose last characters (by code point) are in each tier, so that its A-label has at most 62 octets: ASCII, and the
/// tiers of [`Character::tier`]. The worst case over all labels, by dynamic programming over the encoder's bias and the code points left.
const LONGEST: [u8; 4] = [63, 19, 16, 13];
/// The greatest tier that a character of two bytes may be in.
const TWO_BYTES: u8 = 2;
/// The greatest tier.
const HIGHEST: u8 = 3;
/// The size of a label that is not ASCII, or of one that is and has a character less than the longest.
const WHOLE: u8 = 3;
/// How many characters may be missing before a name can end.
const MISSING: u8 = 2;
/// As many units as there are, and there may always be more.
const LOOSE: u8 = u8::MAX;
/// The same before the first label, told apart from the other labels.
const LOOSE_START: u8 = LOOSE - 1;
/// Where its characters are not counted, a longer label is as long as this: all that matters is whether a hyphen would be the fourth.
const LONG: u8 = 4;

/// What separates labels beyond ASCII.
const DOTS: [char; 3] = ['\u{3002}', '\u{FF0E}', '\u{FF61}'];

/// Names of hosts.
pub(super) struct Names {
    characters: Characters,
}

/// What is remembered of a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct State {
    /// The size of the labels before this one, see [`UNIT`].
    units: u8,
    /// Is a label before this one from right to left?
    rtl: bool,
    /// Does a label before this one break the rules for names with labels from right to left?
    crooked: bool,
    label: Label,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Label {
    length: u8,
    /// Are the characters counted?
    is_counted: bool,
    tier: u8,
    /// The highest that a character may have.
    highest: u8,
    /// Has it capital letters, as only ASCII labels have?
    upper: bool,
    direction: Direction,
    digits: Digits,
    kana: Kana,
    last: Last,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Direction {
    /// Nothing was read.
    Open,
    LeftToRight,
    RightToLeft,
    /// From left to right, but not as a label beside one from right to left may begin.
    Crooked,
}

/// The digits of a label from right to left.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Digits {
    None,
    European,
    Arabic,
}

/// Has the label a katakana middle dot, and the character of a Japanese script that it asks for?
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Kana {
    None,
    Wanted,
    Seen,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Last {
    /// The label begins.
    Nothing,
    LowerL,
    /// A letter with which no mark that we take combines.
    Letter,
    /// Another letter of a script with marks.
    Combining,
    Digit,
    Hyphen,
    /// With its combining class; is it a virama?
    Mark(u8, bool),
    /// An `l` must follow.
    MiddleDot,
    /// Greek must follow.
    Keraia,
    KatakanaDot,
    Hebrew,
    /// Arabic, with how it joins the next letter.
    Arabic(Joining),
    /// A joiner after a virama.
    Joiner,
    /// A joiner between letters that join: such a letter must follow.
    NonJoiner,
}

const EMPTY: Label = Label {
    length: 0,
    is_counted: true,
    tier: 0,
    highest: HIGHEST,
    upper: false,
    direction: Direction::Open,
    digits: Digits::None,
    kana: Kana::None,
    last: Last::Nothing,
};

impl Label {
    /// Its size in units with its dot, rounded up; that of its A-label if it is not ASCII.
    fn units(self) -> u8 {
        if self.tier > 0 { WHOLE } else { (self.length + 1).div_ceil(UNIT) }
    }

    /// Where its characters are not counted.
    fn shortened(self) -> Self {
        Self { length: self.length.min(LONG), tier: self.tier.min(1), ..self }
    }

    fn may_end(self) -> bool {
        !matches!(self.last, Last::Nothing | Last::Hyphen | Last::MiddleDot | Last::Keraia | Last::Joiner | Last::NonJoiner)
            && self.kana != Kana::Wanted
    }

    /// Does it break the rules of RFC 5893 for labels from left to right: begin with a letter, end with a letter or digit?
    fn crooked(self) -> bool {
        self.direction == Direction::Crooked || self.last == Last::KatakanaDot
    }
}

impl State {
    /// Before a name after so many units of other text.
    pub(super) const fn start(units: u8) -> Self {
        Self { units, rtl: false, crooked: false, label: EMPTY }
    }

    fn accepts(self) -> bool {
        self.label.may_end() && !(self.rtl && self.label.crooked())
    }

    /// How many characters are missing before a name may end: some take one of a kind, and a middle dot of katakana one more. None of them is of a
    /// higher tier than what asks for it.
    fn missing(self) -> u8 {
        match self.label.last {
            _ if self.accepts() => 0,
            Last::MiddleDot | Last::Keraia if self.label.kana == Kana::Wanted => 2,
            _ => 1,
        }
    }

    fn is_loose(self) -> bool {
        self.units >= LOOSE_START
    }

    /// The same before the first label, told apart from the other labels.
    pub(super) fn before_any(self) -> Self {
        Self { units: LOOSE_START, ..self }
    }

    /// May so many more characters be in the label, none of a higher tier?
    fn has_room(self, more: u8) -> bool {
        let label = Label { length: self.label.length + more, ..self.label };
        (!label.is_counted || label.length <= LONGEST[usize::from(label.tier)]) && (self.is_loose() || self.units + label.units() <= UNITS)
    }

    fn end_label(self) -> Option<Self> {
        if !self.accepts() {
            return None;
        }
        let label = self.label;
        let units = if self.is_loose() { LOOSE } else { self.units + label.units() };
        if units == UNITS {
            return None;
        }
        Some(Self {
            units,
            rtl: self.rtl || label.direction == Direction::RightToLeft,
            crooked: self.crooked || label.crooked(),
            label: Label { is_counted: label.is_counted, ..EMPTY },
        })
    }

    /// The same where the labels before are not counted, or else where nothing is.
    fn loosened(self) -> Option<(Self, Reach)> {
        if !self.is_loose() {
            return self.without_labels_before();
        }
        let label = self.label;
        if !label.is_counted {
            return None;
        }
        let longest = |tier: u8| LONGEST[usize::from(label.tier.max(tier))];
        let bound = |tier| Bound { length: longest(tier).saturating_sub(label.length + MISSING).into(), marks: u64::MAX };
        // Characters of which none may come any more are refused there as well.
        let highest = (0..=label.highest).rev().find(|&tier| label.length < longest(tier)).unwrap_or(0);
        let label = Label { highest, is_counted: false, ..label };
        reaching(Self { label: label.shortened(), ..self }, [0, TWO_BYTES, HIGHEST, HIGHEST].map(bound))
    }

    /// The same where the labels before are not counted.
    fn without_labels_before(self) -> Option<(Self, Reach)> {
        let (left, label) = (UNITS - self.units, self.label);
        let read = u64::from(label.length + MISSING);
        // Where one label might not be ASCII, all of them might.
        let wide = match left / WHOLE {
            0 => Bound { length: 0, marks: 0 },
            labels => Bound { length: u64::from(LONGEST[0] - 1).saturating_sub(read), marks: u64::from(labels) - 1 },
        };
        let ascii = if label.tier > 0 {
            wide
        } else {
            let octets = u64::from(UNIT) * u64::from(left) - 1;
            let length = octets.saturating_sub(read).min(if left > FEW_UNITS { LONGEST[0] } else { FAR }.into());
            // Every label but one may waste almost a unit.
            Bound { length, marks: u64::from(left) - (read + length + 1).div_ceil(UNIT.into()).min(left.into()) }
        };
        let wide = wide.and(ascii);
        let highest = if left < WHOLE { 0 } else { label.highest };
        reaching(Self { units: LOOSE, label: Label { highest, ..label }, ..self }, [ascii, wide, wide, wide])
    }

    /// The state after one more character.
    fn after(self, c: Character) -> Option<Self> {
        if c.kind == Kind::Dot {
            return self.end_label();
        }
        let old = self.label;
        let mut label = old;
        label.length += 1;
        label.tier = label.tier.max(c.tier);
        if c.tier > old.highest || (c.tier > 0 && old.upper) {
            return None;
        }
        if old.last == Last::NonJoiner && !matches!(c.kind, Kind::Arabic(Joining::Dual | Joining::Right)) {
            return None;
        }
        if (old.last == Last::MiddleDot && c.kind != Kind::LowerL) || (old.last == Last::Keraia && c.kind != Kind::Greek) {
            return None;
        }
        label.last = match c.kind {
            Kind::Upper if label.tier > 0 => return None,
            Kind::Hyphen => match old.last {
                Last::Nothing => return None,
                // Reserved: no hyphens in third and fourth position.
                Last::Hyphen if old.length == 3 => return None,
                _ => Last::Hyphen,
            },
            Kind::LowerL => Last::LowerL,
            Kind::Upper | Kind::Lower | Kind::Letter | Kind::Greek | Kind::Kana => Last::Letter,
            Kind::Combining => Last::Combining,
            Kind::Digit | Kind::ExtendedDigit | Kind::ArabicDigit => Last::Digit,
            Kind::Mark(class, virama) => match old.last {
                Last::Letter | Last::LowerL | Last::Combining => Last::Mark(class, virama),
                // In canonical order.
                Last::Mark(before, _) if class == 0 || before <= class => Last::Mark(class, virama),
                _ => return None,
            },
            // Those which combine with some letters do not with these.
            Kind::CombiningMark(class, virama) => match old.last {
                Last::Letter => Last::Mark(class, virama),
                _ => return None,
            },
            Kind::MiddleDot if old.last == Last::LowerL => Last::MiddleDot,
            Kind::Keraia => Last::Keraia,
            Kind::KatakanaDot => Last::KatakanaDot,
            Kind::Hebrew => Last::Hebrew,
            Kind::Geresh if old.last == Last::Hebrew => Last::Hebrew,
            Kind::Arabic(joining) => Last::Arabic(joining),
            Kind::Joiner | Kind::NonJoiner if matches!(old.last, Last::Mark(_, true)) => Last::Joiner,
            Kind::NonJoiner if old.last == Last::Arabic(Joining::Dual) => Last::NonJoiner,
            Kind::Dot | Kind::MiddleDot | Kind::Geresh | Kind::Joiner | Kind::NonJoiner => return None,
        };
        label.upper |= c.kind == Kind::Upper;
        label.kana = match c.kind {
            Kind::Kana => Kana::Seen,
            Kind::KatakanaDot if old.kana == Kana::None => Kana::Wanted,
            _ => old.kana,
        };
        let (direction, digits) = self.bidi(c.kind)?;
        (label.direction, label.digits) = (direction, digits);
        let units = if self.is_loose() { LOOSE } else { self.units };
        let after = Self { units, label: if label.is_counted { label } else { label.shortened() }, ..self };
        // What cannot be completed is not begun.
        after.has_room(after.missing()).then_some(after)
    }

    /// RFC 5893, section 2, rules 1, 2, 4 and 5.
    fn bidi(self, kind: Kind) -> Option<(Direction, Digits)> {
        let label = self.label;
        let right_to_left = matches!(kind, Kind::Hebrew | Kind::Geresh | Kind::Arabic(_));
        let neutral = matches!(kind, Kind::Digit | Kind::ExtendedDigit | Kind::KatakanaDot | Kind::Keraia);
        let direction = match label.direction {
            Direction::Open if right_to_left => (!self.crooked).then_some(Direction::RightToLeft)?,
            Direction::Open if neutral => (!self.rtl).then_some(Direction::Crooked)?,
            Direction::Open => Direction::LeftToRight,
            known => known,
        };
        if direction != Direction::RightToLeft {
            return (!right_to_left && kind != Kind::ArabicDigit).then_some((direction, Digits::None));
        }
        let digits = match kind {
            Kind::Digit | Kind::ExtendedDigit if label.digits != Digits::Arabic => Digits::European,
            Kind::ArabicDigit if label.digits != Digits::European && label.direction == direction => Digits::Arabic,
            Kind::Hyphen | Kind::NonJoiner => label.digits,
            _ if right_to_left => label.digits,
            _ => return None,
        };
        Some((direction, digits))
    }
}

/// A state that is no help if it is soon out of reach.
fn reaching(loose: State, bounds: [Bound; 4]) -> Option<(State, Reach)> {
    let reach = Reach { bounds, marks: characters::kind(b'.'), wide_marks: &DOTS, escapes: 0 };
    (bounds[0].length >= NEAR.into()).then_some((loose, reach))
}

impl Names {
    /// `loose`: with the marks that make a label not normalised, as mail addresses may have them.
    pub(super) fn new(loose: bool) -> Result<Self, EngineError> {
        Ok(Self { characters: Characters::new(loose)? })
    }

    pub(super) fn edges(&self, state: State, edge: &mut dyn FnMut(u32, u32, State)) {
        // Few kinds, many ranges.
        let targets: Vec<Option<State>> = self.characters.kinds.iter().map(|&c| state.after(c)).collect();
        for &(low, high, kind) in &self.characters.ranges {
            if let Some(target) = targets[usize::from(kind)] {
                edge(low, high, target);
            }
        }
    }
}

impl Machine for Names {
    type State = State;
    const NAME: &'static str = "idn names";

    fn start(&self) -> Result<Option<State>, EngineError> {
        Ok(Some(State::start(0)))
    }

    fn accepts(&self, state: State) -> Result<bool, EngineError> {
        Ok(state.accepts())
    }

    fn ends_within(&self, state: State) -> Option<u64> {
        Some(state.missing().into())
    }

    fn always_ends_within(&self) -> Option<u64> {
        Some(MISSING.into())
    }

    fn ends_exactly_within(&self) -> bool {
        true
    }

    fn goes_on_until(&self) -> u64 {
        // What is shorter has room for one more letter in its last label, whichever it is.
        LONGEST[usize::from(HIGHEST)].into()
    }

    fn lengths(&self) -> (u64, Option<u64>) {
        (1, Some(u64::from(UNIT) * u64::from(UNITS)))
    }

    fn loosened(&self, state: State) -> Option<(State, Reach)> {
        state.loosened()
    }

    fn is_loose(&self, state: State) -> bool {
        state.is_loose()
    }

    fn after(&self, state: State, c: u32) -> Result<Option<State>, EngineError> {
        Ok(self.characters.find(c).and_then(|c| state.after(c)))
    }

    fn edges(&self, state: State, edge: &mut dyn FnMut(u32, u32, State)) -> Result<(), EngineError> {
        self.edges(state, edge);
        Ok(())
    }
}
