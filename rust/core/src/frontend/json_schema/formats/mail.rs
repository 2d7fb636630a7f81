//! Mail addresses. One family of the formats.
//!
//! RFC 5321, section 4.1.2: `Mailbox`, with the sizes of section 4.5.3.1; RFC 6531, section 3.3, adds characters beyond ASCII.
//! Invariant: whatever the local part, it is at most 64 octets long.
//! Must not know: JSON.

use std::sync::Arc;

use super::addresses::{ipv4, ipv6};
use super::hosts::{self, HostNames};
use super::idn::{self, Names};
use super::machine::{Handmade, Machine, NEAR};
use super::{Format, pattern};
use crate::error::EngineError;
use crate::provider::{CodepointAutomaton, Reach};

pub(super) static ROWS: [Format; 2] = [
    Format::exact("email", "RFC 5321, section 4.1.2", "a local part of at most 64 characters, `@`, and a domain or an address", email)
        .without_traps()
        .but_not(
        "domains longer than 189 characters, counting for each label with its dot the next multiple of 21; IPv4 addresses with leading zeros; \
         quoted local parts of more than 31 characters if one is escaped",
        || pattern(&widest("")),
    ),
    Format::exact("idn-email", "RFC 6531, section 3.3", "the same with characters beyond ASCII", idn_email).but_not(
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
    Ok(Arc::new(Handmade::new(Mailboxes { octets: 4, literal: pattern(&literal())?, domain, start, loose: None }, "idn-email")))
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
    /// Octets of the widest.
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
}

/// A length beyond all bounds.
const LOOSE: u8 = u8::MAX;

/// `atext`.
const ATOM: [(char, char); 9] =
    [('!', '!'), ('#', '\''), ('*', '+'), ('-', '-'), ('/', '9'), ('=', '='), ('?', '?'), ('A', 'Z'), ('^', '~')];
/// `qtextSMTP`.
const PLAIN: [(char, char); 3] = [(' ', '!'), ('#', '['), (']', '~')];
/// Characters beyond ASCII, with how many octets each takes.
const BEYOND: [(u32, u32, u8); 4] = [(0x80, 0x7FF, 2), (0x800, 0xD7FF, 3), (0xE000, 0xFFFF, 3), (0x1_0000, 0x10_FFFF, 4)];

impl Local {
    /// Before a local part.
    pub const START: Self = Self { at: Place::Start, length: 0, widest: 1, escaped: false };

    /// After one more character, if that fits.
    fn longer(self, at: Place, octets: u8) -> Option<Self> {
        if self.length == LOOSE {
            return Some(Self { at, ..self });
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

    /// The same where nothing is counted, of characters of one octet.
    fn loosened(self) -> Option<(Self, Reach)> {
        if self.length == LOOSE {
            return None;
        }
        let most = match self.at {
            // As long as one that is quoted and has an escape.
            Place::Start | Place::Quoted | Place::Escape => 62 / 2 - 1,
            Place::Atom | Place::Dot => 64 - 1,
            Place::Closed => u8::MAX,
        };
        let length = most.saturating_sub(self.length);
        let reach = Reach { length: length.into(), few: u64::MAX, of: 0 };
        (length >= NEAR).then_some((Self { at: self.at, length: LOOSE, widest: 1, escaped: false }, reach))
    }

    /// Where characters of at most so many octets lead; `None`: to the end, after the `@`.
    pub fn edges(self, octets: u8, edge: &mut dyn FnMut(u32, u32, Option<Self>)) {
        let mut one = |c: char, target: Option<Self>| edge(u32::from(c), u32::from(c), target);
        let (at, ascii): (Place, &[(char, char)]) = match self.at {
            Place::Start => {
                one('"', Some(Self { at: Place::Quoted, ..self }));
                (Place::Atom, &ATOM)
            }
            Place::Atom => {
                if let Some(dot) = self.longer(Place::Dot, 1) {
                    one('.', Some(dot));
                }
                one('@', None);
                (Place::Atom, &ATOM)
            }
            Place::Dot => (Place::Atom, &ATOM),
            Place::Quoted => {
                let loose = self.length == LOOSE;
                one('"', Some(Self { at: Place::Closed, ..if loose { self } else { Self::START } }));
                let escape = Self { at: Place::Escape, escaped: !loose, ..self };
                if escape.longer(Place::Quoted, 1).is_some() {
                    one('\\', Some(escape));
                }
                (Place::Quoted, &PLAIN)
            }
            Place::Escape => {
                if let Some(target) = self.longer(Place::Quoted, 1) {
                    edge(u32::from(' '), u32::from('~'), Some(target));
                }
                return;
            }
            Place::Closed => return one('@', None),
        };
        if let Some(target) = self.longer(at, 1) {
            for &(low, high) in ascii {
                edge(u32::from(low), u32::from(high), Some(target));
            }
        }
        for (low, high, taken) in BEYOND.into_iter().filter(|&(.., taken)| taken <= octets) {
            if let Some(target) = self.longer(at, taken) {
                edge(low, high, Some(target));
            }
        }
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
                let (loose, reach) = local.loosened()?;
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

    fn edges(&self, state: Self::State, edge: &mut dyn FnMut(u32, u32, Self::State)) -> Result<(), EngineError> {
        match state {
            State::Local(local) => {
                let start = self.loose.filter(|_| local.length == LOOSE).map_or(self.start, |loose| loose.0);
                local.edges(self.octets, &mut |low, high, target| {
                    edge(low, high, target.map_or(State::Domain(start), State::Local));
                });
            }
            State::Domain(name) => {
                Machine::edges(&self.domain, name, &mut |low, high, target| edge(low, high, State::Domain(target)))?;
                if (name == self.start || self.loose.is_some_and(|loose| loose.0 == name))
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
