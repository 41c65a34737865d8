//! Child processes that end with the test.

use std::process::{Child, Command, ExitStatus};

/// A child process. Dropping it kills it.
#[derive(Debug)]
pub struct ChildProcess(Child);

impl From<Child> for ChildProcess {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl ChildProcess {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Sends it the signal `name`, as `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args([format!("-{name}"), self.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
    }

    /// Waits until it ends by itself. Its pipes must be read by then.
    pub fn wait(mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
