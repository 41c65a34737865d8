//! The starter policies and those of the demo, against tables of cases: one folder of cases, one
//! function that checks them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    decision::{Decision, Outcome},
    entity::{Entity, Kind, Uid},
    pdp::{Bundle, Pdp, ToolTypes},
    policy::PolicyFile,
    request::{Action, ActionContext, Facts, Granted, Request, RunFacts},
    time::{LocalTime, Timestamp},
};

/// What the gate would build from tollgate.toml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct World {
    #[serde(rename = "about")]
    _about: String,
    agents: BTreeMap<String, Vec<String>>,
    labels: Vec<String>,
    roles: Vec<String>,
    #[serde(default)]
    secrets: Vec<String>,
    tools: BTreeMap<String, Tool>,
    users: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    input: Value,
    labels: Option<Vec<String>>,
}

/// One row of a table. What is left out has the value that does not matter to the row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    action: String,
    /// Roles that the escalation asks for, where the action answers one.
    #[serde(default)]
    asks: BTreeSet<String>,
    /// Roles that were asked as well, because nobody answered in time.
    #[serde(default)]
    asked_too: BTreeSet<String>,
    /// Roles whose approval the call already has.
    approved_by: Option<BTreeSet<String>>,
    /// Labels of the grant that the file or directory is in.
    #[serde(default)]
    directory_labels: Vec<String>,
    #[serde(default)]
    error: bool,
    /// Where a secret goes.
    host: Option<String>,
    /// Labels of the host.
    #[serde(default)]
    host_labels: Vec<String>,
    #[serde(default)]
    input: Value,
    #[serde(default = "tuesday_at_ten")]
    local: LocalTime,
    #[serde(default = "bob")]
    on_behalf_of: String,
    #[serde(default = "alice")]
    operator: String,
    principal: String,
    resource: Option<String>,
    #[serde(default)]
    run: Value,
    #[serde(default = "https")]
    scheme: String,
    #[serde(default)]
    size: u64,
    tool: Option<String>,
    /// Components through which a call is made.
    #[serde(default)]
    via: BTreeSet<String>,
    expect: Outcome,
    /// Policies that determine it.
    by: Vec<String>,
    /// Alternatives of an escalation, in words.
    #[serde(default)]
    needs: Vec<String>,
    shadow: Option<Shadow>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shadow {
    outcome: Outcome,
    by: Vec<String>,
}

fn tuesday_at_ten() -> LocalTime {
    LocalTime {
        minute: 600,
        weekday: 2,
    }
}

fn https() -> String {
    "https".into()
}

fn alice() -> String {
    "alice".into()
}

fn bob() -> String {
    "bob".into()
}

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

impl World {
    fn entities(&self) -> Vec<Entity> {
        let uids = |kind, ids: &[String]| -> Vec<Uid> {
            ids.iter().map(|id| Uid::new(kind, id)).collect()
        };
        let mut entities = vec![Entity::new(Uid::new(Kind::Gate, "gate"), [])];
        let tenant = Uid::new(Kind::Tenant, "default");
        entities.push(Entity::new(tenant.clone(), []));
        entities.extend(
            uids(Kind::Role, &self.roles)
                .into_iter()
                .map(|r| Entity::new(r, [])),
        );
        entities.extend(
            uids(Kind::Label, &self.labels)
                .into_iter()
                .map(|l| Entity::new(l, [])),
        );
        entities.extend(
            uids(Kind::Secret, &self.secrets)
                .into_iter()
                .map(|s| Entity::new(s, [])),
        );
        for (kind, people) in [(Kind::Agent, &self.agents), (Kind::User, &self.users)] {
            entities.extend(people.iter().map(|(name, roles)| {
                let parents = uids(Kind::Role, roles).into_iter().chain([tenant.clone()]);
                Entity::new(Uid::new(kind, name), parents)
            }));
        }
        let components: BTreeSet<&str> = self.tools.keys().map(|tool| component(tool)).collect();
        entities.extend(
            components
                .iter()
                .map(|c| Entity::new(Uid::new(Kind::Component, *c), [])),
        );
        entities.extend(self.tools.iter().map(|(name, tool)| {
            let labels = tool
                .labels
                .clone()
                .unwrap_or_else(|| vec!["unlabelled".into()]);
            let parents = uids(Kind::Label, &labels)
                .into_iter()
                .chain([Uid::new(Kind::Component, component(name))]);
            Entity::new(Uid::new(Kind::Tool, name), parents)
        }));
        entities
    }

    fn pdp(&self, policies: Vec<PolicyFile>) -> Pdp {
        let types = |tool: &Tool| ToolTypes {
            input_schema: tool.input.clone(),
            numbers: BTreeMap::new(),
        };
        let tools = self
            .tools
            .iter()
            .map(|(name, tool)| (name.clone(), types(tool)))
            .collect();
        match Pdp::load(&Bundle::new(self.entities(), policies, tools)) {
            Ok(pdp) => pdp,
            Err(error) => panic!("{error:#?}"),
        }
    }
}

fn component(tool: &str) -> &str {
    tool.split_once("__").unwrap().0
}

fn uid(text: &str) -> Uid {
    let (kind, id) = text.split_once("::").unwrap();
    let kind = Kind::ALL
        .iter()
        .copied()
        .find(|k| k.name() == kind)
        .unwrap();
    Uid::new(kind, id)
}

/// The ancestors of a file or directory `component/grant:/a/b`, and itself.
fn tree(resource: &Uid, labels: &[String]) -> Vec<Entity> {
    let (grant, path) = resource.id.split_once(":/").unwrap();
    let root = Uid::new(Kind::Directory, format!("{grant}:/"));
    let mut entities = vec![Entity::new(
        root.clone(),
        labels.iter().map(|l| Uid::new(Kind::Label, l)),
    )];
    let (mut parent, mut at) = (root, String::new());
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    for (i, name) in names.iter().enumerate() {
        at = if at.is_empty() {
            (*name).to_owned()
        } else {
            format!("{at}/{name}")
        };
        let kind = if i + 1 == names.len() {
            resource.kind
        } else {
            Kind::Directory
        };
        let here = Uid::new(kind, format!("{grant}:/{at}"));
        entities.push(Entity::new(here.clone(), [parent]));
        parent = here;
    }
    entities
}

/// What `component/scope:key` is in, and itself.
fn kept(resource: &Uid, labels: &[String]) -> Vec<Entity> {
    let (scope, key) = resource.id.split_once(':').unwrap();
    let component = scope.split_once('/').unwrap().0;
    let scope = Uid::new(Kind::State, format!("{scope}:"));
    let mut entities = vec![Entity::new(
        scope.clone(),
        [Uid::new(Kind::Component, component)],
    )];
    if !key.is_empty() {
        let labels = labels.iter().map(|l| Uid::new(Kind::Label, l));
        entities.push(Entity::new(
            resource.clone(),
            [scope].into_iter().chain(labels),
        ));
    }
    entities
}

impl Case {
    fn action(&self) -> Action {
        let fixed = Action::FIXED.iter().find(|a| a.id() == self.action);
        fixed
            .cloned()
            .unwrap_or_else(|| Action::Call(self.action.clone()))
    }

    fn build(&self, pdp: &Pdp) -> (Request, Facts) {
        let action = self.action();
        let user = |name: &String| Uid::new(Kind::User, name);
        let on_behalf_of = user(&self.on_behalf_of);
        let tool =
            |name: &Option<String>| Uid::new(Kind::Tool, name.as_deref().unwrap_or("files__read"));
        let (context, default, entities) = match &action {
            Action::Call(name) => {
                let mut input = self.input.clone();
                pdp.tool(name).unwrap().apply_defaults(&mut input);
                (
                    ActionContext::Call {
                        on_behalf_of,
                        input,
                        via: self.via.clone(),
                    },
                    Uid::new(Kind::Tool, name),
                    vec![],
                )
            }
            Action::ReturnResult => {
                let context = ActionContext::Result {
                    on_behalf_of,
                    error: self.error,
                    size: self.size,
                };
                (context, tool(&None), vec![])
            }
            Action::ReadFile
            | Action::WriteFile
            | Action::DeleteFile
            | Action::ListDirectory
            | Action::DeleteDirectory
            | Action::ReadState
            | Action::WriteState => {
                let agent = Uid::new(Kind::Agent, "support");
                let context = ActionContext::Capability {
                    on_behalf_of,
                    agent,
                    tool: tool(&self.tool),
                    size: self.size,
                };
                let resource = uid(self.resource.as_deref().unwrap());
                let entities = match resource.kind {
                    Kind::State => kept(&resource, &self.directory_labels),
                    _ => tree(&resource, &self.directory_labels),
                };
                (context, resource, entities)
            }
            Action::HttpRequest | Action::UseSecret => {
                let resource = uid(self.resource.as_deref().unwrap());
                let host = self
                    .host
                    .as_ref()
                    .map_or_else(|| resource.clone(), |host| Uid::new(Kind::Host, host));
                let agent = Uid::new(Kind::Agent, "support");
                let (scheme, tool) = (self.scheme.clone(), tool(&self.tool));
                let context = match &action {
                    Action::HttpRequest => ActionContext::Http {
                        on_behalf_of,
                        agent,
                        tool,
                        method: "GET".into(),
                        scheme,
                        port: 443,
                        path: "/".into(),
                        size: self.size,
                    },
                    _ => ActionContext::Secret {
                        on_behalf_of,
                        agent,
                        tool,
                        host: host.clone(),
                        scheme,
                    },
                };
                let labels = self.host_labels.iter().map(|l| Uid::new(Kind::Label, l));
                (context, resource, vec![Entity::new(host, labels)])
            }
            Action::Approve | Action::Reject => {
                let context = ActionContext::Approver {
                    tool: tool(&self.tool),
                    on_behalf_of,
                    operator: user(&self.operator),
                    roles: self.asks.clone(),
                    asked_too: self.asked_too.clone(),
                };
                let approval = Uid::new(Kind::Approval, "apr-0707070707070707");
                (
                    context,
                    approval.clone(),
                    vec![Entity::new(approval, [tool(&self.tool)])],
                )
            }
            _ => {
                let run = Uid::new(Kind::Run, "run");
                let entity = Entity::new(run.clone(), [Uid::new(Kind::Tenant, "default")]);
                (ActionContext::Operator, run, vec![entity])
            }
        };
        let resource = self.resource.as_deref().map_or(default, uid);
        let request = Request {
            action,
            context,
            principal: uid(&self.principal),
            resource,
        };
        let facts = Facts {
            approval: None,
            entities,
            environment: "test".into(),
            local: self.local,
            now: Timestamp(1_795_249_800_250_000),
            run: self.run_facts(),
        };
        (request, facts)
    }

    fn run_facts(&self) -> RunFacts {
        let mut whole = serde_json::to_value(RunFacts::default()).unwrap();
        for (name, value) in self.run.as_object().into_iter().flatten() {
            assert!(whole.get(name).is_some(), "unknown run fact `{name}`");
            whole[name] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    fn decide(&self, pdp: &Pdp) -> Decision {
        let (request, mut facts) = self.build(pdp);
        let first = pdp.decide(&request, &facts);
        let Some(roles) = self.approved_by.clone() else {
            return first;
        };
        let Decision::Escalate(_, requirement) = first else {
            panic!("nothing to approve: {first:?}")
        };
        facts.approval = Some(Granted {
            count: 1,
            lifts: requirement.lifts,
            roles,
        });
        pdp.decide(&request, &facts)
    }

    /// What is wrong with the answer, if anything is.
    fn check(&self, decision: &Decision) -> Result<(), String> {
        let basis = decision.basis();
        let by: Vec<&str> = basis.ids().collect();
        let needs = match decision {
            Decision::Escalate(_, r) => r.alternatives.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        let shadow = basis.shadow.clone().map(|s| Shadow {
            outcome: s.outcome,
            by: s.policies,
        });
        let same = decision.outcome() == self.expect
            && by == self.by
            && needs == self.needs
            && shadow == self.shadow;
        let got = format!(
            "{} by {by:?}, needs {needs:?}, shadow {shadow:?}",
            decision.outcome()
        );
        if same {
            Ok(())
        } else {
            Err(format!("{}: {got}; errors {:?}", self.name, basis.errors))
        }
    }
}

/// Check every case of a folder, and that every policy determines at least one of them.
fn check(pdp: &Pdp, files: &[PathBuf], covers: &[PolicyFile]) {
    assert_eq!(
        pdp.warnings(),
        [],
        "starter policies load without a warning"
    );
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for file in files {
        let cases: Vec<Case> = json(file);
        for case in cases {
            let decision = case.decide(pdp);
            seen.extend(decision.basis().ids().map(str::to_owned));
            seen.extend(
                decision
                    .basis()
                    .shadow
                    .iter()
                    .flat_map(|s| s.policies.clone()),
            );
            let place = file.file_name().unwrap().display().to_string();
            wrong.extend(case.check(&decision).err().map(|e| format!("{place}: {e}")));
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
    let mut cases = with_extension(&root().join("policies").join(folder), "json");
    cases.retain(|path| path.file_name().unwrap() != "world.json");
    cases
}

#[test]
fn starter_policies_decide_as_their_cases_say() {
    let files = policies(&root().join("policies"), &[]);
    check(&world().pdp(files.clone()), &cases("tests"), &files);
}

/// With the starter policies that `cargo xtask demo` puts beside them.
#[test]
fn demo_policies_decide_as_their_cases_say() {
    let others = [
        "destructive-needs-approval.cedar",
        "least-privilege.cedar",
        "working-hours.cedar",
    ];
    let mut files = policies(&root().join("policies"), &others);
    let own = policies(&root().join("host/xtask/demo/policies"), &[]);
    files.extend(own.clone());
    let world: World = json(&root().join("policies/tests/demo/world.json"));
    check(&world.pdp(files), &cases("tests/demo"), &own);
}

/// An action that nobody wrote a case for is one that nobody thought about.
#[test]
fn every_action_has_a_case() {
    let cases: Vec<Case> = cases("tests")
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

/// They name no tool, so they load whatever is installed; every policy says who owns it and why.
#[test]
fn starter_policies_load_without_any_tool() {
    let world = World {
        tools: BTreeMap::new(),
        ..world()
    };
    let pdp = world.pdp(policies(&root().join("policies"), &[]));
    for (id, policy) in pdp.policies() {
        assert!(!policy.determining.reason.is_empty(), "{id} has no @reason");
    }
}

/// Each file can be left out: no file needs another one to load.
#[test]
fn each_starter_file_loads_alone() {
    let world = world();
    for file in policies(&root().join("policies"), &[]) {
        assert_eq!(
            world.pdp(vec![file.clone()]).warnings(),
            [],
            "{}",
            file.name
        );
    }
}
