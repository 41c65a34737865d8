//! What others check without the ledger: proofs of records, and exported logs.

use std::path::Path;

use tollgate_ledger::{
    LedgerError,
    checkpoint::{ExportedLog, LogProof, NoteSigner, NoteVerifier},
};
use tollgate_model::{
    ids::{DecisionId, hex},
    record::Record,
};

use super::signing_key;
use crate::{
    context::Context,
    error::Failure,
    exit_code::Exit,
    style::{Tone, paint},
    units::count,
};

/// Run `tollgate ledger prove`.
pub(super) fn prove(id: DecisionId, out: Option<&Path>, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let reader = cx.reader(&config)?;
    let signer = NoteSigner::load(&signing_key(&config))?;
    let proof = reader.prove(id.0, &signer)?.to_string();
    let Some(out) = out else {
        let value = serde_json::json!({ "proof": proof });
        cx.out.show(&value, || proof.clone())?;
        return Ok(Exit::Ok);
    };
    std::fs::write(out, &proof).map_err(|e| LedgerError::Store {
        path: out.display().to_string(),
        reason: e.to_string(),
    })?;
    let value = serde_json::json!({ "file": out });
    cx.out.show(&value, || {
        format!(
            "{} proof of {id} in {}",
            paint("✓", Tone::Good),
            out.display()
        )
    })?;
    Ok(Exit::Ok)
}

/// Run `tollgate ledger verify --proof`.
pub(super) fn verify_proof(file: &Path, key: &str, cx: &Context<'_>) -> Result<Exit, Failure> {
    let failed = |reason: String| LedgerError::Store {
        path: file.display().to_string(),
        reason,
    };
    let text = std::fs::read_to_string(file).map_err(|e| failed(e.to_string()))?;
    let verifier = NoteVerifier::parse(key).map_err(|e| failed(e.to_string()))?;
    let proof = LogProof::parse(&text).map_err(|e| failed(e.to_string()))?;
    let checkpoint = proof.verify(&verifier).map_err(|e| failed(e.to_string()))?;
    let record = Record::from_leaf(&proof.leaf).map_err(|e| failed(e.to_string()))?;
    let value = serde_json::json!({
        "ok": true, "origin": checkpoint.origin, "size": checkpoint.size, "index": proof.index, "record": record,
    });
    cx.out.show(&value, || {
        let shown = serde_json::to_string(&record).unwrap_or_default();
        let shown = tollgate::text::printable(&shown, usize::MAX);
        format!(
            "{} record {} of the {} in {}\n{shown}",
            paint("✓", Tone::Good),
            proof.index,
            count(checkpoint.size, "record"),
            checkpoint.origin
        )
    })?;
    Ok(Exit::Ok)
}

/// Run `tollgate ledger export`.
pub(super) fn export(dir: &Path, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let reader = cx.reader(&config)?;
    let signer = NoteSigner::load(&signing_key(&config))?;
    let progress = cx.out.progress();
    let step = progress.map(|progress| progress.step("exporting the ledger"));
    let checkpoint = reader.export(dir, &signer, |done| {
        if let Some(step) = &step {
            step.detail(&count(done, "record"));
        }
    })?;
    drop(step);
    let root = hex(&checkpoint.root);
    let value = serde_json::json!({
        "dir": dir, "origin": checkpoint.origin, "records": checkpoint.size, "root": root,
    });
    cx.out.show(&value, || {
        let public = signer.verifier();
        format!(
            "{} {} of {} in {}\n  root {root}\n  check it with: tollgate ledger verify --log {} --key {public}",
            paint("✓", Tone::Good),
            count(checkpoint.size, "record"),
            checkpoint.origin,
            dir.display(),
            dir.display(),
        )
    })?;
    Ok(Exit::Ok)
}

/// Run `tollgate ledger verify --log`.
pub(super) fn verify_log(dir: &Path, key: &str, cx: &Context<'_>) -> Result<Exit, Failure> {
    let verifier =
        NoteVerifier::parse(key).map_err(|error| Failure::usage(format!("--key: {error}")))?;
    let progress = cx.out.progress();
    let step = progress.map(|progress| progress.step("verifying the log"));
    let verified = ExportedLog::new(dir).verify(&verifier, |index, _| {
        if let Some(step) = step.as_ref().filter(|_| index.is_multiple_of(4096)) {
            step.detail(&count(index, "record"));
        }
    });
    drop(step);
    let checkpoint = verified.map_err(|error| Failure::plain(error.to_string()))?;
    let root = hex(&checkpoint.root);
    let value = serde_json::json!({
        "ok": true, "origin": checkpoint.origin, "records": checkpoint.size, "root": root,
    });
    cx.out.show(&value, || {
        format!(
            "{} {} of {} are what was signed\n  root {root}",
            paint("✓", Tone::Good),
            count(checkpoint.size, "record"),
            checkpoint.origin
        )
    })?;
    Ok(Exit::Ok)
}
