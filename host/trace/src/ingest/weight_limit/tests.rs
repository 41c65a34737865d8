use super::*;

/// A field that holds bytes.
fn field(number: u8, inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![(number << 3) | 2];
    prost::encoding::encode_varint(inner.len() as u64, &mut bytes);
    bytes.extend_from_slice(inner);
    bytes
}

/// Fields in fields, the outermost first.
fn within(numbers: &[u8], innermost: &[u8]) -> Vec<u8> {
    let each = numbers.iter().rev();
    each.fold(innermost.to_vec(), |inner, number| field(*number, &inner))
}

/// Less than the limit in production, so that the tests are fast.
const MOST: usize = 10_000;

/// A list: its name, the message that it is in, the fields above it, its own field, and with how many empty
/// elements it is full.
type List = (&'static str, MessageKind, &'static [u8], u8, usize);

const LISTS: &[List] = &[
    ("resources", MessageKind::Traces, &[], 1, MOST / 500),
    ("scopes", MessageKind::Traces, &[1], 2, MOST / 500),
    ("scopes of logs", MessageKind::Logs, &[1], 2, MOST / 500),
    ("spans", MessageKind::Traces, &[1, 2], 2, MOST / 8),
    ("logs", MessageKind::Logs, &[1, 2], 2, MOST / 8),
    (
        "attributes of a resource",
        MessageKind::Traces,
        &[1, 1],
        1,
        MOST,
    ),
    ("entities", MessageKind::Traces, &[1, 1], 3, MOST),
    (
        "keys of an entity",
        MessageKind::Traces,
        &[1, 1, 3],
        3,
        MOST,
    ),
    (
        "keys about an entity",
        MessageKind::Logs,
        &[1, 1, 3],
        4,
        MOST,
    ),
    (
        "attributes of a scope",
        MessageKind::Traces,
        &[1, 2, 1],
        3,
        MOST,
    ),
    (
        "attributes of a span",
        MessageKind::Traces,
        &[1, 2, 2],
        9,
        MOST,
    ),
    ("events", MessageKind::Traces, &[1, 2, 2], 11, MOST),
    (
        "attributes of an event",
        MessageKind::Traces,
        &[1, 2, 2, 11],
        3,
        MOST,
    ),
    ("links", MessageKind::Traces, &[1, 2, 2], 13, MOST),
    (
        "attributes of a link",
        MessageKind::Traces,
        &[1, 2, 2, 13],
        4,
        MOST,
    ),
    (
        "attributes of a log",
        MessageKind::Logs,
        &[1, 2, 2],
        6,
        MOST,
    ),
    (
        "values of a list",
        MessageKind::Logs,
        &[1, 2, 2, 5, 5],
        1,
        MOST,
    ),
    (
        "entries of a map",
        MessageKind::Logs,
        &[1, 2, 2, 5, 6],
        1,
        MOST,
    ),
];

#[test]
fn each_element_of_a_list_weighs_something() {
    let measure = |message: &[u8], kind| {
        let mut left = MOST;
        walk(message, kind, MAX_DEPTH, &mut left)
    };
    for (what, kind, above, number, most) in LISTS {
        let full = field(*number, &[]).repeat(most + 1);
        let message = within(above, &full);
        assert_eq!(
            measure(&message, *kind),
            Err(DecodeError::TooMany),
            "{what}"
        );
        let few = within(above, &field(*number, &[]).repeat(most / 2));
        assert_eq!(measure(&few, *kind), Ok(()), "{what}");
    }
}

#[test]
fn text_is_not_taken_for_messages() {
    // As a message this would be truncated.
    let key = within(&[1, 1, 3, 3], b"\x0a\xff");
    assert_eq!(measure(&key, MessageKind::Traces), Ok(()));
}
