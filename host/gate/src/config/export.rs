//! `[export.NAME]`: collectors of the gate's spans, by OTLP.

use std::{collections::BTreeMap, time::Duration};

use tollgate_model::settings::{ExportConfig, ExportProtocol};

use super::{ConfigError, SecretConfig, raw, upstream::holds_secret, validate::Validation};

/// The default number of spans per request.
const BATCH: usize = 1000;
/// The most spans per request.
const MAX_BATCH: usize = 10_000;
/// Headers that the protocol sets.
const OWN_HEADERS: &[&str] = &[
    "content-type",
    "content-length",
    "content-encoding",
    "host",
    "te",
    "transfer-encoding",
    "connection",
    "user-agent",
];

impl Validation<'_> {
    pub(super) fn export(
        &self,
        name: &str,
        export: raw::Export,
        secrets: &BTreeMap<String, SecretConfig>,
    ) -> Result<ExportConfig, ConfigError> {
        self.name("exporter", name)?;
        let what = format!("the exporter `{name}`");
        let mut headers = self.sent(&what, export.headers, secrets)?;
        if let Some(own) = headers
            .keys()
            .find(|key| OWN_HEADERS.iter().any(|own| key.eq_ignore_ascii_case(own)))
        {
            let message = format!("the header `{own}` is the protocol's own");
            return Err(self.error(own, message, "remove it"));
        }
        if let Some(secret) = export.secret {
            let bearer = self.bearer(&what, secret, secrets)?;
            headers.insert("authorization".into(), bearer);
        }
        let mut url = self.endpoint(&export.url, holds_secret(&headers))?;
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/v1/traces").unwrap_or(path).to_owned();
        url.set_path(&path);
        if url.query().is_some() || url.fragment().is_some() {
            let message = format!("`{}` is not the address of a collector", export.url);
            return Err(self.error(&export.url, message, "remove what follows the path"));
        }
        if export.protocol == ExportProtocol::Grpc && !path.is_empty() {
            let message = format!("`{}` has a path, and gRPC has none", export.url);
            let help = "write it as in \"http://127.0.0.1:4317\", or use protocol = \"http\"";
            return Err(self.error(&export.url, message, help));
        }
        let timeout = match &export.timeout {
            None => Duration::from_secs(10),
            Some(text) => self.duration(text)?,
        };
        if timeout.is_zero() || timeout > Duration::from_secs(300) {
            let text = export.timeout.unwrap_or_default();
            let message = format!("`timeout = \"{text}\"` is out of range");
            return Err(self.error(&text, message, "use more than \"0s\" and at most \"5m\""));
        }
        let batch = export.batch.unwrap_or(BATCH);
        if !(1..=MAX_BATCH).contains(&batch) {
            let message = format!("`batch = {batch}` is out of range");
            return Err(self.error("batch", message, "use 1 to 10000"));
        }
        for key in export.resource.keys() {
            let plain = |b: u8| b.is_ascii_graphic();
            if key.is_empty() || key.len() > 128 || !key.bytes().all(plain) {
                let message = format!("`{}` is not an attribute name", key.escape_debug());
                return Err(self.error(key, message, "use 1 to 128 visible ASCII characters"));
            }
            if key.starts_with("service.") {
                let message = format!("`{key}` is the gate's own");
                return Err(self.error(key, message, "set `name` under [gate] instead"));
            }
        }
        Ok(ExportConfig {
            url,
            protocol: export.protocol,
            profile: export.profile,
            headers,
            compression: export.compression,
            timeout,
            batch,
            from: export.from,
            resource: export.resource,
        })
    }
}

#[cfg(test)]
mod tests;
