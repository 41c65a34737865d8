use serde_json::{Value, json};

use super::*;
use crate::tool::Annotations;

fn definition(name: &str, input_schema: Value) -> ToolDefinition {
    ToolDefinition {
        name: name.into(),
        title: None,
        description: String::new(),
        input_schema,
        output_schema: None,
        annotations: Annotations::default(),
    }
}

#[test]
fn a_tool_that_is_declared_badly_costs_itself_alone() {
    let text = "[components.box]\npath = \"box.wasm\"\n";
    let config = Config::parse(Path::new("/x/tollgate.toml"), text).unwrap();
    let settings = config.components.get("box").unwrap();
    let defaults = defaults("box", Sha256Digest::of(b""), settings);
    let mut tools = ComponentTools {
        usable: Vec::new(),
        left_out: BTreeMap::new(),
    };
    let mistyped = json!({ "type": "object", "properties": { "a": { "type": "strng" } } });
    for definition in [
        definition("good", json!({ "type": "object" })),
        definition("mistyped", mistyped.clone()),
        definition(&"a".repeat(62), json!({ "type": "object" })),
    ] {
        tools
            .take(&config, &defaults, definition, Size::Standard)
            .unwrap();
    }
    let names: Vec<&str> = tools.usable.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["box__good"]);
    assert!(tools.left_out["mistyped"].contains("`/properties/a/type`"));
    assert_eq!(tools.left_out.len(), 2);

    // Said before it is accepted as well.
    let problem = tool_problem("box__mistyped", &mistyped).unwrap();
    assert!(problem.contains("`/properties/a/type`"), "{problem}");
    assert_eq!(
        tool_problem("box__good", &json!({ "type": "object" })),
        None
    );
}
