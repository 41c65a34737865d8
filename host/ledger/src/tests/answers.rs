//! Links for one answer, and signatures that count once.

use tollgate_model::record::ApprovalLinkState;

use super::*;

/// A pending approval.
fn asked(ledger: &Ledger, script: &Script) -> (RunId, SpanId, ApprovalId) {
    let (run, started) = script.run(None, &[]);
    let (call, id, mut records) = script.escalate(run, "a");
    records.insert(0, started);
    block_on(ledger.commit(batch(records))).unwrap();
    (run, call, id)
}

fn state(ledger: &Ledger, id: LinkId) -> ApprovalLinkState {
    ledger.reader().approval_link(id).unwrap().unwrap().state
}

#[test]
fn a_link_answers_once_and_only_its_own_approval() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, _, id) = asked(&ledger, &script);
    let (other_run, _, other) = asked(&ledger, &script);
    let (link, issued) = script.issue(id, "a", "bob");
    block_on(async {
        ledger.commit(batch(vec![issued.clone()])).await.unwrap();
        let again = ledger.commit(batch(vec![issued])).await;
        assert!(matches!(again, Err(CommitError::Illegal(_))), "{again:?}");
        let elsewhere = script.answer_by(other_run, other, "bob", true, link);
        let elsewhere = ledger.commit(batch(vec![elsewhere])).await;
        assert!(matches!(elsewhere, Err(CommitError::Illegal(_))));
        assert_eq!(state(&ledger, link), ApprovalLinkState::Open);
        // Of two answers at once, one counts.
        let answer = || batch(vec![script.answer_by(run, id, "bob", true, link)]);
        let (one, two) = tokio::join!(ledger.commit(answer()), ledger.commit(answer()));
        let results = [one, two];
        assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
        assert!(results.contains(&Err(CommitError::ApprovalChanged)));
    });
    let row = ledger.reader().approval(id).unwrap().unwrap();
    assert_eq!(row.answers.len(), 1);
    assert_eq!(row.answers[0].link, Some(link));
    assert_eq!(state(&ledger, link), ApprovalLinkState::Used);
    let revoke = block_on(ledger.commit(batch(vec![script.revoke(link, id)])));
    assert_eq!(
        revoke.map(drop),
        Err(CommitError::ApprovalChanged),
        "it was used"
    );
    ledger.reader().verify(None, |_| {}).unwrap();
}

#[test]
fn a_revoked_link_answers_nothing_and_none_is_issued_for_a_resolved_approval() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, call, id) = asked(&ledger, &script);
    let (link, issued) = script.issue(id, "a", "bob");
    block_on(async {
        ledger.commit(batch(vec![issued])).await.unwrap();
        let revoked = batch(vec![script.revoke(link, id)]);
        ledger.commit(revoked).await.unwrap();
        let answer = batch(vec![script.answer_by(run, id, "bob", true, link)]);
        assert_eq!(
            ledger.commit(answer).await.map(drop),
            Err(CommitError::ApprovalChanged)
        );
        let rejected = vec![
            script.answer(run, id, "dana", false, true),
            script.resolve(run, call, id, ApprovalState::Rejected),
        ];
        ledger.commit(batch(rejected)).await.unwrap();
        let (_, late) = script.issue(id, "a", "carol");
        assert_eq!(
            ledger.commit(batch(vec![late])).await.map(drop),
            Err(CommitError::ApprovalChanged)
        );
    });
    drop(ledger);
    let ledger = place.open();
    assert_eq!(state(&ledger, link), ApprovalLinkState::Revoked);
    let all = ApprovalLinkFilter {
        approval: Some(id),
        ..Default::default()
    };
    let links = ledger.reader().approval_links(&all).unwrap();
    assert_eq!(links.iter().map(|l| l.id).collect::<Vec<_>>(), [link]);
    let valid = ApprovalLinkFilter {
        valid_at: Some(T0),
        ..all
    };
    assert_eq!(ledger.reader().approval_links(&valid).unwrap(), []);
}

#[test]
fn a_signature_counts_once_also_after_a_restart_until_it_is_too_old() {
    let place = Place::new();
    let ledger = place.open();
    let used = |text: &str, now: Timestamp| UsedSignature {
        digest: Sha256Digest::of(text.as_bytes()),
        now,
        expires: T0.plus(300),
    };
    let uses =
        |ledger: &Ledger, text, now| block_on(ledger.use_signature(used(text, now))).unwrap();
    assert_eq!(uses(&ledger, "a", T0), SignatureUse::First);
    assert_eq!(uses(&ledger, "a", T0), SignatureUse::Repeated);
    assert_eq!(uses(&ledger, "b", T0), SignatureUse::First);
    drop(ledger);
    let ledger = place.open();
    let digest = Sha256Digest::of(b"a");
    assert!(ledger.reader().is_used_signature(digest).unwrap());
    assert_eq!(uses(&ledger, "a", T0.plus(299)), SignatureUse::Repeated);
    assert_eq!(uses(&ledger, "c", T0.plus(301)), SignatureUse::First);
    assert!(
        !ledger.reader().is_used_signature(digest).unwrap(),
        "forgotten"
    );
}

#[test]
fn signatures_are_bounded_and_beyond_that_none_counts() {
    let place = Place::new();
    let ledger = place.open();
    place.tamper(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
         INSERT INTO used_signatures (digest, expires) \
         SELECT randomblob(32), 9223372036854775807 FROM n",
    );
    let used = UsedSignature {
        digest: Sha256Digest::of(b"a"),
        now: T0,
        expires: T0.plus(1),
    };
    let outcome = block_on(ledger.use_signature(used)).unwrap();
    assert_eq!(outcome, SignatureUse::Exhausted);
}

#[test]
fn codes_differ_by_key_tenant_purpose_and_parts() {
    let (here, elsewhere) = (Place::new(), Place::new());
    let (ledger, other) = (here.open(), elsewhere.open());
    let code = ledger.keys().authenticate("acme", "link", &[b"a", b"b"]);
    assert_eq!(
        code,
        ledger.keys().authenticate("acme", "link", &[b"a", b"b"])
    );
    for (keys, tenant, purpose, parts) in [
        (other.keys(), "acme", "link", [b"a".as_slice(), b"b"]),
        (ledger.keys(), "other", "link", [b"a", b"b"]),
        (ledger.keys(), "acme", "form", [b"a", b"b"]),
        (ledger.keys(), "acme", "link", [b"ab", b""]),
    ] {
        assert_ne!(keys.authenticate(tenant, purpose, &parts), code);
    }
}
