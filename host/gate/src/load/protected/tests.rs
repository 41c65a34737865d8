use super::*;

const COMPONENT: &str = "[components.files]\npath = \"files.wasm\"\n";

fn checked(dir: &Path, rest: &str) -> Result<(), String> {
    let text = format!("{COMPONENT}{rest}");
    let config = Config::parse(&dir.join("tollgate.toml"), &text).unwrap();
    check(&config).map_err(|e| e.to_string())
}

#[test]
fn a_grant_may_not_contain_the_gate() {
    let dir = tempfile::tempdir().unwrap();
    for path in [
        ".",
        "..",
        "policies",
        "policies/deep",
        ".tollgate",
        "./data/..",
    ] {
        let rest = format!("grants.work = {{ path = \"{path}\", mode = \"r\" }}\n");
        let error = checked(dir.path(), &rest).unwrap_err();
        assert!(error.contains("grants.work"), "{path}: {error}");
    }
    let data = "grants.work = { path = \"data\", mode = \"rw\" }\n";
    assert_eq!(checked(dir.path(), data), Ok(()));
}

#[test]
fn a_grant_may_not_contain_the_rules_of_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let rest = "grants.work = { path = \"data\", mode = \"rw\" }\n\
                    [capture]\nrules = [\"data/rules.toml\"]\n";
    let error = checked(dir.path(), rest).unwrap_err();
    assert!(error.contains("the rules of secrets"), "{error}");
}

#[test]
fn a_link_to_the_gate_is_the_gate() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("link")).unwrap();
    for path in ["link", "link/policies"] {
        let rest = format!("grants.work = {{ path = \"{path}\", mode = \"r\" }}\n");
        assert!(checked(dir.path(), &rest).is_err(), "{path}");
    }
}

#[test]
fn a_root_of_an_upstream_server_may_not_contain_the_gate() {
    let dir = tempfile::tempdir().unwrap();
    let upstream =
        |root: &str| format!("[upstream.fs]\ncommand = [\"server\"]\nroots = [\"{root}\"]\n");
    assert!(checked(dir.path(), &upstream(".")).is_err());
    assert_eq!(checked(dir.path(), &upstream("data")), Ok(()));
}

#[test]
fn a_grant_may_not_contain_what_the_gate_starts_or_believes() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["data", "policies"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    let program = dir.path().join("data/program");
    fs::write(&program, "").unwrap();
    let program = program.display();
    // A program of a virtual environment is a link out of it.
    let linked = dir.path().join("data/python");
    std::os::unix::fs::symlink("/bin/sh", &linked).unwrap();
    for (rest, what) in [
        (
            format!("[secrets.t]\ncommand = [{:?}]\n", program.to_string()),
            "the program of a secret",
        ),
        (
            format!(
                "[secrets.t]\ncommand = [\"sh\", {:?}]\n",
                program.to_string()
            ),
            "the program of a secret",
        ),
        (
            format!(
                "[upstream.a]\ncommand = [\"node\", {:?}]\n",
                program.to_string()
            ),
            "the program of a server",
        ),
        (
            format!(
                "[upstream.a]\ncommand = [\"node\", {:?}]\n",
                format!("--require={program}")
            ),
            "the program of a server",
        ),
        (
            format!(
                "[upstream.a]\ncommand = [{:?}]\n",
                linked.display().to_string()
            ),
            "the program of a server",
        ),
        (
            "[upstream.a]\ncommand = [\"node\", \"program\"]\ndir = \"data\"\n".into(),
            "the working directory of a server",
        ),
    ] {
        let grant =
            |mode: &str| format!("grants.work = {{ path = \"data\", mode = \"{mode}\" }}\n{rest}");
        let error = checked(dir.path(), &grant("rw")).unwrap_err();
        assert!(error.contains(what), "{rest}: {error}");
        assert_eq!(checked(dir.path(), &grant("r")), Ok(()), "{rest}");
    }
    fs::create_dir(dir.path().join("data/shared")).unwrap();
    std::os::unix::fs::symlink(
        dir.path().join("data/shared"),
        dir.path().join("policies/shared"),
    )
    .unwrap();
    let data = "grants.work = { path = \"data\", mode = \"r\" }\n";
    let error = checked(dir.path(), data).unwrap_err();
    assert!(error.contains("the policies"), "{error}");
}

/// Every path that a configuration can have is one of the gate's own, or opened to others on purpose.
#[test]
fn every_path_of_a_configuration_is_protected_or_opened() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::parse(&dir.path().join("tollgate.toml"), FULL).unwrap();
    let protected: BTreeSet<PathBuf> = protected(&config).into_iter().map(|own| own.path).collect();
    let opened: BTreeSet<&Path> = opened(&config)
        .into_iter()
        .map(|opened| opened.path)
        .collect();
    let (text, root) = (format!("{config:?}"), dir.path().display().to_string());
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(&format!("\"{root}")) {
        let path = text[at + 1..].split('"').next().unwrap();
        let path = Path::new(path);
        assert!(
            protected.contains(path) || opened.contains(path),
            "{}",
            path.display()
        );
        found.insert(path.strip_prefix(dir.path()).unwrap().to_path_buf());
    }
    for name in [
        "keys.json",
        "tls.crt",
        "rules.toml",
        "tools.json",
        "server",
        "ca.pem",
        "hook/socket",
    ] {
        assert!(found.contains(Path::new(name)), "{name}: {found:?}");
    }
}

/// All keys that name files.
const FULL: &str = r#"
[store]
url = "sqlite:store/ledger.db"
key = "store/master.key"
[policies]
dir = "rules"
shadow = "candidate"
[components.files]
path = "files.wasm"
grants.work = { path = "data", mode = "rw" }
[users.dana]
[agents.desk]
login = "coder"
operator = "dana"
[serve.tls]
cert = "tls.crt"
key = "tls.key"
[serve.oauth]
resource = "https://gate.example.com"
issuer = "https://id.example.com"
jwks = "keys.json"
[network]
trust = ["ca.pem"]
[capture]
rules = ["rules.toml"]
[secrets.a]
file = "a.secret"
[upstream.fs]
command = ["server"]
dir = "server"
roots = ["root"]
[external.own]
tools = "tools.json"
labels = []
taints = []
[hook]
socket = "hook/socket"
"#;
