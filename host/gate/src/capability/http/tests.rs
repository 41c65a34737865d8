use super::*;

fn destination(host: &str, is_address: bool) -> Destination {
    Destination {
        host: host.into(),
        is_address,
        is_private: false,
        scheme: "https".into(),
        port: 443,
        labels: BTreeSet::from(["egress".to_owned()]),
    }
}

#[test]
fn a_host_is_in_every_domain_above_it() {
    let lines = |entities: Vec<Entity>| -> Vec<String> {
        let line = |e: &Entity| {
            let parents: Vec<String> = e
                .parents
                .iter()
                .map(|p| format!("{}:{}", p.kind.name(), p.id))
                .collect();
            format!(
                "{}:{} in {}",
                e.uid.kind.name(),
                e.uid.id,
                parents.join(" ")
            )
        };
        entities.iter().map(line).collect()
    };
    assert_eq!(
        lines(host_entities(&destination("api.example.com", false))),
        [
            "Domain:com in ",
            "Domain:example.com in Domain:com",
            "Domain:api.example.com in Domain:example.com",
            "Host:api.example.com in Domain:api.example.com Label:egress",
        ]
    );
    assert_eq!(
        lines(host_entities(&destination("localhost", false))).len(),
        2
    );
    assert_eq!(
        lines(host_entities(&destination("10.0.0.1", true))),
        ["Host:10.0.0.1 in Label:egress"]
    );
}
