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
mod tests;
