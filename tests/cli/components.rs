//! Registering components: what is in a file is found out in a process of its own, with limits.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Stdio};

use serde_json::Value;
use tollgate_testkit::{
    binary,
    command::{READ, World},
};

fn compiled(world: &World) -> usize {
    let kept = |name: &str| name.starts_with("sha256-") && name.ends_with(".json");
    fs::read_dir(world.path(".tollgate/compiled"))
        .unwrap()
        .filter(|file| kept(&file.as_ref().unwrap().file_name().to_string_lossy()))
        .count()
}

/// The same file again is refused. A component is inspected by its name or its file.
fn is_refused_again_and_inspected(world: &World, digest: &Value) {
    world
        .run(&["component", "add", "vendor/my book.wasm"])
        .exits(1)
        .says(&[
            "there is a component `my-book` already",
            "tollgate component accept my-book",
        ]);
    world
        .run(&["component", "inspect", "my-book"])
        .exits(0)
        .says(&[
            "asks",
            "tollgate:adapter/files@0.1.0",
            "offers",
            "tollgate:adapter/tools@0.1.0",
        ]);
    let of_file = world.json(&["component", "inspect", "vendor/my book.wasm"]);
    assert_eq!(of_file["digest"], *digest);
    world
        .run(&["component", "inspect", "my-bok"])
        .exits(1)
        .says(&["did you mean `my-book`?"]);
}

#[test]
fn a_component_is_added_looked_into_and_removed() {
    let world = World::new();
    assert_eq!(compiled(&world), 3, "accepting compiles");
    fs::create_dir(world.path("vendor")).unwrap();
    world.install("tickets", "vendor/my book");
    let before = fs::read_to_string(world.path("tollgate.toml")).unwrap();

    let added = world.json(&["component", "add", "vendor/my book.wasm"]);
    assert_eq!(added["name"], "my-book");
    let imports = added["imports"].as_array().unwrap();
    assert!(
        imports.contains(&"tollgate:adapter/files@0.1.0".into()),
        "{added}"
    );
    let tools: Vec<&str> = added["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(tools, ["list", "read", "reply", "close"]);
    let config = fs::read_to_string(world.path("tollgate.toml")).unwrap();
    assert!(
        config.contains("[components.my-book]\npath = \"vendor/my book.wasm\"\n"),
        "{config}"
    );
    assert!(config.contains("# [tools.my-book__close]"), "{config}");
    world
        .run(&["tools", "list"])
        .exits(0)
        .says(&["my-book__read"]);
    assert_eq!(compiled(&world), 4);

    is_refused_again_and_inspected(&world, &added["digest"]);
    world.run(&["component", "remove", "my-book"]).exits(0);
    let after = fs::read_to_string(world.path("tollgate.toml")).unwrap();
    assert!(!after.contains("[components.my-book]"), "{after}");
    assert!(
        after.starts_with(&before),
        "nothing else was touched: {after}"
    );
    assert!(
        !fs::read_to_string(world.path("tollgate.lock"))
            .unwrap()
            .contains("my-book")
    );
    assert!(world.path("vendor/my book.wasm").exists());
    world.run(READ).exits(0);
}

#[test]
fn nothing_is_added_that_the_gate_would_not_run() {
    let world = World::new();
    let before = fs::read_to_string(world.path("tollgate.toml")).unwrap();
    world.write("bad.wasm", wat::parse_str("(module)").unwrap());
    world
        .run(&["component", "add", "bad.wasm"])
        .exits(1)
        .says(&["`bad`", "core WebAssembly module"]);
    world
        .run(&["component", "add", "missing.wasm"])
        .exits(1)
        .says(&["missing.wasm", "tollgate component build"]);
    world
        .run(&["component", "add", "files.wasm", "--name", "a/b"])
        .exits(1)
        .says(&["`a/b` is not a name for a component"]);
    assert_eq!(
        fs::read_to_string(world.path("tollgate.toml")).unwrap(),
        before
    );
}

/// The compiler's process limits itself before it reads anything.
#[test]
fn the_compiler_is_limited() {
    let world = World::empty();
    let mut command = world.command(binary());
    command
        .args(["component", "compile", "cache", "files"])
        .stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let is = |text: &str, limit: &str, value: &str| {
        text.lines()
            .any(|l| l.starts_with(limit) && l.contains(value))
    };
    let limited =
        |text: &str| is(text, "Max data size", "4294967296") && is(text, "Max cpu time", "600");
    let begun = std::time::Instant::now();
    while !limited(&fs::read_to_string(&limits).unwrap_or_default()) {
        assert!(
            begun.elapsed().as_secs() < 60,
            "{:?}",
            fs::read_to_string(&limits)
        );
        std::thread::yield_now();
    }
    drop(child.stdin.take());
    let said = child.wait_with_output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains("Refused"),
        "an empty file is not a component: {said}"
    );
}

/// A stand-in for a package manager: runs the scripts of packages unless a flag forbids it, as the real one does.
const NPM: &str = r#"#!/bin/sh
echo "npm $*" >> "$(dirname "$0")/../log"
case " $* " in *" --ignore-scripts "*) ;; *) sh ./postinstall.sh ;; esac
mkdir -p node_modules
"#;

/// A stand-in for Python, with its `venv` and `pip`. Packages without a hash are built, which runs their code.
const PYTHON: &str = r#"#!/bin/sh
log="$(dirname "$0")/../log"
case "$1 $2" in
"-m venv")
  mkdir -p .venv/bin
  cp "$0" .venv/bin/python
  : > .venv/log ;;
"-m pip")
  echo "pip $*" >> "$log"
  case " $* " in
  *" install "*)
    case " $* " in *" --require-hashes "*) ;; *) sh ./postinstall.sh ;; esac
    case " $* " in *" --only-binary :all: "*) ;; *) sh ./postinstall.sh ;; esac
    case " $* " in *" --no-deps "*) ;; *) sh ./postinstall.sh ;; esac ;;
  esac ;;
esac
"#;

/// The toolchain of a project is installed without code of its packages: what is in the project decides which they
/// are.
#[test]
fn installing_a_toolchain_runs_no_script_of_a_package() {
    for (lang, programs, log, pinned) in [
        (
            "js",
            vec![("npm", NPM), ("node", "#!/bin/sh\n")],
            "log",
            "npm ci --ignore-scripts",
        ),
        (
            "python",
            vec![("python3", PYTHON)],
            "tools/odd/.venv/log",
            "--require-hashes",
        ),
    ] {
        let world = World::empty();
        world.run(&["init"]).exits(0);
        world.run(&["new", "odd", "--lang", lang]).exits(0);
        world.write("tools/odd/postinstall.sh", "touch ran");
        fs::create_dir(world.path("bin")).unwrap();
        for (name, script) in programs {
            let path = world.path("bin").join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut command = world.command(binary());
        let path = std::env::var("PATH").unwrap();
        command
            .args(["component", "build", "tools/odd"])
            .env("PATH", format!("{}:{path}", world.path("bin").display()));
        // There is nothing to build with after that.
        assert!(!command.output().unwrap().status.success());
        let log = fs::read_to_string(world.path(log)).unwrap();
        assert!(log.contains(pinned), "{lang}: {log}");
        assert!(!world.path("tools/odd/ran").exists(), "{lang}: {log}");
    }
}
