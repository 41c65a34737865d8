//! `cargo xtask demo`: plays the examples. First the support desk, with real effects on files; then the
//! analyst, whose tools send requests and read tables; then an agent that reports its own steps by OTLP.
//!
//! It needs no model, asks no questions, and uses the network only for building and installing.

mod analyst;
mod handbook;
mod reported;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    clients,
    command::{root, say},
    guests, system,
};

const STARTERS: &[&str] = &[
    "calls",
    "four-eyes",
    "grants",
    "lethal-trifecta",
    "loops-and-budgets",
    "operators",
    "provenance",
    "readers",
    "results",
    "state",
];

/// The components of the support desk.
const SUPPORT_DESK: &[&str] = &["files", "tickets", "payments"];

/// The run, as the agent names it.
const RUN: &str = "ticket-1042";

/// The options that make a command Dana's.
const AS_DANA: &[&str] = &["--as", "dana", "--token-file", "dana.token"];

/// Plays it from the beginning, in a separate folder.
pub(crate) fn run() -> Result<()> {
    build()?;
    let desk = Desk::set_up("support-desk", SUPPORT_DESK, STARTERS)?;
    desk.prepare()?;
    desk.agent(
        "An agent works on a support ticket, over MCP",
        "The ticket carries an instruction that its customer never wrote. Of two mails, one goes to the attacker.",
        "run.jsonl",
    )?;
    desk.approve_refund()?;
    desk.agent(
        "The agent repeats the identical call, twice",
        "Once it is decided again, and runs. A second time it is denied: nothing is paid twice.",
        "again.jsonl",
    )?;
    desk.scene(
        "The run, as an auditor sees it",
        "Where there is no `invoke_component`, nothing ran.",
        &["runs", "show", RUN],
    )?;
    desk.ending()?;
    analyst::run()?;
    reported::run(&desk)
}

/// Builds what the demo needs.
fn build() -> Result<()> {
    system::languages()?;
    guests::tollgate()?;
    for name in SUPPORT_DESK.iter().chain(analyst::COMPONENTS) {
        guests::component(&root().join("guest/adapters").join(name))?;
    }
    clients::one(reported::SDK)
}

struct Desk {
    dir: PathBuf,
    tollgate: PathBuf,
}

impl Desk {
    /// A fresh copy of the example `name`, with these components and starter policies. No component is
    /// accepted yet.
    fn set_up(name: &str, components: &[&str], starters: &[&str]) -> Result<Self> {
        let root = root();
        let dir = root.join("target/demo").join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir)
                .with_context(|| format!("{} cannot be removed", dir.display()))?;
        }
        copy(&root.join("examples").join(name), &dir)?;
        for sub in ["components", "outbox"] {
            fs::create_dir_all(dir.join(sub))?;
        }
        for component in components {
            let file = format!("{component}.wasm");
            fs::copy(
                root.join("target/components").join(&file),
                dir.join("components").join(&file),
            )?;
        }
        for starter in starters {
            let file = format!("{starter}.cedar");
            fs::copy(
                root.join("policies").join(&file),
                dir.join("policies").join(&file),
            )?;
        }
        let login = Command::new("id")
            .arg("-un")
            .output()
            .context("`id` cannot be run")?;
        let login = String::from_utf8_lossy(&login.stdout).trim().to_owned();
        let config = fs::read_to_string(dir.join("tollgate.toml"))?;
        fs::write(dir.join("tollgate.toml"), config.replace("@LOGIN@", &login))?;

        let desk = Self {
            dir,
            tollgate: guests::binary(),
        };
        // Trust the new gate, also for a user who looks around afterwards.
        if !desk.command(&["trust", "--quiet"]).status()?.success() {
            bail!("{} cannot be trusted", desk.dir.display());
        }
        Ok(desk)
    }

    fn prepare(&self) -> Result<()> {
        self.scene(
            "The operator accepts the components",
            "Their digests are pinned: a file that changes is refused.",
            &["component", "accept"],
        )?;
        self.token_of_dana()?;
        self.scene_quiet(&["user", "token", "alice", "--out", "alice.token"])
    }

    /// Dana makes her token herself. One that Olga made would not count for a call that Olga's account makes.
    fn token_of_dana(&self) -> Result<()> {
        let file = self.dir.join("tollgate.toml");
        let olgas = fs::read_to_string(&file)?;
        let login = olgas.lines().find(|line| line.starts_with("login = "));
        let login = format!("{}\n", login.context("no user of the demo has a login")?);
        let danas = olgas.replace(&login, "");
        let danas = danas.replace("[users.dana]\n", &format!("[users.dana]\n{login}"));
        fs::write(&file, danas)?;
        self.scene(
            "Dana makes herself a token, so that her answers are hers",
            "She belongs to finance and security. For this command the account is hers, and from then on Olga's.",
            &["user", "token", "dana", "--out", "dana.token"],
        )?;
        fs::write(&file, olgas)?;
        Ok(())
    }

    fn approve_refund(&self) -> Result<()> {
        let refund = self.pending("payments__refund")?;
        let approve = ["approvals", "approve", &refund];
        let as_alice = ["--as", "alice", "--token-file", "alice.token", "--yes"];
        let show = ["approvals", "show", &refund];
        self.scene(
            "One call of nine asks a person: the refund, for its amount",
            "Dana sees exactly what would happen, and where each value came from.",
            &[&show[..], AS_DANA].concat(),
        )?;
        self.scene(
            "Alice runs the agent, so she may not approve its refund",
            "Four eyes: the policy compares the approver with the operator of the agent.",
            &[&approve[..], &as_alice].concat(),
        )?;
        self.scene(
            "Dana may",
            "Her answer is for this call alone, and it is itself a recorded decision.",
            &[&approve[..], AS_DANA, &["--yes"]].concat(),
        )
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.tollgate);
        command.current_dir(&self.dir).args(arguments);
        command
    }

    /// Prints a title, shows the command, and runs it. Denials and waiting are part of the story.
    fn scene(&self, title: &str, about: &str, arguments: &[&str]) -> Result<()> {
        say(&format!(
            "\n━━ {title}\n   {about}\n\n$ tollgate {}",
            shown(arguments)
        ));
        self.scene_quiet(arguments)
    }

    /// Prints a title, shows the command, and lets the scripted agent play a file over MCP.
    fn agent(&self, title: &str, about: &str, file: &str) -> Result<()> {
        say(&format!(
            "\n━━ {title}\n   {about}\n\n\
             $ python3 scripted_agent.py {file} {RUN} tollgate serve --stdio --agent support"
        ));
        let mut command = Command::new("python3");
        command
            .current_dir(&self.dir)
            .args(["scripted_agent.py", file, RUN])
            .arg(&self.tollgate)
            .args(["serve", "--stdio", "--agent", "support", "--quiet"]);
        let status = command.status()?;
        if !status.success() {
            bail!("the agent ended with {status}");
        }
        Ok(())
    }

    fn scene_quiet(&self, arguments: &[&str]) -> Result<()> {
        let status = self.command(arguments).status()?;
        match status.code() {
            Some(0 | 3 | 4 | 5) => Ok(()),
            _ => bail!("tollgate {} ended with {status}", shown(arguments)),
        }
    }

    /// The approval that a call of this tool waits for.
    fn pending(&self, tool: &str) -> Result<String> {
        let output = self.command(&["approvals", "list", "--json"]).output()?;
        let list: serde_json::Value = serde_json::from_slice(&output.stdout)
            .context("`tollgate approvals list --json` did not print JSON")?;
        let rows = list.get("approvals").unwrap_or(&list);
        let found = rows
            .as_array()
            .into_iter()
            .flatten()
            .find(|row| row.get("tool").is_some_and(|t| t == tool))
            .and_then(|row| row.get("id")?.as_str().map(str::to_owned));
        found.with_context(|| format!("no call of {tool} waits for an approval"))
    }

    fn ending(&self) -> Result<()> {
        let refunds =
            fs::read_to_string(self.dir.join("payments/refunds.jsonl")).unwrap_or_default();
        let mails = fs::read_dir(self.dir.join("outbox"))?;
        let mails = mails.map(|mail| Ok(mail?.file_name().to_string_lossy().into_owned()));
        let mails: Vec<String> = mails.collect::<Result<_>>()?;
        let exported = self.dir.join("customers/export").exists();
        say(&format!(
            "\n━━ What really happened\n   refunds in the book: {} · mails in the outbox: {} · customer data exported: {}",
            refunds.lines().count(),
            mails.join(", "),
            if exported { "yes" } else { "no" },
        ));
        if refunds.lines().count() != 1 || mails != ["erika@example.org"] || exported {
            bail!("that is not what should have happened; please report it");
        }
        say(&format!(
            "\n   Everything is in {}: tollgate.toml, policies/, the book, the ledger in .tollgate/.\n   \
             Look around there with `{} runs show`, `decisions list`, `approvals list --all`, `ledger verify`.",
            self.dir.display(),
            self.tollgate.display(),
        ));
        Ok(())
    }
}

fn shown(arguments: &[&str]) -> String {
    let quoted = arguments.iter().map(|a| {
        if a.contains(['"', ' ', '{']) {
            format!("'{a}'")
        } else {
            (*a).to_owned()
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
