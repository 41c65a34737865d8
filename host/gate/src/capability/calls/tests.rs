use std::time::Duration;

use super::*;

#[test]
fn a_nested_call_gets_no_more_than_is_left() {
    let left = RemainingBudget {
        wall: Duration::from_secs(1),
        cpu: Duration::from_secs(100),
        fuel: 7,
    };
    let params = CallParams {
        budget: Some(left),
        ..CallParams::default()
    };
    let limits = params.limits(&Limits::default());
    assert_eq!(limits.wall, left.wall);
    assert_eq!(limits.cpu, Limits::default().cpu);
    assert_eq!(limits.fuel, 7);
}
