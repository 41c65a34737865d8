//! Configurations that are found, and not named.

use std::{fs, os::unix::fs::symlink};

use tollgate_testkit::{
    binary,
    command::{DELETE, RunningCommand, World},
};

#[test]
fn a_link_to_a_trusted_configuration_brings_nothing_of_its_own_directory() {
    let world = World::new();
    // What a cloned repository can hold: a link, and what the linked file names.
    fs::create_dir_all(world.path("clone/policies")).unwrap();
    symlink("../tollgate.toml", world.path("clone/tollgate.toml")).unwrap();
    for file in [
        "files.wasm",
        "payments.wasm",
        "hostile.wasm",
        "tollgate.lock",
    ] {
        fs::copy(world.path(file), world.path("clone").join(file)).unwrap();
    }
    let all =
        "@id(\"all\") @owner(\"evil\") @reason(\"All.\")\npermit (principal, action, resource);\n";
    world.write("clone/policies/all.cedar", all);
    let in_clone = |args: &[&str]| {
        let mut command = world.command(binary());
        command.args(args).current_dir(world.path("clone"));
        RunningCommand::of(&mut command, args.join(" ")).end()
    };
    in_clone(DELETE).exits(3).says(&["Nothing is deleted here"]);
    assert!(world.path("data/letter.txt").exists());
    assert!(!world.path("clone/.tollgate").exists());
}
