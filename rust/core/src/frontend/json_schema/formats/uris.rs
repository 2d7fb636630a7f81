//! Identifiers of resources: URI, IRI, their references, and templates. One family of the formats.
//!
//! The machine is the ABNF of RFC 3986, appendix A, with the wider `iunreserved` and `iquery` of RFC 3987, section 2.2; the tests have it as
//! patterns, rule by rule (`uris_tests.rs`).
//! Invariant: only the syntax is enforced, as the formats ask; no scheme's own rules.
//! Must not know: JSON.

use std::sync::Arc;

use super::addresses::ipv6;
use super::machine::{Handmade, Machine};
use super::{Format, pattern};
use crate::error::EngineError;
use crate::provider::CodepointAutomaton;

pub(super) static ROWS: [Format; 5] = [
    Format::exact("uri", "RFC 3986", "a URI with its scheme", || identifiers(false, false, "uri")).without_traps().of_lengths(2, None),
    Format::exact("uri-reference", "RFC 3986, section 4.1", "a URI or a relative reference", || identifiers(false, true, "uri-reference"))
        .without_traps(),
    Format::exact("iri", "RFC 3987", "an IRI with its scheme", || identifiers(true, false, "iri")).without_traps().of_lengths(2, None),
    Format::exact("iri-reference", "RFC 3987, section 2.2", "an IRI or a relative reference", || identifiers(true, true, "iri-reference"))
        .without_traps(),
    Format::exact(
        "uri-template",
        "RFC 6570, section 2",
        "a template of any level; the operators reserved for extensions are not allowed",
        || template("+#./;?&"),
    )
    .or_liberally(|| template("+#./;?&=,!@|")),
];

/// `ucschar` of RFC 3987, for inside a class.
pub(super) const UCSCHAR: &str = "\\u00A0-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFEF\\u{10000}-\\u{1FFFD}\\u{20000}-\\u{2FFFD}\\u{30000}-\\u{3FFFD}\
    \\u{40000}-\\u{4FFFD}\\u{50000}-\\u{5FFFD}\\u{60000}-\\u{6FFFD}\\u{70000}-\\u{7FFFD}\\u{80000}-\\u{8FFFD}\\u{90000}-\\u{9FFFD}\
    \\u{A0000}-\\u{AFFFD}\\u{B0000}-\\u{BFFFD}\\u{C0000}-\\u{CFFFD}\\u{D0000}-\\u{DFFFD}\\u{E1000}-\\u{EFFFD}";
/// `iprivate` of RFC 3987.
pub(super) const IPRIVATE: &str = "\\uE000-\\uF8FF\\u{F0000}-\\u{FFFFD}\\u{100000}-\\u{10FFFD}";
pub(super) const PERCENT: &str = "%[0-9A-Fa-f]{2}";
pub(super) const SUB_DELIMS: &str = "!$&'()*+,;=";

/// `ucschar`, and what else stands for itself beyond ASCII in a query, as ranges.
struct Beyond {
    unreserved: Vec<(u32, u32)>,
    private: Vec<(u32, u32)>,
}

impl Beyond {
    fn new(international: bool) -> Self {
        if !international {
            return Self { unreserved: Vec::new(), private: Vec::new() };
        }
        let planes = (1..=14).map(|plane| (plane << 16 | if plane == 14 { 0x1000 } else { 0 }, plane << 16 | 0xFFFD));
        let unreserved = [(0xA0, 0xD7FF), (0xF900, 0xFDCF), (0xFDF0, 0xFFEF)].into_iter().chain(planes).collect();
        Self { unreserved, private: vec![(0xE000, 0xF8FF), (0xF_0000, 0xF_FFFD), (0x10_0000, 0x10_FFFD)] }
    }
}

fn identifiers(international: bool, relative: bool, variant: &str) -> Result<Arc<dyn CodepointAutomaton>, EngineError> {
    let future = format!("[Vv][0-9A-Fa-f]+\\.[A-Za-z0-9._~\\-{SUB_DELIMS}:]+");
    let literal = pattern(&format!("\\[(?:{}|{future})\\]", ipv6(1)))?;
    Ok(Arc::new(Handmade::new(Identifiers { beyond: Beyond::new(international), relative, literal }, variant)))
}

/// Identifiers, or references as well.
struct Identifiers {
    beyond: Beyond,
    relative: bool,
    /// An address in brackets.
    literal: Arc<dyn CodepointAutomaton>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum State {
    Start,
    /// In a scheme.
    Scheme,
    /// In what may be a scheme or the first segment of a relative path.
    SchemeOrSegment,
    /// After the colon of the scheme.
    Hierarchy,
    /// After a slash that may be the first of two.
    Slash,
    At(Place),
    Literal(u32),
    /// After a percent sign, with so many digits to come.
    Percent(u8, Place),
}

/// Where characters stand for themselves or are percent-encoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Place {
    /// In the first segment of a relative path, which has no colon.
    Segment,
    /// After the two slashes.
    Authority,
    /// In what may be a user's name or a host.
    UserOrHost,
    /// After a colon, and then digits: a port, or what belongs to the user.
    UserOrPort,
    User,
    /// After the `@`.
    HostStart,
    Host,
    /// After the colon, or behind an address in brackets if that is not to come.
    Port,
    AfterLiteral,
    Path,
    Query,
    Fragment,
}

impl Identifiers {
    /// The characters of `unreserved` and `sub-delims` lead to a place, others to a state each; a percent sign leads back to the place.
    fn characters(&self, place: Place, edge: &mut dyn FnMut(u32, u32, State)) {
        for (low, high) in [('A', 'Z'), ('a', 'z'), ('0', '9'), ('.', '.'), ('_', '_'), ('~', '~'), ('-', '-')] {
            edge(low.into(), high.into(), State::At(place));
        }
        for c in SUB_DELIMS.chars() {
            edge(c.into(), c.into(), State::At(place));
        }
        for &(low, high) in &self.beyond.unreserved {
            edge(low, high, State::At(place));
        }
        edge('%'.into(), '%'.into(), State::Percent(2, place));
    }

    fn literal(&self, edge: &mut dyn FnMut(u32, u32, State)) -> Result<(), EngineError> {
        match self.literal.start()? {
            Some(start) => self.inside(start, edge),
            None => Ok(()),
        }
    }

    fn inside(&self, at: u32, edge: &mut dyn FnMut(u32, u32, State)) -> Result<(), EngineError> {
        for e in self.literal.edges(at)?.iter() {
            edge(e.low, e.high, if self.literal.accepts(e.target)? { State::At(Place::AfterLiteral) } else { State::Literal(e.target) });
        }
        Ok(())
    }
}

/// `[ "/" … ] [ "?" query ] [ "#" fragment ]`
fn tail(edge: &mut dyn FnMut(u32, u32, State)) {
    each("/", State::At(Place::Path), edge);
    each("?", State::At(Place::Query), edge);
    each("#", State::At(Place::Fragment), edge);
}

fn each(characters: &str, target: State, edge: &mut dyn FnMut(u32, u32, State)) {
    for c in characters.chars() {
        edge(c.into(), c.into(), target);
    }
}

fn letters(target: State, edge: &mut dyn FnMut(u32, u32, State)) {
    for (low, high) in [('A', 'Z'), ('a', 'z')] {
        edge(low.into(), high.into(), target);
    }
}

impl Machine for Identifiers {
    type State = State;
    const NAME: &'static str = "identifiers of resources";

    fn start(&self) -> Result<Option<State>, EngineError> {
        Ok(Some(State::Start))
    }

    fn accepts(&self, state: State) -> Result<bool, EngineError> {
        Ok(match state {
            State::Start => self.relative,
            State::SchemeOrSegment | State::Hierarchy | State::Slash => true,
            State::At(place) => place != Place::User,
            State::Scheme | State::Literal(_) | State::Percent(..) => false,
        })
    }

    fn edges(&self, state: State, edge: &mut dyn FnMut(u32, u32, State)) -> Result<(), EngineError> {
        match state {
            State::Start if self.relative => {
                // Letters may be a scheme, and lead elsewhere than what else a segment has.
                self.characters(Place::Segment, &mut |low, high, target| match (low, high) {
                    (0x41, 0x5A) | (0x61, 0x7A) => edge(low, high, State::SchemeOrSegment),
                    _ => edge(low, high, target),
                });
                each("@", State::At(Place::Segment), edge);
                each("/", State::Slash, edge);
                each("?", State::At(Place::Query), edge);
                each("#", State::At(Place::Fragment), edge);
            }
            State::Start => letters(State::Scheme, edge),
            State::Scheme => {
                letters(State::Scheme, edge);
                edge('0'.into(), '9'.into(), State::Scheme);
                each("+-.", State::Scheme, edge);
                each(":", State::Hierarchy, edge);
            }
            State::SchemeOrSegment => {
                self.characters(Place::Segment, &mut |low, high, target| {
                    let of_scheme = char::from_u32(low).is_some_and(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
                    edge(low, high, if of_scheme { State::SchemeOrSegment } else { target });
                });
                each("@", State::At(Place::Segment), edge);
                each(":", State::Hierarchy, edge);
                tail(edge);
            }
            State::Hierarchy | State::Slash => {
                self.characters(Place::Path, edge);
                each(":@", State::At(Place::Path), edge);
                each("/", if state == State::Slash { State::At(Place::Authority) } else { State::Slash }, edge);
                each("?", State::At(Place::Query), edge);
                each("#", State::At(Place::Fragment), edge);
            }
            State::Literal(at) => self.inside(at, edge)?,
            State::Percent(left, place) => {
                let then = match left - 1 {
                    0 => State::At(place),
                    left => State::Percent(left, place),
                };
                for (low, high) in [('0', '9'), ('A', 'F'), ('a', 'f')] {
                    edge(low.into(), high.into(), then);
                }
            }
            State::At(place) => self.edges_at(place, edge)?,
        }
        Ok(())
    }
}

impl Identifiers {
    fn edges_at(&self, place: Place, edge: &mut dyn FnMut(u32, u32, State)) -> Result<(), EngineError> {
        match place {
            Place::Segment => {
                self.characters(Place::Segment, edge);
                each("@", State::At(Place::Segment), edge);
                tail(edge);
            }
            Place::Authority | Place::UserOrHost => {
                self.characters(Place::UserOrHost, edge);
                each(":", State::At(Place::UserOrPort), edge);
                each("@", State::At(Place::HostStart), edge);
                if place == Place::Authority {
                    self.literal(edge)?;
                }
                tail(edge);
            }
            Place::UserOrPort => {
                self.characters(Place::User, &mut |low, high, target| match (low, high) {
                    (0x30, 0x39) => edge(low, high, State::At(Place::UserOrPort)),
                    _ => edge(low, high, target),
                });
                each(":", State::At(Place::User), edge);
                each("@", State::At(Place::HostStart), edge);
                tail(edge);
            }
            Place::User => {
                self.characters(Place::User, edge);
                each(":", State::At(Place::User), edge);
                each("@", State::At(Place::HostStart), edge);
            }
            Place::HostStart | Place::Host => {
                self.characters(Place::Host, edge);
                each(":", State::At(Place::Port), edge);
                if place == Place::HostStart {
                    self.literal(edge)?;
                }
                tail(edge);
            }
            Place::AfterLiteral => {
                each(":", State::At(Place::Port), edge);
                tail(edge);
            }
            Place::Port => {
                edge('0'.into(), '9'.into(), State::At(Place::Port));
                tail(edge);
            }
            Place::Path => {
                self.characters(Place::Path, edge);
                each(":@", State::At(Place::Path), edge);
                tail(edge);
            }
            Place::Query | Place::Fragment => {
                self.characters(place, edge);
                each(":@/?", State::At(place), edge);
                if place == Place::Query {
                    each("#", State::At(Place::Fragment), edge);
                    for &(low, high) in &self.beyond.private {
                        edge(low, high, State::At(Place::Query));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Literals as corrected by erratum 6937, which allows the apostrophe.
fn template(operators: &str) -> Result<Arc<dyn CodepointAutomaton>, EngineError> {
    let literal = format!("(?:[!#$&'-;=?-\\[\\]_a-z~{UCSCHAR}{IPRIVATE}]|{PERCENT})");
    let varchar = format!("(?:[A-Za-z0-9_]|{PERCENT})");
    let variable = format!("{varchar}(?:\\.?{varchar})*(?::[1-9]\\d{{0,3}}|\\*)?");
    pattern(&format!("(?:{literal}|\\{{[{operators}]?{variable}(?:,{variable})*\\}})*"))
}
