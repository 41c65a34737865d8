//! What is printed for people: help as it was written down, and colours only where they are wanted.

use tollgate_testkit::{
    binary,
    command::{READ, RunningCommand, World},
};

/// Written anew with `TRYCMD=overwrite`. `...` stands for the global options, which `tollgate.trycmd` has whole.
#[test]
fn help_is_what_was_written_down() {
    trycmd::TestCases::new()
        .register_bin("tollgate", binary())
        .env("COLUMNS", "100")
        .case("cli/cmd/*.trycmd");
}

/// The commands below this one, as its help lists them.
fn subcommands(command: &[String]) -> Vec<String> {
    let mut help = std::process::Command::new(binary());
    let out = help.args(command).arg("--help").output().unwrap().stdout;
    let out = String::from_utf8(out).unwrap();
    let headings = |line: &&str| !line.is_empty() && !line.starts_with(' ');
    let mut within = false;
    let mut names = Vec::new();
    for line in out.lines() {
        if headings(&line) {
            within = line.ends_with("ommands:");
        } else if let Some(entry) = line.strip_prefix("  ").filter(|_| within) {
            let name = entry.split(' ').next().unwrap_or_default();
            names.extend((!matches!(name, "" | "help")).then(|| name.to_owned()));
        }
    }
    names
}

#[test]
fn the_help_of_every_command_is_written_down_with_an_example() {
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = 0;
    while let Some(command) = commands.pop() {
        let below = subcommands(&command);
        let is_leaf = below.is_empty();
        commands.extend(below.into_iter().map(|name| [&*command, &[name]].concat()));
        if command.is_empty() {
            continue;
        }
        seen += 1;
        let page = format!("cli/cmd/{}.trycmd", command.join("-"));
        let page = std::fs::read_to_string(&page).unwrap_or_else(|_| panic!("there is no {page}"));
        assert!(
            !is_leaf || page.contains("Example"),
            "{command:?} has no example"
        );
    }
    assert!(seen > 80, "{seen} commands");
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let world = World::new();
    // CommandOutput::plain, in all of these: no escape where there is no terminal.
    world.run(READ).exits(0);
    world.run(&["runs", "show"]).exits(0);
    let always = &["--color", "always", "runs", "show"];
    let ran = world.begin(always).end().exits(0);
    assert!(ran.out.contains('\x1b'), "{ran:?}");
    let with = |variable: &str, value: &str| {
        let mut command = world.command(binary());
        command.args(["runs", "show"]).env(variable, value);
        RunningCommand::of(&mut command, variable.into())
            .end()
            .exits(0)
    };
    let forced = with("CLICOLOR_FORCE", "1");
    assert!(forced.out.contains('\x1b'), "{forced:?}");
    with("NO_COLOR", "1").plain();
    let mut both = world.command(binary());
    both.args(["runs", "show"])
        .env("NO_COLOR", "1")
        .env("TERM", "xterm-256color");
    RunningCommand::of(&mut both, "NO_COLOR".into())
        .end()
        .exits(0)
        .plain();
}

#[test]
fn what_is_for_programs_is_alone_on_standard_output() {
    let world = World::new();
    let ran = world.run(READ).exits(0);
    assert_eq!(
        ran.out.trim_end(),
        "Dear Ada",
        "the result and nothing else"
    );
    assert!(
        ran.err.contains("files__read"),
        "remarks go to standard error"
    );
    let quiet = world.run(&[READ, &["--quiet"]].concat()).exits(0);
    assert_eq!((quiet.out.trim_end(), &*quiet.err), ("Dear Ada", ""));
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let world = World::new();
    world.run(&["manual", "man/man1"]).exits(0);
    let page =
        std::fs::read_to_string(world.path("man/man1/tollgate-approvals-approve.1")).unwrap();
    assert!(page.starts_with(".ie") || page.contains(".TH"), "{page}");
    assert!(page.contains("tollgate approvals approve"), "{page}");
}

#[test]
fn jq_selects_of_the_result_and_is_checked_before_the_command_does_anything() {
    let world = World::new();
    let outcome = world.run(&[READ, &["--jq", ".outcome"]].concat()).exits(0);
    assert_eq!(outcome.out, "ok\n");
    let runs = world.run(&["runs", "list", "--jq", "length"]).exits(0);
    assert_eq!(runs.out, "1\n");

    let refused = world
        .run(&[READ, &["--jq", ".outcome |"]].concat())
        .exits(2);
    assert!(
        refused.err.contains("is not a jq program"),
        "{}",
        refused.err
    );
    let runs = world.json(&["runs", "list"]);
    assert_eq!(runs[0]["calls"], 1, "{runs}");
}
