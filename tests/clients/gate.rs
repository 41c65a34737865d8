//! A served gate for clients.

use serde_json::{Value, json};
use tollgate_testkit::{binary, command::World, serve::Server};

/// How clients reach a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Http,
    Stdio,
}

/// A world that one client reaches.
pub(crate) struct Gate {
    pub(crate) world: World,
    pub(crate) reach: Reach,
    served: Option<Server>,
}

impl Gate {
    /// The world of the command line's tests, whose calls are held for `hold`.
    pub(crate) fn new(reach: Reach, hold: &str) -> Self {
        let world = World::new();
        let end = "roles = [\"clerk\"]\n";
        world.configure(
            end,
            &format!("{end}[approvals]\nwait_timeout = \"{hold}\"\n"),
        );
        world.own_token("dana", "dana.token");
        let mut gate = Self {
            world,
            reach,
            served: None,
        };
        gate.serve("127.0.0.1:0");
        gate
    }

    fn serve(&mut self, address: &str) {
        self.served = (self.reach == Reach::Http)
            .then(|| Server::start_at(&self.world, address, &["--agent", "support"]));
    }

    /// Where a client opens it.
    pub(crate) fn place(&self) -> Value {
        match &self.served {
            Some(served) => json!({ "do": "open", "url": &*served.url }),
            None => json!({
                "do": "open",
                "command": binary(),
                "args": ["serve", "--stdio"],
                "cwd": self.world.path(""),
            }),
        }
    }

    /// Ends the serving process and starts another at the same address, as after an upgrade. Over stdio the
    /// client does this when it opens the gate again.
    pub(crate) fn restart(&mut self) {
        if let Some(served) = self.served.take() {
            let address = served.address.clone();
            served.stop();
            self.serve(&address);
        }
    }

    /// Approves the waiting call, once there is one, as another user on another channel. Returns the approval.
    pub(crate) fn approve(&self) -> String {
        let id = self.world.await_pending();
        self.world.answer_as_dana("approve", &id);
        id
    }
}
