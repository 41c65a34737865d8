//! One test for each target.

use std::collections::BTreeSet;

use crate::targets::ALL;

macro_rules! play {
    ($($test:ident $name:literal)*) => {
        $(#[test]
        fn $test() {
            ALL.iter().find(|target| target.name == $name).unwrap().play();
        })*

        /// None is forgotten.
        #[test]
        fn every_target_has_its_test() {
            let tested = BTreeSet::from([$($name),*]);
            let all: BTreeSet<&str> = ALL.iter().map(|target| target.name).collect();
            assert_eq!(tested, all);
        }
    };
}

play! {
    fuzz_canonical_json "canonical_json"
    fuzz_message "message"
    fuzz_request_headers "request_headers"
    fuzz_mend "mend"
    fuzz_event_stream "event_stream"
    fuzz_wire "wire"
    fuzz_result "result"
    fuzz_refusal "refusal"
    fuzz_definitions "definitions"
    fuzz_tool_input "tool_input"
    fuzz_policies "policies"
    fuzz_cases "cases"
    fuzz_otlp_json "otlp_json"
    fuzz_otlp_protobuf "otlp_protobuf"
    fuzz_configuration "configuration"
    fuzz_lock "lock"
    fuzz_gitleaks "gitleaks"
    fuzz_record "record"
    fuzz_proof "proof"
    fuzz_component "component"
    fuzz_interaction "interaction"
}
