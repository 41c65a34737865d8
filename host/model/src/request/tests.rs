use super::*;

#[test]
fn the_fixed_actions_are_all_but_calls_and_have_one_spelling() {
    let mut names: Vec<&str> = vec![Action::Call("x".to_owned()).group()];
    for action in Action::FIXED {
        assert_eq!(serde_json::to_value(action).unwrap(), action.id());
        names.push(action.id());
    }
    assert_eq!(names, <Action as strum::VariantNames>::VARIANTS);
}
