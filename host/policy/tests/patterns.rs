//! The patterns of the documentation, and its answers to known risks: each decides as its cases say.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot be set up fails"
)]

use std::{collections::BTreeSet, fs, path::Path};

use tollgate_policy::{
    case::{Case, World},
    pdp::Pdp,
    policy::PolicyFile,
};

/// A section of the page: its policies and their cases.
struct Pattern {
    title: String,
    policies: String,
    cases: String,
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The block of this language in a section.
fn block(section: &str, language: &str) -> String {
    let begin = format!("```{language}\n");
    let found: Vec<&str> = section.split(begin.as_str()).skip(1).collect();
    let [block] = found.as_slice() else {
        panic!("{} blocks of {language} in {section:.60}", found.len());
    };
    block.split_once("```").unwrap().0.to_owned()
}

fn patterns(page: &str) -> Vec<Pattern> {
    let sections = page.split("\n### ").skip(1);
    let pattern = |section: &str| Pattern {
        title: section.lines().next().unwrap().to_owned(),
        policies: block(section, "cedar"),
        cases: block(section, "json"),
    };
    sections.map(pattern).collect()
}

fn starters() -> Vec<PolicyFile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let mut files: Vec<PolicyFile> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "cedar"))
        .map(|path| PolicyFile {
            name: path.file_name().unwrap().display().to_string(),
            text: fs::read_to_string(&path).unwrap(),
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn load(world: &World, policies: Vec<PolicyFile>) -> Pdp {
    Pdp::load(&world.bundle(policies)).unwrap_or_else(|error| panic!("{error:#?}"))
}

/// What goes otherwise than the cases say, and which policies decided.
fn play(pattern: &Pattern, pdp: &Pdp, world: &World) -> (Vec<String>, BTreeSet<String>) {
    let cases: Vec<Case> = serde_json::from_str(&pattern.cases)
        .unwrap_or_else(|error| panic!("{}: {error}", pattern.title));
    let (mut wrong, mut deciding) = (Vec::new(), BTreeSet::new());
    for case in cases {
        let played = case.play(pdp, &world.defaults);
        let shadow = played.answer.shadow.iter().flat_map(|s| &s.by);
        let by = played.answer.by.iter().chain(&played.answer.redacted_by);
        deciding.extend(by.chain(shadow).cloned());
        let name = &played.name;
        let title = &pattern.title;
        wrong.extend(played.wrong.iter().map(|e| format!("{title}: {name}: {e}")));
    }
    (wrong, deciding)
}

#[test]
fn patterns_decide_as_their_cases_say() {
    let patterns = patterns(&read("docs/patterns.md"));
    assert!(patterns.len() >= 20, "{} patterns", patterns.len());
    let world: World = serde_json::from_str(&read("policies/tests/world.json")).unwrap();
    let starters = starters();
    let without = load(&world, starters.clone());
    let mut problems = Vec::new();
    for pattern in &patterns {
        let mut files = starters.clone();
        files.push(PolicyFile {
            name: "pattern.cedar".to_owned(),
            text: pattern.policies.clone(),
        });
        let pdp = load(&world, files);
        for warning in pdp.warnings() {
            problems.push(format!("{}: {warning:?}", pattern.title));
        }
        let (wrong, deciding) = play(pattern, &pdp, &world);
        problems.extend(wrong);
        for (id, policy) in pdp.policies() {
            if policy.file == "pattern.cedar" && !deciding.contains(id) {
                problems.push(format!("{}: `{id}` decides no case", pattern.title));
            }
        }
        if play(pattern, &without, &world).0.is_empty() {
            problems.push(format!("{}: its cases do not need it", pattern.title));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Every risk has cases, and they hold with the starter policies alone.
#[test]
fn risks_are_met_as_their_cases_say() {
    let page = read("docs/owasp-agentic.md");
    let world: World = serde_json::from_str(&read("policies/tests/world.json")).unwrap();
    let pdp = load(&world, starters());
    let sections: Vec<&str> = page.split("\n## ").skip(1).collect();
    let mut problems = Vec::new();
    for (section, number) in sections.iter().zip(1..) {
        let title = section.lines().next().unwrap().to_owned();
        assert!(title.starts_with(&format!("ASI{number:02} ")), "{title}");
        assert!(section.contains("**Does not cover:**"), "{title}");
        let pattern = Pattern {
            cases: block(section, "json"),
            policies: String::new(),
            title,
        };
        problems.extend(play(&pattern, &pdp, &world).0);
    }
    assert_eq!(sections.len(), 10);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
