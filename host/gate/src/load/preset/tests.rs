use super::*;

#[test]
fn every_preset_declares_its_tools_and_the_two_that_stand_for_the_rest() {
    for preset in ExternalPreset::ALL.iter().copied() {
        let tools = tools(preset).unwrap();
        for name in ["mcp", "other"] {
            let same = tools.iter().filter(|tool| tool.name == name);
            assert_eq!(same.count(), 1, "{preset:?}");
        }
        for tool in &tools {
            let cwd = tool.input_schema.pointer("/properties/hook/properties/cwd");
            assert!(cwd.is_some(), "{preset:?} {}", tool.name);
            jsonschema::validator_for(&tool.input_schema).unwrap();
        }
    }
}
