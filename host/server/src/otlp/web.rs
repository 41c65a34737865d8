//! OTLP/HTTP: protobuf and JSON, plain and gzip.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tollgate_trace::ingest::{Encoding, Format, PartialSuccess};

use super::{ExportSignal, Intake, IntakeError, partial};
use crate::{auth::AuthenticatedCaller, problem::Problem};

pub(super) async fn export<S: ExportSignal>(
    State(intake): State<Arc<Intake>>,
    Extension(who): Extension<AuthenticatedCaller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let header = |name| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("?"))
            .unwrap_or_default()
    };
    let unsupported = |what: &str| {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            what,
        )
    };
    let Some(format) = Format::from_content_type(header(header::CONTENT_TYPE)) else {
        return Err(unsupported(
            "send `Content-Type: application/x-protobuf` or `application/json`",
        ));
    };
    let Some(encoding) = Encoding::from_name(header(header::CONTENT_ENCODING)) else {
        return Err(unsupported(
            "send the body as it is, or with `Content-Encoding: gzip`",
        ));
    };
    let taking = async {
        let sent = intake.body(&who, body).await?;
        intake.take::<S>(&who, sent, encoding, format).await
    };
    match taking.await {
        Ok(answer) => Ok(answered::<S>(answer, format)),
        Err(error) => Err(problem(&error)),
    }
}

fn answered<S: ExportSignal>(answer: PartialSuccess, format: Format) -> Response {
    let (kind, body) = match format {
        Format::Protobuf => ("application/x-protobuf", S::answer(answer)),
        Format::Json => {
            let body = match partial(answer) {
                None => json!({}),
                Some(answer) => {
                    let mut said = serde_json::Map::new();
                    // 64-bit numbers are strings in protobuf's JSON.
                    let rejected = Value::String(answer.rejected.to_string());
                    said.insert(S::REJECTED.into(), rejected);
                    said.insert("errorMessage".into(), answer.message.into());
                    json!({ "partialSuccess": said })
                }
            };
            ("application/json", body.to_string().into_bytes())
        }
    };
    let kind = HeaderValue::from_static(kind);
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

fn problem(error: &IntakeError) -> Problem {
    let words = error.to_string();
    if error.is_passing() {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", words).retry_after(1);
    }
    if matches!(error, IntakeError::Slow) {
        return Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", words);
    }
    match error.is_too_large() {
        true => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", words),
        false => Problem::new(StatusCode::BAD_REQUEST, "invalid_body", words),
    }
}
