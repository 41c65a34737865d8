//! A gate that permits nothing: what the sandbox costs by itself.

use std::{collections::BTreeSet, sync::Arc};

use tollgate::sandbox::{
    capability::{
        config::ConfigAct,
        files::FileAct,
        http::HttpAct,
        progress::{ProgressReport, ProgressSink},
        secrets::SecretAct,
        state::{StateError, StateReply, StateRequest, StateStore},
    },
    port::{
        Authorize, CallPort, ConsumedBudget, Denial, EffectReport, NestedCallError, Permit,
        PortFuture, RemainingBudget, SecretStore, SecretValue,
    },
};
use tollgate_model::{ids::SpanId, time::Timestamp, tool::Content};

/// Denies every act.
#[derive(Debug)]
pub(crate) struct DenyAll;

fn denial() -> Denial {
    Denial::undecided("nothing is permitted here")
}

macro_rules! denies {
    ($($act:ty),*) => {$(
        impl Authorize<$act> for DenyAll {
            fn would_allow(&self, _: &$act) -> Result<bool, Denial> {
                Ok(false)
            }

            fn authorize(&self, _: $act) -> PortFuture<'_, Result<Permit<$act>, Denial>> {
                Box::pin(async { Err(denial()) })
            }

            fn labels_unchanged(&self, _: &Permit<$act>) -> Result<bool, Denial> {
                Err(denial())
            }

            fn complete(&self, _: Permit<$act>, _: EffectReport) {}
        }
    )*};
}

denies!(ConfigAct, FileAct, HttpAct, SecretAct);

impl CallPort for DenyAll {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn is_nested(&self) -> bool {
        false
    }

    fn new_span(&self) -> SpanId {
        SpanId::from_bytes([1; 8])
    }

    fn traceparent(&self, _: SpanId) -> String {
        String::new()
    }

    fn log(&self, _: &'static str, _: &str) {}

    fn call<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: RemainingBudget,
    ) -> PortFuture<'a, (Result<Vec<Content>, NestedCallError>, ConsumedBudget)> {
        let denied = Err(NestedCallError::Denied(denial()));
        Box::pin(async { (denied, ConsumedBudget::default()) })
    }

    fn secrets(&self) -> &dyn SecretStore {
        self
    }
}

impl ProgressSink for DenyAll {
    fn report(self: Arc<Self>, _: ProgressReport) -> Option<PortFuture<'static, ()>> {
        None
    }
}

impl StateStore for DenyAll {
    fn state(&self, _: StateRequest) -> PortFuture<'_, Result<StateReply, StateError>> {
        Box::pin(async { Err(StateError::Denied(denial())) })
    }
}

impl SecretStore for DenyAll {
    fn load<'a>(&'a self, _: &'a BTreeSet<String>) -> PortFuture<'a, ()> {
        Box::pin(async {})
    }

    fn value<'a>(&'a self, _: &'a str) -> PortFuture<'a, Result<SecretValue, String>> {
        Box::pin(async { Err("there are no secrets here".to_owned()) })
    }

    fn scrub(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    fn scrub_text(&self, text: &str) -> String {
        text.to_owned()
    }
}
