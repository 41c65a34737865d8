//! Who calls, by names that the configuration has.
//!
//! A run's key comes from the caller and proves nothing. So a run belongs to one tenant, one principal and one
//! user on whose behalf the principal acts.

use serde::{Deserialize, Serialize};
use tollgate_model::{
    entity::{Kind, Uid},
    ids::RunId,
};
use tollgate_policy::policy;

use crate::{
    config::{CLI_AGENT, Config},
    text::printable,
};

/// Who calls, as the surface has authenticated it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Caller {
    /// A person.
    User(String),
    /// An agent.
    Agent {
        /// Its name.
        name: String,
        /// On whose behalf it acts, if its token says so; else its operator's.
        on_behalf_of: Option<String>,
    },
    /// A person who speaks for an agent at the command line, which is recorded as an act of that person.
    Spoken {
        /// The agent.
        agent: String,
        /// The person.
        by: String,
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
    /// By this name; a new run if the caller has none of this name.
    Named(String),
    /// By the caller's own trace; a new run if there is none.
    Traced(RunId),
    /// The caller's last run without a name, if something happened in it recently; else a new one.
    Ambient,
    /// By the id of a run of the caller's own, which goes on.
    Id(RunId),
}

impl RunKey {
    /// How the ledger spells it; `None` where the gate names the run.
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
    /// Who acts.
    pub(crate) principal: Uid,
    /// The program that acts: the principal, or the built-in agent `cli` where a person acts.
    pub(crate) agent: Uid,
    /// On whose behalf.
    pub(crate) on_behalf_of: Uid,
    /// Who runs the agent.
    pub(crate) operator: Uid,
}

/// The caller names somebody who is not configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownPrincipal {
    /// What is wrong, and what to do.
    pub(crate) problem: String,
    /// A configured name like it.
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
        let (name, on_behalf_of) = match caller {
            Caller::User(name) => {
                let user = known(name)?;
                return Ok(Self {
                    principal: user.clone(),
                    agent: Uid::new(Kind::Agent, CLI_AGENT),
                    on_behalf_of: user.clone(),
                    operator: user,
                });
            }
            Caller::Spoken { agent, by } => {
                known(by)?;
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
        })
    }
}

/// On whose behalf the caller acts, if the configuration knows both.
pub(crate) fn on_behalf_of(config: &Config, caller: &Caller) -> Option<Uid> {
    Identity::of(config, caller)
        .ok()
        .map(|identity| identity.on_behalf_of)
}
