//! The SDK for Python by pytest and mypy: its own tests, and those of the tools in it.

use std::process::Command;

use tollgate_testkit::{command::World, installed, repository};

const FOLDERS: [&str; 3] = [
    "guest/python/tests",
    "tests/guests/tracker",
    "guest/adapters/table",
];

fn python(world: &World, folder: &str, arguments: &[&str]) {
    let mut command = Command::new(installed("pytest/bin/python"));
    command
        .args(arguments)
        .current_dir(repository().join(folder))
        // Nothing is written into the repository.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MYPY_CACHE_DIR", world.path("mypy"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{folder}: {said}");
}

#[test]
fn the_sdk_for_python_and_its_tools_pass_their_tests_and_are_typed() {
    let world = World::empty();
    for folder in FOLDERS {
        python(
            &world,
            folder,
            &["-m", "pytest", "-q", "-p", "no:cacheprovider"],
        );
        python(&world, folder, &["-m", "mypy"]);
    }
}
