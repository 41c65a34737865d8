use super::*;

#[test]
fn the_directory_is_that_of_the_gate_alone() {
    let dir = tempfile::tempdir().unwrap();
    let with = |mode: u32| {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        check_directory(dir.path()).unwrap().is_ok()
    };
    assert!(with(0o755) && with(0o711));
    for open in [0o775, 0o757, 0o777, 0o1777] {
        assert!(!with(open), "{open:o}");
    }
    let missing = check_directory(&dir.path().join("none"));
    assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_group_that_does_not_exist_is_named() {
    let error = group("no-such-group-here").unwrap_err().to_string();
    assert!(error.contains("no-such-group-here"), "{error}");
}
