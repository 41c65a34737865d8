//! The scenes that every client plays: list, call, a denial, the forms of an escalation, cancelling,
//! and a restart of the gate in between.

use serde_json::{Value, json};

use crate::{
    client::{
        Client, Kind, LANGGRAPH, OPENAI_AGENTS, PYTHON_1, PYTHON_2, TYPESCRIPT_1, TYPESCRIPT_2,
    },
    gate::{Gate, Reach},
};

/// A refund that needs an approval; the same amount twice is refunded once.
fn refund(amount: u32) -> Value {
    json!({ "order": "A-1", "amount": amount, "currency": "EUR", "reason": "broken" })
}

fn letter() -> Value {
    json!({ "path": "letter.txt" })
}

/// The text of an answer, which must contain these parts.
#[track_caller]
fn says<'a>(answer: &'a Value, parts: &[&str]) -> &'a str {
    let text = answer["text"].as_str().unwrap_or_default();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not said: {answer}");
    }
    text
}

struct Stage {
    gate: Gate,
    client: Client,
}

impl Stage {
    fn new(kind: Kind, reach: Reach, hold: &str) -> Self {
        let gate = Gate::new(reach, hold);
        let client = Client::start(kind, &gate.world);
        let mut stage = Self { gate, client };
        stage.open();
        stage
    }

    fn open(&mut self) {
        self.client.ask(self.gate.place());
    }

    /// The gate and the client's connection end and begin again; pending calls must survive.
    fn restart(&mut self) {
        self.client.ask(json!({ "do": "close" }));
        self.gate.restart();
        self.open();
    }

    #[track_caller]
    fn reads(&mut self) {
        let read = self.client.call("files__read", &letter());
        says(&read, &["Dear Ada"]);
        if self.client.kind.is_sdk {
            assert_eq!(read["error"], false, "{read}");
        }
    }

    /// A refused or waiting call is an error result with a text, never a protocol error.
    #[track_caller]
    fn is_refused(&self, answer: &Value, outcome: &str) {
        if self.client.kind.is_sdk {
            assert_eq!(answer["error"], true, "{answer}");
            assert_eq!(answer["decision"]["outcome"], outcome, "{answer}");
        }
    }

    fn lists_and_calls(&mut self) {
        let list = self.client.ask(json!({ "do": "list" }));
        let names = list["tools"].as_array().unwrap();
        for tool in [
            "files__read",
            "files__delete",
            "payments__refund",
            "tollgate_resume",
        ] {
            assert!(names.contains(&tool.into()), "{tool} is not listed: {list}");
        }
        self.reads();
    }

    /// The agent reads the reason, and continues.
    fn is_denied(&mut self) {
        let denied = self.client.call("files__delete", &letter());
        says(
            &denied,
            &["Nothing is deleted here.", "no-deleting", "dec-"],
        );
        assert!(
            says(&denied, &[]).to_lowercase().contains("do not re"),
            "the answer advises against a retry: {denied}"
        );
        self.is_refused(&denied, "denied");
        assert!(self.gate.world.path("data/letter.txt").exists());
        self.reads();
    }

    /// Approved while the call is held: the agent only notices the delay.
    fn is_held(&mut self) {
        let call = self.client.begin_call("payments__refund", &refund(6001));
        self.gate.approve();
        let refunded = self.client.answer(call);
        says(&refunded, &["A-1"]);
        assert_eq!(self.gate.world.refunds(), 1, "{refunded}");
    }

    /// Held longer, because the client receives progress while it waits.
    fn is_held_with_progress(&mut self) {
        let before = self.gate.world.refunds();
        let call = self.client.begin(json!({
            "do": "call", "tool": "payments__refund", "args": refund(6005), "progress": true
        }));
        self.gate.approve();
        let refunded = self.client.answer(call);
        says(&refunded, &["A-1"]);
        assert!(refunded["progress"].is_u64(), "{refunded}");
        assert_eq!(self.gate.world.refunds(), before + 1, "{refunded}");
    }

    /// Approved after the answer, and across a restart: the identical call runs once.
    fn repeats_the_call(&mut self) {
        let before = self.gate.world.refunds();
        let waiting = self.client.call("payments__refund", &refund(6002));
        let id = self.gate.approve();
        says(&waiting, &["Pending approval", &id, "tollgate_resume"]);
        self.is_refused(&waiting, "waiting");
        assert_eq!(self.gate.world.refunds(), before, "approving runs nothing");
        self.restart();
        let refunded = self.client.call("payments__refund", &refund(6002));
        says(&refunded, &["A-1"]);
        assert_eq!(self.gate.world.refunds(), before + 1, "{refunded}");
    }

    /// The same with the approval's id, without the arguments; an approval is valid for one call.
    fn resumes(&mut self) {
        let before = self.gate.world.refunds();
        let waiting = self.client.call("payments__refund", &refund(6003));
        says(&waiting, &["Pending approval"]);
        let id = self.gate.approve();
        self.restart();
        let resume = json!({ "approval_id": id });
        let refunded = self.client.call("tollgate_resume", &resume);
        says(&refunded, &["A-1"]);
        assert_eq!(self.gate.world.refunds(), before + 1, "{refunded}");
        let again = self.client.call("tollgate_resume", &resume);
        says(&again, &["has been done, once"]);
        assert_eq!(self.gate.world.refunds(), before + 1, "it ran once");
    }

    /// The client polls the task until it is done.
    fn is_a_task(&mut self) {
        let before = self.gate.world.refunds();
        let mut place = self.gate.place();
        place["tasks"] = true.into();
        self.client.ask(place);
        let call = self.client.begin_call("payments__refund", &refund(6004));
        self.gate.approve();
        let refunded = self.client.answer(call);
        says(&refunded, &["A-1"]);
        assert_eq!(self.gate.world.refunds(), before + 1, "{refunded}");
    }

    /// A held call is abandoned: approved later, it does not run by itself. The client continues.
    fn cancels(&mut self) {
        let before = self.gate.world.refunds();
        let call = self.client.begin_call("payments__refund", &refund(6006));
        let id = self.gate.world.await_pending();
        self.client.ask(json!({ "do": "cancel", "of": call }));
        let cancelled = self.client.answer(call);
        assert_eq!(cancelled["cancelled"], true, "{cancelled}");
        self.reads();
        assert_eq!(self.gate.approve(), id);
        self.reads();
        assert_eq!(
            self.gate.world.refunds(),
            before,
            "the call was cancelled, so it does not run"
        );
    }
}

/// Waiting calls are held longer than this test takes.
fn plays_held(kind: Kind, reach: Reach) {
    let mut stage = Stage::new(kind, reach, "40s");
    stage.lists_and_calls();
    stage.is_denied();
    stage.is_held();
    stage.cancels();
}

/// Waiting calls are answered at once.
fn plays_pending(kind: Kind, reach: Reach) {
    let mut stage = Stage::new(kind, reach, "0s");
    stage.repeats_the_call();
    stage.resumes();
    if kind.is_sdk {
        stage.is_held_with_progress();
    }
    if kind.has_tasks {
        stage.is_a_task();
    }
}

macro_rules! clients {
    ($($name:ident: $kind:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn over_http() {
                plays_held($kind, Reach::Http);
            }

            #[test]
            fn over_http_with_restarts() {
                plays_pending($kind, Reach::Http);
            }

            #[test]
            fn over_stdio() {
                plays_held($kind, Reach::Stdio);
            }

            #[test]
            fn over_stdio_with_restarts() {
                plays_pending($kind, Reach::Stdio);
            }
        }
    )*};
}

clients! {
    python_1: PYTHON_1;
    python_2: PYTHON_2;
    openai_agents: OPENAI_AGENTS;
    langgraph: LANGGRAPH;
    typescript_1: TYPESCRIPT_1;
    typescript_2: TYPESCRIPT_2;
}
