//! Identifiers of resources: URI, IRI, their references, and templates. One family of the formats.
//!
//! The patterns are the ABNF of RFC 3986, appendix A, rule by rule, with the wider `iunreserved` and `iquery` of RFC 3987, section 2.2.
//! Invariant: only the syntax is enforced, as the formats ask; no scheme's own rules.
//! Must not know: JSON.

use std::sync::Arc;

use super::addresses::ipv6;
use super::{Format, pattern};
use crate::error::EngineError;
use crate::provider::CodepointAutomaton;

pub(super) static ROWS: [Format; 5] = [
    Format::exact("uri", "RFC 3986", "a URI with its scheme", || pattern(&Syntax::uri().absolute())),
    Format::exact("uri-reference", "RFC 3986, section 4.1", "a URI or a relative reference", || pattern(&Syntax::uri().reference())),
    Format::exact("iri", "RFC 3987", "an IRI with its scheme", || pattern(&Syntax::iri().absolute())),
    Format::exact("iri-reference", "RFC 3987, section 2.2", "an IRI or a relative reference", || pattern(&Syntax::iri().reference())),
    Format::exact(
        "uri-template",
        "RFC 6570, section 2",
        "a template of any level; the operators reserved for extensions are not allowed",
        || template("+#./;?&"),
    )
    .or_liberally(|| template("+#./;?&=,!@|")),
];

/// `ucschar` of RFC 3987, for inside a class.
const UCSCHAR: &str = "\\u00A0-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFEF\\u{10000}-\\u{1FFFD}\\u{20000}-\\u{2FFFD}\\u{30000}-\\u{3FFFD}\
    \\u{40000}-\\u{4FFFD}\\u{50000}-\\u{5FFFD}\\u{60000}-\\u{6FFFD}\\u{70000}-\\u{7FFFD}\\u{80000}-\\u{8FFFD}\\u{90000}-\\u{9FFFD}\
    \\u{A0000}-\\u{AFFFD}\\u{B0000}-\\u{BFFFD}\\u{C0000}-\\u{CFFFD}\\u{D0000}-\\u{DFFFD}\\u{E1000}-\\u{EFFFD}";
/// `iprivate` of RFC 3987.
const IPRIVATE: &str = "\\uE000-\\uF8FF\\u{F0000}-\\u{FFFFD}\\u{100000}-\\u{10FFFD}";
const PERCENT: &str = "%[0-9A-Fa-f]{2}";
const SUB_DELIMS: &str = "!$&'()*+,;=";

struct Syntax {
    /// Inside a class.
    unreserved: String,
    /// Further characters of a query.
    private: &'static str,
}

impl Syntax {
    fn uri() -> Self {
        Self { unreserved: "A-Za-z0-9._~\\-".to_owned(), private: "" }
    }

    fn iri() -> Self {
        Self { unreserved: format!("A-Za-z0-9._~\\-{UCSCHAR}"), private: IPRIVATE }
    }

    /// One of the usual characters, of `more`, or a percent-encoded octet.
    fn character(&self, more: &str) -> String {
        format!("(?:[{}{SUB_DELIMS}{more}]|{PERCENT})", self.unreserved)
    }

    /// `//` authority path-abempty
    fn network_path(&self) -> String {
        let userinfo = self.character(":");
        // IPv4 addresses are names, too.
        let name = self.character("");
        let future = format!("[Vv][0-9A-Fa-f]+\\.[A-Za-z0-9._~\\-{SUB_DELIMS}:]+");
        let host = format!("(?:\\[(?:{}|{future})\\]|{name}*)", ipv6(1));
        format!("//(?:{userinfo}*@)?{host}(?::\\d*)?(?:/{}*)*", self.pchar())
    }

    fn pchar(&self) -> String {
        self.character(":@")
    }

    /// `path-absolute`
    fn absolute_path(&self) -> String {
        let pchar = self.pchar();
        format!("/(?:{pchar}+(?:/{pchar}*)*)?")
    }

    /// [ "?" query ] [ "#" fragment ]
    fn tail(&self) -> String {
        format!("(?:\\?{}*)?(?:#{}*)?", self.character(&format!(":@/?{}", self.private)), self.character(":@/?"))
    }

    fn absolute(&self) -> String {
        let pchar = self.pchar();
        let hier = format!("(?:{}|{}|{pchar}+(?:/{pchar}*)*|)", self.network_path(), self.absolute_path());
        format!("[A-Za-z][A-Za-z0-9+.\\-]*:{hier}{}", self.tail())
    }

    fn reference(&self) -> String {
        // The first segment of a relative path has no colon, or it would be a scheme.
        let no_scheme = format!("{}+(?:/{}*)*", self.character("@"), self.pchar());
        let relative = format!("(?:{}|{}|{no_scheme}|){}", self.network_path(), self.absolute_path(), self.tail());
        format!("(?:{}|{relative})", self.absolute())
    }
}

/// Literals as corrected by erratum 6937, which allows the apostrophe.
fn template(operators: &str) -> Result<Arc<dyn CodepointAutomaton>, EngineError> {
    let literal = format!("(?:[!#$&'-;=?-\\[\\]_a-z~{UCSCHAR}{IPRIVATE}]|{PERCENT})");
    let varchar = format!("(?:[A-Za-z0-9_]|{PERCENT})");
    let variable = format!("{varchar}(?:\\.?{varchar})*(?::[1-9]\\d{{0,3}}|\\*)?");
    pattern(&format!("(?:{literal}|\\{{[{operators}]?{variable}(?:,{variable})*\\}})*"))
}
