//! An index that is read back makes no value safer than it was.

use proptest::prelude::*;
use serde_json::json;

use super::{empty, trust};
use crate::{
    ids::{RunId, SpanId},
    provenance::{ArgumentRoles, CallValues, Origin, ReadIndex, RestoredParts, ResultSource},
};

/// A step of one of a few calls: it starts with a value, or its result has one.
#[derive(Debug, Clone, Copy)]
struct Step {
    call: usize,
    value: usize,
    /// Whether its result is a text of strangers.
    is_text: bool,
}

const CALLS: usize = 4;
const VALUES: [&str; 4] = [
    "mallory@evil.example",
    "ann@example.com",
    "secret-note",
    "srv/app/tmp",
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..CALLS, 0..VALUES.len(), any::<bool>());
    let step = step.prop_map(|(call, value, is_text)| Step {
        call,
        value,
        is_text,
    });
    proptest::collection::vec(step, 0..16)
}

fn run(call: usize) -> RunId {
    RunId::from_bytes([u8::try_from(call % 2).unwrap() + 1; 16])
}

/// Reads the steps in their order: those at `from` and after it are read since the restart.
struct Player {
    index: ReadIndex,
    open: Vec<Option<CallValues>>,
}

impl Player {
    fn new(index: ReadIndex) -> Self {
        Self {
            index,
            open: vec![None; CALLS],
        }
    }

    /// `has_results` is false where results are not found again.
    fn play(&mut self, steps: &[Step], has_results: bool) {
        for step in steps {
            let value = VALUES[step.value];
            let Some(values) = self.open[step.call].take() else {
                let roles = ArgumentRoles::default();
                let begun =
                    self.index
                        .begin_call(run(step.call), &roles, &json!({ "note": value }));
                self.open[step.call] = Some(begun);
                continue;
            };
            if !has_results {
                continue;
            }
            let trust = trust(if step.is_text { &[] } else { &["/x"] });
            let source = ResultSource {
                call: SpanId::from_bytes([2; 8]),
                run: run(step.call),
                tool: "tool",
                trust: &trust,
                values: &values,
                is_tainted: false,
            };
            self.index.read_value(&source, &json!({ "x": value }));
        }
    }

    fn origins(&self) -> Vec<Origin> {
        let of = |value: &&str| {
            self.index
                .find(run(0), value)
                .map_or(Origin::Model, |found| found.origin)
        };
        VALUES.iter().map(of).collect()
    }
}

fn began() -> ReadIndex {
    let mut index = empty();
    index.expose();
    index
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Steps of before are read again in their order, in whole or in part; those of since are read meanwhile, or
    /// after that.
    #[test]
    fn a_restart_makes_nothing_safer(
        steps in steps(), at in 0..16_usize, during in any::<bool>(), arguments in any::<bool>(), results in any::<bool>()
    ) {
        let (before, since) = steps.split_at(at.min(steps.len()));
        let mut live = Player::new(began());
        live.play(&steps, true);

        let mut again = Player::new(began());
        again.index.begin_restoring();
        // Calls that run over the restart began in the index of before.
        if during {
            let mut meanwhile = Player::new(std::mem::replace(&mut again.index, empty()));
            meanwhile.play(since, true);
            again.index = meanwhile.index;
        }
        if arguments {
            let mut player = Player::new(empty());
            again.index.restore(|index| {
                std::mem::swap(&mut player.index, index);
                player.play(before, results);
                std::mem::swap(&mut player.index, index);
            });
            again.open = player.open;
        }
        again.index.end_restoring(RestoredParts { arguments, results });
        if !during {
            again.play(since, true);
        }
        for (value, (live, again)) in VALUES.iter().zip(live.origins().into_iter().zip(again.origins())) {
            prop_assert!(again >= live || again >= Origin::Model, "{value}: {live} became {again}");
        }
    }
}

/// What strangers wrote is passed on before a restart, and returned by a tool after it.
#[test]
fn what_may_repeat_a_lost_argument_is_not_trusted() {
    let passed_on = Step {
        call: 0,
        value: 0,
        is_text: false,
    };
    let returned = [
        Step {
            call: 1,
            value: 1,
            is_text: false,
        },
        Step {
            call: 1,
            value: 0,
            is_text: false,
        },
    ];
    for (arguments, during, expected) in [
        (true, false, Origin::Untrusted),
        (false, false, Origin::Untrusted),
        (true, true, Origin::Untrusted),
    ] {
        let mut player = Player::new(began());
        player.index.begin_restoring();
        if during {
            player.play(&returned, true);
        }
        if arguments {
            let mut earlier = Player::new(empty());
            player.index.restore(|index| {
                std::mem::swap(&mut earlier.index, index);
                earlier.play(&[passed_on], true);
                std::mem::swap(&mut earlier.index, index);
            });
        }
        player.index.end_restoring(RestoredParts {
            arguments,
            results: false,
        });
        if !during {
            player.play(&returned, true);
        }
        assert_eq!(player.origins()[0], expected, "{arguments} {during}");
    }
}

/// What an index has lost counts as what it never had, and no one vouches for what it reads then.
#[test]
fn a_lost_index_trusts_nothing_new() {
    let mut index = empty();
    let fields = trust(&["/*"]);
    let call = crate::provenance::tests::source(&fields);
    index.read_value(&call, &json!(["before@example.com"]));
    index.lose();
    index.read_value(&call, &json!(["mallory@evil.example"]));
    let run = RunId::from_bytes([1; 16]);
    let origin = |value| index.find(run, value).map(|found| found.origin);
    assert_eq!(origin("mallory@evil.example"), Some(Origin::Untrusted));
    assert_eq!(origin("before@example.com"), Some(Origin::Trusted));
    assert!(index.is_exposed() && !index.is_complete(run));
}
