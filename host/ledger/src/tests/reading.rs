//! Lists, prefixes, times, and verification.

use std::ops::ControlFlow;

use super::*;

fn listed(reader: &LedgerReader, filter: &RecordFilter, limit: usize) -> Vec<u64> {
    let mut indices = Vec::new();
    reader
        .records(filter, |index, _| {
            indices.push(index);
            if indices.len() == limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
    indices
}

fn minutes(n: u64) -> Timestamp {
    T0.plus(n * 60_000_000)
}

/// When the record `n` of a thousand was created: every tenth one three minutes before its neighbours.
fn created(n: u64) -> u64 {
    if n % 10 == 9 { n - 3 } else { n }
}

#[test]
fn records_are_found_by_time_and_place() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    block_on(async {
        for n in 0..1000_u64 {
            let halt = Record {
                time: minutes(created(n)),
                ..script.halt(HaltScope::Tool, "x", n % 2 == 1)
            };
            ledger.commit(batch(vec![halt])).await.unwrap();
        }
    });
    let reader = ledger.reader();
    let all = RecordFilter::default();
    assert_eq!(
        listed(reader, &all, usize::MAX),
        (0..1000).rev().collect::<Vec<_>>()
    );
    assert_eq!(listed(reader, &all, 3), [999, 998, 997]);
    let oldest = RecordFilter {
        order: Order::OldestFirst,
        ..all.clone()
    };
    assert_eq!(
        listed(reader, &oldest, usize::MAX),
        (0..1000).collect::<Vec<_>>()
    );
    let range = RecordFilter {
        range: Some(10..13),
        ..oldest.clone()
    };
    assert_eq!(listed(reader, &range, usize::MAX), [10, 11, 12]);
    let between = RecordFilter {
        since: Some(minutes(497)),
        until: Some(minutes(500)),
        ..oldest.clone()
    };
    assert_eq!(
        listed(reader, &between, usize::MAX),
        [497, 498],
        "499 was made earlier"
    );
    let late = RecordFilter {
        since: Some(minutes(495)),
        until: Some(minutes(497)),
        ..oldest
    };
    assert_eq!(
        listed(reader, &late, usize::MAX),
        [495, 496, 499],
        "and is found with its like"
    );
    for since in (0..1000).step_by(3) {
        let filter = RecordFilter {
            since: Some(minutes(since)),
            until: Some(minutes(since + 6)),
            order: Order::OldestFirst,
            range: None,
        };
        let expected: Vec<u64> = (0..1000)
            .filter(|n| (since..since + 6).contains(&created(*n)))
            .collect();
        assert_eq!(listed(reader, &filter, usize::MAX), expected, "{since}");
    }
    let since = Some(minutes(5000));
    let nothing = RecordFilter { since, ..all };
    assert_eq!(listed(reader, &nothing, usize::MAX), [0; 0]);
    assert_eq!(reader.record(1000).unwrap(), None);
}

/// The ids of three runs, the first two of which begin alike.
const RUNS: [&str; 3] = [
    "01234567890123456789012345678901",
    "01239999990123456789012345678901",
    "ab234567890123456789012345678901",
];

/// Runs of the agents `a`, `b` and `a`, of which the last has ended.
fn three_runs(ledger: &Ledger, script: &Script) {
    let run = |id: &str, principal: &str| {
        let (_, mut record) = script.run(None, &[]);
        record.run = Some(id.parse().unwrap());
        if let Event::RunStarted(started) = &mut record.event {
            started.principal = Uid::new(Kind::Agent, principal);
        }
        record
    };
    let [one, two, three] = RUNS;
    let started = vec![run(one, "a"), run(two, "b"), run(three, "a")];
    let ended = vec![script.end(three.parse().unwrap())];
    block_on(async {
        ledger.commit(batch(started)).await.unwrap();
        ledger.commit(batch(ended)).await.unwrap();
    });
}

#[test]
fn runs_are_found_by_the_beginning_of_their_id() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    three_runs(&ledger, &script);
    let [one, two, three] = RUNS;
    let reader = ledger.reader();
    let found = |prefix: &str| reader.run(prefix).map(|run| run.id.to_string());
    assert_eq!(found("ab").unwrap(), three);
    assert_eq!(found("AB").unwrap(), three);
    assert_eq!(found("01234").unwrap(), one);
    assert_eq!(found(two).unwrap(), two);
    for wrong in ["0123", "ff", "", "zz", "%", &format!("{one}0")] {
        assert!(
            matches!(found(wrong), Err(LedgerError::NotFound { .. })),
            "{wrong}"
        );
    }
    assert!(found("0123").unwrap_err().to_string().contains("single"));
}

#[test]
fn runs_are_listed_by_what_is_asked() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    three_runs(&ledger, &script);
    let all = RunFilter::default;
    let open = RunFilter {
        open: Some(true),
        ..all()
    };
    let succeeded = RunFilter {
        outcome: Some(RunOutcome::Success),
        ..all()
    };
    let newest_of_a = RunFilter {
        principal: Some(Uid::new(Kind::Agent, "a")),
        limit: Some(1),
        ..all()
    };
    let older = RunFilter {
        before: Some(1),
        ..all()
    };
    let elsewhere = RunFilter {
        tenant: Some("other".into()),
        ..all()
    };
    let [one, two, three] = RUNS;
    for (filter, expected) in [
        (all(), &[three, two, one][..]),
        (open, &[two, one]),
        (succeeded, &[three]),
        (newest_of_a, &[three]),
        (older, &[one]),
        (elsewhere, &[]),
    ] {
        let found = ledger.reader().runs(&filter).unwrap();
        let ids: Vec<String> = found.iter().map(|run| run.id.to_string()).collect();
        assert_eq!(ids, expected, "{filter:?}");
    }
}

#[test]
fn verification_names_the_first_record_that_was_altered() {
    for (sql, index) in [
        (
            "UPDATE records SET leaf = CAST(replace(CAST(leaf AS TEXT), 'bob', 'eve') AS BLOB) WHERE idx = 7",
            7,
        ),
        ("UPDATE records SET hash = zeroblob(32) WHERE idx = 3", 3),
        ("DELETE FROM records WHERE idx = 5", 5),
        ("DELETE FROM records WHERE idx IN (0, 5)", 0),
        // Swapped: record 5 began a run, record 6 continues another.
        (
            "UPDATE records SET idx = 1000 WHERE idx = 5; UPDATE records SET idx = 5 WHERE idx = 6; \
             UPDATE records SET idx = 6 WHERE idx = 1000",
            5,
        ),
        ("UPDATE records SET prev = NULL WHERE idx = 10", 10),
        ("UPDATE records SET prev = 1 WHERE idx = 10", 10),
    ] {
        let place = Place::new();
        let (ledger, script) = (place.open(), Script::new());
        let (run, started) = script.run(Some("bob"), &[]);
        block_on(async {
            ledger.commit(batch(vec![started])).await.unwrap();
            for _ in 0..10 {
                let (_, other) = script.run(None, &["bob"]);
                let call = script.decide(run, script.span(), Outcome::Deny, "bob");
                ledger.commit(batch(vec![other, call])).await.unwrap();
            }
        });
        assert_eq!(ledger.reader().verify(None, |_| {}).unwrap().size, 21);
        place.tamper(sql);
        match ledger.reader().verify(None, |_| {}) {
            Err(LedgerError::Altered { index: found, .. }) => assert_eq!(found, index, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

/// A swap that an attacker makes consistent within the table changes the root, which the anchor has.
#[test]
fn the_root_is_of_these_records_in_this_order() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    block_on(async {
        for n in 0..5 {
            ledger
                .commit(batch(vec![script.halt(
                    HaltScope::Tool,
                    &n.to_string(),
                    false,
                )]))
                .await
                .unwrap();
        }
    });
    let mut seen = 0;
    let verified = ledger.reader().verify(None, |n| seen = n).unwrap();
    assert_eq!((verified.size, seen), (5, 5));
    let mut tree = tollgate_model::merkle::Tree::default();
    for n in 0..5 {
        let leaf = ledger.reader().record(n).unwrap().unwrap().leaf().unwrap();
        tree.push(tollgate_model::record::leaf_hash(&leaf));
    }
    assert_eq!(verified.tree, tree);
    drop(ledger);
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    conn.execute_batch(
        "UPDATE records SET idx = 1000 WHERE idx = 1; UPDATE records SET idx = 1 WHERE idx = 2; \
         UPDATE records SET idx = 2 WHERE idx = 1000; \
         UPDATE halts SET idx = CASE idx WHEN 1 THEN 2 WHEN 2 THEN 1 ELSE idx END",
    )
    .unwrap();
    let mut chain = chain::Chain::default();
    for n in 0..5 {
        let hash = conn
            .query_row("SELECT hash FROM records WHERE idx = ?1", [n], |r| r.get(0))
            .unwrap();
        chain = chain::next_chain(&chain, &hash);
        conn.execute("UPDATE records SET chain = ?2 WHERE idx = ?1", (n, chain))
            .unwrap();
    }
    drop(conn);
    let reader = LedgerReader::open(&place.path()).unwrap();
    assert_ne!(reader.verify(None, |_| {}).unwrap().tree, tree);
    let error = reader
        .verify(Some(&place.options().key), |_| {})
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("its first 5 records are not those that were there"),
        "{error}"
    );
}

/// The tables' constraints hold even if the code is wrong.
#[test]
fn impossible_rows_are_impossible() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (_, started) = script.run(None, &[]);
    block_on(ledger.commit(batch(vec![started]))).unwrap();
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    for sql in [
        "INSERT INTO records VALUES (1, x'7b7d', x'00', zeroblob(16), NULL)",
        "INSERT INTO records VALUES (1, x'7b7d', zeroblob(32), zeroblob(16), 1)",
        "INSERT INTO records VALUES (-1, x'7b7d', zeroblob(32), zeroblob(16), NULL)",
        "INSERT INTO records VALUES (1, zeroblob(65536), zeroblob(32), zeroblob(16), NULL)",
        "INSERT INTO records VALUES (1, 'text', zeroblob(32), zeroblob(16), NULL)",
        "UPDATE runs SET ended = 1",
        "UPDATE runs SET outcome = 'success'",
        "UPDATE runs SET ended = 1, outcome = 'fine', stop_reason = ''",
        "UPDATE runs SET last_record = -1",
        "INSERT INTO calls VALUES (0, zeroblob(8), 'started', NULL)",
        "INSERT INTO calls VALUES (0, zeroblob(8), 'denied', 4)",
        "INSERT INTO calls VALUES (0, zeroblob(8), 'running', 4)",
        "INSERT INTO halts VALUES ('all', 'x', 'a', 'b', 1)",
        "INSERT INTO halts VALUES ('tool', '', 'a', 'b', 1)",
        "INSERT INTO day_keys VALUES ('a', 1, x'00')",
        "INSERT INTO store VALUES (2, zeroblob(16), x'00')",
    ] {
        assert!(conn.execute_batch(sql).is_err(), "{sql}");
    }
}
