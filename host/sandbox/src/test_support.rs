//! Test fixtures: components as WebAssembly text, and a granted directory next to one that is not granted.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::LazyLock, time::Duration};

use tempfile::TempDir;
use tokio::sync::watch;
use tollgate_model::tool::{Execution, Limits, Size};

use crate::{
    Component, Grant, GrantMode, Sandbox, SandboxOptions,
    capability::files::{
        disk,
        path::RelativePath,
        resolve::{FileError, ResolvedPath},
        temporary::Replace,
    },
    guest::Guest,
    run,
};

/// One sandbox for all tests: engines reserve much address space.
pub(crate) fn sandbox() -> Sandbox {
    static SANDBOX: LazyLock<(Sandbox, TempDir)> = LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        let options = SandboxOptions {
            cache_dir: dir.path().join("compiled"),
            concurrency: 4,
            compiler: None,
        };
        (Sandbox::new(options).unwrap(), dir)
    });
    SANDBOX.0.clone()
}

/// A component of the world around a core module. `core` is its fields; it has a memory `memory` and
/// functions `$list` (no parameters) and `$call` (name and arguments as pointers and lengths), which
/// return a pointer to their result in the canonical ABI.
pub(crate) fn component_text(core: &str) -> String {
    format!(
        r#"(component
  (core module $m
    {core}
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 32768)
    (export "list" (func $list))
    (export "call" (func $call)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))

  (type $image' (record (field "media-type" string) (field "data" (list u8))))
  (export $image "image" (type $image'))
  (type $body' (variant (case "text" string) (case "blob" (list u8))))
  (export $body "resource-body" (type $body'))
  (type $resource' (record (field "uri" string) (field "media-type" (option string)) (field "body" $body)))
  (export $resource "embedded-resource" (type $resource'))
  (type $content' (variant (case "text" string) (case "image" $image) (case "resource" $resource) (case "structured" string)))
  (export $content "content" (type $content'))
  (type $annotations' (record (field "read-only" bool) (field "destructive" bool) (field "idempotent" bool) (field "open-world" bool)))
  (export $annotations "annotations" (type $annotations'))
  (type $tool' (record (field "name" string) (field "title" (option string)) (field "description" string)
    (field "input-schema" string) (field "output-schema" (option string)) (field "annotations" $annotations)))
  (export $tool "tool" (type $tool'))
  (type $error' (variant (case "unknown-tool") (case "invalid-arguments" string) (case "failed" string) (case "denied" string)))
  (export $error "tool-error" (type $error'))

  (func $list (result (list $tool))
    (canon lift (core func $i "list") (memory $memory) (realloc $realloc)))
  (func $call (param "name" string) (param "arguments" string) (result (result (list $content) (error $error)))
    (canon lift (core func $i "call") (memory $memory) (realloc $realloc)))
  (instance $tools (export "list-tools" (func $list)) (export "call-tool" (func $call)))
  (export "tollgate:adapter/tools@0.1.0" (instance $tools)))"#
    )
}

/// The fields of a core module with one page of memory, no tools, and this body of `$call`.
pub(crate) fn calling(body: &str) -> String {
    format!(
        r#"(memory (export "memory") 1)
    (func $list (result i32) i32.const 0)
    (func $call (param i32 i32 i32 i32) (result i32) {body})"#
    )
}

pub(crate) fn load(core: &str) -> Component {
    sandbox()
        .load(
            "test",
            &wat::parse_str(component_text(core)).unwrap(),
            Size::Standard,
        )
        .unwrap()
}

/// Limits that make tests short.
pub(crate) fn tight() -> Limits {
    Limits {
        cpu: Duration::from_millis(50),
        ..Limits::default()
    }
}

pub(crate) async fn call(component: &Component, limits: &Limits) -> Execution {
    let (_sender, never) = watch::channel(false);
    guest(component, limits)
        .await
        .call("tool", "{}", never)
        .await
}

pub(crate) async fn guest(component: &Component, limits: &Limits) -> Guest {
    let slot = component.0.pool.admit().await;
    let max_transfer = run::max_transfer_bytes(component, limits);
    let mut guest = Guest::new(component, limits.clone(), max_transfer, None, slot);
    if component.instantiation_is_pure() {
        guest.instantiate().await;
    }
    guest
}

/// A component built by `cargo xtask guests`; `None` if that did not run.
pub(crate) fn built(name: &str) -> Option<Component> {
    built_for(name, Size::Standard)
}

/// The same for an engine.
pub(crate) fn built_for(name: &str, size: Size) -> Option<Component> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/components");
    let bytes = fs::read(dir.join(name).with_extension("wasm")).ok()?;
    Some(sandbox().load(name, &bytes, size).unwrap())
}

/// A granted directory, next to one that is not granted.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) grant: Grant,
}

pub(crate) fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    for name in ["granted/sub/deep", "outside"] {
        fs::create_dir_all(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("granted/a.txt"), "inside").unwrap();
    fs::write(dir.path().join("granted/sub/b.txt"), "below").unwrap();
    fs::write(dir.path().join("outside/secret"), "secret").unwrap();
    let grant = Grant::open(
        "g",
        &dir.path().join("granted"),
        GrantMode::ReadWrite,
        BTreeSet::new(),
    )
    .unwrap();
    World { dir, grant }
}

impl World {
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn at(&self, path: &str) -> ResolvedPath {
        self.grant.resolve(&RelativePath::new(path).unwrap())
    }

    pub(crate) fn read(&self, path: &str) -> Result<String, FileError> {
        disk::read(&self.at(path)).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    pub(crate) fn write(&self, path: &str, data: &str) -> Result<(), FileError> {
        disk::write(self.at(path), data.as_bytes(), Replace::Yes)
    }

    pub(crate) fn create(&self, path: &str, data: &str) -> Result<(), FileError> {
        disk::write(self.at(path), data.as_bytes(), Replace::No)
    }

    pub(crate) fn append(&self, path: &str, data: &str) -> Result<(), FileError> {
        disk::append(self.at(path), data.as_bytes(), &self.grant.appending)
    }

    pub(crate) fn names(&self, path: &str) -> Result<Vec<String>, FileError> {
        Ok(disk::list(&self.at(path))?
            .into_iter()
            .map(|entry| entry.name)
            .collect())
    }

    /// Every operation on `path`, each with its error.
    pub(crate) fn all(&self, path: &str) -> [Option<FileError>; 7] {
        [
            self.read(path).err(),
            self.write(path, "x").err(),
            self.create(path, "x").err(),
            self.append(path, "x").err(),
            self.names(path).err(),
            disk::stat(&self.at(path)).err(),
            disk::delete(&self.at(path)).err(),
        ]
    }

    pub(crate) fn untouched(&self) {
        assert_eq!(
            fs::read_to_string(self.path("outside/secret")).unwrap(),
            "secret"
        );
        assert_eq!(fs::read_dir(self.path("outside")).unwrap().count(), 1);
    }
}
