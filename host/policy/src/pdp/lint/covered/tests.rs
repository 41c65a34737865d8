use tollgate_model::entity::{Entity, Kind, Uid};

use super::*;
use crate::{pdp::Bundle, policy::PolicyFile};

/// Policies with one condition and different scopes are not compared with each other.
#[test]
fn the_number_of_comparisons_grows_with_that_of_policies() {
    let forbid = |n: usize| {
        format!(
            "@id(\"p{n}\") @owner(\"t\") @reason(\"r\") forbid (principal, action == Tollgate::Action::\"http_request\", \
             resource == Tollgate::Host::\"h{n}.example.com\") when {{ context.port == 80 }};\n"
        )
    };
    let text = (0..2_000).map(forbid).collect();
    let name = "many.cedar".into();
    let entities = vec![Entity::new(Uid::new(Kind::Component, "web"), [])];
    let bundle = Bundle::new(entities, vec![PolicyFile { name, text }], BTreeMap::new());
    let pdp = Pdp::load(&bundle).unwrap();
    let coverage = Coverage::new(&pdp);
    for position in 0..2_000 {
        assert_eq!(coverage.candidates(&pdp, position), Vec::<Position>::new());
    }
    assert!(
        coverage.compared.get() <= 4_000,
        "{}",
        coverage.compared.get()
    );
}
