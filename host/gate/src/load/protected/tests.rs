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
