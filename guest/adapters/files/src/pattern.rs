//! File-name patterns: `*` for any characters except `/`, `**` for any characters, `?` for one.

/// Whether a path matches a pattern. A pattern without `/` applies to the last segment only.
pub(crate) fn fits(pattern: &str, path: &str) -> bool {
    let path = if pattern.contains('/') {
        path
    } else {
        path.rsplit('/').next().unwrap_or(path)
    };
    let path: Vec<char> = path.chars().collect();

    // The set of states that the pattern may be in after the path so far: linear for any number of stars.
    let steps = steps(pattern);
    let mut reached = vec![false; steps.len() + 1];
    reach(&mut reached, &steps, 0);
    for c in path {
        let mut next = vec![false; steps.len() + 1];
        for (state, step) in steps.iter().enumerate() {
            if !reached.get(state).copied().unwrap_or(false) {
                continue;
            }
            match step {
                Step::Any => reach(&mut next, &steps, state),
                Step::InSegment if c != '/' => reach(&mut next, &steps, state),
                Step::One if c != '/' => reach(&mut next, &steps, state + 1),
                Step::Exactly(wanted) if *wanted == c => reach(&mut next, &steps, state + 1),
                _ => {}
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

enum Step {
    Any,
    InSegment,
    One,
    Exactly(char),
}

fn steps(pattern: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        steps.push(match c {
            '*' if rest.next_if_eq(&'*').is_some() => {
                // `**/x` also matches `x` at the top.
                rest.next_if_eq(&'/');
                Step::Any
            }
            '*' => Step::InSegment,
            '?' => Step::One,
            c => Step::Exactly(c),
        });
    }
    steps
}

/// Marks a state, and those after it that need no character.
fn reach(states: &mut [bool], steps: &[Step], mut state: usize) {
    loop {
        if let Some(mark) = states.get_mut(state) {
            *mark = true;
        }
        match steps.get(state) {
            Some(Step::Any | Step::InSegment) => state += 1,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests;
