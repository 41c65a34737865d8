//! The read models are a function of the records: rebuilding them changes nothing, after any sequence of
//! events.

use proptest::prelude::*;
use tollgate_model::record::{BundleActivated, CallInvalid, DecisionRecord};

use super::{
    history::{decision_entries, outcome_entries, provisional, totals, with_entries},
    *,
};

/// An action of a gate, valid or not. Numbers select existing objects.
#[derive(Debug, Clone)]
enum Act {
    Begin {
        key: Option<u8>,
        label: Option<u8>,
    },
    Call {
        run: usize,
        outcome: Outcome,
        args: u8,
        start: bool,
    },
    Invalid {
        run: usize,
    },
    Close {
        call: usize,
        status: Status,
        effective: bool,
        label: Option<u8>,
    },
    Escalate {
        run: usize,
        args: u8,
    },
    Answer {
        approval: usize,
        approve: bool,
        effect: bool,
        link: Option<usize>,
    },
    Issue {
        approval: usize,
    },
    Revoke {
        link: usize,
    },
    Resolve {
        approval: usize,
        state: ApprovalState,
    },
    Resume {
        approval: usize,
        outcome: Outcome,
    },
    Write {
        run: usize,
        file: u8,
        label: u8,
    },
    End {
        run: usize,
    },
    Halt {
        name: u8,
        lift: bool,
    },
    Activate,
    Wait {
        minutes: u64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let outcome =
        prop_oneof![4 => Just(Outcome::Allow), 1 => Just(Outcome::Deny), 1 => Just(Outcome::Error)];
    let status = prop_oneof![
        4 => Just(Status::Ok),
        2 => Just(Status::ToolError),
        1 => Just(Status::Trap),
        1 => Just(Status::Indeterminate),
        1 => Just(Status::Pending),
    ];
    let state = prop::sample::select(ApprovalState::ALL);
    let label = prop::option::of(0..4_u8);
    prop_oneof![
        3 => (prop::option::of(0..3_u8), label.clone()).prop_map(|(key, label)| Act::Begin { key, label }),
        8 => (any::<usize>(), outcome.clone(), 0..5_u8, prop::bool::weighted(0.9))
            .prop_map(|(run, outcome, args, start)| Act::Call { run, outcome, args, start }),
        1 => any::<usize>().prop_map(|run| Act::Invalid { run }),
        8 => (any::<usize>(), status, any::<bool>(), label)
            .prop_map(|(call, status, effective, label)| Act::Close { call, status, effective, label }),
        4 => (any::<usize>(), 0..3_u8).prop_map(|(run, args)| Act::Escalate { run, args }),
        4 => (any::<usize>(), any::<bool>(), any::<bool>(), prop::option::of(any::<usize>()))
            .prop_map(|(approval, approve, effect, link)| Act::Answer { approval, approve, effect, link }),
        4 => any::<usize>().prop_map(|approval| Act::Issue { approval }),
        2 => any::<usize>().prop_map(|link| Act::Revoke { link }),
        4 => (any::<usize>(), state).prop_map(|(approval, state)| Act::Resolve { approval, state }),
        4 => (any::<usize>(), outcome).prop_map(|(approval, outcome)| Act::Resume { approval, outcome }),
        2 => (any::<usize>(), 0..3_u8, 0..4_u8).prop_map(|(run, file, label)| Act::Write { run, file, label }),
        1 => any::<usize>().prop_map(|run| Act::End { run }),
        1 => (0..3_u8, any::<bool>()).prop_map(|(name, lift)| Act::Halt { name, lift }),
        1 => Just(Act::Activate),
        1 => (0..90_u64).prop_map(|minutes| Act::Wait { minutes }),
    ]
}

#[derive(Default)]
struct World {
    runs: Vec<RunId>,
    starts: Vec<(RunId, Record)>,
    approvals: Vec<(RunId, SpanId, ApprovalId, String)>,
    links: Vec<(LinkId, ApprovalId)>,
}

fn pick<T: Clone>(of: &[T], n: usize) -> Option<T> {
    of.get(n.checked_rem(of.len())?).cloned()
}

fn name(prefix: &str, n: u8) -> String {
    format!("{prefix}{n}")
}

/// The records of an action; none if it has no object.
fn records(script: &Script, world: &mut World, act: &Act) -> Option<Vec<Record>> {
    Some(match act {
        Act::Begin { key, label } => vec![begin(script, world, *key, *label)],
        Act::Call {
            run,
            outcome,
            args,
            start,
        } => {
            let (run, call) = (pick(&world.runs, *run)?, script.span());
            let decided = script.decide(run, call, *outcome, &name("args", *args));
            let decided = with_entries(decided, |time| decision_entries(*args, time));
            let starts = *start && *outcome == Outcome::Allow;
            decision_and_start(script, world, run, decided, starts.then_some((call, None)))
        }
        Act::Invalid { run } => vec![invalid(script, pick(&world.runs, *run)?)],
        Act::Close { .. } => vec![close(script, world, act)?],
        Act::Escalate { run, args } => {
            let (run, args) = (pick(&world.runs, *run)?, name("args", *args));
            let (call, id, records) = script.escalate(run, &args);
            world.approvals.push((run, call, id, args));
            records
        }
        Act::Answer {
            approval,
            approve,
            effect,
            link,
        } => {
            vec![answer(script, world, *approval, *approve, *effect, *link)?]
        }
        Act::Issue { approval } => vec![issue(script, world, *approval)?],
        Act::Revoke { link } => vec![revoke(script, world, *link)?],
        Act::Resolve { approval, state } => {
            let (run, call, id, _) = pick(&world.approvals, *approval)?;
            vec![script.resolve(run, call, id, *state)]
        }
        Act::Resume { approval, outcome } => {
            let (run, call, id, args) = pick(&world.approvals, *approval)?;
            let decided = script.resume(run, call, *outcome, &args);
            let decided = with_entries(decided, |time| decision_entries(1, time));
            let start = (*outcome == Outcome::Allow).then_some((call, Some(id)));
            decision_and_start(script, world, run, decided, start)
        }
        Act::Write { run, file, label } => {
            vec![write(script, pick(&world.runs, *run)?, *file, *label)]
        }
        Act::End { run } => vec![script.end(pick(&world.runs, *run)?)],
        Act::Halt { name: n, lift } => vec![script.halt(HaltScope::Tool, &name("tool", *n), *lift)],
        Act::Activate => vec![activation(script)],
        Act::Wait { minutes } => {
            script
                .time
                .fetch_add(minutes * 60_000_000, Ordering::Relaxed);
            return None;
        }
    })
}

fn close(script: &Script, world: &World, act: &Act) -> Option<Record> {
    let Act::Close {
        call,
        status,
        effective,
        label,
    } = act
    else {
        return None;
    };
    let (run, start) = pick(&world.starts, *call)?;
    let label = label_name(*label);
    let mut ended = script.outcome(run, &start, *status, &labels(label.as_ref()));
    if let Event::Outcome(outcome) = &mut ended.event {
        outcome.effective = *effective;
    }
    Some(with_entries(ended, |time| outcome_entries(*call, time)))
}

fn answer(
    script: &Script,
    world: &World,
    approval: usize,
    approve: bool,
    effect: bool,
    link: Option<usize>,
) -> Option<Record> {
    let (run, _, id, _) = pick(&world.approvals, approval)?;
    let link = link.and_then(|link| pick(&world.links, link));
    Some(match link {
        Some((link, _)) => script.answer_by(run, id, "bob", approve, link),
        None => script.answer(run, id, "bob", approve, effect),
    })
}

fn issue(script: &Script, world: &mut World, approval: usize) -> Option<Record> {
    let (_, _, id, args) = pick(&world.approvals, approval)?;
    let (link, issued) = script.issue(id, &args, "bob");
    world.links.push((link, id));
    Some(issued)
}

fn revoke(script: &Script, world: &World, link: usize) -> Option<Record> {
    let (link, approval) = pick(&world.links, link)?;
    Some(script.revoke(link, approval))
}

fn label_name(label: Option<u8>) -> Option<String> {
    label.map(|n| name("label", n))
}

fn labels(label: Option<&String>) -> Vec<&str> {
    label.into_iter().map(String::as_str).collect()
}

fn begin(script: &Script, world: &mut World, key: Option<u8>, label: Option<u8>) -> Record {
    let (label, key) = (label_name(label), key.map(|n| name("key", n)));
    let (run, started) = script.run(key.as_deref(), &labels(label.as_ref()));
    world.runs.push(run);
    started
}

/// A decision, and the start of its call, if there is one: the call, and the approval that it consumes.
fn decision_and_start(
    script: &Script,
    world: &mut World,
    run: RunId,
    decided: Record,
    start: Option<(SpanId, Option<ApprovalId>)>,
) -> Vec<Record> {
    let mut records = vec![decided];
    if let Some((call, approval)) = start {
        let start = script.start(run, call, approval);
        world.starts.push((run, start.clone()));
        records.push(start);
    }
    records
}

fn invalid(script: &Script, run: RunId) -> Record {
    let invalid = CallInvalid {
        arrival: Default::default(),
        parent: None,
        call: script.span(),
        caller_span: None,
        pointers: Vec::new(),
        principal: agent(),
        problem: "unknown_tool".into(),
        tool: "x".into(),
    };
    script.record(Some(run), Event::CallInvalid(invalid))
}

fn write(script: &Script, run: RunId, file: u8, label: u8) -> Record {
    let decision = DecisionRecord {
        action: Action::WriteFile,
        resource: Uid::new(Kind::File, name("file", file)),
        propagated_labels: BTreeSet::from([name("label", label)]),
        ..script.decision(run, script.span(), Outcome::Allow, "a")
    };
    script.record(Some(run), Event::Decision(Box::new(decision)))
}

fn activation(script: &Script) -> Record {
    let activated = BundleActivated {
        bundle: Sha256Digest::of(b"bundle"),
        by: "alice".into(),
        components: Default::default(),
        policies: 1,
        tools: 1,
    };
    script.record(None, Event::BundleActivated(activated))
}

/// Every row of every read model.
fn dump(place: &Place) -> Vec<String> {
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    let mut rows = Vec::new();
    for table in schema::READ_MODELS.iter().copied().chain(["records"]) {
        let mut select = conn
            .prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))
            .unwrap_or_else(|_| {
                conn.prepare(&format!("SELECT * FROM {table} ORDER BY 1"))
                    .unwrap()
            });
        let columns = select.column_count();
        let found = select
            .query_map([], |row| {
                let values: Vec<rusqlite::types::Value> =
                    (0..columns).map(|i| row.get(i).unwrap()).collect();
                Ok(format!("{table}: {values:?}"))
            })
            .unwrap();
        rows.extend(found.map(Result::unwrap));
    }
    rows
}

fn calls_of(world: &World) -> BTreeSet<SpanId> {
    let starts = world.starts.iter();
    let calls = starts.filter_map(|(_, start)| match &start.event {
        Event::Start(start) => Some(start.call),
        _ => None,
    });
    calls.collect()
}

fn runs_of(ledger: &Ledger, world: &World) -> Vec<Option<Run>> {
    world
        .runs
        .iter()
        .map(|run| ledger.run(*run, Some(&arguments("args1"))).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn rebuilding_changes_nothing(acts in prop::collection::vec(prop::collection::vec(act(), 1..4), 1..60)) {
        let place = Place::new();
        let options = LedgerOptions { sync: Sync::Off, cached_runs: 2, ..place.options() };
        let ledger = Ledger::open(options.clone(), T0).unwrap();
        let (script, mut world) = (Script::new(), World::default());
        block_on(async {
            for group in &acts {
                let records: Vec<Record> =
                    group.iter().filter_map(|act| records(&script, &mut world, act)).flatten().collect();
                if records.is_empty() {
                    continue;
                }
                for record in &records {
                    assert_eq!(record.leaf().unwrap(), tollgate_model::canonical::to_canonical(record).unwrap());
                }
                // Many actions are refused, which must leave nothing behind.
                let (before, count) = (ledger.size(), records.len() as u64);
                let committed = ledger.commit(batch(records)).await;
                let extend_tree = if committed.is_ok() { count } else { 0 };
                assert_eq!(ledger.size(), before + extend_tree, "{committed:?}");
                // From here on, the series are in memory.
                totals(&ledger, &script);
            }
        });
        let (live, runs) = (dump(&place), runs_of(&ledger, &world));
        let facts = totals(&ledger, &script);
        for call in calls_of(&world) {
            for [held, stored] in provisional(&ledger, &place, call) {
                // One of the two may have cleared it away.
                prop_assert!(held == stored || held.is_none() || stored.is_none(), "{held:?} {stored:?}");
            }
        }
        block_on(ledger.rebuild()).unwrap();
        prop_assert_eq!(&dump(&place), &live);
        prop_assert_eq!(&runs_of(&ledger, &world), &runs, "what was in memory is what is stored");
        prop_assert_eq!(&totals(&ledger, &script), &facts);
        ledger.reader().verify(None, |_| {}).unwrap();
        drop(ledger);
        let ledger = Ledger::open(options, T0).unwrap();
        prop_assert_eq!(&runs_of(&ledger, &world), &runs, "nor does a restart change anything");
        prop_assert_eq!(&totals(&ledger, &script), &facts);
    }
}

/// Manual changes of a read model are undone.
#[test]
fn rebuilding_undoes_tampering() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(Some("k"), &["private"]);
    let (_, _, asked) = script.escalate(run, "a");
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        ledger.commit(batch(asked)).await.unwrap();
        ledger
            .commit(batch(vec![script.halt(HaltScope::Tool, "x", false)]))
            .await
            .unwrap();
    });
    let live = dump(&place);
    place.tamper(
        "DELETE FROM run_labels; UPDATE runs SET calls = 0; UPDATE approvals SET state = 'approved'; \
         DELETE FROM halts; UPDATE records SET prev = NULL",
    );
    assert_ne!(dump(&place), live);
    block_on(ledger.rebuild()).unwrap();
    assert_eq!(dump(&place), live);
    let (_, next) = script.run(None, &[]);
    assert_eq!(
        first(block_on(ledger.commit(batch(vec![next])))),
        Ok(4),
        "and the ledger continues"
    );
}
