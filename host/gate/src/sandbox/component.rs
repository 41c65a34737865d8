//! Components, compiled and linked: everything that is the same for every call.
//!
//! A component that asks for anything beyond the published interfaces is not loaded, so that what runs
//! can reach nothing that nobody decided about.

use std::{fmt, sync::Arc};

use wasmtime::component::types::{self, ComponentItem};

use super::{
    MAX_COMPONENT, PUBLISHED, Sandbox, SandboxError, ToolDefinition,
    bindings::AdapterPre,
    definitions,
    engine::Pool,
    guest::State,
    run,
    sections::{self, Format},
};
use crate::text::printable;

/// Problems that an error names; a component with more is wrong anyway.
const MAX_PROBLEMS: usize = 8;

/// Interfaces that a component may import, without the version.
const IMPORTS: &[&str] = &["files", "http", "log", "secrets", "types"];

/// A compiled component, linked and ready to be instantiated. Cheap to clone.
#[derive(Clone)]
pub struct Component(pub(super) Arc<Compiled>);

pub(super) struct Compiled {
    name: String,
    pub(super) pool: Arc<Pool>,
    pub(super) adapter: AdapterPre<State>,
    ty: types::Component,
    pure: bool,
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
    pub(super) fn ty(&self) -> (&wasmtime::Engine, types::Component) {
        let compiled = &self.0;
        (&compiled.pool.engine, compiled.ty.clone())
    }
}

impl Sandbox {
    /// Compile a component, check that it fits the world, and link it. `name` is for messages. Takes as
    /// long as compiling takes, unless the cache has it: not for the path of a call.
    ///
    /// # Errors
    /// [`SandboxError`] says what the file is instead, or which imports and exports do not fit.
    pub fn load(&self, name: &str, bytes: &[u8]) -> Result<Component, SandboxError> {
        match sections::format(bytes) {
            Format::Component => {}
            Format::Module => return Err(SandboxError::CoreModule),
            Format::Other => return Err(SandboxError::NotWasm),
        }
        if bytes.len() > MAX_COMPONENT {
            return Err(SandboxError::TooLarge { size: bytes.len() });
        }
        let pool = &self.standard;
        let invalid = |e: wasmtime::Error| SandboxError::Invalid { reason: reason(&e) };
        let compiled =
            wasmtime::component::Component::from_binary(&pool.engine, bytes).map_err(invalid)?;
        check_world(&compiled)?;
        // The names fit; what is left are types that differ.
        let wrong = |e: wasmtime::Error| SandboxError::WrongWorld {
            problems: vec![reason(&e)],
        };
        let linked = pool.linker.instantiate_pre(&compiled).map_err(wrong)?;
        let adapter = AdapterPre::new(linked).map_err(wrong)?;
        // What copies and maps memory when first used is done now rather than in the first call.
        compiled.initialize_copy_on_write_image().map_err(invalid)?;
        Ok(Component(Arc::new(Compiled {
            name: printable(name, 100),
            pool: Arc::clone(pool),
            adapter,
            ty: compiled.component_type(),
            pure: !sections::runs_at_instantiation(bytes),
        })))
    }

    /// What tools a component has, asked of a fresh instance that may do nothing.
    ///
    /// # Errors
    /// [`SandboxError`]: it does not answer, or describes a tool wrongly.
    pub async fn list_tools(
        &self,
        component: &Component,
    ) -> Result<Vec<ToolDefinition>, SandboxError> {
        let tools = run::list_tools(component)
            .await
            .map_err(|reason| SandboxError::ListTools { reason })?;
        definitions::checked(tools)
    }
}

/// Whether the names of what it imports and exports are those of the world.
fn check_world(component: &wasmtime::component::Component) -> Result<(), SandboxError> {
    let engine = component.engine();
    let ty = component.component_type();
    let mut problems = Vec::new();
    for (name, item) in ty.imports(engine) {
        let fits = published(name).is_some_and(|interface| IMPORTS.contains(&interface))
            && matches!(item.ty, ComponentItem::ComponentInstance(_));
        if !fits {
            problems.push(format!(
                "it imports `{}`, {}",
                printable(name, 200),
                why_not(name)
            ));
        }
    }
    if !ty
        .exports(engine)
        .any(|(name, _)| published(name) == Some("tools"))
    {
        let like = ty
            .exports(engine)
            .map(|(name, _)| name)
            .find(|name| name.starts_with("tollgate:adapter/tools"));
        problems.push(match like {
            Some(name) => format!("it exports `{}`, {}", printable(name, 200), why_not(name)),
            None => format!(
                "it does not export `tollgate:adapter/tools@{}`",
                PUBLISHED.join("` or `@")
            ),
        });
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

/// The interface's name, if it is one of a published version of the package.
fn published(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix("tollgate:adapter/")?.split_once('@')?;
    PUBLISHED.contains(&version).then_some(interface)
}

fn why_not(name: &str) -> &'static str {
    if name.starts_with("wasi:") {
        "a part of WASI, which no adapter gets"
    } else if name.starts_with("tollgate:adapter/") {
        "which this version of the gate does not have"
    } else {
        "which is no part of the world"
    }
}

/// What the engine says, in one printable line. It names imports, exports and offsets.
fn reason(error: &wasmtime::Error) -> String {
    printable(&format!("{error:#}"), 1_000).replace('\n', " ")
}
