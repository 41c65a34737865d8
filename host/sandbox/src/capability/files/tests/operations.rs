//! Paths, grants and the disk: successes, error messages, and atomicity.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    sync::{Arc, Mutex},
    thread,
};

use crate::{
    SandboxError,
    capability::files::{
        disk::{self, MAX_FILE},
        path::RelativePath,
        resolve::{FileError, PathEntry},
    },
    resources::{Grant, GrantMode},
    test_support::world,
};

#[test]
fn paths_have_one_spelling() {
    for path in [
        "",
        "a",
        "a/b",
        "a b/ü/…",
        ".hidden",
        "..a",
        "a..",
        "...",
        "~",
        "-",
        "a:b",
        "%2e%2e",
    ] {
        assert!(RelativePath::new(path).is_ok(), "{path:?}");
    }
    for path in [
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "./a",
        "a/.",
        "../a",
        "a/..",
        "a/../b",
        "a\\b",
        "..\\a",
        "a\0b",
        "a\nb",
        "a\u{7f}",
        "a\u{85}",
        "u\u{308}",
        ".tollgate-x",
        "a/.tollgate-1/b",
    ] {
        assert!(RelativePath::new(path).is_err(), "{path:?}");
    }
    assert!(RelativePath::new(&"a".repeat(255)).is_ok());
    assert!(RelativePath::new(&"a".repeat(256)).is_err());
    assert!(RelativePath::new(&vec!["a"; 64].join("/")).is_ok());
    assert!(RelativePath::new(&vec!["a"; 65].join("/")).is_err());
    assert!(RelativePath::new(&vec!["a".repeat(200); 21].join("/")).is_err());
}

#[test]
fn files_are_read_written_listed_and_removed() {
    let w = world();
    assert_eq!(w.read("a.txt"), Ok("inside".into()));
    w.write("a.txt", "new").unwrap();
    w.write("new/dirs/c.txt", "c").unwrap();
    w.create("d.txt", "d").unwrap();
    w.append("d.txt", "e").unwrap();
    w.append("f/g.txt", "g").unwrap();
    assert_eq!(w.read("a.txt"), Ok("new".into()));
    assert_eq!(w.read("new/dirs/c.txt"), Ok("c".into()));
    assert_eq!(
        (w.read("d.txt"), w.read("f/g.txt")),
        (Ok("de".into()), Ok("g".into()))
    );
    assert_eq!(w.create("d.txt", "x"), Err(FileError::Exists));
    assert_eq!(w.create("sub", "x"), Err(FileError::Exists));
    assert_eq!(w.names("").unwrap(), ["a.txt", "d.txt", "f", "new", "sub"]);
    let entry = disk::stat(&w.at("sub/b.txt")).unwrap();
    assert_eq!(
        (entry.name.as_str(), entry.directory, entry.size),
        ("b.txt", false, 5)
    );
    assert!(
        disk::stat(&w.at("")).unwrap().directory && disk::stat(&w.at("sub")).unwrap().directory
    );
    assert_eq!(disk::delete(&w.at("sub")), Err(FileError::NotEmpty));
    disk::delete(&w.at("sub/deep")).unwrap();
    disk::delete(&w.at("sub/b.txt")).unwrap();
    disk::delete(&w.at("sub")).unwrap();
    assert_eq!(w.at("sub").found, PathEntry::Nothing);
    w.untouched();
}

#[test]
fn what_is_missing_or_of_another_kind_is_said() {
    use FileError::{Exists, NotFound, WrongKind};
    let w = world();
    assert_eq!(w.read("none"), Err(NotFound));
    assert_eq!(w.read("none/none"), Err(NotFound));
    assert_eq!(w.names("none"), Err(NotFound));
    assert_eq!(disk::delete(&w.at("none/none")), Err(NotFound));
    assert_eq!(w.all("a.txt/x"), [Some(WrongKind); 7]);
    assert_eq!(w.names("a.txt"), Err(WrongKind));
    assert_eq!(w.read("sub"), Err(WrongKind));
    assert_eq!(w.write("sub", "x"), Err(WrongKind));
    assert_eq!(w.append("sub", "x"), Err(WrongKind));
    assert_eq!(w.create("sub", "x"), Err(Exists));
    assert_eq!(w.read(""), Err(WrongKind));
    assert!(
        !w.path("granted/none").exists(),
        "nothing is made by asking"
    );
}

#[test]
fn a_replaced_file_keeps_its_mode_and_nothing_temporary_stays() {
    let w = world();
    let path = w.path("granted/a.txt");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::metadata(&path).unwrap().ino();
    w.write("a.txt", "new").unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!(after.permissions().mode() & 0o7777, 0o640);
    assert_ne!(after.ino(), before, "readers keep what they had open");
    assert_eq!(w.create("a.txt", "x"), Err(FileError::Exists));
    assert_eq!(w.write("sub", "x"), Err(FileError::WrongKind));
    let left = fs::read_dir(w.path("granted")).unwrap().count();
    assert_eq!(left, 2);
    // Remains of a crash are not shown.
    fs::write(w.path("granted/.tollgate-0"), "").unwrap();
    assert_eq!(w.names("").unwrap(), ["a.txt", "sub"]);
}

#[test]
fn sizes_are_bounded() {
    let w = world();
    let sparse = fs::File::create(w.path("granted/large")).unwrap();
    sparse.set_len(MAX_FILE + 1).unwrap();
    assert_eq!(w.read("large"), Err(FileError::TooLarge));
    assert_eq!(w.append("large", "x"), Err(FileError::TooLarge));
    sparse.set_len(MAX_FILE).unwrap();
    assert_eq!(w.append("large", "x"), Err(FileError::TooLarge));
    assert_eq!(w.read("large").unwrap().len() as u64, MAX_FILE);
    assert_eq!(
        fs::metadata(w.path("granted/large")).unwrap().len(),
        MAX_FILE
    );
    fs::create_dir(w.path("granted/many")).unwrap();
    for i in 0..10_000 {
        fs::write(w.path("granted/many").join(i.to_string()), "").unwrap();
    }
    assert_eq!(w.names("many").unwrap().len(), 10_000);
    fs::write(w.path("granted/many/more"), "").unwrap();
    assert_eq!(w.names("many"), Err(FileError::TooLarge));
}

#[test]
fn names_that_no_path_could_spell_are_not_shown() {
    use std::os::unix::ffi::OsStrExt as _;
    let w = world();
    for name in [&b"\xff"[..], b"a\\b", b"u\xcc\x88", b"line\nbreak"] {
        fs::write(
            w.path("granted").join(std::ffi::OsStr::from_bytes(name)),
            "",
        )
        .unwrap();
    }
    assert_eq!(w.names("").unwrap(), ["a.txt", "sub"]);
}

#[test]
fn concurrent_writers_leave_whole_files() {
    let w = Arc::new(world());
    let text = |i: usize| format!("{i}").repeat(40_000);
    thread::scope(|scope| {
        for i in 0..4 {
            let w = &w;
            scope.spawn(move || {
                for _ in 0..20 {
                    w.write("whole", &text(i)).unwrap();
                    w.append("book", &format!("{}\n", format!("{i}").repeat(1_000)))
                        .unwrap();
                    let read = w.read("whole").unwrap();
                    assert!((0..4).any(|j| read == text(j)), "a part was seen");
                }
            });
        }
    });
    let book = w.read("book").unwrap();
    assert_eq!(book.lines().count(), 80);
    assert!(
        book.lines()
            .all(|line| line.len() == 1_000 && line.bytes().all(|b| b == line.as_bytes()[0]))
    );
    // Of several concurrent creations, one succeeds.
    let made = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| match w.create("once", "x") {
                Ok(()) => *made.lock().unwrap() += 1,
                Err(fault) => assert_eq!(fault, FileError::Exists),
            });
        }
    });
    assert_eq!(*made.lock().unwrap(), 1);
}

#[test]
fn a_grant_that_cannot_be_opened_says_what_to_do() {
    let w = world();
    let open =
        |path: &str| match Grant::open("book", &w.path(path), GrantMode::ReadOnly, BTreeSet::new())
        {
            Err(error @ SandboxError::Grant { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        };
    assert!(open("none").contains("make the directory"));
    assert!(open("outside/secret").contains("is not a directory"));
}

#[test]
fn errors_of_the_system_name_no_path() {
    let error = io::Error::from_raw_os_error(28);
    assert_eq!(
        FileError::from(error),
        FileError::System(io::ErrorKind::StorageFull)
    );
    let text = crate::capability::files::operation::description(FileError::System(
        io::ErrorKind::PermissionDenied,
    ));
    assert_eq!(text, "permission denied");
}

#[test]
fn names_that_differ_in_case_are_two_names() {
    let w = world();
    fs::write(w.path("granted/A.TXT"), "upper").unwrap();
    assert_eq!(w.read("a.txt"), Ok("inside".into()));
    assert_eq!(w.read("A.TXT"), Ok("upper".into()));
    // Two hard links look like one name in two spellings, but the file's link count differs.
    fs::hard_link(w.path("granted/sub/b.txt"), w.path("granted/sub/B.TXT")).unwrap();
    assert_eq!(w.read("sub/b.txt"), Ok("below".into()));
}
