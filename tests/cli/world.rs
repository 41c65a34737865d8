//! A gate's folder, and the command that is run in it.

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
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

/// How long anything may take; building a component from nothing on a busy machine is the longest.
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

const POLICIES: &str = r#"@id("all-call") @owner("tests") @reason("Anybody may call.")
permit (principal, action in Tollgate::Action::"call", resource);

@id("no-deleting") @owner("tests") @reason("Nothing is deleted here.")
forbid (principal, action == Tollgate::Action::"files__delete", resource);

@id("large-refunds") @owner("finance") @severity("high")
@reason("Large refunds need finance's approval.")
forbid (principal, action == Tollgate::Action::"payments__refund", resource)
when { context.input.amount > 5000 }
unless { context.approval.roles.contains(Tollgate::Role::"finance") };
"#;

const STARTERS: &[&str] = &["grants", "four-eyes", "operators", "readers", "results"];

pub(crate) const READ: &[&str] = &["call", "files__read", "--args", r#"{"path":"letter.txt"}"#];
pub(crate) const DELETE: &[&str] = &[
    "call",
    "files__delete",
    "--args",
    r#"{"path":"letter.txt"}"#,
];
pub(crate) const REFUND: &[&str] = &[
    "call",
    "payments__refund",
    "--args",
    r#"{"order":"A-1","amount":6000,"currency":"EUR","reason":"broken"}"#,
];

/// A folder, and what is in it.
pub(crate) struct World {
    dir: TempDir,
}

impl World {
    /// An empty folder outside the repository.
    pub(crate) fn empty() -> Self {
        let dir = TempDir::new().unwrap();
        assert!(!dir.path().starts_with(repository()));
        Self { dir }
    }

    /// A gate with files, payments and the hostile component, all of them accepted.
    pub(crate) fn new() -> Self {
        let world = Self::empty();
        for dir in ["policies", "data", "book/orders"] {
            fs::create_dir_all(world.path(dir)).unwrap();
        }
        for component in ["files", "payments", "hostile"] {
            world.install(component, component);
        }
        for starter in STARTERS {
            let file = format!("{starter}.cedar");
            let policies = repository().join("policies").join(&file);
            fs::copy(policies, world.path("policies").join(&file)).unwrap();
        }
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

    /// Put the built component `from`, or the one of which `tests/guests` has the text, where `to` is configured.
    pub(crate) fn install(&self, from: &str, to: &str) {
        let text = repository()
            .join("tests/guests")
            .join(format!("{from}.wat"));
        if text.is_file() {
            let bytes = wat::parse_file(text).unwrap();
            return self.write(&format!("{to}.wasm"), bytes);
        }
        let built = repository()
            .join("target/components")
            .join(format!("{from}.wasm"));
        assert!(
            built.is_file(),
            "{} is missing: run `cargo xtask guests`",
            built.display()
        );
        fs::copy(built, self.path(&format!("{to}.wasm"))).unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Write a file. A configuration is trusted, as one is that somebody wrote themselves.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
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

    /// Trust no configuration any more.
    pub(crate) fn forget_trust(&self) {
        fs::remove_file(self.path(".home/.local/state/tollgate/trusted")).unwrap();
    }

    pub(crate) fn configure(&self, from: &str, to: &str) {
        let config = fs::read_to_string(self.path("tollgate.toml")).unwrap();
        assert!(config.contains(from), "`{from}` is not configured");
        self.write("tollgate.toml", config.replace(from, to));
    }

    /// A token that `user` made, such as after signing in elsewhere, in `file`. An approval with a token that
    /// the owner made would not count for the owner's own calls.
    pub(crate) fn own_token(&self, user: &str, file: &str) {
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

    /// How many refunds were really made.
    pub(crate) fn refunds(&self) -> usize {
        fs::read_to_string(self.path("book/refunds.jsonl")).map_or(0, |book| book.lines().count())
    }

    /// The command, as a stranger's shell would start it here.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        // What cargo and nextest set for this process is no business of those that it starts.
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

    /// Begin `tollgate ARGS`.
    pub(crate) fn begin(&self, args: &[&str]) -> Running {
        Running::of(self.command(binary()).args(args), args.join(" "))
    }

    /// `tollgate ARGS`, to its end. It never panics, and never colours what is no terminal.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.begin(args).end().plain()
    }

    /// `tollgate ARGS --json`, which succeeds: what it prints.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["--json"]].concat()).exits(0);
        serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:?}"))
    }

    /// Accept what an upstream server offers, by the digest that is shown.
    pub(crate) fn accept_upstream(&self, name: &str) -> Ran {
        let shown = self.json(&["upstream", "show", name]);
        let digest = shown["digest"].as_str().unwrap();
        self.run(&["upstream", "accept", name, "--digest", digest])
            .exits(0)
    }

    /// As [`World::json`], where every line is an object.
    pub(crate) fn json_lines(&self, args: &[&str]) -> Vec<Value> {
        let ran = self.run(&[args, &["--json"]].concat()).exits(0);
        let parsed = ran.out.lines().map(serde_json::from_str);
        parsed
            .collect::<Result<_, _>>()
            .unwrap_or_else(|e| panic!("{e}: {ran:?}"))
    }

    /// The only approval that waits.
    pub(crate) fn pending(&self) -> String {
        let list = self.json(&["approvals", "list"]);
        assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
        list[0]["id"].as_str().unwrap().to_owned()
    }

    /// Until `path` is there.
    pub(crate) fn await_file(&self, path: &str, running: &mut Running) {
        let begun = Instant::now();
        while !self.path(path).exists() {
            assert!(running.is_running(), "it ended before {path} was there");
            assert!(begun.elapsed() < PATIENCE, "{path} never came");
            thread::yield_now();
        }
    }
}

/// A command that is under way; dropped, it ends.
pub(crate) struct Running {
    what: String,
    child: Child,
    read: mpsc::Receiver<(bool, String)>,
}

impl Running {
    pub(crate) fn of(command: &mut Command, what: String) -> Self {
        let mut child = command.spawn().unwrap();
        let (send, read) = mpsc::channel();
        listen(child.stdout.take().unwrap(), true, send.clone());
        listen(child.stderr.take().unwrap(), false, send);
        Self { what, child, read }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn end(mut self) -> Ran {
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
        Ran {
            what: self.what.clone(),
            code: self.child.wait().unwrap().code(),
            out,
            err,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn listen(mut from: impl Read + Send + 'static, is_out: bool, to: mpsc::Sender<(bool, String)>) {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        // Nobody listens any more if the test has failed.
        drop(to.send((is_out, String::from_utf8(bytes).unwrap())));
    });
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    what: String,
    code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn plain(self) -> Self {
        assert!(!self.err.contains("panicked"), "{self:?}");
        assert!(!self.out.contains('\x1b'), "{self:?}");
        assert!(!self.err.contains('\x1b'), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "tollgate {}: {self:#?}", self.what);
        self
    }

    /// Somewhere it says each of these; where lines break does not matter.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = words(&format!("{} {}", self.out, self.err));
        for part in parts {
            assert!(said.contains(part), "`{part}` is not said: {self:#?}");
        }
        self
    }
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

pub(crate) fn binary() -> PathBuf {
    let binary = repository().join("target/debug/tollgate");
    assert!(
        binary.is_file(),
        "{} is missing: run `cargo xtask guests`",
        binary.display()
    );
    binary
}

/// The output of `id OPTION` for the user who runs the tests.
pub(crate) fn id(option: &str) -> String {
    let said = Command::new("id").arg(option).output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim().to_owned()
}

/// The login of the user who runs the tests; the number if there is no name.
fn login() -> String {
    let name = id("-un");
    if name.is_empty() { id("-u") } else { name }
}
