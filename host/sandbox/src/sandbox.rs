//! The sandbox: its engines, and what it runs components with.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tollgate_egress::Resolver;
use tollgate_model::tool::Size;
use wasmtime::{Cache, component::Linker};

use crate::{
    Compiler, MAX_CONCURRENCY, SandboxError, SandboxOptions, cache,
    engine::Pool,
    low_priority_pool::LowPriorityPool,
    store::{self, State},
};

/// The most concurrent calls of large components: each may use much memory.
const MAX_LARGE: usize = 16;

/// Runs components. Cheap to clone; its clock stops with the last clone and the last call.
#[derive(Clone)]
pub struct Sandbox {
    /// Has the directory for compiled code.
    pub(crate) compiler: Option<Arc<(Compiler, PathBuf)>>,
    standard: Arc<LinkedPool>,
    /// Started with the first component that needs it.
    large: Arc<Mutex<Option<Arc<LinkedPool>>>>,
    cache: Cache,
    concurrency: usize,
    /// Resolves names for components' requests.
    resolver: Resolver,
    /// Runs guests that compute for long.
    pub(crate) low_priority: Arc<LowPriorityPool>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Starts the engine.
    ///
    /// # Errors
    /// [`SandboxError`] if the directory for compiled code is not private to the gate, or memory cannot be
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
        let cache = cache::open_private(&cache_dir)?;
        let standard = LinkedPool::new(Size::Standard, concurrency, cache.clone())?;
        let low_priority = LowPriorityPool::start().map_err(|e| SandboxError::Engine {
            reason: format!("it gets no threads: {e}"),
        })?;
        Ok(Self {
            standard: Arc::new(standard),
            compiler: compiler.map(|compiler| Arc::new((compiler, cache_dir))),
            large: Arc::default(),
            cache,
            concurrency,
            resolver: Resolver::system(),
            low_priority: Arc::new(low_priority),
        })
    }

    /// The same sandbox with another resolver.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// The resolver.
    #[must_use]
    pub fn resolver(&self) -> Resolver {
        self.resolver.clone()
    }

    /// The engine for components of this size.
    pub(crate) fn pool(&self, size: Size) -> Result<Arc<LinkedPool>, SandboxError> {
        if size == Size::Standard {
            return Ok(Arc::clone(&self.standard));
        }
        // Recover from poisoning: the value is either absent or complete.
        let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = &*large {
            return Ok(Arc::clone(pool));
        }
        let calls = self.concurrency.min(MAX_LARGE);
        let pool = Arc::new(LinkedPool::new(size, calls, self.cache.clone())?);
        *large = Some(Arc::clone(&pool));
        Ok(pool)
    }
}

/// An engine, with every published version of the interfaces that components may import.
pub(crate) struct LinkedPool {
    pub(crate) pool: Arc<Pool>,
    pub(crate) linker: Linker<State>,
}

impl LinkedPool {
    fn new(size: Size, calls: usize, cache: Cache) -> Result<Self, SandboxError> {
        let pool = Pool::new(size, calls, cache)?;
        let linker = store::linker(&pool.engine).map_err(SandboxError::engine)?;
        Ok(Self {
            pool: Arc::new(pool),
            linker,
        })
    }
}
