use std::path::Path;

use super::super::Config;
use super::*;

const BEGIN: &str = "[users.dana]\n[users.carol]\n[secrets.signing]\nenv = \"SIGNING\"\n\
                     [serve]\nhosts = [\"gate.example.com\"]\n";
const TO_SLACK: &str =
    "[approvals.webhook]\nurl = \"https://hooks.slack.com/services/T/B/x\"\nformat = \"slack\"\n";
const TO_OTHERS: &str =
    "[approvals.webhook]\nurl = \"https://hooks.example.com\"\nsecret = \"signing\"\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("/etc/tollgate.toml"), text)
}

/// `[approvals.slack]` with one line instead of the one that begins with the same key, and these people.
fn slack(line: &str, people: &str) -> String {
    let lines = [
        "signing_secret = \"signing\"",
        "app = \"A0123\"",
        "team = \"T0123\"",
        "channels = [\"C0123\"]",
        line,
    ];
    let key = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let mut table = String::from("[approvals.slack]\n");
    for (place, other) in lines.iter().enumerate() {
        let is_replaced = place < 4 && key(other) == key(line);
        if !is_replaced && !other.is_empty() {
            table.push_str(&format!("{other}\n"));
        }
    }
    format!("{BEGIN}{TO_SLACK}{table}[approvals.slack.users]\n{people}\n")
}

fn links(webhook: &str, links: &str) -> String {
    format!("{BEGIN}{webhook}[approvals.links]\n{links}\n")
}

#[test]
fn slack_maps_people_to_users() {
    let text = slack(
        "enterprise = \"E0123\"",
        "U0123 = \"dana\"\nW0456 = \"carol\"",
    );
    let config = parse(&text).unwrap().approvals.slack.unwrap();
    assert_eq!(config.signing_secret, "signing");
    assert_eq!(config.users["U0123"], "dana");
    assert_eq!(config.users["W0456"], "carol");
    assert_eq!(config.enterprise.as_deref(), Some("E0123"));
    assert!(!config.show_arguments, "arguments stay here by default");
}

#[test]
fn links_have_users_and_a_place() {
    let text = links(
        TO_OTHERS,
        "base_url = \"https://gate.example.com/tollgate/\"\nusers = [\"dana\", \"carol\"]\nexpires = \"20m\"",
    );
    let config = parse(&text).unwrap().approvals.links.unwrap();
    assert_eq!(config.expires, Some(Duration::from_secs(1200)));
    assert_eq!(
        config.url("lnk"),
        "https://gate.example.com/tollgate/v1/answer/lnk"
    );
    let local = links(
        TO_OTHERS,
        "base_url = \"http://127.0.0.1:8420\"\nusers = [\"dana\"]",
    );
    assert!(parse(&local).is_ok());
    let alone = links(
        TO_SLACK,
        "base_url = \"https://gate.example.com\"\nusers = [\"dana\"]",
    );
    assert!(parse(&alone).is_ok(), "one user reads that channel alone");
    let both = format!(
        "{}[approvals.links]\nbase_url = \"https://gate.example.com\"\nusers = [\"dana\"]\n",
        slack("", "U0123 = \"dana\"")
    );
    assert!(parse(&both).is_ok(), "that user's buttons are theirs, too");
}

#[test]
fn mistakes_name_place_and_remedy() {
    let dana = "U0123 = \"dana\"";
    let without_webhook = slack("", dana).replace(TO_SLACK, "");
    let to_others = slack("", dana).replace(TO_SLACK, TO_OTHERS);
    let base = "base_url = \"https://gate.example.com\"\n";
    let texts = [
        without_webhook,
        to_others,
        slack("signing_secret = \"singing\"", dana),
        slack("app = \"tollgate\"", dana),
        slack("team = \"acme\"", dana),
        slack("enterprise = \"acme\"", dana),
        slack("channels = [\"#approvals\"]", dana),
        slack("channels = []", dana),
        slack("", ""),
        slack("", "dana = \"dana\""),
        slack("", "U0123 = \"dan\""),
        slack("token = \"x\"", dana),
        links("", &format!("{base}users = [\"dana\"]")),
        links(TO_OTHERS, &format!("{base}users = []")),
        links(TO_OTHERS, &format!("{base}users = [\"dan\"]")),
        links(TO_SLACK, &format!("{base}users = [\"dana\", \"carol\"]")),
        format!(
            "{}[approvals.links]\n{base}users = [\"dana\"]\n",
            slack("", "U0123 = \"dana\"\nU0456 = \"carol\"")
        ),
        format!(
            "{}[approvals.links]\n{base}users = [\"dana\"]\n",
            slack("", "U0456 = \"carol\"")
        ),
        links(
            TO_OTHERS,
            &format!("{base}users = [\"dana\"]\nexpires = \"5s\""),
        ),
        links(
            TO_OTHERS,
            "base_url = \"http://gate.example.com\"\nusers = [\"dana\"]",
        ),
        links(
            TO_OTHERS,
            "base_url = \"https://other.example.com\"\nusers = [\"dana\"]",
        ),
        links(
            TO_OTHERS,
            "base_url = \"https://gate.example.com/?a=b\"\nusers = [\"dana\"]",
        ),
    ];
    let errors = texts.map(|text| parse(&text).unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n"));
}
