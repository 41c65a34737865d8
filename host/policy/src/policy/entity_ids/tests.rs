use super::*;

fn names() -> BTreeSet<Uid> {
    BTreeSet::from([
        Uid::new(Kind::Component, "customers"),
        Uid::new(Kind::Component, "tickets"),
        Uid::new(Kind::Label, "private"),
    ])
}

fn configured() -> ConfiguredNames {
    ConfiguredNames {
        grants: BTreeSet::from(["customers/crm".into()]),
        config_entries: BTreeSet::from(["tickets/region".into()]),
    }
}

#[test]
fn ids_that_a_request_can_have_are_left_alone() {
    let known = names();
    let configured = configured();
    let names = KnownNames::new(&known, &configured);
    for (kind, id) in [
        (Kind::Directory, "customers/crm:/"),
        (Kind::Directory, "customers/crm:/vip"),
        (Kind::File, "customers/crm:/vip/a.json"),
        (Kind::State, "tickets/adapter:"),
        (Kind::State, "tickets/run:cursor"),
        (Kind::ConfigEntry, "tickets/region"),
        (Kind::Resource, "tickets/file:///srv/a.md"),
        (Kind::Host, "api.example.com"),
        (Kind::Host, "192.0.2.1"),
        (Kind::Host, "2001:db8::1"),
        (Kind::Domain, "example.com"),
        (Kind::Label, "private"),
        (Kind::Run, "anything"),
    ] {
        assert_eq!(names.fault(&Uid::new(kind, id)), None, "{id}");
    }
}

#[test]
fn ids_that_no_request_can_have_are_found() {
    let known = names();
    let configured = configured();
    let names = KnownNames::new(&known, &configured);
    for (kind, id, help) in [
        (Kind::Directory, "customers/crm:/vip/", "without a slash"),
        (Kind::Directory, "crm:/vip", "<component>"),
        (Kind::Directory, "customers/crm/vip", "<component>"),
        (Kind::Directory, "/vip", "<component>"),
        (Kind::Directory, "customer/crm:/vip", "`customers`"),
        (Kind::Directory, "customers/crmm:/vip", "`customers/crm`"),
        (Kind::File, "customers/crm:vip/a.json", "<component>"),
        (Kind::File, "customers/crm:/../a.json", "<component>"),
        (Kind::State, "tickets/adaptor:", "adapter"),
        (Kind::State, "ticket/adapter:", "`tickets`"),
        (Kind::Directory, "tickets/data:/", "no grants"),
        (Kind::ConfigEntry, "tickets/regoin", "\"tickets/region\""),
        (Kind::ConfigEntry, "region", "<component>"),
        (Kind::ConfigEntry, "tickets/region/eu", "<key>"),
        (Kind::ConfigEntry, "ticket/region", "`tickets`"),
        (Kind::Resource, "file:///srv/a.md", "<server>"),
        (Kind::Resource, "ticket/file:///a", "`tickets`"),
        (Kind::Host, "https://api.example.com", "\"api.example.com\""),
        (Kind::Host, "api.example.com:443", "\"api.example.com\""),
        (Kind::Host, "API.Example.com", "\"api.example.com\""),
        (Kind::Host, "*.example.com", "\"example.com\""),
        (Kind::Host, "m\u{fc}nchen.de", "ASCII"),
        (Kind::Domain, ".example.com", "\"example.com\""),
        (Kind::Domain, "example.com.", "\"example.com\""),
        (Kind::Domain, "192.0.2.1", "Host"),
        (Kind::Label, "privat", "\"private\""),
    ] {
        let fault = names.fault(&Uid::new(kind, id)).unwrap_or_default();
        assert!(fault.contains(help), "{id}: {fault}");
    }
}
