use std::collections::{BTreeMap, BTreeSet};

use super::operation::act;
use crate::resources::{ConfigEntry, ConfigValue, is_key};

fn entry(value: ConfigValue, labels: &[&str]) -> ConfigEntry {
    ConfigEntry {
        value,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    }
}

fn entries() -> BTreeMap<String, ConfigEntry> {
    let text = |text: &str| ConfigValue::Text(text.to_owned());
    BTreeMap::from([
        ("region".to_owned(), entry(text("eu"), &[])),
        ("customer".to_owned(), entry(text("acme"), &["private"])),
        ("feed".to_owned(), entry(text("news"), &["untrusted"])),
    ])
}

fn labels(key: &str) -> BTreeSet<String> {
    act(&entries(), key.to_owned()).labels
}

#[test]
fn an_entry_has_its_own_labels_and_an_absent_one_those_of_all() {
    let set = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
    assert_eq!(labels("region"), set(&[]));
    assert_eq!(labels("customer"), set(&["private"]));
    assert_eq!(labels("absent"), set(&["private", "untrusted"]));
}

#[test]
fn keys_are_plain_names() {
    for key in ["a", "Retry-After_2", &"k".repeat(64)] {
        assert!(is_key(key), "{key}");
    }
    for key in ["", "a b", "a/b", "a.b", "a\0", "größe", &"k".repeat(65)] {
        assert!(!is_key(key), "{key:?}");
    }
}

#[test]
fn the_size_of_a_list_is_that_of_its_texts() {
    let texts = ConfigValue::Texts(vec!["ab".to_owned(), "c".to_owned()]);
    assert_eq!(texts.size(), 3);
    assert_eq!(ConfigValue::Text("größe".to_owned()).size(), 7);
    assert_eq!(ConfigValue::Texts(Vec::new()).size(), 0);
}
