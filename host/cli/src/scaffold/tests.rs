use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

#[test]
fn every_file_of_the_sdk_is_embedded() {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/sdk");
    let mut found = BTreeSet::new();
    walk(&sdk, "", &mut found);
    let embedded: BTreeSet<String> = embedded::SDK
        .iter()
        .map(|(path, _)| (*path).to_owned())
        .collect();
    assert_eq!(embedded, found);
}

fn walk(dir: &Path, below: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{below}{}", path.file_name().unwrap().to_str().unwrap());
        // Follows the link to wit/.
        if path.is_dir() {
            walk(&path, &format!("{name}/"), found);
        } else {
            found.insert(name);
        }
    }
}

#[test]
fn every_file_of_the_other_sdks_is_embedded() {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest");
    for (lang, folder, template, made) in [
        (Language::Js, "js", "template", "node_modules"),
        (Language::Ts, "js", "template-ts", "node_modules"),
        (Language::Python, "python", "template", "__pycache__"),
    ] {
        let mut found = BTreeSet::new();
        walk(&guest.join(folder).join("sdk"), "sdk/", &mut found);
        walk(&guest.join(folder).join(template), "", &mut found);
        found.retain(|path| !path.contains(made));
        found.insert(".gitignore".into());
        let written: BTreeSet<String> = lang
            .sources("x")
            .unwrap()
            .into_iter()
            .map(|(path, _)| path.strip_prefix("tools/x").unwrap().display().to_string())
            .collect();
        assert_eq!(written, found);
        assert!(lang.sources("../x").is_err());
    }
}

#[test]
fn a_workspace_gets_a_member_more() {
    let joined = with_member("[workspace]\nmembers = [\"sdk\", \"hello\"]\nx = 1\n", "b");
    let expected = "[workspace]\nmembers = [\"sdk\", \"hello\", \"b\"]\nx = 1\n";
    assert_eq!(joined.as_deref(), Some(expected));
    assert_eq!(with_member("members = [\n  \"sdk\",\n]", "b"), None);
}

#[test]
fn the_tool_takes_the_name() {
    let sources = tool_sources("weather").unwrap();
    let text = |path: &str| {
        sources
            .iter()
            .find(|(at, _)| at == Path::new(path))
            .unwrap()
            .1
            .clone()
    };
    assert!(text("tools/weather/Cargo.toml").contains("name = \"weather\""));
    assert!(
        text("tools/Cargo.toml").contains("members = [\"sdk\", \"sdk/macros\", \"weather\"]\n")
    );
    assert!(text("tools/Cargo.toml").contains("[workspace.lints.clippy]"));
    assert!(text("tools/sdk/wit/world.wit").contains("world adapter"));
    assert!(text("tools/weather/src/lib.rs").contains("adapter!("));
    let manifests = sources
        .iter()
        .filter(|(path, _)| path.ends_with("Cargo.toml"));
    assert!(
        manifests.into_iter().all(|(_, text)| !text.contains("../")),
        "nothing reaches outside"
    );
}

#[test]
fn names_are_checked() {
    for name in ["a", "my-tool-2"] {
        assert!(tool_sources(name).is_ok(), "{name}");
    }
    for name in [
        "",
        "sdk",
        "-a",
        "2a",
        "A",
        "a_b",
        "a/b",
        "../a",
        "é",
        &"a".repeat(41),
    ] {
        assert!(tool_sources(name).is_err(), "{name}");
    }
}
