//! Which policy sets load, which do not, and their diagnostics.

use super::*;
use crate::{
    policy::{self, Level},
    schema::{self, LoadedTypes},
};

/// Everything that is reported about a policy set, one line each.
fn said(policies: &str) -> Vec<String> {
    let (prefix, diagnostics) = match Pdp::load(&bundle(policies)) {
        Ok(pdp) => ("loads", pdp.warnings().to_vec()),
        Err(LoadError::Policies(diagnostics)) => ("does not load", diagnostics),
        Err(other) => panic!("{other}"),
    };
    let level = |d: &Diagnostic| {
        if d.level == Level::Error {
            "error"
        } else {
            "warning"
        }
    };
    let lines = diagnostics
        .iter()
        .map(|d| format!("  {} {}: {d}", level(d), d.code));
    std::iter::once(prefix.to_owned()).chain(lines).collect()
}

/// Each with its position: file, line and column.
#[test]
fn diagnostics() {
    let head = "@id(\"p\")\n@owner(\"ops\")\n@reason(\"r\")\n";
    let cases: Vec<(&str, String)> = vec![
        ("an empty set", String::new()),
        ("no cedar", "permit everything".into()),
        ("an error on the third line", format!("{PERMIT}\n\npermit (principal, action, resource) when {{ 1 + }};")),
        ("no id", "\n\n@owner(\"ops\") permit (principal, action, resource);".into()),
        ("an empty id", "@id(\"\") @owner(\"ops\") permit (principal, action, resource);".into()),
        ("an illegal id", "@id(\"a b\") @owner(\"ops\") permit (principal, action, resource);".into()),
        ("one id twice", format!("{PERMIT}\n{PERMIT}")),
        ("no owner", "@id(\"p\") permit (principal, action, resource);".into()),
        ("a template", format!("{head}permit (principal == ?principal, action, resource);")),
        ("an unknown tool", format!("{head}forbid (principal, action == Tollgate::Action::\"raed\", resource);")),
        ("an unknown attribute", format!("{head}forbid (principal, action in Tollgate::Action::\"call\", resource)\nwhen {{ context.run.cals > 3 }};")),
        ("an argument of another tool", format!("{head}forbid (principal, action == Tollgate::Action::\"read\", resource)\nwhen {{ context.input.amount > 3 }};")),
        ("an optional argument without `has`", format!("{head}forbid (principal, action == Tollgate::Action::\"refund\", resource)\nwhen {{ context.input.rate.lessThan(decimal(\"1.0\")) }};")),
        ("the wrong type", format!("{head}forbid (principal, action == Tollgate::Action::\"refund\", resource)\nwhen {{ context.input.amount == \"3\" }};")),
        ("an unknown entity type", format!("{head}forbid (principal in Tollgate::Group::\"x\", action, resource);")),
        ("an unknown variant", format!("{head}forbid (principal, action == Tollgate::Action::\"refund\", resource)\nwhen {{ context.input has currency && context.input.currency == Tollgate::refund::Input::currency::\"GBP\" }};")),
        ("a principal that cannot do it", format!("{head}permit (principal is Tollgate::Agent, action == Tollgate::Action::\"halt\", resource);")),
        ("a condition that is never true", format!("{head}forbid (principal is Tollgate::User, action in Tollgate::Action::\"call\", resource)\nwhen {{ principal is Tollgate::Agent }};")),
        ("an unknown annotation", "@id(\"p\") @owner(\"ops\") @reasn(\"r\") permit (principal, action, resource);".into()),
        ("a forbid without a reason", "@id(\"p\") @owner(\"ops\") forbid (principal, action, resource);".into()),
        ("an unknown mode", format!("{head}@mode(\"log\") forbid (principal, action, resource);")),
        ("an unknown severity", format!("{head}@severity(\"urgent\") forbid (principal, action, resource);")),
        ("an approval that could deny more", format!("{head}forbid (principal, action in Tollgate::Action::\"call\", resource)\nwhen {{ context.approval.count >= 1 }};")),
        ("a redaction of a call", format!("{head}@redact(\"/a\") forbid (principal, action, resource);")),
        ("a redaction without a pointer", format!("{head}@redact(\"email\") forbid (principal, action == Tollgate::Action::\"return_result\", resource);")),
        ("a misspelt role", format!("{PERMIT}\n@id(\"q\") @owner(\"securty\") @reason(\"r\")\nforbid (principal in Tollgate::Role::\"securty\", action, resource);")),
        ("a misspelt label in a condition", format!("{head}forbid (principal, action in Tollgate::Action::\"call\", resource)\nwhen {{ context.run.labels.contains(Tollgate::Label::\"privat\") }};")),
        ("an unknown tool as an entity", format!("{head}forbid (principal, action, resource == Tollgate::Tool::\"zzz\");")),
        ("every error at once", "@id(\"a\") permit (principal, action, resource);\n@id(\"b\") @owner(\"o\") permit (principal, action == Tollgate::Action::\"x\", resource);\npermit (principal, action, resource);".into()),
    ];
    let told: Vec<String> = cases
        .into_iter()
        .map(|(name, policies)| format!("{name}: {}", said(&policies).join("\n")))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_place_is_that_of_the_text() {
    let text = format!(
        "// größer\n{PERMIT}\n{}",
        policy(
            "p",
            "forbid (principal, action == Tollgate::Action::\"raed\", resource);"
        )
    );
    let Err(LoadError::Policies(diagnostics)) = Pdp::load(&bundle(&text)) else {
        panic!("it loads")
    };
    let at = |d: &Diagnostic| text.get(d.offset..d.offset + d.length).map(str::to_owned);
    assert_eq!(
        at(&diagnostics[0]).as_deref(),
        Some("Tollgate::Action::\"raed\"")
    );
    assert_eq!((diagnostics[0].line, diagnostics[0].column), (4, 30));
}

#[test]
fn an_id_is_taken_across_files() {
    let file = |name: &str| PolicyFile {
        name: name.into(),
        text: PERMIT.into(),
    };
    let bundle = Bundle::new(entities(), vec![file("a.cedar"), file("b.cedar")], tools());
    let error = Pdp::load(&bundle).unwrap_err().to_string();
    assert!(
        error.starts_with("b.cedar:1:1: the id `permit` is taken by the policy at a.cedar:1"),
        "{error}"
    );
}

#[test]
fn inconsistent_entities_do_not_load() {
    let orphan = Entity::new(uid(Kind::Agent, "lost"), [uid(Kind::Role, "ghost")]);
    let error = |extra: Vec<Entity>| {
        let entities = entities().into_iter().chain(extra).collect();
        Pdp::load(&Bundle::new(entities, vec![], tools()))
            .unwrap_err()
            .to_string()
    };
    assert!(error(vec![orphan]).contains("Tollgate::Role::\"ghost\", which does not exist"));
    let wrong = Entity::new(uid(Kind::Agent, "odd"), [uid(Kind::Label, "egress")]);
    assert!(error(vec![wrong]).starts_with("the configured entities are inconsistent"));
    let (a, b) = (uid(Kind::Directory, "a"), uid(Kind::Directory, "b"));
    let circle = vec![Entity::new(a.clone(), [b.clone()]), Entity::new(b, [a])];
    assert!(error(circle).starts_with("the configured entities are inconsistent"));
}

#[test]
fn a_tool_may_not_take_the_name_of_an_action() {
    for name in ["call", "halt", "return_result"] {
        let mut tools = tools();
        tools.insert(name.into(), tools["read"].clone());
        assert!(
            Pdp::load(&Bundle::new(entities(), vec![], tools)).is_err(),
            "{name}"
        );
    }
}

/// A bundle has the meaning of its digest, or it does not load.
#[test]
fn a_bundle_is_read_by_its_own_engine_and_schema() {
    let other = Bundle {
        cedar: "3.0.0".into(),
        ..bundle(PERMIT)
    };
    assert!(matches!(Pdp::load(&other), Err(LoadError::Engine(_))));
    let sized = policy(
        "p",
        r#"permit (principal, action == Tollgate::Action::"read_file", resource) when { context.size > 1 };"#,
    );
    let schema = schema::FIXED.replace("size: Long", "bytes: Long");
    let other = Bundle {
        schema: schema.clone(),
        ..bundle(&sized)
    };
    assert!(matches!(Pdp::load(&other), Err(LoadError::Policies(_))));
    let other = Pdp::load(&Bundle {
        schema,
        ..bundle(PERMIT)
    })
    .unwrap();
    assert_eq!(
        other.decide(&read_file(), &facts_with_file()).outcome(),
        Outcome::Error
    );
}

/// A capability was added since: its policy must not keep older decisions from being compared.
#[test]
fn policies_of_today_decide_requests_of_an_older_schema() {
    let (_, after) = schema::FIXED.split_once("  // Reading a value of").unwrap();
    let (action, _) = after.split_once("  };\n").unwrap();
    let removed = format!("  // Reading a value of{action}  }};\n");
    let config = policy(
        "config",
        r#"permit (principal, action == Tollgate::Action::"read_config", resource);"#,
    );
    let older = Bundle {
        schema: schema::FIXED.replace(&removed, ""),
        ..bundle(&format!("{PERMIT}{config}"))
    };
    assert!(matches!(Pdp::load(&older), Err(LoadError::Policies(_))));
    let now = Pdp::load_with_policies(&older).unwrap();
    assert_eq!(now.decide(&read(), &facts()).outcome(), Outcome::Allow);
    let wrong = Bundle {
        policies: bundle(&policy(
            "p",
            "permit (principal, action, resource) when { context.x };",
        ))
        .policies,
        ..older
    };
    assert!(Pdp::load_with_policies(&wrong).is_err());
}

#[test]
fn a_bundle_reads_back_as_it_was_sealed() {
    let (bytes, digest) = bundle(TRIFECTA).seal().unwrap();
    let read: Bundle = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(read, bundle(TRIFECTA));
    assert_eq!(read.seal().unwrap().1, digest);
}

/// The text that `tollgate policy schema` prints parses as the same schema.
#[test]
fn the_printed_schema_is_the_schema() {
    let inputs: BTreeMap<String, ToolInput> = tools()
        .into_iter()
        .map(|(name, types)| {
            let input =
                ToolInput::from_json_schema(&name, &types.input_schema, &types.numbers).unwrap();
            (name, input)
        })
        .collect();
    let text = schema::text(LoadedTypes::of_tools(&inputs)).unwrap();
    insta::assert_snapshot!(text);
    let (read, _) = Schema::from_cedarschema_str(&text).unwrap();
    let files = [PolicyFile {
        name: "p.cedar".into(),
        text: format!("{TRIFECTA}{PERMIT}"),
    }];
    let known = entities().into_iter().map(|e| e.uid).collect();
    policy::load(&files, &read, &known, &Default::default()).unwrap();
    let actions = |schema: &Schema| -> BTreeSet<String> {
        schema.actions().map(ToString::to_string).collect()
    };
    assert_eq!(
        actions(&read),
        actions(&schema::build(schema::FIXED, LoadedTypes::of_tools(&inputs)).unwrap())
    );
}
