//! The bare work that measurements are compared with.

use std::{fs, time::Instant};

use rusqlite::Connection;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{Component, Linker},
};

use super::{folder, median, micros};
use crate::component;

mod bindings {
    wasmtime::component::bindgen!({ path: "../../wit", world: "tollgate:adapter/adapter@0.1.0" });
}

/// The median time in microseconds in which wasmtime alone instantiates `payments` and calls `quote`: pooled,
/// without fuel, clock or limits.
pub fn bare_call(rounds: usize) -> f64 {
    let mut pool = PoolingAllocationConfig::default();
    pool.max_memory_size(64 << 20);
    let mut config = Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&config).unwrap();
    let component = Component::new(&engine, fs::read(component("payments")).unwrap()).unwrap();
    let mut linker = Linker::<()>::new(&engine);
    linker.define_unknown_imports_as_traps(&component).unwrap();
    let linked = linker.instantiate_pre(&component).unwrap();
    let linked = bindings::AdapterPre::new(linked).unwrap();
    let arguments = r#"{"amount":4999,"currency":"EUR"}"#.to_owned();
    let call = || {
        let begun = Instant::now();
        let mut store = Store::new(&engine, ());
        let adapter = linked.instantiate(&mut store).unwrap();
        let tools = adapter.tollgate_adapter_tools();
        let called = tools.call_call_tool(&mut store, "quote", &arguments);
        assert!(called.unwrap().is_ok());
        drop(store);
        micros(begun)
    };
    for _ in 0..rounds / 10 {
        call();
    }
    median((0..rounds).map(|_| call()).collect())
}

/// The median time in microseconds of one row in one synced commit, which no durable commit of the ledger can
/// beat.
pub fn bare_synced_commit() -> f64 {
    let database = Connection::open(folder("bare").join("bare.db")).unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    database.pragma_update(None, "synchronous", "FULL").unwrap();
    database
        .execute("CREATE TABLE t (id INTEGER PRIMARY KEY, row BLOB)", [])
        .unwrap();
    let row = vec![7_u8; 1024];
    let commit = || {
        let begun = Instant::now();
        database
            .execute("INSERT INTO t (row) VALUES (?1)", [&row])
            .unwrap();
        micros(begun)
    };
    for _ in 0..200 {
        commit();
    }
    median((0..2_000).map(|_| commit()).collect())
}
