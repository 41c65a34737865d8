use super::Exit;

#[test]
fn the_worst_of_several_calls_wins() {
    let all = [
        Exit::Ok,
        Exit::Waiting,
        Exit::ToolError,
        Exit::Invalid,
        Exit::Denied,
        Exit::Indeterminate,
    ];
    for (i, a) in all.iter().enumerate() {
        for b in all.iter().skip(i) {
            assert_eq!(a.worse(*b), *b);
            assert_eq!(b.worse(*a), *b);
        }
    }
}

#[test]
fn the_help_names_every_code() {
    let all = [
        Exit::Ok,
        Exit::Failure,
        Exit::Usage,
        Exit::Denied,
        Exit::Waiting,
        Exit::ToolError,
        Exit::Invalid,
        Exit::Indeterminate,
    ];
    for exit in all {
        assert!(
            super::HELP.contains(&format!("\n  {}  ", exit.code())),
            "{exit:?}"
        );
    }
}
