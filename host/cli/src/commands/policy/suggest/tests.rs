use tollgate_model::entity::Kind;

use super::*;

#[test]
fn conditions_are_valid_cedar_for_all_names_and_values() {
    let values = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
    let permit = Permit {
        id: "suggested-support-box__read".into(),
        principal: Uid::new(Kind::Agent, "support").to_string(),
        tool: "box__read".into(),
        calls: 12,
        read: 12,
        fixed: BTreeMap::from([
            ("mode".to_owned(), values(&["r", "w"])),
            ("max-results".to_owned(), values(&["a\"b\\\n\u{202e}"])),
            ("like".to_owned(), values(&["x"])),
        ]),
        open: BTreeMap::from([("path".to_owned(), 7)]),
        scope: "action == Tollgate::Action::\"box__read\",\n  resource".into(),
        input: "context.input",
        optional: BTreeSet::from(["mode".to_owned(), "max-results".to_owned()]),
        owner: "operator".into(),
    };
    insta::assert_snapshot!(text(&[permit], 12));
}
