//! OAuth towards upstream servers: the gate as a client of their authorization servers.
//!
//! A token goes to the upstream server's own origin, a secret of the client to the token endpoint, and neither over a
//! redirect to anywhere else. No caller's token has a part in any of it. Nothing of a token, a code or a secret is in a
//! log, an error or a record.
//!
//! | file | contents |
//! |---|---|
//! | `challenge`, `metadata` | what servers say of themselves, read within limits |
//! | `authority` | which authorization server issues tokens for which resource |
//! | `exchange`, `answer` | requests to it, and what it answers |
//! | `client` | the grants, and how the client authenticates |
//! | `tokens` | tokens in memory and in the store, and their renewal |

mod answer;
mod authority;
mod challenge;
mod client;
mod error;
mod exchange;
mod metadata;
mod tokens;

pub(super) use authority::Authority;
pub(super) use challenge::bearer;
pub(super) use client::{OauthClient, random_text, s256};
pub(super) use error::OauthError;
pub(super) use exchange::is_confidential;
pub(super) use tokens::{AccessToken, AccessTokens, LoginSlot, issued};
