//! The output of `wit-bindgen` for the WIT.
//!
//! Nothing is written by hand here. Authors never use it directly; `adapter!` does.

wit_bindgen::generate!({
    path: "wit",
    world: "adapter",
    pub_export_macro: true,
    default_bindings_module: "::tollgate_guest::__private::bindings",
    additional_derives: [PartialEq],
});
