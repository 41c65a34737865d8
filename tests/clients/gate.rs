//! A served gate for clients.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::world::{World, binary};

const PATIENCE: Duration = Duration::from_secs(60);

/// How clients reach a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Http,
    Stdio,
}

/// `tollgate serve --listen`; killed when dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) endpoint: String,
    pub(crate) address: String,
}

impl Served {
    pub(crate) fn start(world: &World, address: &str) -> Self {
        let mut child = world
            .command(binary())
            .args(["serve", "--listen", address, "--json", "--agent", "support"])
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        Self {
            child,
            endpoint: said["endpoint"].as_str().unwrap().to_owned(),
            address: said["listening"].as_str().unwrap().to_owned(),
        }
    }

    /// Stops it like an operator: running calls may end.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(told.success());
        assert!(self.child.wait().unwrap().success(), "it ends with success");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A world that one client reaches.
pub(crate) struct Gate {
    pub(crate) world: World,
    pub(crate) reach: Reach,
    served: Option<Served>,
}

impl Gate {
    /// The world of the command line's tests, whose calls are held for `hold`.
    pub(crate) fn new(reach: Reach, hold: &str) -> Self {
        let world = World::new();
        let end = "roles = [\"clerk\"]\n";
        world.configure(
            end,
            &format!("{end}[approvals]\nwait_timeout = \"{hold}\"\n"),
        );
        world.own_token("dana", "dana.token");
        let mut gate = Self {
            world,
            reach,
            served: None,
        };
        gate.serve("127.0.0.1:0");
        gate
    }

    fn serve(&mut self, address: &str) {
        self.served = (self.reach == Reach::Http).then(|| Served::start(&self.world, address));
    }

    /// Where a client opens it.
    pub(crate) fn place(&self) -> Value {
        match &self.served {
            Some(served) => json!({ "do": "open", "url": served.endpoint }),
            None => json!({
                "do": "open",
                "command": binary(),
                "args": ["serve", "--stdio"],
                "cwd": self.world.path(""),
            }),
        }
    }

    /// Ends the serving process and starts another at the same address, as after an upgrade. Over stdio the
    /// client does this when it opens the gate again.
    pub(crate) fn restart(&mut self) {
        if let Some(served) = self.served.take() {
            let address = served.address.clone();
            served.stop();
            self.serve(&address);
        }
    }

    /// The approval of the waiting call, once there is one.
    pub(crate) fn waits(&self) -> String {
        let begun = Instant::now();
        loop {
            let list = self.world.json(&["approvals", "list"]);
            if let Some(first) = list.as_array().unwrap().first() {
                return first["id"].as_str().unwrap().to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "nothing waits for approval");
        }
    }

    /// Approves the waiting call, once there is one, as another user on another channel.
    pub(crate) fn approve(&self) -> String {
        let id = self.waits();
        self.world
            .run(&[
                "approvals",
                "approve",
                &id,
                "--yes",
                "--as",
                "dana",
                "--token-file",
                "dana.token",
            ])
            .exits(0);
        id
    }
}
