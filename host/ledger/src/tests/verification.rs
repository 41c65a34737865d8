//! Verification compares the read models with the records.

use super::*;

/// A store in which every read model has rows.
fn filled(place: &Place) -> Ledger {
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(Some("k"), &["private"]);
    let (_, _, asked) = script.escalate(run, "a");
    let call = script.span();
    let write = DecisionRecord {
        propagated_labels: labels(&["private"]),
        ..script.decision(run, call, Outcome::Allow, "b")
    };
    let start = script.start(run, call, None);
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        ledger.commit(batch(asked)).await.unwrap();
        let decided = script.record(Some(run), Event::Decision(Box::new(write)));
        ledger.commit(batch(vec![decided, start])).await.unwrap();
        ledger
            .commit(batch(vec![script.halt(HaltScope::Tool, "x", false)]))
            .await
            .unwrap();
    });
    ledger
}

#[test]
fn a_changed_read_model_is_found_and_rebuilt() {
    for (sql, wrong) in [
        ("DELETE FROM run_labels", "run_labels"),
        ("DELETE FROM principal_labels", "principal_labels"),
        ("DELETE FROM file_labels", "file_labels"),
        ("DELETE FROM halts", "halts"),
        ("UPDATE runs SET calls = 0", "runs"),
        ("UPDATE approvals SET state = 'approved'", "approvals"),
        (
            "UPDATE calls SET state = 'closed' WHERE state = 'started'",
            "calls",
        ),
        (
            "INSERT INTO run_labels (run, label) VALUES (0, 'zebra')",
            "run_labels",
        ),
        (
            "UPDATE principal_calls SET calls = calls + 1",
            "principal_calls",
        ),
    ] {
        let place = Place::new();
        let ledger = filled(&place);
        let verify = || ledger.reader().verify(None, |_| {});
        verify().unwrap();
        place.tamper(sql);
        match verify() {
            Err(LedgerError::ReadModel { table, rows, .. }) => {
                assert_eq!(table, wrong, "{sql}");
                assert!(rows > 0);
            }
            other => panic!("{sql}: {other:?}"),
        }
        block_on(ledger.rebuild()).unwrap();
        verify().unwrap();
    }
}

/// A call that was open at a crash may have shown its content, so recovery joins the labels of its start.
#[test]
fn recovery_joins_the_labels_of_the_content() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let call = script.span();
    let Event::Start(start) = script.start(run, call, None).event else {
        panic!("a start")
    };
    let start = Start {
        labels: labels(&["private"]),
        ..start
    };
    let decided = script.decide(run, call, Outcome::Allow, "a");
    let start = script.record(Some(run), Event::Start(start));
    block_on(ledger.commit(batch(vec![started, decided, start]))).unwrap();
    let held = |ledger: &Ledger| ledger.run(run, None).unwrap().unwrap().state.labels;
    assert_eq!(held(&ledger), labels(&[]));
    drop(ledger);
    let ledger = place.open();
    block_on(ledger.recover(T0)).unwrap();
    assert_eq!(held(&ledger), labels(&["private"]));
}
