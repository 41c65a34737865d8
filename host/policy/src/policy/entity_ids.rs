//! Ids of entities in policies: entities of the configuration are checked by name, entities of requests by
//! their form and by the names in them.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, Var};
use tollgate_model::entity::{Kind, Uid};

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

/// Entities of the configuration, by kind.
pub(super) struct KnownNames<'a> {
    by_kind: BTreeMap<Kind, BTreeSet<&'a str>>,
}

impl<'a> KnownNames<'a> {
    pub(super) fn new(known: &'a BTreeSet<Uid>) -> Self {
        let mut by_kind: BTreeMap<Kind, BTreeSet<&str>> = BTreeMap::new();
        for uid in known {
            by_kind.entry(uid.kind).or_default().insert(&uid.id);
        }
        Self { by_kind }
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &'a str> + '_ {
        self.by_kind.get(&kind).into_iter().flatten().copied()
    }

    fn has(&self, kind: Kind, id: &str) -> bool {
        self.by_kind.get(&kind).is_some_and(|ids| ids.contains(id))
    }

    /// What to write instead, if no request can name this entity; absent if one can.
    pub(super) fn fault(&self, uid: &Uid) -> Option<String> {
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
        let grant = format!("{grant}:/");
        if self.of(Kind::Directory).next().is_some() && !self.has(Kind::Directory, &grant) {
            return Some(match nearest(&grant, self.of(Kind::Directory)) {
                Some(near) => format!("there is no grant `{grant}`; did you mean `{near}`?"),
                None => format!("there is no grant `{grant}` in tollgate.toml"),
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
            Some((component, key)) if is_config_key(key) => self.component_fault(component),
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

/// Texts that a condition compares with the method or the scheme of a request but that never occur there:
/// the attribute, the text, and what to write instead.
pub(super) fn odd_literals(condition: &Expr) -> Vec<(&'static str, String, &'static str)> {
    let mut found = Vec::new();
    for part in condition.subexpressions() {
        let ExprKind::BinaryApp {
            op: BinaryOp::Eq,
            arg1,
            arg2,
        } = part.expr_kind()
        else {
            continue;
        };
        for (fact, literal) in [(arg1, arg2), (arg2, arg1)] {
            let (Some(attribute), Some(text)) = (context_attribute(fact), text(literal)) else {
                continue;
            };
            match attribute {
                "method"
                    if METHODS.contains(&text.to_uppercase().as_str())
                        && text != text.to_uppercase() =>
                {
                    found.push((
                        "method",
                        text,
                        "methods are written in upper case, such as \"GET\"",
                    ));
                }
                "scheme" if !matches!(text.as_str(), "http" | "https") => {
                    found.push(("scheme", text, "it is \"http\" or \"https\""));
                }
                _ => {}
            }
        }
    }
    found
}

fn context_attribute(expr: &Expr) -> Option<&str> {
    match expr.expr_kind() {
        ExprKind::GetAttr { expr, attr }
            if matches!(expr.expr_kind(), ExprKind::Var(Var::Context)) =>
        {
            Some(attr.as_str())
        }
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<String> {
    match expr.expr_kind() {
        ExprKind::Lit(Literal::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
