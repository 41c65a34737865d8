use serde_json::json;

use super::*;

#[test]
fn a_source_is_known_by_all_of_it() {
    let written = |name: &str| Source::written(&Attributes::from_iter([("a".into(), json!(name))]));
    let scope = |name: &str| Attributes::from_iter([("name".into(), json!(name))]);
    let one = Source::new("a", written("x"), &scope("s"));
    assert_eq!(one, Source::new("a", written("x"), &scope("s")));
    for other in [
        Source::new("b", written("x"), &scope("s")),
        Source::new("a", written("y"), &scope("s")),
        Source::new("a", written("x"), &scope("t")),
    ] {
        assert_ne!(one.digest(), other.digest());
    }
    let about: serde_json::Value = serde_json::from_str(&one.about()).unwrap();
    assert_eq!(
        about,
        json!({"resource": {"a": "x"}, "scope": {"name": "s"}})
    );
}
