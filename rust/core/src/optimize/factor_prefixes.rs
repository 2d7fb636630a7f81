//! Share the common beginnings of a choice: `"cat" | "car"` becomes `"ca" ("t" | "r")`.
//!
//! Literals are sorted and cut where they part, so that 20,000 of them cost a sort; other beginnings are compared as wholes.
//!
//! Invariant: literals are cut between characters where they are UTF-8; a body that would become too high stays as it was.
//! Must not know: other passes.

use indexmap::IndexMap;

use crate::grammar::{Expr, Grammar};

/// Choices made inside each other for one choice; deeper ones stay flat.
const LEVELS: usize = 24;

pub(super) fn run(grammar: &mut Grammar) {
    for rule in &mut grammar.rules {
        if has_choice(&rule.body) {
            let new = factor(rule.body.clone(), 0);
            if new.height() <= Grammar::MAX_HEIGHT {
                rule.body = new;
            }
        }
    }
}

fn has_choice(expr: &Expr) -> bool {
    matches!(expr, Expr::Choice(_)) || expr.children().iter().any(has_choice)
}

fn factor(mut expr: Expr, level: usize) -> Expr {
    for child in expr.children_mut() {
        let old = std::mem::replace(child, Expr::empty());
        *child = factor(old, level);
    }
    match expr {
        Expr::Choice(branches) => choice(branches.into_iter().map(parts).collect(), level),
        other => other,
    }
}

/// An expression as the parts of a sequence.
fn parts(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::Sequence(parts) => parts,
        other => vec![other],
    }
}

/// A branch that begins with a literal.
struct Literal {
    bytes: Box<[u8]>,
    rest: Vec<Expr>,
}

/// The choice between sequences.
fn choice(branches: Vec<Vec<Expr>>, level: usize) -> Expr {
    let mut literals = Vec::new();
    let mut groups: IndexMap<Expr, Vec<Vec<Expr>>> = IndexMap::new();
    for mut branch in branches {
        if branch.is_empty() {
            branch.push(Expr::empty());
        }
        let rest = branch.split_off(1);
        match branch.pop() {
            Some(Expr::Bytes(bytes)) if !bytes.is_empty() => literals.push(Literal { bytes, rest }),
            Some(first) => groups.entry(first).or_default().push(rest),
            None => {}
        }
    }
    literals.sort_by(|a, b| a.bytes.cmp(&b.bytes));
    let mut out = trie(literals, 0, level);
    for (first, mut rests) in groups {
        if rests.len() == 1 {
            let mut all = vec![first];
            all.extend(rests.pop().unwrap_or_default());
            out.push(Expr::sequence(all));
        } else if level < LEVELS && !first.is_empty_text() {
            let mut all = vec![first];
            all.extend(parts(choice(rests, level + 1)));
            out.push(Expr::sequence(all));
        } else {
            out.extend(rests.into_iter().map(|rest| {
                let mut all = vec![first.clone()];
                all.extend(rest);
                Expr::sequence(all)
            }));
        }
    }
    Expr::choice(out)
}

/// The branches for sorted literals of which `skip` bytes are behind.
fn trie(literals: Vec<Literal>, skip: usize, level: usize) -> Vec<Expr> {
    let mut out: Vec<Expr> = Vec::new();
    let mut ended: Vec<Vec<Expr>> = Vec::new();
    let mut group: Vec<Literal> = Vec::new();
    let mut flush = |group: &mut Vec<Literal>| {
        let literals = std::mem::take(group);
        match (literals.first(), literals.last()) {
            (Some(first), Some(last)) if literals.len() > 1 && level < LEVELS => {
                let end = common(&first.bytes, &last.bytes, skip);
                let mut all = vec![Expr::Bytes(first.bytes[skip..end].into())];
                all.extend(parts(Expr::choice(trie(literals, end, level + 1))));
                out.push(Expr::sequence(all));
            }
            _ => out.extend(literals.into_iter().map(|literal| {
                let mut all = vec![Expr::Bytes(literal.bytes[skip..].into())];
                all.extend(literal.rest);
                Expr::sequence(all)
            })),
        }
    };
    for literal in literals {
        if literal.bytes.len() == skip {
            ended.push(literal.rest);
            continue;
        }
        if group.last().is_some_and(|last| unit(&last.bytes[skip..]) != unit(&literal.bytes[skip..])) {
            flush(&mut group);
        }
        group.push(literal);
    }
    flush(&mut group);
    if !ended.is_empty() {
        // What comes after equal literals is a choice of its own.
        let rest = if ended.len() == 1 || level >= LEVELS {
            ended.into_iter().map(Expr::sequence).collect()
        } else {
            vec![choice(ended, level + 1)]
        };
        out.extend(rest);
    }
    out
}

/// The first character, or the first byte where the text is not UTF-8.
fn unit(bytes: &[u8]) -> &[u8] {
    let length = match bytes.first() {
        Some(0xC2..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF4) => 4,
        _ => 1,
    };
    let is_character = bytes.get(..length).is_some_and(|unit| std::str::from_utf8(unit).is_ok());
    &bytes[..if is_character { length } else { bytes.len().min(1) }]
}

/// Where two literals that share a character at `skip` part, not inside a character.
fn common(one: &[u8], other: &[u8], skip: usize) -> usize {
    let lowest = skip + unit(&one[skip..]).len();
    let mut end = skip + one[skip..].iter().zip(&other[skip..]).take_while(|(a, b)| a == b).count();
    while end > lowest && one.get(end).or(other.get(end)).is_some_and(|&byte| byte & 0xC0 == 0x80) {
        end -= 1;
    }
    end.max(lowest)
}
