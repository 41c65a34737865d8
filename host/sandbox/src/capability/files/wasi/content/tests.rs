use super::*;

fn content(bytes: &[u8]) -> SharedContent {
    SharedContent::new(bytes.to_vec(), false, &Arc::default()).unwrap()
}

#[test]
fn only_a_change_is_stored() {
    let file = content(b"abc");
    file.resize(3).unwrap();
    file.write(Some(1), b"").unwrap();
    assert!(!file.is_changed(), "its size is the same");
    file.write(Some(1), b"x").unwrap();
    assert_eq!(file.take_changed().unwrap(), b"axc");
    file.resize(1).unwrap();
    assert_eq!(file.take_changed().unwrap(), b"a");
    file.write(Some(3), b"z").unwrap();
    assert_eq!(file.take_changed().unwrap(), b"a\0\0z");
    file.write(None, b"!").unwrap();
    assert_eq!(file.take_changed().unwrap(), b"a\0\0z!");
    assert_eq!(file.take_changed(), None, "once");
}

#[test]
fn a_write_beyond_the_largest_file_changes_nothing() {
    let file = content(b"abc");
    for offset in [MAX_FILE, u64::MAX] {
        assert!(file.write(Some(offset), b"x").is_err());
    }
    assert!(!file.is_changed());
    assert_eq!(file.read(0, 9), b"abc");
}
