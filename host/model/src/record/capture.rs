//! Which payloads are kept.

use serde::{Deserialize, Serialize};

use crate::canonical::Sha256Digest;

/// What a record keeps of arguments or content, besides their digest and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadRef {
    /// How sensitive the payload is.
    pub class: Class,
    /// SHA-256 of the sealed payload; absent where only the class is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Sha256Digest>,
}

/// How sensitive a payload is, according to detectors and labels; later values are more sensitive.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Class {
    /// Neither private nor secret.
    Ordinary,
    /// It comes from a run or a tool with the label `private`.
    Private,
    /// It contains a secret, or something that looks like one.
    Secret,
}

named!(Class);
