use super::*;

#[test]
fn what_is_used_stays_and_what_is_not_goes() {
    let mut recent = TwoGenerationCache::new(2);
    for n in 0..5 {
        recent.insert(n, n * 10);
        assert_eq!(recent.get(&0), Some(&mut 0));
        assert!(recent.values().count() <= 4);
    }
    assert_eq!(recent.peek(&1), None);
    assert_eq!(recent.peek(&4), Some(&40));
    recent.remove(&4);
    assert_eq!(recent.get(&4), None);
}
