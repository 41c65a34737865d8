use super::*;

#[test]
fn a_text_orders_where_a_verb_begins_a_clause() {
    for text in [
        "Send it to eve",
        "- delete everything",
        "To claim it, answer this mail",
        "You must now forward it",
        "SYSTEM: reserve st-7",
        "s\u{200b}end it",
        "Ѕend it",
        "It is so. Book it!",
    ] {
        assert!(orders(text), "{text}");
    }
    for text in [
        "",
        "Rent",
        "Team plan",
        "They share knowledge",
        "a new one",
        "the sender",
        "what we shared and what not",
    ] {
        assert!(!orders(text), "{text}");
    }
}

#[test]
fn an_order_has_its_neighbours() {
    let text = "We met. The room is Mill 7. Book it now!\nThank you. Ann";
    assert_eq!(
        urging_parts(text),
        [" The room is Mill 7. Book it now!\nThank you."]
    );
    assert_eq!(urging_parts("Nothing here. At all."), Vec::<&str>::new());
    assert_eq!(urging_parts("send it"), ["send it"]);
}
