//! Every interface for components is complete: it has actions in the schema, or a reason why not; policy
//! cases; a hostile guest, and a test that runs it.

use std::{collections::BTreeSet, fs, path::PathBuf};

use tollgate::sandbox::INTERFACES;
use tollgate_model::request::Action;
use tollgate_policy::schema;
use tollgate_testkit::repository;

/// An interface that components may import.
struct Offered {
    interface: &'static str,
    decided: Decided,
    /// Tools of the hostile guest that abuse it.
    abused_by: &'static [&'static str],
}

enum Decided {
    /// By these actions of the schema.
    As(&'static [&'static str]),
    /// As a call of a tool, for the component.
    AsCall,
    /// Not at all, because of this.
    Not(&'static str),
}

use Decided::{As, AsCall, Not};

const OFFERED: &[Offered] = &[
    Offered {
        interface: "log",
        decided: Not("it reaches only the operator's trace, bounded"),
        abused_by: &["log_flood"],
    },
    Offered {
        interface: "progress",
        decided: Not(
            "a report touches nothing; what leaves for the caller is decided as `return_result`",
        ),
        abused_by: &["progress_flood"],
    },
    Offered {
        interface: "clock",
        decided: Not("the time reveals no data; it is coarse"),
        abused_by: &["tell_time"],
    },
    Offered {
        interface: "random",
        decided: Not("random bytes reveal no data; they are bounded"),
        abused_by: &["random_flood"],
    },
    Offered {
        interface: "files",
        decided: As(&[
            "read_file",
            "write_file",
            "delete_file",
            "list_directory",
            "delete_directory",
        ]),
        abused_by: &["write_then_loop", "write_anyway"],
    },
    Offered {
        interface: "http",
        decided: As(&["http_request"]),
        abused_by: &["send_request"],
    },
    Offered {
        interface: "secrets",
        decided: As(&["use_secret"]),
        abused_by: &["secret_exists"],
    },
    Offered {
        interface: "config",
        decided: As(&["read_config"]),
        abused_by: &["odd_settings", "setting_storm"],
    },
    Offered {
        interface: "state",
        decided: As(&["read_state", "write_state"]),
        abused_by: &["state_bomb"],
    },
    Offered {
        interface: "calls",
        decided: AsCall,
        abused_by: &["chain", "call_storm", "leak"],
    },
];

/// Has types only.
const TYPES: &str = "types";

/// The imports in the text of the world.
fn imported() -> BTreeSet<String> {
    let world = fs::read_to_string(repository().join("wit/world.wit")).unwrap();
    let imports = world.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("import ")?.strip_suffix(';')?;
        Some(name.to_owned())
    });
    imports.collect()
}

/// The texts of all files below these folders with this extension.
fn texts(folders: &[&str], ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|f| repository().join(f)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some(ending.as_ref()) {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

#[test]
fn every_interface_that_is_offered_is_accounted_for() {
    let offered: BTreeSet<String> = OFFERED.iter().map(|o| o.interface.to_owned()).collect();
    assert_eq!(offered.len(), OFFERED.len(), "one row each");
    assert_eq!(
        imported(),
        offered,
        "an import of the world without a row here, or the reverse: say how it is decided, and who abuses it"
    );
    let linked: BTreeSet<String> = INTERFACES
        .iter()
        .filter(|name| **name != TYPES)
        .map(|name| (*name).to_owned())
        .collect();
    assert_eq!(linked, offered, "the sandbox links what the world imports");
    for row in OFFERED {
        let file = repository()
            .join("wit")
            .join(row.interface)
            .with_extension("wit");
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.contains(&format!("interface {} {{", row.interface)),
            "{}",
            file.display()
        );
        if let Not(reason) = row.decided {
            assert!(
                !reason.is_empty(),
                "{} is not decided, so say why",
                row.interface
            );
        }
    }
}

#[test]
fn every_capability_has_its_actions_in_the_schema() {
    let claimed: BTreeSet<&str> = OFFERED
        .iter()
        .flat_map(|row| match row.decided {
            As(actions) => actions,
            _ => &[],
        })
        .copied()
        .collect();
    let known: BTreeSet<&str> = Action::FIXED
        .iter()
        // An upstream server is not a component.
        .filter(|action| action.is_capability() && **action != Action::ElicitInput)
        .map(Action::id)
        .collect();
    assert_eq!(
        claimed, known,
        "actions that components cause, and interfaces that cause them"
    );
    for action in claimed {
        assert!(
            schema::FIXED.contains(&format!("\"{action}\"")),
            "{action} is not in the schema"
        );
    }
}

#[test]
fn every_action_of_a_component_has_policy_cases() {
    let cases: Vec<serde_json::Value> = texts(&["policies/tests"], "json")
        .iter()
        .filter_map(|(_, text)| serde_json::from_str::<Vec<serde_json::Value>>(text).ok())
        .flatten()
        .collect();
    let is = |case: &serde_json::Value, field: &str, wanted: &str| case[field] == wanted;
    let of_components = |case: &&serde_json::Value| {
        let principal = case["principal"].as_str().unwrap_or_default();
        principal.starts_with("Component::")
    };
    for row in OFFERED {
        let actions = match row.decided {
            As(actions) => actions,
            AsCall => {
                let calls = cases
                    .iter()
                    .filter(of_components)
                    .filter(|c| c.get("via").is_some());
                let outcomes: BTreeSet<_> = calls.filter_map(|c| c["expect"].as_str()).collect();
                assert!(
                    outcomes.contains("allow") && outcomes.contains("deny"),
                    "{}: a case that allows and one that denies",
                    row.interface
                );
                continue;
            }
            Not(_) => continue,
        };
        for action in actions {
            let mut cases = cases.iter().filter(of_components);
            assert!(
                cases.any(|case| is(case, "action", action)),
                "no case in policies/tests decides `{action}` for a component"
            );
        }
    }
}

#[test]
fn every_interface_has_a_hostile_guest_that_a_test_runs() {
    let guests = texts(&["tests/guests/hostile/src"], "rs");
    let tests: Vec<String> = texts(
        &[
            "tests/stories",
            "tests/cli",
            "tests/mcp",
            "tests/rest",
            "host/sandbox/src",
        ],
        "rs",
    )
    .into_iter()
    .filter(|(path, _)| !path.ends_with("complete.rs") && !path.ends_with("world.rs"))
    .map(|(_, text)| text)
    .collect();
    for row in OFFERED {
        assert!(
            !row.abused_by.is_empty(),
            "no hostile guest abuses `{}`",
            row.interface
        );
        for tool in row.abused_by {
            let definition = format!("fn {tool}(");
            assert!(
                guests.iter().any(|(_, text)| text.contains(&definition)),
                "the hostile guest has no tool `{tool}`"
            );
            assert!(
                tests
                    .iter()
                    .any(|text| text.contains(&format!("hostile__{tool}"))
                        || text.contains(&format!("\"{tool}\""))),
                "no test runs the hostile guest's `{tool}`"
            );
        }
    }
}
