//! The format `regex`: is the string a pattern? One family of the formats.
//!
//! The grammar is that of ECMA-262 (2024), section 22.2.1, with the flag u, as JSON Schema asks (core, section 6.4): no Annex B, so `{`, `]` and
//! escaped letters without a meaning are refused. What needs unbounded memory is bounded, see the row.
//! Invariant: a state is where the reader is, what the open groups are, and which group names are used.
//! Must not know: what a pattern matches; our own parser of patterns, which takes more.

mod edges;
mod names;

use std::sync::Arc;

use self::edges::Edges;
use self::names::property_names;
use super::machine::{Handmade, Machine};
use super::{Format, pattern};
use crate::automaton::text::StringSet;
use crate::error::EngineError;
use crate::provider::CodepointAutomaton;

pub(super) static ROWS: [Format; 1] = [Format::exact("regex", "ECMA-262 (2024), section 22.2.1, with the flag u", "a regular expression", || {
    Ok(Arc::new(Handmade::new(Patterns { properties: property_names() }, "ecmascript")))
})
.but_not(
    "groups nested more than eight deep; `\\1` and its like; named groups but for one with a name of any length and others with names of one letter a to z, of \
     which `\\k<…>` takes those before it; in `{n,m}` an n above 99; `\\u{…}` in classes or with more than five digits, escaped surrogates; ranges of \
     characters that stand close together beyond letters and digits; rare Unicode properties",
    // What begins with a quantifier or closes a group is no pattern.
    || pattern("(?:[^*+?)][^]*)?"),
)];

const MAX_DEPTH: u8 = 8;
const LAST: u32 = 0x10_FFFF;
/// The last character that an escape in a class spells.
const LAST_SPELLED: u32 = 0xFFFF;
/// No name of a property has more characters.
const LONGEST_NAME: u64 = 48;
const SYNTAX: &str = "$()*+.?[\\]^{|}";

struct Patterns {
    properties: StringSet,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct State {
    /// How many groups are open.
    depth: u8,
    /// Which of them are lookarounds, the innermost in the lowest bit: no quantifier may follow those.
    lookarounds: u8,
    /// The names a to z in use.
    names: u32,
    /// Is a longer name in use?
    long_name: bool,
    at: At,
}

/// Whose characters an escape spells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Goal {
    /// An atom outside classes.
    Atom,
    /// In a class, perhaps the low end of a range.
    Low,
    /// The same, and the least high end is known.
    LowKnown(u32),
    /// The high end of a range, at least this.
    High(u32),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum At {
    /// No quantifier may come.
    Start,
    AfterAtom,
    /// After `\0`.
    AfterZero,
    AfterQuantifier,
    Open,
    Question,
    /// After `(?<`.
    Less,
    ShortName(u8),
    LongName,
    Brace,
    /// The first number, `None` if it is above 99.
    Minimum(Option<u8>),
    Comma(Option<u8>),
    /// The first number, and the second while it is smaller.
    Maximum(u8, u8),
    MaximumEnough,
    Escape,
    Control(Goal),
    /// So many digits to come; the digits so far as far as they decide.
    Hex(u8, u32, Goal),
    /// After `\u`.
    Unicode(Goal),
    /// After `\u{`, with so many digits.
    Braced(u8),
    /// After `\ud`: a surrogate would go on with 8 to f.
    NoSurrogate(Goal),
    Reference,
    ReferenceName,
    ReferenceEnd,
    /// After `\p`.
    Property(bool),
    PropertyName(bool, u32),
    ClassOpen,
    /// In a class, where no range can go on.
    Class,
    /// After a character: a range may go on to characters from this one.
    ClassAfter(u32),
    /// The same after `\0`: no digit.
    ClassAfterZero(u32),
    /// After `\d` and its like.
    ClassAfterSet,
    /// A hyphen that can only be the last.
    ClassLastHyphen,
    ClassHyphen(u32),
    ClassEscape,
    HighEscape(u32),
    /// After a high end spelled `\0`.
    ClassZero,
}

/// Where classes of characters close together begin, so that a range's ends can be told apart without remembering each character. A range
/// must cross one of these, or have letters or digits of ASCII as its ends.
const STEPS: &[u32] = &[
    0x01, 0x02, 0x10, 0x20, 0x30, 0x3A, 0x41, 0x5B, 0x61, 0x7B, 0x80, 0xC0, 0xE0, 0x100, 0x180, 0x250, 0x300, 0x370, 0x3A0, 0x3C0, 0x400,
    0x420, 0x440, 0x460, 0x540, 0x570, 0x5D8, 0x600, 0x640, 0x668, 0x6F8, 0x920, 0x968, 0xE20, 0xE58, 0x10E0, 0x1180, 0x1E80, 0x2010,
    0x2030, 0x20A8, 0x21C0, 0x2500, 0x2600, 0x3008, 0x3060, 0x30C0, 0x4000, 0x5000, 0xC000, 0xF000, 0xFA00, 0xFF14, 0xFF30, 0xFF50,
    0x1_0000, 0x1_F400, 0x1_F620, 0x2_0000, 0x10_0000,
];

/// The least character that we let end a range from `c`.
fn least_high(c: u32) -> u32 {
    if char::from_u32(c).is_some_and(|c| c.is_ascii_alphanumeric()) {
        return c;
    }
    let next = STEPS.partition_point(|&step| step <= c);
    STEPS.get(next).copied().unwrap_or(LAST + 1)
}

impl State {
    fn to(self, at: At) -> Self {
        Self { at, ..self }
    }

    fn close(self) -> Self {
        let at = if self.lookarounds & 1 == 1 { At::Start } else { At::AfterAtom };
        Self { depth: self.depth - 1, lookarounds: self.lookarounds >> 1, at, ..self }
    }

    fn open(self) -> Self {
        Self { depth: self.depth + 1, lookarounds: self.lookarounds << 1, at: At::Open, ..self }
    }

    fn lookaround(self) -> Self {
        Self { lookarounds: self.lookarounds | 1, at: At::Start, ..self }
    }

    /// The state after a whole escape of the character between `low` and `high`.
    fn spelled(self, goal: Goal, low: u32, high: u32) -> Option<Self> {
        Some(self.to(match goal {
            Goal::Atom => At::AfterAtom,
            Goal::Low => At::ClassAfter(least_high(low)),
            Goal::LowKnown(least) => At::ClassAfter(least),
            Goal::High(least) if least <= high => At::Class,
            Goal::High(_) => return None,
        }))
    }

    /// The state before `left` digits after digits worth `prefix`.
    fn hex(self, left: u8, prefix: u32, goal: Goal) -> Option<Self> {
        let (low, high) = (prefix << (4 * left), ((prefix + 1) << (4 * left)) - 1);
        if left == 0 {
            return self.spelled(goal, low, high);
        }
        let (prefix, goal) = match goal {
            Goal::Atom | Goal::LowKnown(_) => (0, goal),
            Goal::Low if least_high(low) == least_high(high) => (0, Goal::LowKnown(least_high(low))),
            Goal::High(least) if high < least => return None,
            // All that may come is enough.
            Goal::High(least) if least <= low => (0, Goal::High(0)),
            Goal::Low | Goal::High(_) => (prefix, goal),
        };
        Some(self.to(At::Hex(left, prefix, goal)))
    }
}

impl Patterns {
    /// How many characters complete the name of a property, at least.
    fn name_ends_within(&self, name: u32) -> Option<u64> {
        let mut layer = vec![name];
        for length in 0..=LONGEST_NAME {
            let mut next = Vec::new();
            for &name in &layer {
                if self.properties.accepts(name).ok()? {
                    return Some(length);
                }
                next.extend(self.properties.edges(name).ok()?.iter().map(|edge| edge.target));
            }
            layer = next;
        }
        None
    }
}

impl Machine for Patterns {
    type State = State;
    const NAME: &'static str = "patterns";

    fn start(&self) -> Result<Option<State>, EngineError> {
        Ok(Some(State { depth: 0, lookarounds: 0, names: 0, long_name: false, at: At::Start }))
    }

    fn accepts(&self, state: State) -> Result<bool, EngineError> {
        Ok(state.depth == 0 && matches!(state.at, At::Start | At::AfterAtom | At::AfterZero | At::AfterQuantifier))
    }

    fn ends_within(&self, state: State) -> Option<u64> {
        // A class is closed after what it has, and then the groups are.
        let class = |goal: Goal| u64::from(goal != Goal::Atom);
        let closing = match state.at {
            At::Start | At::AfterAtom | At::AfterZero | At::AfterQuantifier | At::Open => 0,
            At::ClassOpen
            | At::Class
            | At::ClassAfter(_)
            | At::ClassAfterZero(_)
            | At::ClassAfterSet
            | At::ClassZero
            | At::ClassHyphen(_)
            | At::ClassLastHyphen
            | At::Escape
            | At::Question
            | At::Less
            | At::LongName
            | At::ReferenceEnd
            | At::Minimum(_)
            | At::Comma(_)
            | At::MaximumEnough => 1,
            At::ClassEscape | At::Brace | At::ReferenceName => 2,
            At::Reference => 3,
            At::ShortName(name) => 1 + u64::from(state.names >> name & 1),
            At::Maximum(least, number) => 2 + u64::from(number.saturating_mul(10).saturating_add(9) < least),
            At::Control(goal) => 1 + class(goal),
            At::Hex(left, _, goal) => u64::from(left) + class(goal),
            // `{0}` outside classes.
            At::Unicode(goal) => 3 + 2 * class(goal),
            At::NoSurrogate(goal) => 3 + class(goal),
            At::Braced(digits) => 1 + u64::from(digits == 0),
            // `\}`, `\xff`, `\uffff`.
            At::HighEscape(least) => match least {
                0..=0x7D => 2,
                0x7E..=0xFF => 4,
                _ => 6,
            },
            At::Property(in_class) => 1 + self.name_ends_within(self.properties.start().ok()??)? + 1 + u64::from(in_class),
            At::PropertyName(in_class, name) => self.name_ends_within(name)? + 1 + u64::from(in_class),
        };
        Some(u64::from(state.depth) + closing)
    }

    fn always_ends_within(&self) -> Option<u64> {
        Some(u64::from(MAX_DEPTH) + LONGEST_NAME + 2)
    }

    fn ends_exactly_within(&self) -> bool {
        true
    }

    fn goes_on_until(&self) -> u64 {
        // An atom may come wherever a pattern may end.
        u64::MAX
    }

    fn stays_alive_without(&self, state: State) -> Option<&'static str> {
        match state.at {
            At::Start | At::AfterAtom | At::AfterQuantifier | At::Open => Some("()*+?[\\]{}"),
            At::Class | At::ClassAfter(_) | At::ClassAfterSet | At::ClassOpen => Some("-\\]"),
            _ => None,
        }
    }

    fn edges(&self, from: State, edge: &mut dyn FnMut(u32, u32, State)) -> Result<(), EngineError> {
        let mut out = Edges { from, edge };
        match from.at {
            At::Property(in_class) => {
                if let Some(start) = self.properties.start()? {
                    out.each("{", At::PropertyName(in_class, start));
                }
            }
            At::PropertyName(in_class, name) => {
                for e in self.properties.edges(name)?.iter() {
                    (out.edge)(e.low, e.high, from.to(At::PropertyName(in_class, e.target)));
                }
                if self.properties.accepts(name)? {
                    out.each("}", if in_class { At::ClassAfterSet } else { At::AfterAtom });
                }
            }
            _ => {
                let _ = out.outside() || out.brackets() || out.escapes() || out.inside();
            }
        }
        Ok(())
    }
}
