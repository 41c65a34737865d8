use super::*;

fn world() -> (tempfile::TempDir, PathBuf, TrustedFiles) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tollgate.toml");
    fs::write(&file, "[gate]\n").unwrap();
    let trusted = TrustedFiles::read_in(&dir.path().join("state")).unwrap();
    (dir, file, trusted)
}

#[test]
fn a_configuration_that_lies_there_must_be_trusted_first() {
    let (dir, file, mut trusted) = world();
    let untrusted = trusted.resolve(file.clone()).unwrap_err();
    assert!(untrusted.help.unwrap().contains("tollgate trust"));
    trusted.add(&file).unwrap();
    trusted.resolve(file.clone()).unwrap();
    let again = TrustedFiles::read_in(&dir.path().join("state")).unwrap();
    again.resolve(file.clone()).unwrap();
    assert!(trusted.remove(&file).unwrap());
    assert!(trusted.resolve(file.clone()).is_err());
}

#[test]
fn what_others_can_write_is_never_trusted() {
    let (dir, file, mut trusted) = world();
    trusted.add(&file).unwrap();
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&file, 0o646);
    assert!(trusted.resolve(file.clone()).is_err());
    assert!(trusted.add(&file).is_err());
    set(&file, 0o644);
    set(dir.path(), 0o777);
    assert!(
        trusted
            .resolve(file.clone())
            .unwrap_err()
            .message
            .contains("everybody")
    );
    set(dir.path(), 0o1777);
    trusted.resolve(file.clone()).unwrap();
    set(dir.path(), 0o700);
}

/// Who can rename a directory further up can put another one of this user's in its place.
#[test]
fn every_directory_above_counts() {
    let (dir, _, mut trusted) = world();
    let shared = dir.path().join("shared");
    fs::create_dir_all(shared.join("project/gate")).unwrap();
    let file = shared.join("project/gate/tollgate.toml");
    fs::write(&file, "[gate]\n").unwrap();
    trusted.add(&file).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    let refused = trusted.resolve(file.clone()).unwrap_err().message;
    assert!(refused.contains("everybody"), "{refused}");
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
    trusted.resolve(file).unwrap();
}

/// Paths in a configuration are relative to it, so it is read where it is trusted, not where a link to it lies.
#[test]
fn a_link_to_a_trusted_configuration_stands_for_that_file() {
    let (dir, file, mut trusted) = world();
    let trusted_file = trusted.add(&file).unwrap();
    let clone = dir.path().join("clone");
    fs::create_dir(&clone).unwrap();
    let directory = clone.join("gate");
    std::os::unix::fs::symlink(dir.path(), &directory).unwrap();
    let relative = clone.join("tollgate.toml");
    std::os::unix::fs::symlink("../tollgate.toml", &relative).unwrap();
    let chain = clone.join("chain.toml");
    std::os::unix::fs::symlink("tollgate.toml", &chain).unwrap();
    for link in [relative, chain, directory.join("tollgate.toml")] {
        assert_eq!(
            trusted.resolve(link.clone()).unwrap(),
            trusted_file,
            "{link:?}"
        );
    }
}
