//! Names of hosts. One family of the formats.
//!
//! RFC 1123, section 2.1, and RFC 1034, section 3.1: labels of letters, digits and inner hyphens, 63 octets at most, 253 in all.
//! Invariant: the size of a name is counted in the state, in coarse units. A length beside the automaton would have to be reconciled with it
//! at every state, which makes each mask tens of times slower.
//! Must not know: JSON.

use std::sync::Arc;

use super::machine::{Handmade, Machine};
use super::{Format, pattern};
use crate::error::EngineError;

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

    fn after(self, c: char, a_labels: bool) -> Option<Self> {
        let length = self.length + 1;
        let prefix = match "xn--".chars().nth(usize::from(self.prefix)) {
            _ if a_labels => 4,
            Some(wanted) if self.prefix == self.length && c.eq_ignore_ascii_case(&wanted) => self.prefix + 1,
            _ => 4,
        };
        let is_a_label = !a_labels && self.prefix == 3 && prefix == 4 && c == '-';
        let fits = length <= 63 && self.units + (length + 1).div_ceil(UNIT) <= UNITS;
        let after = Self { length, hyphen: c == '-', prefix, ..self };
        // Something comes after a hyphen.
        (fits && !is_a_label && (c != '-' || length > 1 && after.after('0', a_labels).is_some())).then_some(after)
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
        let units = state.units + (state.length + 1).div_ceil(UNIT);
        if self.accepts(state)? && units < UNITS {
            edge(u32::from('.'), u32::from('.'), State::start(units));
        }
        Ok(())
    }
}
