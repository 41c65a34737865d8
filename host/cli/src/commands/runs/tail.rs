//! `tollgate runs tail`: follows records as they are written.

use std::{ops::ControlFlow, time::Duration};

use clap::Args;
use serde::Serialize;
use tollgate_ledger::{LedgerError, LedgerReader, Order, RecordFilter, RunRow};
use tollgate_model::{
    ids::RunId,
    record::{Event, Record},
};

use crate::{
    commands::{runs::find, time_arg},
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::live::happened,
};

pub(super) const HELP: &str = "\
Examples:
  $ tollgate runs tail
  $ tollgate runs tail monday --for 10m --json

Without RUN it shows all records from now on. With RUN it shows the run's records from its beginning until the
run ends. Ctrl-C stops it.

With --json, one record per line: {index, type, time, run, tenant, ..}.";

/// The interval of polling.
const PAUSE: Duration = Duration::from_millis(250);
/// Records per page.
const PAGE: u64 = 1000;

/// The arguments of `tollgate runs tail`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Tail {
    /// Its id, the beginning of it, or its key; every run unless given.
    run: Option<String>,
    /// Stop after this time: 30s, 10m, 1h.
    #[arg(long = "for", value_name = "TIME", value_parser = time_arg::duration)]
    lasting: Option<Duration>,
}

/// A position in the ledger.
#[derive(Debug)]
struct TailCursor<'a> {
    reader: &'a LedgerReader,
    /// Only this run.
    run: Option<RunId>,
    /// The index of the next record.
    next: u64,
    /// Whether the run has ended.
    ended: bool,
}

/// A record as programs read it.
#[derive(Serialize)]
struct Line<'a> {
    index: u64,
    #[serde(flatten)]
    record: &'a Record,
}

impl<'a> TailCursor<'a> {
    /// A cursor at the run's beginning, or at the end of the ledger.
    fn new(reader: &'a LedgerReader, run: Option<&RunRow>) -> Result<Self, LedgerError> {
        Ok(Self {
            reader,
            run: run.map(|run| run.id),
            next: match run {
                Some(run) => run.opened,
                None => reader.size()?.records,
            },
            ended: false,
        })
    }

    /// The next records, at most a page; and whether another page may follow immediately.
    fn poll(&mut self) -> Result<(Vec<(u64, Record)>, bool), LedgerError> {
        let filter = RecordFilter {
            range: Some(self.next..self.next.saturating_add(PAGE)),
            order: Order::OldestFirst,
            ..RecordFilter::default()
        };
        let (mut found, mut looked) = (Vec::new(), 0_u64);
        self.reader.records(&filter, |index, record| {
            looked += 1;
            self.next = index.saturating_add(1);
            if self.run.is_none_or(|run| record.run == Some(run)) {
                self.ended |= self.run.is_some() && matches!(record.event, Event::RunEnded(_));
                found.push((index, record));
            }
            ControlFlow::Continue(())
        })?;
        Ok((found, looked == PAGE))
    }
}

/// Run `tollgate runs tail`.
pub(super) async fn run(args: &Tail, cx: &Context<'_>) -> Result<Exit, Failure> {
    let reader = cx.reader(&cx.config_despite_errors()?)?;
    let row = match &args.run {
        Some(name) => Some(find(&reader, Some(name))?),
        None => None,
    };
    let mut followed = TailCursor::new(&reader, row.as_ref())?;
    let over = async {
        match args.lasting {
            Some(lasting) => tokio::time::sleep(lasting).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    loop {
        let (found, more) = followed.poll()?;
        for (index, record) in &found {
            let index = *index;
            if cx.out.is_json() {
                cx.out.json(&Line { index, record })?;
            } else if let Some(text) = happened(index, record) {
                cx.out.text(&text)?;
            }
        }
        if followed.ended {
            return Ok(Exit::Ok);
        }
        if more {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = &mut over => return Ok(Exit::Ok),
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(Exit::Ok);
            }
        }
    }
}
