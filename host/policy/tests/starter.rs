//! The starter policies and those of the support desk, checked against tables of cases: one folder of cases
//! each.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot be set up fails"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use tollgate_model::{decision::Outcome, request::Action};
use tollgate_policy::{
    case::{Answer, Case, World},
    pdp::Pdp,
    policy::PolicyFile,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn with_extension(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "nothing in {}", folder.display());
    found
}

fn policies(folder: &Path, except: &[&str]) -> Vec<PolicyFile> {
    with_extension(folder, "cedar")
        .into_iter()
        .map(|path| PolicyFile {
            name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            text: fs::read_to_string(&path).unwrap(),
        })
        .filter(|file| !except.contains(&file.name.as_str()))
        .collect()
}

fn pdp(world: &World, policies: Vec<PolicyFile>) -> Pdp {
    match Pdp::load(&world.bundle(policies)) {
        Ok(pdp) => pdp,
        Err(error) => panic!("{error:#?}"),
    }
}

/// Checks every case of a folder, and that every policy determines at least one of them.
fn check(world: &World, pdp: &Pdp, files: &[PathBuf], covers: &[PolicyFile]) {
    assert_eq!(
        pdp.warnings(),
        [],
        "starter policies load without a warning"
    );
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for file in files {
        let cases: Vec<Case> = json(file);
        for case in cases {
            assert!(case.by.is_some(), "{}: says not by whom", case.name);
            let played = case.play(pdp, &world.defaults);
            let shadow = played.answer.shadow.iter().flat_map(|s| &s.by);
            let by = played.answer.by.iter().chain(&played.answer.redacted_by);
            seen.extend(by.chain(shadow).cloned());
            let place = file.file_name().unwrap().display().to_string();
            let name = &played.name;
            wrong.extend(played.wrong.iter().map(|e| format!("{place}: {name}: {e}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (id, policy) in pdp.policies() {
        let wanted = covers.iter().any(|file| file.name == policy.file);
        assert!(
            !wanted || seen.contains(id),
            "no case in which policy `{id}` decides"
        );
    }
}

fn world() -> World {
    json(&root().join("policies/tests/world.json"))
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let mut cases = with_extension(&root().join(folder), "json");
    cases.retain(|path| path.file_name().unwrap() != "world.json");
    cases
}

#[test]
fn starter_policies_decide_as_their_cases_say() {
    let files = policies(&root().join("policies"), &[]);
    let world = world();
    check(
        &world,
        &pdp(&world, files.clone()),
        &cases("policies/tests"),
        &files,
    );
}

/// With the starter policies that `cargo xtask demo` adds to them.
#[test]
fn support_desk_policies_decide_as_their_cases_say() {
    let others = [
        "destructive-needs-approval.cedar",
        "environments.cedar",
        "least-privilege.cedar",
        "new-tools.cedar",
        "read-only.cedar",
        "tenants.cedar",
        "working-hours.cedar",
    ];
    let mut files = policies(&root().join("policies"), &others);
    let own = policies(&root().join("examples/support-desk/policies"), &[]);
    files.extend(own.clone());
    let world: World = json(&root().join("examples/support-desk/policies/tests/world.json"));
    check(
        &world,
        &pdp(&world, files),
        &cases("examples/support-desk/policies/tests"),
        &own,
    );
}

/// Every action needs a case: an action without one was forgotten.
#[test]
fn every_action_has_a_case() {
    let cases: Vec<Case> = cases("policies/tests")
        .iter()
        .flat_map(|file| json::<Vec<Case>>(file))
        .collect();
    let without: Vec<&str> = Action::FIXED
        .iter()
        .map(Action::id)
        .filter(|id| !cases.iter().any(|case| case.action == *id))
        .collect();
    assert!(
        without.is_empty(),
        "no case in policies/tests asks for {without:?}"
    );
}

/// They name no tool, so they load with any tools; every policy has an owner and a reason.
#[test]
fn starter_policies_load_without_any_tool() {
    let world = World {
        tools: BTreeMap::new(),
        ..world()
    };
    let pdp = pdp(&world, policies(&root().join("policies"), &[]));
    for (id, policy) in pdp.policies() {
        assert!(!policy.determining.reason.is_empty(), "{id} has no @reason");
    }
}

/// Policies in the documentation, and in comments of the starter policies, load as they stand there.
#[test]
fn examples_of_the_documentation_load() {
    let mut world = world();
    world.secrets.push("wiki".to_owned());
    let mut pages = with_extension(&root().join("docs"), "md");
    pages.push(root().join("README.md"));
    // The examples of facts.md have configurations of their own, which a story loads and plays; those of
    // javascript.md name a tool that the page writes.
    pages.retain(|page| !page.ends_with("facts.md") && !page.ends_with("javascript.md"));
    let mut examples = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let blocks = text.split("```cedar\n").skip(1);
        examples.extend(blocks.map(|block| {
            let end = block.find("```").unwrap();
            (page.clone(), block[..end].to_owned())
        }));
    }
    for page in with_extension(&root().join("policies"), "cedar") {
        let text = fs::read_to_string(&page).unwrap();
        let mut example = String::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("//   ")) {
            let begins = ["@id", "permit", "forbid"];
            let is_policy = begins.iter().any(|begin| line.starts_with(begin));
            if is_policy || !example.is_empty() {
                example.push_str(&format!("{line}\n"));
            }
        }
        if example.is_empty() {
            continue;
        }
        if !example.contains("@id") {
            example.insert_str(
                0,
                "@id(\"example\") @owner(\"tests\") @reason(\"An example.\")\n",
            );
        }
        examples.push((page, example));
    }
    assert!(examples.len() > 3, "{examples:?}");
    for (page, text) in examples {
        let name = page.display().to_string();
        pdp(&world, vec![PolicyFile { name, text }]);
    }
}

/// Each file can be left out: no file needs another one to load.
#[test]
fn each_starter_file_loads_alone() {
    let world = world();
    for file in policies(&root().join("policies"), &[]) {
        assert_eq!(
            pdp(&world, vec![file.clone()]).warnings(),
            [],
            "{}",
            file.name
        );
    }
}

/// Who may do what under the starter policies, as one table: a change of a policy shows here. `!` means
/// that it takes an approval, `~` that shadow policies would require one.
#[test]
fn the_matrix_is_the_one_that_was_reviewed() {
    let world = world();
    let pdp = pdp(&world, policies(&root().join("policies"), &[]));
    let agents = world.agents.keys().map(|name| format!("Agent::{name}"));
    let users: Vec<String> = world.users.keys().map(|n| format!("User::{n}")).collect();
    let everyone: Vec<String> = agents.chain(users.iter().cloned()).collect();
    let calls = matrix(&everyone, &calls(&world), |case| {
        called(&case.play(&pdp, &world.defaults).answer)
    });
    let acts = matrix(&users, &acts_of_people(), |case| {
        match case.play(&pdp, &world.defaults).answer.outcome {
            Outcome::Allow => "yes".to_owned(),
            Outcome::Deny => "-".to_owned(),
            other => other.to_string(),
        }
    });
    insta::assert_snapshot!(format!("{calls}\n{acts}"));
}

/// A column for each principal, a row for each case, and in each cell the answer.
fn matrix(
    principals: &[String],
    cases: &[(String, serde_json::Value)],
    answer: impl Fn(Case) -> String,
) -> String {
    let header = std::iter::once(String::new()).chain(principals.iter().cloned());
    let mut rows: Vec<Vec<String>> = vec![header.collect()];
    for (name, case) in cases {
        let cells = principals.iter().map(|principal| {
            let mut case = case.clone();
            case["principal"] = principal.as_str().into();
            case["name"] = name.as_str().into();
            case["expect"] = "allow".into();
            answer(serde_json::from_value(case).unwrap())
        });
        rows.push(std::iter::once(name.clone()).chain(cells).collect());
    }
    aligned(&rows)
}

/// A call of each tool, in a new run and in a tainted one.
fn calls(world: &World) -> Vec<(String, serde_json::Value)> {
    let tainted = serde_json::json!({ "labels": ["private", "untrusted"] });
    let calls = world.tools.iter().flat_map(|(tool, world_tool)| {
        let call = serde_json::json!({ "action": tool, "input": sample(&world_tool.input) });
        let mut in_tainted = call.clone();
        in_tainted["run"] = tainted.clone();
        [
            (tool.clone(), call),
            (format!("{tool}, tainted"), in_tainted),
        ]
    });
    calls.collect()
}

fn called(answer: &Answer) -> String {
    let shadow = answer.shadow.as_ref().map_or("", |_| "~");
    let answer = match answer.outcome {
        Outcome::Allow => "yes".to_owned(),
        Outcome::Deny => "-".to_owned(),
        Outcome::Escalate => format!("! {}", answer.needs.join(" or ")),
        Outcome::Error => format!("error: {}", answer.errors.join("; ")),
    };
    format!("{answer}{shadow}")
}

/// What people do, and not agents.
fn acts_of_people() -> Vec<(String, serde_json::Value)> {
    let acts = Action::FIXED.iter().filter_map(|action| {
        let asks: &[&str] = match action {
            Action::Approve | Action::Reject | Action::ApproveStanding | Action::ApproveEdited => {
                &["operator"]
            }
            _ => &[],
        };
        let mut case = serde_json::json!({ "action": action.id(), "asks": asks });
        match action {
            Action::ActivatePolicies | Action::Halt | Action::CancelRun | Action::Administer => {
                case["resource"] = "Gate::gate".into();
            }
            Action::ConnectUpstream => case["resource"] = "Component::files".into(),
            Action::MakeToken => case["resource"] = "Agent::support".into(),
            Action::Approve
            | Action::Reject
            | Action::ApproveStanding
            | Action::ApproveEdited
            | Action::ViewRun
            | Action::ViewPayload
            | Action::AnnotateRun
            | Action::ExportRuns => {}
            _ => return None,
        }
        Some((action.id().to_owned(), case))
    });
    acts.collect()
}

/// Arguments that conform to a schema of the world.
fn sample(schema: &serde_json::Value) -> serde_json::Value {
    let properties = schema["properties"].as_object().unwrap();
    let value = |schema: &serde_json::Value| match (schema["type"].as_str(), &schema["enum"]) {
        (Some("integer"), _) => serde_json::json!(1),
        (Some("boolean"), _) => serde_json::json!(true),
        (_, serde_json::Value::Array(choices)) => choices[0].clone(),
        _ => serde_json::json!("x"),
    };
    properties
        .iter()
        .map(|(name, schema)| (name.clone(), value(schema)))
        .collect()
}

fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap()
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
