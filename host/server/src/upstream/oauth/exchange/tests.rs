use tollgate::egress::Resolver;

use super::*;

fn exchange(named: &[&str], address: &str) -> Exchange {
    let address: IpAddr = address.parse().unwrap();
    let resolver = Resolver::new(move |_| Ok(vec![address]));
    let urls: Vec<Url> = named.iter().map(|url| Url::parse(url).unwrap()).collect();
    Exchange::new(&Network::new(resolver, &[]).unwrap(), urls.iter())
}

async fn refused(exchange: &Exchange, url: &str) -> String {
    let url = Url::parse(url).unwrap();
    let answer = exchange.get(&url, "application/json").await;
    answer.unwrap_err().to_string()
}

#[tokio::test]
async fn a_host_that_a_server_names_is_public() {
    for address in ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "fd00::1"] {
        let exchange = exchange(&["https://mcp.example/"], address);
        let why = refused(&exchange, "https://as.example/token").await;
        assert!(why.contains("not publicly reachable"), "{address}: {why}");
    }
    let named = exchange(&["https://as.example/"], "127.0.0.1");
    let why = refused(&named, "https://as.example:9/token").await;
    assert!(why.contains("no connection"), "{why}");
}

#[tokio::test]
async fn nothing_leaves_this_machine_unencrypted() {
    let named = exchange(&["http://as.example/"], "192.0.2.1");
    let why = refused(&named, "http://as.example/token").await;
    assert!(why.contains("https"), "{why}");
    for (url, expected) in [
        ("https://as.example/", true),
        ("http://127.0.0.1:8/", true),
        ("http://localhost/", true),
        ("http://as.example/", false),
        ("http://localhost.evil/", false),
        ("javascript:alert(1)", false),
        ("file:///etc/passwd", false),
    ] {
        assert_eq!(
            is_confidential(&Url::parse(url).unwrap()),
            expected,
            "{url}"
        );
    }
}

#[test]
fn a_form_is_encoded_in_the_room_that_it_has() {
    let mut form = Form::default();
    form.add("client_secret", "a b&c=d\u{e9}%");
    form.add("grant_type", "client_credentials");
    let encoded = form.encoded();
    let text = std::str::from_utf8(&encoded).unwrap();
    assert_eq!(
        text,
        "client_secret=a+b%26c%3Dd%C3%A9%25&grant_type=client_credentials"
    );
}
