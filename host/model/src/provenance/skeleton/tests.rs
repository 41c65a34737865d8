use super::*;

#[test]
fn what_is_read_as_the_same_is_the_same() {
    let plain = folded("clara.fock-2754@olmail.com");
    for disguise in [
        "CLARA.FOCK-2754@OLMAIL.COM",
        "сlаrа.fосk-2754@оlmаil.соm",
        "clara\u{200b}.fock\u{2060}-2754@ol\u{ad}mail.com",
        "ｃｌａｒａ.fock-２７５４@olmail.com",
        "c l a r a . f o c k - 2 7 5 4 @ o l m a i l . c o m",
        "𝐜𝐥𝐚𝐫𝐚.fock-2754@olmail.com",
        "clárä.fóck-2754@olmail.com",
        "clara [.] fock-2754 (@) olmail\n.com",
    ] {
        assert_eq!(folded(disguise), plain, "{disguise}");
    }
    let tags: String = "clara.fock-2754@olmail.com"
        .chars()
        .filter_map(|c| char::from_u32(u32::from(c) + 0xe0000))
        .collect();
    assert_eq!(folded(&tags), plain);
}

#[test]
fn other_scripts_stay() {
    assert_eq!(folded("漢字"), "漢字".as_bytes());
}
