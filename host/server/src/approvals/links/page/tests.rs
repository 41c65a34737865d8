use http_body_util::BodyExt as _;
use proptest::prelude::*;
use tollgate_model::{
    entity::{Kind, Uid},
    ids::{ApprovalId, LinkId},
    record::{ApprovalLinkState, KeyedDigest},
    time::Timestamp,
};

use super::*;

fn link() -> ApprovalLink {
    ApprovalLink {
        id: LinkId::from_bytes([7; 8]),
        tenant: "default".into(),
        approval: ApprovalId::from_bytes([7; 8]),
        arguments: KeyedDigest::of(&[7; 32], 1, &[b"a"]),
        user: Uid::new(Kind::User, "dana"),
        issued: Timestamp(0),
        expires: Timestamp(1_795_431_600_000_000),
        state: ApprovalLinkState::Open,
    }
}

async fn html(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The view of another test, with `text` in every member that comes from outside.
fn view(text: &str) -> ApprovalView {
    let mut view = crate::approvals::message::example(ApprovalState::Pending);
    view.tool = text.into();
    view.capability = Some(text.into());
    view.via = vec![text.into()];
    view.principal.id = text.into();
    view.labels = [text.to_owned()].into();
    view.policies[0].id = text.into();
    view.policies[0].reason = text.into();
    view.needs = text.into();
    view
}

#[tokio::test]
async fn pages_permit_no_scripts_no_frames_and_no_cache() {
    let response = summary(&link(), &view("payments__refund"));
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("referrer-policy"), "same-origin");
    assert_eq!(header("x-frame-options"), "DENY");
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
    assert!(
        !policy.contains("unsafe") && !policy.contains("script"),
        "{policy}"
    );
    insta::assert_snapshot!(html(response).await);
}

#[tokio::test]
async fn the_page_with_the_arguments_reads_like_this() {
    let arguments = "{\"to\":\"a<b>&\u{202e}\\u{202e}\"}";
    let response = call(&link(), &view("payments__refund"), arguments, "1.ab");
    insta::assert_snapshot!(html(response).await);
}

/// HTML without its text: the mark-up.
fn tags(html: &str) -> Vec<&str> {
    html.split('<')
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap())
        .collect()
}

proptest! {
    /// No text adds mark-up, and none is invisible.
    #[test]
    fn text_from_outside_is_text(text in "(\\PC|\u{202e}|\u{200b}|\u{0}|[<>&\"'/=]|script|onload){0,80}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let page = |text: &str| {
            let response = call(&link(), &view(text), text, "1.ab");
            runtime.block_on(html(response))
        };
        let (plain, odd) = (page("x"), page(&format!("x{text}")));
        prop_assert_eq!(tags(&odd), tags(&plain));
        let invisible = odd.contains(['\u{202e}', '\u{200b}', '\u{0}']);
        prop_assert!(!invisible, "{}", odd);
    }
}
