use super::*;

#[test]
fn amounts_are_short() {
    assert_eq!(
        [0, 70, 2_100, 65_000, 1_204_000].map(duration),
        ["0 µs", "70 µs", "2.1 ms", "65 ms", "1.20 s"]
    );
    assert_eq!(
        [65_000_000, 3_700_000_000, 90_000_000_000].map(duration),
        ["1m 05s", "1h 01m", "1d 01h"]
    );
    assert_eq!(
        [0, 412, 1_229, 1_153_434].map(size),
        ["0 B", "412 B", "1.2 KiB", "1.1 MiB"]
    );
    assert_eq!([999, 12_345, 1_234_567].map(amount), ["999", "12k", "1.2M"]);
    assert_eq!([count(1, "call"), count(3, "call")], ["1 call", "3 calls"]);
    assert_eq!(
        moment(Timestamp(1_795_249_800_250_000)),
        "2026-11-21 08:30:00Z"
    );
}
