//! What a configuration with an error still says.

use std::{fs, path::PathBuf};

use super::Config;

fn read(text: &str) -> Result<Config, super::ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tollgate.toml");
    fs::write(&file, text).unwrap();
    let config = Config::read_despite_errors(&file)?;
    let base = config.file.parent().unwrap().to_owned();
    let mut config = config;
    config.store.path = config.store.path.strip_prefix(base).unwrap().to_owned();
    Ok(config)
}

#[test]
fn the_store_is_found_whatever_else_is_wrong() {
    let store = "[gate]\ntenant = \"acme\"\n[store]\nurl = \"sqlite:there.db\"\n";
    let errors = [
        format!("nonsense = 1\n{store}"),
        format!("{store}[agents.a]\n"),
        format!("{store}[tools.x]\nlabels = [\"a\"\n"),
        format!("[serve\nlisten = 1\n{store}"),
        format!("{store}unknown = 3\n"),
    ];
    for text in errors {
        let config = read(&text).unwrap();
        assert_eq!(config.store.path, PathBuf::from("there.db"), "{text}");
        assert_eq!(config.gate.tenant, "acme", "{text}");
        assert!(config.error.is_some(), "{text}");
        assert!(config.agents.is_empty(), "nothing else counts");
    }
    let config = read("nonsense = 1\n").unwrap();
    assert_eq!(config.store.path, PathBuf::from(".tollgate/ledger.db"));
}

#[test]
fn a_store_that_is_not_named_by_a_text_is_the_error() {
    assert!(read("[store]\nurl = 3\n").is_err());
    assert!(read("[store]\nurl = \"postgres:x\"\n").is_err());
    assert!(read("").unwrap().error.is_none());
}
