use std::{
    pin::pin,
    task::{Context, Waker},
};

use serde_json::{Value, json};
use tollgate_model::entity::Kind;

use super::*;
use crate::tool::Content;

const MIB: usize = 1 << 20;

fn scope(principal: &str, run: u8) -> ReadScope {
    ReadScope {
        principal: Uid::new(Kind::Agent, principal),
        on_behalf_of: None,
        conversation: None,
        run: Some(RunId::from_bytes([run; 16])),
    }
}

fn held(bytes: usize, used: u64) -> ScopeIndex {
    ScopeIndex {
        index: Arc::new(SharedIndex::new(ReadIndex::new(IndexKey::new([7; 32])))),
        values: Vec::new(),
        bytes,
        used,
    }
}

/// Who reads much loses the own indexes, not those of others.
#[test]
fn a_principal_that_reads_much_drops_its_own() {
    let mut state = State::default();
    state.scopes.insert(scope("quiet", 1), held(MIB, 1));
    for run in 0..12 {
        let used = u64::from(run) + 2;
        state
            .scopes
            .insert(scope("greedy", run), held(32 * MIB, used));
        state.limit();
        assert!(state.scopes.contains_key(&scope("quiet", 1)), "{run}");
        assert!(state.scopes.contains_key(&scope("greedy", run)), "{run}");
    }
    assert!(!state.scopes.contains_key(&scope("greedy", 0)));
    // One that is too large alone goes, too.
    state
        .scopes
        .insert(scope("huge", 1), held(MAX_BYTES + 1, 99));
    state.limit();
    assert!(!state.scopes.contains_key(&scope("huge", 1)));
    assert!(state.scopes.contains_key(&scope("quiet", 1)));
}

/// Structured content counts with its size.
#[test]
fn a_large_value_is_large() {
    let of = |value: Value| {
        size(&Verdict::Released {
            content: vec![Content::Structured(value)],
            redacted: false,
        })
    };
    assert!(of(json!({ "a": [1, 2, { "b": "c" }] })) < 100);
    assert!(of(json!("x".repeat(LARGE))) > LARGE);
    assert!(of(json!({ "a": vec!["x".repeat(1024); 300] })) > LARGE);
    assert!(of(json!(vec![7; LARGE])) > LARGE);
}

/// Who comes second waits until what was read before is read again.
#[tokio::test]
async fn a_scope_is_restored_before_anyone_goes_on() {
    let (reads, ids) = (ReadIndexes::default(), Ids::from_seed([7; 32]));
    let enter = async |run: u8| {
        let run = RunId::from_bytes([run; 16]);
        let scope = scope("support", 0);
        reads.enter(&ids, run, scope, &[], &BTreeSet::new()).await
    };
    let (first, is_new) = enter(1).await;
    assert!(is_new);
    let (second, is_new) = enter(2).await;
    assert!(!is_new && Arc::ptr_eq(&first, &second));
    let mut waits = pin!(second.restored());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(waits.as_mut().poll(&mut cx).is_pending());
    drop(super::super::restore::RestorationEnd {
        index: first,
        parts: tollgate_model::provenance::RestoredParts::default(),
    });
    assert!(waits.as_mut().poll(&mut cx).is_ready());
}

/// One text of several may be all a stranger's, also if it is JSON by itself.
#[test]
fn patterns_of_fields_apply_to_the_result_alone() {
    let text = |text: &str| Content::Text { text: text.into() };
    let of = |content: &[Content]| -> Vec<bool> {
        let parts = content.iter();
        parts
            .map(|part| result::has_fields(content, part))
            .collect()
    };
    let mail = r#"[{"id":"mallory@evil.example"}]"#;
    assert_eq!(of(&[text(mail)]), [true]);
    assert_eq!(of(&[text("a mail"), text(mail)]), [false, false]);
    let structured = Content::Structured(json!([{ "id": "mallory@evil.example" }]));
    assert_eq!(
        of(&[text("a mail"), text(mail), structured.clone()]),
        [false, true, true]
    );
    assert_eq!(
        of(&[text("from: mallory@evil.example"), structured]),
        [false, true]
    );
}
