//! Collectors that are reached by TLS, and only by those who trust them; and gRPC on the way there.

use tollgate::config::TlsConfig;
use tollgate_testkit::{
    certificate::write_self_signed,
    collector::{Behaviour, Collector},
    world::World,
};
use tollgate_trace::export::Step;

use crate::{
    delivery::{drained, exporter, exporting},
    story,
};

/// A certificate in the world's folder, as `{name}.pem` with `{name}.key`.
fn certificate(world: &World, name: &str) -> TlsConfig {
    write_self_signed(&world.path(""), name)
}

/// A world whose gate trusts the certificate `trusted`.
fn trusting(trusted: &str) -> World {
    let world = World::new("");
    world.configure(
        "\n[gate]\n",
        &format!("\n[network]\ntrust = [\"{trusted}.pem\"]\n[gate]\n"),
    );
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_go_by_tls_to_a_collector_that_is_trusted() {
    for protocol in ["http", "grpc"] {
        let world = trusting("collector");
        let files = certificate(&world, "collector");
        let collector = Collector::encrypted(Behaviour::Takes, &files).await;
        let more = format!(
            "protocol = \"{protocol}\"\nheaders = {{ \"x-key\" = {{ secret = \"key\" }} }}"
        );
        exporting(&world, &collector, &more);
        let gate = world.open().await;
        let run = story::told(&world, &gate, "story").await;
        let mut exporter = exporter(&gate).await;
        drained(&world, &gate, &mut exporter).await;
        let count = gate.ledger().reader().spans(run).unwrap().len();
        assert_eq!(collector.ids().len(), count, "{protocol}");
        assert_eq!(exporter.counts(), (count as u64, 0), "{protocol}");
        collector.seen(|seen| {
            let headers = seen.headers.as_ref().unwrap();
            assert_eq!(headers["x-key"], "collectors-own-key");
        });
        gate.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_to_a_collector_that_is_not_trusted() {
    for protocol in ["http", "grpc"] {
        let world = trusting("another");
        certificate(&world, "another");
        let files = certificate(&world, "collector");
        let collector = Collector::encrypted(Behaviour::Takes, &files).await;
        exporting(&world, &collector, &format!("protocol = \"{protocol}\""));
        let gate = world.open().await;
        story::told(&world, &gate, "story").await;
        let mut exporter = exporter(&gate).await;
        for _ in 0..3 {
            assert_eq!(
                exporter.step(gate.now()).await.unwrap(),
                Step::Failed,
                "{protocol}"
            );
            world.pass(120);
        }
        assert!(exporter.failing().is_some());
        assert_eq!((exporter.counts(), exporter.position()), ((0, 0), 0));
        collector.seen(|seen| assert!(seen.requests.is_empty(), "{protocol}"));
        gate.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_throttles_by_grpc_is_left_alone_for_as_long() {
    let world = trusting("collector");
    let files = certificate(&world, "collector");
    let collector = Collector::encrypted(Behaviour::Throttles, &files).await;
    exporting(&world, &collector, "protocol = \"grpc\"\nbatch = 4");
    let gate = world.open().await;
    let run = story::told(&world, &gate, "story").await;
    let mut exporter = exporter(&gate).await;
    assert_eq!(exporter.step(gate.now()).await.unwrap(), Step::Failed);
    world.pass(1);
    assert_eq!(
        exporter.step(gate.now()).await.unwrap(),
        Step::Later,
        "it said two seconds"
    );
    world.pass(1);
    assert_eq!(exporter.step(gate.now()).await.unwrap(), Step::Failed);
    collector.is(Behaviour::Takes);
    drained(&world, &gate, &mut exporter).await;
    let count = gate.ledger().reader().spans(run).unwrap().len();
    assert_eq!(exporter.counts(), (count as u64, 0), "nothing was given up");
    gate.close().await;
}
