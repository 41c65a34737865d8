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
    let untrusted = trusted.check(&file).unwrap_err();
    assert!(untrusted.help.unwrap().contains("tollgate trust"));
    trusted.add(&file).unwrap();
    trusted.check(&file).unwrap();
    let again = TrustedFiles::read_in(&dir.path().join("state")).unwrap();
    again.check(&file).unwrap();
    assert!(trusted.remove(&file).unwrap());
    assert!(trusted.check(&file).is_err());
}

#[test]
fn what_others_can_write_is_never_trusted() {
    let (dir, file, mut trusted) = world();
    trusted.add(&file).unwrap();
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&file, 0o646);
    assert!(trusted.check(&file).is_err());
    assert!(trusted.add(&file).is_err());
    set(&file, 0o644);
    set(dir.path(), 0o777);
    assert!(
        trusted
            .check(&file)
            .unwrap_err()
            .message
            .contains("everybody")
    );
    set(dir.path(), 0o1777);
    trusted.check(&file).unwrap();
    set(dir.path(), 0o700);
}
