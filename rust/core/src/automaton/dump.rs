//! States as a picture, for debugging. Pipeline: part of **automaton**, beside it.
//!
//! Invariant: shows what the arena answers, of whichever provider.
//! Must not know: how states are made.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hashbrown::HashSet;

use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::{Alternative, Arena, Cell};

/// The states reachable from `start` in the DOT language, at most `most` of them; the rest is not drawn. States that may return
/// have a double border, pushed frames are dashed.
pub fn dump_dot(arena: &Arena, start: StateId, most: usize) -> Result<String, EngineError> {
    let mut out = String::from("digraph states {\n  rankdir=LR;\n");
    let mut seen: HashSet<StateId> = HashSet::new();
    seen.insert(start);
    let mut order = vec![start];
    let mut done = 0;
    while let Some(&state) = order.get(done) {
        done += 1;
        if done > most {
            break;
        }
        let facts = arena.facts(state);
        let shape = if facts.returns.is_some() { "doublecircle" } else { "circle" };
        let limit = if facts.counting { format!(" <{}", facts.limit) } else { String::new() };
        let _ =
            writeln!(out, "  s{} [shape={shape}, tooltip=\"{}\", label=\"{}{limit}\"];", state.0, escape(&arena.describe(state)), state.0);
        let mut visit = |target: StateId| {
            if seen.insert(target) {
                order.push(target);
            }
        };
        let mut edges: BTreeMap<(u32, bool, Vec<u32>), Vec<u8>> = BTreeMap::new();
        for byte in 0..=255 {
            let alternatives: Vec<Alternative> = match arena.step(state, byte)? {
                Cell::Dead => Vec::new(),
                Cell::Simple(target, increment) => vec![Alternative { push: smallvec::SmallVec::new(), target, increment }],
                Cell::Many(many) => many.to_vec(),
            };
            for alternative in alternatives {
                let push = alternative.push.iter().map(|push| push.return_to.0).collect();
                edges.entry((alternative.target.0, alternative.increment, push)).or_default().push(byte);
            }
        }
        for ((target, increment, push), bytes) in edges {
            visit(StateId(target));
            let plus = if increment { " +1" } else { "" };
            let frames: Vec<String> = push.iter().map(|frame| format!(" push {frame}")).collect();
            let _ = writeln!(out, "  s{} -> s{target} [label=\"{}{plus}{}\"];", state.0, escape(&ranges(&bytes)), frames.concat());
            for frame in push {
                visit(StateId(frame));
                let _ = writeln!(out, "  s{} -> s{frame} [style=dashed];", state.0);
            }
        }
        if facts.counting
            && let Some(next) = arena.settled(state, facts.limit)?
        {
            visit(next);
            let _ = writeln!(out, "  s{} -> s{} [style=dotted, label=\"at {}\"];", state.0, next.0, facts.limit);
        }
    }
    out.push_str("}\n");
    Ok(out)
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn ranges(bytes: &[u8]) -> String {
    let mut out = String::new();
    let show = |byte: u8| if byte.is_ascii_graphic() { char::from(byte).to_string() } else { format!("x{byte:02X}") };
    for run in bytes.chunk_by(|a, b| a + 1 == *b) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&show(run[0]));
        if let [_, .., last] = run {
            let _ = write!(out, "-{}", show(*last));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::automaton::reference::Run;

    #[test]
    fn a_small_automaton_is_drawn() {
        let run = Run::new(r#"root ::= "a" root "b" | [x-z]{3,40}"#, 8);
        let dot = super::dump_dot(&run.arena, run.attached.start.unwrap(), 100).unwrap();
        assert!(dot.starts_with("digraph") && dot.contains("push") && dot.contains("doublecircle") && dot.contains("at 40"), "{dot}");
    }
}
