//! The binary `tollgate`, run in a temporary folder with a gate's files.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::Read,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use tollgate::ids::Clock;
use tollgate_ledger::{Ledger, LedgerOptions, SameName, Sync, Token};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::{Kind, Uid},
    ids::{TokenId, hex},
    time::Timestamp,
};
use tollgate_server::auth::token::PREFIX;

use crate::{binary, component, install_policies, process::ChildProcess, repository};

/// The longest wait. Building a component from nothing on a busy machine takes longest.
const PATIENCE: Duration = Duration::from_secs(600);

/// LOGIN is the user who runs the tests.
const CONFIG: &str = r#"[gate]
name = "cli"
environment = "test"
[policies]
dir = "policies"
[components.files]
path = "files.wasm"
grants.data = { path = "data", mode = "rw" }
[components.payments]
path = "payments.wasm"
grants.book = { path = "book", mode = "rw" }
[components.hostile]
path = "hostile.wasm"
limits = { cpu = "300s", time = "300s", fuel = 1000000000000000 }
grants.data = { path = "data", mode = "rw" }
[tools.files__read]
labels = []
taints = []
[users.alice]
login = "LOGIN"
roles = ["operator"]
[users.dana]
roles = ["finance"]
[agents.support]
operator = "alice"
roles = ["clerk"]
"#;

const POLICIES: &str = r#"@id("all-call") @owner("tests") @reason("Everyone may call.")
permit (principal, action in Tollgate::Action::"call", resource);

@id("no-deleting") @owner("tests") @reason("Nothing is deleted here.")
forbid (principal, action == Tollgate::Action::"files__delete", resource) when { context.input.path != "/" };

@id("large-refunds") @owner("finance") @severity("high")
@reason("Large refunds need finance's approval.")
forbid (principal, action == Tollgate::Action::"payments__refund", resource)
when { context.input.amount > 5000 }
unless { context.approval.roles.contains(Tollgate::Role::"finance") };
"#;

const STARTERS: &[&str] = &["grants", "four-eyes", "operators", "readers", "results"];

/// A call that is allowed.
pub const READ: &[&str] = &["call", "files__read", "--args", r#"{"path":"letter.txt"}"#];
/// A call that policy denies.
pub const DELETE: &[&str] = &[
    "call",
    "files__delete",
    "--args",
    r#"{"path":"letter.txt"}"#,
];
/// A call that needs an approval.
pub const REFUND: &[&str] = &[
    "call",
    "payments__refund",
    "--args",
    r#"{"order":"A-1","amount":6000,"currency":"EUR","reason":"broken"}"#,
];

/// A folder with a gate's files.
#[derive(Debug)]
pub struct World {
    dir: TempDir,
}

impl World {
    /// An empty folder outside the repository.
    pub fn empty() -> Self {
        let dir = TempDir::new().unwrap();
        assert!(!dir.path().starts_with(repository()));
        Self { dir }
    }

    /// A gate with files, payments and the hostile component, all of them accepted.
    #[expect(
        clippy::new_without_default,
        reason = "it writes files and runs a command"
    )]
    pub fn new() -> Self {
        let world = Self::empty();
        for dir in ["policies", "data", "book/orders"] {
            fs::create_dir_all(world.path(dir)).unwrap();
        }
        for component in ["files", "payments", "hostile"] {
            world.install(component, component);
        }
        install_policies(STARTERS, &world.path("policies"));
        world.write("tollgate.toml", CONFIG.replace("LOGIN", &login()));
        world.write("policies/story.cedar", POLICIES);
        world.write("data/letter.txt", "Dear Ada");
        world.write(
            "book/orders/A-1.json",
            r#"{"amount":900000,"currency":"EUR"}"#,
        );
        world.run(&["component", "accept"]).exits(0);
        world
    }

    /// Installs the component `from` as the file of the component `to`: the text in `tests/guests`, or else the
    /// component that is built.
    pub fn install(&self, from: &str, to: &str) {
        let text = repository()
            .join("tests/guests")
            .join(format!("{from}.wat"));
        if text.is_file() {
            let bytes = wat::parse_file(text).unwrap();
            return self.write(&format!("{to}.wasm"), bytes);
        }
        fs::copy(component(from), self.path(&format!("{to}.wasm"))).unwrap();
    }

    /// A path in the folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Writes a file of the folder. A configuration is trusted, as if the user had written it.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let file = self.path(path);
        fs::write(&file, text).unwrap();
        if path == "tollgate.toml" {
            let list = self.path(".home/.local/state/tollgate/trusted");
            fs::create_dir_all(list.parent().unwrap()).unwrap();
            fs::write(
                list,
                format!("{}\n", file.canonicalize().unwrap().display()),
            )
            .unwrap();
        }
    }

    /// Trusts no configuration any more.
    pub fn forget_trust(&self) {
        fs::remove_file(self.path(".home/.local/state/tollgate/trusted")).unwrap();
    }

    /// Replaces text in the configuration, which must contain `from`.
    pub fn configure(&self, from: &str, to: &str) {
        let config = fs::read_to_string(self.path("tollgate.toml")).unwrap();
        assert!(config.contains(from), "`{from}` is not configured");
        self.write("tollgate.toml", config.replace(from, to));
    }

    /// A token that `user` made, such as after signing in elsewhere, in `file`. An approval with a token that
    /// the owner made would not count for the owner's own calls.
    pub fn own_token(&self, user: &str, file: &str) {
        let id = TokenId::from_bytes(*b"own-made");
        let text = format!("{PREFIX}{}_{}", hex(id.as_bytes()), "5a".repeat(32));
        let token = Token {
            id,
            principal: Uid::new(Kind::User, user),
            on_behalf_of: None,
            name: "cli".into(),
            hash: Sha256Digest::of(text.as_bytes()),
            created: Timestamp(0),
            expires: None,
            makers: Some(BTreeSet::new()),
            is_confirmed: true,
        };
        let options = LedgerOptions {
            path: self.path(".tollgate/ledger.db"),
            key: self.path(".tollgate/master.key"),
            sync: Sync::Full,
            cached_runs: 16,
        };
        // Tests that have a runtime call this as well.
        thread::scope(|scope| {
            let stored = scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(async {
                    let ledger = Ledger::open(options, Clock::system().now()).unwrap();
                    ledger.store_token(token, SameName::Replace).await.unwrap();
                    ledger.close().await;
                });
            });
            stored.join().unwrap();
        });
        self.write(file, text);
    }

    /// How many refunds the component `payments` has made.
    pub fn refunds(&self) -> usize {
        fs::read_to_string(self.path("book/refunds.jsonl")).map_or(0, |book| book.lines().count())
    }

    /// A program as a user's shell would start it in the folder.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        // What cargo and nextest set for this process would change what it starts.
        let ours = |name: &str| {
            name.starts_with("NEXTEST")
                || name.starts_with("RUST")
                || (name.starts_with("CARGO") && name != "CARGO_HOME")
                || matches!(
                    name,
                    "LD_LIBRARY_PATH" | "NO_COLOR" | "CLICOLOR" | "CLICOLOR_FORCE"
                )
        };
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if ours(&name) && name != "RUSTUP_HOME" {
                command.env_remove(&*name);
            }
        }
        command
            .current_dir(self.dir.path())
            .env("XDG_STATE_HOME", self.path(".home/.local/state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts `tollgate ARGS`.
    pub fn begin(&self, args: &[&str]) -> RunningCommand {
        RunningCommand::of(self.command(binary()).args(args), args.join(" "))
    }

    /// Runs `tollgate ARGS` to its end. It must not panic, and must not colour what is not a terminal.
    pub fn run(&self, args: &[&str]) -> CommandOutput {
        self.begin(args).end().plain()
    }

    /// Runs `tollgate ARGS --json`, which must succeed. Returns what it prints.
    pub fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["--json"]].concat()).exits(0);
        serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:?}"))
    }

    /// Accepts the offer of an upstream server, by the digest that is shown.
    pub fn accept_upstream(&self, name: &str) -> CommandOutput {
        let shown = self.json(&["upstream", "show", name]);
        let digest = shown["digest"].as_str().unwrap();
        self.run(&["upstream", "accept", name, "--digest", digest])
            .exits(0)
    }

    /// The same as [`World::json`], for a command that prints an object a line.
    pub fn json_lines(&self, args: &[&str]) -> Vec<Value> {
        let ran = self.run(&[args, &["--json"]].concat()).exits(0);
        let parsed = ran.out.lines().map(serde_json::from_str);
        parsed
            .collect::<Result<_, _>>()
            .unwrap_or_else(|e| panic!("{e}: {ran:?}"))
    }

    /// The only approval that waits.
    pub fn pending(&self) -> String {
        let list = self.json(&["approvals", "list"]);
        assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
        list[0]["id"].as_str().unwrap().to_owned()
    }

    /// An approval that waits, once there is one.
    pub fn await_pending(&self) -> String {
        let begun = Instant::now();
        loop {
            let list = self.json(&["approvals", "list"]);
            if let Some(id) = list[0]["id"].as_str() {
                return id.to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "nothing waits");
        }
    }

    /// Creates the token with which dana answers.
    pub fn create_token_of_dana(&self) {
        self.own_token("dana", "dana.token");
    }

    /// Dana's answer to an approval: `approve` or `reject`.
    pub fn answer_as_dana(&self, answer: &str, approval: &str) {
        let as_dana = ["--as", "dana", "--token-file", "dana.token"];
        let yes: &[&str] = if answer == "approve" { &["--yes"] } else { &[] };
        let args = [&["approvals", answer, approval], yes, &as_dana].concat();
        self.run(&args).exits(0);
    }

    /// Waits until the file `path` exists.
    pub fn await_file(&self, path: &str, running: &mut RunningCommand) {
        let begun = Instant::now();
        while !self.path(path).exists() {
            assert!(running.is_running(), "it ended before {path} was there");
            assert!(begun.elapsed() < PATIENCE, "{path} never came");
            thread::yield_now();
        }
    }
}

/// A running command. Dropping it kills it.
#[derive(Debug)]
pub struct RunningCommand {
    what: String,
    process: ChildProcess,
    read: mpsc::Receiver<(bool, String)>,
}

impl RunningCommand {
    /// Starts a command. `what` names it in messages.
    pub fn of(command: &mut Command, what: String) -> Self {
        let mut process = ChildProcess::start(command);
        let (send, read) = mpsc::channel();
        let child = process.child();
        listen(child.stdout.take().unwrap(), true, send.clone());
        listen(child.stderr.take().unwrap(), false, send);
        Self {
            what,
            process,
            read,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Waits until it ends by itself.
    pub fn end(self) -> CommandOutput {
        let until = Instant::now() + PATIENCE;
        let (mut out, mut err) = (String::new(), String::new());
        for _ in 0..2 {
            let left = until.saturating_duration_since(Instant::now());
            match self.read.recv_timeout(left) {
                Ok((true, text)) => out = text,
                Ok((false, text)) => err = text,
                Err(_) => panic!("`tollgate {}` does not end", self.what),
            }
        }
        CommandOutput {
            what: self.what,
            code: self.process.wait().code(),
            out,
            err,
        }
    }
}

fn listen(mut from: impl Read + Send + 'static, is_out: bool, to: mpsc::Sender<(bool, String)>) {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        // The receiver is gone if the test has failed.
        drop(to.send((is_out, String::from_utf8(bytes).unwrap())));
    });
}

/// The result of a command.
#[derive(Debug)]
pub struct CommandOutput {
    what: String,
    code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl CommandOutput {
    /// Checks that it did not panic, and printed no colours.
    pub fn plain(self) -> Self {
        assert!(!self.err.contains("panicked"), "{self:?}");
        assert!(!self.out.contains('\x1b'), "{self:?}");
        assert!(!self.err.contains('\x1b'), "{self:?}");
        self
    }

    /// Checks its exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "tollgate {}: {self:#?}", self.what);
        self
    }

    /// Checks that it prints each of these, wherever lines break.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = words(&format!("{} {}", self.out, self.err));
        for part in parts {
            assert!(said.contains(part), "`{part}` is not said: {self:#?}");
        }
        self
    }
}

/// The output of `id OPTION` for the user who runs the tests.
pub fn id(option: &str) -> String {
    let said = Command::new("id").arg(option).output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim().to_owned()
}

/// The login of the user who runs the tests; the number if there is no name.
fn login() -> String {
    let name = id("-un");
    if name.is_empty() { id("-u") } else { name }
}
