use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn a_resource_is_known_by_its_canonical_uri_and_asked_for_by_its_own() {
    let odd = json!({"uri": "FILE:///a b.md", "name": "A\u{202e}", "mimeType": "pdf", "size": 1});
    let odd = ResourceDefinition::read(&odd).unwrap();
    assert_eq!(
        (odd.uri.as_str(), odd.own_uri()),
        ("file:///a%20b.md", "FILE:///a b.md")
    );
    assert_eq!(odd.media_type, None);
    let plain = json!({"uri": "file:///a.md", "name": "a", "mimeType": "text/markdown"});
    let plain = ResourceDefinition::read(&plain).unwrap();
    assert_eq!(
        (plain.own_uri.as_ref(), plain.own_uri()),
        (None, "file:///a.md")
    );
    let text = toml::to_string(&odd).unwrap();
    assert_eq!(toml::from_str::<ResourceDefinition>(&text).unwrap(), odd);
}

#[test]
fn what_is_out_of_bounds_is_refused_alone_and_named_printably() {
    for resource in [
        json!({"name": "a"}),
        json!({"uri": "a.md", "name": "a"}),
        json!({"uri": "file:///a\u{0}", "name": "a"}),
        json!({"uri": format!("file:///{}", "a".repeat(1 << 20)), "name": "a"}),
        json!({"uri": "file:///a", "name": "n".repeat(1 << 20)}),
        json!({"uri": "file:///a"}),
        json!(7),
    ] {
        let (shown, problem) = ResourceDefinition::read(&resource).unwrap_err();
        assert!(shown.len() < 400 && !problem.is_empty(), "{shown}");
    }
    for template in [
        json!({"name": "a"}),
        json!({"uriTemplate": "{x}", "name": "a"}),
        json!({"uriTemplate": "file:///{x}\n", "name": "a"}),
    ] {
        assert!(TemplateDefinition::read(&template).is_err(), "{template}");
    }
    let template = json!({"uriTemplate": "file:///srv/{path}{?q}", "name": "a"});
    assert_eq!(
        TemplateDefinition::read(&template).unwrap().prefix(),
        "file:///srv/"
    );
}

proptest! {
    /// Any entry is refused, or can be pinned.
    #[test]
    fn an_entry_can_be_pinned_or_is_refused(uri in ".{0,60}", name in ".{0,60}") {
        for uri in [uri.clone(), format!("note:{uri}")] {
            if let Ok(resource) = ResourceDefinition::read(&json!({"uri": uri, "name": name})) {
                prop_assert!(resource.uri.bytes().all(|b| b.is_ascii_graphic()));
                let text = toml::to_string(&resource).unwrap();
                prop_assert_eq!(toml::from_str::<ResourceDefinition>(&text).unwrap(), resource);
            }
        }
    }
}
