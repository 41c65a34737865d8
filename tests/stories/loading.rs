//! Configurations that do not load: each error has its position and its remedy.

use std::fs;

use tollgate_testkit::{repository, world::World};

async fn error(world: &World) -> String {
    match world.try_open().await {
        Ok(_) => panic!("it loads"),
        Err(error) => error.to_string(),
    }
}

fn all_of(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_component_is_refused_until_it_is_accepted() {
    let world = World::new("");
    fs::copy(world.path("payments.wasm"), world.path("files.wasm")).unwrap();
    all_of(
        &error(&world).await,
        &[
            "files",
            "is not the file that was accepted",
            "tollgate component accept",
        ],
    );
    fs::remove_file(world.path("tollgate.lock")).unwrap();
    all_of(
        &error(&world).await,
        &["was never accepted", "tollgate component accept"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_none_says_so() {
    let world = World::new("");
    world.write("files.wasm", "not wasm at all");
    world.accept();
    all_of(&error(&world).await, &["`files`"]);
    let wrong = fs::read(repository().join("tests/guests/wrong-world.wat")).unwrap();
    fs::write(world.path("files.wasm"), wat::parse_bytes(&wrong).unwrap()).unwrap();
    world.accept();
    all_of(&error(&world).await, &["`files`", "acme:clock/now@1.0.0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_names_a_wrong_tool_is_caught_before_anything_runs() {
    let world = World::new(
        "@id(\"typo\") @owner(\"tests\")\nforbid (principal, action == Tollgate::Action::\"payments__refnud\", resource);",
    );
    all_of(
        &error(&world).await,
        &["story.cedar:2:", "payments__refnud"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_reload_changes_nothing() {
    let world = World::new("");
    let gate = world.open().await;
    let before = gate.ruleset().pdp.digest();
    world.write(
        "policies/story.cedar",
        "permit (principal, action, resource)",
    );
    assert!(gate.reload("tests").await.is_err());
    world.write(
        "policies/story.cedar",
        "permit (principal, action, resource);",
    );
    assert!(gate.reload("tests").await.is_err(), "it has no @id");
    assert_eq!(gate.ruleset().pdp.digest(), before);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_names_that_collide_or_are_too_long_need_another() {
    let world = World::new("");
    world.configure(
        "[components.files]\n",
        "[components.files]\nrename.read = \"payments__quote\"\n",
    );
    world.configure("[tools.files__read]", "[tools.files__stat]");
    all_of(
        &error(&world).await,
        &["payments__quote", "has the name of a tool", "rename.quote"],
    );
    let world = World::new("");
    world.configure("[tools.files__read]", "[tools.files__raed]");
    all_of(
        &error(&world).await,
        &["files__raed", "did you mean `files__read`?"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_owner_is_refused() {
    let world = World::new("");
    let gate = world.open().await;
    all_of(
        &error(&world).await,
        &["ledger.db", "in use by another gate"],
    );
    gate.close().await;
    world.open().await.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_key_refuses_to_start() {
    let world = World::new("");
    world.open().await.close().await;
    fs::remove_file(world.path(".tollgate/master.key")).unwrap();
    all_of(&error(&world).await, &["master.key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_store_is_refused() {
    let world = World::new("");
    world.open().await.close().await;
    let file = world.path(".tollgate/ledger.db");
    // SQLite keeps `user_version` as a big-endian integer at offset 60 of the file.
    let mut bytes = fs::read(&file).unwrap();
    bytes[60..64].copy_from_slice(&999_u32.to_be_bytes());
    fs::write(&file, bytes).unwrap();
    all_of(&error(&world).await, &["ledger.db", "newer"]);
}
