use std::collections::BTreeSet;

use super::{Features, differences};

fn features(of: &[(&str, &str)]) -> Features {
    let sets = of.iter().map(|(package, set)| {
        let sets = BTreeSet::from([(*set).to_owned()]);
        ((*package).to_owned(), sets)
    });
    sets.collect()
}

#[test]
fn packages_of_the_tests_alone_do_not_count() {
    let command = features(&[("rand v1", "std")]);
    let tests = features(&[("rand v1", "std"), ("proptest v1", "default")]);
    assert!(differences(&command, &tests).is_empty());
}

#[test]
fn a_set_that_only_the_command_has_does_not_count() {
    let mut command = features(&[("smallvec v1", "")]);
    command.extend(features(&[("rand v1", "std")]));
    if let Some(sets) = command.get_mut("smallvec v1") {
        sets.insert("union".to_owned());
    }
    let tests = features(&[("smallvec v1", "union")]);
    assert!(differences(&command, &tests).is_empty());
}

#[test]
fn another_set_of_features_is_reported() {
    let command = features(&[("rand v1", "std")]);
    let tests = features(&[("rand v1", "default,std")]);
    let differences = differences(&command, &tests);
    assert_eq!(differences.len(), 1);
    assert!(
        differences
            .iter()
            .all(|line| line.starts_with("rand v1 has"))
    );
}
