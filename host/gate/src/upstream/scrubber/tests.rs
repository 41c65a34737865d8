use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::{
    secrets::{SecretConfig, SecretSource},
    tool::EmbeddedResource,
};

async fn scrubber(dir: &std::path::Path, value: &str) -> Scrubber {
    let path = dir.join("secret");
    std::fs::write(&path, value).unwrap();
    let secret = SecretConfig {
        source: SecretSource::File(path),
        labels: None,
    };
    let sent = Arc::new(BTreeSet::from(["token".to_owned()]));
    let secrets = Arc::new(Vault::new(&BTreeMap::from([("token".to_owned(), secret)])));
    let scrubber = Scrubber::new(&sent, &secrets);
    scrubber.prepare().await;
    scrubber
}

#[tokio::test]
async fn no_word_of_a_server_holds_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let scrubber = scrubber(dir.path(), "S3cr3tValue-0123456789").await;
    let secret = "S3cr3tValue-0123456789";
    let result = CallResult::Returned {
        content: vec![
            Content::Text {
                text: format!("TOKEN={secret}"),
            },
            Content::Image {
                data: secret.into(),
                media_type: format!("image/{secret}"),
            },
            Content::Resource {
                resource: EmbeddedResource {
                    uri: format!("file:///{secret}"),
                    media_type: Some(format!("text/{secret}")),
                    body: ResourceBody::Text(secret.into()),
                },
            },
            Content::Structured(json!({ secret: [secret] })),
        ],
        failed: false,
    };
    let clean = format!("{:?}", scrubber.call_result(result));
    assert!(!clean.contains("S3cr3tValue"), "{clean}");
    assert!(
        !scrubber
            .text(&format!("env {secret}"))
            .contains("S3cr3tValue")
    );
    let lost = CallResult::Lost(format!("closed after {secret}"));
    assert!(!format!("{:?}", scrubber.call_result(lost)).contains("S3cr3tValue"));
}

#[tokio::test]
async fn a_number_that_is_a_secret_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let scrubber = scrubber(dir.path(), "123456789012").await;
    let value = scrubber.value(json!({"pin": 123456789012_u64, "n": 7}));
    assert_eq!(value, json!({"pin": "[secret removed]", "n": 7}));
}
