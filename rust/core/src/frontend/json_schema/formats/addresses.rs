//! Addresses of the Internet Protocol. One family of the formats.
//!
//! Invariant: an address in a URI or a mailbox is written by the same patterns as the formats themselves.
//! Must not know: JSON.

use super::{Format, pattern};

pub(super) static ROWS: [Format; 2] = [
    Format::exact("ipv4", "RFC 2673, section 3.2", "four decimal numbers up to 255 without leading zeros", || pattern(&ipv4()))
        .without_traps()
        .of_lengths(7, Some(15)),
    Format::exact("ipv6", "RFC 4291, section 2.2", "an address, without zone or prefix length", || pattern(&ipv6(1)))
        .without_traps()
        .of_lengths(2, Some(45)),
];

/// `dec-octet` of RFC 3986, section 3.2.2, four times.
pub(super) fn ipv4() -> String {
    let octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
    format!("(?:{octet}(?:\\.{octet}){{3}})")
}

/// `IPv6address` of RFC 3986, section 3.2.2, where `::` stands for at least so many groups: one there, two in RFC 5321.
pub(super) fn ipv6(least: usize) -> String {
    let group = "[0-9A-Fa-f]{1,4}";
    let last_two = format!("(?:{group}:{group}|{})", ipv4());
    let mut alternatives = vec![format!("(?:{group}:){{6}}{last_two}")];
    // After the `::` come `right` groups; before it, as many as leave room for it.
    for right in 0..=8 - least {
        let left = 8 - least - right;
        let before = match left {
            0 => String::new(),
            1 => format!("(?:{group})?"),
            _ => format!("(?:(?:{group}:){{0,{}}}{group})?", left - 1),
        };
        let after = match right {
            0 => String::new(),
            1 => group.to_owned(),
            _ => format!("(?:{group}:){{{}}}{last_two}", right - 2),
        };
        alternatives.push(format!("{before}::{after}"));
    }
    format!("(?:{})", alternatives.join("|"))
}
