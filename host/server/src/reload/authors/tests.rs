use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn world() -> (tempfile::TempDir, Config) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tollgate.toml");
    fs::create_dir_all(dir.path().join("policies/more")).unwrap();
    for name in ["tollgate.toml", "policies/a.cedar", "policies/more/b.cedar"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    for entry in files(&Config::parse(&file, "").unwrap()) {
        if let Ok(found) = fs::metadata(&entry) {
            set(&entry, if found.is_dir() { 0o755 } else { 0o644 }).unwrap();
        }
    }
    (dir, Config::parse(&file, "").unwrap())
}

#[test]
fn a_file_that_others_can_write_has_no_author() {
    let (dir, config) = world();
    check_private(&files(&config)).unwrap();
    for (path, mode, was) in [
        ("tollgate.toml", 0o646, 0o644),
        ("policies/more/b.cedar", 0o666, 0o644),
        ("policies/more", 0o757, 0o755),
        ("policies", 0o777, 0o755),
        ("", 0o757, 0o755),
    ] {
        let path = dir.path().join(path);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = check_private(&files(&config)).unwrap_err().to_string();
        assert!(error.contains("every account can write it"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(was)).unwrap();
    }
    // A link is as private as what it leads to.
    let open = tempfile::tempdir().unwrap();
    let target = open.path().join("c.cedar");
    fs::write(&target, "").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o666)).unwrap();
    std::os::unix::fs::symlink(&target, dir.path().join("policies/c.cedar")).unwrap();
    assert!(check_private(&files(&config)).is_err());
}

#[test]
fn a_directory_further_up_that_others_can_write_leaves_no_author() {
    let (dir, _) = world();
    fs::create_dir_all(dir.path().join("shared/project/gate")).unwrap();
    let file = dir.path().join("shared/project/gate/a.cedar");
    fs::write(&file, "").unwrap();
    let set = |path: &str, mode| {
        fs::set_permissions(dir.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    set("shared/project/gate/a.cedar", 0o644);
    set("shared/project/gate", 0o755);
    set("shared/project", 0o755);
    set("shared", 0o755);
    check_private(&BTreeSet::from([file.clone()])).unwrap();
    set("shared", 0o777);
    assert!(check_private(&BTreeSet::from([file])).is_err());
}

/// The loader follows links to folders, so what is behind them is checked and watched as well.
#[test]
fn files_behind_a_linked_folder_have_authors_too() {
    let (dir, config) = world();
    let shared = tempfile::tempdir().unwrap();
    fs::create_dir(shared.path().join("deep")).unwrap();
    let file = shared.path().join("deep/team.cedar");
    fs::write(&file, "").unwrap();
    for (path, mode) in [(shared.path().join("deep"), 0o755), (file.clone(), 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    std::os::unix::fs::symlink(shared.path(), dir.path().join("policies/shared")).unwrap();
    check_private(&files(&config)).unwrap();
    let before = FileVersions::of(&config);
    fs::write(&file, "permit (principal, action, resource);").unwrap();
    let changed = before.changed(&FileVersions::of(&config));
    let linked = dir.path().join("policies/shared/deep/team.cedar");
    assert_eq!(changed, BTreeSet::from([linked]));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let error = check_private(&files(&config)).unwrap_err().to_string();
    assert!(error.contains("every account can write it"), "{error}");
}

#[test]
fn a_change_has_the_owners_of_file_and_directory_as_authors() {
    let (dir, config) = world();
    let before = FileVersions::of(&config);
    assert_eq!(before.changed(&FileVersions::of(&config)), BTreeSet::new());
    fs::write(dir.path().join("policies/a.cedar"), "more").unwrap();
    fs::write(dir.path().join("policies/new.cedar"), "").unwrap();
    fs::remove_file(dir.path().join("policies/more/b.cedar")).unwrap();
    let changed = before.changed(&FileVersions::of(&config));
    for name in [
        "policies/a.cedar",
        "policies/new.cedar",
        "policies/more/b.cedar",
    ] {
        assert!(
            changed.contains(&dir.path().join(name)),
            "{name}: {changed:?}"
        );
    }
    assert!(!changed.contains(&config.file));
    let own = rustix::process::geteuid().as_raw();
    assert_eq!(authors(&changed).unwrap(), BTreeSet::from([own]));
}
