//! The second act: tools in three languages, with a decision for each effect.

use std::fs;

use anyhow::{Result, bail};

use super::{Desk, handbook::Handbook};
use crate::command::say;

const STARTERS: &[&str] = &[
    "egress",
    "grants",
    "operators",
    "readers",
    "results",
    "secrets",
];
pub(super) const COMPONENTS: &[&str] = &["web", "table", "convert"];
const RUN: &str = "returns-2026-q3";

pub(super) fn run() -> Result<()> {
    let handbook = Handbook::open()?;
    let desk = Desk::set_up("analyst", COMPONENTS, STARTERS)?;
    let run = fs::read_to_string(desk.dir.join("run.jsonl"))?;
    fs::write(
        desk.dir.join("run.jsonl"),
        run.replace("@HANDBOOK@", handbook.url()),
    )?;
    desk.scene(
        "Another gate: tools in Rust, Python and JavaScript",
        "Each file is compiled in a process of its own, and its digest is pinned.",
        &["component", "accept"],
    )?;
    desk.scene(
        "An analyst's agent reads a page, queries a table, and converts a text",
        "What a tool does inside is decided, too: the request that it sends, the file that it reads.",
        &["call", "--from", "run.jsonl", "--agent", "analyst", "--run", RUN],
    )?;
    let policy = "handbook-is-closed.cedar";
    say("\n━━ Security closes the handbook's host, with one policy\n");
    let text = fs::read_to_string(desk.dir.join(policy))?;
    text.lines().for_each(|line| say(&format!("   {line}")));
    fs::copy(
        desk.dir.join(policy),
        desk.dir.join("policies").join(policy),
    )?;
    let page = format!(r#"{{"url":"{}"}}"#, handbook.url());
    desk.scene(
        "The same request again",
        "The call is allowed, the request inside it is not: the tool passes the reason on.",
        &[
            "call",
            "web__fetch",
            "--args",
            &page,
            "--agent",
            "analyst",
            "--run",
            RUN,
        ],
    )?;
    desk.scene(
        "The run: a decision above every effect",
        "Under the last decision there is no request, because none was sent.",
        &["runs", "show", RUN],
    )?;
    say(&format!(
        "\n━━ What really happened\n   pages that the handbook served: {}",
        handbook.served()
    ));
    if handbook.served() != 1 {
        bail!("that is not what should have happened; please report it");
    }
    say(&format!("\n   Everything is in {}.", desk.dir.display()));
    Ok(())
}
