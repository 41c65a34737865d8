//! The tools that the MCP conformance suite calls, under the names and with the answers that it expects.
//!
//! It is only for tests. Tools that the suite calls and this component lacks are listed, with reasons, in
//! `tests/clients/conformance/`.

use tollgate_guest::{
    Content, EmbeddedResource, ResourceBody, ToolError, adapter, log, progress, tool,
};

/// A red pixel.
const PNG: &[u8] = &[
    0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0x00, 0x00, 0x00, 0x0D, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53,
    0xDE, 0x00, 0x00, 0x00, 0x0C, 0x49, 0x44, 0x41, 0x54, 0x08, 0xD7, 0x63, 0xF8, 0xCF, 0xC0, 0x00,
    0x00, 0x03, 0x01, 0x01, 0x00, 0x18, 0xDD, 0x8D, 0xB0, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4E,
    0x44, 0xAE, 0x42, 0x60, 0x82,
];

fn pixel() -> Content {
    Content::image("image/png", PNG)
}

fn resource(uri: &str, media_type: &str, text: &str) -> Content {
    Content::Resource(EmbeddedResource {
        uri: uri.to_owned(),
        media_type: Some(media_type.to_owned()),
        body: ResourceBody::Text(text.to_owned()),
    })
}

/// Returns a text.
#[tool(read_only)]
fn test_simple_text() -> &'static str {
    "This is a simple text response for testing."
}

/// Returns a picture.
#[tool(read_only)]
fn test_image_content() -> Content {
    pixel()
}

/// Returns a resource.
#[tool(read_only)]
fn test_embedded_resource() -> Content {
    resource(
        "test://embedded-resource",
        "text/plain",
        "This is an embedded resource content.",
    )
}

/// Returns a text, a picture and a resource.
#[tool(read_only)]
fn test_multiple_content_types() -> Vec<Content> {
    vec![
        Content::text("Multiple content types test:"),
        pixel(),
        resource(
            "test://mixed-content-resource",
            "application/json",
            r#"{"test":"data","value":123}"#,
        ),
    ]
}

/// Fails.
#[tool]
fn test_error_handling() -> Result<String, ToolError> {
    Err(ToolError::failed(
        "This tool intentionally returns an error for testing",
    ))
}

/// Reports how far it has come, three times.
#[tool(read_only)]
fn test_tool_with_progress() -> &'static str {
    for done in [1, 50, 100] {
        progress::report(done, Some(100), "working");
    }
    "done"
}

/// Logs, for the operator alone.
#[tool(read_only)]
fn test_logging_tool() -> &'static str {
    log::info!("Tool execution started");
    log::info!("Tool processing data");
    log::info!("Tool execution completed");
    "logged"
}

/// Answers on a stream without a question to the user.
#[tool(read_only)]
fn test_streaming_elicitation() -> &'static str {
    progress::report(1, Some(1), "no question");
    "asked no question"
}

adapter!(
    test_simple_text,
    test_image_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_error_handling,
    test_tool_with_progress,
    test_logging_tool,
    test_streaming_elicitation,
);
