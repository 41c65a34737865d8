//! A program that does not know the gate and uses files normally: `tests/guests/walk.rs`.

use std::{fs, os::unix::fs::symlink};

use tollgate::{enforce::Answer, enforce::Verdict, gate::Gate};
use tollgate_model::{
    record::{Effect, Event},
    request::Action,
};
use tollgate_testkit::world::{World, call, records};

use crate::languages::{built, failure, labelled, with_component};

const POLICIES: &str = r#"
@id("tidy") @owner("tests")
permit (principal, action in [Tollgate::Action::"delete_file", Tollgate::Action::"delete_directory"], resource);
@id("no-sealed") @owner("tests") @reason("This file is sealed.")
forbid (principal, action == Tollgate::Action::"read_file", resource)
when { resource == Tollgate::File::"walk/data:/sealed" };
@id("fixed") @owner("tests") @reason("It stays as it is.")
forbid (principal, action in [Tollgate::Action::"write_file", Tollgate::Action::"delete_file"], resource)
when { resource == Tollgate::File::"walk/data:/fixed" };
@id("small") @owner("tests") @reason("Too much.")
forbid (principal, action == Tollgate::Action::"write_file", resource)
when { context.size > 100 };"#;

fn world() -> World {
    let grants = "grants.data = { path = \"data\", mode = \"rw\" }\n\
                  grants.fix = { path = \"vault\", mode = \"r\" }\n";
    let table = format!("{grants}{}", labelled(&["walk__run_run"]));
    let world = with_component("walk", &built("walk"), &table, POLICIES);
    world.write("data/a.txt", "first");
    world.write("data/sealed", "sealed");
    world.write("data/fixed", "fixed");
    fs::create_dir(world.path("data/sub")).unwrap();
    world.write("data/sub/b.txt", "below");
    world
}

async fn run(world: &World, gate: &Gate, steps: &str) -> Answer {
    world.write("data/steps", steps);
    call(gate, "r", "walk__run_run", "{}").await
}

/// Its output about its steps.
fn said(gate: &Gate, answer: &Answer) -> String {
    let lines = records(gate, answer.run.unwrap()).into_iter();
    let lines = lines.filter_map(|record| match record.event {
        Event::ComponentLog(log) => Some(log.message + "\n"),
        _ => None,
    });
    lines.collect()
}

fn effects(gate: &Gate, answer: &Answer) -> Vec<Effect> {
    let records = records(gate, answer.run.unwrap()).into_iter();
    let effects = records.filter_map(|record| match record.event {
        Event::Effect(effect) => Some(effect),
        _ => None,
    });
    effects.collect()
}

/// Size and error of the effects of one kind on one path.
fn done(gate: &Gate, answer: &Answer, operation: &str, path: &str) -> Vec<(u64, bool)> {
    let effects = effects(gate, answer).into_iter();
    let same = effects.filter(|e| e.operation == operation && e.target.ends_with(path));
    same.map(|e| (e.size, e.error.is_some())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_where_policy_permits_and_each_open_is_recorded() {
    let world = world();
    let gate = world.open().await;
    let steps = "read /data/a.txt\nskip 2 /data/a.txt\nread /data/sealed\nlist /data\nsize /data/a.txt\n\
                 size /data/sealed\nread /data/none\nread /data/sub\nread /fix/customer.json\nread /other/x";
    let answer = run(&world, &gate, steps).await;
    assert!(
        matches!(answer.verdict, Verdict::Released { .. }),
        "{answer:?}"
    );
    let said = said(&gate, &answer);
    for line in [
        "read /data/a.txt: first\n",
        "skip 2 /data/a.txt: rst\n",
        "read /data/sealed: PermissionDenied\n",
        "list /data: a.txt,fixed,letter.txt,sealed,steps,sub\n",
        "size /data/a.txt: 5\n",
        "size /data/sealed: PermissionDenied\n",
        "read /data/none: NotFound\n",
        "read /data/sub: IsADirectory\n",
        "read /other/x: NotFound\n",
    ] {
        assert!(said.contains(line), "{line} in\n{said}");
    }
    assert!(
        said.contains("[redacted: iban]"),
        "what the agent gets is redacted: {said}"
    );
    assert_eq!(done(&gate, &answer, "read_file", "/a.txt")[0], (5, false));
    assert_eq!(done(&gate, &answer, "read_file", "/sealed"), []);
    let denials = records(&gate, answer.run.unwrap())
        .into_iter()
        .filter(|record| {
            let text = serde_json::to_string(&record.event).unwrap();
            matches!(record.event, Event::Decision(_)) && text.contains("no-sealed")
        });
    assert_eq!(denials.count(), 2, "the read and the stat");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leads_out_of_a_grant() {
    let world = world();
    symlink("../vault/customer.json", world.path("data/link")).unwrap();
    symlink("../vault", world.path("data/dir")).unwrap();
    let gate = world.open().await;
    let ways = [
        "/data/../vault/customer.json",
        "/data/sub/../../vault/customer.json",
        "/data/link",
        "/data/dir/customer.json",
        "/data/sub/../a.txt",
    ];
    let steps: Vec<String> = ways.iter().map(|way| format!("read {way}")).collect();
    let steps = steps.join("\n")
        + "\nwrite /data/link x\nwrite /data/dir/new x\nlink /data/a.txt /data/b\nlist /data/dir";
    let answer = run(&world, &gate, &steps).await;
    let said = said(&gate, &answer);
    assert_eq!(said.matches(": PermissionDenied\n").count(), 9, "{said}");
    assert!(!said.contains("DE02"), "{said}");
    assert!(world.read("vault/customer.json").contains("DE02"));
    assert!(!world.path("vault/new").exists());
    let refused = "the path `../vault/customer.json` in `data` was refused";
    assert!(
        said.contains(refused),
        "an auditor sees the attempt: {said}"
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_decided_with_its_size_and_on_the_disk_when_the_call_returns() {
    let world = world();
    let gate = world.open().await;
    let steps = "write /data/new.txt hello\nread /data/new.txt\nappend /data/a.txt +more\n\
                 sync /data/s.txt synced\nnew /data/a.txt x\nnew /data/n.txt n\nmkdir /data/made\n\
                 write /data/made/c c\nremove /data/made\nrmdir /data/made\nremove /data/made/c\n\
                 rmdir /data/made\nrename /data/s.txt /data/z\nrename /data/fixed /data/y\n\
                 rename /fix/customer.json /data/x\nrename /data/sub /data/w\nwrite /fix/x x\n\
                 write /data/fixed x\nremove /data/fixed";
    let answer = run(&world, &gate, steps).await;
    assert!(
        matches!(answer.verdict, Verdict::Released { .. }),
        "{answer:?}"
    );
    let said = said(&gate, &answer);
    for line in [
        "read /data/new.txt: hello\n",
        "new /data/a.txt x: AlreadyExists\n",
        "remove /data/made: PermissionDenied\n",
        "rmdir /data/made: errno 55\n",
        "remove /data/made/c: done\nrmdir /data/made: done\n",
        "rename /data/s.txt /data/z: done\n",
        "rename /data/fixed /data/y: PermissionDenied\n",
        "rename /fix/customer.json /data/x: ReadOnlyFilesystem\n",
        "rename /data/sub /data/w: PermissionDenied\n",
        "write /fix/x x: ReadOnlyFilesystem\n",
        "write /data/fixed x: PermissionDenied\n",
        "remove /data/fixed: PermissionDenied\n",
    ] {
        assert!(said.contains(line), "{line} in\n{said}");
    }
    assert_eq!(world.read("data/new.txt"), "hello");
    assert_eq!(world.read("data/a.txt"), "first+more");
    assert_eq!(world.read("data/z"), "synced");
    assert!(!world.path("data/s.txt").exists());
    assert_eq!(world.read("data/y"), "fixed", "only its removal is denied");
    assert!(world.path("data/sub/b.txt").exists() && !world.path("data/x").exists());
    assert_eq!(world.read("data/n.txt"), "n");
    assert_eq!(world.read("data/fixed"), "fixed");
    assert!(!world.path("data/made").exists() && !world.path("vault/x").exists());
    let written = done(&gate, &answer, "write_file", "/new.txt");
    assert_eq!(written, [(0, false), (5, false)], "opened, then stored");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_told() {
    let world = world();
    let gate = world.open().await;
    let long = "x".repeat(101);
    // At a sync, the guest gets the error. At a close it cannot, so the call fails.
    let synced = run(&world, &gate, &format!("sync /data/s {long}")).await;
    let heard = said(&gate, &synced);
    assert!(heard.contains(": PermissionDenied"), "{heard}");
    assert!(
        matches!(synced.verdict, Verdict::Released { .. }),
        "{synced:?}"
    );
    let closed = run(&world, &gate, &format!("write /data/a.txt {long}")).await;
    let (_, why) = failure(&closed);
    assert!(
        why.contains("`/data/a.txt` is not stored") && why.contains("Too much."),
        "{why}"
    );
    assert_eq!(
        world.read("data/a.txt"),
        "first",
        "what was there stays whole"
    );

    let large = run(&world, &gate, "large /data/l").await;
    let heard = said(&gate, &large);
    assert!(
        heard.contains("large /data/l: ") && !heard.contains("large /data/l: done"),
        "{heard}"
    );
    let crashed = run(&world, &gate, "crash /data/a.txt lost").await;
    assert!(
        matches!(crashed.verdict, Verdict::Ended { .. }),
        "{crashed:?}"
    );
    assert_eq!(world.read("data/a.txt"), "first");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_of_a_file_that_is_open_for_writing_alone_takes_a_decision_to_read() {
    let world = world();
    let gate = world.open().await;
    let steps = "size-of-open /data/a.txt\nsize-of-open /data/sealed\nnew /data/fresh text\nwrite /data/a.txt x";
    let answer = run(&world, &gate, steps).await;
    let said = said(&gate, &answer);
    assert!(said.contains("size-of-open /data/a.txt: 5"), "{said}");
    assert!(
        said.contains("size-of-open /data/sealed: PermissionDenied")
            || said.contains("size-of-open /data/sealed: errno"),
        "{said}"
    );
    assert!(said.contains("new /data/fresh text: done"), "{said}");
    let reads = records(&gate, answer.run.unwrap()).into_iter();
    let reads = reads.filter(|record| match &record.event {
        Event::Decision(decided) => {
            decided.action == Action::ReadFile && decided.resource.id == "walk/data:/sealed"
        }
        _ => false,
    });
    assert_eq!(reads.count(), 1);
    gate.close().await;
}
