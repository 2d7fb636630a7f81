//! A textbook recogniser for any context-free grammar of the IR: which spans of a text does each rule derive?
//!
//! The spans are the least fixpoint of the grammar read as equations over sets, which handles left and hidden recursion, nullable
//! cycles and ambiguity without a special case (Kleene iteration; compare Grune and Jacobs, *Parsing Techniques*, chapter 4).
//!
//! Invariant: clearly right, at any price; texts of at most 62 bytes.
//! Must not know: automata, tokens, masks.

use crate::grammar::{CharClass, Expr, Grammar};

/// Decides membership and prefixes by brute force.
pub struct Recogniser<'g> {
    grammar: &'g Grammar,
    productive: Vec<bool>,
}

/// Sets of positions in the text, as bits.
type Positions = u64;

struct Tables<'t> {
    text: &'t [u8],
    /// By rule and start: where a match may end.
    ends: Vec<Vec<Positions>>,
    /// By rule and start: is the rest of the text a prefix of something that the rule derives?
    viable: Vec<Vec<bool>>,
}

impl<'g> Recogniser<'g> {
    /// A recogniser, or `None` if the grammar holds an embedded automaton, whose meaning is not in the IR.
    pub fn new(grammar: &'g Grammar) -> Option<Self> {
        if grammar.rules().iter().any(|r| has_embedded(&r.body)) {
            return None;
        }
        let mut recogniser = Self { grammar, productive: vec![false; grammar.rules().len()] };
        loop {
            let next: Vec<bool> = grammar.rules().iter().map(|r| recogniser.is_productive(&r.body)).collect();
            if next == recogniser.productive {
                return Some(recogniser);
            }
            recogniser.productive = next;
        }
    }

    /// By rule: does it derive any text at all?
    pub fn productive(&self) -> &[bool] {
        &self.productive
    }

    /// Does the root derive anything?
    pub fn root_is_productive(&self) -> bool {
        self.productive[self.grammar.root().index()]
    }

    /// Does the root derive exactly `text`?
    pub fn accepts(&self, text: &[u8]) -> bool {
        let tables = self.tables(text);
        tables.ends[self.grammar.root().index()][0] >> text.len() & 1 == 1
    }

    /// Does the root derive a text that starts with `text`?
    pub fn viable(&self, text: &[u8]) -> bool {
        let mut tables = self.tables(text);
        loop {
            let mut changed = false;
            for (index, rule) in self.grammar.rules().iter().enumerate() {
                for start in 0..=text.len() {
                    if !tables.viable[index][start] && self.is_viable(&rule.body, start, &tables) {
                        tables.viable[index][start] = true;
                        changed = true;
                    }
                }
            }
            if !changed {
                return tables.viable[self.grammar.root().index()][0];
            }
        }
    }

    fn tables<'t>(&self, text: &'t [u8]) -> Tables<'t> {
        assert!(text.len() < 63, "the recogniser is for short texts");
        let rules = self.grammar.rules().len();
        let mut tables = Tables { text, ends: vec![vec![0; text.len() + 1]; rules], viable: vec![vec![false; text.len() + 1]; rules] };
        loop {
            let mut changed = false;
            for (index, rule) in self.grammar.rules().iter().enumerate() {
                for start in 0..=text.len() {
                    let found = ends(&rule.body, start, &tables);
                    changed |= found != tables.ends[index][start];
                    tables.ends[index][start] = found;
                }
            }
            if !changed {
                return tables;
            }
        }
    }

    fn is_productive(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Bytes(_) => true,
            Expr::Class(class) => !class.is_empty(),
            Expr::Rule(rule) => self.productive[rule.index()],
            Expr::Sequence(parts) => parts.iter().all(|p| self.is_productive(p)),
            Expr::Choice(branches) => branches.iter().any(|b| self.is_productive(b)),
            Expr::Repeat { body, min, .. } => *min == 0 || self.is_productive(body),
            Expr::Embedded(_) => unreachable!("refused by new"),
        }
    }

    /// Is the text from `start` on a prefix of something that `expr` derives?
    fn is_viable(&self, expr: &Expr, start: usize, tables: &Tables) -> bool {
        let rest = &tables.text[start..];
        match expr {
            Expr::Bytes(bytes) => bytes.starts_with(rest),
            Expr::Class(class) => class_is_viable(class, rest),
            Expr::Rule(rule) => tables.viable[rule.index()][start],
            Expr::Sequence(parts) => {
                let mut reached: Positions = 1 << start;
                for (index, part) in parts.iter().enumerate() {
                    let later_end = parts[index + 1..].iter().all(|p| self.is_productive(p));
                    if later_end && each(reached).any(|p| self.is_viable(part, p, tables)) {
                        return true;
                    }
                    reached = after(part, reached, tables);
                }
                reached >> tables.text.len() & 1 == 1
            }
            Expr::Choice(branches) => branches.iter().any(|b| self.is_viable(b, start, tables)),
            Expr::Repeat { body, min, max } => {
                if rest.is_empty() {
                    return *min == 0 || self.is_productive(body);
                }
                if *max == Some(0) || *min > *max.as_ref().unwrap_or(&u32::MAX) || !self.is_productive(body) {
                    return false;
                }
                let before_last = repeated(body, 0, max.map(|m| m - 1), 1 << start, tables);
                each(before_last).any(|p| self.is_viable(body, p, tables))
            }
            Expr::Embedded(_) => unreachable!("refused by new"),
        }
    }
}

/// Where a match of `expr` from `start` may end, given what is known of the rules so far.
fn ends(expr: &Expr, start: usize, tables: &Tables) -> Positions {
    let rest = &tables.text[start..];
    match expr {
        Expr::Bytes(bytes) => {
            if rest.starts_with(bytes) {
                1 << (start + bytes.len())
            } else {
                0
            }
        }
        Expr::Class(class) => match first_character(rest) {
            Some(c) if class.contains(u32::from(c)) => 1 << (start + c.len_utf8()),
            _ => 0,
        },
        Expr::Rule(rule) => tables.ends[rule.index()][start],
        Expr::Sequence(parts) => parts.iter().fold(1 << start, |reached, part| after(part, reached, tables)),
        Expr::Choice(branches) => branches.iter().fold(0, |found, b| found | ends(b, start, tables)),
        Expr::Repeat { body, min, max } => repeated(body, *min, *max, 1 << start, tables),
        Expr::Embedded(_) => unreachable!("refused by new"),
    }
}

fn after(expr: &Expr, reached: Positions, tables: &Tables) -> Positions {
    each(reached).fold(0, |found, p| found | ends(expr, p, tables))
}

/// Where `min` to `max` matches of `body` in a row may end.
///
/// Positions never go back, so a run of more matches than the text has bytes holds an empty one, which may be left out or doubled:
/// from then on one match more changes nothing.
fn repeated(body: &Expr, min: u32, max: Option<u32>, from: Positions, tables: &Tables) -> Positions {
    if max.is_some_and(|m| m < min) {
        return 0;
    }
    let enough = tables.text.len() as u32 + 2;
    let mut reached = from;
    for _ in 0..min.min(enough) {
        let next = after(body, reached, tables);
        if next == reached {
            break;
        }
        reached = next;
    }
    for _ in min..max.unwrap_or(u32::MAX).min(min.saturating_add(enough)) {
        let next = reached | after(body, reached, tables);
        if next == reached {
            break;
        }
        reached = next;
    }
    reached
}

fn each(positions: Positions) -> impl Iterator<Item = usize> {
    (0..64).filter(move |p| positions >> p & 1 == 1)
}

fn first_character(bytes: &[u8]) -> Option<char> {
    (1..=bytes.len().min(4)).find_map(|n| std::str::from_utf8(&bytes[..n]).ok()).and_then(|s| s.chars().next())
}

/// Is `rest` a prefix of the UTF-8 of some character of the class?
fn class_is_viable(class: &CharClass, rest: &[u8]) -> bool {
    let starts = |c: u32| char::from_u32(c).is_some_and(|c| c.encode_utf8(&mut [0; 4]).as_bytes().starts_with(rest));
    match rest {
        [] => !class.is_empty(),
        // The characters that begin with the same bytes are a run of code points, so those at the ends of ranges and of runs decide.
        _ => class
            .ranges()
            .iter()
            .any(|&(low, high)| starts(low) || starts(high) || first_with_prefix(rest).is_some_and(|c| low <= c && c <= high)),
    }
}

/// The smallest character whose UTF-8 begins with these bytes.
fn first_with_prefix(prefix: &[u8]) -> Option<u32> {
    let length = match prefix[0] {
        0..=0x7F => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    if prefix.len() > length {
        return None;
    }
    let mut candidate = prefix.to_vec();
    for missing in prefix.len()..length {
        // The second byte of E0 and F0 starts later, so that no character has two spellings.
        candidate.push(match (missing, prefix[0]) {
            (1, 0xE0) => 0xA0,
            (1, 0xF0) => 0x90,
            _ => 0x80,
        });
    }
    std::str::from_utf8(&candidate).ok()?.chars().next().map(u32::from)
}

fn has_embedded(expr: &Expr) -> bool {
    match expr {
        Expr::Embedded(_) => true,
        Expr::Sequence(parts) | Expr::Choice(parts) => parts.iter().any(has_embedded),
        Expr::Repeat { body, .. } => has_embedded(body),
        Expr::Bytes(_) | Expr::Class(_) | Expr::Rule(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::Rule;
    use crate::ids::RuleId;

    fn text(s: &str) -> Expr {
        Expr::Bytes(s.as_bytes().into())
    }

    fn grammar(bodies: Vec<Expr>) -> Grammar {
        let rules = bodies.into_iter().enumerate().map(|(i, body)| Rule { name: format!("r{i}"), body }).collect();
        Grammar { rules, root: RuleId(0) }
    }

    fn rule(index: u32) -> Expr {
        Expr::Rule(RuleId(index))
    }

    #[test]
    fn left_recursion() {
        // r0 ::= r0 "+" "a" | "a"
        let g = grammar(vec![Expr::Choice(vec![Expr::Sequence(vec![rule(0), text("+"), text("a")]), text("a")])]);
        let r = Recogniser::new(&g).unwrap();
        for (t, accepted, viable) in
            [("a", true, true), ("a+", false, true), ("a+a+a", true, true), ("", false, true), ("+", false, false), ("aa", false, false)]
        {
            assert_eq!((r.accepts(t.as_bytes()), r.viable(t.as_bytes())), (accepted, viable), "{t}");
        }
    }

    #[test]
    fn nullable_cycle() {
        // r0 ::= r1 r0 | "" ; r1 ::= r0 | "b"
        let g = grammar(vec![Expr::Choice(vec![Expr::Sequence(vec![rule(1), rule(0)]), text("")]), Expr::Choice(vec![rule(0), text("b")])]);
        let r = Recogniser::new(&g).unwrap();
        assert!(r.accepts(b"") && r.accepts(b"bbb") && !r.viable(b"a"));
    }

    #[test]
    fn counted_repeats() {
        let g = grammar(vec![Expr::Repeat { body: text("ab").into(), min: 2, max: Some(3) }]);
        let r = Recogniser::new(&g).unwrap();
        let count = |n: usize| "ab".repeat(n).into_bytes();
        assert_eq!((0..6).map(|n| r.accepts(&count(n))).collect::<Vec<_>>(), [false, false, true, true, false, false]);
        assert_eq!((0..6).map(|n| r.viable(&count(n))).collect::<Vec<_>>(), [true, true, true, true, false, false]);
        let nullable = Expr::Repeat { body: Expr::Choice(vec![text("a"), text("")]).into(), min: 1_000_000, max: Some(1_000_000) };
        let g = grammar(vec![nullable]);
        let r = Recogniser::new(&g).unwrap();
        assert!(r.accepts(b"") && r.accepts(b"aaa") && !r.viable(b"ab"));
    }

    #[test]
    fn unproductive_tails_are_not_viable() {
        // r0 ::= "a" r1 | "b" ; r1 ::= "x" r1
        let g = grammar(vec![
            Expr::Choice(vec![Expr::Sequence(vec![text("a"), rule(1)]), text("b")]),
            Expr::Sequence(vec![text("x"), rule(1)]),
        ]);
        let r = Recogniser::new(&g).unwrap();
        assert_eq!(r.productive(), [true, false]);
        assert!(!r.viable(b"a") && r.viable(b"b") && r.viable(b""));
    }

    #[test]
    fn classes_are_utf8() {
        let class = CharClass::new([(0xE0, 0xF0), (0x20AC, 0x20AC), (0x1F600, 0x1F64F)]);
        let g = grammar(vec![Expr::Class(class.clone())]);
        let r = Recogniser::new(&g).unwrap();
        for c in (0..=0x10_FFFF).step_by(7).filter_map(char::from_u32).chain(['é', '€', '😀', 'a']) {
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).as_bytes();
            let inside = class.contains(u32::from(c));
            assert_eq!(r.accepts(bytes), inside, "{c:?}");
            assert!(!inside || (0..bytes.len()).all(|n| r.viable(&bytes[..n])), "{c:?}");
        }
        for (prefix, viable) in [
            (&b"\xC3"[..], true),
            (b"\xC4", false),
            (b"\xE2\x82", true),
            (b"\xE2\x83", false),
            (b"\xF0\x9F", true),
            (b"\xF0\x9F\x98", true),
            (b"\xF0\x9F\x9A", false),
            (b"\xC0", false),
            (b"\x80", false),
        ] {
            assert_eq!(r.viable(prefix), viable, "{prefix:X?}");
        }
    }
}
