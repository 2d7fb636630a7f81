//! Random grammars, texts of a grammar, damaged texts.
//!
//! Invariant: a pure function of the source; a grammar's generated texts are derived by it.
//! Must not know: how grammars are run.

use crate::grammar::{CharClass, Expr, Grammar, Rule};
use crate::ids::RuleId;
use crate::provider::ByteSet;
use crate::testing::source::Source;

/// What random grammars look like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// At most so many rules.
    pub rules: usize,
    /// At most so many levels in a body.
    pub depth: usize,
    /// The literals.
    pub letters: &'static [&'static str],
    /// Character classes, also beyond ASCII.
    pub classes: bool,
    /// Bounds of counted repeats stay at or below this; zero: no counted repeats.
    pub count: u32,
    /// Choices without a branch and empty classes, which match nothing.
    pub nothing: bool,
}

impl Shape {
    /// A few rules over two letters: all short texts can be tried.
    pub const LETTERS: Self = Self { rules: 4, depth: 3, letters: &["a", "b"], classes: false, count: 3, nothing: false };
    /// The same with everything the IR has.
    pub const MIXED: Self = Self { rules: 5, depth: 3, letters: &["a", "b", "ab", "é", "€"], classes: true, count: 4, nothing: true };
    /// Counts too large to unroll.
    pub const COUNTED: Self = Self { rules: 2, depth: 2, letters: &["a", "b", "ab"], classes: true, count: 40, nothing: false };
}

/// A random grammar. Rules may be unproductive, unreachable, left-recursive, cyclic or ambiguous.
pub fn grammar(source: &mut Source, shape: &Shape) -> Grammar {
    let count = 1 + source.below(shape.rules);
    let rules = (0..count)
        .map(|i| {
            let mut body = expression(source, shape, count, shape.depth);
            // A way out, so that most grammars derive something.
            if source.chance(60) {
                let out = Expr::Bytes(source.pick(shape.letters).as_bytes().into());
                body = Expr::Choice(if source.chance(50) { vec![body, out] } else { vec![out, body] });
            }
            Rule { name: if i == 0 { "root".into() } else { format!("r{i}") }, body }
        })
        .collect();
    Grammar { rules, root: RuleId(0) }
}

fn expression(source: &mut Source, shape: &Shape, rules: usize, depth: usize) -> Expr {
    let top = depth == shape.depth;
    let leaf = depth == 0 || (top && source.chance(4));
    let kind = match () {
        () if leaf => source.below(10),
        () if top => 10 + source.below(14),
        () => source.below(24),
    };
    match kind {
        4..=7 => Expr::Rule(RuleId(source.below(rules) as u32)),
        8 if shape.classes => Expr::Class(class(source, shape.nothing)),
        9 => Expr::Bytes([].into()),
        10..=16 => {
            let least = source.below(10).min(1);
            Expr::Sequence((0..least + source.below(4)).map(|_| expression(source, shape, rules, depth - 1)).collect())
        }
        17..=20 => {
            let least = usize::from(!shape.nothing || source.chance(90));
            Expr::Choice((0..least + source.below(4)).map(|_| expression(source, shape, rules, depth - 1)).collect())
        }
        21..=23 => {
            let body = Box::new(expression(source, shape, rules, depth - 1));
            let (min, max) = match source.below(if shape.count > 0 { 6 } else { 3 }) {
                0 => (0, Some(1)),
                1 => (0, None),
                2 => (1, None),
                kind => {
                    let min = source.below(shape.count as usize + 1) as u32;
                    let max = min + source.below((shape.count - min) as usize + 1) as u32;
                    (min, (kind < 5).then_some(max))
                }
            };
            Expr::Repeat { body, min, max }
        }
        _ => Expr::Bytes(source.pick(shape.letters).as_bytes().into()),
    }
}

/// A random character class, around the places where UTF-8 changes its length.
pub fn class(source: &mut Source, may_be_empty: bool) -> CharClass {
    const EDGES: [u32; 16] =
        [0x61, 0x62, 0x7A, 0x00, 0x22, 0x5C, 0x7F, 0x80, 0xE9, 0x7FF, 0x800, 0x20AC, 0xD7FF, 0xFFFF, 0x1_0000, 0x10_FFFF];
    let count = if may_be_empty && source.chance(6) { 0 } else { 1 + source.below(3) };
    let class = CharClass::new((0..count).map(|_| {
        let (a, b) = (*source.pick(&EDGES), *source.pick(&EDGES));
        if source.chance(50) { (a, a) } else { (a.min(b), a.max(b)) }
    }));
    let negated = class.negate();
    if source.chance(25) && !negated.is_empty() { negated } else { class }
}

/// A random text that the root derives; `None` if it derives none, or the text would need an embedded automaton.
/// With `budget` used up the derivation ends the shortest way.
pub fn text(source: &mut Source, grammar: &Grammar, budget: usize) -> Option<Vec<u8>> {
    let mut heights = vec![None; grammar.rules().len()];
    loop {
        let next: Vec<Option<u32>> = grammar.rules().iter().map(|r| height(&r.body, &heights)).collect();
        if next == heights {
            break;
        }
        heights = next;
    }
    heights[grammar.root().index()]?;
    let mut derivation = Derivation { source, grammar, heights, budget, out: Vec::new() };
    derivation.expand(&grammar.rules()[grammar.root().index()].body);
    Some(derivation.out)
}

/// Rule calls on the deepest path of the shallowest derivation; `None`: there is none (yet).
fn height(expr: &Expr, rules: &[Option<u32>]) -> Option<u32> {
    match expr {
        Expr::Bytes(_) => Some(0),
        Expr::Class(class) => (!class.is_empty()).then_some(0),
        Expr::Rule(rule) => rules[rule.index()].map(|h| h + 1),
        Expr::Sequence(parts) => parts.iter().try_fold(0, |deepest, p| Some(deepest.max(height(p, rules)?))),
        Expr::Choice(branches) => branches.iter().filter_map(|b| height(b, rules)).min(),
        Expr::Repeat { min: 0, .. } => Some(0),
        Expr::Repeat { body, .. } => height(body, rules),
        Expr::Embedded(_) => None,
    }
}

struct Derivation<'d, 's, 'g> {
    source: &'d mut Source<'s>,
    grammar: &'g Grammar,
    heights: Vec<Option<u32>>,
    budget: usize,
    out: Vec<u8>,
}

impl Derivation<'_, '_, '_> {
    fn expand(&mut self, expr: &Expr) {
        self.budget = self.budget.saturating_sub(1);
        match expr {
            Expr::Bytes(bytes) => self.out.extend_from_slice(bytes),
            Expr::Class(class) => {
                let &(low, high) = self.source.pick(class.ranges());
                let inside = low + self.source.below((high - low) as usize + 1) as u32;
                let c = *self.source.pick(&[low, high, inside]);
                self.out.extend_from_slice(char::from_u32(c).unwrap_or('?').encode_utf8(&mut [0; 4]).as_bytes());
            }
            Expr::Rule(rule) => {
                let grammar = self.grammar;
                self.expand(&grammar.rules()[rule.index()].body);
            }
            Expr::Sequence(parts) => parts.iter().for_each(|p| self.expand(p)),
            Expr::Choice(branches) => {
                let mut open: Vec<(u32, &Expr)> = branches.iter().filter_map(|b| height(b, &self.heights).map(|h| (h, b))).collect();
                open.sort_by_key(|&(h, _)| h);
                let branch = if self.budget == 0 { open[0].1 } else { self.source.pick(&open).1 };
                self.expand(branch);
            }
            Expr::Repeat { body, min, max } => {
                let room = max.map_or(3, |m| m - min) as usize;
                let more = if self.budget == 0 || height(body, &self.heights).is_none() { 0 } else { self.source.below(room + 1) };
                for index in 0..*min as usize + more {
                    if index < *min as usize || self.budget > 0 {
                        self.expand(body);
                    }
                }
            }
            Expr::Embedded(_) => unreachable!("has no height"),
        }
    }
}

/// `text` with one to three small changes.
pub fn mutate(source: &mut Source, text: &[u8], letters: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    for _ in 0..=source.below(3) {
        let at = source.below(out.len() + 1);
        let end = (at + 1 + source.below(3)).min(out.len());
        let letter = if letters.is_empty() { source.byte() } else { *source.pick(letters) };
        match source.below(5) {
            0 => out.insert(at, letter),
            1 if at < out.len() => out[at] = letter,
            2 if at < end => drop(out.drain(at..end)),
            3 if at < end => {
                let copy = out[at..end].to_vec();
                out.splice(at..at, copy);
            }
            _ => out.truncate(at),
        }
    }
    out
}

/// Every byte that texts of the grammar may hold, or a superset.
pub fn bytes_of(grammar: &Grammar) -> ByteSet {
    fn collect(expr: &Expr, set: &mut ByteSet) {
        match expr {
            Expr::Bytes(bytes) => bytes.iter().for_each(|&b| set.insert(b)),
            Expr::Class(class) => {
                for &(low, high) in class.ranges() {
                    for byte in low..=high.min(0x7F) {
                        set.insert(byte as u8);
                    }
                    if high >= 0x80 {
                        (0x80..=0xF4).for_each(|b| set.insert(b));
                    }
                }
            }
            Expr::Sequence(parts) | Expr::Choice(parts) => parts.iter().for_each(|p| collect(p, set)),
            Expr::Repeat { body, .. } => collect(body, set),
            Expr::Rule(_) => {}
            Expr::Embedded(_) => *set = ByteSet::ALL,
        }
    }
    let mut set = ByteSet::default();
    grammar.rules().iter().for_each(|r| collect(&r.body, &mut set));
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::recogniser::Recogniser;
    use crate::testing::source::random_bytes;

    #[test]
    fn generated_texts_are_derived() {
        let (mut texts, mut distinct) = (0, std::collections::BTreeSet::new());
        for seed in 0..600 {
            let bytes = random_bytes(seed, 300);
            let mut source = Source::new(&bytes);
            let grammar = grammar(&mut source, if seed % 2 == 0 { &Shape::LETTERS } else { &Shape::MIXED });
            let recogniser = Recogniser::new(&grammar).unwrap();
            let Some(text) = text(&mut source, &grammar, 20) else {
                assert!(!recogniser.root_is_productive());
                continue;
            };
            if text.len() <= 16 {
                texts += 1;
                assert!(recogniser.accepts(&text) && recogniser.viable(&text), "{grammar:?} {text:?}");
                assert!((0..text.len()).all(|n| recogniser.viable(&text[..n])), "{grammar:?} {text:?}");
                distinct.insert(text);
            }
        }
        assert!(texts > 300 && distinct.len() > 80, "{texts} texts, {} distinct", distinct.len());
    }
}
