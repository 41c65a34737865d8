//! TLS, and certificates that are renewed.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use reqwest::{Certificate, Client};
use tokio_util::sync::CancellationToken;
use tollgate::config::TlsConfig;
use tollgate_server::{auth::Auth, http, tls::Tls};
use tollgate_testkit::{certificate::write_self_signed, rest::HttpGate, world::World};

/// Writes a new certificate into the world's folder. Returns it in PEM.
fn write(world: &World) -> String {
    let files = write_self_signed(&world.path(""), "tls");
    std::fs::read_to_string(files.cert).unwrap()
}

fn client(trusts: &str) -> Client {
    let trusted = Certificate::from_pem(trusts.as_bytes()).unwrap();
    Client::builder()
        .no_proxy()
        .tls_certs_only([trusted])
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_encrypted_and_certificates_renewed() {
    let served = HttpGate::new("").await;
    let first = write(&served.world);
    let files = TlsConfig {
        cert: served.world.path("tls.pem"),
        key: served.world.path("tls.key"),
    };
    let tls = Tls::load(&files).unwrap();
    let listener = http::listen("127.0.0.1:0".parse().unwrap(), true).unwrap();
    let address = listener.local_addr().unwrap();
    let auth = Auth::new(&served.gate, address, None, Arc::default());
    let app = http::router(&served.server, auth, address).unwrap();
    let serving = tls.clone();
    let until = CancellationToken::new();
    tokio::spawn(async move {
        http::serve(listener, app, Some(&serving), until, Duration::ZERO)
            .await
            .unwrap();
    });
    let token = served.agent("support").await;
    let get = async |client: &Client| {
        let url = format!("https://localhost:{}/v1/tools", address.port());
        let response = client.get(url).bearer_auth(&token).send().await?;
        Ok::<u16, reqwest::Error>(response.status().as_u16())
    };
    assert_eq!(get(&client(&first)).await.unwrap(), 200);
    assert!(!tls.reload().unwrap(), "nothing has changed");
    let second = write(&served.world);
    // File times may be coarse.
    let later = SystemTime::now() + Duration::from_secs(5);
    std::fs::File::options()
        .write(true)
        .open(&files.cert)
        .unwrap()
        .set_modified(later)
        .unwrap();
    assert!(tls.reload().unwrap());
    assert_eq!(get(&client(&second)).await.unwrap(), 200);
    assert!(
        get(&client(&first)).await.is_err(),
        "the old one is not shown any more"
    );
    // A bad one changes nothing, and says what is wrong without what the file holds.
    served.world.write("tls.key", "no key");
    let error = tls.reload().unwrap_err().to_string();
    assert!(
        error.contains("tls.key") && !error.contains("no key\n"),
        "{error}"
    );
    assert_eq!(get(&client(&second)).await.unwrap(), 200);
    let other = World::new("");
    write(&other);
    let mixed = TlsConfig {
        cert: files.cert,
        key: other.path("tls.key"),
    };
    assert!(
        Tls::load(&mixed)
            .unwrap_err()
            .to_string()
            .contains("does not serve with this key")
    );
}
