use crate::port::Denial;

/// Bytes of a value.
pub const MAX_VALUE: usize = 64 << 10;

/// Which calls share what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateScope {
    /// The component's calls within the run.
    Run,
    /// All calls of the component.
    Adapter,
}

/// A component's request for its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRequest {
    /// Which calls share it.
    pub scope: StateScope,
    /// The key; for [`StateOperation::List`], a prefix. Not checked yet.
    pub key: String,
    /// What is to be done.
    pub operation: StateOperation,
}

/// What is to be done with a key.
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
    /// Set its value if the current one is what is expected.
    CompareAndSet {
        /// The expected value; absent if there must be none.
        expected: Option<Vec<u8>>,
        /// The new one.
        value: Vec<u8>,
    },
}

/// What came of a [`StateOperation`].
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

/// Why state is not read or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateError {
    /// The key breaks this rule.
    InvalidKey(&'static str),
    /// The value is too large.
    TooLarge,
    /// The component would keep more than it may.
    Full,
    /// It is denied.
    Denied(Denial),
    /// The store cannot be read.
    Failed,
}
