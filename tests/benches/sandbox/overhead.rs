//! A whole call in the sandbox, as the pipeline makes it after the decision: a fresh instance within its limits,
//! and the tool.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
    time::Instant,
};

use tokio::sync::watch;
use tollgate::{
    egress::{Network, NetworkConfig, Resolver},
    sandbox::{
        GuestEnvironment, Invocation, LoadedComponent, Resources, Sandbox, SandboxOptions,
        port::Permit,
    },
};
use tollgate_model::{
    canonical::Sha256Digest,
    ids::SpanId,
    tool::{Execution, Limits, Size},
};
use tollgate_testkit::{
    component,
    measure::{bare_call, bounded_line, folder, line, median, micros},
};

use crate::port::DenyAll;

const ROUNDS: usize = 20_000;
/// An interpreter takes about a hundred times as long.
const INTERPRETED_ROUNDS: usize = 1_000;

const QUOTE: Tool = Tool {
    component: "payments",
    size: Size::Standard,
    name: "quote",
    arguments: r#"{"amount":4999,"currency":"EUR"}"#,
};

/// Python. Without a grant there is no table to read, but the tool runs up to that point.
const QUERY: Tool = Tool {
    component: "table",
    size: Size::Large,
    name: "query",
    arguments: r#"{"aggregate":[],"grant":"data","group_by":[],"limit":1,"path":"a.csv","sort_by":"","where":[]}"#,
};

/// JavaScript.
const CONVERT: Tool = Tool {
    component: "convert",
    size: Size::Large,
    name: "markdown_to_html",
    arguments: r##"{"text":"# A\n\n- b\n- c *d*\n\n|x|y|\n|-|-|\n|1|2|\n"}"##,
};

struct Tool {
    component: &'static str,
    size: Size,
    name: &'static str,
    arguments: &'static str,
}

/// Prints `sandbox.call`, compared with bare wasmtime, and the calls of interpreters.
pub(crate) async fn measure() {
    let sandbox = Sandbox::new(SandboxOptions {
        cache_dir: folder("sandbox.call").join("compiled"),
        concurrency: 4,
        compiler: None,
    })
    .unwrap();
    let adapter = call_time(&sandbox, &QUOTE, ROUNDS).await;
    line("sandbox.call", adapter, "us", Some(bare_call(ROUNDS)));
    for (name, tool, bound) in [
        ("sandbox.python", &QUERY, 5_000.0),
        ("sandbox.js", &CONVERT, 2_000.0),
    ] {
        let value = call_time(&sandbox, tool, INTERPRETED_ROUNDS).await;
        bounded_line(name, value, "us", bound);
    }
}

/// The median time of a call in microseconds.
async fn call_time(sandbox: &Sandbox, tool: &Tool, rounds: usize) -> f64 {
    let component = Arc::new(load(sandbox, tool));
    for _ in 0..rounds / 10 {
        call(sandbox, &component, tool).await;
    }
    let mut samples = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let begun = Instant::now();
        let execution = call(sandbox, &component, tool).await;
        samples.push(micros(begun));
        assert!(execution.cause.is_none(), "{execution:?}");
    }
    median(samples)
}

fn load(sandbox: &Sandbox, tool: &Tool) -> LoadedComponent {
    let bytes = fs::read(component(tool.component)).unwrap();
    let resolver = Resolver::new(|_| Ok(Vec::new()));
    LoadedComponent {
        name: tool.component.into(),
        digest: Sha256Digest::of(&bytes),
        compiled: sandbox.load(tool.component, &bytes, tool.size).unwrap(),
        resources: Arc::new(Resources {
            grants: BTreeMap::new(),
            secrets: BTreeSet::new(),
            config: BTreeMap::new(),
            environment: GuestEnvironment::default(),
            network: Network::new(resolver, &[]).unwrap(),
            hosts: Arc::new(NetworkConfig::default()),
        }),
    }
}

async fn call(sandbox: &Sandbox, component: &Arc<LoadedComponent>, tool: &Tool) -> Execution {
    let limits = Limits::of(tool.size);
    let (_sender, halted) = watch::channel(false);
    let prepared = sandbox.prepare(component, &limits, Arc::new(DenyAll)).await;
    let invocation = Invocation {
        component: Arc::clone(component),
        digest: component.digest,
        tool: tool.name.into(),
        arguments: tool.arguments.into(),
    };
    let permit = Permit::issue(invocation, SpanId::from_bytes([1; 8]), 0);
    prepared.run(permit, halted).await
}
