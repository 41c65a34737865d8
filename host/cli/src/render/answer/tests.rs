use super::*;

#[test]
fn results_are_printable_and_said_once() {
    let content = [
        Content::Text {
            text: "{\"a\": 1}".into(),
        },
        Content::Structured(serde_json::json!({ "a": 1 })),
        Content::Text {
            text: "\u{1b}[31mred".into(),
        },
        Content::Image {
            data: vec![0; 2048],
            media_type: "image/png".into(),
        },
    ];
    assert_eq!(
        result(&content),
        "{\"a\": 1}\n\\u{1b}[31mred\n[image image/png, 2.0 KiB]\n"
    );
    let one_value = [
        Content::Text {
            text: "hello".into(),
        },
        Content::Structured(serde_json::json!({ "result": "hello" })),
    ];
    assert_eq!(result(&one_value), "hello\n");
    assert_eq!(preview(&content, 12), "{\"a\": 1} …");
}
