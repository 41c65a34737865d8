//! `tollgate tools list --agent`.

use serde_json::json;
use tollgate_testkit::command::World;

#[test]
fn people_see_what_is_listed_to_an_agent() {
    let world = World::new();
    world.write(
        "policies/reach.cedar",
        "@id(\"no-deletes\") @owner(\"tests\") @reason(\"Clerks delete nothing.\")\nforbid (principal in \
         Tollgate::Role::\"clerk\", action == Tollgate::Action::\"files__delete\", resource);",
    );
    let all = world.json(&["tools", "list"]);
    let shown = world.json(&["tools", "list", "--agent", "support"]);
    assert_eq!(shown["agent"], "support");
    assert_eq!(shown["left_out"], json!(["files__delete"]));
    let tools = shown["tools"].as_array().unwrap();
    assert_eq!(tools.len() + 1, all.as_array().unwrap().len());
    let listed = world.run(&["tools", "list", "--agent", "support"]).exits(0);
    assert!(!listed.out.contains("files__delete"), "{}", listed.out);
    listed.says(&["1 not listed to `support`", "files__delete"]);
    world
        .run(&["tools", "list", "--agent", "suport"])
        .exits(6)
        .says(&["there is no agent `suport`", "did you mean `support`?"]);
}
