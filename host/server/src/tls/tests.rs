use std::{cell::RefCell, fs};

use super::*;

#[test]
fn what_does_not_serve_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let files = TlsConfig {
        cert: dir.path().join("cert.pem"),
        key: dir.path().join("key.pem"),
    };
    fs::write(&files.cert, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let tls = Tls::load(&files).unwrap();
    let problems = RefCell::new(Vec::new());
    let mut reported = None;
    let mut check = || {
        reported = tls.check_again(reported.take(), |error| {
            problems.borrow_mut().push(error.to_string());
        });
    };
    check();
    fs::write(&files.key, "none").unwrap();
    check();
    check();
    fs::write(&files.cert, "none at all").unwrap();
    check();
    check();
    let problems = problems.borrow();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("key.pem") && problems[1].contains("cert.pem"));
}
