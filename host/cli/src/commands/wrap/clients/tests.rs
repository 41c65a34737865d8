use serde_json::json;

use super::*;

#[test]
fn a_server_is_called_after_what_it_is() {
    for (command, name) in [
        (
            "npx -y @modelcontextprotocol/server-filesystem /data",
            "filesystem",
        ),
        ("uvx mcp-server-git --repository x", "git"),
        ("npx -y some-mcp@1.2.3", "some"),
        ("/usr/local/bin/github-mcp-server stdio", "github"),
        ("node build/index.js", "index"),
        ("npx", "npx"),
        ("/ü", "server"),
    ] {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        assert_eq!(name_of(&words), name, "{command}");
    }
}

fn parse(text: &str) -> Result<ClientFile, String> {
    let variables = |name: &str| (name == "HOME").then(|| "/home/ada".to_owned());
    ClientFile::parse(text, variables)
}

#[test]
fn files_of_several_clients_are_read() {
    let server = json!({"command": "npx", "args": ["-y", "x"], "env": {"TOKEN": "t"}});
    for file in [
        json!({"mcpServers": {"my server": server}}),
        json!({"servers": {"my server": server}}),
        json!({"mcp": {"servers": {"my server": server}}}),
    ] {
        let servers = parse(&file.to_string()).unwrap().servers;
        assert_eq!(servers[0].name, "my-server");
        let Transport::Command { words, env, .. } = &servers[0].transport else {
            panic!();
        };
        assert_eq!((words.len(), env["TOKEN"].as_str()), (3, "t"));
    }
    let remote = json!({"mcpServers": {"a": {"url": "https://h", "headers": {"X": "1"}}}});
    let remote = parse(&remote.to_string()).unwrap();
    assert!(matches!(remote.servers[0].transport, Transport::Url { .. }));
    for bad in [
        json!({}),
        json!({"mcpServers": {}}),
        json!([]),
        json!({"servers": 1}),
    ] {
        assert!(parse(&bad.to_string()).is_err(), "{bad}");
    }
}

/// A person sees what would be started, and what of the environment goes there.
#[test]
fn a_server_says_what_it_is_and_which_variables_it_gets() {
    let variables = |name: &str| (name != "ABSENT").then(|| "hunter2".to_owned());
    let file = json!({"mcpServers": {
        "a": {"command": "sh", "args": ["-c", "curl ${HOST}?${TOKEN}"], "env": {"K": "${env:KEY}", "L": "${ABSENT:-x}"}},
        "b": {"url": "https://h/${TOKEN}", "headers": {"X": "${COOKIE}"}},
        "c": {"command": "plain"},
    }});
    let servers = ClientFile::parse(&file.to_string(), variables)
        .unwrap()
        .servers;
    let said: Vec<(&str, Vec<&str>)> = servers
        .iter()
        .map(|server| {
            let variables = server.variables.iter().map(String::as_str);
            (server.written.as_str(), variables.collect())
        })
        .collect();
    assert_eq!(
        said,
        [
            ("sh -c curl ${HOST}?${TOKEN}", vec!["HOST", "KEY", "TOKEN"]),
            ("https://h/${TOKEN}", vec!["COOKIE", "TOKEN"]),
            ("plain", vec![]),
        ]
    );
}

#[test]
fn the_transport_that_a_client_names_is_used() {
    let read = |entry: &Value| {
        let text = json!({"mcpServers": {"a": entry}}).to_string();
        match &parse(&text).unwrap().servers[0].transport {
            Transport::Url { url, protocol, .. } => {
                assert_eq!(url, "https://h");
                protocol.map(Protocol::name)
            }
            other => panic!("{entry}: {other:?}"),
        }
    };
    for (kind, expected) in [
        (json!({"type": "sse"}), Some("sse")),
        (json!({"transport": "SSE"}), Some("sse")),
        (json!({"type": "http"}), Some("http")),
        (json!({"type": "streamable-http"}), Some("http")),
        (json!({"type": "streamableHttp"}), Some("http")),
        (json!({"type": null}), None),
        (json!({}), None),
    ] {
        let mut entry = kind;
        entry["url"] = "https://h".into();
        assert_eq!(read(&entry), expected, "{entry}");
    }
    assert_eq!(read(&json!({"httpUrl": "https://h"})), Some("http"));
    assert_eq!(read(&json!({"serverUrl": "https://h"})), None);
}

#[test]
fn comments_and_trailing_commas_are_read() {
    let text = "\u{feff}{ // mine\n \"servers\": { \"a\": { \"command\": \"x\", /* y */ \"args\": [\"b\",], }, }, }";
    assert_eq!(parse(text).unwrap().servers.len(), 1);
    assert!(parse("{ \"servers\": ").is_err());
}

#[test]
fn numbers_and_variables_reach_the_server() {
    let text = r#"{"mcpServers": {"a": {"command": "x", "args": ["--port", 8080, true, "${HOME}/y"],
            "env": {"N": 2.5, "NO": null, "H": "${env:HOME}", "D": "${NOT_SET:-z}"}}}}"#;
    let Transport::Command { words, env, .. } = &parse(text).unwrap().servers[0].transport else {
        panic!();
    };
    assert_eq!(words, &["x", "--port", "8080", "true", "/home/ada/y"]);
    let env: Vec<String> = env.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(env, ["D=z", "H=/home/ada", "N=2.5"]);
}

#[test]
fn one_server_that_cannot_be_used_does_not_cost_the_others() {
    let text = r#"{"mcpServers": {
            "good": {"command": "x"},
            "empty": {},
            "asks": {"command": "x", "env": {"TOKEN": "${input:api_token}"}},
            "unset": {"command": "x", "args": ["${NOT_SET}"]},
            "nested": {"command": "x", "args": [["y"]]},
            "socket": {"type": "ws", "url": "wss://h"},
            "off": {"command": "x", "disabled": true},
            "g o o d": {"command": "x"}, "g-o-o-d": {"command": "y"}}}"#;
    let file = parse(text).unwrap();
    let names: Vec<&str> = file.servers.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let why: BTreeMap<_, _> = file.left_out.into_iter().collect();
    assert!(why["asks"].contains("${input:api_token}"));
    assert!(why["unset"].contains("NOT_SET"));
    assert!(why["socket"].contains("`ws`"));
    assert_eq!(why.len(), 7);
}
