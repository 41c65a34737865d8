//! Components, compiled and linked: everything that is the same for every call.
//!
//! One that exports `tollgate:adapter/tools` describes its tools itself; of any other, each exported function
//! is a tool.
//!
//! A component that asks for anything beyond the published interfaces is not loaded, so that what runs
//! can reach nothing that nobody decided about.

use std::{fmt, sync::Arc};

use wasmtime::component::{
    InstancePre,
    types::{self, ComponentItem},
};

use tollgate_model::{
    text::printable,
    tool::{Size, ToolDefinition},
};

use crate::{
    MAX_COMPONENT, PUBLISHED, Sandbox, SandboxError,
    bindings::AdapterPre,
    definitions,
    engine::Pool,
    functions::Functions,
    guest::State,
    low_priority_pool::CpuHistory,
    run, wasi,
    wasm_sections::{self, Format},
};

/// Problems that an error names; a component with more is wrong anyway.
const MAX_PROBLEMS: usize = 8;

/// What an adapter exports, without the version.
const TOOLS: &str = "tollgate:adapter/tools";

/// Interfaces that a component may import, without the version.
pub const INTERFACES: &[&str] = &[
    "calls", "clock", "config", "files", "http", "log", "progress", "random", "secrets", "state",
    "types",
];

/// A compiled component, linked and ready to be instantiated. Cheap to clone.
#[derive(Clone)]
pub struct Component(pub(crate) Arc<CompiledComponent>);

pub(crate) struct CompiledComponent {
    name: String,
    pub(crate) pool: Arc<Pool>,
    ty: types::Component,
    pub(crate) exports: Exports,
    /// How long its calls compute.
    pub(crate) history: Arc<CpuHistory>,
    pure: bool,
}

/// What is called in a component.
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
    /// Whether an instance can be made without running any code of the component, and so before the
    /// call is recorded.
    #[must_use]
    pub fn instantiation_is_pure(&self) -> bool {
        self.0.pure
    }

    /// What it imports and exports, and the engine that knows the types.
    pub(crate) fn ty(&self) -> (&wasmtime::Engine, types::Component) {
        let compiled = &self.0;
        (&compiled.pool.engine, compiled.ty.clone())
    }

    /// The engine that it runs in.
    #[must_use]
    pub fn size(&self) -> Size {
        self.0.pool.size
    }

    /// Functions that it exports that are not tools, each with why. Only of components that are not
    /// adapters.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        match &self.0.exports {
            Exports::Adapter(_) => &[],
            Exports::Functions(_, functions) => &functions.left_out,
        }
    }
}

impl Sandbox {
    /// Compile a component, check that it fits the world, and link it. `name` is for messages. Takes as
    /// long as compiling takes, unless the cache has it: not for the path of a call.
    ///
    /// # Errors
    /// [`SandboxError`] says what the file is instead, or which imports and exports do not fit.
    pub fn load(&self, name: &str, bytes: &[u8], size: Size) -> Result<Component, SandboxError> {
        match wasm_sections::format(bytes) {
            Format::Component => {}
            Format::Module => return Err(SandboxError::CoreModule),
            Format::Other => return Err(SandboxError::NotWasm),
        }
        if bytes.len() > MAX_COMPONENT {
            return Err(SandboxError::TooLarge { size: bytes.len() });
        }
        let pool = self.pool(size)?;
        let invalid = |e: wasmtime::Error| {
            let reason = reason(&e);
            // The engine has no type for this: its words say that a limit of the pool is exceeded.
            if size == Size::Standard && reason.contains("exceeds the") {
                SandboxError::NoRoom { reason }
            } else {
                SandboxError::Invalid { reason }
            }
        };
        let compiled =
            wasmtime::component::Component::from_binary(&pool.engine, bytes).map_err(invalid)?;
        let adapter = is_adapter(&compiled);
        check_world(&compiled, adapter)?;
        // The names fit; what is left are types that differ.
        let wrong = |e: wasmtime::Error| SandboxError::WrongWorld {
            problems: vec![reason(&e)],
        };
        let linked = pool.linker.instantiate_pre(&compiled).map_err(wrong)?;
        let exports = if adapter {
            Exports::Adapter(AdapterPre::new(linked).map_err(wrong)?)
        } else {
            Exports::Functions(linked, Functions::of(&compiled, bytes)?)
        };
        // What copies and maps memory when first used is done now rather than in the first call.
        compiled.initialize_copy_on_write_image().map_err(invalid)?;
        Ok(Component(Arc::new(CompiledComponent {
            name: printable(name, 100),
            ty: compiled.component_type(),
            pool,
            exports,
            pure: !wasm_sections::runs_at_instantiation(bytes),
            history: Arc::default(),
        })))
    }

    /// What tools a component has: by its types, or asked of a fresh instance that may do nothing.
    ///
    /// # Errors
    /// [`SandboxError`]: it does not answer, or describes a tool wrongly.
    pub async fn list_tools(
        &self,
        component: &Component,
    ) -> Result<Vec<ToolDefinition>, SandboxError> {
        if let Exports::Functions(_, functions) = &component.0.exports {
            return Ok(functions.tools.clone());
        }
        let tools = run::list_tools(component)
            .await
            .map_err(|reason| SandboxError::ListTools { reason })?;
        definitions::checked(tools)
    }
}

/// Whether the names of what it imports and exports are those of the world.
fn check_world(
    component: &wasmtime::component::Component,
    adapter: bool,
) -> Result<(), SandboxError> {
    let engine = component.engine();
    let ty = component.component_type();
    let mut problems = Vec::new();
    for (name, item) in ty.imports(engine) {
        let ours = published(name).is_some_and(|interface| INTERFACES.contains(&interface));
        let fits = (ours || wasi::is_linked(name))
            && matches!(item.ty, ComponentItem::ComponentInstance(_));
        if !fits {
            problems.push(format!(
                "it imports `{}`, {}",
                printable(name, 200),
                why_not(name)
            ));
        }
    }
    let mut exports = ty.exports(engine).map(|(name, _)| name);
    if adapter && !exports.any(|name| published(name) == Some("tools")) {
        let others = ty.exports(engine).map(|(name, _)| name);
        problems.extend(
            others
                .filter(|name| name.starts_with(TOOLS))
                .map(|name| format!("it exports `{}`, {}", printable(name, 200), why_not(name))),
        );
    }
    if problems.is_empty() {
        return Ok(());
    }
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    problems.truncate(MAX_PROBLEMS);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    Err(SandboxError::WrongWorld { problems })
}

/// Whether it describes its tools itself, in whatever version.
fn is_adapter(component: &wasmtime::component::Component) -> bool {
    let ty = component.component_type();
    ty.exports(component.engine())
        .any(|(name, _)| name.starts_with(TOOLS))
}

/// The interface's name, if it is one of a published version of the package.
fn published(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix("tollgate:adapter/")?.split_once('@')?;
    PUBLISHED.contains(&version).then_some(interface)
}

fn why_not(name: &str) -> &'static str {
    if name.starts_with("wasi:") {
        "a part of WASI that this version of the gate does not have: it has cli, clocks, filesystem, \
         http (types and outgoing-handler), io, random and sockets (without addresses) of WASI 0.2"
    } else if name.starts_with("tollgate:adapter/") {
        "which this version of the gate does not have"
    } else {
        "which is not part of the world"
    }
}

/// What the engine says, in one printable line. It names imports, exports and offsets.
fn reason(error: &wasmtime::Error) -> String {
    printable(&format!("{error:#}"), 1_000).replace('\n', " ")
}
