//! Where the values of a call's arguments come from.
//!
//! A [`ReadIndex`] knows, by digest and position, what the runs of one scope of memory have read: the user's
//! request, the operator's values, the fields of tools' results that strangers cannot write, and all other
//! text. It gives each argument of a call its [`Origin`]. No text is kept.
//!
//! Matching differs by direction. Towards `user`, `operator` and `trusted` a value is exact but for case, white
//! space, one pair of quotes, and the formats of amounts, dates and times; what stands around a word in the source's
//! sentence may be missing in it. Towards `untrusted` it folds everything that a
//! person or a model reads as the same: confusable and invisible characters, punctuation, reversed and split
//! text. So a disguise can only make a value less trusted.

mod argument_index;
mod arguments;
mod asked;
mod calls;
mod facts;
mod fields;
mod form;
mod index;
mod key;
mod links;
mod marks;
mod names;
mod parts;
mod phrase;
mod reading;
mod request;
mod skeleton;
mod spans;
mod structure;
mod summary;
mod table;
mod tail;
mod texts;
mod urging;
mod words;

#[cfg(test)]
mod tests;

pub use argument_index::CallValues;
pub use arguments::{ArgumentRoles, RoleRule, acts, proposed_roles};
pub use asked::proposed_words;
pub use facts::{CallArguments, ProvenanceFacts, ValueOrigin};
pub use fields::{Authority, FieldTrust, PatternError, PointerPattern, Trust, TrustRule};
pub use index::{Place, ReadIndex, RestoredParts, ResultSource, Source};
pub use key::IndexKey;
pub use marks::{MARK, TrustProposal, marked_trust, proposed_trust};
pub use names::DeclaredNames;
pub use structure::structured;
pub use summary::{MAX_RECORDED, ProvenanceSummary};

/// Where a value comes from, the safest first.
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
pub enum Origin {
    /// The user's own request.
    User,
    /// The operator's configuration.
    Operator,
    /// A field of a tool's result that strangers cannot write.
    Trusted,
    /// Nowhere that the gate has seen: the model made it.
    Model,
    /// Only a field or a text that strangers can write.
    Untrusted,
}

named!(Origin);

impl Origin {
    /// Every origin, the safest first.
    pub const ALL: [Self; 5] = [
        Self::User,
        Self::Operator,
        Self::Trusted,
        Self::Model,
        Self::Untrusted,
    ];
}

/// What an argument decides about the call: where it goes, or what it acts on.
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
pub enum Role {
    /// Who gets something: an address, a channel, a participant.
    Recipient,
    /// A URL that is fetched, sent to or published.
    Url,
    /// A host that is reached.
    Host,
    /// A file or folder.
    Path,
    /// An account, or what gives access to one.
    Account,
    /// The id or name of the thing that is acted on.
    Identifier,
    /// Code or a command that is executed.
    Command,
}

named!(Role);

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Recipient,
        Self::Url,
        Self::Host,
        Self::Path,
        Self::Account,
        Self::Identifier,
        Self::Command,
    ];
}
