//! The Cedar request: typed values, made directly and validated strictly against the schema.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cedar_policy_core::ast::{
    BinaryOp, Context, EntityUID, EntityUIDEntry, Expr, ExprKind, Literal, Request as CedarRequest,
    Value, Var,
};

use super::{
    Pdp, RequestError,
    context_path::context_path,
    request_error,
    validate::{self, InputCheck},
};
use crate::{cedar_value, tool_input::TypedArguments};
use serde_json::Value as Json;
use tollgate_model::{
    entity::{Kind, Uid},
    request::{
        Action, ActionContext, Facts, PriorApproval, Request, RunFacts, SelfReport, StandingTerms,
    },
    standing::StandingScope,
};

/// Milliseconds from 1970 to the year 10000.
const LATEST: u64 = 253_402_300_800_000;

type Attributes = BTreeMap<&'static str, Value>;

/// A request in Cedar's form.
#[derive(Debug, Clone)]
pub(super) struct TypedRequest {
    pub(super) cedar: CedarRequest,
    /// Paths of context attributes whose values do not fit their type and are passed as text.
    pub(super) untyped: Arc<[Vec<String>]>,
}

impl TypedRequest {
    /// The same request with another context.
    pub(super) fn with_context(&self, context: Context) -> Self {
        Self {
            cedar: CedarRequest::new_unchecked(
                self.cedar.principal().clone(),
                self.cedar.action().clone(),
                self.cedar.resource().clone(),
                Some(context),
            ),
            untyped: Arc::clone(&self.untyped),
        }
    }

    /// Whether a condition compares an attribute whose value does not have its type. An equality would be
    /// silently false, whereas every other operator fails with an error.
    pub(super) fn compares_untyped(&self, condition: &Expr) -> bool {
        let is_untyped = |expr: &Expr| {
            let Some(path) = context_path(expr) else {
                return matches!(expr.expr_kind(), ExprKind::Var(Var::Context));
            };
            self.untyped
                .iter()
                .any(|untyped| untyped.starts_with(&path) || path.starts_with(untyped))
        };
        condition
            .subexpressions()
            .any(|part| match part.expr_kind() {
                ExprKind::BinaryApp {
                    op:
                        BinaryOp::Eq
                        | BinaryOp::Contains
                        | BinaryOp::ContainsAll
                        | BinaryOp::ContainsAny,
                    arg1,
                    arg2,
                } => is_untyped(arg1) || is_untyped(arg2),
                _ => false,
            })
    }
}

impl Pdp {
    /// The request, without any approval.
    pub(super) fn cedar_request(
        &self,
        request: &Request,
        facts: &Facts,
    ) -> Result<TypedRequest, RequestError> {
        let action = self.actions.get(request.action.id()).ok_or_else(|| {
            request_error(format!(
                "the action `{}` is not in the schema",
                request.action.id()
            ))
        })?;
        let (context, untyped) = self.context(request, facts)?;
        let known = |euid| EntityUIDEntry::Known { euid, loc: None };
        let cedar = CedarRequest::new_unchecked(
            known(self.uid(&request.principal)?),
            known(Arc::clone(action)),
            known(self.uid(&request.resource)?),
            Some(context),
        );
        let input = match untyped.is_empty() {
            true => InputCheck::Typed,
            false => InputCheck::Trusted,
        };
        if !validate::is_valid(self.schema.as_ref(), &cedar, input) {
            return Err(request_error(
                "the request does not validate against the schema",
            ));
        }
        Ok(TypedRequest {
            cedar,
            untyped: untyped.into(),
        })
    }

    fn uid(&self, uid: &Uid) -> Result<Arc<EntityUID>, RequestError> {
        if let Some(known) = self.known.get(uid) {
            return Ok(Arc::clone(known));
        }
        cedar_value::entity(uid)
            .map(Arc::new)
            .ok_or_else(|| request_error(format!("{uid} has no type")))
    }

    fn entity(&self, uid: &Uid) -> Result<Value, RequestError> {
        Ok(Value::new(Literal::EntityUID(self.uid(uid)?), None))
    }

    fn set(&self, kind: Kind, ids: &BTreeSet<String>) -> Result<Value, RequestError> {
        let literals: Result<Vec<Literal>, RequestError> = ids
            .iter()
            .map(|id| Ok(Literal::EntityUID(self.uid(&Uid::new(kind, id))?)))
            .collect();
        Ok(cedar_value::set(literals?))
    }

    /// The context, and its attributes that are passed as text instead of their type.
    fn context(
        &self,
        request: &Request,
        facts: &Facts,
    ) -> Result<(Context, Vec<Vec<String>>), RequestError> {
        let mut context = time_and_place(facts)?;
        if let Some(on_behalf_of) = request.context.on_behalf_of() {
            context.insert("on_behalf_of", self.entity(on_behalf_of)?);
            context.insert("run", self.run(&facts.run)?);
            context.insert("approval", self.approval(None)?);
        }
        if let Some(guest) = request.context.guest() {
            context.insert("agent", self.entity(&guest.agent)?);
            context.insert("tool", self.entity(&guest.tool)?);
        }
        let untyped = self.insert_details(&mut context, request, facts)?;
        let context = context.into_iter().map(|(name, v)| (name.into(), v));
        Ok((Context::Value(Arc::new(context.collect())), untyped))
    }

    /// What only this kind of action has. Returns attributes that are passed as text.
    fn insert_details(
        &self,
        context: &mut Attributes,
        request: &Request,
        facts: &Facts,
    ) -> Result<Vec<Vec<String>>, RequestError> {
        match &request.context {
            ActionContext::Call { input, via, .. } => {
                context.insert("via", self.set(Kind::Component, via)?);
                return self.insert_call(context, &request.action, input, facts);
            }
            ActionContext::Result { error, size, .. } => {
                context.insert("error", (*error).into());
                context.insert("size", count(*size)?);
            }
            ActionContext::Capability { size, .. } => {
                context.insert("size", count(*size)?);
            }
            ActionContext::Http {
                method,
                scheme,
                port,
                path,
                size,
                ..
            } => {
                context.insert("method", method.as_str().into());
                context.insert("scheme", scheme.as_str().into());
                context.insert("port", cedar_value::long((*port).into()));
                context.insert("path", path.as_str().into());
                context.insert("size", count(*size)?);
            }
            ActionContext::Secret {
                host,
                method,
                scheme,
                port,
                path,
                ..
            } => {
                context.insert("host", self.entity(host)?);
                context.insert("scheme", scheme.as_str().into());
                if self.names.secret_request {
                    context.insert("method", method.as_str().into());
                    context.insert("port", cedar_value::long((*port).into()));
                    context.insert("path", path.as_str().into());
                }
            }
            ActionContext::Elicitation { .. } => insert_question(context, &request.context)?,
            ActionContext::Approver { .. }
            | ActionContext::Token { .. }
            | ActionContext::Operator => self.insert_of_person(context, &request.context)?,
        }
        Ok(Vec::new())
    }

    /// The attributes of what a person does outside a call.
    fn insert_of_person(
        &self,
        context: &mut Attributes,
        action: &ActionContext,
    ) -> Result<(), RequestError> {
        match action {
            ActionContext::Approver {
                tool,
                on_behalf_of,
                operator,
                roles,
                escalated_to,
                speaker,
                standing,
                makers,
                channel,
            } => {
                context.insert("tool", self.entity(tool)?);
                context.insert("on_behalf_of", self.entity(on_behalf_of)?);
                context.insert("operator", self.entity(operator)?);
                context.insert("roles", self.set(Kind::Role, roles)?);
                context.insert(self.names.escalated_to, self.set(Kind::Role, escalated_to)?);
                if self.names.speaker {
                    let speaker = speaker.as_ref().unwrap_or(operator);
                    context.insert("speaker", self.entity(speaker)?);
                }
                if self.names.makers {
                    context.insert("makers", self.set(Kind::User, makers)?);
                }
                if self.names.channel {
                    context.insert("channel", channel.as_str().into());
                }
                if let Some(terms) = standing {
                    insert_terms(context, *terms)?;
                }
            }
            ActionContext::Token {
                on_behalf_of,
                people,
                first,
            } => {
                context.insert("on_behalf_of", self.entity(on_behalf_of)?);
                context.insert("people", count(*people)?);
                context.insert("first", (*first).into());
            }
            ActionContext::Call { .. }
            | ActionContext::Result { .. }
            | ActionContext::Capability { .. }
            | ActionContext::Http { .. }
            | ActionContext::Secret { .. }
            | ActionContext::Elicitation { .. }
            | ActionContext::Operator => {}
        }
        Ok(())
    }

    /// What a call asks for. Returns the attributes that are passed as text instead of their type.
    fn insert_call(
        &self,
        context: &mut Attributes,
        action: &Action,
        input: &Json,
        facts: &Facts,
    ) -> Result<Vec<Vec<String>>, RequestError> {
        let mut untyped = Vec::new();
        match action {
            Action::GetPrompt => {
                context.insert("input", texts(input)?);
            }
            // Its arguments have no type in common.
            Action::PreviewCall => {}
            Action::ReadResource => {
                let uri = input.get("uri").and_then(Json::as_str);
                let (scheme, _) = uri.and_then(|uri| uri.split_once(':')).unzip();
                let missing = || request_error("the resource has no URI with a scheme");
                context.insert("uri", uri.ok_or_else(missing)?.into());
                context.insert("scheme", scheme.ok_or_else(missing)?.into());
            }
            tool => {
                let typed = self.typed_input(tool.id(), input)?;
                context.insert("input", typed.value);
                untyped = typed.untyped;
            }
        }
        context.extend(self.provenance(&facts.provenance)?);
        context.extend(self.history(&facts.history)?);
        Ok(untyped)
    }

    fn typed_input(&self, tool: &str, input: &Json) -> Result<TypedArguments, RequestError> {
        let typed = self.tools.get(tool);
        let typed =
            typed.ok_or_else(|| request_error(format!("the tool `{tool}` is not loaded")))?;
        typed
            .typed(input)
            .map_err(|p| request_error(format!("the value at `{}` {}", p.pointer, p.problem)))
    }

    fn run(&self, run: &RunFacts) -> Result<Value, RequestError> {
        let out_of_range =
            |what| move || request_error(format!("the run's {what} is out of range"));
        let elapsed = |micros: u64| {
            cedar_value::duration(micros / 1000).ok_or_else(out_of_range("elapsed time"))
        };
        let reported = |reported: &SelfReport| -> Result<Value, RequestError> {
            let cost =
                cedar_value::decimal(&reported.cost).ok_or_else(out_of_range("reported cost"))?;
            Ok(cedar_value::record([
                ("tokens", count(reported.tokens)?),
                ("cost", cost),
                ("complete", reported.complete.into()),
            ]))
        };
        let window = if self.names.window {
            let window = cedar_value::record([
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
        Ok(cedar_value::record(facts.into_iter().chain(window)))
    }

    /// `context.approval`.
    fn approval(&self, granted: Option<&PriorApproval>) -> Result<Value, RequestError> {
        let (roles, given) = match granted {
            None => (cedar_value::set([]), 0),
            Some(granted) => (self.set(Kind::Role, &granted.roles)?, granted.count),
        };
        Ok(cedar_value::record([
            ("roles", roles),
            ("count", count(given)?),
        ]))
    }

    /// The same request with this approval.
    pub(super) fn approved(
        &self,
        plain: &TypedRequest,
        granted: &PriorApproval,
    ) -> Result<TypedRequest, RequestError> {
        let Some(Context::Value(context)) = plain.cedar.context() else {
            return Err(request_error("the request has no context"));
        };
        let mut context = BTreeMap::clone(context);
        // Only actions that can be approved have one.
        if let Some(approval) = context.get_mut("approval") {
            *approval = self.approval(Some(granted))?;
        }
        Ok(plain.with_context(Context::Value(Arc::new(context))))
    }
}

/// The terms of a standing approval.
fn insert_terms(context: &mut Attributes, terms: StandingTerms) -> Result<(), RequestError> {
    let lifetime = cedar_value::duration(terms.lifetime / 1000);
    let lifetime = lifetime.ok_or_else(|| request_error("the lifetime is out of range"))?;
    context.insert("lifetime", lifetime);
    context.insert("run_only", (terms.scope == StandingScope::Run).into());
    context.insert("uses", count(terms.uses)?);
    Ok(())
}

/// What every request has.
fn time_and_place(facts: &Facts) -> Result<Attributes, RequestError> {
    let local = cedar_value::record([
        ("weekday", cedar_value::long(facts.local.weekday.into())),
        ("minute", cedar_value::long(facts.local.minute.into())),
    ]);
    Ok(Attributes::from([
        ("now", datetime(facts.now)?),
        ("local", local),
        ("environment", facts.environment.as_str().into()),
    ]))
}

/// The arguments of a prompt: a record of texts.
fn texts(input: &Json) -> Result<Value, RequestError> {
    let members = input.as_object().into_iter().flatten();
    let texts: Result<Vec<(&str, Value)>, RequestError> = members
        .map(|(name, value)| match value.as_str() {
            Some(text) => Ok((name.as_str(), text.into())),
            None => Err(request_error("an argument of the prompt is not text")),
        })
        .collect();
    Ok(cedar_value::record(texts?))
}

/// What a server asks a person.
fn insert_question(context: &mut Attributes, action: &ActionContext) -> Result<(), RequestError> {
    let ActionContext::Elicitation {
        guest: _,
        mode,
        message,
        fields,
        schema,
        url,
        host,
        size,
    } = action
    else {
        return Ok(());
    };
    context.insert("mode", mode.as_str().into());
    context.insert("message", message.as_str().into());
    context.insert("fields", texts_of(fields));
    context.insert("schema", schema.as_str().into());
    context.insert("url", url.as_str().into());
    context.insert("host", host.as_str().into());
    context.insert("size", count(*size)?);
    Ok(())
}

/// A set of texts.
fn texts_of(texts: &BTreeSet<String>) -> Value {
    cedar_value::set(texts.iter().map(|text| Literal::from(text.as_str())))
}

fn count(n: u64) -> Result<Value, RequestError> {
    let n = i64::try_from(n).map_err(|_| request_error("a count is beyond 2^63"))?;
    Ok(cedar_value::long(n))
}

fn datetime(time: tollgate_model::time::Timestamp) -> Result<Value, RequestError> {
    (time.0 >= 0 && time.millis() < LATEST)
        .then(|| cedar_value::datetime(time.millis()))
        .flatten()
        .ok_or_else(|| request_error("the time is out of range"))
}
