use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, net::TcpListener};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use super::*;

/// A server for `site.test`, with a self-signed certificate.
async fn server() -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(vec!["site.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let name = stream
                    .get_ref()
                    .1
                    .server_name()
                    .unwrap_or("none")
                    .to_owned();
                let _ = stream.write_all(name.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (address, made.cert.pem())
}

async fn greeting(network: &Network, host: &str, to: SocketAddr) -> Result<String, EgressError> {
    let target = Target::parse(&format!("https://{host}:{}/", to.port())).unwrap();
    let (mut connection, address) = network.connect(&target, &[to.ip()]).await?;
    assert_eq!(address, to.ip());
    let mut text = String::new();
    let _ = connection.read_to_string(&mut text).await;
    Ok(text)
}

#[tokio::test]
async fn a_certificate_must_be_trusted_and_for_the_host() {
    let (address, pem) = server().await;
    let dir = tempfile::tempdir().unwrap();
    let (trusted, empty) = (dir.path().join("ca.pem"), dir.path().join("empty.pem"));
    std::fs::write(&trusted, pem).unwrap();
    std::fs::write(&empty, "nothing here").unwrap();
    let network = |trust: &[PathBuf]| Network::new(Resolver::new(|_| Ok(Vec::new())), trust);
    let knows = network(&[trusted]).unwrap();
    assert_eq!(
        greeting(&knows, "site.test", address).await.unwrap(),
        "site.test",
        "the name that it is asked for"
    );
    assert!(matches!(
        greeting(&knows, "other.test", address).await,
        Err(EgressError::Certificate(_))
    ));
    assert!(matches!(
        greeting(&knows, "127.0.0.1", address).await,
        Err(EgressError::Certificate(_))
    ));
    let public = network(&[]).unwrap();
    assert!(matches!(
        greeting(&public, "site.test", address).await,
        Err(EgressError::Certificate(_))
    ));
    assert!(
        network(&[empty])
            .unwrap_err()
            .to_string()
            .contains("no certificate")
    );
    assert!(network(&[dir.path().join("missing.pem")]).is_err());
}
