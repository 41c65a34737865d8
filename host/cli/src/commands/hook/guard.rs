//! Ends the hook on a timeout, signal or panic. The exit code blocks the call, until it is known that the event
//! cannot be blocked.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use nix::unistd::alarm;
use signal_hook::{consts::SIGALRM, flag::register_conditional_shutdown};

use crate::exit_code::Exit;

/// How long after the time limit the alarm kills the process, without a message.
const GRACE: Duration = Duration::from_secs(1);

/// Signals and panics end the process with [`Guard::exit`].
pub(super) struct Guard {
    blocks: Arc<AtomicBool>,
    passes: Arc<AtomicBool>,
    deadline: Instant,
}

impl Guard {
    /// Sets the alarm and handlers. Needs no thread, file descriptor or runtime.
    pub(super) fn arm(limit: Duration) -> io::Result<Self> {
        let blocks = Arc::new(AtomicBool::new(true));
        let passes = Arc::new(AtomicBool::new(false));
        register_conditional_shutdown(SIGALRM, i32::from(Exit::Usage.code()), Arc::clone(&blocks))?;
        register_conditional_shutdown(
            SIGALRM,
            i32::from(Exit::Failure.code()),
            Arc::clone(&passes),
        )?;
        let seconds = limit.saturating_add(GRACE).as_secs();
        alarm::set(u32::try_from(seconds).unwrap_or(u32::MAX));
        let blocking = Arc::clone(&blocks);
        std::panic::set_hook(Box::new(move |_| {
            let exit = exit(&blocking);
            anstream::eprintln!("Tollgate failed");
            std::process::exit(i32::from(exit.code()));
        }));
        Ok(Self {
            blocks,
            passes,
            deadline: Instant::now() + limit,
        })
    }

    /// From now on failures do not block, because the event cannot be blocked.
    pub(super) fn pass(&self) {
        self.passes.store(true, Ordering::SeqCst);
        self.blocks.store(false, Ordering::SeqCst);
    }

    /// The exit code for a failure now.
    pub(super) fn exit(&self) -> Exit {
        exit(&self.blocks)
    }

    /// The remaining time.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

fn exit(blocks: &AtomicBool) -> Exit {
    match blocks.load(Ordering::SeqCst) {
        true => Exit::Usage,
        false => Exit::Failure,
    }
}
