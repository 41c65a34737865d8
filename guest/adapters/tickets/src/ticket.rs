//! A ticket, computed from its events in order. Pure.

use core::fmt::{self, Display, Formatter};

use tollgate_guest::{output, serde_json};

/// Who a reply is from.
const SUPPORT: &str = "support";

/// One line of a ticket's file.
#[output]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Event {
    /// The first: who asks, and what.
    Opened {
        from: String,
        subject: String,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// More from the customer.
    Message {
        from: String,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// An answer.
    Reply {
        from: String,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// The end, unless the customer writes again.
    Closed { resolution: String },
}

impl Event {
    pub(crate) fn reply(text: &str) -> Self {
        Self::Reply {
            from: SUPPORT.to_owned(),
            text: text.to_owned(),
            at: None,
        }
    }

    pub(crate) fn closed(resolution: &str) -> Self {
        Self::Closed {
            resolution: resolution.to_owned(),
        }
    }
}

/// Whether a ticket waits for an answer.
#[output]
#[derive(Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// It waits.
    Open,
    /// It is done with.
    Closed,
}

impl Display for Status {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Closed => "closed",
        })
    }
}

/// A ticket with all its messages.
#[output]
pub(crate) struct Ticket {
    /// Its id.
    pub(crate) id: String,
    /// Whether it waits for an answer.
    pub(crate) status: Status,
    /// Who opened it.
    pub(crate) from: String,
    /// What it is about.
    pub(crate) subject: String,
    /// What was written, oldest first.
    pub(crate) messages: Vec<Message>,
    /// How it ended, if it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resolution: Option<String>,
}

/// What one side wrote.
#[output]
pub(crate) struct Message {
    /// Who wrote it.
    pub(crate) from: String,
    /// When, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<String>,
    /// What they wrote.
    pub(crate) text: String,
}

impl Ticket {
    /// The ticket of a file's events.
    pub(crate) fn read(id: &str, file: &str) -> Result<Self, Problem> {
        let mut ticket: Option<Self> = None;
        for (line, text) in (1..).zip(file.lines()) {
            if text.trim().is_empty() {
                continue;
            }
            let event: Event = serde_json::from_str(text).map_err(|error| Problem {
                line,
                why: format!("is not an event: {error}"),
            })?;
            match (&mut ticket, event) {
                (
                    None,
                    Event::Opened {
                        from,
                        subject,
                        text,
                        at,
                    },
                ) => {
                    let messages = vec![Message {
                        from: from.clone(),
                        at,
                        text,
                    }];
                    let id = id.to_owned();
                    ticket = Some(Self {
                        id,
                        status: Status::Open,
                        from,
                        subject,
                        messages,
                        resolution: None,
                    });
                }
                (Some(ticket), event) => ticket.add(event, line)?,
                (None, _) => {
                    return Err(Problem {
                        line,
                        why: "comes before `opened`".to_owned(),
                    });
                }
            }
        }
        ticket.ok_or(Problem {
            line: 1,
            why: "should be `opened`, but the file is empty".to_owned(),
        })
    }

    fn add(&mut self, event: Event, line: u32) -> Result<(), Problem> {
        match event {
            Event::Opened { .. } => {
                return Err(Problem {
                    line,
                    why: "opens the ticket a second time".to_owned(),
                });
            }
            Event::Message { from, text, at } => {
                self.messages.push(Message { from, at, text });
                self.status = Status::Open;
                self.resolution = None;
            }
            Event::Reply { from, text, at } => self.messages.push(Message { from, at, text }),
            Event::Closed { resolution } => {
                self.status = Status::Closed;
                self.resolution = Some(resolution);
            }
        }
        Ok(())
    }
}

impl Display for Ticket {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Ticket {} ({}): {}\nFrom: {}",
            self.id, self.status, self.subject, self.from
        )?;
        for Message { from, at, text } in &self.messages {
            match at {
                Some(at) => write!(f, "\n\n{from}, {at}:\n{text}")?,
                None => write!(f, "\n\n{from}:\n{text}")?,
            }
        }
        match &self.resolution {
            Some(resolution) => write!(f, "\n\nResolution: {resolution}"),
            None => Ok(()),
        }
    }
}

/// What is wrong with a ticket's file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// On which line, from 1.
    pub(crate) line: u32,
    /// What is wrong with that line.
    pub(crate) why: String,
}

#[cfg(test)]
mod tests;
