//! The owner's Unix socket: one question and one answer for each connection, a line of JSON each.
//!
//! The owner greets first. Whoever is not greeted has asked nothing and may try elsewhere. Who asks is
//! what the operating system says of the connection (`SO_PEERCRED`), and a token where one is given; the
//! asker checks in turn that whoever answers owns the store.

use std::{
    fs, io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::{MetadataExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{
        AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
        BufReader,
    },
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::{JoinHandle, JoinSet},
};

use tollgate::identity::Caller;
use tollgate_model::ids::hex;
use tollgate_server::mcp;

use crate::{
    access::Owner,
    error::Failure,
    identity::{self, Claim},
    operation::{Operation, Reply},
};

/// The version of what is said over the socket.
const PROTOCOL: u32 = 1;
/// The longest line: arguments of a few megabytes, escaped.
const MAX_LINE: u64 = 64 << 20;
/// How long a question may take to arrive.
const QUESTION: Duration = Duration::from_secs(5);
/// How long a greeting may take.
const GREETING: Duration = Duration::from_secs(5);

/// What the owner says first.
#[derive(Debug, Serialize, Deserialize)]
struct Greeting {
    tollgate: u32,
    version: String,
}

/// A question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Envelope {
    /// Who asks, where it is not the process's own user.
    pub(super) claim: Option<Claim>,
    /// What.
    pub(super) operation: Operation,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Nobody is there, or nobody took the question.
    NotAsked,
    /// Somebody is there with whom nothing can be done.
    Refused(String),
    /// The question was taken, and then the connection broke.
    Lost,
}

/// Where the owner of the store at `store` listens.
pub(super) fn path(store: &Path) -> PathBuf {
    store.with_file_name("gate.sock")
}

/// A directory by a short name: a socket's address has room for some hundred bytes, a path for more.
struct Short {
    _dir: OwnedFd,
    path: PathBuf,
}

impl Short {
    fn of(dir: &Path, name: &str) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(dir, flags, Mode::empty())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", fd.as_raw_fd()));
        let path = if Path::new("/proc/self/fd").exists() {
            path
        } else {
            dir.join(name)
        };
        Ok(Self { _dir: fd, path })
    }
}

/// A connection.
pub(super) type Stream = (BufReader<OwnedReadHalf>, OwnedWriteHalf);

/// Ask the owner of the store at `store`.
pub(super) async fn ask(
    store: &Path,
    envelope: &Envelope,
) -> Result<Result<Reply, Failure>, Unanswered> {
    let (answer, _) = connect(store, envelope).await?;
    Ok(answer)
}

/// As [`ask`], with the connection, for what goes on over it.
pub(super) async fn connect(
    store: &Path,
    envelope: &Envelope,
) -> Result<(Result<Reply, Failure>, Stream), Unanswered> {
    let path = path(store);
    let dir = path.parent().unwrap_or(Path::new("."));
    let nobody = |_| Unanswered::NotAsked;
    let short = Short::of(dir, "gate.sock").map_err(nobody)?;
    let stream = UnixStream::connect(&short.path).await.map_err(nobody)?;
    drop(short);
    let owner = stream.peer_cred().map_err(nobody)?.uid();
    let rightful = fs::metadata(store).map_err(nobody)?.uid();
    if owner != rightful && owner != 0 {
        return Err(Unanswered::Refused(format!(
            "{} is served by user {owner}, and the store belongs to user {rightful}; remove the socket if you do \
             not know why",
            path.display()
        )));
    }
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let greeting = tokio::time::timeout(GREETING, receive::<Greeting>(&mut read));
    let Ok(Ok(Some(greeting))) = greeting.await else {
        return Err(Unanswered::NotAsked);
    };
    if greeting.tollgate != PROTOCOL {
        return Err(Unanswered::Refused(format!(
            "the process that owns the gate is tollgate {}, and this is {}; use the same version",
            greeting.version,
            env!("CARGO_PKG_VERSION")
        )));
    }
    send(&mut write, envelope)
        .await
        .map_err(|_| Unanswered::Lost)?;
    match receive(&mut read).await {
        Ok(Some(answer)) => Ok((answer, (read, write))),
        Ok(None) | Err(_) => Err(Unanswered::Lost),
    }
}

/// One value, in a line.
async fn send<T: Serialize>(write: &mut (impl AsyncWrite + Unpin), value: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    write.flush().await
}

/// One value, from a line; `None` at the end.
async fn receive<T: DeserializeOwned>(
    read: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    read.take(MAX_LINE).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

/// The owner's side, for as long as it owns.
pub(super) struct Server {
    path: PathBuf,
    serving: Option<JoinHandle<()>>,
}

impl Server {
    /// Serve `owner`. Where there can be no socket the owner works alone, and others are told so by the
    /// lock.
    pub(super) fn start(owner: Arc<Owner>) -> Self {
        let path = path(&owner.gate.ruleset().config.store.path);
        let serving = listen(&path)
            .ok()
            .map(|listener| tokio::spawn(serve(listener, owner)));
        Self { path, serving }
    }

    /// Take no more questions, and answer those that were taken. Must come before the ledger is given
    /// up: the next owner's socket has the same name.
    pub(super) async fn stop(self) {
        if let Some(serving) = self.serving {
            // What nobody finds, nobody asks; the rest is told by `leaving`.
            let _ = fs::remove_file(&self.path);
            let _ = serving.await;
        }
    }
}

/// A socket that only its owner's user can reach, put in place whole.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let private = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(dir)?;
    let made = private.path().join("s");
    let short = Short::of(private.path(), "s")?;
    let listener = UnixListener::bind(&short.path)?;
    fs::set_permissions(&made, fs::Permissions::from_mode(0o600))?;
    fs::rename(&made, path)?;
    Ok(listener)
}

async fn serve(listener: UnixListener, owner: Arc<Owner>) {
    let mut leaving = owner.leaving.subscribe();
    let mut answering = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = super::left(&mut leaving) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let owner = Arc::clone(&owner);
                    answering.spawn(async move {
                        // Whoever asked is gone, or speaks something else: nobody is left to be told.
                        let _ = answer(stream, &owner).await;
                    });
                }
                // Out of descriptors, for example: others finish meanwhile.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = answering.join_next() => {}
        }
    }
    drop(listener);
    while answering.join_next().await.is_some() {}
}

async fn answer(stream: UnixStream, owner: &Owner) -> io::Result<()> {
    let asker = stream.peer_cred()?.uid();
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    send(
        &mut write,
        &Greeting {
            tollgate: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").into(),
        },
    )
    .await?;
    let question = tokio::time::timeout(QUESTION, receive::<Envelope>(&mut read)).await;
    let Some(Envelope { claim, operation }) = question?? else {
        return Ok(());
    };
    let agent = match &operation {
        Operation::Mcp { agent } => Some(agent.clone()),
        _ => None,
    };
    let executed = async {
        let login = identity::login(asker)?;
        owner.execute(&login, claim.as_ref(), operation).await
    };
    let Some(agent) = agent else {
        return tokio::select! {
            result = executed => send(&mut write, &result).await,
            // Who goes away no longer waits. A call that has begun ends all the same: the gate owns it.
            _ = read.fill_buf() => Ok(()),
        };
    };
    let result = executed.await;
    let may = result.is_ok();
    send(&mut write, &result).await?;
    if !may {
        return Ok(());
    }
    let caller = Caller::Agent {
        name: agent,
        on_behalf_of: None,
    };
    let session = tollgate::ids::random(16).map(|bytes| hex(&bytes));
    let client = owner.server.client(Some(caller), session);
    let until = owner.server.closed().clone();
    mcp::serve_lines(client, read, write, until).await
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
