//! Stores of older formats.

use std::{fs, os::unix::fs::PermissionsExt as _};

use rusqlite::{Connection, params};
use tollgate_model::record::AdminAction;

use super::*;

/// A store of schema version 5 with records of format 1, as text. It holds a run that has ended, a run with a
/// pending approval and an open call, a halt, a token, a cursor, component state, and every administrative action.
const STORE: &str = include_str!("format_1/store.sql");
const KEY: &str = include_str!("format_1/ledger.key");
const ANCHOR: &str = include_str!("format_1/ledger.key.anchor");
const RECORDS: u64 = 40;

fn place() -> Place {
    let place = Place::new();
    fs::create_dir(place.dir.path().join("store")).unwrap();
    fs::create_dir(place.dir.path().join("keys")).unwrap();
    let key = place.options().key;
    fs::write(&key, KEY).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(key.with_file_name("ledger.key.anchor"), ANCHOR).unwrap();
    let conn = Connection::open(place.path()).unwrap();
    conn.execute_batch(STORE).unwrap();
    conn.pragma_update(None, "journal_mode", "wal").unwrap();
    place
}

/// Bytes of all leaves.
fn leaves(place: &Place) -> Vec<Vec<u8>> {
    let conn = Connection::open(place.path()).unwrap();
    let mut select = conn
        .prepare("SELECT leaf FROM records ORDER BY idx")
        .unwrap();
    let leaves = select.query_map([], |row| row.get(0)).unwrap();
    leaves.collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn an_old_store_opens_and_verifies_and_its_records_keep_their_bytes() {
    let place = place();
    let before = leaves(&place);
    assert_eq!(before.len() as u64, RECORDS);
    let ledger = place.open();
    let verified = ledger
        .reader()
        .verify(Some(&place.options().key), |_| {})
        .unwrap();
    assert_eq!(verified.size, RECORDS);
    assert_eq!(leaves(&place), before);
    block_on(ledger.rebuild()).unwrap();
    ledger
        .reader()
        .verify(Some(&place.options().key), |_| {})
        .unwrap();
    assert_eq!(leaves(&place), before);
}

#[test]
fn what_an_old_store_holds_is_read_by_its_new_names() {
    let place = place();
    let ledger = place.open();
    let reader = ledger.reader();
    let runs = reader.runs(&RunFilter::default()).unwrap();
    assert_eq!(runs.len(), 2);
    let ended = &runs[1];
    assert_eq!(ended.outcome, Some(RunOutcome::Success));
    assert_eq!(ended.labels, labels(&["egress", "private", "secret"]));
    assert_eq!((ended.calls, ended.errors), (3, 3));
    decisions_and_outcomes_are_read(reader, ended.id);
    assert_eq!(
        ledger
            .file_labels("work:/notes.txt", Some("file:1:2"))
            .unwrap(),
        labels(&["private"])
    );
    assert_eq!(reader.tokens().unwrap().len(), 1);
    assert_eq!(reader.cursor("webhook").unwrap(), Some(3));
    let keys = HaltKeys {
        agent: "support".into(),
        component: None,
        tenant: TENANT.into(),
        tool: Some("payments__refund".into()),
    };
    assert!(ledger.is_halted(&keys));
    let namespace = StateNamespace {
        tenant: TENANT.into(),
        component: "tickets".into(),
        run: None,
    };
    let entry = reader.state_entry(&namespace, "count").unwrap().unwrap();
    assert_eq!(entry.labels, labels(&["private"]));
    assert_eq!(
        ledger
            .keys()
            .open(&entry.value, "state")
            .unwrap()
            .as_slice(),
        b"kept"
    );
}

fn decisions_and_outcomes_are_read(reader: &LedgerReader, run: RunId) {
    let records: Vec<Event> = reader
        .records_of_run(run)
        .unwrap()
        .into_iter()
        .map(|(_, r)| r.event)
        .collect();
    let statuses: Vec<Status> = records
        .iter()
        .filter_map(|event| match event {
            Event::Outcome(outcome) => Some(outcome.status),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, [Status::FuelExhausted, Status::MemoryExhausted]);
    let decisions: Vec<&DecisionRecord> = records
        .iter()
        .filter_map(|event| match event {
            Event::Decision(decision) => Some(&**decision),
            _ => None,
        })
        .collect();
    assert_eq!(decisions[0].decide_micros, 11);
    assert!(decisions[0].caller_span.is_some() && decisions[0].facts_digest.is_some());
    assert!(
        decisions[0]
            .capture
            .is_some_and(|capture| capture.payload.is_some())
    );
    assert_eq!(decisions[1].propagated_labels, labels(&["private"]));
    assert_eq!(decisions[1].label_target.as_deref(), Some("file:1:2"));
    assert_eq!(decisions.iter().filter(|d| d.is_secondary).count(), 1);
}

#[test]
fn every_administrative_action_of_an_old_store_is_known() {
    let place = place();
    let ledger = place.open();
    let mut actions = Vec::new();
    ledger
        .reader()
        .records(&RecordFilter::default(), |_, record| {
            if let Event::Administered(done) = record.event {
                actions.push(done.action);
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(actions.len(), 15);
    assert!(actions.contains(&AdminAction::AgentImpersonated));
    assert!(actions.contains(&AdminAction::PayloadKeysDestroyed));
}

#[test]
fn a_pending_approval_of_an_old_store_is_answered_and_used() {
    let place = place();
    let (ledger, script) = (place.open(), Script::new());
    // Ids that the store does not have.
    script.next.store(1_000, Ordering::Relaxed);
    let [row] = ledger
        .reader()
        .approvals(&ApprovalFilter::open())
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(row.escalated_to, labels(&["managers"]));
    let arguments = ledger
        .unseal(row.opened, row.payload.unwrap(), "arguments")
        .unwrap();
    assert_eq!(arguments.as_slice(), b"{\"id\":8}");
    let resume = script.resume(row.run, row.call, Outcome::Allow, "d");
    let start = script.start(row.run, row.call, Some(row.id));
    let used = block_on(async {
        let answer = vec![
            script.answer(row.run, row.id, "dana", true, true),
            script.resolve(row.run, row.call, row.id, ApprovalState::Approved),
        ];
        ledger
            .commit(on(
                answer,
                vec![Condition::ApprovalUnchanged(row.id, row.version)],
            ))
            .await
            .unwrap();
        first(ledger.commit(batch(vec![resume, start])).await)
    });
    assert_eq!(used, Ok(RECORDS + 2));
    let row = ledger.reader().approval(row.id).unwrap().unwrap();
    assert_eq!(row.state, ApprovalState::Consumed);
    assert_eq!(
        block_on(ledger.recover(T0)).unwrap().len(),
        1,
        "the call that was open"
    );
    ledger.reader().verify(None, |_| {}).unwrap();
    drop(ledger);
    assert_eq!(place.open().size(), RECORDS + 5);
}

/// Tables of version 1 had users' tokens under their names, and none of the later columns.
#[test]
fn a_store_of_the_first_version_is_brought_up_to_date() {
    let place = Place::new();
    let options = place.options();
    for file in [&options.path, &options.key] {
        fs::create_dir(file.parent().unwrap()).unwrap();
    }
    crate::keys::make_master(&options.key).unwrap();
    let master = crate::keys::read_master(&options.key).unwrap();
    let check = crate::keys::key_check(&master, &[7; 16]).unwrap();
    let conn = Connection::open(place.path()).unwrap();
    conn.execute_batch(schema::FORMAT.migrations[0]).unwrap();
    conn.execute_batch(
        "INSERT INTO tokens (user, hash, created) VALUES ('alice', zeroblob(32), 7);
         INSERT INTO calls (run, call, state, start) VALUES (0, zeroblob(8), 'denied', NULL);",
    )
    .unwrap();
    conn.execute(
        "INSERT INTO store (id, name, key_check) VALUES (1, ?1, ?2)",
        params![[7_u8; 16], check],
    )
    .unwrap();
    conn.pragma_update(None, "user_version", 1).unwrap();
    conn.pragma_update(None, "application_id", schema::FORMAT.application)
        .unwrap();
    drop(conn);
    let tokens = place.open().reader().tokens().unwrap();
    let kept: Vec<_> = tokens
        .iter()
        .map(|t| (&t.principal, t.name.as_str(), t.hash))
        .collect();
    assert_eq!(kept, [(&alice(), "cli", Sha256Digest::from_bytes([0; 32]))]);
    let conn = Connection::open(place.path()).unwrap();
    assert_eq!(sqlite::version(&conn).unwrap(), schema::FORMAT.newest());
    let count = |table: &str| {
        conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
            row.get::<_, i64>(0)
        })
        .unwrap()
    };
    assert_eq!(count("calls"), 1);
    assert_eq!(
        count("component_state") + count("suspended_calls") + count("principal_calls"),
        0
    );
}
