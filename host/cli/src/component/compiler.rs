//! The process that compiles components for the gate.

use tollgate::sandbox::Compiler;

/// The compiler: this program in another process.
pub(crate) fn compiler() -> Compiler {
    Compiler {
        program: std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into()),
        arguments: vec!["component".into(), "compile".into()],
        time: Compiler::TIME,
    }
}
