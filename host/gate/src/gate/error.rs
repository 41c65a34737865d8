//! Why an operator's action did not happen.

use tollgate_ledger::LedgerError;

use crate::{enforce::Refusal, upstream::LoginError};

/// Why an operator's action did not happen.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OperateError {
    /// Policy does not allow it for this person.
    #[error("{}", .0.message_for_person())]
    Refused(Box<Refusal>),
    /// It takes another person than this one.
    #[error("{0}")]
    SamePerson(String),
    /// There is nothing with this name.
    #[error("{0}")]
    Unknown(String),
    /// An error of the store.
    #[error("{0}")]
    Store(String),
}

/// Why a user's account is not connected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConnectAccountError {
    /// It is not allowed, or not possible here.
    #[error(transparent)]
    Operate(#[from] OperateError),
    /// The login failed.
    #[error(transparent)]
    Login(#[from] LoginError),
}

impl From<LedgerError> for ConnectAccountError {
    fn from(error: LedgerError) -> Self {
        Self::Operate(error.into())
    }
}

impl From<Refusal> for OperateError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<LedgerError> for OperateError {
    fn from(error: LedgerError) -> Self {
        Self::Store(error.to_string())
    }
}
