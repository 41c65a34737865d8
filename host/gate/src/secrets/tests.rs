use super::*;

fn vault(source: SecretSource) -> Vault {
    let config = SecretConfig {
        source,
        labels: None,
    };
    Vault::new(&BTreeMap::from([("key".to_owned(), config)]))
}

#[tokio::test]
async fn a_secret_is_read_when_it_is_needed_and_never_printed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let vault = vault(SecretSource::File(path.clone()));
    assert!(matches!(
        vault.secret("key").await,
        Err(SecretError::Unreadable { .. })
    ));
    std::fs::write(&path, "correct horse\n").unwrap();
    let secret = vault.secret("key").await.unwrap();
    assert_eq!(secret.value(), b"correct horse");
    assert!(!format!("{secret:?} {vault:?}").contains("horse"));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(vault.secret("key").await.unwrap().value(), b"correct horse");
    assert!(matches!(
        vault.secret("other").await,
        Err(SecretError::Unknown(_))
    ));
    assert_eq!(
        vault.scrub_text("a correct horse!"),
        format!("a {REMOVED}!")
    );
}

#[test]
fn an_issued_value_is_removed_by_its_own_connection() {
    let vault = Vault::default();
    let (one, other) = (vault.for_connection(), vault.for_connection());
    one.issue("token", b"first-access-token").unwrap();
    assert_eq!(
        one.scrub_text("a first-access-token"),
        format!("a {REMOVED}")
    );
    assert_eq!(
        other.scrub_text("a first-access-token"),
        "a first-access-token"
    );
    for n in 0..MAX_ISSUED {
        one.issue("token", format!("access-token-{n}").as_bytes())
            .unwrap();
        one.issue("token", format!("access-token-{n}").as_bytes())
            .unwrap();
    }
    assert_eq!(
        one.scrub_text("access-token-0"),
        REMOVED,
        "the oldest that is kept"
    );
    assert_eq!(one.scrub_text("first-access-token"), "first-access-token");
    assert!(one.issue("token", b"short").is_err());
    assert!(!format!("{one:?}").contains("access-token"));
}

#[tokio::test]
async fn what_is_too_short_is_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "1234567\n").unwrap();
    let error = vault(SecretSource::File(path))
        .secret("key")
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("has 7 bytes") && !error.to_string().contains("1234567"),
        "{error}"
    );
}

#[tokio::test]
async fn commands_are_run_without_a_shell() {
    let command = |words: &[&str]| {
        vault(SecretSource::Command(
            words.iter().map(|word| (*word).to_owned()).collect(),
        ))
    };
    let said = command(&["printf", "%s\n", "$HOME `date`"]);
    assert_eq!(said.secret("key").await.unwrap().value(), b"$HOME `date`");
    for failing in [&["false"][..], &["no-such-program-here"], &[]] {
        assert!(command(failing).secret("key").await.is_err(), "{failing:?}");
    }
}
