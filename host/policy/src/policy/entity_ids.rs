//! Ids of entities in policies: entities of the configuration are checked by name, entities of requests by
//! their form and by the names in them.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy_core::{
    ast::{ActionConstraint, BinaryOp, Expr, ExprKind, Literal, PatternElem, Policy, Var},
    parser::Loc,
};
use tollgate_model::{
    entity::{Kind, Uid},
    request::Action,
};

use super::nearest;

/// Kinds whose entities are all named in the configuration.
const NAMED: &[Kind] = &[
    Kind::Agent,
    Kind::User,
    Kind::Role,
    Kind::Tenant,
    Kind::Component,
    Kind::Tool,
    Kind::Prompt,
    Kind::Label,
    Kind::Secret,
    Kind::Gate,
];

/// The scopes of component state.
const STATE_SCOPES: &[&str] = &["run", "adapter"];

/// HTTP methods (RFC 9110, section 9; RFC 5789).
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
];

/// The ways of an answer.
const CHANNELS: &[&str] = &["cli", "rest", "slack", "link"];

/// How a person answers a server.
const MODES: &[&str] = &["form", "url"];

/// Names of the configuration that are not entities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfiguredNames {
    /// Grants of components, as `<component>/<grant>`.
    pub grants: BTreeSet<String>,
    /// Configuration entries of components, as `<component>/<key>`.
    pub config_entries: BTreeSet<String>,
}

/// Names of the configuration, by kind.
pub(crate) struct KnownNames<'a> {
    by_kind: BTreeMap<Kind, BTreeSet<&'a str>>,
    configured: &'a ConfiguredNames,
}

impl<'a> KnownNames<'a> {
    pub(crate) fn new(
        known: impl IntoIterator<Item = &'a Uid>,
        configured: &'a ConfiguredNames,
    ) -> Self {
        let mut by_kind: BTreeMap<Kind, BTreeSet<&str>> = BTreeMap::new();
        for uid in known {
            by_kind.entry(uid.kind).or_default().insert(&uid.id);
        }
        Self {
            by_kind,
            configured,
        }
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &'a str> + '_ {
        self.by_kind.get(&kind).into_iter().flatten().copied()
    }

    fn has(&self, kind: Kind, id: &str) -> bool {
        self.by_kind.get(&kind).is_some_and(|ids| ids.contains(id))
    }

    /// What to write instead, if no request can name this entity; absent if one can.
    pub(crate) fn fault(&self, uid: &Uid) -> Option<String> {
        match uid.kind {
            kind if NAMED.contains(&kind) => {
                (!self.has(kind, &uid.id)).then(|| match nearest(&uid.id, self.of(kind)) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => "name it in tollgate.toml, or remove the policy".into(),
                })
            }
            Kind::File | Kind::Directory => self.path_fault(uid.kind, &uid.id),
            Kind::State => self.state_fault(&uid.id),
            Kind::ConfigEntry => self.config_fault(&uid.id),
            Kind::Resource => self.resource_fault(&uid.id),
            Kind::Host => host_fault(&uid.id, "hosts"),
            Kind::Domain => domain_fault(&uid.id),
            _ => None,
        }
    }

    fn path_fault(&self, kind: Kind, id: &str) -> Option<String> {
        let form = match kind {
            Kind::File => "files are \"<component>/<grant>:/path/to/file\"",
            _ => {
                "directories are \"<component>/<grant>:/path\" without a slash at the end, and \"<component>/<grant>:/\" is the grant itself"
            }
        };
        let Some((grant, path)) = id.split_once(":/") else {
            return Some(form.into());
        };
        let Some((component, _)) = grant.split_once('/') else {
            return Some(form.into());
        };
        if let Some(help) = self.component_fault(component) {
            return Some(help);
        }
        let grants = || self.configured.grants.iter().map(String::as_str);
        if grants().next().is_some() && !self.configured.grants.contains(grant) {
            let own = grants().filter(|name| name.split('/').next() == Some(component));
            let names: Vec<&str> = own.collect();
            return Some(match (nearest(grant, grants()), names.is_empty()) {
                (Some(near), _) => format!("there is no grant `{grant}`; did you mean `{near}`?"),
                (None, true) => format!("`{component}` has no grants in tollgate.toml"),
                (None, false) => {
                    format!(
                        "there is no grant `{grant}`; there are {}",
                        names.join(", ")
                    )
                }
            });
        }
        let segments = || path.split('/');
        let odd = segments().any(|segment| matches!(segment, "." | ".." | ""));
        let empty_is_fine = kind == Kind::Directory && path.is_empty();
        (odd && !empty_is_fine).then(|| form.into())
    }

    fn state_fault(&self, id: &str) -> Option<String> {
        let form = "state is \"<component>/run:<key>\" or \"<component>/adapter:<key>\", and without the key for all of it";
        let Some((scope, _)) = id.split_once(':') else {
            return Some(form.into());
        };
        let Some((component, scope)) = scope.split_once('/') else {
            return Some(form.into());
        };
        if let Some(help) = self.component_fault(component) {
            return Some(help);
        }
        (!STATE_SCOPES.contains(&scope)).then(|| {
            match nearest(scope, STATE_SCOPES.iter().copied()) {
                Some(near) => format!("did you mean \"{component}/{near}:\"?"),
                None => form.into(),
            }
        })
    }

    fn config_fault(&self, id: &str) -> Option<String> {
        match id.split_once('/') {
            Some((component, key)) if is_config_key(key) => {
                self.component_fault(component).or_else(|| {
                    let entries = &self.configured.config_entries;
                    let near = nearest(id, entries.iter().map(String::as_str))?;
                    (near != id && !entries.contains(id))
                        .then(|| format!("did you mean \"{near}\"?"))
                })
            }
            _ => Some("configuration entries are \"<component>/<key>\"".into()),
        }
    }

    fn resource_fault(&self, id: &str) -> Option<String> {
        match id.split_once('/') {
            Some((server, uri)) if uri.contains(':') => self.component_fault(server),
            _ => Some("resources are \"<server>/<uri>\", such as \"notes/file:///a.md\"".into()),
        }
    }

    fn component_fault(&self, component: &str) -> Option<String> {
        if self.has(Kind::Component, component) {
            return None;
        }
        // An id that resembles no other may be meant for a future component.
        let near = nearest(component, self.of(Kind::Component))?;
        Some(format!(
            "there is no component `{component}`; did you mean `{near}`?"
        ))
    }
}

/// Whether a component may ask for a configuration entry of this key.
fn is_config_key(key: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=64).contains(&key.len()) && key.bytes().all(legal)
}

/// What is wrong with a host's name: it is lower-case ASCII without scheme, port, path, `*` and final dot.
fn host_fault(id: &str, what: &str) -> Option<String> {
    if id
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.to_string() == id)
    {
        return None;
    }
    let bare = id
        .split_once("://")
        .map_or(id, |(_, rest)| rest)
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default();
    let bare = bare.trim_start_matches("*.").trim_matches('.');
    let bare = match bare.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.contains(':') => {
            host
        }
        _ => bare,
    };
    let bare = bare.to_lowercase();
    if !bare.is_ascii() {
        return Some(format!(
            "{what} are written in ASCII (IDNA), such as \"xn--mnchen-3ya.de\""
        ));
    }
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.:".contains(&b);
    if bare.is_empty() || !bare.bytes().all(letter) {
        return Some(format!(
            "{what} are names or addresses, such as \"api.example.com\""
        ));
    }
    (bare != id).then(|| {
        format!(
            "{what} are written in lower case, without scheme, port, path, `*` and final dot: write \"{bare}\""
        )
    })
}

fn domain_fault(id: &str) -> Option<String> {
    match id.parse::<std::net::IpAddr>() {
        Ok(_) => Some("an address is in no domain: compare it with a Host".into()),
        Err(_) => host_fault(id, "domains"),
    }
}

/// A value with which a condition compares an attribute of the context, and which it never has.
pub(super) struct OddValue {
    pub(super) loc: Option<Loc>,
    pub(super) attribute: String,
    pub(super) value: String,
    pub(super) help: String,
}

/// Values with which a policy compares an attribute that never has them.
pub(super) fn odd_values(policy: &Policy, condition: &Expr) -> Vec<OddValue> {
    let of_resources = may_read_resources(policy);
    let mut found = Vec::new();
    for part in condition.subexpressions() {
        for (attribute, value) in comparisons(part) {
            // The scheme of a resource of a server may be any.
            if attribute == "scheme" && of_resources {
                continue;
            }
            let (fault, value) = match value {
                ComparedValue::Text(text) => (value_fault(attribute, &text), text),
                ComparedValue::Number(n) => (number_fault(attribute, n), n.to_string()),
                ComparedValue::Pattern(begin) => (pattern_fault(attribute, &begin), begin),
            };
            found.extend(fault.map(|help| OddValue {
                loc: part.source_loc().cloned(),
                attribute: attribute.to_owned(),
                value,
                help,
            }));
        }
    }
    found
}

/// With what an attribute is compared.
enum ComparedValue {
    Text(String),
    Number(i64),
    /// What a pattern begins with, up to its first `*`.
    Pattern(String),
}

/// Attributes of the context that an expression compares with a literal.
fn comparisons(part: &Expr) -> Vec<(&str, ComparedValue)> {
    let literal = |expr: &Expr| match expr.expr_kind() {
        ExprKind::Lit(Literal::String(text)) => Some(ComparedValue::Text(text.to_string())),
        ExprKind::Lit(Literal::Long(n)) => Some(ComparedValue::Number(*n)),
        _ => None,
    };
    match part.expr_kind() {
        ExprKind::BinaryApp {
            op: BinaryOp::Eq,
            arg1,
            arg2,
        } => [(arg1, arg2), (arg2, arg1)]
            .into_iter()
            .filter_map(|(fact, value)| Some((context_attribute(fact)?, literal(value)?)))
            .collect(),
        ExprKind::BinaryApp {
            op: BinaryOp::Contains,
            arg1,
            arg2,
        } => match (arg1.expr_kind(), context_attribute(arg2)) {
            (ExprKind::Set(items), Some(attribute)) => {
                let items = items.iter().filter_map(literal);
                items.map(|value| (attribute, value)).collect()
            }
            _ => Vec::new(),
        },
        ExprKind::Like { expr, pattern } => {
            let begin = pattern.iter().map_while(|elem| match elem {
                PatternElem::Char(c) => Some(*c),
                PatternElem::Wildcard => None,
            });
            let compared = ComparedValue::Pattern(begin.collect());
            context_attribute(expr)
                .map(|name| vec![(name, compared)])
                .unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// Whether the policy may be about resources of upstream servers.
fn may_read_resources(policy: &Policy) -> bool {
    let about = |id: &str| id == "call" || id == Action::ReadResource.id();
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => about(uid.eid().as_ref()),
        ActionConstraint::In(uids) => uids.iter().any(|uid| about(uid.eid().as_ref())),
    }
}

/// What to write instead, if this attribute of the context never has this value.
pub(crate) fn value_fault(attribute: &str, text: &str) -> Option<String> {
    let one_of = |choices: &[&str]| {
        (!choices.contains(&text)).then(|| match nearest(text, choices.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("it is one of {}", choices.join(", ")),
        })
    };
    match attribute {
        "method" => {
            let upper = text.to_ascii_uppercase();
            let near = nearest(&upper, METHODS.iter().copied());
            match near.filter(|near| *near != text) {
                Some(near) if near == upper => Some(format!(
                    "methods are written in upper case, such as \"GET\": write \"{near}\""
                )),
                Some(near) if !METHODS.contains(&text) => Some(format!("did you mean \"{near}\"?")),
                _ => None,
            }
        }
        "scheme" => {
            (!matches!(text, "http" | "https")).then(|| "it is \"http\" or \"https\"".into())
        }
        "path" => (!text.starts_with('/')).then(|| {
            format!(
                "paths begin with a slash: write \"/{}\"",
                text.trim_start_matches("./")
            )
        }),
        "host" => match text {
            "" => None,
            text => host_fault(text, "hosts"),
        },
        "channel" => one_of(CHANNELS),
        "mode" => one_of(MODES),
        _ => None,
    }
}

/// What to write instead, if no value of this attribute begins so.
fn pattern_fault(attribute: &str, begin: &str) -> Option<String> {
    match attribute {
        "path" if !begin.is_empty() && !begin.starts_with('/') => {
            Some(format!("paths begin with a slash: write \"/{begin}…\""))
        }
        "method" if begin.chars().any(|c| c.is_ascii_lowercase()) => {
            Some("methods are written in upper case".into())
        }
        "host" | "scheme" if begin.chars().any(char::is_uppercase) => {
            Some(format!("{attribute}s are written in lower case"))
        }
        _ => None,
    }
}

fn number_fault(attribute: &str, n: i64) -> Option<String> {
    let (range, what) = match attribute {
        "port" => (1..=65_535, "ports are 1 to 65535"),
        "weekday" => (1..=7, "weekdays are 1 (Monday) to 7 (Sunday)"),
        "minute" => (0..=1_439, "it is the minute of the day: 0 to 1439"),
        _ => return None,
    };
    (!range.contains(&n)).then(|| what.into())
}

/// The name of an attribute of the context itself, or of its local time.
fn context_attribute(expr: &Expr) -> Option<&str> {
    let ExprKind::GetAttr { expr, attr } = expr.expr_kind() else {
        return None;
    };
    match expr.expr_kind() {
        ExprKind::Var(Var::Context) => Some(attr.as_str()),
        ExprKind::GetAttr { expr, attr: above } if above == "local" => {
            matches!(expr.expr_kind(), ExprKind::Var(Var::Context)).then_some(attr.as_str())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
