//! What each character is in an internationalised name. Part of the format `idn-hostname`.
//!
//! RFC 5892, section 3: a character is PVALID if it is a letter, digit or mark that survives case folding and NFKC; here of the scripts in
//! common use (UAX 31, table 5) as of Unicode 14. `regex-syntax` has the categories, scripts and case foldings; what NFKC changes, and
//! canonical combining classes, are listed.
//! Invariant: the kinds are disjoint; a character that is in none may not stand in a name.
//! Must not know: the rules for labels.

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

use crate::error::EngineError;

/// How an Arabic letter joins the letters around it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Joining {
    None,
    Right,
    Dual,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Kind {
    Dot,
    Hyphen,
    Digit,
    LowerL,
    Lower,
    Upper,
    Letter,
    Greek,
    /// Hiragana, Katakana, Han.
    Kana,
    /// A letter with which a [`Self::CombiningMark`] may combine.
    Combining,
    /// With its canonical combining class; is it a virama?
    Mark(u8, bool),
    /// A mark that NFC combines with some letters.
    CombiningMark(u8, bool),
    Hebrew,
    Arabic(Joining),
    ArabicDigit,
    ExtendedDigit,
    MiddleDot,
    Keraia,
    /// Geresh and gershayim.
    Geresh,
    KatakanaDot,
    Joiner,
    NonJoiner,
}

/// A kind, and how far up the code point is: 0 ASCII, 1 below U+0700, 2 below U+3100, 3 beyond. Far ones make long A-labels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Character {
    pub kind: Kind,
    pub tier: u8,
}

/// See the module.
pub(super) struct Characters {
    pub kinds: Vec<Character>,
    /// Ascending; the number is of the kind.
    pub ranges: Vec<(u32, u32, u16)>,
}

/// By script, those without signs of their own for vowels first.
const SCRIPTS: &str = "[\\p{Latin}\\p{Greek}\\p{Cyrillic}\\p{Armenian}\\p{Georgian}\\p{Hebrew}\\p{Arabic}\\p{Ethiopic}\\p{Hiragana}\\p{Katakana}\
    \\p{Han}\\p{Hangul}\\p{Bopomofo}\\p{Devanagari}\\p{Bengali}\\p{Gurmukhi}\\p{Gujarati}\\p{Oriya}\\p{Tamil}\\p{Telugu}\\p{Kannada}\\p{Malayalam}\
    \\p{Sinhala}\\p{Thai}\\p{Lao}\\p{Myanmar}\\p{Khmer}\\u30FC]";

/// Within the scripts: what case folding and NFKC change, old Hangul, and the exceptions that RFC 5892, section 2.6, disallows.
const UNSTABLE: &str = "[\\u00AA\\u00BA\\u0133\\u0140\\u01C6\\u01C9\\u01CC\\u01F3\\u02B0-\\u02B8\\u02E0-\\u02E4\\u0374\\u037A\\u03D2-\\u03D4\\u03F2\
    \\u0640\\u0660-\\u0669\\u0675-\\u0678\\u06F0-\\u06F9\\u0958-\\u095F\\u09DC-\\u09DD\\u09DF\\u0A33\\u0A36\\u0A59-\\u0A5B\\u0A5E\\u0B5C-\\u0B5D\\u0E33\
    \\u0EB3\\u0EDC-\\u0EDD\\u10FC\\u1100-\\u11FF\\u17B4-\\u17B5\\u1D00-\\u1DFF\\u1F71\\u1F73\\u1F75\\u1F77\\u1F79\\u1F7B\\u1F7D\\u1FBE\\u1FD3\\u1FE3\
    \\u2070-\\u214F\\u2C7C-\\u2C7D\\u302A-\\u302F\\u3031-\\u3035\\u303B\\u3099\\u309A\\u309F\\u30FF\\u3130-\\u318F\\uA69C-\\uA69D\\uA770\\uA7F2-\\uA7F9\
    \\uA960-\\uA97F\\uAB5C-\\uAB5F\\uAB69\\uD7B0-\\uD7FF\\uF900-\\u{FFFF}\\u{2F800}-\\u{2FA1F}\\p{Changes_When_Casefolded}\
    \\p{Default_Ignorable_Code_Point}]";

/// Letters in rare use, mostly small ones each between capitals: every one would be a range of its own at every state.
const RARE: &str = "[\\u0180-\\u0218\\u021C-\\u02AF\\u0460-\\u0490\\u0492-\\u052F\\u1E00-\\u1E9F\\u1F00-\\u1FFF\\u2C60-\\u2C7F\\uA640-\\uA7FF\\uAB30-\\uAB6F]";

/// Canonical combining classes that are not zero, but for marks which are left out.
const CLASSES: &[(u32, u32, u8)] = &[
    (0x94D, 0x94D, 9),
    (0x9BC, 0x9BC, 7),
    (0x9CD, 0x9CD, 9),
    (0xA3C, 0xA3C, 7),
    (0xA4D, 0xA4D, 9),
    (0xABC, 0xABC, 7),
    (0xACD, 0xACD, 9),
    (0xB3C, 0xB3C, 7),
    (0xB4D, 0xB4D, 9),
    (0xBCD, 0xBCD, 9),
    (0xC4D, 0xC4D, 9),
    (0xCBC, 0xCBC, 7),
    (0xCCD, 0xCCD, 9),
    (0xD3B, 0xD3C, 9),
    (0xD4D, 0xD4D, 9),
    (0xDCA, 0xDCA, 9),
    (0xE38, 0xE39, 103),
    (0xE3A, 0xE3A, 9),
    (0xE48, 0xE4B, 107),
    (0xEB8, 0xEB9, 118),
    (0xEBA, 0xEBA, 9),
    (0xEC8, 0xECB, 122),
    (0x1037, 0x1037, 7),
    (0x1039, 0x103A, 9),
    (0x17D2, 0x17D2, 9),
];
/// Marks of classes that are not listed, or which combine with several letters: left out.
const OTHER_MARKS: &str = "[\\u0300-\\u036F\\u0483-\\u0487\\u0591-\\u05C7\\u0610-\\u061A\\u064B-\\u065F\\u0670\\u06D6-\\u06ED\\u08CA-\\u08FF\\u093C\
    \\u0951-\\u0954\\u09FE\\u0C3C\\u0C55\\u0C56\\u108D\\u135D-\\u135F\\u17DD\\u1AB0-\\u1CFF\\u2CEF-\\u2CF1\\u2DE0-\\u2DFF\\uA66F-\\uA67D\\uA69E\\uA69F\
    \\uA8E0-\\uA8FF\\uA9E5\\uAA70-\\uAA7F]";
/// Marks that NFC combines with [`COMBINING`] and with other marks.
const COMBINING_MARKS: &str =
    "[\\u09BE\\u09D7\\u0B3E\\u0B56\\u0B57\\u0BBE\\u0BD7\\u0CC2\\u0CD5\\u0CD6\\u0D3E\\u0D57\\u0DCA\\u0DCF\\u0DDF\\u102E]";
const COMBINING: &str = "[\\u0B92\\u1025]";
const DUAL_JOINING: &str = "[\\u0620\\u0626\\u0628\\u062A-\\u062E\\u0633-\\u063F\\u0641-\\u0647\\u0649-\\u064A\\u066E-\\u066F\\u0679-\\u0687\\u069A-\\u06BF\
    \\u06C1-\\u06C2\\u06CC\\u06CE\\u06D0-\\u06D1\\u06FA-\\u06FC\\u06FF\\u0750-\\u0758\\u075C-\\u076A\\u076D-\\u0770\\u0772\\u0775-\\u0777\\u077A-\\u077F]";
const RIGHT_JOINING: &str = "[\\u0622-\\u0625\\u0627\\u0629\\u062F-\\u0632\\u0648\\u0671-\\u0673\\u0688-\\u0699\\u06C0\\u06C3-\\u06CB\\u06CD\\u06CF\
    \\u06D2-\\u06D3\\u06D5\\u06EE-\\u06EF\\u0759-\\u075B\\u076B-\\u076C\\u0771\\u0773-\\u0774\\u0778-\\u0779]";

fn class(text: &str) -> Result<ClassUnicode, EngineError> {
    let bad = EngineError::Internal("a class of characters that does not parse");
    match regex_syntax::Parser::new().parse(text).map(regex_syntax::hir::Hir::into_kind) {
        Ok(HirKind::Class(Class::Unicode(class))) => Ok(class),
        Ok(HirKind::Class(Class::Bytes(class))) => class.to_unicode_class().ok_or(bad),
        Ok(HirKind::Literal(literal)) => {
            let text = std::str::from_utf8(&literal.0).unwrap_or("");
            Ok(ClassUnicode::new(text.chars().map(|c| regex_syntax::hir::ClassUnicodeRange::new(c, c))))
        }
        _ => Err(bad),
    }
}

fn and(mut a: ClassUnicode, b: &ClassUnicode) -> ClassUnicode {
    a.intersect(b);
    a
}

impl Characters {
    pub fn new(loose: bool) -> Result<Self, EngineError> {
        let mut out = Self { kinds: Vec::new(), ranges: Vec::new() };
        let mut valid = class("[\\p{Ll}\\p{Lo}\\p{Lm}\\p{Nd}\\p{Mn}\\p{Mc}]")?;
        valid.intersect(&class(SCRIPTS)?);
        valid.intersect(&class("\\p{Age=14.0}")?);
        valid.intersect(&class("[\\x{0}-\\u{FFFF}\\u{20000}-\\u{3FFFF}]")?);
        valid.difference(&class(UNSTABLE)?);
        valid.difference(&class(OTHER_MARKS)?);
        valid.difference(&class(RARE)?);
        // The exceptions that section 2.6 allows, of these scripts.
        valid.union(&class("[\\u00DF\\u03C2\\u06FD\\u06FE\\u0F0B\\u3007]")?);
        for (text, kind) in [
            ("[.\\u3002\\uFF0E\\uFF61]", Kind::Dot),
            ("[\\-]", Kind::Hyphen),
            ("[0-9]", Kind::Digit),
            ("[l]", Kind::LowerL),
            ("[a-z]", Kind::Lower),
            ("[A-Z]", Kind::Upper),
            ("[\\u0660-\\u0669]", Kind::ArabicDigit),
            ("[\\u06F0-\\u06F9]", Kind::ExtendedDigit),
            ("[\\u00B7]", Kind::MiddleDot),
            ("[\\u0375]", Kind::Keraia),
            ("[\\u05F3\\u05F4]", Kind::Geresh),
            ("[\\u30FB]", Kind::KatakanaDot),
            ("[\\u200D]", Kind::Joiner),
            ("[\\u200C]", Kind::NonJoiner),
        ] {
            let mut class = class(text)?;
            if kind == Kind::Lower {
                class.difference(&self::class("[l]")?);
            }
            valid.difference(&class);
            out.add(&class, kind);
        }
        let take = |valid: &mut ClassUnicode, text: &str| -> Result<ClassUnicode, EngineError> {
            let part = and(class(text)?, valid);
            valid.difference(&part);
            Ok(part)
        };
        let mut marks = take(&mut valid, "[\\p{Mn}\\p{Mc}]")?;
        let combining = take(&mut marks, COMBINING_MARKS)?;
        for (class, with) in [(combining, true), (marks, false)] {
            out.add_marks(&class, with);
        }
        if loose {
            let mut others = class("[\\u0300-\\u036F]")?;
            others.difference(&class("[\\u0340\\u0341\\u0343\\u0344\\u034F]")?);
            out.add(&others, Kind::Mark(0, false));
        }
        for (text, kind) in [
            (COMBINING, Kind::Combining),
            ("\\p{Hebrew}", Kind::Hebrew),
            (DUAL_JOINING, Kind::Arabic(Joining::Dual)),
            (RIGHT_JOINING, Kind::Arabic(Joining::Right)),
            ("\\p{Arabic}", Kind::Arabic(Joining::None)),
            ("\\p{Greek}", Kind::Greek),
            ("[\\p{Hiragana}\\p{Katakana}\\p{Han}]", Kind::Kana),
        ] {
            let part = take(&mut valid, text)?;
            out.add(&part, kind);
        }
        out.add(&valid, Kind::Letter);
        out.ranges.sort_unstable();
        Ok(out)
    }

    /// What a character is, if it may stand in a name.
    pub fn find(&self, c: u32) -> Option<Character> {
        let at = self.ranges.partition_point(|range| range.1 < c);
        let &(low, _, kind) = self.ranges.get(at)?;
        (low <= c).then(|| self.kinds[usize::from(kind)])
    }

    fn number(&mut self, kind: Kind, tier: u8) -> u16 {
        let character = Character { kind, tier };
        let known = self.kinds.iter().position(|&other| other == character);
        let number = known.unwrap_or(self.kinds.len());
        if known.is_none() {
            self.kinds.push(character);
        }
        number as u16
    }

    fn add(&mut self, class: &ClassUnicode, kind: Kind) {
        for range in class.ranges() {
            self.add_range(u32::from(range.start()), u32::from(range.end()), kind);
        }
    }

    fn add_range(&mut self, low: u32, high: u32, kind: Kind) {
        let tiers = [(0, 0x7F), (0x80, 0x6FF), (0x700, 0x30FF), (0x3100, 0xD7FF), (0xE000, 0x10_FFFF)];
        for (tier, &(from, to)) in tiers.iter().enumerate() {
            let (low, high) = (low.max(from), high.min(to));
            if low <= high {
                // Separators are no part of a label.
                let tier = if kind == Kind::Dot { 0 } else { tier.min(3) as u8 };
                let number = self.number(kind, tier);
                self.ranges.push((low, high, number));
            }
        }
    }

    /// Marks by their combining class.
    fn add_marks(&mut self, class: &ClassUnicode, combining: bool) {
        let kind = |ccc: u8| if combining { Kind::CombiningMark(ccc, ccc == 9) } else { Kind::Mark(ccc, ccc == 9) };
        for range in class.ranges() {
            let (start, end) = (u32::from(range.start()), u32::from(range.end()));
            let mut next = start;
            for &(low, high, ccc) in CLASSES.iter().filter(|&&(low, high, _)| low <= end && high >= start) {
                if next < low {
                    self.add_range(next, low - 1, kind(0));
                }
                self.add_range(low.max(next), high.min(end), kind(ccc));
                next = high + 1;
            }
            if next <= end {
                self.add_range(next, end, kind(0));
            }
        }
    }
}
