//! Bad input: the message names the place and the remedy, and nothing panics or is lost.

use std::{fs, os::unix::fs::PermissionsExt};

use tollgate_testkit::{
    binary,
    command::{CommandOutput, READ, RunningCommand, World, id},
};

const REMEDY: &str = "tollgate component build";

#[test]
fn an_unknown_key_is_shown_with_the_nearest_one() {
    let world = World::new();
    world.configure("environment = ", "enviroment = ");
    for args in [READ, &["policy", "check"], &["tools", "list"]] {
        world.run(args).exits(1).says(&[
            "tollgate.toml:3:1",
            "unknown key `enviroment`",
            "did you mean `environment`?",
        ]);
    }
    let told = world.run(&["tools", "list", "--json"]).exits(1);
    let error: serde_json::Value = serde_json::from_str(&told.err).unwrap();
    assert_eq!(error["error"]["exit"], 1);
    assert_eq!(error["error"]["places"][0]["line"], 3, "{error}");
    assert_eq!(error["error"]["help"], "did you mean `environment`?");
    world.configure("enviroment = ", "environment = ");
    world.run(READ).exits(0);
}

#[test]
fn a_component_that_is_missing_or_none_is_named() {
    let world = World::new();
    let accept = || world.run(&["component", "accept", "files"]);
    let list = |state| world.run(&["component", "list"]).exits(0).says(&[state]);
    world.run(READ).exits(0);
    fs::remove_file(world.path("files.wasm")).unwrap();
    accept()
        .exits(1)
        .says(&["`files`", "files.wasm cannot be read", "[components.files]"]);
    // It costs its own tools alone.
    world.run(READ).exits(6).says(&["there is no tool"]);
    let told = world.run(&["tools", "list"]).exits(0);
    told.says(&["`files`", "files.wasm cannot be read", "payments__refund"]);
    let doctor = world.run(&["doctor"]).exits(0);
    doctor.says(&["unusable", "files.wasm cannot be read"]);
    list("files ✗ missing");
    world.write("files.wasm", "not wasm at all");
    accept().exits(1).says(&["`files`", REMEDY]);
    world
        .run(READ)
        .exits(1)
        .says(&["`files`", "is not the file that was accepted"]);
    // WebAssembly, but a core module and no component.
    world.write("files.wasm", wat::parse_str("(module)").unwrap());
    accept().exits(1).says(&["`files`", REMEDY]);
    world.install("wrong-world", "files");
    accept()
        .exits(1)
        .says(&["`files`", "acme:clock/now@1.0.0", "another host"]);
    world.install("files", "files");
    accept().exits(0);
    world.run(READ).exits(0);
}

#[test]
fn a_changed_component_runs_only_when_it_is_accepted() {
    let world = World::new();
    let before = fs::read(world.path("tollgate.lock")).unwrap();
    world.install("payments", "files");
    world.run(READ).exits(1).says(&[
        "files.wasm is not the file that was accepted",
        "tollgate component accept files",
    ]);
    world
        .run(&["component", "list"])
        .exits(0)
        .says(&["files ✗ changed"]);
    let after = fs::read(world.path("tollgate.lock")).unwrap();
    assert_eq!(before, after, "looking accepts nothing");
    fs::remove_file(world.path("tollgate.lock")).unwrap();
    world
        .run(READ)
        .exits(1)
        .says(&["never accepted", "tollgate component accept"]);
}

#[test]
fn an_invalid_policy_is_shown_where_it_stands() {
    let world = World::new();
    let check = |exit| world.run(&["policy", "check"]).exits(exit);
    let typo = "@id(\"typo\") @owner(\"tests\") @reason(\"no\")\n\
        forbid (principal, action == Tollgate::Action::\"files__raed\", resource);\n";
    world.write("policies/typo.cedar", typo);
    let shown = check(1).says(&["typo.cedar:2:30", "files__raed", "\"files__read\"`?"]);
    let lines: Vec<&str> = shown.out.lines().chain(shown.err.lines()).collect();
    let column = |line: &str, sign: char| line.chars().position(|c| c == sign);
    let mark = lines
        .windows(2)
        .find(|pair| pair[0].contains("forbid (principal"));
    let [source, caret] = mark.unwrap() else {
        unreachable!("windows of two")
    };
    let named = source.find("Tollgate::").unwrap();
    let source_column = source[..named].chars().count();
    assert_eq!(column(caret, '─'), Some(source_column), "{shown:?}");
    world
        .run(READ)
        .exits(1)
        .says(&["typo.cedar:2:30", "tollgate policy check"]);
    world.write(
        "policies/typo.cedar",
        "permit (principal, action resource);\n",
    );
    check(1).says(&["typo.cedar:1:27", "resource"]);
    world.write(
        "policies/typo.cedar",
        "\npermit (principal, action, resource);\n",
    );
    check(1).says(&["typo.cedar:2:1", "@id"]);
    fs::remove_file(world.path("policies/typo.cedar")).unwrap();
    check(0);
}

#[test]
fn arguments_that_are_not_what_they_seem_are_refused() {
    let world = World::new();
    let deep = format!("{{\"path\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let call = |tool: &str, arguments: &str| -> CommandOutput {
        world.write("args.json", arguments);
        let ran = world.run(&["call", tool, "--args", "@args.json"]);
        ran.exits(6).says(&["Not called"])
    };
    let read = |arguments: &str| call("files__read", arguments);
    read("{\"path\": \"letter.txt\", }").says(&["line 1, column 24"]);
    read("{\n \"path\": \"letter.txt\",\n \"path\": \"b\"}")
        .says(&["`/path` occurs twice", "line 3"]);
    read("").says(&["not JSON"]);
    read("[]").says(&["object"]);
    read(&deep).says(&["deeper than 64"]);
    read("{\"path\": 3}").says(&["/path", "string"]);
    read("{\"paht\": \"letter.txt\"}").says(&["path"]);
    let refund = |amount: &str| {
        let order = r#""order":"A-1","currency":"EUR","reason":"x""#;
        call(
            "payments__refund",
            &format!("{{{order},\"amount\":{amount}}}"),
        )
    };
    refund("9007199254740993").says(&["/amount", "2^53"]);
    refund("-1").says(&["/amount"]);
    assert_eq!(world.refunds(), 0);
    world
        .run(&["call", "files__read", "--args", "@none.json"])
        .exits(1)
        .says(&["none.json", "name a file that exists"]);
    let invalid = world.json_lines(&["decisions", "list"]);
    let invalid = invalid.iter().filter(|e| e["kind"] == "call_invalid");
    assert_eq!(invalid.count(), 9, "refused calls are recorded");
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let world = World::new();
    world.run(READ).exits(0);
    let version = |to: i64| {
        let store = rusqlite::Connection::open(world.path(".tollgate/ledger.db")).unwrap();
        let before: i64 = store
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        store.pragma_update(None, "user_version", to).unwrap();
        before
    };
    let known = version(99);
    for args in [READ, &["runs", "list"], &["decisions", "list"]] {
        world
            .run(args)
            .exits(1)
            .says(&["ledger.db", "99", "newer", "use the newer tollgate"]);
    }
    assert_eq!(
        version(known),
        99,
        "the refused command did not change the file"
    );
    world.run(READ).exits(0);
    world.run(&["ledger", "verify"]).exits(0);
}

#[test]
fn a_store_that_cannot_be_written_says_so() {
    let world = World::new();
    world.run(READ).exits(0);
    let mode = |mode| {
        for entry in fs::read_dir(world.path(".tollgate")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let writable = fs::Permissions::from_mode(mode & 0o600);
                fs::set_permissions(path, writable).unwrap();
            }
        }
        fs::set_permissions(world.path(".tollgate"), fs::Permissions::from_mode(mode)).unwrap();
    };
    let run = |args: &[&str]| -> CommandOutput {
        // Permissions do not bind root: it leaves behind what makes it so.
        let mut command = if id("-u") == "0" {
            let mut command = world.command("setpriv");
            command.arg("--bounding-set=-dac_override,-dac_read_search,-fowner");
            command.arg(binary());
            command
        } else {
            world.command(binary())
        };
        RunningCommand::of(command.args(args), args.join(" "))
            .end()
            .plain()
    };
    mode(0o500);
    run(READ).exits(1).says(&[
        "ledger",
        "Permission denied",
        "the right to write there",
        "store.url",
    ]);
    // SQLite makes files next to a store to read it.
    run(&["runs", "list"])
        .exits(1)
        .says(&["ledger.db", "writable"]);
    mode(0o700);
    run(READ).exits(0);
    run(&["ledger", "verify"]).exits(0);
}

#[test]
fn a_login_that_cannot_be_is_refused_with_a_next_step() {
    let world = World::new();
    let login = ["upstream", "login", "wiki"];
    world
        .run(&login)
        .exits(1)
        .says(&["there is no upstream server `wiki`"]);
    world
        .run(&[&login[..], &["--port", "99999"]].concat())
        .exits(2)
        .says(&["--port"]);
    world
        .run(&["upstream", "logout", "wiki"])
        .exits(1)
        .says(&["no login", "tollgate upstream logins"]);
    let remote = "[upstream.wiki]\nurl = \"https://wiki.example.com/mcp\"\n";
    let oauth = "[upstream.wiki.oauth]\ngrant = \"authorization_code\"\n";
    world.configure("[users.alice]", &format!("{remote}{oauth}[users.alice]"));
    world
        .run(&login)
        .exits(1)
        .says(&["[upstream.wiki.oauth]", "`client_id`", "register the gate"]);
    world.configure(oauth, "secret = \"none\"\n");
    world.run(&login).exits(1).says(&["[secrets.none]"]);
}
