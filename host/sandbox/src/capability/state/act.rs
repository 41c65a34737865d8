use crate::port::{CallPort, Denial, PortFuture};

/// The most bytes of a value.
pub const MAX_VALUE: usize = 64 << 10;

/// The calls that share a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateScope {
    /// The component's calls within the run.
    Run,
    /// All calls of the component.
    Adapter,
}

/// A component's request about its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRequest {
    /// The calls that share it.
    pub scope: StateScope,
    /// The key; for [`StateOperation::List`], a prefix. Not checked yet.
    pub key: String,
    /// The operation.
    pub operation: StateOperation,
}

/// An operation on a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateOperation {
    /// Read its value.
    Get,
    /// Set its value, of at most [`MAX_VALUE`] bytes.
    Set(Vec<u8>),
    /// Remove it.
    Delete,
    /// List the keys that begin with it.
    List,
    /// Set its value if the current one equals the expected one.
    CompareAndSet {
        /// The expected value; absent if the key must not exist.
        expected: Option<Vec<u8>>,
        /// The new value.
        value: Vec<u8>,
    },
}

/// The result of a [`StateOperation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateReply {
    /// Of `Set`.
    Nothing,
    /// Of `Get`.
    Value(Option<Vec<u8>>),
    /// Of `List`.
    Keys(Vec<String>),
    /// Of `Delete`: whether the key was there. Of `CompareAndSet`: whether the value was set.
    Flag(bool),
}

/// Why a state operation fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateError {
    /// The key breaks this rule.
    InvalidKey(&'static str),
    /// The value is too large.
    TooLarge,
    /// The component would exceed its limits.
    Full,
    /// It is denied.
    Denied(Denial),
    /// The store cannot be read.
    Failed,
}

/// Keeps the state of components.
pub trait StateStore: CallPort {
    /// Reads or changes the component's state: decided and recorded in one step with the change.
    fn state(&self, request: StateRequest) -> PortFuture<'_, Result<StateReply, StateError>>;
}
