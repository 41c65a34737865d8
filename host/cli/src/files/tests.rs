use super::*;

#[test]
fn a_file_with_these_bytes_is_not_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    assert!(replace_if_changed(&path, b"one").unwrap());
    assert!(!replace_if_changed(&path, b"one").unwrap());
    assert!(replace_if_changed(&path, b"two").unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"two");
}
