//! Files and directories, as resources of policies.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::{Entity, Kind, Uid},
    request::{Action, ActionContext, Request},
};
use tollgate_sandbox::capability::files::FileAct;

use super::{EffectAction, EffectCaller, LabelHolder, approver_view};

/// The id of a file or directory: `<component>/<grant>:/<path>`.
fn id(act: &FileAct, caller: &EffectCaller, path: &str) -> String {
    format!("{}/{}:/{path}", caller.component, act.grant)
}

fn kind(act: &FileAct) -> Kind {
    match act.action {
        Action::ListDirectory | Action::DeleteDirectory => Kind::Directory,
        _ => Kind::File,
    }
}

fn label_uids(labels: &BTreeSet<String>) -> impl Iterator<Item = Uid> {
    labels.iter().map(|label| Uid::new(Kind::Label, label))
}

impl EffectAction for FileAct {
    fn request(&self, caller: &EffectCaller) -> Request {
        Request {
            principal: Uid::new(Kind::Component, &caller.component),
            action: self.action.clone(),
            resource: Uid::new(kind(self), id(self, caller, &self.path)),
            context: ActionContext::Capability {
                guest: caller.guest(),
                size: self.size,
            },
        }
    }

    /// The file with its directories, up to the grant's, which has the grant's labels.
    fn entities(&self, caller: &EffectCaller) -> Vec<Entity> {
        let mut entities = Vec::new();
        let mut above: Option<Uid> = None;
        let mut add_directory = |path: &str, labels: &mut dyn Iterator<Item = Uid>| {
            let uid = Uid::new(Kind::Directory, id(self, caller, path));
            entities.push(Entity::new(
                uid.clone(),
                above.clone().into_iter().chain(labels),
            ));
            above = Some(uid);
        };
        add_directory("", &mut label_uids(&self.grant_labels));
        let segments: Vec<&str> = self.path.split('/').filter(|s| !s.is_empty()).collect();
        let directories = match kind(self) {
            Kind::Directory => segments.len(),
            _ => segments.len().saturating_sub(1),
        };
        for depth in 1..=directories {
            let path = segments.get(..depth).unwrap_or_default().join("/");
            add_directory(&path, &mut std::iter::empty());
        }
        if kind(self) == Kind::File {
            let parents = above.into_iter().chain(label_uids(&self.file_labels));
            let uid = Uid::new(Kind::File, id(self, caller, &self.path));
            entities.push(Entity::new(uid, parents));
        } else if let Some(last) = entities.last_mut() {
            last.parents.extend(label_uids(&self.file_labels));
        }
        entities
    }

    fn changes_the_world(&self) -> bool {
        matches!(
            self.action,
            Action::WriteFile | Action::DeleteFile | Action::DeleteDirectory
        )
    }

    /// The path with its grant.
    fn target(&self) -> String {
        format!("{}:/{}", self.grant, self.path)
    }

    fn approval_detail(&self) -> Value {
        match &self.content {
            Some(content) => json!({
                "operation": content.operation,
                "content": approver_view(&content.bytes),
            }),
            None => Value::Null,
        }
    }

    /// The grant's labels, and those that the file has taken on. An act that only changes the file returns
    /// no content.
    fn result_labels(&self) -> BTreeSet<String> {
        if self.changes_the_world() {
            return BTreeSet::new();
        }
        self.grant_labels
            .union(&self.file_labels)
            .cloned()
            .collect()
    }

    /// The file's own path without links, which is the same in all grants that reach it.
    fn label_holder(&self, caller: &EffectCaller) -> Option<LabelHolder> {
        let path = self.directory.join(&self.path);
        let digest = Sha256Digest::of(path.as_os_str().as_encoded_bytes());
        Some(LabelHolder {
            id: id(self, caller, &self.path),
            canonical_id: Some(format!("file {digest}")),
        })
    }

    fn set_existing_labels(&mut self, labels: BTreeSet<String>) {
        self.file_labels = labels;
    }

    fn labels_known(&self, labels: &BTreeSet<String>) -> bool {
        labels.is_subset(&self.file_labels)
    }

    fn propagates_labels(&self) -> bool {
        matches!(self.action, Action::WriteFile)
    }
}
