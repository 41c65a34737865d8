use serde_json::json;
use tollgate::upstream::Offer;

use super::*;

fn server(env: &[(&str, &str)]) -> Server {
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Server {
        name: "box".into(),
        transport: Transport::Command {
            words: vec!["box".into(), "a \"b\"\n\\".into()],
            env: env.collect(),
            here: false,
        },
        written: "box".into(),
        variables: BTreeSet::new(),
    }
}

/// What is there already is another person's: it gets no secret, and does not count as part of the gate.
#[test]
fn a_new_gate_takes_nothing_that_is_there() {
    let elsewhere = tempfile::tempdir().unwrap();
    for part in [".tollgate", "policies", "tollgate.lock"] {
        for is_link in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let planted = dir.path().join(part);
            match is_link {
                true => {
                    std::os::unix::fs::symlink(elsewhere.path().join("absent"), &planted).unwrap()
                }
                false => fs::create_dir(&planted).unwrap(),
            }
            assert!(Draft::begin(dir.path()).is_err(), "{part} {is_link}");
            assert!(planted.symlink_metadata().is_ok(), "it stays");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let draft = Draft::begin(dir.path()).unwrap();
    let gate = Gate::new(
        dir.path(),
        &[server(&[("API_TOKEN", "correct horse")])],
        &[],
    )
    .unwrap();
    gate.write_secrets().unwrap();
    let folder = dir.path().join(SECRETS);
    let mode = |path: &Path| {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
    };
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("box-api-token")), 0o600);
    // Where a file or a link came in between, the secret is not written.
    let target = elsewhere.path().join("target");
    fs::remove_file(folder.join("box-api-token")).unwrap();
    std::os::unix::fs::symlink(&target, folder.join("box-api-token")).unwrap();
    assert!(gate.write_secrets().is_err());
    assert!(!target.exists());
    drop(draft);
    assert!(!folder.exists());
}

#[test]
fn each_secret_has_a_name_of_its_own() {
    let mut secrets = BTreeMap::new();
    let mut named = |name: &str, key: &str, value: &str| {
        let server = Server {
            name: name.into(),
            ..server(&[(key, value)])
        };
        described(&server, &mut secrets).unwrap()
    };
    let first = named("git", "HUB_TOKEN", "correct horse");
    let second = named("git-hub", "TOKEN", "battery staple");
    let again = named("git.hub", "TOKEN", "correct horse");
    assert!(first.contains("\"git-hub-token\""), "{first}");
    assert!(second.contains("\"git-hub-token-2\""), "{second}");
    assert!(again.contains("\"git-hub-token\""), "{again}");
    let database = named("db", "DATABASE", "postgres://me:correct@db/horse");
    assert!(!database.contains("correct"), "{database}");
    assert_eq!(secrets.len(), 3);
    assert_eq!(secrets["git-hub-token-2"], "battery staple");
}

#[test]
fn secrets_do_not_stand_in_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let servers = [server(&[
        ("API_TOKEN", "correct horse"),
        ("LANG", "C"),
        ("KEY", "no"),
    ])];
    let gate = Gate::new(dir.path(), &servers, &[Extra::Prompts]).unwrap();
    gate.write_secrets().unwrap();
    let hostile = json!({"name": "read", "inputSchema": {},
        "description": "x\n[tools.evil]\nlabels = []\r[users.eve]"});
    let offer = Offer::new(&[hostile]);
    gate.write(&[("box".into(), Difference::between(None, &offer))])
        .unwrap();
    let text = fs::read_to_string(dir.path().join(FILE_NAME)).unwrap();
    assert!(!text.contains("correct horse"));
    let config = Config::read(&dir.path().join(FILE_NAME)).unwrap();
    assert!(
        config.tools.is_empty() && !config.users.contains_key("eve"),
        "{text}"
    );
    let secret = config.secrets.keys().next().unwrap();
    let file = dir.path().join(".tollgate/secrets").join(secret);
    assert_eq!(fs::read_to_string(file).unwrap(), "correct horse");
    let wrapped = &config.upstreams["box"];
    assert_eq!(wrapped.secrets().count(), 1);
    assert!(wrapped.carried.instructions && wrapped.carried.resources.is_any());
    assert!(!wrapped.carried.prompts.is_any());
}

#[test]
fn each_tool_gets_a_usable_name_of_its_own() {
    let long = "x".repeat(128);
    let names = ["a.b", "a:b", "a/b", "a b", "a_b", "plain", &long];
    let tools: Vec<_> = names
        .iter()
        .map(|name| json!({"name": name, "inputSchema": {}}))
        .collect();
    let tools: Vec<_> = Offer::new(&tools)
        .definitions()
        .tools
        .into_values()
        .collect();
    assert_eq!(tools.len(), names.len());
    let renamed = renamed("box", &tools);
    let mut new: Vec<&str> = renamed.values().map(String::as_str).collect();
    assert_eq!(new.len(), 5, "{renamed:?}");
    new.push("box__a_b");
    new.sort_unstable();
    new.dedup();
    assert_eq!(new.len(), 6, "{renamed:?}");
    assert!(new.iter().all(|name| name.len() <= MAX_TOOL_NAME));
}

#[test]
fn every_text_is_the_same_in_the_configuration() {
    for text in [
        "plain",
        "",
        "a\nb",
        "\u{1b}[31m\n\u{0}",
        "\u{7f}\r\n",
        "'\"\"\"",
        "\\u0041",
        "\u{2028}é😀",
    ] {
        let table: toml::Table = toml::from_str(&format!("k = {}", quoted(text))).unwrap();
        assert_eq!(table["k"].as_str(), Some(text), "{text:?}");
        assert!(!quoted(text).contains(['\n', '\r']));
    }
}

#[test]
fn a_gate_that_was_not_made_leaves_no_secrets_behind() {
    let parent = tempfile::tempdir().unwrap();
    for was_there in [true, false] {
        let dir = parent.path().join(format!("gate-{was_there}"));
        if was_there {
            fs::create_dir(&dir).unwrap();
        }
        let draft = Draft::begin(&dir);
        let gate = Gate::new(&dir, &[server(&[("API_TOKEN", "correct horse")])], &[]).unwrap();
        gate.write_secrets().unwrap();
        drop(draft);
        assert!(!dir.join(SECRETS).exists());
        assert_eq!(dir.exists(), was_there);
    }
}

#[test]
fn what_is_proposed_loads_once_it_is_no_comment() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::new(dir.path(), &[server(&[])], &[]).unwrap();
    let tool = json!({"name": "send the mail", "inputSchema": {"type": "object"}});
    let offer = Offer::new(&[tool]);
    gate.write(&[("box".into(), Difference::between(None, &offer))])
        .unwrap();
    let file = dir.path().join(FILE_NAME);
    let text = fs::read_to_string(&file).unwrap();
    let text = text
        .replace("# [tools", "[tools")
        .replace("# labels", "labels")
        .replace("# taints", "taints");
    let config = Config::parse(&file, &text).unwrap();
    let named: Vec<&String> = config.tools.keys().collect();
    let renamed: Vec<&String> = config.upstreams["box"].rename.values().collect();
    assert_eq!(named, renamed, "{text}");
    assert_eq!(named, ["box__send_the_mail"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(
        mode & 0o777,
        0o600,
        "it may have secrets of the command line"
    );
}

#[test]
fn what_looks_like_a_secret_is_one_whatever_it_is_called() {
    let token = format!("ghp_{}", "0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX");
    let mut secrets = BTreeMap::new();
    let mut with_argument = server(&[("FOO", &token), ("LANG", "C.UTF-8")]);
    let text = described(&with_argument, &mut secrets).unwrap();
    assert!(!text.contains(&token) && text.contains("C.UTF-8"), "{text}");
    assert_eq!(secrets["box-foo"], token);
    assert_eq!(secret_words(&with_argument).unwrap(), Vec::<usize>::new());
    if let Transport::Command { words, .. } = &mut with_argument.transport {
        words.extend(["--token".to_owned(), token]);
    }
    assert_eq!(secret_words(&with_argument).unwrap(), [3]);
}
