//! A server as a child process: nothing of the gate's environment, a directory of its own, and an end that
//! takes its own children along.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::{
        ffi::OsStringExt as _,
        fs::{DirBuilderExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nix::unistd::User;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};
use tollgate::{config::ConfigValue, secrets::Vault, text::printable, upstream::ConnectError};

use super::pipe;

/// How long a server may take to end once its input has.
const LEAVING: Duration = Duration::from_secs(2);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(10);
/// Bytes of its last words that are kept.
const MAX_WORDS: usize = 1 << 10;

pub(super) type Pipe = pipe::Pipe<ChildStdout, ChildStdin>;

/// How a child is started.
pub(super) struct Start<'a> {
    pub(super) command: &'a [String],
    pub(super) env: &'a BTreeMap<String, ConfigValue>,
    pub(super) dir: &'a Path,
    pub(super) user: Option<&'a str>,
}

/// A running child. Dropping it ends it and all that it started.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Start<'_> {
    /// Start it.
    pub(super) async fn start(&self, secrets: &Vault) -> Result<(Process, Pipe), ConnectError> {
        let failed = |what: &str, e: &std::io::Error| ConnectError::new(format!("{what}: {e}"));
        let mut environment: BTreeMap<OsString, OsString> = BTreeMap::new();
        for (name, sent) in self.env {
            let value = super::value(sent, secrets).await?;
            environment.insert(name.into(), OsString::from_vec(value));
        }
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| ConnectError::new("its command is empty"))?;
        let path = environment.get(OsStr::new("PATH")).cloned();
        let program = found(program, path.or_else(|| env::var_os("PATH")))?;
        if let Some(name) = self.user {
            // One that the gate made would be the gate's, and closed to others.
            if !self.dir.is_dir() {
                let (dir, name) = (self.dir.display(), printable(name, 80));
                let why = format!("its directory {dir} is not there; make it for `{name}`");
                return Err(ConnectError::new(why));
            }
        } else {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(self.dir)
                .map_err(|e| failed("its directory cannot be made", &e))?;
        }
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .env_clear()
            .envs(environment)
            .current_dir(self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(name) = self.user {
            let user = User::from_name(name).ok().flatten();
            let user =
                user.ok_or_else(|| ConnectError::new(format!("there is no user `{name}`")))?;
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let mut child = command
            .spawn()
            .map_err(|e| failed(&format!("{} does not start", program.display()), &e))?;
        let said = Arc::default();
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(keep_last_words(stderr, Arc::clone(&said)));
        }
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ConnectError::new("it has no input or output"));
        };
        Ok((Process { child, said }, Pipe::new(stdout, stdin)))
    }
}

impl Process {
    /// Its last words, printable, without the secrets of this gate.
    pub(super) fn last_words(&self, secrets: &Vault) -> Option<String> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let text = secrets.scrub_text(&String::from_utf8_lossy(&said));
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        Some(printable(last, MAX_WORDS))
    }

    /// As [`Process::last_words`], once it has had the time to say them.
    pub(super) async fn last_words_of_all(self, secrets: &Vault) -> Option<String> {
        let _ = tokio::time::timeout(LEAVING, self.ended()).await;
        self.last_words(secrets)
    }

    /// Wait until it ends by itself, as it does when its input ends; then end it.
    pub(super) async fn leave(self) {
        let _ = tokio::time::timeout(LEAVING, self.ended()).await;
    }

    /// Its own id and its group's, as long as it has not been reaped.
    fn leader(&self) -> Option<Pid> {
        let id = self.child.id()?;
        Pid::from_raw(id.cast_signed())
    }

    /// Waits until the process has ended, and does not reap it. Until it is reaped, no other process can get
    /// its id, which is also the id of its group, and the group must still be ended.
    async fn ended(&self) {
        let Some(leader) = self.leader() else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while let Ok(None) = waitid(WaitId::Pid(leader), options) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(group) = self.leader() {
            // None is left in the best case.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn keep_last_words(mut stderr: ChildStderr, said: Arc<Mutex<Vec<u8>>>) {
    let mut piece = [0; 1024];
    while let Ok(n @ 1..) = stderr.read(&mut piece).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(piece.get(..n).unwrap_or_default());
        let surplus = said.len().saturating_sub(4 * MAX_WORDS);
        said.drain(..surplus);
    }
}

/// The program's file: as it is named, or in one of the directories of `path`.
fn found(program: &str, path: Option<OsString>) -> Result<PathBuf, ConnectError> {
    if program.contains('/') {
        return Ok(program.into());
    }
    let executable = |file: &PathBuf| {
        let metadata = fs::metadata(file);
        metadata.is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    let path = path.unwrap_or_default();
    env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(executable)
        .ok_or_else(|| {
            ConnectError::new(format!(
                "there is no program `{}` on its PATH; set PATH in its `env`",
                printable(program, 80)
            ))
        })
}

#[cfg(test)]
mod tests;
