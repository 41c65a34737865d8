//! Puts shadow policies into force: decided as `activate_policies` by the policies in force, and recorded,
//! before anything is read. A set that does not load changes nothing.

use std::{collections::BTreeMap, fs, path::Path};

use tollgate_ledger::durable_file::{self, FileMode};
use tollgate_model::{canonical::Sha256Digest, entity::Uid, request::Action};
use tollgate_policy::policy::{Mode, PolicyFile};

use super::{Gate, OperateError};
use crate::{
    config::{Config, policy_files},
    executors::Snapshot,
    load,
    text::printable,
};

/// The annotation of shadow policies.
const SHADOW: &str = "@mode(\"shadow\")";

/// The result of a promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The bundle that is in force now.
    pub bundle: Sha256Digest,
    /// Files that were written or removed, relative to the directory of policies.
    pub files: Vec<String>,
}

/// A set of policies that loads.
struct PromotionCandidate {
    snapshot: Snapshot,
    before: Vec<PolicyFile>,
    after: Vec<PolicyFile>,
}

impl Gate {
    /// Puts one shadow policy into force or, without a name, the whole shadow set. From then on it decides
    /// the gate's calls.
    ///
    /// # Errors
    /// [`OperateError`] if `user` may not, there is nothing to promote, or the set does not load.
    pub async fn promote(
        &self,
        user: &Uid,
        policy: Option<&str>,
    ) -> Result<Promotion, OperateError> {
        let _one_at_a_time = self.0.reloading.lock().await;
        self.operate(user, Action::ActivatePolicies).await?;
        let PromotionCandidate {
            snapshot,
            before,
            after,
        } = self.load_promoted(policy).await?;
        let dir = snapshot.ruleset.config.policies.clone();
        let changed = changes(&before, &after);
        let store = |e: std::io::Error, path: &Path| {
            OperateError::Store(format!("{}: it cannot be written: {e}", path.display()))
        };
        let undo = |error: OperateError| {
            // Restore the files. If that fails, the check after every load reports it.
            for (name, (was, _)) in &changed {
                let _ = put(&dir.join(name), *was);
            }
            error
        };
        for (name, (_, text)) in &changed {
            let path = dir.join(name);
            put(&path, *text).map_err(|e| undo(store(e, &path)))?;
        }
        let bundle = snapshot.ruleset.pdp.digest();
        let activated = self.put_into_force(snapshot, &user.id).await;
        activated.map_err(|e| undo(OperateError::Store(e.to_string())))?;
        Ok(Promotion {
            bundle,
            files: changed.into_keys().map(str::to_owned).collect(),
        })
    }

    /// What would be in force, with the files before and after.
    async fn load_promoted(
        &self,
        policy: Option<&str>,
    ) -> Result<PromotionCandidate, OperateError> {
        let unknown = |e: String| OperateError::Unknown(e);
        let unread = |e: load::LoadError| OperateError::Unknown(e.to_string());
        let running = self.ruleset();
        let config = Config::read(&running.config.file).map_err(|e| unknown(e.to_string()))?;
        load::ensure_reloadable(&running.config, &config).map_err(unread)?;
        let before = config.policy_files().map_err(|e| unknown(e.to_string()))?;
        let after = match policy {
            Some(id) => self.without_shadow(id, &before)?,
            None => candidate(&config)?,
        };
        let lock = load::read_lock(&config).map_err(unread)?;
        let snapshot = load::with_policies(
            &self.0.sandbox,
            self.connector(),
            config,
            &lock,
            Some(after.clone()),
        )
        .await
        .map_err(|e| unknown(format!("nothing was changed, because {e}")))?;
        Ok(PromotionCandidate {
            snapshot,
            before,
            after,
        })
    }

    /// The files without the shadow annotation of `id`.
    fn without_shadow(
        &self,
        id: &str,
        files: &[PolicyFile],
    ) -> Result<Vec<PolicyFile>, OperateError> {
        let unknown = |e: String| OperateError::Unknown(e);
        let ruleset = self.ruleset();
        let policies = ruleset.pdp.policies();
        let policy = policies.get(id).ok_or_else(|| {
            let near = tollgate_policy::policy::nearest(id, policies.keys().map(String::as_str));
            let near = near.map(|near| format!("; did you mean `{near}`?"));
            unknown(format!(
                "there is no policy `{}`{}",
                printable(id, 100),
                near.unwrap_or_default()
            ))
        })?;
        if policy.mode != Mode::Shadow {
            return Err(unknown(format!("policy `{id}` is in force already")));
        }
        let changed = || {
            unknown(format!(
                "{} has changed since it was loaded, or writes {SHADOW} in another way; remove that annotation of \
                 `{id}` yourself and reload",
                policy.file
            ))
        };
        let mut files = files.to_vec();
        let file = files.iter_mut().find(|f| f.name == policy.file);
        let file = file.ok_or_else(changed)?;
        let end = policy.offset + policy.length;
        let own = file.text.get(policy.offset..end).ok_or_else(changed)?;
        if !own.contains(&format!("@id(\"{id}\")")) {
            return Err(changed());
        }
        let at = policy.offset + own.find(SHADOW).ok_or_else(changed)?;
        let (head, rest) = file.text.split_at(at);
        let rest = rest.strip_prefix(SHADOW).unwrap_or(rest);
        // Remove the line as well, if nothing else is on it.
        let alone = head.is_empty() || head.ends_with('\n');
        let rest = match rest.strip_prefix('\n') {
            Some(next) if alone => next,
            _ => rest.strip_prefix(' ').unwrap_or(rest),
        };
        file.text = format!("{head}{rest}");
        Ok(files)
    }
}

/// The files of the shadow set.
fn candidate(config: &Config) -> Result<Vec<PolicyFile>, OperateError> {
    let dir = config.candidate.as_deref().ok_or_else(|| {
        OperateError::Unknown(
            "there is no candidate: set `shadow` under [policies], or name a policy in shadow mode"
                .into(),
        )
    })?;
    policy_files(dir).map_err(|e| OperateError::Unknown(e.to_string()))
}

type Text<'a> = Option<&'a str>;

/// Files that differ, with their texts before and after.
fn changes<'a>(
    before: &'a [PolicyFile],
    after: &'a [PolicyFile],
) -> BTreeMap<&'a str, (Text<'a>, Text<'a>)> {
    let mut files: BTreeMap<&str, (Text<'_>, Text<'_>)> = BTreeMap::new();
    for file in before {
        files.entry(&file.name).or_default().0 = Some(&file.text);
    }
    for file in after {
        files.entry(&file.name).or_default().1 = Some(&file.text);
    }
    files.retain(|_, (before, after)| before != after);
    files
}

/// Write a file, whole or not at all; or remove it.
fn put(path: &Path, text: Text<'_>) -> std::io::Result<()> {
    let Some(text) = text else {
        return match fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        };
    };
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    durable_file::replace(path, text.as_bytes(), FileMode::Public)
}
