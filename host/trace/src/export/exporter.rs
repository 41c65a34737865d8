//! One exporter, as a state machine of steps. The caller passes the time.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use prost::Message as _;
use tollgate_model::{
    ids::RunId,
    settings::{ExportConfig, ExportFrom},
    time::Timestamp,
};

use super::{
    ExportError, Source,
    backoff::Backoff,
    build::{Builder, Page, PendingRoot},
    send::{Answer, Sender},
    state::{Roots, State, States, state_file},
    wire,
};

/// The most bytes of spans in one request. Collectors accept 4 MiB over gRPC by default.
const MAX_BYTES: usize = 3 << 20;
/// The interval of searching for idle runs, in microseconds.
const ROOTS_EVERY: u64 = 60_000_000;
/// The most roots per search.
const ROOTS_AT_ONCE: u32 = 1000;

/// The result of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing to send.
    Idle,
    /// The exporter has made progress.
    Sent,
    /// The collector did not accept it; it is sent again later.
    Failed,
    /// The pause before the next attempt is not over.
    Later,
}

/// Sends the spans of one ledger to one collector.
pub struct Exporter {
    name: String,
    source: Arc<Source>,
    export: ExportConfig,
    sender: Option<Sender>,
    pace: Backoff,
    /// `None` while a task reads a page.
    disk: Option<Disk>,
    state: State,
    /// Spans to send before the cursor moves.
    pending: VecDeque<OtlpSpan>,
    /// The next position of the cursor, and the changes of open roots.
    goal: Option<(u64, Roots)>,
    /// The most spans in one request; smaller while a refusal is bisected.
    most: usize,
    /// Accepted requests.
    taken: u64,
    /// Whether a request was accepted since the cursor moved.
    answered: bool,
    /// Spans that were refused alone while an empty request was refused as well, and the number of accepted requests
    /// at that time.
    doubted: HashMap<Vec<u8>, u64>,
    /// The last search for idle roots.
    idle_scan: IdleScan,
}

/// A search for idle roots.
#[derive(Debug, Clone, Copy)]
struct IdleScan {
    at: Timestamp,
    /// Whether there were no new records then, so that the list of roots was complete.
    at_the_end: bool,
    /// The run after which the next search begins.
    after: Option<RunId>,
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter")
            .field("name", &self.name)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Access to files.
struct Disk {
    states: States,
    builder: Builder,
}

/// The next spans to send.
struct Read {
    next: u64,
    spans: Vec<OtlpSpan>,
    roots: Roots,
    idle_scan: Option<IdleScan>,
}

impl Exporter {
    /// The exporter with this name in the configuration of `source`, at its stored position.
    ///
    /// # Errors
    /// [`ExportError`] if there is none, or its state cannot be read.
    pub async fn new(name: &str, source: Arc<Source>) -> Result<Self, ExportError> {
        let export = source.settings.exports.get(name).cloned();
        let export =
            export.ok_or_else(|| ExportError::Setup(format!("there is no [export.{name}]")))?;
        let path = state_file(&source.settings.store);
        let (own, from, reader) = (name.to_owned(), export.from, Arc::clone(&source));
        let opening = tokio::task::spawn_blocking(move || {
            let mut states = States::open(&path)?;
            let state = match states.load(&own)? {
                Some(state) => state,
                None => {
                    let mut state = State::default();
                    if from == ExportFrom::Now {
                        state.next = reader.ledger.size()?.records;
                    }
                    states.save(&own, &state, &Roots::default())?;
                    state
                }
            };
            Ok::<_, ExportError>((states, state))
        });
        let (states, state) = opening.await.map_err(|_| ExportError::Stopped)??;
        Ok(Self {
            name: name.into(),
            most: export.batch,
            source,
            export,
            sender: None,
            pace: Backoff::new(),
            disk: Some(Disk {
                states,
                builder: Builder::default(),
            }),
            state,
            pending: VecDeque::new(),
            goal: None,
            taken: 0,
            answered: false,
            doubted: HashMap::new(),
            idle_scan: IdleScan {
                at: Timestamp(i64::MIN),
                at_the_end: false,
                after: None,
            },
        })
    }

    /// The error of the collector, if it accepts nothing now.
    #[must_use]
    pub fn failing(&self) -> Option<&str> {
        self.state.failing.as_deref()
    }

    /// The index of the first record that is not processed.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.state.next
    }

    /// Acknowledged spans, and finally rejected spans.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.state.sent, self.state.rejected)
    }

    /// Reads the next spans, or sends some of them.
    ///
    /// # Errors
    /// [`ExportError`] if the ledger or the state cannot be read, or a secret cannot.
    pub async fn step(&mut self, now: Timestamp) -> Result<Step, ExportError> {
        if !self.pace.allows(now) {
            return Ok(Step::Later);
        }
        if self.goal.is_none() && !self.read(now).await? {
            return Ok(Step::Idle);
        }
        if self.pending.is_empty() {
            return self.arrived(now).await;
        }
        let chunk = self.chunk();
        let count = chunk.len() as u64;
        let request = wire::request(chunk.clone(), &self.source, &self.export);
        let sender = match self.sender.take() {
            Some(sender) => sender,
            None => match Sender::new(&self.source, &self.export).await {
                Ok(sender) => sender,
                Err(error) => {
                    self.put_back(chunk);
                    return self.failed(now, &error.to_string(), None).await;
                }
            },
        };
        let answer = sender.send(request, count).await;
        match answer {
            Answer::Accepted { rejected } => {
                self.sender = Some(sender);
                self.state.sent = self.state.sent.saturating_add(count - rejected);
                self.state.rejected = self.state.rejected.saturating_add(rejected);
                self.taken();
                self.most = self.export.batch.min(self.most.saturating_mul(2));
                if self.pending.is_empty() {
                    return self.arrived(now).await;
                }
                Ok(Step::Sent)
            }
            Answer::Refused(why) => self.refused(sender, chunk, now, &why).await,
            Answer::Unavailable { why, after } => {
                self.put_back(chunk);
                self.failed(now, &why, after).await
            }
        }
    }

    /// The spans of the next request.
    fn chunk(&mut self) -> Vec<OtlpSpan> {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while let Some(span) = self.pending.front() {
            bytes += span.encoded_len();
            let full = chunk.len() >= self.most || bytes > MAX_BYTES;
            if full && !chunk.is_empty() {
                break;
            }
            chunk.extend(self.pending.pop_front());
        }
        chunk
    }

    fn put_back(&mut self, chunk: Vec<OtlpSpan>) {
        for span in chunk.into_iter().rev() {
            self.pending.push_front(span);
        }
    }

    fn taken(&mut self) {
        self.taken = self.taken.saturating_add(1);
        self.answered = true;
        self.pace.succeeded();
    }

    /// The collector refused a request finally: bisects to find the refused span, if there is one.
    async fn refused(
        &mut self,
        sender: Sender,
        mut chunk: Vec<OtlpSpan>,
        now: Timestamp,
        why: &str,
    ) -> Result<Step, ExportError> {
        let span = match chunk.pop() {
            Some(span) if chunk.is_empty() => span,
            last => {
                chunk.extend(last);
                self.most = (chunk.len() / 2).max(1);
                self.put_back(chunk);
                self.sender = Some(sender);
                return Ok(Step::Sent);
            }
        };
        // A collector that also refuses an empty request refuses everything, not this span.
        let nothing = wire::request(Vec::new(), &self.source, &self.export);
        let means_it = match sender.send(nothing, 0).await {
            Answer::Accepted { .. } => {
                self.taken();
                true
            }
            Answer::Refused(_) => {
                // Or it only refuses empty requests: then the span is rejected if others were accepted since.
                let before = self.doubted.insert(span.span_id.clone(), self.taken);
                before.is_some_and(|before| before < self.taken)
            }
            Answer::Unavailable { why, after } => {
                self.pending.push_front(span);
                return self.failed(now, &why, after).await;
            }
        };
        self.sender = Some(sender);
        if !means_it {
            // Other spans are tried first, so that one span does not block them.
            self.pending.push_back(span);
            let why = format!("{why}, for an empty request as well");
            return self.failed(now, &why, None).await;
        }
        self.state.rejected = self.state.rejected.saturating_add(1);
        if self.pending.is_empty() {
            return self.arrived(now).await;
        }
        Ok(Step::Sent)
    }

    async fn failed(
        &mut self,
        now: Timestamp,
        why: &str,
        after: Option<Duration>,
    ) -> Result<Step, ExportError> {
        let mut random = [0; 8];
        // Without random bytes the pauses only have no jitter.
        let _ = getrandom::fill(&mut random);
        self.pace.failed(now, u64::from_le_bytes(random), after);
        if self.state.failing.as_deref() != Some(why) {
            let mut state = self.state.clone();
            state.failing = Some(why.to_owned());
            state.failing_since.get_or_insert(now);
            self.save(state, Roots::default()).await?;
        }
        Ok(Step::Failed)
    }

    /// Everything up to the goal was acknowledged, or there was nothing: moves the cursor. If that cannot be written,
    /// the cursor stays and the write is tried again.
    async fn arrived(&mut self, now: Timestamp) -> Result<Step, ExportError> {
        let Some((next, roots)) = self.goal.clone() else {
            return Ok(Step::Idle);
        };
        let mut state = self.state.clone();
        state.next = next;
        if self.answered {
            state.acknowledged = Some(now);
            state.failing = None;
            state.failing_since = None;
        }
        self.save(state, roots).await?;
        self.goal = None;
        self.answered = false;
        self.doubted.clear();
        Ok(Step::Sent)
    }

    /// Writes a state, then takes it on.
    async fn save(&mut self, state: State, roots: Roots) -> Result<(), ExportError> {
        let (name, written) = (self.name.clone(), state.clone());
        self.on_disk(move |disk| disk.states.save(&name, &written, &roots))
            .await?;
        self.state = state;
        Ok(())
    }

    /// Accesses files on a blocking thread.
    async fn on_disk<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Disk) -> Result<T, ExportError> + Send + 'static,
    ) -> Result<T, ExportError> {
        let mut disk = self.disk.take().ok_or(ExportError::Stopped)?;
        let working = tokio::task::spawn_blocking(move || {
            let done = work(&mut disk);
            (disk, done)
        });
        let (disk, done) = working.await.map_err(|_| ExportError::Stopped)?;
        self.disk = Some(disk);
        done
    }

    /// Reads the next page. Returns whether it has spans.
    async fn read(&mut self, now: Timestamp) -> Result<bool, ExportError> {
        let (source, from) = (Arc::clone(&self.source), self.state.next);
        let (name, profile) = (self.name.clone(), self.export.profile);
        let last = self.idle_scan;
        let read = self
            .on_disk(move |disk| {
                let mut page = disk.builder.page(&source, from)?;
                let read = scan_idle_roots(disk, &source, &name, now, last, &mut page);
                // After an error the page is read again, so the cache that it changed must be emptied.
                let idle_scan = read.inspect_err(|_| disk.builder.clear())?;
                let spans = page.spans.into_iter();
                Ok(Read {
                    next: page.next,
                    spans: spans
                        .map(|(run, span)| wire::span(run, span, &source, profile))
                        .collect(),
                    roots: page.roots,
                    idle_scan,
                })
            })
            .await?;
        self.idle_scan = read.idle_scan.unwrap_or(last);
        if read.next == from && read.spans.is_empty() && read.roots.sent.is_empty() {
            return Ok(false);
        }
        self.pending = read.spans.into();
        self.goal = Some((read.next, read.roots));
        Ok(true)
    }
}

/// Searches for roots of idle runs, if that is due. Without it, a run that is never ended would have no root in
/// the collector.
fn scan_idle_roots(
    disk: &mut Disk,
    source: &Source,
    name: &str,
    now: Timestamp,
    last: IdleScan,
    page: &mut Page,
) -> Result<Option<IdleScan>, ExportError> {
    let at_the_end = page.last.is_none();
    if now < last.at.plus(ROOTS_EVERY) && (last.at_the_end || !at_the_end) {
        return Ok(None);
    }
    let before = now.before(source.settings.run_idle_timeout);
    let open = disk.states.open_roots(name, last.after, ROOTS_AT_ONCE)?;
    for run in &open {
        match disk.builder.idle_root(source, *run, page, before)? {
            PendingRoot::GoesOn => {}
            PendingRoot::Gone => page.roots.sent.push(*run),
            PendingRoot::Over(root) => {
                page.spans.push((*run, *root));
                page.roots.sent.push(*run);
            }
        }
    }
    let full = open.len() as u64 == u64::from(ROOTS_AT_ONCE);
    Ok(Some(IdleScan {
        at: now,
        at_the_end,
        after: open.last().copied().filter(|_| full),
    }))
}
