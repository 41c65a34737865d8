use super::*;

#[crate::arguments]
struct Greet {
    /// Whom to greet.
    name: String,
    /// How often.
    #[serde(default = "once")]
    times: u8,
}

fn once() -> u8 {
    1
}

/// Greets a person,
/// politely.
#[crate::tool(read_only, idempotent, title = "Greet")]
fn greet(args: Greet) -> String {
    format!("Hello {}! ", args.name).repeat(args.times.into())
}

/// Fails, always.
#[crate::tool(name = "fail-always")]
fn fail_always() -> Result<&'static str, ToolError> {
    Err(ToolError::failed("as it does"))
}

static ADAPTER: Adapter = Adapter::new(&[Entry::of::<greet>(), Entry::of::<fail_always>()]);

#[test]
fn lists_what_the_types_say() {
    let tools = list(&ADAPTER);
    assert_eq!(tools[0].name, "greet");
    assert_eq!(tools[0].title.as_deref(), Some("Greet"));
    assert_eq!(tools[0].description, "Greets a person, politely.");
    assert_eq!(
        tools[0].input_schema,
        r#"{"additionalProperties":false,"properties":{"name":{"description":"Whom to greet.","type":"string"},"times":{"default":1,"description":"How often.","maximum":255,"minimum":0,"type":"integer"}},"required":["name"],"type":"object"}"#
    );
    assert_eq!(tools[0].output_schema, None);
    assert!(tools[0].annotations.read_only && tools[0].annotations.idempotent);
    assert!(!tools[0].annotations.destructive && !tools[0].annotations.open_world);
    assert_eq!(tools[1].name, "fail-always");
    assert_eq!(
        tools[1].input_schema,
        r#"{"additionalProperties":false,"properties":{},"type":"object"}"#
    );
}

#[test]
fn calls_by_name() {
    let said = call(&ADAPTER, "greet", r#"{"name":"Ada","times":2}"#).unwrap();
    assert_eq!(said, [Content::text("Hello Ada! Hello Ada! ")]);
    assert_eq!(
        call(&ADAPTER, "greet", r#"{"name":"Ada"}"#).unwrap(),
        [Content::text("Hello Ada! ")]
    );
    assert!(matches!(
        call(&ADAPTER, "great", "{}"),
        Err(wit::ToolError::UnknownTool)
    ));
    assert!(
        matches!(call(&ADAPTER, "fail-always", "{}"), Err(wit::ToolError::Failed(text)) if text == "as it does")
    );
}

#[test]
fn refuses_arguments_that_do_not_fit() {
    let refusal = |name: &str, arguments: &str| match call(&ADAPTER, name, arguments) {
        Err(wit::ToolError::InvalidArguments(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(refusal("greet", "{}").contains("missing field `name`"));
    assert!(refusal("greet", r#"{"name":"Ada","loud":true}"#).contains("unknown field `loud`"));
    assert!(refusal("greet", r#"{"name":"Ada","times":256}"#).contains("256"));
    assert!(refusal("greet", r#"{"name":3}"#).contains("expected a string"));
    assert!(refusal("greet", "[").contains("EOF"));
    assert!(refusal("fail-always", r#"{"x":1}"#).contains("unknown field `x`"));
}
