//! Limits of connections: their number, and the time without a request.
//!
//! The time limit also covers connections before the first request, and HTTP/2, for which the library has no
//! timeout.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Extension, middleware::AddExtension};
use axum_server::accept::Accept;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep, sleep_until},
};
use tower::Layer as _;

/// How long a connection may be without a request, or a client may not read its response.
const IDLE: Duration = Duration::from_secs(60);
/// The most connections, if the limit of open files allows it.
const MAX_CONNECTIONS: usize = 8192;

/// Accepts a limited number of connections and closes all others immediately.
#[derive(Clone)]
pub(super) struct ConnectionLimit<A> {
    inner: A,
    room: Arc<Semaphore>,
    idle: Duration,
}

impl<A> ConnectionLimit<A> {
    pub(super) fn new(inner: A) -> Self {
        // Tools, servers and the store need files, too.
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let files = files.map_or(usize::MAX, |files| {
            usize::try_from(files).unwrap_or(usize::MAX)
        });
        Self {
            inner,
            room: Arc::new(Semaphore::new((files / 2).min(MAX_CONNECTIONS))),
            idle: IDLE,
        }
    }
}

impl<A, I, S> Accept<I, S> for ConnectionLimit<A>
where
    A: Accept<I, S, Future: Send + 'static>,
{
    type Stream = IdleTimeout<A::Stream>;
    type Service = AddExtension<A::Service, Arc<Usage>>;
    type Future =
        Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send + 'static>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let permit = Arc::clone(&self.room).try_acquire_owned();
        let (accepting, idle) = (self.inner.accept(stream, service), self.idle);
        Box::pin(async move {
            let permit = permit.map_err(|_| io::ErrorKind::ConnectionRefused)?;
            let (stream, service) = accepting.await?;
            let usage = Arc::new(Usage(Mutex::new((0, Instant::now()))));
            let timed = IdleTimeout {
                stream,
                usage: Arc::clone(&usage),
                idle,
                unused: Box::pin(sleep(idle)),
                unread: None,
                _permit: permit,
            };
            Ok((timed, Extension(usage).layer(service)))
        })
    }
}

/// The number of requests in flight on a connection, and the time of the last change.
pub(super) struct Usage(Mutex<(usize, Instant)>);

impl Usage {
    /// Counts a request as in flight until the returned value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InUse {
        self.change(|requests| requests.saturating_add(1));
        InUse(Arc::clone(self))
    }

    fn change(&self, change: impl FnOnce(usize) -> usize) {
        let mut usage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *usage = (change(usage.0), Instant::now());
    }

    /// When it last carried a request.
    fn last(&self) -> Instant {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            (0, last) => last,
            _ => Instant::now(),
        }
    }
}

/// A request in flight.
pub(super) struct InUse(Arc<Usage>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.change(|requests| requests.saturating_sub(1));
    }
}

/// A stream that ends when its connection is idle for too long.
pub(super) struct IdleTimeout<S> {
    stream: S,
    usage: Arc<Usage>,
    idle: Duration,
    unused: Pin<Box<Sleep>>,
    /// Runs while the client reads nothing of the response.
    unread: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

impl<S> IdleTimeout<S> {
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        wrote: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.unread = None;
            return wrote;
        }
        let unread = self
            .unread
            .get_or_insert_with(|| Box::pin(sleep(self.idle)));
        ready!(unread.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for IdleTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            return read;
        }
        loop {
            ready!(self.unused.as_mut().poll(cx));
            let until = self.usage.last() + self.idle;
            if until <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.unused = Box::pin(sleep_until(until));
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for IdleTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buffer);
        self.written(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.written(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.written(cx, shut)
    }
}

#[cfg(test)]
mod tests;
