//! Progress reports: `progress::report(3, Some(10), "third page of ten")`.
//!
//! Reports become events of the call's trace, and go to the caller, as far as policy releases them. They
//! are content like a result: do not put anything into them that the result must not contain.

/// Reports `progress` out of `total`, in any unit. A report that does not exceed the previous one is
/// dropped, and so are all after the first 100 of a call.
pub fn report(progress: u64, total: Option<u64>, message: &str) {
    #[cfg(target_family = "wasm")]
    crate::bindings::tollgate::adapter::progress::report(progress, total, message);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::report(progress, total, message);
}
