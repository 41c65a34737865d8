use super::*;

async fn start(script: &str, dir: &Path, user: Option<&str>) -> Result<Process, ConnectError> {
    let command = ["/bin/sh", "-c", script].map(str::to_owned);
    let start = Start {
        command: &command,
        env: &BTreeMap::new(),
        dir,
        user,
    };
    let started = start.start(&Vault::new(&BTreeMap::new())).await;
    started.map(|(process, _)| process)
}

#[tokio::test]
async fn one_that_has_ended_keeps_its_id_until_its_group_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let process = start("exit 0", dir.path(), None).await.unwrap();
    process.ended().await;
    assert!(process.leader().is_some(), "it is not reaped");
}

#[tokio::test]
async fn another_account_gets_no_directory_of_the_gates() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new");
    let refused = start("exit 0", &dir, Some("root")).await.unwrap_err();
    assert!(refused.why.contains("make it for `root`"), "{refused}");
    assert!(!dir.exists());
}
