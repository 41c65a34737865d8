//! Clients' configuration files, as anyone may have written them.

use std::{collections::BTreeSet, path::Path};

use tollgate_fuzz::Target;

use super::{clients::ClientFile, files::Gate, leave_out_unusable};

const CLIENTS: Target = Target {
    name: "clients",
    package: "tollgate-cli",
    corpus: || {
        let texts = [
            "{ // mine\n \"mcpServers\": { \"files\": { \"command\": \"npx\", \"args\": [\"-y\", 8080, true, \"${HOME}/x\",], \"env\": { \"API_TOKEN\": \"correct horse battery\", \"N\": null, }, }, }, }",
            r#"{"servers":{"desk papers":{"type":"sse","url":"https://mcp.example.com/sse","headers":{"Authorization":"Bearer abcdefgh","X-Team":"support"}},"off":{"disabled":true,"command":"x"}}}"#,
            r#"{"mcp":{"servers":{"a":{"command":"x","env":{"A=B":"1","":"2","K\n":"${NOT_SET:-z}"}},"b":{"url":"not a url"},"c":{"httpUrl":"http://127.0.0.1:1/mcp"},"d":{"command":""},"e":{"args":[]}}}}"#,
            r#"{"mcpServers":{"x":{"command":"x\u0000","args":["\u007f","a\nb"]},"ü":{"url":"https://u:p@h/","headers":{"a b":"c","d":"\u0000"}},"X":{"command":"${input:token}"}}}"#,
        ];
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    },
    variants: 300,
    check: clients,
};

/// Each server stands for itself: those that can be described make a configuration, and the others have a reason.
fn clients(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let variable = |name: &str| (name == "HOME").then(|| "/home/ada".to_owned());
    let file = match ClientFile::parse(&text, variable) {
        Ok(file) => file,
        Err(why) => return assert!(!why.is_empty()),
    };
    let names: BTreeSet<&str> = file
        .servers
        .iter()
        .map(|server| server.name.as_str())
        .collect();
    assert_eq!(
        names.len(),
        file.servers.len(),
        "each has a name of its own"
    );
    assert!(file.left_out.iter().all(|(_, why)| !why.is_empty()));
    let dir = Path::new("/srv/gate");
    let mut servers = file.servers.clone();
    for (_, failure) in leave_out_unusable(dir, &mut servers) {
        assert!(!failure.to_string().is_empty());
    }
    if let Err(failure) = Gate::new(dir, &servers, &[]) {
        panic!("servers that can be described are not one configuration: {failure}");
    }
}

#[test]
fn fuzz_clients() {
    CLIENTS.play();
}
