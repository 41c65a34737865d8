use proptest::prelude::*;

use super::*;

#[test]
fn each_parameter_of_an_answer_occurs_once() {
    let good = parameters("code=a%20b&state=s&iss=https%3A%2F%2Fas&session_state=x").unwrap();
    assert_eq!(
        good,
        json!({"code": "a b", "state": "s", "iss": "https://as"})
    );
    for query in [
        "",
        "code=a",
        "code=a&state=s&state=t",
        "code=a&code=b&state=s",
    ] {
        assert_eq!(parameters(query), None, "{query}");
    }
    let long = format!("state=s&code={}", "x".repeat(MAX_QUERY));
    assert_eq!(parameters(&long), None);
}

proptest! {
    #[test]
    fn nothing_panics(query in "\\PC{0,100}") {
        let _ = parameters(&query);
    }
}
