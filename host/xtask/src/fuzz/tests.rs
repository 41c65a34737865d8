use super::{Target, chosen, listed};

fn targets() -> Vec<Target> {
    let list = "tests::fuzz_mend: test\ncommands::hook::fuzz_hook: test\ntests::every_target: test\n\n2 tests, 0 benchmarks\n";
    listed("tollgate-fuzz", list)
}

#[test]
fn targets_are_found_by_their_tests() {
    let names: Vec<String> = targets().into_iter().map(|target| target.name).collect();
    assert_eq!(names, ["mend", "hook"]);
    assert!(
        targets()
            .iter()
            .any(|target| target.test == "commands::hook::fuzz_hook")
    );
}

#[test]
fn a_target_that_is_not_there_is_named_with_those_that_are() {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let one = chosen(targets(), &names(&["hook"]));
    assert!(one.is_ok_and(|one| one.len() == 1));
    assert!(chosen(targets(), &[]).is_ok_and(|all| all.len() == 2));
    let refused = chosen(targets(), &names(&["hok"]));
    let said = refused
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(
        said.contains("`hok`") && said.contains("hook, mend"),
        "{said}"
    );
}
