//! Arrive: identify the caller, the user for whom it acts, and the run.

use std::{collections::BTreeSet, sync::Arc};

use tollgate_model::ids::SpanId;

use crate::{
    enforce::{CallContext, CallOptions, Pep, RecentUsage, Refusal, Ruleset},
    identity::{Caller, Identity, RunKey},
};

/// The context of an incoming call. Its run is found or started; a start is recorded.
///
/// # Errors
/// [`Refusal`] if the caller is not configured, its token is not valid any more, the run has ended, or it cannot be
/// recorded.
pub(crate) async fn arrive(
    pep: &Pep,
    ruleset: &Arc<Ruleset>,
    caller: &Caller,
    key: &RunKey,
    options: &mut CallOptions,
    span: SpanId,
) -> Result<CallContext, Refusal> {
    let identity = Identity::of(&ruleset.config, caller)?;
    let makers = pep.token_makers(ruleset, options.token)?;
    let run = pep
        .find_or_start_run(ruleset, &identity, caller, key, &options.origin)
        .await?;
    let conversation = options.origin.conversation.clone();
    pep.join_remembered_labels(ruleset, &identity, run.id, conversation)
        .await?;
    pep.enter_scope(ruleset, &identity, run.id, options).await?;
    if options.origin.trace != Some(run.id) {
        // The trace does not continue here (W3C Trace Context, section 3.3).
        options.meta.remove("tracestate");
    }
    let Identity {
        principal,
        agent,
        on_behalf_of,
        operator,
        speaker,
    } = identity;
    Ok(CallContext {
        ruleset: Arc::clone(ruleset),
        principal,
        agent,
        on_behalf_of,
        operator,
        speaker,
        makers,
        token: options.token,
        run: run.id,
        root: run.root,
        call: span,
        arrival_span: span,
        caller: options.origin.parent,
        arrival: std::mem::take(&mut options.arrival),
        enclosing: Vec::new(),
        inherited_labels: BTreeSet::new(),
        arguments: None,
        edit: None,
        resource: None,
        attempt: 1,
        recent_usage: RecentUsage::default(),
        counted: None,
    })
}
