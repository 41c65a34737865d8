use super::*;

#[test]
fn the_outer_build_does_not_leak() {
    for name in [
        "CARGO",
        "CARGO_MANIFEST_DIR",
        "CARGO_PKG_NAME",
        "RUSTC",
        "RUSTFLAGS",
        "RUSTC_WRAPPER",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "RUST_RECURSION_COUNT",
        "CARGO_PROFILE_RELEASE_LTO",
    ] {
        assert!(leaks(name, false), "{name}");
    }
    for name in [
        "CARGO_HOME",
        "RUSTUP_HOME",
        "CARGO_TARGET_DIR",
        "CARGO_NET_OFFLINE",
        "CARGO_REGISTRIES_CRATES_IO_PROTOCOL",
        "CARGO_TERM_COLOR",
        "PATH",
        "HTTPS_PROXY",
    ] {
        assert!(!leaks(name, true), "{name}");
    }
    assert!(leaks("RUSTUP_TOOLCHAIN", true) && !leaks("RUSTUP_TOOLCHAIN", false));
}

#[test]
fn a_program_that_hangs_is_stopped() {
    let mut sleep = command("sleep", Path::new("/"));
    sleep.arg("60");
    let ended = run(sleep, Some(Duration::from_millis(100)), |_| {}, |_| {}).unwrap();
    assert!(ended.status.is_none());
}
