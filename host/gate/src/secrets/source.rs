//! Sources of secret values: exactly those that the configuration names.

use std::{path::PathBuf, process::Stdio, time::Duration};

use tokio::{io::AsyncReadExt as _, process::Command, time::timeout};
use zeroize::Zeroizing;

use super::MAX_LENGTH;

/// The time limit of a command.
const COMMAND: Duration = Duration::from_secs(10);

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of the gate's environment.
    Env(String),
    /// A file.
    File(PathBuf),
    /// A program with its arguments; its output is the value. No shell.
    Command(Vec<String>),
}

impl SecretSource {
    /// The value, without the trailing line feed of editors and programs. Errors never contain it.
    pub(super) async fn read(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        let whole = match self {
            Self::Env(name) => match std::env::var_os(name) {
                Some(value) => Zeroizing::new(value.into_encoded_bytes()),
                None => return Err(format!("the environment variable {name} is not set")),
            },
            Self::File(path) => {
                let failed = |e: std::io::Error| format!("{}: {e}", path.display());
                let file = tokio::fs::File::open(path).await.map_err(failed)?;
                limited(file).await.map_err(failed)?
            }
            Self::Command(words) => run(words).await?,
        };
        let end = match whole.as_slice() {
            [.., b'\r', b'\n'] => whole.len() - 2,
            [.., b'\n'] => whole.len() - 1,
            _ => whole.len(),
        };
        Ok(Zeroizing::new(
            whole.get(..end).unwrap_or_default().to_vec(),
        ))
    }
}

/// Reads just enough to detect that it is too long.
async fn limited(from: impl tokio::io::AsyncRead + Unpin) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut value = Zeroizing::new(Vec::with_capacity(MAX_LENGTH + 3));
    from.take(MAX_LENGTH as u64 + 3)
        .read_to_end(&mut value)
        .await?;
    Ok(value)
}

async fn run(words: &[String]) -> Result<Zeroizing<Vec<u8>>, String> {
    let (program, arguments) = words.split_first().ok_or("the command is empty")?;
    let failed = |e: std::io::Error| format!("{program}: {e}");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let output = child.stdout.take().ok_or("the command has no output")?;
    let finish = async {
        let value = limited(output).await.map_err(failed)?;
        let status = child.wait().await.map_err(failed)?;
        if status.success() {
            Ok(value)
        } else {
            Err(format!("{program} ended with {status}"))
        }
    };
    timeout(COMMAND, finish).await.unwrap_or_else(|_| {
        Err(format!(
            "{program} took longer than {} s",
            COMMAND.as_secs()
        ))
    })
}
