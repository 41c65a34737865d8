//! Results of tools.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{ToolError, schema};

pub use crate::bindings::tollgate::adapter::types::{
    Content, EmbeddedResource, Image, ResourceBody,
};

impl Content {
    /// Text for the model to read.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A picture: the file's bytes, and a media type such as `image/png`.
    pub fn image(media_type: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self::Image(Image {
            media_type: media_type.into(),
            data: data.into(),
        })
    }

    /// Structured data.
    ///
    /// # Errors
    /// If the value has no JSON form, such as a map whose keys are not text.
    pub fn structured(value: &impl Serialize) -> Result<Self, ToolError> {
        json(value).map(Self::Structured)
    }
}

/// A value that a tool may return.
pub trait IntoContent {
    /// The parts of the result.
    ///
    /// # Errors
    /// If the value has no JSON form.
    fn into_content(self) -> Result<Vec<Content>, ToolError>;

    /// The schema of the structured part, if there is one.
    #[must_use]
    fn output_schema() -> Option<Value> {
        None
    }
}

/// A structured result: JSON for programs, and the same as text for models that read only text. The type, a
/// struct marked [`output`](crate::output), becomes the tool's output schema.
///
/// `(text, Json(value))` uses a text of your own instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize + JsonSchema> IntoContent for Json<T> {
    fn into_content(self) -> Result<Vec<Content>, ToolError> {
        let json = json(&self.0)?;
        Ok(vec![Content::Text(json.clone()), Content::Structured(json)])
    }

    fn output_schema() -> Option<Value> {
        Some(schema::output::<T>())
    }
}

impl<T: Serialize + JsonSchema> IntoContent for (String, Json<T>) {
    fn into_content(self) -> Result<Vec<Content>, ToolError> {
        Ok(vec![Content::Text(self.0), Content::structured(&self.1.0)?])
    }

    fn output_schema() -> Option<Value> {
        Json::<T>::output_schema()
    }
}

impl IntoContent for String {
    fn into_content(self) -> Result<Vec<Content>, ToolError> {
        Ok(vec![Content::Text(self)])
    }
}

impl IntoContent for &str {
    fn into_content(self) -> Result<Vec<Content>, ToolError> {
        Ok(vec![Content::text(self)])
    }
}

impl IntoContent for Content {
    fn into_content(self) -> Result<Vec<Content>, ToolError> {
        Ok(vec![self])
    }
}

impl IntoContent for Vec<Content> {
    fn into_content(self) -> Result<Vec<Content>, ToolError> {
        Ok(self)
    }
}

/// A return type of a tool's function: an [`IntoContent`], or a `Result` of one.
pub trait Outcome {
    /// The result, or why there is none.
    ///
    /// # Errors
    /// The error of the tool's function.
    fn outcome(self) -> Result<Vec<Content>, ToolError>;

    /// The schema of the structured part, if there is one.
    #[must_use]
    fn schema() -> Option<Value>;
}

impl<T: IntoContent> Outcome for T {
    fn outcome(self) -> Result<Vec<Content>, ToolError> {
        self.into_content()
    }

    fn schema() -> Option<Value> {
        T::output_schema()
    }
}

impl<T: IntoContent, E: Into<ToolError>> Outcome for Result<T, E> {
    fn outcome(self) -> Result<Vec<Content>, ToolError> {
        self.map_err(Into::into)?.into_content()
    }

    fn schema() -> Option<Value> {
        T::output_schema()
    }
}

fn json(value: &impl Serialize) -> Result<String, ToolError> {
    serde_json::to_string(value)
        .map_err(|error| ToolError::failed(format!("the result has no JSON form: {error}")))
}
