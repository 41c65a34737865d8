//! One exporter: one step at a time, so that whoever runs it says what time it is.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use prost::Message as _;
use tollgate::config::{ExportConfig, ExportFrom, ExportProfile, export_state};
use tollgate_core::{ids::RunId, time::Timestamp};

use super::{
    ExportError, Source,
    build::{Builder, Idle},
    pace::Pace,
    send::{Answer, Sender},
    state::{Roots, State, States},
    wire,
};

/// Bytes of one request's spans; collectors take 4 MiB by gRPC unless told otherwise.
const MAX_BYTES: usize = 3 << 20;
/// Single spans that a collector may refuse one after the other before it is believed to refuse all.
const MAX_SUSPECTS: usize = 16;
/// How often it is looked for runs in which nothing happens any more.
const ROOTS_EVERY: u64 = 60_000_000;
/// How many of them are looked at.
const ROOTS_AT_ONCE: u32 = 100;

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is nothing to send.
    Idle,
    /// The exporter has come further.
    Sent,
    /// The collector did not take it; it is sent again later.
    Failed,
    /// It is not time yet to try again.
    Later,
}

/// Sends the spans of one ledger to one collector.
pub struct Exporter {
    name: String,
    source: Arc<Source>,
    export: ExportConfig,
    sender: Option<Sender>,
    pace: Pace,
    /// Away while a page is read.
    disk: Option<Disk>,
    state: State,
    /// What is to be sent before the cursor moves.
    pending: VecDeque<OtlpSpan>,
    /// Where it moves then, and what that does to the roots.
    goal: Option<(u64, Roots)>,
    /// Spans of one request: fewer while something in it is refused.
    most: usize,
    /// Spans that were refused alone since the cursor moved.
    suspects: Vec<OtlpSpan>,
    /// Whether anything was taken since the cursor moved.
    taken: bool,
    /// When roots were last looked at, and where that goes on.
    roots: (Timestamp, Option<RunId>),
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter")
            .field("name", &self.name)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// What reads and writes files.
struct Disk {
    states: States,
    builder: Builder,
}

/// What there is to send next.
struct Read {
    next: u64,
    spans: Vec<OtlpSpan>,
    roots: Roots,
    /// Where the next look at open roots begins.
    looked: Option<Option<RunId>>,
}

impl Exporter {
    /// The exporter of this name in the source's configuration, from where it was.
    ///
    /// # Errors
    /// [`ExportError`] if there is none, or its state cannot be read.
    pub async fn new(name: &str, source: Arc<Source>) -> Result<Self, ExportError> {
        let export = source.config.exports.get(name).cloned();
        let export =
            export.ok_or_else(|| ExportError::Setup(format!("there is no [export.{name}]")))?;
        let path = export_state(&source.config.store.path);
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
            pace: Pace::new(),
            disk: Some(Disk {
                states,
                builder: Builder::default(),
            }),
            state,
            pending: VecDeque::new(),
            goal: None,
            suspects: Vec::new(),
            taken: false,
            roots: (Timestamp(i64::MIN), None),
        })
    }

    /// Why the collector takes nothing now, if it does not.
    #[must_use]
    pub fn failing(&self) -> Option<&str> {
        self.state.failing.as_deref()
    }

    /// The first record that it has not been through.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.state.next
    }

    /// Spans that were acknowledged, and spans that were refused for good.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.state.sent, self.state.rejected)
    }

    /// Read what there is to send, or send some of it.
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
                self.taken = true;
                self.most = self.export.batch.min(self.most.saturating_mul(2));
                self.pace.succeeded();
                if self.pending.is_empty() {
                    return self.arrived(now).await;
                }
                Ok(Step::Sent)
            }
            Answer::Refused(why) => {
                self.sender = Some(sender);
                self.refused(chunk, now, &why).await
            }
            Answer::Unavailable { why, after } => {
                self.put_back(chunk);
                self.failed(now, &why, after).await
            }
        }
    }

    /// The next spans that go into one request.
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

    /// The collector says that it will never take this: find out which span it means.
    async fn refused(
        &mut self,
        mut chunk: Vec<OtlpSpan>,
        now: Timestamp,
        why: &str,
    ) -> Result<Step, ExportError> {
        if chunk.len() > 1 {
            self.most = chunk.len() / 2;
            self.put_back(chunk);
            return Ok(Step::Sent);
        }
        self.suspects.append(&mut chunk);
        if !self.taken && (self.pending.is_empty() || self.suspects.len() >= MAX_SUSPECTS) {
            // One that takes nothing at all does not mean these spans: all of them stay to be sent.
            let why = format!("{why}, whatever it is sent");
            return self.start_over(now, &why).await;
        }
        if self.pending.is_empty() {
            return self.arrived(now).await;
        }
        Ok(Step::Sent)
    }

    /// Send everything since the cursor moved again, later.
    async fn start_over(&mut self, now: Timestamp, why: &str) -> Result<Step, ExportError> {
        self.pending.clear();
        self.suspects.clear();
        self.goal = None;
        self.taken = false;
        self.most = self.export.batch;
        if let Some(disk) = &mut self.disk {
            disk.builder.clear();
        }
        self.failed(now, why, None).await
    }

    async fn failed(
        &mut self,
        now: Timestamp,
        why: &str,
        after: Option<Duration>,
    ) -> Result<Step, ExportError> {
        let mut random = [0; 8];
        // Without randomness the pauses are as long, and only less spread.
        let _ = getrandom::fill(&mut random);
        self.pace.failed(now, u64::from_le_bytes(random), after);
        if self.state.failing.as_deref() != Some(why) {
            self.state.failing = Some(why.to_owned());
            self.state.failing_since.get_or_insert(now);
            self.save(Roots::default()).await?;
        }
        Ok(Step::Failed)
    }

    /// Everything up to the goal was acknowledged, or there was nothing: move the cursor.
    async fn arrived(&mut self, now: Timestamp) -> Result<Step, ExportError> {
        let Some((next, roots)) = self.goal.take() else {
            return Ok(Step::Idle);
        };
        self.state.next = next;
        let refused = self.suspects.len() as u64;
        self.suspects.clear();
        self.state.rejected = self.state.rejected.saturating_add(refused);
        if std::mem::take(&mut self.taken) {
            self.state.acknowledged = Some(now);
            self.state.failing = None;
            self.state.failing_since = None;
        }
        self.save(roots).await?;
        Ok(Step::Sent)
    }

    async fn save(&mut self, roots: Roots) -> Result<(), ExportError> {
        let (name, state) = (self.name.clone(), self.state.clone());
        self.on_disk(move |disk| disk.states.save(&name, &state, &roots))
            .await
    }

    /// Do something with files, off the threads that serve calls.
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

    /// Read the next page; whether there is anything in it.
    async fn read(&mut self, now: Timestamp) -> Result<bool, ExportError> {
        let (source, from) = (Arc::clone(&self.source), self.state.next);
        let (name, profile) = (self.name.clone(), self.export.profile);
        let (looked, after) = self.roots;
        let look = now >= looked.plus(ROOTS_EVERY);
        let read = self
            .on_disk(move |disk| {
                let page = disk.builder.page(&source, from)?;
                let mut read = Read {
                    next: page.next,
                    spans: Vec::with_capacity(page.spans.len()),
                    roots: page.roots,
                    looked: None,
                };
                for (run, span) in page.spans {
                    read.spans.push(wire::span(run, span, &source, profile));
                }
                if page.next == from && look {
                    read.looked = Some(roots(
                        disk,
                        &source,
                        (&name, profile),
                        now,
                        after,
                        &mut read,
                    )?);
                }
                Ok(read)
            })
            .await?;
        if let Some(after) = read.looked {
            self.roots = (now, after);
        }
        if read.next == from && read.spans.is_empty() && read.roots.sent.is_empty() {
            return Ok(false);
        }
        self.pending = read.spans.into();
        self.goal = Some((read.next, read.roots));
        Ok(true)
    }
}

/// Roots of runs in which nothing happens any more: a run that nobody ends would have none in the
/// collector. Where the next look begins.
fn roots(
    disk: &mut Disk,
    source: &Source,
    own: (&str, ExportProfile),
    now: Timestamp,
    after: Option<RunId>,
    read: &mut Read,
) -> Result<Option<RunId>, ExportError> {
    let (name, profile) = own;
    let idle = i64::try_from(source.config.run_idle.as_micros()).unwrap_or(i64::MAX);
    let before = Timestamp(now.0.saturating_sub(idle));
    let open = disk.states.open_roots(name, after, ROOTS_AT_ONCE)?;
    for run in &open {
        match disk.builder.idle_root(source, *run, read.next, before)? {
            Idle::GoesOn => {}
            Idle::Gone => read.roots.sent.push(*run),
            Idle::Over(root) => {
                let root = wire::span(*run, *root, source, profile);
                read.spans.push(root);
                read.roots.sent.push(*run);
            }
        }
    }
    let full = open.len() as u64 == u64::from(ROOTS_AT_ONCE);
    Ok(open.last().copied().filter(|_| full))
}
