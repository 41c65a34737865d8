//! Keys: sealed payloads stay sealed.

use tollgate_model::ids::TokenId;

use super::*;
use crate::SameName;

#[test]
fn what_is_sealed_opens_again_and_only_as_what_it_is() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let payload = ledger.seal(TENANT, T0, b"50 euros", "facts").unwrap();
    assert_eq!(payload.digest, Sha256Digest::of(&payload.ciphertext));
    assert!(!payload.ciphertext.windows(5).any(|w| w == b"euros"));
    assert_ne!(
        ledger
            .seal(TENANT, T0, b"50 euros", "facts")
            .unwrap()
            .ciphertext,
        payload.ciphertext
    );
    let (run, started) = script.run(None, &[]);
    let other = ledger.seal(TENANT, T0, b"other", "facts").unwrap();
    let with = |payloads, records| Batch {
        payloads,
        ..batch(records)
    };
    block_on(async {
        ledger
            .commit(with(vec![other.clone(), payload.clone()], vec![started]))
            .await
            .unwrap();
        ledger.commit(batch(vec![script.end(run)])).await.unwrap();
    });
    drop(ledger);
    let ledger = place.open();
    ledger.reader().verify(None, |_| {}).unwrap();
    let open = |index, digest, kind| {
        ledger
            .unseal(index, digest, kind)
            .map(|plain| plain.to_vec())
    };
    assert_eq!(open(0, payload.digest, "facts").unwrap(), b"50 euros");
    assert_eq!(open(0, other.digest, "facts").unwrap(), b"other");
    assert!(
        matches!(
            open(0, payload.digest, "arguments"),
            Err(LedgerError::Damaged { .. })
        ),
        "another kind"
    );
    assert!(matches!(
        open(0, Sha256Digest::of(b"?"), "facts"),
        Err(LedgerError::NotFound { .. })
    ));
    for forged in [
        Payload {
            tenant: "other".into(),
            ..payload.clone()
        },
        Payload {
            day: payload.day + 1,
            ..payload.clone()
        },
        Payload {
            ciphertext: payload.ciphertext[1..].to_vec(),
            ..payload.clone()
        },
        Payload {
            ciphertext: Vec::new(),
            ..payload
        },
    ] {
        assert!(ledger.keys().open(&forged, "facts").is_err());
    }
}

#[test]
fn a_destroyed_day_is_gone_and_the_log_still_verifies() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let tomorrow = T0.plus(24 * HOUR);
    let (today, later) = (
        ledger.seal(TENANT, T0, b"a", "facts").unwrap(),
        ledger.seal(TENANT, tomorrow, b"b", "facts").unwrap(),
    );
    let batch = Batch {
        payloads: vec![today.clone(), later.clone()],
        ..batch(vec![script.run(None, &[]).1])
    };
    block_on(ledger.commit(batch)).unwrap();
    let before = ledger.reader().verify(None, |_| {}).unwrap();
    let key = || {
        let conn = rusqlite::Connection::open(place.path()).unwrap();
        conn.query_row(
            "SELECT wrapped FROM day_keys WHERE day = ?1",
            [today.day],
            |r| r.get::<_, Option<Vec<u8>>>(0),
        )
        .unwrap()
    };
    let wrapped = key().unwrap();
    ledger.keys().destroy_day(TENANT, today.day).unwrap();
    assert_eq!(key(), None);
    for file in std::fs::read_dir(place.path().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(
            !bytes.windows(wrapped.len()).any(|w| w == wrapped),
            "the wrapped key is nowhere"
        );
    }
    let sealed = |r: Result<_, LedgerError>| matches!(r, Err(LedgerError::Sealed { day }) if day == today.day);
    assert!(sealed(ledger.unseal(0, today.digest, "facts").map(drop)));
    assert!(
        sealed(ledger.seal(TENANT, T0, b"c", "facts").map(drop)),
        "the key is not made anew"
    );
    assert_eq!(*ledger.unseal(0, later.digest, "facts").unwrap(), b"b");
    drop(ledger);
    let ledger = place.open();
    assert!(
        sealed(ledger.unseal(0, today.digest, "facts").map(drop)),
        "nor after a restart"
    );
    assert_eq!(ledger.reader().verify(None, |_| {}).unwrap(), before);
}

#[test]
fn digests_are_equal_where_they_must_be_and_nowhere_else() {
    let place = Place::new();
    let ledger = place.open();
    let digest =
        |ledger: &Ledger, tenant: &str, parts: &[&[u8]]| ledger.digest(tenant, parts).unwrap();
    let first = digest(&ledger, TENANT, &[b"tool", b"{}"]);
    assert_eq!(first, digest(&ledger, TENANT, &[b"tool", b"{}"]));
    assert_ne!(first, digest(&ledger, TENANT, &[b"too", b"l{}"]));
    assert_ne!(
        first,
        digest(&ledger, "other", &[b"tool", b"{}"]),
        "tenants cannot compare"
    );
    drop(ledger);
    assert_eq!(
        first,
        digest(&place.open(), TENANT, &[b"tool", b"{}"]),
        "also after a restart"
    );
    assert_ne!(
        first,
        digest(&Place::new().open(), TENANT, &[b"tool", b"{}"])
    );
}

/// Many threads use a new tenant and a new day at once: one key is created.
#[test]
fn a_key_is_made_once() {
    let place = Place::new();
    let ledger = place.open();
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let ledger = &ledger;
                scope.spawn(move || {
                    let payload = ledger.seal(TENANT, T0, b"x", "facts").unwrap();
                    (payload, ledger.digest(TENANT, &[b"x"]).unwrap())
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    drop(ledger);
    let ledger = place.open();
    for (payload, digest) in made {
        assert_eq!(*ledger.keys().open(&payload, "facts").unwrap(), b"x");
        assert_eq!(digest, ledger.digest(TENANT, &[b"x"]).unwrap());
    }
}

#[test]
fn nothing_shows_a_key() {
    let place = Place::new();
    let ledger = place.open();
    let key = std::fs::read_to_string(place.options().key).unwrap();
    assert!(!format!("{ledger:?} {:?}", ledger.keys()).contains(key.trim()));
    assert_eq!(format!("{:?}", ledger.keys()), "Keys");
}

#[test]
fn bundles_and_tokens_are_kept() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let digest = Sha256Digest::of(b"policies");
    let token = |n: u8, name: &str| Token {
        id: TokenId::from_bytes([n; 8]),
        principal: alice(),
        on_behalf_of: None,
        name: name.into(),
        hash: Sha256Digest::of(&[n]),
        created: T0,
        expires: Some(T0),
        makers: Some(BTreeSet::from(["alice".to_owned()])),
        is_confirmed: n != 3,
    };
    let activated = tollgate_model::record::BundleActivated {
        bundle: digest,
        by: "alice".into(),
        components: Default::default(),
        policies: 1,
        tools: 2,
    };
    block_on(async {
        assert_eq!(ledger.reader().active_bundle().unwrap(), None);
        for _ in 0..2 {
            ledger.store_bundle(digest, b"policies").await.unwrap();
        }
        ledger
            .commit(batch(vec![
                script.record(None, Event::BundleActivated(activated.clone())),
            ]))
            .await
            .unwrap();
        for (n, name, earlier) in [
            (1, "cli", SameName::Replace),
            (2, "cli", SameName::Replace),
            (3, "ci", SameName::Keep),
        ] {
            ledger.store_token(token(n, name), earlier).await.unwrap();
        }
    });
    let reader = ledger.reader();
    assert_eq!(reader.bundle(digest).unwrap(), Some(b"policies".to_vec()));
    assert_eq!(reader.bundle(Sha256Digest::of(b"?")).unwrap(), None);
    assert_eq!(reader.active_bundle().unwrap(), Some(activated));
    let id = |n: u8| TokenId::from_bytes([n; 8]);
    assert_eq!(reader.token(id(1)).unwrap(), None, "another took its place");
    assert_eq!(reader.token(id(2)).unwrap(), Some(token(2, "cli")));
    block_on(ledger.remove_token(id(2))).unwrap();
    assert_eq!(reader.tokens().unwrap(), [token(3, "ci")]);
    block_on(ledger.confirm_token(id(3))).unwrap();
    let confirmed = Token {
        is_confirmed: true,
        ..token(3, "ci")
    };
    assert_eq!(reader.tokens().unwrap(), [confirmed]);
    assert_eq!(reader.cursor("webhook").unwrap(), None);
    for next in [7, 9] {
        block_on(ledger.set_cursor("webhook", next)).unwrap();
        assert_eq!(reader.cursor("webhook").unwrap(), Some(next));
    }
}

#[test]
fn a_payload_that_was_altered_is_told() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let payload = ledger.seal(TENANT, T0, b"x", "facts").unwrap();
    block_on(async {
        ledger
            .commit(batch(vec![script.run(None, &[]).1]))
            .await
            .unwrap();
        let second = Batch {
            payloads: vec![payload.clone()],
            ..batch(vec![script.run(None, &[]).1])
        };
        ledger.commit(second).await.unwrap();
    });
    place.tamper("UPDATE payloads SET ciphertext = zeroblob(50)");
    match ledger.reader().verify(None, |_| {}) {
        Err(LedgerError::Altered { index: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(ledger.unseal(1, payload.digest, "facts").is_err());
}
