//! Disks that fill up, disks that fail, and processes that die.

use std::sync::atomic::Ordering;

use rusqlite::ffi;

use super::*;

#[test]
fn a_failed_sync_poisons_the_ledger_until_it_is_opened_again() {
    for code in [
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_IOERR_DIR_FSYNC,
        ffi::SQLITE_CORRUPT,
        ffi::SQLITE_IOERR_READ,
    ] {
        let place = Place::new();
        let (ledger, script) = (place.open(), Script::new());
        let (run, started) = script.run(None, &[]);
        let next = || batch(vec![script.run(None, &[]).1]);
        block_on(async {
            ledger.commit(batch(vec![started])).await.unwrap();
            ledger
                .task(move |writer| writer.faults.push(code))
                .await
                .unwrap();
            for _ in 0..3 {
                assert_eq!(
                    ledger.commit(next()).await,
                    Err(CommitError::Poisoned),
                    "{code}"
                );
            }
            assert_eq!(
                ledger.store_bundle(Sha256Digest::of(b"b"), b"b").await,
                Err(CommitError::Poisoned)
            );
        });
        assert!(
            ledger.run_state(run, None).unwrap().is_some(),
            "what was durable can still be read"
        );
        drop(ledger);
        let ledger = place.open();
        assert_eq!(ledger.size(), 1);
        block_on(ledger.commit(next())).unwrap();
    }
}

#[test]
fn a_failed_write_refuses_and_is_over_when_the_disk_is() {
    for code in [
        ffi::SQLITE_FULL,
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_READONLY,
    ] {
        let place = Place::new();
        let (ledger, script) = (place.open(), Script::new());
        let (run, started) = script.run(None, &[]);
        let again = started.clone();
        block_on(async {
            ledger
                .task(move |writer| writer.faults.push(code))
                .await
                .unwrap();
            let refused = ledger.commit(batch(vec![started])).await;
            assert!(
                matches!(refused, Err(CommitError::Store(_))),
                "{code}: {refused:?}"
            );
            assert_eq!(ledger.run_state(run, None).unwrap(), None);
            assert_eq!(first(ledger.commit(batch(vec![again])).await), Ok(0));
        });
    }
}

fn payload(n: u8) -> Payload {
    Payload {
        ciphertext: vec![n; 40_000],
        day: 1,
        digest: Sha256Digest::of(&vec![n; 40_000]),
        tenant: TENANT.into(),
    }
}

/// Starts eight calls.
async fn start_calls(ledger: &Ledger, script: &Script, run: RunId) -> Vec<Record> {
    let mut starts = Vec::new();
    for n in 0..8 {
        let call = script.span();
        let start = script.start(run, call, None);
        let records = vec![
            script.decide(run, call, Outcome::Allow, &n.to_string()),
            start.clone(),
        ];
        ledger.commit(batch(records)).await.unwrap();
        starts.push(start);
    }
    starts
}

/// The disk fills up while calls are running: new calls are refused, but outcomes are still recorded.
#[test]
fn outcomes_fit_on_a_full_disk() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        let starts = start_calls(&ledger, &script, run).await;
        let full = ledger
            .task(|writer| {
                writer.limit_pages(1);
                writer.reserve_pages = Some(400);
                std::sync::Arc::clone(&writer.reserve().disk_is_full)
            })
            .await
            .unwrap();
        full.store(true, Ordering::Relaxed);
        let open = |n: u8| {
            let call = script.span();
            let records = vec![
                script.decide(run, call, Outcome::Allow, "new"),
                script.start(run, call, None),
            ];
            Batch {
                payloads: vec![payload(n)],
                ..batch(records)
            }
        };
        let refused = ledger.commit(open(50)).await;
        assert!(
            matches!(&refused, Err(CommitError::Store(why)) if why.contains("full")),
            "{refused:?}"
        );
        let size = ledger.size();
        // Outcomes and new calls, mixed.
        let mut closing = Vec::new();
        for (n, start) in (0_u8..).zip(&starts) {
            let outcome = script.outcome(run, start, Status::Ok, &["private"]);
            let batch = Batch {
                payloads: vec![payload(n)],
                ..batch(vec![outcome])
            };
            let (closed, refused) = tokio::join!(ledger.commit(batch), ledger.commit(open(60)));
            closing.push(closed);
            assert!(matches!(refused, Err(CommitError::Store(_))), "{refused:?}");
        }
        assert!(closing.iter().all(Result::is_ok), "{closing:?}");
        assert_eq!(ledger.size(), size + 8);
        // Space returns: so does the reserve, and calls are accepted again.
        full.store(false, Ordering::Relaxed);
        ledger
            .task(|writer| writer.limit_pages(100_000))
            .await
            .unwrap();
        ledger.commit(open(70)).await.unwrap();
        assert!(
            !ledger
                .task(|writer| writer.reserve().is_released())
                .await
                .unwrap()
        );
    });
    assert_eq!(
        ledger.reader().verify(None, |_| {}).unwrap().size,
        ledger.size()
    );
    assert_eq!(
        ledger.run_state(run, None).unwrap().unwrap().labels,
        labels(&["private"])
    );
}

#[test]
fn space_is_kept_back_on_the_disk() {
    let place = Place::new();
    let ledger = place.open();
    let reserve = sqlite::sibling_path(&place.path(), ".reserve");
    let blocks = |path: &std::path::Path| {
        std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(path).unwrap()) * 512
    };
    assert!(blocks(&reserve) >= 8 << 20, "no hole, but blocks");
    block_on(ledger.task(|writer| writer.reserve().release())).unwrap();
    assert_eq!(blocks(&reserve), 0);
}

/// The store as a process leaves it that dies: a copy of its files.
fn copy_of_files(place: &Place) -> Place {
    let crashed = Place::new();
    for dir in ["store", "keys"] {
        let to = crashed.dir.path().join(dir);
        std::fs::create_dir(&to).unwrap();
        for file in std::fs::read_dir(place.dir.path().join(dir)).unwrap() {
            let file = file.unwrap();
            if !file.file_name().to_string_lossy().ends_with("-shm") {
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        }
    }
    crashed
}

#[test]
fn what_was_started_is_indeterminate_after_a_crash() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let (call, done) = (script.span(), script.span());
    let (start, other) = (script.start(run, call, None), script.start(run, done, None));
    let effect = |operation: &str| {
        let effect = tollgate_model::record::Effect {
            call,
            details: None,
            error: None,
            execution: None,
            duration_micros: 1,
            operation: operation.into(),
            parent: script.span(),
            size: 1,
            span: script.span(),
            target: "book:/a.txt".into(),
        };
        script.record(Some(run), Event::Effect(effect))
    };
    block_on(async {
        ledger
            .commit(batch(vec![
                started,
                script.decide(run, call, Outcome::Allow, "a"),
                start,
                script.decide(run, done, Outcome::Allow, "b"),
                other.clone(),
                script.outcome(run, &other, Status::Ok, &[]),
                effect("read_file"),
                effect("write_file"),
            ]))
            .await
            .unwrap();
    });
    let crashed = copy_of_files(&place);
    let ledger = crashed.open();
    assert_eq!(ledger.size(), 8, "nothing acknowledged is lost");
    let recovered = block_on(ledger.recover(T0)).unwrap();
    assert_eq!(recovered, [RecoveredCall { run, call }]);
    assert_eq!(block_on(ledger.recover(T0)).unwrap(), [], "once");
    let Some(Record {
        event: Event::Outcome(outcome),
        ..
    }) = ledger.reader().record(8).unwrap()
    else {
        panic!("an outcome")
    };
    assert_eq!(
        (outcome.status, outcome.effects),
        (Status::Indeterminate, 1)
    );
    let spans = ledger.reader().spans(run).unwrap();
    let span = spans.iter().find(|s| s.span == call).unwrap();
    assert_eq!(span.error.as_deref(), Some("indeterminate"));
    drop(ledger);
    assert_eq!(block_on(crashed.open().recover(T0)).unwrap(), []);
}

/// A torn tail of the log was never acknowledged.
#[test]
fn a_torn_log_loses_only_its_end() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    block_on(async {
        for _ in 0..5 {
            ledger
                .commit(batch(vec![script.run(None, &[]).1]))
                .await
                .unwrap();
        }
    });
    let torn = Place::new();
    for dir in ["store", "keys"] {
        std::fs::create_dir(torn.dir.path().join(dir)).unwrap();
    }
    std::fs::copy(place.options().key, torn.options().key).unwrap();
    std::fs::copy(place.path(), torn.path()).unwrap();
    let log = std::fs::read(sqlite::sibling_path(&place.path(), "-wal")).unwrap();
    std::fs::write(
        sqlite::sibling_path(&torn.path(), "-wal"),
        &log[..log.len() - 1000],
    )
    .unwrap();
    let ledger = torn.open();
    assert_eq!(ledger.size(), 4);
    block_on(ledger.commit(batch(vec![script.run(None, &[]).1]))).unwrap();
    assert_eq!(ledger.reader().verify(None, |_| {}).unwrap().size, 5);
}

/// A disk that really fills up: `mount -t tmpfs -o size=20m tmpfs DIR`, then run it with
/// `TOLLGATE_SMALL_DISK=DIR`.
#[test]
#[ignore = "needs a small disk: TOLLGATE_SMALL_DISK=DIR"]
fn a_disk_that_really_fills_up() {
    let disk = std::env::var_os("TOLLGATE_SMALL_DISK").unwrap();
    let place = Place {
        dir: tempfile::tempdir_in(&disk).unwrap(),
    };
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        let mut starts = Vec::new();
        // Fill it with calls until one is refused.
        let refused = loop {
            let call = script.span();
            let start = script.start(run, call, None);
            let sealed = ledger.seal(TENANT, T0, &[0; 20_000], "facts").unwrap();
            let open = Batch {
                payloads: vec![sealed],
                ..batch(vec![
                    script.decide(run, call, Outcome::Allow, "a"),
                    start.clone(),
                ])
            };
            match ledger.commit(open).await {
                Ok(_) => starts.push(start),
                Err(error) => break error,
            }
        };
        assert!(
            matches!(&refused, CommitError::Store(why) if why.contains("full")),
            "{refused}"
        );
        println!("{} calls, then: {refused}", starts.len());
        for start in &starts {
            let outcome = script.outcome(run, start, Status::Ok, &["private"]);
            ledger.commit(batch(vec![outcome])).await.unwrap();
        }
        let call = script.span();
        let next = || batch(vec![script.decide(run, call, Outcome::Deny, "b")]);
        let refused = ledger.commit(next()).await;
        assert!(
            matches!(refused, Err(CommitError::Store(_))),
            "the reserve is not theirs: {refused:?}"
        );
    });
    ledger.reader().verify(None, |_| {}).unwrap();
    drop(ledger);
    let ledger = place.open();
    assert_eq!(
        block_on(ledger.recover(T0)).unwrap(),
        [],
        "everything was closed"
    );
}
