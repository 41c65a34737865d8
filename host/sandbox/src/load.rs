//! Loads components: compiles them, checks that they fit the world, and links them.
//!
//! A component that imports anything beyond the published interfaces is not loaded, so that a running
//! component can reach nothing that is not decided.

use std::sync::Arc;

use wasmtime::component::types::ComponentItem;

use tollgate_model::{text::printable, tool::Size};

use crate::{
    Component, MAX_COMPONENT, PUBLISHED, Sandbox, SandboxError,
    bindings::AdapterPre,
    component::{CompiledComponent, Exports},
    functions::Functions,
    sandbox::LinkedPool,
    wasi,
    wasm_sections::{self, Format},
};

/// The most problems that an error names.
const MAX_PROBLEMS: usize = 8;

/// The export of an adapter, without the version.
const TOOLS: &str = "tollgate:adapter/tools";

/// Interfaces that a component may import, without the version.
pub const INTERFACES: &[&str] = &[
    "calls", "clock", "config", "files", "http", "log", "progress", "random", "secrets", "state",
    "types",
];

impl Sandbox {
    /// Compiles a component, checks that it fits the world, and links it. `name` is for messages. Unless
    /// the cache has it, this takes as long as compiling, so it must not happen during a call.
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
        // Compiling takes long, and the names of imports say already whether it is of any use.
        check_imports(wasm_sections::imports(bytes))?;
        let linked = self.pool(size)?;
        let LinkedPool { pool, linker } = &*linked;
        let invalid = |e: wasmtime::Error| {
            let reason = reason(&e);
            // The engine has no error type for this: its text says that a limit of the pool is exceeded.
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
        // The names fit, so the remaining problems are types.
        let wrong = |e: wasmtime::Error| SandboxError::WrongWorld {
            problems: vec![reason(&e)],
        };
        let linked = linker.instantiate_pre(&compiled).map_err(wrong)?;
        let exports = if adapter {
            Exports::Adapter(AdapterPre::new(linked).map_err(wrong)?)
        } else {
            Exports::Functions(linked, Functions::of(&compiled, bytes)?)
        };
        // Prepare now what would otherwise be copied and mapped in the first call.
        compiled.initialize_copy_on_write_image().map_err(invalid)?;
        Ok(Component(Arc::new(CompiledComponent {
            name: printable(name, 100),
            ty: compiled.component_type(),
            pool: Arc::clone(pool),
            exports,
            pure: !wasm_sections::runs_at_instantiation(bytes),
            history: Arc::default(),
        })))
    }
}

/// Whether everything that a component imports by these names is here.
fn check_imports(names: Vec<&str>) -> Result<(), SandboxError> {
    let is_known = |name: &&str| {
        published(name).is_some_and(|interface| INTERFACES.contains(&interface))
            || wasi::is_linked(name)
    };
    let missing: Vec<&str> = names.into_iter().filter(|name| !is_known(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let is_foreign =
        |name: &&str| !name.starts_with("wasi:") && !name.starts_with("tollgate:adapter/");
    if missing.iter().any(is_foreign) {
        let imports = { missing.iter().filter(|name| is_foreign(name)) }
            .map(|name| printable(name, 200))
            .collect();
        return Err(SandboxError::ForeignImports { imports });
    }
    let says = |name: &&str| format!("it imports `{}`, {}", printable(name, 200), why_not(name));
    Err(wrong_world(missing.iter().map(says).collect()))
}

fn wrong_world(mut problems: Vec<String>) -> SandboxError {
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    problems.truncate(MAX_PROBLEMS);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    SandboxError::WrongWorld { problems }
}

/// Whether the names of its imports and exports are those of the world.
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
    Err(wrong_world(problems))
}

/// Whether it describes its tools itself, in any published version.
fn is_adapter(component: &wasmtime::component::Component) -> bool {
    let ty = component.component_type();
    ty.exports(component.engine())
        .any(|(name, _)| name.starts_with(TOOLS))
}

/// The interface's name, if it belongs to a published version of the package.
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

/// The engine's message in one printable line. It names imports, exports and offsets.
fn reason(error: &wasmtime::Error) -> String {
    printable(&format!("{error:#}"), 1_000).replace('\n', " ")
}
