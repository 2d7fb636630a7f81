//! Names of hosts. One family of the formats.
//!
//! RFC 1123, section 2.1, and RFC 1034, section 3.1: labels of letters, digits and inner hyphens, 63 octets at most, 253 in all.
//! Invariant: the size of a name is counted in the state, in coarse units. A length beside the automaton would have to be reconciled with it
//! at every state, which makes each mask tens of times slower. *Loose* states count nothing: far from the bounds all that matters is theirs.
//! Must not know: JSON.

use std::sync::Arc;

use super::machine::{Handmade, Machine, NEAR};
use super::{Format, pattern};
use crate::characters;
use crate::error::EngineError;
use crate::provider::{Bound, Reach};

pub(super) static ROWS: [Format; 1] =
    [Format::exact("hostname", "RFC 1123, section 2.1", "labels of at most 63 characters, 253 in all", || {
        Ok(Arc::new(Handmade::new(HostNames { a_labels: false }, "hostname")))
    })
    .without_traps()
    .but_not(
        "labels that begin with `xn--`; names longer than 252 characters, counting for each label with its dot the next multiple of 21",
        || pattern(&format!("{LABEL}(?:\\.{LABEL})*")),
    )];

/// A label: letters, digits, and hyphens inside.
const LABEL: &str = "[A-Za-z0-9](?:[A-Za-z0-9\\-]{0,61}[A-Za-z0-9])?";

/// Sizes of whole labels with their dots are rounded up to units of so many octets, so that few states tell names apart.
pub(super) const UNIT: u8 = 21;
/// How many there may be: 252 octets with a dot after each label.
pub(super) const UNITS: u8 = 12;
/// As many as there are, and there may always be more.
const LOOSE: u8 = u8::MAX;
/// The same before the first label, told apart from the other labels.
const LOOSE_START: u8 = LOOSE - 1;
/// The longest label.
const LONGEST: u8 = 63;
/// With few units left, texts that are longer than this are not spoken of, so that more dots may be in them.
pub(super) const FAR: u8 = 20;
pub(super) const FEW_UNITS: u8 = 6;
/// Where nothing is counted, longer labels that do not begin like `xn--` are as long as this: a hyphen may follow.
const LONG: u8 = 2;

/// Names of hosts.
pub(super) struct HostNames {
    /// May a label begin like an A-label? Whether it is one takes decoding it.
    pub a_labels: bool,
}

/// What is remembered of a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct State {
    /// The size of the labels before this one.
    units: u8,
    /// The length of this one.
    length: u8,
    hyphen: bool,
    /// How much of `xn--` the label is, 4 if it is something else.
    prefix: u8,
}

impl State {
    /// Before a name after so many units of other text.
    pub const fn start(units: u8) -> Self {
        Self { units, length: 0, hyphen: false, prefix: 0 }
    }

    /// Before a name of whatever size.
    pub const LOOSE: Self = Self::start(LOOSE_START);

    fn uncounted(self) -> Self {
        Self { units: LOOSE, length: if self.prefix == 4 { self.length.min(LONG) } else { self.length }, ..self }
    }

    const fn is_loose(self) -> bool {
        self.units >= LOOSE_START
    }

    fn after(self, c: char, a_labels: bool) -> Option<Self> {
        let loose = self.is_loose();
        let length = self.length + 1;
        let prefix = match "xn--".chars().nth(usize::from(self.prefix)) {
            _ if a_labels => 4,
            Some(wanted) if self.prefix == self.length && c.eq_ignore_ascii_case(&wanted) => self.prefix + 1,
            _ => 4,
        };
        let is_a_label = !a_labels && self.prefix == 3 && prefix == 4 && c == '-';
        let fits = loose || length <= LONGEST && self.units + (length + 1).div_ceil(UNIT) <= UNITS;
        let after = Self { length, hyphen: c == '-', prefix, ..self };
        let after = if loose { after.uncounted() } else { after };
        // Something comes after a hyphen.
        (fits && !is_a_label && (c != '-' || length > 1 && (loose || after.after('0', a_labels).is_some()))).then_some(after)
    }

    /// The same where nothing is counted.
    fn loosened(self) -> Option<(Self, Reach)> {
        if self.is_loose() {
            return None;
        }
        let left = UNITS - self.units;
        // A hyphen asks for one more character.
        let length = (UNIT * left - 1).min(LONGEST).saturating_sub(self.length + 1).min(if left > FEW_UNITS { LONGEST } else { FAR });
        // Every label may waste almost a unit, and this one is the first.
        let few = left.saturating_sub((self.length + length + 1).div_ceil(UNIT) + 1);
        // All characters are of one byte.
        let bound = Bound { length: length.into(), marks: few.into() };
        let reach = Reach { bounds: [bound; 4], marks: characters::kind(b'.'), wide_marks: &[], escapes: 0 };
        (length >= NEAR).then(|| (self.uncounted(), reach))
    }
}

impl Machine for HostNames {
    type State = State;
    const NAME: &'static str = "host names";

    fn start(&self) -> Result<Option<State>, EngineError> {
        Ok(Some(State::start(0)))
    }

    fn accepts(&self, state: State) -> Result<bool, EngineError> {
        Ok(state.length > 0 && !state.hyphen)
    }

    fn ends_within(&self, state: State) -> Option<u64> {
        Some(u64::from(state.length == 0 || state.hyphen))
    }

    fn always_ends_within(&self) -> Option<u64> {
        Some(1)
    }

    fn goes_on_until(&self) -> u64 {
        // Eleven labels of one character and the dots behind them, then as many letters as a unit has but for its dot.
        u64::from(2 * (UNITS - 1) + UNIT - 1)
    }

    fn loosened(&self, state: State) -> Option<(State, Reach)> {
        state.loosened()
    }

    fn is_loose(&self, state: State) -> bool {
        state.is_loose()
    }

    fn lengths(&self) -> (u64, Option<u64>) {
        (1, Some(u64::from(UNIT) * u64::from(UNITS)))
    }

    fn edges(&self, state: State, edge: &mut dyn FnMut(u32, u32, State)) -> Result<(), EngineError> {
        // What goes on with `xn--`, or might have, is told apart by character.
        let alike = self.a_labels || state.prefix == 4;
        for (low, high) in [('0', '9'), ('A', 'Z'), ('a', 'z'), ('-', '-')] {
            if alike {
                if let Some(target) = state.after(low, self.a_labels) {
                    edge(u32::from(low), u32::from(high), target);
                }
                continue;
            }
            for c in low..=high {
                if let Some(target) = state.after(c, self.a_labels) {
                    edge(u32::from(c), u32::from(c), target);
                }
            }
        }
        let units = if state.is_loose() { LOOSE } else { state.units + (state.length + 1).div_ceil(UNIT) };
        if self.accepts(state)? && (state.is_loose() || units < UNITS) {
            edge(u32::from('.'), u32::from('.'), State::start(units));
        }
        Ok(())
    }
}
