//! Identifiers of resources against their grammar, which stands here as patterns.

use super::addresses::ipv6;
use super::uris::{IPRIVATE, PERCENT, SUB_DELIMS, UCSCHAR};
use super::*;

/// The ABNF of RFC 3986, appendix A, and RFC 3987, section 2.2, rule by rule, as patterns.
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

#[test]
fn identifiers_are_those_of_the_grammar() {
    for (name, grammar) in [
        ("uri", Syntax::uri().absolute()),
        ("uri-reference", Syntax::uri().reference()),
        ("iri", Syntax::iri().absolute()),
        ("iri-reference", Syntax::iri().reference()),
    ] {
        let (ours, theirs) = (format(name).unwrap().automaton().unwrap(), pattern(&grammar).unwrap());
        // Both are deterministic, and every state leads to an end: they are walked side by side, range by range.
        let mut open = vec![(ours.start().unwrap().unwrap(), theirs.start().unwrap().unwrap())];
        let mut seen = std::collections::HashSet::from([open[0]]);
        while let Some((a, b)) = open.pop() {
            assert_eq!(ours.accepts(a).unwrap(), theirs.accepts(b).unwrap(), "{name}");
            let (edges, others) = (ours.edges(a).unwrap(), theirs.edges(b).unwrap());
            let starts = edges.iter().chain(others.iter()).flat_map(|e| [e.low, e.high + 1]);
            for c in starts.collect::<std::collections::BTreeSet<u32>>() {
                let after = |edges: &[CodepointEdge]| edges.iter().find(|e| (e.low..=e.high).contains(&c)).map(|e| e.target);
                let (one, other) = (after(&edges), after(&others));
                assert_eq!(one.is_some(), other.is_some(), "{name}: U+{c:04X}");
                if let (Some(one), Some(other)) = (one, other)
                    && seen.insert((one, other))
                {
                    open.push((one, other));
                }
            }
        }
        assert!(seen.len() > 20, "{name}");
    }
}
