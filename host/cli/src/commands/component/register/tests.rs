use tollgate::{sandbox::InspectedTool, tool::Annotations};

use super::*;

fn inspection() -> Inspection {
    Inspection {
        bytes: 1,
        imports: Vec::new(),
        exports: Vec::new(),
        left_out: Vec::new(),
        tools: vec![InspectedTool {
            name: "delete".into(),
            description: String::new(),
            annotations: Annotations {
                destructive: true,
                ..Annotations::default()
            },
            input_schema: serde_json::json!({ "type": "object" }),
        }],
    }
}

#[test]
fn what_was_added_can_be_removed_and_comments_stay() {
    let text =
        "# mine\n[gate]\nname = \"g\" # keep\n\n[tools.disk__delete]\nlabels = [\"destructive\"]\n";
    let with = added(text, "disk", "tools/disk.wasm", Size::Large, &inspection()).unwrap();
    assert!(
        with.contains("[components.disk]\npath = \"tools/disk.wasm\"\nsize = \"large\"\n"),
        "{with}"
    );
    assert!(with.contains("# [tools.disk__delete]\n# labels = [\"destructive\"]\n"));
    let without = removed(&with, "disk", &["disk__delete".into()]).unwrap();
    assert!(without.contains("# mine") && without.contains("# keep"));
    assert!(!without.contains("components.disk") && !without.contains("\n[tools.disk__delete]"));
    assert!(!without.contains("# [tools.") && !without.contains("counts as everything"));
}

#[test]
fn names_come_from_files() {
    assert_eq!(name_of(Path::new("a/b/my tool.v2.wasm")), "my-tool-v2");
    assert_eq!(name_of(Path::new("/")), "");
}
