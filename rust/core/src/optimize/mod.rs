//! Language-preserving rewrites of grammars. Pipeline: grammar -> **optimize** -> automaton.
//!
//! Every pass is one file and one row of [`PASSES`]; each can be switched off, and the compiled grammar must not tell the difference but
//! in speed. Rules that the root does not reach are always dropped.
//!
//! Invariant: the texts of the grammar stay the same; passes are about linear, and no grammar grows by more than a constant factor.
//! Must not know: front-ends, vocabularies, or how the automaton is made.

mod drop_unreachable;
mod factor_prefixes;
mod fuse_literals;
mod inline_rules;
mod merge_characters;
mod merge_equal_rules;
mod normalize_nesting;

use crate::grammar::{Expr, Grammar, Rule};

/// A rewrite of a grammar.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Its name, for [`PassSelection::without`].
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    run: fn(&mut Grammar),
}

/// The passes, in the order in which they run.
pub const PASSES: &[Pass] = &[
    Pass { name: "normalize_nesting", summary: "flatten sequences, choices and loops inside each other", run: normalize_nesting::run },
    Pass { name: "merge_equal_rules", summary: "keep one of several rules with equal bodies", run: merge_equal_rules::run },
    Pass { name: "inline_rules", summary: "put small rules and rules used once in their place", run: inline_rules::run },
    Pass { name: "fuse_literals", summary: "join literals that stand side by side", run: fuse_literals::run },
    Pass { name: "factor_prefixes", summary: "share the common beginnings of a choice", run: factor_prefixes::run },
    Pass { name: "merge_characters", summary: "make one class of a choice between characters", run: merge_characters::run },
];

/// Which passes run; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassSelection {
    off: Vec<&'static str>,
}

impl PassSelection {
    /// Every pass.
    pub fn all() -> Self {
        Self::default()
    }

    /// For each pass, the selection without it.
    pub fn without_each(&self) -> impl Iterator<Item = Self> + '_ {
        PASSES.iter().filter_map(|pass| self.clone().without(pass.name))
    }

    /// No pass but dropping unreachable rules.
    pub fn none() -> Self {
        Self { off: PASSES.iter().map(|pass| pass.name).collect() }
    }

    /// The selection without the pass of this name; `None` if there is none of this name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Option<Self> {
        let pass = PASSES.iter().find(|pass| pass.name == name)?;
        if self.contains(name) {
            self.off.push(pass.name);
        }
        Some(self)
    }

    /// Does the pass of this name run?
    pub fn contains(&self, name: &str) -> bool {
        !self.off.contains(&name)
    }
}

/// The same language, rewritten by the selected passes.
#[must_use]
pub fn optimize(mut grammar: Grammar, selection: &PassSelection) -> Grammar {
    if let [Rule { body: Expr::Embedded(_), .. }] = grammar.rules.as_slice() {
        return grammar;
    }
    drop_unreachable::run(&mut grammar);
    for pass in PASSES.iter().filter(|pass| selection.contains(pass.name)) {
        (pass.run)(&mut grammar);
        debug_assert_eq!(grammar.validate(), Ok(()), "after {}", pass.name);
    }
    drop_unreachable::run(&mut grammar);
    grammar
}

/// Rewrite every body from the leaves up. For rewrites that do not make it higher.
fn rewrite_bodies(grammar: &mut Grammar, rewrite: impl Fn(Expr) -> Expr) {
    for rule in &mut grammar.rules {
        let body = std::mem::replace(&mut rule.body, Expr::empty());
        rule.body = rewrite_up(body, &rewrite);
    }
}

/// Rewrite the children, then the expression itself. Recursion is bounded by [`Grammar::MAX_HEIGHT`].
fn rewrite_up(mut expr: Expr, rewrite: &impl Fn(Expr) -> Expr) -> Expr {
    for child in expr.children_mut() {
        let old = std::mem::replace(child, Expr::empty());
        *child = rewrite_up(old, rewrite);
    }
    rewrite(expr)
}

#[cfg(test)]
mod tests;
