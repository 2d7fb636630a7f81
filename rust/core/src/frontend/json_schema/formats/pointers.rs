//! Pointers into JSON documents. One family of the formats.
//!
//! Invariant: any character may stand in a pointer, `~` only as `~0` or `~1`.
//! Must not know: JSON.

use super::{Format, pattern};

pub(super) static ROWS: [Format; 2] = [
    Format::exact("json-pointer", "RFC 6901, section 3", "a JSON pointer, not as a URI fragment", || pattern(POINTER)),
    Format::exact("relative-json-pointer", "draft-bhutton-relative-json-pointer-00, section 3", "steps up, then `#` or a pointer", || {
        // An index manipulation such as `0+1`, which that draft adds, is no part of what the earlier drafts name.
        pattern(&format!("(?:0|[1-9]\\d*)(?:#|{POINTER})"))
    })
    .but_not("index manipulation (`0-1`, `0+1/a`), which the drafts of 2019-09 and before do not have", || {
        pattern(&format!("\\d+(?:[+\\-]\\d+)?(?:#|{POINTER})"))
    })
    .of_lengths(1, None),
];

const POINTER: &str = "(?:/(?:[^/~]|~[01])*)*";
