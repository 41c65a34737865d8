//! A server over streamable HTTP: the gate's own credentials, the gate's own trust, no proxy, no redirects.

use std::{collections::BTreeMap, error::Error, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use rmcp::transport::{
    StreamableHttpClientTransport,
    streamable_http_client::{StreamableHttpClientTransportConfig, StreamableHttpError},
};
use tollgate::{config::ConfigValue, egress::Network, secrets::Vault, upstream::ConnectError};
use url::Url;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

pub(super) type Http = StreamableHttpClientTransport<reqwest::Client>;

/// The way to the server at `url`. Nothing is sent yet.
pub(super) async fn transport(
    url: &Url,
    headers: &BTreeMap<String, ConfigValue>,
    secrets: &Vault,
    network: &Network,
) -> Result<Http, ConnectError> {
    let mut map = HeaderMap::new();
    for (name, sent) in headers {
        let unfit = || ConnectError::new(format!("the header `{name}` cannot be sent"));
        let value = super::value(sent, secrets).await?;
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| unfit())?;
        value.set_sensitive(true);
        map.insert(key, value);
    }
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured((**network.tls()).clone())
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        // A pooled connection that the server has closed would make a request that was never sent look
        // like one that was.
        .pool_max_idle_per_host(0)
        .default_headers(map)
        .build()
        .map_err(|_| ConnectError::new("the HTTP client does not start"))?;
    let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
    // What is sent again is the gate's to decide.
    config.reinit_on_expired_session = false;
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

/// Whether this error of a transport proves that the server has not taken the request.
pub(super) fn is_unsent(error: &(dyn Error + 'static)) -> bool {
    // Over a pipe a message is a line, and a line without its end is no message.
    if error.is::<std::io::Error>() {
        return true;
    }
    match error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
        Some(StreamableHttpError::Client(error)) => error.is_connect() || error.is_builder(),
        Some(
            StreamableHttpError::AuthRequired(_)
            | StreamableHttpError::InsufficientScope(_)
            | StreamableHttpError::SessionExpired
            | StreamableHttpError::ReservedHeaderConflict(_)
            | StreamableHttpError::TransportChannelClosed,
        ) => true,
        _ => false,
    }
}
