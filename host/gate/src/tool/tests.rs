use serde_json::json;
use tollgate_model::provenance::PointerPattern;

use super::*;

fn provenance(operators: &[(&str, Trust)]) -> ToolProvenance {
    let fields = operators
        .iter()
        .map(|(pointer, trust)| (PointerPattern::parse(pointer).unwrap(), *trust));
    ToolProvenance {
        asked_by: Vec::new(),
        roles: ArgumentRoles::default(),
        trust: FieldTrust::new(Trust::Untrusted, fields.collect()),
        argument_names: DeclaredNames::default(),
        result_names: DeclaredNames::default(),
    }
}

/// A definition is not trusted: it can take trust away, and give it only if the operator trusts it.
#[test]
fn marks_as_trusted_hold_only_where_the_operator_trusts_the_schema() {
    let schema = json!({ "properties": {
        "id": { "dev.tollgate/trust": "trusted" },
        "body": { "dev.tollgate/trust": "untrusted" },
    } });
    let marks = |is_trusted: bool| {
        let mut provenance = provenance(&[]);
        provenance.read_output_schema(&schema, is_trusted);
        let rules = provenance.trust.rules().iter();
        let mut rules: Vec<_> = rules.map(|r| (r.pattern.to_string(), r.trust)).collect();
        rules.sort_by_key(|(pattern, _)| pattern.clone());
        assert_eq!(provenance.result_names.redact("/id/other"), "/id/*");
        rules
    };
    assert_eq!(marks(false), [("/body".to_owned(), Trust::Untrusted)]);
    assert_eq!(
        marks(true),
        [
            ("/body".to_owned(), Trust::Untrusted),
            ("/id".to_owned(), Trust::Trusted),
        ]
    );
}
