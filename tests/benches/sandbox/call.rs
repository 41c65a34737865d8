//! A measurement for `cargo xtask bench sandbox`: the sandbox's overhead over bare wasmtime.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tollgate_model::tool::{Limits, Size};

use crate::{
    guest::Guest,
    run::max_transfer_bytes,
    test_support::{built, built_for},
};

const N: usize = 20_000;

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

mod bare {
    wasmtime::component::bindgen!({ path: "../../wit", world: "tollgate:adapter/adapter@0.1.0" });
}

/// Instantiates and calls the same component with wasmtime only: pooled, without fuel, clock or limits.
fn bare_call() -> f64 {
    let mut pool = wasmtime::PoolingAllocationConfig::default();
    pool.max_memory_size(64 << 20);
    let mut config = wasmtime::Config::new();
    config.allocation_strategy(wasmtime::InstanceAllocationStrategy::Pooling(pool));
    let engine = wasmtime::Engine::new(&config).unwrap();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path.join("../../target/components/payments.wasm")).unwrap();
    let component = wasmtime::component::Component::new(&engine, bytes).unwrap();
    let mut linker = wasmtime::component::Linker::<()>::new(&engine);
    linker.define_unknown_imports_as_traps(&component).unwrap();
    let ready = bare::AdapterPre::new(linker.instantiate_pre(&component).unwrap()).unwrap();
    let arguments = r#"{"amount":4999,"currency":"EUR"}"#.to_owned();
    let once = || {
        let begun = Instant::now();
        let mut store = wasmtime::Store::new(&engine, ());
        let adapter = ready.instantiate(&mut store).unwrap();
        let tools = adapter.tollgate_adapter_tools();
        let called = tools.call_call_tool(&mut store, "quote", &arguments);
        assert!(called.unwrap().is_ok());
        drop(store);
        begun.elapsed()
    };
    for _ in 0..N / 10 {
        once();
    }
    median((0..N).map(|_| once()).collect())
}

/// Instantiates and calls a Rust adapter within its limits, as the pipeline does after the decision.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn sandbox_call() {
    let component = built("payments").expect("run `cargo xtask guests`");
    let (_sender, never) = watch::channel(false);
    let measured = tokio::spawn(async move {
        let limits = Limits::default();
        let once = async || {
            let begun = Instant::now();
            let place = component.0.pool.admit().await;
            let max = max_transfer_bytes(&component, &limits);
            let mut guest = Guest::new(&component, limits.clone(), max, None, place);
            guest.instantiate().await;
            let arguments = r#"{"amount":4999,"currency":"EUR"}"#;
            let execution = guest.call("quote", arguments, never.clone()).await;
            assert!(execution.content.is_ok(), "{execution:?}");
            begun.elapsed()
        };
        for _ in 0..N / 10 {
            once().await;
        }
        let mut times = Vec::with_capacity(N);
        for _ in 0..N {
            times.push(once().await);
        }
        median(times)
    });
    let value = measured.await.unwrap();
    let floor = bare_call();
    println!(
        r#"{{"name":"sandbox.call","value":{value:.2},"unit":"us","floor":{floor:.2},"ratio":{:.2}}}"#,
        value / floor
    );
}

/// A whole call of a component with an interpreter, and its bound in microseconds.
async fn interpreted(name: &str, bound: u32, component: &str, tool: &str, arguments: &str) {
    let component = built_for(component, Size::Large).expect("run `cargo xtask guests`");
    let limits = Limits::of(Size::Large);
    let (_sender, never) = watch::channel(false);
    let mut times = Vec::new();
    for round in 0..N / 20 {
        let begun = Instant::now();
        let place = component.0.pool.admit().await;
        let max = max_transfer_bytes(&component, &limits);
        let mut guest = Guest::new(&component, limits.clone(), max, None, place);
        guest.instantiate().await;
        let execution = guest.call(tool, arguments, never.clone()).await;
        assert!(execution.cause.is_none(), "{execution:?}");
        if round >= N / 200 {
            times.push(begun.elapsed());
        }
    }
    let value = median(times);
    println!(r#"{{"name":"{name}","value":{value:.2},"unit":"us","bound":{bound}}}"#);
}

/// Without a grant there is no table to read, but the tool runs up to that point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn sandbox_python() {
    let arguments = r#"{"aggregate":[],"grant":"data","group_by":[],"limit":1,"path":"a.csv","sort_by":"","where":[]}"#;
    interpreted("sandbox.python", 5_000, "table", "query", arguments).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn sandbox_js() {
    let arguments = r##"{"text":"# A\n\n- b\n- c *d*\n\n|x|y|\n|-|-|\n|1|2|\n"}"##;
    let tool = "markdown_to_html";
    interpreted("sandbox.js", 2_000, "convert", tool, arguments).await;
}
