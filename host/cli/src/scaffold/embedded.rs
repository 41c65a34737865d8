//! Files of this repository that are part of the binary.

/// A file, by its path from the top of the repository.
macro_rules! file {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", $path))
    };
}

/// The workspace of the guests.
pub(super) const WORKSPACE: &str = file!("guest/Cargo.toml");
/// Its lock file.
pub(super) const LOCK: &str = file!("guest/Cargo.lock");
/// Its settings of clippy.
pub(super) const CLIPPY: &str = file!("guest/clippy.toml");
/// The manifest of the first tool.
pub(super) const MANIFEST: &str = file!("guest/template/Cargo.toml");
/// The first tool.
pub(super) const TOOL: &str = file!("guest/template/src/lib.rs");

/// The SDK, by path in its folder. `wit/` is a link in the repository, and a folder in a new project.
pub(super) const SDK: [(&str, &str); 44] = [
    ("Cargo.toml", file!("guest/sdk/Cargo.toml")),
    ("macros/Cargo.toml", file!("guest/sdk/macros/Cargo.toml")),
    ("macros/src/data.rs", file!("guest/sdk/macros/src/data.rs")),
    ("macros/src/lib.rs", file!("guest/sdk/macros/src/lib.rs")),
    ("macros/src/tool.rs", file!("guest/sdk/macros/src/tool.rs")),
    (
        "macros/src/tool/tests.rs",
        file!("guest/sdk/macros/src/tool/tests.rs"),
    ),
    ("src/bindings.rs", file!("guest/sdk/src/bindings.rs")),
    ("src/calls.rs", file!("guest/sdk/src/calls.rs")),
    ("src/clock.rs", file!("guest/sdk/src/clock.rs")),
    ("src/config.rs", file!("guest/sdk/src/config.rs")),
    (
        "src/config/tests.rs",
        file!("guest/sdk/src/config/tests.rs"),
    ),
    ("src/content.rs", file!("guest/sdk/src/content.rs")),
    ("src/error.rs", file!("guest/sdk/src/error.rs")),
    ("src/files.rs", file!("guest/sdk/src/files.rs")),
    ("src/files/tests.rs", file!("guest/sdk/src/files/tests.rs")),
    ("src/http.rs", file!("guest/sdk/src/http.rs")),
    ("src/http/tests.rs", file!("guest/sdk/src/http/tests.rs")),
    ("src/lib.rs", file!("guest/sdk/src/lib.rs")),
    ("src/log.rs", file!("guest/sdk/src/log.rs")),
    ("src/progress.rs", file!("guest/sdk/src/progress.rs")),
    ("src/random.rs", file!("guest/sdk/src/random.rs")),
    ("src/schema.rs", file!("guest/sdk/src/schema.rs")),
    (
        "src/schema/tests.rs",
        file!("guest/sdk/src/schema/tests.rs"),
    ),
    ("src/secrets.rs", file!("guest/sdk/src/secrets.rs")),
    ("src/state.rs", file!("guest/sdk/src/state.rs")),
    ("src/state/tests.rs", file!("guest/sdk/src/state/tests.rs")),
    ("src/testing.rs", file!("guest/sdk/src/testing.rs")),
    (
        "src/testing/config.rs",
        file!("guest/sdk/src/testing/config.rs"),
    ),
    ("src/testing/web.rs", file!("guest/sdk/src/testing/web.rs")),
    ("src/tools.rs", file!("guest/sdk/src/tools.rs")),
    ("src/tools/tests.rs", file!("guest/sdk/src/tools/tests.rs")),
    ("wit/calls.wit", file!("wit/calls.wit")),
    ("wit/clock.wit", file!("wit/clock.wit")),
    ("wit/config.wit", file!("wit/config.wit")),
    ("wit/files.wit", file!("wit/files.wit")),
    ("wit/http.wit", file!("wit/http.wit")),
    ("wit/log.wit", file!("wit/log.wit")),
    ("wit/progress.wit", file!("wit/progress.wit")),
    ("wit/random.wit", file!("wit/random.wit")),
    ("wit/state.wit", file!("wit/state.wit")),
    ("wit/secrets.wit", file!("wit/secrets.wit")),
    ("wit/tools.wit", file!("wit/tools.wit")),
    ("wit/types.wit", file!("wit/types.wit")),
    ("wit/world.wit", file!("wit/world.wit")),
];

/// A first tool in JavaScript, by path in its folder.
pub(super) const JS_TOOL: [(&str, &str); 5] = [
    (
        "package-lock.json",
        file!("guest/js/template/package-lock.json"),
    ),
    ("package.json", file!("guest/js/template/package.json")),
    ("tool.js", file!("guest/js/template/tool.js")),
    ("tool.test.js", file!("guest/js/template/tool.test.js")),
    ("tsconfig.json", file!("guest/js/template/tsconfig.json")),
];
/// The same in TypeScript.
pub(super) const TS_TOOL: [(&str, &str); 5] = [
    (
        "package-lock.json",
        file!("guest/js/template-ts/package-lock.json"),
    ),
    ("package.json", file!("guest/js/template-ts/package.json")),
    ("tool.test.ts", file!("guest/js/template-ts/tool.test.ts")),
    ("tool.ts", file!("guest/js/template-ts/tool.ts")),
    ("tsconfig.json", file!("guest/js/template-ts/tsconfig.json")),
];
/// Its SDK, by path in its folder, without the WIT.
pub(super) const JS_SDK: [(&str, &str); 40] = [
    ("calls.d.ts", file!("guest/js/sdk/calls.d.ts")),
    ("calls.js", file!("guest/js/sdk/calls.js")),
    ("check.js", file!("guest/js/sdk/check.js")),
    ("clock.d.ts", file!("guest/js/sdk/clock.d.ts")),
    ("clock.js", file!("guest/js/sdk/clock.js")),
    ("component.js", file!("guest/js/sdk/component.js")),
    ("config.d.ts", file!("guest/js/sdk/config.d.ts")),
    ("config.js", file!("guest/js/sdk/config.js")),
    ("content.js", file!("guest/js/sdk/content.js")),
    ("declaration.js", file!("guest/js/sdk/declaration.js")),
    ("errors.js", file!("guest/js/sdk/errors.js")),
    ("files.d.ts", file!("guest/js/sdk/files.d.ts")),
    ("files.js", file!("guest/js/sdk/files.js")),
    ("host.js", file!("guest/js/sdk/host.js")),
    ("http.d.ts", file!("guest/js/sdk/http.d.ts")),
    ("http.js", file!("guest/js/sdk/http.js")),
    ("log.d.ts", file!("guest/js/sdk/log.d.ts")),
    ("log.js", file!("guest/js/sdk/log.js")),
    ("offer.js", file!("guest/js/sdk/offer.js")),
    ("progress.d.ts", file!("guest/js/sdk/progress.d.ts")),
    ("progress.js", file!("guest/js/sdk/progress.js")),
    ("random.d.ts", file!("guest/js/sdk/random.d.ts")),
    ("random.js", file!("guest/js/sdk/random.js")),
    ("record.js", file!("guest/js/sdk/record.js")),
    ("registry.js", file!("guest/js/sdk/registry.js")),
    ("runtime.js", file!("guest/js/sdk/runtime.js")),
    ("schema.d.ts", file!("guest/js/sdk/schema.d.ts")),
    ("schema.js", file!("guest/js/sdk/schema.js")),
    ("secrets.d.ts", file!("guest/js/sdk/secrets.d.ts")),
    ("secrets.js", file!("guest/js/sdk/secrets.js")),
    ("state.d.ts", file!("guest/js/sdk/state.d.ts")),
    ("state.js", file!("guest/js/sdk/state.js")),
    ("testing.d.ts", file!("guest/js/sdk/testing.d.ts")),
    ("testing.js", file!("guest/js/sdk/testing.js")),
    ("testing/files.js", file!("guest/js/sdk/testing/files.js")),
    ("testing/values.js", file!("guest/js/sdk/testing/values.js")),
    ("testing/web.js", file!("guest/js/sdk/testing/web.js")),
    ("tollgate.d.ts", file!("guest/js/sdk/tollgate.d.ts")),
    ("tollgate.js", file!("guest/js/sdk/tollgate.js")),
    ("trace.js", file!("guest/js/sdk/trace.js")),
];

/// A first tool in Python, by path in its folder.
pub(super) const PYTHON_TOOL: [(&str, &str); 5] = [
    ("conftest.py", file!("guest/python/template/conftest.py")),
    (
        "pyproject.toml",
        file!("guest/python/template/pyproject.toml"),
    ),
    (
        "requirements.txt",
        file!("guest/python/template/requirements.txt"),
    ),
    ("test_tool.py", file!("guest/python/template/test_tool.py")),
    ("tool.py", file!("guest/python/template/tool.py")),
];
/// Its SDK, by path in its folder, without the WIT.
pub(super) const PYTHON_SDK: [(&str, &str); 26] = [
    (
        "tollgate/__init__.py",
        file!("guest/python/sdk/tollgate/__init__.py"),
    ),
    (
        "tollgate/_arguments.py",
        file!("guest/python/sdk/tollgate/_arguments.py"),
    ),
    (
        "tollgate/_check.py",
        file!("guest/python/sdk/tollgate/_check.py"),
    ),
    (
        "tollgate/_docstring.py",
        file!("guest/python/sdk/tollgate/_docstring.py"),
    ),
    (
        "tollgate/_host.py",
        file!("guest/python/sdk/tollgate/_host.py"),
    ),
    (
        "tollgate/_log.py",
        file!("guest/python/sdk/tollgate/_log.py"),
    ),
    (
        "tollgate/_loop.py",
        file!("guest/python/sdk/tollgate/_loop.py"),
    ),
    (
        "tollgate/_schema.py",
        file!("guest/python/sdk/tollgate/_schema.py"),
    ),
    (
        "tollgate/_system.py",
        file!("guest/python/sdk/tollgate/_system.py"),
    ),
    (
        "tollgate/_tools.py",
        file!("guest/python/sdk/tollgate/_tools.py"),
    ),
    (
        "tollgate/_values.py",
        file!("guest/python/sdk/tollgate/_values.py"),
    ),
    (
        "tollgate/_wit.py",
        file!("guest/python/sdk/tollgate/_wit.py"),
    ),
    (
        "tollgate/calls.py",
        file!("guest/python/sdk/tollgate/calls.py"),
    ),
    (
        "tollgate/clock.py",
        file!("guest/python/sdk/tollgate/clock.py"),
    ),
    (
        "tollgate/config.py",
        file!("guest/python/sdk/tollgate/config.py"),
    ),
    (
        "tollgate/content.py",
        file!("guest/python/sdk/tollgate/content.py"),
    ),
    (
        "tollgate/errors.py",
        file!("guest/python/sdk/tollgate/errors.py"),
    ),
    (
        "tollgate/files.py",
        file!("guest/python/sdk/tollgate/files.py"),
    ),
    (
        "tollgate/http.py",
        file!("guest/python/sdk/tollgate/http.py"),
    ),
    (
        "tollgate/progress.py",
        file!("guest/python/sdk/tollgate/progress.py"),
    ),
    (
        "tollgate/py.typed",
        file!("guest/python/sdk/tollgate/py.typed"),
    ),
    (
        "tollgate/random.py",
        file!("guest/python/sdk/tollgate/random.py"),
    ),
    (
        "tollgate/secrets.py",
        file!("guest/python/sdk/tollgate/secrets.py"),
    ),
    (
        "tollgate/state.py",
        file!("guest/python/sdk/tollgate/state.py"),
    ),
    (
        "tollgate/testing.py",
        file!("guest/python/sdk/tollgate/testing.py"),
    ),
    (
        "tollgate_main.py",
        file!("guest/python/sdk/tollgate_main.py"),
    ),
];
