use super::*;

#[test]
fn a_place_is_drawn_with_its_line() {
    assert_eq!(offset("ab\nüx", 2, 2), Some(5));
    assert_eq!(offset("ab", 9, 1), None);
    assert_eq!(extent("a = enviroment = 1", 4, 1), (4, 10));
    assert_eq!(extent("@id(\"x\")\npermit", 0, 15), (0, 8));
    assert_eq!(extent("permit (é", 10, 1), (8, 2));
    assert_eq!(extent("", 0, 1), (0, 1));
    let place = Place {
        file: "/nowhere/x.cedar".into(),
        line: 3,
        column: 7,
        length: 1,
        error: true,
        note: false,
        code: "policy::missing-id".into(),
        message: "this policy has no `@id`".into(),
        help: Some("add one".into()),
    };
    assert!(render(&[place]).contains("at /nowhere/x.cedar:3:7"));
}
