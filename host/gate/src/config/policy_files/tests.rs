use std::os::unix::{fs::symlink, net::UnixListener};

use super::*;

const POLICY: &str = "@id(\"p\") @owner(\"o\") permit (principal, action, resource);";

fn folder() -> tempfile::TempDir {
    let dir = tempfile::TempDir::new().unwrap();
    fs::write(dir.path().join("a.cedar"), POLICY).unwrap();
    dir
}

fn problem(dir: &Path) -> String {
    let error = policy_files(dir).unwrap_err();
    format!(
        "{}: {} ({})",
        error.file.display(),
        error.message,
        error.help
    )
}

#[test]
fn a_byte_order_mark_and_other_line_endings_are_no_part_of_policies() {
    let dir = folder();
    let marked = format!("\u{feff}{}\r\n", POLICY.replace(' ', "\r\n"));
    fs::write(dir.path().join("b.cedar"), marked).unwrap();
    let files = policy_files(dir.path()).unwrap();
    assert!(
        files[1].text.starts_with("@id(\"p\")\r\n"),
        "{:?}",
        files[1]
    );
}

#[test]
fn what_is_not_a_text_is_refused_by_name() {
    let dir = folder();
    let path = dir.path().join("b.cedar");
    fs::write(&path, "permit\0").unwrap();
    assert!(problem(dir.path()).contains("b.cedar: it contains a NUL"));
    fs::write(&path, b"\xff\xfep\0e\0").unwrap();
    assert!(problem(dir.path()).contains("UTF-8"));
    fs::remove_file(&path).unwrap();
    let _listener = UnixListener::bind(&path).unwrap();
    assert!(problem(dir.path()).contains("b.cedar: it is not a file"));
}

#[test]
fn links_in_a_circle_end() {
    let dir = folder();
    for name in ["one", "two"] {
        symlink(dir.path(), dir.path().join(name)).unwrap();
    }
    let problem = problem(dir.path());
    assert!(problem.contains("because of a link"), "{problem}");
}

#[test]
fn too_many_files_are_refused_before_they_are_read() {
    let dir = folder();
    for n in 0..MAX_ENTRIES {
        fs::File::create(dir.path().join(format!("{n}.txt"))).unwrap();
    }
    let problem = problem(dir.path());
    assert!(problem.contains("more than 20000 files"), "{problem}");
}

#[test]
fn names_that_resemble_those_of_policies_are_found() {
    let dir = folder();
    for name in [
        "b.ceder",
        "c.CEDAR",
        "d.cedar.txt",
        "e.md",
        "f.cedar.bak",
        "g.cedarschema",
    ] {
        fs::write(dir.path().join(name), POLICY).unwrap();
    }
    let found = misnamed_policy_files(dir.path());
    let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(names, ["b.ceder", "c.CEDAR", "d.cedar.txt"]);
}
