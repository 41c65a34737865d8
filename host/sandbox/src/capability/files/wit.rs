//! The import `files`: files within the directories that the operator granted.
//!
//! Every operation follows one line: find the grant, check the path, resolve it by handle, have it
//! decided and recorded, and only then look at, read or change what is there. What a guest learns about
//! what it may not have is that it may not have it.
//!
//! The line runs in a task of its own and not on the guest's stack: the decision point measures how much
//! stack is left, which means nothing on a guest's, and a fault of the host ends the task and not the
//! gate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task;
use wasmtime::{
    StoreContextMut,
    component::{Linker, LinkerInstance, WasmList, WasmStr},
};

use super::{
    PUBLISHED,
    bindings::files::{Error, Grant as GrantInfo, Mode},
    disk::MAX_FILE,
    grant::{Fault, Grant},
    guest::{Host, State},
    operation::{Operation, Outcome, description, error, refused},
    path::RelativePath,
};
use crate::enforce::FileAct;
use tollgate_model::latency_ewma::LatencyEwma;

type Store<'a> = StoreContextMut<'a, State>;
type Named = (WasmStr, WasmStr);
type WithData = (WasmStr, WasmStr, WasmList<u8>);

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        // It has types only, but an import of it must be found.
        linker.instance(&format!("tollgate:adapter/types@{version}"))?;
        let mut files = linker.instance(&format!("tollgate:adapter/files@{version}"))?;
        files.func_wrap("grants", |store: Store<'_>, (): ()| Ok((grants(&store),)))?;
        link(&mut files, "read", Operation::Read, Outcome::bytes)?;
        link(&mut files, "list", Operation::List, Outcome::entries)?;
        link(&mut files, "stat", Operation::Stat, Outcome::entry)?;
        link(&mut files, "delete", Operation::Delete, Outcome::nothing)?;
        link_with_data(&mut files, "write", Operation::Write)?;
        link_with_data(&mut files, "create", Operation::Create)?;
        link_with_data(&mut files, "append", Operation::Append)?;
    }
    Ok(())
}

/// Link a function that takes a grant and a path.
fn link<T>(
    files: &mut LinkerInstance<'_, State>,
    name: &str,
    operation: Operation,
    pick: fn(Outcome) -> Option<T>,
) -> wasmtime::Result<()>
where
    (Result<T, Error>,): wasmtime::component::ComponentNamedList + wasmtime::component::Lower,
    T: Send + 'static,
{
    files.func_wrap_async(name, move |store: Store<'_>, (grant, path): Named| {
        let asked = Asked::new(store, &grant, &path, operation.clone());
        Box::new(async move { Ok((asked?.answer(pick).await,)) })
    })
}

/// Link a function that takes a grant, a path and data.
fn link_with_data(
    files: &mut LinkerInstance<'_, State>,
    name: &str,
    operation: fn(Arc<Vec<u8>>) -> Operation,
) -> wasmtime::Result<()> {
    files.func_wrap_async(
        name,
        move |store: Store<'_>, (grant, path, data): WithData| {
            // Copied only if it is no larger than a file may be.
            let too_large = data.len() as u64 > MAX_FILE;
            let copy = if too_large {
                Vec::new()
            } else {
                data.as_le_slice(&store).to_vec()
            };
            let asked = Asked::new(store, &grant, &path, operation(Arc::new(copy)));
            Box::new(async move {
                let asked = asked?;
                if too_large {
                    return Ok((Err(Error::TooLarge),));
                }
                Ok((asked.answer(Outcome::nothing).await,))
            })
        },
    )
}

fn grants(store: &Store<'_>) -> Vec<GrantInfo> {
    let Some(host) = store.data().host() else {
        return Vec::new();
    };
    let info = |grant: &Arc<Grant>| GrantInfo {
        name: grant.name.clone(),
        mode: if grant.read_write {
            Mode::ReadWrite
        } else {
            Mode::ReadOnly
        },
    };
    host.component.grants.values().map(info).collect()
}

/// How often something is read again because it takes on labels meanwhile.
const MAX_TRIES: u32 = 16;

/// Set when the call ends while an operation waits: what was not begun by then does not begin.
#[derive(Default)]
struct CallOver(Arc<AtomicBool>);

impl Drop for CallOver {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// An operation as the guest asked for it.
pub(super) struct Asked {
    host: Option<Host>,
    grant: String,
    path: String,
    operation: Operation,
    /// Whether the guest may ask for one more.
    counted: bool,
}

impl Asked {
    /// # Errors
    /// A trap, if the guest's strings are not UTF-8.
    fn new(
        mut store: Store<'_>,
        grant: &WasmStr,
        path: &WasmStr,
        operation: Operation,
    ) -> wasmtime::Result<Self> {
        let counted = store.data_mut().count_operation();
        Ok(Self {
            host: store.data().host().cloned(),
            grant: shortened(&grant.to_str(&store)?),
            path: shortened(&path.to_str(&store)?),
            operation,
            counted,
        })
    }

    /// The same for a component that is not ours.
    pub(super) fn of(state: &mut State, grant: &str, path: &str, operation: Operation) -> Self {
        Self {
            counted: state.count_operation(),
            host: state.host().cloned(),
            grant: shortened(grant),
            path: shortened(path),
            operation,
        }
    }

    pub(super) async fn answer<T>(self, pick: fn(Outcome) -> Option<T>) -> Result<T, Error> {
        let Some(host) = self.host.clone() else {
            return Err(Error::NoSuchGrant);
        };
        if !self.counted {
            return Err(Error::Failed(
                "this call has asked for too many file operations".into(),
            ));
        }
        let call = CallOver::default();
        let over = Arc::clone(&call.0);
        let runtime = host.runtime.clone();
        let outcome = runtime.spawn(self.carry_out(host, over)).await;
        drop(call);
        let broken = || Error::Failed("the host could not do it".into());
        // A task that panicked did not allow anything.
        pick(outcome.map_err(|_| broken())??).ok_or_else(broken)
    }

    async fn carry_out(self, host: Host, over: Arc<AtomicBool>) -> Result<Outcome, Error> {
        let Self {
            grant,
            path,
            operation,
            ..
        } = self;
        let grant = host
            .component
            .grants
            .get(&grant)
            .ok_or(Error::NoSuchGrant)?
            .clone();
        if operation.changes() && !grant.read_write {
            return Err(Error::ReadOnly);
        }
        let path = RelativePath::new(&path).map_err(|rule| Error::InvalidPath(rule.into()))?;
        if path.as_str().is_empty() && !operation.takes_root() {
            return Err(Error::InvalidPath(
                "it names the grant's own directory".into(),
            ));
        }
        for _ in 0..MAX_TRIES {
            let asked = (path.clone(), operation.clone());
            if let Some(outcome) = attempt(&host, &grant, asked, &over).await? {
                return Ok(outcome);
            }
        }
        Err(Error::Failed(
            "it is written to faster than it can be read".into(),
        ))
    }
}

/// Decide an operation and do it. Nothing comes back if it has read what took on other labels meanwhile.
async fn attempt(
    host: &Host,
    grant: &Arc<Grant>,
    (path, operation): (RelativePath, Operation),
    over: &Arc<AtomicBool>,
) -> Result<Option<Outcome>, Error> {
    let begun = Instant::now();
    let resolved = {
        let (grant, path) = (Arc::clone(grant), path.clone());
        let pace = Arc::clone(&grant.pace);
        on_disk(&pace, true, move || Ok(grant.resolve(&path)))
            .await
            .map_err(error)?
    };
    if over.load(Ordering::SeqCst) {
        return Err(error(Fault::CallOver));
    }
    let size = operation.size();
    let act = FileAct::new(
        operation.action(resolved.found),
        host.capabilities.tool(),
        &grant.name,
        path.as_str(),
        size,
        &grant.labels,
    )
    .within(&grant.place);
    let act = match operation.content() {
        Some((how, content)) => act.with_content(how, content),
        None => act,
    };
    let capabilities = &host.capabilities;
    let permitted = capabilities.enforce(act).await.map_err(refused)?;
    let (pace, reads) = (Arc::clone(&grant.pace), !operation.changes());
    let (in_grant, over) = (Arc::clone(grant), Arc::clone(over));
    let performed = on_disk(&pace, reads, move || {
        if over.load(Ordering::SeqCst) {
            return Err(Fault::CallOver);
        }
        operation.perform(resolved, &in_grant)
    })
    .await;
    match performed {
        Ok(_) if reads && !capabilities.is_as_decided(&permitted).map_err(refused)? => {
            let changed = "its labels changed while it was read";
            capabilities.done(permitted, begun, Err(changed));
            Ok(None)
        }
        Ok(outcome) => {
            capabilities.done(permitted, begun, Ok(outcome.size(size)));
            Ok(Some(outcome))
        }
        Err(fault) => {
            capabilities.done(permitted, begun, Err(&description(fault)));
            Err(error(fault))
        }
    }
}

/// As much of a name as it takes to see that it is too long.
fn shortened(text: &str) -> String {
    text.get(..text.floor_char_boundary(8_192))
        .unwrap_or_default()
        .to_owned()
}

/// Reads of a directory that take less than this are done at once: going to another thread and coming
/// back takes longer.
const QUICK: Duration = Duration::from_micros(100);

/// Wait for the disk where waiting harms nobody; but not for what is in memory, as far as lately told.
async fn on_disk<T: Send + 'static>(
    pace: &Arc<LatencyEwma>,
    reads: bool,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    if reads && pace.lately() < QUICK {
        return pace.timed(work);
    }
    let pace = Arc::clone(pace);
    let work = move || if reads { pace.timed(work) } else { work() };
    let failed = |_| Fault::System(std::io::ErrorKind::Other);
    task::spawn_blocking(work).await.map_err(failed)?
}
