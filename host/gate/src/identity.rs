//! The caller's identity, by names of the configuration.
//!
//! A run's key comes from the caller and proves nothing. So a run belongs to one tenant, one principal and
//! one user for whom the principal acts.

use serde::{Deserialize, Serialize};
use tollgate_model::{
    entity::{Kind, Uid},
    ids::RunId,
    record::Speaker,
};
use tollgate_policy::policy;

use crate::{
    config::{CLI_AGENT, Config},
    text::printable,
};

/// The caller, as the surface has authenticated it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Caller {
    /// A person.
    User(String),
    /// An agent.
    Agent {
        /// Its name.
        name: String,
        /// The user for whom it acts, if its token names one; otherwise its operator.
        on_behalf_of: Option<String>,
    },
    /// A person who acts as an agent on the command line, which is recorded as an action of that person.
    Spoken {
        /// The agent.
        agent: String,
        /// The person.
        by: String,
        /// The channel, such as `cli`.
        channel: String,
    },
}

impl Caller {
    /// The principal whose calls these are.
    #[must_use]
    pub fn principal(&self) -> Uid {
        match self {
            Self::User(name) => Uid::new(Kind::User, name),
            Self::Agent { name, .. } | Self::Spoken { agent: name, .. } => {
                Uid::new(Kind::Agent, name)
            }
        }
    }
}

/// How a caller names a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunKey {
    /// By this name; a new run if the caller has none with this name.
    Named(String),
    /// By the caller's own trace; a new run if there is none.
    Traced(RunId),
    /// The caller's latest run without a name, if it is not idle for too long; otherwise a new one.
    Ambient,
    /// By the id of an open run of the caller.
    Id(RunId),
}

impl RunKey {
    /// The key in the ledger; `None` if the gate names the run.
    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::Named(name) => Some(name.clone()),
            Self::Traced(trace) => Some(format!("trace:{trace}")),
            Self::Ambient | Self::Id(_) => None,
        }
    }
}

/// The principals of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The principal.
    pub(crate) principal: Uid,
    /// The program that acts: the principal, or the built-in agent `cli` if a person acts.
    pub(crate) agent: Uid,
    /// The user for whom it acts.
    pub(crate) on_behalf_of: Uid,
    /// The agent's operator.
    pub(crate) operator: Uid,
    /// The user who speaks for the agent.
    pub(crate) speaker: Option<Speaker>,
}

/// The caller names an agent or user that is not configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownPrincipal {
    /// What is wrong, and how to fix it.
    pub(crate) problem: String,
    /// A similar configured name.
    pub(crate) nearest: Option<String>,
}

impl Identity {
    /// The principals behind a caller.
    ///
    /// # Errors
    /// [`UnknownPrincipal`].
    pub(crate) fn of(config: &Config, caller: &Caller) -> Result<Self, UnknownPrincipal> {
        let known = |name: &str| {
            if config.users.contains_key(name) {
                return Ok(Uid::new(Kind::User, name));
            }
            let name = printable(name, 80);
            Err(UnknownPrincipal {
                problem: format!("there is no user `{name}`; add [users.{name}] to tollgate.toml"),
                nearest: None,
            })
        };
        let mut speaker = None;
        let (name, on_behalf_of) = match caller {
            Caller::User(name) => {
                let user = known(name)?;
                return Ok(Self {
                    principal: user.clone(),
                    agent: Uid::new(Kind::Agent, CLI_AGENT),
                    on_behalf_of: user.clone(),
                    operator: user,
                    speaker: None,
                });
            }
            Caller::Spoken { agent, by, channel } => {
                speaker = Some(Speaker {
                    by: known(by)?,
                    channel: channel.clone(),
                });
                (agent, None)
            }
            Caller::Agent { name, on_behalf_of } => {
                (name, on_behalf_of.as_deref().map(known).transpose()?)
            }
        };
        let Some(agent) = config.agents.get(name) else {
            let names = config.agents.keys().map(String::as_str);
            return Err(UnknownPrincipal {
                problem: format!(
                    "there is no agent `{}` in tollgate.toml",
                    printable(name, 80)
                ),
                nearest: policy::nearest(name, names).map(str::to_owned),
            });
        };
        let operator = Uid::new(Kind::User, &agent.operator);
        let principal = caller.principal();
        Ok(Self {
            agent: principal.clone(),
            principal,
            on_behalf_of: on_behalf_of.unwrap_or_else(|| operator.clone()),
            operator,
            speaker,
        })
    }
}

/// The user for whom the caller acts, if the configuration has both.
pub(crate) fn on_behalf_of(config: &Config, caller: &Caller) -> Option<Uid> {
    Identity::of(config, caller)
        .ok()
        .map(|identity| identity.on_behalf_of)
}
