//! What is said over the socket, and who may say it. A gate behind it is tested in `tests/`.

use std::path::Path;

use tokio::net::UnixStream;
use tollgate_model::record::HaltScope;

use super::*;
use crate::exit_code::Exit;

fn question() -> Envelope {
    let operation = Operation::Halt {
        scope: HaltScope::Agent,
        name: "support".into(),
        reason: "why\nnot".into(),
        force: false,
    };
    Envelope {
        claim: Some(Claim {
            user: "bob".into(),
            token: "tollgate_00".into(),
        }),
        operation,
    }
}

/// An owner who answers once with what `answer` makes of the question.
fn owner(
    store: &Path,
    greeting: Option<Greeting>,
    answer: impl FnOnce(Envelope) -> Option<Result<Reply, Failure>> + Send + 'static,
) -> JoinHandle<()> {
    let listener = listen(&path(store)).unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let Some(greeting) = greeting else { return };
        send(&mut write, &greeting).await.unwrap();
        let Ok(Some(envelope)) = receive::<Envelope>(&mut BufReader::new(read)).await else {
            return;
        };
        if let Some(answer) = answer(envelope) {
            send(&mut write, &answer).await.unwrap();
        }
    })
}

fn greeting(tollgate: u32) -> Option<Greeting> {
    Some(Greeting {
        tollgate,
        version: "0.9.9".into(),
    })
}

/// A store in a directory whose path no socket address has room for.
fn store() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a".repeat(120));
    fs::create_dir(&deep).unwrap();
    let store = deep.join("ledger.db");
    fs::write(&store, "").unwrap();
    (dir, store)
}

#[tokio::test]
async fn a_question_is_answered() {
    let (_dir, store) = store();
    let served = owner(&store, greeting(PROTOCOL), |envelope| {
        let Operation::Halt { name, reason, .. } = envelope.operation else {
            panic!("another operation")
        };
        assert_eq!((name.as_str(), reason.as_str()), ("support", "why\nnot"));
        assert_eq!(envelope.claim.unwrap().token, "tollgate_00");
        Some(Err(Failure::new(Exit::Denied, "no").help("ask")))
    });
    let mode = fs::metadata(path(&store)).unwrap().mode() & 0o777;
    assert_eq!(mode, 0o600, "nobody else may even connect");
    let answer = ask(&store, &question()).await.unwrap();
    assert_eq!(
        answer.unwrap_err(),
        Failure::new(Exit::Denied, "no").help("ask")
    );
    served.await.unwrap();
}

#[tokio::test]
async fn who_is_not_greeted_has_asked_nothing() {
    let (_dir, store) = store();
    assert_eq!(
        ask(&store, &question()).await.unwrap_err(),
        Unanswered::NotAsked,
        "no socket"
    );
    let served = owner(&store, None, |_| None);
    assert_eq!(
        ask(&store, &question()).await.unwrap_err(),
        Unanswered::NotAsked,
        "closed at once"
    );
    served.await.unwrap();
    assert_eq!(
        ask(&store, &question()).await.unwrap_err(),
        Unanswered::NotAsked,
        "a socket of nobody"
    );
}

#[tokio::test]
async fn a_question_without_an_answer_is_lost() {
    let (_dir, store) = store();
    let served = owner(&store, greeting(PROTOCOL), |_| None);
    assert_eq!(
        ask(&store, &question()).await.unwrap_err(),
        Unanswered::Lost
    );
    served.await.unwrap();
}

#[tokio::test]
async fn another_version_is_named() {
    let (_dir, store) = store();
    let served = owner(&store, greeting(PROTOCOL + 1), |_| None);
    let Unanswered::Refused(problem) = ask(&store, &question()).await.unwrap_err() else {
        panic!("not refused")
    };
    assert!(problem.contains("0.9.9"), "{problem}");
    served.await.unwrap();
}

#[tokio::test]
async fn a_line_that_ends_early_is_no_value() {
    let (one, other) = UnixStream::pair().unwrap();
    let (_, mut write) = one.into_split();
    write
        .write_all(b"{\"tollgate\":1,\"version\":\"0\"}")
        .await
        .unwrap();
    drop(write);
    let (read, _write) = other.into_split();
    assert!(
        receive::<Greeting>(&mut BufReader::new(read))
            .await
            .is_err()
    );
}

#[test]
fn nothing_shows_a_token() {
    assert!(!format!("{:?}", question()).contains("tollgate_00"));
}
