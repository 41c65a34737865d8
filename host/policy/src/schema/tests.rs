use super::*;
use tollgate_model::{history::Absence, request::Action};

#[test]
fn every_fixed_action_and_entity_type_is_in_the_schema() {
    let tools = BTreeMap::new();
    let schema = build(FIXED, LoadedTypes::of_tools(&tools)).unwrap();
    let actions: Vec<String> = schema
        .actions()
        .map(|a| a.id().unescaped().to_owned())
        .collect();
    for action in Action::FIXED {
        assert!(actions.contains(&action.id().to_owned()), "{action:?}");
    }
    assert_eq!(
        actions.len(),
        Action::FIXED.len() + 1,
        "and the group `call`, nothing else"
    );
    let types: Vec<String> = schema
        .entity_types()
        .map(|t| t.basename().to_owned())
        .collect();
    for kind in tollgate_model::entity::Kind::ALL {
        assert!(types.contains(&kind.name().to_owned()), "{kind:?}");
    }
}

#[test]
fn a_tool_with_awkward_names_has_its_action() {
    let schema = json!({
        "type": "object",
        "required": ["max-results", "state"],
        "properties": {
            "max-results": { "type": "integer" },
            "state": { "enum": ["open", "closed"] },
        },
    });
    let input = ToolInput::from_json_schema("create-issue", &schema, &BTreeMap::new()).unwrap();
    let tools = BTreeMap::from([("create-issue".to_owned(), input)]);
    let shape = |ty, absent| FactShape {
        absent,
        of_run: false,
        ty,
    };
    let facts = BTreeMap::from([
        ("refunds".to_owned(), shape(FactType::Long, None)),
        (
            "spent".to_owned(),
            shape(FactType::Decimal, Some(Absence::Unknown)),
        ),
        (
            "last_login".to_owned(),
            shape(FactType::Datetime, Some(Absence::Never)),
        ),
    ]);
    let types = LoadedTypes {
        tools: &tools,
        prompt_arguments: &BTreeSet::from(["topic".to_owned(), "max-length".to_owned()]),
        facts: &facts,
    };
    build(FIXED, types).unwrap();
    let text = text(types).unwrap();
    let generated = text
        .strip_prefix(FIXED.trim_end().strip_suffix('}').unwrap())
        .unwrap();
    insta::assert_snapshot!(generated);
}
