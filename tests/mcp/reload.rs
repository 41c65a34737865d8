//! Changed files take effect as a whole, and clients are notified of changed tools.

use std::{
    fs::{Permissions, set_permissions},
    ops::ControlFlow,
    os::unix::fs::PermissionsExt as _,
    time::Duration,
};

use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tollgate::gate::Gate;
use tollgate_ledger::RecordFilter;
use tollgate_model::record::{AdminAction, Event};
use tollgate_server::{
    auth::peer::{self, PeerCredentials},
    reload::{self, FileChange, ReloadError},
};
use tollgate_testkit::{
    mcp::{Client, Era, PATIENCE, decision, is_ok, world},
    serve::Server,
    world::{World, call, is_released},
};

async fn heard<T>(change: impl Future<Output = T>) -> T {
    let heard = tokio::time::timeout(PATIENCE, change).await;
    heard.expect("a notification comes")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_all_or_nothing_and_clients_hear_of_other_tools() {
    let world = world("0s", "0s");
    world.configure(
        "[users.dana]\nroles = [\"finance\"]",
        "[users.dana]\nroles = [\"finance\", \"security\"]",
    );
    let server = Server::start(&world);
    let mut session = Client::http(&server, Era::Legacy, false).await;
    let modern = Client::http(&server, Era::Modern, false).await;
    let filter = rmcp::model::SubscriptionFilter::builder()
        .tools_list_changed()
        .build();
    let mut listening = modern.service.listen(filter).await.unwrap();
    let read = async |session: &Client| {
        session
            .call("files__read", json!({"path": "letter.txt"}))
            .await
    };
    is_ok(&read(&session).await);

    let as_dana = ["--as", "dana", "--token-file", "dana.token"];
    let reload = |exits| {
        let args = [&["reload"][..], &as_dana].concat();
        world.run(&args).exits(exits)
    };
    world.run(&["reload"]).exits(3).says(&["No policy permits"]);
    world.write("policies/more.cedar", "forbid (principal");
    reload(1);
    is_ok(&read(&session).await);
    world.write(
        "policies/more.cedar",
        "@id(\"no-reading\") @owner(\"tests\") @reason(\"Closed.\")\nforbid (principal, action == \
         Tollgate::Action::\"files__read\", resource);",
    );
    reload(0).says(&["in force"]);
    assert_eq!(
        decision(&read(&session).await)["policies"][0]["id"],
        "no-reading"
    );
    let names = async |session: &Client| -> Vec<String> {
        let tools = session.service.list_all_tools().await.unwrap();
        tools.into_iter().map(|tool| tool.name.into()).collect()
    };
    heard(session.changes.recv()).await.unwrap();
    heard(listening.next()).await.unwrap().unwrap();
    assert!(!names(&session).await.contains(&"files__read".to_owned()));

    // Such a forbid leaves the list as it was before the tool was closed, and the next one changes nothing of it.
    for path in ["diary.txt", "letter.txt"] {
        world.write(
            "policies/more.cedar",
            format!(
                "@id(\"no-reading\") @owner(\"tests\") @reason(\"Closed.\")\nforbid (principal, action == \
                 Tollgate::Action::\"files__read\", resource) when {{ context.input.path == \"{path}\" }};"
            ),
        );
        reload(0).says(&["in force"]);
    }
    assert_eq!(
        decision(&read(&session).await)["policies"][0]["id"],
        "no-reading"
    );
    assert!(names(&session).await.contains(&"files__read".to_owned()));
    heard(session.changes.recv()).await.unwrap();
    heard(listening.next()).await.unwrap().unwrap();
    assert!(
        session.changes.try_recv().is_err(),
        "the tools are the same"
    );

    world.write("policies/more.cedar", "");
    world.configure("[tools.files__read]\nlabels = []\ntaints = []\n", "");
    world.configure(
        "[components.files]\n",
        "[components.files]\nrename.read = \"read_file_here\"\n",
    );
    reload(0);
    heard(session.changes.recv()).await.unwrap();
    heard(listening.next()).await.unwrap().unwrap();
    assert!(names(&session).await.contains(&"read_file_here".to_owned()));
    let decisions = world.run(&["decisions", "list"]).exits(0);
    assert!(
        decisions.out.contains("reload_refused"),
        "{}",
        decisions.out
    );
    session.end().await;
}

const CLOSED: &str = "@id(\"closed\") @owner(\"tests\")\nforbid (principal, action == \
                      Tollgate::Action::\"files__read\", resource);";

/// An agent that can write the policies does not put them into force by that.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_comes_into_force_by_sighup_alone() {
    let world = world("0s", "0s");
    let server = Server::start(&world);
    let client = Client::http(&server, Era::Modern, false).await;
    let read = || client.call("files__read", json!({"path": "letter.txt"}));
    is_ok(&read().await);
    world.write("policies/more.cedar", CLOSED);
    server.signal("HUP");
    let begun = std::time::Instant::now();
    while decision(&read().await)["outcome"] != "denied" {
        assert!(begun.elapsed() < PATIENCE, "it never comes into force");
    }
    client.end().await;
}

/// A gate whose user `alice` has the account of this process.
async fn watched(roles: &str, watch: bool) -> Watched {
    let world = World::new("");
    let login = peer::login(PeerCredentials::own().uid).unwrap();
    world.configure(
        "[users.alice]\nroles = [\"operator\"]",
        &format!("[serve]\nwatch = {watch}\n[users.alice]\nlogin = \"{login}\"\nroles = {roles}"),
    );
    world.close_to_others();
    let gate = world.open().await;
    let until = CancellationToken::new();
    let (tell, changes) = mpsc::unbounded_channel();
    let watching = reload::watch(gate.clone(), until.clone(), move |change| {
        drop(tell.send(change));
    });
    Watched {
        world,
        gate,
        changes,
        watching: tokio::spawn(async move { watching.await.map_err(|e| e.to_string()) }),
        until,
    }
}

struct Watched {
    world: World,
    gate: Gate,
    changes: mpsc::UnboundedReceiver<FileChange>,
    watching: tokio::task::JoinHandle<Result<(), String>>,
    until: CancellationToken,
}

impl Watched {
    /// What writing the policy `CLOSED` leads to, after `prepare`.
    async fn close(&mut self, prepare: impl Fn(&World)) -> FileChange {
        // The watch begins with its task, so the file is written until it is noticed.
        for _ in 0..100 {
            self.world.write("policies/more.cedar", CLOSED);
            prepare(&self.world);
            let noticed = self.changes.recv();
            if let Ok(change) = tokio::time::timeout(Duration::from_secs(2), noticed).await {
                return change.unwrap();
            }
        }
        panic!("the change is not noticed");
    }

    async fn is_closed(&self) -> bool {
        let answer = call(&self.gate, "r", "files__read", r#"{"path":"letter.txt"}"#).await;
        !is_released(&answer)
    }

    fn refusals(&self) -> usize {
        let mut refusals = 0;
        let reader = self.gate.ledger().reader();
        let records = reader.records(&RecordFilter::default(), |_, record| {
            if let Event::Administered(act) = record.event {
                refusals += usize::from(act.action == AdminAction::ReloadRefused);
            }
            ControlFlow::Continue(())
        });
        records.unwrap();
        refusals
    }

    async fn end(self) {
        self.until.cancel();
        self.watching.await.unwrap().unwrap();
        self.gate.close().await;
    }
}

/// Unless it is configured, a changed file is only told.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_noticed_and_not_put_into_force() {
    let mut watched = watched("[\"operator\", \"security\"]", false).await;
    let change = watched.close(|_| {}).await;
    assert!(matches!(change, FileChange::Noticed), "{change:?}");
    assert!(!watched.is_closed().await);
    watched.gate.reload("tests").await.unwrap();
    assert!(watched.is_closed().await);
    watched.end().await;
}

/// What is written after it was decided is not put into force by that decision.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_loaded_is_what_was_permitted() {
    let watched = watched("[\"operator\", \"security\"]", false).await;
    watched.world.write("policies/more.cedar", CLOSED);
    let is_in_force = watched.gate.reload_if("tests", |_| false).await.unwrap();
    assert!(!is_in_force && !watched.is_closed().await);
    let is_in_force = watched.gate.reload_if("tests", |_| true).await.unwrap();
    assert!(is_in_force && watched.is_closed().await);
    watched.end().await;
}

/// Where it is configured, policy decides whether the owner of the file may activate policies.
#[tokio::test(flavor = "multi_thread")]
async fn a_watched_file_is_put_into_force_if_its_owner_may_activate_policies() {
    let mut watched = watched("[\"operator\"]", true).await;
    let change = watched.close(|_| {}).await;
    let FileChange::Refused(ReloadError::Denied { user, .. }) = &change else {
        panic!("{change:?}")
    };
    assert_eq!(user, "alice");
    assert!(!watched.is_closed().await);
    watched.end().await;

    let mut watched = self::watched("[\"operator\", \"security\"]", true).await;
    let change = watched.close(|_| {}).await;
    assert!(matches!(change, FileChange::Activated), "{change:?}");
    assert!(watched.is_closed().await);
    watched.end().await;
}

/// What several accounts can write has no known author.
#[tokio::test(flavor = "multi_thread")]
async fn a_watched_file_that_others_can_write_is_not_put_into_force() {
    for (path, mode) in [
        ("policies/more.cedar", 0o666),
        ("policies", 0o777),
        ("tollgate.toml", 0o666),
    ] {
        let mut watched = watched("[\"operator\", \"security\"]", true).await;
        let change = watched
            .close(|world| {
                let open = Permissions::from_mode(mode);
                set_permissions(world.path(path), open).unwrap();
            })
            .await;
        assert!(
            matches!(change, FileChange::Refused(ReloadError::Author(_))),
            "{path}: {change:?}"
        );
        assert!(!watched.is_closed().await, "{path}");
        assert!(watched.refusals() > 0, "{path}: it is recorded");
        watched.end().await;
    }
}
