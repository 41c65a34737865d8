use super::*;
use crate::{ToolError, testing};

#[test]
fn a_value_has_the_type_that_is_asked_for() {
    testing::config("region", "eu");
    testing::config("limit", 5);
    testing::config("hosts", vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(get::<String>("region").unwrap().as_deref(), Some("eu"));
    assert_eq!(get::<i64>("limit").unwrap(), Some(5));
    assert_eq!(get::<f64>("limit").unwrap(), Some(5.0));
    assert_eq!(get::<Vec<String>>("hosts").unwrap().unwrap(), ["a", "b"]);
    assert_eq!(get::<Value>("limit").unwrap(), Some(Value::Integer(5)));
    assert_eq!(get::<bool>("absent").unwrap(), None);
}

#[test]
fn errors_tell_what_is_wrong_with_which_key() {
    testing::config("limit", "five");
    let wrong = get::<i64>("limit").unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "cannot read the configuration `limit`: it is a text and should be an integer; the operator can correct it"
    );
    let invalid = get::<i64>("a/b").unwrap_err();
    assert!(matches!(invalid.kind(), ErrorKind::InvalidKey(_)));
    testing::deny_config("Not here.");
    let denied = ToolError::from(get::<i64>("limit").unwrap_err());
    assert!(
        matches!(&denied, ToolError::Denied(text) if text.contains("Not here. (decision ")),
        "{denied}"
    );
}
