//! `/metrics`: who may read it, what it says after a restart, and that a real Prometheus understands it.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tollgate_testkit::{process::ChildProcess, rest::HttpGate, web::free_port, world::World};

/// How long Prometheus may take to begin and to scrape.
const PATIENCE: Duration = Duration::from_secs(60);

const FORBIDS: &str = r#"
@id("no-quotes-in-yen") @owner("tests") @reason("Not in yen.")
forbid (principal, action == Tollgate::Action::"payments__quote", resource)
when { context.input.currency == "JPY" };
"#;

/// Some calls: two that are alike, one that is forbidden, one that waits.
async fn traffic(served: &HttpGate) {
    let agent = served.agent("support").await;
    for currency in ["EUR", "EUR", "JPY"] {
        let arguments = json!({ "amount": 1, "currency": currency });
        served.call(&agent, "payments__quote", arguments).await;
    }
    served.waits(&agent, "A-1").await;
    served.call(&agent, "no__such", json!({})).await;
}

/// The sample with this name and these labels.
fn sample(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| {
        // A metric without labels may have an empty set of them.
        line.strip_prefix(name)
            .is_some_and(|rest| rest.trim_start_matches("{}").starts_with(' '))
    });
    line?.rsplit(' ').next()?.parse().ok()
}

async fn metrics(served: &HttpGate, token: &str) -> String {
    loop {
        let got = served.get(token, "/metrics").await;
        // It counts still.
        if got.status != 503 {
            let kind = got.headers["content-type"].to_str().unwrap().to_owned();
            assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
            return got.is(200).as_str().unwrap().to_owned();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_them_and_agents_do_not() {
    let served = HttpGate::new("").await;
    let got = served
        .send(served.request(reqwest::Method::GET, "/metrics"))
        .await;
    got.fails(401, "unauthenticated");
    let agent = served.agent("support").await;
    served
        .get(&agent, "/metrics")
        .await
        .fails(403, "people_only");
    let text = metrics(&served, &served.user("eve").await).await;
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_counted_from_the_ledger() {
    let served = HttpGate::new(FORBIDS).await;
    traffic(&served).await;
    let text = metrics(&served, &served.user("alice").await).await;
    let of = |name: &str| sample(&text, name).unwrap_or_else(|| panic!("no {name} in\n{text}"));
    let allowed = "tollgate_decisions_total{outcome=\"allow\",action=\"executed\",mode=\"enforce\",\
                   tool=\"payments__quote\",policy=\"clerks-call\"}";
    assert_eq!(of(allowed), 2.0);
    assert_eq!(
        of("tollgate_calls_total{tool=\"payments__quote\",outcome=\"ok\"}"),
        2.0
    );
    assert_eq!(
        of("tollgate_call_seconds_count{tool=\"payments__quote\",outcome=\"ok\"}"),
        2.0
    );
    assert_eq!(
        of("tollgate_unsafe_attempts_total{tool=\"payments__quote\"}"),
        1.0
    );
    assert_eq!(of("tollgate_approvals_total{status=\"pending\"}"), 1.0);
    assert_eq!(
        of("tollgate_calls_total{tool=\"\",outcome=\"unknown_tool\"}"),
        1.0
    );
    assert_eq!(of("tollgate_repeated_calls_total"), 1.0);
    assert!(of("tollgate_decision_seconds_count") >= 4.0);
    assert!(
        !text.contains("no__such"),
        "names of callers are not labels:\n{text}"
    );

    // A restart resets nothing.
    let HttpGate { world, gate, .. } = served;
    gate.close().await;
    let again = HttpGate::at(world, "192.0.2.1:443").await;
    let after = metrics(&again, &again.user("alice").await).await;
    let sums = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains("payments__quote"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(sums(&text), sums(&after));
}

/// A Prometheus; dropped, it is killed.
struct Prometheus {
    _process: ChildProcess,
    address: String,
}

impl Prometheus {
    fn scraping(served: &HttpGate, token: &str) -> Self {
        let dir = served.world.path("prometheus");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("token"), token).unwrap();
        let config = format!(
            "scrape_configs:\n- job_name: tollgate\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  \
             authorization: {{ credentials_file: token }}\n  static_configs: [{{ targets: ['{}'] }}]\n",
            served.address
        );
        fs::write(dir.join("prometheus.yml"), config).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let child = Command::new("prometheus")
            .current_dir(&dir)
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus is installed by `cargo xtask test`");
        Self {
            _process: child.into(),
            address,
        }
    }

    /// The value of an instant query, once there is one.
    async fn value(&self, query: &str) -> f64 {
        let client = reqwest::Client::new();
        let begun = Instant::now();
        let mut last = Value::Null;
        while begun.elapsed() < PATIENCE {
            let api = format!("http://{}/api/v1/query", self.address);
            let url = reqwest::Url::parse_with_params(&api, [("query", query)]).unwrap();
            let asked = client.get(url).send().await;
            if let Ok(response) = asked {
                last = response.json().await.unwrap_or_default();
                let value = last
                    .pointer("/data/result/0/value/1")
                    .and_then(Value::as_str);
                if let Some(value) = value {
                    return value.parse().unwrap();
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("Prometheus knows no {query}: {last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_scrapes_them() {
    let served = HttpGate::at(World::new(FORBIDS), "192.0.2.1:443").await;
    traffic(&served).await;
    let prometheus = Prometheus::scraping(&served, &served.user("alice").await);
    assert_eq!(prometheus.value("up{job=\"tollgate\"} == 1").await, 1.0);
    let denied = "sum(tollgate_decisions_total{outcome=\"deny\",tool=\"payments__quote\"})";
    assert_eq!(prometheus.value(denied).await, 1.0);
    let quantile = "histogram_quantile(0.99, tollgate_decision_seconds_bucket)";
    assert!(prometheus.value(quantile).await > 0.0);
    assert_eq!(prometheus.value("tollgate_repeated_calls_total").await, 1.0);
    assert!(prometheus.value("tollgate_ledger_records").await > 5.0);
}
