//! From files to policies: read, validate strictly, and check names. Files and policies are independent
//! until their ids are compared, so each step uses all processors.

mod conditions;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZero,
    sync::Arc,
    thread,
};

use cedar_policy::{
    Policy, PolicyId, PolicySet, Schema, ValidationMode, ValidationWarning, Validator,
};
use cedar_policy_core::ast;

use super::{
    Diagnostic, Level, LoadedPolicies, LoadedPolicy, PolicyFile,
    annotations::Reader,
    depth_limit,
    entity_ids::{self, ConfiguredNames, KnownNames},
    location::{Location, Source},
    nearest,
    remedy::remedy,
    scope::PolicyScope,
};
use tollgate_model::entity::Uid;

/// Load policies against a schema. `known` says whether an entity that a policy names exists, `configured` what else
/// the names in ids may be.
///
/// # Errors
/// Every diagnostic, errors first, if any of them is an error.
pub fn load(
    files: &[PolicyFile],
    schema: &Schema,
    known: &BTreeSet<Uid>,
    configured: &ConfiguredNames,
) -> Result<LoadedPolicies, Vec<Diagnostic>> {
    let sources: Vec<Source<'_>> = files.iter().map(Source::new).collect();
    let mut diagnostics = Vec::new();
    let mut policies: BTreeMap<String, Arc<LoadedPolicy>> = BTreeMap::new();
    for read in in_parallel(&sources, |source| read(source)) {
        diagnostics.extend(read.said);
        for (policy, said) in read.policies {
            let id = policy.determining.policy.id.clone();
            match policies.get(&id) {
                Some(other) => diagnostics.push(duplicate(&policy, other)),
                None => {
                    diagnostics.extend(said);
                    policies.insert(id, Arc::new(policy));
                }
            }
        }
    }
    diagnostics.extend(confusable(&policies));
    let by_name: HashMap<&str, &Source<'_>> = sources
        .iter()
        .map(|source| (source.file.name.as_str(), source))
        .collect();
    let all: Vec<&Arc<LoadedPolicy>> = policies.values().collect();
    let chunk = all.len().div_ceil(processors()).max(1);
    let chunks: Vec<&[&Arc<LoadedPolicy>]> = all.chunks(chunk).collect();
    let checked = in_parallel(&chunks, |chunk| {
        let mut check = Check {
            sources: &by_name,
            schema,
            names: KnownNames::new(known, configured),
            faulty: BTreeSet::new(),
            partly: Vec::new(),
            said: Vec::new(),
        };
        check.unknown_entities(chunk);
        check.unknown_attributes(chunk);
        check.validate(chunk);
        check.misfits(chunk);
        check.said
    });
    diagnostics.extend(checked.into_iter().flatten());
    diagnostics.sort_by(|a, b| {
        (b.level, &a.file, a.offset, a.code, &a.message)
            .cmp(&(a.level, &b.file, b.offset, b.code, &b.message))
    });
    // A condition that is wrong for every tool is reported once.
    diagnostics.dedup_by(|a, b| {
        (a.code, &a.file, a.offset, a.length, &a.help)
            == (b.code, &b.file, b.offset, b.length, &b.help)
            && (a.message == b.message || a.code == "policy::invalid")
    });
    if diagnostics.iter().any(|d| d.level == Level::Error) {
        return Err(diagnostics);
    }
    Ok(LoadedPolicies {
        policies,
        warnings: diagnostics,
    })
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Applies `work` to every item; results are in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let size = items.len().div_ceil(processors()).max(1);
    let work = |items: &[T]| items.iter().map(&work).collect::<Vec<R>>();
    thread::scope(|scope| {
        let threads: Vec<_> = items
            .chunks(size)
            .map(|items| {
                let work = &work;
                let builder = thread::Builder::new().stack_size(depth_limit::STACK);
                (items, builder.spawn_scoped(scope, move || work(items)))
            })
            .collect();
        let mut done = Vec::with_capacity(items.len());
        for (items, thread) in threads {
            match thread {
                Ok(thread) => match thread.join() {
                    Ok(results) => done.extend(results),
                    Err(panic) => std::panic::resume_unwind(panic),
                },
                // No thread is available: do it here.
                Err(_) => done.extend(work(items)),
            }
        }
        done
    })
}

/// The contents of one file.
struct Read {
    /// Diagnostics about parts that are not policies.
    said: Vec<Diagnostic>,
    /// Policies with their diagnostics.
    policies: Vec<(LoadedPolicy, Vec<Diagnostic>)>,
}

fn read(source: &Source<'_>) -> Read {
    let mut read = Read {
        said: Vec::new(),
        policies: Vec::new(),
    };
    if let Some(excess) = depth_limit::excess(&source.file.text) {
        let place = source.place(excess.offset, 1);
        read.said
            .push(place.error("policy::too-deep", excess.message, excess.help));
        return read;
    }
    let set: PolicySet = match source.file.text.parse() {
        Ok(set) => set,
        Err(errors) => {
            read.said.extend(syntax(source, &errors));
            return read;
        }
    };
    if let Some(template) = set.templates().next() {
        let template: &ast::Template = template.as_ref();
        let place = source.at(template.loc());
        read.said.push(place.error(
            "policy::template",
            "policy templates are not supported: nothing links them",
            "write the policy out with its principal and resource",
        ));
    }
    let mut policies: Vec<&Policy> = set.policies().collect();
    policies.sort_by_key(|p| source_order(p.id()));
    for policy in policies {
        let cedar: &ast::Policy = policy.as_ref();
        let place = source.at(cedar.loc());
        let mut reader = Reader::default();
        match reader.policy(place, policy) {
            Some(policy) => read.policies.push((policy, reader.said)),
            None => read.said.extend(reader.said),
        }
    }
    read
}

fn duplicate(policy: &LoadedPolicy, other: &LoadedPolicy) -> Diagnostic {
    let id = &policy.determining.policy.id;
    policy.diagnostic(
        Level::Error,
        "policy::duplicate-id",
        format!(
            "the id `{id}` is taken by the policy at {}:{}",
            other.file, other.line
        ),
        "give one of them another id",
    )
}

/// Maps characters that readers confuse to one: `l`, `I` and `1`, `O` and `0`, `rn` and `m`, `-` and `_`.
fn confusable(policies: &BTreeMap<String, Arc<LoadedPolicy>>) -> Vec<Diagnostic> {
    let seen_as = |id: &str| {
        let alike = |c: char| match c {
            'I' | 'l' | '1' | 'i' => 'l',
            'O' | '0' => 'o',
            '-' | '.' | '/' => '_',
            c => c.to_ascii_lowercase(),
        };
        let text: String = id.chars().map(alike).collect();
        text.replace("rn", "m").replace("vv", "w")
    };
    let mut seen: HashMap<String, &LoadedPolicy> = HashMap::new();
    let mut said = Vec::new();
    for (id, policy) in policies {
        match seen.get(&seen_as(id)) {
            None => drop(seen.insert(seen_as(id), policy)),
            Some(other) => said.push(policy.diagnostic(
                Level::Warning,
                "policy::confusable-id",
                format!(
                    "the id `{id}` looks like `{}` at {}:{}",
                    other.determining.policy.id, other.file, other.line
                ),
                "give one of them an id that cannot be confused with the other",
            )),
        }
    }
    said
}

/// Checks parsed policies.
struct Check<'a> {
    sources: &'a HashMap<&'a str, &'a Source<'a>>,
    schema: &'a Schema,
    names: KnownNames<'a>,
    /// Ids of policies that have a warning or an error by itself.
    faulty: BTreeSet<&'a str>,
    /// Diagnostics about attributes that only some actions have: their positions, policies and paths.
    partly: Vec<(usize, &'a str, String)>,
    said: Vec<Diagnostic>,
}

impl<'a> Check<'a> {
    fn validate(&mut self, policies: &[&'a Arc<LoadedPolicy>]) {
        let mut set = PolicySet::new();
        let mut by_id: HashMap<&str, &LoadedPolicy> = HashMap::new();
        for policy in policies {
            by_id.insert(&policy.determining.policy.id, policy);
            if let Err(e) = set.add(policy.cedar.clone()) {
                self.said.push(policy.diagnostic(
                    Level::Error,
                    "policy::set",
                    e.to_string(),
                    "give it another id",
                ));
            }
        }
        let result = Validator::new(self.schema.clone()).validate(&set, ValidationMode::Strict);
        for error in result.validation_errors() {
            let policy = by_id.get(AsRef::<str>::as_ref(error.policy_id())).copied();
            self.faulty
                .extend(policy.map(|p| p.determining.policy.id.as_str()));
            self.report(policy, error, Level::Error, "policy::invalid");
        }
        self.merge_partly();
        for warning in result.validation_warnings() {
            let policy = by_id
                .get(AsRef::<str>::as_ref(warning.policy_id()))
                .copied();
            match policy {
                Some(policy) if is_impossible(warning) => self.report_impossible(policy, warning),
                _ => self.report(policy, warning, Level::Warning, "policy::suspicious"),
            }
        }
    }

    /// Keeps one diagnostic for each attribute that only some actions have, and none for those on the way to it.
    fn merge_partly(&mut self) {
        let covers = |longer: &str, path: &str| {
            longer
                .strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        let begin = |at: usize| (self.said.get(at).map(|d| d.offset), at);
        let mut of_policies: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
        for (at, id, path) in &self.partly {
            of_policies.entry(id).or_default().push((*at, path));
        }
        let mut dropped = BTreeSet::new();
        for all in of_policies.values() {
            let repeated = all.iter().filter(|(at, path)| {
                all.iter().any(|(other, longer)| {
                    covers(longer, path) || longer == path && begin(*other) < begin(*at)
                })
            });
            dropped.extend(repeated.map(|(at, _)| *at));
        }
        let mut at = 0..;
        self.said
            .retain(|_| !at.next().is_some_and(|at| dropped.contains(&at)));
        self.partly.clear();
    }

    /// Reports, once, a policy that no request can satisfy, unless it is already known why.
    fn report_impossible(&mut self, policy: &'a LoadedPolicy, warning: &ValidationWarning) {
        if !self.faulty.insert(&policy.determining.policy.id) {
            return;
        }
        let Some(source) = self.sources.get(policy.file.as_str()) else {
            return;
        };
        let scope = PolicyScope::new(self.schema.as_ref(), policy.cedar.as_ref());
        let Some(misfit) = scope.misfit() else {
            return self.report(Some(policy), warning, Level::Warning, "policy::suspicious");
        };
        let place = match &misfit.loc {
            Some(loc) => source.at(Some(loc)),
            None => source.place(policy.offset, policy.length),
        };
        let id = &policy.determining.policy.id;
        let message = format!("policy `{id}` can never apply: {}", misfit.message);
        self.said
            .push(place.warning("policy::suspicious", message, &misfit.help));
    }

    fn report(
        &mut self,
        policy: Option<&'a LoadedPolicy>,
        error: &dyn miette::Diagnostic,
        level: Level,
        code: &'static str,
    ) {
        let Some(policy) = policy else { return };
        let Some(source) = self.sources.get(policy.file.as_str()) else {
            return;
        };
        // Cedar's texts begin "for policy `id`, "; the place already says so.
        let prefix = format!("for policy `{}`", policy.determining.policy.id);
        let short = |text: String| match text.strip_prefix(&prefix) {
            Some(rest) => rest.trim_start_matches([',', ':', ' ']).to_owned(),
            None => text,
        };
        let message = short(error.to_string());
        let place = match error.labels().and_then(|mut l| l.next()) {
            Some(label) => source.place(label.offset(), label.len().max(1)),
            None => source.place(policy.offset, policy.length),
        };
        let marked = place.offset..place.offset + place.length;
        let marked = source.file.text.get(marked).unwrap_or_default();
        let scope = || PolicyScope::new(self.schema.as_ref(), policy.cedar.as_ref());
        let (message, help) = match (
            suggestion(&message, self.schema),
            (level == Level::Error).then(|| remedy(&scope(), &message, marked)),
        ) {
            (Some(help), _) => (message, help),
            (None, Some(Some(remedy))) => {
                let id = policy.determining.policy.id.as_str();
                let path = remedy.partly.map(|path| (self.said.len(), id, path));
                self.partly.extend(path);
                (remedy.message, Some(remedy.help))
            }
            (None, _) => (message, error.help().map(|h| short(h.to_string()))),
        };
        self.said.push(place.diagnostic(level, code, message, help));
    }

    /// A literal that names nothing can never match, such as a misspelt role or a directory without its
    /// grant.
    fn unknown_entities(&mut self, policies: &[&'a Arc<LoadedPolicy>]) {
        for policy in policies {
            let Some(source) = self.sources.get(policy.file.as_str()) else {
                continue;
            };
            for literal in policy.cedar.entity_literals() {
                let Some(uid) = crate::cedar_uid::from_cedar(&literal) else {
                    continue;
                };
                let Some(help) = self.names.fault(&uid) else {
                    continue;
                };
                let id = &policy.determining.policy.id;
                let message = format!(
                    "policy `{id}` names {uid}, which does not exist, so it can never match it"
                );
                let place = literal_place(source, policy, &uid);
                self.said
                    .push(place.warning("policy::unknown-entity", message, &help));
                self.faulty.insert(id);
            }
            let id = &policy.determining.policy.id;
            for odd in entity_ids::odd_values(policy.cedar.as_ref(), &policy.condition) {
                let message = format!(
                    "policy `{id}` compares context.{} with \"{}\", which it never is",
                    odd.attribute, odd.value
                );
                let place = match &odd.loc {
                    Some(loc) => source.at(Some(loc)),
                    None => source.place(policy.offset, policy.length),
                };
                self.said
                    .push(place.warning("policy::unknown-value", message, &odd.help));
                self.faulty.insert(id);
            }
        }
    }
}

/// Whether it says that no request can satisfy the policy.
fn is_impossible(warning: &ValidationWarning) -> bool {
    matches!(
        warning,
        ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_)
    )
}

/// Where a policy writes an entity; the whole policy if that is not found.
fn literal_place<'s>(source: &'s Source<'s>, policy: &LoadedPolicy, uid: &Uid) -> Location<'s> {
    let end = policy.offset + policy.length;
    let at = source.file.text.get(policy.offset..end);
    // With its type, lest an annotation with the same text is taken for it.
    let literal = format!("{}::\"{}\"", uid.kind.name(), uid.id);
    match at.and_then(|text| text.find(&literal)) {
        Some(found) => source.place(
            policy.offset + found + uid.kind.name().len() + 2,
            uid.id.len() + 2,
        ),
        None => source.place(policy.offset, policy.length),
    }
}

/// A better answer to an unknown name than Cedar's, which is any of the names that are equally near.
fn suggestion(message: &str, schema: &Schema) -> Option<Option<String>> {
    let known: Vec<String> = if message.starts_with("unrecognized action `") {
        schema.actions().map(ToString::to_string).collect()
    } else if message.starts_with("unrecognized entity type `") {
        schema.entity_types().map(ToString::to_string).collect()
    } else {
        return None;
    };
    let last = |name: &str| {
        name.rsplit("::")
            .next()
            .unwrap_or_default()
            .trim_matches('"')
            .to_owned()
    };
    let name = last(message.split('`').nth(1).unwrap_or_default());
    let ids: BTreeMap<String, &String> = known.iter().map(|known| (last(known), known)).collect();
    let near = nearest(&name, ids.keys().map(String::as_str)).and_then(|near| ids.get(near));
    Some(near.map(|near| format!("did you mean `{near}`?")))
}

fn syntax(source: &Source<'_>, errors: &cedar_policy::ParseErrors) -> Vec<Diagnostic> {
    errors
        .iter()
        .map(|error| {
            let diagnostic: &dyn miette::Diagnostic = error;
            let label = diagnostic.labels().and_then(|mut labels| labels.next());
            let (offset, length) = label.map_or((0, 1), |l| (l.offset(), l.len().max(1)));
            let help = diagnostic.help().map(|h| h.to_string());
            source.place(offset, length).diagnostic(
                Level::Error,
                "policy::syntax",
                error.to_string(),
                help,
            )
        })
        .collect()
}

/// Cedar numbers the policies of one text `policy0`, `policy1`, ..
fn source_order(id: &PolicyId) -> u64 {
    let id: &str = id.as_ref();
    id.trim_start_matches("policy").parse().unwrap_or(u64::MAX)
}
