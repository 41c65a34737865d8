//! Content of MCP as content of the gate. What the gate has no kind for becomes text that says so.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents, ServerResult};
use tollgate::{
    tool::{Content, EmbeddedResource, ResourceBody},
    upstream::CallResult,
};

/// How a call ended that the server answered.
pub(super) fn ending(result: ServerResult) -> CallResult {
    match result {
        ServerResult::CallToolResult(result) => returned(result),
        ServerResult::InputRequiredResult(_) => CallResult::Unusable(
            "the server asks for input in the middle of the call, which this gate does not pass on"
                .into(),
        ),
        _ => CallResult::Unusable("the server's answer is not the result of a call".into()),
    }
}

fn returned(result: CallToolResult) -> CallResult {
    let failed = result.is_error.unwrap_or(false);
    // Each part by itself: one that cannot be read becomes a line that says so, and costs no other.
    let readable = |block| part(block).unwrap_or_else(|problem| unreadable(&problem));
    let mut content: Vec<Content> = result.content.into_iter().map(readable).collect();
    content.extend(result.structured_content.map(Content::Structured));
    CallResult::Returned { content, failed }
}

fn part(block: ContentBlock) -> Result<Content, String> {
    let bytes = |text: &str| {
        let decoded = STANDARD.decode(text);
        decoded.map_err(|_| "what should be base64 is not".to_owned())
    };
    Ok(match block {
        ContentBlock::Text(text) => Content::Text { text: text.text },
        ContentBlock::Image(image) => Content::Image {
            data: bytes(&image.data)?,
            media_type: image.mime_type,
        },
        ContentBlock::Resource(embedded) => {
            let resource = match embedded.resource {
                ResourceContents::TextResourceContents {
                    uri,
                    mime_type,
                    text,
                    ..
                } => EmbeddedResource {
                    uri,
                    media_type: mime_type,
                    body: ResourceBody::Text(text),
                },
                ResourceContents::BlobResourceContents {
                    uri,
                    mime_type,
                    blob,
                    ..
                } => EmbeddedResource {
                    uri,
                    media_type: mime_type,
                    body: ResourceBody::Blob(bytes(&blob)?),
                },
                _ => return Ok(left_out("a resource of an unknown kind")),
            };
            Content::Resource { resource }
        }
        ContentBlock::ResourceLink(link) => Content::Text {
            text: format!("[resource {}: {}]", link.name, link.uri),
        },
        ContentBlock::Audio(_) => left_out("audio"),
        _ => left_out("content of an unknown kind"),
    })
}

fn unreadable(problem: &str) -> Content {
    Content::Text {
        text: format!("[left out: {problem}]"),
    }
}

fn left_out(what: &str) -> Content {
    Content::Text {
        text: format!("[left out: {what}, which this gate does not carry]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_content_has_its_place() {
        let result = json!({"content": [
            {"type": "text", "text": "a"},
            {"type": "image", "data": "AQI=", "mimeType": "image/png"},
            {"type": "audio", "data": "AQI=", "mimeType": "audio/wav"},
            {"type": "resource", "resource": {"uri": "a:b", "text": "x"}},
            {"type": "resource", "resource": {"uri": "a:b", "blob": "AQI="}},
            {"type": "resource_link", "uri": "a:b", "name": "n"},
        ], "structuredContent": {"n": 1}});
        let result = serde_json::from_value(result).unwrap();
        let CallResult::Returned { content, failed } = returned(result) else {
            panic!();
        };
        assert!(!failed);
        let kinds: Vec<String> = content
            .iter()
            .map(|part| serde_json::to_value(part).unwrap()["type"].to_string())
            .collect();
        let text = "\"text\"";
        let resource = "\"resource\"";
        assert_eq!(
            kinds,
            [
                text,
                "\"image\"",
                text,
                resource,
                resource,
                text,
                "\"structured\""
            ]
        );
    }

    #[test]
    fn a_part_that_cannot_be_read_costs_no_other() {
        let result = json!({"content": [
            {"type": "image", "data": "?", "mimeType": "image/png"},
            {"type": "text", "text": "a"},
        ]});
        let ending = returned(serde_json::from_value(result).unwrap());
        let CallResult::Returned { content, .. } = ending else {
            panic!("{ending:?}")
        };
        let texts: Vec<&str> = content
            .iter()
            .map(|part| match part {
                Content::Text { text } => text.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(texts, ["[left out: what should be base64 is not]", "a"]);
    }
}
