//! Files of a gate: its configuration, its lock, and rules about secrets.

use std::path::Path;

use tollgate::{Config, capture::fuzzing::detectors, lock::Lock};

use super::{PACKAGE, is_readable, texts};
use crate::Target;

pub(super) const CONFIGURATION: Target = Target {
    name: "configuration",
    package: PACKAGE,
    corpus: || {
        texts(&[
            "[gate]\nname = \"desk\"\nenvironment = \"test\"\n[policies]\ndir = \"policies\"\n[agents.support]\noperator = \"alice\"\nroles = [\"clerk\"]\n[users.alice]\nroles = [\"security\"]\nlogin = \"alice\"\n",
            "[upstream.github]\ncommand = [\"github-mcp-server\", \"stdio\"]\nenv.PATH = \"/usr/bin:/bin\"\nenv.TOKEN = { secret = \"wiki\" }\nrename.\"repo.search\" = \"find\"\nlabels = [\"egress\"]\nlimits = { time = \"30s\", output = \"2MiB\" }\n[secrets.wiki]\ncommand = [\"pass\", \"show\", \"wiki\"]\n[upstream.remote]\nurl = \"https://mcp.example.com/mcp\"\ntransport = \"sse\"\nheaders.X-Team = \"support\"\n",
            "[components.tickets]\npath = \"tools/tickets.wasm\"\nsize = \"large\"\ngrants.book = { path = \"data\", mode = \"rw\", labels = [\"private\"] }\nconfig.region = \"eu\"\n[tools.tickets__read]\nnumbers.\"/amount\" = \"scaled(2)\"\nlimits = { time = \"10s\", memory = \"64MiB\" }\n",
            "[external.claude]\npreset = \"claude-code\"\n[serve]\nagent = \"support\"\nlisten = \"127.0.0.1:8420\"\n[serve.rate]\nper_second = 10\nburst = 20\n[store]\nurl = \"sqlite:.tollgate/ledger.db\"\n[export.phoenix]\nurl = \"http://127.0.0.1:6006\"\nbatch = 1000\n",
            "[hosts.\"*.example.com\"]\nlabels = [\"egress\"]\nallow_private = true\n[approvals]\nwait_timeout = \"0s\"\n[network]\ntrust = []\n[capture]\nretention = \"30d\"\n",
            "[gate]\nname = \"x\"\nenviroment = 7\n",
        ])
    },
    variants: 1_000,
    check: configuration,
};

/// A configuration that is refused says where, in few words.
fn configuration(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match Config::parse(Path::new("/srv/gate/tollgate.toml"), &text) {
        Ok(config) => {
            assert!(!config.entities().is_empty());
            assert!(config.labels().contains("untrusted"));
        }
        Err(error) => {
            let lines = text.split('\n').count();
            assert!(error.line <= lines, "{error} is in none of {lines} lines");
            let line = text
                .split('\n')
                .nth(error.line.saturating_sub(1))
                .unwrap_or_default();
            assert!(
                error.column <= line.chars().count() + 1,
                "{error} is not in {line:?}"
            );
            is_readable(&error.message, 4_000);
            is_readable(&error.help, 4_000);
        }
    }
}

pub(super) const LOCK: Target = Target {
    name: "lock",
    package: PACKAGE,
    corpus: || {
        texts(&[
            "[components.tickets]\ndigest = \"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n",
            "[upstream.box]\ndigest = \"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n[[upstream.box.tools]]\nname = \"echo\"\ndescription = \"Says it.\"\ninput_schema = '{\"type\":\"object\"}'\n[upstream.box.tools.annotations]\nread_only = true\ndestructive = false\nidempotent = false\nopen_world = true\n",
            "[components]\n[upstream]\n",
        ])
    },
    variants: 2_000,
    check: lock,
};

/// A written lock reads back equal, and definitions that were changed do not count.
fn lock(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let lock: Lock = match Lock::parse(Path::new("tollgate.lock"), &text) {
        Ok(lock) => lock,
        Err(error) => return is_readable(&error.to_string(), 4_000),
    };
    let written = toml::to_string(&lock).expect("a lock can be written");
    assert_eq!(
        Lock::parse(Path::new("tollgate.lock"), &written).unwrap(),
        lock
    );
    for upstream in lock.upstream.values() {
        if let Some(definitions) = upstream.definitions() {
            assert!(definitions.tools.len() <= upstream.tools.len());
        }
    }
}

pub(super) const GITLEAKS: Target = Target {
    name: "gitleaks",
    package: PACKAGE,
    corpus: || {
        texts(&[
            "[[rules]]\nid = \"acme\"\nregex = '''(?i)acme_([a-z0-9]{16})'''\nsecretGroup = 1\nentropy = 2.5\nkeywords = [\"acme_\"]\n\n---\nthe key is acme_q8w7e6r5t4y3u2i1 today",
            "[[rules]]\nid = \"line\"\nregex = '\\bkey=(\\S+)'\n[[rules.allowlists]]\ncondition = \"AND\"\nregexTarget = \"line\"\nregexes = ['example']\nstopwords = [\"test\"]\n\n---\nkey=abcdef example\nkey=testabc example",
            "[allowlist]\nregexes = ['.*']\n[[rules]]\nid = \"é\"\nregex = \"(\"\n\n---\nx",
            "title = \"own\"\n[extend]\nuseDefault = true\n[[rules]]\nid = \"path\"\npath = '\\.pem$'\n\n---\ny",
        ])
    },
    variants: 400,
    check: gitleaks,
};

/// Rules, and after `---` a text. What is found is removed, and nothing else.
fn gitleaks(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (rules, sample) = text
        .split_once("\n---\n")
        .unwrap_or((&text, "a key: acme_q8w7e6r5t4y3u2i1"));
    let detectors = match detectors("rules.toml", rules) {
        Ok(detectors) => detectors,
        Err(error) => return is_readable(&error.to_string(), 8_000),
    };
    let redacted = detectors.redact(sample);
    assert_eq!(
        detectors.finds(sample),
        matches!(redacted, std::borrow::Cow::Owned(_))
    );
}
