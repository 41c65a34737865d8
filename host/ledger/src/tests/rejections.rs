//! Rejections are remembered for later approvals of the same call.

use super::*;

#[test]
fn an_earlier_rejection_of_the_same_call_is_found_in_other_runs() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let ask_in_new_run = |args: &str, declared: Option<&str>| {
        let (run, begin) = script.run(None, &[]);
        let (call, id, mut records) = script.escalate(run, args);
        if let Event::ApprovalRequested(asked) = &mut records[1].event {
            asked.declared = declared.map(arguments);
        }
        records.insert(0, begin);
        block_on(ledger.commit(batch(records))).unwrap();
        (run, call, id)
    };
    let rejected_before = |id| {
        let row = ledger.reader().approval(id).unwrap().unwrap();
        let rejections = row.rejected_before.into_iter();
        rejections.map(|r| (r.id, r.by)).collect::<Vec<_>>()
    };
    let (run, call, first) = ask_in_new_run("pay 5", None);
    assert_eq!(rejected_before(first), []);
    block_on(ledger.commit(batch(vec![
        script.answer(run, first, "dana", false, true),
        script.resolve(run, call, first, ApprovalState::Rejected),
    ])))
    .unwrap();
    let dana = vec![(first, "dana".to_owned())];
    let (_, _, same) = ask_in_new_run("pay 5", None);
    assert_eq!(rejected_before(same), dana);
    let (_, _, padded) = ask_in_new_run("pay 5, and more", Some("pay 5"));
    assert_eq!(rejected_before(padded), dana, "members beyond the schema");
    let (_, _, other) = ask_in_new_run("pay 6", None);
    assert_eq!(rejected_before(other), []);
    assert_eq!(rejected_before(first), [], "nothing was rejected before it");
}
