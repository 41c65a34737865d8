//! The engine: how components are compiled and how many run at once.
//!
//! Memory for every concurrent call is reserved when the engine starts, and a call is only admitted when
//! there is a slot for it: the pool never runs out, it makes callers wait.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{
    Cache, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
};

use tollgate_model::tool::Size;

use crate::{
    MAX_CALL_DEPTH, SandboxError,
    meter::{Resources, resources},
    ticker::Ticker,
};

/// Places in addition to those of calls: listing tools must not wait for calls, nor take their places.
const RESERVED: usize = 4;

/// WebAssembly's own stack. Deeper recursion traps.
const WASM_STACK: usize = 512 << 10;
/// The same for an interpreter, which recurses together with its program.
const LARGE_WASM_STACK: usize = 1 << 20;
/// The stack of a call: WebAssembly's, plus the host functions' above it.
const CALL_STACK: usize = 2 << 20;

/// An engine with its slots.
pub(crate) struct Pool {
    pub(crate) size: Size,
    pub(crate) engine: Engine,
    calls: Arc<Semaphore>,
    nested: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    ticker: Ticker,
}

impl Pool {
    pub(crate) fn new(size: Size, calls: usize, cache: Cache) -> Result<Self, SandboxError> {
        let engine = Engine::new(&config(size, calls, cache)).map_err(SandboxError::engine)?;
        let ticker = Ticker::start(&engine).map_err(|e| SandboxError::Engine {
            reason: format!("its clock does not start: {e}"),
        })?;
        Ok(Self {
            size,
            engine,
            calls: Arc::new(Semaphore::new(calls)),
            nested: Arc::new(Semaphore::new(calls * MAX_CALL_DEPTH)),
            reserved: Arc::new(Semaphore::new(RESERVED)),
            ticker,
        })
    }

    /// A slot for a call, once one is free.
    pub(crate) async fn admit(self: &Arc<Self>) -> PoolSlot {
        self.slot(&self.calls).await
    }

    /// A slot for a nested call. There is one for every nesting level, so it never waits for a slot that an
    /// outer call holds.
    pub(crate) async fn admit_nested(self: &Arc<Self>) -> PoolSlot {
        self.slot(&self.nested).await
    }

    #[cfg(test)]
    pub(crate) fn free_slots(&self) -> usize {
        self.calls.available_permits()
    }

    /// A slot for the gate's own work.
    pub(crate) async fn admit_reserved(self: &Arc<Self>) -> PoolSlot {
        self.slot(&self.reserved).await
    }

    async fn slot(self: &Arc<Self>, slots: &Arc<Semaphore>) -> PoolSlot {
        // These semaphores are never closed. If one were, running without a permit would only make the
        // engine refuse one instance too many.
        let permit = Arc::clone(slots).acquire_owned().await.ok();
        self.ticker.begin();
        PoolSlot {
            pool: Arc::clone(self),
            _permit: permit,
        }
    }
}

/// The pool's size for one store, and a running clock.
pub(crate) struct PoolSlot {
    pool: Arc<Pool>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for PoolSlot {
    fn drop(&mut self) {
        self.pool.ticker.end();
    }
}

fn config(size: Size, calls: usize, cache: Cache) -> Config {
    let resources: Resources = resources(size);
    let slots = u32::try_from(calls * (1 + MAX_CALL_DEPTH) + RESERVED).unwrap_or(u32::MAX);
    let times = |n: usize| slots.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX));
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let known = PoolingAllocationConfig::is_pagemap_scan_available();
    let resident = if known { resources.resident } else { 0 };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(times(resources.instances))
        .total_memories(times(resources.memories))
        .total_tables(times(resources.tables))
        .total_stacks(slots)
        .max_core_instances_per_component(count(resources.instances))
        .max_memories_per_component(count(resources.memories))
        .max_tables_per_component(count(resources.tables))
        .max_memory_size(usize::try_from(resources.memory).unwrap_or(usize::MAX))
        .table_elements(resources.table_elements)
        .max_core_instance_size(resources.core_instance)
        // Pages that a call wrote to are cleaned by overwriting them, which is cheaper than unmapping and
        // faulting them in again, if the kernel can report those pages (Linux 6.7).
        .linear_memory_keep_resident(resident)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(32 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        // A copy-on-write image of a whole interpreter is dense, and created once.
        .memory_guaranteed_dense_image_size(resources.memory)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .cache(Some(cache))
        .concurrency_support(false)
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(match size {
            Size::Standard => WASM_STACK,
            Size::Large => LARGE_WASM_STACK,
        })
        .async_stack_size(CALL_STACK)
        .wasm_memory64(false)
        // The same arguments give the same result on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    config
}
