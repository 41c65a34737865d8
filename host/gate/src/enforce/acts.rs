//! The kinds of action, each an [`Act`].

use std::{collections::BTreeSet, path::Path, sync::Arc};

use serde_json::{Value, json};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::{Entity, Kind, Uid},
    ids::RunId,
    record::KeyedDigest,
    request::{Action, ActionContext, GuestCaller, Request},
};

use super::{Act, CallContext, Capability, midcall::shown};
use crate::tool::Tool;

/// A tool call whose arguments match the tool's schema.
#[derive(Debug)]
pub struct ToolCall {
    tool: Arc<Tool>,
    arguments: Value,
    canonical: String,
    digest: KeyedDigest,
}

impl ToolCall {
    /// Only the line makes these, from arguments that were validated and canonicalised.
    pub(crate) fn new(
        tool: Arc<Tool>,
        arguments: Value,
        canonical: String,
        digest: KeyedDigest,
    ) -> Self {
        Self {
            tool,
            arguments,
            canonical,
            digest,
        }
    }

    /// The tool.
    #[must_use]
    pub fn tool(&self) -> &Arc<Tool> {
        &self.tool
    }

    /// The arguments.
    #[must_use]
    pub fn arguments(&self) -> &Value {
        &self.arguments
    }

    /// The RFC 8785 canonical form of the arguments: what was decided is what the guest receives.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Keyed digest of tool and arguments.
    #[must_use]
    pub fn digest(&self) -> &KeyedDigest {
        &self.digest
    }
}

impl Act for ToolCall {
    fn request(&self, cx: &CallContext) -> Request {
        Request {
            principal: cx.principal.clone(),
            action: Action::Call(self.tool.name.clone()),
            resource: Uid::new(Kind::Tool, &self.tool.name),
            context: ActionContext::Call {
                on_behalf_of: cx.on_behalf_of.clone(),
                input: self.arguments.clone(),
                via: cx.via().into_iter().collect(),
            },
        }
    }
}

/// A component's request for a file or directory within one of its grants.
#[derive(Debug, Clone)]
pub struct FileAct {
    action: Action,
    tool: String,
    component: String,
    grant: String,
    path: String,
    size: u64,
    /// What exactly is done, and with what content.
    content: Option<(String, Arc<Vec<u8>>)>,
    labels: BTreeSet<String>,
    /// By what it is known wherever it is granted.
    place: Option<String>,
    /// Labels that the file has taken on from what was written to it.
    marks: BTreeSet<String>,
}

impl FileAct {
    /// `action` on `path` (segments separated by `/`, empty for the grant's directory) within `grant`
    /// of the component of `tool`. `size` is bytes to be written. `labels` are those that the operator
    /// gave the grant.
    #[must_use]
    pub fn new(
        action: Action,
        tool: &Tool,
        grant: &str,
        path: &str,
        size: u64,
        labels: &BTreeSet<String>,
    ) -> Self {
        Self {
            action,
            tool: tool.name.clone(),
            component: tool.source.name.clone(),
            grant: grant.into(),
            path: path.into(),
            size,
            content: None,
            labels: labels.clone(),
            place: None,
            marks: BTreeSet::new(),
        }
    }

    /// In a grant of this directory, as its own path without links: other grants may reach it, too.
    #[must_use]
    pub fn within(mut self, directory: &Path) -> Self {
        let path = directory.join(&self.path);
        let digest = Sha256Digest::of(path.as_os_str().as_encoded_bytes()).to_string();
        self.place = Some(format!("file {digest}"));
        self
    }

    /// With what is to be written, and how (`write`, `create`, `append`).
    #[must_use]
    pub fn with_content(mut self, how: &str, content: Arc<Vec<u8>>) -> Self {
        self.content = Some((how.to_owned(), content));
        self
    }

    /// The id of the file or directory: `<component>/<grant>:/<path>`.
    #[must_use]
    pub fn id(&self) -> String {
        self.id_of(&self.path)
    }

    fn id_of(&self, path: &str) -> String {
        format!("{}/{}:/{path}", self.component, self.grant)
    }

    fn kind(&self) -> Kind {
        match self.action {
            Action::ListDirectory | Action::DeleteDirectory => Kind::Directory,
            _ => Kind::File,
        }
    }
}

impl Act for FileAct {
    fn request(&self, cx: &CallContext) -> Request {
        Request {
            principal: Uid::new(Kind::Component, &self.component),
            action: self.action.clone(),
            resource: Uid::new(self.kind(), self.id()),
            context: ActionContext::Capability {
                guest: GuestCaller {
                    agent: cx.agent.clone(),
                    on_behalf_of: cx.on_behalf_of.clone(),
                    tool: Uid::new(Kind::Tool, &self.tool),
                },
                size: self.size,
            },
        }
    }

    fn entities(&self) -> Vec<Entity> {
        let labels = |labels: &BTreeSet<String>| -> Vec<Uid> {
            labels.iter().map(|l| Uid::new(Kind::Label, l)).collect()
        };
        let mut entities = Vec::new();
        let mut above: Option<Uid> = None;
        let mut directory = |id: String, extra: &[Uid]| {
            let uid = Uid::new(Kind::Directory, id);
            let parents = above.clone().into_iter().chain(extra.iter().cloned());
            entities.push(Entity::new(uid.clone(), parents));
            above = Some(uid);
        };
        directory(self.id_of(""), &labels(&self.labels));
        let segments: Vec<&str> = self.path.split('/').filter(|s| !s.is_empty()).collect();
        let directories = match self.kind() {
            Kind::Directory => segments.len(),
            _ => segments.len().saturating_sub(1),
        };
        for depth in 1..=directories {
            let path = segments.get(..depth).unwrap_or_default().join("/");
            directory(self.id_of(&path), &[]);
        }
        if self.kind() == Kind::File {
            let parents = above.into_iter().chain(labels(&self.marks));
            entities.push(Entity::new(Uid::new(Kind::File, self.id()), parents));
        } else if let Some(last) = entities.last_mut() {
            last.parents.extend(labels(&self.marks));
        }
        entities
    }

    fn changes_the_world(&self) -> bool {
        matches!(
            self.action,
            Action::WriteFile | Action::DeleteFile | Action::DeleteDirectory
        )
    }
}

impl Capability for FileAct {
    /// The path with its grant.
    fn target(&self) -> String {
        format!("{}:/{}", self.grant, self.path)
    }

    fn detail(&self) -> Value {
        match &self.content {
            Some((how, content)) => json!({ "operation": how, "content": shown(content) }),
            None => Value::Null,
        }
    }

    /// The grant's, and those that the file has taken on; nothing comes back from what changes it.
    fn labels(&self) -> BTreeSet<String> {
        if self.changes_the_world() {
            return BTreeSet::new();
        }
        self.labels.union(&self.marks).cloned().collect()
    }

    fn keeper(&self) -> Option<String> {
        Some(self.id())
    }

    fn place(&self) -> Option<String> {
        self.place.clone()
    }

    fn kept(&mut self, labels: BTreeSet<String>) {
        self.marks = labels;
    }

    fn knows(&self, labels: &BTreeSet<String>) -> bool {
        labels.is_subset(&self.marks)
    }

    fn writes(&self) -> bool {
        matches!(self.action, Action::WriteFile)
    }
}

/// An operator's act on the gate.
#[derive(Debug, Clone)]
pub struct OperatorAct {
    action: Action,
    user: Uid,
}

impl OperatorAct {
    /// `user` wants to do `action` (halt, cancel a run, activate policies, administer).
    #[must_use]
    pub fn new(action: Action, user: &Uid) -> Self {
        Self {
            action,
            user: user.clone(),
        }
    }

    pub(crate) fn parts(&self) -> (Request, Vec<Entity>) {
        let request = Request {
            principal: self.user.clone(),
            action: self.action.clone(),
            resource: Uid::new(Kind::Gate, "gate"),
            context: ActionContext::Operator,
        };
        (request, Vec::new())
    }
}

/// A person reads a run.
#[derive(Debug, Clone)]
pub struct RunAct {
    action: Action,
    user: Uid,
    run: RunId,
    tenant: String,
}

impl RunAct {
    /// `user` wants to do `action` (view the run, view its payloads) with a run of `tenant`.
    #[must_use]
    pub fn new(action: Action, user: &Uid, run: RunId, tenant: &str) -> Self {
        Self {
            action,
            user: user.clone(),
            run,
            tenant: tenant.into(),
        }
    }

    pub(crate) fn parts(&self) -> (Request, Vec<Entity>) {
        let resource = Uid::new(Kind::Run, self.run.to_string());
        let request = Request {
            principal: self.user.clone(),
            action: self.action.clone(),
            resource: resource.clone(),
            context: ActionContext::Operator,
        };
        (
            request,
            vec![Entity::new(
                resource,
                [Uid::new(Kind::Tenant, &self.tenant)],
            )],
        )
    }
}
