//! `[budgets]`: limits of a run, and of an agent in all its runs within a window.
//!
//! They become policies, so that they are decided, explained, tested and replayed like all others.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use tollgate_policy::policy::{self, PolicyFile};

use super::{AgentConfig, ConfigError, raw, validate::Validation};

/// The file name that these policies report.
const FILE: &str = "tollgate.toml [budgets]";
/// Usage is counted by the hour.
const HOUR: Duration = Duration::from_secs(3600);

/// The limits of runs and agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetConfig {
    /// The window in which an agent's runs are counted together: whole hours.
    pub window: Duration,
    /// Limits of each run.
    pub run: Budget,
    /// Limits of each of these agents, in all its runs within the window.
    pub agents: BTreeMap<String, Budget>,
}

/// Limits; absent ones are unlimited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budget {
    /// Calls.
    pub calls: Option<u64>,
    /// Time since the run began; for an agent, time in which it was active.
    pub elapsed: Option<Duration>,
    /// Tokens, as far as agents report them.
    pub tokens: Option<u64>,
    /// Cost, as far as agents report it: a decimal of at most four places.
    pub cost: Option<String>,
}

impl BudgetConfig {
    /// The limits as policies; empty if there are none.
    #[must_use]
    pub fn policies(&self) -> Option<PolicyFile> {
        let mut text = String::new();
        write_policies(&mut text, None, &self.run, self.window);
        for (agent, budget) in &self.agents {
            write_policies(&mut text, Some(agent), budget, self.window);
        }
        (!text.is_empty()).then(|| PolicyFile {
            name: FILE.into(),
            text,
        })
    }
}

/// One `forbid` for each limit.
fn write_policies(text: &mut String, agent: Option<&str>, budget: &Budget, window: Duration) {
    let (whose, principal) = match agent {
        None => ("run".to_owned(), "principal".to_owned()),
        Some(name) => (
            format!("agent-{name}"),
            format!("principal == Tollgate::Agent::\"{name}\""),
        ),
    };
    let facts = match agent {
        None => "context.run",
        Some(_) => "context.run.window",
    };
    let reported = match agent {
        None => "context.run.reported",
        Some(_) => "context.run.window.reported",
    };
    let mut limit = |what: &str, condition: String, used: String| {
        let subject = if agent.is_some() {
            "You have"
        } else {
            "This run has"
        };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "@id(\"budget/{whose}/{what}\")\n@owner(\"operator\")\n@budget(\"{what}\")\n\
             @reason(\"{subject} used up {used}. Say what is done and what is left; a person decides how to continue.\")\n\
             forbid ({principal}, action in Tollgate::Action::\"call\", resource)\nwhen {{ {condition} }};\n\n"
        );
    };
    let span = match agent {
        None => String::new(),
        Some(_) => format!(" within {} hours", window.as_secs() / HOUR.as_secs()),
    };
    if let Some(calls) = budget.calls {
        let condition = format!("{facts}.calls >= {calls}");
        limit(
            "calls",
            condition,
            format!("the budget of {calls} calls{span}"),
        );
    }
    if let Some(elapsed) = budget.elapsed {
        let millis = elapsed.as_millis();
        let condition = format!("{facts}.elapsed >= duration(\"{millis}ms\")");
        limit(
            "elapsed",
            condition,
            format!("the time of {} minutes", elapsed.as_secs() / 60),
        );
    }
    if let Some(tokens) = budget.tokens {
        let condition = format!("{reported}.tokens >= {tokens}");
        limit(
            "tokens",
            condition,
            format!("the budget of {tokens} tokens{span}, as they were reported"),
        );
    }
    if let Some(cost) = &budget.cost {
        let condition = format!("{reported}.cost.greaterThanOrEqual(decimal(\"{cost}\"))");
        limit(
            "cost",
            condition,
            format!("the budget of {cost}{span}, as it was reported"),
        );
    }
}

impl Validation<'_> {
    pub(super) fn budgets(
        &self,
        budgets: raw::Budgets,
        agents: &BTreeMap<String, AgentConfig>,
    ) -> Result<BudgetConfig, ConfigError> {
        let window = match &budgets.window {
            None => HOUR * 24,
            Some(text) => {
                let window = self.duration(text)?;
                let hours = window.as_secs() / HOUR.as_secs();
                if window != HOUR * u32::try_from(hours).unwrap_or(0) || !(1..=720).contains(&hours)
                {
                    let message = format!("`window = \"{text}\"` is not a window");
                    return Err(self.error(text, message, "use whole hours, \"1h\" to \"720h\""));
                }
                window
            }
        };
        let mut each = BTreeMap::new();
        for (name, budget) in budgets.agents {
            if !agents.contains_key(&name) {
                let message =
                    format!("[budgets.agents] names the agent `{name}`, which is not configured");
                let help = match policy::nearest(&name, agents.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("add a table [agents.{name}]"),
                };
                return Err(self.error(&format!("[budgets.agents.{name}]"), message, &help));
            }
            each.insert(name, self.budget(budget)?);
        }
        Ok(BudgetConfig {
            window,
            run: self.budget(budgets.run)?,
            agents: each,
        })
    }

    fn budget(&self, budget: raw::Budget) -> Result<Budget, ConfigError> {
        if let Some(cost) = &budget.cost {
            let (whole, part) = cost.split_once('.').unwrap_or((cost.as_str(), "0"));
            let digits = |text: &str, most: usize| {
                (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
            };
            if !digits(whole, 12) || !digits(part, 4) {
                let message = format!("`cost = \"{}\"` is not an amount", cost.escape_debug());
                let help = "write a decimal of at most four places, as in \"2.50\"";
                return Err(self.error(&format!("\"{cost}\""), message, help));
            }
        }
        for (key, count) in [("calls", budget.calls), ("tokens", budget.tokens)] {
            if count.is_some_and(|count| i64::try_from(count).is_err()) {
                let message = format!("`{key}` is out of range");
                return Err(self.error(key, message, "use a smaller number, or leave it out"));
            }
        }
        let elapsed = budget
            .elapsed
            .as_deref()
            .map(|text| self.duration(text))
            .transpose()?;
        // Cedar's decimals need a decimal point.
        let pointed = |cost: String| {
            if cost.contains('.') {
                cost
            } else {
                format!("{cost}.0")
            }
        };
        Ok(Budget {
            calls: budget.calls,
            elapsed,
            tokens: budget.tokens,
            cost: budget.cost.map(pointed),
        })
    }
}
