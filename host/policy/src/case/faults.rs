//! Names and values in a case that no request can have: a case with one proves nothing.

use tollgate_model::{
    decision::Outcome,
    entity::{Kind, Uid},
    request::Action,
};

use super::{Case, uid};
use crate::{pdp::Pdp, policy::value_fault};

impl Case {
    /// The first of them, with what to write instead. A case that expects an error may have any.
    pub(super) fn fault(&self, pdp: &Pdp) -> Option<String> {
        if self.expect == Outcome::Error {
            return None;
        }
        let entity = |member: &str, uid: &Uid| {
            let help = pdp.entity_fault(uid)?;
            Some(format!(
                "`{member}`: no request can have {}::\"{}\": {help}",
                uid.kind.name(),
                uid.id
            ))
        };
        let mut written = [
            ("principal", Some(self.principal.as_str())),
            ("resource", self.resource.as_deref()),
        ]
        .into_iter()
        .filter_map(|(member, text)| Some((member, uid(text?).ok()?)));
        written
            .find_map(|(member, uid)| entity(member, &uid))
            .or_else(|| {
                let mut named = self.named_entities().into_iter();
                named.find_map(|(member, kind, id)| entity(member, &Uid::new(kind, id)))
            })
            .or_else(|| self.value_fault())
    }

    /// The members that name an entity by its id.
    fn named_entities(&self) -> Vec<(&'static str, Kind, &str)> {
        let one = [
            ("agent", Kind::Agent, &self.agent),
            ("on_behalf_of", Kind::User, &self.on_behalf_of),
            ("operator", Kind::User, &self.operator),
            ("speaker", Kind::User, &self.speaker),
            ("tool", Kind::Tool, &self.tool),
            ("host", Kind::Host, &self.host),
        ];
        let one = one
            .into_iter()
            .filter_map(|(member, kind, id)| Some((member, kind, id.as_deref()?)));
        let run_labels = self.run.get("labels").and_then(|labels| labels.as_array());
        let run_labels = run_labels.into_iter().flatten().filter_map(|l| l.as_str());
        let label = |member| move |id| (member, Kind::Label, id);
        let roles = |member| move |id| (member, Kind::Role, id);
        let approved = self.approved_by.iter().flatten().map(String::as_str);
        one.chain(run_labels.map(label("run.labels")))
            .chain(texts(&self.directory_labels).map(label("directory_labels")))
            .chain(texts(&self.host_labels).map(label("host_labels")))
            .chain(texts(&self.asks).map(roles("asks")))
            .chain(texts(&self.escalated_to).map(roles("escalated_to")))
            .chain(approved.map(roles("approved_by")))
            .chain(texts(&self.makers).map(|id| ("makers", Kind::User, id)))
            .chain(texts(&self.via).map(|id| ("via", Kind::Component, id)))
            // A prompt or the resources of a server, as a tool.
            .filter(|(_, kind, id)| *kind != Kind::Tool || !id.contains(':'))
            // The page of an elicitation has none for a form.
            .filter(|(_, kind, id)| *kind != Kind::Host || !id.is_empty())
            .collect()
    }

    fn value_fault(&self) -> Option<String> {
        let action = self.requested_action();
        let is_request = matches!(action, Action::HttpRequest | Action::UseSecret);
        let members = [
            ("method", &self.method, is_request),
            ("scheme", &self.scheme, is_request),
            ("path", &self.path, is_request),
            ("channel", &self.channel, true),
            ("mode", &self.mode, true),
        ];
        members.into_iter().find_map(|(member, text, counts)| {
            let text = text.as_deref().filter(|_| counts)?;
            let help = value_fault(member, text)?;
            Some(format!("`{member}` is never \"{text}\": {help}"))
        })
    }
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> impl Iterator<Item = &'a str> {
    texts.into_iter().map(String::as_str)
}
