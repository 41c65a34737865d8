//! Reading one result into an index.

use serde_json::Value;
use tollgate_model::{
    ids::{RunId, SpanId},
    provenance::{FieldTrust, ReadIndex, ResultSource, Trust},
};

use super::{LARGE, StartedReading, is_strangers};
use crate::{
    enforce::Verdict,
    tool::{Content, ResourceBody},
};

/// The reading of one result.
pub(in crate::enforce) struct ResultReading {
    pub(in crate::enforce) call: SpanId,
    pub(in crate::enforce) run: RunId,
    pub(in crate::enforce) is_tainted: bool,
    pub(in crate::enforce) started: StartedReading,
}

impl ResultReading {
    pub(in crate::enforce) fn read(&self, index: &mut ReadIndex, verdict: &Verdict) {
        let tool = &self.started.tool;
        let trust = &tool.provenance.trust;
        let is_ahead = self.started.is_ahead();
        match verdict {
            Verdict::Released { content, redacted } => {
                for part in content {
                    self.read_part(index, part, has_fields(content, part));
                }
                // The caller has what was redacted.
                if *redacted && is_ahead {
                    index.mark_unread();
                }
            }
            // An error has no fields.
            Verdict::ToolError(failure) => {
                let whole = FieldTrust::new(trust.of_whole(), Vec::new());
                index.read_text(&self.source(&whole), &failure.message);
            }
            // Names of effects, in the component's words.
            Verdict::Refused(refusal) => {
                let untrusted = FieldTrust::new(Trust::Untrusted, Vec::new());
                for happened in refusal.happened() {
                    index.read_text(&self.source(&untrusted), happened);
                }
            }
            Verdict::Withheld { .. } | Verdict::Ended { .. } if is_ahead => index.mark_unread(),
            Verdict::Withheld { .. } | Verdict::Ended { .. } => {}
        }
        index.end_content(self.call);
    }

    fn source<'a>(&'a self, trust: &'a FieldTrust) -> ResultSource<'a> {
        ResultSource {
            call: self.call,
            run: self.run,
            tool: &self.started.tool.name,
            trust,
            values: &self.started.values,
            is_tainted: self.is_tainted,
        }
    }

    /// Reads a part. `has_fields` says whether patterns of fields apply to it.
    fn read_part(&self, index: &mut ReadIndex, part: &Content, has_fields: bool) {
        let trust = &self.started.tool.provenance.trust;
        match part {
            Content::Text { text } if !has_fields => {
                let whole = FieldTrust::new(trust.of_whole(), Vec::new());
                index.read_text(&self.source(&whole), text);
            }
            Content::Text { text } => index.read_text(&self.source(trust), text),
            Content::Structured(value) => index.read_value(&self.source(trust), value),
            Content::Resource { resource } => {
                // Its fields are those of the writer of the file.
                let whole = FieldTrust::new(trust.default_trust(), Vec::new());
                if let ResourceBody::Text(text) = &resource.body {
                    index.read_text(&self.source(&whole), text);
                } else {
                    self.leave_unread(index);
                }
                index.read_text(&self.source(&whole), &resource.uri);
            }
            // A picture may show text, which is not read here.
            Content::Image { .. } => self.leave_unread(index),
        }
    }

    /// A part cannot be looked up.
    fn leave_unread(&self, index: &mut ReadIndex) {
        let tool = &self.started.tool;
        if self.is_tainted
            || is_strangers(&tool.content_labels())
            || tool.provenance.trust.default_trust() != Trust::Trusted
            || self.started.values.is_strangers()
        {
            index.mark_unread();
        }
    }
}

/// Whether a part is the result with its fields. One text of several may be all a stranger's: it is the result only if
/// it repeats the structured content.
pub(super) fn has_fields(content: &[Content], part: &Content) -> bool {
    let Content::Text { text } = part else {
        return true;
    };
    let mut structured = content
        .iter()
        .filter_map(|part| match part {
            Content::Structured(value) => Some(value),
            _ => None,
        })
        .peekable();
    if structured.peek().is_none() {
        let texts = content
            .iter()
            .filter(|part| matches!(part, Content::Text { .. }));
        return texts.count() == 1;
    }
    structured.any(|value| serde_json::from_str(text).is_ok_and(|own: Value| own == *value))
}

/// About how many bytes of content there are to read.
pub(super) fn size(verdict: &Verdict) -> usize {
    let Verdict::Released { content, .. } = verdict else {
        return 0;
    };
    let of = |part: &Content| match part {
        Content::Text { text } => text.len(),
        Content::Resource { resource } => match &resource.body {
            ResourceBody::Text(text) => text.len(),
            ResourceBody::Blob(_) => 0,
        },
        Content::Image { .. } => 0,
        Content::Structured(value) => value_size(value, LARGE + 1),
    };
    content.iter().map(of).sum()
}

/// About how many bytes a value takes as text, at most `most`.
fn value_size(value: &Value, most: usize) -> usize {
    const EACH: usize = 4;
    let size = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => sizes(items.iter(), most),
        Value::Object(members) => {
            let names = members.keys().map(String::len).sum::<usize>();
            names + sizes(members.values(), most)
        }
        Value::Bool(_) | Value::Null | Value::Number(_) => EACH,
    };
    (size + EACH).min(most)
}

fn sizes<'a>(mut values: impl Iterator<Item = &'a Value>, most: usize) -> usize {
    let sum = values.try_fold(0_usize, |sum, value| {
        let sum = sum + value_size(value, most - sum);
        (sum < most).then_some(sum)
    });
    sum.unwrap_or(most)
}
