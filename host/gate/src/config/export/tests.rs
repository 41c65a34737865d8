use std::path::Path;

use tollgate_model::settings::ExportProfile;

use super::super::Config;
use super::*;

fn read(text: &str) -> Result<ExportConfig, String> {
    let text = format!("[secrets.key]\nenv = \"KEY\"\n[export.up]\n{text}");
    let config = Config::parse(Path::new("/x/tollgate.toml"), &text);
    let config = config.map_err(|e| e.to_string())?;
    Ok(config.exports.get("up").cloned().unwrap())
}

#[test]
fn a_collector_is_named_with_or_without_the_signals_path() {
    for url in [
        "http://127.0.0.1:6006",
        "http://127.0.0.1:6006/",
        "http://127.0.0.1:6006/v1/traces",
    ] {
        let config = read(&format!("url = \"{url}\"")).unwrap();
        assert_eq!(config.url.as_str(), "http://127.0.0.1:6006/", "{url}");
        assert_eq!(config.protocol, ExportProtocol::Http);
        assert_eq!(config.profile, ExportProfile::Openinference);
    }
    let under = read("url = \"https://h/api/otel/v1/traces\"\nsecret = \"key\"").unwrap();
    assert_eq!(under.url.path(), "/api/otel");
    assert!(under.headers.contains_key("authorization"));
}

#[test]
fn what_makes_no_sense_is_refused_with_a_remedy() {
    for (text, remedy) in [
        ("url = \"collector:4317\"", "https"),
        ("url = \"http://h/x?y=1\"", "remove what"),
        ("url = \"http://h:4317/x\"\nprotocol = \"grpc\"", "protocol"),
        (
            "url = \"http://example.com\"\nsecret = \"key\"",
            "use https",
        ),
        ("url = \"https://h\"\nsecret = \"kex\"", "`key`"),
        (
            "url = \"https://h\"\nheaders = { Host = \"x\" }",
            "remove it",
        ),
        ("url = \"https://h\"\nbatch = 0", "10000"),
        ("url = \"https://h\"\ntimeout = \"1h\"", "5m"),
        (
            "url = \"https://h\"\nresource = { \"service.name\" = \"x\" }",
            "[gate]",
        ),
        ("url = \"https://h\"\nprofil = \"otel\"", "`profile`"),
        ("protocol = \"grpc\"", "url"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(remedy), "{text}: {error}");
    }
}
