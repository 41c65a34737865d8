//! Records of format 1. Stores from before the first release contain them, and their leaves never change.
//!
//! This is the only place that knows the old names. Format 1 differs from format 2 in these names alone.

use serde_json::{Map, Value};

/// Renamed events: the old `type` and the new.
const EVENTS: &[(&str, &str)] = &[("adapter_log", "component_log")];

/// Renamed members: the event's new `type`, the old name and the new.
const MEMBERS: &[(&str, &str, &str)] = &[
    ("administered", "act", "action"),
    ("approval_escalated", "to", "roles"),
    ("approval_resolved", "around", "enclosing_calls"),
    ("call_invalid", "caller", "caller_span"),
    ("decision", "beside", "is_secondary"),
    ("decision", "caller", "caller_span"),
    ("decision", "captured", "capture"),
    ("decision", "facts", "facts_digest"),
    ("decision", "marked", "label_target"),
    ("decision", "marks", "propagated_labels"),
    ("decision", "micros", "decide_micros"),
    ("effect", "micros", "duration_micros"),
    ("outcome", "captured", "capture"),
];

/// Renamed values: the event's new `type`, the member's new name, the old value and the new.
const VALUES: &[(&str, &str, &str, &str)] = &[
    (
        "administered",
        "action",
        "arguments_shown",
        "approval_arguments_viewed",
    ),
    (
        "administered",
        "action",
        "payloads_forget",
        "payload_destruction_requested",
    ),
    (
        "administered",
        "action",
        "payloads_forgotten",
        "payload_keys_destroyed",
    ),
    (
        "administered",
        "action",
        "spoke_for_agent",
        "agent_impersonated",
    ),
    (
        "administered",
        "action",
        "store_backup",
        "store_backup_requested",
    ),
    (
        "administered",
        "action",
        "store_restore",
        "store_restore_requested",
    ),
    (
        "administered",
        "action",
        "user_token_created",
        "token_created",
    ),
    (
        "administered",
        "action",
        "user_token_removed",
        "token_revoked",
    ),
    (
        "administered",
        "action",
        "webhook_given_up",
        "webhook_abandoned",
    ),
    ("outcome", "status", "fuel", "fuel_exhausted"),
    ("outcome", "status", "memory", "memory_exhausted"),
];

/// The record with the names of format 2.
pub(super) fn upgrade(mut record: Map<String, Value>) -> Value {
    let renamed = |event: &str| {
        EVENTS
            .iter()
            .find(|(old, _)| *old == event)
            .map(|(_, new)| *new)
    };
    let event = match record.get("type").and_then(Value::as_str) {
        Some(event) => renamed(event).unwrap_or(event).to_owned(),
        // This is not a record; the reader reports that.
        None => return Value::Object(record),
    };
    for (_, old, new) in MEMBERS.iter().filter(|(of, ..)| *of == event) {
        if let Some(value) = record.remove(*old) {
            record.insert((*new).to_owned(), value);
        }
    }
    for (_, member, old, new) in VALUES.iter().filter(|(of, ..)| *of == event) {
        if let Some(value) = record.get_mut(*member).filter(|value| *value == old) {
            *value = (*new).into();
        }
    }
    record.insert("type".to_owned(), event.into());
    Value::Object(record)
}

#[cfg(test)]
mod tests;
