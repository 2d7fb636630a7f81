//! Dates, times and durations. One family of the formats.
//!
//! RFC 3339, section 5.6: days exist (leap years by the Gregorian rule from year 0000 on), and a leap second is 23:59:60 UTC whatever the
//! offset; beside a date, at the end of June or December only, where section 5.7 puts them.
//! Invariant: a state remembers only what still decides: of a year, whether it is a leap year; of the time, nothing unless the second may be 60.
//! Must not know: JSON.

use std::sync::Arc;

use super::machine::{Handmade, Machine};
use super::{Format, pattern};
use crate::error::EngineError;
use crate::provider::CodepointAutomaton;

pub(super) static ROWS: [Format; 4] = [
    Format::exact(
        "date-time",
        "RFC 3339, section 5.6",
        "a date, `T`, and a time with an offset; second 60 at the end of June or December UTC only",
        || Ok(moment(Begin::Date, End::Time, false, "date-time")),
    )
    .but_not(QUARTERS, || Ok(moment(Begin::Date, End::Time, true, "date-time, liberal")))
    .without_traps()
    .of_lengths(20, None),
    Format::exact("date", "RFC 3339, section 5.6", "a day that exists", || Ok(moment(Begin::Date, End::Date, false, "date")))
        .without_traps()
        .of_lengths(10, Some(10)),
    Format::exact("time", "RFC 3339, section 5.6", "a time of day with an offset; second 60 at 23:59 UTC only", || {
        Ok(moment(Begin::Time, End::Time, false, "time"))
    })
    .but_not(QUARTERS, || Ok(moment(Begin::Time, End::Time, true, "time, liberal")))
    .without_traps()
    .of_lengths(9, None),
    Format::exact("duration", "RFC 3339, appendix A", "a duration without fractions or signs", duration)
        .without_traps()
        .of_lengths(3, None),
];

const QUARTERS: &str = "leap seconds at offsets that are not whole quarters of an hour";

/// ABNF of appendix A: a unit may be left out at either end, never in between; weeks stand alone.
fn duration() -> Result<Arc<dyn CodepointAutomaton>, EngineError> {
    let time = "T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)";
    pattern(&format!("P(?:(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)(?:{time})?|{time}|\\d+W)"))
}

fn moment(begin: Begin, end: End, liberal: bool, name: &str) -> Arc<dyn CodepointAutomaton> {
    Arc::new(Handmade::new(Moments { begin, end, liberal }, name))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    Date,
    Time,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Date,
    Time,
}

struct Moments {
    begin: Begin,
    end: End,
    /// May every day have a leap second, and at any offset? Otherwise only at offsets of whole quarters of an hour, as all in use are: each
    /// further minute of the day takes states of its own.
    liberal: bool,
}

/// Where the instant 23:59:60 UTC may be, seen from the local day.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Leap {
    /// The day is not known.
    Any,
    /// Nowhere.
    No,
    /// At the end of this UTC day, which has the same date.
    Today,
    /// At the end of the UTC day before.
    Yesterday,
}

const DAY: u16 = 24 * 60;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum State {
    Year1,
    /// Is the first digit odd?
    Year2(bool),
    /// Is the century divisible by four?
    Year3(bool),
    /// Which last digits make a leap year: those of 0, 4, 8 or those of 2, 6; and is the digit 0 left out (1900)?
    Year4 {
        odd: bool,
        but_zero: bool,
    },
    /// Is it a leap year?
    BeforeMonth(bool),
    Month1(bool),
    /// The first digit.
    Month2(bool, u8),
    /// How many days the month has, and on which of its days a leap second can be.
    BeforeDay(u8, Leap),
    Day1(u8, Leap),
    Day2(u8, Leap, u8),
    DayEnd(Leap),
    Hour1(Leap),
    Hour2(Leap, u8),
    BeforeMinute(Leap, u16),
    Minute1(Leap, u16),
    /// The minutes up to here.
    Minute2(Leap, u16),
    BeforeSecond(Leap, u16),
    Second1(Leap, u16),
    Second2,
    /// The second is 60: the offset must be this one.
    Sixty(Leap, u16),
    SecondEnd(Offset),
    FractionStart(Offset),
    Fraction(Offset),
    /// The sign was read.
    OffsetHour1(Wanted),
    OffsetHour2(Wanted, u8),
    BeforeOffsetMinute(Wanted),
    OffsetMinute1(Wanted),
    OffsetMinute2(Wanted),
    Done,
}

/// Which offsets may follow: any, or those which make this local minute 23:59 UTC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Offset {
    Free,
    Leap(Leap, u16),
}

/// The minutes of an offset: any, or just these.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Wanted {
    Any,
    Exactly(u16),
}

impl Offset {
    /// The minutes after a sign; `None`: the sign is impossible.
    fn after_sign(self, plus: bool) -> Option<Wanted> {
        let Self::Leap(leap, local) = self else { return Some(Wanted::Any) };
        let minutes = if plus { (local + 1) % DAY } else { DAY - 1 - local };
        // East of Greenwich the day has changed already, unless the offset is zero.
        let day = if plus && minutes > 0 { Leap::Yesterday } else { Leap::Today };
        (leap == Leap::Any || leap == day).then_some(Wanted::Exactly(minutes))
    }
}

fn digit(d: u8) -> u32 {
    u32::from(b'0' + d)
}

impl Machine for Moments {
    type State = State;
    const NAME: &'static str = "moments";

    fn start(&self) -> Result<Option<State>, EngineError> {
        Ok(Some(if self.begin == Begin::Date { State::Year1 } else { State::Hour1(Leap::Any) }))
    }

    fn accepts(&self, state: State) -> Result<bool, EngineError> {
        Ok(state == State::Done || (self.end == End::Date && matches!(state, State::DayEnd(_))))
    }

    fn edges(&self, state: State, edge: &mut dyn FnMut(u32, u32, State)) -> Result<(), EngineError> {
        let mut digits = |range: std::ops::RangeInclusive<u8>, to: &dyn Fn(u8) -> Option<State>| {
            for d in range {
                if let Some(target) = to(d) {
                    edge(digit(d), digit(d), target);
                }
            }
        };
        match state {
            State::Year1 => digits(0..=9, &|d| Some(State::Year2(d % 2 == 1))),
            State::Year2(odd) => digits(0..=9, &|d| Some(State::Year3((u8::from(odd) * 2 + d) % 4 == 0))),
            State::Year3(by_400) => digits(0..=9, &|d| Some(State::Year4 { odd: d % 2 == 1, but_zero: d == 0 && !by_400 })),
            State::Year4 { odd, but_zero } => {
                digits(0..=9, &|d| Some(State::BeforeMonth((u8::from(odd) * 2 + d) % 4 == 0 && !(but_zero && d == 0))));
            }
            State::Month1(leap_year) => digits(0..=1, &|d| Some(State::Month2(leap_year, d))),
            State::Month2(leap_year, tens) => digits(0..=9, &|d| self.month(leap_year, tens * 10 + d)),
            State::Day1(days, leap) => digits(0..=days / 10, &|d| Some(State::Day2(days, leap, d))),
            State::Day2(days, leap, tens) => digits(0..=9, &|d| day(days, leap, tens * 10 + d)),
            State::Hour1(leap) => digits(0..=2, &|d| Some(State::Hour2(leap, d))),
            State::Hour2(leap, tens) => digits(0..=9, &|d| {
                let hour = tens * 10 + d;
                (hour < 24).then(|| State::BeforeMinute(leap, remember(leap, u16::from(hour) * 60)))
            }),
            State::Minute1(leap, minutes) => digits(0..=5, &|d| Some(State::Minute2(leap, remember(leap, minutes + u16::from(d) * 10)))),
            State::Minute2(leap, minutes) => digits(0..=9, &|d| {
                let minutes = minutes + u16::from(d);
                // The UTC day before has no second left by then.
                let possible = leap != Leap::Yesterday || minutes != DAY - 1;
                let leap = if self.liberal || minutes % 15 == 14 && possible { leap } else { Leap::No };
                Some(State::BeforeSecond(leap, remember(leap, minutes)))
            }),
            State::Second1(leap, minutes) => {
                digits(0..=6, &|d| {
                    Some(if d < 6 { State::Second2 } else { State::Sixty(leap, minutes) }).filter(|_| d < 6 || leap != Leap::No)
                });
            }
            State::Second2 => digits(0..=9, &|_| Some(State::SecondEnd(Offset::Free))),
            State::Sixty(leap, minutes) => digits(0..=0, &|_| Some(State::SecondEnd(Offset::Leap(leap, minutes)))),
            State::FractionStart(offset) => digits(0..=9, &|_| Some(State::Fraction(offset))),
            State::OffsetHour1(wanted) => digits(0..=2, &|d| match wanted {
                Wanted::Any => Some(State::OffsetHour2(wanted, d)),
                Wanted::Exactly(minutes) => (u16::from(d) == minutes / 600).then_some(State::OffsetHour2(wanted, d)),
            }),
            State::OffsetHour2(wanted, tens) => digits(0..=9, &|d| match wanted {
                Wanted::Any => (tens * 10 + d < 24).then_some(State::BeforeOffsetMinute(wanted)),
                Wanted::Exactly(minutes) => {
                    let hour = u16::from(tens * 10 + d);
                    (hour == minutes / 60).then_some(State::BeforeOffsetMinute(Wanted::Exactly(minutes % 60)))
                }
            }),
            State::OffsetMinute1(wanted) => digits(0..=5, &|d| match wanted {
                Wanted::Any => Some(State::OffsetMinute2(wanted)),
                Wanted::Exactly(minutes) => (u16::from(d) == minutes / 10).then_some(State::OffsetMinute2(Wanted::Exactly(minutes % 10))),
            }),
            State::OffsetMinute2(wanted) => digits(0..=9, &|d| match wanted {
                Wanted::Any => Some(State::Done),
                Wanted::Exactly(minutes) => (u16::from(d) == minutes).then_some(State::Done),
            }),
            State::Fraction(offset) => {
                digits(0..=9, &|_| Some(state));
                offsets(offset, edge);
            }
            State::SecondEnd(offset) => {
                edge(u32::from('.'), u32::from('.'), State::FractionStart(offset));
                offsets(offset, edge);
            }
            State::BeforeMonth(leap_year) => edge(u32::from('-'), u32::from('-'), State::Month1(leap_year)),
            State::BeforeDay(days, leap) => edge(u32::from('-'), u32::from('-'), State::Day1(days, leap)),
            State::DayEnd(leap) if self.end == End::Time => {
                for t in ['T', 't'] {
                    edge(u32::from(t), u32::from(t), State::Hour1(leap));
                }
            }
            State::BeforeMinute(leap, minutes) => edge(u32::from(':'), u32::from(':'), State::Minute1(leap, minutes)),
            State::BeforeSecond(leap, minutes) => edge(u32::from(':'), u32::from(':'), State::Second1(leap, minutes)),
            State::BeforeOffsetMinute(wanted) => edge(u32::from(':'), u32::from(':'), State::OffsetMinute1(wanted)),
            State::DayEnd(_) | State::Done => {}
        }
        Ok(())
    }
}

impl Moments {
    fn month(&self, leap_year: bool, month: u8) -> Option<State> {
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u8::from(leap_year),
            _ => return None,
        };
        let leap = match month {
            _ if self.liberal => Leap::Any,
            6 | 12 if self.end == End::Time => Leap::Today,
            1 | 7 if self.end == End::Time => Leap::Yesterday,
            _ => Leap::No,
        };
        Some(State::BeforeDay(days, leap))
    }
}

/// The minute matters only to a leap second.
fn remember(leap: Leap, minutes: u16) -> u16 {
    if leap == Leap::No { 0 } else { minutes }
}

fn day(days: u8, leap: Leap, day: u8) -> Option<State> {
    let at_edge = match leap {
        Leap::Today => day == days,
        Leap::Yesterday => day == 1,
        Leap::Any | Leap::No => true,
    };
    (1..=days).contains(&day).then_some(State::DayEnd(if at_edge { leap } else { Leap::No }))
}

/// What may follow the second: `Z` or an offset.
fn offsets(offset: Offset, edge: &mut dyn FnMut(u32, u32, State)) {
    let zulu = match offset {
        Offset::Free => true,
        Offset::Leap(leap, minutes) => minutes == DAY - 1 && leap != Leap::Yesterday,
    };
    if zulu {
        edge(u32::from('Z'), u32::from('Z'), State::Done);
        edge(u32::from('z'), u32::from('z'), State::Done);
    }
    for (sign, plus) in [('+', true), ('-', false)] {
        if let Some(wanted) = offset.after_sign(plus) {
            edge(u32::from(sign), u32::from(sign), State::OffsetHour1(wanted));
        }
    }
}
