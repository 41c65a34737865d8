//! No action of a guest or of another process leads out of a grant: links, special files, replacements.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::{
        fs::{FileTypeExt as _, symlink},
        net::UnixListener,
    },
    path::Path,
};

use proptest::prelude::*;

use crate::{
    capability::files::{
        disk,
        path::RelativePath,
        resolve::{FileError, ResolvedPath},
        temporary::Replace,
    },
    resources::{Grant, GrantMode},
    test_support::world,
};

#[test]
fn links_are_never_followed() {
    use FileError::WrongKind;
    let w = world();
    symlink(w.path("outside"), w.path("granted/dir")).unwrap();
    symlink(w.path("outside/secret"), w.path("granted/file")).unwrap();
    symlink("../outside/new", w.path("granted/dangling")).unwrap();
    symlink("a.txt", w.path("granted/within")).unwrap();
    symlink("sub", w.path("granted/below")).unwrap();
    symlink("loop", w.path("granted/loop")).unwrap();
    for path in ["dir/secret", "dir/new", "below/b.txt", "loop/x"] {
        assert_eq!(w.all(path), [Some(WrongKind); 7], "{path}");
    }
    for path in ["dir", "file", "dangling", "within", "below", "loop"] {
        assert_eq!(w.all(path), [Some(WrongKind); 7], "{path}");
    }
    assert_eq!(
        w.names("").unwrap(),
        ["a.txt", "sub"],
        "links are not shown"
    );
    w.untouched();
}

#[test]
fn special_files_are_refused_and_never_waited_for() {
    use FileError::WrongKind;
    let w = world();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        w.path("granted/fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let _listener = UnixListener::bind(w.path("granted/socket")).unwrap();
    for path in ["fifo", "socket"] {
        assert_eq!(w.all(path), [Some(WrongKind); 7], "{path}");
    }
    let dev = Grant::open(
        "dev",
        Path::new("/dev"),
        GrantMode::ReadWrite,
        BTreeSet::new(),
    )
    .unwrap();
    let null = dev.resolve(&RelativePath::new("null").unwrap());
    assert_eq!(disk::read(&null), Err(WrongKind));
    assert!(
        fs::symlink_metadata(w.path("granted/fifo"))
            .unwrap()
            .file_type()
            .is_fifo()
    );
    assert_eq!(w.names("").unwrap(), ["a.txt", "sub"]);
}

#[test]
fn what_takes_a_files_place_after_it_was_found_is_not_used() {
    use FileError::WrongKind;
    let w = world();
    let secret = w.path("outside/secret");
    let place = w.path("granted/a.txt");
    let swapped = |operation: &dyn Fn(ResolvedPath) -> Option<FileError>| {
        let _ = fs::remove_file(&place);
        fs::write(&place, "inside").unwrap();
        let found = w.at("a.txt");
        fs::remove_file(&place).unwrap();
        symlink(&secret, &place).unwrap();
        operation(found)
    };
    assert_eq!(swapped(&|at| disk::read(&at).err()), Some(WrongKind));
    assert_eq!(
        swapped(&|at| disk::write(at, b"x", Replace::Yes).err()),
        Some(WrongKind)
    );
    assert_eq!(
        swapped(&|at| disk::append(at, b"x", &w.grant.appending).err()),
        Some(WrongKind)
    );
    assert_eq!(swapped(&|at| disk::stat(&at).err()), Some(WrongKind));
    assert_eq!(swapped(&|at| disk::delete(&at).err()), Some(WrongKind));
    w.untouched();

    // A directory on the path is replaced: the handle still refers to the old one.
    let found = w.at("sub/b.txt");
    let missing = w.at("sub/new/c.txt");
    fs::rename(w.path("granted/sub"), w.path("granted/moved")).unwrap();
    symlink(w.path("outside"), w.path("granted/sub")).unwrap();
    assert_eq!(disk::read(&found), Ok(b"below".to_vec()));
    disk::write(missing, b"c", Replace::Yes).unwrap();
    assert!(w.path("granted/moved/new/c.txt").exists());

    // A missing directory appears as a link before it is created.
    let missing = w.at("later/c.txt");
    symlink(w.path("outside"), w.path("granted/later")).unwrap();
    assert_eq!(disk::write(missing, b"c", Replace::Yes), Err(WrongKind));

    // A decision about a file does not remove a directory, nor the reverse.
    fs::write(w.path("granted/x"), "").unwrap();
    let file = w.at("x");
    fs::remove_file(w.path("granted/x")).unwrap();
    fs::create_dir(w.path("granted/x")).unwrap();
    assert_eq!(disk::delete(&file), Err(WrongKind));
    let directory = w.at("x");
    fs::remove_dir(w.path("granted/x")).unwrap();
    fs::write(w.path("granted/x"), "").unwrap();
    assert_eq!(disk::delete(&directory), Err(WrongKind));
    w.untouched();
}

#[test]
fn a_grant_follows_its_directory_and_not_its_path() {
    let w = world();
    fs::rename(w.path("granted"), w.path("renamed")).unwrap();
    symlink(w.path("outside"), w.path("granted")).unwrap();
    assert_eq!(w.read("a.txt"), Ok("inside".into()));
    w.write("new", "x").unwrap();
    assert!(w.path("renamed/new").exists());
    w.untouched();
}

#[test]
fn a_file_with_a_second_name_is_not_changed_through_the_first() {
    let w = world();
    fs::hard_link(w.path("outside/secret"), w.path("granted/link")).unwrap();
    assert_eq!(w.append("link", "x"), Err(FileError::WrongKind));
    w.untouched();
    // Replacing removes this name from the file, and so does deleting.
    w.write("link", "new").unwrap();
    disk::delete(&w.at("link")).unwrap();
    w.untouched();
}

/// Paths that are likely to be dangerous.
fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just(String::new()),
        Just("link".to_owned()),
        Just("sub".to_owned()),
        Just("secret".to_owned()),
        Just("outside".to_owned()),
        Just("\\..".to_owned()),
        "\\PC{1,3}",
    ];
    prop::collection::vec(segment, 0..6).prop_map(|segments| segments.join("/"))
}

proptest! {
    // Each case creates files on the disk.
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_path_leaves_the_grant(paths in prop::collection::vec(path(), 1..20)) {
        let w = world();
        symlink("..", w.path("granted/link")).unwrap();
        for text in paths {
            if let Ok(path) = RelativePath::new(&text) {
                let resolve = || w.grant.resolve(&path);
                if let Ok(content) = disk::read(&resolve()) {
                    prop_assert_ne!(content, b"secret");
                }
                let _ = disk::write(resolve(), b"w", Replace::Yes);
                let _ = disk::append(resolve(), b"a", &w.grant.appending);
                let _ = disk::list(&resolve());
                let _ = disk::delete(&resolve());
            }
            w.untouched();
            prop_assert_eq!(fs::read_dir(w.dir.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,64}") {
        let _ = RelativePath::new(&text);
    }
}
