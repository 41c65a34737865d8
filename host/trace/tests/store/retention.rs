//! What is forgotten.

use super::*;

#[tokio::test]
async fn what_is_forgotten_is_not_in_the_file() {
    let world = world(|_| {});
    let said = |n: u8, words: &str| {
        let mut said = span(trace(n), 1, words);
        said.body = json!({"attributes": {"said": words}}).to_string();
        let resource = Attributes::from_iter([("host.name".to_owned(), json!(words))]);
        vec![Report {
            source: Source::new(SUPPORT, Source::written(&resource), &Attributes::new()),
            spans: vec![said],
            ..Report::default()
        }]
    };
    for (n, words, at) in [(1, "zanzibar", NOW), (2, "timbuktu", NOW.plus(100))] {
        world
            .store
            .report(TENANT, said(n, words), at)
            .await
            .unwrap();
        let told = SelfReport {
            topic: SelfReportTopic::Request,
            text: format!("to {words}"),
            call: None,
            at,
        };
        world
            .store
            .add_self_reports(TENANT, trace(n), vec![told])
            .await
            .unwrap();
    }
    // More than is deleted at once.
    let many = (0..12_000_u64).map(|n| NewSpan {
        span: SpanId::from_bytes((n + 1).to_be_bytes()),
        ..span(trace(3), 0, "zanzibar")
    });
    let many = by(SUPPORT, many.collect());
    world.store.report(TENANT, many, NOW).await.unwrap();
    assert_eq!(world.store.forget(TENANT, NOW.plus(50)).await, Ok(2));
    let reader = world.store.reader();
    let find = |text: &str| {
        let filter = TraceFilter {
            tenant: TENANT.into(),
            text: Some(text.into()),
            ..TraceFilter::default()
        };
        reader.find(&filter).unwrap().len()
    };
    assert_eq!((find("zanzibar"), find("timbuktu")), (0, 1));
    assert_eq!(reader.spans(TENANT, trace(2), None).unwrap().len(), 1);
    assert_eq!(reader.spans(TENANT, trace(3), None).unwrap(), []);
    // Neither there nor in its log.
    let read = |path: String| std::fs::read(path).unwrap_or_default();
    let path = world.options.path.display();
    let bytes = [read(path.to_string()), read(format!("{path}-wal"))].concat();
    let has = |words: &[u8]| bytes.windows(words.len()).any(|w| w == words);
    assert!(has(b"timbuktu") && !has(b"zanzibar"));
}

#[tokio::test]
async fn what_is_too_old_is_forgotten() {
    let world = world(|_| {});
    for (n, at) in [(1, NOW), (2, NOW.plus(100))] {
        let spans = by(SUPPORT, vec![chat(trace(n), 1, "gpt", 10, Some(1))]);
        world.store.report(TENANT, spans, at).await.unwrap();
    }
    let forget = |tenant, before| world.store.forget(tenant, before);
    assert_eq!(forget("other", NOW.plus(1_000)).await, Ok(0));
    assert_eq!(forget(TENANT, NOW.plus(50)).await, Ok(1));
    let reader = world.store.reader();
    assert_eq!(reader.trace(TENANT, trace(1)).unwrap(), None);
    assert_eq!(names(reader, trace(1)), [""; 0]);
    assert_eq!(tokens(reader, Scope::Tenant), (10, Some(1)));
    // It may come again.
    let again = by(SUPPORT, vec![span(trace(1), 1, "again")]);
    world
        .store
        .report(TENANT, again, NOW.plus(200))
        .await
        .unwrap();
    assert_eq!(names(reader, trace(1)), ["again"]);
}
