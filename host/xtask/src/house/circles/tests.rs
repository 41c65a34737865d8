use std::collections::BTreeSet;

use super::{super::CircleRule, super::Source, check, paths::uses};

fn used(text: &str, module: &[&str]) -> Vec<String> {
    let module: Vec<String> = module.iter().map(|name| (*name).to_owned()).collect();
    let uses = uses(text, &module);
    uses.into_iter().map(|used| used.path.join("::")).collect()
}

fn broken(files: &[(&str, &str)], except: &[&str]) -> Vec<String> {
    let sources: Vec<Source> = files
        .iter()
        .map(|(path, text)| Source {
            path: format!("host/gate/src/{path}"),
            text: (*text).to_owned(),
        })
        .collect();
    let except: BTreeSet<String> = except.iter().map(|edge| (*edge).to_owned()).collect();
    check(&CircleRule { except }, &sources)
}

#[test]
fn paths_are_read_in_groups_and_from_where_they_begin() {
    let text = "use crate::{a::{self, B}, c as d};\nuse super::super::{e, f};\nfn g() { super::super::h::i(crate::j) }";
    assert_eq!(
        used(text, &["x", "y", "z"]),
        ["a", "a::B", "c", "x::e", "x::f", "x::h::i", "j"]
    );
}

#[test]
fn comments_strings_and_tests_are_no_code() {
    let text = "// crate::a\nlet b = \"crate::c\"; // crate::d\n\n#[cfg(test)]\nmod tests { use crate::e; }";
    assert!(used(text, &["x"]).is_empty());
}

#[test]
fn a_visibility_is_no_path() {
    assert_eq!(
        used(
            "pub(crate) use crate::a;\npub(super) fn b() {}",
            &["x", "y"]
        ),
        ["a"]
    );
}

#[test]
fn a_circle_through_others_is_found_with_each_of_its_edges() {
    let files = [
        ("a/mod.rs", "mod one;"),
        ("a/one.rs", "use crate::b::B;"),
        ("b.rs", "use crate::c;"),
        ("c/mod.rs", "use super::a::A;"),
        ("d.rs", "use crate::a::A;"),
    ];
    let wrong = broken(&files, &[]);
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong[0].starts_with("gate: a imports b"), "{wrong:?}");
    assert!(broken(&files, &["gate: c -> a"]).is_empty());
}

#[test]
fn an_export_leads_to_the_module_in_which_it_is() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\npub use a::A;"),
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "use crate::A;"),
    ];
    assert_eq!(broken(&files, &[]).len(), 2);
}

#[test]
fn modules_within_a_module_are_checked_alike() {
    let files = [
        ("a/mod.rs", "mod b;\nmod c;"),
        ("a/b.rs", "use super::c::C;"),
        ("a/c.rs", "use crate::a::b::B;"),
    ];
    let wrong = broken(&files, &[]);
    assert!(wrong[0].starts_with("gate::a: b imports c"), "{wrong:?}");
}

#[test]
fn an_exception_that_is_not_needed_is_taken_out() {
    assert_eq!(broken(&[("a.rs", "")], &["gate: a -> b"]).len(), 1);
}
