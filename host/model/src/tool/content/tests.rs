use serde_json::json;

use super::*;

#[test]
fn content_has_the_shape_of_mcp() {
    let resource = |body| Content::Resource {
        resource: EmbeddedResource {
            uri: "a:b".into(),
            media_type: None,
            body,
        },
    };
    for (content, expected) in [
        (
            Content::Text { text: "x".into() },
            json!({"type": "text", "text": "x"}),
        ),
        (
            Content::Image {
                data: vec![1, 2, 3],
                media_type: "image/png".into(),
            },
            json!({"type": "image", "data": "AQID", "mimeType": "image/png"}),
        ),
        (
            resource(ResourceBody::Text("x".into())),
            json!({"type": "resource", "resource": {"uri": "a:b", "text": "x"}}),
        ),
        (
            resource(ResourceBody::Blob(vec![1, 2, 3])),
            json!({"type": "resource", "resource": {"uri": "a:b", "blob": "AQID"}}),
        ),
        (
            Content::Structured(json!([1])),
            json!({"type": "structured", "value": [1]}),
        ),
    ] {
        let json = serde_json::to_value(&content).unwrap();
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<Content>(json).unwrap(), content);
    }
}

#[test]
fn a_part_that_breaks_a_rule_is_the_tools_failure() {
    let image = |media_type: &str| RawContent::Image {
        media_type: media_type.into(),
        data: vec![1],
    };
    let resource = |uri: &str| {
        RawContent::Resource(EmbeddedResource {
            uri: uri.into(),
            media_type: None,
            body: ResourceBody::Text(String::new()),
        })
    };
    for good in [
        image("image/png"),
        image("text/plain; charset=utf-8"),
        resource("file:///a%20b"),
    ] {
        assert!(BoundedContent::of_parts(vec![good], 100).content.is_ok());
    }
    for bad in [
        image("png"),
        image("a/b\n"),
        image("/"),
        resource("none"),
        resource("a b:c"),
        resource(":x"),
    ] {
        let failure = BoundedContent::of_parts(vec![bad], 100)
            .content
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Failed);
    }
}

#[test]
fn a_part_that_breaks_a_rule_costs_no_other() {
    let structured = |json: &str| RawContent::Structured(json.into());
    let parts = vec![
        RawContent::Image {
            media_type: "png".into(),
            data: vec![1],
        },
        structured(r#"{"id":1902433718237462529,"n":1e21}"#),
        structured(&format!("{}1{}", "[".repeat(90), "]".repeat(90))),
        RawContent::Text("a".into()),
    ];
    let content = BoundedContent::of_each_part(parts, 1000).content.unwrap();
    let shown = |part: &Content| match part {
        Content::Text { text } => text.clone(),
        other => serde_json::to_value(other).unwrap()["value"].to_string(),
    };
    let content: Vec<String> = content.iter().map(shown).collect();
    assert_eq!(content[0], "[left out: a media type is not valid]");
    assert_eq!(content[1], r#"{"id":1902433718237462529,"n":1e+21}"#);
    assert!(content[2].contains("nested deeper"), "{content:?}");
    assert_eq!(content[3], "a");
}

#[test]
fn there_is_an_end_to_parts_and_words() {
    let parts = vec![RawContent::Text(String::new()); MAX_PARTS + 1];
    let bounded = BoundedContent::of_parts(parts, 100);
    assert!(bounded.cut && bounded.content.is_ok_and(|parts| parts.len() == MAX_PARTS));
    let failure = BoundedContent::of_failure(FailureKind::Failed, "üü".into(), 3);
    assert!(failure.cut && failure.size == 4);
    assert_eq!(failure.content.unwrap_err().message, "ü");
}

#[test]
fn what_is_said_twice_counts_once() {
    let json = r#"{"rows":["aaaaaaaa","bbbbbbbb"]}"#;
    let text = |text: &str| RawContent::Text(text.into());
    let data = |json: &str| RawContent::Structured(json.into());
    let pretty = "{ \"rows\": [\"aaaaaaaa\", \"bbbbbbbb\"] }";
    for parts in [
        vec![text(json), data(json)],
        vec![data(json), text(json)],
        vec![text(pretty), data(json)],
        vec![
            text("aaaaaaaaaaaaaaaaaa"),
            data(r#"{"result":"aaaaaaaaaaaaaaaaaa"}"#),
        ],
    ] {
        let most = parts.iter().map(RawContent::size).max().unwrap() as u64;
        let bounded = BoundedContent::of_parts(parts.clone(), most);
        assert!(!bounded.cut, "{parts:?}");
        assert_eq!((bounded.size, bounded.content.unwrap().len()), (most, 2));
        let bounded = BoundedContent::of_parts(parts, most - 1);
        assert!(bounded.cut && bounded.size == most);
    }
    // Each says it of one other.
    let parts = vec![data(json), text(json), text(json)];
    let bounded = BoundedContent::of_parts(parts, json.len() as u64);
    assert!(bounded.cut && bounded.size == 2 * json.len() as u64);
    // Other words do not repeat it.
    let bounded = BoundedContent::of_parts(vec![text("two rows"), data(json)], 39);
    assert!(bounded.cut && bounded.size == 40);
}
