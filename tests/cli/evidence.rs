//! What others check without the ledger: proofs of records, and exported logs.

use std::fs;

use tollgate_testkit::command::{READ, World};

#[test]
fn proofs_and_exported_logs_are_checked_without_the_ledger() {
    let world = World::new();
    world.run(READ).exits(0);
    let refused = world.run(&["ledger", "export", "audit"]).exits(1);
    assert!(refused.err.contains("ledger keygen"), "{refused:?}");
    let made = world
        .run(&["ledger", "keygen", "gate.example/ledger", "--json"])
        .exits(0);
    let made: serde_json::Value = serde_json::from_str(&made.out).unwrap();
    let key = made["public"].as_str().unwrap();
    world
        .run(&["ledger", "prove", "dec-0", "--out", "one.tlog-proof"])
        .exits(0);
    world.run(&["ledger", "export", "audit"]).exits(0);
    let store = world.path(".tollgate");
    fs::rename(&store, world.path("elsewhere")).unwrap();
    let proof = [
        "ledger",
        "verify",
        "--proof",
        "one.tlog-proof",
        "--key",
        key,
    ];
    world.run(&proof).exits(0);
    let log = ["ledger", "verify", "--log", "audit", "--key", key];
    let verified = world.run(&[&log[..], &["--json"]].concat()).exits(0);
    let verified: serde_json::Value = serde_json::from_str(&verified.out).unwrap();
    assert_eq!(verified["origin"], "gate.example/ledger");
    let records = verified["records"].as_u64().unwrap();
    assert!(records > 2, "{verified}");
    let bundle = world.path(&format!("audit/tile/entries/000.p/{records}"));
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[9] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let refused = world.run(&log).exits(1);
    assert!(
        refused.err.contains("record 0 is not the one"),
        "{refused:?}"
    );
    world
        .run(&["ledger", "verify", "--log", "audit", "--key", "x"])
        .exits(2);
    world.run(&["ledger", "verify", "--log", "audit"]).exits(2);
}
