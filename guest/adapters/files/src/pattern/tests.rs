use super::fits;

#[test]
fn patterns() {
    for (pattern, path, expected) in [
        ("*.md", "notes/a.md", true),
        ("*.md", "a.mdx", false),
        ("a?c", "x/abc", true),
        ("a?c", "ac", false),
        ("notes/*.md", "notes/a.md", true),
        ("notes/*.md", "notes/b/a.md", false),
        ("notes/**/*.md", "notes/b/c/a.md", true),
        ("notes/**/*.md", "notes/a.md", true),
        ("**/a.md", "a.md", true),
        ("**", "any/thing", true),
        ("é*", "été", true),
        ("", "a", false),
        (
            "*a*a*a*a*a*a*a*a*b",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            false,
        ),
    ] {
        assert_eq!(fits(pattern, path), expected, "{pattern} on {path}");
    }
}
