use super::*;

fn wrong(page: &str) -> Vec<String> {
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let sources = [
        source("docs/a.md", page),
        source(
            "docs/b.md",
            "# Title\n## One, two: `three`\n## Same\n## Same\n",
        ),
        source("README.md", "# Top\n"),
    ];
    let files = ["docs/a.md", "docs/b.md", "README.md", "LICENSE", "docs"];
    check(&sources, |path| files.contains(&path))
}

#[test]
fn links_that_lead_somewhere_pass() {
    let page = "# Own\n[a](b.md) and [b](b.md#one-two-three), [c](b.md#same-1) [d](../README.md#top)\n\
                [e](#own) [f](https://example.com/#x) [g](../LICENSE) [h](../docs/)\n";
    assert_eq!(wrong(page), Vec::<String>::new());
}

#[test]
fn links_that_lead_nowhere_are_named_with_their_line() {
    for (link, why) in [
        ("c.md", "leads to no file"),
        ("b.md#four", "leads to no heading of that page"),
        ("#four", "leads to no heading of that page"),
        ("../../etc/passwd", "leaves the repository"),
    ] {
        let found = wrong(&format!("# Own\n\n[a]({link})\n"));
        assert_eq!(found, [format!("docs/a.md:3: {link} {why}")]);
    }
}

#[test]
fn code_is_no_link() {
    let page = "```\n[a](nowhere.md)\n# No heading\n```\n`[a](nowhere.md)` [b](#no-heading)\n";
    assert_eq!(wrong(page).len(), 1);
}

#[test]
fn paths_that_are_named_as_code_exist() {
    let page =
        "`docs/b.md`, `docs/NAME.md`, `docs/none.md`, `tests::none`\n```\ntests/none.rs\n```\n";
    assert_eq!(wrong(page), ["docs/a.md:1: docs/none.md leads to no file"]);
}
