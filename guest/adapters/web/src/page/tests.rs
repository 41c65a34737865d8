use super::*;

fn text(html: &str) -> String {
    Page::of_html(html, "https://a.example/").text
}

#[test]
fn blocks_are_paragraphs_and_the_rest_runs_on() {
    assert_eq!(text("<p>a<p>b<div>c</div>d"), "a\n\nb\n\nc\n\nd");
    assert_eq!(text("a<b>b</b>c <i> d </i> e"), "abc d e");
    assert_eq!(text("<table><tr><td>1<td>2<tr><td>3</table>"), "1 2\n3");
    assert_eq!(text("<pre>a\n  b</pre>c"), "a\n  b\n\nc");
    assert_eq!(text("<p>see <img alt='a cat'> here"), "see [a cat] here");
}

#[test]
fn what_is_not_for_reading_is_left_out() {
    assert_eq!(text("a<script>if (1 < 2) '</p>'</script>b"), "ab");
    assert_eq!(text("a<svg><svg><text>x</text></svg>y</svg>b"), "ab");
    assert_eq!(text("<noscript>x</noscript><!-- y -->z"), "z");
    assert_eq!(text("a<style>"), "a");
}

#[test]
fn links_that_lead_nowhere_on_the_web_are_none() {
    let html = r#"<a href="javascript:x()">a</a><a href="mailto:x@y">b</a><a name=x>c</a><a href="ü?x#y">d</a>"#;
    let links: Vec<String> = Page::of_html(html, "https://a.example/b/c")
        .links
        .into_iter()
        .map(|l| l.url)
        .collect();
    assert_eq!(links, ["https://a.example/b/%C3%BC?x"]);
    let based = Page::of_html(
        r#"<base href="/z/"><a href="q">x</a>"#,
        "https://a.example/b",
    );
    assert_eq!(based.links[0].url, "https://a.example/z/q");
}

#[test]
fn tags_that_never_end_do_no_harm() {
    for html in [
        "<",
        "<a",
        "<a href=",
        "<a href='x",
        "</",
        "<!--",
        "<![CDATA[",
        "&",
        "&#x",
        "<p".repeat(5_000).as_str(),
    ] {
        let _ = text(html);
    }
}
