use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

fn world() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(dir.path()).unwrap();
    fs::create_dir_all(real.join("app/.github/workflows")).unwrap();
    let text = real.to_str().unwrap().to_owned();
    (dir, text)
}

#[test]
fn every_spelling_of_a_file_is_one_path() {
    let (_dir, root) = world();
    symlink(
        format!("{root}/app/.github"),
        format!("{root}/app/innocent"),
    )
    .unwrap();
    let cwd = format!("{root}/app");
    let expected = format!("{root}/app/.github/workflows/ci.yml");
    for spelling in [
        "{}/app/.github/workflows/ci.yml",
        "{}/app/.github/./workflows/ci.yml",
        "{}/app/docs/../.github/workflows/ci.yml",
        "{}//app//.github//workflows/ci.yml",
        "{}/app/innocent/workflows/ci.yml",
        ".github/workflows/ci.yml",
        "./innocent/workflows/../workflows/ci.yml",
    ] {
        let path = spelling.replace("{}", &root);
        assert_eq!(resolve(&path, Some(&cwd)).unwrap(), expected, "{path}");
    }
}

#[test]
fn a_link_or_a_tilde_is_a_detour_and_another_spelling_is_none() {
    let (_dir, root) = world();
    symlink(
        format!("{root}/app/.github"),
        format!("{root}/app/innocent"),
    )
    .unwrap();
    symlink(format!("{root}/app"), format!("{root}/here")).unwrap();
    for (path, cwd, expected) in [
        ("innocent/workflows/ci.yml", "app", true),
        ("innocent/../x", "app", true),
        ("~/x", "app", true),
        (".github/./workflows//ci.yml", "app", false),
        (".github/../new", "app", false),
        ("new", "here", false),
        ("{}/here/new", "here", false),
        ("{}/app/new", "here", false),
        ("{}/here/new", "app", true),
    ] {
        let (path, cwd) = (path.replace("{}", &root), format!("{root}/{cwd}"));
        let resolved = resolve(&path, Some(&cwd)).unwrap();
        assert_eq!(
            is_detour(&path, Some(&cwd), &resolved),
            expected,
            "{path} in {cwd}"
        );
    }
}

#[test]
fn what_cannot_be_resolved_is_refused() {
    let (_dir, root) = world();
    symlink(format!("{root}/nowhere"), format!("{root}/app/link")).unwrap();
    assert!(resolve(&format!("{root}/app/link"), None).is_err());
    assert!(resolve("a.txt", None).is_err());
    assert!(resolve("a.txt", Some("app")).is_err());
}

proptest! {
    #[test]
    fn resolving_is_idempotent_and_leaves_no_dots(parts in prop::collection::vec("[.a-b/]{0,4}", 0..8)) {
        let (_dir, root) = world();
        let once = resolve(&parts.join("/"), Some(&root)).unwrap();
        prop_assert!(Path::new(&once).is_absolute());
        prop_assert!(!once.split('/').any(|part| part == "." || part == ".."));
        prop_assert!(once == "/" || !once.contains("//"));
        prop_assert_eq!(&resolve(&once, None).unwrap(), &once);
    }
}
