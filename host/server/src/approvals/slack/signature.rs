//! Signatures of Slack, version 0: HMAC-SHA-256 over version, time and body
//! (<https://docs.slack.dev/authentication/verifying-requests-from-slack>).

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tollgate_model::{canonical::Sha256Digest, ids::hex, record::AnswerRefusal, time::Timestamp};

/// How far the time of a request may be from the gate's, in microseconds.
const WINDOW: i64 = 300_000_000;
const SIGNATURE: &str = "x-slack-signature";
const TIMESTAMP: &str = "x-slack-request-timestamp";

/// The signature of a request, and the time that it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestSignature {
    /// `v0=` and 64 hexadecimal digits, if it is one of Slack.
    signature: String,
    /// Seconds since 1970, as they were sent.
    seconds: String,
    at: Timestamp,
}

impl RequestSignature {
    /// The signature in the header fields of a request.
    ///
    /// # Errors
    /// [`AnswerRefusal::Unsigned`]; [`AnswerRefusal::Malformed`] if a field is given twice or is not what Slack
    /// sends.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, AnswerRefusal> {
        let signature = single(headers, SIGNATURE)?;
        let seconds = single(headers, TIMESTAMP)?;
        let is_time = (1..=11).contains(&seconds.len())
            && seconds.bytes().all(|digit| digit.is_ascii_digit());
        let at = seconds.parse::<i64>().ok().filter(|_| is_time);
        let at = at.ok_or(AnswerRefusal::Malformed)?;
        Ok(Self {
            at: Timestamp(at.saturating_mul(1_000_000)),
            signature,
            seconds,
        })
    }

    /// Checks that it was made within five minutes of `now`.
    pub(super) fn check_age(&self, now: Timestamp) -> Result<(), AnswerRefusal> {
        if now.0.saturating_sub(self.at.0) > WINDOW {
            return Err(AnswerRefusal::Old);
        }
        if self.at.0.saturating_sub(now.0) > WINDOW {
            return Err(AnswerRefusal::Future);
        }
        Ok(())
    }

    /// Checks that the owner of `key` made it for this body, in constant time.
    pub(super) fn verify(&self, key: &[u8], body: &[u8]) -> Result<(), AnswerRefusal> {
        let expected = sign(key, &self.seconds, body);
        match expected.as_bytes().ct_eq(self.signature.as_bytes()).into() {
            true => Ok(()),
            false => Err(AnswerRefusal::WrongSignature),
        }
    }

    /// SHA-256 of it. The signature is verified, so there is only one text of it.
    pub(super) fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(self.signature.as_bytes())
    }

    /// From when on it is refused as too old.
    pub(super) fn expires(&self) -> Timestamp {
        Timestamp(self.at.0.saturating_add(WINDOW).saturating_add(1_000_000))
    }
}

/// The signature of a body: `v0=` and 64 hexadecimal digits.
fn sign(key: &[u8], seconds: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        // HMAC takes keys of any length (RFC 2104, section 2). No signature is empty.
        return String::new();
    };
    mac.update(format!("v0:{seconds}:").as_bytes());
    mac.update(body);
    format!("v0={}", hex(&mac.finalize().into_bytes()))
}

fn single(headers: &HeaderMap, name: &str) -> Result<String, AnswerRefusal> {
    let mut given = headers.get_all(name).iter();
    let value = given.next().ok_or(AnswerRefusal::Unsigned)?;
    if given.next().is_some() {
        return Err(AnswerRefusal::Malformed);
    }
    match value.to_str() {
        Ok("") => Err(AnswerRefusal::Unsigned),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(AnswerRefusal::Malformed),
    }
}

#[cfg(test)]
mod tests;
