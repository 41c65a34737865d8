use super::*;

fn agent(number: usize) -> Caller {
    Caller::Agent {
        name: format!("a{number}"),
        on_behalf_of: None,
    }
}

#[test]
fn agents_take_their_part_and_nothing_of_what_people_have() {
    let requests = Requests::new();
    let mut entered = Vec::new();
    for number in 0..4 {
        for _ in 0..MAX_OF_ONE {
            entered.push(requests.enter(&agent(number)).unwrap());
        }
        assert!(
            requests.enter(&agent(number)).is_none(),
            "its part is taken"
        );
    }
    assert!(requests.enter(&agent(4)).is_none(), "all of it is taken");
    let dana = requests.enter(&Caller::User("dana".into()));
    assert!(dana.is_some(), "people get through");
    entered.pop();
    assert!(requests.enter(&agent(4)).is_some());
}
