//! The results of `tollgate policy test` as JUnit's XML, which CI servers read.

use std::{collections::BTreeMap, path::Path, time::Duration};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::error::Failure;

/// The result of a case.
pub(super) struct CaseResult<'a> {
    /// Its file.
    pub(super) file: &'a Path,
    /// Its line, from 1.
    pub(super) line: usize,
    /// Its name.
    pub(super) name: &'a str,
    /// Differences from the expected answer; empty if it passed.
    pub(super) wrong: &'a [String],
}

/// The report, with one suite per file.
///
/// # Errors
/// The XML cannot be written.
pub(super) fn report<'a>(
    results: impl Iterator<Item = CaseResult<'a>>,
    elapsed: Duration,
) -> Result<String, Failure> {
    let mut suites: BTreeMap<String, TestSuite> = BTreeMap::new();
    for result in results {
        let file = result.file.display().to_string();
        let status = match result.wrong {
            [] => TestCaseStatus::success(),
            wrong => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(wrong.join("; "));
                status
            }
        };
        let mut case = TestCase::new(result.name, status);
        case.set_classname(file.as_str());
        case.extra.insert("file".into(), file.as_str().into());
        case.extra
            .insert("line".into(), result.line.to_string().into());
        let suite = suites
            .entry(file)
            .or_insert_with_key(|file| TestSuite::new(file.as_str()));
        suite.add_test_case(case);
    }
    let mut report = Report::new("tollgate policy test");
    report.set_time(elapsed);
    report.add_test_suites(suites.into_values());
    report
        .to_string()
        .map_err(|e| Failure::plain(format!("the JUnit report cannot be written: {e}")))
}

#[cfg(test)]
mod tests;
