//! Sends requests by HTTP and gRPC, and interprets the answers.
//!
//! Only a valid OTLP response is an acknowledgement. After any other answer, and after a timeout, the request is sent
//! again.

use std::{io, io::Write as _, sync::Arc, time::Duration};

use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse, trace_service_client::TraceServiceClient,
};
use prost::Message as _;
use reqwest::{Client, StatusCode, header, redirect};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tollgate_model::settings::{ExportCompression, ExportConfig, ExportProtocol};
use tonic::{
    Code, Request, Status,
    codec::CompressionEncoding,
    metadata::{MetadataKey, MetadataMap, MetadataValue},
    transport::{Channel, Endpoint, Uri},
};

use super::{ExportError, Source};

/// The largest answer, in bytes.
const MAX_ANSWER: usize = 64 << 10;
/// The media type of OTLP/HTTP.
const PROTOBUF: &str = "application/x-protobuf";

/// A collector's answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Accepted, except `rejected` spans, which it will never accept.
    Accepted {
        /// The number of rejected spans.
        rejected: u64,
    },
    /// It will never accept this request.
    Refused(String),
    /// It may accept the request later.
    Unavailable {
        /// The reason, without text of the collector.
        why: String,
        /// The requested pause.
        after: Option<Duration>,
    },
}

impl Answer {
    fn later(why: impl Into<String>) -> Self {
        Self::Unavailable {
            why: why.into(),
            after: None,
        }
    }
}

/// The client for one collector.
pub(super) struct Sender {
    transport: Transport,
    gzip: bool,
    timeout: Duration,
}

enum Transport {
    Http {
        client: Client,
        url: url::Url,
    },
    Grpc {
        client: Box<TraceServiceClient<Channel>>,
        metadata: MetadataMap,
    },
}

impl Sender {
    pub(super) async fn new(source: &Source, export: &ExportConfig) -> Result<Self, ExportError> {
        let headers = source.headers(export).await?;
        let gzip = export.compression == ExportCompression::Gzip;
        let transport = match export.protocol {
            ExportProtocol::Http => http(source, export, &headers)?,
            ExportProtocol::Grpc => grpc(source, export, &headers, gzip)?,
        };
        Ok(Self {
            transport,
            gzip,
            timeout: export.timeout,
        })
    }

    /// Sends `count` spans and returns the collector's answer.
    pub(super) async fn send(&self, request: ExportTraceServiceRequest, count: u64) -> Answer {
        let sent = async {
            match &self.transport {
                Transport::Http { client, url } => {
                    self.by_http(client, url.clone(), request, count).await
                }
                Transport::Grpc { client, metadata } => {
                    by_grpc(client, metadata, request, count).await
                }
            }
        };
        let answer = tokio::time::timeout(self.timeout, sent).await;
        answer.unwrap_or_else(|_| Answer::later("it took too long to answer"))
    }

    async fn by_http(
        &self,
        client: &Client,
        url: url::Url,
        request: ExportTraceServiceRequest,
        count: u64,
    ) -> Answer {
        let gzip = self.gzip;
        let encoding = tokio::task::spawn_blocking(move || {
            let plain = request.encode_to_vec();
            if gzip { zipped(&plain) } else { Ok(plain) }
        });
        let Ok(Ok(body)) = encoding.await else {
            return Answer::later("the request could not be made");
        };
        let mut post = client.post(url).header(header::CONTENT_TYPE, PROTOBUF);
        if gzip {
            post = post.header(header::CONTENT_ENCODING, "gzip");
        }
        let mut response = match post.body(body).send().await {
            Ok(response) => response,
            Err(error) => return Answer::later(connection_error(&error)),
        };
        let status = response.status();
        let is_other = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| !kind.as_bytes().starts_with(PROTOBUF.as_bytes()));
        if status != StatusCode::OK {
            let after = response.headers().get(header::RETRY_AFTER);
            let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
            return refusal(status, after.map(Duration::from_secs));
        }
        let mut answer = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(piece)) if answer.len() + piece.len() > MAX_ANSWER => {
                    return Answer::later("its answer is too long");
                }
                Ok(Some(piece)) => answer.extend_from_slice(&piece),
                Ok(None) => break,
                Err(error) => return Answer::later(connection_error(&error)),
            }
        }
        match ExportTraceServiceResponse::decode(answer.as_slice()) {
            Ok(answer) if !is_other => acknowledged(&answer, count),
            _ => Answer::later("the server is not an OTLP collector"),
        }
    }
}

/// The meaning of a response to `count` spans.
fn acknowledged(answer: &ExportTraceServiceResponse, count: u64) -> Answer {
    let rejected = answer.partial_success.as_ref();
    let rejected = rejected.map_or(0, |partial| partial.rejected_spans);
    match u64::try_from(rejected) {
        Ok(rejected) if rejected <= count => Answer::Accepted { rejected },
        _ => Answer::later("it says that it rejected more spans than it was sent"),
    }
}

/// The meaning of a status other than OK. Only a status about this body is final; any other error can be corrected
/// at the collector or in the configuration.
fn refusal(status: StatusCode, after: Option<Duration>) -> Answer {
    let why = format!("it answers with status {}", status.as_u16());
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => Answer::Refused(why),
        _ => Answer::Unavailable { why, after },
    }
}

fn zipped(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut zip = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    zip.write_all(plain)?;
    zip.finish()
}

fn setup(what: &str) -> ExportError {
    ExportError::Setup(what.into())
}

fn http(
    source: &Source,
    export: &ExportConfig,
    headers: &[(String, Vec<u8>)],
) -> Result<Transport, ExportError> {
    let mut all = header::HeaderMap::new();
    for (name, value) in headers {
        let wrong = || setup(&format!("the value of the header `{name}` cannot be sent"));
        let key = header::HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let mut value = header::HeaderValue::from_bytes(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        all.insert(key, value);
    }
    let client = Client::builder()
        .tls_backend_preconfigured((*source.settings.tls).clone())
        .redirect(redirect::Policy::none())
        .no_proxy()
        .default_headers(all)
        .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| setup("no client can be made"))?;
    let mut url = export.url.clone();
    let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(Transport::Http { client, url })
}

fn connection_error(error: &reqwest::Error) -> &'static str {
    if error.is_connect() {
        "cannot connect"
    } else {
        "the connection broke"
    }
}

fn grpc(
    source: &Source,
    export: &ExportConfig,
    headers: &[(String, Vec<u8>)],
    gzip: bool,
) -> Result<Transport, ExportError> {
    let mut metadata = MetadataMap::new();
    for (name, value) in headers {
        let wrong = || setup(&format!("the value of the header `{name}` cannot be sent"));
        let key = MetadataKey::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let mut value = MetadataValue::try_from(value.as_slice()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        metadata.insert(key, value);
    }
    let no_address = || setup("its URL has no host");
    let host = export.url.host_str().ok_or_else(no_address)?;
    let port = export.url.port_or_known_default().unwrap_or(4317);
    let encrypted = export.url.scheme() == "https";
    let origin = format!("{}://{host}:{port}", export.url.scheme());
    let origin: Uri = origin.parse().map_err(|_| no_address())?;
    // The URL is `http`, because TLS is done by the connector below, with the gate's own trust.
    let plain = format!("http://{host}:{port}");
    let endpoint = Endpoint::from_shared(plain).map_err(|_| no_address())?;
    let endpoint = endpoint
        .origin(origin)
        .connect_timeout(export.timeout)
        .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
        .map_err(|_| setup("no client can be made"))?;
    let mut tls = (*source.settings.tls).clone();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let tls = encrypted.then(|| TlsConnector::from(Arc::new(tls)));
    let host = host.trim_matches(['[', ']']).to_owned();
    let connector = tower::service_fn(move |_: Uri| connect(host.clone(), port, tls.clone()));
    let channel = endpoint.connect_with_connector_lazy(connector);
    let mut client = TraceServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER);
    if gzip {
        client = client
            .send_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Gzip);
    }
    Ok(Transport::Grpc {
        client: Box::new(client),
        metadata,
    })
}

/// A connection, encrypted or not.
trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
) -> io::Result<hyper_util::rt::TokioIo<Box<dyn Stream>>> {
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return Ok(hyper_util::rt::TokioIo::new(Box::new(stream)));
    };
    let name = rustls_pki_types::ServerName::try_from(host)
        .map_err(|_| io::Error::other("no name that a certificate could have"))?;
    let stream = tls.connect(name, stream).await?;
    Ok(hyper_util::rt::TokioIo::new(Box::new(stream)))
}

async fn by_grpc(
    client: &TraceServiceClient<Channel>,
    metadata: &MetadataMap,
    request: ExportTraceServiceRequest,
    count: u64,
) -> Answer {
    let mut request = Request::new(request);
    *request.metadata_mut() = metadata.clone();
    match client.clone().export(request).await {
        Ok(answer) => acknowledged(answer.get_ref(), count),
        Err(status) => grpc_refusal(&status),
    }
}

fn grpc_refusal(status: &Status) -> Answer {
    let why = format!("it answers with gRPC status {}", i32::from(status.code()));
    let after = retry_info(status.details());
    match status.code() {
        Code::InvalidArgument | Code::OutOfRange => Answer::Refused(why),
        // The request is too large, unless the status has a retry delay (OTLP specification, "OTLP/gRPC Throttling").
        Code::ResourceExhausted if after.is_none() => Answer::Refused(why),
        Code::Unavailable if std::error::Error::source(status).is_some() => {
            Answer::later("cannot connect")
        }
        _ => {
            let pushed_back = || {
                let after = status.metadata().get("grpc-retry-pushback-ms")?;
                let after = after.to_str().ok()?.parse().ok()?;
                Some(Duration::from_millis(after))
            };
            let after = after.or_else(pushed_back);
            Answer::Unavailable { why, after }
        }
    }
}

/// The details of a gRPC status (`google.rpc.Status`).
#[derive(Clone, PartialEq, prost::Message)]
struct Details {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The pause that a status with these details requests.
fn retry_info(details: &[u8]) -> Option<Duration> {
    let details = Details::decode(details).ok()?.details;
    let info = details
        .iter()
        .find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay;
    let delay = delay.unwrap_or_default();
    let (seconds, nanos) = (u64::try_from(delay.seconds), u32::try_from(delay.nanos));
    Some(
        Duration::from_secs(seconds.unwrap_or(0)) + Duration::from_nanos(nanos.unwrap_or(0).into()),
    )
}

#[cfg(test)]
mod tests;
