//! WASI 0.2 for components made for it, without access to a real system.
//!
//! Arguments and environment come from the configuration, and there is no input. Standard output and error
//! become events of the call's trace. Clocks and randomness are the machine's own. The preopened
//! directories are the component's grants ([`filesystem`]). Sockets and name lookups are refused. The gate
//! sends requests over `wasi:http` ([`http`]), where each is decided.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{
    WasiCtx, WasiCtxBuilder, WasiView,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult, add_to_linker_async},
};

use wasmtime_wasi_http::WasiHttpView;

use crate::{
    call::Host,
    capability::{
        HostPolicy,
        files::wasi::{self as filesystem, Files, FilesystemState},
        http::wasi::{self as http, Http},
    },
    resources::GuestEnvironment,
};

/// The most resources of one call: streams, pollables.
const MAX_RESOURCES: usize = 1_000;
/// The most random bytes at once.
const MAX_RANDOM: u64 = 64 << 10;
/// A longer line is cut into several.
const MAX_LINE: usize = 4 << 10;
/// The most bytes that a guest may write at once.
const MAX_WRITE: usize = 64 << 10;

/// Interfaces of WASI 0.2 that a component may import, by package.
const PACKAGES: &[&str] = &["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// Whether a component may import this.
pub(crate) fn is_linked(import: &str) -> bool {
    let package = import
        .strip_prefix("wasi:")
        .and_then(|rest| rest.split_once('/'))
        .map(|(package, _)| package);
    let version = import.split_once('@').map(|(_, version)| version);
    (package.is_some_and(|package| PACKAGES.contains(&package)) || http::is_linked(import))
        && version.is_some_and(|version| version.starts_with("0.2."))
}

pub(crate) fn add_to_linker<T>(linker: &mut Linker<T>) -> wasmtime::Result<()>
where
    T: WasiView + WasiHttpView + FilesystemState,
{
    add_to_linker_async(linker)?;
    filesystem::add_to_linker(linker)?;
    http::add_to_linker(linker)
}

/// The WASI state of one call. Created when the guest first needs it.
pub(crate) struct Wasi {
    pub(crate) ctx: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) files: Files,
    pub(crate) http: Http<dyn HostPolicy>,
}

impl Wasi {
    pub(crate) fn new(host: Option<&Host<dyn HostPolicy>>) -> Self {
        let stream = |level| Lines {
            written: Arc::new(Mutex::new(OutputBuffer {
                line: Vec::new(),
                policy: host.map(|host| Arc::clone(&host.policy)),
                level,
            })),
        };
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let environment = host.map(|host| host.resources.environment.clone());
        let GuestEnvironment {
            arguments,
            environment: variables,
        } = environment.unwrap_or_default();
        let variables: Vec<_> = variables.into_iter().collect();
        // Everything else is absent: input, directories.
        let ctx = WasiCtxBuilder::new()
            .args(&arguments)
            .envs(&variables)
            .stdout(stream("info"))
            .stderr(stream("warn"))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(MAX_RANDOM)
            .build();
        Self {
            ctx,
            table,
            files: Files::default(),
            http: Http::new(),
        }
    }
}

/// A stream whose lines go to the trace as the component's own words.
#[derive(Clone)]
struct Lines {
    written: Arc<Mutex<OutputBuffer>>,
}

struct OutputBuffer {
    /// The line so far.
    line: Vec<u8>,
    policy: Option<Arc<dyn HostPolicy>>,
    level: &'static str,
}

impl Lines {
    fn written(&self) -> MutexGuard<'_, OutputBuffer> {
        // Recover from poisoning: it contains only bytes.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutputBuffer {
    fn add(&mut self, bytes: &[u8]) {
        for line in self.split(bytes) {
            self.log(&line);
        }
    }

    /// Adds `bytes`, and takes the lines that end with them. A line that is too long is cut between two characters.
    fn split(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for &byte in bytes {
            if byte == b'\n' {
                lines.push(std::mem::take(&mut self.line));
                continue;
            }
            self.line.push(byte);
            if self.line.len() == MAX_LINE {
                let next = self.line.split_off(MAX_LINE - unfinished(&self.line));
                lines.push(std::mem::replace(&mut self.line, next));
            }
        }
        lines
    }

    fn log(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        if let (Some(policy), false) = (&self.policy, text.trim().is_empty()) {
            policy.log(self.level, &text);
        }
    }
}

/// Bytes at the end that begin a character of UTF-8 whose other bytes are still to come.
fn unfinished(bytes: &[u8]) -> usize {
    let tail = bytes.iter().rev().take(3).zip(1..);
    let is_continued = |byte: u8| byte & 0xC0 == 0x80;
    let begin = { tail }.find(|(byte, _)| !is_continued(**byte));
    let begin = begin.map(|(byte, length)| (length, byte.leading_ones()));
    match begin {
        Some((length, needed @ 2..=4)) if (length as u32) < needed => length,
        _ => 0,
    }
}

impl Drop for OutputBuffer {
    fn drop(&mut self) {
        // The last line may have no line feed.
        self.log(&self.line);
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.written().add(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Lines {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.written().add(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
