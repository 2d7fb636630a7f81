//! Flatten sequences in sequences, choices in choices and loops in loops.
//!
//! Invariant: an expression never gets higher or larger.
//! Must not know: other passes.

use indexmap::IndexSet;

use super::rewrite_bodies;
use crate::grammar::{Expr, Grammar};

pub(super) fn run(grammar: &mut Grammar) {
    rewrite_bodies(grammar, flatten);
}

fn flatten(expr: Expr) -> Expr {
    match expr {
        Expr::Sequence(parts) => {
            if parts.iter().any(Expr::is_nothing) {
                return Expr::nothing();
            }
            let mut flat = Vec::with_capacity(parts.len());
            for part in parts {
                match part {
                    Expr::Sequence(inner) => flat.extend(inner),
                    part if part.is_empty_text() => {}
                    part => flat.push(part),
                }
            }
            Expr::sequence(flat)
        }
        Expr::Choice(branches) => {
            let mut flat: IndexSet<Expr> = IndexSet::with_capacity(branches.len());
            for branch in branches {
                match branch {
                    Expr::Choice(inner) => flat.extend(inner),
                    branch if branch.is_nothing() => {}
                    branch => {
                        flat.insert(branch);
                    }
                }
            }
            Expr::choice(flat.into_iter().collect())
        }
        Expr::Repeat { body, min, max } => repeat(*body, min, max),
        leaf => leaf,
    }
}

fn repeat(body: Expr, min: u32, max: Option<u32>) -> Expr {
    if body.is_empty_text() || max == Some(0) {
        return Expr::empty();
    }
    if body.is_nothing() {
        return if min == 0 { Expr::empty() } else { body };
    }
    if let Expr::Repeat { min: inner_min, max: inner_max, .. } = body
        && let Some((new_min, new_max)) = product(inner_min, inner_max, min, max)
        && let Expr::Repeat { body, .. } = body
    {
        return body.repeat(new_min, new_max);
    }
    body.repeat(min, max)
}

/// The counts of `(x{p,q}){m,n}` where they have no gaps and are written as one loop.
fn product(p: u32, q: Option<u32>, m: u32, n: Option<u32>) -> Option<(u32, Option<u32>)> {
    match (p, q, n) {
        // x{p,} any number of times: with p at most one there is no gap after nothing.
        // So it is without end on the outside.
        (0, None, _) | (0, _, None) => Some((0, None)),
        (1, None, _) | (1, _, None) => Some((m, None)),
        // x{0,q} up to n times is up to q*n.
        (0, Some(q), Some(n)) => Some((0, Some(q.checked_mul(n)?))),
        (1, Some(q), Some(n)) if m <= 1 || m == n => {
            // From m to q*n: k rounds give k to q*k, and these ranges meet.
            Some((m, Some(q.checked_mul(n)?)))
        }
        (p, Some(q), Some(n)) if p == q && m == n => Some((p.checked_mul(m)?, Some(q.checked_mul(n)?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::product;

    /// All counts of `(x{p,q}){m,n}` up to a bound, by trying.
    fn sums(p: u32, q: Option<u32>, m: u32, n: Option<u32>) -> Vec<bool> {
        const TOP: usize = 40;
        let mut all = vec![false; TOP];
        let mut now = vec![false; TOP];
        now[0] = true;
        for round in 0..=TOP as u32 {
            if round >= m && n.is_none_or(|n| round <= n) {
                (0..TOP).for_each(|i| all[i] |= now[i]);
            }
            let mut next = vec![false; TOP];
            for i in (0..TOP).filter(|&i| now[i]) {
                for k in p..=q.unwrap_or(TOP as u32).min(TOP as u32) {
                    if let Some(slot) = next.get_mut(i + k as usize) {
                        *slot = true;
                    }
                }
            }
            now = next;
        }
        all
    }

    #[test]
    fn products_have_exactly_the_sums() {
        for p in 0..4 {
            for q in [None, Some(1), Some(2), Some(3)].into_iter().filter(|q| q.is_none_or(|q| q >= p)) {
                for m in 0..4 {
                    for n in [None, Some(1), Some(2), Some(3), Some(5)].into_iter().filter(|n| n.is_none_or(|n| n >= m)) {
                        if let Some((low, high)) = product(p, q, m, n) {
                            assert_eq!(sums(p, q, m, n), sums(1, Some(1), low, high), "(x{{{p},{q:?}}}){{{m},{n:?}}}");
                        }
                    }
                }
            }
        }
    }
}
