//! UUIDs, regular expressions, and encodings of content. One family of the formats.
//!
//! Invariant: as of every format: what is accepted is valid.
//! Must not know: JSON.

use super::{Format, pattern};

pub(super) static ROWS: [Format; 1] =
    [Format::exact("uuid", "RFC 4122, section 3", "32 hexadecimal digits in five groups, of any version", || {
        pattern("[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
    })
    .without_traps()
    .of_lengths(36, Some(36))];

pub(super) static ENCODINGS: [Format; 1] =
    [Format::exact("base64", "RFC 4648, section 4", "whole groups, padded, the unused bits zero", || {
        pattern("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?")
    })
    .but_not("texts whose unused last bits are not zero, which a decoder may refuse (section 3.5)", || {
        pattern("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
    })];
