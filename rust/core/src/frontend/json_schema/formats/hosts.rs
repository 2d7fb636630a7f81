//! Names of hosts. One family of the formats.
//!
//! Invariant: labels of letters, digits and inner hyphens, 63 characters at most, 253 in all.
//! Must not know: JSON.

use super::{Format, pattern};

pub(super) static ROWS: [Format; 1] =
    [Format::exact("hostname", "RFC 1123, section 2.1", "labels of at most 63 characters, 253 in all", || pattern(&hostname()))
        .at_most(253)
        .but_not("labels that begin with `xn--`", || pattern(&format!("{LABEL}(?:\\.{LABEL})*")))];

/// A label: letters, digits, and hyphens inside.
pub(super) const LABEL: &str = "[A-Za-z0-9](?:[A-Za-z0-9\\-]{0,61}[A-Za-z0-9])?";

fn hostname() -> String {
    // A label that begins like an A-label must be one, and whether it is takes decoding it: those are left out.
    let label = format!("(?![Xx][Nn]--){LABEL}");
    format!("{label}(?:\\.{label})*")
}
