use serde_json::json;

use super::*;

#[tokio::test]
async fn a_result_that_breaks_its_schema_is_the_tools_error_and_happened() {
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } } });
    let check = SchemaCheck::new(&schema).unwrap();
    let returned = |value| Execution::returned(vec![Content::Structured(value)], 1_000);
    let kept = returned(json!({ "n": 1 }));
    assert_eq!(check_output(Some(&check), kept.clone()).await, kept);

    let broken = check_output(Some(&check), returned(json!({ "n": "secret" }))).await;
    assert_eq!((broken.status, broken.effects), (Status::ToolError, 1));
    assert!(broken.unusable, "it did its work");
    let message = broken.content.unwrap_err().message;
    assert!(
        message.contains("`/n`") && message.contains("integer"),
        "{message}"
    );
    assert!(!message.contains("secret"), "{message}");
    assert!(
        check_output(None, returned(json!({ "n": "x" })))
            .await
            .content
            .is_ok()
    );
}
