//! `tollgate policy explain`: the reasons of a decision, and what would have changed it.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use tollgate::{
    config::{CLI_AGENT, Config},
    gate::FactsView,
    load,
};
use tollgate_model::{
    ids::DecisionId,
    provenance::ProvenanceFacts,
    record::Event,
    request::{Facts, Request},
};
use tollgate_policy::{
    case::{Answer, Case, Defaults},
    pdp::{Bundle, Explanation, Pdp, PolicyTrace, Verdict},
    policy::{Mode, nearest},
};

use crate::{
    client::ApiRequest,
    component::compiler,
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::decision,
    style::{Tone, line, paint, wrap},
};

pub(super) const HELP: &str = "\
Examples:
  $ tollgate policy explain dec-37
  $ tollgate policy explain --principal Agent::support --action payments__refund --args '{\"amount\":6000}'
  $ tollgate policy explain --principal User::ada --action notes__write --run '{\"labels\":[\"private\"]}'
  $ tollgate policy explain --principal Component::web --action http_request --resource Host::example.com \\
      --fact tool=web__fetch --fact method=POST

A recorded decision is explained with the policies that made it, or with the present ones (--now). The
explanation shows arguments, so it needs the permission `view_payload` and is recorded. A hypothetical
call is decided by the present policies; nothing runs and nothing is recorded. --fact sets a member of a case
of `tollgate policy test`, such as tool, method or on_behalf_of. --case takes all of them, as JSON.

With --json: {answer, policies [{id, file, line, permits, mode, determined, verdict, ..}],
changes [[FACT]], provenance {known, asked, values {POINTER: {origin, role, sources}}, ..}}.";

/// The decision or request to explain.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A decision, such as dec-37.
    #[arg(required_unless_present_any = ["action", "case"], conflicts_with_all = ["action", "case"])]
    decision: Option<DecisionId>,
    /// Explain it with the present policies.
    #[arg(long, requires = "decision")]
    now: bool,
    /// The principal of a hypothetical request, such as Agent::support.
    #[arg(long, value_name = "ENTITY", requires = "action")]
    principal: Option<String>,
    /// The tool to call, or another action.
    #[arg(long, value_name = "NAME", requires = "principal")]
    action: Option<String>,
    /// The call's arguments, as JSON.
    #[arg(long, value_name = "JSON", requires = "action")]
    args: Option<String>,
    /// The facts of the run, as JSON.
    #[arg(long, value_name = "JSON", requires = "action")]
    run: Option<String>,
    /// The resource, unless it is the called tool.
    #[arg(long, value_name = "ENTITY", requires = "action")]
    resource: Option<String>,
    /// Another member of the case; a value that is not JSON is a text.
    #[arg(long = "fact", value_name = "NAME=VALUE")]
    facts: Vec<String>,
    /// A whole case as JSON, or its file (@FILE).
    #[arg(long, value_name = "JSON", conflicts_with = "action")]
    case: Option<String>,
}

#[derive(Serialize)]
struct ExplanationView {
    answer: Answer,
    policies: Vec<PolicyTrace>,
    changes: Vec<Vec<String>>,
    /// Where the values of a call come from.
    provenance: ProvenanceFacts,
}

/// Run `tollgate policy explain`.
pub(super) async fn run(args: &Explain, cx: &Context<'_>) -> Result<Exit, Failure> {
    let (pdp, request, facts) = subject(args, cx).await?;
    let explanation = pdp.explain(&request, &facts);
    let explained = ExplanationView {
        answer: Answer::of(&explanation.decision),
        policies: explanation.policies.clone(),
        changes: explanation.changes.clone(),
        provenance: facts.provenance.clone(),
    };
    cx.out.show(&explained, || {
        let width = cx.out.width();
        let values = match facts.provenance == ProvenanceFacts::default() {
            true => String::new(),
            false => decision::values(&facts.provenance.sentences(), width),
        };
        format!("{}{values}", render(&request, &explanation, width))
    })?;
    Ok(Exit::Ok)
}

/// The request that the options name, with the policies that decide it.
pub(super) async fn subject(
    args: &Explain,
    cx: &Context<'_>,
) -> Result<(Pdp, Request, Facts), Failure> {
    let config = cx.config()?;
    match args.decision {
        Some(_) if !args.facts.is_empty() => Err(Failure::usage(
            "--fact is for a hypothetical request: a decision has its own facts",
        )),
        Some(decision) => recorded(decision, args.now, &config, cx).await,
        None => hypothetical(args, &config).await,
    }
}

/// A recorded decision with the policies that made it or, `now`, with the present ones.
pub(super) async fn recorded(
    id: DecisionId,
    now: bool,
    config: &Config,
    cx: &Context<'_>,
) -> Result<(Pdp, Request, Facts), Failure> {
    let nothing = || {
        Failure::plain(format!("there is no decision `{id}`"))
            .help("list them with `tollgate decisions list`")
    };
    let reader = cx.reader(config)?;
    let record = reader.record(id.0)?.ok_or_else(nothing)?;
    let Event::Decision(decision) = &record.event else {
        return Err(nothing());
    };
    let request = ApiRequest::get(format!("/v1/decisions/{id}/facts"));
    let view: FactsView = cx.execute(request).await?;
    let of_another = |e: serde_json::Error| {
        Failure::plain(format!("the facts of {id} are of another version: {e}"))
    };
    let request: Request = serde_json::from_value(view.request).map_err(of_another)?;
    let facts: Facts = serde_json::from_value(view.facts).map_err(of_another)?;
    let bytes = reader.bundle(decision.bundle)?;
    let bytes = bytes.ok_or_else(|| Failure::plain(format!("the policies of {id} are gone")))?;
    let mut bundle: Bundle = serde_json::from_slice(&bytes)
        .map_err(|e| Failure::plain(format!("the policies of {id} are of another version: {e}")))?;
    if now {
        bundle.policies = config.policy_files()?;
        bundle.policies.extend(config.budgets.policies());
        bundle.candidate = config.candidate_files()?.map(|mut files| {
            files.extend(config.budgets.policies());
            files
        });
    }
    let pdp = match now {
        true => Pdp::load_with_policies(&bundle),
        false => Pdp::load(&bundle),
    };
    let pdp = pdp.map_err(load::LoadError::Policies)?;
    Ok((pdp, request, facts))
}

/// The case that the arguments describe; a missing member has its default.
fn case(args: &Explain) -> Result<Case, Failure> {
    let json = |text: &Option<String>, what: &str| match text {
        None => Ok(Value::Null),
        Some(text) => serde_json::from_str::<Value>(text)
            .map_err(|e| Failure::usage(format!("{what} is not JSON: {e}"))),
    };
    let case = match &args.case {
        Some(text) => {
            let text = match text.strip_prefix('@').map(PathBuf::from) {
                Some(file) => std::fs::read_to_string(&file)
                    .map_err(|e| Failure::plain(format!("{}: {e}", file.display())))?,
                None => text.clone(),
            };
            json(&Some(text), "--case")?
        }
        None => serde_json::json!({
            "principal": args.principal,
            "action": args.action,
            "input": json(&args.args, "--args")?,
            "run": json(&args.run, "--run")?,
            "resource": args.resource,
        }),
    };
    let mut case = case;
    for fact in &args.facts {
        let Some((name, value)) = fact.split_once('=') else {
            return Err(
                Failure::usage(format!("`{}` is not a fact", line(fact, 80)))
                    .help("write it as in --fact method=POST"),
            );
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        if let Some(members) = case.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    }
    if let Some(members) = case.as_object_mut() {
        // The expected answer is not used here.
        members
            .entry("name")
            .or_insert_with(|| "hypothetical".into());
        members.entry("expect").or_insert_with(|| "allow".into());
    }
    serde_json::from_value(case).map_err(|e| Failure::usage(format!("this is not a case: {e}")))
}

async fn hypothetical(args: &Explain, config: &Config) -> Result<(Pdp, Request, Facts), Failure> {
    let case = case(args)?;
    known_principal(&case.principal, config)?;
    let bundle = load::bundle_without_validation(config, Some(compiler())).await?;
    let pdp = Pdp::load(&bundle).map_err(load::LoadError::Policies)?;
    let operator = |agent: &String| config.agents.get(agent).map(|a| a.operator.clone());
    let agent = case
        .agent
        .clone()
        .or_else(|| case.principal.strip_prefix("Agent::").map(str::to_owned))
        .or_else(|| config.agents.keys().next().cloned());
    let operator = agent.as_ref().and_then(operator);
    let defaults = Defaults {
        agent,
        on_behalf_of: operator.clone(),
        operator,
        tool: None,
    };
    let case = Case {
        environment: Some(config.gate.environment.clone()),
        ..case
    };
    let (_, request, facts) = case.decide(&pdp, &defaults).map_err(|problem| {
        let missing = problem.strip_prefix("the case does not say `");
        let missing = missing
            .and_then(|rest| rest.strip_suffix('`'))
            .map(str::to_owned);
        let failure = Failure::new(Exit::Invalid, problem);
        match missing {
            Some(name) if name == "resource" => failure.help("say it with --resource ENTITY"),
            Some(name) => failure.help(format!("say it with --fact {name}=VALUE")),
            None => failure,
        }
    })?;
    Ok((pdp, request, facts))
}

/// Requires that an agent or a user is configured.
fn known_principal(principal: &str, config: &Config) -> Result<(), Failure> {
    let (kind, name, near) = match principal.split_once("::") {
        Some(("Agent", name)) if name != CLI_AGENT && !config.agents.contains_key(name) => (
            "agent",
            name,
            nearest(name, config.agents.keys().map(String::as_str)),
        ),
        Some(("User", name)) if !config.users.contains_key(name) => (
            "user",
            name,
            nearest(name, config.users.keys().map(String::as_str)),
        ),
        _ => return Ok(()),
    };
    let name = line(name, 64);
    let failure = Failure::new(Exit::Invalid, format!("there is no {kind} `{name}`"));
    Err(match near {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => failure.help(format!("add a table [{kind}s.{name}]")),
    })
}

fn render(request: &Request, explanation: &Explanation, width: usize) -> String {
    let answer = Answer::of(&explanation.decision);
    let tone = match answer.outcome.as_str() {
        "allow" => Tone::Good,
        "escalate" => Tone::Wait,
        _ => Tone::Bad,
    };
    let entity =
        |uid: &tollgate_model::entity::Uid| format!("{} {}", uid.kind.name(), line(&uid.id, 120));
    let mut text = format!(
        "{}  {} · {} · {}\n",
        paint(answer.outcome.as_str(), tone),
        entity(&request.principal),
        line(request.action.id(), 120),
        entity(&request.resource),
    );
    for reason in wrap(
        &explanation.decision.basis().reason(),
        width.saturating_sub(4),
    ) {
        text.push_str(&format!("  {reason}\n"));
    }
    for need in &answer.needs {
        text.push_str(&format!("  needs an approval by {need}\n"));
    }
    if !answer.redact.is_empty() {
        let pointers = line(&answer.redact.join(", "), 400);
        text.push_str(&format!("  redacted: {pointers}\n"));
    }
    for error in &answer.errors {
        text.push_str(&format!("  {}\n", paint(&line(error, 500), Tone::Bad)));
    }
    text.push('\n');
    let (applied, rest): (Vec<&PolicyTrace>, Vec<&PolicyTrace>) = explanation
        .policies
        .iter()
        .partition(|p| !matches!(p.verdict, Verdict::Fails(_)));
    for policy in applied.into_iter().chain(rest) {
        text.push_str(&traced(policy, width));
    }
    let permits = |policy: &PolicyTrace| {
        policy.permits && policy.mode == Mode::Enforce && matches!(policy.verdict, Verdict::Applies)
    };
    if explanation.policies.is_empty() {
        text.push_str("  no policy is about this action\n");
    } else if !explanation.policies.iter().any(permits) {
        text.push_str("  no policy permits it, so no approval would help\n");
    }
    if explanation.changes.is_empty() {
        text.push_str("\nNo other value of one fact or two would turn it.\n");
    } else {
        text.push_str(&format!(
            "\n{}\n",
            paint("It would be otherwise", Tone::Strong)
        ));
        for change in &explanation.changes {
            let change: Vec<String> = change.iter().map(|fact| line(fact, 300)).collect();
            text.push_str(&format!("  {}\n", change.join(", and ")));
        }
    }
    text
}

fn traced(policy: &PolicyTrace, width: usize) -> String {
    let effect = if policy.permits { "permits" } else { "forbids" };
    let shadow = match policy.mode {
        Mode::Shadow => " (shadow)",
        Mode::Enforce => "",
    };
    let place = paint(&format!("{}:{}", policy.file, policy.line), Tone::Weak);
    let id = paint(&policy.id, Tone::Strong);
    match &policy.verdict {
        Verdict::Applies => {
            let symbol = match (policy.determined, policy.permits) {
                (false, _) => paint("·", Tone::Weak),
                (true, true) => paint("✓", Tone::Good),
                (true, false) => paint("✗", Tone::Bad),
            };
            format!("  {symbol} {id} {effect}{shadow}  {place}\n")
        }
        Verdict::Redacted => {
            let symbol = paint("○", Tone::Weak);
            format!(
                "  {symbol} {id} does not apply{shadow}: the arguments are redacted as it asks  {place}\n"
            )
        }
        Verdict::Errs { error } => {
            let symbol = paint("!", Tone::Bad);
            format!("  {symbol} {id} could not be evaluated: {error}  {place}\n")
        }
        Verdict::Fails(failed) => {
            let mut text = format!(
                "  {} {id} does not apply{shadow}: its {} is not met  {place}\n",
                paint("○", Tone::Weak),
                failed.part
            );
            for piece in wrap(&line(&failed.expression, 2000), width.saturating_sub(8)) {
                text.push_str(&format!("      {piece}\n"));
            }
            for seen in &failed.values {
                let value = line(&seen.value, 300);
                let seen = format!("{} is {value}", line(&seen.name, 200));
                text.push_str(&format!("      {}\n", paint(&seen, Tone::Weak)));
            }
            text
        }
    }
}
