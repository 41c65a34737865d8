//! Messages for the operator: `log::info!("read {count} tickets")`.
//!
//! They become events of the call's trace and never reach the agent. Still, do not log customers' data or
//! secrets.

use crate::bindings::tollgate::adapter::log as wit;

/// How much a message matters.
pub use wit::Level;

/// Logs one message. A message over 4 KiB is cut; after 100 in one call the rest are only counted.
pub fn log(level: Level, message: &str) {
    #[cfg(target_family = "wasm")]
    wit::log(level, message);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::log(level, message);
}

/// Logs details for debugging, formatted as by `format!`.
#[macro_export]
#[doc(hidden)]
macro_rules! __log_debug {
    ($($format:tt)+) => { $crate::log::log($crate::log::Level::Debug, &::std::format!($($format)+)) };
}

/// Logs an event, formatted as by `format!`.
#[macro_export]
#[doc(hidden)]
macro_rules! __log_info {
    ($($format:tt)+) => { $crate::log::log($crate::log::Level::Info, &::std::format!($($format)+)) };
}

/// Logs a possible problem, formatted as by `format!`.
#[macro_export]
#[doc(hidden)]
macro_rules! __log_warn {
    ($($format:tt)+) => { $crate::log::log($crate::log::Level::Warn, &::std::format!($($format)+)) };
}

/// Logs a problem, formatted as by `format!`.
#[macro_export]
#[doc(hidden)]
macro_rules! __log_error {
    ($($format:tt)+) => { $crate::log::log($crate::log::Level::Error, &::std::format!($($format)+)) };
}

#[doc(inline)]
pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_warn as warn,
};
