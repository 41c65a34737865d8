use super::*;

#[test]
fn keys_are_plain_names() {
    for key in ["a", "zwölf/2:x y", &"k".repeat(256)] {
        assert_eq!(check_key(key), Ok(()), "{key}");
    }
    for key in ["", "a\nb", "a\0", "zwo\u{308}lf", &"k".repeat(257)] {
        assert!(
            matches!(check_key(key), Err(StateError::InvalidKey(_))),
            "{key:?}"
        );
    }
}

#[test]
fn a_value_is_sealed_for_its_place_alone() {
    let namespace = |run| StateNamespace {
        tenant: "t".into(),
        component: "c".into(),
        run,
    };
    let run = RunId::from_bytes([7; 16]);
    assert_ne!(
        sealed_as(&namespace(None), "k"),
        sealed_as(&namespace(Some(run)), "k")
    );
    assert_ne!(
        sealed_as(&namespace(None), "k"),
        sealed_as(&namespace(None), "l")
    );
}
