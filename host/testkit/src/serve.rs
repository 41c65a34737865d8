//! `tollgate serve` as a child process.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{binary, command::World, process::ChildProcess};

/// The longest wait for its end.
const PATIENCE: Duration = Duration::from_secs(120);

/// A listening server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    process: ChildProcess,
    /// The URL of its MCP endpoint.
    pub url: Arc<str>,
    /// The address that it listens at; empty if it does not print one.
    pub address: String,
}

impl Server {
    /// Serves the agent `support` on a free port.
    pub fn start(world: &World) -> Self {
        Self::start_with(world, &["--agent", "support"])
    }

    /// `tollgate serve ARGS` on a free port.
    pub fn start_with(world: &World, args: &[&str]) -> Self {
        Self::start_at(world, "127.0.0.1:0", args)
    }

    /// `tollgate serve ARGS` at `address`.
    pub fn start_at(world: &World, address: &str, args: &[&str]) -> Self {
        let mut command = world.command(binary());
        command
            .args(["serve", "--listen", address, "--json"])
            .args(args)
            .stderr(Stdio::inherit());
        Self::of(&mut command)
    }

    /// Starts a server that prints `{"endpoint": …, "listening": …}` once it listens.
    pub fn of(command: &mut Command) -> Self {
        let mut process = ChildProcess::start(command.stdout(Stdio::piped()));
        let mut line = String::new();
        let mut out = BufReader::new(process.child().stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let printed: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        Self {
            process,
            url: printed["endpoint"].as_str().unwrap().into(),
            address: printed["listening"].as_str().unwrap_or_default().into(),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends it the signal `name`, as `HUP`.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Stops it as an operator does: running calls may end. Returns its standard error, if that is a pipe.
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        let mut log = String::new();
        if let Some(mut pipe) = self.process.child().stderr.take() {
            pipe.read_to_string(&mut log).unwrap();
        }
        self.ends();
        log
    }

    /// Waits until it ends by itself, with success.
    pub fn ends(mut self) {
        let begun = Instant::now();
        while self.process.is_running() {
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::yield_now();
        }
        assert!(self.process.wait().success());
    }
}
