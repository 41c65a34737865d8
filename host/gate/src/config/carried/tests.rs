use std::path::Path;

use super::super::Config;
use super::*;

fn read(text: &str) -> Result<CarriedFeatures, String> {
    let text = format!("[upstream.up]\ncommand = [\"x\"]\n{text}");
    let config = Config::parse(Path::new("/x/tollgate.toml"), &text);
    let config = config.map_err(|e| e.to_string())?;
    Ok(config.upstreams["up"].carried.clone())
}

#[test]
fn nothing_is_carried_unless_it_is_configured() {
    assert_eq!(read("").unwrap(), CarriedFeatures::default());
    let all = read("instructions = true\nprompts = true\nresources = true").unwrap();
    assert!(all.instructions && all.prompts.takes("x") && all.resources.takes_uri("a:b"));
    let some = read("prompts = [\"a\"]\nresources = [\"file:///srv/*\"]").unwrap();
    assert!(some.prompts.takes("a") && !some.prompts.takes("b"));
    assert!(some.resources.takes_uri("file:///srv/x"));
    assert!(!some.resources.takes_uri("file:///etc/x"));
    assert!(!read("prompts = false").unwrap().prompts.is_any());
}

#[test]
fn a_pattern_that_matches_nothing_is_refused_with_a_remedy() {
    for (pattern, remedy) in [
        ("*", "resources = true"),
        ("/srv/*", "file:///srv/*"),
        ("FILE:///srv/*", "\"file:///srv/*\""),
        ("file:///srv/../etc/*", "\"file:///etc/*\""),
    ] {
        let error = read(&format!("resources = [{pattern:?}]")).unwrap_err();
        assert!(error.contains(remedy), "{error}");
    }
}
