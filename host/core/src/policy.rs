//! Policies as they are loaded: parsed, annotated, validated strictly, or refused with the place.
//!
//! A set that does not load changes nothing; there is no partial load and no permissive default.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use cedar_policy_core::ast;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    approval::{self, ApprovalUse},
    canonical::{self, Sha256Digest},
    decision::{Determining, PolicyRef, Severity},
    entity::{Kind, Uid},
    request::Action,
};

/// One file of policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFile {
    /// Path relative to the policy directory, with `/`.
    pub name: String,
    /// Cedar source.
    pub text: String,
}

/// Something to say about a policy file, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// An error keeps the whole set from loading.
    pub level: Level,
    /// Stable name, such as `policy::duplicate-id`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The file.
    pub file: String,
    /// Byte offset in the file.
    pub offset: usize,
    /// Bytes.
    pub length: usize,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// How bad a [`Diagnostic`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The set loads all the same.
    Warning,
    /// The set does not load.
    Error,
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.message
        )?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// Whether a policy is enforced or only watched (`@mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It takes part in decisions.
    Enforce,
    /// `@mode("shadow")`: what it would change is recorded; it changes nothing.
    Shadow,
}

/// One loaded policy with what its annotations say.
#[derive(Debug, Clone)]
pub struct LoadedPolicy {
    /// Id, contents' digest, owner and reason.
    pub determining: Determining,
    /// Enforced or shadow.
    pub mode: Mode,
    /// `@severity`.
    pub severity: Severity,
    /// JSON pointers of `@redact`.
    pub redact: BTreeSet<String>,
    /// How it reads `context.approval`.
    pub(crate) approval: ApprovalUse,
    /// Permit or forbid.
    pub(crate) effect: Effect,
    /// The file it stands in.
    pub file: String,
    /// From 1.
    pub line: usize,
    pub(crate) cedar: Policy,
    /// Scope and conditions as one expression.
    pub(crate) condition: ast::Expr,
}

/// A policy set that loaded.
#[derive(Debug)]
pub struct LoadedPolicies {
    /// By `@id`.
    pub policies: BTreeMap<String, Arc<LoadedPolicy>>,
    /// What deserves a look although it loads.
    pub warnings: Vec<Diagnostic>,
}

const ANNOTATIONS: &[&str] = &["id", "owner", "reason", "severity", "mode", "redact"];

/// Load policies against a schema. `known` says whether an entity that a policy names exists.
///
/// # Errors
/// Every diagnostic, errors first, if any of them is an error.
pub fn load(
    files: &[PolicyFile],
    schema: &Schema,
    known: &BTreeSet<Uid>,
) -> Result<LoadedPolicies, Vec<Diagnostic>> {
    let mut loader = Loader {
        diagnostics: Vec::new(),
        policies: BTreeMap::new(),
    };
    for file in files {
        loader.parse(file);
    }
    loader.validate(files, schema);
    loader.unknown_entities(files, known);
    let Loader {
        mut diagnostics,
        policies,
    } = loader;
    diagnostics.sort_by(|a, b| {
        (b.level, &a.file, a.offset, a.code, &a.message)
            .cmp(&(a.level, &b.file, b.offset, b.code, &b.message))
    });
    // A condition that is wrong for every tool is said once.
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

struct Loader {
    diagnostics: Vec<Diagnostic>,
    policies: BTreeMap<String, Arc<LoadedPolicy>>,
}

/// Where a policy stands in its file.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: &'a PolicyFile,
    offset: usize,
    length: usize,
}

impl Place<'_> {
    fn diagnostic(
        self,
        level: Level,
        code: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Diagnostic {
        let (line, column) = line_and_column(&self.file.text, self.offset);
        Diagnostic {
            level,
            code,
            message: message.into(),
            help,
            file: self.file.name.clone(),
            offset: self.offset,
            length: self.length,
            line,
            column,
        }
    }

    fn error(self, code: &'static str, message: impl Into<String>, help: &str) -> Diagnostic {
        self.diagnostic(Level::Error, code, message, Some(help.into()))
    }

    fn warning(self, code: &'static str, message: impl Into<String>, help: &str) -> Diagnostic {
        self.diagnostic(Level::Warning, code, message, Some(help.into()))
    }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

impl Loader {
    fn parse(&mut self, file: &PolicyFile) {
        let set: PolicySet = match file.text.parse() {
            Ok(set) => set,
            Err(errors) => {
                self.diagnostics.extend(syntax(file, &errors));
                return;
            }
        };
        if let Some(template) = set.templates().next() {
            let place = find(file, &template.to_string(), 0);
            self.diagnostics.push(place.error(
                "policy::template",
                "a policy template has nothing that links it here",
                "write the policy out with its principal and resource",
            ));
        }
        let mut policies: Vec<&Policy> = set.policies().collect();
        policies.sort_by_key(|p| source_order(p.id()));
        let mut from = 0;
        for policy in policies {
            let place = find(file, &policy.to_string(), from);
            from = place.offset + place.length;
            self.annotated(place, policy);
        }
    }

    fn annotated(&mut self, place: Place<'_>, policy: &Policy) {
        let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
            self.diagnostics.push(place.error(
                "policy::missing-id",
                "this policy has no `@id`",
                "add a line such as @id(\"refunds-need-finance\") above it",
            ));
            return;
        };
        if id.len() > 100
            || !id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
        {
            self.diagnostics.push(place.error(
                "policy::illegal-id",
                format!("`{}` is no policy id", id.escape_debug()),
                "use at most 100 ASCII letters, digits, `-`, `_`, `.` and `/`",
            ));
            return;
        }
        if let Some(other) = self.policies.get(id) {
            let message = format!(
                "the id `{id}` is taken by the policy at {}:{}",
                other.file, other.line
            );
            self.diagnostics.push(place.error(
                "policy::duplicate-id",
                message,
                "give one of them another id",
            ));
            return;
        }
        let before = self.diagnostics.len();
        let owner = policy.annotation("owner").unwrap_or("");
        if owner.is_empty() {
            self.diagnostics.push(place.error(
                "policy::missing-owner",
                format!("policy `{id}` has no `@owner`"),
                "say who answers for it, such as @owner(\"security\")",
            ));
        }
        let severity = self.severity(place, id, policy.annotation("severity"));
        let mode = match policy.annotation("mode") {
            None | Some("enforce") => Mode::Enforce,
            Some("shadow") => Mode::Shadow,
            Some(other) => {
                self.diagnostics.push(place.error(
                    "policy::mode",
                    format!(
                        "policy `{id}` has the unknown mode `{}`",
                        other.escape_debug()
                    ),
                    "use @mode(\"shadow\"), or leave it out to enforce the policy",
                ));
                Mode::Enforce
            }
        };
        let redact = self.redact(place, id, policy);
        for (name, _) in policy.annotations() {
            if !ANNOTATIONS.contains(&name) {
                self.diagnostics.push(
                    place.warning(
                        "policy::unknown-annotation",
                        format!(
                            "policy `{id}` has the annotation `@{name}`, which means nothing here"
                        ),
                        &nearest(name, ANNOTATIONS.iter().copied()).map_or_else(
                            || "remove it".into(),
                            |n| format!("did you mean `@{n}`?"),
                        ),
                    ),
                );
            }
        }
        let reason = policy.annotation("reason").unwrap_or("").to_owned();
        if reason.is_empty() && policy.effect() == Effect::Forbid {
            self.diagnostics.push(place.warning(
                "policy::missing-reason",
                format!("policy `{id}` forbids without an `@reason`"),
                "say why, for the agent and the approver who will read it",
            ));
        }
        let body = match policy.to_json() {
            Ok(json) => json,
            Err(e) => {
                self.diagnostics
                    .push(place.error("policy::form", e.to_string(), "rewrite it"));
                return;
            }
        };
        let approval = match approval::analyse(&body) {
            Ok(approval) => approval,
            Err(problem) => {
                self.diagnostics.push(place.error(
                    "policy::approval",
                    format!("policy `{id}` {problem}"),
                    "use context.approval.roles.contains(…), .containsAll([…]) or .containsAny([…]) with literal \
                     roles, or context.approval.count >= n: in `unless` of a forbid, or `when` of a permit",
                ));
                ApprovalUse::default()
            }
        };
        if approval.reads() && may_be_capability(policy) {
            self.diagnostics.push(place.warning(
                "policy::approval-in-mid-call",
                format!("policy `{id}` reads `context.approval` but applies to what a component asks for in mid-call: the call ends there as pending, with what it has done by then, and runs again from the beginning once that is approved"),
                "ask on the call itself where you can, before anything is done: action in Tollgate::Action::\"call\"",
            ));
        }
        if self
            .diagnostics
            .get(before..)
            .unwrap_or_default()
            .iter()
            .any(|d| d.level == Level::Error)
        {
            return;
        }
        let (line, _) = line_and_column(&place.file.text, place.offset);
        let digest = Sha256Digest::of(&canonical::to_canonical(&body).unwrap_or_default());
        let loaded = LoadedPolicy {
            determining: Determining {
                owner: owner.to_owned(),
                policy: PolicyRef {
                    digest,
                    id: id.to_owned(),
                },
                reason,
            },
            mode,
            severity,
            redact,
            approval,
            effect: policy.effect(),
            file: place.file.name.clone(),
            line,
            condition: AsRef::<ast::Policy>::as_ref(policy).condition(),
            cedar: policy.new_id(PolicyId::new(id)),
        };
        self.policies.insert(id.to_owned(), Arc::new(loaded));
    }

    fn severity(&mut self, place: Place<'_>, id: &str, text: Option<&str>) -> Severity {
        match text {
            None | Some("medium") => Severity::Medium,
            Some("low") => Severity::Low,
            Some("high") => Severity::High,
            Some("critical") => Severity::Critical,
            Some(other) => {
                self.diagnostics.push(place.error(
                    "policy::severity",
                    format!(
                        "policy `{id}` has the unknown severity `{}`",
                        other.escape_debug()
                    ),
                    "use low, medium, high or critical",
                ));
                Severity::Medium
            }
        }
    }

    fn redact(&mut self, place: Place<'_>, id: &str, policy: &Policy) -> BTreeSet<String> {
        let Some(text) = policy.annotation("redact") else {
            return BTreeSet::new();
        };
        let pointers: BTreeSet<String> = text.split_whitespace().map(str::to_owned).collect();
        let scope = policy.action_constraint();
        let results_only = matches!(
            &scope,
            cedar_policy::ActionConstraint::Eq(action) if action.id().unescaped() == "return_result"
        );
        let well_formed = !pointers.is_empty() && pointers.iter().all(|p| p.starts_with('/'));
        if policy.effect() == Effect::Permit || !results_only || !well_formed {
            self.diagnostics.push(place.error(
                "policy::redact",
                format!("policy `{id}` has an `@redact` that cannot work"),
                "put it on a forbid whose action is == Tollgate::Action::\"return_result\", with JSON pointers \
                 such as @redact(\"/customer/email /customer/iban\")",
            ));
        }
        pointers
    }

    fn validate(&mut self, files: &[PolicyFile], schema: &Schema) {
        let mut set = PolicySet::new();
        for policy in self.policies.values() {
            if let Err(e) = set.add(policy.cedar.clone()) {
                let place = place_of(files, policy);
                self.diagnostics.extend(
                    place.map(|p| p.error("policy::set", e.to_string(), "give it another id")),
                );
            }
        }
        let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
        for error in result.validation_errors() {
            self.report(
                files,
                schema,
                error.policy_id(),
                error,
                Level::Error,
                "policy::invalid",
            );
        }
        for warning in result.validation_warnings() {
            self.report(
                files,
                schema,
                warning.policy_id(),
                warning,
                Level::Warning,
                "policy::suspicious",
            );
        }
    }

    fn report(
        &mut self,
        files: &[PolicyFile],
        schema: &Schema,
        id: &PolicyId,
        error: &dyn miette::Diagnostic,
        level: Level,
        code: &'static str,
    ) {
        let id: &str = id.as_ref();
        let Some(place) = self.policies.get(id).and_then(|p| place_of(files, p)) else {
            return;
        };
        // Cedar's texts begin "for policy `id`, "; the place already says so.
        let prefix = format!("for policy `{id}`");
        let short = |text: String| match text.strip_prefix(&prefix) {
            Some(rest) => rest.trim_start_matches([',', ':', ' ']).to_owned(),
            None => text,
        };
        let message = short(error.to_string());
        let help = suggestion(&message, schema)
            .unwrap_or_else(|| error.help().map(|h| short(h.to_string())));
        let place = match error.labels().and_then(|mut l| l.next()) {
            Some(label) => Place {
                offset: label.offset(),
                length: label.len().max(1),
                ..place
            },
            None => place,
        };
        self.diagnostics
            .push(place.diagnostic(level, code, message, help));
    }

    /// A literal that names nothing known can never match: a misspelt role or label.
    fn unknown_entities(&mut self, files: &[PolicyFile], known: &BTreeSet<Uid>) {
        const NAMED: &[Kind] = &[
            Kind::Agent,
            Kind::User,
            Kind::Role,
            Kind::Tenant,
            Kind::Component,
            Kind::Tool,
            Kind::Label,
            Kind::Secret,
            Kind::Gate,
        ];
        let mut found = Vec::new();
        for policy in self.policies.values() {
            let Some(place) = place_of(files, policy) else {
                continue;
            };
            for literal in policy.cedar.entity_literals() {
                let Some(uid) = Uid::from_cedar(&literal) else {
                    continue;
                };
                if !NAMED.contains(&uid.kind) || known.contains(&uid) {
                    continue;
                }
                let same_kind = known
                    .iter()
                    .filter(|k| k.kind == uid.kind)
                    .map(|k| k.id.as_str());
                let help = match nearest(&uid.id, same_kind) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => "name it in tollgate.toml, or remove the policy".into(),
                };
                let at = place
                    .file
                    .text
                    .get(place.offset..place.offset + place.length);
                // With its type, lest an annotation with the same text is taken for it.
                let literal = format!("{}::\"{}\"", uid.kind.name(), uid.id);
                let place = match at.and_then(|text| text.find(&literal)) {
                    Some(found) => {
                        let (offset, length) = (uid.kind.name().len() + 2, uid.id.len() + 2);
                        Place {
                            offset: place.offset + found + offset,
                            length,
                            ..place
                        }
                    }
                    None => place,
                };
                let id = &policy.determining.policy.id;
                let message = format!(
                    "policy `{id}` names {uid}, which does not exist, so it can never match it"
                );
                found.push(place.warning("policy::unknown-entity", message, &help));
            }
        }
        self.diagnostics.extend(found);
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

/// Whether a policy names an action that a component asks of its host. One that names no action at all
/// is meant for calls.
fn may_be_capability(policy: &Policy) -> bool {
    let capability = |uid: &cedar_policy::EntityUid| {
        let id = uid.id();
        let mut fixed = Action::FIXED.iter().filter(|action| action.is_capability());
        fixed.any(|action| action.id() == id.unescaped())
    };
    match policy.action_constraint() {
        cedar_policy::ActionConstraint::Any => false,
        cedar_policy::ActionConstraint::Eq(uid) => capability(&uid),
        cedar_policy::ActionConstraint::In(uids) => uids.iter().any(capability),
    }
}

fn syntax(file: &PolicyFile, errors: &cedar_policy::ParseErrors) -> Vec<Diagnostic> {
    errors
        .iter()
        .map(|error| {
            let diagnostic: &dyn miette::Diagnostic = error;
            let label = diagnostic.labels().and_then(|mut labels| labels.next());
            let (offset, length) = label.map_or((0, 1), |l| (l.offset(), l.len().max(1)));
            let help = diagnostic.help().map(|h| h.to_string());
            Place {
                file,
                offset,
                length,
            }
            .diagnostic(Level::Error, "policy::syntax", error.to_string(), help)
        })
        .collect()
}

/// Cedar numbers the policies of one text `policy0`, `policy1`, ..
fn source_order(id: &PolicyId) -> u64 {
    let id: &str = id.as_ref();
    id.trim_start_matches("policy").parse().unwrap_or(u64::MAX)
}

/// A parsed policy prints as it was written, so its text is its place.
fn find<'a>(file: &'a PolicyFile, source: &str, from: usize) -> Place<'a> {
    let source = source.trim();
    match file.text.get(from..).and_then(|rest| rest.find(source)) {
        Some(found) => Place {
            file,
            offset: from + found,
            length: source.len(),
        },
        None => Place {
            file,
            offset: from.min(file.text.len()),
            length: 1,
        },
    }
}

fn place_of<'a>(files: &'a [PolicyFile], policy: &LoadedPolicy) -> Option<Place<'a>> {
    let file = files.iter().find(|f| f.name == policy.file)?;
    let before: usize = file
        .text
        .split_inclusive('\n')
        .take(policy.line - 1)
        .map(str::len)
        .sum();
    Some(find(file, &policy.cedar.to_string(), before))
}

/// The candidate most like `name`, if any is alike enough to suggest.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|c| (strsim::damerau_levenshtein(name, c), c))
        .filter(|(distance, c)| *distance <= 1 + c.chars().count() / 4)
        .min()
        .map(|(_, c)| c)
}

/// What `policy` looks like in Cedar's JSON form.
pub(crate) type PolicyJson = Value;
