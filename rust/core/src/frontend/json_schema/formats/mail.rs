//! Mail addresses. One family of the formats.
//!
//! RFC 5321, section 4.1.2: `Mailbox`, with the sizes of section 4.5.3.1; RFC 6531, section 3.3, adds characters beyond ASCII.
//! Invariant: whatever the local part, it is at most 64 octets long.
//! Must not know: JSON.

use std::sync::Arc;

use super::addresses::{ipv4, ipv6};
use super::hosts::{self, HostNames};
use super::idn::{self, Names};
use super::machine::{Handmade, Machine, NEAR, any_after};
use super::{Format, pattern};
use crate::error::EngineError;
use crate::provider::{Bound, CodepointAutomaton, Reach};

pub(super) static ROWS: [Format; 2] = [
    Format::exact("email", "RFC 5321, section 4.1.2", "a local part of at most 64 characters, `@`, and a domain or an address", email)
        .without_traps()
        .but_not(
        "domains longer than 189 characters, counting for each label with its dot the next multiple of 21; IPv4 addresses with leading zeros; \
         quoted local parts of more than 31 characters if one is escaped",
        || pattern(&widest("")),
    ),
    Format::exact("idn-email", "RFC 6531, section 3.3", "the same with characters beyond ASCII", idn_email).without_traps().but_not(
        "those of `email` and `idn-hostname`; local parts that might be longer than 64 octets, counting four for each character beyond U+FFFF, \
         three beyond U+07FF, two beyond ASCII if there is one",
        || pattern(&widest("\\x80-\\u{10FFFF}")),
    ),
];

const ATEXT: &str = "A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-";
const QTEXT: &str = " !#-\\[\\]-~";

fn email() -> Result<Arc<dyn CodepointAutomaton>, EngineError> {
    let (domain, start) = (HostNames { a_labels: true }, hosts::State::start(LOCAL_UNITS));
    let loose = domain.loosened(start).map(|(_, reach)| (hosts::State::LOOSE, reach));
    Ok(Arc::new(Handmade::new(Mailboxes { octets: 1, literal: pattern(&literal())?, domain, start, loose }, "email")))
}

fn idn_email() -> Result<Arc<dyn CodepointAutomaton>, EngineError> {
    let (domain, start) = (Names::new(true)?, idn::State::start(LOCAL_UNITS));
    let mut loose = None;
    while let Some((next, reach)) = domain.loosened(loose.map_or(start, |(loose, _)| loose)) {
        loose = Some((next, loose.map_or(reach, |(_, before): (_, Reach)| before.and(reach))));
    }
    let loose = loose.map(|(loose, reach)| (loose.before_any(), reach));
    Ok(Arc::new(Handmade::new(Mailboxes { octets: 4, literal: pattern(&literal())?, domain, start, loose }, "idn-email")))
}

/// Without regard to sizes and to what stands in brackets; with `more` characters besides ASCII.
fn widest(more: &str) -> String {
    let local = format!("[{ATEXT}{more}]+(?:\\.[{ATEXT}{more}]+)*|\"(?:[{QTEXT}{more}]|\\\\[ -~])*\"");
    format!("(?:{local})@(?:[A-Za-z0-9.\\-{more}]+|\\[[!-Z^-~]+\\])")
}

/// An address in brackets. `IPv6` is the only tag that is registered.
fn literal() -> String {
    format!("\\[(?:{}|[Ii][Pp][Vv]6:{})\\]", ipv4(), ipv6(2))
}

/// The local part and the `@` take 65 octets at most, the whole 254.
const LOCAL_UNITS: u8 = 3;

/// No address in brackets is longer: `[IPv6:`, six groups, an IPv4 address, `]`.
const LITERAL: u64 = 6 + 6 * 5 + 15 + 1;

/// A local part, then a domain or an address.
struct Mailboxes<D: Machine> {
    /// How many a character of the local part may take.
    octets: u8,
    literal: Arc<dyn CodepointAutomaton>,
    domain: D,
    /// Where the domain begins.
    start: D::State,
    /// Where it begins after a local part that is not counted, if there is such a state.
    loose: Option<(D::State, Reach)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum State<S> {
    Local(Local),
    Domain(S),
    Literal(u32),
}

/// What is remembered of a local part. Each of its characters counts for as many octets as the widest of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Local {
    at: Place,
    /// Characters, without quotes; an escape counts as one. [`LOOSE`]: they are not counted.
    length: u8,
    /// Octets of the widest; where they are not counted, of the widest that may come.
    widest: u8,
    /// As many characters are allowed as if one were escaped.
    escaped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Place {
    Start,
    /// After a character of an atom.
    Atom,
    /// After a dot.
    Dot,
    /// Between the quotes.
    Quoted,
    /// After a backslash.
    Escape,
    /// After the closing quote.
    Closed,
    /// After the `@`.
    End,
}

/// A length beyond all bounds.
const LOOSE: u8 = u8::MAX;

/// Characters that fare alike everywhere, those beyond ASCII by how many octets they take.
const ALIKE: [(u32, u32); 24] = [
    (0x20, 0x20),
    (0x21, 0x21),
    (0x22, 0x22),
    (0x23, 0x27),
    (0x28, 0x29),
    (0x2A, 0x2B),
    (0x2C, 0x2C),
    (0x2D, 0x2D),
    (0x2E, 0x2E),
    (0x2F, 0x39),
    (0x3A, 0x3C),
    (0x3D, 0x3D),
    (0x3E, 0x3E),
    (0x3F, 0x3F),
    (0x40, 0x40),
    (0x41, 0x5A),
    (0x5B, 0x5B),
    (0x5C, 0x5C),
    (0x5D, 0x5D),
    (0x5E, 0x7E),
    (0x80, 0x7FF),
    (0x800, 0xD7FF),
    (0xE000, 0xFFFF),
    (0x1_0000, 0x10_FFFF),
];

/// `atext`, and what RFC 6531 adds.
const fn is_atom(c: char) -> bool {
    matches!(c, '!' | '#'..='\'' | '*' | '+' | '-' | '/'..='9' | '=' | '?' | 'A'..='Z' | '^'..='~' | '\u{80}'..)
}

/// `qtextSMTP`, and what RFC 6531 adds.
const fn is_plain(c: char) -> bool {
    matches!(c, ' ' | '!' | '#'..='[' | ']'..='~' | '\u{80}'..)
}

impl Local {
    /// Before a local part.
    pub const START: Self = Self { at: Place::Start, length: 0, widest: 1, escaped: false };

    /// After one more character, if that fits.
    fn longer(self, at: Place, octets: u8) -> Option<Self> {
        if self.length == LOOSE {
            return (octets <= self.widest).then_some(Self { at, ..self });
        }
        let (length, widest) = (self.length + 1, self.widest.max(octets));
        let most = match at {
            Place::Quoted if self.escaped => 62 / widest.max(2),
            Place::Quoted => 62 / widest,
            // Something comes after a dot.
            Place::Dot => 64 / widest - 1,
            _ => 64 / widest,
        };
        // An escape takes two octets: beside a character of two it changes nothing.
        let escaped = at == Place::Quoted && (self.escaped || widest > 1);
        (length <= most).then_some(Self { at, length, widest, escaped })
    }

    /// The same where nothing is counted, of characters of at most so many octets.
    fn loosened(self, octets: u8) -> Option<(Self, Reach)> {
        if self.length == LOOSE {
            return None;
        }
        let left = |taken: u8| {
            let widest = self.widest.max(taken);
            let most = match self.at {
                // As long as one that is quoted and has an escape.
                Place::Start | Place::Quoted | Place::Escape => 62 / widest.max(2) - 1,
                Place::Atom | Place::Dot => 64 / widest - 1,
                Place::Closed | Place::End => u8::MAX,
            };
            most.saturating_sub(self.length)
        };
        let next = match self.at {
            Place::Start | Place::Atom | Place::Dot => Some(Place::Atom),
            Place::Quoted | Place::Escape => Some(Place::Quoted),
            Place::Closed | Place::End => None,
        };
        // Characters of which none may come any more are refused there as well.
        let may_come = |taken: &u8| next.is_some_and(|next| self.longer(next, *taken).is_some());
        let widest = (1..=octets).rev().find(may_come).unwrap_or(1);
        let bounds = [1, 2, 3, 4].map(|taken| Bound { length: left(taken).into(), marks: u64::MAX });
        let reach = Reach { bounds, marks: 0, wide_marks: &[], escapes: 0 };
        (left(1) >= NEAR).then_some((Self { at: self.at, length: LOOSE, widest, escaped: false }, reach))
    }

    /// Where a character leads, if it takes at most so many octets.
    fn after(self, octets: u8, c: u32) -> Option<Self> {
        let c = char::from_u32(c)?;
        let taken = c.len_utf8() as u8;
        if taken > octets {
            return None;
        }
        match (self.at, c) {
            (Place::Start, '"') => Some(Self { at: Place::Quoted, ..self }),
            (Place::Atom, '.') => self.longer(Place::Dot, 1),
            (Place::Atom | Place::Closed, '@') => Some(Self { at: Place::End, ..self }),
            (Place::Quoted, '"') if self.length == LOOSE => Some(Self { at: Place::Closed, widest: 1, ..self }),
            (Place::Quoted, '"') => Some(Self { at: Place::Closed, ..Self::START }),
            (Place::Quoted, '\\') => {
                let escape = Self { at: Place::Escape, escaped: self.length != LOOSE, ..self };
                escape.longer(Place::Quoted, 1).map(|_| escape)
            }
            (Place::Escape, ' '..='~') => self.longer(Place::Quoted, 1),
            (Place::Quoted, _) if is_plain(c) => self.longer(Place::Quoted, taken),
            (Place::Start | Place::Atom | Place::Dot, _) if is_atom(c) => self.longer(Place::Atom, taken),
            _ => None,
        }
    }

    /// The same for all characters.
    pub fn edges(self, octets: u8, edge: &mut dyn FnMut(u32, u32, Self)) {
        for (low, high) in ALIKE {
            if let Some(target) = self.after(octets, low) {
                edge(low, high, target);
            }
        }
    }

    pub fn is_over(self) -> bool {
        self.at == Place::End
    }
}

impl<D: Machine> Mailboxes<D> {
    /// Behind a local part, the domain begins.
    fn within(&self, local: Local) -> State<D::State> {
        if !local.is_over() {
            return State::Local(local);
        }
        State::Domain(self.loose.filter(|_| local.length == LOOSE).map_or(self.start, |loose| loose.0))
    }

    /// Does the domain begin here, or an address in brackets?
    fn begins(&self, name: D::State) -> bool {
        name == self.start || self.loose.is_some_and(|loose| loose.0 == name)
    }
}

impl<D: Machine> Machine for Mailboxes<D> {
    type State = State<D::State>;
    const NAME: &'static str = "mailboxes";

    fn start(&self) -> Result<Option<Self::State>, EngineError> {
        Ok(Some(State::Local(Local::START)))
    }

    fn accepts(&self, state: Self::State) -> Result<bool, EngineError> {
        match state {
            State::Local(_) => Ok(false),
            State::Domain(name) => self.domain.accepts(name),
            State::Literal(at) => self.literal.accepts(at),
        }
    }

    fn ends_within(&self, state: Self::State) -> Option<u64> {
        let domain = self.domain.always_ends_within()?;
        match state {
            State::Local(local) => {
                let rest = match local.at {
                    Place::End => 0,
                    Place::Atom | Place::Closed => 1,
                    Place::Start | Place::Dot | Place::Quoted => 2,
                    Place::Escape => 3,
                };
                Some(rest + domain)
            }
            State::Domain(name) => self.domain.ends_within(name),
            State::Literal(_) => Some(LITERAL),
        }
    }

    fn always_ends_within(&self) -> Option<u64> {
        Some(LITERAL.max(3 + self.domain.always_ends_within()?))
    }

    fn goes_on_until(&self) -> u64 {
        // What stands in brackets does not go on: `a@[1.1.1.1]` has as many.
        self.domain.goes_on_until().min(11)
    }

    fn loosened(&self, state: Self::State) -> Option<(Self::State, Reach)> {
        match state {
            State::Local(local) => {
                let (_, domain) = self.loose?;
                let (loose, reach) = local.loosened(self.octets)?;
                Some((State::Local(loose), reach.then(domain)))
            }
            State::Domain(name) if name == self.start => self.loose.map(|(start, reach)| (State::Domain(start), reach)),
            State::Domain(name) => self.domain.loosened(name).map(|(loose, reach)| (State::Domain(loose), reach)),
            State::Literal(_) => None,
        }
    }

    fn is_loose(&self, state: Self::State) -> bool {
        match state {
            State::Local(local) => local.length == LOOSE,
            State::Domain(name) => self.domain.is_loose(name),
            State::Literal(_) => false,
        }
    }

    fn lengths(&self) -> (u64, Option<u64>) {
        let (least, most) = self.domain.lengths();
        // A local part of one character and the `@`, or 64; what the domain may have then, or an address.
        let taken = u64::from(LOCAL_UNITS) * u64::from(hosts::UNIT);
        (2 + least, most.map(|most| 65 + (most - taken).max(LITERAL)))
    }

    fn after(&self, state: Self::State, c: u32) -> Result<Option<Self::State>, EngineError> {
        match state {
            State::Local(local) => Ok(local.after(self.octets, c).map(|local| self.within(local))),
            State::Domain(name) if !self.begins(name) => Ok(self.domain.after(name, c)?.map(State::Domain)),
            _ => any_after(self, state, c),
        }
    }

    fn edges(&self, state: Self::State, edge: &mut dyn FnMut(u32, u32, Self::State)) -> Result<(), EngineError> {
        match state {
            State::Local(local) => local.edges(self.octets, &mut |low, high, local| edge(low, high, self.within(local))),
            State::Domain(name) => {
                Machine::edges(&self.domain, name, &mut |low, high, target| edge(low, high, State::Domain(target)))?;
                if self.begins(name)
                    && let Some(start) = self.literal.start()?
                {
                    for e in self.literal.edges(start)?.iter() {
                        edge(e.low, e.high, State::Literal(e.target));
                    }
                }
            }
            State::Literal(at) => {
                for e in self.literal.edges(at)?.iter() {
                    edge(e.low, e.high, State::Literal(e.target));
                }
            }
        }
        Ok(())
    }
}
