//! What a server asks people during a call.

mod limits;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use tollgate::{
    enforce::{ApprovalError, ApprovalResult, ElicitationResponse, GivenInput},
    identity::Caller,
};
use tollgate_ledger::{ApprovalFilter, ApprovalRow};
use tollgate_model::{
    decision::Outcome,
    ids::ApprovalId,
    life::ApprovalState,
    record::{ApprovalAnswered, ElicitationAction, ElicitationMode},
    request::Action,
};
use tollgate_testkit::world::approve;

use super::*;

/// alice may have anything filled in; the server of `box__write` asks only for finance.
const ELICITATION: &str = r#"
@id("forms") @owner("tests")
permit (principal == Tollgate::Component::"box", action == Tollgate::Action::"elicit_input", resource)
when { context.mode == "form" && !context.fields.contains("denied") };

@id("writing-asks-finance") @owner("finance") @reason("Finance answers.")
forbid (principal, action == Tollgate::Action::"elicit_input", resource == Tollgate::Tool::"box__write")
unless { context.approval.roles.contains(Tollgate::Role::"finance") };

@id("own-answers") @owner("tests")
permit (principal, action == Tollgate::Action::"answer_input", resource)
when { principal == context.on_behalf_of || principal in context.roles };

@id("alice-calls") @owner("tests")
permit (principal == Tollgate::User::"alice", action in Tollgate::Action::"call", resource);
"#;

/// The longest wait on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn question(field: &str) -> Value {
    json!({
        "message": "How\u{202e} many?",
        "requestedSchema": {
            "type": "object",
            "properties": {field: {"type": "integer", "minimum": 1}},
            "required": [field],
        },
    })
}

struct Story {
    world: World,
    gate: Gate,
    scripted: Scripted,
}

impl Story {
    async fn new(config: &str) -> Self {
        let scripted = Scripted::new();
        let world = World::new(ELICITATION);
        let config = format!("{}{UPSTREAM}\n{config}", world.read("tollgate.toml"));
        let config = config.replace(
            "command = [\"scripted\"]",
            "command = [\"scripted\"]\nelicitation = true",
        );
        let expires = "[approvals]\nelicitation_expires = \"10m\"";
        let config = config.replace("[approvals]", expires);
        world.write("tollgate.toml", &config);
        let seen = seen(&world, &scripted).await;
        let (config, options) = (world.config(), options(&world, &scripted));
        let alice = user("alice");
        let gate = Gate::open_accepting(config, options, &alice, &seen);
        let gate = gate.await.unwrap();
        Self {
            world,
            gate,
            scripted,
        }
    }

    /// A call of `tool` by `caller`, whose server asks this first.
    fn call(&self, caller: Caller, tool: &str, question: Value) -> tokio::task::JoinHandle<Answer> {
        self.scripted.script().asks.push(question);
        let (gate, tool) = (self.gate.clone(), tool.to_owned());
        tokio::spawn(async move {
            let request = CallRequest {
                tool,
                arguments: READ.into(),
            };
            gate.call(&caller, &named("r"), request).await
        })
    }

    /// The question that waits for a person.
    async fn asked(&self) -> ApprovalRow {
        let begun = Instant::now();
        loop {
            let pending = self.gate.ledger().reader();
            let pending = pending.approvals(&ApprovalFilter::pending()).unwrap();
            if let Some(row) = pending.into_iter().next() {
                return row;
            }
            assert!(begun.elapsed() < PATIENCE, "no person is asked");
            tokio::task::yield_now().await;
        }
    }

    async fn answer(
        &self,
        by: &str,
        id: ApprovalId,
        action: ElicitationAction,
        content: Value,
    ) -> Result<ApprovalResult, ApprovalError> {
        self.answer_by_token_of(by, id, action, content, &[]).await
    }

    async fn answer_by_token_of(
        &self,
        by: &str,
        id: ApprovalId,
        action: ElicitationAction,
        content: Value,
        makers: &[&str],
    ) -> Result<ApprovalResult, ApprovalError> {
        let makers: BTreeSet<String> = makers.iter().map(|maker| (*maker).to_owned()).collect();
        let response = ElicitationResponse {
            action,
            input: match content {
                Value::Object(values) => GivenInput::Values(values),
                _ => GivenInput::Nothing,
            },
            seen: None,
            note: None,
            channel: "rest",
            token_makers: &makers,
        };
        self.gate.answer_elicitation(&user(by), id, response).await
    }

    fn state(&self, id: ApprovalId) -> ApprovalState {
        let row = self.gate.ledger().reader().approval(id).unwrap();
        row.unwrap().state
    }

    fn got(&self) -> Vec<Result<Value, String>> {
        self.scripted.script().got.clone()
    }

    /// Outcomes of decisions about what servers ask, in order.
    fn decided(&self, answer: &Answer) -> Vec<Outcome> {
        let records = records(&self.gate, answer.run.unwrap()).into_iter();
        let decided = records.filter_map(|record| match record.event {
            Event::Decision(decision) if decision.action == Action::ElicitInput => {
                Some(decision.outcome)
            }
            _ => None,
        });
        decided.collect()
    }

    fn answers(&self, answer: &Answer) -> Vec<ApprovalAnswered> {
        let records = records(&self.gate, answer.run.unwrap()).into_iter();
        let answers = records.filter_map(|record| match record.event {
            Event::ApprovalAnswered(answered) => Some(answered),
            _ => None,
        });
        answers.collect()
    }
}

use ElicitationAction::{Accept, Cancel, Decline};

#[tokio::test]
async fn a_person_answers_and_the_server_gets_what_fits_the_form() {
    let story = Story::new("").await;
    let calling = story.call(agent("support"), "box__read", question("seats"));
    let row = story.asked().await;
    let summary = row.elicitation.as_ref().unwrap();
    assert_eq!(
        (summary.upstream.as_str(), summary.mode),
        ("box", ElicitationMode::Form)
    );
    let view = story.gate.approval(&user("alice"), row.id).await.unwrap();
    let shown = view.question.unwrap();
    assert_eq!(shown.fields[0].name, "seats");
    assert!(!shown.message.contains('\u{202e}'));
    assert!(!view.arguments.unwrap().contains('\u{202e}'));

    let wrong = story
        .answer("alice", row.id, Accept, json!({"seats": 0}))
        .await;
    assert!(matches!(wrong, Err(ApprovalError::Input(_))), "{wrong:?}");
    assert_eq!(story.got(), [], "nothing has reached the server");
    let taken = story
        .answer("alice", row.id, Accept, json!({"seats": 73_519.0}))
        .await;
    assert_eq!(taken.unwrap().state, ApprovalState::Approved);
    let answer = calling.await.unwrap();
    assert!(is_released(&answer), "{answer:?}");
    assert_eq!(
        story.got(),
        [Ok(
            json!({"action": "accept", "content": {"seats": 73_519}})
        )]
    );
    assert_eq!(story.state(row.id), ApprovalState::Consumed);
    assert_eq!(
        story.decided(&answer),
        [Outcome::Allow, Outcome::Allow],
        "asked, and sent"
    );

    let answers = story.answers(&answer);
    let answered = answers[0].elicitation.as_ref().unwrap();
    assert_eq!(
        (answers.len(), answered.action, answered.size),
        (1, Accept, 15)
    );
    assert!(answers[0].approve && answered.content.is_some());
    assert_eq!(
        answered.capture.unwrap().payload,
        None,
        "its values are not kept"
    );
    for record in records(&story.gate, answer.run.unwrap()) {
        let text = serde_json::to_string(&record).unwrap();
        assert!(!text.contains("73519") && !text.contains("many?"), "{text}");
    }
    let again = story
        .answer("alice", row.id, Accept, json!({"seats": 1}))
        .await;
    assert!(
        matches!(again, Err(ApprovalError::Resolved { .. })),
        "{again:?}"
    );
}

#[tokio::test]
async fn nothing_is_carried_unless_it_is_configured() {
    let scripted = Scripted::new();
    let (_world, gate) = world(&scripted).await;
    scripted.script().asks.push(question("seats"));
    let answer = call(&gate, "r", "box__read", READ).await;
    assert!(is_released(&answer));
    assert!(!scripted.script().may_ask);
    let all = gate.ledger().reader().approvals(&ApprovalFilter::default());
    assert_eq!(all.unwrap(), []);
}

#[tokio::test]
async fn what_policy_denies_is_shown_to_nobody() {
    let story = Story::new("").await;
    let page = json!({"message": "Here.", "mode": "url", "url": "https://x.example/"});
    for (question, outcome) in [
        (question("denied"), Some(Outcome::Deny)),
        (page, Some(Outcome::Deny)),
        // The gate itself refuses these.
        (question("password"), None),
    ] {
        let answer = story
            .call(agent("support"), "box__read", question)
            .await
            .unwrap();
        assert!(is_released(&answer), "the call continues");
        assert_eq!(
            story.decided(&answer).last().copied(),
            outcome.or(Some(Outcome::Deny))
        );
    }
    let got: Vec<Value> = story.got().into_iter().map(Result::unwrap).collect();
    let declined = json!({"action": "decline"});
    assert_eq!(
        got,
        [declined.clone(), declined, json!({"action": "cancel"})]
    );
    let all = story
        .gate
        .ledger()
        .reader()
        .approvals(&ApprovalFilter::default());
    assert_eq!(all.unwrap(), [], "no person was asked");
    let malformed = json!({"message": "m", "requestedSchema": {"type": "array"}});
    let answer = story
        .call(agent("support"), "box__read", malformed)
        .await
        .unwrap();
    assert!(is_released(&answer));
    assert!(story.got().pop().unwrap().is_err());
}

#[tokio::test]
async fn only_a_person_who_may_answers() {
    let story = Story::new("").await;
    let calling = story.call(agent("support"), "box__read", question("seats"));
    let id = story.asked().await.id;
    let seats = || json!({"seats": 2});
    let eve = story.answer("eve", id, Accept, seats()).await;
    assert!(matches!(eve, Err(ApprovalError::Denied(_))), "{eve:?}");
    let view = story.gate.approval(&user("dana"), id).await;
    let hidden = view.map_or(true, |view| {
        view.question.is_none() && view.arguments.is_none()
    });
    assert!(hidden, "who may not answer sees nothing of it");
    // A token that eve made could be used by eve.
    let made = story
        .answer_by_token_of("alice", id, Accept, seats(), &["eve"])
        .await;
    assert!(
        matches!(made, Err(ApprovalError::TokenOfAsker { .. })),
        "{made:?}"
    );
    // The agent resumes and withdraws approvals, and this is none.
    let caller = agent("support");
    let gate = &story.gate;
    assert!(matches!(
        gate.pending_call(&caller, id),
        Err(ApprovalError::NotFound(_))
    ));
    let withdrawn = gate.withdraw(&caller, id).await;
    assert!(matches!(withdrawn, Err(ApprovalError::NotFound(_))));
    let approved = approve(gate, "dana", id).await;
    assert!(
        matches!(approved, Err(ApprovalError::Question(_))),
        "{approved:?}"
    );
    assert_eq!(
        (story.got(), story.state(id)),
        (vec![], ApprovalState::Pending)
    );
    story
        .answer("alice", id, Decline, Value::Null)
        .await
        .unwrap();
    let answer = calling.await.unwrap();
    assert_eq!(story.got(), [Ok(json!({"action": "decline"}))]);
    assert_eq!(story.state(id), ApprovalState::Rejected);
    assert!(
        is_released(&answer),
        "a refusal ends the question, not the call"
    );
    let counted: Vec<bool> = story
        .answers(&answer)
        .iter()
        .map(|a| a.took_effect)
        .collect();
    assert_eq!(counted, [false, true]);
}

#[tokio::test]
async fn who_makes_the_calls_of_a_run_never_answers_in_it() {
    let story = Story::new("").await;
    let calling = story.call(Caller::User("alice".into()), "box__read", question("seats"));
    let id = story.asked().await.id;
    for action in [Accept, Decline, Cancel] {
        let content = if action == Accept {
            json!({"seats": 2})
        } else {
            Value::Null
        };
        let own = story.answer("alice", id, action, content).await;
        assert!(
            matches!(own, Err(ApprovalError::OwnQuestion { .. })),
            "{own:?}"
        );
    }
    assert_eq!(story.state(id), ApprovalState::Pending);
    story.world.pass(600);
    story.gate.pass_time().await.unwrap();
    calling.await.unwrap();
    assert_eq!(story.got(), [Ok(json!({"action": "cancel"}))]);
}

#[tokio::test]
async fn a_policy_names_whose_answer_is_needed() {
    let story = Story::new("").await;
    let calling = story.call(agent("support"), "box__write", question("seats"));
    let row = story.asked().await;
    assert_eq!(
        row.requirement.roles(),
        BTreeSet::from(["finance".to_owned()])
    );
    let seats = || json!({"seats": 2});
    let alice = story.answer("alice", row.id, Accept, seats()).await;
    assert!(
        matches!(alice, Err(ApprovalError::RoleMissing { .. })),
        "{alice:?}"
    );
    story
        .answer("frank", row.id, Accept, seats())
        .await
        .unwrap();
    let answer = calling.await.unwrap();
    assert_eq!(story.decided(&answer), [Outcome::Escalate, Outcome::Allow]);
    assert_eq!(story.got().len(), 1);
}

#[tokio::test]
async fn what_nobody_answers_in_time_is_cancelled() {
    let story = Story::new("").await;
    let calling = story.call(agent("support"), "box__read", question("seats"));
    let id = story.asked().await.id;
    story.world.pass(599);
    story.gate.pass_time().await.unwrap();
    assert_eq!(story.state(id), ApprovalState::Pending);
    story.world.pass(1);
    story.gate.pass_time().await.unwrap();
    let answer = calling.await.unwrap();
    assert_eq!(story.state(id), ApprovalState::Expired);
    assert_eq!(story.got(), [Ok(json!({"action": "cancel"}))]);
    assert!(is_released(&answer), "the call continues");
}

#[tokio::test]
async fn a_halt_ends_what_is_asked() {
    let story = Story::new("").await;
    let calling = story.call(agent("support"), "box__read", question("seats"));
    let id = story.asked().await.id;
    let alice = user("alice");
    let halted = story.gate.halt(&alice, HaltScope::Component, "box", "stop");
    halted.await.unwrap();
    let answer = calling.await.unwrap();
    assert_eq!(outcome(&story.gate, &answer).status, Status::Halted);
    assert_eq!(story.state(id), ApprovalState::Cancelled);
    let late = story.answer("alice", id, Accept, json!({"seats": 2})).await;
    assert!(
        matches!(late, Err(ApprovalError::Resolved { .. })),
        "{late:?}"
    );
    assert_eq!(story.got(), []);
}

#[tokio::test]
async fn capture_keeps_the_fields_that_it_names() {
    let capture = "[capture.tools.\"*\"]\nanswers.\"/seats\" = \"keep\"";
    let story = Story::new(capture).await;
    let calling = story.call(agent("support"), "box__read", question("seats"));
    let id = story.asked().await.id;
    let texts = BTreeMap::from([("seats".to_owned(), vec!["42".to_owned()])]);
    let none = BTreeSet::new();
    let response = ElicitationResponse {
        action: Accept,
        input: GivenInput::Texts(texts),
        seen: None,
        note: Some("as agreed"),
        channel: "cli",
        token_makers: &none,
    };
    let alice = user("alice");
    let answered = story.gate.answer_elicitation(&alice, id, response);
    answered.await.unwrap();
    let answer = calling.await.unwrap();
    assert_eq!(
        story.got(),
        [Ok(json!({"action": "accept", "content": {"seats": 42}}))]
    );
    let reader = story.gate.ledger().reader();
    let records = reader.records_of_run(answer.run.unwrap()).unwrap();
    let kept = records
        .iter()
        .find_map(|(index, record)| match &record.event {
            Event::ApprovalAnswered(answered) => {
                Some((*index, answered.elicitation.as_ref()?.capture?))
            }
            _ => None,
        });
    let (index, kept) = kept.unwrap();
    let kept = story.gate.captured(index, kept).unwrap();
    assert_eq!(kept.as_deref(), Some(r#"{"seats":42}"#));
}
