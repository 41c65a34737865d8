use super::*;

fn compiler(script: &str, time: Duration) -> Compiler {
    Compiler {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        time,
    }
}

fn answer(script: &str, time: Duration) -> CompileError {
    let none = Path::new("/nonexistent");
    // More than a pipe holds: a child that does not read must not block its parent.
    let bytes = vec![0; 1 << 20];
    compiler(script, time)
        .compile(none, "x", &bytes, Size::Standard)
        .unwrap_err()
}

#[test]
fn a_compiler_that_fails_is_an_error() {
    let long = Duration::from_secs(60);
    assert_eq!(
        answer("kill -9 $$", long),
        CompileError::Crashed("signal 9".into())
    );
    assert_eq!(
        answer("exit 3", long),
        CompileError::Crashed("exit code 3".into())
    );
    assert_eq!(
        answer("echo nonsense", long),
        CompileError::Crashed("exit code 0".into())
    );
    assert_eq!(
        answer(r#"echo '{"Refused":"no"}'"#, long),
        CompileError::Component("no".into())
    );
    let short = Duration::from_millis(20);
    assert_eq!(answer("exec sleep 60", short), CompileError::Time(short));
    let missing = Compiler {
        program: "/nonexistent".into(),
        ..compiler("", long)
    };
    let error = missing
        .compile(Path::new("/"), "x", &[], Size::Standard)
        .unwrap_err();
    assert!(matches!(error, CompileError::Start { .. }), "{error}");
}
