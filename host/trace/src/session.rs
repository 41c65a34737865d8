//! Traces for sessions of agents that send no trace id.

use sha2::{Digest as _, Sha256};
use tollgate_model::{
    ids::RunId,
    record::{Event, Origin, Record},
};

/// Prefixes of run keys that hooks make from the session of a coding agent.
const HOOKS: &[&str] = &["claude-code:", "codex:", "gemini:", "cursor:"];

/// The trace of a session: 16 bytes of SHA-256 over tenant and session.
#[must_use]
pub fn session_trace(tenant: &str, session: &str) -> RunId {
    let mut hash = Sha256::new();
    hash.update(b"tollgate session");
    for part in [tenant, session] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    RunId::from_bytes(digest.first_chunk().copied().unwrap_or([1; 16]))
}

/// The caller's trace of a run: the one that it sent, else that of the session in the run's key.
#[must_use]
pub fn callers_trace(tenant: &str, key: Option<&str>, origin: &Origin) -> Option<RunId> {
    origin.trace.or_else(|| {
        let key = key?;
        let session = HOOKS.iter().find_map(|prefix| key.strip_prefix(prefix))?;
        Some(session_trace(tenant, session))
    })
}

/// The same from a run's records; `None` if it is the run's own trace.
pub(crate) fn callers_trace_of(run: RunId, records: &[(u64, Record)]) -> Option<RunId> {
    let caller = records.iter().find_map(|(_, record)| {
        let Event::RunStarted(run) = &record.event else {
            return None;
        };
        callers_trace(&record.tenant, run.key.as_deref(), &run.origin)
    });
    caller.filter(|trace| *trace != run)
}

#[cfg(test)]
mod tests;
