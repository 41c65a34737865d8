//! Facts about one call.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::{Kind, Uid},
    ids::RunId,
    record::CountedCalls,
};

use super::*;

fn fact(kind: FactKind, argument: &str) -> HistoryFact {
    HistoryFact {
        name: "fact".into(),
        id: Sha256Digest::of(&[]),
        line: 0,
        kind,
        of: CallSelection::default(),
        counts: CountedCalls::Started,
        argument: Some(Field::parse(argument).unwrap()),
        negative: false,
        fold: Fold::Exact,
        by: vec![Dimension::Run],
        conditions: Vec::new(),
        places: BTreeMap::new(),
        within: None,
        since: None,
        with_call: false,
    }
}

/// Looks at a call of `desk__pay` with these arguments.
fn with_call<T>(
    arguments: &Value,
    result: Option<&Value>,
    look: impl FnOnce(&CallSubject<'_>) -> T,
) -> T {
    let labels = BTreeSet::from(["egress".to_owned()]);
    let (principal, user) = (Uid::new(Kind::Agent, "a"), Uid::new(Kind::User, "u"));
    look(&CallSubject {
        arguments,
        labels: &labels,
        principal: &principal,
        result,
        run: RunId::from_bytes([1; 16]),
        tool: "desk__pay",
        user: &user,
    })
}

fn amount(ty: SumType, argument: &str, arguments: Value) -> Option<i64> {
    let fact = fact(FactKind::Sum(ty), argument);
    with_call(&arguments, None, |call| fact.addend(call)).amount
}

#[test]
fn what_is_not_a_number_is_not_added_up() {
    use SumType::{Decimal, Integer};
    for (ty, value, expected) in [
        (Integer, json!(5), Some(5)),
        (Integer, json!(-5), None),
        (Integer, json!(-0.0), Some(0)),
        (Integer, json!(5.0), Some(5)),
        (
            Integer,
            json!(9_007_199_254_740_991_i64),
            Some(9_007_199_254_740_991),
        ),
        (Integer, json!(5.5), None),
        (Integer, json!("5"), None),
        (Integer, json!(null), None),
        (Integer, json!(true), None),
        (Integer, json!([5]), None),
        (Decimal, json!(5), Some(50_000)),
        (Decimal, json!(5.25), Some(52_500)),
        (Decimal, json!(-0.5), None),
        (Decimal, json!(0.00001), None),
        (Decimal, json!("5.25"), None),
        (Decimal, json!(1e20), None),
    ] {
        let got = amount(ty, "/amount", json!({ "amount": value }));
        assert_eq!(got, expected, "{ty} {value}");
    }
    assert_eq!(amount(Integer, "/amount", json!({})), None);
    let lines = json!({ "lines": [{ "price": 2 }, { "price": 3 }] });
    assert_eq!(amount(Integer, "/lines/*/price", lines), Some(5));
    let odd = json!({ "lines": [{ "price": 2 }, { "price": "3" }] });
    assert_eq!(amount(Integer, "/lines/*/price", odd), None);
    let one = json!({ "lines": 7 });
    assert_eq!(amount(Integer, "/lines/*", one), Some(7));
    for unknown in [
        json!({}),
        json!({ "lines": null }),
        json!({ "lines": [] }),
        json!({ "lines": 5 }),
        json!({ "lines": [{ "price": 2 }, {}] }),
        json!({ "lines": [{ "price": 50_000 }, { "price": -50_000 }] }),
    ] {
        let got = amount(Integer, "/lines/*/price", unknown.clone());
        assert_eq!(got, None, "{unknown}");
    }
    let huge = json!({ "lines": [i64::MAX, i64::MAX] });
    assert_eq!(amount(Integer, "/lines/*", huge), None);
}

#[test]
fn values_are_told_apart_and_further_ones_counted() {
    let fact = fact(FactKind::Distinct, "/to/*");
    let values = |arguments: Value| {
        let addend = with_call(&arguments, None, |call| fact.addend(call));
        (addend.values.len(), addend.further)
    };
    assert_eq!(
        values(json!({ "to": ["a", "b", "a", 1, "1", 1.0] })),
        (4, 0)
    );
    assert_eq!(values(json!({ "to": "c, d, e" })), (1, 0));
    assert_eq!(values(json!({ "to": [["a", "b"], "b"] })), (2, 0));
    assert_eq!(values(json!({ "to": { "x": "a", "y": "b" } })), (2, 0));
    for none in [
        json!({}),
        json!({ "to": [] }),
        json!({ "to": null }),
        json!({ "to": [null] }),
    ] {
        assert_eq!(values(none.clone()), (0, 1), "{none}");
    }
    let many: Vec<usize> = (0..MAX_VALUES + 5).collect();
    assert_eq!(values(json!({ "to": many })), (MAX_VALUES, 5));
}

#[test]
fn a_group_is_known_where_each_argument_is_one_scalar() {
    let by = |pointer: &str| Dimension::Argument(Pointer::parse(pointer).unwrap());
    let mut fact = fact(FactKind::Count, "/x");
    fact.by = vec![Dimension::User, by("/customer"), by("/order/id")];
    let group = |arguments: Value| with_call(&arguments, None, |call| fact.group(call));
    let whole = json!({ "customer": "c1", "order": { "id": 5.0 } });
    let expected = ["Tollgate::User::\"u\"", "\"c1\"", "5"].map(str::to_owned);
    assert_eq!(group(whole), Some(expected.into()));
    for unknown in [
        json!({}),
        json!({ "customer": "c1" }),
        json!({ "customer": null, "order": { "id": 5 } }),
        json!({ "customer": ["c1"], "order": { "id": 5 } }),
        json!({ "customer": { "c1": 1 }, "order": { "id": 5 } }),
    ] {
        assert_eq!(group(unknown.clone()), None, "{unknown}");
    }
}

#[test]
fn a_tool_may_have_an_argument_elsewhere_even_in_its_result() {
    let customer = Pointer::parse("/customer").unwrap();
    let mut fact = fact(FactKind::Count, "/x");
    fact.by = vec![Dimension::Argument(customer.clone())];
    let mut place = |field: &str| {
        let own = BTreeMap::from([(customer.clone(), Field::parse(field).unwrap())]);
        fact.places = BTreeMap::from([("desk__pay".to_owned(), own)]);
        let (arguments, result) = (json!({ "customer": "a", "of": "b" }), json!({ "id": "c" }));
        [None, Some(&result)].map(|result| with_call(&arguments, result, |c| fact.group(c)))
    };
    let known = |value: &str| Some(vec![format!("\"{value}\"")]);
    assert_eq!(place("/of"), [known("b"), known("b")]);
    assert_eq!(place("result:/id"), [None, known("c")]);
}

#[test]
fn calls_are_selected_by_name_label_and_conditions() {
    let select = |names: &[&str], labels: &[&str]| CallSelection {
        names: names.iter().map(|n| (*n).to_owned()).collect(),
        labels: labels.iter().map(|l| (*l).to_owned()).collect(),
    };
    let mut fact = fact(FactKind::Count, "/x");
    let (arguments, result) = (
        json!({ "amount": 7, "currency": "EUR" }),
        json!({ "ok": true }),
    );
    for (of, expected) in [
        (select(&[], &[]), true),
        (select(&["desk__pay"], &[]), true),
        (select(&["desk__*"], &[]), true),
        (select(&["desk__payout"], &[]), false),
        (select(&[], &["egress"]), true),
        (select(&[], &["private"]), false),
        (select(&["other"], &["egress"]), true),
    ] {
        fact.of = of;
        let selected = with_call(&arguments, None, |call| fact.selects(call));
        assert_eq!(selected, expected, "{:?}", fact.of);
    }
    fact.of = CallSelection::default();
    let within = |min, max| Condition::Within { min, max };
    let one_of = |values: &[Value]| Condition::OneOf(values.to_vec());
    for (field, condition, before, after) in [
        ("/amount", within(Some(7.0), None), true, true),
        ("/amount", within(None, Some(6.0)), false, false),
        (
            "/currency",
            one_of(&[json!("USD"), json!("EUR")]),
            true,
            true,
        ),
        ("/currency", within(Some(0.0), None), false, false),
        ("/missing", one_of(&[json!("x")]), false, false),
        ("/amount", one_of(&[json!(7.0)]), true, true),
        ("result:/ok", one_of(&[json!(true)]), true, true),
        ("result:/ok", one_of(&[json!(false)]), true, false),
        ("result:/missing", one_of(&[json!(true)]), true, false),
    ] {
        fact.conditions = vec![(Field::parse(field).unwrap(), condition)];
        let selects = |result| with_call(&arguments, result, |call| fact.selects(call));
        assert_eq!(
            (selects(None), selects(Some(&result))),
            (before, after),
            "{field}"
        );
    }
}

#[test]
fn a_fact_begins_anew_when_what_it_counts_changes() {
    let one = fact(FactKind::Distinct, "/to").identified();
    let wider = HistoryFact {
        within: Some(Duration::from_secs(60)),
        line: 7,
        with_call: true,
        ..one.clone()
    };
    assert_eq!(wider.identified().id, one.id);
    for other in [
        fact(FactKind::Distinct, "/cc"),
        HistoryFact {
            counts: CountedCalls::Succeeded,
            ..one.clone()
        },
        HistoryFact {
            by: vec![Dimension::User],
            ..one.clone()
        },
        HistoryFact {
            name: "other".into(),
            ..one.clone()
        },
    ] {
        assert_ne!(other.identified().id, one.id);
    }
}

#[test]
fn a_list_at_a_place_of_one_value_counts_each_of_its_values() {
    let fact = fact(FactKind::Distinct, "/to");
    let values = |arguments: Value| {
        let addend = with_call(&arguments, None, |call| fact.addend(call));
        (addend.values.len(), addend.further)
    };
    assert_eq!(values(json!({ "to": "a" })), (1, 0));
    assert_eq!(values(json!({ "to": ["a", "b", "a"] })), (2, 0));
    assert_eq!(values(json!({ "to": [] })), (0, 1));
}

#[test]
fn a_fact_may_give_back_what_another_call_took() {
    let gives = HistoryFact {
        negative: true,
        ..fact(FactKind::Sum(SumType::Integer), "/amount")
    };
    let arguments = json!({ "amount": -5 });
    let added = with_call(&arguments, None, |call| gives.addend(call));
    assert_eq!(added.amount, Some(-5));
}

#[test]
fn texts_that_differ_in_case_and_white_space_are_one_if_the_fact_says_so() {
    let mut fact = fact(FactKind::Distinct, "/to/*");
    fact.by = vec![Dimension::Argument(Pointer::parse("/customer").unwrap())];
    let exact = fact.clone().identified().id;
    let spelled = ["C-7", "c-7", " C-7 ", "c-7\t"];
    let groups = |fact: &HistoryFact| -> BTreeSet<Option<Vec<String>>> {
        let group = |text: &&str| {
            let arguments = json!({ "customer": text, "to": [] });
            with_call(&arguments, None, |call| fact.group(call))
        };
        spelled.iter().map(group).collect()
    };
    let recipients = |fact: &HistoryFact| {
        let arguments = json!({ "customer": "a", "to": spelled });
        with_call(&arguments, None, |call| fact.addend(call))
            .values
            .len()
    };
    assert_eq!((groups(&fact).len(), recipients(&fact)), (4, 4));
    fact.fold = Fold::Case;
    assert_eq!((groups(&fact).len(), recipients(&fact)), (1, 1));
    assert_ne!(fact.identified().id, exact);
}
