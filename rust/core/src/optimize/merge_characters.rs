//! Make one class of a choice between single characters.
//!
//! Invariant: an expression never gets higher or larger.
//! Must not know: other passes.

use super::rewrite_bodies;
use crate::grammar::{CharClass, Expr, Grammar};

pub(super) fn run(grammar: &mut Grammar) {
    rewrite_bodies(grammar, merge);
}

fn merge(expr: Expr) -> Expr {
    let Expr::Choice(branches) = expr else {
        return expr;
    };
    if branches.iter().filter(|branch| ranges(branch).is_some()).count() < 2 {
        return Expr::Choice(branches);
    }
    let mut merged = Vec::new();
    let mut place = None;
    let mut out = Vec::with_capacity(branches.len());
    for branch in branches {
        if let Some(ranges) = ranges(&branch) {
            merged.extend_from_slice(&ranges);
            if place.is_some() {
                continue;
            }
            place = Some(out.len());
        }
        out.push(branch);
    }
    if let Some(place) = place {
        out[place] = Expr::Class(CharClass::new(merged));
    }
    Expr::choice(out)
}

/// The characters of an expression that is one character.
fn ranges(expr: &Expr) -> Option<Vec<(u32, u32)>> {
    match expr {
        Expr::Class(class) => Some(class.ranges().to_vec()),
        Expr::Bytes(bytes) if (1..=4).contains(&bytes.len()) => {
            let mut chars = std::str::from_utf8(bytes).ok()?.chars();
            let (c, None) = (chars.next()?, chars.next()) else {
                return None;
            };
            Some(vec![(u32::from(c), u32::from(c))])
        }
        _ => None,
    }
}
