//! How far a call has come: `progress::report(3, Some(10), "third page of ten")`.
//!
//! Reports become events of the call's trace, and go to whoever called, as far as policy releases them.
//! They are content like a result: keep out of them what the result would not say.

/// Reports `progress` out of `total`, in any unit. A report that is not beyond the one before is
/// dropped, and so is what follows the first 100 of a call.
pub fn report(progress: u64, total: Option<u64>, message: &str) {
    #[cfg(target_family = "wasm")]
    crate::bindings::tollgate::adapter::progress::report(progress, total, message);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::report(progress, total, message);
}
