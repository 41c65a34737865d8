//! OAuth towards upstream servers: the gate's own tokens, users' logins, and servers that mean harm.

mod grant;
mod hostile;
mod logins;
mod stub;

use std::ops::ControlFlow;

use tollgate::{
    enforce::{Answer, CallRequest},
    gate::{Gate, GateOptions, compare_offers},
    identity::Caller,
    upstream::Difference,
};
use tollgate_ledger::{RecordFilter, Sync};
use tollgate_model::{canonical::Sha256Digest, record::Record};
use tollgate_server::upstream::Servers;

use tollgate_testkit::world::{World, call, named, user};

use self::stub::Stub;

const SECRET: &str = "client secret of the gate";

/// A world with the upstream server `wiki` at `url`.
fn world(url: &str, oauth: &str) -> World {
    world_with(url, oauth, "")
}

fn world_with(url: &str, oauth: &str, policies: &str) -> World {
    let world = World::new(policies);
    world.write("client", SECRET);
    let upstream = format!(
        "\n[secrets.client]\nfile = \"client\"\n[upstream.wiki]\nurl = \"{url}\"\nlabels = []\ntaints = []\n\
         limits = {{ time = \"30s\" }}\n[upstream.wiki.oauth]\n{oauth}\n"
    );
    let config = world.read("tollgate.toml");
    world.write("tollgate.toml", &(config + &upstream));
    world
}

/// The table for client credentials. `place` says where tokens come from.
fn own(place: &str) -> String {
    format!(
        "grant = \"client_credentials\"\nclient_id = \"gate\"\nclient_secret = {{ secret = \"client\" }}\n\
         scopes = [\"read\", \"write\"]\n{place}"
    )
}

/// The table for client credentials of a client that is registered at this server.
fn registered_at(issuer: &Stub) -> String {
    own(&format!("issuer = \"{}\"", issuer.origin))
}

/// The table for users' logins.
fn personal(more: &str) -> String {
    format!("grant = \"authorization_code\"\nclient_id = \"gate\"\nscopes = [\"read\"]\n{more}")
}

fn options(world: &World) -> GateOptions {
    GateOptions {
        clock: world.clock(),
        sync: Sync::Full,
        by: "tests".into(),
        connector: Servers::new(),
        ..GateOptions::default()
    }
}

/// What the server offers, or why it cannot be asked.
async fn offer(world: &World) -> Result<Difference, String> {
    let connector = Servers::new();
    let offers = compare_offers(&world.config(), connector.as_ref(), Some("wiki")).await;
    let mut offers = offers.map_err(|error| error.to_string())?;
    Ok(offers.pop().unwrap().1)
}

fn seen(difference: &Difference) -> Vec<(String, Sha256Digest)> {
    vec![("wiki".to_owned(), difference.digest)]
}

/// A gate whose server was accepted.
async fn accepted(world: &World) -> Gate {
    let offered = offer(world).await.unwrap();
    let (config, options) = (world.config(), options(world));
    let (alice, seen) = (user("alice"), seen(&offered));
    let gate = Gate::open_accepting(config, options, &alice, &seen);
    gate.await.unwrap()
}

/// A call of the agent on behalf of this user.
async fn whoami(gate: &Gate, on_behalf_of: &str) -> Answer {
    let caller = Caller::Agent {
        name: "support".into(),
        on_behalf_of: Some(on_behalf_of.into()),
    };
    let request = CallRequest {
        tool: "wiki__whoami".into(),
        arguments: "{}".into(),
    };
    gate.call(&caller, &named(on_behalf_of), request).await
}

/// All that an answer says.
fn text(answer: &Answer) -> String {
    format!("{:?} {:?}", answer.message(), answer.verdict)
}

/// Everything that the ledger's records say.
fn records(gate: &Gate) -> String {
    let mut text = String::new();
    let keep = |_, record: Record| {
        text.push_str(&format!("{record:?}"));
        ControlFlow::Continue(())
    };
    let reader = gate.ledger().reader();
    reader.records(&RecordFilter::default(), keep).unwrap();
    text
}
