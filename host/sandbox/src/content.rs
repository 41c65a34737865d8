//! Conversion of content between `types.wit` and tool results.

use tollgate_model::tool::{Content, EmbeddedResource, RawContent, ResourceBody};

use crate::bindings::types;

/// The content that a guest returned, before limits and checks.
pub(crate) fn raw(parts: Vec<types::Content>) -> Vec<RawContent> {
    parts.into_iter().map(from_guest).collect()
}

fn from_guest(part: types::Content) -> RawContent {
    match part {
        types::Content::Text(text) => RawContent::Text(text),
        types::Content::Structured(json) => RawContent::Structured(json),
        types::Content::Image(image) => RawContent::Image {
            data: image.data,
            media_type: image.media_type,
        },
        types::Content::Resource(resource) => RawContent::Resource(EmbeddedResource {
            uri: resource.uri,
            media_type: resource.media_type,
            body: match resource.body {
                types::ResourceBody::Text(text) => ResourceBody::Text(text),
                types::ResourceBody::Blob(bytes) => ResourceBody::Blob(bytes),
            },
        }),
    }
}

/// A part of another tool's result, for the calling guest.
pub(crate) fn for_guest(content: Content) -> types::Content {
    match content {
        Content::Text { text } => types::Content::Text(text),
        Content::Image { media_type, data } => {
            types::Content::Image(types::Image { media_type, data })
        }
        Content::Resource { resource } => types::Content::Resource(types::EmbeddedResource {
            uri: resource.uri,
            media_type: resource.media_type,
            body: match resource.body {
                ResourceBody::Text(text) => types::ResourceBody::Text(text),
                ResourceBody::Blob(data) => types::ResourceBody::Blob(data),
            },
        }),
        Content::Structured(value) => types::Content::Structured(value.to_string()),
    }
}
