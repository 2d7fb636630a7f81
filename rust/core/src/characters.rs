//! Kinds of characters: what a stretch of text is made of, in 64 bits. Below every step of the pipeline.
//!
//! Invariant: every byte of ASCII is of one kind; beyond ASCII, [`SEPARATORS`] and [`SPACES`] are few characters, [`OTHER`] stands for all other
//! well-formed ones, [`MALFORMED`] for bytes that are none.
//! Must not know: who asks; the kinds are chosen so that usual classes (digits, letters, hex digits, text without marks) are unions of kinds.

/// Kinds of characters, one bit each.
pub type Kinds = u64;

/// The whitespace of ECMAScript beyond ASCII but the separators: `\s` tells it from other characters.
pub const SPACES: Kinds = 1 << 60;
/// U+2028 and U+2029: a dot of ECMAScript takes all characters beyond ASCII but these.
pub const SEPARATORS: Kinds = 1 << 61;
/// Any other character beyond ASCII, or the beginning of any at the end of a text.
pub const OTHER: Kinds = 1 << 62;
/// All characters beyond ASCII.
pub const BEYOND: Kinds = OTHER | SEPARATORS | SPACES;
/// One by one.
pub const EACH_BEYOND: [Kinds; 3] = [OTHER, SEPARATORS, SPACES];
/// Bytes that are not UTF-8.
pub const MALFORMED: Kinds = 1 << 63;

/// The kinds that several bytes share; every other byte of ASCII is a kind of its own.
const GROUPS: &[&[u8]] = &[
    b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0B\x0C\x0E\x0F\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1A\x1B\x1C\x1D\x1E\x1F",
    b"23456789",
    b"bcd",
    b"ghijklm",
    b"nopqrstuvwxyz",
    b"BCD",
    b"GHIJKLMNOPQRSTUVWXYZ",
];

const KIND_OF: [u8; 128] = {
    let mut kinds = [u8::MAX; 128];
    let mut group = 0;
    while group < GROUPS.len() {
        let mut i = 0;
        while i < GROUPS[group].len() {
            kinds[GROUPS[group][i] as usize] = group as u8;
            i += 1;
        }
        group += 1;
    }
    let (mut byte, mut next) = (0, GROUPS.len());
    while byte < 128 {
        if kinds[byte] == u8::MAX {
            kinds[byte] = next as u8;
            next += 1;
        }
        byte += 1;
    }
    assert!(next <= 60, "the kinds of ASCII leave four bits");
    kinds
};

/// The kinds whose bytes, ASCII or not, all pass.
pub const fn all_of(first: u8, but: [u8; 2]) -> Kinds {
    let mut kinds = !MALFORMED;
    let mut byte = 0;
    while byte < 128 {
        if byte < first || byte == but[0] || byte == but[1] {
            kinds &= !(1 << KIND_OF[byte as usize]);
        }
        byte += 1;
    }
    kinds
}

/// The kind of a byte of ASCII; any other byte is of kind [`OTHER`].
#[inline]
pub const fn kind(byte: u8) -> Kinds {
    if byte < 0x80 { 1 << KIND_OF[byte as usize] } else { OTHER }
}

/// By kind: its bytes, a bit each.
const BYTES_OF: [u128; 60] = {
    let mut bytes = [0; 60];
    let mut byte = 0;
    while byte < 128 {
        bytes[KIND_OF[byte] as usize] |= 1 << byte;
        byte += 1;
    }
    bytes
};

/// The bytes of the kind with this number, which is one of ASCII.
pub fn bytes_of(number: u32) -> impl Iterator<Item = u8> {
    let mut bytes = BYTES_OF.get(number as usize).copied().unwrap_or(0);
    std::iter::from_fn(move || {
        let byte = bytes.trailing_zeros();
        bytes &= bytes.wrapping_sub(1);
        (byte < 128).then_some(byte as u8)
    })
}

/// The kinds of which every character can be spelled with such bytes.
pub fn kinds_within(has: impl Fn(u8) -> bool) -> Kinds {
    let missing = (0..=255u8).filter(|&byte| !has(byte) && !matches!(byte, 0xC0 | 0xC1 | 0xF5..));
    missing.fold(!MALFORMED, |kinds, byte| kinds & !if byte < 0x80 { kind(byte) } else { BEYOND })
}

/// The kind of a whole character.
pub fn kind_of(character: char) -> Kinds {
    match character {
        '\u{2028}' | '\u{2029}' => SEPARATORS,
        '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' | '\u{FEFF}' => SPACES,
        '\0'..='\x7F' => kind(character as u8),
        _ => OTHER,
    }
}

/// The characters of a kind beyond ASCII, as ranges.
pub const fn ranges_of(kind: Kinds) -> &'static [(u32, u32)] {
    match kind {
        SEPARATORS => &[(0x2028, 0x2029)],
        SPACES => {
            &[(0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)]
        }
        _ => &[
            (0x80, 0x9F),
            (0xA1, 0x167F),
            (0x1681, 0x1FFF),
            (0x200B, 0x2027),
            (0x202A, 0x202E),
            (0x2030, 0x205E),
            (0x2060, 0x2FFF),
            (0x3001, 0xD7FF),
            (0xE000, 0xFEFE),
            (0xFF00, 0x10_FFFF),
        ],
    }
}

/// How far a character has been read. The table is that of the Unicode standard (3.9, table 3-7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Utf8 {
    /// Before a character.
    Start,
    /// One more byte.
    One,
    /// Two more, any.
    Two,
    /// Three more, any.
    Three,
    /// After E0: no overlong form.
    AfterE0,
    /// After ED: no surrogate.
    AfterEd,
    /// After F0: no overlong form.
    AfterF0,
    /// After F4: nothing beyond U+10FFFF.
    AfterF4,
    /// After these bytes some characters are [`SEPARATORS`] or [`SPACES`].
    AfterC2,
    /// See there.
    AfterE1,
    /// See there.
    AfterE19A,
    /// See there.
    AfterE2,
    /// See there.
    AfterE280,
    /// See there.
    AfterE281,
    /// See there.
    AfterE3,
    /// See there.
    AfterE380,
    /// See there.
    AfterEf,
    /// See there.
    AfterEfBb,
    /// No character has these bytes.
    Malformed,
}

impl Utf8 {
    /// After one more byte.
    #[inline]
    #[must_use]
    pub const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Start, 0..=0x7F)
            | (
                Self::One | Self::AfterC2 | Self::AfterE19A | Self::AfterE280 | Self::AfterE281 | Self::AfterE380 | Self::AfterEfBb,
                0x80..=0xBF,
            ) => Self::Start,
            (Self::Start, 0xC2) => Self::AfterC2,
            (Self::Start, 0xE1) => Self::AfterE1,
            (Self::AfterE1, 0x9A) => Self::AfterE19A,
            (Self::Start, 0xE2) => Self::AfterE2,
            (Self::AfterE2, 0x80) => Self::AfterE280,
            (Self::AfterE2, 0x81) => Self::AfterE281,
            (Self::Start, 0xE3) => Self::AfterE3,
            (Self::AfterE3, 0x80) => Self::AfterE380,
            (Self::Start, 0xEF) => Self::AfterEf,
            (Self::AfterEf, 0xBB) => Self::AfterEfBb,
            (Self::Start, 0xC3..=0xDF)
            | (Self::Two | Self::AfterE1 | Self::AfterE2 | Self::AfterE3 | Self::AfterEf, 0x80..=0xBF)
            | (Self::AfterE0, 0xA0..=0xBF)
            | (Self::AfterEd, 0x80..=0x9F) => Self::One,
            (Self::Start, 0xE0) => Self::AfterE0,
            (Self::Start, 0xED) => Self::AfterEd,
            (Self::Start, 0xE4..=0xEE) | (Self::Three, 0x80..=0xBF) | (Self::AfterF0, 0x90..=0xBF) | (Self::AfterF4, 0x80..=0x8F) => {
                Self::Two
            }
            (Self::Start, 0xF0) => Self::AfterF0,
            (Self::Start, 0xF4) => Self::AfterF4,
            (Self::Start, 0xF1..=0xF3) => Self::Three,
            _ => Self::Malformed,
        }
    }

    /// May a character of a kind beyond ASCII have this byte, which is none of ASCII, here?
    #[inline]
    pub fn is_of(self, byte: u8, kind: Kinds) -> bool {
        u64::from(MAY_BE[self as usize][usize::from(byte & 0x7F)]) << FIRST & kind != 0
    }

    /// Of what kind a byte is that comes here.
    #[inline]
    pub const fn kind(self, byte: u8) -> Kinds {
        match self.after(byte) {
            Self::Malformed => MALFORMED,
            Self::Start => match (self, byte) {
                (Self::AfterE280, 0xA8 | 0xA9) => SEPARATORS,
                (Self::AfterC2, 0xA0)
                | (Self::AfterE19A | Self::AfterE380, 0x80)
                | (Self::AfterE280, 0x80..=0x8A | 0xAF)
                | (Self::AfterE281, 0x9F)
                | (Self::AfterEfBb, 0xBF) => SPACES,
                _ => kind(byte),
            },
            _ => kind(byte),
        }
    }

    /// The kinds beyond ASCII that the character may be of.
    const fn may_be(self, byte: u8) -> Kinds {
        let leads = match (self, byte) {
            (Self::Start, 0xE2) | (Self::AfterE2, 0x80) => SEPARATORS | SPACES,
            (Self::Start, 0xC2 | 0xE1 | 0xE3 | 0xEF)
            | (Self::AfterE1, 0x9A)
            | (Self::AfterE2, 0x81)
            | (Self::AfterE3, 0x80)
            | (Self::AfterEf, 0xBB) => SPACES,
            _ => 0,
        };
        (leads | self.kind(byte)) & BEYOND
    }
}

/// The lowest of the kinds beyond ASCII.
const FIRST: u32 = BEYOND.trailing_zeros();

/// By where a character has been read to and the byte that comes, less 0x80: of which kinds beyond ASCII it may be.
///
/// PERF: every byte within a character is asked about for every state that takes text.
static MAY_BE: [[u8; 128]; EACH.len()] = {
    let mut table = [[0; 128]; EACH.len()];
    let mut at = 0;
    while at < EACH.len() {
        let mut byte = 0;
        while byte < 128 {
            table[at][byte] = (EACH[at].may_be(0x80 | byte as u8) >> FIRST) as u8;
            byte += 1;
        }
        at += 1;
    }
    table
};

/// All, in order.
const EACH: [Utf8; 19] = [
    Utf8::Start,
    Utf8::One,
    Utf8::Two,
    Utf8::Three,
    Utf8::AfterE0,
    Utf8::AfterEd,
    Utf8::AfterF0,
    Utf8::AfterF4,
    Utf8::AfterC2,
    Utf8::AfterE1,
    Utf8::AfterE19A,
    Utf8::AfterE2,
    Utf8::AfterE280,
    Utf8::AfterE281,
    Utf8::AfterE3,
    Utf8::AfterE380,
    Utf8::AfterEf,
    Utf8::AfterEfBb,
    Utf8::Malformed,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_part_ascii() {
        for byte in 0..128u8 {
            assert_eq!(kind(byte).count_ones(), 1);
            assert_eq!(kind(byte) & (BEYOND | MALFORMED), 0);
            assert!(bytes_of(kind(byte).trailing_zeros()).any(|b| b == byte));
        }
        assert_eq!((0..60).flat_map(bytes_of).count(), 128);
        assert_eq!(kind(0x80), OTHER);
    }

    #[test]
    fn places_in_characters_are_in_order() {
        assert!(EACH.iter().enumerate().all(|(number, &at)| at as usize == number));
    }

    #[test]
    fn utf8_is_the_standard_librarys() {
        let read = |bytes: &[u8]| bytes.iter().fold(Utf8::Start, |at, &byte| at.after(byte));
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let bytes = [first, second, 0x80, 0x80];
                for length in 1..=4 {
                    let bytes = &bytes[..length];
                    let malformed = match std::str::from_utf8(bytes) {
                        Ok(_) => false,
                        Err(error) => error.error_len().is_some(),
                    };
                    let complete = std::str::from_utf8(bytes).is_ok();
                    assert_eq!(read(bytes) == Utf8::Malformed, malformed, "{bytes:x?}");
                    assert_eq!(read(bytes) == Utf8::Start, complete, "{bytes:x?}");
                }
            }
        }
        for c in '\u{80}'..='\u{FFFF}' {
            let mut buffer = [0; 4];
            let mut at = Utf8::Start;
            let mut kinds = 0;
            let own = kind_of(c);
            for &byte in c.encode_utf8(&mut buffer).as_bytes() {
                kinds |= at.kind(byte);
                assert!(at.is_of(byte, own), "{c:?}");
                at = at.after(byte);
            }
            assert_eq!(kinds & !OTHER, own & !OTHER, "{c:?}");
            for kind in EACH_BEYOND {
                let listed = ranges_of(kind).iter().any(|&(low, high)| (low..=high).contains(&u32::from(c)));
                assert_eq!(listed, kind == own, "{c:?}");
            }
            assert_eq!(own == SPACES || own == SEPARATORS, c == '\u{FEFF}' || c.is_whitespace() && c != '\u{85}', "{c:?}");
        }
        for c in ['\u{7F}', '\u{80}', '\u{7FF}', '\u{800}', '\u{D7FF}', '\u{E000}', '\u{FFFF}', '\u{10000}', '\u{10FFFF}'] {
            assert_eq!(read(c.to_string().as_bytes()), Utf8::Start);
        }
    }
}
