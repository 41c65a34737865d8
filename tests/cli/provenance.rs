//! What the command shows of where values come from.

use serde_json::Value;
use tollgate_testkit::command::World;

#[test]
fn a_tool_shows_which_fields_are_trusted_and_why() {
    let world = World::new();
    let table = "[tools.payments__refund]\nresults.\"/refund\" = \"trusted\"\n";
    world.configure("[users.alice]", &format!("{table}[users.alice]"));
    let shown = world.run(&["tools", "show", "payments__refund"]).exits(0);
    shown.says(&[
        "/order identifier (proposed)",
        "/refund trusted (configured)",
        "everything else untrusted (its content is untrusted)",
        "results.\"/amount\" = \"trusted\" (a number)",
        "results.\"/order\" = \"trusted\" (by its name an identifier)",
    ]);
    let values = &world.json(&["tools", "show", "payments__refund"])["values"];
    let named = |list: &str| -> Vec<&str> {
        let all = values[list].as_array().unwrap().iter();
        all.map(|one| one["pointer"].as_str().unwrap()).collect()
    };
    assert_eq!(named("trust"), ["/refund", "*"]);
    assert!(named("proposals").contains(&"/amount"), "{values}");
    assert!(!named("proposals").contains(&"/refund"), "{values}");
    assert_eq!(values["roles"][0]["by"], Value::from("definition"));
}
