//! Mail addresses. One family of the formats.
//!
//! RFC 5321, section 4.1.2: `Mailbox`, with the sizes of section 4.5.3.1; RFC 6531, section 3.3, adds characters beyond ASCII.
//! Invariant: whatever the local part, it is at most 64 octets long.
//! Must not know: JSON.

use std::sync::Arc;

use super::addresses::{ipv4, ipv6};
use super::hosts::{self, HostNames};
use super::idn::{self, Names};
use super::machine::{Handmade, Machine};
use super::{Format, pattern};
use crate::error::EngineError;
use crate::provider::CodepointAutomaton;

pub(super) static ROWS: [Format; 2] = [
    Format::exact("email", "RFC 5321, section 4.1.2", "a local part of at most 64 characters, `@`, and a domain or an address", email).but_not(
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
    let local = format!("(?:(?=[^@]{{1,64}}@)[{ATEXT}]+(?:\\.[{ATEXT}]+)*|{})@", quoted("", 1));
    let (domain, start) = (HostNames { a_labels: true }, hosts::State::start(LOCAL_UNITS));
    let mailboxes = Mailboxes { local: pattern(&local)?, literal: pattern(&literal())?, domain, start };
    Ok(Arc::new(Handmade::new(mailboxes, "email")))
}

/// Without regard to sizes and to what stands in brackets; with `more` characters besides ASCII.
fn widest(more: &str) -> String {
    let local = format!("[{ATEXT}{more}]+(?:\\.[{ATEXT}{more}]+)*|\"(?:[{QTEXT}{more}]|\\\\[ -~])*\"");
    format!("(?:{local})@(?:[A-Za-z0-9.\\-{more}]+|\\[[!-Z^-~]+\\])")
}

/// `Quoted-string`, with `more` characters besides ASCII, each of at most so many octets.
fn quoted(more: &str, octets: usize) -> String {
    // An escape is two characters long.
    let (plain, escaped) = (62 / octets, 62 / octets.max(2));
    format!("\"(?:[{QTEXT}{more}]{{0,{plain}}}|(?:[{QTEXT}{more}]|\\\\[ -~]){{0,{escaped}}})\"")
}

/// An address in brackets. `IPv6` is the only tag that is registered.
fn literal() -> String {
    format!("\\[(?:{}|[Ii][Pp][Vv]6:{})\\]", ipv4(), ipv6(2))
}

fn idn_email() -> Result<Arc<dyn CodepointAutomaton>, EngineError> {
    // By how many octets a character may take.
    let mut local = Vec::new();
    for (octets, more) in [(1, ""), (2, "\\x80-\\u07FF"), (3, "\\x80-\\uFFFF"), (4, "\\x80-\\u{10FFFF}")] {
        let most = 64 / octets;
        local.push(format!("(?=[^@]{{1,{most}}}@)[{ATEXT}{more}]+(?:\\.[{ATEXT}{more}]+)*@"));
        local.push(format!("{}@", quoted(more, octets)));
    }
    let (domain, start) = (Names::new(true)?, idn::State::start(LOCAL_UNITS));
    let mailboxes = Mailboxes { local: pattern(&format!("(?:{})", local.join("|")))?, literal: pattern(&literal())?, domain, start };
    Ok(Arc::new(Handmade::new(mailboxes, "idn-email")))
}

/// The local part and the `@` take 65 octets at most, the whole 254.
const LOCAL_UNITS: u8 = 3;

/// A local part, then a domain or an address.
struct Mailboxes<D: Machine> {
    /// Ends with the `@`, and accepts nothing that goes on.
    local: Arc<dyn CodepointAutomaton>,
    literal: Arc<dyn CodepointAutomaton>,
    domain: D,
    /// Where the domain begins.
    start: D::State,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum State<S> {
    Local(u32),
    Domain(S),
    Literal(u32),
}

impl<D: Machine> Machine for Mailboxes<D> {
    type State = State<D::State>;
    const NAME: &'static str = "mailboxes";

    fn start(&self) -> Result<Option<Self::State>, EngineError> {
        Ok(self.local.start()?.map(State::Local))
    }

    fn accepts(&self, state: Self::State) -> Result<bool, EngineError> {
        match state {
            State::Local(_) => Ok(false),
            State::Domain(name) => self.domain.accepts(name),
            State::Literal(at) => self.literal.accepts(at),
        }
    }

    fn edges(&self, state: Self::State, edge: &mut dyn FnMut(u32, u32, Self::State)) -> Result<(), EngineError> {
        match state {
            State::Local(at) => {
                for e in self.local.edges(at)?.iter() {
                    let done = self.local.accepts(e.target)?;
                    edge(e.low, e.high, if done { State::Domain(self.start) } else { State::Local(e.target) });
                }
            }
            State::Domain(name) => {
                Machine::edges(&self.domain, name, &mut |low, high, target| edge(low, high, State::Domain(target)))?;
                if name == self.start
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
