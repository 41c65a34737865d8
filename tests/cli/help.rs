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
