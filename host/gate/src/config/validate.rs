//! Validates the raw configuration; stops at the first error, with its position.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use jiff::tz::TimeZone;
use tollgate_policy::{policy, tool_input::NumberMapping};

use super::{
    AgentConfig, CLI_AGENT, ComponentConfig, Config, ConfigError, GateConfig, GrantConfig,
    GuestEnvironment, LimitOverrides, SecretConfig, StoreConfig, ToolConfig, UserConfig,
    line_and_column, raw,
};
use crate::tool::{Limits, Size};

/// The longest duration.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

pub(super) struct Validation<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    pub(super) base: &'a Path,
}

/// Validates each table of one kind.
fn each<R, C>(
    tables: BTreeMap<String, R>,
    validate: impl Fn(&str, R) -> Result<C, ConfigError>,
) -> Result<BTreeMap<String, C>, ConfigError> {
    let tables = tables.into_iter();
    let validated = tables.map(|(name, table)| {
        let config = validate(&name, table)?;
        Ok((name, config))
    });
    validated.collect()
}

impl Validation<'_> {
    /// An error at the first line that contains `needle`.
    pub(super) fn error(&self, needle: &str, message: String, help: &str) -> ConfigError {
        match self.text.find(needle) {
            Some(offset) => self.error_at(offset, message, help),
            None => ConfigError {
                file: self.file.into(),
                line: 0,
                column: 0,
                message,
                help: help.into(),
            },
        }
    }

    /// An error at a byte of the text.
    pub(super) fn error_at(&self, offset: usize, message: String, help: &str) -> ConfigError {
        let (line, column) = line_and_column(self.text, offset);
        ConfigError {
            file: self.file.into(),
            line,
            column,
            message,
            help: help.into(),
        }
    }

    pub(super) fn config(&self, raw: raw::File) -> Result<Config, ConfigError> {
        let gate = self.gate(raw.gate)?;
        let store = self.store(raw.store)?;
        let duration = |text: Option<String>, default: u64| match text {
            None => Ok(Duration::from_secs(default)),
            Some(text) => self.duration(&text),
        };
        let secrets = each(raw.secrets, |name, secret| self.secret(name, secret))?;
        let network = self.network(raw.network, raw.hosts)?;
        let components = each(raw.components, |name, component| {
            self.component(name, component, &secrets)
        })?;
        let upstreams = each(raw.upstream, |name, upstream| {
            if components.contains_key(name) {
                let problem = "is a component and an upstream server";
                return Err(self.refuse_taken_name("upstream", name, problem));
            }
            self.upstream(name, upstream, &secrets, &store.path)
        })?;
        let external = each(raw.external, |name, executor| {
            if components.contains_key(name) || upstreams.contains_key(name) {
                let problem = "is a component or an upstream server already";
                return Err(self.refuse_taken_name("external", name, problem));
            }
            self.external(name, executor)
        })?;
        let exports = each(raw.export, |name, export| {
            self.export(name, export, &secrets)
        })?;
        let tools = each(raw.tools, |_, tool| self.tool(tool))?;
        let users = each(raw.users, |name, user| self.user(name, user))?;
        let agents = each(raw.agents, |name, agent| self.agent(name, agent, &users))?;
        let approvals = self.approvals(&raw.approvals, &secrets, &users, &raw.serve)?;
        let serve = self.serve(raw.serve, &agents, &users)?;
        let hook = self.hook(raw.hook, &agents)?;
        let policies = raw.policies.dir.as_deref().unwrap_or("policies");
        let (approval_wait_timeout, approval_wait_timeout_with_progress) =
            self.holds(&raw.approvals)?;
        Ok(Config {
            file: self.file.into(),
            gate,
            approvals,
            serve,
            trace: self.trace(raw.trace)?,
            prices: self.prices(raw.prices)?,
            store,
            candidate: raw.policies.shadow.map(|dir| self.base.join(dir)),
            policies: self.base.join(policies),
            approval_expires: duration(raw.approvals.expires, 3600)?,
            approval_wait_timeout,
            approval_wait_timeout_with_progress,
            run_idle_timeout: duration(raw.runs.idle_timeout, 1800)?,
            named_run_idle_timeout: duration(raw.runs.named_idle_timeout, 7 * 24 * 3600)?,
            label_window: duration(raw.runs.label_window, 1800)?,
            components,
            tools,
            users,
            network,
            secrets,
            upstreams,
            external,
            exports,
            capture: self.capture(raw.capture)?,
            budgets: self.budgets(raw.budgets, &agents)?,
            agents,
            facts: self.facts(raw.facts)?,
            hook,
            error: None,
        })
    }

    fn refuse_taken_name(&self, kind: &str, name: &str, problem: &str) -> ConfigError {
        let table = format!("[{kind}.{name}]");
        let message = format!("`{name}` {problem}");
        self.error(&table, message, "give one of them another name")
    }

    fn gate(&self, gate: raw::Gate) -> Result<GateConfig, ConfigError> {
        let zone = gate.timezone.as_deref().unwrap_or("UTC");
        let timezone = TimeZone::get(zone).map_err(|_| {
            self.error(
                zone,
                format!("`{zone}` is not a time zone"),
                "use a name such as Europe/Berlin or UTC",
            )
        })?;
        let name = gate.name.unwrap_or_else(|| "tollgate".into());
        let tenant = gate.tenant.unwrap_or_else(|| "default".into());
        self.name("gate", &name)?;
        self.name("tenant", &tenant)?;
        let concurrency = gate.concurrency.unwrap_or(64);
        if !(1..=1000).contains(&concurrency) {
            let message = format!("`concurrency = {concurrency}` is out of range");
            return Err(self.error("concurrency", message, "use 1 to 1000"));
        }
        let environment = gate.environment.unwrap_or_else(|| "development".into());
        Ok(GateConfig {
            name,
            environment,
            tenant,
            timezone,
            concurrency,
        })
    }

    fn store(&self, store: raw::Store) -> Result<StoreConfig, ConfigError> {
        let url = store
            .url
            .unwrap_or_else(|| "sqlite:.tollgate/ledger.db".into());
        let Some(path) = url.strip_prefix("sqlite:").filter(|p| !p.is_empty()) else {
            let message = format!("`{url}` is not a store that this version supports");
            return Err(self.error(
                &url,
                message,
                "use a file, as in \"sqlite:.tollgate/ledger.db\"",
            ));
        };
        let key = store.key.unwrap_or_else(|| ".tollgate/master.key".into());
        Ok(StoreConfig {
            path: self.base.join(path),
            key: self.base.join(key),
        })
    }

    fn component(
        &self,
        name: &str,
        component: raw::Component,
        secrets: &BTreeMap<String, SecretConfig>,
    ) -> Result<ComponentConfig, ConfigError> {
        self.provider_name("component", name)?;
        let mut grants = BTreeMap::new();
        for (grant, raw) in component.grants {
            self.name("grant", &grant)?;
            let labels = self.names("label", raw.labels)?;
            let read_write = matches!(raw.mode, raw::Mode::ReadWrite);
            grants.insert(
                grant,
                GrantConfig {
                    path: self.base.join(raw.path),
                    read_write,
                    labels,
                },
            );
        }
        for new in component.rename.values() {
            self.name("tool", new)?;
        }
        for variable in component.env.keys() {
            self.name("variable", variable)?;
        }
        let config = self.component_config(name, component.config)?;
        let secrets = self.secrets_of(name, component.secrets, secrets)?;
        let size = component.size;
        let limits = self.limits(component.limits, size)?.over(&Limits::of(size));
        Ok(ComponentConfig {
            path: self.base.join(component.path),
            size,
            grants,
            secrets,
            rename: component.rename,
            config,
            environment: GuestEnvironment {
                arguments: component.args,
                environment: component.env,
            },
            limits,
        })
    }

    /// The name of a source of tools.
    pub(super) fn provider_name(&self, what: &str, name: &str) -> Result<(), ConfigError> {
        self.name(what, name)?;
        if name.contains("__") {
            let message = format!("the {what} name `{name}` has two underscores in a row");
            let help = "they separate this name from that of a tool; choose another name";
            return Err(self.error(name, message, help));
        }
        Ok(())
    }

    fn tool(&self, tool: raw::Tool) -> Result<ToolConfig, ConfigError> {
        let provenance = self.tool_provenance(&tool)?;
        let names = |names: Option<Vec<String>>| names.map(|n| self.names("label", n)).transpose();
        let mut numbers = BTreeMap::new();
        for (pointer, mapping) in tool.numbers {
            let parsed = NumberMapping::try_from(mapping.clone()).map_err(|e| {
                self.error(
                    &mapping,
                    e,
                    "write it as in numbers.\"/amount\" = \"scaled(2)\"",
                )
            })?;
            numbers.insert(pointer, parsed);
        }
        Ok(ToolConfig {
            labels: names(tool.labels)?,
            taints: names(tool.taints)?,
            numbers,
            provenance,
            preview: tool
                .preview
                .map(|preview| self.preview(preview))
                .transpose()?,
            // Its component determines the engine; a higher limit is capped when it runs.
            limits: self.limits(tool.limits, Size::Large)?,
        })
    }

    pub(super) fn limits(
        &self,
        limits: raw::Limits,
        engine: Size,
    ) -> Result<LimitOverrides, ConfigError> {
        let size = |text: Option<String>| text.map(|t| self.size(&t)).transpose();
        let duration = |text: Option<String>| text.map(|t| self.duration(&t)).transpose();
        let memory = size(limits.memory.clone())?;
        if memory.is_some_and(|memory| memory > engine.max_memory()) {
            let text = limits.memory.unwrap_or_default();
            let most = engine.max_memory() >> 20;
            let most = match engine {
                Size::Standard => format!("use at most {most}MiB, or size = \"large\""),
                Size::Large => format!("use at most {most}MiB"),
            };
            return Err(self.error(
                &text,
                format!("`memory = \"{text}\"` is more than a component may have"),
                &most,
            ));
        }
        Ok(LimitOverrides {
            memory,
            fuel: limits.fuel,
            wall: duration(limits.time)?,
            cpu: duration(limits.cpu)?,
            output: size(limits.output)?,
        })
    }

    fn user(&self, name: &str, user: raw::User) -> Result<UserConfig, ConfigError> {
        self.name("user", name)?;
        Ok(UserConfig {
            roles: self.names("role", user.roles)?,
            login: user.login,
        })
    }

    fn agent(
        &self,
        name: &str,
        agent: raw::Agent,
        users: &BTreeMap<String, UserConfig>,
    ) -> Result<AgentConfig, ConfigError> {
        self.name("agent", name)?;
        let table = format!("[agents.{name}]");
        if name == CLI_AGENT {
            let message = "`cli` is the built-in agent of people at the command line".into();
            return Err(self.error(&table, message, "give this agent another name"));
        }
        let Some(operator) = agent.operator else {
            let message = format!("agent `{name}` has no operator");
            return Err(self.error(
                &table,
                message,
                "name the user who runs it: operator = \"alice\"",
            ));
        };
        if !users.contains_key(&operator) {
            let help = match policy::nearest(&operator, users.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add a table [users.{operator}]"),
            };
            let message = format!(
                "agent `{name}` has the operator `{operator}`, who is not a configured user"
            );
            return Err(self.error(&format!("\"{operator}\""), message, &help));
        }
        Ok(AgentConfig {
            operator,
            roles: self.names("role", agent.roles)?,
            memory: agent.memory,
            request_from: self.request_channels(agent.request_from)?,
            values: agent.values,
            login: agent.login,
        })
    }

    pub(super) fn names(
        &self,
        what: &str,
        names: Vec<String>,
    ) -> Result<BTreeSet<String>, ConfigError> {
        for name in &names {
            self.name(what, name)?;
        }
        Ok(names.into_iter().collect())
    }

    pub(super) fn name(&self, what: &str, name: &str) -> Result<(), ConfigError> {
        let legal = |b: u8| {
            b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || (b == b'.' && what == "user")
        };
        if (1..=64).contains(&name.len()) && name.bytes().all(legal) {
            return Ok(());
        }
        let message = format!("`{}` is not a valid {what} name", name.escape_debug());
        Err(self.error(
            name,
            message,
            "use 1 to 64 ASCII letters, digits, `-` and `_`",
        ))
    }

    pub(super) fn duration(&self, text: &str) -> Result<Duration, ConfigError> {
        // A day is 24 hours and a week seven days, in every time zone.
        let parsed = text
            .parse::<jiff::Span>()
            .ok()
            .and_then(|span| {
                let days = jiff::SpanRelativeTo::days_are_24_hours();
                span.to_duration(days).ok()
            })
            .and_then(|d| Duration::try_from(d).ok());
        let (problem, remedy) = match parsed {
            Some(duration) if duration <= LONGEST => return Ok(duration),
            Some(_) => ("is longer than ten years", "write a shorter one"),
            None => (
                "is not a duration",
                "write it as in \"3s\", \"30m\", \"1h\" or \"90d\"",
            ),
        };
        Err(self.error(text, format!("`{text}` {problem}"), remedy))
    }

    pub(super) fn size(&self, text: &str) -> Result<u64, ConfigError> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match text.get(digits.len()..).unwrap_or("") {
            "" | "B" => Some(1),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            "GiB" => Some(1_u64 << 30),
            _ => None,
        };
        let number = digits.trim().parse::<u64>().ok();
        unit.zip(number)
            .and_then(|(unit, number)| number.checked_mul(unit))
            .ok_or_else(|| {
                self.error(
                    text,
                    format!("`{text}` is not a size"),
                    "write it as in \"512KiB\" or \"64MiB\"",
                )
            })
    }
}
