use super::super::Config;
use super::*;

fn read(text: &str) -> Result<UpstreamConfig, String> {
    let secret = "[secrets.key]\nenv = \"KEY\"\n";
    let config = Config::parse(Path::new("/x/tollgate.toml"), &format!("{secret}{text}"));
    let config = config.map_err(|e| e.to_string())?;
    Ok(config.upstreams.get("up").cloned().unwrap())
}

#[test]
fn a_command_has_an_environment_of_its_own() {
    let config = read(
        "[upstream.up]\ncommand = [\"npx\", \"x\"]\nenv = { A = \"1\", K = { secret = \"key\" } }\n\
             limits = { time = \"5s\" }",
    )
    .unwrap();
    let UpstreamTransport::Command { env, dir, user, .. } = &config.transport else {
        panic!("{config:?}");
    };
    assert_eq!(dir, Path::new("/x/.tollgate/upstream/up"));
    assert!(user.is_none() && env.len() == 2);
    assert_eq!(config.secrets().collect::<Vec<_>>(), ["key"]);
    assert_eq!(config.limits.wall.as_secs(), 5);
}

#[test]
fn a_secret_for_a_url_is_a_bearer_token() {
    let config = read("[upstream.up]\nurl = \"https://h/mcp\"\nsecret = \"key\"").unwrap();
    let UpstreamTransport::Http { headers, .. } = &config.transport else {
        panic!("{config:?}");
    };
    let bearer = ConfigValue::Secret {
        name: "key".into(),
        prefix: "Bearer ",
    };
    assert_eq!(headers.get("authorization"), Some(&bearer));
    assert!(read("[upstream.up]\nurl = \"http://127.0.0.1:1/mcp\"\nsecret = \"key\"").is_ok());
    let old = read("[upstream.up]\nurl = \"https://h/sse\"\ntransport = \"sse\"").unwrap();
    assert!(matches!(
        old.transport,
        UpstreamTransport::Http {
            protocol: HttpProtocol::EventStream,
            ..
        }
    ));
}

#[test]
fn what_makes_no_sense_is_refused_with_a_remedy() {
    for (text, remedy) in [
        ("[upstream.up]", "command = [\"PROGRAM\", ..]"),
        ("[upstream.up]\ncommand = []", "command = [\"PROGRAM\", ..]"),
        (
            "[upstream.up]\ncommand = [\"a\"]\nurl = \"https://h\"",
            "either",
        ),
        (
            "[upstream.up]\ncommand = [\"a\"]\nsecret = \"key\"",
            "`env`",
        ),
        ("[upstream.up]\ncommand = [\"a\"]\nuser = \"x\"", "dir = "),
        (
            "[upstream.up]\nurl = \"https://h\"\nuser = \"x\"",
            "`headers`",
        ),
        (
            "[upstream.up]\nurl = \"http://example.com\"\nsecret = \"key\"",
            "use https",
        ),
        (
            "[upstream.up]\nurl = \"https://a:b@example.com\"",
            "secret = ",
        ),
        ("[upstream.up]\nurl = \"ftp://example.com\"", "https"),
        (
            "[upstream.up]\nurl = \"https://h\"\ntransport = \"ws\"",
            "leave it out",
        ),
        (
            "[upstream.up]\ncommand = [\"a\"]\nenv = { K = { secret = \"kex\" } }",
            "`key`",
        ),
        (
            "[upstream.up]\ncommand = [\"a\"]\nenv = { \"A=B\" = \"1\" }",
            "letters",
        ),
        (
            "[upstream.up]\ncommand = [\"a\"]\nlimits = { memory = \"1MiB\" }",
            "time",
        ),
        ("[upstream.a__b]\ncommand = [\"a\"]", "another name"),
        (
            "[components.up]\npath = \"a\"\n[upstream.up]\ncommand = [\"a\"]",
            "another name",
        ),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(remedy), "{text}: {error}");
    }
}
