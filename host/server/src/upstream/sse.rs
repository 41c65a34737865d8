//! Server-sent events, read as the HTML standard says (section 9.2.6) and as servers write them.

use std::{str, sync::Arc};

use serde::de::IgnoredAny;

use super::mend::mend;

/// Bytes of one event.
pub(super) const MAX_EVENT: usize = 32 << 20;
/// Bytes of an event's type or id.
const MAX_FIELD: usize = 1 << 10;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its type, cut; empty means `message`.
    pub(super) name: String,
    /// Its lines of data, with line feeds between them.
    pub(super) data: Vec<u8>,
    /// The id of the last event that has one, this one included. Nothing where that is too long.
    pub(super) id: Option<Arc<str>>,
    /// How long to wait before connecting again, in milliseconds.
    pub(super) retry: Option<u64>,
}

/// An event is larger than [`MAX_EVENT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Reads a stream, in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    is_empty: bool,
    /// The last byte was a carriage return: a line feed after it belongs to the same line's end.
    after_return: bool,
    begun: bool,
    last_id: Option<Arc<str>>,
    /// The id of the last whole event.
    whole_id: Option<Arc<str>>,
}

impl Parser {
    pub(super) fn new() -> Self {
        Self {
            is_empty: true,
            ..Self::default()
        }
    }

    /// The events that end in this piece.
    ///
    /// # Errors
    /// [`TooLarge`]. The stream cannot be read on.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        for byte in piece {
            match byte {
                b'\n' if self.after_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                byte => {
                    self.line.push(*byte);
                    if self.line.len() + self.event.data.len() > MAX_EVENT {
                        return Err(TooLarge);
                    }
                }
            }
            self.after_return = *byte == b'\r';
        }
        Ok(events)
    }

    /// What the stream ended with: an event whose blank line is missing. The standard drops it; a server that has
    /// sent a whole message and closed the stream has answered. A resumed stream begins before it.
    pub(super) fn finish(&mut self) -> Option<Event> {
        let whole_id = self.whole_id.clone();
        let last = match self.line.is_empty() {
            true => None,
            false => self.end_line(),
        };
        let last = last.or_else(|| self.dispatch())?;
        let text = String::from_utf8_lossy(&last.data);
        let is_whole = serde_json::from_str::<IgnoredAny>(&mend(&text)).is_ok();
        is_whole.then_some(Event {
            id: whole_id,
            ..last
        })
    }

    fn end_line(&mut self) -> Option<Event> {
        let mut line = std::mem::take(&mut self.line);
        if !self.begun {
            self.begun = true;
            if line.starts_with(BOM) {
                line.drain(..BOM.len());
            }
        }
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = match line.iter().position(|b| *b == b':') {
            Some(colon) => line.split_at(colon),
            None => (&line[..], &[][..]),
        };
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        self.field(field, value);
        None
    }

    fn field(&mut self, field: &[u8], value: &[u8]) {
        match field {
            b"data" => {
                if self.has_data {
                    self.event.data.push(b'\n');
                }
                self.has_data = true;
                self.event.data.extend_from_slice(value);
            }
            b"event" => {
                let start = value.get(..MAX_FIELD).unwrap_or(value);
                self.event.name = String::from_utf8_lossy(start).into_owned();
            }
            b"id" if value.len() > MAX_FIELD => self.last_id = None,
            b"id" if !value.contains(&0) => {
                self.last_id = Some(String::from_utf8_lossy(value).into());
            }
            b"retry" => {
                let text = str::from_utf8(value).ok();
                self.event.retry = text.and_then(|text| text.parse().ok());
            }
            // A comment, or a field of a later standard.
            _ => return,
        }
        self.is_empty = false;
    }

    fn dispatch(&mut self) -> Option<Event> {
        let event = std::mem::take(&mut self.event);
        self.has_data = false;
        let nothing = std::mem::replace(&mut self.is_empty, true);
        if nothing {
            return None;
        }
        self.whole_id.clone_from(&self.last_id);
        Some(Event {
            id: self.last_id.clone(),
            ..event
        })
    }
}

#[cfg(test)]
mod tests {
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
}
