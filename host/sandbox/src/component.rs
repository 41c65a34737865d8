//! Compiled and linked components: everything that is the same for every call.
//!
//! A component that exports `tollgate:adapter/tools` describes its tools itself. For all others, each
//! exported function is a tool.

use std::{fmt, sync::Arc};

use wasmtime::component::{InstancePre, types};

use tollgate_model::tool::Size;

use crate::{
    bindings::AdapterPre, engine::Pool, functions::Functions, low_priority_pool::CpuHistory,
    store::State,
};

/// A compiled component, linked and ready to be instantiated. Cheap to clone.
#[derive(Clone)]
pub struct Component(pub(crate) Arc<CompiledComponent>);

pub(crate) struct CompiledComponent {
    /// For messages.
    pub(crate) name: String,
    pub(crate) pool: Arc<Pool>,
    pub(crate) ty: types::Component,
    pub(crate) exports: Exports,
    /// Computing times of its calls.
    pub(crate) history: Arc<CpuHistory>,
    /// See [`Component::instantiation_is_pure`].
    pub(crate) pure: bool,
}

/// The way to call a component.
pub(crate) enum Exports {
    /// `tollgate:adapter/tools`.
    Adapter(AdapterPre<State>),
    /// Any functions.
    Functions(InstancePre<State>, Functions),
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.0.name)
            .field("instantiation_is_pure", &self.0.pure)
            .finish_non_exhaustive()
    }
}

impl Component {
    /// Whether an instance can be created without running code of the component, and so before the call is
    /// recorded.
    #[must_use]
    pub fn instantiation_is_pure(&self) -> bool {
        self.0.pure
    }

    /// Its imports and exports, and the engine that has their types.
    pub(crate) fn ty(&self) -> (&wasmtime::Engine, types::Component) {
        let compiled = &self.0;
        (&compiled.pool.engine, compiled.ty.clone())
    }

    /// The engine that it runs in.
    #[must_use]
    pub fn size(&self) -> Size {
        self.0.pool.size
    }

    /// Exported functions that are not tools, each with the reason. Only for components that are not
    /// adapters.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        match &self.0.exports {
            Exports::Adapter(_) => &[],
            Exports::Functions(_, functions) => &functions.left_out,
        }
    }
}
