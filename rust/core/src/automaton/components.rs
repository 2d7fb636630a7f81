//! Strongly connected components (Tarjan 1972) without recursion. Pipeline: part of **automaton**.
//!
//! Invariant: components are numbered callees first: an edge never leads to a component with a larger number.
//! Must not know: what a node stands for.

/// The components of a directed graph.
pub(super) struct Components {
    /// The component of each node.
    pub(super) of: Vec<u32>,
    /// Whether a component has a cycle: more than one node, or an edge to itself.
    pub(super) cyclic: Vec<bool>,
}

const UNSEEN: u32 = u32::MAX;

/// The components of the graph where node `i` has edges to `edges[i]`.
pub(super) fn components(edges: &[Vec<u32>]) -> Components {
    let mut order = vec![UNSEEN; edges.len()];
    let mut low = vec![0_u32; edges.len()];
    let mut of = vec![UNSEEN; edges.len()];
    let mut cyclic = Vec::new();
    let mut open: Vec<u32> = Vec::new();
    let mut calls: Vec<(u32, usize)> = Vec::new();
    let mut next = 0_u32;
    for root in 0..edges.len() as u32 {
        if order[root as usize] == UNSEEN {
            calls.push((root, 0));
        }
        while let Some((node, edge)) = calls.last_mut() {
            let n = *node as usize;
            if *edge == 0 {
                order[n] = next;
                low[n] = next;
                next += 1;
                open.push(*node);
            }
            if let Some(&target) = edges[n].get(*edge) {
                *edge += 1;
                let t = target as usize;
                if order[t] == UNSEEN {
                    calls.push((target, 0));
                } else if of[t] == UNSEEN {
                    low[n] = low[n].min(order[t]);
                }
                continue;
            }
            calls.pop();
            if let Some(&(parent, _)) = calls.last() {
                low[parent as usize] = low[parent as usize].min(low[n]);
            }
            if low[n] == order[n] {
                let component = cyclic.len() as u32;
                let mut size = 0;
                while let Some(member) = open.pop() {
                    of[member as usize] = component;
                    size += 1;
                    if member as usize == n {
                        break;
                    }
                }
                cyclic.push(size > 1 || edges[n].contains(&(n as u32)));
            }
        }
    }
    Components { of, cyclic }
}

#[cfg(test)]
mod tests {
    use super::components;

    #[test]
    fn cycles_share_a_component_and_callees_come_first() {
        let found = components(&[vec![1], vec![2], vec![1, 3], vec![], vec![4]]);
        assert_eq!(found.of[1], found.of[2]);
        assert!(found.of[3] < found.of[1] && found.of[1] < found.of[0]);
        assert!(found.cyclic[found.of[1] as usize]);
        assert!(!found.cyclic[found.of[0] as usize]);
        assert!(found.cyclic[found.of[4] as usize]);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let edges: Vec<Vec<u32>> = (0..200_000_u32).map(|i| if i + 1 < 200_000 { vec![i + 1] } else { vec![] }).collect();
        assert_eq!(components(&edges).cyclic.len(), 200_000);
    }
}
