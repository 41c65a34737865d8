use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::whole_command().debug_assert();
}

#[test]
fn every_command_has_help_with_an_example() {
    fn check(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        assert!(command.get_about().is_some(), "{path} has no description");
        if command.get_subcommands().next().is_none() {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.contains("$ tollgate"), "{path} has no example");
        }
        command
            .get_subcommands()
            .filter(|c| c.get_name() != "help")
            .for_each(|c| check(c, &path));
    }
    Cli::command()
        .get_subcommands()
        .for_each(|c| check(c, "tollgate"));
}

#[test]
fn tokens_are_never_arguments() {
    assert!(
        Cli::try_parse_from(["tollgate", "--as", "bob", "--token", "x", "runs", "list"]).is_err()
    );
    assert!(
        Cli::try_parse_from(["tollgate", "--token-file", "x", "runs", "list"]).is_err(),
        "whose?"
    );
}
