//! `[hook]`: the socket at which coding agents' accounts have their calls decided.

use std::{collections::BTreeMap, path::PathBuf};

use super::{AgentConfig, ConfigError, raw, validate::Validation};

/// Permission bits that a socket may have.
const MAX_MODE: u32 = 0o666;

/// The socket at which coding agents' accounts have their calls decided. It serves nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookConfig {
    /// Where it is.
    pub socket: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// Its group; absent: the group of the gate's process.
    pub group: Option<String>,
}

impl Validation<'_> {
    pub(super) fn hook(
        &self,
        hook: raw::Hook,
        agents: &BTreeMap<String, AgentConfig>,
    ) -> Result<Option<HookConfig>, ConfigError> {
        self.unique_logins(agents)?;
        let Some(socket) = hook.socket else {
            if hook.mode.is_none() && hook.group.is_none() {
                return Ok(None);
            }
            let message = "[hook] has no socket".into();
            let help = "name it: socket = \"/run/tollgate/hook.sock\"";
            return Err(self.error("[hook]", message, help));
        };
        if !agents.values().any(|agent| agent.login.is_some()) {
            let message = "no agent has a login, so the hook socket lets no account in".into();
            let help = "name the account of each agent: login = \"coder\" under [agents.NAME]";
            return Err(self.error(&socket, message, help));
        }
        let mode = hook.mode.as_deref().unwrap_or("0660");
        let bits = u32::from_str_radix(mode, 8).ok();
        let Some(bits) = bits.filter(|bits| bits & !MAX_MODE == 0) else {
            let message = format!("`{mode}` is not the mode of a socket");
            let help = "write it as in \"0660\", with reading and writing only";
            return Err(self.error(mode, message, help));
        };
        Ok(Some(HookConfig {
            socket: self.base.join(socket),
            mode: bits,
            group: hook.group,
        }))
    }

    /// Requires that an account is that of one agent.
    fn unique_logins(&self, agents: &BTreeMap<String, AgentConfig>) -> Result<(), ConfigError> {
        let mut known: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, agent) in agents {
            let Some(login) = &agent.login else { continue };
            if let Some(other) = known.insert(login, name) {
                let message = format!("the agents `{other}` and `{name}` have the login `{login}`");
                let help = "give each agent an account of its own: the account is all that the gate knows of it";
                return Err(self.error(&format!("\"{login}\""), message, help));
            }
        }
        Ok(())
    }
}
