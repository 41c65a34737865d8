//! Properties over random policies, requests and arguments.

use proptest::{prelude::*, strategy::ValueTree as _};

use cedar_policy::PolicySet;
use cedar_policy_core::{
    ast::{self, RequestSchema as _},
    authorizer::{AuthorizationError, Authorizer},
    validator::ValidatorSchema,
};

use cedar_policy_core::{
    entities::{Dereference, TCComputation},
    extensions::Extensions,
    validator::CoreSchema,
};
use std::collections::HashSet;

use super::{generators::*, *};
use crate::{cedar_value, pdp::load::to_cedar, policy::load as load_policies, schema};

/// The policies that load, by the schema of `base`: so those that the analysis of `context.approval` accepts.
pub(super) fn accepted(base: &Pdp, candidates: Vec<String>) -> Vec<String> {
    let loads = |source: &String| {
        let text = policy("p", source);
        let files = [PolicyFile {
            name: "p.cedar".into(),
            text,
        }];
        load_policies(
            &files,
            &base.schema,
            &base.known.keys().cloned().collect(),
            &Default::default(),
        )
        .is_ok()
    };
    candidates.into_iter().filter(loads).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The slice of an action gives the answer of the whole set: the same decision, the same
    /// determining policies, the same errors.
    #[test]
    fn slices_answer_as_the_whole_set(
        policies in prop::collection::vec(scoped(), 0..8),
        requests in prop::collection::vec(any_request(), 1..6),
    ) {
        let pdp = pdp(&numbered(&policies));
        let all = PolicySet::from_policies(pdp.policies.values().map(|p| p.cedar.clone())).unwrap();
        let all: &ast::PolicySet = all.as_ref();
        for (request, facts) in requests {
            let entities = pdp.entities_for(&request, &facts).unwrap();
            let cedar = pdp.cedar_request(&request, &facts).unwrap().cedar;
            let whole = Authorizer::new().is_authorized(cedar, all, &entities);
            let decision = pdp.decide(&request, &facts);
            let names = |id: &ast::PolicyID| AsRef::<str>::as_ref(id).to_owned();
            let reasons: BTreeSet<String> = whole.diagnostics.reason.iter().map(names).collect();
            let errors: BTreeSet<String> = whole.diagnostics.errors.iter().map(|e| {
                let AuthorizationError::PolicyEvaluationError { id, .. } = e;
                names(id)
            }).collect();
            let ids: BTreeSet<String> = decision.basis().ids().map(str::to_owned).collect();
            if errors.is_empty() {
                let allowed = whole.decision == cedar_policy::Decision::Allow;
                prop_assert_eq!(decision.outcome(), if allowed { Outcome::Allow } else { Outcome::Deny });
                prop_assert_eq!(ids, reasons);
            } else {
                prop_assert_eq!(decision.outcome(), Outcome::Error);
                prop_assert_eq!(ids, errors);
            }
        }
    }

    /// Entities of a request have the same ancestors as in Cedar.
    #[test]
    fn ancestors_are_those_that_cedar_computes(edges in prop::collection::vec((0..6_usize, 0..6_usize), 0..12), labelled in 0..6_usize) {
        let pdp = pdp(PERMIT);
        let directory = |n: usize| uid(Kind::Directory, &format!("desk/data:/{n}"));
        let brought: Vec<Entity> = (0..6)
            .map(|n| {
                let above = edges.iter().filter(|(a, b)| *a == n && a < b).map(|(_, b)| directory(*b));
                let label = (n == labelled).then(|| uid(Kind::Label, "private"));
                Entity::new(directory(n), above.chain(label))
            })
            .collect();
        let theirs = pdp.entities.clone().add_entities(
            brought.iter().map(|e| Arc::new(to_cedar(e).unwrap().as_ref().clone())),
            Some(&CoreSchema::new(pdp.schema.as_ref())),
            TCComputation::ComputeNow,
            Extensions::all_available(),
        ).unwrap();
        let request = read_file();
        let mut facts = facts_with_file();
        facts.entities.extend(brought);
        let ours = pdp.entities_for(&request, &facts).unwrap();
        for n in 0..6 {
            let uid = cedar_value::entity(&directory(n)).unwrap();
            let of = |entities: &Entities| match entities.entity(&uid) {
                Dereference::Data(entity) => entity.ancestors().cloned().collect::<HashSet<_>>(),
                _ => unreachable!("it was added"),
            };
            prop_assert_eq!(of(&ours), of(&theirs));
        }
    }

    /// More approval never denies more; an escalation's alternatives are sufficient and minimal.
    #[test]
    fn approvals_only_help(
        candidates in prop::collection::vec(approval_policy(), 4..10),
        calls in 0..4_u64,
    ) {
        let mut policies = accepted(&pdp(""), candidates);
        policies.push("permit (principal, action == Tollgate::Action::\"read\", resource);".into());
        let pdp = pdp(&numbered(&policies));
        let facts = Facts { run: RunFacts { calls, ..RunFacts::default() }, ..facts() };
        let first = pdp.decide(&send(), &facts);
        let lifts = match &first {
            Decision::Escalate(_, requirement) => requirement.lifts.clone(),
            _ => BTreeSet::new(),
        };
        let allowed = |roles: &BTreeSet<String>, count: u64| {
            let granted = PriorApproval { count, lifts: lifts.clone(), roles: roles.clone() };
            pdp.decide(&send(), &Facts { approval: Some(granted), ..facts.clone() }).outcome() == Outcome::Allow
        };
        let grants: Vec<(BTreeSet<String>, u64)> = subsets(&["finance", "operator", "security"])
            .into_iter()
            .flat_map(|roles| (1..5).map(move |count| (roles.clone(), count)))
            .collect();
        let answers: Vec<bool> = grants.iter().map(|(roles, count)| allowed(roles, *count)).collect();
        for (less, before) in grants.iter().zip(&answers) {
            for (more, after) in grants.iter().zip(&answers) {
                if less.0.is_subset(&more.0) && less.1 <= more.1 {
                    prop_assert!(!before || *after, "{:?} allows, {:?} does not", less, more);
                }
            }
        }
        match &first {
            Decision::Escalate(_, requirement) => {
                for ((roles, count), answer) in grants.iter().zip(&answers) {
                    prop_assert_eq!(*answer, requirement.met_by(roles, *count), "{:?} {}", roles, count);
                }
            }
            Decision::Allow(_) => prop_assert!(answers.iter().all(|a| *a)),
            _ => prop_assert!(answers.iter().all(|a| !a), "what no approval lifts is denied"),
        }
    }

    /// Any arguments give one of the four answers.
    #[test]
    fn no_arguments_panic(input in any_json(), tool in one_of(&["read", "send", "refund"])) {
        let decision = SHARED.with(|pdp| pdp.decide(&call(tool, input), &facts()));
        prop_assert!(matches!(decision.outcome(), Outcome::Allow | Outcome::Error));
    }

    /// Arguments that conform to their schema always make a valid Cedar request: typing and reading never
    /// disagree.
    #[test]
    fn arguments_that_conform_are_decided((schema, mut input) in tool_call()) {
        let types = ToolTypes { input_schema: schema, numbers: BTreeMap::new() };
        let file = PolicyFile { name: "p.cedar".into(), text: PERMIT.into() };
        let tools = BTreeMap::from([("read".to_owned(), types)]);
        let pdp = Pdp::load(&Bundle::new(entities(), vec![file], tools)).unwrap();
        pdp.tool("read").unwrap().apply_defaults(&mut input);
        prop_assert_eq!(answer(&pdp.decide(&call("read", input), &facts())), "allow by permit");
    }

    /// Our validation agrees with Cedar's own, also for arguments of one schema under another.
    #[test]
    fn requests_validate_as_cedar_says((schema, input) in tool_call(), other in any_schema(), odd in any_json()) {
        let types = |schema: Value| ToolTypes { input_schema: schema, numbers: BTreeMap::new() };
        let tools = BTreeMap::from([("read".to_owned(), types(schema)), ("send".to_owned(), types(other))]);
        let Ok(pdp) = Pdp::load(&Bundle::new(entities(), Vec::new(), tools)) else { return Ok(()) };
        let validator: &ValidatorSchema = pdp.schema.as_ref();
        let odd = pdp.tool("read").unwrap().typed(&odd).ok().map(|typed| typed.value);
        let right = pdp.tool("read").unwrap().typed(&input).ok().map(|typed| typed.value);
        let part = right.as_ref().and_then(|v| match v.value_kind() {
            ast::ValueKind::Record(record) => record.values().next().cloned(),
            _ => None,
        });
        let request = pdp.cedar_request(&call("read", input), &facts()).map(|request| request.cedar);
        for value in [right, odd, part, Some(true.into()), cedar_value::decimal("0.5")].into_iter().flatten() {
            for action in ["read", "send", "read_file", "halt"] {
                let Ok(request) = &request else { continue };
                let Some(ast::Context::Value(context)) = request.context() else { unreachable!() };
                for extra in ["input", "run", "size", "now"] {
                    let mut context = BTreeMap::clone(context);
                    context.insert(extra.into(), value.clone());
                    let request = ast::Request::new_unchecked(
                        request.principal().clone(),
                        ast::EntityUIDEntry::Known { euid: pdp.actions[action].clone(), loc: None },
                        request.resource().clone(),
                        Some(ast::Context::Value(context.into())),
                    );
                    let theirs = validator.validate_request(&request, Extensions::all_available());
                    prop_assert_eq!(validate::is_valid(validator, &request, validate::InputCheck::Typed), theirs.is_ok(), "{:?}", theirs);
                }
            }
        }
    }

    /// Any schema of a tool is typed or refused. A typed schema builds and prints as a schema that parses
    /// again, and any arguments are then decided without a panic.
    #[test]
    fn no_schema_panics(schema in any_schema(), input in any_json()) {
        if let Ok(typed) = ToolInput::from_json_schema("t-1", &schema, &BTreeMap::new()) {
            let inputs = BTreeMap::from([("t-1".to_owned(), typed)]);
            let types = schema::LoadedTypes::of_tools(&inputs);
            prop_assert!(schema::build(schema::FIXED, types).is_ok(), "{}", schema::build(schema::FIXED, types).unwrap_err());
            let text = schema::text(types).unwrap();
            let read = Schema::from_cedarschema_str(&text).map(|_| ());
            prop_assert!(read.is_ok(), "{}\n{}", text, read.unwrap_err());
            let _ = inputs["t-1"].typed(&input);
        }
    }
}

thread_local! {
    static SHARED: Pdp = pdp(PERMIT);
}

/// The differential test is meaningless if random policies rarely matter.
#[test]
fn random_policies_reach_every_outcome() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (prop::collection::vec(scoped(), 1..8), any_request());
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..300 {
        let (policies, (request, facts)) = strategy.new_tree(&mut runner).unwrap().current();
        let outcome = pdp(&numbered(&policies)).decide(&request, &facts).outcome();
        *seen.entry(outcome.as_str()).or_default() += 1;
    }
    for outcome in ["allow", "deny", "error"] {
        assert!(seen.get(outcome).is_some_and(|n| *n > 10), "{seen:?}");
    }
    let strategy = prop::collection::vec(approval_policy(), 60);
    let candidates = strategy.new_tree(&mut runner).unwrap().current();
    let accepted = accepted(&pdp(""), candidates);
    let reading = accepted.iter().filter(|p| p.contains("approval")).count();
    assert!(reading > 8 && reading < 50, "{reading} of 60");
}
