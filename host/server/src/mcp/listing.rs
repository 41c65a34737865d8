//! Tools, prompts and resources as MCP lists them: in one order, made once for each ruleset and principal.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rmcp::model::{Prompt, PromptArgument, Resource, ResourceTemplate, Tool, ToolAnnotations};
use serde_json::Value;
use tollgate::{
    enforce::Ruleset, executors::Snapshot, gate::Gate, tool::SourceKind, upstream::LoadedUpstream,
};
use tollgate_model::{entity::Uid, request::prompt_call};

use super::{handler::resume_tool, output};

/// The lists of the latest ruleset.
#[derive(Debug, Default)]
pub(super) struct Listing(Mutex<Option<RulesetLists>>);

/// The lists of one ruleset.
#[derive(Debug)]
struct RulesetLists {
    ruleset: Arc<Ruleset>,
    all: Lists,
    /// Without what a principal could never call.
    by_principal: HashMap<Uid, Lists>,
}

/// What the gate lists.
#[derive(Debug, Clone)]
pub(super) struct Lists {
    pub(super) tools: Arc<[Tool]>,
    pub(super) prompts: Arc<[Prompt]>,
    pub(super) resources: Arc<[Resource]>,
    pub(super) templates: Arc<[ResourceTemplate]>,
    pub(super) left_out: LeftOut,
}

/// How much is not listed to a principal, because it could never call it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) tools: usize,
    pub(super) prompts: usize,
}

/// Which lists differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListChanges {
    pub(super) tools: bool,
    pub(super) prompts: bool,
    pub(super) resources: bool,
}

impl Lists {
    /// Everything.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let upstreams = || snapshot.executors.upstreams.values();
        Self {
            tools: list(&snapshot.ruleset),
            prompts: upstreams().flat_map(|upstream| prompts(upstream)).collect(),
            resources: upstreams()
                .flat_map(|upstream| resources(upstream))
                .collect(),
            templates: upstreams()
                .flat_map(|upstream| templates(upstream))
                .collect(),
            left_out: LeftOut::default(),
        }
    }

    /// Of everything, what the principal could ever call.
    pub(super) fn within(&self, ruleset: &Ruleset, principal: Option<&Uid>) -> Self {
        let Some(principal) = principal else {
            return self.clone();
        };
        let reach = ruleset.reach(principal);
        let tools = self.tools.iter().filter(|tool| reach.includes(&tool.name));
        let tools: Arc<[Tool]> = tools.cloned().collect();
        let is_within = |prompt: &&Prompt| reach.includes(&prompt_call(&prompt.name));
        let prompts: Arc<[Prompt]> = self.prompts.iter().filter(is_within).cloned().collect();
        Self {
            left_out: LeftOut {
                tools: self.tools.len() - tools.len(),
                prompts: self.prompts.len() - prompts.len(),
            },
            tools,
            prompts,
            resources: Arc::clone(&self.resources),
            templates: Arc::clone(&self.templates),
        }
    }

    /// Which lists differ from these `now`.
    pub(super) fn changes(&self, now: &Self) -> ListChanges {
        ListChanges {
            tools: self.tools != now.tools,
            prompts: self.prompts != now.prompts,
            resources: (&self.resources, &self.templates) != (&now.resources, &now.templates),
        }
    }
}

impl Listing {
    /// The lists in force for a principal; without one, everything.
    pub(super) fn lists(&self, gate: &Gate, principal: Option<&Uid>) -> Lists {
        let snapshot = gate.snapshot();
        let ruleset = &snapshot.ruleset;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(&*held, Some(of) if Arc::ptr_eq(&of.ruleset, ruleset)) {
            *held = None;
        }
        let of = held.get_or_insert_with(|| RulesetLists {
            ruleset: Arc::clone(ruleset),
            all: Lists::of(&snapshot),
            by_principal: HashMap::new(),
        });
        // Only configured principals are kept, so that there is an end of them.
        match principal.filter(|principal| ruleset.pdp.knows(principal)) {
            None => of.all.clone(),
            Some(principal) => {
                if let Some(known) = of.by_principal.get(principal) {
                    return known.clone();
                }
                let lists = of.all.within(ruleset, Some(principal));
                of.by_principal.insert(principal.clone(), lists.clone());
                lists
            }
        }
    }
}

fn prompts(upstream: &LoadedUpstream) -> impl Iterator<Item = Prompt> {
    upstream.prompts().map(|definition| {
        let arguments = definition.arguments.iter().map(|argument| {
            let mut listed = PromptArgument::new(&argument.name).with_required(argument.required);
            listed.title.clone_from(&argument.title);
            listed.description = text(&argument.description);
            listed
        });
        let name = format!("{}__{}", upstream.name(), definition.name);
        let description = text(&definition.description);
        let mut listed = Prompt::new(name, description, Some(arguments.collect()));
        listed.title.clone_from(&definition.title);
        listed
    })
}

fn resources(upstream: &LoadedUpstream) -> impl Iterator<Item = Resource> {
    upstream.resources().map(|definition| {
        let name = format!("{}__{}", upstream.name(), definition.name);
        let mut listed = Resource::new(&definition.uri, name);
        listed.title.clone_from(&definition.title);
        listed.description = text(&definition.description);
        listed.mime_type.clone_from(&definition.media_type);
        listed
    })
}

fn templates(upstream: &LoadedUpstream) -> impl Iterator<Item = ResourceTemplate> {
    upstream.templates().map(|definition| {
        let name = format!("{}__{}", upstream.name(), definition.name);
        let mut listed = ResourceTemplate::new(&definition.uri_template, name);
        listed.title.clone_from(&definition.title);
        listed.description = text(&definition.description);
        listed.mime_type.clone_from(&definition.media_type);
        listed
    })
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn list(ruleset: &Ruleset) -> Arc<[Tool]> {
    // External tools are executed by their caller, so they cannot be called here.
    let called = ruleset.tools.values();
    let called = called.filter(|tool| !matches!(tool.source.kind, SourceKind::External));
    let tools = called.map(|tool| {
        let input = object(&tool.input_schema);
        let description = Some(tool.description.clone()).filter(|text| !text.is_empty());
        let mut listed = Tool::new_with_raw(
            tool.name.clone(),
            description.map(Into::into),
            Arc::new(input),
        );
        listed.title.clone_from(&tool.title);
        let output = tool.output_schema.as_ref().and_then(output::listed);
        listed.output_schema = output.map(Arc::new);
        let hints = tool.annotations;
        listed.annotations = Some(
            ToolAnnotations::new()
                .read_only(hints.read_only)
                .destructive(hints.destructive)
                .idempotent(hints.idempotent)
                .open_world(hints.open_world),
        );
        listed
    });
    // What the gate itself offers stands last.
    let own = serde_json::from_value::<Tool>(resume_tool()).ok();
    tools.chain(own).collect()
}

fn object(schema: &Value) -> rmcp::model::JsonObject {
    schema.as_object().cloned().unwrap_or_default()
}
