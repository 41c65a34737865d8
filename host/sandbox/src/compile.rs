//! Compiles components in a separate process.
//!
//! A compiler is not made for hostile input: a file that makes it run without end, exhaust memory or crash
//! must not affect the gate. So a child process with limits compiles into the cache, and the gate itself
//! only loads from there. The child also asks the component for its tools, which runs the guest for the
//! first time.

use std::{
    hash::{Hash as _, Hasher as _},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::{
    canonical::Sha256Digest,
    text::printable,
    tool::{Annotations, Size},
};

use crate::{Compiler, Component, MAX_COMPONENT, Sandbox, SandboxError, SandboxOptions, ToolList};

/// Bytes of memory that compiling may use.
const MEMORY: u64 = 4 << 30;
/// The most bytes of the child's answer.
const MAX_ANSWER: u64 = 16 << 20;
/// How often the parent checks whether the child has ended.
const LOOK: Duration = Duration::from_millis(5);

/// The form of a stored [`Inspection`]: another one is not read.
const FORM: u8 = 2;

/// What a component's file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// Its size in bytes.
    pub bytes: u64,
    /// Interfaces that it imports, with their versions.
    pub imports: Vec<String>,
    /// Interfaces and functions that it exports.
    pub exports: Vec<String>,
    /// Exported functions, and listed tools, that cannot be tools, each with the reason.
    pub left_out: Vec<String>,
    /// Its tools, as it describes them: untrusted.
    pub tools: Vec<InspectedTool>,
}

/// A tool as its component describes it: untrusted, but printable and within limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InspectedTool {
    /// Its own name.
    pub name: String,
    /// For the model.
    pub description: String,
    /// Hints.
    pub annotations: Annotations,
    /// JSON Schema of the arguments.
    pub input_schema: Value,
}

/// Why a component was not compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// This gate cannot run the component.
    #[error("{0}")]
    Component(String),
    /// The child took too long.
    #[error("compiling it took longer than {} s; do not use this file", .0.as_secs())]
    Time(Duration),
    /// The child crashed, or exceeded its memory limit.
    #[error(
        "the compiler ended without an answer ({0}): the file may need more than {memory} GiB to compile; do not use it \
         unless you trust where it comes from", memory = MEMORY >> 30
    )]
    Crashed(String),
    /// The child does not start.
    #[error("{program} does not start: {reason}")]
    Start {
        /// Its program.
        program: String,
        /// Why not.
        reason: String,
    },
}

/// The child's answer.
#[derive(Serialize, Deserialize)]
enum Answer {
    Compiled(Inspection),
    Refused(String),
}

impl Compiler {
    /// Compiles a component into the cache, unless it is there, and returns its contents.
    ///
    /// # Errors
    /// [`CompileError`].
    pub fn compile(
        &self,
        cache_dir: &Path,
        name: &str,
        bytes: &[u8],
        size: Size,
    ) -> Result<Inspection, CompileError> {
        let failed = |e: std::io::Error| CompileError::Start {
            program: self.program.display().to_string(),
            reason: e.to_string(),
        };
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .arg(cache_dir)
            .arg(name)
            .arg(size.to_string())
            // The compiler needs nothing of this process's environment.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (status, answer) = std::thread::scope(|scope| {
            scope.spawn(move || {
                // If the child ends early, its answer says why.
                stdin.map(|mut stdin| stdin.write_all(bytes))
            });
            let answer = scope.spawn(move || {
                let mut answer = Vec::new();
                stdout.map(|out| out.take(MAX_ANSWER).read_to_end(&mut answer));
                answer
            });
            let begun = Instant::now();
            let status = loop {
                match child.try_wait() {
                    Ok(Some(status)) => break Ok(Some(status)),
                    Ok(None) if begun.elapsed() < self.time => std::thread::sleep(LOOK),
                    Ok(None) => {
                        let killed = child.kill().and_then(|()| child.wait());
                        break killed.map(|_| None);
                    }
                    Err(e) => break Err(e),
                }
            };
            (status, answer.join().unwrap_or_default())
        });
        match (status.map_err(failed)?, serde_json::from_slice(&answer)) {
            (None, _) => Err(CompileError::Time(self.time)),
            (Some(_), Ok(Answer::Compiled(inspection))) => Ok(inspection),
            (Some(_), Ok(Answer::Refused(reason))) => Err(CompileError::Component(reason)),
            (Some(status), Err(_)) => Err(CompileError::Crashed(ended(status))),
        }
    }
}

fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => format!("exit code {}", status.code().unwrap_or(-1)),
    }
}

/// The child's side: limits this process, compiles the component from standard input into the cache, and
/// writes its contents to standard output. Errors are part of the answer.
///
/// # Errors
/// Only if the answer cannot be written.
pub async fn serve(cache_dir: PathBuf, name: &str, size: Size) -> std::io::Result<()> {
    let answer = match compiled(cache_dir, name, size).await {
        Ok(inspection) => Answer::Compiled(inspection),
        Err(reason) => Answer::Refused(reason),
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &answer)?;
    out.flush()
}

async fn compiled(cache_dir: PathBuf, name: &str, size: Size) -> Result<Inspection, String> {
    limit(Resource::Data, MEMORY)?;
    limit(Resource::Cpu, Compiler::TIME.as_secs())?;
    limit(Resource::Core, 0)?;
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_COMPONENT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("the component did not arrive: {e}"))?;
    let options = SandboxOptions {
        cache_dir: cache_dir.clone(),
        concurrency: 1,
        compiler: None,
    };
    let sandbox = Sandbox::new(options).map_err(|e| e.to_string())?;
    let inspection = sandbox.inspect(name, &bytes, size).await;
    let inspection = inspection.map_err(|e| e.to_string())?;
    let json = serde_json::to_vec(&inspection).map_err(|e| e.to_string())?;
    let place = sandbox.inspection_path(&cache_dir, Sha256Digest::of(&bytes), size);
    let place = place.map_err(|e| e.to_string())?;
    // Without this file, the component is inspected again the next time, and its code is found in the
    // cache.
    let _ = tempfile::NamedTempFile::new_in(&cache_dir)
        .and_then(|mut file| file.write_all(&json).map(|()| file))
        .and_then(|file| file.persist(place).map_err(Into::into));
    Ok(inspection)
}

fn limit(resource: Resource, to: u64) -> Result<(), String> {
    let limit = Rlimit {
        current: Some(to),
        maximum: Some(to),
    };
    setrlimit(resource, limit).map_err(|e| format!("this process cannot be limited: {e}"))
}

impl Sandbox {
    /// The contents of a component, compiled and inspected in this process.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub async fn inspect(
        &self,
        name: &str,
        bytes: &[u8],
        size: Size,
    ) -> Result<Inspection, SandboxError> {
        let component = self.load(name, bytes, size)?;
        let ToolList { tools, left_out } = self.list_tools(&component).await?;
        let Names { imports, exports } = component.names();
        Ok(Inspection {
            bytes: bytes.len() as u64,
            imports,
            exports,
            left_out: { component.left_out().iter().cloned() }
                .chain(
                    left_out
                        .iter()
                        .map(|(tool, why)| format!("`{tool}`: {why}")),
                )
                .collect(),
            tools: tools
                .into_iter()
                .map(|tool| InspectedTool {
                    description: printable(&tool.description, 16 << 10),
                    name: tool.name,
                    annotations: tool.annotations,
                    input_schema: tool.input_schema,
                })
                .collect(),
        })
    }

    /// The file with a component's inspection. It is written once this engine's code for the component is
    /// in the cache.
    fn inspection_path(
        &self,
        cache_dir: &Path,
        digest: Sha256Digest,
        size: Size,
    ) -> Result<PathBuf, SandboxError> {
        let mut hasher = std::hash::DefaultHasher::new();
        let linked = self.pool(size)?;
        let hash = linked.pool.engine.precompile_compatibility_hash();
        (hash, size, FORM).hash(&mut hasher);
        let name = format!("{digest}-{:016x}.json", hasher.finish()).replace(':', "-");
        Ok(cache_dir.join(name))
    }

    /// The tools of a file that was inspected once, by its digest, although it may not be there any more.
    #[must_use]
    pub fn inspected_tools(&self, digest: Sha256Digest, size: Size) -> Option<Vec<InspectedTool>> {
        let (_, cache_dir) = self.compiler.as_deref()?;
        let path = self.inspection_path(cache_dir, digest, size).ok()?;
        let file = std::fs::File::open(path).ok()?;
        let inspection = serde_json::from_reader(std::io::BufReader::new(file.take(MAX_ANSWER)));
        inspection.ok().map(|read: Inspection| read.tools)
    }

    /// Compiles a component in the compiler's process, unless the cache has it. Without a compiler, loading
    /// it compiles it.
    ///
    /// # Errors
    /// [`CompileError`].
    pub fn ensure_compiled(
        &self,
        name: &str,
        bytes: &[u8],
        size: Size,
    ) -> Result<(), CompileError> {
        let Some((compiler, cache_dir)) = self.compiler.as_deref() else {
            return Ok(());
        };
        let path = self.inspection_path(cache_dir, Sha256Digest::of(bytes), size);
        let path = path.map_err(|e| CompileError::Component(e.to_string()))?;
        if path.exists() {
            return Ok(());
        }
        compiler.compile(cache_dir, name, bytes, size).map(drop)
    }
}

/// Names of a component's imports and exports.
pub(crate) struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Component {
    fn names(&self) -> Names {
        let (engine, ty) = self.ty();
        let shown = |name: &str| printable(name, 200);
        Names {
            imports: ty.imports(engine).map(|(name, _)| shown(name)).collect(),
            exports: ty.exports(engine).map(|(name, _)| shown(name)).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
