use std::{cell::RefCell, fs};

use super::*;

#[test]
fn sources_are_what_no_build_writes() {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("src/lib.rs", "a");
    let before = Sources::read(dir.path());
    for made in [
        "hello.wasm",
        "target/x",
        "node_modules/y/z.js",
        "src/lib.rs~",
    ] {
        write(made, "made");
        assert_eq!(Sources::read(dir.path()), before, "{made}");
    }
    write("src/lib.rs", "ab");
    let changed = Sources::read(dir.path());
    assert_ne!(changed, before);
    write("src/more.rs", "");
    assert_ne!(Sources::read(dir.path()), changed);
}

#[tokio::test]
async fn a_change_counts_once_it_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tool.js");
    fs::write(&file, "1").unwrap();
    let seen = Sources::read(dir.path());
    // At each tick of the clock something is written, or nothing.
    let writes = RefCell::new(vec!["", "", "12", "123", "", "never"].into_iter());
    let ticks = RefCell::new(0);
    let tick = || {
        *ticks.borrow_mut() += 1;
        match writes.borrow_mut().next() {
            Some("") | None => {}
            Some(text) => fs::write(&file, text).unwrap(),
        }
        std::future::ready(())
    };
    changed(|| Sources::read(dir.path()), seen, tick).await;
    assert_eq!(*ticks.borrow(), 5);
}

#[test]
fn a_tool_is_named_as_its_component_names_it() {
    let text = "[components.hello]\npath = \"hello.wasm\"\nrename.part = \"bye\"\n";
    let config = Config::parse(std::path::Path::new("/x/tollgate.toml"), text).unwrap();
    for (given, name) in [
        ("greet", "hello__greet"),
        ("hello__greet", "hello__greet"),
        ("part", "bye"),
    ] {
        assert_eq!(agents_name(given, "hello", &config), name);
    }
}
