//! The subcommands, one per file: what each takes, asks, and shows.

pub(crate) mod approvals;
pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod component;
pub(crate) mod decisions;
pub(crate) mod export;
pub(crate) mod halt;
pub(crate) mod hook;
pub(crate) mod init;
pub(crate) mod ledger;
pub(crate) mod new;
pub(crate) mod policy;
mod policy_suggest;
pub(crate) mod reload;
pub(crate) mod reported;
pub(crate) mod reveal;
pub(crate) mod runs;
pub(crate) mod serve;
pub(crate) mod stats;
mod stats_reported;
pub(crate) mod store;
mod times;
pub(crate) mod token;
pub(crate) mod tools;
pub(crate) mod upstream;
pub(crate) mod user;
pub(crate) mod wrap;

use std::path::{Path, PathBuf};

use tollgate::{config::Config, config::ConfigError};
use tollgate_ledger::LedgerReader;

use crate::{
    access::Access,
    args::{Cli, Command, Global},
    exit::Exit,
    failure::{Failure, shown},
    identity::Claim,
    operation::{Operation, Reply},
    output::Output,
};

/// Run a command.
pub(crate) async fn run(mut cli: Cli, out: &Output) -> Result<Exit, Failure> {
    if let Command::Runs(runs::Runs::Export(export)) = &mut cli.command {
        let config = config_of(&cli.global).ok();
        let is_user = |name: &str| config.is_some_and(|config| config.users.contains_key(name));
        export.take_as(&mut cli.global, is_user);
    }
    let cx = Context {
        global: cli.global,
        out,
    };
    match cli.command {
        Command::Init(args) => init::run(&args, &cx),
        Command::New(args) => new::run(&args, &cx),
        Command::Serve(args) => serve::run(args, &cx).await,
        Command::Reload(args) => reload::run(args, &cx).await,
        Command::Call(args) => call::run(args, &cx).await,
        Command::Approvals(args) => approvals::run(args, &cx).await,
        Command::Decisions(args) => decisions::run(args, &cx).await,
        Command::Runs(args) => runs::run(args, &cx).await,
        Command::Export(args) => export::run(args, &cx).await,
        Command::Reveal(args) => reveal::run(args, &cx).await,
        Command::Stats(args) => stats::run(&args, &cx),
        Command::Tools(args) => tools::run(args, &cx).await,
        Command::Policy(args) => policy::run(args, &cx).await,
        Command::Component(args) => component::run(args, &cx).await,
        Command::Upstream(args) => upstream::run(args, &cx).await,
        Command::Wrap(args) => wrap::run(&args, &cx).await,
        Command::Hook(args) => hook::run(args, &cx).await,
        Command::Halt(args) => halt::halt(args, &cx).await,
        Command::Resume(args) => halt::resume(args, &cx).await,
        Command::User(args) => user::run(args, &cx).await,
        Command::Token(args) => token::run(args, &cx).await,
        Command::Store(args) => store::run(args, &cx).await,
        Command::Ledger(args) => ledger::run(&args, &cx),
        Command::Completions(args) => completions::run(&args, &cx),
    }
}

/// What every command has.
pub(crate) struct Context<'a> {
    global: Global,
    pub(crate) out: &'a Output,
}

fn config_file(global: &Global) -> Result<PathBuf, Failure> {
    match &global.config {
        Some(file) => Ok(file.clone()),
        None => {
            let here = std::env::current_dir().map_err(|e| {
                Failure::plain(format!("the working directory cannot be read: {e}"))
            })?;
            Ok(Config::find(&here)?)
        }
    }
}

fn config_of(global: &Global) -> Result<Config, Failure> {
    config_file(global).and_then(|file| Config::read(&file).map_err(|e: ConfigError| e.into()))
}

impl<'a> Context<'a> {
    /// The configuration file: the one that was named, or the nearest.
    pub(crate) fn config_file(&self) -> Result<PathBuf, Failure> {
        config_file(&self.global)
    }

    /// The configuration.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        config_of(&self.global)
    }

    /// The way to the gate, as whoever is at the command line says and proves to be.
    pub(crate) fn access(&self, config: Config) -> Result<Access<'a>, Failure> {
        let claim = match &self.global.as_user {
            Some(user) => Some(Claim::read(
                user,
                self.global.token_file.as_deref(),
                self.out,
            )?),
            None => None,
        };
        Ok(Access::new(config, claim, self.out))
    }

    /// The user of `--as`, whom only the gate believes.
    pub(crate) fn claimed_user(&self) -> Option<String> {
        self.global.as_user.clone()
    }

    /// Have one thing done, and leave.
    pub(crate) async fn execute(&self, operation: Operation) -> Result<Reply, Failure> {
        let mut access = self.access(self.config()?)?;
        let reply = access.execute(operation).await;
        access.close().await;
        reply
    }

    /// The ledger, for lists: `None` where nothing has been recorded yet.
    pub(crate) fn reader_if_any(&self, config: &Config) -> Result<Option<LedgerReader>, Failure> {
        if config.store.path.exists() {
            self.reader(config).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The ledger, for reading; whoever owns it goes on.
    pub(crate) fn reader(&self, config: &Config) -> Result<LedgerReader, Failure> {
        let path = &config.store.path;
        if !path.exists() {
            return Err(
                Failure::plain(format!("{}: nothing has been recorded yet", shown(path)))
                    .help("call a tool first: tollgate call TOOL --args '{…}'"),
            );
        }
        Ok(LedgerReader::open(path)?)
    }
}

/// An answer that the operation cannot have: the owner is of another make.
pub(crate) fn unexpected(reply: &Reply) -> Failure {
    Failure::plain(format!("the gate answered something else: {reply:?}"))
        .help("use the same version everywhere")
}

/// A path as another process understands it.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|e| Failure::plain(format!("{}: {e}", path.display())))
}
