use super::*;

#[test]
fn a_call_seals_no_more_than_its_limit() {
    let mut pending = PendingEffects::default();
    pending.begin(1, MAX_SEALED).unwrap();
    let refused = pending.begin(1, 1);
    assert!(matches!(refused, Err(Refusal::Unrecorded { .. })));
    assert_eq!(pending.effects, 1);
    pending.revert(2);
    assert_eq!(pending.effects, 0);
}
