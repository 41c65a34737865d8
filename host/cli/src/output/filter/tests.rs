use super::*;

fn lines(code: &str, result: &str) -> Result<String, String> {
    Filter::new(code.to_owned()).unwrap().lines(result)
}

#[test]
fn a_program_selects_lines() {
    let runs =
        r#"{"runs": [{"run": "a", "calls": 2}, {"run": "b", "calls": 12345678901234567890}]}"#;
    assert_eq!(lines(".runs[].run", runs).unwrap(), "a\nb\n");
    assert_eq!(lines(".runs | length", runs).unwrap(), "2\n");
    assert_eq!(
        lines(".runs[1].calls", runs).unwrap(),
        "12345678901234567890\n"
    );
    assert_eq!(
        lines("[.runs[] | select(.calls > 2).run]", runs).unwrap(),
        "[\"b\"]\n"
    );
    assert_eq!(lines("empty", runs).unwrap(), "");
}

#[test]
fn what_is_not_a_program_is_refused_before_anything_runs() {
    for (code, part) in [
        (".runs[", ".runs["),
        ("frobnicate", "frobnicate"),
        (".a | $x", "$x"),
        ("import \"a\" as a; .", "a"),
    ] {
        let Err(failure) = Filter::new(code.to_owned()) else {
            panic!("{code} compiles");
        };
        assert!(
            failure.message.contains(&format!("`{part}")),
            "{code}: {}",
            failure.message
        );
    }
}

#[test]
fn an_error_of_the_program_says_nothing_of_the_result() {
    assert_eq!(lines(".a.b", r#"{"a": ["secret"]}"#).unwrap_err(), UNFIT);
}
