//! Join literals that stand side by side; a class of one character is a literal.
//!
//! Invariant: an expression never gets higher or larger.
//! Must not know: other passes.

use super::rewrite_bodies;
use crate::grammar::{Expr, Grammar};

pub(super) fn run(grammar: &mut Grammar) {
    rewrite_bodies(grammar, fuse);
}

fn fuse(expr: Expr) -> Expr {
    match expr {
        Expr::Class(class) => match *class.ranges() {
            [(low, high)] if low == high => match char::from_u32(low) {
                Some(c) => Expr::text(c.encode_utf8(&mut [0; 4])),
                None => Expr::Class(class),
            },
            _ => Expr::Class(class),
        },
        Expr::Sequence(parts) => {
            let mut out = Vec::with_capacity(parts.len());
            let mut literal: Vec<u8> = Vec::new();
            for part in parts {
                if let Expr::Bytes(bytes) = part {
                    literal.extend_from_slice(&bytes);
                    continue;
                }
                if !literal.is_empty() {
                    out.push(Expr::Bytes(std::mem::take(&mut literal).into()));
                }
                out.push(part);
            }
            if !literal.is_empty() {
                out.push(Expr::Bytes(literal.into()));
            }
            Expr::sequence(out)
        }
        other => other,
    }
}
