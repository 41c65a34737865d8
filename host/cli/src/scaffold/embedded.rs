//! The files of this repository that the binary carries.

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
/// What its lints allow in tests.
pub(super) const CLIPPY: &str = file!("guest/clippy.toml");
/// The manifest of the first tool.
pub(super) const MANIFEST: &str = file!("guest/template/Cargo.toml");
/// The first tool.
pub(super) const TOOL: &str = file!("guest/template/src/lib.rs");

/// The SDK, by path in its folder. `wit/` is a link there, and a folder where it is written.
pub(super) const SDK: [(&str, &str); 24] = [
    ("Cargo.toml", file!("guest/sdk/Cargo.toml")),
    ("macros/Cargo.toml", file!("guest/sdk/macros/Cargo.toml")),
    ("macros/src/data.rs", file!("guest/sdk/macros/src/data.rs")),
    ("macros/src/lib.rs", file!("guest/sdk/macros/src/lib.rs")),
    ("macros/src/tool.rs", file!("guest/sdk/macros/src/tool.rs")),
    ("src/bindings.rs", file!("guest/sdk/src/bindings.rs")),
    ("src/content.rs", file!("guest/sdk/src/content.rs")),
    ("src/error.rs", file!("guest/sdk/src/error.rs")),
    ("src/files.rs", file!("guest/sdk/src/files.rs")),
    ("src/http.rs", file!("guest/sdk/src/http.rs")),
    ("src/lib.rs", file!("guest/sdk/src/lib.rs")),
    ("src/log.rs", file!("guest/sdk/src/log.rs")),
    ("src/schema.rs", file!("guest/sdk/src/schema.rs")),
    ("src/secrets.rs", file!("guest/sdk/src/secrets.rs")),
    ("src/testing.rs", file!("guest/sdk/src/testing.rs")),
    ("src/testing/web.rs", file!("guest/sdk/src/testing/web.rs")),
    ("src/tools.rs", file!("guest/sdk/src/tools.rs")),
    ("wit/files.wit", file!("wit/files.wit")),
    ("wit/http.wit", file!("wit/http.wit")),
    ("wit/log.wit", file!("wit/log.wit")),
    ("wit/secrets.wit", file!("wit/secrets.wit")),
    ("wit/tools.wit", file!("wit/tools.wit")),
    ("wit/types.wit", file!("wit/types.wit")),
    ("wit/world.wit", file!("wit/world.wit")),
];
