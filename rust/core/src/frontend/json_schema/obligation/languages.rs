//! The strings of an automaton, of each kind of which there are few: kinds by the state in which a string ends.
//!
//! Invariant: a list has all strings of its kind, and no others.
//! Must not know: schemas.

use std::hash::Hash;

use hashbrown::HashMap;

use crate::error::EngineError;
use crate::maps::Numbered;

/// Of a kind with more strings than this, or with more characters in all of them, none are listed.
pub(super) const MAX_LISTED: usize = 512;
const MAX_CHARACTERS: usize = 64 * MAX_LISTED;
/// Automata of more states and edges are not looked at to the end: of all kinds there may be many strings then.
const MAX_STATES: usize = 2 * MAX_LISTED;
const MAX_EDGES: usize = 100 * MAX_LISTED;

/// From a state with these characters to the next.
pub(super) type Edges<S> = Vec<(u32, u32, S)>;

/// The strings that end in a state of kind 1, 2, and so on up to `kinds`, sorted; `None` if there are many. Kind 0 is that of the states in which
/// no string ends.
pub(super) fn few_strings<S: Clone + Eq + Hash>(
    start: Option<S>,
    kinds: usize,
    mut kind: impl FnMut(&S) -> Result<u32, EngineError>,
    mut edges: impl FnMut(&S) -> Result<Edges<S>, EngineError>,
) -> Result<Vec<Option<Vec<String>>>, EngineError> {
    let Some(start) = start else { return Ok(vec![Some(Vec::new()); kinds]) };
    let mut states: Numbered<S> = std::iter::once(start).collect();
    // By state: its kind and edges, `None` as long as it has not been looked at, and how many strings lead there on one way.
    let mut known: Vec<Option<(u32, Edges<usize>)>> = vec![None];
    let mut ways = vec![1_u64];
    let mut many = vec![false; kinds];
    let mut pending = vec![0];
    let mut size = 0;
    while let Some(at) = pending.pop() {
        if known[at].is_some() {
            continue;
        }
        if states.len() > MAX_STATES || size > MAX_EDGES {
            return Ok(vec![None; kinds]);
        }
        let state = states[at].clone();
        let of_kind = kind(&state)?;
        let mut next = Edges::new();
        for (low, high, target) in edges(&state)? {
            let (to, new) = states.insert_full(target);
            if new {
                known.push(None);
                ways.push(ways[at].saturating_mul(u64::from(high - low + 1)));
            }
            pending.push(to);
            next.push((low, high, to));
        }
        size += next.len();
        if of_kind != 0 && (ways[at] > MAX_LISTED as u64 || next.iter().any(|&(_, _, to)| to == at)) {
            many[of_kind as usize - 1] = true;
            if many.iter().all(|&many| many) {
                return Ok(vec![None; kinds]);
            }
        }
        known[at] = Some((of_kind, next));
    }
    let graph: Vec<(u32, Edges<usize>)> = known.into_iter().flatten().collect();
    let order = before_cycles(&graph);
    let mut in_order = vec![false; graph.len()];
    for &at in &order {
        in_order[at] = true;
    }
    for ((of_kind, _), _) in graph.iter().zip(&in_order).filter(|((of_kind, _), in_order)| *of_kind != 0 && !**in_order) {
        many[*of_kind as usize - 1] = true;
    }
    // How many strings lead to each state, and how many characters they have.
    let mut strings = vec![(0_u64, 0_u64); graph.len()];
    strings[0] = (u64::from(in_order[0]), 0);
    let mut of_kinds = vec![(0_u64, 0_u64); kinds];
    let add = |sum: &mut (u64, u64), more: (u64, u64)| *sum = (sum.0.saturating_add(more.0), sum.1.saturating_add(more.1));
    for &at in &order {
        let (of_kind, next) = &graph[at];
        let (count, characters) = strings[at];
        if *of_kind != 0 {
            add(&mut of_kinds[*of_kind as usize - 1], (count, characters));
        }
        for &(low, high, to) in next {
            let by = u64::from(high - low + 1);
            add(&mut strings[to], (count.saturating_mul(by), characters.saturating_add(count).saturating_mul(by)));
        }
    }
    for (many, &(count, characters)) in many.iter_mut().zip(&of_kinds) {
        *many = *many || count > MAX_LISTED as u64 || characters > MAX_CHARACTERS as u64;
    }
    Ok(list(&graph, &order, &many))
}

/// The states that no cycle leads to, each behind those that lead to it.
fn before_cycles(graph: &[(u32, Edges<usize>)]) -> Vec<usize> {
    let mut entered = vec![0_usize; graph.len()];
    graph.iter().flat_map(|(_, next)| next).for_each(|&(_, _, to)| entered[to] += 1);
    let mut order: Vec<usize> = if entered[0] == 0 { vec![0] } else { Vec::new() };
    let mut done = 0;
    while let Some(&at) = order.get(done) {
        done += 1;
        for &(_, _, to) in &graph[at].1 {
            entered[to] -= 1;
            if entered[to] == 0 {
                order.push(to);
            }
        }
    }
    order
}

/// All strings of the kinds of which there are not many.
fn list(graph: &[(u32, Edges<usize>)], order: &[usize], many: &[bool]) -> Vec<Option<Vec<String>>> {
    let few = |of_kind: u32| (of_kind as usize).checked_sub(1).filter(|&at| !many[at]);
    // What leads to one of them.
    let mut hopeful = vec![false; graph.len()];
    for &at in order.iter().rev() {
        let (of_kind, next) = &graph[at];
        hopeful[at] = few(*of_kind).is_some() || next.iter().any(|&(_, _, to)| hopeful[to]);
    }
    let mut found: HashMap<usize, Vec<String>> = HashMap::new();
    let mut stack = if hopeful[0] { vec![(0, String::new())] } else { Vec::new() };
    while let Some((at, text)) = stack.pop() {
        let (of_kind, next) = &graph[at];
        for &(low, high, to) in next.iter().filter(|&&(_, _, to)| hopeful[to]) {
            for c in (low..=high).filter_map(char::from_u32) {
                let mut longer = text.clone();
                longer.push(c);
                stack.push((to, longer));
            }
        }
        if let Some(kind) = few(*of_kind) {
            found.entry(kind).or_default().push(text);
        }
    }
    let lists = many.iter().enumerate().map(|(kind, &many)| {
        let mut list = found.remove(&kind).unwrap_or_default();
        list.sort_unstable();
        (!many).then_some(list)
    });
    lists.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// States are numbers; a state's kind, and its edges.
    type Automaton = &'static [(u32, &'static [(char, char, u32)])];

    fn listed(automaton: Automaton, kinds: usize) -> Vec<Option<Vec<String>>> {
        let edges = |&at: &u32| Ok(automaton[at as usize].1.iter().map(|&(low, high, to)| (u32::from(low), u32::from(high), to)).collect());
        few_strings(Some(0), kinds, |&at| Ok(automaton[at as usize].0), edges).unwrap()
    }

    fn few(strings: &[&str]) -> Vec<String> {
        strings.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn kinds_are_listed_one_by_one() {
        // "" and "a", "b" are of kind 1; "ab", "aab" of 2, and all of "ac*" of 3.
        let automaton: Automaton = &[
            (1, &[('a', 'a', 1), ('b', 'b', 5)]),
            (1, &[('a', 'a', 2), ('b', 'b', 3), ('c', 'c', 4)]),
            (0, &[('b', 'b', 3)]),
            (2, &[]),
            (3, &[('c', 'c', 4)]),
            (1, &[]),
        ];
        assert_eq!(listed(automaton, 4), [Some(few(&["", "a", "b"])), Some(few(&["aab", "ab"])), None, Some(few(&[]))]);
    }

    #[test]
    fn what_a_cycle_leads_to_is_many() {
        let automaton: Automaton = &[(1, &[('a', 'a', 1)]), (0, &[('b', 'b', 0), ('x', 'x', 2)]), (2, &[]), (3, &[])];
        assert_eq!(listed(automaton, 3), [None, None, Some(few(&[]))]);
        // Nothing comes of this one.
        let automaton: Automaton = &[(0, &[('a', 'a', 1), ('b', 'b', 2)]), (0, &[('a', 'a', 1)]), (1, &[])];
        assert_eq!(listed(automaton, 1), [Some(few(&["b"]))]);
    }

    #[test]
    fn long_lists_are_many() {
        let automaton: Automaton = &[(0, &[('a', 'z', 1), ('0', '9', 2)]), (0, &[('a', 'z', 3)]), (2, &[]), (1, &[])];
        let lists = listed(automaton, 2);
        assert_eq!(lists[0], None);
        assert_eq!(lists[1].as_ref().map(Vec::len), Some(10));
        // By two ways: 16 * 16 and 17 * 16 strings, which is too many together.
        let automaton: Automaton = &[(0, &[('a', 'p', 1), ('A', 'Q', 2)]), (0, &[('a', 'p', 3)]), (0, &[('a', 'p', 3)]), (1, &[])];
        assert_eq!(listed(automaton, 1), [None]);
    }
}
