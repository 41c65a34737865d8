//! A file's content in a form for models.

use tollgate_guest::{Content, ToolError};

/// Text as text, a picture as a picture; anything else is refused.
pub(crate) fn content(data: Vec<u8>, path: &str) -> Result<Content, ToolError> {
    if let Some(media_type) = picture(&data) {
        return Ok(Content::image(media_type, data));
    }
    match String::from_utf8(data) {
        Ok(text) => Ok(Content::Text(text)),
        Err(error) => Err(ToolError::failed(format!(
            "`{path}` is neither text in UTF-8 nor a picture ({} bytes)",
            error.as_bytes().len()
        ))),
    }
}

/// The media type according to the first bytes, because a name proves nothing.
fn picture(data: &[u8]) -> Option<&'static str> {
    if data.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if data.starts_with(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if data.starts_with(b"GIF87a") || data.starts_with(b"GIF89a") {
        Some("image/gif")
    } else if data.starts_with(b"RIFF") && data.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
