//! Where each character of a pattern leads. Part of the format `regex`.
//!
//! Invariant: the ranges that a state names are disjoint.
//! Must not know: how states are numbered.

use super::{At, Goal, LAST, LAST_SPELLED, MAX_DEPTH, SYNTAX, State, least_high};

const HYPHEN: u32 = 0x2D;

/// Where characters lead, collected.
pub(super) struct Edges<'a> {
    pub from: State,
    pub edge: &'a mut dyn FnMut(u32, u32, State),
}

impl Edges<'_> {
    fn one(&mut self, c: char, target: State) {
        (self.edge)(u32::from(c), u32::from(c), target);
    }

    pub(super) fn each(&mut self, characters: &str, at: At) {
        for c in characters.chars() {
            self.one(c, self.from.to(at));
        }
    }

    fn range(&mut self, low: u32, high: u32, target: State) {
        // No text has halves of surrogate pairs.
        for (low, high) in [(low, high.min(0xD7FF)), (low.max(0xE000), high)] {
            if low <= high {
                (self.edge)(low, high, target);
            }
        }
    }

    /// All characters but these, which ascend.
    fn all_but(&mut self, characters: &str, target: State) {
        let mut next = 0;
        for c in characters.chars().map(u32::from) {
            if next < c {
                self.range(next, c - 1, target);
            }
            next = c + 1;
        }
        self.range(next, LAST, target);
    }

    /// What may come between terms; `digits`: may it be a digit?
    fn term(&mut self, digits: bool) {
        let from = self.from;
        let atom = from.to(At::AfterAtom);
        if digits {
            self.all_but(SYNTAX, atom);
        } else {
            self.all_but("$()*+.0123456789?[\\]^{|}", atom);
        }
        self.each(".", At::AfterAtom);
        self.each("^$|", At::Start);
        self.each("[", At::ClassOpen);
        self.each("\\", At::Escape);
        if from.depth < MAX_DEPTH {
            self.one('(', from.open());
        }
        if from.depth > 0 {
            self.one(')', from.close());
        }
    }

    fn quantifiers(&mut self) {
        self.each("*+?", At::AfterQuantifier);
        self.each("{", At::Brace);
    }

    fn digits(&mut self, to: impl Fn(u8) -> At) {
        for d in 0..=9 {
            self.one(char::from(b'0' + d), self.from.to(to(d)));
        }
    }

    fn hex_digits(&mut self, digits: std::ops::Range<u32>, to: impl Fn(State, u32) -> Option<State>) {
        for d in digits {
            let Some(target) = to(self.from, d) else { continue };
            let Some(c) = char::from_digit(d, 16) else { continue };
            self.one(c, target);
            if c.is_ascii_alphabetic() {
                self.one(c.to_ascii_uppercase(), target);
            }
        }
    }

    fn letters(&mut self, to: impl Fn(u8) -> Option<State>) {
        for c in (b'a'..=b'z').chain(b'A'..=b'Z') {
            if let Some(target) = to(c) {
                self.one(char::from(c), target);
            }
        }
    }

    /// Escapes that spell one character, in and outside classes.
    fn character_escapes(&mut self, goal: Goal) {
        let from = self.from;
        for (c, value) in [('f', 0xC), ('n', 0xA), ('r', 0xD), ('t', 9), ('v', 0xB)]
            .into_iter()
            .chain(SYNTAX.chars().chain(['/']).map(|c| (c, u32::from(c))))
        {
            if let Some(target) = from.spelled(goal, value, value) {
                self.one(c, target);
            }
        }
        let zero = match goal {
            Goal::Atom => Some(At::AfterZero),
            Goal::Low | Goal::LowKnown(_) => Some(At::ClassAfterZero(least_high(0))),
            Goal::High(least) => (least == 0).then_some(At::ClassZero),
        };
        if let Some(zero) = zero {
            self.each("0", zero);
        }
        if !matches!(goal, Goal::High(least) if least > 0x1F) {
            self.each("c", At::Control(goal));
        }
        if let Some(hex) = from.hex(2, 0, goal) {
            self.one('x', hex);
        }
        if from.hex(4, 0, goal).is_some() {
            self.each("u", At::Unicode(goal));
        }
    }

    fn sets(&mut self, in_class: bool) {
        self.each("dDsSwW", if in_class { At::ClassAfterSet } else { At::AfterAtom });
        self.each("pP", At::Property(in_class));
    }

    /// What may come in a class besides hyphens; `digits`: may it be a digit?
    fn class(&mut self, digits: bool) {
        let from = self.from;
        self.each("]", At::AfterAtom);
        self.each("\\", At::ClassEscape);
        let mut at = 0;
        while at <= LAST {
            let is_digit = (0x30..=0x39).contains(&at);
            let least = least_high(at);
            // Letters and digits one by one, others up to the next step.
            let next = if least == at { at + 1 } else { least };
            if digits || !is_digit {
                self.class_range(at, next - 1, from.to(At::ClassAfter(least)));
            }
            at = next;
        }
    }

    /// Literal characters but the hyphen and those with a meaning.
    fn class_range(&mut self, low: u32, high: u32, target: State) {
        let mut next = low;
        for c in ['-', '\\', ']'].map(u32::from) {
            if (low..=high).contains(&c) {
                if next < c {
                    self.range(next, c - 1, target);
                }
                next = c + 1;
            }
        }
        if next <= high {
            self.range(next, high, target);
        }
    }
    /// After `[`: a `^` negates, and the class may be empty.
    fn class_open(&mut self) {
        let from = self.from;
        let edge = &mut *self.edge;
        // What a class may begin with, but for the `^`, which stands in the range of the characters around it.
        let mut inner = Edges {
            from,
            edge: &mut |low, high, target| {
                let caret = u32::from('^');
                if (low..=high).contains(&caret) {
                    if low < caret {
                        edge(low, caret - 1, target);
                    }
                    if caret < high {
                        edge(caret + 1, high, target);
                    }
                } else {
                    edge(low, high, target);
                }
            },
        };
        inner.class(true);
        inner.each("-", At::ClassAfter(least_high(HYPHEN)));
        self.each("^", At::Class);
    }

    /// Terms and quantifiers. False: it is no such place.
    pub(super) fn outside(&mut self) -> bool {
        let from = self.from;
        match from.at {
            At::Start => self.term(true),
            At::AfterAtom | At::AfterZero => {
                self.term(from.at == At::AfterAtom);
                self.quantifiers();
            }
            At::AfterQuantifier => {
                self.term(true);
                self.each("?", At::Start);
            }
            At::Open => {
                self.term(true);
                self.each("?", At::Question);
            }
            At::Brace => self.digits(|d| At::Minimum(Some(d))),
            At::Minimum(number) => {
                self.digits(|d| At::Minimum(number.filter(|&n| n < 10).map(|n| n * 10 + d)));
                self.each("}", At::AfterQuantifier);
                self.each(",", At::Comma(number));
            }
            At::Comma(number) => {
                self.each("}", At::AfterQuantifier);
                if let Some(least) = number {
                    self.digits(|d| at_least(least, d));
                }
            }
            At::Maximum(least, number) => self.digits(|d| at_least(least, number.saturating_mul(10).saturating_add(d))),
            At::MaximumEnough => {
                self.digits(|_| At::MaximumEnough);
                self.each("}", At::AfterQuantifier);
            }
            _ => return false,
        }
        true
    }

    /// What groups begin with, and names. False: it is no such place.
    pub(super) fn brackets(&mut self) -> bool {
        let from = self.from;
        match from.at {
            At::Question => {
                self.each(":", At::Start);
                self.one('=', from.lookaround());
                self.one('!', from.lookaround());
                self.each("<", At::Less);
            }
            At::Less => {
                self.one('=', from.lookaround());
                self.one('!', from.lookaround());
                self.letters(|c| match c {
                    b'a'..=b'z' if from.names >> (c - b'a') & 1 == 0 || !from.long_name => Some(from.to(At::ShortName(c - b'a'))),
                    b'A'..=b'Z' if !from.long_name => Some(from.to(At::LongName)),
                    _ => None,
                });
                if !from.long_name {
                    self.each("$_", At::LongName);
                }
            }
            At::ShortName(_) | At::LongName => {
                if !from.long_name {
                    self.letters(|_| Some(from.to(At::LongName)));
                    self.digits(|_| At::LongName);
                    self.each("$_", At::LongName);
                }
                match from.at {
                    At::ShortName(name) if from.names >> name & 1 == 0 => {
                        self.one('>', State { names: from.names | 1 << name, at: At::Start, ..from });
                    }
                    At::LongName => self.one('>', State { long_name: true, at: At::Start, ..from }),
                    _ => {}
                }
            }
            At::Reference => self.each("<", At::ReferenceName),
            At::ReferenceName => {
                self.letters(|c| (c.is_ascii_lowercase() && from.names >> (c - b'a') & 1 == 1).then(|| from.to(At::ReferenceEnd)));
            }
            At::ReferenceEnd => self.each(">", At::AfterAtom),
            _ => return false,
        }
        true
    }

    /// After a backslash, but for properties. False: it is no such place.
    pub(super) fn escapes(&mut self) -> bool {
        let from = self.from;
        match from.at {
            At::Escape => {
                self.character_escapes(Goal::Atom);
                self.sets(false);
                self.each("bB", At::Start);
                if from.names != 0 {
                    self.each("k", At::Reference);
                }
            }
            At::Control(goal) => self.letters(|c| from.spelled(goal, u32::from(c & 31), u32::from(c & 31))),
            At::Hex(left, prefix, goal) => self.hex_digits(0..16, |s, d| s.hex(left - 1, prefix << 4 | d, goal)),
            At::Unicode(goal) => {
                self.hex_digits(0..16, |s, d| match d {
                    0xD => s.hex(3, d, goal).map(|_| s.to(At::NoSurrogate(goal))),
                    _ => s.hex(3, d, goal),
                });
                if goal == Goal::Atom {
                    self.each("{", At::Braced(0));
                }
            }
            At::NoSurrogate(goal) => self.hex_digits(0..8, |s, d| s.hex(2, 0xD0 | d, goal)),
            At::Braced(digits) => {
                if digits < 5 {
                    self.hex_digits(0..16, |s, _| Some(s.to(At::Braced(digits + 1))));
                }
                if digits > 0 {
                    self.each("}", At::AfterAtom);
                }
            }
            _ => return false,
        }
        true
    }

    /// Classes. False: it is no such place.
    pub(super) fn inside(&mut self) -> bool {
        let from = self.from;
        match from.at {
            At::ClassOpen => {
                self.class_open();
            }
            At::Class | At::ClassZero => {
                self.class(from.at == At::Class);
                self.each("-", At::ClassAfter(least_high(HYPHEN)));
            }
            At::ClassAfter(least) | At::ClassAfterZero(least) => {
                self.class(matches!(from.at, At::ClassAfter(_)));
                self.each("-", if least > LAST { At::ClassLastHyphen } else { At::ClassHyphen(least) });
            }
            At::ClassAfterSet => {
                self.class(true);
                self.each("-", At::ClassLastHyphen);
            }
            At::ClassLastHyphen => self.each("]", At::AfterAtom),
            At::ClassHyphen(least) => {
                self.each("]", At::AfterAtom);
                if least <= HYPHEN {
                    self.each("-", At::Class);
                }
                if least <= LAST {
                    self.class_range(least, LAST, from.to(At::Class));
                }
                if least <= LAST_SPELLED {
                    self.each("\\", At::HighEscape(least));
                }
            }
            At::ClassEscape => {
                self.character_escapes(Goal::Low);
                self.sets(true);
                self.each("b", At::ClassAfter(least_high(8)));
                self.each("-", At::ClassAfter(least_high(HYPHEN)));
            }
            At::HighEscape(least) => {
                self.character_escapes(Goal::High(least));
                if least <= 8 {
                    self.each("b", At::Class);
                }
                if least <= HYPHEN {
                    self.each("-", At::Class);
                }
            }
            _ => return false,
        }
        true
    }
}

/// The state of a maximum: more digits only make it larger.
fn at_least(least: u8, number: u8) -> At {
    if number >= least { At::MaximumEnough } else { At::Maximum(least, number) }
}
