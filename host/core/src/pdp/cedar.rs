//! The Cedar request: typed values, built directly. Arguments never pass through Cedar's JSON, where
//! `__entity` would make an entity of them.

use std::collections::BTreeSet;

use cedar_policy::{
    Context, EntityId, EntityTypeName, EntityUid, Request as CedarRequest, RestrictedExpression,
};

use super::{Pdp, Unfit, unfit};
use crate::{
    entity::{Kind, Uid},
    request::{ActionContext, Facts, Granted, Request, RunFacts},
};

impl Pdp {
    pub(super) fn cedar_request(
        &self,
        request: &Request,
        facts: &Facts,
        granted: Option<&Granted>,
    ) -> Result<CedarRequest, Unfit> {
        let action = self.actions.get(request.action.id()).ok_or_else(|| {
            unfit(format!(
                "the action `{}` is not in the schema",
                request.action.id()
            ))
        })?;
        let uid = |uid: &Uid| {
            uid.to_cedar()
                .ok_or_else(|| unfit(format!("{uid} has no type")))
        };
        let (principal, resource) = (uid(&request.principal)?, uid(&request.resource)?);
        let context = self.context(request, facts, granted)?;
        CedarRequest::new(
            principal,
            action.clone(),
            resource,
            context,
            Some(&self.schema),
        )
        .map_err(|_| unfit("the request does not validate against the schema"))
    }

    fn context(
        &self,
        request: &Request,
        facts: &Facts,
        granted: Option<&Granted>,
    ) -> Result<Context, Unfit> {
        let entity = |uid: &Uid| {
            uid.to_cedar()
                .map(RestrictedExpression::new_entity_uid)
                .ok_or_else(|| unfit(format!("{uid} has no type")))
        };
        let mut pairs: Vec<(String, RestrictedExpression)> = vec![
            ("now".into(), datetime(facts.now)?),
            (
                "local".into(),
                record([
                    (
                        "weekday",
                        RestrictedExpression::new_long(facts.local.weekday.into()),
                    ),
                    (
                        "minute",
                        RestrictedExpression::new_long(facts.local.minute.into()),
                    ),
                ])?,
            ),
            (
                "environment".into(),
                RestrictedExpression::new_string(facts.environment.clone()),
            ),
        ];
        let mut common = |on_behalf_of: &Uid| -> Result<(), Unfit> {
            pairs.push(("on_behalf_of".into(), entity(on_behalf_of)?));
            pairs.push(("run".into(), run(&facts.run)?));
            pairs.push(("approval".into(), approval(granted)?));
            Ok(())
        };
        match &request.context {
            ActionContext::Call {
                on_behalf_of,
                input,
            } => {
                common(on_behalf_of)?;
                let tool = self.tools.get(request.action.id()).ok_or_else(|| {
                    unfit(format!("the tool `{}` is not loaded", request.action.id()))
                })?;
                let input = tool.expression(input).map_err(|e| unfit(e.to_string()))?;
                pairs.push(("input".into(), input));
            }
            ActionContext::Result {
                on_behalf_of,
                error,
                size,
            } => {
                common(on_behalf_of)?;
                pairs.push(("error".into(), RestrictedExpression::new_bool(*error)));
                pairs.push(("size".into(), long(*size)?));
            }
            ActionContext::Capability {
                on_behalf_of,
                agent,
                tool,
                size,
            } => {
                common(on_behalf_of)?;
                pairs.push(("agent".into(), entity(agent)?));
                pairs.push(("tool".into(), entity(tool)?));
                pairs.push(("size".into(), long(*size)?));
            }
            ActionContext::Approver {
                tool,
                on_behalf_of,
                operator,
                roles,
            } => {
                pairs.push(("tool".into(), entity(tool)?));
                pairs.push(("on_behalf_of".into(), entity(on_behalf_of)?));
                pairs.push(("operator".into(), entity(operator)?));
                pairs.push(("roles".into(), set(Kind::Role, roles)?));
            }
            ActionContext::Operator => {}
        }
        Context::from_pairs(pairs).map_err(|_| unfit("the context does not evaluate"))
    }
}

fn record<'a>(
    pairs: impl IntoIterator<Item = (&'a str, RestrictedExpression)>,
) -> Result<RestrictedExpression, Unfit> {
    RestrictedExpression::new_record(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)))
        .map_err(|_| unfit("a record has an attribute twice"))
}

fn set(kind: Kind, ids: &BTreeSet<String>) -> Result<RestrictedExpression, Unfit> {
    let ty: EntityTypeName = kind
        .type_name()
        .ok_or_else(|| unfit("an entity type has no name"))?;
    Ok(RestrictedExpression::new_set(ids.iter().map(|id| {
        let uid = EntityUid::from_type_name_and_id(ty.clone(), EntityId::new(id));
        RestrictedExpression::new_entity_uid(uid)
    })))
}

fn long(n: u64) -> Result<RestrictedExpression, Unfit> {
    let n = i64::try_from(n).map_err(|_| unfit("a count is beyond 2^63"))?;
    Ok(RestrictedExpression::new_long(n))
}

fn datetime(time: crate::time::Timestamp) -> Result<RestrictedExpression, Unfit> {
    let text = time.to_string();
    if text.len() == "2026-11-21T08:30:00.250Z".len() {
        Ok(RestrictedExpression::new_datetime(text))
    } else {
        Err(unfit("the time is out of range"))
    }
}

fn run(run: &RunFacts) -> Result<RestrictedExpression, Unfit> {
    record([
        ("calls", long(run.calls)?),
        ("denials", long(run.denials)?),
        ("repeats", long(run.repeats)?),
        ("errors", long(run.errors)?),
        (
            "elapsed",
            RestrictedExpression::new_duration(format!("{}ms", run.elapsed / 1000)),
        ),
        ("labels", set(Kind::Label, &run.labels)?),
        ("tools", set(Kind::Tool, &run.tools)?),
        (
            "reported",
            record([
                ("tokens", long(run.reported.tokens)?),
                (
                    "cost",
                    RestrictedExpression::new_decimal(&run.reported.cost),
                ),
                (
                    "complete",
                    RestrictedExpression::new_bool(run.reported.complete),
                ),
            ])?,
        ),
    ])
}

fn approval(granted: Option<&Granted>) -> Result<RestrictedExpression, Unfit> {
    let none = Granted {
        count: 0,
        lifts: BTreeSet::new(),
        roles: BTreeSet::new(),
    };
    let granted = granted.unwrap_or(&none);
    record([
        ("roles", set(Kind::Role, &granted.roles)?),
        ("count", long(granted.count)?),
    ])
}
