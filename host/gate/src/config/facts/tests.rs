//! `[facts.NAME]`: what is read, and what mistakes say.

use std::{path::Path, time::Duration};

use tollgate_model::{
    history::{Absence, FactShape, FactType},
    record::CountedCalls,
};

use crate::{
    config::Config,
    history::{Condition, Dimension, FactKind, Field, Pointer, SumType, shapes},
};

fn parse(text: &str) -> Config {
    Config::parse(Path::new("/etc/tollgate.toml"), text).unwrap()
}

#[test]
fn a_fact_is_read_with_its_defaults() {
    let config = parse(
        r#"
[facts.refunds]
of = ["payments__refund"]
by = ["run"]

[facts.spent_by_customer]
kind = "sum"
number = "decimal"
of = ["payments__pay", "payments__transfer"]
outcome = "not_failed"
argument = "/amount"
by = ["principal", "/customer"]
within = "24h"
with_call = true
where."/currency" = ["EUR", "USD"]
where."/amount" = { min = 1 }
places.payments__transfer."/customer" = "/from"
"#,
    );
    let refunds = &config.facts["refunds"];
    assert_eq!(refunds.kind, FactKind::Count);
    assert_eq!(refunds.counts, CountedCalls::Started);
    assert_eq!(refunds.by, [Dimension::Run]);
    assert_eq!((refunds.within, refunds.line), (None, 2));
    let spent = &config.facts["spent_by_customer"];
    assert_eq!(spent.kind, FactKind::Sum(SumType::Decimal));
    assert_eq!(spent.counts, CountedCalls::NotFailed);
    assert_eq!(spent.within, Some(Duration::from_secs(24 * 3600)));
    let customer = Pointer::parse("/customer").unwrap();
    assert_eq!(
        spent.by,
        [Dimension::Principal, Dimension::Argument(customer.clone())]
    );
    assert_eq!(spent.conditions.len(), 2);
    assert_eq!(
        spent.conditions[0],
        (
            Field::parse("/amount").unwrap(),
            Condition::Within {
                min: Some(1.0),
                max: None
            }
        )
    );
    assert_eq!(
        spent.places["payments__transfer"][&customer],
        Field::parse("/from").unwrap()
    );
    let shape = |ty, absent| FactShape {
        absent,
        of_run: false,
        ty,
    };
    let shapes = shapes(&config.facts);
    let of_run = FactShape {
        of_run: true,
        ..shape(FactType::Long, None)
    };
    assert_eq!(shapes["refunds"], of_run);
    assert_eq!(
        shapes["spent_by_customer"],
        shape(FactType::Decimal, Some(Absence::Unknown))
    );
}

#[test]
fn a_fact_that_can_be_absent_is_optional() {
    let config = parse(
        r#"
[facts.of_customer]
by = ["/customer"]
within = "1h"
[facts.last]
kind = "last"
by = ["run"]
[facts.since_last]
by = ["run"]
since = "last"
[facts.since_customer]
by = ["run"]
since = "of_customer"
[facts.recipients]
kind = "distinct"
argument = "/to/*"
by = ["user"]
within = "1h"
"#,
    );
    let shapes = shapes(&config.facts);
    let absent: Vec<Option<Absence>> = shapes.values().map(|shape| shape.absent).collect();
    assert_eq!(
        absent,
        [
            Some(Absence::Never),
            Some(Absence::Unknown),
            None,
            Some(Absence::Unknown),
            Some(Absence::Never)
        ]
    );
}

#[test]
fn mistakes_name_place_and_remedy() {
    let error = |text: &str| {
        let parsed = Config::parse(Path::new("/etc/tollgate.toml"), text);
        parsed.unwrap_err().to_string()
    };
    let fact = |lines: &str| format!("[gate]\nname = \"x\"\n[facts.refunds]\n{lines}\n");
    insta::assert_snapshot!(
        [
            "[facts.\"re-funds\"]\nby = [\"run\"]".to_owned(),
            "[facts.has]\nby = [\"run\"]".to_owned(),
            fact("by = [\"run\"]\nwindow = \"1h\""),
            fact("kind = \"cuont\"\nby = [\"run\"]"),
            fact("kind = \"average\"\nby = [\"run\"]"),
            fact("outcome = \"suceeded\"\nby = [\"run\"]"),
            fact("kind = \"count\""),
            fact("by = [\"runs\"]"),
            fact("by = [\"customer\"]"),
            fact("by = [\"/items/*/id\"]\nwithin = \"1h\""),
            fact("by = [\"principal\"]"),
            fact("by = [\"principal\"]\nwithin = \"soon\""),
            fact("by = [\"principal\"]\nwithin = \"0s\""),
            fact("by = [\"principal\"]\nwithin = \"2y\""),
            fact("kind = \"sum\"\nby = [\"run\"]"),
            fact("argument = \"/amount\"\nby = [\"run\"]"),
            fact("number = \"decimal\"\nby = [\"run\"]"),
            fact("kind = \"sum\"\nnumber = \"float\"\nargument = \"/amount\"\nby = [\"run\"]"),
            fact("kind = \"sum\"\nargument = \"amount\"\nby = [\"run\"]"),
            fact("negative = true\nby = [\"run\"]"),
            fact("fold = \"cases\"\nby = [\"run\"]"),
            fact("by = [\"run\"]\nwhere.\"/a\" = {}"),
            fact("by = [\"run\"]\nwhere.\"/a\" = { least = 1 }"),
            fact("by = [\"run\"]\nwhere.\"result:/ok\" = true"),
            fact("by = [\"run\"]\nsince = \"refund\""),
            fact("by = [\"run\"]\nsince = \"refunds\""),
            fact("by = [\"run\"]\nsince = \"other\"\n[facts.other]\nby = [\"run\"]\nsince = \"refunds\""),
            fact("by = [\"user\"]\nwithin = \"1h\"\nsince = \"grant\"\n[facts.grant]\nby = [\"user\"]\nwithin = \"24h\""),
            fact("by = [\"run\"]\nwithin = \"1h\"\nsince = \"grant\"\n[facts.grant]\nby = [\"run\"]"),
        ]
        .map(|text| error(&text))
        .join("\n")
    );
}

#[test]
fn there_are_not_too_many_facts() {
    let text: String = (0..33)
        .map(|n| format!("[facts.f{n}]\nby = [\"run\"]\n"))
        .collect();
    let parsed = Config::parse(Path::new("/etc/tollgate.toml"), &text);
    let error = parsed.unwrap_err().to_string();
    assert!(error.contains("33 facts; use at most 32"), "{error}");
}

#[test]
fn what_came_after_a_call_is_counted_as_long_as_that_call_is_known() {
    for (own, since) in [
        ("", ""),
        ("", "within = \"24h\""),
        ("within = \"24h\"", "within = \"24h\""),
        ("within = \"25h\"", "within = \"24h\""),
    ] {
        parse(&format!(
            "[facts.revocations]\nby = [\"run\"]\nsince = \"grant\"\n{own}\n[facts.grant]\nby = [\"run\"]\n{since}\n"
        ));
    }
}
