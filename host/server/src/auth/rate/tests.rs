use tollgate_model::entity::Kind;

use super::*;

#[test]
fn a_flood_of_one_caller_does_not_delay_another() {
    let rate = Rate::default();
    let config = RateConfig {
        per_second: 2,
        burst: 3,
    };
    let (loud, calm) = (Uid::new(Kind::Agent, "loud"), Uid::new(Kind::Agent, "calm"));
    let mut now = Timestamp(5_000_000);
    for _ in 0..3 {
        rate.admit(&loud, config, now, 1).unwrap();
    }
    let busy = rate.admit(&loud, config, now, 1).unwrap_err();
    assert_eq!(busy.retry_after, Duration::from_secs(1));
    rate.admit(&calm, config, now, 1).unwrap();
    now.0 += 500_000;
    rate.admit(&loud, config, now, 1).unwrap();
    rate.admit(&loud, config, now, 1).unwrap_err();
    // After a long pause the bucket holds no more than the burst. A clock that goes back adds nothing.
    now.0 += 3_600_000_000;
    for _ in 0..3 {
        rate.admit(&loud, config, now, 1).unwrap();
    }
    now.0 -= 60_000_000;
    rate.admit(&loud, config, now, 1).unwrap_err();
}

#[test]
fn a_request_that_costs_as_much_as_many_is_paid_for_before_the_next() {
    let rate = Rate::default();
    let config = RateConfig {
        per_second: 10,
        burst: 5,
    };
    let loud = Uid::new(Kind::User, "loud");
    let mut now = Timestamp(5_000_000);
    rate.admit(&loud, config, now, 100).unwrap();
    let busy = rate.admit(&loud, config, now, 1).unwrap_err();
    assert_eq!(busy.retry_after, Duration::from_secs(10), "95 are owed");
    now.0 += 9_500_000;
    rate.admit(&loud, config, now, 1).unwrap_err();
    now.0 += 100_000;
    rate.admit(&loud, config, now, 1).unwrap();
}
