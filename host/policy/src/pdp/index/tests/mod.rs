//! The index compared with Cedar's own authorizer over the whole set: random policies and templates, random
//! hierarchies, random requests, and conditions that fail.

mod cedar_format;

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{
    Context, Entity as CedarEntity, EntityUid, PolicyId, PolicySet, Request, RestrictedExpression,
    SlotId,
};
use cedar_policy_core::{
    ast::{Effect, Policy},
    authorizer::{AuthorizationError, Authorizer},
    evaluator::Evaluator,
    extensions::Extensions,
};

use super::*;

const SETS: u64 = 2_000;
const REQUESTS: u64 = 50;

/// SplitMix64: the same cases in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

const PRINCIPALS: &[&str] = &["User", "Group"];
const RESOURCES: &[&str] = &["Doc", "Folder"];
const ACTIONS: &[&str] = &["read", "write", "list", "reads", "all"];

/// An entity's name; the last number names one that does not exist.
fn named(random: &mut Random, types: &[&str]) -> String {
    format!("N::{}::\"{}\"", random.one(types), random.below(7))
}

fn action(random: &mut Random) -> String {
    format!("N::Action::\"{}\"", random.one(ACTIONS))
}

fn constraint(random: &mut Random, variable: &str, types: &[&str], template: bool) -> String {
    let entity = if template {
        format!("?{variable}")
    } else {
        named(random, types)
    };
    let ty = random.one(types);
    match random.below(if template { 3 } else { 6 }) {
        0 => format!("{variable} == {entity}"),
        1 => format!("{variable} in {entity}"),
        2 => format!("{variable} is N::{ty} in {entity}"),
        3 => format!("{variable} is N::{ty}"),
        _ => variable.to_owned(),
    }
}

fn source(random: &mut Random, template: bool) -> String {
    let effect = random.one(&["permit", "permit", "forbid"]);
    let principal = constraint(random, "principal", PRINCIPALS, template);
    let resource = constraint(random, "resource", RESOURCES, template);
    let action = match random.below(5) {
        0 => "action".to_owned(),
        1 => format!("action in {}", action(random)),
        2 => format!("action in [{}, {}]", action(random), action(random)),
        3 => "action in []".to_owned(),
        _ => format!("action == {}", action(random)),
    };
    let condition = match random.below(10) {
        // Each of these fails for some requests only.
        0 => "when { principal.level > 2 }".to_owned(),
        1 => "when { context.n + 9223372036854775800 > 0 }".to_owned(),
        2 => "unless { resource.owner == principal }".to_owned(),
        3 => "when { context.missing }".to_owned(),
        4 => format!("when {{ resource in {} }}", named(random, RESOURCES)),
        5 => format!("unless {{ context.n < {} }}", random.below(20)),
        6 => "when { principal is N::User }".to_owned(),
        _ => String::new(),
    };
    format!("{effect} ({principal}, {action}, {resource}) {condition};")
}

fn policies(random: &mut Random) -> PolicySet {
    let mut text = String::new();
    for _ in 0..random.below(24) {
        text.push_str(&source(random, false));
    }
    for _ in 0..random.below(4) {
        text.push_str(&source(random, true));
    }
    let mut set: PolicySet = text.parse().unwrap_or_else(|e| panic!("{e}: {text}"));
    let templates: Vec<PolicyId> = set.templates().map(|t| t.id().clone()).collect();
    for (n, template) in templates.into_iter().enumerate() {
        for link in 0..2 {
            let values: HashMap<SlotId, EntityUid> = [
                (SlotId::principal(), named(random, PRINCIPALS)),
                (SlotId::resource(), named(random, RESOURCES)),
            ]
            .map(|(slot, uid)| (slot, uid.parse().unwrap()))
            .into();
            let slots: Vec<SlotId> = set
                .template(&template)
                .map(|t| t.slots().cloned().collect())
                .unwrap();
            let values = slots.iter().map(|s| (s.clone(), values[s].clone()));
            let id = PolicyId::new(format!("link{n}-{link}"));
            set.link(template.clone(), id, values.collect()).unwrap();
        }
    }
    set
}

fn entities(random: &mut Random) -> Entities {
    let mut all = Vec::new();
    let mut add = |name: String, parents: Vec<String>, attributes: Vec<(&str, i64)>| {
        let parents: HashSet<EntityUid> = parents.iter().map(|p| p.parse().unwrap()).collect();
        let attributes = attributes
            .into_iter()
            .map(|(k, v)| (k.to_owned(), RestrictedExpression::new_long(v)));
        all.push(CedarEntity::new(name.parse().unwrap(), attributes.collect(), parents).unwrap());
    };
    for (below, above) in [("User", "Group"), ("Doc", "Folder")] {
        for n in 0..6 {
            // Parents have higher numbers, so there is no cycle; some parents do not exist.
            let up = |random: &mut Random| {
                let to = n + 1 + random.below(3);
                (to < 8).then(|| format!("N::{above}::\"{to}\""))
            };
            let parents: Vec<String> = (0..random.below(3)).filter_map(|_| up(random)).collect();
            let level = i64::try_from(random.below(5)).unwrap();
            let attributes = if random.below(2) == 0 {
                vec![("level", level)]
            } else {
                Vec::new()
            };
            add(format!("N::{above}::\"{n}\""), parents, attributes.clone());
            let parents =
                (0..random.below(3)).map(|_| format!("N::{above}::\"{}\"", random.below(7)));
            add(
                format!("N::{below}::\"{n}\""),
                parents.collect(),
                attributes,
            );
        }
    }
    let act = |name: &str| format!("N::Action::\"{name}\"");
    add(act("read"), vec![act("reads")], vec![]);
    add(act("list"), vec![act("reads")], vec![]);
    add(act("reads"), vec![act("all")], vec![]);
    add(act("write"), vec![act("all")], vec![]);
    add(act("all"), vec![], vec![]);
    cedar_policy::Entities::from_entities(all, None)
        .unwrap()
        .as_ref()
        .clone()
}

fn request(random: &mut Random) -> Request {
    let n = RestrictedExpression::new_long(i64::try_from(random.below(20)).unwrap());
    let context = Context::from_pairs([("n".to_owned(), n)]).unwrap();
    let uid = |name: String| name.parse::<EntityUid>().unwrap();
    Request::new(
        uid(named(random, PRINCIPALS)),
        uid(action(random)),
        uid(named(random, RESOURCES)),
        context,
        None,
    )
    .unwrap()
}

/// Decision, reasons and errors.
pub(super) type Answer = (bool, BTreeSet<String>, BTreeSet<String>);

/// Evaluates like the decision point, over the slice only.
pub(super) fn sliced(
    slice: &[&Policy],
    request: &cedar_policy_core::ast::Request,
    entities: &Entities,
) -> Answer {
    let evaluator = Evaluator::new(request.clone(), entities, Extensions::all_available());
    let (mut permits, mut forbids, mut errors) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for policy in slice {
        let id = policy.id().to_string();
        match (evaluator.evaluate(policy), policy.effect()) {
            (Ok(true), Effect::Permit) => drop(permits.insert(id)),
            (Ok(true), Effect::Forbid) => drop(forbids.insert(id)),
            (Ok(false), _) => {}
            (Err(_), _) => drop(errors.insert(id)),
        }
    }
    let allowed = forbids.is_empty() && !permits.is_empty();
    (allowed, if allowed { permits } else { forbids }, errors)
}

/// 100,000 requests.
#[test]
fn slices_are_sound() {
    let mut random = Random(6);
    let (mut seen, mut looked_at, mut of) = (HashMap::<&str, u64>::new(), 0, 0);
    for _ in 0..SETS {
        let set = policies(&mut random);
        let entities = entities(&mut random);
        let whole: &cedar_policy_core::ast::PolicySet = set.as_ref();
        let all: Vec<&Policy> = whole.policies().collect();
        let index = Index::new(all.iter().copied());
        for _ in 0..REQUESTS {
            let request = request(&mut random);
            let request: &cedar_policy_core::ast::Request = request.as_ref();
            let uid = |entry: &cedar_policy_core::ast::EntityUIDEntry| entry.uid().unwrap().clone();
            let slice: Vec<&Policy> = index
                .candidates(
                    &uid(request.principal()),
                    &uid(request.action()),
                    &uid(request.resource()),
                    &entities,
                )
                .into_iter()
                .map(|position| all[position as usize])
                .collect();
            let found = sliced(&slice, request, &entities);
            let theirs = Authorizer::new().is_authorized(request.clone(), whole, &entities);
            let ids = |ids: &HashSet<cedar_policy_core::ast::PolicyID>| {
                ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>()
            };
            let errors = theirs.diagnostics.errors.iter().map(|error| {
                let AuthorizationError::PolicyEvaluationError { id, .. } = error;
                id.to_string()
            });
            let expected: Answer = (
                theirs.decision == cedar_policy::Decision::Allow,
                ids(&theirs.diagnostics.reason),
                errors.collect(),
            );
            assert_eq!(found, expected, "{request} with\n{set}");
            looked_at += slice.len();
            of += all.len();
            for (what, is) in [
                ("allowed", expected.0),
                ("denied", !expected.0 && !expected.1.is_empty()),
                ("in error", !expected.2.is_empty()),
                (
                    "by a link",
                    expected.1.iter().any(|id| id.starts_with("link")),
                ),
            ] {
                *seen.entry(what).or_default() += u64::from(is);
            }
        }
    }
    // The test is meaningless if slices are whole sets, or if policies never matter.
    assert!(looked_at * 3 < of, "{looked_at} of {of}");
    for (what, times) in &seen {
        assert!(*times > 500, "{what}: {seen:?}");
    }
}
