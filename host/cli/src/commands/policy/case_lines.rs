//! The lines of cases in their files.

use tollgate_policy::case::Case;

/// The line of each case: that of its `[[case]]`, or else that with its name.
pub(super) fn of(text: &str, cases: &[Case]) -> Vec<usize> {
    let is_heading = |line: &str| line.trim_start().starts_with("[[case]]");
    let numbered = || (1..).zip(text.lines());
    let headings: Vec<usize> = numbered()
        .filter(|(_, line)| is_heading(line))
        .map(|(number, _)| number)
        .collect();
    if headings.len() == cases.len() {
        return headings;
    }
    let of_name = |case: &Case| {
        let name = serde_json::to_string(&case.name).unwrap_or_default();
        let found = numbered().find(|(_, line)| line.contains(&name));
        found.map_or(1, |(number, _)| number)
    };
    cases.iter().map(of_name).collect()
}
