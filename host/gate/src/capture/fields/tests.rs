use super::*;

#[test]
fn the_longest_pointer_counts() {
    let mut fields = Fields::default();
    for (pointer, treatment) in [
        ("/customer", Treatment::Redact),
        ("/customer/id", Treatment::Keep),
        ("/items/*/sku", Treatment::Hash),
        ("/items/0/sku", Treatment::Tokenize),
        ("/a~1b", Treatment::Keep),
    ] {
        assert!(fields.set(pointer, treatment));
    }
    assert!(!fields.set("customer", Treatment::Keep));
    let at = |path: &[&str]| {
        let whole = FieldPosition::whole([&fields], Treatment::Drop);
        path.iter().fold(whole, |at, name| at.below(name)).treatment
    };
    assert_eq!(at(&[]), Treatment::Drop);
    assert_eq!(at(&["customer"]), Treatment::Redact);
    assert_eq!(at(&["customer", "name", "first"]), Treatment::Redact);
    assert_eq!(at(&["customer", "id"]), Treatment::Keep);
    assert_eq!(at(&["items", "7", "sku"]), Treatment::Hash);
    assert_eq!(at(&["items", "0", "sku"]), Treatment::Tokenize);
    assert_eq!(at(&["a/b"]), Treatment::Keep);
}
