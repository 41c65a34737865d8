use super::*;

#[test]
fn what_is_read_as_the_same_is_the_same() {
    let plain = folded("mark.black-2134@gmail.com");
    for disguise in [
        "MARK.BLACK-2134@GMAIL.COM",
        "mаrk.blасk-2134@gmаil.соm",
        "mark\u{200b}.black\u{2060}-2134@gm\u{ad}ail.com",
        "ｍａｒｋ.ｂｌａｃｋ-２１３４@gmail.com",
        "m a r k . b l a c k - 2 1 3 4 @ g m a i l . c o m",
        "𝐦𝐚𝐫𝐤.black-2134@gmail.com",
        "márk.bläck-2134@gmail.com",
        "mark [.] black-2134 (@) gmail\n.com",
    ] {
        assert_eq!(folded(disguise), plain, "{disguise}");
    }
    let tags: String = "mark.black-2134@gmail.com"
        .chars()
        .filter_map(|c| char::from_u32(u32::from(c) + 0xe0000))
        .collect();
    assert_eq!(folded(&tags), plain);
}

#[test]
fn other_scripts_stay() {
    assert_eq!(folded("漢字"), "漢字".as_bytes());
}
