//! The facts that decisions see, compared with a list of all calls: random sequences of calls, outcomes, pauses and
//! restarts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_model::{history::FactValue, time::Timestamp};

use super::{Desk, call, finish, latest, long};
use crate::gate::AuthorizedCall;

const FACTS: &str = r#"
[facts.pays]
of = ["desk__pay"]
by = ["principal"]
within = "1h"
[facts.pays_of_customer]
of = ["desk__pay"]
by = ["/customer"]
within = "30m"
[facts.spent]
kind = "sum"
number = "decimal"
of = ["desk__p*"]
argument = "/amount"
by = ["user"]
within = "1h"
with_call = true
[facts.spent_in_run]
kind = "sum"
of = ["desk__pay"]
argument = "/amount"
by = ["run"]
[facts.large]
of = ["desk__pay"]
by = ["tenant"]
within = "30m"
where."/amount" = { min = 10 }
[facts.recipients]
kind = "distinct"
labels = ["egress"]
argument = "/to/*"
by = ["user"]
within = "1h"
[facts.recipients_with]
kind = "distinct"
of = ["desk__send"]
argument = "/to/*"
by = ["run"]
with_call = true
[facts.denied]
outcome = "denied"
by = ["user"]
within = "20m"
[facts.decided]
outcome = "decided"
by = ["run", "tool"]
[facts.running]
outcome = "running"
by = ["principal"]
within = "1h"
[facts.failed]
outcome = "failed"
by = ["user"]
within = "30m"
[facts.login]
kind = "last"
of = ["desk__login"]
outcome = "succeeded"
by = ["run"]
[facts.good_logins]
of = ["desk__login"]
outcome = "succeeded"
by = ["run"]
where."result:/ok" = true
[facts.since_login]
by = ["run"]
since = "login"
[facts.logins_as_customer]
of = ["desk__login"]
outcome = "succeeded"
by = ["user", "/customer"]
places.desk__login."/customer" = "result:/who"
within = "1h"
"#;

const DENY: &str = r#"
@id("denied") @owner("tests")
forbid (principal, action in [Tollgate::Action::"desk__pay", Tollgate::Action::"desk__send"], resource)
when { context.input has deny && context.input.deny };
"#;

const MINUTE: i64 = 60_000_000;

/// The time of a step, and its number.
type At = (i64, usize);

/// Whether a call succeeded, and its result; `None` is not known.
type End = Option<(bool, Value)>;

/// A call, as the test remembers it.
#[derive(Debug, Clone)]
struct Made {
    user: &'static str,
    run: String,
    tool: &'static str,
    arguments: Value,
    allowed: bool,
    decided: (i64, usize),
    /// When it ended and how: `None` is not known.
    ended: Option<(At, End)>,
}

impl Made {
    fn text(&self, name: &str) -> Option<String> {
        self.arguments.get(name)?.as_str().map(str::to_owned)
    }

    fn result(&self, name: &str) -> Option<&Value> {
        match &self.ended {
            Some((_, Some((true, result)))) => result.get(name),
            _ => None,
        }
    }

    fn succeeded(&self) -> Option<(i64, usize)> {
        match &self.ended {
            Some((at, Some((true, _)))) => Some(*at),
            _ => None,
        }
    }

    fn failed(&self) -> Option<(i64, usize)> {
        match &self.ended {
            Some((at, Some((false, _)))) => Some(*at),
            _ => None,
        }
    }

    fn started(&self) -> Option<(i64, usize)> {
        self.allowed.then_some(self.decided)
    }

    /// In ten-thousandths; `None` if it is not a number with at most four decimal places, or below zero.
    fn amount(&self) -> Option<i64> {
        let tenths = self.arguments.get("amount")?.as_f64()? * 10.0;
        #[expect(clippy::cast_possible_truncation, reason = "small")]
        let tenths = tenths as i64;
        (tenths >= 0).then_some(tenths * 1000)
    }

    fn recipients(&self) -> Vec<String> {
        let to = self.arguments.get("to").and_then(Value::as_array);
        let to = to.into_iter().flatten().filter_map(Value::as_str);
        to.map(str::to_owned).collect()
    }
}

/// All calls so far, and the one that is decided.
struct Oracle<'a> {
    made: &'a [Made],
    own: &'a Made,
    now: i64,
}

impl Oracle<'_> {
    /// The calls that count: those that have a time by `at`, within these minutes.
    fn counted(
        &self,
        at: impl Fn(&Made) -> Option<At>,
        minutes: Option<i64>,
        with: impl Fn(&Made) -> bool,
    ) -> Vec<(&Made, At)> {
        let counted = self.made.iter().filter(|made| with(made));
        let counted = counted.filter_map(|made| Some((made, at(made)?)));
        let young = |(time, _): At| minutes.is_none_or(|m| self.now - time < m * MINUTE);
        counted.filter(|(_, at)| young(*at)).collect()
    }

    fn facts(&self) -> BTreeMap<String, FactValue> {
        let own = self.own;
        let of_run = |made: &Made| (made.user, &made.run) == (own.user, &own.run);
        let of_user = |made: &Made| made.user == own.user;
        let pays = |made: &Made| made.tool == "pay";
        let started = Made::started;
        let count = |calls: Vec<(&Made, At)>| long(calls.len());
        let mut facts = BTreeMap::new();
        let mut add = |name: &str, value: Option<FactValue>| {
            if let Some(value) = value {
                facts.insert(name.to_owned(), value);
            }
        };
        add("pays", Some(count(self.counted(started, Some(60), pays))));
        let customer = own.text("customer");
        add(
            "pays_of_customer",
            customer.clone().map(|customer| {
                let same =
                    |made: &Made| pays(made) && made.text("customer").as_ref() == Some(&customer);
                count(self.counted(started, Some(30), same))
            }),
        );
        let large = |made: &Made| pays(made) && made.amount().is_some_and(|a| a >= 100_000);
        add("large", Some(count(self.counted(started, Some(30), large))));
        add("spent", self.spent(|made| pays(made) && of_user(made)));
        let in_run = self.counted(started, None, |made| pays(made) && of_run(made));
        let whole = |made: &Made| {
            made.amount()
                .filter(|a| a % 10_000 == 0)
                .map(|a| a / 10_000)
        };
        let sum: Option<Vec<i64>> = in_run.iter().map(|(made, _)| whole(made)).collect();
        add(
            "spent_in_run",
            sum.map(|all| FactValue::Long(all.iter().sum())),
        );
        self.recipients(&mut add, &of_run, &of_user);
        let denied = |made: &Made| (!made.allowed).then_some(made.decided);
        add(
            "denied",
            Some(count(self.counted(denied, Some(20), of_user))),
        );
        let decided = |made: &Made| Some(made.decided);
        let same_tool = |made: &Made| of_run(made) && made.tool == own.tool;
        add(
            "decided",
            Some(count(self.counted(decided, None, same_tool))),
        );
        // A caller that executes its call could say that it has ended, so it counts as started.
        add(
            "running",
            Some(count(self.counted(started, Some(60), |_| true))),
        );
        add(
            "failed",
            Some(count(self.counted(Made::failed, Some(30), of_user))),
        );
        self.logins(&mut add, &of_run, &of_user);
        facts
    }

    fn recipients(
        &self,
        add: &mut impl FnMut(&str, Option<FactValue>),
        of_run: &dyn Fn(&Made) -> bool,
        of_user: &dyn Fn(&Made) -> bool,
    ) {
        // A call without a recipient counts as one of its own.
        let values = |calls: Vec<(&Made, At)>, own: Option<&Made>| -> usize {
            let calls: Vec<&Made> = calls.into_iter().map(|(made, _)| made).chain(own).collect();
            let told: BTreeSet<String> = calls.iter().flat_map(|made| made.recipients()).collect();
            let without = calls.iter().filter(|made| made.recipients().is_empty());
            told.len() + without.count()
        };
        let sends = |made: &Made| made.tool == "send";
        let of_user = self.counted(Made::started, Some(60), |made| sends(made) && of_user(made));
        let to = values(of_user, None);
        add("recipients", Some(long(to)));
        let of_run = self.counted(Made::started, None, |made| sends(made) && of_run(made));
        let to = values(of_run, Some(self.own).filter(|own| sends(own)));
        add("recipients_with", Some(long(to)));
    }

    fn spent(&self, with: impl Fn(&Made) -> bool) -> Option<FactValue> {
        let calls = self.counted(Made::started, Some(60), with);
        let amounts: Option<Vec<i64>> = calls.iter().map(|(made, _)| made.amount()).collect();
        let own = match self.own.tool {
            "pay" => self.own.amount()?,
            _ => 0,
        };
        Some(FactValue::Decimal(amounts?.iter().sum::<i64>() + own))
    }

    fn logins(
        &self,
        add: &mut impl FnMut(&str, Option<FactValue>),
        of_run: &dyn Fn(&Made) -> bool,
        of_user: &dyn Fn(&Made) -> bool,
    ) {
        let logins = |made: &Made| made.tool == "login" && of_run(made);
        let last = self.counted(Made::succeeded, None, logins);
        let last = last.iter().map(|(_, at)| *at).max();
        add(
            "login",
            last.map(|(time, _)| FactValue::Datetime(Timestamp(time))),
        );
        let good = |made: &Made| logins(made) && made.result("ok") == Some(&json!(true));
        add(
            "good_logins",
            Some(long(self.counted(Made::succeeded, None, good).len())),
        );
        let since = last.map(|(_, order)| {
            let later = self.counted(Made::started, None, of_run).into_iter();
            long(later.filter(|(_, at)| at.1 > order).count())
        });
        add("since_login", since);
        let customer = match self.own.tool {
            // It is in the result, which is not known yet.
            "login" => None,
            _ => self.own.text("customer"),
        };
        let as_customer = customer.map(|customer| {
            let with = |made: &Made| {
                made.tool == "login"
                    && of_user(made)
                    && made.result("who") == Some(&json!(customer))
            };
            long(self.counted(Made::succeeded, Some(60), with).len())
        });
        add("logins_as_customer", as_customer);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Call {
        user: &'static str,
        run: u8,
        tool: &'static str,
        arguments: Value,
    },
    Finish {
        call: usize,
        failed: bool,
        result: Value,
    },
    Wait(i64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let customer =
        prop_oneof![4 => (0..2_u8).prop_map(|n| json!(format!("c{n}"))), 1 => Just(Value::Null)];
    let amount = prop_oneof![
        6 => (-4..200_i32).prop_map(|tenths| json!(f64::from(tenths) / 10.0)),
        3 => (0..20_i32).prop_map(|whole| json!(whole)),
        1 => Just(Value::Null),
    ];
    let deny = prop::bool::weighted(0.15);
    let given = |members: Vec<(&str, Value)>| -> Value {
        let members = members.into_iter().filter(|(_, value)| !value.is_null());
        members
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    };
    let pay = (customer, amount, deny).prop_map(move |(customer, amount, deny)| {
        let deny = if deny { json!(true) } else { Value::Null };
        let members = vec![("customer", customer), ("amount", amount), ("deny", deny)];
        ("pay", given(members))
    });
    let to = prop::collection::vec(0..5_u8, 0..4);
    let send = to.prop_map(|to| {
        let to: Vec<String> = to.iter().map(|n| format!("p{n}")).collect();
        ("send", json!({ "to": to }))
    });
    let login = Just(("login", json!({})));
    let user = prop_oneof![3 => Just("alice"), 1 => Just("bob")];
    let made = (user, 0..2_u8, prop_oneof![5 => pay, 3 => send, 2 => login]);
    let result =
        (0..2_u8, any::<bool>()).prop_map(|(n, ok)| json!({ "who": format!("c{n}"), "ok": ok }));
    let wait = prop_oneof![
        Just(1),
        Just(10 * MINUTE),
        Just(20 * MINUTE - 1),
        Just(20 * MINUTE),
        Just(30 * MINUTE)
    ];
    prop_oneof![
        12 => made.prop_map(|(user, run, (tool, arguments))| Step::Call { user, run, tool, arguments }),
        8 => (any::<usize>(), prop::bool::weighted(0.2), result)
            .prop_map(|(call, failed, result)| Step::Finish { call, failed, result }),
        4 => wait.prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

async fn play(steps: Vec<Step>) {
    let desk = Desk::new(FACTS, DENY);
    let mut gate = desk.open().await;
    let mut made: Vec<Made> = Vec::new();
    let mut open: Vec<(usize, AuthorizedCall)> = Vec::new();
    for (order, step) in steps.into_iter().enumerate() {
        let at = (desk.now(), order);
        match step {
            Step::Call {
                user,
                run,
                tool,
                arguments,
            } => {
                let run = format!("r{run}");
                let mut own = Made {
                    user,
                    run: run.clone(),
                    tool,
                    arguments: arguments.clone(),
                    allowed: false,
                    decided: at,
                    ended: None,
                };
                let name = format!("desk__{tool}");
                let authorized = call(&gate, user, &run, &name, &arguments).await;
                let oracle = Oracle {
                    made: &made,
                    own: &own,
                    now: at.0,
                };
                assert_eq!(
                    latest(&gate).1.history,
                    oracle.facts(),
                    "{own:?} after {made:#?}"
                );
                own.allowed = authorized.is_ok();
                open.extend(authorized.ok().map(|call| (made.len(), call)));
                made.push(own);
            }
            Step::Finish {
                call,
                failed,
                result,
            } if !open.is_empty() => {
                let (n, call) = open.remove(call % open.len());
                let content = if failed {
                    "no".to_owned()
                } else {
                    result.to_string()
                };
                finish(&gate, made[n].user, &call, failed, &content).await;
                made[n].ended = Some((at, Some((!failed, result))));
            }
            Step::Finish { .. } => {}
            Step::Wait(micros) => desk.pass(micros),
            Step::Restart => {
                gate.close().await;
                gate = desk.open().await;
                for (n, _) in open.drain(..) {
                    made[n].ended = Some((at, None));
                }
            }
        }
    }
    gate.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_call_sees_what_all_calls_before_it_did(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(play(steps));
    }
}
