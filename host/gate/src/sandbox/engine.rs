//! The engine: how components are compiled and how many run at once.
//!
//! Memory for every call at once is reserved when the engine starts, and a call is only admitted when
//! there is a place for it: a pool never runs out, it makes callers wait.

use std::{fmt, path::PathBuf, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{
    Cache, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    component::Linker,
};

use super::{
    Compiler, Limits, Resolver, SandboxError, cache, files,
    guest::State,
    http,
    limits::{MAX_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES},
    log,
    ticker::Ticker,
};

/// The most calls that can be run at once.
pub const MAX_CONCURRENCY: usize = 1_000;

/// Places beside those of calls: listing tools must not wait for calls, nor take their places.
const RESERVED: usize = 4;

/// WebAssembly's own stack. Deeper recursion traps.
const WASM_STACK: usize = 512 << 10;
/// The stack of a call: WebAssembly's, and what host functions need above it.
const CALL_STACK: usize = 2 << 20;

/// What a sandbox is made with.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Where compiled code is kept. Made with mode 0700; refused if others may write to it.
    pub cache_dir: PathBuf,
    /// How many calls may run at once; the others wait.
    pub concurrency: usize,
    /// What compiles components in a process of its own; without it they are compiled in this one.
    pub compiler: Option<Compiler>,
}

/// Runs components. Cheap to clone; its clock stops with the last clone and the last call.
#[derive(Clone)]
pub struct Sandbox {
    pub(super) standard: Arc<Pool>,
    /// With the directory for compiled code.
    pub(super) compiler: Option<Arc<(Compiler, PathBuf)>>,
    /// Where components' requests get addresses of names from.
    resolver: Resolver,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Start the engine.
    ///
    /// # Errors
    /// [`SandboxError`]: the directory for compiled code is not the gate's own, or memory cannot be
    /// reserved.
    pub fn new(options: SandboxOptions) -> Result<Self, SandboxError> {
        let SandboxOptions {
            cache_dir,
            concurrency,
            compiler,
        } = options;
        if !(1..=MAX_CONCURRENCY).contains(&concurrency) {
            return Err(SandboxError::Concurrency { given: concurrency });
        }
        let cache = cache::private(&cache_dir)?;
        let standard = Pool::new(&Size::standard(concurrency), cache)?;
        Ok(Self {
            standard: Arc::new(standard),
            compiler: compiler.map(|compiler| Arc::new((compiler, cache_dir))),
            resolver: Resolver::system(),
        })
    }

    /// The same sandbox, with names resolved by something else.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// What resolves names.
    pub(crate) fn resolver(&self) -> Resolver {
        self.resolver.clone()
    }
}

/// What a pool has room for.
struct Size {
    calls: usize,
    /// Bytes of one memory.
    memory: u64,
    table_elements: usize,
    instances: usize,
    tables: usize,
    memories: usize,
}

impl Size {
    /// For components as the SDK makes them. Those with an interpreter inside (Python, JavaScript) will
    /// need an engine of their own, with more of everything.
    fn standard(calls: usize) -> Self {
        Self {
            calls,
            memory: Limits::MAX_MEMORY,
            table_elements: MAX_TABLE_ELEMENTS,
            instances: MAX_INSTANCES,
            tables: MAX_TABLES,
            memories: MAX_MEMORIES,
        }
    }
}

/// An engine with its places.
pub(super) struct Pool {
    pub(super) engine: Engine,
    /// Every published version of what components may import.
    pub(super) linker: Linker<State>,
    calls: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    ticker: Ticker,
}

impl Pool {
    fn new(size: &Size, cache: Cache) -> Result<Self, SandboxError> {
        let failed = |e: wasmtime::Error| SandboxError::Engine {
            reason: format!("{e:#}"),
        };
        let engine = Engine::new(&config(size, cache)).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        log::add_to_linker(&mut linker).map_err(failed)?;
        files::add_to_linker(&mut linker).map_err(failed)?;
        http::add_to_linker(&mut linker).map_err(failed)?;
        let ticker = Ticker::start(&engine).map_err(|e| SandboxError::Engine {
            reason: format!("its clock does not start: {e}"),
        })?;
        Ok(Self {
            engine,
            linker,
            calls: Arc::new(Semaphore::new(size.calls)),
            reserved: Arc::new(Semaphore::new(RESERVED)),
            ticker,
        })
    }

    /// A place for a call, once there is one.
    pub(super) async fn admit(self: &Arc<Self>) -> Place {
        self.place(&self.calls).await
    }

    #[cfg(test)]
    pub(super) fn free_places(&self) -> usize {
        self.calls.available_permits()
    }

    /// A place for the gate's own work.
    pub(super) async fn admit_reserved(self: &Arc<Self>) -> Place {
        self.place(&self.reserved).await
    }

    async fn place(self: &Arc<Self>, places: &Arc<Semaphore>) -> Place {
        // Nothing closes these semaphores; if something did, running without a permit would merely make
        // the engine refuse an instance too many.
        let permit = Arc::clone(places).acquire_owned().await.ok();
        self.ticker.begin();
        Place {
            pool: Arc::clone(self),
            _permit: permit,
        }
    }
}

/// Room for one store in a pool, and a running clock.
pub(super) struct Place {
    pool: Arc<Pool>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pool.ticker.end();
    }
}

fn config(size: &Size, cache: Cache) -> Config {
    let places = u32::try_from(size.calls + RESERVED).unwrap_or(u32::MAX);
    let times = |n: usize| places.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX));
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let known = PoolingAllocationConfig::is_pagemap_scan_available();
    let resident = if known { 256 << 10 } else { 0 };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(places)
        .total_core_instances(times(size.instances))
        .total_memories(times(size.memories))
        .total_tables(times(size.tables))
        .total_stacks(places)
        .max_core_instances_per_component(count(size.instances))
        .max_memories_per_component(count(size.memories))
        .max_tables_per_component(count(size.tables))
        .max_memory_size(usize::try_from(size.memory).unwrap_or(usize::MAX))
        .table_elements(size.table_elements)
        // What a call wrote to is cleaned by overwriting it, which is cheaper than unmapping and faulting
        // again, where the kernel can say which pages those are (Linux 6.7).
        .linear_memory_keep_resident(resident)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(32 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .cache(Some(cache))
        .concurrency_support(false)
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(CALL_STACK)
        .wasm_memory64(false)
        // The same arguments give the same result on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    config
}
