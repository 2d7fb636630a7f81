//! From a grammar to states in an arena. Pipeline: optimize -> **automaton** -> mask, matcher.
//!
//! Invariant: eager work is linear in the grammar; states are made when first visited.
//! Must not know: front-ends, tokens.

use std::sync::Arc;

use super::absorb;
use super::determinize::GrammarProvider;
use super::follow::follow;
use super::left_corner::LeftCorner;
use super::lower::{Settings, lower};
use super::nfa::{Node, Symbol};
use crate::error::CompileError;
use crate::grammar::{Expr, Grammar, Rule};
use crate::limits::Interrupt;
use crate::provider::{Arena, Attached, ByteSet};

/// Make the grammar's states available in `arena`: one provider that makes them on demand. After a text of the grammar come only bytes of
/// `after`: none, unless it is part of something else.
///
/// A grammar in which a rule that the root needs accepts nothing is an error that names the rule.
pub fn attach_grammar(grammar: &Grammar, arena: &Arena, after: ByteSet, interrupt: &Interrupt) -> Result<Attached, CompileError> {
    if let [Rule { body: Expr::Embedded(embedded), .. }] = grammar.rules.as_slice() {
        // PERF: the usual grammar; it needs no other automaton.
        let attached = embedded.attach(arena)?;
        if attached.start.is_some() {
            return Ok(attached);
        }
    }
    let alphabet = *arena.alphabet();
    let result = attach_with(grammar, arena, after, interrupt, Settings { alphabet, ..Settings::default() });
    if let (Err(CompileError::Grammar { .. }), true) = (&result, alphabet != ByteSet::ALL) {
        // Is it the grammar's fault, or the vocabulary's?
        let everything = Arena::new(arena.limits().clone());
        if attach_with(grammar, &everything, after, interrupt, Settings::default()).is_ok() {
            let mut needed =
                lower(grammar, arena.limits().max_expression_nodes, Settings::default(), interrupt, &mut |e| e.attach(&everything))?
                    .bytes();
            needed.remove(&alphabet);
            if let Some(byte) = needed.iter().next() {
                return Err(CompileError::UnspellableByte { byte });
            }
        }
    }
    result
}

pub(super) fn attach_with(
    grammar: &Grammar,
    arena: &Arena,
    after: ByteSet,
    interrupt: &Interrupt,
    settings: Settings,
) -> Result<Attached, CompileError> {
    let bound = arena.limits().max_expression_nodes;
    let nfa = lower(grammar, bound, settings, interrupt, &mut |embedded| embedded.attach(arena))?;
    interrupt.check()?;
    let root = Symbol(grammar.root().0);
    let automaton = LeftCorner::new(nfa, root)?;
    interrupt.check()?;
    let nullable = automaton.nullable.of(root);
    if !automaton.consuming.of(root) {
        return Ok(Attached { start: None, nullable });
    }
    if let [only] = automaton.starts(root)
        && let Node::Embedded(index, next) = automaton.nfa.node(*only)
        && automaton.nfa.node(next) == Node::Accept(root)
        && automaton.component[root.index()].is_none()
    {
        // The grammar is one embedded automaton.
        return Ok(Attached { start: automaton.nfa.embedded[index.index()].start, nullable });
    }
    let pushes = absorb::choose(&automaton, root);
    interrupt.check()?;
    let follow = follow(&automaton, root, after);
    let provider = Arc::new(GrammarProvider::new(automaton, pushes, &follow));
    provider.registered(arena.register(provider.clone()));
    let start = Some(provider.entry(arena, root)?);
    Ok(Attached { start, nullable })
}
