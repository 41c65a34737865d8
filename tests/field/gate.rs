//! A gate that `tollgate wrap` made, in front of a server with a script.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

const SERVER: &str = env!("CARGO_BIN_EXE_odd-server");

fn id(args: &[&str]) -> Option<String> {
    let ran = Command::new("id").args(args).output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    ran.status.success().then(|| text.trim().to_owned())
}

/// The login of this process's account.
pub(crate) fn own_login() -> String {
    id(&["-un"]).unwrap()
}

fn account(login: &str) -> Option<u32> {
    id(&["-u", login])?.parse().ok()
}

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn binary() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().join("target/debug/tollgate")
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let ran = Self {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        };
        assert!(!ran.err.contains("panicked"), "{ran:?}");
        ran
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Somewhere it says this; where lines break does not matter.
    #[track_caller]
    pub(crate) fn says(self, part: &str) -> Self {
        let said = format!("{} {}", self.out, self.err);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(part), "`{part}` is not said: {self:#?}");
        self
    }
}

/// The gate's directory, with what the server is to say.
pub(crate) struct Gate {
    dir: TempDir,
}

impl Gate {
    /// A directory without a gate.
    pub(crate) fn empty() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
        }
    }

    /// A directory with the script, and what `tollgate wrap --init` made of it.
    pub(crate) fn wrap(script: &Value) -> (Self, Ran) {
        let gate = Self::empty();
        fs::write(gate.path("script.json"), script.to_string()).unwrap();
        let script = gate.path("script.json").display().to_string();
        let made = gate.tollgate(&[
            "wrap", "--init", "--name", "box", "--dir", "gate", "--", SERVER, &script,
        ]);
        (gate, made)
    }

    /// A gate whose server has these tools, each of which says what it got.
    pub(crate) fn with_tools(tools: &Value) -> Self {
        let (gate, made) = Self::wrap(&json!({"pages": [{"tools": tools}]}));
        made.exits(0);
        gate
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn config(&self) -> PathBuf {
        self.path("gate/tollgate.toml")
    }

    /// Add to the configuration.
    pub(crate) fn configure(&self, more: &str) {
        let config = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), format!("{config}\n{more}")).unwrap();
    }

    /// Replace a text in the configuration.
    pub(crate) fn set(&self, from: &str, to: &str) {
        let config = fs::read_to_string(self.config()).unwrap();
        assert!(config.contains(from), "{config}");
        fs::write(self.config(), config.replacen(from, to, 1)).unwrap();
    }

    /// Add a policy.
    pub(crate) fn policy(&self, name: &str, text: &str) {
        let head = format!("@id(\"{name}\") @owner(\"tests\") @reason(\"Not here: {name}.\")\n");
        let file = self.path("gate/policies").join(format!("{name}.cedar"));
        fs::write(file, head + text).unwrap();
    }

    fn command(&self) -> Command {
        self.environment(Command::new(binary()))
    }

    /// A program in the gate's directory.
    fn environment(&self, mut command: Command) -> Command {
        let ours = |name: &str| {
            name.starts_with("NEXTEST") || name.starts_with("RUST") || name.starts_with("CARGO")
        };
        for (name, _) in std::env::vars_os() {
            if ours(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.dir.path())
            .env("XDG_STATE_HOME", self.path(".state"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// `tollgate ARGS`, without a configuration.
    pub(crate) fn tollgate(&self, args: &[&str]) -> Ran {
        Ran::of(self.command().args(args).output().unwrap())
    }

    /// `tollgate --config GATE ARGS`.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.command();
        command.arg("--config").arg(self.config()).args(args);
        Ran::of(command.output().unwrap())
    }

    /// The same with this on standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command();
        command.arg("--config").arg(self.config()).args(args);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        // It may end before it has read all of it.
        drop(child.stdin.take().unwrap().write_all(input));
        Ran::of(child.wait_with_output().unwrap())
    }

    /// `tollgate --config GATE ARGS` with this on standard input, and standard output as the shell has it: `>&-`.
    pub(crate) fn run_with_output(&self, output: &str, args: &[&str], input: &[u8]) -> Ran {
        let words: Vec<String> = args.iter().map(|word| format!("'{word}'")).collect();
        let script = format!(
            "exec '{}' --config '{}' {} {output}",
            binary().display(),
            self.config().display(),
            words.join(" ")
        );
        let mut shell = self.environment(Command::new("sh"));
        shell.arg("-c").arg(script).stdin(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        drop(child.stdin.take().unwrap().write_all(input));
        Ran::of(child.wait_with_output().unwrap())
    }

    /// `tollgate ARGS` with this on standard input, without a configuration; as another account if there is one.
    pub(crate) fn tollgate_with(&self, args: &[&str], input: &[u8], uid: Option<u32>) -> Ran {
        let mut command = self.command();
        command.args(args).current_dir("/");
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        drop(child.stdin.take().unwrap().write_all(input));
        Ran::of(child.wait_with_output().unwrap())
    }

    /// A directory that other accounts may enter, and the ones above it.
    pub(crate) fn open_directory(&self, path: &str) {
        fs::create_dir(self.path(path)).unwrap();
        for (dir, mode) in [(self.path(path), 0o755), (self.dir.path().into(), 0o711)] {
            fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    /// Gives an agent an account.
    pub(crate) fn agent_login(&self, agent: &str, login: &str) {
        let table = format!("[agents.{agent}]\n");
        let config = fs::read_to_string(self.config()).unwrap();
        assert!(config.contains(&table), "{config}");
        let with = config.replace(&table, &format!("{table}login = \"{login}\"\n"));
        fs::write(self.config(), with).unwrap();
    }

    /// Gives the agent with the account `from` the account `to`.
    pub(crate) fn change_agent_login(&self, from: &str, to: &str) {
        let config = fs::read_to_string(self.config()).unwrap();
        let (head, agent) = config.split_once("[agents.").unwrap();
        let login = |name: &str| format!("login = \"{name}\"");
        let agent = agent.replacen(&login(from), &login(to), 1);
        fs::write(self.config(), format!("{head}[agents.{agent}")).unwrap();
    }

    /// The account `daemon`, if this process may act as it and it can run the command from here.
    pub(crate) fn other_account(&self) -> Option<u32> {
        let other = account("daemon")?;
        let runs = self
            .command()
            .arg("--version")
            .uid(other)
            .gid(other)
            .current_dir("/")
            .output();
        runs.is_ok_and(|ran| ran.status.success()).then_some(other)
    }

    /// What `tollgate ARGS --json` prints.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["--json"]].concat()).exits(0);
        serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:?}"))
    }

    /// The answers to these calls, each a tool of the server and its arguments as text.
    pub(crate) fn calls(&self, calls: &[(&str, &str)]) -> Vec<Value> {
        let lines: String = calls
            .iter()
            .map(|(tool, arguments)| {
                format!("{{\"tool\":\"box__{tool}\",\"arguments\":{arguments}}}\n")
            })
            .collect();
        let ran = self.run_with(&["call", "--from", "-", "--json"], lines.as_bytes());
        let replies: Vec<Value> = ran
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {ran:?}")))
            .collect();
        assert_eq!(replies.len(), calls.len(), "{ran:?}");
        replies
    }

    /// The answer to one call.
    pub(crate) fn call(&self, tool: &str, arguments: &str) -> Value {
        self.calls(&[(tool, arguments)]).remove(0)
    }

    /// All lines that the server was sent.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("script.json.log")).unwrap_or_default()
    }

    /// What the server was sent in its last call.
    pub(crate) fn sent(&self) -> Value {
        let log = fs::read_to_string(self.path("script.json.log")).unwrap();
        let mut calls = log.lines().filter(|line| line.contains("\"tools/call\""));
        let call: Value = serde_json::from_str(calls.next_back().unwrap()).unwrap();
        call["params"]["arguments"].clone()
    }

    /// `tollgate serve --stdio`.
    pub(crate) fn stdio(&self) -> Lines {
        let mut command = self.command();
        command.arg("--config").arg(self.config());
        command.args(["serve", "--stdio", "--agent", "client", "--quiet"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (say, answers) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in out.lines() {
                // The test may have ended.
                if say.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Lines { child, answers }
    }

    /// `tollgate serve` on loopback, for the agent `client`.
    pub(crate) fn serve(&self) -> Served {
        let mut command = self.command();
        command.arg("--config").arg(self.config());
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--agent",
            "client",
            "--json",
        ]);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let url = told["endpoint"].as_str().unwrap();
        let address = url.strip_prefix("http://").unwrap();
        let address = address.split('/').next().unwrap().to_owned();
        Served { child, address }
    }
}

/// The text of a reply's first part.
pub(crate) fn text(reply: &Value) -> &str {
    let first = &reply["content"][0]["text"];
    first.as_str().unwrap_or_else(|| panic!("no text: {reply}"))
}

/// A gate over standard input and output.
pub(crate) struct Lines {
    child: Child,
    answers: mpsc::Receiver<String>,
}

impl Lines {
    pub(crate) fn send(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// The next line that it says.
    pub(crate) fn next(&mut self) -> Value {
        let line = self.answers.recv_timeout(PATIENCE).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    }

    /// The next answer, with everything that comes before it left out.
    pub(crate) fn answer(&mut self, id: &Value) -> Value {
        // As many lines as a call may report.
        for _ in 0..1_000 {
            let message = self.next();
            if message.get("id") == Some(id) && message.get("method").is_none() {
                return message;
            }
        }
        panic!("{id} is never answered");
    }

    pub(crate) fn ask(&mut self, line: &str) -> Value {
        self.send(line);
        let id = serde_json::from_str::<Value>(line).unwrap()["id"].clone();
        self.answer(&id)
    }

    /// The handshake.
    pub(crate) fn begin(&mut self) {
        let hello = json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "tests", "version": "1"}}});
        self.ask(&hello.to_string());
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    }

    pub(crate) fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A gate over HTTP; it ends when dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: String,
}

/// An answer: its status, the lines of its head, and its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut named = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }
}

impl Served {
    /// Send these headers, and no others but what HTTP needs.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            request.push_str(&format!("host: {}\r\n", self.address));
        }
        if method == "POST" {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(b"\r\n").unwrap();
        // It may answer before it has read all.
        drop(stream.write_all(body));
        // A stream of events stays open: its head is enough.
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while reader.read_line(&mut head).unwrap() > 2 {}
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let lower = head.to_ascii_lowercase();
        let mut rest = Vec::new();
        let is_open = method == "GET" && lower.contains("text/event-stream");
        if !is_open && method != "HEAD" {
            drop(reader.read_to_end(&mut rest));
        }
        Answer {
            status,
            head,
            body: String::from_utf8_lossy(&rest).into_owned(),
        }
    }
}

impl Served {
    /// The metrics, once the gate has counted what its ledger holds.
    pub(crate) fn metrics(&self) -> String {
        let mut asked = (0..10_000).map(|_| self.ask("GET", "/metrics", &[], b""));
        let answer = asked.find(|answer| answer.status != 503);
        answer.expect("the ledger is counted").body
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
