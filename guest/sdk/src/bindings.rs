//! What `wit-bindgen` makes of the WIT.
//!
//! Nothing is written by hand here, and authors never name it: `adapter!` does.

wit_bindgen::generate!({
    path: "wit",
    world: "adapter",
    pub_export_macro: true,
    default_bindings_module: "::tollgate_guest::__private::bindings",
    additional_derives: [PartialEq],
});
