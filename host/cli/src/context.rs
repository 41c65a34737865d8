//! The context of every command: global options, output, and access to configuration, gate and ledger.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tollgate::config::Config;
use tollgate_ledger::LedgerReader;

use crate::{
    client::{ApiRequest, Client},
    error::{Failure, shown},
    global::Global,
    identity::Claim,
    output::Output,
    style::{Tone, paint},
    trust,
};

/// The context of a command.
pub(crate) struct Context<'a> {
    global: Global,
    pub(crate) out: &'a Output,
}

/// The nearest configuration: in the working directory or one above.
///
/// # Errors
/// There is none.
pub(crate) fn nearest_config() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir()
        .map_err(|e| Failure::plain(format!("the working directory cannot be read: {e}")))?;
    Ok(Config::find(&here)?)
}

impl<'a> Context<'a> {
    /// With these options.
    pub(crate) fn new(global: Global, out: &'a Output) -> Self {
        Self { global, out }
    }

    /// The configuration file that was named with `--config`.
    pub(crate) fn named_config(&self) -> Option<&Path> {
        self.global.config.as_deref()
    }

    /// The configuration file: that of `--config`, else the nearest, which must be trusted.
    pub(crate) fn config_file(&self) -> Result<PathBuf, Failure> {
        if let Some(file) = self.named_config() {
            return Ok(file.to_owned());
        }
        trust::resolve(nearest_config()?)
    }

    /// The configuration.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        Ok(Config::read(&self.config_file()?)?)
    }

    /// The configuration for looking at what happened, and for stopping it: if it has an error, that is a warning,
    /// and the store is still found.
    pub(crate) fn config_despite_errors(&self) -> Result<Config, Failure> {
        let config = Config::read_despite_errors(&self.config_file()?)?;
        if let Some(error) = &config.error {
            let place = match error.line {
                0 => shown(&error.file),
                line => format!("{}:{line}:{}", shown(&error.file), error.column),
            };
            self.out.remark(&format!(
                "{} {place}: {}; {}. The store {} is still used.",
                paint("warning:", Tone::Wait),
                error.message,
                error.help,
                shown(&config.store.path)
            ));
        }
        Ok(config)
    }

    /// The client of the gate, as the user at the command line: the login, or `--as` with a token.
    pub(crate) fn client(&self, config: Config) -> Result<Client<'a>, Failure> {
        let claim = match &self.global.as_user {
            Some(user) => Some(Claim::read(
                user,
                self.global.token_file.as_deref(),
                self.out,
            )?),
            None => None,
        };
        Ok(Client::new(config, claim, self.out))
    }

    /// The user of `--as`; only the gate can check the token.
    pub(crate) fn claimed_user(&self) -> Option<String> {
        self.global.as_user.clone()
    }

    /// Sends one request to the gate, and closes the client.
    pub(crate) async fn execute<T: DeserializeOwned>(
        &self,
        request: ApiRequest,
    ) -> Result<T, Failure> {
        let mut client = self.client(self.config()?)?;
        let answer = client.execute(request).await;
        client.close().await;
        answer
    }

    /// Like [`Context::execute`], also while the configuration has an error, if another process serves the gate.
    pub(crate) async fn execute_despite_errors<T: DeserializeOwned>(
        &self,
        request: ApiRequest,
    ) -> Result<T, Failure> {
        let mut client = self.client(self.config_despite_errors()?)?;
        let answer = client.execute(request).await;
        client.close().await;
        answer
    }

    /// The ledger, for lists; `None` if nothing was recorded yet.
    pub(crate) fn reader_if_any(&self, config: &Config) -> Result<Option<LedgerReader>, Failure> {
        if config.store.path.exists() {
            self.reader(config).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The ledger, read-only. The process that owns it is not disturbed.
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

/// The absolute path.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|e| Failure::plain(format!("{}: {e}", path.display())))
}
