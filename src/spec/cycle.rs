//! Finds a cycle in a graph.

/// A cycle of a graph in which node `i` reads the nodes `reads[i]`: each node reads the one before it, and the
/// last is the first again.
pub(super) fn find_cycle(reads: &[Vec<usize>]) -> Option<Vec<usize>> {
    let remaining = remove_acyclic(reads);
    let mut at = remaining.iter().position(|r| *r)?;
    // Every remaining node reads a remaining one, so the walk back must reach a node again.
    let (mut path, mut visited) = (Vec::new(), vec![false; reads.len()]);
    while !std::mem::replace(&mut visited[at], true) {
        path.push(at);
        at = reads[at].iter().copied().find(|r| remaining[*r])?;
    }
    let mut cycle: Vec<usize> = path.into_iter().skip_while(|i| *i != at).chain([at]).collect();
    cycle.reverse();
    Some(cycle)
}

/// Removes every node whose inputs are all removed. The nodes that remain are on a cycle or downstream of one.
fn remove_acyclic(reads: &[Vec<usize>]) -> Vec<bool> {
    let mut remaining = vec![true; reads.len()];
    let mut pending: Vec<usize> = reads.iter().map(Vec::len).collect();
    let mut readers = vec![Vec::new(); reads.len()];
    for (i, inputs) in reads.iter().enumerate() {
        inputs.iter().for_each(|input| readers[*input].push(i));
    }
    let mut ready: Vec<usize> = (0..reads.len()).filter(|i| pending[*i] == 0).collect();
    while let Some(i) = ready.pop() {
        remaining[i] = false;
        for reader in &readers[i] {
            pending[*reader] -= 1;
            if pending[*reader] == 0 {
                ready.push(*reader);
            }
        }
    }
    remaining
}

#[cfg(test)]
mod tests {
    use super::find_cycle;

    #[test]
    fn a_cycle_is_found_and_not_what_is_downstream_of_it() {
        assert_eq!(find_cycle(&[]), None);
        assert_eq!(find_cycle(&[vec![], vec![0], vec![0, 1]]), None);
        assert_eq!(find_cycle(&[vec![0]]), Some(vec![0, 0]));
        // 0 reads the cycle of 1, 2 and 3; 4 reads nothing.
        assert_eq!(find_cycle(&[vec![3], vec![3, 4], vec![1], vec![2], vec![]]), Some(vec![3, 1, 2, 3]));
    }
}
