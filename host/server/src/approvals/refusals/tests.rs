use super::*;

const CHANNEL: AnswerChannel = AnswerChannel::Slack;

fn at(seconds: i64) -> Timestamp {
    Timestamp(1_795_249_800_000_000 + seconds * 1_000_000)
}

#[test]
fn strangers_cause_few_records_and_the_rest_is_counted() {
    let log = RefusalLog::default();
    let reason = AnswerRefusal::WrongSignature;
    let recorded: Vec<Option<u64>> = (0..1000)
        .map(|_| log.count(at(0), CHANNEL, reason))
        .collect();
    let records = recorded.iter().flatten().count() as i64;
    assert_eq!(records, BURST);
    assert_eq!(log.count(at(5), CHANNEL, reason), None);
    let since = 1000 - BURST as u64 + 2;
    assert_eq!(log.count(at(6), CHANNEL, reason), Some(since));
    assert_eq!(log.count(at(6), CHANNEL, reason), None);
}

#[test]
fn strangers_do_not_hide_the_refusals_of_others() {
    let log = RefusalLog::default();
    for _ in 0..1000 {
        log.count(at(0), CHANNEL, AnswerRefusal::Unsigned);
    }
    assert_eq!(
        log.count(at(0), CHANNEL, AnswerRefusal::UnknownPerson),
        Some(1)
    );
    let link = AnswerChannel::Link;
    assert_eq!(log.count(at(0), link, AnswerRefusal::UnknownLink), None);
    assert_eq!(log.count(at(0), link, AnswerRefusal::UsedLink), Some(1));
}

#[test]
fn what_could_not_be_recorded_is_counted_later() {
    let log = RefusalLog::default();
    let reason = AnswerRefusal::Replayed;
    assert_eq!(log.count(at(0), CHANNEL, reason), Some(1));
    log.add(CHANNEL, reason, 1);
    assert_eq!(log.count(at(0), CHANNEL, reason), Some(2));
}
