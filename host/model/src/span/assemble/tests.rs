use super::*;
use crate::{
    entity::{Kind, Uid},
    record::{Arrival, CallInvalid},
    time::Timestamp,
};

#[test]
fn what_is_kept_of_a_run_does_not_grow_with_its_calls() {
    let mut spans = RunSpans::new(RunId::from_bytes([1; 16]));
    for n in 1..=10 * MAX_TAKEN as u64 {
        let call = SpanId::from_bytes(n.to_be_bytes());
        let invalid = CallInvalid {
            arrival: Arrival::default(),
            call,
            caller_span: None,
            parent: None,
            pointers: Vec::new(),
            principal: Uid::new(Kind::Agent, "support"),
            problem: "invalid_arguments".into(),
            tool: "look".into(),
        };
        let event = Event::CallInvalid(invalid);
        let record = Record::new("acme", Some(spans.run), Timestamp(1), event);
        assert_eq!(spans.apply(n, &record, Naming::Clear), [call]);
        assert!(spans.take(call).is_some());
        let again = spans.apply(n, &record, Naming::Clear);
        assert!(again.is_empty(), "a removed call does not come back");
    }
    assert_eq!(spans.size(), 0);
    assert_eq!(spans.taken.len(), MAX_TAKEN);
}
