use super::*;

#[test]
fn the_well_known_path_comes_first() {
    for (resource, metadata) in [
        (
            "https://gate.example/mcp",
            "https://gate.example/.well-known/oauth-protected-resource/mcp",
        ),
        (
            "https://gate.example/",
            "https://gate.example/.well-known/oauth-protected-resource",
        ),
    ] {
        assert_eq!(url(&resource.parse().unwrap()).as_str(), metadata);
    }
}
