//! Names as Cedar identifiers.

/// A name as a Cedar identifier: characters other than letters, digits and `_` become `_x<hex>_`, and an
/// identifier that begins with a digit or is reserved gets the prefix `_x_`. Two names never share an
/// identifier.
#[must_use]
pub fn identifier(name: &str) -> String {
    // Cedar's keywords, and the one entity type name that it reserves.
    const RESERVED: &[&str] = &[
        "true", "false", "if", "then", "else", "in", "is", "like", "has", "Action",
    ];
    let mut out = String::new();
    let mut chars = name.chars().peekable();
    let reserved = name.is_empty() || RESERVED.contains(&name) || name.starts_with("__cedar");
    if reserved || name.starts_with(|c: char| c.is_ascii_digit()) {
        out.push_str("_x_");
    }
    while let Some(c) = chars.next() {
        let escape = c == '_' && chars.peek() == Some(&'x');
        if (c.is_ascii_alphanumeric() || c == '_') && !escape {
            out.push(c);
        } else {
            out.push_str(&format!("_x{:x}_", u32::from(c)));
        }
    }
    out
}
