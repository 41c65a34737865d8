//! The Cedar request: typed values, made directly and validated strictly against the schema.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cedar_policy_core::ast::{
    Context, EntityUID, EntityUIDEntry, Literal, Request as CedarRequest, Value,
};

use super::{Pdp, Unfit, unfit, validate};
use crate::value;
use tollgate_model::{
    entity::{Kind, Uid},
    request::{ActionContext, Facts, Granted, Reported, Request, RunFacts},
};

/// Milliseconds from 1970 to the year 10000.
const LATEST: u64 = 253_402_300_800_000;

type Attributes = BTreeMap<&'static str, Value>;

impl Pdp {
    /// The request, without any approval.
    pub(super) fn cedar_request(
        &self,
        request: &Request,
        facts: &Facts,
    ) -> Result<CedarRequest, Unfit> {
        let action = self.actions.get(request.action.id()).ok_or_else(|| {
            unfit(format!(
                "the action `{}` is not in the schema",
                request.action.id()
            ))
        })?;
        let context = self.context(request, facts)?;
        let known = |euid| EntityUIDEntry::Known { euid, loc: None };
        let cedar = CedarRequest::new_unchecked(
            known(self.uid(&request.principal)?),
            known(Arc::clone(action)),
            known(self.uid(&request.resource)?),
            Some(context),
        );
        if !validate::is_valid(self.schema.as_ref(), &cedar) {
            return Err(unfit("the request does not validate against the schema"));
        }
        Ok(cedar)
    }

    fn uid(&self, uid: &Uid) -> Result<Arc<EntityUID>, Unfit> {
        if let Some(known) = self.known.get(uid) {
            return Ok(Arc::clone(known));
        }
        value::entity(uid)
            .map(Arc::new)
            .ok_or_else(|| unfit(format!("{uid} has no type")))
    }

    fn entity(&self, uid: &Uid) -> Result<Value, Unfit> {
        Ok(Value::new(Literal::EntityUID(self.uid(uid)?), None))
    }

    fn set(&self, kind: Kind, ids: &BTreeSet<String>) -> Result<Value, Unfit> {
        let literals: Result<Vec<Literal>, Unfit> = ids
            .iter()
            .map(|id| Ok(Literal::EntityUID(self.uid(&Uid::new(kind, id))?)))
            .collect();
        Ok(value::set(literals?))
    }

    fn context(&self, request: &Request, facts: &Facts) -> Result<Context, Unfit> {
        let mut context = Attributes::from([
            ("now", datetime(facts.now)?),
            (
                "local",
                value::record([
                    ("weekday", value::long(facts.local.weekday.into())),
                    ("minute", value::long(facts.local.minute.into())),
                ]),
            ),
            ("environment", facts.environment.as_str().into()),
        ]);
        let mut common = |on_behalf_of: &Uid| -> Result<(), Unfit> {
            context.insert("on_behalf_of", self.entity(on_behalf_of)?);
            context.insert("run", self.run(&facts.run)?);
            context.insert("approval", self.approval(None)?);
            Ok(())
        };
        match &request.context {
            ActionContext::Call {
                on_behalf_of,
                input,
                via,
            } => {
                let tool = self.tools.get(request.action.id()).ok_or_else(|| {
                    unfit(format!("the tool `{}` is not loaded", request.action.id()))
                })?;
                let input = tool.value(input).map_err(|e| unfit(e.to_string()))?;
                common(on_behalf_of)?;
                context.insert("input", input);
                context.insert("via", self.set(Kind::Component, via)?);
            }
            ActionContext::Result {
                on_behalf_of,
                error,
                size,
            } => {
                common(on_behalf_of)?;
                context.insert("error", (*error).into());
                context.insert("size", count(*size)?);
            }
            ActionContext::Capability {
                on_behalf_of,
                agent,
                tool,
                size,
            } => {
                common(on_behalf_of)?;
                context.insert("agent", self.entity(agent)?);
                context.insert("tool", self.entity(tool)?);
                context.insert("size", count(*size)?);
            }
            ActionContext::Http {
                on_behalf_of,
                agent,
                tool,
                method,
                scheme,
                port,
                path,
                size,
            } => {
                common(on_behalf_of)?;
                context.insert("agent", self.entity(agent)?);
                context.insert("tool", self.entity(tool)?);
                context.insert("method", method.as_str().into());
                context.insert("scheme", scheme.as_str().into());
                context.insert("port", value::long((*port).into()));
                context.insert("path", path.as_str().into());
                context.insert("size", count(*size)?);
            }
            ActionContext::Secret {
                on_behalf_of,
                agent,
                tool,
                host,
                scheme,
            } => {
                common(on_behalf_of)?;
                context.insert("agent", self.entity(agent)?);
                context.insert("tool", self.entity(tool)?);
                context.insert("host", self.entity(host)?);
                context.insert("scheme", scheme.as_str().into());
            }
            ActionContext::Approver {
                tool,
                on_behalf_of,
                operator,
                roles,
                asked_too,
            } => {
                context.insert("tool", self.entity(tool)?);
                context.insert("on_behalf_of", self.entity(on_behalf_of)?);
                context.insert("operator", self.entity(operator)?);
                context.insert("roles", self.set(Kind::Role, roles)?);
                context.insert("asked_too", self.set(Kind::Role, asked_too)?);
            }
            ActionContext::Operator => {}
        }
        let context = context.into_iter().map(|(name, v)| (name.into(), v));
        Ok(Context::Value(Arc::new(context.collect())))
    }

    fn run(&self, run: &RunFacts) -> Result<Value, Unfit> {
        let out_of_range = |what| move || unfit(format!("the run's {what} is out of range"));
        let elapsed =
            |micros: u64| value::duration(micros / 1000).ok_or_else(out_of_range("elapsed time"));
        let reported = |reported: &Reported| -> Result<Value, Unfit> {
            let cost = value::decimal(&reported.cost).ok_or_else(out_of_range("reported cost"))?;
            Ok(value::record([
                ("tokens", count(reported.tokens)?),
                ("cost", cost),
                ("complete", reported.complete.into()),
            ]))
        };
        let window = if self.windowed {
            let window = value::record([
                ("calls", count(run.window.calls)?),
                ("elapsed", elapsed(run.window.elapsed)?),
                ("reported", reported(&run.window.reported)?),
            ]);
            Some(("window", window))
        } else {
            None
        };
        let facts = [
            ("calls", count(run.calls)?),
            ("denials", count(run.denials)?),
            ("repeats", count(run.repeats)?),
            ("errors", count(run.errors)?),
            ("elapsed", elapsed(run.elapsed)?),
            ("labels", self.set(Kind::Label, &run.labels)?),
            ("tools", self.set(Kind::Tool, &run.tools)?),
            ("reported", reported(&run.reported)?),
        ];
        Ok(value::record(facts.into_iter().chain(window)))
    }

    /// `context.approval`.
    fn approval(&self, granted: Option<&Granted>) -> Result<Value, Unfit> {
        let (roles, given) = match granted {
            None => (value::set([]), 0),
            Some(granted) => (self.set(Kind::Role, &granted.roles)?, granted.count),
        };
        Ok(value::record([("roles", roles), ("count", count(given)?)]))
    }

    /// The same request with this approval.
    pub(super) fn approved(
        &self,
        plain: &CedarRequest,
        granted: &Granted,
    ) -> Result<CedarRequest, Unfit> {
        let Some(Context::Value(context)) = plain.context() else {
            return Err(unfit("the request has no context"));
        };
        let mut context = BTreeMap::clone(context);
        // Only what asks for one has one.
        if let Some(approval) = context.get_mut("approval") {
            *approval = self.approval(Some(granted))?;
        }
        Ok(CedarRequest::new_unchecked(
            plain.principal().clone(),
            plain.action().clone(),
            plain.resource().clone(),
            Some(Context::Value(Arc::new(context))),
        ))
    }
}

fn count(n: u64) -> Result<Value, Unfit> {
    let n = i64::try_from(n).map_err(|_| unfit("a count is beyond 2^63"))?;
    Ok(value::long(n))
}

fn datetime(time: tollgate_model::time::Timestamp) -> Result<Value, Unfit> {
    (time.0 >= 0 && time.millis() < LATEST)
        .then(|| value::datetime(time.millis()))
        .flatten()
        .ok_or_else(|| unfit("the time is out of range"))
}
