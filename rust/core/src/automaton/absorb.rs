//! Which calls push a frame; all others are seen through. Pipeline: part of **automaton**.
//!
//! Invariant: without the calls that push, no rule calls itself, so contexts are bounded; seen through, no rule grows beyond a bound
//! on account of rules that are called from several places.
//! Must not know: contexts, bytes.

use super::components::components;
use super::left_corner::LeftCorner;
use super::nfa::{Kind, Marks, Node, Position, Symbol};

/// A rule that is called from several places and stands for more positions than this, calls seen through, pushes: the frames it
/// costs are few beside the copies of its states.
const ABSORBED_POSITIONS: u64 = 1_000;

/// A loop over so many first bytes is broad.
const BROAD_BYTES: u32 = 24;

/// The call graph; symbols that recurse from the left together are one node.
struct Calls {
    node_of: Vec<u32>,
    members: Vec<Vec<Symbol>>,
    /// Calls that could be seen through, one entry per position that calls.
    sites: Vec<Vec<u32>>,
    positions: Vec<u64>,
    brackets: Vec<bool>,
}

/// By symbol: whether a call pushes.
pub(super) fn choose(automaton: &LeftCorner, root: Symbol) -> Vec<bool> {
    let count = automaton.nfa.symbols.len();
    let mut pushes: Vec<bool> = automaton.nfa.symbols.iter().map(|symbol| symbol.kind != Kind::Rule).collect();
    let calls = Calls::new(automaton, &pushes);
    let mut cut = vec![false; calls.members.len()];
    // Recursion through rules that bracket their text is cut there: they are long and their ends are plain to see.
    let found = components(&calls.sites);
    for (node, cut) in cut.iter_mut().enumerate() {
        *cut = calls.brackets[node] && found.cyclic[found.of[node] as usize];
    }
    cut_back_edges(&calls, calls.node_of[root.index()], &mut cut);
    cut_broad(automaton, &calls, &mut cut);
    cut_large(&calls, &mut cut);
    for symbol in 0..count {
        pushes[symbol] |= cut[calls.node_of[symbol] as usize];
    }
    pushes
}

impl Calls {
    fn new(automaton: &LeftCorner, pushes: &[bool]) -> Self {
        let nfa = &automaton.nfa;
        let mut node_of = vec![u32::MAX; nfa.symbols.len()];
        let mut of_component = hashbrown::HashMap::new();
        let mut members: Vec<Vec<Symbol>> = Vec::new();
        for (symbol, place) in node_of.iter_mut().enumerate() {
            let fresh = members.len() as u32;
            let node = automaton.component[symbol].map_or(fresh, |component| *of_component.entry(component).or_insert(fresh));
            if node == fresh {
                members.push(Vec::new());
            }
            members[node as usize].push(Symbol(symbol as u32));
            *place = node;
        }
        let mut this = Self {
            sites: vec![Vec::new(); members.len()],
            positions: vec![0; members.len()],
            brackets: vec![false; members.len()],
            node_of,
            members,
        };
        let mut marks = Marks::new(nfa);
        for node in 0..this.members.len() {
            for &symbol in &this.members[node] {
                let positions = nfa.reachable([nfa.symbol(symbol).start], &mut marks);
                this.positions[node] += positions.len() as u64;
                let left_recursive = automaton.component[symbol.index()].is_some();
                if !left_recursive {
                    this.brackets[node] = brackets(automaton, symbol, &positions);
                }
                // In a left-recursive symbol a call of the component counts only where something was read before it.
                let normal = if left_recursive { after_reading(automaton, &positions, &mut marks) } else { positions };
                let starts = if left_recursive { automaton.starts(symbol) } else { &[] };
                for &position in normal.iter().chain(starts) {
                    if let Node::Call(callee, _) = nfa.node(position)
                        && !pushes[callee.index()]
                        && automaton.live(position)
                    {
                        this.sites[node].push(this.node_of[callee.index()]);
                    }
                }
            }
        }
        this
    }
}

fn after_reading(automaton: &LeftCorner, positions: &[Position], marks: &mut Marks) -> Vec<Position> {
    let read = positions.iter().filter(|&&p| automaton.live(p)).flat_map(|&p| automaton.nfa.successors(p).iter().copied());
    automaton.nfa.reachable(read, marks)
}

/// Every text begins with the same byte and ends with a fixed one, both the rule's own.
fn brackets(automaton: &LeftCorner, symbol: Symbol, positions: &[Position]) -> bool {
    let nfa = &automaton.nfa;
    let byte = |position: Position| match nfa.node(position) {
        Node::Byte(low, high, _) => Some((low, high)),
        _ => None,
    };
    let starts = automaton.starts(symbol);
    !automaton.nullable.of(symbol)
        && starts.first().is_some_and(|&first| byte(first).is_some_and(|(low, high)| low == high))
        && starts.iter().all(|&start| byte(start) == byte(starts[0]))
        && positions.iter().all(|&position| {
            let ends = |next: &Position| matches!(nfa.node(*next), Node::Accept(_));
            byte(position).is_some() || !nfa.successors(position).iter().any(ends)
        })
}

/// Cut the targets of the back edges of a depth-first search, which leaves no cycle.
fn cut_back_edges(calls: &Calls, root: u32, cut: &mut [bool]) {
    const NEW: u8 = 0;
    const OPEN: u8 = 1;
    const DONE: u8 = 2;
    let mut state = vec![NEW; calls.sites.len()];
    let mut stack: Vec<(u32, usize)> = Vec::new();
    for start in std::iter::once(root).chain(0..calls.sites.len() as u32) {
        if state[start as usize] == NEW {
            state[start as usize] = OPEN;
            stack.push((start, 0));
        }
        while let Some((node, site)) = stack.last_mut() {
            let Some(&callee) = calls.sites[*node as usize].get(*site) else {
                state[*node as usize] = DONE;
                stack.pop();
                continue;
            };
            *site += 1;
            let c = callee as usize;
            if cut[c] {
                // A call that pushes closes no cycle; its own body is searched on its own.
            } else if state[c] == OPEN {
                cut[c] = true;
            } else if state[c] == NEW {
                state[c] = OPEN;
                stack.push((callee, 0));
            }
        }
    }
}

/// Cut rules with a broad loop of their own (a name, the body of a string) that would be seen through in several places.
///
/// PERF: the mask of a broad state is a walk over much of the vocabulary, which a rule that pushes pays once and a rule that is
/// seen through pays at each place. On a C-like grammar with eleven uses of `name`, 46 broad walks became 9.
fn cut_broad(automaton: &LeftCorner, calls: &Calls, cut: &mut [bool]) {
    let found = components(&calls.sites);
    let mut callers_first: Vec<usize> = (0..calls.sites.len()).collect();
    callers_first.sort_unstable_by_key(|&node| std::cmp::Reverse(found.of[node]));
    // In how many places would each rule's states stand, all calls that are not cut seen through?
    let mut marks = Marks::new(&automaton.nfa);
    let mut places = vec![0_u64; calls.sites.len()];
    for &node in &callers_first {
        if cut[node] {
            places[node] = 1;
        } else if places[node] > 1 && calls.members[node].iter().any(|&symbol| has_broad_loop(automaton, symbol, &mut marks)) {
            cut[node] = true;
            places[node] = 1;
        }
        for &callee in &calls.sites[node] {
            places[callee as usize] = places[callee as usize].saturating_add(places[node].max(1));
        }
    }
}

/// Does a loop of the symbol's own read one of many bytes?
fn has_broad_loop(automaton: &LeftCorner, symbol: Symbol, marks: &mut Marks) -> bool {
    let nfa = &automaton.nfa;
    let positions = nfa.reachable([nfa.symbol(symbol).start], marks);
    let index: hashbrown::HashMap<Position, u32> = positions.iter().enumerate().map(|(i, &position)| (position, i as u32)).collect();
    let edges: Vec<Vec<u32>> =
        positions.iter().map(|&p| nfa.successors(p).iter().filter_map(|next| index.get(next).copied()).collect()).collect();
    let found = components(&edges);
    positions
        .iter()
        .enumerate()
        .any(|(i, &position)| found.cyclic[found.of[i] as usize] && first_bytes(automaton, position, 3) >= BROAD_BYTES)
}

/// How many bytes a position reads one of, calls followed a few rules deep.
fn first_bytes(automaton: &LeftCorner, position: Position, depth: usize) -> u32 {
    let nfa = &automaton.nfa;
    match nfa.node(position) {
        Node::Byte(low, high, _) => u32::from(high - low) + 1,
        Node::Class(class, _) => nfa.classes[class.index()].first.0.iter().map(|word| word.count_ones()).sum(),
        Node::Call(callee, _) if depth > 0 => automaton.starts(callee).iter().map(|&start| first_bytes(automaton, start, depth - 1)).sum(),
        _ => 0,
    }
}

/// Cut rules that are called from several places and would stand for too many positions.
fn cut_large(calls: &Calls, cut: &mut [bool]) {
    let mut called = vec![0_u32; calls.sites.len()];
    let mut open: Vec<Vec<u32>> = Vec::with_capacity(calls.sites.len());
    for sites in &calls.sites {
        for &callee in sites {
            called[callee as usize] += 1;
        }
        open.push(sites.iter().copied().filter(|&callee| !cut[callee as usize]).collect());
    }
    let order = components(&open);
    let mut nodes: Vec<usize> = (0..open.len()).collect();
    nodes.sort_unstable_by_key(|&node| order.of[node]);
    let mut size = vec![0_u64; open.len()];
    for node in nodes {
        size[node] = calls.positions[node];
        for &callee in &open[node] {
            if !cut[callee as usize] {
                size[node] = size[node].saturating_add(size[callee as usize]);
            }
        }
        if size[node] > ABSORBED_POSITIONS && called[node] > 1 {
            cut[node] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::automaton::reference::lowered;

    fn pushing(text: &str) -> Vec<String> {
        let automaton = LeftCorner::new(lowered(text), Symbol(0)).unwrap();
        let pushes = choose(&automaton, Symbol(0));
        (0..automaton.nfa.names.len()).filter(|&i| pushes[i]).map(|i| automaton.nfa.names[i].clone()).collect()
    }

    #[test]
    fn brackets_are_preferred() {
        let xml =
            r#"root ::= element; element ::= "<" name (">" content* "</" name ">" | "/>"); content ::= element | [^<&]; name ::= [a-f]+"#;
        assert_eq!(pushing(xml), ["element"]);
        let json = r#"root ::= v; v ::= o | l | [0-9]+; o ::= "{" (m ("," m)*)? "}"; m ::= [a-f]+ ":" v; l ::= "[" (v ("," v)*)? "]""#;
        assert_eq!(pushing(json), ["o", "l"]);
    }

    #[test]
    fn rules_with_a_broad_loop_are_shared() {
        assert_eq!(pushing(r#"root ::= name "=" name; name ::= [a-z_]+"#), ["name"]);
        assert_eq!(pushing(r#"root ::= "<" name ">"; name ::= [a-z_]+"#), [""; 0]);
        assert_eq!(pushing(r#"root ::= ws "x" ws; ws ::= [ \t]*"#), [""; 0]);
    }

    #[test]
    fn without_recursion_nothing_pushes() {
        assert_eq!(pushing(r#"root ::= a b a; a ::= b "x"; b ::= "y" | "z""#), [""; 0]);
        assert_eq!(pushing(r#"root ::= root "x" | "y""#), [""; 0]);
    }

    #[test]
    fn recursion_is_cut() {
        assert_eq!(pushing(r#"root ::= e; e ::= e "+" t | t; t ::= t "*" f | f; f ::= "(" e ")" | "x""#), ["e"]);
        assert_eq!(pushing(r#"root ::= "a" root "b" | "c""#), ["root"]);
        assert_eq!(pushing(r#"root ::= root root | "c""#), ["root"]);
    }

    #[test]
    fn doubling_rules_are_cut_now_and_then() {
        let rules: Vec<String> = (0..100).map(|i| format!("r{i} ::= r{} r{}", i + 1, i + 1)).collect();
        let cut = pushing(&format!("root ::= r0; {}; r100 ::= \"x\"", rules.join(";"))).len();
        assert!((5..30).contains(&cut), "{cut}");
    }
}
