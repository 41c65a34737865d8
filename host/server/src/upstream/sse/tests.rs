use proptest::prelude::*;

use super::*;

fn read(pieces: &[&[u8]]) -> Vec<Event> {
    let mut parser = Parser::new();
    let mut events = Vec::new();
    for piece in pieces {
        events.extend(parser.feed(piece).unwrap());
    }
    events.extend(parser.finish());
    events
}

fn data(pieces: &[&[u8]]) -> Vec<String> {
    let events = read(pieces).into_iter();
    let text = |event: Event| String::from_utf8(event.data).unwrap();
    events.map(text).filter(|data| !data.is_empty()).collect()
}

#[test]
fn what_servers_send_around_a_message_is_read() {
    for stream in [
        "data: m\n\n",
        "data:m\n\n",
        "\u{feff}data: m\r\n\r\n",
        "data: m\r\r",
        ": connected\n\n\n\nid: 1\nretry: 500\ndata:\n\ndata: m\n\n",
        "event: message\nid: 7\nfoo: bar\nfoo\ndata: m\n\n",
    ] {
        assert_eq!(data(&[stream.as_bytes()]), ["m"], "{stream:?}");
    }
    assert_eq!(data(&[b"data: a\ndata\ndata:  b\n\n"]), ["a\n\n b"]);
}

#[test]
fn ids_are_kept_for_later_events() {
    let events = read(&[b"id: 5\ndata:\n\ndata: x\n\nid\ndata: y\n\nid: a\0b\ndata: z\n\n"]);
    let ids: Vec<Option<&str>> = events.iter().map(|event| event.id.as_deref()).collect();
    assert_eq!(ids, [Some("5"), Some("5"), Some(""), Some("")]);
    assert_eq!(read(&[b"retry: 12\n\n"])[0].retry, Some(12));
}

#[test]
fn an_event_without_its_blank_line_counts_if_its_message_is_whole() {
    for end in ["", "\n"] {
        let stream = format!("id: 1\ndata: m\n\nid: 2\ndata: {{\"a\":1}}{end}");
        let events = read(&[stream.as_bytes()]);
        assert_eq!(events[1].data, b"{\"a\":1}", "{end:?}");
        assert_eq!(events[1].id.as_deref(), Some("1"), "{end:?}");
    }
    assert_eq!(read(&[b"id: 2\ndata: {\"a\":"]), []);
    assert_eq!(read(&[b"id: 2"]), []);
}

#[test]
fn long_ids_and_types_are_not_kept() {
    let long = "x".repeat(MAX_FIELD + 1);
    let stream = format!("id: 1\ndata: a\n\nid: {long}\nevent: {long}\ndata: b\n\n");
    let events = read(&[stream.as_bytes()]);
    assert_eq!(events[0].id.as_deref(), Some("1"));
    assert_eq!(events[1].id, None);
    assert_eq!(events[1].name.len(), MAX_FIELD);
}

#[test]
fn there_is_an_end_to_an_event() {
    let mut parser = Parser::new();
    let piece = vec![b'x'; MAX_EVENT / 2];
    assert_eq!(parser.feed(&piece), Ok(vec![]));
    parser.feed(b"\n").unwrap();
    parser.feed(b"data: ").unwrap();
    parser.feed(&piece).unwrap();
    parser.feed(b"\ndata: ").unwrap();
    assert_eq!(parser.feed(&piece), Err(TooLarge));
}

#[derive(Debug, Clone)]
enum Noise {
    Comment,
    Ping,
    Priming,
    Blank,
}

/// Messages with the noise before each, the line ending, whether a byte order mark comes first, whether a space
/// follows each colon, and the length of the pieces.
type Framing = (Vec<(Vec<Noise>, String)>, &'static str, bool, bool, usize);

fn framing() -> impl Strategy<Value = Framing> {
    let noise = prop_oneof![
        Just(Noise::Comment),
        Just(Noise::Ping),
        Just(Noise::Priming),
        Just(Noise::Blank)
    ];
    let message = (
        prop::collection::vec(noise, 0..4),
        "[ -~é中]{1,12}(\n[ -~]{1,8}){0,2}",
    );
    (
        prop::collection::vec(message, 1..5),
        prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        any::<bool>(),
        any::<bool>(),
        1_usize..9,
    )
}

proptest! {
    /// However a stream is framed and cut, its messages arrive in their order.
    #[test]
    fn every_framing_gives_the_same_messages((messages, end, bom, space, size) in framing()) {
        let mut stream = String::from(if bom { "\u{feff}" } else { "" });
        for (noise, message) in &messages {
            for noise in noise {
                stream.push_str(&match noise {
                    Noise::Comment => format!(": keep-alive{end}"),
                    Noise::Ping => format!("event: ping{end}data: now{end}{end}"),
                    Noise::Priming => format!("id: 3{end}retry: 9{end}data:{end}{end}"),
                    Noise::Blank => format!("{end}{end}"),
                });
            }
            for line in message.split('\n') {
                let space = if space || line.starts_with(' ') { " " } else { "" };
                stream.push_str(&format!("data:{space}{line}{end}"));
            }
            stream.push_str(end);
        }
        let pieces: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
        let read: Vec<String> = read(&pieces)
            .into_iter()
            .filter(|event| event.name.is_empty() && !event.data.is_empty())
            .map(|event| String::from_utf8(event.data).unwrap())
            .collect();
        let sent: Vec<String> = messages.into_iter().map(|(_, message)| message).collect();
        prop_assert_eq!(read, sent);
    }

    /// No input makes it panic, and how it is cut changes nothing.
    #[test]
    fn pieces_do_not_matter(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), any::<u8>()], 0..60), size in 1_usize..7) {
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(read(&pieces), read(&[&bytes]));
    }
}
